"""Where words stand: of each term the rows that hold it, in segments that are written once and joined as they grow.

    rows of a transaction ─ words.py ─> stems ─ write ─> one segment: term ─> its rows, how often, at which places
    JOINED segments of about a size ─ join ─> one, without the rows that are gone since
    term ─ read ─> of each segment a few bytes a row, in one piece

A row is known by its place in its segment, so that it takes two bytes or four; the segment has the numbers of its rows.
Numbers are written in as few bytes as the largest needs: how many, follows from the length of the piece.

Axes:  n rows   k rows that hold a term   t times that they hold it
"""

import heapq
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice, pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.index.words import Stood

SCHEMA: Final = (
    "CREATE TABLE segments (number INTEGER PRIMARY KEY, level TEXT, rows BLOB)",
    "CREATE TABLE postings (segment INTEGER, term TEXT, count INTEGER, rows BLOB, times BLOB, places BLOB)",
    "CREATE INDEX postings_of_segment ON postings (segment, term)",
    "CREATE TABLE gone (number INTEGER PRIMARY KEY, level TEXT)",
)
JOINED: Final = 8
"""Segments of about a size that are joined."""
_WRITTEN: Final = 1000
"""Terms that are written at once."""
_NONE: Final = np.empty(0, np.uint8)

Numbers = NDArray[Any]


class Posting(NamedTuple):
    """Where a term stands in the rows of a segment."""

    rows: Numbers
    """(k,) places of rows in the segment, ascending"""
    times: Numbers
    """(k,)"""
    places: Numbers
    """(t,) words before it in its row, ascending in each"""


def write(connection: sqlite3.Connection, level: str, numbers: Sequence[int], found: Stood) -> Numbers:
    """Write the words of rows as a segment, within a transaction.

    Args:
        numbers: (n,) of the rows, ascending.
        found: the headings of row i are text 2 i, and what stands under them is 2 i + 1.

    Returns:
        (n,) words of each.
    """
    if not found.terms:
        return np.zeros(len(numbers), np.int64)
    rows, under = found.texts >> 1, found.texts & 1
    heads = np.bincount(rows[under == 0], minlength=len(numbers))
    places = _narrow(found.places + under * (heads[rows] + 1))  # no phrase begins in the headings and goes on below
    ends = np.cumsum(found.counts)
    begins = np.diff(rows, prepend=-1) != 0
    begins[ends[:-1]] = True
    first = np.flatnonzero(begins)
    times, held = _narrow(np.diff(first, append=len(rows))), _narrow(rows[first])
    segment = _begin(connection, level, np.array(numbers))
    parts = zip(
        found.terms, *(pairwise([0, *one.tolist()]) for one in (np.searchsorted(first, ends), ends)), strict=True
    )
    _insert(
        connection,
        (
            (segment, term, b - a, held[a:b].tobytes(), times[a:b].tobytes(), places[c:d].tobytes())
            for term, (a, b), (c, d) in parts
        ),
    )
    return np.bincount(rows, minlength=len(numbers))


def read(connection: sqlite3.Connection, sizes: Mapping[int, int], term: str, places: bool) -> dict[int, Posting]:
    """Return where a term stands, by segment; the places only if asked for.

    Args:
        sizes: rows of each segment that is looked into.
    """
    sql = (
        f"SELECT segment, count, rows, times, {'places' if places else 'NULL'} FROM postings "
        f"WHERE segment IN ({', '.join(map(str, sizes))}) AND term = ?"
    )
    found = {segment: _posting(*values) for segment, *values in connection.execute(sql, (term,))}
    if any(one.rows.max() >= sizes[segment] for segment, one in found.items()):
        raise sqlite3.DatabaseError("the rows of a word are damaged")
    return found


def count(connection: sqlite3.Connection, segments: Iterable[int], term: str) -> int:
    """Return in how many rows of some segments a term stands, those that are gone among them."""
    sql = f"SELECT sum(count) FROM postings WHERE segment IN ({', '.join(map(str, segments))}) AND term = ?"
    return connection.execute(sql, (term,)).fetchone()[0] or 0


def pairs(connection: sqlite3.Connection, segments: Iterable[int], letter: str) -> list[str]:
    """Return the terms of some segments that are a letter or a pair of letters with it."""
    sql = (
        f"SELECT DISTINCT term FROM postings WHERE segment IN ({', '.join(map(str, segments))}) "
        "AND instr(term, ?) AND length(term) <= 2"
    )
    return [term for (term,) in connection.execute(sql, (letter,))]


def rows_of(connection: sqlite3.Connection, level: str) -> dict[int, NDArray[np.int64]]:
    """Return the numbers of the rows of each segment of a level, those that are gone among them."""
    sql = "SELECT number, rows FROM segments WHERE level = ?"
    return {number: np.frombuffer(rows, "<i8") for number, rows in connection.execute(sql, (level,))}


def join(connection: sqlite3.Connection, level: str) -> None:
    """Join segments where there are JOINED of about a size; all, if half of their rows are gone; in a transaction."""
    sql = "SELECT number, length(rows) / 8 FROM segments WHERE level = ? ORDER BY number"
    while sizes := connection.execute(sql, (level,)).fetchall():
        gone = connection.execute("SELECT count(*) FROM gone WHERE level = ?", (level,)).fetchone()[0]
        alike: dict[int, list[int]] = {}
        for number, size in sizes:
            alike.setdefault(int(math.log(size, JOINED)), []).append(number)
        due = [some for some in alike.values() if len(some) >= JOINED]
        if 2 * gone > sum(size for _, size in sizes):
            join_all(connection, level)
        elif due:
            _join(connection, level, due[0])
        else:
            return


def join_all(connection: sqlite3.Connection, level: str) -> None:
    """Join all segments of a level, without what is gone; in a transaction."""
    if every := [number for (number,) in connection.execute("SELECT number FROM segments WHERE level = ?", (level,))]:
        _join(connection, level, sorted(every))
        connection.execute("DELETE FROM gone WHERE level = ?", (level,))


def _join(connection: sqlite3.Connection, level: str, old: list[int]) -> None:
    """Write segments as one, without what is gone."""
    among = f"IN ({', '.join(map(str, old))})"
    held = [
        np.frombuffer(rows, "<i8")
        for (rows,) in connection.execute(f"SELECT rows FROM segments WHERE number {among} ORDER BY number")
    ]
    every, bases = np.concatenate(held), np.cumsum([0, *map(len, held)])
    gone = np.array(connection.execute("SELECT number FROM gone WHERE level = ?", (level,)).fetchall(), np.int64)
    stays = np.isin(every, gone, invert=True)
    moved = _narrow(np.maximum(np.cumsum(stays) - 1, 0))
    sql = "SELECT term, ?, count, rows, times, places FROM postings WHERE segment = ? ORDER BY term"
    parts = [connection.execute(sql, pair) for pair in enumerate(old)]

    def joined() -> Iterator[tuple[Any, ...]]:
        for term, same in groupby(heapq.merge(*parts, key=itemgetter(0)), itemgetter(0)):
            some = [(int(bases[place]), _posting(*values)) for _, place, *values in same]
            rows = np.concatenate([base + one.rows.astype(np.int64) for base, one in some])
            times, places = (np.concatenate([one[part] for _, one in some]) for part in (1, 2))
            if not (keep := stays[rows]).all():
                rows, times, places = rows[keep], times[keep], places[np.repeat(keep, times)]
            if len(rows):
                yield segment, term, len(rows), moved[rows].tobytes(), times.tobytes(), places.tobytes()

    if stays.any():
        segment = _begin(connection, level, every[stays])
        _insert(connection, joined())
    connection.execute(f"DELETE FROM postings WHERE segment {among}")
    connection.execute(f"DELETE FROM segments WHERE number {among}")
    connection.executemany("DELETE FROM gone WHERE number = ?", ((int(number),) for number in every[~stays]))


def _begin(connection: sqlite3.Connection, level: str, numbers: NDArray[np.int64]) -> int:
    sql = "INSERT INTO segments (level, rows) VALUES (?, ?)"
    return connection.execute(sql, (level, numbers.astype("<i8").tobytes())).lastrowid or 0


def _insert(connection: sqlite3.Connection, rows: Iterator[tuple[Any, ...]]) -> None:
    """Write postings, some at a time: each time SQLite has to find again where the other segments are read."""
    while some := list(islice(rows, _WRITTEN)):
        connection.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?)", some)


def _narrow(numbers: Numbers) -> Numbers:
    """Return numbers, none of which is negative, in as few bytes as the largest needs."""
    return numbers.astype(np.min_scalar_type(int(numbers.max())).newbyteorder("<"))


def _posting(count: int, rows: bytes, times: bytes, places: bytes | None) -> Posting:
    """Return what is written as numbers.

    Raises:
        sqlite3.DatabaseError: it cannot be.
    """
    try:
        often, held = _array(times, count), _array(rows, count)
        return Posting(held, often, _NONE if places is None else _array(places, int(often.sum(dtype=np.int64))))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise sqlite3.DatabaseError("the rows of a word are damaged") from error


def _array(data: bytes, count: int) -> Numbers:
    return np.frombuffer(data, f"<u{len(data) // count}").reshape(count)
