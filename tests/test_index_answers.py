"""What stands among the answers: copies once, nothing that was not understood; letters and words without spaces."""

from dataclasses import replace

import pytest
from rich.console import Console

from docgraph import StaticEmbedder, parse_html, parse_markdown
from docgraph.index import Index
from docgraph.index import bm25 as bm25_module
from docgraph.index import index as index_module
from docgraph.index import search as search_module
from docgraph.index.show import copies, print_hits, to_html
from docgraph.index.words import letters, marks, terms
from tests.letters import Letters

CARD = "<h1>Billing</h1><p>Replace the card in Settings.</p><h2>Refunds</h2><p>Within two weeks, to the card.</p>"


@pytest.fixture(params=["sqlite", "lancedb"], autouse=True)
def store(request, monkeypatch):
    if request.param == "lancedb":
        pytest.importorskip("lancedb")
    monkeypatch.setattr(index_module, "STORE", request.param)


@pytest.fixture(params=[None, Letters()], ids=["words", "vectors"])
def copied(request, tmp_path):
    """Five copies of a page, two of them under another title, and a page that says one thing more."""
    pages = [(f"{n}.html", parse_html(f"<title>Billing{' (print)' * (n > 2)}</title>{CARD}")) for n in range(5)]
    pages.append(("other.html", parse_html("<title>Cards</title><h1>Cards</h1><p>A card of paper.</p>")))
    with Index.open(tmp_path / "x.index", request.param, create=True) as made:
        made.add(pages)
        yield made


@pytest.mark.parametrize("kind", ["passage", "section", "document", "paragraph"])
def test_copies_of_an_answer_stand_beside_it_and_leave_room_for_others(copied, kind):
    every = copied.search("card", kind, every=True, top=99)
    found = copied.search("card", kind, top=99)
    said = [(hit.headings, hit.text) for hit in found]
    assert len(said) == len(set(said)) == len({(hit.headings, hit.text) for hit in every})
    assert {hit.document_id: len(hit.also) for hit in found if hit.also} == {"0.html": 4}
    assert sum(1 + len(hit.also) for hit in found) == len(every)
    assert not any(hit.also for hit in every)
    assert "other.html" in {hit.document_id for hit in copied.search("card", kind, top=3)}
    assert [hit.id for hit in copied.search("card", kind, top=3)] == [hit.id for hit in found[:3]]


def test_all_copies_are_told_of_where_no_more_answers_are_asked_for(copied):
    first = copied.search("Refunds", top=1)[0]
    assert (first.document_id, set(first.also)) == ("0.html", {"1.html", "2.html", "3.html", "4.html"})


def test_however_many_copies_there_are_other_answers_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(search_module, "COPIES", 8)
    pages = [(f"{n}.html", parse_html("<h1>Cookies</h1><p>Card, card, card.</p>")) for n in range(60)]
    pages += [(f"other{n}.html", parse_html(f"<h1>Other {n}</h1><p>A card among so many words.</p>")) for n in range(4)]
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add(pages)
        assert [hit.document_id for hit in made.search("card", top=3)] == ["0.html", "other0.html", "other1.html"]
        assert len(made.search("card", top=3)[0].also) == 59
        assert len(made.search("card", top=99)) == 5
        assert 8 <= len(made.search("card", top=1)[0].also) < 10  # no further once there are enough


def test_images_of_a_document_without_paths_are_told_apart(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([(name, parse_markdown("# A\n\n![chart](a.png)\n\nx\n\n![chart](b.png)\n")) for name in ("p", "q")])
        assert [hit.also for hit in made.search("chart", "image")] == [("q",), ("q",)]


def test_spaces_make_no_other_answer_and_an_image_without_words_is_one_by_itself(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made:
        for name, code, word in (("p", "the mast\n  is tall", "a"), ("q", "the mast is tall", "another")):
            figures = f"<p>{word} harbour</p><img src={name}.png><img src=c.png alt=chart>"
            made.add([(name, parse_html(f"<pre>{code}</pre>{figures}"))])
        assert [len(hit.also) for hit in made.search("mast", "code")] == [1]
        assert next(len(hit.also) for hit in made.search("chart", "image")) == 1  # by its path: other words before it
        assert sorted(hit.document_id for hit in made.search("harbour", "image") if not hit.text) == ["p", "q"]


def test_the_same_words_under_other_headings_are_another_answer(tmp_path):
    page = "<h1>API</h1><h2>open</h2><p>Returns nothing.</p><h2>close</h2><p>Returns nothing.</p>"
    images = "<h2>Two</h2><figure><img src=a.png alt=chart></figure><p>x</p><figure><img src=b.png alt=chart></figure>"
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([("p", parse_html(page + images))])
        assert {hit.headings[-1] for hit in made.search("returns", "paragraph")} == {"open", "close"}
        assert len(made.search("chart", "image")) == 2


def test_where_else_the_same_is_said_is_shown(copied):
    hits = copied.search("settings", top=1)
    console = Console(record=True, width=200)
    print_hits(console, hits)
    said = "the same in 4 other places: 1.html, 2.html, 3.html and 1 more"
    assert said in console.export_text()
    assert said in parse_html(to_html("settings", hits)).text
    hostile = [replace(hits[0], also=("<b>\x1b[31m", "<b>\x1b[31m"))]
    assert copies(hostile[0]) == "the same in 2 other places: <b>\x1b[31m"
    assert "<b>" not in to_html("settings", hostile)
    print_hits(console, hostile)
    assert "\x1b" not in console.export_text()


def test_a_question_that_the_embedder_does_not_understand_is_asked_by_words(tmp_path):
    with Index.open(tmp_path / "x.index", StaticEmbedder(), create=True) as made:
        made.add([("en", parse_html("<h1>Boat</h1><p>Oak.</p>")), ("ja", parse_html("<h1>館</h1><p>休館日です。</p>"))])
        assert [hit.document_id for hit in made.search("休館日")] == ["ja"]
        assert made.search("駐車場") == []


@pytest.mark.parametrize("embedder", [None, StaticEmbedder()], ids=["words", "vectors"])
def test_a_letter_is_found_at_any_place_of_a_run(tmp_path, embedder):
    texts = {
        "first": "雨の日",
        "last": "今日は雨",
        "within": "大雨です",
        "alone": "雨",
        "twice": "雨、大雨です",
        "none": "晴れの日",
    }
    with Index.open(tmp_path / "x.index", embedder, create=True) as made:
        made.add((name, parse_html(f"<p>{text}。</p>")) for name, text in texts.items())
        found = made.search("雨")
        assert {hit.document_id for hit in found} == texts.keys() - {"none"}
        assert all(hit.marks and all(hit.text[a:b] == "雨" for a, b in hit.marks) for hit in found)
        assert {hit.document_id for hit in made.search("雨", "document")} == texts.keys() - {"none"}
        assert {hit.document_id for hit in made.search("大雨")} == {"within", "twice"}


def test_a_letter_counts_once_where_two_pairs_share_it(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([("p", parse_html("<p>大雨です。雨の日。</p>"))])
        words = bm25_module._Words(made._store, "passage", {"雨"})
        assert [times.tolist() for times in words.of(("雨",))] == [[0], [2]]
        assert words.count(("雨",)) == 1
        made.add([("q", parse_html("<p>人人。</p>"))])
        words = bm25_module._Words(made._store, "passage", {"人"})
        assert [times.tolist() for times in words.of(("人",))] == [[1], [2]]


def test_only_a_question_without_pairs_is_asked_by_letters():
    assert letters(terms("雨 a")) == {"雨"}
    assert letters(terms("大雨 日")) == letters(terms("rain")) == set()


@pytest.mark.parametrize(
    ("text", "question", "marked"),
    [
        ("我在北京工作。", "北京在哪里", ["北京"]),
        ("駐車場は三十台分あります。", "駐車場ありますか", ["駐車場"]),
        ("そうですか。", "ですか", ["ですか"]),
        ("Python入門 and a Python.", "Python 入門", ["Python", "入門", "Python"]),
        ("เปิดห้องสมุดทุกวัน", "ห้องสมุด", ["ห้องสมุด"]),
        ("ปีใหม่ ปี", "ปี", ["ปี", "ปี"]),
        ("สมา", "ห้องสมุด", []),
        ("大雨の日", "日", ["日"]),
        ("日本の大雨", "大雨 日", ["大雨"]),
        ("a Python入門.", "Python入門", ["Python", "入門"]),
        ("no such letters", "北京", []),
    ],
)
def test_words_without_spaces_are_marked_where_they_stand(text, question, marked):
    assert [text[start:stop] for start, stop in marks(text, question)] == marked
