"""Pages made to break a parser: all text kept or a bound named, in linear time and bounded memory."""

import random
import time
from functools import partial

import pytest

from docgraph import Document, Limits
from docgraph.errors import LimitError
from docgraph.parsers.html.images import read_srcset
from docgraph.parsers.html.main.controls import _ASKS
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.html.tables import read_grid
from tests.growth import assert_linear

TAIL = "<p>The tail of the page."
DEEP = 20_000

CASES: dict[str, str] = {
    **{f"deep {tag}": f"<{tag}>" * DEEP + "deep" for tag in ("div", "b", "ul><li", "blockquote", "table><tr><td", "a")},
    "deepest div": "<div>" * 100_000 + "deep" + "</div>" * 100_000,
    "less-than signs": "<" * 300_000,
    "attributes": "<div " + " ".join(f"a{n}=1" for n in range(20_000)) + ">x</div>",
    "unclosed paragraphs": "<p>some text" * 20_000,
    "unclosed headings": "<h1>head" * 10_000,
    "unclosed links": "<a href=x>link" * 10_000,
    "cells": "<table>" + ("<tr>" + "<td>c" * 100) * 100 + "</table>",
    "spans": "<table>" + "<tr><td colspan=1000 rowspan=65534>c" * 5_000 + "</table>",
    "tables in tables": "<table><tr><td><table><td><tr>x</table><p>y" * 1_000,
    "data URIs": f'<img src="data:image/png;base64,{"A" * 1_900_000}">' * 8,
    "one long text": "<p>" + "word and more words. " * 200_000,
    "one long word": "<p>" + "x" * 5_000_000,
    "surrogates": "<p>a\ud800b</p>",
    "NULs": "<p>a\0b</p>\0" * 1_000,
    "marked sections": "<![" * 20_000,
    "CDATA": "<![CDATA[ x ]]>" * 10_000,
    "entities": "&amp;" * 200_000,
    "broken entities": "&#" * 100_000,
    "mis-nested": "<li><a><b>" * 2_000,
    "mis-nested marks": "<b><p>x" * 10_000,
    "pictures": "<img src=a.jpg>" * 20_000,
    "twins": "<noscript><img src=x></noscript>" * 10_000,
    "figures": "<figure><img src=a>" * 10_000,
    "sources": "<picture>" + "<source srcset='a 1x'><img src=b>" * 5_000,
    "sections": "<section><h2>head</h2>" * 5_000,
    "captions": "<div class=caption><img src=a>c</div>" * 5_000,
    "class names": f"<div class='{'comment ' * 100_000}'>x</div>",
    "linked data": '<script type="application/ld+json">' + "[" * 100_000 + "</script>",
    "base": "<base href=x>" * 10_000,
    "spaces in a title": f"<title>x{' ' * 8_000}y</title><h1>x</h1>",
    "copies": "<pre>x</pre>" + "<x-copy>" * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_all_text_is_kept_or_a_bound_named_in_linear_time(name: str):
    markup = CASES[name]
    small = markup[: len(markup) // 16] + markup[-len(markup) // 16 :]
    page = assert_linear(partial(parse_html, url="https://example.org/"), small + TAIL, markup + TAIL)
    assert "The tail of the page." in page.text or page.truncated
    if page.truncated:
        assert any(warning.code.startswith("limit.") for warning in page.warnings)


def test_the_points_of_a_clip_path_are_read_in_linear_time():
    style = "<p style='clip-path:polygon({}1)'>x</p>".format
    assert_linear(parse_html, style("0 " * 40), style("0 " * 320))
    assert "x" not in parse_html(f"<p>y<p style='clip-path:polygon( 0{' 0,0px' * 100})'>x</p>").text


def test_quote_marks_after_a_word_of_consent_are_read_in_linear_time():
    asks = "<p>A page. <p>We use {} a cookie".format
    assert_linear(parse_html, asks("'" * 30), asks("'" * 240))
    assert _ASKS.search("We use so-called 'third-party' cookies.")


@pytest.mark.parametrize(
    ("rule", "element"),
    [
        (".x{{display:none}}.x{{display:block}}", "<p class=x>a"),
        (".y .z{} .x{{display:none}}", "<div class=y><p class=x>a</p></div>"),
        (".x.n{}{{display:none}}", "<p class='x m{}'>a"),
    ],
)
def test_selectors_times_elements_have_a_bound(rule: str, element: str):
    def page(count: int) -> str:
        rules, elements = ("".join(one.format(n) for n in range(count)) for one in (rule, element))
        return f"<style>{rules}.n0{{color:red}}</style>{elements}<p class='n0 n1'>{TAIL}"

    assert "The tail" in assert_linear(parse_html, page(400), page(3_200)).text


def test_a_long_data_uri_does_not_cost_the_rest_of_the_page():
    uri = "data:image/png;base64," + "A" * 15_000_000
    page = parse_html(f'<p>Before.<img src="{uri}">{TAIL}')
    assert page.images()[0].attributes["src"] == uri
    small = parse_html(f'<p>Before.<img src="{uri}">{TAIL}', limits=Limits(data_uri_bytes=1000))
    assert "src" not in small.images()[0].attributes
    assert [warning.code for warning in small.warnings] == ["limit.data_uri_bytes", "main.little"]
    assert small.truncated


@pytest.mark.parametrize(
    ("limits", "code", "markup"),
    [
        (Limits(input_bytes=50), "limit.input_bytes", "<p>word </p>" * 20),
        (Limits(nodes=10), "limit.nodes", "<p>word </p>" * 20),
        (Limits(table_cells=10), "limit.table_cells", "<table>" + "<tr><th>a<td>b" * 20 + "</table>"),
        (Limits(images=3), "limit.images", "<img src=a.jpg><p>x</p>" * 5),
        (Limits(attribute_bytes=10), "limit.attribute_bytes", f"<img src=a.jpg alt='{'long ' * 10}'>"),
    ],
)
def test_each_bound_is_named_and_strict_raises(limits: Limits, code: str, markup: str):
    page = parse_html(markup, limits=limits)
    assert page.truncated
    assert code in {warning.code for warning in page.warnings}
    assert Document.from_json(page.to_json()).warnings == page.warnings
    with pytest.raises(LimitError, match="Raise the limit"):
        parse_html(markup, limits=limits, strict=True)


def test_strict_names_the_bound_and_not_what_was_repaired_before_it():
    broken = "é".encode() * 50 + b"\xff " + b"<p>word </p>" * 20
    with pytest.raises(LimitError, match="more than 10 elements"):
        parse_html(broken, limits=Limits(nodes=10), strict=True)


def test_strict_passes_a_page_within_its_bounds():
    assert parse_html("<p>Text.", strict=True).text == "Text."


def test_random_bytes_are_a_document():
    assert parse_html(random.Random(0).randbytes(200_000)).root.kind == "page"


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        ("a.jpg", [{"src": "a.jpg"}]),
        ("a.jpg 1x, b.jpg 2x", [{"src": "a.jpg", "density": 1.0}, {"src": "b.jpg", "density": 2.0}]),
        ("a,b.jpg 320w,c.jpg", [{"src": "a,b.jpg", "width": 320}, {"src": "c.jpg"}]),
        ("a.jpg junkw, b.jpg nanx", [{"src": "a.jpg"}, {"src": "b.jpg"}]),
        (" , ,", []),
    ],
)
def test_srcset(value: str, sources: list[dict[str, object]]):
    assert read_srcset(value) == sources


def test_addresses_that_run_scripts_are_no_links():
    page = parse_html(
        "<p><a href='javascript:x()'>a</a> <a href=' JavaScript:y()'>b</a> <a href='data:text/html,z'>c</a> "
        "<a href='/ok'>d</a>",
        url="https://example.org/a/",
    )
    assert [link.href for link in page.links] == ["https://example.org/ok"]


def test_layout_tables_are_no_grids():
    from docgraph.parsers.html.elements import read_markup

    for markup in (
        "<table><tr><td>only one",
        "<table role=presentation><tr><th>a<th>b<tr><td>c<td>d</table>",
        "<table><tr><td><h2>Title</h2><td>x<tr><td>y<td>z</table>",
    ):
        elements = read_markup(markup, most=100)
        assert read_grid(elements, elements.tag.index("table"), Limits()) is None
        assert "a" in parse_html(markup).text or "only one" in parse_html(markup).text or "y" in parse_html(markup).text


@pytest.mark.parametrize(
    "value", ["--5", "-", "\u0665", "-\u0665", "\u00b2", "9" * 5_000, "-" + "9" * 5_000, "1_0", "+5"]
)
def test_what_is_no_number_breaks_no_page(value: str):
    """Arabic digits, signs, and more digits than `int` reads (4,300)."""
    page = parse_html(
        f"<ol start='{value}'><li value='{value}'>one<li>two</ol>"
        f"<img src=a.png width='{value}' srcset='b.png {value}w'>"
        f"<table><tr><th colspan='{value}'>k<td rowspan='{value}'>v</table><h3 aria-level='{value}'>h</h3>"
        f"<table><tr><td>1 {value}<td><pre>code\nmore</pre></table><time datetime='{value}'>t</time>{TAIL}"
    )
    assert page.text.endswith("The tail of the page.")
    assert type(page.find("list")[0].attributes["start"]) is (
        int if value in ("\u0665", "-\u0665") or "99" in value else str
    )


def test_an_address_that_is_none_is_no_base():
    assert parse_html("<h1><a href='/'>A</a></h1><p>One sentence.", url="https://[x").text == "A\n\nOne sentence."


def test_long_class_names_of_hidden_elements_cost_no_more_than_others():
    def page(count: int) -> str:
        return f"<h3>Q</h3><div hidden style='display:none' class='{'collaps' * 40}'>x</div>" * count

    assert_linear(parse_html, page(50), page(400))
    start = time.process_time()
    parse_html(page(200))
    long = time.process_time() - start
    start = time.process_time()
    parse_html(page(200).replace("collaps" * 40, "zebras" * 47))
    assert long < 5 * (time.process_time() - start)
