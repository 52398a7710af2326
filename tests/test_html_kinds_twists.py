"""Kinds of faults of pages where the obvious rule is not enough: titles and names, texts that come late, headings that
are bold, captions without a name, what stands below; one small page a kind.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, article

# -- titles, sites, authors, dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["page-header", "block-page-title", "ecl-page-header"])
def test_a_heading_in_the_header_of_a_page_is_its_title(names: str):
    """Such a header may be that of the site or that of the text: only another heading in the title can tell."""
    page = parse_html(
        f"<title>A white tower again - Isles Council</title><main><div class={names}><h1>A white tower again</h1></div>"
        f"{BODY}</main>"
    )
    assert (page.metadata.title, page.metadata.site_name) == ("A white tower again", "Isles Council")


def test_a_heading_in_the_header_is_the_site_where_another_is_the_title():
    page = parse_html(
        f"<title>A white tower again - Isles Forum</title><div id=page-header><h1>Isles Forum</h1></div>"
        f"<h2>A white tower again</h2>{BODY}"
    )
    assert (page.metadata.title, page.metadata.site_name) == ("A white tower again", "Isles Forum")


@pytest.mark.parametrize(
    ("title", "site"),
    [
        ("A white tower | Isle Post", "Isle Post"),
        ("A white tower - News - Isle Post", "Isle Post"),
        ("A white tower｜Isle Post", "Isle Post"),
        ("A white tower | The news of the western isles", None),
        ("A white tower, painted | Isle Post", None),
        ("A white tower - by the keeper", None),
        ("Isle Post | A white tower", None),
    ],
)
def test_what_follows_the_heading_in_the_title_is_the_site(title: str, site: str | None):
    assert parse_html(f"<title>{title}</title><h1>A white tower</h1>{BODY}").metadata.site_name == site


def test_a_title_for_previews_that_is_the_page_title_is_cut_like_it():
    page = parse_html(
        f'<title>Tower | Isles</title><meta property="og:title" content="Tower | Isles"><h1>Tower</h1>{BODY}'
    )
    assert page.metadata.title == "Tower"


def test_who_wrote_an_entry_of_a_live_blog_did_not_write_it_all():
    entry = '"liveBlogUpdate": [{"@type": "BlogPosting", "author": {"name": "Kit Low"}, "headline": "Wet paint"}]'
    data = f'{{"@type": "LiveBlogPosting", "headline": "A white tower", "author": {{"name": "Ada Berg"}}, {entry}}}'
    page = article(head=f'<script type="application/ld+json">{data}</script>')
    assert page.metadata.authors == ("Ada Berg",)


@pytest.mark.parametrize(
    ("line", "author"),
    [
        ("<p class=author>Par Élise Morvan, le 12 février 2021 à 18h04</p>", "Élise Morvan"),
        ("<p class=autor>Por Inés Paredes el 2 de mayo de 2021</p>", "Inés Paredes"),
        ("<p>Του Νίκου Παππά</p>", "Νίκου Παππά"),
        ("<p class=post-author>Postado por Dona Célia</p>", "Dona Célia"),
        ("<p class=post-author>Eingestellt von Uwe Kern</p>", "Uwe Kern"),
        ("<p class=post-author>Pubblicato da Carla Neri</p>", "Carla Neri"),
        ("<p>令和3年4月6日 （記者・佐藤健一）</p>", "佐藤健一"),
    ],
)
def test_bylines_of_more_languages(line: str, author: str):
    assert parse_html(f"<h1>A white tower</h1>{line}{BODY}").metadata.authors == (author,)


def test_a_long_day_of_the_week_above_the_title_is_read():
    page = parse_html(f"<h1><a href=/>Isles</a></h1><h2>quinta-feira, 4 de abril de 2019</h2><h3>Tower</h3>{BODY}")
    assert parse_html(f"<p>quinta-feira, 24 de setembro de 2020</p><h1>Tower</h1>{BODY}").metadata.date == "2020-09-24"
    assert page.metadata.authors == ()


def test_a_journal_says_when_a_paper_went_online():
    page = parse_html(f"<meta name=citation_online_date content=2019/07/04><h1>Towers</h1>{BODY}")
    assert page.metadata.date == "2019-07-04"
