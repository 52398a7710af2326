"""Kinds of faults of metadata and encodings that pages from the open web brought to light."""

import pytest

from docgraph import Document
from docgraph.parsers.html.metadata.dates import iso_date
from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, codes

# -- metadata -------------------------------------------------------------------------------------------------------

SITE = "<meta property=og:site_name content='Rock Post'>"
LD = '<script type="application/ld+json">{}</script>'


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("", "<h1>A white tower</h1>", "A white tower"),
        (
            "<title>Rock Post</title><meta property=og:site_name content='Rock Post'>",
            "<h1>A white tower</h1>",
            "A white tower",
        ),
        ("<title>Rock Post: A white tower</title>", "<h1>A white tower</h1>", "Rock Post: A white tower"),
        ("<title>Towers - white and grey</title>", "<h1>Other words</h1>", "Towers - white and grey"),
        ("<title>A white tower | Rock Post</title>", "<h1>A white tower</h1>", "A white tower"),
        ("<title>Rock Post - A white tower</title>", "<h2>A white tower</h2>", "A white tower"),
        ("<title>A white tower | Rock Post</title>", "<h1>Rock Post</h1>", "A white tower | Rock Post"),
        *(
            (f"<title>{title}</title><meta property=og:title content='{title}'>", "<h1>A white tower</h1>", shown)
            for title, shown in (
                ("A white tower - Rock Post", "A white tower"),
                ("A white tower -", "A white tower"),
                ("Rock Post: A white tower", "Rock Post: A white tower"),
            )
        ),
        (
            "<title>Rock Post</title><meta property=og:title content='A white tower: what it costs'>",
            "<h1>A white tower</h1>",
            "A white tower: what it costs",
        ),
        (
            "<title>A white tower on a rock | Post</title>"
            + LD.format('{"@type":"NewsArticle","headline":"Painters leave the tower"}'),
            "<h1>A white tower on a rock</h1>",
            "Painters leave the tower",
        ),
        (
            "<title>A white tower - Lexicon</title>" + LD.format('{"@type":"Article","headline":"building on a rock"}'),
            "<h1>A white tower</h1>",
            "A white tower",
        ),
        (
            "<title>A white tower of stone on a rock - Lexicon</title>"
            + LD.format('{"@type":"Article","headline":"tower by the sea"}'),
            "<h1>A white tower of stone on a rock</h1>",
            "A white tower of stone on a rock",
        ),
        (
            "<title>Tower: news</title>" + LD.format('{"@type":"Article","headline":"The tower is white again"}'),
            "<h1>The tower is white again</h1>",
            "The tower is white again",
        ),
        ("<title>Wall mended – Rock Post</title>" + SITE, "<h1>Wall mended</h1>", "Wall mended"),
        ("<title>Wall mended | Rock Post</title>" + SITE, "", "Wall mended"),
        ("<title>Rock Post :: Wall mended</title>" + SITE, "<h2>Wall mended</h2>", "Wall mended"),
        ("<title>Wall – a post on Rock</title>" + SITE, "", "Wall – a post on Rock"),
        ("<title>Rock Post</title>" + SITE, "", "Rock Post"),
        ("<title>Learning - C++</title><meta property=og:site_name content=C>", "", "Learning - C++"),
        ("<title>Home | Rock Post</title>" + SITE, "", "Home | Rock Post"),
        ("<title>Rock Post » Index</title>" + SITE, "", "Rock Post » Index"),
    ],
)
def test_the_title_is_that_of_the_article_as_the_page_gives_it(head: str, body: str, title: str):
    assert parse_html(f"<head>{head}</head><body>{body}<p>{LINES[0]}</p>").metadata.title == title


def test_an_author_named_by_id_is_found():
    graph = (
        '{"@graph":[{"@type":"Article","headline":"T","author":[{"@id":"#p"}]},{"@type":"Person","@id":"#p",'
        '"name":"Ida Roe"}]}'
    )
    assert article(head=LD.format(graph)).metadata.authors == ("Ida Roe",)


@pytest.mark.parametrize(
    "other",
    [
        '{"@type":"ItemList","itemListElement":[{"@type":"NewsArticle","headline":"Other","author":"Bo Ek",'
        '"datePublished":"2001-01-01"}]}',
        '{"@type":"NewsArticle","url":"https://e.example/other","headline":"Other","author":"Bo Ek",'
        '"datePublished":"2001-01-01"}',
    ],
)
def test_articles_of_other_pages_say_nothing_about_this_one(other: str):
    own = (
        '{"@type":"NewsArticle","url":"https://e.example/d/page.html","headline":"A white tower","author":"Ida Roe",'
        '"datePublished":"2020-02-03"}'
    )
    page = article(head=LD.format(other) + LD.format(own)).metadata
    assert (page.title, page.authors, page.date) == ("A white tower", ("Ida Roe",), "2020-02-03")


def test_who_comments_is_no_author():
    after = "<section id=comments><div class=comment><span class=author>Bo Ek</span><p>Well.</p></div></section>"
    assert article(after=after).metadata.authors == ()


def test_when_a_page_was_changed_is_not_when_it_was_published():
    page = article(
        "<p>Updated <time class=updated datetime=2021-05-05>5 May</time> from "
        "<time datetime=2020-02-03>3 Feb</time></p>"
    )
    assert (page.metadata.date, page.metadata.modified) == ("2020-02-03", "2021-05-05")


def test_a_body_that_only_machines_are_given_is_named_and_kept():
    body = " ".join(LINES * 3)
    page = parse_html(
        f"<h1>A white tower</h1><p>{LINES[0]}</p>" + LD.format(f'{{"@type":"NewsArticle","articleBody":"{body}"}}')
    )
    assert page.metadata.declared_body == body
    assert "main.declared" in codes(page)
    assert Document.from_json(page.to_json()).metadata.declared_body == body
    shown = parse_html(f"<h1>T</h1>{BODY}" + LD.format(f'{{"@type":"NewsArticle","articleBody":"{" ".join(LINES)}"}}'))
    assert shown.metadata.declared_body is None


@pytest.mark.parametrize(
    ("text", "language", "date"),
    [
        ("18 ноября 2019 г., 09:05", "ru", "2019-11-18"),
        ("18 листопада 2019", "uk", "2019-11-18"),
        ("18 listopada 2019", "pl", "2019-11-18"),
        ("18. listopada 2019.", "hr", "2019-10-18"),
        ("2019. november 18.", "hu", "2019-11-18"),
        ("18 Kasım 2019", "tr", "2019-11-18"),
        ("18. marraskuuta 2019", "fi", "2019-11-18"),
        ("18 Νοεμβρίου 2019", "el", "2019-11-18"),
        ("١٨ نوفمبر ٢٠١٩", "ar", "2019-11-18"),
        ("18 בנובמבר 2019", "he", "2019-11-18"),
        ("18 नवंबर 2019", "hi", "2019-11-18"),
        ("2019年11月18日", "ja", "2019-11-18"),
        ("2019년 11월 18일", "ko", "2019-11-18"),
        ("๑๘ พฤศจิกายน ๒๕๖๒", "th", "2019-11-18"),
        ("18 tháng 11, 2019", "vi", "2019-11-18"),
        ("2019 m. lapkričio 18 d.", "lt", "2019-11-18"),
        ("Monday, 18th of November 2019", "en", "2019-11-18"),
        ("18-Nov-2019", "en", "2019-11-18"),
        ("令和6年10月5日", "ja", "2024-10-05"),
        ("10/5/2024", "en-US", "2024-10-05"),
        ("10/5/2024", "en-GB", "2024-05-10"),
    ],
)
def test_dates_of_the_worlds_languages(text: str, language: str, date: str):
    page = parse_html(f"<html lang={language}><body><h1>x</h1><div class=date>{text}</div><p>y")
    assert page.metadata.date == date


@pytest.mark.parametrize(
    ("url", "date"),
    [
        ("/2019/11/18/x", "2019-11-18"),
        ("/x-2019-11-18.html", "2019-11-18"),
        ("/20191118/x", "2019-11-18"),
        ("/2021/04/92713", None),
    ],
)
def test_dates_in_addresses(url: str, date: str | None):
    assert parse_html("<p>x", url=f"https://e.example{url}").metadata.date == date


# -- encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "label", "words"),
    [
        ("iso2022_jp", "iso-2022-jp", "灯台は五月に塗り直された。"),
        ("cp1251", "iso-8859-1", "Маяк снова покрасили в мае, после одиннадцати зим без краски. Вахта длилась неделю."),
        (
            "iso8859_7",
            "windows-1252",
            "Ο φάρος βάφτηκε ξανά τον Μάιο, μετά από έντεκα χειμώνες χωρίς μπογιά. Κράτησε μια εβδομάδα.",
        ),
        ("cp1252", "iso-8859-1", "Der Leuchtturm wurde im Mai neu gestrichen, für größere Schiffe, überall."),
    ],
)
def test_a_wrong_or_rare_label_does_not_garble_the_text(encoding: str, label: str, words: str):
    markup = f"<meta charset={label}><title>x</title><p>{words}</p>" + f"<p>{words}</p>" * 5
    assert words in parse_html(markup.encode(encoding)).text


@pytest.mark.parametrize("between", [" < ", "｜", "_", " ~ "])
@pytest.mark.parametrize("order", ["{title}{between}{site}", "{site}{between}{title}"])
def test_a_title_beside_the_sites_name_is_the_heading(between: str, order: str):
    title = order.format(title="The tower is white", between=between, site="Coast Post")
    page = parse_html(f"<title>{title}</title><h1>The tower is white</h1><p>{LINES[0]}</p>")
    assert page.metadata.title == "The tower is white"


def test_a_heading_that_is_a_small_part_of_the_title_is_not_the_title():
    page = parse_html(f"<title>Post: all of the white towers</title><h1>Post</h1><p>{LINES[0]}</p>")
    assert page.metadata.title == "Post: all of the white towers"


def test_the_name_of_the_site_in_a_heading_is_not_the_title():
    page = parse_html(f"<h1 class=site-title>Post</h1><main><h2>The tower is white</h2><p>{LINES[0]}</p></main>")
    assert page.metadata.title == "The tower is white"


@pytest.mark.parametrize(
    ("shown", "date", "modified"),
    [
        ("<p>發布時間：2020年01月02日 10:00</p>", "2020-01-02", None),
        (
            "<p>Updated: <time datetime=2021-05-05>May</time> First: <time datetime=2020-01-02>Jan</time></p>",
            "2020-01-02",
            "2021-05-05",
        ),
        (
            "<p class=posted-on><time class=published datetime=2020-01-02>J</time>"
            "<time class=updated datetime=2021-05-05>M</time></p>",
            "2020-01-02",
            "2021-05-05",
        ),
        ("<div class=comment><time datetime=2022-01-01>Jan</time><p>Indeed.</p></div>", None, None),
        ("<p>Thu, 01/02/2020 <span property=dc:date content=2020-01-02>Jan</span></p>", "2020-01-02", None),
        (f"<p>{LINES[0]}</p><p>It was 2 January 2020.</p>", None, None),
    ],
)
def test_dates_below_the_heading(shown: str, date: str | None, modified: str | None):
    page = parse_html(f"<h1>The tower is white</h1>{shown}<p>{LINES[1]}</p>")
    assert (page.metadata.date, page.metadata.modified) == (date, modified)


def test_the_only_article_item_may_be_of_another_page():
    page = article(
        after="<aside><article itemscope itemtype='http://schema.org/NewsArticle'><b itemprop=author>Bo Ek</b>"
        "<time itemprop=datePublished datetime=2018-01-01>Jan</time></article></aside>"
    )
    assert (page.metadata.authors, page.metadata.date) == ((), None)


@pytest.mark.parametrize(
    ("text", "language", "date"),
    [
        ("2020(e)ko urtarrilaren 2a", "eu", "2020-01-02"),
        ("2020ko abenduak 31", "eu", "2020-12-31"),
        ("2 de gener del 2020", "ca", "2020-01-02"),
        ("2 de xaneiro de 2020", "gl", "2020-01-02"),
        ("الخميس 2 كانون الثاني 2020", "ar", "2020-01-02"),
        ("31 كانون الأول/ديسمبر 2020", "ar", "2020-12-31"),
        ("2 ม.ค. 2563", "th", "2020-01-02"),
        ("二〇二〇年十二月三十一日", "zh", "2020-12-31"),
        ("二〇二〇年一月二日", "zh", "2020-01-02"),
        ("2 ta' Jannar 2020", "mt", "2020-01-02"),
        ("2-a de januaro 2020", "eo", "2020-01-02"),
    ],
)
def test_dates_as_more_languages_write_them(text: str, language: str, date: str):
    assert iso_date(text, language) == date


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        (
            "Où est la tour ? Elle est là, près de la mer, à côté du port, où les pêcheurs vont l’été.",
            "cp1252",
            "utf-8",
        ),
        ("Não há nada a fazer, disseram então os pescadores, e a torre ficou branca.", "cp1252", "utf-8"),
        ("港の委員会は冬の嵐の前に古い桟橋を修理することを決めた。", "euc-jp", ""),
    ],
)
def test_the_encoding_of_a_page_without_a_true_label_is_found(text: str, encoding: str, label: str):
    meta = f"<meta charset={label}>" if label else ""
    assert text in parse_html(f"<html>{meta}<p>{text}</p><p>{text}</p></html>".encode(encoding)).text
