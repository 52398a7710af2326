"""The retrieval benchmark: what is asked stands nowhere in what is searched, and ranks are counted as defined."""

import numpy as np
import pytest

from benchmarks.retrieval.measure import gains
from benchmarks.retrieval.pages import LATE, Page
from benchmarks.retrieval.systems import HITS, Places, search
from benchmarks.retrieval.tasks import TITLES, tasks
from docgraph.index import Index
from tests.letters import Letters, pages


def block(section: int, path: list[str], text: str) -> dict[str, object]:
    return {"section": section, "path": path, "kind": "para", "text": text}


PAGE = Page(
    "book/1",
    "Harbours of the north",
    [
        block(1, ["Ships"], "Made of oak. " * LATE),
        block(2, ["Ships", "Sails"], "Cloth and rope."),
        block(3, ["Light"], "A lamp on a rock."),
    ],
    [{"section": 3, "src": "a.png", "alt": "a tower", "caption": "Lit since 1807"}],
)
OTHER = Page("book/2", "Bread", [block(1, ["Oven"], "Heat it first.")], [])
QUERIES = [
    {"kind": "quiz", "query": "What lights the way?", "page": "book/1"},
    {"kind": "definition", "query": "Woven stuff", "page": "book/1", "section": 2},
]


def test_what_is_asked_is_taken_out_and_the_place_that_answers_is_the_one_named():
    found = {task.name: task for task in tasks([PAGE, OTHER], QUERIES)}
    assert list(found) == list(TITLES)
    for name, task in found.items():
        texts = task.places.texts()
        if name not in ("quiz", "definition"):
            for query in task.queries:
                assert not any(query in text for text in texts)
        answer = [[texts[place] for place in one] for one in task.relevant]
        for query, (text,) in zip(task.queries, answer, strict=True):
            part = {"Sails": "Cloth", "Woven stuff": "Cloth", "Oven": "Heat", "Bread": "Heat"}.get(query, "lamp")
            assert (part in text) if name != "image" else text.endswith("a tower")
    assert found["late heading"].queries == ["Sails", "Light"]
    assert found["late caption"].queries == ["Lit since 1807"]
    assert "Ships" in found["heading"].places.texts()[1]  # the heading above stays


def test_gains_are_counted_by_definition():
    scores = np.array([[3, 2, 1, -np.inf], [0, 0, -np.inf, 5]], np.float32)
    found = gains(scores, [{1: 1.0}, {2: 1.0, 3: 3.0}])
    ideal = 3 + 1 / np.log2(3)
    assert found["ndcg"] == pytest.approx([1 / np.log2(3), 3 / ideal])
    assert found["r1"].tolist() == [0, 1]
    assert found["r10"].tolist() == [1, 0.5]  # what has no score is not found


def test_the_row_of_search_is_what_index_search_gives(tmp_path):
    documents = [document for _, document in pages()]
    places = Places(documents, [0, 1], [0, 0], "document")
    scores = search(places, ["pot", "keel of oak"], Letters())
    assert scores.shape == (2, 2 + HITS)
    with Index.open(tmp_path / "x.index", Letters(), create=True) as index:
        index.add((str(number), document) for number, document in enumerate(documents))
        for row, query in zip(scores, ("pot", "keel of oak"), strict=True):
            hits = {hit.document_id: hit.score for hit in index.search(query, "document")}
            assert row[:2].tolist() == pytest.approx([hits["0"], hits["1"]], abs=1e-5)
            assert row[2:].max() == pytest.approx(hits["2"], abs=1e-5)  # no place: a wrong one
