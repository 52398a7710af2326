"""Kinds of faults of pages as content systems write them: datelines, labels and signatures in the text, logos that name
the site, what stands beside headings.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article


@pytest.mark.parametrize(
    "line",
    [
        "<p>Published on 3 May 2024</p>",
        "<p>Giriş Tarihi: 03.05.2024 21:03</p>",
        "<p>Publié le 11 mars 2026 à 07h15. Temps de lecture 3 min.</p>",
        "<p>Atualizado há 2 horas</p>",
        "<p>Διαβάστε επίσης:</p><p><a href=/b>Der graue Turm</a></p>",
        "<p>यह भी पढ़ें: <a href=/b>The grey tower</a></p>",
        "<div>Mehr zum Thema</div><div><a href=/b>Wer zahlt für den Turm? Von Ida Brandt</a></div>",
        "<p>Dalsza część artykułu pod materiałem wideo:</p>",
        "<p>Artikeln fortsätter under annonsen</p>",
        "<p>责任编辑：林小舟</p>",
        "<p>14 Likes</p>",
        "<div class=signature>If it moves and should not, use tape.</div>",
        "<div id=sig11><p>Patagonia 2011, Iceland 2014.</p></div>",
    ],
)
def test_lines_about_the_text_are_none_of_it(line: str):
    assert article(line).main_text.split("\n\n") == LINES


@pytest.mark.parametrize(
    "line",
    [
        "<p>Published in 1931, the book of the keeper tells of nine winters.</p>",
        "<p>Mehr zum Thema steht im Buch des Wärters, das neun Winter beschreibt.</p>",
        "<p class=signature>Ann Lee, keeper of the light since the spring of 1988.</p>",
        "<p>14 likes to be early, they say of the lamp in the fourteenth room.</p>",
        "<p>Mehr zum Thema</p>",
        f"<div class=signature>{'The keeper wrote a letter every winter, and kept them all. ' * 8}</div>",
    ],
)
def test_sentences_that_look_like_such_lines_are_text(line: str):
    assert len(article(line).main_text.split("\n\n")) == len(LINES) + 1


@pytest.mark.parametrize(
    ("title", "body", "shown", "site"),
    [
        ("Wall | Coast Post", "<a class=logo href=/><img src=l.svg alt='Coast Post'></a>", "Wall", "Coast Post"),
        ("Wall – Coast Post", "<a class=navbar-brand href=./index.html>Coast Post</a>", "Wall", "Coast Post"),
        ("Wall | Coast Post", "<div><div><a href=/>Coast Post</a></div></div>", "Wall", "Coast Post"),
        ("Wall - Coast Post", "<div id=site-description><h1>Coast Post</h1></div><h2>Wall</h2>", "Wall", "Coast Post"),
        ("Wall - Coast Post", "<footer>© 2024 Coast Post. All rights</footer>", "Wall", "Coast Post"),
        ("The wall: Coast Post", "<a class=logo href=/>Coast Post</a><h1>The wall</h1>", "The wall", "Coast Post"),
        (
            "The wall | Coast Post - News - Region",
            "<meta property=og:site_name content='Coast Post'>",
            "The wall",
            "Coast Post",
        ),
        ("Wall | Coast Post", "<div><h1>Coast Post</h1></div><h1>Wall</h1>", "Coast Post", None),
        ("Wall - Coast Post", "<div role=banner><h1>Coast Post</h1></div><h2>Wall</h2>", "Wall", "Coast Post"),
        ("Wall | Keepers", "<ul><li><a href=/>Keepers</a></li></ul>", "Wall | Keepers", None),
        ("Wall | Coast Post", "<article><h1>Coast Post</h1></article>", "Coast Post", None),
        ("Wall | Coast Post", "<div class=page-header><main><h1>Coast Post</h1></main></div>", "Coast Post", None),
    ],
)
def test_logos_and_owners_name_the_site(title: str, body: str, shown: str, site: str | None):
    found = parse_html(f"<html lang=en><title>{title}</title>{body}<p>{LINES[0]}</p>").metadata
    assert (found.title, found.site_name) == (shown, site)


def test_a_label_before_text_with_a_link_is_text():
    lines = article("<p>Mehr zum Thema</p><p>Der <a href=/b>graue Turm</a> steht noch.</p>").main_text.split("\n\n")
    assert lines == [*LINES[:2], "Mehr zum Thema", "Der graue Turm steht noch.", *LINES[2:]]


def test_signs_that_nobody_sees_are_none_of_the_title():
    page = parse_html(f"<title>Wall | Tower</title><h1>Wall <a href=#w>\u200b</a></h1>{BODY}")
    assert page.metadata.title == "Wall"


@pytest.mark.parametrize(
    ("head", "date"),
    [
        ("<span>Press release</span><span>18 June 2025</span><h1>A white tower</h1>", "2025-06-18"),
        ("<p>It was on 18 June 2025 that they came.</p><h1>A white tower</h1>", None),
        ("<div>Monday, 3 May 2027</div><article><h1>A white tower</h1>", None),
        ("<div>Monday, 3 May 2027</div><article><p>18 June 2025</p><h1>A white tower</h1>", "2025-06-18"),
        ("<title>The tower on 3 May 2020</title><h1>A white tower</h1>", None),
    ],
)
def test_a_date_right_above_the_heading_is_the_pages(head: str, date: str | None):
    assert parse_html(f"<html lang=en>{head}{BODY}").metadata.date == date


@pytest.mark.parametrize(
    ("line", "names"), [("By: रवि शर्मा", ("रवि शर्मा",)), ("<div class=authors><h3>Authors</h3></div>", ())]
)
def test_names_without_capitals_and_words_for_authors(line: str, names: tuple[str, ...]):
    assert parse_html(f"<h1>A white tower</h1><div>{line}</div>{BODY}").metadata.authors == names
