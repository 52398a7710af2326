"""Read whatever a path holds: a page, a text, an article, a saved document, or a whole site.

    .html .htm .xhtml .xht      parse_html          .txt .text      parse_text
    .md .markdown               parse_markdown      .json           a saved document, or one article record
    a folder, .zip .warc        parse_site          any of these + .gz: unpacked first, within the limits

A file's size is checked before it is read. What a file is goes by its name, not by its content.
"""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final

from docgraph.document import Document
from docgraph.errors import DataError, LimitError, ParseError, check_type
from docgraph.formats.json import from_dict
from docgraph.limits import Limits
from docgraph.parsers.article import parse_article
from docgraph.parsers.decode import decode
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.markdown_text import parse_markdown
from docgraph.parsers.site.read import parse_site
from docgraph.parsers.text import parse_text

HTML_SUFFIXES: Final = (".html", ".htm", ".xhtml", ".xht")
_MARKDOWN: Final = (".md", ".markdown")
_TEXT: Final = (".txt", ".text")
_ARCHIVES: Final = (".zip", ".warc")
SUFFIXES: Final = (*HTML_SUFFIXES, *_MARKDOWN, *_TEXT, ".json")
"""Suffixes of the single documents that `load_document` reads; each may be followed by `.gz`."""


def load_document(path: str | Path, *, limits: Limits | None = None, strict: bool = False, **options: Any) -> Document:
    """Return the document that a file or folder holds.

    Args:
        options: passed on to the parser of the path's kind (`images`, `url`, `main_only`, `language`, ...).

    Raises:
        ParseError: the path does not exist, cannot be read, or has a suffix that no parser knows.
        LimitError: the file is larger than `Limits.input_bytes` and cannot be cut (JSON), or `strict` is set.
        DocumentError, DataError: the JSON is no document and no article record; `path` is no path.
    """
    check_type("path", path, str, Path)
    path, limits = Path(path), limits or Limits()
    suffix = document_suffix(path)
    if path.is_dir() or suffix in _ARCHIVES:
        return parse_site(path, limits=limits, strict=strict, **options)
    if suffix in HTML_SUFFIXES:
        source = read_bounded(path, limits, strict) if path.suffix.lower() == ".gz" else path
        if isinstance(source, bytes) and options.get("images", "lazy") == "lazy":
            options["images"] = path.parent
        document = parse_html(source, limits=limits, strict=strict, **options)
        return document if document.metadata.source else document.with_metadata(source=path.name)
    if suffix == ".json":
        return _from_json(path, limits, strict, options)
    if suffix in (*_MARKDOWN, *_TEXT):
        return _from_text(path, suffix, limits, strict, options)
    known = ", ".join((*SUFFIXES, *_ARCHIVES))
    raise ParseError(f"the suffix of a document must be one of {known} (or with .gz), but {path} has {suffix!r}.")


def document_suffix(path: Path) -> str:
    """Return the suffix that says what a file is: in small letters, the one before a `.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def read_bounded(path: Path, limits: Limits, strict: bool = False) -> bytes:
    """Return at most one byte more than `Limits.input_bytes` of a file, unpacked if it is a `.gz`.

    Raises:
        ParseError: the file cannot be read.
        LimitError: `strict` and the file is larger.
    """
    most = limits.input_bytes
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as packed:
                data = packed.read(most + 1)
        else:
            with path.open("rb") as file:
                data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ParseError(f"a document must be a file that can be read, but {path} cannot: {reason}.") from error
    if strict and len(data) > most:
        raise LimitError(f"{path} must have at most Limits.input_bytes={most} bytes, but has more.")
    return data


def _from_json(path: Path, limits: Limits, strict: bool, options: dict[str, Any]) -> Document:
    data = read_bounded(path, limits)
    if len(data) > limits.input_bytes:
        raise LimitError(
            f"{path} must have at most Limits.input_bytes={limits.input_bytes} bytes, but has more; "
            "JSON cannot be cut. Raise the limit if the source is trusted."
        )
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path} must hold JSON, but {error}.") from error
    if isinstance(values, dict) and "schema" in values:
        return Document.from_columns(from_dict(values))
    if not isinstance(values, dict):
        raise DataError(
            f"{path} must hold a saved document or one article record, but holds a {type(values).__name__}. "
            "Call parse_article on each record of a list."
        )
    options.setdefault("images", path.parent)
    document = parse_article(values, limits=limits, strict=strict, **options)
    return document.with_metadata(source=path.name)


def _from_text(path: Path, suffix: str, limits: Limits, strict: bool, options: dict[str, Any]) -> Document:
    data = read_bounded(path, limits, strict)
    decoded = decode(data)
    if suffix in _MARKDOWN:
        options.setdefault("images", path.parent)
        document = parse_markdown(decoded.text, limits=limits, strict=strict, **options)
    else:
        document = parse_text(decoded.text, limits=limits, strict=strict, **options)
    return document.with_metadata(source=path.name, encoding=decoded.encoding, encoding_source=decoded.source)
