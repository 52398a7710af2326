"""Structure as pages really write it: end tags left out, elements of their own making,
captions by class, lazy names.
"""

import warnings

import pytest

from docgraph import Document
from docgraph.parsers.html.page import parse_html


def pairs(page: Document) -> list[tuple[str, str]]:
    """(source, caption) of every picture in a figure."""
    found = []
    for image in page.images():
        figure = image.parent
        while figure is not None and figure.kind != "figure":
            figure = figure.parent
        if figure is not None:
            said = " ".join(child.text for child in figure.children if child.kind == "caption")
            found.append((image.attributes["src"], said))
    return found


def test_a_definition_ends_the_one_before_it():
    page = parse_html("<dl><dt>T<dd>One<dd>Two<div><dt>U</dt><dd><p>a.</p><ul><li>x</ul></dd></div></dl><p>After.")
    (list_,) = (node for node in page.find("list") if node.attributes.get("definitions"))
    assert [(child.kind, child.text) for child in list_.children] == [
        ("term", "T"), ("definition", "One"), ("definition", "Two"), ("term", "U"), ("definition", "a.\n\nx"),
    ]  # fmt: skip
    assert page.root.children[-1].text == "After."


@pytest.mark.parametrize(
    ("ruby", "readings"),
    [
        ("漢字<rt>kanji</rt>", {"漢字": "kanji"}),
        ("漢<rp>(<rt>kan<rp>)", {"漢": "kan"}),
        ("漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rp>(</rp><rt>ji</rt><rp>)</rp>", {"漢": "kan", "字": "ji"}),
        ("<rb>漢</rb><rb>字</rb><rt>kan</rt><rt>ji</rt>", {"漢字": "kanji"}),
        ("<rb>漢</rb><rtc><rt>kan</rt></rtc>", {"漢": "kan"}),
    ],
)
def test_how_signs_are_read_is_no_part_of_the_text_and_kept_with_them(ruby: str, readings: dict[str, str]):
    page = parse_html(f"<p>The <b>word</b> <ruby>{ruby}</ruby> is old.")
    assert page.text == f"The word {''.join(readings)} is old."
    (paragraph,) = page.find("paragraph")
    marked = [page.text[mark.start : mark.end] for mark in page.marks if mark.type == "ruby"]
    assert dict(zip(marked, paragraph.attributes["ruby"], strict=True)) == readings


def test_a_reading_without_signs_of_its_own_is_no_part_of_that_before():
    page = parse_html("<p>A <ruby>漢<rt>kan</rt></ruby><ruby><rt>ji</rt></ruby> is old.")
    assert page.find("paragraph")[0].attributes["ruby"] == ["kan"]


def test_a_title_is_read_without_the_readings_of_its_signs_and_the_link_to_itself():
    page = parse_html("<h1><ruby>漢<rt>kan</rt></ruby>字 <a href='#w'>¶</a></h1><p>Text.")
    assert page.metadata.title == page.find("heading")[0].text == "漢字"


def test_a_formula_written_twice_is_read_once():
    katex = (
        '<span class="katex"><span class="katex-mathml"><math><mi>E</mi></math></span>'
        '<span class="katex-html" aria-hidden="true">E</span></span>'
    )
    page = parse_html(f"<p>Energy {katex} is kept.")
    assert page.text == "Energy E is kept."
    assert [(page.text[m.start : m.end], m.type) for m in page.marks] == [("E", "math")]


@pytest.mark.parametrize(
    "markup",
    [
        "<figure><img src=a.jpg><figcaption>Cap.</figcaption></figure>",
        # An element of the page's own making around a figure is no block, but is named after pictures.
        "<x-box class=article-image><figure><div><img src=a.jpg></div>"
        "<figcaption><p>Cap.</p></figcaption></figure></x-box>",
        "<div class=wp-caption><img src=a.jpg><p class=wp-caption-text>Cap.</p></div>",
        "<div class=media><div><img src=a.jpg></div><div><span class=mediaSubtitle>Cap.</span></div></div>",
        "<div><a href=b><img src=a.jpg></a><div class=bildunterschrift>Cap.</div></div>",
        "<div class=thumb><div><a><img src=a.jpg></a><div class=thumbcaption>Cap.</div></div></div>",
        "<div><img src=a.jpg><p class=image-description>Cap.</p></div>",
        "<div class=Carousel><div class=CarouselSlide><div><img src=a.jpg></div>"
        "<div><span><p>A cat on a mat.</p></span></div></div></div>",
    ],
)
def test_a_caption_is_bound_to_its_picture(markup: str):
    page = parse_html(
        f"<article><h1>T</h1><p>{'Words of the text. ' * 9}</p>{markup}<p>{'And more of it. ' * 9}</p></article>"
    )
    assert pairs(page) in ([("a.jpg", "Cap.")], [("a.jpg", "A cat on a mat.")])


def test_a_component_called_media_is_no_caption():
    """ "media" with "text" or "body" is the name of a layout, not of pictures."""
    page = parse_html(
        "<div class=media><img src=a.jpg><div class=media-text><h2>H</h2><p>Some words here.</p></div></div>"
    )
    assert not page.find("caption")
    assert page.find("paragraph")[0].text == "Some words here."


@pytest.mark.parametrize(
    ("attributes", "src"),
    [
        ('data-flickity-lazyload-srcset="s.jpg 1x,l.jpg 2x" src="data:image/gif;base64,R0lGOD"', "l.jpg"),
        ('data-some-own-name="real.jpg?w=600" src="data:image/gif;base64,R0lGOD"', "real.jpg?w=600"),
        ('data-own-set="s.webp 320w, l.webp 1280w" src="/img/placeholder.png"', "l.webp"),
        ('data-json=\'{"src": "no.jpg"}\' data-text="see a.jpg" src="plain.jpg"', "plain.jpg"),
    ],
)
def test_a_late_picture_is_found_under_any_name(attributes: str, src: str):
    assert [image.attributes["src"] for image in parse_html(f"<p>x</p><img {attributes}>").images()] == [src]


def test_a_heading_right_before_main_text_is_main():
    words = "Words of a text, with a pause, that goes on for a while. " * 5
    page = parse_html(
        f"<article><h1>Title</h1><p>{words}</p><p>{words}</p><div><h4>Note</h4><p>{words}</p></div>"
        f"<p>{words}</p></article>"
    )
    note = next(node for node in page.find("heading") if node.text == "Note")
    assert note.role == "main"
    assert "Note" in page.main_text


def test_several_roots_are_measured_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for markup in (
            "<title>x</title></html>x<p>y",
            "<head></head></html>text",
            "<html/><p>x",
            "<p>a</p></html><p>b",
        ):
            assert parse_html(markup).root.kind == "page"


def test_a_gallery_keeps_each_picture_with_its_own_caption():
    page = parse_html(
        "<figure><figure><img src=a><figcaption>A.</figcaption></figure>"
        "<figure><img src=b><figcaption>B.</figcaption></figure><figcaption>Both.</figcaption></figure>"
    )
    assert pairs(page) == [("a", "A."), ("b", "B.")]
    gallery = page.find("figure")[0]
    assert [(child.kind, child.text) for child in gallery.children] == [
        ("figure", "A."), ("figure", "B."), ("caption", "Both."),
    ]  # fmt: skip


WORDS = "Words of a text, with a pause, that goes on for a while. " * 5


def test_a_list_that_is_mostly_main_is_main_as_a_whole():
    items = "".join(f"<li>A sentence of item {n}, which says something of its own.</li>" for n in range(6))
    page = parse_html(
        f"<article><h1>Title</h1><p>{WORDS}</p><ul>{items}<li><a href=x>Link</a></li></ul><p>{WORDS}</p></article>"
    )
    assert [item.role for item in page.find("item")] == ["main"] * 7


def test_the_lead_picture_of_an_article_is_main_although_it_stands_before_the_title():
    page = parse_html(
        "<header><img src=logo.png></header><article><figure><img src=lead.jpg><figcaption>Lead.</figcaption></figure>"
        f"<div><h1>Title</h1><div><p>{WORDS}</p><p>{WORDS}</p></div></div></article>",
        main_only=True,
    )
    assert pairs(page) == [("lead.jpg", "Lead.")]
    assert "Lead." not in page.main_text


def test_an_element_that_says_it_is_a_heading_opens_a_section():
    page = parse_html(
        "<h1>T</h1><p>a.</p><div role=heading aria-level=2>Part</div><p>b.</p><div role=heading>Next</div><p>c.</p>"
    )
    headings = page.find("heading")
    assert [(h.text, h.attributes["level"]) for h in headings] == [("T", 1), ("Part", 2), ("Next", 2)]
    assert [p.parent.children[0].text for p in page.find("paragraph") if p.parent is not None] == [
        "T",
        "Part",
        "Next",
    ]


def test_lines_around_empty_cells_make_a_form_to_fill_in():
    rows = "".join(f"<tr><td>{name}</td><td></td></tr>" for name in ("Name", "Street", "Telephone"))
    form = parse_html(f"<main><p>Please fill in.</p><table border=1>{rows}</table></main>")
    assert form.to_markdown().endswith("|  |  |\n| --- | --- |\n| Name |  |\n| Street |  |\n| Telephone |  |\n")
    assert not parse_html(f"<main><p>Please fill in.</p><table border=0>{rows}</table></main>").find("table")
