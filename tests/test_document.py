"""The column document and its node views: what holds for every document, and what is refused."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given

from docgraph import Document, DocumentBuilder, DocumentError, Domain, ImageError, Limits, Modality
from docgraph.limits import LimitsError
from tests.documents import documents, drawn


@drawn
@given(documents())
def test_every_span_lies_in_its_parents_and_text_is_its_slice(document):
    for node in document.walk():
        start, end = node.span
        assert document.text[start:end] == node.text
        if node.parent is not None:
            assert node.parent.span[0] <= start <= end <= node.parent.span[1]


@drawn
@given(documents())
def test_leaves_in_document_order_hold_all_text_but_the_joints(document):
    # What no leaf covers is the blank line between blocks, or white space between sentences.
    covered = np.zeros(len(document.text), bool)
    last = 0
    for leaf in document.leaves():
        start, end = leaf.span
        assert start >= last
        last = end
        covered[start:end] = True
    assert not "".join(c for c, seen in zip(document.text, covered, strict=True) if not seen).strip()


@drawn
@given(documents())
def test_the_views_agree_with_a_tree_of_lists(document):
    children = [[] for _ in range(len(document))]
    for row, above in enumerate(document.parent.tolist()):
        if above >= 0:
            children[above].append(row)

    def subtree(row):
        return [row] + [below for child in children[row] for below in subtree(child)]

    for node in document:
        assert [child.row for child in node.children] == children[node.row]
        assert [below.row for below in node.walk()] == subtree(node.row)
        assert node.is_leaf == (not children[node.row])
        assert node.depth == len(node.ancestors)
        assert [a.row for a in node.ancestors[:1]] == ([node.parent.row] if node.parent else [])
        assert {leaf.row for leaf in node.leaves()} == {r for r in subtree(node.row) if not children[r]}
        role = next((a.document.role[a.row] for a in [node, *node.ancestors] if a.document.role[a.row]), None)
        assert node.role == role
        assert node.marks == [mark for mark in document.marks if mark.row == node.row]
    assert subtree(0) == list(range(len(document)))
    assert document.links == sorted(document.links, key=lambda link: (link.start, link.row))


@drawn
@given(documents())
def test_json_pickle_and_copies_keep_everything(document):
    text = document.to_json()
    text.encode("utf-8")
    json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    for again in (
        Document.from_json(text),
        Document.from_json(text.encode()),
        Document.from_json(document.to_json(indent=1)),
        pickle.loads(pickle.dumps(document)),
        copy.copy(document),
        copy.deepcopy(document),
    ):
        assert again.to_json() == text
        assert again.same_as(document)
        assert (again.sources is None) == (document.sources is None)
        for name in ("parent", "position", "span", "score"):
            mine, other = getattr(document, name), getattr(again, name)
            assert (mine is None) == (other is None)
            if mine is not None:
                assert mine.dtype == other.dtype
                assert np.array_equal(mine, other, equal_nan=name == "score")
        for column in (
            "kind",
            "domain",
            "role",
            "keys",
            "marks",
            "warnings",
            "metadata",
            "boxes",
            "attributes",
            "truncated",
        ):
            assert getattr(again, column) == getattr(document, column)
        assert [node.source for node in again] == [node.source for node in document]


@drawn
@given(documents())
def test_a_change_of_any_column_is_seen_by_same_as(document):
    assert not document.same_as(document.with_roles(["aside", *document.role[1:]]))
    assert not document.same_as(document.with_metadata(title="another"))
    assert not document.same_as(document.replace(truncated=not document.truncated))


def small() -> Document:
    builder = DocumentBuilder()
    builder.open("page")
    builder.open("section", role="main", attributes={"language": "fr"})
    builder.block("heading", "News", attributes={"level": 1})
    builder.block("paragraph", "One. Two.", sentences=[(0, 4), (5, 9)], marks=[(0, 3, "link", "a.html")])
    builder.leaf("image", attributes={"src": "a.jpg", "alt": "A cat"})
    builder.close()
    builder.open("table", domain=Domain.GRID)
    builder.block("cell", "c", position=(2, 1))
    builder.close()
    builder.open("group", domain=Domain.KEYED)
    builder.block("field", "k", key="price")
    builder.close()
    builder.close()
    return builder.build()


def test_a_document_built_by_hand_reads_as_it_was_built():
    document = small()
    assert document.text == "News\n\nOne. Two.\n\nc\n\nk"
    assert document.main_text == "News\n\nOne. Two."
    assert [node.text for node in document.find(kind="sentence")] == ["One.", "Two."]
    assert [node.kind for node in document.find(role="main")] == [
        "section", "heading", "paragraph", "sentence", "sentence", "image",
    ]  # fmt: skip
    picture = document.images()[0]
    assert (picture.text, picture.span, picture.modality) == ("", (15, 15), Modality.IMAGE)
    assert document.find(kind="cell")[0].position == (2, 1)
    assert document.find(kind="field")[0].key == "price"
    assert document.links[0][:4] == (3, 6, 9, "a.html")
    assert document.find(kind="sentence")[0].language == "fr"
    assert document.root.language is None
    assert repr(document.root.children[0]).startswith("<section 1: 'News")
    assert "10 nodes" in repr(document) or f"{len(document)} nodes" in repr(document)


def test_without_any_role_all_text_is_main_text():
    document = small()
    assert document.with_roles([None] * len(document)).main_text == document.text


def test_a_node_is_a_view_that_cannot_be_changed_and_equals_another_view_of_its_row():
    document = small()
    assert document[1] == document.root.children[0]
    assert hash(document[1]) == hash(document.root.children[0])
    assert document[1] != document[2]
    assert document[1] != small()[1]
    assert document[-1].row == len(document) - 1
    with pytest.raises(AttributeError, match="cannot be changed"):
        document.root.kind = "x"
    with pytest.raises(IndexError, match="row must be within the 11 nodes"):
        document[11]
    with pytest.raises(ImageError, match="only an image node has an image, but row 0 is a page"):
        _ = document.root.image
    node = pickle.loads(pickle.dumps(document[3]))
    assert (node.row, node.text) == (3, "One. Two.")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"parent": np.array([-1, 0, 0, 2, 1, 2, 0, 6, 0, 8, 0], np.int32)}, "row 4 has parent 1, which is not open"),
        ({"parent": np.array([0] * 11, np.int32)}, "row 0 must be the root"),
        ({"parent": np.array([-1, 0, -1] + [0] * 8, np.int32)}, "row 2 has parent -1"),
        ({"parent": np.array([-1, 0, 5] + [0] * 8, np.int32)}, "row 2 has parent 5"),
        ({"parent": np.zeros(0, np.int32)}, "at least its root node"),
        ({"kind": ("page",)}, "column kind must have one entry for each of the 11 nodes, but has 1"),
        ({"span": np.zeros((11, 3), np.int64)}, r"column span must have shape \(11, 2\)"),
        ({"span": np.full((11, 2), 99, np.int64)}, "within the text of 21 characters"),
        ({"text": "News"}, "within the text of 4 characters"),
        ({"edges": {0: np.zeros((2, 1), np.int32)}}, "only GRAPH nodes have edges, but row 0 has"),
        ({"keys": ()}, "must have one of the 0 keys"),
        ({"attributes": {11: {}}}, "attributes must belong to one of the 11 rows"),
    ],
)  # fmt: skip
def test_columns_that_make_no_document_are_refused(columns, message):
    with pytest.raises(DocumentError, match=message):
        small().replace(**columns)


def test_a_span_outside_its_parents_and_a_mark_outside_the_text_are_refused():
    document = small()
    span = document.span.copy()
    span[2] = (16, 18)
    with pytest.raises(DocumentError, match=r"row 2 has \[16, 18\] under \[0, 15\]"):
        document.replace(span=span)
    with pytest.raises(DocumentError, match="a mark must lie on a node and within the text"):
        document.replace(marks=(document.marks[0]._replace(end=99),))
    domain = (Domain.GRAPH, *document.domain[1:])
    with pytest.raises(DocumentError, match="pairs of ordinals of its 3 children"):
        document.replace(domain=domain, edges={0: np.array([[0], [3]], np.int32)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(version=2), "reads schema version 1, but the document has 2"),
        (lambda v: v.update(schema="docling"), "must say schema 'docgraph.document', but says 'docling'"),
        (lambda v: v.pop("text"), "every column of schema version 1"),
        (lambda v: v.update(span=[[0, 99]] * 11), "within the text"),
        (lambda v: v.update(parent=[-1, "x"]), "well formed"),
        (lambda v: v.update(domain=["sea"] * 11), "well formed"),
        (lambda v: v.update(marks=[[1]]), "well formed"),
        (lambda v: v["images"].update(resources={"a": "*"}), "well formed"),
        (lambda v: v["images"]["limits"].update(nodes=0), "well formed|at least 1"),
        (lambda v: v.update(metadata={"nothing": 1}), "well formed"),
    ],
)
def test_json_that_is_no_document_is_one_clear_error(change, message):
    values = json.loads(small().to_json())
    change(values)
    with pytest.raises(DocumentError, match=message):
        Document.from_json(json.dumps(values))


@pytest.mark.parametrize("source", ["", "{", "[]", "null", "3", '"x"', b"\xff", "[" * 100_000])
def test_text_that_is_no_json_document_is_one_clear_error(source):
    with pytest.raises(DocumentError, match="a serialised document must"):
        Document.from_json(source)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_a_value_that_json_does_not_know_is_named_when_written(value):
    with pytest.raises(DocumentError, match="must hold JSON values only"):
        small().replace(attributes={1: {"x": value}}).to_json()


def test_a_lone_surrogate_survives_json_that_is_valid_utf8():
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", "a\ud800b")
    builder.close()
    document = builder.build()
    written = document.to_json().encode("utf-8")
    assert Document.from_json(written).text == "a\ud800b"


def test_the_builder_refuses_what_makes_no_tree():
    builder = DocumentBuilder()
    with pytest.raises(DocumentError, match="at least its root node"):
        builder.build()
    builder.open("page")
    with pytest.raises(DocumentError, match="1 are still open"):
        builder.build()
    with pytest.raises(DocumentError, match="key='a' under a sequence domain"):
        builder.open("field", key="a")
    builder.close()
    with pytest.raises(DocumentError, match="a second one, a page, was added at row 1"):
        builder.open("page")


def test_limits_must_be_whole_positive_numbers():
    with pytest.raises(LimitsError, match=r"Limits\.nodes must be a whole number of at least 1, but is 0"):
        Limits(nodes=0)
    with pytest.raises(LimitsError, match="depth"):
        Limits(depth=2.5)
