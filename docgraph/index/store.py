"""The file: one SQLite database with documents, nodes, words (FTS5, a table a level) and vectors.

What every question needs of all rows (numbers, lengths, signs of the vectors) is also there in one piece a document, so
that a million rows are read in a moment, by the first question.

A document is written in one transaction with all that belongs to it, so that a killed job leaves whole documents and
the same command goes on. One writer at a time holds a file beside it locked. Readers are not kept out (WAL); a file
that may only be read is opened as one that does not change.

Axes:  n rows of a level   D width of a vector
"""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.errors import DataError
from docgraph.index.packed import Positions, Rows, Table, length_of, packed_rows, positions, unpacked
from docgraph.index.rows import LEVELS, Row
from docgraph.index.words import TOKENIZER, Stems, spaced
from docgraph.locks import locked
from docgraph.metadata import Metadata

VERSION: Final = 3
_SCHEMA: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE documents (number INTEGER PRIMARY KEY, id TEXT UNIQUE, digest TEXT, text TEXT, title TEXT, url TEXT, "
    "site TEXT, language TEXT, date TEXT)",
    "CREATE TABLE nodes (number INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER, level TEXT, id TEXT UNIQUE, "
    "kind TEXT, kinds TEXT, parent TEXT, headings TEXT, start INTEGER, stop INTEGER, dom_path TEXT, text TEXT)",
    "CREATE INDEX nodes_of_document ON nodes (document)",
    "CREATE INDEX nodes_of_level ON nodes (level, kinds)",
    "CREATE TABLE packed (document INTEGER, level TEXT, numbers BLOB, lengths BLOB, signs BLOB)",
    "CREATE INDEX packed_of_document ON packed (level, document)",
    *(f"CREATE VIRTUAL TABLE words_{level} USING fts5 (headings, text, tokenize='{TOKENIZER}')" for level in LEVELS),
    *(f"CREATE TABLE vectors_{level} (number INTEGER PRIMARY KEY, vector BLOB)" for level in LEVELS),
)
_SECTIONS: Final = (
    "SELECT p.number, s.number FROM nodes p JOIN nodes s ON s.id = p.parent "
    "WHERE p.level = 'passage' AND s.level = 'section' ORDER BY p.number"
)
AT_ONCE: Final = 1000
"""Numbers of a condition."""
FILTERS: Final = ("id", "site", "language", "date", "url", "title")
"""Columns of a document that a search may be limited by."""

T = TypeVar("T")


class Source(NamedTuple):
    """What an index keeps of a document beside its rows."""

    text: str
    metadata: Metadata


class Store:
    """The database behind an `Index`. lance.py keeps the vectors elsewhere."""

    name = "sqlite"

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        if path.is_dir():
            raise DataError(
                f"an index must be a file, but {path} is a folder. Name a file in it: {path / 'docs.index'}"
            )
        if not create and not path.is_file():
            raise DataError(
                f"an index must be a file that `docgraph index` made, but there is nothing at {path}. "
                f"Make it: docgraph index PATHS --output {path}"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self._address(), isolation_level=None, uri=True)
        except (OSError, sqlite3.OperationalError) as error:
            raise DataError(f"an index must be a file that can be opened, but {path} cannot: {error}.") from error
        self._cache: dict[str, Any] = {}
        self._version: tuple[int, int] | None = None
        try:
            self._open(create)
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise self.broken(error) from error
        self.stems = Stems()

    def _address(self) -> str:
        """Return the file as SQLite's address; WAL needs files beside it, unless nothing changes."""
        may_write = all(os.access(one, os.W_OK) for one in (self.path, self.path.parent) if one.exists())
        there = self.path.with_name(self.path.name + "-wal").exists()
        return self.path.absolute().as_uri() + ("" if may_write else "?mode=ro" if there else "?immutable=1")

    def broken(self, error: sqlite3.DatabaseError) -> DataError:
        """Return what to raise for an error of SQLite's."""
        return DataError(
            f"{self.path} must be an index that `docgraph index` made and that is whole, but {error}. Make another."
        )

    def _open(self, create: bool) -> None:
        tables = self._tables()
        if create and not tables:
            self.connection.execute("PRAGMA journal_mode=WAL")
            with self.transaction():
                if not self._tables():  # of another command, which was faster
                    for statement in _SCHEMA:
                        self.connection.execute(statement)
                    self.connection.execute("INSERT INTO meta VALUES ('version', ?)", (str(VERSION),))
        elif "meta" not in tables or "nodes" not in tables:
            raise sqlite3.DatabaseError("it holds other tables" if tables else "it is empty")
        if (found := self.meta("version")) != str(VERSION):
            raise sqlite3.DatabaseError(f"it has version {found} and this docgraph reads version {VERSION}")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute("PRAGMA cache_size=-65536")  # 64 MB: the upper pages of all trees
        for level in LEVELS:
            self.connection.execute(
                f"CREATE VIRTUAL TABLE temp.words_of_{level} USING fts5vocab (main, words_{level}, instance)"
            )

    def _tables(self) -> set[str]:
        return {name for (name,) in self.connection.execute("SELECT name FROM sqlite_master")}

    def close(self) -> None:
        """Close the file."""
        self.connection.close()
        self.stems.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read the file as it is at one moment, whatever another process writes meanwhile."""
        if self.connection.in_transaction:  # what is in one already
            yield
            return
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.OperationalError):  # some errors of SQLite's have ended it
                self.connection.execute("ROLLBACK")

    @property
    def made_with(self) -> str:
        """Name of the store that an index was made with, whichever opened it."""
        return self.meta("store") or "sqlite"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out.

        Raises:
            DataError: another process writes to the index.
        """
        if "?" in self._address():
            raise DataError(f"an index must be a file that may be written to change it, but {self.path} is not.")
        with locked(self.path.with_name(self.path.name + ".lock"), self.path):
            yield

    def meta(self, name: str) -> str | None:
        """Return a setting that the index was made with."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, values: dict[str, str]) -> None:
        """Write settings, all or none; those that are there stay."""
        with self.transaction():
            self.connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", values.items())

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

    def put(self, document_id: str, document: Document | Source, digest: str, rows: Sequence[Row]) -> None:
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
        packed: dict[str, list[tuple[int, int, Row]]] = {level: [] for level in LEVELS}
        for row in rows:
            kinds = f" {' '.join(row.kinds)} "
            over = (*([" ".join(told.title.split())] if told.title else []), *row.headings)
            headings = clean(json.dumps(row.headings, ensure_ascii=False))
            # a document's or section's text is a slice of the document's, which is there already
            text = None if row.level in ("document", "section") else clean(row.text)
            node = self.connection.execute(
                "INSERT INTO nodes (document, level, id, kind, kinds, parent, headings, start, stop, dom_path, text) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, row.level, row.id, row.kind, kinds, row.parent, headings, *row.span, row.dom_path, text),
            ).lastrowid
            assert node is not None
            self.connection.execute(
                f"INSERT INTO words_{row.level} (rowid, headings, text) VALUES (?, ?, ?)",
                (node, spaced(clean("\n".join(dict.fromkeys(over)))), spaced(clean(row.words))),
            )
            sql = f"SELECT sz FROM words_{row.level}_docsize WHERE id = ?"
            packed[row.level].append((node, length_of(self.connection.execute(sql, (node,)).fetchone()[0]), row))
            if row.vector is not None:
                self._put_vector(node, row)
        for level, some in packed.items():
            if some:
                self.connection.execute(
                    "INSERT INTO packed VALUES (?, ?, ?, ?, ?)", (number, level, *packed_rows(some))
                )

    def remove(self, document_id: str) -> bool:
        """Take a document out; return whether it was there. Call it within a transaction."""
        found = self.connection.execute("SELECT number FROM documents WHERE id = ?", (clean(document_id),)).fetchone()
        if found is None:
            return False
        for level in LEVELS:
            numbers = "SELECT number FROM nodes WHERE document = ? AND level = ?"
            self.connection.execute(f"DELETE FROM words_{level} WHERE rowid IN ({numbers})", (found[0], level))
            self._remove_vectors(level, int(found[0]))
            self.connection.execute("DELETE FROM packed WHERE level = ? AND document = ?", (level, found[0]))
        self.connection.execute("DELETE FROM nodes WHERE document = ?", found)
        self.connection.execute("DELETE FROM documents WHERE number = ?", found)
        return True

    def _put_vector(self, number: int, row: Row) -> None:
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

    def kept(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` returns, read once and kept until the file changes."""
        version = (self.connection.execute("PRAGMA data_version").fetchone()[0], self.connection.total_changes)
        if version != self._version:
            self._cache, self._version = {}, version
        if name not in self._cache:
            self._cache[name] = read()
        found: T = self._cache[name]
        return found

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
