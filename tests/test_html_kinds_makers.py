"""Kinds of faults of pages by who wrote them: programs that describe programs, restaurants, mails, newspapers of many
languages; one small page a kind.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article

# -- who and when ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("<span class=author>كتبت: ليلى منصور</span>", ("ليلى منصور",)),
        ("<p class=byline>लेखक: मीना रावत | 23 अगस्त 2020</p>", ("मीना रावत",)),
        ("<div>2022年05月18日 09:12　来源：江南晚报　作者：沈一鸣　字号</div>", ("沈一鸣",)),
        ("<div>December 5, 2021&nbsp;·&nbsp;3 min&nbsp;·&nbsp;Ines Varga</div>", ("Ines Varga",)),
        ("<div>December 5, 2021&nbsp;·&nbsp;3 min&nbsp;·&nbsp;towers</div>", ()),
    ],
)
def test_authors_by_words_of_many_languages_and_within_a_line(line: str, names: tuple[str, ...]):
    assert parse_html(f"<h1>A white tower</h1>{line}{BODY}").metadata.authors == names


def test_the_day_on_which_an_author_joined_is_none_of_the_text():
    who = "<dl><dt>kestrel</dt><dd><strong>Joined:</strong> Tue May 05, 2009 3:11 pm</dd></dl>"
    page = parse_html(f"<h1>A white tower</h1>{who}<p>by <b>kestrel</b> » Wed Nov 03, 2010 8:21 pm</p>{BODY}")
    assert page.metadata.date == "2010-11-03"


def test_an_offer_of_work_says_when_it_was_posted():
    data = '{"@type":"JobPosting","title":"Keeper","datePosted":"2024-04-18"}'
    page = article(head=f'<script type="application/ld+json">{data}</script>')
    assert page.metadata.date == "2024-04-18"


# -- the name of the site and the title -----------------------------------------------------------------------------

PUBLISHER = (
    "<div itemprop=publisher itemscope itemtype=https://schema.org/Organization><meta itemprop=name content='{}'>"
)


@pytest.mark.parametrize(
    ("title", "body", "shown", "site"),
    [
        (
            "The wall",
            f"<div itemscope itemtype=https://schema.org/Article>{PUBLISHER.format('Post')}",
            "The wall",
            "Post",
        ),
        ("The wall", PUBLISHER.format("www.post.example"), "The wall", None),
        ("The wall – Lexicon, the free book", "<a class=logo href=/>Lexicon</a>", "The wall", "Lexicon"),
        ("The wall | Haller", "<div class='page-footer'><p>© 2024 Haller. Imprint</p></div>", "The wall", "Haller"),
        ("The wall", "<a href=/>Coast Post</a><footer>© 2024 Coast Post</footer>", "The wall", "Coast Post"),
        ("The wall", "<a href=/>Coast Post</a><footer>© 2024 Rock Media</footer>", "The wall", None),
        ("The wall (#88) · Issues · tern / sheets · Forge", "<h1>The wall</h1>", "The wall", None),
    ],
)
def test_what_else_names_the_site_and_what_else_ends_a_title(title: str, body: str, shown: str, site: str | None):
    found = parse_html(f"<html lang=en><title>{title}</title>{body}<p>{LINES[0]}</p>").metadata
    assert (found.title, found.site_name) == (shown, site)


# -- what opens, and shadow trees -----------------------------------------------------------------------------------

ANSWER = "The stairs are closed in winter, as ice is on them."


def test_what_an_element_holds_stands_in_the_slots_of_its_shadow_root():
    page = parse_html(
        "<x-page><template shadowrootmode=open><h1><slot name=title>Untitled</slot></h1><slot></slot>"
        f"<p>{LINES[1]}</p></template> <span slot=title>A white tower</span><p>{LINES[0]}</p></x-page>"
        "<x-foot><template shadowrootmode=open><p><slot>Nobody filled this.</slot></p></template> </x-foot>"
    )
    assert [node.text for node in page.find("heading")] == ["A white tower"]
    assert "Untitled" not in page.text
    assert page.text.index(LINES[0]) < page.text.index(LINES[1]) < page.text.index("Nobody filled this.")
