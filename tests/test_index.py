"""The index: what is found, in which order, where it stands, and that files stay whole."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docgraph import DataError, StaticEmbedder, parse_html
from docgraph.index import Index
from docgraph.index import bm25 as bm25_module
from docgraph.index import index as index_module
from docgraph.index.words import adjacent, marks, spaced, terms
from tests.letters import PAGES, Letters, content, pages


@pytest.fixture(params=["sqlite", "lancedb"], autouse=True)
def store(request, monkeypatch):
    """Every truth here holds for both stores."""
    if request.param == "lancedb":
        pytest.importorskip("lancedb")
    monkeypatch.setattr(index_module, "STORE", request.param)
    return request.param


@pytest.fixture
def index(tmp_path: Path):
    with Index.open(tmp_path / "pages.index", create=True) as made:
        made.add(pages())
        yield made


def bm25(words: list[list[str]], question: list[str], k: float = 1.2, b: float = 0.75) -> list[float]:
    """Lucene's formula, by definition."""
    mean = sum(map(len, words)) / len(words)
    scores = []
    for one in words:
        total = 0.0
        for term in question:
            n = sum(term in other for other in words)
            f = one.count(term)
            weight = math.log(1 + (len(words) - n + 0.5) / (n + 0.5))
            total += weight * f * (k + 1) / (f + k * (1 - b + b * len(one) / mean)) if n else 0.0
        scores.append(total)
    return scores


def test_words_are_scored_by_the_formula_of_bm25(index):
    scores = bm25_module.bm25(index._store, "document", terms("pot time"))
    numbers = index._store.rows("document").numbers
    texts = {name: f"{document.metadata.title} {document.text}" for name, document in pages()}
    words = {name: re.findall(r"\w+", text.lower()) for name, text in texts.items()}
    expected = dict(zip(PAGES, bm25(list(words.values()), ["pot", "time"]), strict=True))
    found = {
        index._store.node(number)["document_id"]: score for number, score in zip(numbers, scores, strict=True) if score
    }
    assert found.keys() == {"bread", "soup"}
    for name, score in found.items():
        assert score == pytest.approx(expected[name], rel=1e-6)
    assert [hit.document_id for hit in index.search("pot time", kind="document")] == sorted(
        found, key=lambda n: -found[n]
    )


def test_two_words_that_follow_each_other_count_as_half_a_word_more_in_passages(tmp_path):
    texts = ["The oak of the boat is old.", "The boat of the old oak is.", "An old boat and an oak boat."]
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add((str(n), parse_html(f"<p>{text}</p>")) for n, text in enumerate(texts))
        question = terms("old oak")
        apart, together, neither = bm25_module.bm25(made._store, "passage", question).tolist()
        assert bm25_module.bm25(made._store, "document", question).tolist() == pytest.approx([apart, apart, neither])
        assert [hit.document_id for hit in made.search("old oak")] == ["1", "0", "2"]
        assert [hit.document_id for hit in made.search("old and oak", kind="document")] == ["2", "0", "1"]
    words = [re.findall(r"\w+", text.lower()) for text in texts]
    phrase = [["old oak"] if n == 1 else [] for n in range(3)]
    added = bm25([one + [""] * (len(other) - len(one)) for one, other in zip(phrase, words, strict=True)], ["old oak"])
    assert together - apart == pytest.approx(0.5 * added[1], rel=1e-6)
    assert list(adjacent(terms('the "old oak" boat 北京是'))) == ['"the old oak"', '"old oak boat"']


def z(values: list[float], more: int = 0) -> list[float]:
    """Standard scores; with so many values more whose deviation is .1."""
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values) + more * 0.1**2
    deviation = math.sqrt(squares / (len(values) + more))
    return [(value - mean) / deviation for value in values]


def test_a_score_adds_up_z_scores_of_words_and_meaning_of_a_section_and_of_its_best_passage(tmp_path):
    page = parse_html(
        "<title>T</title><h1>A</h1><p>keel of the boat, an old one, made of oak.</p><p>a sail and a mast.</p>"
        "<h2>B</h2><p>oak trees in the wood, as old as the hills.</p><p>a boat of oak.</p><h1>C</h1><p>nothing.</p>"
    )
    passages = {name: [] for name in "ABC"}
    sections = {}
    for chunk in page.chunks(50, parents=True):
        if chunk.level == "section":
            sections[chunk.headings[-1]] = chunk
        elif chunk.level == "passage":
            passages[chunk.headings[-1]].append(chunk)
    with Index.open(tmp_path / "x.index", Letters(), create=True) as made:
        made.add([("p", page)])
        found = {hit.headings[-1]: hit.score for hit in made.search("boat oak", kind="section")}
    every = [one for name in "ABC" for one in passages[name]]

    def scored(chunks: list[Any], texts: list[str]) -> list[float]:
        texts = [" ".join(["T", *chunk.headings, text]) for chunk, text in zip(chunks, texts, strict=True)]
        return bm25([re.findall(r"\w+", text.lower()) for text in texts], ["boat", "oak"])

    def near(chunk: Any) -> float:
        one, other = Letters().vector("boat oak"), Letters().vector(chunk.text)
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    by_passage = dict(zip((one.id for one in every), scored(every, [one.text for one in every]), strict=True))
    a, b, c = (sections[name].text for name in "ABC")
    directly = [a.replace(b, ""), b, c]  # B lies in A
    parts = [
        (0.5, z(scored([sections[name] for name in "ABC"], directly))),
        (0.5, z([max(by_passage[chunk.id] for chunk in passages[name]) for name in "ABC"])),
        (0.5, z([near(sections[name]) for name in "ABC"], more=3)),
        (1.0, z([max(near(chunk) for chunk in passages[name]) for name in "ABC"], more=3)),
    ]
    expected = [sum(weight * values[n] for weight, values in parts) for n in range(3)]
    assert found == pytest.approx(dict(zip("ABC", expected, strict=True)), abs=1e-4)


def test_noise_of_a_handful_of_cosines_does_not_outweigh_a_word(tmp_path):
    """Three passages, of which one alone has the word that is asked for; all cosines are near zero."""
    ferry = "<h1>Ferry times</h1><p>The ferry leaves the harbour at nine in the morning and returns at five.</p>"
    refund = "<h2>Refunds</h2><p>Passengers get their money back when a boat is cancelled.</p>"
    bread = "<h1>Bread</h1><p>Flour, water and salt are mixed and left to rise over night.</p>"
    with Index.open(tmp_path / "x.index", StaticEmbedder(), create=True) as made:
        made.add([("ferry", parse_html(ferry + refund)), ("bread", parse_html(bread))])
        for question in ("can I get a refund?", "refund"):
            assert made.search(question)[0].headings[-1] == "Refunds"


def test_a_hit_leads_to_its_place(index):
    hit = index.search("loaf")[0]
    document = dict(pages())[hit.document_id]
    assert hit.headings == ("Bread", "Oven")
    assert document.text[slice(*hit.span)] == hit.text
    assert [hit.text[slice(*span)] for span in hit.marks] == ["loaf"]
    assert hit.dom_path.endswith("p[2]")
    assert hit.title == "Bread"


def test_words_of_a_question_are_marked_in_whatever_case_and_ending():
    text = "BAKED breads, bak\u00e9d İstanbul: Straße STRASSEN bread-baking"
    assert [text[slice(*span)] for span in marks(text, "Breads bak\u00c9d")] == ["breads", "bak\u00e9d", "bread"]
    assert [text[slice(*span)] for span in marks(text, "strassen")] == ["STRASSEN"]
    plain = "Baking (baked)"
    assert [plain[slice(*span)] for span in marks(plain, "bakes")] == ["Baking", "baked"]
    assert marks(text, "") == marks("", "bread") == ()


def test_scores_are_those_of_the_file_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(bm25_module, "LARGE", 1)  # so that words are counted first

    def asked(index: Index) -> list[tuple[str, float]]:
        return [
            (hit.id, hit.score) for question in ("the pot", "the loaf", "the pot") for hit in index.search(question)
        ]

    with Index.open(tmp_path / "pages.index", create=True) as writer:
        writer.add(pages()[:1])
        with Index.open(tmp_path / "pages.index") as reader:
            asked(reader)
            writer.add(pages()[1:])
            twice = [asked(reader), asked(reader)]
        with Index.open(tmp_path / "pages.index") as fresh:
            assert twice == [asked(fresh)] * 2


def test_each_kind_is_found_as_what_it_is(index):
    assert index.search("oak", kind="section")[0].level == "section"
    assert index.search("kettle", kind="image")[0].text.startswith("A copper kettle")
    assert "mast" in index.search("mast", kind="table")[0].text  # though a paragraph stands in the same passage
    assert index.search("loaf", kind="table") == []
    with pytest.raises(DataError, match=r"kind must be one that the index has, .*passage.* but is 'tabel'"):
        index.search("mast", kind="tabel")


STEPS = """<h1>Rigging</h1><p>The mast is stepped first. See the list of tools.</p><ul><li>Saw</li><li>Mallet</li></ul>
<figure><img src=a.png alt="A mast in a yard"><figcaption>The yard.</figcaption></figure>
<table><tr><th>mast</th><td>9 m</td></tr></table><pre>cut(oak)</pre><pre>cut(mast)</pre>"""


@pytest.mark.parametrize("embedder", [None, Letters(), StaticEmbedder()])
def test_a_kind_leads_to_the_node_in_its_passage_and_not_to_where_the_passage_begins(tmp_path, embedder):
    document = parse_html(STEPS)
    with Index.open(tmp_path / "x.index", embedder, create=True) as made:
        made.add([("rigging", document)])
        for kind, text in {
            "table": "mast | 9 m",
            "code": "cut(mast)",
            "caption": "The yard.",
            "list": "Saw\n\nMallet",
        }.items():
            hit = made.search("the tools of the mast", kind=kind)[0]
            node = next(node for node in document.find(kind=kind) if node.span == hit.span)
            assert (hit.kind, hit.dom_path, hit.text) == (kind, node.source.xpath, text)
            assert all(hit.text[start:stop] in ("tools", "mast") for start, stop in hit.marks)
            assert hit.text in made.read(hit.id).text
        assert made.search("the tools of the mast")[0].kind != "table"


def test_what_is_no_question_or_document_is_named_in_a_sentence(tmp_path, index):
    for wrong, said in (
        ({"question": ["oak"]}, "a question must be a text, but is a list"),
        ({"question": "oak", "top": -1}, "top must be at least 1, but is -1"),
        ({"question": "oak", "where": "language=en"}, r"where must be a mapping such as .*, but is 'language=en'"),
        ({"question": "oak", "where": {"language": None}}, "where must have texts as names .*language.: None"),
    ):
        with pytest.raises(DataError, match=said):
            index.search(**wrong)
    for other in ("a.html", ("a", "b"), ("a",), None, (5, pages()[0][1])):
        with pytest.raises(DataError, match="an index takes documents, or pairs of an id and a document"):
            index.add([other])
    one = Index.open(tmp_path / "one.index", create=True)
    assert one.add(pages()[0][1]).written == 1
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match=r"^the index must be used in the thread that"):
        pool.submit(one.search, "loaf").result()
    one.close()
    with pytest.raises(DataError, match=r"the index must be open, but it was closed\. Open it again"):
        one.search("loaf")


def test_a_list_that_is_cut_is_found_as_a_list(tmp_path):
    items = "".join(f"<li>Tool number {n} hangs on the wall beside the mast.</li>" for n in range(60))
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([("tools", parse_html(f"<h1>Tools</h1><p>All of them.</p><ul>{items}</ul><p>So far the tools.</p>"))])
        found = made.search("tool 59", kind="list")
        assert len(found) > 1
        assert "Tool number 59 " in found[0].text


def test_endings_accents_quotes_and_operators_do_not_hinder(index):
    assert index.search("kneads")[0].document_id == "bread"
    assert index.search("POTS")[0].document_id in ("bread", "soup")
    assert [hit.document_id for hit in index.search('"wide pot"')] == ["soup"]
    assert index.search('"pot wide"') == []
    for question in ("NEAR(", 'a" OR *', "AND NOT", "col:x", '"never closed', "a\x00b", "a \ud800", "x" * 100_000):
        index.search(question)
    for question in ("", "  ", "()", '""', "*", "-", "\x00", "\ud800"):
        with pytest.raises(DataError, match="a question must hold a word or a number, but is "):
            index.search(question)


def test_scripts_without_spaces_are_found_by_any_word_of_two_letters(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([("zh", parse_html("<p>北京是中国的首都。</p>")), ("th", parse_html("<p>ภาษาไทยเป็นภาษา</p>"))])
        assert [hit.document_id for hit in made.search("首都")] == ["zh"]
        assert [hit.document_id for hit in made.search("ภาษาไทย")] == ["th"]
        assert made.search("首国") == []
    assert spaced("ab 北京是 c") == "ab  北京 京是  c"
    assert terms("北京是") == ['"北京"', '"京是"']


def test_a_search_may_be_limited_to_some_documents(index):
    assert {hit.document_id for hit in index.search("pot", where={"id": "s*"})} == {"soup"}
    assert {hit.document_id for hit in index.search("pot", where={"title": "Bread"})} == {"bread"}
    with pytest.raises(DataError, match=r"limited by id, site, .* but author was given"):
        index.search("pot", where={"author": "x"})


def test_a_star_stands_for_anything_and_no_other_sign_does(tmp_path):
    names = ("a[b].html", "ab.html", "what?.html", "whats.html", "[")
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add((name, parse_html("<p>pot</p>")) for name in names)
        asked = {"a[b]*": "a[b].html", "what?.*": "what?.html", "[*": "[", "*]*": "a[b].html"}
        for value, expected in asked.items():
            assert {hit.document_id for hit in made.search("pot", where={"id": value})} == {expected}
        assert len(made.search("pot", where={"id": "*"}, every=True)) == len(names)


@pytest.mark.parametrize("embedder", [None, Letters()], ids=["words", "vectors"])
def test_a_changed_document_is_written_anew_and_the_rest_left_alone(tmp_path, embedder):
    changed = {**dict(pages()), "soup": parse_html(PAGES["soup"].replace("Onions", "Leeks"))}
    with Index.open(tmp_path / "a.index", embedder, create=True) as made:
        first = made.add(pages())
        assert (first.written, first.unchanged) == (3, 0)
        second = made.add(changed.items())
        assert (second.written, second.unchanged) == (1, 2)
        assert made.search("onions", top=1, where={"id": "soup"}) == [] or embedder
        assert made.search("leeks")[0].document_id == "soup"
        assert made.remove(["boat", "nothing"]) == 1
        assert len(made) == 2
    with Index.open(tmp_path / "b.index", embedder, create=True) as made:
        made.add([("bread", changed["bread"]), ("soup", changed["soup"])])
    assert content(tmp_path / "a.index") == content(tmp_path / "b.index")


def test_two_documents_of_one_id_are_not_mixed(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made:
        added = made.add([("a", parse_html("<p>one</p>")), ("a", parse_html("<p>two</p>"))])
        assert added.written == 1
        assert added.problems == {"a": "another document of this call has the same id"}


def test_meaning_finds_what_shares_no_word(tmp_path):
    with Index.open(tmp_path / "x.index", Letters(), create=True) as made:
        made.add(pages())
        assert made.search("oka fo si leek eth", top=1)[0].document_id == "boat"  # no word of it stands anywhere
        assert made.search("oka fo si leek eth", kind="document", top=1)[0].document_id == "boat"
        assert made.search("oka fo si leek eth", kind="section", top=1)[0].document_id == "boat"
    with Index.open(tmp_path / "x.index") as made:
        assert made.search("oka fo si leek eth") == []
        assert made.embedder_name == "letters"


def test_what_stands_in_a_section_of_a_section_speaks_for_the_inner_one(tmp_path):
    page = parse_html("<h1>T</h1><p>zz</p><h2>A</h2><p>aaab</p><h3>B</h3><p>dddd</p><h2>C</h2><h3>D</h3><p>eeee</p>")
    for embedder in (None, Letters()):
        with Index.open(tmp_path / f"{embedder}.index", embedder, create=True) as made:
            made.add([("p", page)])
            assert [made.search(word, kind="section", top=1)[0].headings[-1] for word in ("dddd", "eeee")] == ["B", "D"]
            assert made.search("zz", kind="document", top=1)[0].document_id == "p"


def test_an_index_is_opened_with_what_it_was_made_with(tmp_path):
    path = tmp_path / "x.index"
    with pytest.raises(DataError, match=r"there is nothing at .*x.index. Make it: docgraph index"):
        Index.open(path)
    Index.open(path, Letters(), create=True).close()
    other = Letters()
    other.name = other.fingerprint = "others"
    with pytest.raises(DataError, match="was made with letters, but others was given"):
        Index.open(path, other)
    with pytest.raises(DataError, match="was made with letters, but no embedder was given"):
        Index.open(path, create=True)
    with pytest.raises(DataError, match="passages of 256 words, but 99 were asked for"):
        Index.open(path, max_tokens=99)
    with pytest.raises(DataError, match=f"an index must be a file, but {tmp_path} is a folder"):
        Index.open(tmp_path, create=True)
    wrong = tmp_path / "wrong.index"
    wrong.write_text("no database at all, but long enough to be read as one" * 9)
    with pytest.raises(
        DataError,
        match=r"wrong.index must be an index that `docgraph index` made and that is whole, but file is not a database",
    ):
        Index.open(wrong)


def test_a_second_writer_is_told_so_and_a_reader_is_let_in(tmp_path):
    with Index.open(tmp_path / "x.index", create=True) as made, Index.open(tmp_path / "x.index") as other:

        def slowly():
            yield "bread", dict(pages())["bread"]
            with pytest.raises(DataError, match=r"x.index must be written by one command at a time"):
                other.add(pages())
            assert other.search("loaf") == []
            yield "soup", dict(pages())["soup"]

        made.add(slowly())
        assert other.search("loaf")[0].document_id == "bread"
        assert other.add(pages()).written == 1


def test_an_answer_is_of_one_moment_whatever_is_written_meanwhile(tmp_path, monkeypatch):
    with Index.open(tmp_path / "x.index", create=True) as writer, Index.open(tmp_path / "x.index") as reader:
        writer.add(pages())
        expected = reader.search("loaf"), reader.read("bread"), reader.contents("bread")
        node = reader._store.node

        def node_after_all_is_gone(number):
            writer.remove(dict(pages()))
            return node(number)

        monkeypatch.setattr(reader._store, "node", node_after_all_is_gone)
        for question, answer in zip((Index.search, Index.read, Index.contents), expected, strict=True):
            writer.add(pages())
            assert question(reader, "loaf" if question is Index.search else "bread") == answer
        assert reader.search("loaf") == []


def test_the_document_that_was_added_last_may_change(tmp_path):
    with Index.open(tmp_path / "a.index", Letters(), create=True) as made:
        made.add(pages())
        made.add([("boat", parse_html("<h1>Boat</h1><p>The keel is of ash.</p>"))])
    with Index.open(tmp_path / "b.index", Letters(), create=True) as made:
        made.add([*pages()[:-1], ("boat", parse_html("<h1>Boat</h1><p>The keel is of ash.</p>"))])
    assert content(tmp_path / "a.index") == content(tmp_path / "b.index")
