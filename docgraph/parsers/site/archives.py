"""What folders, zip archives and WARC files hold, one file after the other, each within bounds.

    folder, .zip, .warc, .warc.gz ──> PageSource(name, url, data) ...   bad members are yielded as errors, not raised

Nothing is unpacked to disk. A member is read up to `Limits.input_bytes` whatever its header claims, so a zip bomb
costs one bounded read. In a folder a symbolic link that leads out of it is not followed. Files that are no pages are
yielded by their names alone, so that the site can say what it left out.

Sources: WARC 1.1 (ISO 28500:2017); RFC 9112 (chunked coding).
"""

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, cast

from docgraph.errors import DocgraphError, ParseError
from docgraph.file_names import readable
from docgraph.limits import Limits
from docgraph.parsers.files import HTML_SUFFIXES, PAGE_SUFFIXES, find_files, leads_out, read_bounded

BAD_ZIP: Final = (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile)
"""What `zipfile` raises for archives of hostile bytes: names that are no UTF-8, versions to come, passwords."""
_HEADER_BYTES: Final = 65_536
_LENGTH_DIGITS: Final = 18
_SKIP_BYTES: Final = 1 << 20
_UNPACKED_BYTES: Final = 100_000_000
_STATUS: Final = re.compile(rb"HTTP/\d(?:\.\d)? 200\b")
_CHUNK_HEAD: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,256}\r?\n")


class PageSource(NamedTuple):
    """A file of a site: a page before parsing, an image of a WARC file, or another file, whose data is not read."""

    name: str
    """Its path within the site, with slashes, or its address."""
    url: str | None
    """Its address, if the source knows it."""
    data: bytes
    error: DocgraphError | None = None
    """Why it could not be read; then `data` is empty."""
    kind: Literal["page", "image", "other"] = "page"


def pages_of_folder(folder: Path, limits: Limits) -> Iterator[PageSource]:
    """Yield the files under a folder, by their paths. Its HTML files are the pages, or its texts if there are none."""
    files, closed = find_files(folder)
    suffixes = page_suffixes(path.suffix.lower() for path in files)
    for path in closed:
        name = path.relative_to(folder).as_posix()
        yield PageSource(name, None, b"", ParseError(f"folder {readable(name)} cannot be searched."))
    for path in files:
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in suffixes or not (path.is_file() or path.is_symlink()):
            yield PageSource(name, None, b"", kind="other")
            continue
        try:
            if leads_out(path, folder):
                raise ParseError(f"a page must lie in the site's folder, but {readable(name)} leads out of {folder}.")
            yield PageSource(name, None, read_bounded(path, limits))
        except (OSError, RuntimeError) as error:
            yield PageSource(name, None, b"", ParseError(f"page {readable(name)} cannot be read: {error}."))
        except ParseError as error:
            yield PageSource(name, None, b"", error)


def pages_of_zip(path: Path, limits: Limits) -> Iterator[PageSource]:
    """Yield the files in a zip archive, in order of their names; pages are as in a folder.

    Raises:
        ParseError: the file is no zip archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except BAD_ZIP as error:
        raise ParseError(f"{path} must be a zip archive, but {error}.") from error
    with archive:
        names = {info.filename for info in archive.infolist() if not info.is_dir()}
        suffixes = page_suffixes(Path(name).suffix.lower() for name in names)
        for name in sorted(names):
            if Path(name).suffix.lower() not in suffixes:
                yield PageSource(name, None, b"", kind="other")
                continue
            yield member_of_zip(archive, name, path, limits)


def member_of_zip(archive: zipfile.ZipFile, name: str, path: Path, limits: Limits) -> PageSource:
    """Return one page of an open archive."""
    try:
        with archive.open(name) as file:
            return PageSource(name, None, file.read(limits.input_bytes + 1))
    except (*BAD_ZIP, EOFError, KeyError, zlib.error) as error:
        return PageSource(name, None, b"", ParseError(f"page {name} of {path} cannot be read: {error}."))


def page_suffixes(suffixes: Iterable[str]) -> tuple[str, ...]:
    """Return the suffixes of pages in a folder that has files with these."""
    return HTML_SUFFIXES if any(suffix in HTML_SUFFIXES for suffix in suffixes) else PAGE_SUFFIXES


def pages_of_warc(path: Path, limits: Limits) -> Iterator[PageSource]:
    """Yield the pages and images that a WARC file holds: responses of status 200, and resources.

    Raises:
        ParseError: the file cannot be read, or is broken at some record; what came before has been yielded.
    """
    packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            file = cast(IO[bytes], stream)
            while (headers := warc_headers(file, path)) is not None:
                yield from warc_record(file, headers, path, limits)
    except (OSError, EOFError, zlib.error) as error:
        raise ParseError(f"{path} must be a whole WARC file, but {error}.") from error


def warc_headers(file: IO[bytes], path: Path) -> dict[str, str] | None:
    """Return the headers of the next record, None at the end of the file."""
    line = file.readline(_HEADER_BYTES)
    while line in (b"\r\n", b"\n"):
        line = file.readline(_HEADER_BYTES)
    if not line:
        return None
    if not line.startswith(b"WARC/"):
        raise ParseError(f"a record of {path} must begin with WARC/, but begins with {line[:40]!r}.")
    headers = _headers(file)
    length = headers.get("content-length", "")
    if not (length.isdecimal() and len(length) <= _LENGTH_DIGITS):
        raise ParseError(f"a record of {path} must give its length, but gives {length[:40]!r}.")
    return headers


def _headers(file: IO[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    read = 0
    while (line := file.readline(_HEADER_BYTES)).strip() and read < _HEADER_BYTES:
        read += len(line)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def warc_record(file: IO[bytes], headers: dict[str, str], path: Path, limits: Limits) -> Iterator[PageSource]:
    """Yield the page or image of one record, and leave the file after it."""
    length = int(headers["content-length"])
    url = headers.get("warc-target-uri", "").strip("<>")
    kind = headers.get("warc-type", "")
    wanted = kind in ("response", "resource") and url.startswith(("http://", "https://"))
    most = min(length, max(limits.input_bytes, limits.image_bytes) + _HEADER_BYTES) if wanted else 0
    body = file.read(most)
    if len(body) < most:
        raise ParseError(f"{path} must be a whole WARC file, but ends within the record of {url}.")
    skip(file, length - most)
    if not wanted:
        return
    media = headers.get("content-type", "")
    if kind == "response":
        answer = _http_answer(body)
        if answer is None:
            return
        media, body = answer
    if media.lower().startswith(("text/html", "application/xhtml")):
        yield PageSource(url, url, body[: limits.input_bytes + 1])
    elif media.lower().startswith("image/") and len(body) <= limits.image_bytes:
        yield PageSource(url, url, body, kind="image")


def skip(file: IO[bytes], count: int) -> None:
    """Read past some bytes."""
    while count > 0:
        read = len(file.read(min(count, _SKIP_BYTES)))
        if not read:
            return
        count -= read


def _http_answer(message: bytes) -> tuple[str, bytes] | None:
    """Return media type and decoded body of an HTTP answer of status 200, None for any other."""
    head, gap, body = message.partition(b"\r\n\r\n")
    if not gap:
        head, _, body = message.partition(b"\n\n")
    if not _STATUS.match(head):
        return None
    lines = head.decode("latin-1").splitlines()[1:]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    coding = headers.get("content-encoding", "").lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        body = _unpacked(body)
    return headers.get("content-type", ""), body


def _unchunked(body: bytes) -> bytes:
    """Return a body without chunk heads; one that is not chunked, as many archives store it, is returned as it is."""
    parts: list[bytes] = []
    begin = 0
    while head := _CHUNK_HEAD.match(body, begin):
        size = int(head.group(1), 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[head.end() : head.end() + size])
        begin = head.end() + size
        begin += 2 if body[begin : begin + 2] == b"\r\n" else 1
    return b"".join(parts) if parts else body


def _unpacked(body: bytes) -> bytes:
    """Return an inflated body, at most 100 MB of it; one that is not packed is returned as it is."""
    for window in (47, -15):
        try:
            return zlib.decompressobj(window).decompress(body, _UNPACKED_BYTES)
        except zlib.error:
            continue
    return body
