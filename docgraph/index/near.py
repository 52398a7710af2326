"""How near the rows of a level are to a question's vector: all compared, or those that differ least by their signs.

    up to EXACT rows     every vector · the question
    above                signs of every vector, D bits ─ differing bits ─> the NEAREST ─┐
                         those that are best by words ──────────────────────────────────┴─> vectors · the question

Bits of a million vectors of 384 numbers are 48 MB and take some 15 ms to compare, whatever the filters; they need no
training and no upkeep. Two vectors differ in a share of their signs that grows with the angle between them (Charikar,
2002), and what is compared exactly afterwards makes good for the rest: docs/results/scale.md has the share of answers
that is kept. All rows of documents that are drawn by chance stand for all: they give the mean and the deviation of
the z-scores.

Axes:  n rows of a level   D width of a vector
"""

from collections.abc import Callable
from functools import reduce
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.index.packed import Bits, Positions, positions, signs
from docgraph.index.store import Store

EXACT: Final = 50_000
"""Rows of a level up to which all are compared: see docs/results/scale.md."""
NEAREST: Final = 1000
"""Rows that are looked up by meaning."""
BY_WORDS: Final = 300
"""Rows that are looked up by words."""
DRAWN: Final = 4096
"""Rows that stand for all, at least; as many as that of the filters, where they allow fewer."""
_BLOCK: Final = 1 << 15
"""Rows that are compared at once: their bits stay in the processor's cache."""


class Near(NamedTuple):
    """How near rows of a level are to a question."""

    rows: Positions
    """(k,) positions in the level, ascending"""
    cosines: NDArray[np.float64]
    """(k,)"""
    drawn: NDArray[np.bool_] | None = None
    """(k,) which of them were drawn by chance and stand for all rows; None where these are all rows."""


def near(
    store: Store, level: str, vector: NDArray[np.float32], allowed: Positions, besides: Callable[[int], Positions]
) -> Near:
    """Return the cosines of a level's rows with a question's vector.

    Args:
        vector: (D,) of length 1 or 0.
        allowed: positions of the rows that may be answers, ascending.
        besides: gives so many of the allowed rows that are to be among them, where not all are.
    """
    rows = store.rows(level)
    if rows.signs is None or len(rows.numbers) <= EXACT:
        numbers, vectors = store.vectors(level)
        where, is_there = positions(rows.numbers, numbers)
        return Near(where, (vectors @ vector).astype(np.float64)[is_there] if len(numbers) else np.empty(0))
    if len(allowed) <= NEAREST:
        return Near(allowed, _cosines(store, level, allowed, vector))
    differ = differing(rows.signs, vector)
    chosen = _least(differ if len(allowed) == len(differ) else differ[allowed], NEAREST)
    some = np.union1d(allowed[chosen], besides(BY_WORDS))
    drawn, vectors = store.kept(f"drawn {level}", lambda: _draw(store, level, np.arange(len(rows.numbers)), DRAWN))
    _, may = positions(allowed, drawn)
    if may.sum() < min(DRAWN // 8, len(allowed)):  # the filters leave too few of them
        drawn, vectors = _draw(store, level, allowed, DRAWN // 8)
        may = np.ones(len(drawn), bool)
    every = np.concatenate([drawn[may], some])
    cosines = np.concatenate([(vectors @ vector).astype(np.float64)[may], _cosines(store, level, some, vector)])
    unique, first = np.unique(every, return_index=True)
    return Near(unique, cosines[first], first < may.sum())


def differing(bits: Bits, vector: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return in how many signs each vector differs from another.

    Args:
        bits: (W, n) signs of vectors, a word of 64 in each row.

    Returns:
        (n,)
    """
    words = signs(vector[None])[0]
    count = np.zeros(bits.shape[1], np.uint16)
    for start in range(0, len(count), _BLOCK):
        block = slice(start, start + _BLOCK)
        for first in range(0, len(words), 3):  # up to 192, which fits into a byte
            some = zip(bits[first : first + 3, block], words[first : first + 3], strict=True)
            count[block] += reduce(np.add, (np.bitwise_count(row ^ word) for row, word in some))
    return count


def _least(counts: NDArray[np.uint16], some: int) -> NDArray[np.intp]:
    """Return where the `some` least of small counts are, ascending; the first of equal ones."""
    sample = np.sort(counts[::64])
    likely = np.flatnonzero(counts <= sample[min(some // 32 + 8, len(sample) - 1)])  # some are compared, not all
    if len(likely) < some:
        likely = np.arange(len(counts))
    few = counts[likely]
    bound = int(np.searchsorted(np.cumsum(np.bincount(few)), some))
    inside, edge = np.flatnonzero(few < bound), np.flatnonzero(few == bound)
    return np.sort(likely[np.concatenate([inside, edge[: some - len(inside)]])])


def _draw(store: Store, level: str, allowed: Positions, least: int) -> tuple[Positions, NDArray[np.float32]]:
    """Return the allowed rows of documents that are drawn by chance, always the same ones, and their vectors.

    Whole documents, so that what is the best of a document's or section's passages is known for some, too.
    """
    documents, random = store.rows(level).documents[allowed], np.random.default_rng(0)
    order = random.permutation(np.unique(documents))
    drawn = allowed[np.isin(documents, order[: max(len(order) * least // len(allowed), 1)])]
    if len(drawn) > 4 * least:  # one is very long
        drawn = np.sort(random.choice(drawn, least, replace=False))
    return drawn, store.vectors_at(level, store.rows(level).numbers[drawn])


def _cosines(store: Store, level: str, rows: Positions, vector: NDArray[np.float32]) -> NDArray[np.float64]:
    if not len(rows):
        return np.empty(0)
    return (store.vectors_at(level, store.rows(level).numbers[rows]) @ vector).astype(np.float64)
