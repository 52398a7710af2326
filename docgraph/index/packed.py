"""What a question needs of every row, packed: numbers, lengths, signs of the vectors, in one piece a document.

Axes:  n rows of a level   D width of a vector   W words of 64 signs
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.index.rows import IndexRow

Positions = NDArray[np.int64]
"""Places of rows in their level."""
Bits = NDArray[np.uint64]


class Table(NamedTuple):
    """All rows of a level that have a vector."""

    numbers: NDArray[np.int64]
    """(n,) ascending"""
    vectors: NDArray[np.float32]
    """(n, D), each of length 1 or 0"""


class Rows(NamedTuple):
    """All rows of a level."""

    numbers: NDArray[np.int64]
    """(n,) ascending"""
    documents: NDArray[np.int64]
    """(n,) numbers of their documents"""
    lengths: NDArray[np.int32]
    """(n,) words of each"""
    signs: Bits | None
    """(W, n) signs of their vectors; None if not every row has one."""


class Segment(NamedTuple):
    """Where the rows of a segment of postings are in their level."""

    where: Positions
    """-1 for one that is gone"""
    whole: bool

    @classmethod
    def of(cls, numbers: NDArray[np.int64], some: NDArray[np.int64]) -> "Segment":
        """Return where some numbers are among ascending ones."""
        there, is_there = positions(numbers, some)
        where = np.full(len(some), -1)
        where[is_there] = there
        return cls(where, bool(is_there.all()))


def positions(numbers: NDArray[np.int64], some: NDArray[np.int64]) -> tuple[Positions, NDArray[np.bool_]]:
    """Return where some numbers are among ascending ones, without those that are not, and (k,) which are."""
    if np.array_equal(numbers, some):  # as nearly always
        return np.arange(len(some)), np.ones(len(some), bool)
    where = np.searchsorted(numbers, some)
    is_there = where < len(numbers)
    is_there[is_there] = numbers[where[is_there]] == some[is_there]
    return where[is_there], is_there


def signs(vectors: NDArray[np.float32]) -> Bits:
    """Return (k, W) signs of vectors (k, D), 64 a word."""
    bits = np.packbits(vectors > 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def packed_rows(some: list[tuple[int, int, IndexRow]]) -> tuple[bytes, bytes, bytes]:
    """Return numbers, lengths and signs of a document's rows of a level; no signs if one has no vector."""
    numbers, lengths, rows = zip(*some, strict=True)
    vectors = [row.vector for row in rows if row.vector is not None]
    bits = signs(np.stack(vectors)).tobytes() if len(vectors) == len(rows) else b""
    return np.array(numbers, "<i8").tobytes(), np.array(lengths, "<i4").tobytes(), bits


def unpacked(pieces: Sequence[tuple[int, bytes, bytes, bytes]]) -> Rows:
    """Return the rows of a level from the numbers of documents and what `packed_rows` made of each."""
    documents, numbers, lengths, bits = zip(*pieces, strict=True) if pieces else [()] * 4
    every = np.frombuffer(b"".join(numbers), "<i8")
    order = np.argsort(every, kind="stable")
    owners = np.repeat(np.array(documents, np.int64), [len(one) // 8 for one in numbers])
    words = len(bits[0]) // len(numbers[0]) if pieces else 0
    signs = None
    if words and all(len(one) == words * len(other) for one, other in zip(bits, numbers, strict=True)):
        signs = np.frombuffer(b"".join(bits), "<u8").reshape(-1, words)[order].T
    return Rows(
        every[order],
        owners[order],
        np.frombuffer(b"".join(lengths), "<i4")[order],
        None if signs is None else np.ascontiguousarray(signs),
    )
