"""Where `parse_many` puts documents: JSON lines or parquet, each safe to kill and to take up again.

    docs.jsonl      one document a line, its id first: appended, flushed after each batch; a torn last line is cut off
    docs.parquet    parts in docs.parquet.parts/, each written whole and then renamed; joined into one at the end
    errors.jsonl    beside them: what failed in the last run, one {"id", "error", "message"} a line

Parquet rows hold what one filters by (id, title, url, date, language, texts, counts) and the document as JSON.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol, overload

from docgraph.document import Document
from docgraph.errors import DataError, needs_extra

_LINE_ID: Final = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"),')
_PART_ROWS: Final = 1_000
_PART_BYTES: Final = 128_000_000
_SYNC_LINES: Final = 256


class Row(NamedTuple):
    """A parsed document, ready to be written."""

    id: str
    kind: str
    title: str | None
    url: str | None
    date: str | None
    language: str | None
    text: str
    main_text: str
    nodes: int
    truncated: bool
    document: str
    """Its JSON."""


class Failure(NamedTuple):
    """A file that gave no document."""

    id: str
    error: str
    """Name of the exception's class."""
    message: str


class Sink(Protocol):
    """Takes rows and failures."""

    ids: set[str]
    """What is there already."""
    errors: Path

    def write(self, row: Row) -> None: ...
    def fail(self, failure: Failure) -> None: ...


def row_of(name: str, document: Document) -> Row:
    """Return the row of a document."""
    about = document.metadata
    return Row(
        id=_whole(name),
        kind=document.kind[0],
        title=_whole(about.title),
        url=_whole(about.url),
        date=_whole(about.date),
        language=_whole(about.language),
        text=_whole(document.text),
        main_text=_whole(document.main_text),
        nodes=len(document),
        truncated=document.truncated,
        document=document.to_json(),
    )


@overload
def _whole(text: str) -> str: ...
@overload
def _whole(text: None) -> None: ...


def _whole(text: str | None) -> str | None:
    """Return text that UTF-8 can hold: file names and pages may have lone surrogates."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def read_many(path: str | Path) -> Iterator[tuple[str, Document]]:
    """Yield (id, document) of what `parse_many` wrote.

    Raises:
        DataError: the file is not there or has another suffix.
        DocumentError: a line is no document.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        try:
            file = path.open("rb")
        except OSError as error:
            raise DataError(f"documents must be in a file that can be read, but {error}.") from error
        with file:
            for line in file:
                found = _LINE_ID.match(line)
                yield (json.loads(found.group(1)) if found else ""), Document.from_json(line)
    elif path.suffix == ".parquet":
        for batch in _parquet().ParquetFile(path).iter_batches(64, columns=["id", "document"]):
            for row in batch.to_pylist():
                yield row["id"], Document.from_json(row["document"])
    else:
        raise DataError(f"documents must be in a .jsonl or .parquet file, but {path} is neither.")


@contextmanager
def open_output(path: Path) -> Iterator[Sink]:
    """Yield the sink that writes to `path`, finishing it at the end.

    Raises:
        DataError: another suffix than .jsonl or .parquet, or a file that cannot be written or is being written.
        MissingExtraError: parquet without pyarrow.
    """
    sinks: dict[str, type[_JsonLines] | type[_Parquet]] = {".jsonl": _JsonLines, ".parquet": _Parquet}
    kind = sinks.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"the output must end in .jsonl or .parquet, but {path} does not.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path), _Errors(path.parent / "errors.jsonl") as errors:
            sink = kind(path, errors)
            try:
                yield sink
            finally:
                sink.close()
            sink.finish()
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}.") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the output for this process alone; where the system has no such locks, trust the caller."""
    lock = path.with_name(path.name + ".lock")
    with lock.open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError as error:
            raise DataError(f"{path} is being written by another process.") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


class _Errors:
    """errors.jsonl: made anew by each run, and only if something failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[str] | None = None

    def __enter__(self) -> "_Errors":
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, failure: Failure) -> None:
        if self.file is None:
            self.file = self.path.open("w", encoding="utf-8")
        values = {name: _whole(value) for name, value in failure._asdict().items()}
        self.file.write(json.dumps(values, ensure_ascii=False) + "\n")
        self.file.flush()


class _JsonLines:
    def __init__(self, path: Path, errors: _Errors) -> None:
        self._errors = errors
        self.errors = errors.path
        self.ids, end = _line_ids(path)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(end)
        self._file.seek(end)
        self._unsynced = 0

    def write(self, row: Row) -> None:
        name = json.dumps(row.id, ensure_ascii=False)
        self._file.write(f'{{"id":{name},{row.document[1:]}\n'.encode())
        self._unsynced += 1
        if self._unsynced >= _SYNC_LINES:
            self._sync()

    def fail(self, failure: Failure) -> None:
        self._errors.add(failure)

    def close(self) -> None:
        self._sync()
        self._file.close()

    def finish(self) -> None:
        pass

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0


def _line_ids(path: Path) -> tuple[set[str], int]:
    """Return the ids of the whole lines of a file, and where they end."""
    ids: set[str] = set()
    end = 0
    if not path.exists():
        return ids, end
    with path.open("rb") as file:
        for line in file:
            found = _LINE_ID.match(line)
            if not line.endswith(b"\n"):
                break
            if found is None:
                raise DataError(f"{path} must hold documents that parse_many wrote, but has a line {line[:60]!r}.")
            ids.add(json.loads(found.group(1)))
            end += len(line)
    return ids, end


def _parquet() -> Any:
    with needs_extra("a parquet file"):
        import pyarrow.parquet
    return pyarrow.parquet


class _Parquet:
    def __init__(self, path: Path, errors: _Errors) -> None:
        self._parquet = _parquet()
        self._errors = errors
        self.errors = errors.path
        self._path = path
        self._folder = path.with_name(path.name + ".parts")
        self._folder.mkdir(exist_ok=True)
        if path.exists():
            self._check_ours()
            for left in self._parts():
                left.unlink()  # a run was killed after it had joined them
            # A finished file that more is added to is the first part.
            os.replace(path, self._folder / "part-00000.parquet")
        for torn in self._folder.glob("*.tmp"):
            torn.unlink()
        self.ids = {name for part in self._parts() for name in self._column(part, "id")}
        self._rows: list[Row] = []
        self._bytes = 0

    def write(self, row: Row) -> None:
        self._rows.append(row)
        self._bytes += len(row.document) + 2 * len(row.text)
        if len(self._rows) >= _PART_ROWS or self._bytes >= _PART_BYTES:
            self._write_part()

    def fail(self, failure: Failure) -> None:
        self._errors.add(failure)

    def close(self) -> None:
        self._write_part()

    def finish(self) -> None:
        """Join the parts into one file; the last rename is what makes it the output."""
        unfinished = self._path.with_name(self._path.name + ".tmp")
        with self._parquet.ParquetWriter(unfinished, _schema(), compression="zstd") as writer:
            for part in self._parts():
                for group in self._groups(part):
                    writer.write_table(group)
        os.replace(unfinished, self._path)
        for part in self._parts():
            part.unlink()
        self._folder.rmdir()

    def _check_ours(self) -> None:
        import pyarrow

        try:
            names = self._parquet.read_schema(self._path).names
        except pyarrow.ArrowException as error:
            raise DataError(f"{self._path} must be a parquet file, but {error}.") from error
        if names != list(Row._fields):
            raise DataError(f"{self._path} must be what parse_many wrote, but has the columns {names[:8]}.")

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def _groups(self, part: Path) -> Iterator[Any]:
        file = self._parquet.ParquetFile(part)
        return (file.read_row_group(group) for group in range(file.num_row_groups))

    def _column(self, part: Path, name: str) -> Iterable[str]:
        return self._parquet.read_table(part, columns=[name])[name].to_pylist()  # type: ignore[no-any-return]

    def _write_part(self) -> None:
        if not self._rows:
            return
        import pyarrow

        table = pyarrow.Table.from_pylist([row._asdict() for row in self._rows], schema=_schema())
        number = int(self._parts()[-1].stem.split("-")[1]) + 1 if self._parts() else 0
        unfinished = self._folder / f"part-{number:05d}.parquet.tmp"
        self._parquet.write_table(table, unfinished, compression="zstd", row_group_size=256)
        os.replace(unfinished, unfinished.with_suffix(""))
        self._rows, self._bytes = [], 0


def _schema() -> Any:
    import pyarrow

    text, whole = pyarrow.string(), pyarrow.large_string()
    types = {
        "id": text, "kind": text, "title": text, "url": text, "date": text, "language": text,
        "text": whole, "main_text": whole, "nodes": pyarrow.int32(), "truncated": pyarrow.bool_(), "document": whole,
    }  # fmt: skip
    return pyarrow.schema(list(types.items()))
