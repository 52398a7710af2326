"""Pages inside one file, each a document of its own: listed without being read, then read one by one, in any order.

    pages.zip               pages as in a folder                                    part: the member's name
    crawl.warc[.gz]         responses of status 200 with HTML                       part: (byte in the file, bytes on)
    table.parquet           a column "html", and "url" and "id" where there are any part: (row group, row in it)

A packed WARC file is packed record by record, as the standard asks; a record is then found without unpacking those
before it. One that is packed as a whole is read, too, but from its beginning for each page.

Sources: WARC 1.1 (ISO 28500:2017) annex D; RFC 1952 (gzip members).
"""

import io
import posixpath
import zipfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NamedTuple

from docgraph.bulk.parquet import pyarrow_parquet
from docgraph.document import Document
from docgraph.errors import DataError, DocgraphError, ParseError
from docgraph.file_names import readable
from docgraph.limits import Limits
from docgraph.parsers.files import document_suffix, parse_bytes
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.site.archives import BAD_ZIP, member_of_zip, page_suffixes, skip, warc_headers, warc_record
from docgraph.records import ImageAccess

SUFFIXES: Final = (".zip", ".warc", ".parquet")
Place = str | tuple[int, int]
_CHUNK: Final = 1 << 16


class Part(NamedTuple):
    """A page inside a file."""

    name: str
    place: Place | None
    """Where it is; None for a file that is no page."""
    url: str | None = None
    is_id: bool = False
    """Whether `name` is the page's id as the file gives it."""


def parts_of(path: Path) -> Iterator[Part]:
    """Yield the pages in a file.

    Raises:
        ParseError, DataError: it cannot be read; what came before has been yielded.
        MissingExtraError: parquet without pyarrow.
    """
    suffix = document_suffix(path)
    if suffix == ".zip":
        yield from _members(path)
    elif suffix == ".parquet":
        yield from _table_rows(path)
    else:
        seen: Counter[str] = Counter()
        for part in _records(path):
            seen[part.name] += 1
            yield part if seen[part.name] == 1 else part._replace(name=f"{part.name} #{seen[part.name]}")


def parse_part(path: Path, place: Place, *, limits: Limits, url: str | None, **options: Any) -> Document:
    """Return the document of one page of a file.

    Args:
        url: where it was found, if the file does not say so.

    Raises:
        DocgraphError: it cannot be read or parsed.
    """
    options["limits"] = limits
    if isinstance(place, str):
        with zipfile.ZipFile(path) as archive:
            member = member_of_zip(archive, place, path, limits)
        if member.error is not None:
            raise member.error
        document = parse_bytes(member.data, document_suffix(Path(place)), readable(place), url=url, **options)
        access = ImageAccess(root=str(path), base=posixpath.dirname(place), limits=limits)
        return document.replace(image_access=access)
    if document_suffix(path) == ".parquet":
        return page_of(_group(path, place[0])[place[1]].as_py(), url=url, **options)
    with _open_warc(path) as file:
        file.seek(place[0])
        stream = _plain(file, path)[0]
        skip(stream, place[1])
        try:
            headers = warc_headers(stream, path)
            record = next(warc_record(stream, headers, path, limits)) if headers else None
        except (OSError, EOFError, zlib.error, StopIteration) as error:
            raise ParseError(f"a record of {path} at byte {place[0]} cannot be read: {error}.") from error
    if record is None:
        raise ParseError(f"{path} must have a record at byte {place[0]}, but ends there.")
    return page_of(record.data, url=record.url, **options)


def page_of(data: Any, **options: Any) -> Document:
    """Return the document of markup, as text or bytes.

    Raises:
        DataError: it is neither.
    """
    if not isinstance(data, str | bytes):
        raise DataError(f"a page must be text or bytes, but is {type(data).__name__}.")
    return parse_html(data, **options)


def _members(path: Path) -> Iterator[Part]:
    try:
        with zipfile.ZipFile(path) as archive:
            times = Counter(info.filename for info in archive.infolist() if not info.is_dir())
    except BAD_ZIP as error:
        raise ParseError(f"{path} must be a zip archive, but {error}.") from error
    suffixes = page_suffixes(Path(name).suffix.lower() for name in times)
    for name in sorted(times):
        yield Part(name, name if Path(name).suffix.lower() in suffixes else None)
    if twice := [readable(name) for name in sorted(times) if times[name] > 1]:
        shown = ", ".join(twice[:3]) + (", ..." if len(twice) > 3 else "")
        raise ParseError(f"{path} must hold each name once, but holds {shown} twice or more; the last of each is read.")


def _table_rows(path: Path) -> Iterator[Part]:
    parquet = pyarrow_parquet()
    with _readable_table(path):
        file = parquet.ParquetFile(path)
        names = [name for name in ("id", "url") if name in file.schema_arrow.names]
        if "html" not in file.schema_arrow.names:
            shown = ", ".join(file.schema_arrow.names[:8])
            raise DataError(f"{path} must have the column html, and may have id and url, but has {shown}.")
        number = 0
        for group in range(file.num_row_groups):
            columns = {name: file.read_row_group(group, columns=[name])[name].to_pylist() for name in names}
            for row in range(file.metadata.row_group(group).num_rows):
                own, url = (columns[name][row] if name in columns else None for name in ("id", "url"))
                name = next(name for name in (own, url, number) if name not in (None, ""))
                yield Part(str(name), (group, row), url, is_id=own not in (None, ""))
                number += 1


@lru_cache(maxsize=1)
def _group(path: Path, group: int) -> Any:
    """Return the pages of a row group, kept until another is asked for: rows come in order."""
    with _readable_table(path):
        return pyarrow_parquet().ParquetFile(path).read_row_group(group, columns=["html"])["html"]


@contextmanager
def _readable_table(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except DocgraphError:
        raise
    except (OSError, ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} must be a parquet file that can be read, but {error}.") from error


def _records(path: Path) -> Iterator[Part]:
    with _open_warc(path) as file:
        stream, packed = _plain(file, path)
        try:
            while True:
                while stream.peek(1)[:1] in (b"\r", b"\n"):
                    stream.read(1)
                start = stream.tell()
                if (headers := warc_headers(stream, path)) is None:
                    return
                for page in warc_record(stream, headers, path, Limits()):
                    if page.kind == "page":
                        place = (start, 0) if packed is None else packed.place_of(start)
                        yield Part(readable(page.name), place, page.url)
        except (OSError, EOFError, zlib.error) as error:
            raise ParseError(f"{path} must be a whole WARC file, but {error}.") from error


@contextmanager
def _open_warc(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise ParseError(f"{path} must be a WARC file that can be read, but {error}.") from error
    with file:
        yield file


def _plain(file: BinaryIO, path: Path) -> "tuple[Any, _Unpacked | None]":
    """Return a file's bytes from where it stands, unpacked if it is a `.gz`, and what unpacks them."""
    if path.suffix.lower() != ".gz":
        return file, None
    packed = _Unpacked(file)
    return io.BufferedReader(packed, _CHUNK), packed


class _Unpacked(io.RawIOBase):
    """The bytes of a gzip file, from where it stands; knows where each of its members begins."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate: Any = None
        self._rest = b""
        self._read = 0
        self._starts: list[int] = []
        self._members: list[int] = []

    def place_of(self, start: int) -> tuple[int, int]:
        """Return where in the file the member of an unpacked byte begins, and how far on in it the byte is."""
        member = bisect_right(self._starts, start) - 1
        return self._members[member], start - self._starts[member]

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._read

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._inflate is None:
                self._rest = self._rest.lstrip(b"\0") or self._file.read(_CHUNK)
                if not self._rest:
                    return 0
                self._inflate = zlib.decompressobj(31)
                self._starts.append(self._read)
                self._members.append(self._file.tell() - len(self._rest))
            data = self._inflate.decompress(self._rest, len(buffer))
            is_end = self._inflate.eof
            self._rest = self._inflate.unused_data if is_end else self._inflate.unconsumed_tail
            if is_end:
                self._inflate = None
            elif not data and not self._rest:
                self._rest = self._file.read(_CHUNK)
                if not self._rest:
                    raise EOFError("it ends within a packed record")
            if data:
                buffer[: len(data)] = data
                self._read += len(data)
                return len(data)
