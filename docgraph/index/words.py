"""Words as FTS5 counts them: for texts that go in and for questions.

FTS5's `unicode61` finds words between spaces and marks, folds case and accents; `porter` strips English endings.
Scripts that put no space between words (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan) are written as overlapping pairs
of letters, in texts and questions alike, so that any word of two letters or more is found.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

TOKENIZER: Final = "porter unicode61 remove_diacritics 2"
MOST_TERMS: Final = 64
"""Of a question; what follows adds time and next to nothing to the order."""

SHOWN: Final = 4
"""Letters of an English word that is marked in a hit; shorter ones are "the", "of", "is"."""

_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_ENDING: Final = re.compile("[\u3040-\u309f]+")
"""Hiragana: endings and particles, mostly."""
_SPELT: Final = re.compile("[\u0e00-\u109f\u1780-\u17ff]")
"""Letters that are less than a syllable: words have many."""
_LEAST: Final = 3
_HELD: Final = re.compile(b"\x01+")
_WORD: Final = re.compile(r"\w+")
_TERM: Final = re.compile(r'"([^"]+)"|(\w+)')


def spaced(text: str) -> str:
    """Return a text with the letters of unspaced scripts as overlapping pairs between spaces."""
    return _RUN.sub(lambda match: f" {_pairs(match[0])} ", text)


def _pairs(letters: str) -> str:
    return " ".join(letters[place : place + 2] for place in range(max(len(letters) - 1, 1)))


def terms(question: str) -> list[str]:
    """Return the FTS5 terms of a question: each of its words, and each phrase in quotes as a whole.

    Whatever the question holds, FTS5's own operators among it, is taken as words.
    """
    found: dict[str, None] = {}
    for phrase, word in _TERM.findall(question):
        words = re.findall(r"\w+", spaced(phrase or word))
        joined = [" ".join(words)] if phrase else words
        found.update({f'"{one}"': None for one in joined if one})
    return list(found)[:MOST_TERMS]


def letters(terms: Sequence[str]) -> set[str]:
    """Return the single letters of unspaced scripts that a question has, if it has no pair of them."""
    runs = [term.strip('"') for term in terms if _RUN.fullmatch(term.strip('"'))]
    return set(runs) if all(len(run) == 1 for run in runs) else set()


def adjacent(terms: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return phrases of two terms that follow each other, and both; terms of unspaced scripts are pairs already."""
    return {
        f"{one[:-1]} {other[1:]}": (one, other)
        for one, other in pairwise(terms)
        if not _RUN.search(one) and not _RUN.search(other)
    }


class Stood(NamedTuple):
    """Where the words of some texts stand."""

    terms: Sequence[str]
    """(W,) words without their endings, ascending"""
    counts: NDArray[np.int64]
    """(W,)"""
    texts: NDArray[np.int64]
    """(t,) of each word in turn, ascending"""
    places: NDArray[np.int64]
    """(t,) words before it there, ascending in each text"""


class Stems:
    """What FTS5 makes of texts: it tells only of words in a table, so they go into one in memory, and out again."""

    def __init__(self) -> None:
        self._made = sqlite3.connect(":memory:", isolation_level=None)
        self._made.execute(f"CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize='{TOKENIZER}')")
        self._made.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (words, instance)")

    def where(self, texts: Iterable[str]) -> Stood:
        """Return the words of texts without their endings, and where they stand."""
        sql = "SELECT term, count(*), group_concat(doc << 32 | offset, ' ') FROM stems GROUP BY term"
        self._made.execute("BEGIN")
        try:
            self._made.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(texts))
            found = self._made.execute(sql).fetchall()
        finally:
            self._made.execute("ROLLBACK")
        terms, counts, where = zip(*found, strict=True) if found else ([], [], [])
        every = np.fromstring(" ".join(where), np.int64, sep=" ")  # hundred times as fast as number by number
        return Stood(terms, np.array(counts, np.int64), every >> 32, every & 0xFFFFFFFF)

    def of(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the words of each text without their endings."""
        found: list[list[str]] = [[] for _ in texts]
        terms, counts, inside, places = self.where(texts)
        names = np.repeat(np.arange(len(terms)), counts)
        for place in np.argsort(places, kind="stable"):
            found[inside[place]].append(terms[names[place]])
        return [tuple(one) for one in found]

    def close(self) -> None:
        """Close the table."""
        self._made.close()


def marks(text: str, question: str) -> tuple[tuple[int, int], ...]:
    """Return where the words of a question stand in a text, as spans: the same words, or with another short ending."""
    stems, begun = _looked_for(question)
    spaced_only = _RUN.sub(lambda run: " " * len(run[0]), text)
    folded, word = spaced_only.casefold(), _WORD
    if stems and len(folded) == len(text):  # as nearly always: only words that begin with a stem need be looked at
        spaced_only, word = folded, begun
    said = [match.span() for match in word.finditer(spaced_only) if _stem(match[0]) in stems] if stems else []
    return tuple(sorted([*said, *_marks_of_pairs(text, question)]))


def _marks_of_pairs(text: str, question: str) -> Iterator[tuple[int, int]]:
    """Yield where letters of unspaced scripts stand in a text as they stand in the question, in runs as long as
    possible.

    Of Thai and its like runs of three letters at least, if the question has so many, and none of Japanese that are all
    endings, if there are others.
    """
    if not (asked := _RUN.findall(question)):
        return
    pairs = {"".join(pair) for run in asked for pair in pairwise(run)}
    pairs = {pair for pair in pairs if not _ENDING.fullmatch(pair)} or pairs
    singles = {run for run in asked if len(run) == 1} if not pairs else set()
    least = min(_LEAST, max(map(len, asked)))
    for run in _RUN.finditer(text):
        held = bytearray(one in singles for one in run[0])
        for place in range(len(held) - 1):
            if run[0][place : place + 2] in pairs:
                held[place : place + 2] = 1, 1
        for some in _HELD.finditer(held):
            if len(some[0]) >= (least if _SPELT.match(run[0]) else 1):
                yield run.start() + some.start(), run.start() + some.end()


@lru_cache(maxsize=100)
def _looked_for(question: str) -> tuple[set[str], re.Pattern[str]]:
    """Return the words of a question that are marked without their endings, and what finds words that begin so."""
    words = _WORD.findall(_RUN.sub(" ", question))
    stems = {_stem(word) for word in words if len(word) >= SHOWN or not word.isascii()} or set(map(_stem, words))
    return stems, re.compile(rf"\b(?={'|'.join(map(re.escape, stems))})\w+")


@lru_cache(maxsize=10_000)
def _stem(word: str) -> str:
    """Return a word without a common English ending: enough for showing, FTS5's stemmer does the finding."""
    folded = word.casefold()
    return re.sub(r"(?<=\w{3})(?:ing|ed|es|s)$", "", folded)
