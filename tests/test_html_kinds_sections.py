"""Kinds of faults in which heading a text stands under: heads, cards, boxes, live blogs, bold words."""

import pytest

from docgraph import Document
from docgraph.headings import heading_paths
from docgraph.parsers.html.page import parse_html
from tests.white_tower import LINES


def story(body: str) -> Document:
    return parse_html(f"<title>A white tower</title><main><article><h1>A white tower</h1>{body}</article></main>")


def above(page: Document, words: str) -> list[str]:
    """Return the headings that a text stands under, outermost first, but for the page's title."""
    node = next(node for node in page.find("paragraph") if words in node.text)
    return [page[row].text for row in heading_paths(page)[node.row]][1:]


def test_a_head_with_a_line_under_its_heading_is_no_box():
    page = story(
        f"<p>{LINES[0]}</p><div><h2>Walls</h2><p>What painters say</p></div><p>{LINES[1]}</p>"
        f"<div><h2>Roof</h2><p>What slaters say</p></div><p>{LINES[2]}</p>"
    )
    assert [above(page, line) for line in LINES[:3]] == [[], ["Walls"], ["Roof"]]


@pytest.mark.parametrize("said", ["The tower is older than the town.", "<a href=/w>White walls of the coast</a>"])
def test_a_box_with_a_sentence_or_a_link_under_its_heading_stays_one(said: str):
    page = story(f"<h2>Walls</h2><p>{LINES[1]}</p><div><h2>Note</h2><p>{said}</p></div><p>{LINES[2]}</p>")
    assert above(page, LINES[2]) == ["Walls"]


@pytest.mark.parametrize(
    "card",
    [
        "<div class=card><h4>{}</h4><p>{}</p></div>",
        "<div class=col><div class=card><div><h4>{}</h4></div><p>{}</p></div></div>",
        "<article class=entry><span>1931</span><div><h4>{}</h4><p>{}</p></div></article>",
    ],
)
def test_what_follows_cards_in_a_row_is_under_the_heading_of_no_card(card: str):
    cards = card.format("East", LINES[1]) + card.format("West", LINES[2])
    page = story(f"<p>{LINES[0]}</p><h2>Walls</h2><div class=row>{cards}</div><p>{LINES[3]}</p>")
    assert [above(page, line) for line in LINES[:4]] == [[], ["Walls", "East"], ["Walls", "West"], ["Walls"]]


def test_sections_that_hold_cards_are_beside_the_section_before_them():
    cards = "".join(f"<div><h2>{name}</h2><p>{line}</p></div>" for name, line in zip("EW", LINES[1:], strict=False))
    page = story(f"<h2>Walls</h2><p>{LINES[0]}</p><div>{cards}</div>")
    assert [above(page, line) for line in LINES[:3]] == [["Walls"], ["E"], ["W"]]


@pytest.mark.parametrize(
    "markup",
    [
        "<div class=s><div class=s><h2>Walls</h2><p>{0}</p><h2>Roof</h2><p>{1}</p></div></div><p>{2}</p>",
        "<div><div class=a><h2>Walls</h2><p>{0}</p></div><div class=b><h2>Roof</h2><p>{1}</p></div></div><p>{2}</p>",
        "<div><div class=a><h2>Walls</h2></div><p>{0}</p><div class=a><h2>Roof</h2></div><p>{1}</p></div><p>{2}</p>",
    ],
)
def test_what_is_no_row_of_cards_ends_no_section(markup: str):
    page = story(markup.format(*LINES))
    assert [above(page, line) for line in LINES[:3]] == [["Walls"], ["Roof"], ["Roof"]]


def test_a_text_before_cards_stays_under_its_heading():
    cards = "".join(f"<div><h2>{name}</h2><p>{line}</p></div>" for name, line in zip("EW", LINES[1:], strict=False))
    page = story(f"<h2>Walls</h2><div><p>{LINES[0]}</p>{cards}</div>")
    assert above(page, LINES[0]) == ["Walls"]


def test_entries_of_a_live_blog_are_not_under_the_list_of_key_events_before_them():
    entries = "".join(
        f"<div class=post><time>1{i}:05</time><h2>Event {i}</h2><p>{LINES[i]}</p></div>" for i in range(3)
    )
    page = story(f"<section><h2>Key events</h2><ul><li>10:05 Event 0</li></ul></section>{entries}")
    assert [above(page, LINES[i]) for i in range(3)] == [["Event 0"], ["Event 1"], ["Event 2"]]


def test_a_heading_right_before_the_element_of_its_text_is_main():
    page = parse_html(f"<title>A white tower</title><h1>A white tower</h1><h2>Walls</h2><div><p>{LINES[0]}</p></div>")
    assert [node.role for node in page.find("heading")] == ["main", "main"]


@pytest.mark.parametrize("between", ["", "<figure><img src=a.jpg><figcaption>The tower.</figcaption></figure>"])
def test_the_heading_between_two_texts_is_main_however_a_page_builder_wraps_them(between: str):
    def widget(kind: str, inner: str) -> str:
        return f"<div class='widget widget-{kind}'><div class=widget-container>{inner}</div></div>"

    text = [widget("text", f"<p>{line}</p>") for line in LINES[:3]]
    page = story(text[0] + text[1] + widget("image", between) + widget("heading", "<h2>Photos</h2>") + text[2])
    assert [(node.text, node.role) for node in page.find("heading")][1:] == [("Photos", "main")]
    assert above(page, LINES[2]) == ["Photos"]


@pytest.mark.parametrize(
    ("markup", "under"),
    [
        ("<p>{0}</p><strong>Walls</strong><ul><li>{1}</li></ul><b>Roof</b><p>{2}</p>", [[], ["Walls"], ["Roof"]]),
        (
            "<p>{0}</p><div><strong class=faq-question>Why white?</strong> <p>{1}</p></div>"
            "<div><strong class=faq-question>Why so tall?</strong> <p>{2}</p></div>",
            [[], ["Why white?"], ["Why so tall?"]],
        ),
        ("<p>{0}</p><div><strong>Ann Lee</strong><p>{1}</p></div><p>{2}</p>", [[], [], []]),
        ("<p>{0}</p><strong>This is a sentence.</strong><p>{1}</p><p>{2}</p>", [[], [], []]),
    ],
)
def test_bold_words_alone_between_paragraphs_or_as_a_question_are_a_heading(markup: str, under: list[list[str]]):
    page = story(markup.format(*LINES))
    nodes = [
        node for line in LINES[:3] for node in page.walk() if node.kind in ("paragraph", "item") and line in node.text
    ]
    paths = heading_paths(page)
    assert [[page[row].text for row in paths[node.row]][1:] for node in nodes] == under
