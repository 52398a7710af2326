"""Kinds of faults of images: where a page keeps them, what stands for them, what their captions are; drawings and
formulas that stand on their line.
"""

import pytest

from tests.white_tower import LINES, article, bound


@pytest.mark.parametrize(
    ("markup", "src"),
    [
        ("<img srcset='a-3.jpg 300w, a.jpg 900w'>", "a.jpg"),
        ("<img src=grey.svg data-srcset='a-3.jpg 300w, a.jpg 900w'>", "a.jpg"),
        ("<figure><div style='background:url(a.jpg)'></div><figcaption>A rope.</figcaption></figure>", "a.jpg"),
        ("<figure><div style='background:url(b.jpg)'></div><img src=a.jpg></figure>", "a.jpg"),
    ],
)
def test_an_image_is_found_where_a_page_shows_it(markup: str, src: str):
    assert [image.attributes["src"] for image in article(markup).images()] == [f"https://e.example/d/{src}"]


@pytest.mark.parametrize("own", ["data-bg=a.jpg", "style='background:url(a.jpg)'"])
def test_a_background_is_the_image_of_its_figure_also_where_it_comes_late(own: str):
    page = article(f"<figure><div {own}></div><figcaption>The tower at noon</figcaption></figure>")
    assert bound(page) == [("a.jpg", "The tower at noon")]


EMPTY = "data:image/svg+xml;base64,PHN2Zy8+"
EMPTY_PLAIN = "data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 width=%22300%22%3E%3C/svg%3E"
DOT = "data:image/svg+xml,%3Csvg%3E%3Ccircle r=%224%22/%3E%3C/svg%3E"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.mark.parametrize("spacer", [EMPTY, EMPTY_PLAIN, PIXEL])
@pytest.mark.parametrize(
    "markup",
    [
        "<span><img alt='' aria-hidden=true src='{}'><img src=a.jpg alt=Rope></span>",
        "<span><span><img src='{}'></span><img src=a.jpg alt=Rope></span>",
        "<div><img src=a.jpg alt=Rope><img alt='' src='{}'></div>",
    ],
)
def test_what_keeps_the_place_of_a_picture_is_none(markup: str, spacer: str):
    page = article(f"<figure>{markup.format(spacer)}<figcaption>A rope.</figcaption></figure>")
    assert bound(page) == [("a.jpg", "A rope.")]


@pytest.mark.parametrize(
    "markup",
    [
        f"<img src='{DOT}' alt=''><img src=a.jpg>",
        f"<img src='{EMPTY}' alt='A tower'><img src=a.jpg>",
        f"<img src='{EMPTY}' data-src=b.jpg><img src=a.jpg>",
    ],
)
def test_what_is_drawn_described_or_filled_later_is_a_picture(markup: str):
    assert len(article(f"<p>{markup}</p>").images()) == 2


@pytest.mark.parametrize(
    "markup",
    [
        "<figure><img src=a.jpg><figcaption><button>Show caption</button><span>A rope.</span><button>Hide caption"
        "</button></figcaption></figure>",
        "<figure><img src=a.jpg><figcaption><p>A rope.</p><div><button>More</button></div></figcaption></figure>",
        "<figure><img src=a.jpg><figcaption><button>A rope.</button></figcaption></figure>",
        "<figure><img src=a.jpg><div>1/2</div><figcaption>A rope.</figcaption></figure>",
        "<figure><img src=a.jpg><figcaption><div>Bild 1 von 2</div><div>A rope.</div></figcaption></figure>",
        "<table align=right><tr><td><img src=a.jpg></td></tr><tr><td><font size=1>A rope.</font></td></tr></table>",
        "<div class=sc-a><div><img src=a.jpg></div></div><p class='sc-cap-7f'>A rope.</p>",
        "<div class=sc-a><div><img src=a.jpg></div></div><div class=css-x_cap>A rope.</div>",
    ],
)
def test_the_caption_is_the_words_on_the_picture_alone(markup: str):
    assert bound(article(markup)) == [("a.jpg", "A rope.")]


@pytest.mark.parametrize("counter", ["1/2", "2 / 14", "(3 of 4)", "Foto 1 de 3"])
def test_the_number_of_a_picture_in_a_gallery_is_no_caption(counter: str):
    page = article(f"<figure><img src=a.jpg><div class=caption>{counter}</div></figure>")
    assert bound(page) == [("a.jpg", "")]


@pytest.mark.parametrize(
    "markup",
    [
        "<div><img src=a.jpg></div><p class=has-drop-cap>The climbers came from the north.</p>",
        "<div><img src=a.jpg></div><p class=css-1cap9>The climbers came from the north.</p>",
        "<div><img src=a.jpg></div><p class='x cap'>The climbers came from the north.</p>"
        "<p class='x cap'>They left.</p>",
        "<p><span class=cap>T</span>he climbers came from the north.</p>",
        "<table align=right><tr><td><img src=a.jpg></td><td>The climbers came from the north.</td></tr></table>",
        "<table><tr><td>The climbers came from the north.<tr><td><img src=a.jpg><tr><td class=photo-credit>Photo: "
        "Ann Lee, who was with them for the paper</table>",
    ],
)
def test_text_after_a_picture_is_no_caption(markup: str):
    page = article(markup)
    assert not page.find("caption")
    assert "The climbers came from the north." in page.main_text


FORMULA = "<math alttext='a=b' display=block><mi>a</mi><mo>=</mo><mi>b</mi></math>"
EQUATION = f"<tr class=ltx_equation><td></td><td>{FORMULA}</td><td></td><td><span class=ltx_tag>({{}})</span></td></tr>"


@pytest.mark.parametrize(
    ("markup", "lines"),
    [
        (f"<table class='ltx_equation ltx_eqn_table'><tbody>{EQUATION.format(1)}</table>", ["a=b (1)"]),
        (
            f"<table class='ltx_equationgroup ltx_eqn_table'>{EQUATION.format(1)}{EQUATION.format('2a')}</table>",
            ["a=b (1)", "a=b (2a)"],
        ),
        (
            f"<div class=html-disp-formula-info><div>{FORMULA}</div> <div class=l><label>(1)</label></div></div>",
            ["a=b (1)"],
        ),
        (f"<div class=equation><p>{LINES[0]}</p><p>{FORMULA}</p></div>", [LINES[0], "a=b"]),
    ],
)
def test_the_number_of_a_formula_stands_on_its_line(markup: str, lines: list[str]):
    page = article(markup)
    assert page.main_text.split("\n\n") == [*LINES[:2], *lines, *LINES[2:]]
    assert not page.find("table")


def test_a_text_in_the_frame_of_a_drawing_is_read():
    page = article(
        f"<svg viewBox='0 0 9 9'><style>p {{color: red}}</style><rect/><foreignObject><p>{LINES[0]}</p><p>Then more."
        "</p></foreignObject></svg>"
    )
    assert page.main_text.split("\n\n") == [*LINES[:2], LINES[0], "Then more.", *LINES[2:]]


def test_a_gallery_of_one_image_in_a_list_of_definitions_has_its_caption():
    page = article(
        "<div class=gallery><dl class=gallery-item><dt class=gallery-icon><a href=/a><img src=a.jpg></a></dt>"
        "<dd class='wp-caption-text gallery-caption'>The tower in fog.</dd></dl></div>"
    )
    assert bound(page) == [("a.jpg", "The tower in fog.")]


TABLE = "<table class={0}><tr><td{1}><img src=a.jpg></td></tr><tr><td>The tower in fog.</td></tr></table>"


@pytest.mark.parametrize(
    "markup",
    [
        f"<section><p>{LINES[1]}</p><div><div><img src=a.jpg><span itemprop=caption>The tower in fog.</span></div>"
        "</div></section>",
        f"<table class=captionBlock><tr><td>{TABLE.format('captionBottom', ' align=center')}</td></tr></table>",
    ],
)
def test_a_caption_is_known_by_microdata_or_by_the_table_around_its_cell(markup: str):
    page = article(f"<section><h2>The tower</h2><p>{LINES[0]}</p></section>{markup}")
    assert bound(page) == [("a.jpg", "The tower in fog.")]


def test_no_part_of_a_figure_is_another_part_of_the_page():
    media = "<div class='media field--label-hidden related'><div><div>Image</div><img src=a.jpg></div></div>"
    page = article(f"<div class=align-right>{media}<div class=caption>The tower in fog.</div></div>")
    assert not page.find("group")
