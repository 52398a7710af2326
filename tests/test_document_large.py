"""100,000 nodes, side by side and one under the other: every operation works and takes seconds, nothing recurses."""

import copy
import pickle
import sys
import time

import pytest

from docgraph import Document
from tests.documents import deep_document, wide_document

NODES = 100_000


@pytest.fixture(scope="module", params=["wide", "deep"])
def document(request) -> Document:
    return wide_document(NODES) if request.param == "wide" else deep_document(NODES)


OPERATIONS = {
    "json": lambda d: Document.from_json(d.to_json()),
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "networkx": lambda d: Document.from_networkx(d.to_networkx()),
    "with_roles": lambda d: d.with_roles(["main"] * len(d)).with_roles(d.role),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_makes_a_document_again_makes_the_same_one(document, name):
    begin = time.perf_counter()
    again = OPERATIONS[name](document)
    assert time.perf_counter() - begin < 20  # a second or two; quadratic time would be many minutes
    assert again.same_as(document)


def test_views_and_walks_need_no_recursion(document):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        begin = time.perf_counter()
        last = document[len(document) - 1]
        assert last.is_leaf
        assert last.role is None
        assert last.text == document.leaves()[-1].text
        assert sum(1 for _ in document.walk()) == len(document)
        assert len(document.root.leaves()) == len(document.leaves())
        assert len(document.root.children) == int(document.child_count[0])
        assert len(last.ancestors) == last.depth
        assert last.language == ("en" if last.depth > 3 else None)
        assert time.perf_counter() - begin < 20
    finally:
        sys.setrecursionlimit(limit)


def test_exports_stay_linear_in_the_text(document):
    begin = time.perf_counter()
    outline, markdown = document.outline(), document.to_markdown()
    assert time.perf_counter() - begin < 30
    assert len(outline.splitlines()) == len(document)
    assert len(outline) < 200 * len(document)
    assert len(markdown) < 100 * len(document)
    assert document.leaves()[-1].text in markdown
