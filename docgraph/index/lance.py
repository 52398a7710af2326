"""Vectors in LanceDB, for an index whose vectors are to lie in files of their own.

    pages.index         SQLite, as in store.py: documents, nodes, words
    pages.index.lance/  a table a level: number, vector

Questions go the same way as in SQLite (near.py); only the vectors that are compared come from here.

The two are kept in step by numbers, which are never given twice. New vectors go to LanceDB before SQLite commits and
old ones leave it after: what a kill leaves over belongs to no node, is not found, and is swept out by the next writer.

Axes:  n rows   D width of a vector
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError, needs_extra
from docgraph.index.packed import Table, positions
from docgraph.index.rows import LEVELS, IndexRow
from docgraph.index.store import AT_ONCE, Store

LITTLE: Final = 50_000
"""Rows of a level up to which its files are always joined."""
MOST_FILES: Final = 200
"""Files that a level may have beyond."""
_READ: Final = timedelta(hours=1)
"""How long readers may go on with a version that they have opened."""
_NOW: Final = timedelta(milliseconds=1)
_COUNT: Final = "INSERT INTO meta VALUES ('compacted', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class LanceStore(Store):
    """A store whose vectors are in LanceDB tables."""

    name = "lancedb"

    def __init__(self, path: Path, create: bool) -> None:
        with needs_extra("an index with vectors in LanceDB"):
            import lancedb
        self._new: dict[str, list[tuple[int, NDArray[np.float32]]]] = {level: [] for level in LEVELS}
        self._old: dict[str, list[int]] = {level: [] for level in LEVELS}
        super().__init__(path, create)
        self._folder = path.with_name(path.name + ".lance")
        self._lance = lancedb.connect(self._folder)
        try:
            for level in LEVELS if self.made_with == self.name else ():
                self._check_there(level)
        except DataError:
            self.close()
            raise

    def _check_there(self, level: str, new: int = 0) -> None:
        """Rows of an index that was made with an embedder have vectors, but for those that are just being added."""
        if self.meta("fingerprint") and self._table(level) is None and self.count(level) > new:
            raise DataError(
                f"{self.path} must have its vectors beside it, but those of its {level}s are not there, or not whole, "
                f"in {self._folder}. Put the folder back, or make another index."
            )

    def _table(self, level: str) -> Any:
        """Return a level's table as it is now, None if it has never had a vector or was not yet whole at a kill."""

        def read() -> Any:
            try:
                return self._lance.open_table(level)
            except ValueError:
                return None

        return self.kept(f"table {level}", read)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        try:
            with super().transaction():
                yield
                self._write_new()
        finally:
            for new in self._new.values():
                new.clear()
            old, self._old = self._old, {level: [] for level in LEVELS}
        for level, numbers in old.items():
            self._delete(level, numbers)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out; first sweep out what a killed one left, at last tidy up."""
        with super().writing():
            for level in LEVELS:
                if (table := self._table(level)) is not None:
                    there = table.search().select(["number"]).to_arrow()["number"].to_numpy()
                    self._delete(level, np.setdiff1d(there, self.rows(level).numbers).tolist())
            yield
            for level in LEVELS:
                self._tidy(level)

    def compact(self) -> None:
        """The file, then the folder; what readers have open goes when they know that there is something newer."""
        super().compact()
        tables = [table for level in LEVELS if (table := self._table(level)) is not None]
        with self._room():
            for table in tables:
                table.optimize(cleanup_older_than=_READ)
            with self.transaction():  # a value that changes: SQLite writes no other, and readers would not notice
                self.connection.execute(_COUNT)
            for table in tables:
                table.optimize(cleanup_older_than=_NOW, delete_unverified=True)  # no other writer is there

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say in a sentence that the disk is full, which LanceDB tells among its own lines."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if os.strerror(errno.ENOSPC) in str(error):
                raise self.full(OSError(os.strerror(errno.ENOSPC))) from error
            raise

    def _put_vector(self, number: int, row: IndexRow) -> None:
        self._new[row.level].append((number, np.asarray(row.vector, np.float32)))

    def _remove_vectors(self, level: str, document: int) -> None:
        sql = "SELECT number FROM nodes WHERE document = ? AND level = ?"
        self._old[level] += [number for (number,) in self.connection.execute(sql, (document, level))]

    def _write_new(self) -> None:
        import pyarrow

        for level, rows in self._new.items():
            if not rows:
                continue
            numbers, vectors = zip(*rows, strict=True)
            flat = pyarrow.array(np.concatenate(vectors))
            made = pyarrow.table(
                {
                    "number": pyarrow.array(numbers, pyarrow.int64()),
                    "vector": pyarrow.FixedSizeListArray.from_arrays(flat, len(vectors[0])),
                }
            )
            with self._room():
                if (table := self._table(level)) is None:
                    self._check_there(level, len(rows))
                    shutil.rmtree(self._folder / f"{level}.lance", ignore_errors=True)  # not whole at a kill
                    self._lance.create_table(level, made)
                    self._cache.pop(f"table {level}", None)
                else:
                    table.add(made)

    def _delete(self, level: str, numbers: list[int]) -> None:
        if numbers and (table := self._table(level)) is not None:
            with self._room():
                for first in range(0, len(numbers), AT_ONCE):
                    table.delete(f"number IN ({', '.join(map(str, numbers[first : first + AT_ONCE]))})")

    def _tidy(self, level: str) -> None:
        """Join small files, where there are enough of them to be worth it: that writes all rows anew."""
        if (table := self._table(level)) is None:
            return
        stats = table.stats()
        if stats["fragment_stats"]["num_fragments"] > (MOST_FILES if stats["num_rows"] > LITTLE else 1):
            with self._room():
                table.optimize(cleanup_older_than=_READ)

    def vectors_at(self, level: str, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (k, D) vectors of some rows of a level, all of which have one, by their ascending numbers."""

        def read() -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
            found = self._table(level).search().select(["number"]).with_row_id(True).to_arrow().sort_by("number")
            return found["number"].to_numpy(), found["_rowid"].to_numpy()

        every, ids = self.kept(f"row ids {level}", read)
        where, _ = positions(every, numbers)
        found = self._table(level).take_row_ids(ids[where].tolist()).select(["number", "vector"]).to_arrow()
        return _ascending(found).vectors

    def vectors(self, level: str) -> Table:
        """Return all vectors of a level; read once and kept until the file changes."""

        def read() -> Table:
            if (table := self._table(level)) is None:
                return Table(np.empty(0, np.int64), np.empty((0, 0), np.float32))
            return _ascending(table.search().select(["number", "vector"]).to_arrow())

        return self.kept(f"vectors {level}", read)


def _ascending(found: Any) -> Table:
    """Return the numbers and vectors of an Arrow table, by number."""
    numbers = found["number"].to_numpy()
    flat = found["vector"].combine_chunks().flatten().to_numpy()
    order = np.argsort(numbers)
    return Table(numbers[order], flat.reshape(len(numbers), -1)[order])
