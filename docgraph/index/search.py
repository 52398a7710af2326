"""From a question to hits: words and meaning, of a row and of its best passage, as standard scores that are added up.

    score = WORDS * z(BM25) + BEST_WORDS * z(BM25 of the best passage) + WHOLE * z(cosine) + BEST * z(nearest passage)

z is a score less its mean over all rows of the level that the filters allow, divided by its standard deviation. Sums
of z-scores keep how far ahead a hit is, where fusing by ranks forgets it. The passages of a section are those directly
in it: what stands in its sections speaks for these. A passage or image is its own best passage. Without an embedder
only words count, and only rows that hold a word of the question are found. benchmarks/results/retrieval.md says how the
weights were chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError
from docgraph.index.rows import LEVELS
from docgraph.index.store import Near, Store
from docgraph.index.words import marks, terms

WORDS: Final = 0.5
BEST_WORDS: Final = 0.5
WHOLE: Final = 0.5
BEST: Final = 1.0
_DOCUMENTS: Final = ("document", "page", "article", "site")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One answer, and where it stands."""

    score: float
    """Sum of z-scores."""
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
    if not (asked := terms(question)):
        raise DataError(f"a question must hold a word or a number, but is {question!r:.100}.")
    level, kind = level_of(store, kind)
    numbers = store.select(level, kind, where)
    vector = None if embedder is None else np.asarray(embedder.encode_query([question])[0], np.float32)
    parts, holds_words = signals(store, level, numbers, asked, vector, kind, where)
    score = sum((weight * values for weight, values in parts), np.zeros(len(numbers)))
    eligible = holds_words if vector is None else np.ones(len(numbers), bool)
    for place in _highest(np.where(eligible, score, -np.inf), top):
        yield hit(store, int(numbers[place]), float(score[place]), question)


def _highest(score: NDArray[np.float64], top: int) -> list[int]:
    """Return the places of the highest finite scores, highest first; equal ones in the order of the index."""
    some = np.flatnonzero(score > -np.inf)
    if len(some) > top > 0:
        least = -np.partition(-score[some], top - 1)[top - 1]
        some = some[score[some] >= least]
    return some[np.lexsort((some, -score[some]))][:top].tolist()  # type: ignore[no-any-return]


def _first(numbers: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the numbers with the highest values."""
    return numbers[_highest(values, count)]


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


def signals(
    store: Store,
    level: str,
    numbers: NDArray[np.int64],
    asked: Sequence[str],
    vector: NDArray[np.float32] | None,
    kind: str | None = None,
    where: dict[str, str] | None = None,
) -> tuple[list[tuple[float, NDArray[np.float64]]], NDArray[np.bool_]]:
    """Return what speaks for some rows of a level, and which of them hold words of the question.

    Args:
        numbers: (n,) ascending.
        asked: the terms of the question.
        vector: (D,) of the question; None for words alone.
        kind, where: what `numbers` was selected by.

    Returns:
        pairs of a weight and standard scores (n,), and (n,) booleans.
    """
    scored = scored_passages = store.bm25(level, asked)
    words = best_words = _spread(numbers, *scored)
    has_passages = level not in ("passage", "image")
    if has_passages:
        scored_passages = store.bm25("passage", asked)
        best_words = _of_best(store, level, numbers, *scored_passages)
        parts = [(WORDS, _standard(words)), (BEST_WORDS, _standard(best_words))]
    else:
        parts = [(WORDS + BEST_WORDS, _standard(words))]
    if vector is not None:
        vector = vector / (np.linalg.norm(vector) or 1.0)
        near = store.near(level, vector, kind, where or {}, partial(_first, *scored))
        meaning = best = _spread(numbers, near.numbers, near.cosines, _least(near))
        drawn = best_drawn = _drawn(numbers, near)
        if has_passages:
            near = store.near("passage", vector, None, where or {}, partial(_first, *scored_passages))
            best = _of_best(store, level, numbers, near.numbers, near.cosines, _least(near))
            if near.drawn is not None:
                chosen = np.zeros(len(near.numbers))
                chosen[near.drawn] = 1.0
                best_drawn = _of_best(store, level, numbers, near.numbers, chosen) > 0
            parts += [(WHOLE, _standard(meaning, drawn)), (BEST, _standard(best, best_drawn))]
        else:
            parts.append((WHOLE + BEST, _standard(meaning, drawn)))
    return parts, (words > 0) | (best_words > 0)


def _of_best(
    store: Store,
    level: str,
    numbers: NDArray[np.int64],
    some: NDArray[np.int64],
    values: NDArray[np.float64],
    least: float = 0.0,
) -> NDArray[np.float64]:
    """Return for each row the highest value of the passages in it; for one without any, the lowest that another has.

    Args:
        numbers: (n,) of the rows.
        some: numbers of passages with `values`; others have `least`.
    """
    passages, holders = store.holders(level)
    best = np.full(len(numbers), -np.inf)
    if len(numbers):
        place = np.minimum(np.searchsorted(numbers, holders), len(numbers) - 1)
        is_there = numbers[place] == holders
        np.maximum.at(best, place[is_there], _spread(passages, some, values, least)[is_there])
    held = np.isfinite(best)
    best[~held] = best[held].min() if held.any() else 0.0
    return best


def _least(near: Near) -> float:
    """Return what a row without a cosine is taken to have: less than any; the mean, where some stand for all."""
    if near.drawn is None or not near.drawn.any():
        return -1.0
    return float(near.cosines[near.drawn].mean())


def _drawn(numbers: NDArray[np.int64], near: Near) -> NDArray[np.bool_] | None:
    """Return which of `numbers` stand for all rows, None if they are all there."""
    if near.drawn is None:
        return None
    return _spread(numbers, near.numbers, near.drawn.astype(np.float64)) > 0


def _spread(
    numbers: NDArray[np.int64], some: NDArray[np.int64], values: NDArray[np.float64], least: float = 0.0
) -> NDArray[np.float64]:
    """Return a value for each of `numbers`, which are ascending, `least` where it is not among `some`."""
    spread = np.full(len(numbers), least)
    if len(numbers):
        place = np.minimum(np.searchsorted(numbers, some), len(numbers) - 1)
        is_there = numbers[place] == some
        spread[place[is_there]] = values[is_there]
    return spread


def _standard(values: NDArray[np.float64], drawn: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return standard scores, by the mean and deviation of all values or of those drawn; zeros if all are the same."""
    base = values[drawn] if drawn is not None and drawn.sum() > 1 else values
    deviation = base.std() if len(base) else 0.0
    return (values - base.mean()) / deviation if deviation > 1e-12 else np.zeros(len(values))


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
