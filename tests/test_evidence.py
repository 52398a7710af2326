"""Documents without some of their nodes, and what nodes count for a class."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from docgraph import DataError, Document, DocumentBuilder, DocumentError, Domain, load_document, parse_html, parse_text
from encoders import DocumentForClassification
from encoders.evidence import explain, log_odds, log_odds_of_logits

RUN = Path(__file__).parent / "data" / "v0.1.0" / "run"

PAGE = """<h1>Boats</h1><p>One sentence here. <a href="/x">Two</a> sentences here. Three.</p>
<ul><li>Apples are red.</li><li>Pears. Plums.</li></ul><p>The end.</p>"""


# -- documents without -----------------------------------------------------------------------------------------------


def texts(document: Document) -> list[tuple[str, str]]:
    """Leaves with text; a node that was emptied is none."""
    return [(node.kind, " ".join(node.text.split())) for node in document.walk() if node.is_leaf and node.text.strip()]


@pytest.mark.parametrize("words", ["Two sentences", "Apples", "Boats", "The end"])
def test_all_leaves_but_those_left_out_keep_their_text(words):
    document = parse_html(PAGE, offsets=True)
    row = next(node.row for node in document.walk() if node.is_leaf and node.text.startswith(words))
    less = document.without([row])
    assert texts(less) == [leaf for leaf in texts(document) if not leaf[1].startswith(words)]
    assert words not in less.text
    assert len(less.text) == len(document.text) - len(document[row].text)
    Document(**{name: getattr(less, name) for name in less.__dataclass_fields__})  # whose checks it passes


def test_a_subtree_goes_whole_with_its_links_and_sources():
    document = parse_html(PAGE, offsets=True)
    row = document.find("paragraph")[0].row
    less = document.without([row])
    assert not less.links
    assert [node.source for node in less.find("item")] == [node.source for node in document.find("item")]
    assert [node.position for node in less.find("item")] == [node.position for node in document.find("item")]
    assert [node.kind for node in less.find("list")[0].ancestors] == [
        node.kind for node in document.find("list")[0].ancestors
    ]


def test_links_within_what_is_kept_still_cover_their_words():
    document = parse_html(PAGE)
    first = next(node for node in document.walk() if node.text == "One sentence here.")
    less = document.without([first.row])
    assert [link.text for link in less.links] == ["Two"]


def test_patches_of_a_screenshot_show_the_nodes_that_are_left():
    builder = DocumentBuilder()
    builder.open("page")
    for name in "abc":
        builder.block("paragraph", name)
    builder.leaf("image", attributes={"patches": {"rows": 1, "columns": 5, "node": [0, 1, 2, 3, 2]}})
    builder.close()
    less = builder.build().without([2])  # b
    assert [less[row].text for row in less[3].attributes["patches"]["node"][1::2]] == ["a", "c"]
    assert less[3].attributes["patches"] == {"rows": 1, "columns": 5, "node": [0, 1, 0, 2, 0]}


def test_edges_of_a_graph_follow_its_children():
    builder = DocumentBuilder()
    root = builder.open("site", domain=Domain.GRAPH)
    for name in "abcd":
        builder.block("page", name)
    builder.close()
    builder.set_edges(root, [(0, 3), (1, 2), (3, 2)])
    document = builder.build()
    less = document.without([2])  # b
    names = [child.text for child in less.root.children]
    assert names == ["a", "c", "d"]
    assert [(names[a], names[b]) for a, b in less.edges[0].T.tolist()] == [("a", "d"), ("d", "c")]
    assert [child.position[0] for child in less.root.children] == [0, 1, 2]


@pytest.mark.parametrize("row", [0, -1, 99])
def test_the_root_stays(row):
    with pytest.raises(DocumentError, match="must be from 1 to"):
        parse_text("Some words. More words.").without([row])


def test_a_document_without_nothing_is_the_same(sample_data):
    document = load_document(sample_data / "pages" / "m63910.html")
    assert document.without([]).same_as(document)


# -- evidence --------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    classes: tuple[str, ...]
    probabilities: np.ndarray
    problem_type: str = "single_label_classification"


class Words:
    """A classifier that adds the weights of the words it finds: what each sentence counts is known."""

    def __init__(self, **weights: float) -> None:
        self.weights = weights
        self.read: list[str] = []

    def __call__(self, documents):
        self.read += [document.text for document in documents]
        scores = [sum(w * document.text.count(word) for word, w in self.weights.items()) for document in documents]
        odds = 1 / (1 + np.exp(-np.asarray(scores, dtype=np.float64)))
        return Answer(("yes", "no"), np.stack([odds, 1 - odds], 1).astype(np.float32))


def test_a_sentence_counts_what_its_words_weigh():
    model = Words(good=1.5, bad=-2.0)
    document = parse_text("This is good. Nothing here.\n\nVery bad and good. The rest is good, all of it.")
    found = explain(model, document)
    for node in document.find("sentence"):
        want = 1.5 * node.text.count("good") - 2.0 * node.text.count("bad")
        np.testing.assert_allclose(found.values[node.row], [want, -want], atol=1e-5)
    paragraph = document.find("paragraph")[0]
    np.testing.assert_allclose(found.values[paragraph.row, 0], 1.5, atol=1e-5)
    assert np.isnan(found.values[0]).all()
    assert found.passes == len(model.read) == 1 + 2 + 4


def test_labels_that_do_not_exclude_each_other_have_odds_of_their_own():
    words = Words(good=1.5)

    def predict(documents):
        yes = words(documents).probabilities[:, :1]
        return Answer(("yes", "tall"), np.concatenate([yes, np.full_like(yes, 0.9)], 1), "multi_label_classification")

    document = parse_text("This is good.\n\nNothing here.")
    found = explain(predict, document)
    np.testing.assert_allclose(found.values[document.find("paragraph")[0].row], [1.5, 0], atol=1e-5)


def test_a_number_loses_what_the_node_added_to_it():
    def predict(documents):
        return Answer(("value",), np.float32([[7.0 + 2.5 * one.text.count("good")] for one in documents]), "regression")

    document = parse_text("This is good.\n\nNothing here.")
    found = explain(predict, document)
    np.testing.assert_allclose(found.values[document.find("paragraph")[0].row], [2.5], atol=1e-5)
    assert "value" in found.method


def test_no_more_passes_than_asked_for_and_the_heaviest_part_first():
    lines = [f"Word {number} stands here. Again {number} stands." for number in range(30)]
    lines[17] = "This is good. It is not."
    document = parse_text("\n\n".join(lines))
    model = Words(good=1.0)
    found = explain(model, document, passes=1 + 30 + 2, together=7)
    assert len(model.read) == found.passes == 33
    judged = [node.text for node in document.find("sentence") if not np.isnan(found.values[node.row, 0])]
    assert judged == ["This is good.", "It is not."]


@pytest.mark.parametrize("together", [7, 32])
def test_what_counts_is_found_wherever_it_stands_among_more_siblings_than_passes(together):
    lines = [f"Word {number} stands here." for number in range(1000)]
    for number, words in ((3, "This is good."), (700, "All is good and good."), (995, "This is bad.")):
        lines[number] = words
    document = parse_text("\n\n".join(lines))
    model = Words(good=1.0, bad=-3.0)
    found = explain(model, document, passes=256, together=together)
    assert len(model.read) == found.passes == 256
    told = {node.text.strip(): found.values[node.row, 0] for node in document.find("paragraph")}
    assert told["This is good."] == pytest.approx(1.0, abs=1e-5)
    assert told["All is good and good."] == pytest.approx(2.0, abs=1e-5)
    assert told["This is bad."] == pytest.approx(-3.0, abs=1e-5)
    judged = sum(not np.isnan(value) for value in told.values())
    assert f"{judged} of 1,000 parts were judged by themselves" in found.method
    assert "were judged" not in explain(model, document, passes=1001, together=together).method


def test_a_node_that_holds_all_of_its_parent_has_its_evidence():
    document = parse_text("This is good.\n\nNothing.")
    model = Words(good=1.0)
    found = explain(model, document)
    paragraph = document.find("paragraph")[0]
    for node in paragraph.walk():
        np.testing.assert_allclose(found.values[node.row, 0], 1.0, atol=1e-5)
    assert found.passes == 3


def test_what_is_asked_wrongly_is_one_sentence():
    document = parse_text("This is good.")
    with pytest.raises(DataError, match="label must be one of the model's classes, yes, no, but is 'maybe'"):
        explain(Words(), document, label="maybe")
    with pytest.raises(DataError, match="passes must be at least 2"):
        explain(Words(), document, passes=1)


def test_log_odds_are_those_of_a_class_for_all_others():
    probabilities = np.array([[0.5, 0.2, 0.3], [1.0, 3e-12, 1e-12]], np.float32)
    want = [[0, np.log(0.2 / 0.8), np.log(0.3 / 0.7)], [np.log(1 / 4e-12), np.log(3e-12), np.log(1e-12)]]
    np.testing.assert_allclose(log_odds(probabilities), want, rtol=1e-5, atol=1e-6)
    assert np.isfinite(log_odds(np.array([0.0, 1.0], np.float32))).all()


def test_a_model_says_what_its_own_predictions_would_lose(sample_data):
    model = DocumentForClassification.from_pretrained(RUN)
    document = load_document(sample_data / "pages" / "m63910.html")
    found = model.explain(document, passes=40)
    assert found.passes == 40
    assert found.values.shape == (len(document), len(found.classes))
    whole = model.predict(document).probabilities[0]
    np.testing.assert_allclose(found.probabilities, whole, rtol=1e-5)
    for row in np.flatnonzero(~np.isnan(found.values[:, 0]))[[0, 5, -1]].tolist():
        less = model.predict(document.without([row])).probabilities[0].astype(float)
        odds = [np.log(p / (1 - p)) for p in (whole.astype(float), less)]
        np.testing.assert_allclose(found.values[row], odds[0] - odds[1], rtol=1e-3, atol=1e-4)
    document.view(evidence=found)


def test_log_odds_of_logits_are_those_of_their_probabilities():
    logits = np.random.default_rng(0).normal(size=(50, 5)) * 4
    each = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(log_odds_of_logits(logits), np.log(each) - np.log1p(-each), rtol=1e-9)
    far = log_odds_of_logits(np.array([[900.0, -300.0, 0.0], [5.0, 5.0, -1e4]]))
    np.testing.assert_allclose(far, [[900, -1200, -900], [0, 0, -1e4 - 5 - np.log(2)]], atol=1e-9)


def test_a_sure_model_still_tells_its_nodes_apart():
    """In float32 the other class has no probability, with or without any one of the nodes."""

    class Sure(NamedTuple):
        logits: np.ndarray
        classes: tuple[str, str] = ("fruit", "other")

        @property
        def probabilities(self) -> np.ndarray:
            each = np.exp(self.logits - self.logits.max(1, keepdims=True))
            return (each / each.sum(1, keepdims=True)).astype(np.float32)

    def predict(documents) -> Sure:
        counts = [200 * one.text.count("red") + 400 * one.text.count("Pears") + 300 for one in documents]
        return Sure(np.array([[count, 0.0] for count in counts]))

    document = parse_html(PAGE)
    values = explain(predict, document).values[:, 0]
    rows = {node.text: node.row for node in document.walk() if node.is_leaf}
    assert values[rows["Apples are red."]] == pytest.approx(200)
    assert values[rows["Pears."]] == pytest.approx(400)
    assert values[rows["The end."]] == 0
