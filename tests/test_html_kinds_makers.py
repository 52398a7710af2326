"""Kinds of faults of pages by who wrote them: programs that describe programs, restaurants, mails, newspapers of many
languages; one small page a kind.
"""

import re

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, heading_over

# -- lines that are none of the text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "<p>412 Accesses</p>",
        "<div><span>18 октября 2017, 11:40</span> <span>Просмотров: 532</span></div>",
        "<p>Acessos: 310</p>",
        "<div><span>شارك</span> <a href=/f>فيسبوك</a> <a href=/t>تويتر</a></div>",
        "<p>分享到：微信 微博</p>",
        "<p>Facebook | Twitter | WhatsApp</p>",
        "<p>You are here: Rocks &gt;&gt; Towers &gt;&gt; White</p>",
        "<details open><summary><span>Expand description</span></summary></details>",
        "<p><a href=/w>Clique aqui para seguir o canal da Torre no WhatsApp</a></p>",
        "<p>Follow the Tower on <a href=/n>Google News</a> and never miss a coat of paint.</p>",
        "<p>When you buy through links on our site, we may earn an affiliate commission.</p>",
        "<p>You are receiving this email because you signed up on our website. <a href=/u>Unsubscribe</a></p>",
        "<p>You are visitor number 12 since 1997. This page is best viewed with Netscape 3.</p>",
    ],
)
def test_lines_about_the_page_are_none_of_its_text(line: str):
    assert article(line).main_text.split("\n\n") == LINES


@pytest.mark.parametrize(
    "line",
    [
        "<p>Facebook</p>",
        "<p>Career hits: 3,215</p>",
        "<p>Facebook and Twitter have no tower.</p>",
        "<p>The keeper counted: views in fog 0, views in sun 532, and he wrote it down.</p>",
        "<p>A seller of paint earns a commission on every bucket that leaves the harbour.</p>",
        "<p>He followed the news of the tower on Telegram, as all of the harbour did.</p>",
        "<p>The tower is best viewed from the sea, on a bright day in the first week of May.</p>",
    ],
)
def test_sentences_that_look_like_such_lines_are_text(line: str):
    assert len(article(line).main_text.split("\n\n")) == len(LINES) + 1


def test_a_sign_on_a_page_of_headings_takes_none_of_them():
    heads = "".join(f"<h{n + 1}>{line}</h{n + 1}>" for n, line in enumerate(LINES[:4]))
    page = parse_html(f"<article><img src=t.jpg>{heads}<div>Post Views: 22</div></article>")
    assert LINES[1] in page.main_text


def test_an_owner_is_no_site_that_is_called_home():
    foot = "<footer>© 2021 Home</footer>"
    assert parse_html(f"<a href=/>Home</a><main><h1>A white tower</h1>{BODY}</main>{foot}").metadata.site_name is None


def test_a_job_beside_an_article_does_not_date_it():
    job = '{"@type": "JobPosting", "title": "Painter", "datePosted": "2019-01-02"}'
    story = '{"@type": "NewsArticle", "headline": "A white tower"}'
    for objects, date in ((f"[{job}]", "2019-01-02"), (f"[{story}, {job}]", None)):
        page = f"<script type=application/ld+json>{objects}</script><main><h1>A white tower</h1>{BODY}</main>"
        assert parse_html(page).metadata.date == date


# -- comments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yorumlar", "talkback", "comentarios", "komentarze", "commentaires", "comments"])
def test_comments_of_few_words_below_a_text_are_none_of_it(name: str):
    said = f"<div class={name}><h3>Ann</h3><p>Painted at last, how white it is!</p></div>"
    page = parse_html(f"<div id=page><h1>A white tower</h1>{BODY}{said}</div>")
    assert page.main_text.split("\n\n") == LINES


@pytest.mark.parametrize(
    "said",
    [
        "<section id=response><h2>Response</h2><pre><code>{1: 2}</code></pre></section>",
        "<p class=comment>Prices include all taxes.</p>",
    ],
)
def test_few_words_below_a_text_may_be_its_own(said: str):
    lines = parse_html(f"<div id=page><h1>A white tower</h1>{BODY}{said}</div>").main_text.split("\n\n")
    assert lines[: len(LINES)] == LINES != lines


@pytest.mark.parametrize(
    "said",
    [
        "Following the ban of <a href=/w>WhatsApp</a> in Brazil, millions turned to other services.",
        "Volgens <a href=/w>WhatsApp</a> was er geen lek in de toren.",
        "Entre 2019 y 2021, <a href=/w>WhatsApp</a> perdió usuarios.",
        "She said she had received this email from the minister on Friday morning.",
        "The comet is best viewed at dawn from the gallery of the tower.",
        "Those who buy a house learn that we will receive a commission of three percent.",
        "所在位置：广东深圳",
        "You are here: alone and far from home",
    ],
)
def test_sentences_that_begin_like_lines_about_the_page_are_its_text(said: str):
    page = parse_html(f"<main><h1>A white tower</h1>{BODY}<p>{said}</p><p>{LINES[0]} Again.</p></main>")
    assert page.main_text.split("\n\n")[len(LINES)] == re.sub("<.*?>", "", said)


@pytest.mark.parametrize("name", ["comentario-texto", "komentarz", "yorum"])
def test_a_commentary_is_no_comment(name: str):
    page = parse_html(
        f"<main><h1>A white tower</h1>{BODY}<div class={name}>{BODY.replace('in ', 'not in ')}</div></main>"
    )
    assert len(page.main_text.split("\n\n")) == 2 * len(LINES)


def test_a_slot_is_that_of_its_own_root():
    inner = f"<x-b><template shadowrootmode=open><p>inner:</p><slot></slot></template><p>{LINES[1]}</p></x-b>"
    markup = f"<x-a><template shadowrootmode=open>{inner}<main><slot></slot></main></template><p>{LINES[0]}</p></x-a>"
    text = parse_html(markup).text
    assert text.index("inner") < text.index(LINES[1]) < text.index(LINES[0])


def test_what_a_table_counts_is_no_sign():
    table = (
        "<table><tr><th>Country<th>Cited<th>Used<tr><td>Brazil<td>120 citations<td>WhatsApp, Facebook"
        "<tr><td>India<td>1,200 downloads<td>WhatsApp, Telegram</table>"
    )
    text = parse_html(f"<main><h1>A white tower</h1>{BODY}{table}</main>").main_text
    assert all(
        said in text for said in ("120 citations", "1,200 downloads", "WhatsApp, Facebook", "WhatsApp, Telegram")
    )


# -- who and when ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("<span class=author>كتبت: ليلى منصور</span>", ("ليلى منصور",)),
        ("<p class=byline>लेखक: मीना रावत | 23 अगस्त 2020</p>", ("मीना रावत",)),
        ("<div>2022年05月18日 09:12　来源：江南晚报　作者：沈一鸣　字号</div>", ("沈一鸣",)),
        ("<div>December 5, 2021&nbsp;·&nbsp;3 min&nbsp;·&nbsp;Ines Varga</div>", ("Ines Varga",)),
        ("<div>December 5, 2021&nbsp;·&nbsp;3 min&nbsp;·&nbsp;towers</div>", ()),
        ("<div>5 min read · White Towers</div>", ()),
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


# -- programs that describe programs --------------------------------------------------------------------------------


def test_what_a_program_wrote_of_another_one_is_main_down_to_its_signatures():
    summary = (
        "<div class=summary-table><div class=col-first><code>void</code></div><div class=col-second><code>"
        "<a href=#put>put</a>(T value)</code></div><div class=col-last><div class=block>Adds a value, and drops the "
        "oldest one if need be.</div></div></div>"
    )
    page = (
        "<html><head><meta name=generator content='{}'><title>Tower (coast 4.0 API)</title></head>"
        "<body class=class-declaration-page><header><nav><ul><li><a href=/o>Overview</a></ul></nav></header>"
        "<main role=main><h1 class=title>Class Tower</h1><section class=class-description><hr><div class=block>A tower "
        "of fixed size that drops its oldest paint when it is full. It is safe for one painter and many readers.</div>"
        "</section><section class=summary><ul class=summary-list><li><section class=method-summary><h2>Method "
        f"Summary</h2>{summary}</section></ul></section><section class=details><ul class=details-list><li><section "
        "class=method-details><h2>Method Details</h2><ul class=member-list><li><section class=detail id=put><h3>put"
        "</h3><div class=member-signature>public void put(T value)</div><div class=block>Adds a value. If the buffer "
        "is full the oldest is gone.</div><dl class=notes><dt>Parameters:</dt><dd>value - what to add</dd></dl>"
        "</section></ul></section></ul></section></main><footer><p>Copyright 2024 Tideline.</p></footer>"
    )
    text = parse_html(page.format("javadoc/ClassWriter")).main_text
    assert "public void put(T value)\n\nAdds a value. If" in text
    assert "Parameters:\n\nvalue - what to add" in text
    assert "Overview" not in text
    assert "Copyright" not in text


def test_the_title_and_the_code_of_doxygen():
    code = (
        '<div class="fragment"><div class="line"><a id="l1"></a><span class="lineno">    1</span>{}if (fog) {{</div>'
        '<div class="line"><span class="lineno">    2</span>  light();</div></div><!-- fragment -->'
    )
    page = parse_html(
        "<html><head><meta name=generator content='Doxygen 1.9.8'><title>coast: tower Struct Reference</title></head>"
        "<div class=header><div class=headertitle><div class=title>tower Struct Reference</div></div></div>"
        f"<div class=contents><div class=textblock><p>{LINES[0]}</p></div><h2>paint()</h2>{code.format('')}</div>"
    )
    assert [node.text for node in page.find("code")] == ["if (fog) {\n  light();"]
    assert "light();" in page.main_text
    assert heading_over(page, LINES[0]) == "tower Struct Reference"


@pytest.mark.parametrize(
    "poem",
    [
        "<div class=fragment>Loose words <div class=line>The sea was grey.</div></div>",
        "<div class=fragment><div class=line><h3>Grey</h3></div><div class=line>Loose words</div></div>",
        "<div class=fragment><p class=line>Loose words</p><p class=line>The sea was grey.</p></div>",
    ],
)
def test_a_fragment_of_a_text_is_no_code(poem: str):
    page = parse_html(f"<main><h1>A white tower</h1>{BODY}{poem}</main>")
    assert not page.find("code")
    assert "Loose words" in page.text


# -- restaurants, layouts, figures, old pages -----------------------------------------------------------------------


def test_a_menu_of_dishes_is_no_navigation_and_an_empty_cart_is():
    dish = "<div class=menu-item><div class=menu-item-title>{}</div><div class=menu-item-price-bottom>{} €</div></div>"
    dishes = dish.format("Leeks in vinegar", 9) + dish.format("Pollack in butter", 22)
    page = parse_html(
        "<header><nav><a href=/>Home</a></nav></header><main><h1>La Carte</h1><section class=menu-section>"
        f"{dishes}</section><p>All of our meat is from this island, and our prices are those that you pay.</p></main>"
    )
    assert "Leeks in vinegar\n\n9 €" in page.main_text
    cart = article(before="<div class=cart-menu><div class=cart-menu-total>Total: € 0.00</div></div>")
    assert cart.main_text.split("\n\n") == LINES


def test_a_table_with_text_in_one_cell_of_each_row_lays_out_a_page():
    row = "<tr><td width=9></td><td></td><td>{}</td></tr>"
    page = parse_html(f"<table>{row.format('By lumen')}{row.format(f'<p>{LINES[0]}<p>{LINES[1]}')}</table>")
    assert not page.find("table")
    icons = "<tr><td><img src=a.png></td><td>{}</td></tr>"
    assert parse_html(f"<table>{icons.format('Fog')}{icons.format('Sun')}</table>").find("table")
    for cell in ("<td><span class=check></span>", "<td style='background:red'>", "<td bgcolor=red>"):
        assert parse_html(f"<table><tr><td>Fog{cell}<tr><td>Sun{cell}</table>").find("table"), cell


@pytest.mark.parametrize("words", ["Table talk", "Fig tree", "Figures"])
def test_a_heading_in_a_figure_that_begins_like_a_number_of_one(words: str):
    figure = f"<figure><h3>{words}</h3><img src=a.png alt=a></figure>"
    assert words in [node.text for node in article(after=figure).find("heading")]


def test_a_date_below_words_like_those_of_a_member():
    page = parse_html(f"<main><h1>A white tower</h1><p>Joined-up thinking</p><p>12 May 2021</p>{BODY}</main>")
    assert page.metadata.date == "2021-05-12"


def test_a_box_called_like_doxygen_s_has_no_title():
    box = f"<div class=headertitle><p>{LINES[0]}</p></div>"
    assert not parse_html(f"<main>{box}<p>{LINES[1]}</p></main>").find("heading")


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


@pytest.mark.parametrize(
    ("line", "panel", "found"),
    [
        ("<button aria-expanded=false aria-controls=p2>In winter?</button>", "<div id=p2 hidden><p>{}</p></div>", True),
        ("<div><button aria-controls=p2>In winter?</button></div>", "<div id=p2 hidden><p>{}</p></div>", True),
        ("<button aria-controls=p3>In winter?</button>", "<div id=p2 hidden><p>{}</p></div>", False),
        (
            "<button aria-controls=p2>Languages</button>",
            "<div id=p2 hidden>English Deutsch Español Italiano</div>",
            False,
        ),
        ("<button aria-controls=p2>Share</button>", "<div id=p2 class=popup hidden><p>{}</p></div>", False),
    ],
)
def test_what_a_button_right_before_it_opens_is_text(line: str, panel: str, found: bool):
    assert (ANSWER in article(f"{line}{panel.format(ANSWER)}").text) is found


def test_what_a_button_has_to_say_is_no_text_that_it_opens():
    page = "<button {} aria-controls=said>{}</button><span id=said hidden>{}</span>"
    assert "Copied" not in article(page.format("", "Copy link", "Copied to the clipboard!")).text
    assert (
        "Only with the keeper."
        in article(page.format("aria-expanded=false", "In winter?", "Only with the keeper.")).text
    )


def test_the_tables_in_tabs_of_the_text_are_text():
    table = "<table><tr><th>{0}</th><th>Height</th></tr><tr><td>White</td><td>{1}</td></tr></table>"
    tabs = (
        "<div class=tabs><ul role=tablist><li role=tab aria-controls=t1>Towers</li><li role=tab aria-controls=t2>Masts"
        f"</li></ul><div role=tabpanel id=t1>{table.format('Tower', '31 m')}</div>"
        f"<div role=tabpanel id=t2 hidden>{table.format('Mast', '12 m')}</div></div>"
    )
    page = parse_html(f"<main><h1>A white tower</h1><p>{LINES[0]} {LINES[1]}</p>{tabs}<p>{LINES[2]}</p></main>")
    assert "31 m" in page.main_text
    assert "12 m" in page.main_text


def test_the_line_that_opens_a_panel_of_the_text_is_text():
    toggle = (
        "<div class=elementor-tab-title role=button><a class=elementor-toggle-title tabindex=0>{}</a></div>"
        "<div class=elementor-tab-content role=region><p>{}</p></div>"
    )
    toggles = toggle.format("In winter?", ANSWER) + toggle.format("By night?", "Only with the keeper, and in shoes.")
    page = parse_html(
        f"<main><div><h1>A white tower</h1>{BODY}</div><div class=elementor-widget-toggle>{toggles}</div></main>"
    )
    assert "In winter?" in page.main_text
    assert page.main_text.index("In winter?") < page.main_text.index(ANSWER)


def test_what_an_element_holds_stands_in_the_slots_of_its_shadow_root():
    page = parse_html(
        "<x-page><template shadowrootmode=open><h1><slot name=title>Untitled</slot></h1><slot></slot>"
        f"<p>{LINES[1]}</p></template> <span slot=title>A white tower</span><p>{LINES[0]}</p></x-page>"
        "<x-foot><template shadowrootmode=open><p><slot>Nobody filled this.</slot></p></template> <!--x--></x-foot>"
    )
    assert [node.text for node in page.find("heading")] == ["A white tower"]
    assert "Untitled" not in page.text
    assert page.text.index(LINES[0]) < page.text.index(LINES[1]) < page.text.index("Nobody filled this.")
