"""`Index`: documents in, hits out.

A document is known by its id and by a digest of its source: what has not changed is passed over, what has changed is
written anew, nothing else is touched. Documents are embedded and written some at a time, in one transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import wraps
from itertools import islice
from os import PathLike
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Concatenate, Final, Literal, ParamSpec, Self, TypeVar

from docgraph.document import Document
from docgraph.errors import DataError, DocgraphError, check_each, check_type, check_whole
from docgraph.index.lance import LanceStore
from docgraph.index.rows import LEVELS, IndexRow, named, rows_of
from docgraph.index.search import Hit, hit, search
from docgraph.index.store import Store, StoredDocument

MAX_TOKENS: Final = 256
"""Of a passage, in words, where no embedder says how much it reads at once."""
STORE: Final = "sqlite"
"""Where a new index has its vectors."""
DEFAULT: Final = "the default embedder"
NEEDED: Final = ("encode", "encode_query", "name", "fingerprint")
"""What an embedder has."""
TOGETHER: Final = 16
"""Documents that are embedded in one call: many enough to sort their texts by length."""
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Added:
    """What `Index.add` did."""

    written: int = 0
    unchanged: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """Document id -> why it was set aside."""


def _told(method: "Callable[Concatenate[Index, P], T]") -> "Callable[Concatenate[Index, P], T]":
    """Say in a sentence what SQLite finds wrong with the file."""

    @wraps(method)
    def call(index: "Index", /, *args: P.args, **options: P.kwargs) -> T:
        try:
            return method(index, *args, **options)
        except sqlite3.ProgrammingError as error:
            what = "be used in the thread that opened it" if "thread" in str(error) else "be open, but it was closed"
            raise DataError(f"the index must {what}. Open it again: Index.open(path).") from error
        except sqlite3.DatabaseError as error:
            raise index._store.broken(error) from error

    return call


class Index:
    """Documents that can be searched by words, and by meaning if it was made with an embedder."""

    def __init__(self, store: Store, embedder: Any) -> None:
        self._store, self._embedder = store, embedder

    @classmethod
    def open(
        cls,
        path: str | Path,
        embedder: Any = None,
        *,
        create: bool = False,
        max_tokens: int | None = None,
        store: Literal["sqlite", "lancedb"] | None = None,
    ) -> Self:
        """Open an index, or make one.

        Args:
            path: the file.
            embedder: an `encoders.Embedder`, or anything with its `encode`, `encode_query`, `name` and `fingerprint`.
                None: it is searched by words alone, whether or not it has vectors.
            create: make the file if there is none.
            max_tokens: words of a passage, of a new index without an embedder, which cuts its own; None is 256.
            store: where vectors are kept: "sqlite", in the file; "lancedb", in a folder beside it, for more rows than
                fit into memory (lance.py). None: where the index has them; "sqlite" for a new one.

        Raises:
            DataError: there is no index at `path`, it was made with another embedder or other settings, or an argument
                is of another type.
            MissingExtraError: lancedb is needed and not installed.
        """
        check_type("path", path, str, PathLike)
        if lacks := [name for name in NEEDED if embedder is not None and not hasattr(embedder, name)]:
            raise DataError(
                f"an embedder must have {', '.join(NEEDED)}, but a {type(embedder).__name__} has no {lacks[0]}."
            )
        if max_tokens is not None:
            check_whole("max_tokens", max_tokens)
        if store not in (None, "sqlite", "lancedb"):
            raise DataError(f'store must be "sqlite" or "lancedb", but is {store!r:.80}.')
        asked = store or STORE
        opened = (LanceStore if asked == "lancedb" else Store)(Path(path), create)
        try:
            if opened.meta("max_tokens") is not None and opened.made_with != opened.name:
                made = opened.made_with
                if store is not None:
                    raise DataError(f"{path} was made with {made}, but {store} was asked for. Make another index.")
                opened.close()
                opened = (LanceStore if made == "lancedb" else Store)(Path(path), create)
            index = cls(opened, embedder)
            index._settle(max_tokens, create)
        except DocgraphError:
            opened.close()
            raise
        except sqlite3.DatabaseError as error:
            opened.close()
            raise opened.broken(error) from error
        return index

    def _settle(self, max_tokens: int | None, create: bool) -> None:
        """Write the settings of a new index, or hold those asked for against those it has.

        Raises:
            DataError: they do not fit, or there is none and `create` is not set: a command was killed at its start.
        """
        name = "" if self._embedder is None else str(self._embedder.name)
        mark = "" if self._embedder is None else str(self._embedder.fingerprint)
        path, made = self._store.path, self._store.meta("max_tokens")
        known = "no embedder, by words alone" if self.embedder_name is None else self.embedder_name or DEFAULT
        if made is None and not create:
            raise DataError(f"{path} must be an index that `docgraph index` made, but it is empty.")
        if made is None:
            settings = {
                "max_tokens": str(max_tokens or MAX_TOKENS),
                "embedder": name,
                "fingerprint": mark,
                "store": self._store.name,
            }
            self._store.set_meta(settings)
        elif max_tokens is not None and str(max_tokens) != made:
            raise DataError(
                f"{path} was made with passages of {made} words, but {max_tokens} were asked for. "
                "Make another index for it."
            )
        elif mark and mark != self._store.meta("fingerprint"):
            raise DataError(
                f"{path} was made with {known}, but {name or DEFAULT} was given, or it has changed since. "
                "Open it with what it was made with, or make another index."
            )
        elif create and not mark and self.embedder_name is not None:
            raise DataError(
                f"{path} was made with {known}, but no embedder was given: new documents would lack vectors."
            )

    @staticmethod
    def is_begun(path: str | Path) -> bool:
        """Whether a file has the settings of an index; what a command leaves that was killed at its start has none."""
        if not Path(path).is_file():
            return False
        with closing(sqlite3.connect(path)) as connection:
            try:
                return connection.execute("SELECT 1 FROM meta WHERE name = 'max_tokens'").fetchone() is not None
            except sqlite3.DatabaseError:  # no table, or no index at all: who opens it is told
                return False

    @property
    def embedder_name(self) -> str | None:
        """Name of the embedder that the index was made with, "" for the default one; None if it has words only."""
        return self._store.meta("embedder") if self._store.meta("fingerprint") else None

    @property
    def fingerprint(self) -> str:
        """Of the embedder that the index was made with; empty if it has words only."""
        return self._store.meta("fingerprint") or ""

    @property
    def max_tokens(self) -> int:
        """Words of a passage where there is no embedder."""
        return int(self._store.meta("max_tokens") or MAX_TOKENS)

    @_told
    def __len__(self) -> int:
        """Return how many documents there are."""
        return self._store.documents()

    @_told
    def counts(self) -> dict[str, int]:
        """Return how many rows each level has: documents, sections, passages, images."""
        return {level: self._store.count(level) for level in LEVELS}

    @_told
    def digests(self) -> dict[str, str]:
        """Return the digest of each document's source, by document id: what need not be read again."""
        return self._store.digests()

    @_told
    def add(self, documents: Document | Iterable[Document | tuple[str, Document] | tuple[str, Document, str]]) -> Added:
        """Add documents, or write anew those that have changed.

        Args:
            documents: one, or many: each alone, with an id, or with an id and a digest of its source. Without an id
                it is the document's URL, or a hash of its text; without a digest it is a hash of the document.

        Raises:
            DataError: another process writes to the index; something is not a document.
        """
        check_type("documents", documents, Document, Iterable)
        added, seen = Added(), set()
        documents = [documents] if isinstance(documents, Document) else documents
        with self._store.writing():
            there = self._store.digests()

            def changed() -> Iterator[tuple[str, Document, str]]:
                for one in documents:
                    name, document, digest = named(one)
                    if name in seen:
                        added.problems[name] = "another document of this call has the same id"
                        continue
                    seen.add(name)
                    if there.get(name) == digest:
                        added.unchanged += 1
                    else:
                        yield name, document, digest

            stream = changed()
            while batch := list(islice(stream, TOGETHER)):
                made = rows_of(batch, self._embedder, self.max_tokens)
                self._write([(*one, rows) for one, rows in zip(batch, made, strict=True)])
                added.written += len(batch)
        return added

    @_told
    def add_rows(self, documents: Iterable[tuple[str, StoredDocument, str, list[IndexRow]]]) -> Added:
        """Add documents whose rows were made elsewhere, by the embedder and settings of this index (shards.py).

        Args:
            documents: each with its id, text and metadata, a digest of its source, and its rows.

        Raises:
            DataError: another process writes to the index.
        """
        check_type("documents", documents, Iterable)
        added = Added()
        with self._store.writing():
            there = self._store.digests()
            new = (one for one in documents if there.get(one[0]) != one[2])
            while batch := list(islice(new, TOGETHER)):
                self._write(batch)
                added.written += len(batch)
        return added

    def _write(self, batch: Iterable[tuple[str, Document | StoredDocument, str, list[IndexRow]]]) -> None:
        with self._store.transaction():
            for name, document, digest, rows in batch:
                self._store.put(name, document, digest, rows)

    @_told
    def remove(self, document_ids: Iterable[str]) -> int:
        """Take documents out; return how many there were.

        Raises:
            DataError: another process writes to the index; the ids are no texts, or one text.
        """
        names = check_each("document_ids", document_ids, str, "name each document by its id")
        with self._store.writing(), self._store.transaction():
            return sum(map(self._store.remove, names))

    @_told
    def compact(self) -> None:
        """Give back the room of what was changed or taken out, and join what came piece by piece. Answers stay as they
        are. While it runs it takes up to three times the file's room, a third of it in SQLite's folder for temporary
        files (SQLITE_TMPDIR). A question that another process asks meanwhile may fail where vectors are in LanceDB.

        Raises:
            DataError: another process writes to the index; the disk is full, and answers are as they were.
        """
        with self._store.writing():
            self._store.compact()

    @_told
    def search(
        self,
        question: str,
        kind: str | None = None,
        top: int = 10,
        where: Mapping[str, str] | None = None,
        *,
        every: bool = False,
    ) -> list[Hit]:
        """Return the best answers to a question, best first.

        Args:
            question: words; in quotes a phrase.
            kind: what to find: "passage" (None), "section", "document", "image", or a kind of node such as "table".
            top: how many at most.
            where: values that a document must have: id, site, language, date, url, title; `*` stands for anything.
            every: whether an answer that says word by word what a better one says under the same headings is an answer
                by itself. If not, `Hit.also` of the better one names its document.

        Raises:
            DataError: the question has no word; the index has no rows of this kind; `top` is below 1; `where` has an
                unknown name; an argument is of another type.
        """
        if not isinstance(question, str):
            raise DataError(f"a question must be a text, but is a {type(question).__name__}: ask one at a time.")
        check_type("kind", kind, str, NoneType)
        top = check_whole("top", top)
        if where is not None and not isinstance(where, Mapping):
            raise DataError(f'where must be a mapping such as {{"language": "en"}}, but is {where!r:.80}.')
        for name, value in (where or {}).items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise DataError(f"where must have texts as names and values, but has {name!r:.80}: {value!r:.80}.")
        with self._store.reading():
            return list(
                search(self._store, self._embedder, question, kind=kind, top=top, where=dict(where or {}), every=every)
            )

    @_told
    def read(self, id: str) -> Hit:
        """Return the row with an id, whole: a section for the `parent` of a passage, a document by its own id.

        Raises:
            DataError: there is none, or it is no text.
        """
        check_type("id", id, str)
        with self._store.reading():
            number = self._store.number(id) or next(iter(self._store.sections(id)), None)
            if number is None:
                raise DataError(f"an id must be one of this index, as a hit has it, but {id!r:.100} is none.")
            return hit(self._store, number)

    @_told
    def contents(self, document_id: str) -> list[Hit]:
        """Return the document and its sections, in order; empty if it is not in the index.

        Raises:
            DataError: the id is no text.
        """
        check_type("document_id", document_id, str)
        with self._store.reading():
            return [hit(self._store, number) for number in self._store.sections(document_id)]

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
