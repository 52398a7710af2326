"""What the file holds: documents, nodes, the words of these (postings.py) and their vectors.

What every question needs of all rows (numbers, lengths, signs of the vectors) is also there in one piece a document, so
that a million rows are read in a moment, by the first question.

A document is written in one transaction with all that belongs to it, so that a killed job leaves whole documents and
the same command goes on.

Axes:  n rows of a level   D width of a vector
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from itertools import starmap
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.errors import DataError
from docgraph.index import postings
from docgraph.index.database import Database, undamaged
from docgraph.index.packed import Positions, Rows, Segment, Table, packed_rows, positions, unpacked
from docgraph.index.rows import LEVELS, IndexRow, Part
from docgraph.index.words import Stems, spaced
from docgraph.metadata import Metadata

_SECTIONS: Final = (
    "SELECT p.number, s.number FROM nodes p JOIN nodes s ON s.id = p.parent "
    "WHERE p.level = 'passage' AND s.level = 'section' ORDER BY p.number"
)
AT_ONCE: Final = 1000
"""Numbers of a condition."""
FILTERS: Final = ("id", "site", "language", "date", "url", "title")
"""Columns of a document that a search may be limited by."""


class StoredDocument(NamedTuple):
    """What an index keeps of a document beside its rows."""

    text: str
    metadata: Metadata


class Store(Database):
    """The database behind an `Index`. lance.py keeps the vectors elsewhere."""

    def __init__(self, path: Path, create: bool) -> None:
        self.stems = Stems()
        self._put: dict[int, list[tuple[int, IndexRow, str]]] = {}
        """Of each document that a transaction writes, numbers, rows and what stands over them."""
        super().__init__(path, create)

    def close(self) -> None:
        """Close the file."""
        super().close()
        self.stems.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        try:
            with super().transaction():
                yield
                for level in LEVELS if self._put else ():
                    self._write_words(level)
        finally:
            self._put.clear()

    def compact(self) -> None:
        """Join the segments of each level, then the file's own room."""
        with self.transaction():
            for level in LEVELS:
                with undamaged(f"the words of {level}s"):
                    postings.join_all(self.connection, level)
        super().compact()

    def digests(self) -> dict[str, str]:
        """Return what each document's source was when it was added, by document id."""
        return dict(self.connection.execute("SELECT id, digest FROM documents"))

    def documents(self) -> int:
        """Return how many documents there are, those without words too, which have no rows."""
        return int(self.connection.execute("SELECT count(*) FROM documents").fetchone()[0])

    def count(self, level: str) -> int:
        """Return how many rows a level has."""
        sql = "SELECT count(*) FROM nodes WHERE level = ?"
        return self.kept(f"count {level}", lambda: int(self.connection.execute(sql, (level,)).fetchone()[0]))

    def kinds(self) -> list[str]:
        """Return the kinds of nodes that passages are made of."""
        sql = "SELECT DISTINCT kinds FROM nodes WHERE level = 'passage'"
        return self.kept(
            "kinds", lambda: sorted({kind for (kinds,) in self.connection.execute(sql) for kind in kinds.split()})
        )

    def put(self, document_id: str, document: Document | StoredDocument, digest: str, rows: Sequence[IndexRow]) -> None:
        """Write a document in place of the one of the same id; call it within a transaction."""
        self.remove(document_id)
        told = document.metadata
        values = (
            document_id,
            digest,
            clean(document.text),
            told.title,
            told.url,
            told.site_name,
            told.language,
            told.date,
        )
        number = self.connection.execute(
            "INSERT INTO documents (id, digest, text, title, url, site, language, date) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [None if value is None else clean(str(value)) for value in values],
        ).lastrowid
        assert number is not None
        written = self._put[number] = []
        for row in rows:
            kinds = f" {' '.join(row.kinds)} "
            over = (*([" ".join(told.title.split())] if told.title else []), *row.headings)
            headings = clean(json.dumps(row.headings, ensure_ascii=False))
            # a document's or section's text is a slice of the document's, which is there already
            text = None if row.level in ("document", "section") else clean(row.text)
            node = self.connection.execute(
                "INSERT INTO nodes (document, level, id, kind, kinds, parent, headings, start, stop, dom_path, text, "
                "parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(number, row.level, row.id, row.kind, kinds, row.parent, headings, *row.span, row.dom_path, text),
                    clean(json.dumps([astuple(part) for part in row.parts], ensure_ascii=False)) if row.parts else None,
                ),
            ).lastrowid
            assert node is not None
            written.append((node, row, "\n".join(dict.fromkeys(over))))
            if row.vector is not None:
                self._put_vector(node, row)

    def _write_words(self, level: str) -> None:
        """Write what this transaction's rows of a level hold, and what questions need of all rows."""
        some = [
            (document, number, row, over)
            for document, rows in self._put.items()
            for number, row, over in rows
            if row.level == level
        ]
        if not some:
            return
        texts = (spaced(clean(text)) for _, _, row, over in some for text in (over, row.words))
        lengths = postings.write(self.connection, level, [number for _, number, _, _ in some], self.stems.where(texts))
        packed: dict[int, list[tuple[int, int, IndexRow]]] = {}
        for (document, number, row, _), length in zip(some, lengths.tolist(), strict=True):
            packed.setdefault(document, []).append((number, length, row))
        self.connection.executemany(
            "INSERT INTO packed VALUES (?, ?, ?, ?, ?)",
            ((document, level, *packed_rows(rows)) for document, rows in packed.items()),
        )
        with undamaged(f"the words of {level}s"):
            postings.join(self.connection, level)

    def remove(self, document_id: str) -> bool:
        """Take a document out; return whether it was there. Call it within a transaction."""
        found = self.connection.execute("SELECT number FROM documents WHERE id = ?", (clean(document_id),)).fetchone()
        if found is None:
            return False
        if self._put.pop(found[0], None) is None:  # else its words are not written yet
            sql = "INSERT INTO gone SELECT number, level FROM nodes WHERE document = ?"
            self.connection.execute(sql, found)
        for level in LEVELS:
            self._remove_vectors(level, int(found[0]))
            self.connection.execute("DELETE FROM packed WHERE level = ? AND document = ?", (level, found[0]))
        self.connection.execute("DELETE FROM nodes WHERE document = ?", found)
        self.connection.execute("DELETE FROM documents WHERE number = ?", found)
        return True

    def _put_vector(self, number: int, row: IndexRow) -> None:
        """Write the vector of a row; within a transaction."""
        self.connection.execute(
            f"INSERT INTO vectors_{row.level} VALUES (?, ?)", (number, np.asarray(row.vector, "<f4").tobytes())
        )

    def _remove_vectors(self, level: str, document: int) -> None:
        """Take out a document's vectors of a level, whose rows are still there; within a transaction."""
        numbers = "SELECT number FROM nodes WHERE document = ? AND level = ?"
        self.connection.execute(f"DELETE FROM vectors_{level} WHERE number IN ({numbers})", (document, level))

    def rows(self, level: str) -> Rows:
        """Return what questions need of all rows of a level; read once and kept until the file changes."""

        def read() -> Rows:
            sql = "SELECT document, numbers, lengths, signs FROM packed WHERE level = ?"
            return unpacked(self.connection.execute(sql, (level,)).fetchall())

        return self.kept(f"rows {level}", read)

    def segments(self, level: str) -> dict[int, Segment]:
        """Return where the rows of each segment of postings are; read once and kept until the file changes."""

        def read() -> dict[int, Segment]:
            numbers = self.rows(level).numbers
            return {
                segment: Segment.of(numbers, some) for segment, some in postings.rows_of(self.connection, level).items()
            }

        return self.kept(f"segments {level}", read)

    def vectors(self, level: str) -> Table:
        """Return the vectors of a level; read once and kept until the file changes."""

        def read() -> Table:
            rows = self.connection.execute(f"SELECT number, vector FROM vectors_{level} ORDER BY number").fetchall()
            flat = np.frombuffer(b"".join(vector for _, vector in rows), "<f4")
            numbers = np.array([number for number, _ in rows], np.int64)
            return Table(numbers, flat.reshape(len(rows), -1) if rows else np.empty((0, 0), np.float32))

        return self.kept(f"vectors {level}", read)

    def vectors_at(self, level: str, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (k, D) vectors of some rows of a level, all of which have one, by their ascending numbers."""
        found: list[bytes] = []
        for first in range(0, len(numbers), AT_ONCE):
            some = ", ".join(map(str, numbers[first : first + AT_ONCE].tolist()))
            sql = f"SELECT vector FROM vectors_{level} WHERE number IN ({some}) ORDER BY number"
            found += [vector for (vector,) in self.connection.execute(sql)]
        return np.frombuffer(b"".join(found), "<f4").reshape(len(numbers), -1)

    def holders(self, level: str) -> tuple[Positions, Positions]:
        """Return positions of passages, ascending, and of the section or document that each lies in directly."""

        def read() -> tuple[Positions, Positions]:
            passages, others = self.rows("passage"), self.rows(level)
            if level == "document":
                order = np.argsort(others.documents)
                where, is_there = positions(others.documents[order], passages.documents)
                return np.flatnonzero(is_there), order[where]
            pairs = np.array(self.connection.execute(_SECTIONS).fetchall(), np.int64).reshape(-1, 2).T
            lower, is_below = positions(passages.numbers, pairs[0])
            upper, is_above = positions(others.numbers, pairs[1])
            return lower[is_above[is_below]], upper[is_below[is_above]]

        return self.kept(f"holders {level}", read)

    def select(self, level: str, kind: str | None, where: dict[str, str]) -> Positions:
        """Return the positions of a level's rows, of one kind and of documents with the values of `where`."""
        rows = self.rows(level)
        if kind is None and not where:
            return self.kept(f"all {level}", lambda: np.arange(len(rows.numbers)))
        allowed = np.ones(len(rows.numbers), bool)
        if kind is not None:
            allowed[:] = False
            allowed[self.kept(f"kind {level} {kind}", lambda: self._of_kind(level, kind))] = True
        if where:
            tests = document_tests(where)
            sql = f"SELECT d.number FROM documents d WHERE {' AND '.join(tests)}"
            found = self.connection.execute(sql, [*tests.values()]).fetchall()
            documents = np.array(found, np.int64).ravel()
            allowed &= np.isin(rows.documents, documents)
        return np.flatnonzero(allowed)

    def _of_kind(self, level: str, kind: str) -> Positions:
        sql = "SELECT number FROM nodes WHERE level = ? AND instr(kinds, ?) ORDER BY number"
        numbers = np.array(self.connection.execute(sql, (level, f" {kind} ")).fetchall(), np.int64).ravel()
        where, _ = positions(self.rows(level).numbers, numbers)
        return where

    def number(self, id: str) -> int | None:
        """Return the number of the row with an id, None if there is none."""
        found = self.connection.execute("SELECT number FROM nodes WHERE id = ?", (clean(id),)).fetchone()
        return None if found is None else int(found[0])

    def sections(self, document_id: str) -> list[int]:
        """Return the numbers of a document's own row and of its sections, in order."""
        sql = (
            "SELECT n.number FROM nodes n JOIN documents d ON d.number = n.document "
            "WHERE d.id = ? AND n.level IN ('document', 'section') ORDER BY n.number"
        )
        return [number for (number,) in self.connection.execute(sql, (clean(document_id),))]

    def node(self, number: int) -> dict[str, Any]:
        """Return the columns of a row and of its document."""
        cursor = self.connection.execute(
            "SELECT n.*, d.id AS document_id, d.title, d.url, "
            "coalesce(n.text, substr(d.text, n.start + 1, n.stop - n.start)) AS shown "
            "FROM nodes n JOIN documents d ON d.number = n.document WHERE n.number = ?",
            (int(number),),
        )
        values = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
        return {**values, "headings": json.loads(values["headings"])}

    def parts(self, node: dict[str, Any], kind: str) -> list[Part]:
        """Return the nodes of a kind in a passage, each with its text."""
        of_kind = [part for part in starmap(Part, json.loads(node["parts"] or "[]")) if part.kind == kind]
        sql = "SELECT substr(text, ? + 1, ?) FROM documents WHERE number = ?"
        return [
            part
            if part.text is not None
            else replace(
                part,
                text=self.connection.execute(sql, (part.start, part.stop - part.start, node["document"])).fetchone()[0],
            )
            for part in of_kind
        ]


def document_tests(where: dict[str, str]) -> dict[str, str]:
    """Return the conditions on a document `d`, each with its value."""
    if unknown := [name for name in where if name not in FILTERS]:
        raise DataError(f"a search may be limited by {', '.join(FILTERS)}, but {', '.join(unknown)} was given.")
    tests = {}
    for name, value in where.items():
        if "*" in (text := clean(value)):  # GLOB's other signs stand for themselves
            tests[f"d.{name} GLOB ?"] = re.sub(r"[\[?]", r"[\g<0>]", text)
        else:
            tests[f"d.{name} = ?"] = text
    return tests


def clean(text: str) -> str:
    """Return a text that SQLite can hold: lone surrogates, which UTF-8 has no bytes for, become question marks."""
    return text.encode("utf-8", "replace").decode()
