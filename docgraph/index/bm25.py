"""BM25 over the words that FTS5 keeps, one term at a time.

    term ─ FTS5's stem ─> numbers of the rows it stands in, once for each time ─ lengths of the rows ─> scores

FTS5's own rank is the same number at ten times the time (it looks up each row's length by itself), and gives a term
that is in half of the rows no weight at all, which leaves small collections without an order. Here a term has Lucene's
weight, log(1 + (N - n + 0.5) / (n + 0.5)), which is never zero. A phrase counts once in a row, however often it stands
there. In passages, two words that follow each other in the question and in the passage count as a phrase, too, by
PAIRS (Metzler and Croft, 2005); in longer rows that harms what headings and titles find.

Axes:  n rows of a level
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.index.packed import positions
from docgraph.index.store import Store
from docgraph.index.words import adjacent

K: Final = 1.2
B: Final = 0.75
"""Of Robertson's formula, as in FTS5 and Lucene."""
PAIRS: Final = 0.5
"""Weight of a phrase of two words beside the words themselves."""
LARGE: Final = 20_000
"""Rows of a level, above which common words of a question are left out."""
_COMMON: Final = 500
"""Rows of a level that hold a common word."""
_SCORES_KEPT: Final = 16_000_000
"""Scores of common words that are kept in memory, 128 MB."""
_COUNTS_KEPT: Final = 100_000

Scores = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Positions of rows that hold a term, ascending, and what it adds to each."""


def bm25(store: Store, level: str, terms: Sequence[str]) -> NDArray[np.float64]:
    """Return the BM25 score of each row of a level, (n,), 0 for a row that holds none of the terms.

    In large collections terms in a tenth of all rows are left out unless the question has no other, and pairs with a
    term of so many rows, or of more than LARGE.
    """
    pairs = adjacent(terms) if level == "passage" else {}
    if (total := store.count(level)) > LARGE:
        rows = {term: _rows_with(store, level, term) for term in terms}
        pairs = {
            pair: both for pair, both in pairs.items() if max(map(rows.__getitem__, both)) <= min(total / 10, LARGE)
        }
        terms = [term for term in terms if rows[term] <= total / 10] or terms
    some = [_scored(store, level, term) for term in terms]
    some += [(rows, PAIRS * scores) for rows, scores in (_scored(store, level, pair) for pair in pairs)]
    where = np.concatenate([np.empty(0, np.int32), *(rows for rows, _ in some)])
    scores = np.concatenate([np.empty(0, np.float32), *(scores for _, scores in some)])
    return np.bincount(where, scores, len(store.rows(level).numbers)).astype(np.float64, copy=False)


def _rows_with(store: Store, level: str, term: str) -> int:
    """Return in how many rows of a level a term stands."""
    counts: dict[tuple[str, str], int] = store.kept("counts", dict)
    if (level, term) not in counts:
        if len(counts) >= _COUNTS_KEPT:
            counts.clear()
        sql = f"SELECT count(*) FROM words_{level} WHERE words_{level} MATCH ?"
        counts[level, term] = store.connection.execute(sql, (term,)).fetchone()[0]
    return counts[level, term]


def _scored(store: Store, level: str, term: str) -> Scores:
    """Return what a term adds to the rows that hold it.

    Common words come again with nearly every question and take nearly all of its time, so their scores are kept.
    """
    common: dict[tuple[str, str], Scores] = store.kept("common", dict)
    if (level, term) in common:
        return common[level, term]
    where, parts = _parts(store, level, term)
    total, count = store.count(level), len(where)
    weight = np.log1p((total - count + 0.5) / (count + 0.5))
    scored = where.astype(np.int32), (weight * parts).astype(np.float32)
    if count >= _COMMON:
        if count + sum(len(some) for some, _ in common.values()) > _SCORES_KEPT:
            common.clear()
        common[level, term] = scored
    return scored


def _parts(store: Store, level: str, term: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the positions of the rows that hold a term, ascending, and their scores but for its weight."""
    rows, stems = store.rows(level), store.stems.of(term)
    if len(stems) == 1:
        term, sql = stems[0], f"SELECT group_concat(doc, ' ') FROM temp.words_of_{level} WHERE term = ?"
    else:  # a phrase
        sql = f"SELECT group_concat(rowid, ' ') FROM words_{level} WHERE words_{level} MATCH ?"
    every = np.fromstring(store.connection.execute(sql, (term,)).fetchone()[0] or "", np.int64, sep=" ")  # at once
    first = np.flatnonzero(np.diff(every, prepend=-1))
    where, is_there = positions(rows.numbers, every[first])
    times = np.diff(first, append=len(every))[is_there]
    share = rows.lengths[where] / rows.lengths.mean() if len(where) else 0.0
    return where, times * (K + 1) / (times + K * (1 - B + B * share))
