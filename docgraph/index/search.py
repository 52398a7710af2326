"""From a question to hits: words and meaning, each as standard scores over the rows that may be found, added up.

    score = WORDS * z(BM25) + BEST * z(nearest passage) + WHOLE * z(vector of the row itself)

z is a score less its mean over all rows of the level that the filters allow, divided by its standard deviation. Sums of
z-scores keep how far ahead a hit is, where fusing by ranks forgets it. A section or document is as near as the nearest
of its passages; a passage or image is compared itself. Without an embedder only BM25 counts,
and only rows that hold a word of the question are found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError
from docgraph.index.rows import LEVELS
from docgraph.index.store import Store, Table
from docgraph.index.words import marks, terms

WORDS: Final = 1.0
BEST: Final = 1.0
WHOLE: Final = 0.5
_DOCUMENTS: Final = ("document", "page", "article", "site")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One answer, and where it stands."""

    score: float
    """Sum of z-scores; without an embedder BM25's."""
    document_id: str
    id: str
    parent: str | None
    """Id of the section that it lies in; `Index.read` gives its text."""
    level: str
    kind: str
    title: str | None
    url: str | None
    headings: tuple[str, ...]
    text: str
    span: tuple[int, int]
    """Characters of the document's text."""
    dom_path: str | None
    marks: tuple[tuple[int, int], ...]
    """Where words of the question stand in `text`."""


def search(
    store: Store, embedder: Any, question: str, *, kind: str | None, top: int, where: dict[str, str]
) -> Iterator[Hit]:
    """Yield the best hits; see `Index.search`."""
    level, kind = level_of(store, kind)
    numbers = store.select(level, kind, where)
    words = _spread(numbers, *store.bm25(level, terms(question)))
    if embedder is None:
        score, eligible = words, words > 0
    else:
        vector = np.asarray(embedder.encode_query([question])[0], np.float32)
        score = WORDS * _standard(words)
        for weight, table_numbers, nearness in _meaning(store, level, vector):
            score = score + weight * _standard(_spread(numbers, table_numbers, nearness))
        eligible = np.ones(len(numbers), bool)
    order = np.lexsort((numbers, -score))  # equal scores in the order of the index
    for place in order[eligible[order]][:top].tolist():
        yield hit(store, int(numbers[place]), float(score[place]), question)


def level_of(store: Store, kind: str | None) -> tuple[str, str | None]:
    """Return the level that a kind of hit is found at, and the kind of node it is limited to.

    Raises:
        DataError: the index has no row of this kind.
    """
    if kind is None or kind in LEVELS:
        return kind or "passage", None
    if kind in _DOCUMENTS:
        return "document", kind
    kinds = store.kinds()
    if kind not in kinds:
        known = ", ".join(dict.fromkeys((*LEVELS, *kinds)))
        raise DataError(f"kind must be one that the index has, {known}, but is {kind!r}.")
    return "passage", kind


def _meaning(
    store: Store, level: str, vector: NDArray[np.float32]
) -> Iterator[tuple[float, NDArray[np.int64], NDArray[np.float64]]]:
    """Yield what speaks for the rows of a level: a weight, their numbers, how near each is to the question."""
    own = store.vectors(level)
    if level in ("passage", "image"):
        yield BEST + WHOLE, own.numbers, _nearness(own, vector)
        return
    yield WHOLE, own.numbers, _nearness(own, vector)
    passages = store.vectors("passage")
    nearness = _nearness(passages, vector)
    if level == "document":
        documents, place = np.unique(passages.documents, return_inverse=True)
        best = np.full(len(documents), -1.0)
        np.maximum.at(best, place, nearness)
        yield BEST, own.numbers, _spread(own.documents, documents, best, least=-1.0)
        return
    best = np.full(len(own.numbers), -1.0)
    _raise(best, own.numbers, passages.parents, nearness)
    for _ in range(len(own.numbers)):  # a section holds what its sections hold; ends after as many rounds as they nest
        before = best.copy()
        _raise(best, own.numbers, own.parents, before)
        if np.array_equal(before, best):
            break
    yield BEST, own.numbers, best


def _raise(
    best: NDArray[np.float64], numbers: NDArray[np.int64], parents: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Lift the entries of `best` whose numbers are among `parents` to the values of these."""
    if not len(numbers):
        return
    place = np.minimum(np.searchsorted(numbers, parents), len(numbers) - 1)
    is_there = numbers[place] == parents
    np.maximum.at(best, place[is_there], values[is_there])


def _nearness(table: Table, vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosine of each row of a table with a question's vector."""
    if not len(table.numbers):
        return np.empty(0)
    length = float(np.linalg.norm(vector)) or 1.0
    return (table.vectors @ (vector / length)).astype(np.float64)


def _spread(
    numbers: NDArray[np.int64], some: NDArray[np.int64], values: NDArray[np.float64], least: float = 0.0
) -> NDArray[np.float64]:
    """Return a value for each of `numbers`, `least` where it is not among `some`."""
    spread = np.full(len(numbers), least)
    if len(some):
        order = np.argsort(some, kind="stable")
        place = np.minimum(np.searchsorted(some, numbers, sorter=order), len(some) - 1)
        is_there = some[order[place]] == numbers
        spread[is_there] = values[order[place[is_there]]]
    return spread


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard scores; zeros where all are the same."""
    deviation = values.std() if len(values) else 0.0
    return (values - values.mean()) / deviation if deviation > 1e-12 else np.zeros(len(values))


def hit(store: Store, number: int, score: float = 0.0, question: str = "") -> Hit:
    """Return a row of the index as a hit."""
    node = store.node(number)
    return Hit(
        score=score,
        document_id=node["document_id"],
        id=node["id"],
        parent=node["parent"],
        level=node["level"],
        kind=node["kind"],
        title=node["title"],
        url=node["url"],
        headings=tuple(node["headings"]),
        text=node["shown"],
        span=(node["start"], node["stop"]),
        dom_path=node["dom_path"],
        marks=marks(node["shown"], question),
    )
