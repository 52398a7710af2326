"""Kinds of faults of pages by who wrote them: programs that describe programs, restaurants, mails, newspapers of many
languages; one small page a kind.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, heading_over

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


# -- restaurants, layouts, figures, old pages -----------------------------------------------------------------------


def test_a_table_with_text_in_one_cell_of_each_row_lays_out_a_page():
    row = "<tr><td width=9></td><td></td><td>{}</td></tr>"
    page = parse_html(f"<table>{row.format('By lumen')}{row.format(f'<p>{LINES[0]}<p>{LINES[1]}')}</table>")
    assert not page.find("table")
    icons = "<tr><td><img src=a.png></td><td>{}</td></tr>"
    assert parse_html(f"<table>{icons.format('Fog')}{icons.format('Sun')}</table>").find("table")


def test_what_numbers_a_figure_is_no_heading_of_the_text():
    figure = "<figure><h4>{}</h4><img src=a.jpg><figcaption>Salt in the leaves.</figcaption></figure>"
    assert [node.text for node in article(figure.format("Figure 1.")).find("heading")] == ["A white tower"]
    assert "Salt" in [node.text for node in article(figure.format("Salt")).find("heading")]


def test_the_heading_of_a_box_beside_the_text_is_not_that_of_the_text():
    box = "<aside class=side><h6>PERMALINK</h6><button>Copy</button></aside>"
    front = "<div>Journal of Towers. 2018 Jun 14;7(2):44-51.</div><h1>A white tower</h1>"
    page = parse_html(f"<body><main>{box}<article><section>{front}</section>{BODY}</article></main>")
    assert "PERMALINK" not in page.main_text


def test_bold_words_before_the_first_paragraph_are_a_heading_if_there_are_more():
    first, second = f"<b>April 4</b><br><br>{LINES[0]}", f"<br><br><b>May 19</b><br><br>{LINES[1]}"
    page = parse_html(f"<div><h2>Letters</h2>{first}{second}</div>")
    assert heading_over(page, LINES[0]) == "April 4"
    assert heading_over(page, LINES[1]) == "May 19"
    assert heading_over(parse_html(f"<div><h2>Letters</h2>{first}</div>"), LINES[0]) == "Letters"


def test_bold_words_after_a_rule_are_a_heading():
    page = parse_html(f"<body>By Bob<hr><font size=+1><b>How it began</b></font><p>{LINES[0]}<p>{LINES[1]}")
    assert heading_over(page, LINES[0]) == "How it began"


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
