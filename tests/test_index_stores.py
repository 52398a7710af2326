"""Where an index keeps its vectors: the two stores answer alike, and a kill at any point leaves them whole."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docgraph import DataError, parse_html
from docgraph.index import Index, near, packed
from tests.conftest import ROOT
from tests.letters import Letters, content, pages


def test_both_stores_give_the_same_answers(tmp_path):
    pytest.importorskip("lancedb")
    answers = []
    for name in ("sqlite", "lancedb"):
        with Index.open(tmp_path / name, Letters(), create=True, store=name) as made:
            made.add(pages())
        with Index.open(tmp_path / name, Letters()) as made:  # which it was made with need not be said again
            assert made._store.name == name
            answers.append(
                [
                    (kind, hit.id, pytest.approx(hit.score, abs=1e-5))
                    for kind in ("passage", "section", "document")
                    for hit in made.search("old oak", kind)
                ]
            )
        with pytest.raises(DataError, match=f"was made with {name}, but .* was asked for"):
            Index.open(tmp_path / name, Letters(), store={"sqlite": "lancedb", "lancedb": "sqlite"}[name])
    assert answers[0] == answers[1]


def test_an_index_whose_vectors_are_gone_is_not_answered_from_nor_written_to(tmp_path):
    pytest.importorskip("lancedb")
    path = tmp_path / "x.index"
    with Index.open(path, Letters(), create=True, store="lancedb") as made:
        made.add(pages()[:2])
        lost = tmp_path / "lost"
        path.with_name("x.index.lance").rename(lost)
        made._store._cache.clear()  # as once another process has written
        with pytest.raises(DataError, match="must have its vectors beside it"):
            made.add(pages())
        assert len(made) == 2
    for create in (False, True):
        with pytest.raises(
            DataError, match=r"those of its documents are not there, or not whole, in .*x\.index\.lance"
        ):
            Index.open(path, Letters(), create=create)
    shutil.rmtree(path.with_name("x.index.lance"), ignore_errors=True)
    lost.rename(path.with_name("x.index.lance"))
    with Index.open(path, Letters()) as made:
        assert made.add(pages()).written == 1


@pytest.mark.parametrize("store", ["sqlite", "lancedb"])
def test_looked_up_instead_of_compared_one_by_one_hardly_an_answer_is_lost(tmp_path, monkeypatch, store):
    if store == "lancedb":
        pytest.importorskip("lancedb")
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdefghijklmnop"), 6)) for _ in range(200)]
    texts = [" ".join(draw.choice(words, 12)) for _ in range(600)]
    documents = [
        (str(n), parse_html(f"<h1>{text[:13]}</h1><p>{text}</p>" + "<table><tr><th>k<td>v</table>" * (n % 60 == 0)))
        for n, text in enumerate(texts)
    ]
    questions = [" ".join(draw.choice(words, 4)) for _ in range(20)]
    levels = ("passage", "section", "document")
    tables: list[Any] = []
    tops: list[Any] = []

    def asked() -> list[list[str]]:
        with Index.open(tmp_path / "x.index", Letters()) as made:
            assert all("k" in hit.text for hit in made.search(questions[0], "table", top=20))
            assert len(made.search(questions[0], "table", top=20)) == 10
            assert {hit.document_id for hit in made.search(questions[0], where={"id": "7"})} == {"7"}
            assert made.search(questions[0], where={"id": "no such"}) == []
            some = made.search(questions[1], where={"id": "1*"}, top=200)
            assert {hit.document_id for hit in some} <= {f"{n}" for n in range(600) if f"{n}"[0] == "1"}
            tables.append([(hit.id, pytest.approx(hit.score, abs=1e-5)) for hit in made.search(questions[0], "table")])
            found = [made.search(one, kind) for one in questions for kind in levels]
            tops.append([np.mean([hits[0].score for hits in found[place::3]]) for place in range(3)])
            return [[hit.id for hit in hits] for hits in found]

    with Index.open(tmp_path / "x.index", Letters(), create=True, store=store) as made:
        made.add(documents[:500])
    monkeypatch.setattr(near, "EXACT", 100)
    with Index.open(tmp_path / "x.index", Letters()) as made:
        made.add(documents[490:])
        made.remove(["3", "4"])
        made.search("abc")
        assert not any(name.startswith("vectors") for name in made._store._cache)  # not all are read
    monkeypatch.setattr(near, "EXACT", 10_000)
    exact = asked()
    monkeypatch.setattr(near, "EXACT", 100)
    monkeypatch.setattr(near, "NEAREST", 120)  # letters are counts, whose signs say little
    monkeypatch.setattr(near, "BY_WORDS", 60)
    monkeypatch.setattr(near, "DRAWN", 200)
    found = asked()
    kept = [len(set(one) & set(other)) / len(one) for one, other in zip(exact, found, strict=True)]
    assert np.mean(kept) > 0.95
    assert tops[0] != tops[1]  # it is another way
    assert tables[0] == tables[1]  # all that the filters allow is looked up, so nothing is estimated
    assert tops[1] == pytest.approx(tops[0], rel=0.1)  # what is drawn gives the scores their scale


def test_signs_differ_as_angles_do():
    draw = np.random.default_rng(0)
    one = draw.standard_normal(2000).astype(np.float32)
    others = np.stack([one, -one, 3 * one, np.concatenate([one[:500], -one[500:]])])
    bits = np.ascontiguousarray(packed.signs(others).T)
    assert near.differing(bits, one).tolist() == [0, 2000, 0, 1500]
    assert near._least(np.array([5, 2, 2, 9, 2], np.uint16), 2).tolist() == [1, 2]
    assert near._least(np.array([5, 2, 2, 9, 2], np.uint16), 4).tolist() == [0, 1, 2, 4]


KILLED = """
import os, signal, sys
sys.path.insert(0, "")
from tests.letters import Letters
from docgraph import parse_html
from docgraph.index import index, store
index.TOGETHER = 2
path, point, where = sys.argv[1:]
def die(name, at):
    if (name, at) == ("5", point):
        os.kill(os.getpid(), signal.SIGKILL)
def documents():
    for number in range(9):
        die(str(number), "reading")
        yield str(number), parse_html(f"<h1>Page {number}</h1><p>Its text is number {number}.</p>")
put = store.Store.put
def slowly(self, document_id, *rest):
    die(document_id, "before it is written")
    put(self, document_id, *rest)
    die(document_id, "before it is committed")
store.Store.put = slowly
if point == "after its words are joined":
    from docgraph.index import postings
    postings.JOINED = 2
    write_words = store.Store._write_words
    def words_written(self, level):
        write_words(self, level)
        if self.connection.execute("SELECT 1 FROM documents WHERE id = '7'").fetchone():
            assert self.connection.execute("SELECT count(*) FROM segments WHERE level = ?", (level,)).fetchone()[0] == 1
            os.kill(os.getpid(), signal.SIGKILL)
    store.Store._write_words = words_written
if point == "after its vectors are written":
    from docgraph.index import lance
    write = lance.LanceStore._write_new
    def written(self):
        last = any(self.node(row[0])["document"] > 4 for rows in self._new.values() for row in rows)
        write(self)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
    lance.LanceStore._write_new = written
if point == "before old vectors are deleted":
    from docgraph.index import lance
    def die_then(self, level, numbers):
        if numbers:
            os.kill(os.getpid(), signal.SIGKILL)
    lance.LanceStore._delete = die_then
    made = index.Index.open(path, Letters(), create=True, store=where)
    made.add([("3", parse_html("<p>An older text.</p>"))])
    made.add(documents())
index.Index.open(path, Letters(), create=True, store=where).add(documents())
"""


POINTS = ["reading", "before it is written", "before it is committed", "after its words are joined"]


@pytest.mark.parametrize("store", ["sqlite", "lancedb"])
@pytest.mark.parametrize("point", [*POINTS, "after its vectors are written", "before old vectors are deleted"])
def test_a_killed_job_leaves_whole_documents_and_goes_on(tmp_path, point, store):
    if store == "lancedb":
        pytest.importorskip("lancedb")
    elif point not in POINTS:
        pytest.skip("SQLite writes vectors in its own transaction")
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.index"), point, store], cwd=ROOT, check=False)
    assert ran.returncode == -9
    documents = [(str(n), parse_html(f"<h1>Page {n}</h1><p>Its text is number {n}.</p>")) for n in range(9)]
    with Index.open(tmp_path / "a.index", Letters(), create=True) as made:
        there = len(made)
        assert 0 < there < 9
        assert made.add(documents).written == 9 - there
        found = [(hit.document_id, hit.score) for hit in made.search("page number 3")]
    with Index.open(tmp_path / "b.index", Letters(), create=True, store=store) as made:
        made.add(documents)
        assert found == [
            (name, pytest.approx(score))
            for name, score in ((hit.document_id, hit.score) for hit in made.search("page number 3"))
        ]
    assert content(tmp_path / "a.index") == content(tmp_path / "b.index")


KILLED_COMMAND = """
import os, signal, sys
from docgraph.index import index, store
from training import cli
index.TOGETHER = 2
point, where = sys.argv[1:3]
put, remove = store.Store.put, store.Store.remove
def put_and_die(self, document_id, *rest):
    put(self, document_id, *rest)
    if point == "writing" and document_id.endswith("5.html"):
        os.kill(os.getpid(), signal.SIGKILL)
def remove_and_die(self, document_id):
    done = remove(self, document_id)
    if point == "taking out" and done and document_id.endswith("gone.html"):
        os.kill(os.getpid(), signal.SIGKILL)
    return done
store.Store.put, store.Store.remove = put_and_die, remove_and_die
if point == "making":
    from docgraph.index import database
    database._SCHEMA = (*database._SCHEMA[:3], "SELECT die()")
    database.sqlite3 = sqlite3 = type(sys)("sqlite3")
    import sqlite3 as real
    vars(sqlite3).update(vars(real))
    def connect(*arguments, **options):
        made = real.connect(*arguments, **options)
        made.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return made
    sqlite3.connect = connect
sys.argv = ["docgraph", "index", "pages", "--output", "x.index", "--words", "--prune", "--store", where]
cli.main()
"""


@pytest.mark.parametrize("store", ["sqlite", "lancedb"])
@pytest.mark.parametrize("point", ["making", "writing", "taking out"])
def test_the_same_command_after_a_kill_gives_the_same_index(tmp_path, point, store):
    if store == "lancedb":
        pytest.importorskip("lancedb")
    folder = tmp_path / "pages"
    folder.mkdir()

    def ran(point: str, where: Path = tmp_path) -> int:
        code = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{KILLED_COMMAND}", point, store]
        return subprocess.run(code, cwd=where, check=False, capture_output=True).returncode

    for n in range(9):
        (folder / f"{n}.html").write_text(f"<h1>Page {n}</h1><p>Its text is number {n}.</p>")
    if point == "taking out":
        (folder / "gone.html").write_text("<p>It will be taken out.</p>")
        assert ran("never") == 0
        (folder / "gone.html").unlink()
    assert ran(point) == -9
    assert ran("never") == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "pages").symlink_to(folder)
    assert ran("never", other) == 0
    assert content(tmp_path / "x.index") == content(other / "x.index")
    assert len(content(other / "x.index")[0]) >= 27  # a document, a section and a passage of each page


@pytest.mark.parametrize("store", ["sqlite", "lancedb"])
def test_compacting_gives_room_back_and_changes_no_answer(tmp_path, store):
    if store == "lancedb":
        pytest.importorskip("lancedb")
    path = tmp_path / "x.index"
    texts = [
        f"<h1>Boat {n}</h1>" + "".join(f"<p>Old oak {n * m} of pier {m}.</p>" for m in range(30)) for n in range(60)
    ]
    with Index.open(path, Letters(), create=True, store=store) as made:
        for number, text in enumerate(texts):  # one by one, as a site grows
            made.add([(str(number), parse_html(text))])
        made.remove(map(str, range(20, 60)))
    with Index.open(path, Letters()) as made, Index.open(path, Letters()) as reader:

        def asked(index: Index) -> list[tuple[str, float]]:
            found = (index.search("old oak 40", kind) for kind in ("passage", "section", "document"))
            return [(hit.id, hit.score) for hits in found for hit in hits]

        def sizes() -> list[int]:
            folder = path.with_name("x.index.lance")
            return [
                path.stat().st_size,
                *(sum(one.stat().st_size for one in folder.rglob("*.lance")),) * folder.is_dir(),
            ]

        size, before = sizes(), asked(made)
        assert asked(reader) == before
        made.compact()
        assert len(size) == 1 + (store == "lancedb")
        assert all(now < 0.7 * then for now, then in zip(sizes(), size, strict=True))
        assert asked(made) == asked(reader) == before
        levels = made._store.connection.execute("SELECT level FROM segments").fetchall()
        assert len(levels) == len({*levels}) == 3
        assert made.add([("new", parse_html("<p>A new old oak 40."))]).written == 1
        assert made.search("new old oak 40")[0].document_id == "new"
        made.compact()
        made.remove(made.digests())
        made.compact()
        assert len(made) == 0


def test_a_full_disk_and_damage_met_by_compacting_are_told_as_what_they_are(tmp_path):
    with Index.open(tmp_path / "x.index", Letters(), create=True) as made:
        made.add(pages())
        connection, before = made._store.connection, content(tmp_path / "x.index")
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        many = [(str(n), parse_html(f"<p>{n} " + "words of it " * 900)) for n in range(9)]
        with pytest.raises(
            DataError, match=r"must be room on the disk .* database or disk is full; what was written before stays"
        ):
            made.add(many)
        assert content(tmp_path / "x.index") == before
        connection.execute("PRAGMA max_page_count = 4294967294")
        connection.execute("UPDATE segments SET rows = x'010203'")
        with pytest.raises(DataError, match=r"that is whole, but the words of \w+s cannot be read"):
            made.compact()


def asked(index: Index) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search("old oak 40", "section")]


def changed_lancedb(path, monkeypatch) -> Index:
    """Return an index in several files, as large ones are left, so that compacting writes its vectors anew."""
    made = Index.open(path, Letters(), create=True, store="lancedb")
    with monkeypatch.context() as patched:
        patched.setattr("docgraph.index.lance.LITTLE", -1)
        made.add(pages())
        made.add([("40", parse_html("<p>An old oak, changed."))])
    return made


@pytest.mark.parametrize("what", ["lancedb.table.LanceTable.optimize", "docgraph.index.postings.join_all"])
def test_a_compact_on_a_full_disk_leaves_readers_of_lancedb_their_vectors(tmp_path, monkeypatch, what):
    pytest.importorskip("lancedb")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("lance error: IO error: No space left on device (os error 28)")

    path = tmp_path / "x.index"
    with changed_lancedb(path, monkeypatch) as made, Index.open(path, Letters()) as reader:
        assert reader._store._table("section") is not None  # it has the table open, and has read no vectors yet
        with monkeypatch.context() as patched:
            patched.setattr(what, fail)
            with pytest.raises((DataError, RuntimeError), match="No space left on device") as told:
                made.compact()
        if "lancedb" in what:
            assert told.match(r"there must be room on the disk for .* what was written before stays")
        assert asked(reader) == asked(made)
        made.compact()
        assert asked(reader) == asked(made)


def test_who_opens_lancedb_in_the_middle_of_a_compact_reads_what_is_there_after_it(tmp_path, monkeypatch):
    lancedb = pytest.importorskip("lancedb")
    path, optimize = tmp_path / "x.index", lancedb.table.LanceTable.optimize
    with changed_lancedb(path, monkeypatch) as made, Index.open(path, Letters()) as reader:
        before = asked(made)

        def met(table, **options):
            assert reader._store._table(table.name) is not None
            return optimize(table, **options)

        with monkeypatch.context() as patched:
            patched.setattr(lancedb.table.LanceTable, "optimize", met)
            made.compact()
        assert asked(reader) == before
