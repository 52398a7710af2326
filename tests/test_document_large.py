"""100,000 nodes, side by side and one under the other: every operation works in linear time, nothing recurses."""

import copy
import pickle
import sys

import pytest

from docgraph import Document
from tests.documents import deep_document, wide_document
from tests.growth import assert_linear

NODES = 100_000


SHAPES = {"wide": wide_document, "deep": deep_document}


@pytest.fixture(scope="module", params=SHAPES)
def documents(request) -> tuple[Document, Document]:
    """A document of one shape, and one eight times as large."""
    return SHAPES[request.param](NODES // 8), SHAPES[request.param](NODES)


OPERATIONS = {
    "json": lambda d: Document.from_json(d.to_json()),
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "networkx": lambda d: Document.from_networkx(d.to_networkx()),
    "with_roles": lambda d: d.with_roles(["main"] * len(d)).with_roles(d.role),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_makes_a_document_again_makes_the_same_one_in_linear_time(documents, name):
    assert assert_linear(OPERATIONS[name], *documents).same_as(documents[1])


def test_views_and_walks_need_no_recursion(documents):
    document = documents[1]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        last = document[len(document) - 1]
        assert last.is_leaf
        assert last.role is None
        assert last.text == document.leaves()[-1].text
        assert len(assert_linear(lambda one: list(one.walk()), *documents)) == len(document)
        assert len(document.root.leaves()) == len(document.leaves())
        assert len(document.root.children) == int(document.child_count[0])
        assert len(last.ancestors) == last.depth
        assert last.language == ("en" if last.depth > 3 else None)
    finally:
        sys.setrecursionlimit(limit)


def test_exports_stay_linear_in_the_text(documents):
    document = documents[1]
    outline = assert_linear(Document.outline, *documents)
    markdown = assert_linear(Document.to_markdown, *documents)
    assert len(outline.splitlines()) == len(document)
    assert len(outline) < 200 * len(document)
    assert len(markdown) < 100 * len(document)
    assert document.leaves()[-1].text in markdown
