"""Kinds of faults that pages from the open web brought to light: one small page a kind, and the right value.

Each stands for a class of pages reported to parsers in public; the pages here are made for the test.
"""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, bound, codes, heading_over

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


def test_what_react_streams_stands_where_its_script_puts_it():
    page = parse_html(
        "<main><h1>A tower</h1><!--$?--><template id='B:0'></template><p>Loading</p><!--/$--><p>The end.</p></main>"
        "<div hidden id='S:0'><p>One.</p><template id='P:1'></template></div><div hidden id='S:1'><p>Two.</p></div>"
        "<script>$RS('S:1','P:1');$RC('B:0','S:0')</script>"
    )
    assert [node.text for node in page.find("paragraph")] == ["One.", "Two.", "The end."]


@pytest.mark.parametrize("call", ["$RC('B:0','S:0')", "$RC('B:9','S:9')", "$RC('S:0','S:0')"])
def test_what_react_cannot_put_in_place_is_left_as_it_is(call: str):
    page = parse_html(
        f"<p>One.</p><div hidden id='S:0'><p>Two.</p><template id='B:0'></template></div><script>{call}</script>"
    )
    assert [node.text for node in page.find("paragraph")] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("body", "script", "texts"),
    [
        (
            "<p>A.</p><!--$?--><template id='B:0'></template><!--/$-->",
            "$RC('B:0','S:0');$RC('B:0','S:0')",
            ["A.", "S0."],
        ),
        (
            "<!--$?--><template id='B:0'></template><!--$?--><template id='B:1'></template><p>L.</p><!--/$--><!--/$-->",
            "$RC('B:0','S:0');$RC('B:1','S:1')",
            ["S0."],
        ),
        (
            "<!--$?--><template id='B:0'></template><div><template id='B:1'></template></div><!--/$--><p>A.</p>",
            "$RC('B:0','S:0');$RC('B:1','S:1')",
            ["S0.", "A."],
        ),
        ("<div><template id='B:0'></template><p>The rest.</p></div>", "$RC('B:0','S:0')", ["S0.", "The rest."]),
    ],
)
def test_what_react_streams_twice_or_without_a_close_costs_no_text(body: str, script: str, texts: list[str]):
    parts = "<div hidden id='S:0'><p>S0.</p></div><div hidden id='S:1'><p>S1.</p></div>"
    page = parse_html(f"<main><p>{LINES[0]}</p>{body}</main>{parts}<script>{script}</script>")
    assert [node.text for node in page.find("paragraph")][1:][: len(texts)] == texts


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


@pytest.mark.parametrize(
    ("condition", "hides"),
    [
        ("(min-width: 800px)", True),
        ("screen and (max-width:.5em)", False),
        ("(max-width: 2000px)", True),
        ("(min-width: 1.2.3px)", False),
        ("(min-width: .px)", False),
        ("(min-width: " + "9" * 4_000 + "px)", False),
        ("print", False),
    ],
)
def test_a_condition_holds_on_the_screen_of_a_desk_or_is_taken_to_fail(condition: str, hides: bool):
    style = f"<style>@media {condition} {{.away {{display:none}}}}</style>"
    page = article("<p class=away>A line for some screens only.</p>", head=style)
    assert ("A line for some screens only." not in page.text) == hides


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


def test_a_small_drawing_with_words_is_the_image_of_its_figure():
    page = article("<figure><svg viewBox='0 0 9 9'><text>Ships 12</text></svg><figcaption>Ships.</figcaption></figure>")
    assert len(page.images()) == 1
    assert [node.text for node in page.find("caption")] == ["Ships."]
    assert not article("<p>Go <svg viewBox='0 0 9 9'><path d=''/></svg> on.</p>").images()


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


def test_what_is_named_a_box_is_one_between_other_elements_too():
    page = parse_html(
        f"<main><h1>A white tower</h1><h2>The climb</h2><div>{BODY}</div><div class=infobox><h3>In numbers</h3>"
        "<p>It has ninety steps and one lamp.</p></div><div><p>So they climbed.</p></div></main>"
    )
    assert heading_over(page, "ninety steps") == "In numbers"
    assert heading_over(page, "So they climbed.") == "The climb"


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
