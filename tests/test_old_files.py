"""Documents that version 0.1.0 wrote: its JSON and its pickles load, and hold what they held."""

import json
import pickle
from pathlib import Path

import networkx
import pytest

from docgraph import Document, Limits, parse_article, parse_html, parse_site

OLD = Path(__file__).parent / "data" / "v0.1.0"
NAMES = ("article", "page", "site")


def from_json(name: str) -> Document:
    return Document.from_json((OLD / f"{name}.document.json").read_bytes())


def from_pickle(name: str) -> Document:
    document = pickle.loads((OLD / f"{name}.document.pickle").read_bytes())
    assert isinstance(document, Document)
    return document


@pytest.mark.parametrize("name", NAMES)
def test_json_and_pickle_of_0_1_0_hold_the_same_document(name):
    assert from_json(name).same_as(from_pickle(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read", [from_json, from_pickle])
def test_what_is_read_can_do_all_that_a_new_document_can(name, read):
    document = read(name)
    assert pickle.loads(pickle.dumps(document)).same_as(document)
    assert Document.from_networkx(document.to_networkx()).same_as(document)
    assert document.image_access.limits == Limits()
    assert document.replace(truncated=True).truncated
    for written in (document.to_markdown(), document.outline(), document.main_text, document.chunks()):
        assert written
    for image in document.images():
        assert image.image.size() == (6, 4)
        assert image.image.open("RGB").getpixel((0, 0)) == (200, 30, 30)


def test_a_graph_of_0_1_0_is_read_although_its_values_were_lists_and_mappings():
    written = json.loads((OLD / "page.networkx.json").read_bytes())
    assert Document.from_networkx(networkx.node_link_graph(written, edges="edges")).same_as(from_json("page"))


def test_the_article_equals_what_the_parser_gives_today():
    record = json.loads((OLD / "article.json").read_text(encoding="utf-8"))
    today = parse_article({**record, "image": (OLD / "ferry.png").read_bytes()})
    assert from_json("article").same_as(today)


def test_the_pages_hold_what_stands_in_them():
    """Not what today's parser gives: roles, scores and metadata change as it learns. Text and structure stay."""
    page = from_json("page")
    today = parse_html((OLD / "page.html").read_text(encoding="utf-8"), url="http://a.org/ferry")
    assert (page.text, page.kind, page.marks) == (today.text, today.kind, today.marks)
    assert page.metadata.title == "The ferry is late"
    assert [mark.href for mark in page.marks if mark.type == "link"][-1] == "https://example.org/ferry"
    site = from_json("site")
    assert (site.text, site.kind) == ((new := parse_site(json.loads((OLD / "site.json").read_text()))).text, new.kind)
    assert site.edges[0].tolist() == [[0, 1], [1, 0]]
