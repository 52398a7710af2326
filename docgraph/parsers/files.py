"""Files to documents by what their names say, for whatever reads many of them.

    folder ─ find_files ─> paths      path ─ read_bounded ─> bytes      (bytes, suffix) ─ parse_bytes ─> Document

What a file is goes by its name; one whose first bytes say that it is no text is refused. Nothing is read past
`Limits.input_bytes`.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Any, Final

from docgraph.document import Document
from docgraph.errors import LimitError, ParseError
from docgraph.file_names import readable
from docgraph.limits import Limits
from docgraph.parsers.decode import decode
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.markdown_text import parse_markdown
from docgraph.parsers.signatures import check_is_text
from docgraph.parsers.text import parse_text
from docgraph.records import Warning

HTML_SUFFIXES: Final = (".html", ".htm", ".xhtml", ".xht")
MARKDOWN_SUFFIXES: Final = (".md", ".markdown")
TEXT_SUFFIXES: Final = (".txt", ".text")
PAGE_SUFFIXES: Final = (*HTML_SUFFIXES, *MARKDOWN_SUFFIXES, *TEXT_SUFFIXES)
"""Suffixes of pages and texts; each may be followed by `.gz` where single files are read."""


def document_suffix(path: Path) -> str:
    """Return the suffix that says what a file is: in small letters, the one before a `.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def find_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return all files under a folder by their paths, and the folders that cannot be searched.

    A symbolic link is listed like a file; one to a folder is not followed.
    """
    files: list[Path] = []
    closed: list[Path] = []
    for top, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        above = Path(top)
        files += [above / name for name in names]
        files += [above / name for name in folders if (above / name).is_symlink()]
    return sorted(files), sorted(closed)


def leads_out(file: Path, folder: Path) -> bool:
    """Whether a file that was listed under a folder is a link to one elsewhere."""
    return file.is_symlink() and not file.resolve().is_relative_to(folder.resolve())


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


def parse_bytes(data: bytes, suffix: str, name: str, *, main_only: bool = False, **options: Any) -> Document:
    """Return the document of a file's bytes.

    Args:
        suffix: one of `PAGE_SUFFIXES`.
        name: of the file, for `metadata.source`.
        main_only: of a page; all that is in a text is its main content.
        options: as the parser of the suffix takes them; `url` and `images` say nothing to a plain text.

    Raises:
        ParseError: the bytes are no text.
        LimitError: `strict` is among the options and a bound was passed.
    """
    check_is_text(data, readable(name))
    if suffix in HTML_SUFFIXES:
        return parse_html(data, main_only=main_only, **options).with_metadata(source=readable(name))
    decoded = decode(data)
    if suffix in MARKDOWN_SUFFIXES:
        document = parse_markdown(decoded.text, **options)
    else:
        document = parse_text(decoded.text, **{key: options[key] for key in options if key not in ("url", "images")})
        if (url := options.get("url")) is not None:
            document = document.with_metadata(url=url)
    if said := [Warning(code, message) for code, message in decoded.warnings()]:
        document = document.replace(warnings=(*document.warnings, *said))
    return document.with_metadata(source=readable(name), encoding=decoded.encoding, encoding_source=decoded.source)
