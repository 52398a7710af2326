"""Where `parse_many` puts documents: JSON lines or parquet, each safe to kill and to take up again.

    docs.jsonl      one document a line, its id first: appended, flushed after each batch; a torn last line is cut off
    docs.parquet    parts in docs.parquet.parts/, each written whole and then renamed; joined into one at the end
    errors.jsonl    beside them: what failed or was left out in the last run, one {"id", "error", "message"} a line

Parquet rows hold what one filters by (id, title, url, date, language, texts, counts) and the document as JSON.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from docgraph.bulk.parquet import Parquet, pyarrow_parquet
from docgraph.bulk.rows import Errors, Row
from docgraph.document import Document
from docgraph.errors import DataError
from docgraph.locks import locked

_LINE_ID: Final = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"),')
_SYNC_LINES: Final = 256


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
                name = _LINE_ID.match(line)
                yield (json.loads(name.group(1)) if name else ""), Document.from_json(line)
    elif path.suffix == ".parquet" or path.is_dir():
        for part in sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]:
            for batch in pyarrow_parquet().ParquetFile(part).iter_batches(64, columns=["id", "document"]):
                for row in batch.to_pylist():
                    yield row["id"], Document.from_json(row["document"])
    else:
        raise DataError(f"documents must be in a .jsonl or .parquet file, or a folder of parts, but {path} is neither.")


@contextmanager
def open_output(path: Path) -> Iterator["tuple[_JsonLines | Parquet, Errors]"]:
    """Yield what writes rows to `path` and what writes failures beside it; the output is finished at the end.

    Raises:
        DataError: another suffix than .jsonl or .parquet, or a file that cannot be written or is being written.
        MissingExtraError: parquet without pyarrow.
    """
    sinks: dict[str, type[_JsonLines] | type[Parquet]] = {".jsonl": _JsonLines, ".parquet": Parquet}
    kind = sinks.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"the output must end in .jsonl or .parquet, but {path} does not.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(lock_of(path), path), ExitStack() as stack:
            stack.callback(lock_of(path).unlink)
            errors = stack.enter_context(Errors(errors_of(path)))
            sink = kind(path)
            try:
                yield sink, errors
            finally:
                sink.close()
            sink.finish()
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}.") from error


def lock_of(path: Path) -> Path:
    """Return the file that says an output is being written."""
    return path.with_name(path.name + ".lock")


def errors_of(path: Path) -> Path:
    """Return the file that names what an output lacks."""
    return path.parent / "errors.jsonl"


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files and folders that making an output may leave."""
    return path, path.with_name(path.name + ".parts"), lock_of(path), errors_of(path)


class _JsonLines:
    """JSON lines: appended, and flushed to the disk now and then."""

    def __init__(self, path: Path) -> None:
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
            name = _LINE_ID.match(line)
            if not line.endswith(b"\n"):
                break
            if name is None:
                raise DataError(f"{path} must hold documents that parse_many wrote, but has a line {line[:60]!r}.")
            ids.add(json.loads(name.group(1)))
            end += len(line)
    return ids, end
