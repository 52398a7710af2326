"""Web pages to documents: structure, text, pictures, what nobody sees, and bounds."""

import gc
import pickle
from pathlib import Path

import pytest

from docgraph import Document, Domain, Limits
from docgraph.errors import LimitError
from docgraph.parsers.html.page import parse_html


def shape(document: Document) -> list[str]:
    """The tree as lines, sentences left out: depth as dots, kind, own text of leaves."""
    lines = []
    for node in document.walk():
        if node.kind != "sentence":
            holder = any(child.kind != "sentence" for child in node.children)
            lines.append("." * node.depth + node.kind + ("" if holder or not node.text else f" {node.text}"))
    return lines


def test_headings_make_a_section_tree():
    page = parse_html("<p>Before.<h1>A</h1><p>a.<h3>C</h3><p>c.<h2>B</h2><p>b.<h1>D</h1><p>d.")
    assert shape(page) == [
        "page", ".paragraph Before.",
        ".section", "..heading A", "..paragraph a.",
        "..section", "...heading C", "...paragraph c.",
        "..section", "...heading B", "...paragraph b.",
        ".section", "..heading D", "..paragraph d.",
    ]  # fmt: skip


def test_a_heading_in_a_sidebar_does_not_take_what_follows_it():
    page = parse_html("<h1>T</h1><p>One.<aside><h2>Side</h2><p>s.</aside><p>Two.")
    two = next(node for node in page.find("paragraph") if node.text == "Two.")
    assert two.parent is not None
    assert two.parent.children[0].text == "T"


def test_sentences_are_nodes_with_spans():
    page = parse_html("<p>It was <b>late</b>. She left!")
    paragraph = page.find("paragraph")[0]
    assert [child.text for child in paragraph.children] == ["It was late.", "She left!"]
    assert [(page.text[m.start : m.end], m.type) for m in paragraph.marks] == [("late", "strong")]


def test_nested_lists_keep_their_nesting_and_numbering():
    page = parse_html("<ol start=3><li>a<ul><li>b<li>c</ul><li value=9>d</ol>")
    assert shape(page) == [
        "page", ".list", "..item", "...paragraph a", "...list", "....item b", "....item c", "..item d",
    ]  # fmt: skip
    outer = page.find("list")[0]
    assert (outer.attributes["ordered"], outer.attributes["start"]) == (True, 3)
    assert page.find("item")[-1].attributes["value"] == 9


def test_a_list_that_stands_beside_its_item_goes_into_it():
    page = parse_html("<ul><li>a</li><ul><li>b</li></ul><li>c</li></ul>")
    assert shape(page) == ["page", ".list", "..item", "...paragraph a", "...list", "....item b", "..item c"]


def test_a_table_is_a_grid_of_cells():
    page = parse_html(
        "<table><caption>Cap</caption><tr><th rowspan=2>A<th colspan=2>B<tr><td>1<td rowspan=99>2<tr><td>3<td>4</table>"
    )
    table = page.find("table")[0]
    assert table.domain is Domain.GRID
    assert [(cell.text, cell.position) for cell in table.children] == [
        ("A", (0, 0)), ("B", (0, 1)), ("1", (1, 1)), ("2", (1, 2)), ("3", (2, 0)), ("4", (2, 1)),
    ]  # fmt: skip
    assert table.children[0].attributes == {"header": True, "row_span": 2}
    assert table.children[3].attributes == {"row_span": 2}
    assert table.parent is not None
    assert [child.kind for child in table.parent.children] == ["caption", "table"]


def test_a_figure_binds_picture_alt_and_caption():
    page = parse_html(
        '<base href="/img/"><figure><img src="a.jpg" alt="A cat"><figcaption>The cat. '
        '<span class="credit">Ann</span></figcaption></figure>',
        url="https://example.org/x/y.html",
    )
    figure = page.find("figure")[0]
    assert [child.kind for child in figure.children] == ["image", "caption", "credit"]
    assert figure.children[0].attributes == {
        "src": "https://example.org/img/a.jpg", "src_raw": "a.jpg", "alt": "A cat",
    }  # fmt: skip
    assert [child.text for child in figure.children] == ["", "The cat.", "Ann"]


def test_a_picture_inside_a_paragraph_keeps_its_place():
    page = parse_html("<p>One two. <img src=a.png> Three four.")
    paragraph = page.find("paragraph")[0]
    assert [child.kind for child in paragraph.children] == ["sentence", "image", "sentence"]
    assert paragraph.children[1].span == (9, 9)


@pytest.mark.parametrize(
    ("markup", "src"),
    [
        ('<img src="data:image/gif;base64,R0lGOD" data-src="real.jpg">', "real.jpg"),
        ('<img src="data:image/gif;base64,R0lGOD" srcset="s.jpg 320w, l.jpg 1280w">', "l.jpg"),
        ('<picture><source srcset="a.webp 1x, b.webp 2x"><img></picture>', "b.webp"),
        ('<img class="lazy" data-x="1"><noscript><img src="real.jpg"></noscript>', "real.jpg"),
        ('<noscript><img src="real.jpg" alt="c"></noscript>', "real.jpg"),
        ('<img src="plain.jpg" srcset="other.jpg 2x">', "plain.jpg"),
    ],
)
def test_the_real_source_of_a_late_picture_is_found(markup: str, src: str):
    images = parse_html(f"<p>Text.</p><div>{markup}</div>").images()
    assert [image.attributes.get("src") for image in images] == [src]


HIDDEN = [
    "<script>HIDE</script>", "<style>HIDE</style>", "<template><p>HIDE</p></template>", "<p hidden>HIDE</p>",
    '<div style="DISPLAY : none"><p>HIDE</p></div>', '<p style="visibility:hidden">HIDE</p>', "<!-- HIDE -->",
    "<noscript>HIDE</noscript>", '<input type=hidden value="HIDE">', "<dialog>HIDE</dialog>",
    '<span class="sr-only">HIDE</span>', "<iframe>HIDE</iframe>", "<video>HIDE</video>",
    "<svg><title>HIDE</title><desc>HIDE</desc></svg>", "<datalist><option>HIDE</datalist>",
]  # fmt: skip


@pytest.mark.parametrize("markup", HIDDEN)
def test_what_nobody_sees_never_leaks(markup: str):
    page = parse_html(f"<p>Seen one.</p>{markup}<p>Seen two.</p>")
    assert "HIDE" not in page.to_json()
    assert page.text == "Seen one.\n\nSeen two."


def test_definitions_quotes_and_code():
    page = parse_html(
        "<dl><dt>T<dd>D.</dl><blockquote><p>Q.</blockquote><pre>"
        '<code class="language-python">def f():\n    pass\n</code></pre>'
    )
    assert shape(page) == [
        "page",
        ".list",
        "..term T",
        "..definition D.",
        ".quote Q.",
        ".code def f():\n    pass",
    ]
    assert page.find("code")[0].attributes == {"code_language": "python"}


def test_two_line_breaks_end_a_paragraph():
    assert [p.text for p in parse_html("<div>a<br>b<br> <br>c</div>").find("paragraph")] == ["a\nb", "c"]


def test_white_space_collapses_across_inline_elements_and_none_is_added():
    assert parse_html("<p> a\n <b> b</b>c<i>d </i> e </p>").text == "a bcd e"


def test_languages_are_kept_where_they_change():
    page = parse_html('<html lang="en"><p>One.</p><p lang="de">Zwei.</p>')
    assert [(p.attributes.get("language"), p.language) for p in page.find("paragraph")] == [
        (None, "en"),
        ("de", "de"),
    ]


def test_xpaths_survive_a_copy_whether_or_not_they_were_asked_for():
    page = parse_html("<p>One<p>Two<o:p>Three</o:p>")
    copy, asked = pickle.loads(pickle.dumps(page)), [node.source.xpath for node in page]
    assert [node.source.xpath for node in copy] == [node.source.xpath for node in pickle.loads(pickle.dumps(page))]
    assert asked == [node.source.xpath for node in copy]
    assert "/html[1]/body[1]/p[2]" in asked


def test_xpaths_lead_back_to_the_element():
    from lxml import html

    markup = "<div><p>a.<p>b.<ul><li>c<li>d</ul></div><h2>e</h2><p>f <em>g</em>.</p>"
    tree = html.document_fromstring(markup)
    for node in parse_html(markup).walk():
        if node.kind in ("paragraph", "item", "heading"):
            (element,) = tree.xpath(node.source.xpath)
            assert " ".join(element.text_content().split()) == node.text


def test_depth_is_bounded_and_the_text_kept():
    page = parse_html("<ul><li>" * 5000 + "deep" + "</ul>" * 5000)
    assert int(page.depth.max()) < Limits().depth
    assert "deep" in page.text
    assert [warning.code for warning in page.warnings] == ["limit.depth", "main.little"]


def test_nodes_are_bounded_and_strict_raises():
    markup = "<p>x.</p>" * 100
    page = parse_html(markup, limits=Limits(nodes=50))
    assert page.truncated
    assert [warning.code for warning in page.warnings] == ["limit.nodes"] * 2  # of elements, then of nodes
    with pytest.raises(LimitError, match="more than 50"):
        parse_html(markup, limits=Limits(nodes=50), strict=True)


@pytest.mark.parametrize(
    "markup", ["", " ", "<!-- only -->", "\x00", "\ud800", "<![", "<", "<p>", "<script>x</script>"]
)
def test_next_to_nothing_is_a_page(markup: str):
    assert parse_html(markup).root.kind == "page"


def test_a_file_is_decoded_and_named(tmp_path: Path):
    path = tmp_path / "page.html"
    path.write_bytes("<meta charset=koi8-r><title>Ж</title><p>Привет, мир.".encode("koi8-r"))
    page = parse_html(path)
    assert page.text == "Привет, мир."
    assert (page.metadata.encoding, page.metadata.encoding_source) == ("koi8-r", "declared")
    assert (page.metadata.source, page.metadata.title) == ("page.html", "Ж")


@pytest.mark.parametrize("on", [True, False])
def test_the_garbage_collector_is_left_as_it_was(on: bool):
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        parse_html("<p>Text.")
        with pytest.raises(LimitError):
            parse_html("<p>x" * 100, limits=Limits(nodes=10), strict=True)
        assert gc.isenabled() is on
    finally:
        (gc.enable if was_on else gc.disable)()
