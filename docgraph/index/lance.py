"""Vectors in LanceDB, for an index of more rows than one likes to hold in memory and compare one by one.

    pages.index         SQLite, as in store.py: documents, nodes, words
    pages.index.lance/  a table a level: number, document, kinds, vector ─ more than EXACT rows ─> an IVF index

Up to EXACT rows all are compared, as in SQLite, and the answers are the same. Above, the nearest NEAREST are looked up
in LanceDB's index, among those that the filters allow, and as many that are best by words are compared; with DRAWN rows
drawn by chance they stand for all: these give the mean and the deviation of the z-scores. Words stay with FTS5, which
is exact at any size.

The two are kept in step by numbers, which are never given twice. New vectors go to LanceDB before SQLite commits and
old ones leave it after: what a kill leaves over belongs to no node, is not found, and is swept out by the next writer.

Axes:  n rows   D width of a vector
"""

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError, needs_extra
from docgraph.index.rows import LEVELS, Row
from docgraph.index.store import Near, Store, Table, document_tests

EXACT: Final = 200_000
"""Rows of a level up to which all are compared: see docs/results/scale.md."""
NEAREST: Final = 300
"""Rows that are looked up by meaning, and as many by words; 1000 found no more (docs/results/scale.md)."""
DRAWN: Final = 8192
"""Rows that stand for all."""
PROBED: Final = 10
"""One in so many parts of the index is looked into, more where the filters leave too few rows."""
MOST_DOCUMENTS: Final = 5000
"""Documents that a filter may name one by one; if it allows more, the nearest are taken of all and then filtered."""
AT_ONCE: Final = 1000
"""Numbers of a condition."""
LITTLE: Final = 50_000
"""Rows of a level up to which its files are always joined."""
MOST_FILES: Final = 200
"""Files that a level may have beyond."""
STALE: Final = 10
"""One row in so many may be outside of the index."""
SAMPLED: Final = 64
"""Rows a part from which the parts of the index are learned, in ROUNDS rounds: a tenth of LanceDB's own work."""
ROUNDS: Final = 20


class LanceStore(Store):
    """A store whose vectors are in LanceDB tables."""

    name = "lancedb"

    def __init__(self, path: Path, create: bool) -> None:
        with needs_extra("an index with vectors in LanceDB"):
            import lancedb
        self._new: dict[str, list[tuple[int, int, str, NDArray[np.float32]]]] = {level: [] for level in LEVELS}
        self._old: dict[str, list[int]] = {level: [] for level in LEVELS}
        super().__init__(path, create)
        self._folder = path.with_name(path.name + ".lance")
        self._lance = lancedb.connect(self._folder)
        try:
            for level in LEVELS if self.made_with == self.name else ():
                self._check_there(level)
        except DataError:
            self.connection.close()
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

        return self._kept(f"table {level}", read)

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
                    self._delete(level, np.setdiff1d(there, self.select(level, None, {})).tolist())
            yield
            for level in LEVELS:
                self._tidy(level)

    def _put_vector(self, number: int, document: int, kinds: str, row: Row) -> None:
        self._new[row.level].append((number, document, kinds, np.asarray(row.vector, np.float32)))

    def _remove_vectors(self, level: str, document: int) -> None:
        sql = "SELECT number FROM nodes WHERE document = ? AND level = ?"
        self._old[level] += [number for (number,) in self.connection.execute(sql, (document, level))]

    def _write_new(self) -> None:
        import pyarrow

        for level, rows in self._new.items():
            if not rows:
                continue
            numbers, documents, kinds, vectors = zip(*rows, strict=True)
            flat = pyarrow.array(np.concatenate(vectors))
            made = pyarrow.table(
                {
                    "number": pyarrow.array(numbers, pyarrow.int64()),
                    "document": pyarrow.array(documents, pyarrow.int64()),
                    "kinds": list(kinds),
                    "vector": pyarrow.FixedSizeListArray.from_arrays(flat, len(vectors[0])),
                }
            )
            if (table := self._table(level)) is None:
                self._check_there(level, len(rows))
                shutil.rmtree(self._folder / f"{level}.lance", ignore_errors=True)  # not whole at a kill
                self._lance.create_table(level, made)
                self._cache.pop(f"table {level}", None)
            else:
                table.add(made)

    def _delete(self, level: str, numbers: list[int]) -> None:
        if numbers and (table := self._table(level)) is not None:
            for first in range(0, len(numbers), AT_ONCE):
                table.delete(f"number IN ({', '.join(map(str, numbers[first : first + AT_ONCE]))})")

    def _tidy(self, level: str) -> None:
        """Join small files, and make the index or bring it up to date, where enough has come in to be worth it.

        To join files or to merge into the index writes all rows anew. Rows that are not in the index are compared one
        by one, so nothing is missed meanwhile.
        """
        if (table := self._table(level)) is None:
            return
        rows, indices = table.count_rows(), table.list_indices()
        outside = table.index_stats("vector_idx").num_unindexed_rows if indices else rows
        files = table.stats()["fragment_stats"]["num_fragments"]
        is_old = rows > EXACT and outside > rows / 2
        if is_old:  # made anew: LanceDB's own merging splits the parts of an index one by one
            from lancedb.index import BTree, IvfFlat

            settings = IvfFlat(
                distance_type="dot", num_partitions=_partitions(rows), sample_rate=SAMPLED, max_iterations=ROUNDS
            )
            table.create_index("vector", config=settings, replace=True)
            table.create_index("number", config=BTree(), replace=True)
        if files > (MOST_FILES if rows > LITTLE else 1) or (indices and not is_old and outside > rows / STALE):
            table.optimize(cleanup_older_than=timedelta(hours=1))  # readers may have opened an older version

    def near(
        self,
        level: str,
        vector: NDArray[np.float32],
        kind: str | None,
        where: dict[str, str],
        besides: Callable[[int], NDArray[np.int64]],
    ) -> Near:
        """Return the cosines of all rows, or of the nearest, of `besides` and of some drawn by chance."""
        table = self._table(level)
        if table is None or self.count(level) <= EXACT:
            return super().near(level, vector, kind, where, besides)
        asked = table.search(vector, query_type="vector").distance_type("dot").limit(NEAREST)
        parts = _partitions(self.count(level))
        asked = asked.minimum_nprobes(max(parts // PROBED, 1)).maximum_nprobes(parts).select(["number", "_distance"])
        if test := self._test(kind, where):
            asked = asked.where(test, prefilter=True)
        nearest = asked.to_arrow().sort_by("number")
        if nearest.num_rows < NEAREST:  # all that the filters allow
            return Near(nearest["number"].to_numpy(), 1.0 - nearest["_distance"].to_numpy().astype(np.float64))
        drawn = self._kept(f"drawn {level}", lambda: self._draw(level))
        looked_up = nearest["number"].to_numpy()
        named = np.setdiff1d(besides(NEAREST), looked_up)
        others = _sorted(
            [self._rows(level, f"number IN ({', '.join(map(str, named.tolist()))})")] if len(named) else []
        )
        numbers = np.concatenate([drawn.numbers, looked_up, others.numbers])
        exact = [others.vectors @ vector] if len(others.numbers) else []
        cosines = np.concatenate([drawn.vectors @ vector, 1 - nearest["_distance"].to_numpy(), *exact]).astype(float)
        unique, first = np.unique(numbers, return_index=True)
        return Near(unique, cosines[first], first < len(drawn.numbers))

    def _draw(self, level: str) -> Table:
        """Return some rows drawn by chance, always the same ones."""
        numbers = self.select(level, None, {})
        chosen = np.random.default_rng(0).choice(numbers, min(DRAWN, len(numbers)), replace=False)
        pieces = [chosen[first : first + AT_ONCE] for first in range(0, len(chosen), AT_ONCE)]
        return _sorted([self._rows(level, f"number IN ({', '.join(map(str, piece.tolist()))})") for piece in pieces])

    def _test(self, kind: str | None, where: dict[str, str]) -> str:
        """Return the filters as a condition of LanceDB."""
        tests = [] if kind is None else ["kinds LIKE '% {} %'".format(kind.replace("'", "''"))]
        if where:
            sql = f"SELECT d.number FROM documents d WHERE {' AND '.join(document_tests(where))} LIMIT ?"
            found = self.connection.execute(sql, [*where.values(), MOST_DOCUMENTS + 1])
            documents = [str(number) for (number,) in found]
            if len(documents) <= MOST_DOCUMENTS:
                tests.append(f"document IN ({', '.join(documents) or '-1'})")
        return " AND ".join(tests)

    def vectors(self, level: str) -> Table:
        """Return all vectors of a level; read once and kept until the file changes."""
        return self._kept(f"vectors {level}", lambda: _sorted([self._rows(level, None)]))

    def _rows(self, level: str, test: str | None) -> Any:
        """Return rows as an Arrow table."""
        if (table := self._table(level)) is None:
            return None
        asked = table.search().select(["number", "vector"])
        return (asked if test is None else asked.where(test)).to_arrow()


def _sorted(pieces: list[Any]) -> Table:
    """Return Arrow tables of numbers and vectors as one, ascending."""
    some = [piece for piece in pieces if piece is not None and piece.num_rows]
    if not some:
        return Table(np.empty(0, np.int64), np.empty((0, 0), np.float32))
    numbers = np.concatenate([piece["number"].to_numpy() for piece in some])
    flat = np.concatenate([piece["vector"].combine_chunks().flatten().to_numpy() for piece in some])
    order = np.argsort(numbers)
    return Table(numbers[order], flat.reshape(len(numbers), -1)[order])


def _partitions(rows: int) -> int:
    return max(int(math.sqrt(rows)), 1)
