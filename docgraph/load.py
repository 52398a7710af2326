"""Read whatever a path holds: a page, a text, an article, a saved document, or a whole site.

    .html .htm .xhtml .xht      parse_html          .txt .text      parse_text
    .md .markdown               parse_markdown      .json           a saved document, or one article record
    a folder, .zip .warc        parse_site          any of these + .gz: unpacked first, within the limits

A file's size is checked before it is read. What a file is goes by its name; one whose first bytes say that it is no
text is refused.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from docgraph.document import Document
from docgraph.errors import DataError, LimitError, ParseError, check_type
from docgraph.file_names import readable
from docgraph.formats.json import SCHEMA, from_dict
from docgraph.limits import Limits
from docgraph.parsers.article import parse_article
from docgraph.parsers.files import HTML_SUFFIXES, PAGE_SUFFIXES, document_suffix, parse_bytes, read_bounded
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.site.read import parse_site

ARCHIVES: Final = (".zip", ".warc")
SUFFIXES: Final = (*PAGE_SUFFIXES, ".json")
"""Suffixes of the single documents that `load_document` reads; each may be followed by `.gz`."""
_HEAD: Final = 100
"""Bytes in which a saved document says that it is one."""


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
    if not os.path.exists(path):  # without an error where the name is too long
        raise ParseError(f"a document must be a file or folder that is there, but {path} is not.")
    if path.is_dir() or suffix in ARCHIVES:
        return parse_site(path, limits=limits, strict=strict, **options)
    if not path.is_file():  # whoever opened a pipe would wait for ever
        raise ParseError(f"a document must be a file or folder, but {path} is a pipe or a device.")
    if suffix == ".json":
        return _from_json(path, limits, strict, options)
    if suffix in HTML_SUFFIXES and path.suffix.lower() != ".gz":
        return parse_html(path, limits=limits, strict=strict, **options)
    if suffix not in PAGE_SUFFIXES:
        known = ", ".join((*SUFFIXES, *ARCHIVES))
        raise ParseError(f"the suffix of a document must be one of {known} (or with .gz), but {path} has {suffix!r}.")
    if options.get("images", "lazy") == "lazy":
        options["images"] = path.parent
    data = read_bounded(path, limits, strict)
    return parse_bytes(data, suffix, path.name, limits=limits, strict=strict, **options)


def is_saved(path: Path) -> bool:
    """Whether a file is a document that `to_json` wrote, by its name and its first bytes."""
    if document_suffix(path) != ".json":
        return False
    try:
        head = read_bounded(path, Limits(input_bytes=_HEAD))
    except ParseError:
        return False
    return re.match(rb'\s*\{\s*"schema":\s*"' + SCHEMA.encode() + b'"', head) is not None


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
        saved = Document.from_columns(from_dict(values))
        return saved if options.get("url") is None else saved.with_metadata(url=options["url"])
    if not isinstance(values, dict):
        raise DataError(
            f"{path} must hold a saved document or one article record, but holds a {type(values).__name__}. "
            "Call parse_article on each record of a list."
        )
    options.pop("main_only", None)  # all of an article is
    options.setdefault("images", path.parent)
    about = {"source": readable(path.name)}
    if (url := options.pop("url", None)) is not None:
        about["url"] = url
    return parse_article(values, limits=limits, strict=strict, **options).with_metadata(**about)
