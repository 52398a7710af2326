"""Where documents come from: the fields of an article, a page, a text.

    ArticleOrigin(fields, images) ──parse_article──┐
    PageOrigin(path or markup)    ──parse_html─────┼──> Document
    TextOrigin(text)              ──parse_text─────┘

An origin holds text and paths, so it pickles in microseconds; parsing and picture files wait until the document is
made. An article's pictures are handed over as bytes: their file names may tell the label and must not get in.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgraph import Document
from docgraph.errors import DataError


@dataclass(frozen=True, slots=True)
class ArticleOrigin:
    """Named fields of text, and picture files."""

    fields: tuple[tuple[str, str], ...]
    """Name and text of every field that is there, in the order of the document."""
    images: tuple[str | bytes, ...] = ()
    """Files that were found readable, or pictures as bytes."""

    def document(self) -> Document:
        """Make a KEYED family of the fields."""
        from docgraph import parse_article

        values: dict[str, Any] = dict(self.fields)
        pictures = [image if isinstance(image, bytes) else _bytes_of(image) for image in self.images]
        if pictures:
            values["image"] = pictures if len(pictures) > 1 else pictures[0]
        return parse_article(values)

    def text(self) -> str:
        """Return the fields' text."""
        return "\n\n".join(text for _, text in self.fields)


@dataclass(frozen=True, slots=True)
class PageOrigin:
    """One HTML page: a file, or markup and the folder its pictures lie in."""

    page: str
    """Path of the file, or the markup itself if `is_markup`."""
    is_markup: bool = False
    images: str | None = None
    """Folder that pictures may come from; None for the page's own folder, "skip" for no pictures."""

    def document(self) -> Document:
        """Parse the page."""
        from docgraph import parse_html

        source = self.page if self.is_markup else Path(self.page)
        if self.images == "skip" or (self.is_markup and self.images is None):
            return parse_html(source, images="skip")
        return parse_html(source, images="lazy" if self.images is None else Path(self.images))

    def text(self) -> str:
        """Return the page's text, main content only where the page says what that is."""
        return self.document().main_text


@dataclass(frozen=True, slots=True)
class TextOrigin:
    """Plain text; blank lines part paragraphs."""

    content: str

    def document(self) -> Document:
        """Split the text into paragraphs and sentences."""
        from docgraph import parse_text

        return parse_text(self.content)

    def text(self) -> str:
        """Return the text."""
        return self.content


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"a picture that was there when the data set was read cannot be read any more: {error}."
        ) from error
