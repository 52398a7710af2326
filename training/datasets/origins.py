"""Where documents come from: the fields of an article, a page, a text.

    ArticleOrigin(fields, images) ──parse_article──┐
    PageOrigin(path or markup)    ──parse_html─────┼──> Document
    TextOrigin(text)              ──parse_text─────┤
    FileOrigin(path)              ──load_document──┘

An origin holds text and paths, so it pickles in microseconds; parsing and image files wait until the document is
made. File names of an article's images may tell its label, so the document knows them as picture-1, picture-2, ...
"""

from dataclasses import dataclass
from pathlib import Path

from docgraph import (
    Document,
    DocumentBuilder,
    Domain,
    Limits,
    Metadata,
    load_document,
    parse_article,
    parse_html,
    parse_text,
)
from docgraph.parsers.article import FIELDS
from docgraph.parsers.files import parse_bytes, read_bounded
from docgraph.parsers.text import add_paragraphs
from docgraph.records import ImageAccess


@dataclass(frozen=True, slots=True)
class ArticleOrigin:
    """Named fields of text, and image files."""

    fields: tuple[tuple[str, str], ...]
    """Name and text of every field that is there, in the order of the document."""
    images: tuple[str | bytes, ...] = ()
    """Files that were found readable, or images as bytes."""

    def document(self) -> Document:
        """Make a KEYED family of the fields; images are opened when they are needed, by names that tell nothing."""
        if any(name not in FIELDS for name, _ in self.fields):
            return self._keyed()
        document = parse_article(dict(self.fields) | {"image": [b"" for _ in self.images]})
        return document.replace(image_access=ImageAccess(fetch=ImageFiles(self.images)))

    def _keyed(self) -> Document:
        """Make an article of fields that `parse_article` does not know, in the same shape."""
        builder = DocumentBuilder()
        builder.open("article", domain=Domain.KEYED)
        for name, text in self.fields:
            builder.open("field", key=name)
            add_paragraphs(builder, text, Limits())
            builder.close()
        if self.images:
            builder.open("field", key="image", domain=Domain.SET)
            for number, _ in enumerate(self.images, 1):
                builder.leaf("image", attributes={"src": f"picture-{number}"})
            builder.close()
        builder.close()
        title = dict(self.fields).get("headline")
        return builder.build(metadata=Metadata(title=title), image_access=ImageAccess(fetch=ImageFiles(self.images)))

    def text(self) -> str:
        """Return the fields' text."""
        return "\n\n".join(text for _, text in self.fields)


@dataclass(frozen=True, slots=True)
class PageOrigin:
    """One HTML page: a file, or markup and the folder its images lie in."""

    page: str
    """Path of the file, or the markup itself if `is_markup`."""
    is_markup: bool = False
    images: str | None = None
    """Folder that images may come from; None for the page's own folder, "skip" for no images."""

    def document(self) -> Document:
        """Parse the page."""
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
        return parse_text(self.content)

    def text(self) -> str:
        """Return the text."""
        return self.content


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A file of text or Markdown, or a saved document; without an ending it is plain text."""

    path: str

    def document(self) -> Document:
        """Read and parse it."""
        path = Path(self.path)
        return load_document(path) if path.suffix else parse_bytes(read_bounded(path, Limits()), ".txt", path.name)

    def text(self) -> str:
        """Return its text, main content only where the document says what that is."""
        return self.document().main_text


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Image n of an article, known in the document as "picture-n"; picklable, reads a file at each call."""

    images: tuple[str | bytes, ...]

    def __call__(self, source: str) -> bytes:
        """Return the encoded image.

        Raises:
            OSError: the file cannot be read.
        """
        image = self.images[int(source.rpartition("-")[2]) - 1]
        return image if isinstance(image, bytes) else Path(image).read_bytes()


PictureFiles = ImageFiles  # the name in what version 0.1.0 pickled
