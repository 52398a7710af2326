"""Files that are no whole index: what is said of them, and that nothing else is raised."""

import random
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from docgraph import DataError, parse_html
from docgraph.index import Index, database, postings
from docgraph.index.store import Store
from tests.letters import Letters, pages
from training.jobs import embedders


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.open(tmp_path / "pages.index", create=True) as made:
        made.add(pages())
    return tmp_path / "pages.index"


def use(path: Path, change: bool) -> None:
    """All that an index is used for."""
    with Index.open(path, create=change) as index:
        for kind in ("passage", "section", "document", "image"):
            index.search("pot time", kind)
        for name in [*index.digests(), "pot"]:
            index.contents(name)
            with suppress(DataError):
                index.read(name)
        assert len(index) + sum(index.counts().values())
        if change:
            index.add([("bread", parse_html("<p>new</p>"))])
            index.remove(["soup"])


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_named_whatever_is_asked_of_it(path, seed):
    draw, data = random.Random(seed), bytearray(path.read_bytes())
    for page in draw.sample(range(1, len(data) // 4096), 6):
        data[page * 4096 : (page + 1) * 4096] = draw.randbytes(4096)
    path.write_bytes(data)
    for change in (False, True):
        with suppress(DataError):  # or nothing that was hit is needed
            use(path, change)


@pytest.mark.parametrize("name", [b"", b"max_tokens", b"store"], ids=str)
def test_names_and_settings_that_are_no_utf8_are_told_as_damage(path, name):
    with Index.open(path) as index:
        index._store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    place = data.index(name or b"sqlite_autoindex") + len(name)  # a value stands right after its name
    data[place] = 0x8C
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"that is whole, but .*\. Make another\."):
        Index.open(path)


def test_a_file_that_is_cut_off_or_of_another_version_is_named_with_a_way_out(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:30_000])
    with pytest.raises(DataError, match=r"that is whole, but database disk image is malformed. Make another."):
        use(path, change=True)
    path.write_bytes(whole)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '1' WHERE name = 'version'")
    with pytest.raises(DataError, match=r"it has version 1 and this docgraph reads version \d. Make another."):
        Index.open(path)


@pytest.mark.parametrize(
    ("damage", "asked"),
    [
        ("postings SET rows = x'ff'", "add"),
        ("postings SET times = x'ff'", "add"),
        ("postings SET term = NULL", "add"),
        ("segments SET rows = x'010203'", "search"),
        ("segments SET rows = x'010203'", "add"),
        ("segments SET rows = NULL", "search"),
        ("packed SET lengths = x'010203'", "search"),
        ("packed SET numbers = x'010203'", "search"),
    ],
)
def test_numbers_that_are_cut_off_or_too_large_are_told_as_damage(tmp_path, monkeypatch, damage, asked):
    """What SQLite finds in order may hold too few bytes, or rows that there are not."""
    monkeypatch.setattr(postings, "JOINED", 2)  # so that what is added is joined
    with Index.open(tmp_path / "x.index", create=True) as index:
        index.add([("a", parse_html("<p>pot time</p>"))])
        index._store.connection.execute(f"UPDATE {damage}")
        with pytest.raises(DataError, match="and that is whole, but the "):
            index.search("pot time") if asked == "search" else index.add([("b", parse_html("<p>pot</p>"))])


def test_a_folder_is_said_to_be_one(tmp_path):
    for create in (False, True):
        with pytest.raises(DataError, match=r"an index must be a file, but .* is a folder"):
            Index.open(tmp_path, create=create)


def test_an_index_that_may_only_be_read_is_searched_and_not_changed(path, monkeypatch):
    monkeypatch.setattr(database.os, "access", lambda *_: False)
    with Index.open(path) as index:
        assert index.search("loaf")[0].document_id == "bread"
        with pytest.raises(DataError, match=r"a file that may be written to change it, but .*pages.index is not"):
            index.add(pages())
    assert sorted(file.name for file in path.parent.iterdir()) == ["pages.index", "pages.index.lock"]


def test_who_may_only_read_sees_what_another_is_writing(path, monkeypatch):
    with Index.open(path, create=True) as writer:
        writer.add([("samovar", parse_html("<p>The samovar sings.</p>"))])
        assert path.with_name("pages.index-wal").stat().st_size
        monkeypatch.setattr(database.os, "access", lambda *_: False)
        with Index.open(path) as reader:
            assert [hit.document_id for hit in reader.search("samovar")] == ["samovar"]
            with pytest.raises(DataError, match="a file that may be written to change it"):
                reader.remove(["samovar"])


def test_what_a_command_leaves_that_was_killed_before_its_settings_is_begun_anew(tmp_path, monkeypatch):
    """Else the same command would go on by words alone, as no embedder is named in the file."""
    path = tmp_path / "x.index"
    Store(path, create=True).close()
    with pytest.raises(DataError, match=r"x.index must be an index that `docgraph index` made, but it is empty"):
        Index.open(path)
    monkeypatch.setattr(embedders, "find_spec", lambda name: True)
    monkeypatch.setattr(embedders, "open_embedder", lambda name: Letters())
    with Index.open(path, embedders.choose_embedder(None, path), create=True) as made:
        made.add(pages())
        assert made.embedder_name == "letters"


def test_settings_are_written_all_or_none_and_stay(tmp_path):
    class Broken(dict):
        def items(self):
            yield from super().items()
            raise OSError("killed")

    store = Store(tmp_path / "x.index", create=True)
    with pytest.raises(OSError, match="killed"):
        store.set_meta(Broken(max_tokens="256"))
    assert store.meta("max_tokens") is None
    store.set_meta({"max_tokens": "1"})
    store.set_meta({"max_tokens": "2"})
    assert store.meta("max_tokens") == "1"


def test_ids_and_filters_of_any_letters_are_taken(path):
    with Index.open(path, create=True) as index:
        assert index.add([("\ud800", parse_html("<p>pot</p>"))]).written == 1
        assert index.search("pot", where={"id": "\ud800*"})[0].document_id == "?"
        assert index.remove(["\ud800", "\ud800"]) == 1
        for name in ("\ud800", "\x00", "x" * 100_000):
            assert index.contents(name) == []
            assert index.search("pot", where={"id": name}) == []
            with pytest.raises(DataError, match=r"^an id must be one of this index.{,160}$"):
                index.read(name)
