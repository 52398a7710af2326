"""The file that an index lies in: opened, locked, read as it is at one moment, written all or nothing.

One writer at a time holds a file beside it locked. Readers are not kept out (WAL); a file that may only be read is
opened as one that does not change.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from docgraph.errors import DataError
from docgraph.index import postings
from docgraph.index.rows import LEVELS
from docgraph.locks import locked

VERSION: Final = 5
_SCHEMA: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE documents (number INTEGER PRIMARY KEY, id TEXT UNIQUE, digest TEXT, text TEXT, title TEXT, url TEXT, "
    "site TEXT, language TEXT, date TEXT)",
    "CREATE TABLE nodes (number INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER, level TEXT, id TEXT UNIQUE, "
    "kind TEXT, kinds TEXT, parent TEXT, headings TEXT, start INTEGER, stop INTEGER, dom_path TEXT, text TEXT, "
    "parts TEXT)",
    "CREATE INDEX nodes_of_document ON nodes (document)",
    "CREATE INDEX nodes_of_level ON nodes (level, kinds)",
    "CREATE TABLE packed (document INTEGER, level TEXT, numbers BLOB, lengths BLOB, signs BLOB)",
    "CREATE INDEX packed_of_document ON packed (level, document)",
    *postings.SCHEMA,
    *(f"CREATE TABLE vectors_{level} (number INTEGER PRIMARY KEY, vector BLOB)" for level in LEVELS),
)
T = TypeVar("T")


@contextmanager
def undamaged(name: str) -> Iterator[None]:
    """Take bytes that cannot be read as numbers for what they are in a file that SQLite finds in order: damage."""
    try:
        yield
    except (IndexError, TypeError, ValueError) as error:
        raise sqlite3.DatabaseError(f"{name} cannot be read") from error


class Database:
    """One SQLite file, and what was read of it."""

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

    def _address(self) -> str:
        """Return the file as SQLite's address; WAL needs files beside it, unless nothing changes."""
        may_write = all(os.access(one, os.W_OK) for one in (self.path, self.path.parent) if one.exists())
        there = self.path.with_name(self.path.name + "-wal").exists()
        return self.path.absolute().as_uri() + ("" if may_write else "?mode=ro" if there else "?immutable=1")

    def broken(self, error: sqlite3.DatabaseError) -> DataError:
        """Return what to raise for an error of SQLite's."""
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            return self.full(error)
        return DataError(
            f"{self.path} must be an index that `docgraph index` made and that is whole, but {error}. Make another."
        )

    def full(self, error: Exception) -> DataError:
        """Return what to raise where the disk has no more room."""
        return DataError(
            f"there must be room on the disk for {self.path}, and in SQLite's folder for temporary files "
            f"(SQLITE_TMPDIR), but {error}; what was written before stays. Make room and run it again to go on."
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

    def _tables(self) -> set[str]:
        with undamaged("the list of its tables"):
            return {name for (name,) in self.connection.execute("SELECT name FROM sqlite_master")}

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # a full disk has ended it
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def compact(self) -> None:
        """Write the file anew, without the room of what is gone. Where another process reads it, the room comes back
        when that one closes it.
        """
        self.connection.execute("VACUUM")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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

    def kept(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` returns, read once and kept until the file changes.

        Raises:
            sqlite3.DatabaseError: what is written there cannot be read as numbers.
        """
        version = (self.connection.execute("PRAGMA data_version").fetchone()[0], self.connection.total_changes)
        if version != self._version:
            self._cache, self._version = {}, version
        if name not in self._cache:
            with undamaged(f'the part "{name}"'):
                self._cache[name] = read()
        found: T = self._cache[name]
        return found
