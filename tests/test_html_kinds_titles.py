"""Kinds of faults of titles beside the site's name, of what leads home, and of dates and authors near the heading."""

import pytest

from docgraph.parsers.html.metadata.dates import iso_date
from docgraph.parsers.html.page import parse_html
from tests.white_tower import LINES, article

HOME = "<a class=logo href=/>Coast Post</a>"


def told(title: str, body: str, **more: str):
    return parse_html(f"<html lang=en><title>{title}</title>{body}<p>{LINES[0]}</p>", **more).metadata


@pytest.mark.parametrize(
    ("title", "body", "shown", "site"),
    [
        # A link home with the site's name.
        (
            "A tower - a story - Coast Post",
            f"<div>{HOME}</div><h1>A tower - a story</h1>",
            "A tower - a story",
            "Coast Post",
        ),
        ("Coast Post: A white tower", f"<h1>{HOME}</h1><h3>A white tower</h3>", "A white tower", "Coast Post"),
        (
            "Coast Post » Archive » A white tower",
            f"<h1>{HOME}</h1><h2>A white tower</h2>",
            "A white tower",
            "Coast Post",
        ),
        ("Wall | Coast Post", "<header><a href=https://e.example/>coast post</a></header>", "Wall", "coast post"),
        ("Wall | Coast Post", "<a rel=home href=/start>Coast Post</a>", "Wall", "Coast Post"),
        # One that says something else, or leads elsewhere.
        ("Home | Coast Post", "<a href=/>Home</a>", "Home | Coast Post", None),
        ("Wall | Coast Post", "<a href=/about>Coast Post</a>", "Wall | Coast Post", None),
        ("Coast Post", HOME, "Coast Post", None),
        ("Wall | Accueil", "<header><a href=/>Accueil</a></header>", "Wall | Accueil", None),
        ("Wall | Blog", "<header><a href=/>Blog</a></header>", "Wall | Blog", None),
        ("Wall | Keepers", "<header><nav><a href=/>Keepers</a></nav></header>", "Wall | Keepers", None),
        ("Wall | Coast Post", "<p>See the <a href=/>Coast Post</a>.", "Wall | Coast Post", None),
        ("Wall | Coast Post", "<header><a href=../>Coast Post</a></header>", "Wall | Coast Post", None),
        ("Wall | Coast Post", "<header><a href=index.html>Coast Post</a></header>", "Wall | Coast Post", None),
        ("Wall | Coast Post", "<div class=site-title><b><a href=/>Coast Post</a></b></div>", "Wall", "Coast Post"),
        # A first part that is a heading, but not the main one.
        (
            "News | Big storm hits city",
            "<h1>Storm batters the town</h1><h2>News</h2>",
            "News | Big storm hits city",
            None,
        ),
        ("Apple - iPhone 15 Pro Max review", "<h2>Apple</h2>", "Apple - iPhone 15 Pro Max review", None),
        ("コロナ-19の影響について", "<h2>コロナ</h2>", "コロナ-19の影響について", None),
        ("コロナ-19の影響について", "<h1>コロナ</h1>", "コロナ-19の影響について", None),
        ("| Foo bar baz", "<h2>***</h2>", "| Foo bar baz", None),
        (
            "News | Big storm | Coast Post",
            f"{HOME}<h1>Storm batters the town</h1><h2>News</h2>",
            "News | Big storm",
            "Coast Post",
        ),
        # The site's name before a colon.
        (
            "Python: The Documentary",
            "<meta property=og:site_name content=Python><h2>The story</h2>",
            "Python: The Documentary",
            "Python",
        ),
        (
            "Python: The Documentary",
            "<meta property=og:site_name content=Python><h1>The Documentary</h1>",
            "The Documentary",
            "Python",
        ),
        # A heading that is a logo, for want of another title.
        ("", "<h1><a href=./>My article of the day</a></h1>", "My article of the day", None),
        ("", "<h1 class=site-title><a href=/>My Page</a></h1>", "My Page", None),
        ("Untitled", "<h1 class=site-title><a href=/>My Page</a></h1>", "My Page", None),
        # A short heading before a long name of the site.
        ("Team | The lighthouse keepers of the coast", "<h1>Team</h1>", "Team", None),
        ("Team — towers 2.1 documentation", "<h1>Team<a href=#team>¶</a></h1>", "Team", None),
        (
            "Team | The lighthouse keepers",
            "<header><h1><a href=/>Team</a></h1></header>",
            "The lighthouse keepers",
            "Team",
        ),
        ("The lighthouse keepers | Team", "<h1>Team</h1>", "The lighthouse keepers | Team", None),
        ("第三章 灯_海的故事_笔趣阁", "<h1>第三章 灯</h1>", "第三章 灯", "笔趣阁"),
        ("灯塔又白了_海岸报", "<h3>灯塔又白了</h3>", "灯塔又白了", "海岸报"),
        (
            "灯塔又白了（海岸报） - 新闻",
            "<meta property=og:site_name content=新闻><h1>灯塔又白了！</h1>",
            "灯塔又白了（海岸报）",
            "新闻",
        ),
        (
            "灯塔今年又白了（海岸报） - 新闻",
            "<meta property=og:site_name content=新闻><h1>灯塔今年又白了</h1>",
            "灯塔今年又白了",
            "新闻",
        ),
    ],
)
def test_a_title_is_told_from_the_name_of_the_site(title: str, body: str, shown: str, site: str | None):
    found = told(title, body, url="https://e.example/d/page.html")
    assert (found.title, found.site_name) == (shown, site)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Fri, 05/03/2024 - 08:00", "2024-05-03"),  # Drupal's own format
        ("Friday 05/03/2024", "2024-05-03"),
        ("Tue, 05/03/2024", "2024-03-05"),
        ("Mon, 05/03/2024", "2024-03-05"),  # neither of them
        ("Sat, 03/02/2024", "2024-02-03"),  # both of them
        ("05/03/2024", "2024-03-05"),
        ("05/03/2024 (Fri)", "2024-05-03"),
        ("The Sun, 04/05/2020", "2020-05-04"),
        ("They sat in court on 08/02/2020", "2020-02-08"),
        ("Sun sets, 04/05/2020", "2020-05-04"),
        ("Fri, 25/03/2024", "2024-03-25"),
    ],
)
def test_the_day_of_the_week_tells_day_from_month(text: str, date: str):
    assert iso_date(text, "en") == date


@pytest.mark.parametrize(
    ("shown", "date", "modified"),
    [
        (
            "<p class=meta__date>Publié le jeudi 14 mars 2024 à 21h03, mis à jour le 15 mars 2024 à 09h10</p>",
            "2024-03-14",
            "2024-03-15",
        ),
        ("<p>Giriş Tarihi: 14.03.2024 21:03 Son Güncelleme: 15.03.2024 09:10</p>", "2024-03-14", "2024-03-15"),
        ("<p class=timestamp>Updated 6:14 PM EDT, Fri March 15, 2024</p>", "2024-03-15", "2024-03-15"),
        ("<p class=last-updated>March 15, 2024</p>", "2024-03-15", "2024-03-15"),
        ("<p class=date>Updated prices, 15 March 2024</p>", "2024-03-15", "2024-03-15"),
        ("<p class=date>14 March 2024, updated daily</p>", "2024-03-14", None),
        ("<p>Edited by John Smith | 5 May 2020</p>", "2020-05-05", None),
        ("<p>Accredited 5 May 2020</p>", "2020-05-05", None),
        ("<p class=date>5 May 2020</p><p class=price-changed>7 May 2020</p>", "2020-05-05", None),
        ("<p class=date>5 May 2020</p><p class=related-update>7 May 2020</p>", "2020-05-05", None),
        ("<p class=date>5 May 2020</p><p class=last-update>7 May 2020</p>", "2020-05-05", "2020-05-07"),
        ("<p>3 May 2020 - read our update on the 2019-01-01 story</p>", "2020-05-03", None),
        ("<p>Updated 5 May 2020, published 3 May 2020</p>", "2020-05-03", "2020-05-05"),
        ("<p>Updated daily. Published 3 May 2020</p>", "2020-05-03", None),
        ("<p class=media_end_head_datestamp_time>2024.03.14. 오후 9:03</p>", "2024-03-14", None),
        (f"<p>{LINES[2]}</p><p class=sale-end-date>2024-03-14</p>", None, None),
    ],
)
def test_a_line_may_give_the_date_of_a_change_too(shown: str, date: str | None, modified: str | None):
    found = told("A white tower", f"<h1>A white tower</h1>{shown}<p>{LINES[1]}</p>")
    assert (found.date, found.modified) == (date, modified)


@pytest.mark.parametrize(
    ("body", "authors"),
    [
        (
            "<h1>A white tower</h1><div class=node__submitted>Submitted by <span>Ann Lee</span> on "
            "<span>Fri, 05/03/2024 - 08:00</span></div>",
            ("Ann Lee",),
        ),
        (f"<h1>{HOME}</h1><p>{LINES[1]}</p><h2>A white tower</h2><p>By Ann Lee</p>", ("Ann Lee",)),
        (
            "<h1>A white tower</h1><div><b itemprop=author>Ann Lee</b></div>"
            "<div itemprop=comment><b itemprop=author>Bo Ek</b></div>",
            ("Ann Lee",),
        ),
    ],
)
def test_authors_near_the_heading(body: str, authors: tuple[str, ...]):
    assert told("A white tower | Coast Post", body).authors == authors


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("The stairs <a href=#top_of_page><span>top</span></a>", "The stairs"),
        ("<a href=#top>Top</a>", "Top"),
        ("The stairs to the <a href=/b#top>top</a>", "The stairs to the top"),
    ],
)
def test_a_link_to_the_top_beside_a_heading_is_none_of_it(heading: str, words: str):
    page = article(f"<h2>{heading}</h2>")
    assert [node.text for node in page.find("heading")][1:] == [words]
