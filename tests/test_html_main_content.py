"""Main text by kinds of fault: what names, frames and neighbours say is evidence, and no verdict.

The pages are made here: one article, and around or in it what a kind of page has. The right text is the article's own.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docgraph import Document, parse_html
from docgraph.parsers.html.main.forest import judged_by, main_content
from docgraph.parsers.html.main.text_features import marks_of

STORY = (
    "The lighthouse keeper climbed the stairs twice a day, and he counted them aloud, "
    "as his father had done before him.",
    "In the winter of the long ice nobody came to the island for seven weeks, so he lived on rye bread, "
    "tea and dried cod.",
    "When the supply boat arrived at last, its crew found the lamp burning, "
    "the brass polished and the keeper fast asleep.",
    "The harbour board, which had sent two letters about his retirement, "
    "decided that evening to leave the matter alone.",
    "His niece, who teaches in the town, wrote down what he told her, "
    "and the museum printed it in a small blue booklet.",
    "Visitors may climb the tower on Sundays from May to September, "
    "if the wind is not too strong and the keeper agrees.",
)
MORE = (
    "A second lamp was fitted in the spring, with a lens from a works in Lyon, "
    "and it can be seen from twenty miles out.",
    "The old lens stands in the museum now, behind glass, "
    "beside the log books in which each night has a line of its own.",
    "Engineers have asked for the tower to be measured, "
    "because the rock beneath it loses a hand's breadth in a decade.",
)
FRAME = (
    '<header><nav><ul><li><a href="/">Home</a></li><li><a href="/n">News</a></li>'
    '<li><a href="/c">Culture</a></li></ul></nav></header>',
    '<footer><p>Copyright Coast Herald. <a href="/imprint">Imprint</a> <a href="/privacy">Privacy</a></p></footer>',
)


def paragraphs(texts: tuple[str, ...]) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def page(body: str) -> Document:
    head = "<title>The keeper of the light</title>"
    return parse_html(f"<!doctype html><html lang=en><head>{head}</head><body>{FRAME[0]}{body}{FRAME[1]}</body></html>")


def main_paragraphs(document: Document) -> list[str]:
    return [text for text in document.main_text.split("\n\n") if text]


NAMES_ON_ARTICLES = (
    "post type-post status-publish hentry category-news tag-comment tag-sponsor",
    "paywall-article", "article-content paywall", "subscriber-only premium", "promo-hero", "related-story", "shop-news",
    "advertorial-free", "sidebar-left-page", "newsletter-issue", "video-article", "print-only-off no-comments",
)  # fmt: skip


@pytest.mark.parametrize("names", NAMES_ON_ARTICLES)
def test_an_article_is_main_whatever_it_is_called(names: str):
    document = page(
        f'<main><article class="{names}"><h1>The keeper of the light</h1>{paragraphs(STORY)}</article></main>'
    )
    assert main_paragraphs(document) == list(STORY)


@pytest.mark.parametrize("names", [*NAMES_ON_ARTICLES, "comments", "footer", "nav", "cookie-consent"])
def test_the_only_text_of_a_page_is_main_whatever_it_is_called(names: str):
    document = page(f'<div class="{names}"><h1>The keeper of the light</h1>{paragraphs(STORY)}</div>')
    assert main_paragraphs(document) == list(STORY)


@pytest.mark.parametrize(
    "names",
    [
        "section section--has-ads", "textblock margin-bottom", "list list--advanced", "ten columns offset-by-one",
        "row right-gutter", "bottom-margin-large", "has-sidebar", "u-print-none", "header-offset",
        "box content-box shadow-bottom", "with-related", "promo-free", "topic-text", "grid grid--social-proof",
    ],
)  # fmt: skip
def test_a_part_of_the_article_stays_whatever_its_layout_is_called(names: str):
    body = f'<main><h1>The keeper of the light</h1><div class="part">{paragraphs(STORY + STORY)}</div>'
    document = page(f'{body}<div class="{names}">{paragraphs(MORE)}</div></main>')
    assert main_paragraphs(document) == [*STORY, *STORY, *MORE]


@pytest.mark.parametrize(
    ("wrapper", "part"),
    [
        ("tabs", "tab-pane"), ("tab-content", "tab-content__panel"), ("accordion", "accordion-item"),
        ("collapse", "collapse-body"), ("carousel", "carousel-item"), ("gallery-list", "gamma-slide"),
        ("cards", "card"), ("modules", "widget-text"),
    ],
)  # fmt: skip
def test_text_that_a_script_shows_in_turn_is_text(wrapper: str, part: str):
    inner = "".join(f'<div class="{part}"><p>{text}</p></div>' for text in MORE)
    body = (
        f"<main><h1>The keeper of the light</h1>{paragraphs(STORY)}"
        f'<div class="{wrapper}">{inner}</div>{paragraphs(STORY)}</main>'
    )
    assert main_paragraphs(page(body)) == [*STORY, *MORE, *STORY]


@pytest.mark.parametrize("tag", ["article", "li"])
@pytest.mark.parametrize("name", ["message", "post", "reply", "comment-body"])
def test_the_posts_of_a_forum_are_its_text(tag: str, name: str):
    posts = "".join(
        f'<{tag} class="{name}"><div class="{name}-user"><a href="/u{i}">Member {i}</a></div><p>{text}</p></{tag}>'
        for i, text in enumerate(STORY + MORE)
    )
    document = page(f"<main><h1>The keeper of the light</h1>{posts}</main>")
    assert [text for text in STORY + MORE if text not in document.main_text] == []


def test_the_next_article_below_is_not_main():
    first = f"<article><h1>The keeper of the light</h1>{paragraphs(STORY)}</article>"
    after = f'<div class="next"><article><h1>Ferry fares rise</h1>{paragraphs(MORE + MORE + MORE)}</article></div>'
    document = page(f"<main>{first}{after}</main>")
    assert main_paragraphs(document) == list(STORY)
    assert {node.role for node in document.find("paragraph") if node.text in MORE} == {"aside"}


def test_the_list_below_an_introduction_does_not_push_it_out():
    rows = "".join(
        f"<tr><th><a href='/l{i}'>Light {i}</a></th><td>19{i}0</td><td>{MORE[i % 3]}</td></tr>" for i in range(9)
    )
    body = f"<main><h1>Lights</h1><p>{STORY[0]} {STORY[1]}</p><p>{STORY[2]}</p><table>{rows}</table></main>"
    document = page(body)
    assert all(text in document.main_text for text in STORY[:3])


COMMENTS = "".join(
    f'<li class="entry"><div><a href="/u{i}">Visitor {i}</a> on 3 May</div><p>{MORE[i % 3]} {STORY[i % 6]}</p></li>'
    for i in range(12)
)


@pytest.mark.parametrize("name", ["comments", "responses-list", "comment-list", "discussion"])
def test_comments_below_an_article_are_not_main_however_many(name: str):
    body = f"<main><article><h1>The keeper of the light</h1>{paragraphs(STORY)}</article>"
    document = page(f'{body}<section class="{name}"><h2>12 comments</h2><ol>{COMMENTS}</ol></section></main>')
    assert main_paragraphs(document) == list(STORY)


BOXES = {
    "consent": '<div class="opt-in"><p>Recommended editorial content</p>'
    "<p>With your consent we show external content here that adds to the article.</p>"
    "<button>Show external content</button><p>I agree that external content is shown to me. Personal data may be sent "
    "to third parties; read more in our privacy policy.</p></div>",
    "player": '<div class="video-js"><div>Play Video</div><div>Loaded: 0%</div><div>Remaining Time -0:00</div>'
    "<div>Fullscreen</div><p>Beginning of dialog window. Escape will cancel and close the window.</p></div>",
    "newsletter": '<div class="newsletter-box"><h3>Our newsletter</h3>'
    "<p>Sign up for our newsletter and get the best stories every morning.</p>"
    "<p>By subscribing you agree to our terms of use.</p></div>",
    "related": '<div class="related"><h3>Read more</h3><ul><li><a href="/1">The pilot boats of the north</a></li>'
    '<li><a href="/2">How a lens is ground</a></li></ul></div>',
}


@pytest.mark.parametrize("box", sorted(BOXES))
def test_a_box_inside_the_article_is_not_main(box: str):
    body = (
        f"<main><article><h1>The keeper of the light</h1>{paragraphs(STORY)}{BOXES[box]}{paragraphs(MORE)}</article>"
        "</main>"
    )
    assert main_paragraphs(page(body)) == [*STORY, *MORE]


def test_a_page_that_shows_text_is_never_empty_and_says_when_it_has_little():
    for body in (
        "<p>Closed on Mondays.</p>",
        '<div class="ad"><p>Closed.</p></div>',
        '<nav><a href="/">Home</a></nav>',
    ):
        document = parse_html(f"<title>Light</title><body>{body}")
        assert document.main_text
        assert [warning.code for warning in document.warnings] == ["main.little"]
    whole = page(f"<main><article><h1>The keeper of the light</h1>{paragraphs(STORY)}</article></main>")
    assert not whole.warnings


def test_a_page_without_text_says_that_it_is_empty():
    assert [warning.code for warning in parse_html("<title>Light</title><body><img src=a.png>").warnings] == [
        "main.empty"
    ]


def test_another_model_judges_within_its_block_alone():
    shipped = main_content()
    sees_nothing = replace(shipped, forest=replace(shipped.forest, bias=-100.0))
    markup = paragraphs(STORY)
    with judged_by(sees_nothing):
        assert max(node.score or 0 for node in parse_html(markup)) == 0
    assert max(node.score or 0 for node in parse_html(markup)) > 0.5


@given(st.text("aB1.!?\"' \n\t\x1c,x") | st.text("aÀß.!”’»· \xa0…;|x"))
def test_texts_of_the_west_are_measured_as_others_are(text: str):
    assert marks_of(text) == marks_of(f"{text} ж")
