"""Kinds of faults of pages where the obvious rule is not enough: titles and names, texts that come late, headings that
are bold, captions without a name, what stands below; one small page a kind.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, bound, codes, heading_over

# -- titles, sites, authors, dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["page-header", "block-page-title", "ecl-page-header"])
def test_a_heading_in_the_header_of_a_page_is_its_title(names: str):
    """Such a header may be that of the site or that of the text: only another heading in the title can tell."""
    page = parse_html(
        f"<title>A white tower again | Isles Council</title><main><div class={names}><h1>A white tower again</h1></div>"
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
        ("A white tower | News | Isle Post", "Isle Post"),
        ("A white tower | Tutorial", None),
        ("A white tower - A History", None),
        ("A white tower｜Isle Post", "Isle Post"),
        ("A white tower | The news of the western isles", None),
        ("A white tower, painted | Isle Post", None),
        ("A white tower - by the keeper", None),
        ("A white tower - Part 2", None),
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
    whole = "Tower - the best - and the worst"
    page = parse_html(f"<title>{whole}</title><meta property=og:title content='{whole}'><h1>Tower</h1>{BODY}")
    assert page.metadata.title == whole


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


# -- text that is lost, and what is none ------------------------------------------------------------------------------


def test_a_short_article_for_browsers_without_scripts_is_read():
    inner = f"<article><h1>A white tower</h1><p>{LINES[0]}</p><p>{LINES[1]}</p></article>"
    page = parse_html(f"<div>Loading…</div><noscript>{inner}</noscript>")
    assert LINES[0] in page.main_text
    assert "hidden.shown" in codes(page)
    notice = (
        "This site needs scripts to show its pages, so please turn them on in the settings of your browser, or ask us."
    )
    notice = f"<h1>Scripts are needed</h1><p>{notice}</p>"
    assert "settings" not in parse_html(f"<div>Loading…</div><noscript>{notice}</noscript>").main_text


@pytest.mark.parametrize(
    "start",
    [
        '<div class="wow fadeInUp" style="visibility: hidden; animation-name: none">',
        '<div data-sal=slide-up style="opacity: 0; visibility: hidden">',
    ],
)
def test_what_fades_in_is_read_and_a_trick_in_it_is_not(start: str):
    line = "The keeper has painted the railing, too."
    assert line in article(f"{start}<p>{line}</p></div>").main_text
    for trick in ("font-size:0", "position:absolute", "color:#fff", "transform:translateX(-9999px)"):
        assert line not in article(f"{start[:-2]}; {trick}{start[-2:]}<p>{line}</p></div>").main_text
    assert line not in article(f'<div style="visibility: hidden"><p>{line}</p></div>').main_text


def test_numbers_of_pages_of_a_book_are_no_part_of_its_words():
    number = '<span epub:type="pagebreak" id=p18>18</span>'
    other = '<span role="doc-pagebreak" id=p19>19</span>'
    text = article(f"<p>The land{number}lord of the inn gave{other} us broth.</p>").main_text
    assert "The landlord of the inn gave us broth." in text
    for word in ("forty-", "the", "." * 20 + "x"):  # no number, whatever it is called
        assert word in article(f"<p>The land<span role=doc-pagebreak>{word}</span>lord gave us broth.</p>").main_text


@pytest.mark.parametrize(
    "line",
    [
        "<p><a href=#recipe>Jump to Recipe</a></p>",
        "<p>Trouble viewing this email? <a href=/v>View in browser</a></p>",
        "<p>You receive this email because you signed up at isles.example. <a href=/u>Unsubscribe</a></p>",
        "<address><small>Generated by doxygen 1.9.4</small></address>",
        "<p>Powered by Hugo.</p>",
    ],
)
def test_lines_of_makers_are_none_of_the_text(line: str):
    assert article(line).main_text.split("\n\n") == LINES


@pytest.mark.parametrize(
    "line",
    [
        "<p>The paint was made with lime, and the brushes with hair of the horses of the isle.</p>",
        "<p>Generated by Hugo, the page of the tower is small enough for the telephones of the isle.</p>",
        "<p>Open the file index.html to view it in your browser.</p>",
    ],
)
def test_sentences_that_look_like_those_are_text(line: str):
    assert len(article(line).main_text.split("\n\n")) == len(LINES) + 1


def test_what_copies_code_is_not_read_whatever_its_name():
    button = "<div><clipboard-copy aria-label=Copy>Copy</clipboard-copy></div>"
    page = article(f"<div class=highlight><pre>paint --white</pre>{button}</div>")
    assert "Copy" not in page.main_text
    assert "paint --white" in page.main_text


def test_a_button_that_copies_the_path_is_no_part_of_a_heading():
    page = parse_html(f"<main><h1>Function paint<button>Copy item path</button></h1>{BODY}</main>")
    assert [node.text for node in page.find(kind="heading")] == ["Function paint"]


@pytest.mark.parametrize("spans", ["<span>{}</span><span>{}</span>", "<span class=a>{}</span><span class=b>{}</span>"])
def test_sentences_that_only_a_style_sets_apart_are_two(spans: str):
    page = article(f"<p>{spans.format('The tower is white.', 'The rock is grey.')}</p>")
    assert {"The tower is white.", "The rock is grey."} <= {node.text for node in page.find(kind="sentence")}
    assert "node.JS" in article("<p>We use <b>node.</b><i>JS</i> in the tower.</p>").text


def test_a_counter_without_a_size_is_no_image():
    counters = "".join(
        f"<img src='{address}'>"
        for address in (
            "https://sb.scorecardresearch.com/p?c1=2",
            "//mc.yandex.ru/watch/7",
            "/stats/matomo.php?idsite=1",
        )
    )
    assert not article(f"<p>{counters}</p>").images()
    assert len(article("<p><img src='https://e.example/matomo.png'></p>").images()) == 1


# -- headings ---------------------------------------------------------------------------------------------------------


def test_a_bold_line_over_a_short_list_is_a_heading_beside_others():
    lines = f"<b>What you need</b><br>white paint<br>two ropes<br><br><b>What to do</b><br>{LINES[0]}<br>{LINES[1]}"
    page = parse_html(f"<h1>A white tower</h1><div>{LINES[2]}<br><br>{lines}</div>")
    assert heading_over(page, "two ropes") == "What you need"
    alone = parse_html(
        f"<h1>A white tower</h1><div>{LINES[2]}<br><br><b>Paint</b><br>white<br>of lime, and ropes</div>"
    )
    assert [node.text for node in alone.find(kind="heading")] == ["A white tower"]


def test_who_speaks_again_and_again_is_no_heading():
    said = "".join(f"<b>{name}:</b><br>I paint all day.<br><br>" for name in ("Anne", "Bo", "Anne", "Bo"))
    page = parse_html(f"<h1>A white tower</h1><div>{LINES[2]}<br><br>{said}<b>Later</b><br>{LINES[0]}</div>")
    assert [node.text for node in page.find(kind="heading")] == ["A white tower", "Later"]


def test_a_bold_line_over_one_short_sentence_is_a_heading():
    page = parse_html(
        f"<h1>A white tower</h1><p>{LINES[0]}</p>"
        "<p><b>The way there</b><br>Take the boat, which goes every hour of the day.</p>"
    )
    assert heading_over(page, "Take the boat") == "The way there"


def test_a_bold_line_and_its_text_may_each_have_an_element():
    entries = "".join(
        f"<div class=item><div class=when>17:2{n}</div><div class=what><b>{said}</b></div>"
        f"<div class=text><p>{LINES[n]}</p></div></div>"
        for n, said in enumerate(("Ropes are up", "Paint is dry"))
    )
    page = parse_html(f"<article><h1>A white tower</h1><p>{LINES[3]}</p><p>{LINES[4]}</p>{entries}</article>")
    assert (heading_over(page, LINES[0]), heading_over(page, LINES[1])) == ("Ropes are up", "Paint is dry")


@pytest.mark.parametrize(
    "box",
    [
        "<div><h2>Is this page useful?</h2><button>Yes</button><button>No</button></div>",
        "<div><h3>Share this:</h3><ul><li><a href=/t>Twitter</a></li><li><a href=#>Facebook</a></li></ul></div>",
    ],
)
def test_a_heading_over_buttons_alone_is_none_of_the_text(box: str):
    page = parse_html(f"<main><h1>A white tower</h1><p>{LINES[0]}</p>{box}<footer>© Isles</footer></main>")
    assert page.main_text.split("\n\n") == LINES[:1]


def test_a_heading_over_what_the_page_itself_has_is_text():
    links = "<li><a href=#ropes>Ropes</a></li><li><a href=#ladders>Ladders</a></li>"
    tabs = f"<div><h2>More ways to paint</h2><ul>{links}</ul></div>"
    assert "More ways to paint" in parse_html(f"<main><h1>A white tower</h1>{BODY}{tabs}</main>").main_text


# -- captions ---------------------------------------------------------------------------------------------------------


def test_a_text_that_ends_in_a_photographer_is_the_caption_beside_any_element():
    card = (
        "<div class=css-q8w><div><img src={}.jpg></div>"
        "<div class=css-1x2><span>{}</span><span>Photograph: Siri Dahl/Isles</span></div></div>"
    )
    page = parse_html(
        f"<article><h1>A white tower</h1>{card.format('ropes', 'Two climbers.')}<div>{LINES[0]}</div>"
        f"<div>{LINES[1]}</div>{card.format('top', 'The new white.')}<div>{LINES[2]}</div></article>"
    )
    said = " Photograph: Siri Dahl/Isles"
    assert bound(page) == [("ropes.jpg", f"Two climbers.{said}"), ("top.jpg", f"The new white.{said}")]


def test_texts_of_a_gallery_of_mediawiki_are_captions():
    item = (
        "<li class=gallerybox><div class=thumb><a href=/{0}><img src={0}.jpg></a></div><div class=gallerytext>{0}</div>"
    )
    page = article(f"<ul class=gallery>{item.format('Ropes')}{item.format('Paint')}</ul>")
    assert bound(page) == [("Ropes.jpg", "Ropes"), ("Paint.jpg", "Paint")]


# -- what stands below ------------------------------------------------------------------------------------------------


def test_another_article_below_a_short_one_is_not_of_the_page():
    """It has a title of its own, or leads to one; an entry of the article has neither."""
    first = f"<article><h1>A white tower</h1><p>{LINES[0]}</p><p>{LINES[1]}</p></article>"
    head = "<title>A white tower</title>"
    other = f"<article><h1>A grey rock</h1><p>{LINES[2]}</p><p>{LINES[3]}</p></article>"
    assert parse_html(f"{head}<div>{first}{other}</div>").main_text.split("\n\n") == LINES[:2]
    teaser = f"<article><h3><a href=/rock>A grey rock</a></h3><p>{LINES[2]} {LINES[3]}</p></article>"
    page = parse_html(f"{head}<main>{first}<section><h2>News</h2>{teaser}{teaser}</section></main>")
    assert page.main_text.split("\n\n") == LINES[:2]
    entry = f"<article><p>{LINES[2]}</p><p>{LINES[3]}</p></article>"
    assert LINES[2] in parse_html(f"{head}<div>{first}{entry}</div>").main_text


# -- what looks like one of these and is none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        (
            "<div><h3>Which tower is the oldest?</h3><button>The white one</button><button>The red one</button></div>",
            True,
        ),
        ("<section><h2>Paint</h2><button aria-expanded=false>How long does it last?</button></section>", True),
        ("<section><h2>Is this page useful?</h2><button>Yes</button><button>No</button></section>", False),
    ],
)
def test_headings_over_buttons_that_are_answers_or_questions_are_text(box: str, kept: bool):
    heading = box.partition("</h")[0].rpartition(">")[2]
    assert (heading in article(box).main_text) is kept


def test_a_part_whose_heading_leads_to_itself_is_no_other_story():
    part = f"<article><h2><a href={{}}>The new paint</a></h2>{BODY.replace('painted', 'coated')}</article>"
    page = "<article><h1>A white tower</h1><p>{}</p></article>{}"
    lead = " ".join(LINES)
    assert "coated" in parse_html(page.format(lead, part.format("#paint"))).main_text


def test_the_answer_to_a_question_is_what_its_button_opens():
    page = "<div><button aria-controls=a>{}</button></div><div id=a hidden>Only with the keeper.</div>"
    assert "Only with" in article(page.format("In winter?")).text
    assert "Only with" not in article(page.format("Copy")).text


def test_a_name_with_a_full_stop_in_two_elements_is_one_word():
    text = article("<p>Call <b>os.</b><b>Path</b> or <i>Node.</i><i>Js</i> there.</p>").text
    assert "Call os.Path or Node.Js there." in text


def test_a_notice_in_an_article_that_scripts_are_needed_is_none():
    notice = "This application needs JavaScript. Turn it on in the settings of your browser and load the page again."
    page = parse_html(f"<div id=app></div><noscript><article><h1>Please</h1><p>{notice}</p></article></noscript>")
    assert not page.main_text


@pytest.mark.parametrize(
    ("line", "authors"),
    [("（記者会見）", ()), ("（文部科学省）が発表した", ()), ("By Anna Le 3 May 2021", ("Anna Le",))],
)
def test_what_only_begins_like_a_byline_names_nobody(line: str, authors: tuple[str, ...]):
    page = parse_html(f"<main><article><h1>A white tower</h1><p>{line}</p>{BODY}</article></main>")
    assert page.metadata.authors == authors


def test_text_beside_a_gallery_is_no_caption():
    page = article(f"<div class=gallery><img src=a.jpg><div class=gallery-text><p>{LINES[0]} Again.</p></div></div>")
    assert f"{LINES[0]} Again." in page.main_text
