"""Markdown to a document: CommonMark with tables, through the HTML that it stands for.

    Markdown ─ front matter ─> Metadata
             └ markdown-it ─> HTML ─ parse_html ─> Document

HTML within the Markdown is part of the format and is read like any page: nothing in it runs, and nothing is fetched.
All of the text is what its author wrote, so no part gets a role. Where nodes stood in the generated HTML says
nothing about the input, so there are no sources. Front matter is read as plain `key: value` lines.

Source: CommonMark 0.31, GitHub Flavored Markdown 0.29 (tables, strikethrough).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from docgraph.document import Document, DocumentBuilder
from docgraph.errors import check_type
from docgraph.limits import Limits
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.text import bounded, finished

_FRONT_MATTER: Final = re.compile(r"\A---[ \t]*\n(.{0,65536}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY: Final = re.compile(r"^([A-Za-z][\w-]{0,40}):[ \t]*(.*(?:\n[ \t]*-[ \t]+.*)*)", re.MULTILINE)


def parse_markdown(
    text: str,
    *,
    url: str | None = None,
    images: str | Path | Callable[[str], bytes | None] = "lazy",
    language: str | None = None,
    limits: Limits | None = None,
    strict: bool = False,
) -> Document:
    """Return the document of a Markdown text; its root kind is "page".

    Args:
        url: where the text was found; links are resolved against it.
        images: as in `parse_html`.
        language: BCP 47 tag; else the front matter's `lang` or `language`.
        limits: bounds on what the text may cost.
        strict: raise where a bound cuts something off.

    Raises:
        LimitError: `strict` and a bound was passed.
        DataError: `text` is not a str.
    """
    check_type("text", text, str)
    from markdown_it import MarkdownIt

    limits = limits or Limits()
    builder = DocumentBuilder()
    text = bounded(builder, text.removeprefix("\ufeff"), limits)
    front, text = _front_matter(text)
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    document = parse_html(reader.render(text), url=url, images=images, limits=limits)
    language = language or front.pop("lang", None) or front.pop("language", None)
    given: dict[str, Any] = {name: front[name] for name in ("title", "date", "description") if front.get(name)}
    if authors := front.get("author") or front.get("authors"):
        given["authors"] = tuple(part.strip() for part in authors.split(",") if part.strip())
    if tags := front.get("tags"):
        given["tags"] = tuple(part.strip() for part in tags.split(",") if part.strip())
    document = document.replace(
        sources=None,
        score=None,
        role=(None,) * len(document),
        truncated=document.truncated or builder.truncated,
        warnings=(*builder.warnings, *document.warnings),
    ).with_metadata(**given, **({"language": language} if language else {}))
    if document.metadata.title is None and (headings := document.find(kind="heading")):
        document = document.with_metadata(title=" ".join(headings[0].text.split()))
    return finished(document, strict)


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the `key: value` lines of a front matter, lists joined by commas, and the text without it."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    entries: dict[str, str] = {}
    for name, value in _ENTRY.findall(found.group(1)):
        parts = [part.strip().removeprefix("-").strip() for part in value.strip("[] \t").replace("\n", ",").split(",")]
        entries[name.lower()] = ", ".join(part.strip("\"' ") for part in parts if part.strip("\"' "))
    return entries, text[found.end() :]
