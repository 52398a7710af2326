"""BM25 of every row of a level, from the rows that postings.py keeps of each word.

    term ─ FTS5's stem ─> positions of the rows it stands in, and how often ─ lengths of the rows ─> scores, added up

A term has Lucene's weight, log(1 + (N - n + 0.5) / (n + 0.5)), which is never zero: FTS5's own gives a term that is in
half of the rows none at all, which leaves small collections without an order. A phrase counts once in a row, however
often it stands there. In passages, two words that follow each other in the question and in the passage count as a
phrase, too, by PAIRS (Metzler and Croft, 2005); in longer rows that harms what headings and titles find.

Axes:  n rows of a level   k rows that hold a term
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.index import postings
from docgraph.index.packed import Positions, positions
from docgraph.index.postings import Numbers, Posting
from docgraph.index.store import Store
from docgraph.index.words import adjacent, letters

K: Final = 1.2
B: Final = 0.75
"""Of Robertson's formula, as in FTS5 and Lucene."""
PAIRS: Final = 0.5
"""Weight of a phrase of two words beside the words themselves."""
LARGE: Final = 20_000
"""Rows of a level, above which common words of a question are left out."""

Found = tuple[Positions, Numbers]
"""(k,) positions of rows that hold a term, and (k,) how often."""


def bm25(store: Store, level: str, terms: Sequence[str]) -> NDArray[np.float32]:
    """Return the BM25 score of each row of a level, (n,), 0 for a row that holds none of the terms.

    In large collections terms in a tenth of all rows are left out unless the question has no other, and pairs with a
    term of so many rows, or of more than LARGE.
    """
    total, words = store.count(level), _Words(store, level, letters(terms))
    stems = dict(zip(terms, store.stems.of(terms), strict=True))
    pairs = adjacent(terms) if level == "passage" else {}
    if total > LARGE:
        rows = {term: words.count(some) for term, some in stems.items()}
        pairs = {pair: both for pair, both in pairs.items() if max(rows[one] for one in both) <= min(total / 10, LARGE)}
        terms = [term for term in terms if rows[term] <= total / 10] or terms
    share = store.kept(f"share {level}", lambda: _share(store.rows(level).lengths))
    scores = np.zeros(total, np.float32)
    for weight, some in [(1.0, stems[one]) for one in terms] + [
        (PAIRS, stems[one] + stems[other]) for one, other in pairs.values()
    ]:
        where, times = words.of(some)
        weight *= np.log1p((total - len(where) + 0.5) / (len(where) + 0.5)) * (K + 1)
        scores[where] += np.float32(weight) * times / (times + share[where])
    return scores


def _share(lengths: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return what the length of each row takes from its score."""
    return (K * (1 - B + B * lengths / (lengths.mean() if len(lengths) else 1))).astype(np.float32)


class _Words:
    """The words of one question in a level; what is asked for twice is read once.

    Args:
        letters: words of it that are found within pairs of letters, too.
    """

    def __init__(self, store: Store, level: str, letters: Collection[str] = ()) -> None:
        self._letters = letters
        self._segments = store.segments(level)
        sizes = {segment: len(one.where) for segment, one in self._segments.items()}
        self._read = cache(partial(postings.read, store.connection, sizes))
        self._count = partial(postings.count, store.connection, sizes)
        self._pairs = partial(postings.pairs, store.connection, sizes)

    def count(self, stems: Sequence[str]) -> int:
        """Return in how many rows a term stands; rows that are gone may be among them."""
        is_word = len(stems) == 1 and stems[0] not in self._letters
        return self._count(stems[0]) if is_word else len(self.of(stems)[0])

    def of(self, stems: Sequence[str]) -> Found:
        """Return where a term stands, a word or a phrase."""
        where, times = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
        for segment, rows, often in self._phrase(stems) if len(stems) > 1 else self._word(*stems):
            place, whole = self._segments[segment]
            where.append(place[rows])
            times.append(often)
            if not whole:
                there = where[-1] >= 0
                where[-1], times[-1] = where[-1][there], often[there]
        return np.concatenate(where), np.concatenate(times)

    def _word(self, stem: str = "") -> Iterator[tuple[int, Numbers, Numbers]]:
        if stem in self._letters:
            yield from self._letter(stem)
            return
        for segment, (rows, times, _) in self._read(stem, places=False).items():
            yield segment, rows, times

    def _letter(self, letter: str) -> Iterator[tuple[int, Numbers, Numbers]]:
        """Yield where a letter stands alone or in pairs, of which two that overlap in it are one place."""
        found: dict[int, list[Numbers]] = {}
        for term in self._pairs(letter):
            for segment, one in self._read(term, places=True).items():
                begins = (np.repeat(one.rows, one.times).astype(np.int64) << 32) + one.places
                found.setdefault(segment, []).extend(begins + at for at, other in enumerate(term) if other == letter)
        for segment, places in found.items():
            rows, times = np.unique(np.unique(np.concatenate(places)) >> 32, return_counts=True)
            yield segment, rows, times

    def _phrase(self, stems: Sequence[str]) -> Iterator[tuple[int, Numbers, Numbers]]:
        found = [self._read(stem, places=True) for stem in stems]
        for segment in found[0]:
            if all(segment in one for one in found):
                rows = _in_order([one[segment] for one in found], len(self._segments[segment].where))
                yield segment, rows, np.ones(len(rows), np.uint8)


def _in_order(words: Sequence[Posting], size: int) -> Numbers:
    """Return the rows, of so many of a segment, in which words follow each other."""
    held = np.zeros(size, np.int32)
    for one in words:
        held[one.rows] += 1
    begins = None  # rows and places where all words so far stand, ascending
    for after, one in enumerate(words):
        every = held[one.rows] == len(words)
        rows = np.repeat(one.rows[every], one.times[every]).astype(np.int64)
        at = (rows << 32) + one.places[np.repeat(every, one.times)] - after
        begins = at if begins is None else begins[positions(at, begins)[1]]
    return np.empty(0, np.int64) if begins is None else np.unique(begins >> 32)
