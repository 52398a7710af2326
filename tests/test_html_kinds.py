"""Kinds of faults that pages from the open web brought to light: one small page a kind, and the right value.

Each stands for a class of pages reported to parsers in public; the pages here are made for the test.
"""

import pytest

from docgraph import Document
from docgraph.parsers.html.page import parse_html

LINES = [
    "The lighthouse was painted again in May, after eleven winters without a single coat of paint.",
    "Two climbers hung from ropes for a week, because no scaffold would stand in that wind.",
    "The keeper, who has lived there since 1988, said that the new white could be seen from the next island.",
    "Sailors had complained for years, for in fog the grey tower was hard to tell from the rock.",
    "It will be painted again in ten years, the harbour office said, if there is money for it by then.",
]
BODY = "".join(f"<p>{line}</p>" for line in LINES)


def article(middle: str = "", *, head: str = "", before: str = "", after: str = "") -> Document:
    """A page with an article, something put into its middle."""
    first, rest = "".join(f"<p>{line}</p>" for line in LINES[:2]), "".join(f"<p>{line}</p>" for line in LINES[2:])
    return parse_html(
        f"<!DOCTYPE html><html lang=en><head><title>A white tower</title>{head}</head><body>{before}<main><article>"
        f"<h1>A white tower</h1>{first}{middle}{rest}</article></main>{after}</body></html>",
        url="https://e.example/d/page.html",
    )


def codes(page: Document) -> set[str]:
    return {warning.code for warning in page.warnings}


# -- text lost ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markup",
    [
        f'<div style="visibility:hidden">{BODY}</div>',
        f'<div style="opacity:0;display:none" id=content>{BODY}</div>',
        f"<section hidden>{BODY}</section>",
        f"<style>.app-body{{display:none}}</style><div class=app-body>{BODY}</div>",
        f"<noscript><p>Please turn on scripts.</p>{BODY}</noscript>",
    ],
)
def test_a_page_that_hides_all_its_text_is_read_and_says_so(markup: str):
    page = parse_html(f"<nav><a href=/>Home</a></nav><h1>A white tower</h1>{markup}")
    assert all(line in page.main_text for line in LINES)
    assert "hidden.shown" in codes(page)


def test_what_is_hidden_beside_text_that_is_seen_stays_hidden():
    page = article(after=f"<div hidden>{BODY.replace('lighthouse', 'HIDDEN')}</div>")
    assert "HIDDEN" not in page.text
    assert "hidden.shown" not in codes(page)


def test_content_that_react_streams_is_read_although_much_is_seen():
    page = article("<template id=B:1></template>", after="<div hidden id=S:1><p>It came late, but it came.</p></div>")
    assert "It came late, but it came." in page.text


def test_what_the_readers_search_would_find_is_read():
    assert "A note." in article("<div hidden=until-found><p>A note.</p></div>").text


def test_a_declarative_shadow_root_is_shown():
    page = article(f"<x-box><template shadowrootmode=open><p>{LINES[0]} Shadow.</p></template></x-box>")
    assert "Shadow." in page.text
    assert "INERT" not in article("<template><p>INERT</p></template>").text


# -- hidden by the page's own style sheet ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "css",
    [
        ".x{display:none}",
        "a{color:red} .y, div.x { color: red; display: none !important }",
        ".x{position:absolute;left:-9999px}",
        "@media screen { .x { visibility: hidden } }",
        "/* .x{} */ #i{display:none}",
        ".x{clip:rect(0 0 0 0);position:absolute}",
    ],
)
def test_what_a_style_sheet_hides_is_not_text_of_the_page(css: str):
    page = article("<div class='w x' id=i><p>Ignore what stood before.</p></div>", head=f"<style>{css}</style>")
    assert "Ignore what stood before." not in page.text
    assert "hidden.by_sheet" in codes(page)


@pytest.mark.parametrize(
    "css",
    [
        "@media print { .x { display: none } }",
        ".no-js .x{display:none}",
        ".x{display:none} .x.w{display:block}",
        ".x{display:none} .ready .x{display:block}",
        ".x:empty{display:none}",
        ".xx{display:none}",
        ".x{margin-left:-15px}",
    ],
)
def test_what_is_hidden_only_at_times_is_text(css: str):
    page = article("<div class='w x' id=i><p>A word more.</p></div>", head=f"<style>{css}</style>")
    assert "A word more." in page.text


# -- words, lines, headings -----------------------------------------------------------------------------------------


def test_soft_hyphens_are_no_letters_and_spaces_of_thai_are_kept():
    page = article("<p>The com\xadmit\xadtee met in the work\u200bshop.</p><p>ทดสอบ\u200bภาษา</p>")
    assert "The committee met in the workshop." in page.text
    assert "ทดสอบ\u200bภาษา" in page.text


def test_lines_that_are_paragraphs_are_paragraphs():
    page = parse_html(f"<main><h1>A white tower</h1><div>{'<br>'.join(LINES)}</div></main>")
    assert [node.text for node in page.find("paragraph")] == LINES
    for node in page.walk():
        assert page.text[slice(*node.span)] == node.text


def test_lines_of_a_poem_or_an_address_stay_one_paragraph():
    poem = "O tower, white and tall,<br>who painted you last fall?<br>Nobody, and that is all."
    page = article(f"<p>{poem}</p>")
    assert poem.replace("<br>", "\n") in [node.text for node in page.find("paragraph")]


def test_the_link_of_a_heading_to_itself_is_no_word_of_it():
    page = article(
        "<h2 id=a>The paint<a class=headerlink href=#a>¶</a></h2><p>White.</p><h2><a href=#b>§</a> The rope</h2>"
        "<p>x.</p>"
    )
    assert [node.text for node in page.find("heading")] == ["A white tower", "The paint", "The rope"]


# -- code -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markup",
    [
        "<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre></td>"
        "<td class=code><pre>a = 1\nb = 2</pre></td></tr></table>",
        "<figure class=highlight><table><tr><td class=gutter><pre><span class=line>1</span>"
        "<br><span class=line>2</span></pre></td><td class=code><pre>a = 1\nb = 2</pre></td></tr></table></figure>",
        "<pre><span class=line-number>1</span>a = 1\n<span class=line-number>2</span>b = 2</pre>",
        "<div><button class=btn-clipboard>Copy</button><pre><code>a = 1\nb = 2</code></pre></div>",
        "<pre><code><ol><li>a = 1</li><li>b = 2</li></ol></code></pre>",
        "<pre><div>a = 1</div><div>b = 2</div></pre>",
    ],
)
def test_code_is_one_node_without_numbers_and_buttons(markup: str):
    page = article(markup)
    assert [node.text for node in page.find("code")] == ["a = 1\nb = 2"]
    assert "Copy" not in page.text
    assert "1\n2" not in page.text


# -- formulas -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "text", "tex"),
    [
        ("<math><mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup></math>", "E=mc^2", ""),
        (
            "<math alttext='a/b'><mfrac><mi>a</mi><mrow><mi>b</mi><mo>+</mo><mn>1</mn></mrow></mfrac></math>",
            "a/(b+1)",
            "a/b",
        ),
        (
            "<math><semantics><msqrt><mi>x</mi></msqrt><annotation encoding=application/x-tex>\\sqrt x</annotation>"
            "</semantics></math>",
            "√x",
            "\\sqrt x",
        ),
        ("<script type=math/tex>E=mc^2</script>", "E=mc^2", "E=mc^2"),
        (
            "<span class=MathJax_Preview>E=mc2</span><span class=MathJax>E=mc2</span>"
            "<script type=math/tex>E=mc^2</script>",
            "E=mc^2",
            "E=mc^2",
        ),
        (
            "<span class=katex><span class=katex-mathml><math><semantics><mi>p</mi>"
            "<annotation encoding=application/x-tex>\\rho</annotation></semantics></math></span>"
            "<span class=katex-html aria-hidden=true>p</span></span>",
            "p",
            "\\rho",
        ),
        (
            "<mjx-container><mjx-math><mjx-mi>Q</mjx-mi></mjx-math>"
            "<mjx-assistive-mml><math><mi>Q</mi></math></mjx-assistive-mml></mjx-container>",
            "Q",
            "",
        ),
        (
            "<span class=mwe-math-element><span class='mwe-math-mathml-inline mwe-math-mathml-a11y' "
            "style='display: none;'><math alttext='x_1'><msub><mi>x</mi><mn>1</mn></msub></math></span>"
            "<img class=mwe-math-fallback-image-inline src=x.svg></span>",
            "x_1",
            "x_1",
        ),
    ],
)
def test_a_formula_is_read_once_marked_and_with_its_source(markup: str, text: str, tex: str):
    page = article(f"<p>We know that {markup} holds.</p>")
    paragraph = next(node for node in page.find("paragraph") if node.text.startswith("We know"))
    assert paragraph.text == f"We know that {text} holds."
    assert [(page.text[m.start : m.end], m.type) for m in paragraph.marks] == [(text, "math")]
    assert paragraph.attributes.get("tex") == [tex]


# -- captions -------------------------------------------------------------------------------------------------------


def bound(page: Document) -> list[tuple[str, str]]:
    """(source, caption) of every image in a figure."""
    found = []
    for figure in page.find("figure"):
        caption = " ".join(node.text for node in figure.find("caption"))
        found += [(str(image.attributes.get("src")).rsplit("/", 1)[-1], caption) for image in figure.find("image")]
    return found


@pytest.mark.parametrize(
    "markup",
    [
        "<div class=absatzbild><div><img src=a.jpg></div><div class=absatzbild__info><p>A rope.</p></div></div>",
        "<div class='media mediaA'><div><img src=a.jpg></div><div class=mediaInfo><p>A rope.</p></div></div>",
        "<div class=x7Qa><div class=k2><img src=a.jpg></div><div class=p0><p>A rope.</p></div></div>",
        "<figure><img src=a.jpg><figcaption><h2>A rope.</h2></figcaption></figure>",
        "<figure><div><img src=a.jpg></div><div><h4 class=image__caption>A rope.</h4></div></figure>",
    ],
)
def test_a_caption_is_bound_to_its_image_and_is_no_text(markup: str):
    page = article(markup)
    assert bound(page) == [("a.jpg", "A rope.")]
    assert "A rope." not in page.main_text
    assert [node.text for node in page.find("heading")] == ["A white tower"]


def test_a_column_of_text_is_no_caption_whatever_its_name():
    page = parse_html(
        "<main><h1>A white tower</h1><div class='column img_text'><figure><img src=a.jpg></figure>"
        f"<div>{BODY}</div></div></main>"
    )
    assert not page.find("caption")
    assert all(line in page.main_text for line in LINES)


def test_a_drawing_in_a_figure_is_its_image():
    page = article(
        "<figure><svg role=img aria-label='Paint by year'><text>12</text><rect/></svg>"
        "<figcaption>Paint.</figcaption></figure><figure><object data=chart.svg type=image/svg+xml "
        "aria-label='Rope by year'></object><figcaption>Rope.</figcaption></figure>"
    )
    assert [(image.attributes.get("alt"), image.attributes.get("src")) for image in page.images()] == [
        ("Paint by year", None),
        ("Rope by year", "https://e.example/d/chart.svg"),
    ]
    assert [node.text for node in page.find("caption")] == ["Paint.", "Rope."]


@pytest.mark.parametrize(
    ("markup", "src"),
    [
        (
            "<picture><source type=image/avif srcset=a.avif><source type=image/webp srcset=a.webp>"
            "<img alt=x></picture>",
            "a.webp",
        ),
        (
            "<picture><source type=image/avif data-srcset=a.avif><img class=lazy data-src=a.jpg alt=x></picture>",
            "a.jpg",
        ),
        ("<picture><source type=image/avif srcset=a.avif><img alt=x></picture>", "a.avif"),
        ("<amp-img src=a.jpg alt=x><noscript><img src=a.jpg alt=x></noscript></amp-img>", "a.jpg"),
    ],
)
def test_the_source_of_an_image_is_one_that_can_be_opened(markup: str, src: str):
    assert [image.attributes["src"] for image in article(markup).images()] == [f"https://e.example/d/{src}"]


# -- sections -------------------------------------------------------------------------------------------------------


def heading_over(page: Document, words: str) -> str:
    node = [node for node in page.walk() if words in node.text][-1]
    while node.kind != "section" and node.parent is not None:
        node = node.parent
    return node.children[0].text if node.kind == "section" else ""


@pytest.mark.parametrize(
    "box",
    [
        f"<aside><h3>In numbers</h3><p>{LINES[4]}</p></aside>",
        f"<div class=b3><h3>In numbers</h3><p>{LINES[4]}</p></div>",
        f"<details open><summary><h3>In numbers</h3></summary><p>{LINES[4]}</p></details>",
    ],
)
def test_the_heading_of_a_box_does_not_take_what_follows_the_box(box: str):
    page = parse_html(
        f"<main><article><h1>A white tower</h1><p>{LINES[0]}</p><h2>The climb</h2>"
        f"<p>{LINES[1]}</p>{box}<p>{LINES[2]}</p><p>{LINES[3]}</p></article></main>"
    )
    assert heading_over(page, LINES[4]) == "In numbers"
    assert heading_over(page, LINES[2]) == "The climb"


def test_the_time_of_an_entry_stands_in_the_entrys_section():
    entries = "".join(
        f"<article><time>1{n}:00</time><h2>Entry {n}</h2><p>{line}</p></article>" for n, line in enumerate(LINES)
    )
    page = parse_html(f"<main><h1>Live: a white tower</h1>{entries}</main>")
    for n, line in enumerate(LINES):
        section = next(node for node in page.find("section") if node.find("heading")[0].text == f"Entry {n}")
        assert f"1{n}:00" in section.text
        assert line in section.text
        assert f"1{n + 1}:00" not in section.text


# -- tables ---------------------------------------------------------------------------------------------------------


def test_cells_of_a_head_are_headers_and_a_foot_stands_below():
    page = article(
        "<table><thead><tr><td>Year</td><td>Paint</td></tr></thead><tfoot><tr><td>All</td><td>9</td></tr></tfoot>"
        "<tbody><tr><td>1988</td><td>9</td></tr></tbody></table>"
    )
    cells = page.find("cell")
    assert [cell.text for cell in cells if cell.attributes.get("header")] == ["Year", "Paint"]
    assert {cell.text: cell.position[0] for cell in cells if cell.text != "9"} == {
        "Year": 0, "Paint": 0, "1988": 1, "All": 2,
    }  # fmt: skip


# -- metadata -------------------------------------------------------------------------------------------------------

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
        (
            "<title>A white tower - Lexicon</title>" + LD.format('{"@type":"Article","headline":"building on a rock"}'),
            "<h1>A white tower</h1>",
            "A white tower",
        ),
        (
            "<title>Tower: news</title>" + LD.format('{"@type":"Article","headline":"The tower is white again"}'),
            "<h1>The tower is white again</h1>",
            "The tower is white again",
        ),
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


# -- headings that are bold paragraphs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "heading",
    [
        "<p><strong>What the climbers say</strong></p>",
        "<p><span style='color:grey'><b>What the climbers say</b></span></p>",
        "<p><b>What the</b> <b>climbers say</b></p>",
    ],
)
def test_a_bold_line_between_paragraphs_is_a_heading(heading: str):
    page = article(heading)
    assert heading_over(page, LINES[1]) == "A white tower"
    assert heading_over(page, LINES[2]) == "What the climbers say"
    assert next(h for h in page.find("heading") if h.text.startswith("What")).attributes["level"] == 2


@pytest.mark.parametrize(
    "line",
    [
        "<p><b>Note:</b> the rope was new.</p>",
        "<p><b>The rope was new, and so was the paint.</b></p>",
        "<p><b><a href=/x>More about towers</a></b></p>",
        "<p><b>Ida Roe, who keeps the tower, was not there when the two climbers came to paint it</b></p>",
    ],
)
def test_bold_words_are_no_heading(line: str):
    assert [node.text for node in article(line).find("heading")] == ["A white tower"]
