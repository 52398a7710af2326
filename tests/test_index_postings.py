"""Where words stand: whatever is added, taken out and joined, the rows that hold a term are those that do."""

import random
import re
from pathlib import Path

import numpy as np
import pytest

from docgraph.index import bm25, postings
from docgraph.index.rows import IndexRow
from docgraph.index.store import Store, StoredDocument
from docgraph.index.words import terms
from docgraph.metadata import Metadata

WORDS = [f"w{n}x" for n in range(12)]


def row(name: str, headings: str, words: str) -> IndexRow:
    return IndexRow(
        id=name, level="passage", kind="paragraph", kinds=(), parent=None, headings=(headings,), span=(0, 0),
        dom_path=None, text=words, words=words,
    )  # fmt: skip


def put(store: Store, texts: dict[str, list[tuple[str, str]]]) -> None:
    with store.transaction():
        for name, some in texts.items():
            store.put(
                name, StoredDocument("", Metadata()), "", [row(f"{name}-{n}", *one) for n, one in enumerate(some)]
            )


def found(store: Store, term: str) -> dict[str, int]:
    where, times = bm25._Words(store, "passage").of(store.stems.of([term])[0])
    numbers = store.rows("passage").numbers[where].tolist()
    return {store.node(number)["id"]: count for number, count in zip(numbers, times.tolist(), strict=True)}


def held(texts: dict[str, list[tuple[str, str]]], term: str) -> dict[str, int]:
    """By definition: a word as often as it stands there, a phrase once, in headings or below."""
    rows = {f"{name}-{n}": one for name, some in texts.items() for n, one in enumerate(some)}
    counts = {
        name: sum(len(re.findall(rf"(?<!\S)(?={term}(?!\S))", part)) for part in parts) for name, parts in rows.items()
    }
    return {name: min(count, 1) if " " in term else count for name, count in counts.items() if count}


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_those_that_hold_a_term_whatever_is_added_taken_out_and_joined(tmp_path: Path, monkeypatch, seed):
    monkeypatch.setattr(postings, "JOINED", 3)
    draw, texts = random.Random(seed), {}
    store, reader = Store(tmp_path / "x.index", create=True), None
    for _ in range(40):
        new = {
            f"d{draw.randrange(60)}": [
                tuple(" ".join(draw.choices(WORDS, k=draw.randrange(k))) for k in (3, 9))
                for _ in range(draw.randrange(4))
            ]
            for _ in range(draw.randrange(1, 5))
        }
        put(store, new)
        texts |= new
        if draw.random() < 0.3:
            with store.transaction():
                for name in draw.sample(sorted(texts), len(texts) // 3):
                    assert store.remove(name)
                    del texts[name]
        reader = reader or Store(tmp_path / "x.index", create=False)
        for term in (*draw.sample(WORDS, 3), *(" ".join(draw.choices(WORDS, k=k)) for k in (2, 2, 2, 3)), "w1x w1x"):
            assert found(store, term) == found(reader, term) == held(texts, term)
    sizes = sorted(len(rows) for rows in postings.rows_of(store.connection, "passage").values())
    assert len(sizes) < 12  # of 40
    there = sum(map(len, texts.values()))
    assert sum(sizes) <= 2 * there + 3 * 12  # half may be gone, and what the last writing left


def test_numbers_of_any_size_and_a_document_written_twice(tmp_path):
    store = Store(tmp_path / "x.index", create=True)
    long = {"a": [("top", "up " * 300 + "down " * 70_000 + "left right")], "b": [("left", "right"), ("", "down up")]}
    with store.transaction():
        first = [row("a-0", "left", "other")]
        put_twice = [("a", first), ("a", [row("a-0", *long["a"][0])]), ("c", [row("c-0", "", "up")])]
        for name, rows in put_twice:
            store.put(name, StoredDocument("", Metadata()), "", rows)
        assert store.remove("c")
        store.put("b", StoredDocument("", Metadata()), "", [row(f"b-{n}", *one) for n, one in enumerate(long["b"])])
    for term in ("up", "down", "left right", "up down", "down up", "right", "other"):
        assert found(store, term) == held(long, term)
    assert store.rows("passage").lengths.tolist() == [70_303, 2, 2]
    assert store.connection.execute("SELECT count(*) FROM gone").fetchone() == (0,)


def test_a_level_all_of_whose_rows_are_gone_is_written_anew(tmp_path):
    store = Store(tmp_path / "x.index", create=True)
    put(store, {"a": [("", "up")]})
    with store.transaction():
        store.remove("a")
    assert found(store, "up") == {}
    put(store, {"a": [("", "down")], "b": []})
    assert (found(store, "up"), found(store, "down")) == ({}, {"a-0": 1})
    assert bm25.bm25(store, "image", terms("up")).tolist() == []
    assert np.isfinite(bm25.bm25(store, "passage", terms("up down _"))).all()


def test_rows_that_are_gone_go_with_half_of_all_or_when_their_segment_is_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(postings, "JOINED", 3)
    store = Store(tmp_path / "x.index", create=True)

    def sizes_and_gone() -> tuple[list[int], int]:
        held = postings.rows_of(store.connection, "passage").values()
        return sorted(map(len, held)), store.connection.execute("SELECT count(*) FROM gone").fetchone()[0]

    def take_out(*names: str) -> None:
        with store.transaction():
            assert all(store.remove(name) for name in names)

    put(store, {f"d{n}": [("", f"up w{n}x")] for n in range(10)})
    take_out(*(f"d{n}" for n in range(5)))
    put(store, {"e": [("", "up")]})
    assert sizes_and_gone() == ([1, 10], 5)  # less than half of 11
    take_out("d5", "d6")
    put(store, {"f": [("", "up")]})
    assert sizes_and_gone() == ([5], 0)
    put(store, {"g": [("", "up down")]})
    take_out("g")
    put(store, {"h": [("", "up")]})
    assert sizes_and_gone() == ([1, 1, 5], 1)
    put(store, {"i": [("", "up")]})  # three segments of about a size
    assert sizes_and_gone() == ([2, 5], 0)
    assert found(store, "up") == {f"{name}-0": 1 for name in ("d7", "d8", "d9", "e", "f", "h", "i")}


def test_damaged_numbers_are_told_as_sqlite_tells_damage(tmp_path):
    damage = [("rows", b"\xff"), ("rows", b""), ("times", b"\xff\xff\xff"), ("places", b"123"), ("count", 0)]
    for place, (column, value) in enumerate(damage):
        store = Store(tmp_path / str(place), create=True)
        put(store, {"a": [("", "up down")]})
        store.connection.execute(f"UPDATE postings SET {column} = ?", (value,))
        with pytest.raises(postings.sqlite3.DatabaseError, match="the rows of a word are damaged"):
            found(store, "up down")
