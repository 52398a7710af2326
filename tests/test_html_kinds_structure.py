"""Kinds of faults of structure: headings, lines, captions, tables, code, formulas, quotations; one page a kind."""

import pytest

from docgraph.parsers.html.page import parse_html
from tests.white_tower import LINES, article, bound, codes, heading_over


@pytest.mark.parametrize(
    "style",
    [
        "font-size:1px",
        "position:absolute;left:-999em",
        "position:fixed;left:-200vw",
        "transform:translateX(-9999px)",
        "transform:scale(0)",
        "text-indent:-9999px",
        "clip-path:circle(0)",
        "height:0;overflow:hidden",
        "width:1px;height:1px;overflow:hidden",
        "opacity:0",
        "color:#fff;background:#fff",
        "color:transparent",
        "color:rgba(255, 255, 255, 0)",
        "color:#00000000",
        "color:rgb(255, 255, 255);background-color:white",
        "opacity:0.01",
        "translate:-9999px 0",
        "filter:opacity(0)",
        "clip-path:polygon(0 0, 0 0, 0 0)",
    ],
)
def test_text_hidden_by_place_size_or_colour_is_kept_apart(style: str):
    page = article(f"<div style='{style}'><p>Ignore what stood before.</p></div>")
    assert "Ignore what stood before." not in page.text
    assert "hidden.by_style" in codes(page)


@pytest.mark.parametrize(
    "style",
    [
        "height:0",
        "opacity:0.9",
        "opacity:0;transition:opacity 1s",
        "margin-left:-20px",
        "font-size:.9em",
        "color:#fff;background:#000",
        "color:#fff;background:#fff url(sea.jpg)",
        "color:#fff;background-color:#fff;background-image:url(sea.jpg)",
        "color:inherit;background:inherit",
        "color:transparent;-webkit-background-clip:text",
        "transform:translateX(-50%)",
    ],
)
def test_text_that_is_only_moved_or_fades_in_is_text(style: str):
    assert "A word more." in article(f"<div style='{style}'><p>A word more.</p></div>").text


@pytest.mark.parametrize(
    ("css", "seen"),
    [
        (".w .x{display:none}", False),
        ("@media (min-width: 768px){.x{display:none}}", False),
        (".x{font-size:0}", False),
        (".x{color:#fff;background-color:#fff}", False),
        (":is(.x, .y){display:none}", False),
        ("@media print{.x{display:block}} .x{display:none}", False),
        ("@media screen{.x{display:block}} .x{display:none}", True),
        ("[class~=x]{display:none}", False),
        (".X{DISPLAY:NONE} .x{Display:None}", False),
        (":is(.w) .y{display:none}", True),
        (".x:is(p){display:none}", True),
        (".other .x{display:none}", True),
        (".w + .x{display:none}", True),
        ("@media (max-width: 600px){.x{display:none}}", True),
        ("@media (min-width: 2000px){.x{display:none}}", True),
        (".x{display:none} @media (max-width:1px){.x{display:block}}", False),
        (".x{display:none} @media only print{.x{display:block}}", False),
        (".x{display:none} @media print, screen{.x{display:block}}", True),
        ("@supports not (display:grid){.x{display:none}}", True),
        ("@supports (display:grid){.x{display:none}}", False),
        (".w .x{display:none} .x{display:block}", False),
        (".w .x{display:none} .x{display:block!important}", True),
        (".w .x{display:none} .m:hover .x{display:block}", True),
    ],
)
def test_selectors_and_conditions_of_a_style_sheet(css: str, seen: bool):
    page = article("<div class=w><div class=x><p>A word more.</p></div></div>", head=f"<style>{css}</style>")
    assert ("A word more." in page.text) == seen


def test_a_rule_of_any_name_that_is_hidden_can_show_it():
    style = "<style>.a.b{display:none} .b.c{display:block} .b.d{display:block}</style>"
    for names in ("a b c", "a b d"):
        assert "A word more." in article(f"<div class='{names}'><p>A word more.</p></div>", head=style).text
    style = "<style>.a.b.c{display:none} .c.a.b{display:block}</style>"
    assert "A word more." in article("<div class='a b c'><p>A word more.</p></div>", head=style).text


def test_a_style_sheet_knows_a_cell_by_the_tag_that_is_written():
    page = article("<div class=x role=cell><p>A word more.</p></div>", head="<style>div.x{display:none}</style>")
    assert "A word more." not in page.text


@pytest.mark.parametrize(("media", "seen"), [("screen and (min-width:1px)", False), ("print", True), ("SCREEN", False)])
def test_a_style_sheet_is_read_if_it_is_for_the_screen_of_a_desk(media: str, seen: bool):
    style = f"<style media='{media}'>.x{{display:none}}</style>"
    assert ("A word more." in article("<div class=x><p>A word more.</p></div>", head=style).text) == seen


@pytest.mark.parametrize(
    "heading",
    [
        "<p class=crosshead>What they say</p>",
        "<div class=zwischentitel>What they say</div>",
        "<p class=articleSubheading>What they say</p>",
        "<p class=Article_subtitle__x9Z1a>What they say</p>",
        "<p class='paragraph--title'>What they say</p>",
        "<div><b>What they say</b></div>",
        "<center><b>What they say</b></center>",
        "<div><p><b>What they say</b></p></div>",
        "<p><strong>■ What they say</strong></p>",
        "<p style='font-weight:bold'>What they say</p>",
        "<p><span style='font-weight: 700'>What they say</span></p>",
        "<p><b>“What they say”</b></p>",
        "<p><b>What they say:</b></p>",
    ],
)
def test_a_line_that_looks_like_a_heading_is_one(heading: str):
    assert "What they say" in heading_over(article(heading), LINES[2])


def test_a_bold_first_line_is_the_heading_of_its_paragraph():
    page = article(f"<p><strong>What they say</strong><br>{LINES[0].replace('May', 'June')}</p>")
    assert heading_over(page, "June") == "What they say"
    assert (
        heading_over(article(f"<p><b>By Ida Roe</b></p><p>{'So it is said. ' * 6}</p>"), "So it is") == "A white tower"
    )


@pytest.mark.parametrize("end", ["<br>", "<br><br>"])
def test_a_bold_line_between_the_lines_of_one_element_is_a_heading(end: str):
    page = parse_html(
        f"<main><h1>A white tower</h1><div>{end.join([*LINES, '<b>What they say</b>', LINES[0].upper()])}</div></main>"
    )
    assert heading_over(page, LINES[0].upper()) == "What they say"
    assert heading_over(page, LINES[1]) == "A white tower"


def test_a_paragraph_of_chinese_signs_is_long_enough_for_a_heading():
    page = parse_html(
        f"<main><h1>灯台</h1><p>{'白い灯台は岩の上に立つ。' * 3}</p><p><b>海の底</b></p><p>{'漁師は朝に出た。' * 3}</p>"
    )
    assert heading_over(page, "漁師は") == "海の底"


def test_a_bold_line_heads_the_list_below_it():
    assert heading_over(article("<p><b>You need</b></p><ul><li>Paint</li><li>A rope</li></ul>"), "A rope") == "You need"


@pytest.mark.parametrize("last", ["“Yes.”", "(Photo: the author)", "It rained."])
def test_long_lines_are_paragraphs_among_short_ones(last: str):
    page = parse_html(f"<main><h1>A white tower</h1><div>{'<br>'.join([*LINES, last])}</div></main>")
    assert [node.text for node in page.find("paragraph")] == [*LINES, last]
    for node in page.walk():
        assert page.text[slice(*node.span)] == node.text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p><span style='display:block'>rye</span><span style='display:block'>wheat</span></p>", "rye wheat"),
        ("<p><a href=/1>bread</a><a href=/2>oven</a></p>", "bread oven"),
        ("<p><span>Ann Lee</span><time>6 May</time></p>", "Ann Lee 6 May"),
        ("<p><x-a>rye</x-a><x-b>wheat</x-b></p>", "rye wheat"),
        ("<p><span>T</span>he oven <span>mc</span><span>donald</span></p>", "The oven mcdonald"),
    ],
)
def test_words_that_only_a_style_sets_apart_do_not_run_together(markup: str, text: str):
    assert text in " ".join(article(markup).text.split())


@pytest.mark.parametrize(
    "markup",
    [
        "<div><img src=a.jpg></div><p class=picture-caption>A rope.</p>",
        "<div><img src=a.jpg></div><figcaption>A rope.</figcaption>",
        "<img src=a.jpg aria-describedby=c><p id=c>A rope.</p>",
        "<p><img src=a.jpg><br><em>A rope.</em></p>",
        "<p><img src=a.jpg></p><p><em>A rope.</em></p>",
        "<figure><img src=a.jpg></figure><p class=image-caption>A rope.</p>",
        "<p align=center><img src=a.jpg></p><p style='text-align: center'>A rope.</p>",
        "<div class=zdjecie><img src=a.jpg><span class=podpis>A rope.</span></div>",
        "<div><img src=a.jpg><p class=bijschrift>A rope.</p></div>",
        "<table><tr><td><img src=a.jpg></td></tr><tr><td class=tr-caption>A rope.</td></tr></table>",
        "<dl class=gallery-item><dt><img src=a.jpg></dt><dd class=gallery-caption>A rope.</dd></dl>",
    ],
)
def test_a_caption_beside_its_picture_is_bound_to_it(markup: str):
    page = article(markup)
    assert bound(page) == [("a.jpg", "A rope.")]
    assert "A rope." not in page.main_text


@pytest.mark.parametrize("names", ["photo-info", "image-text-row", "picture"])
def test_two_paragraphs_beside_a_picture_are_no_caption(names: str):
    page = article(f"<div class={names}><img src=a.jpg><div><p>{LINES[0]} One.</p><p>{LINES[1]} Two.</p></div></div>")
    assert "One." in page.main_text
    assert "Two." in page.main_text


@pytest.mark.parametrize(
    "rows",
    [
        "<tr><td><b>Year</b></td><td><strong>Paint</strong></td></tr><tr><td>1988</td><td>9</td></tr>",
        "<tr class=header><td>Year</td><td>Paint</td></tr><tr><td>1988</td><td>9</td></tr>",
        "<tr><td class=head>Year</td><td class=head>Paint</td></tr><tr><td>1988</td><td>9</td></tr>",
        "<tr><td style='font-weight:bold'>Year<td style='font-weight:bold'>Paint</tr><tr><td>1988</td><td>9</td></tr>",
        "<tr><td role=columnheader>Year</td><td role=columnheader>Paint</td></tr><tr><td>1988</td><td>9</td></tr>",
        "<tbody><tr><td>1988</td><td>9</td></tr></tbody><thead><tr><td>Year</td><td>Paint</td></tr></thead>",
    ],
)
def test_a_row_that_looks_like_a_head_is_one_and_stands_above(rows: str):
    cells = article(f"<table>{rows}</table>").find("cell")
    assert {cell.text for cell in cells if cell.attributes.get("header")} == {"Year", "Paint"}
    assert {cell.text: cell.position[0] for cell in cells} == {"Year": 0, "Paint": 0, "1988": 1, "9": 1}


@pytest.mark.parametrize(
    "table",
    [
        "<table><tr><td class=blob-num data-line-number=1></td><td class=blob-code>a = 1</td></tr>"
        "<tr><td class=blob-num data-line-number=2></td><td class=blob-code>b = 2</td></tr></table>",
        "<table class=code><tr><td class=line-num>1</td><td>a = 1</td></tr>\n"
        "<tr><td class=line-num>2</td><td>b = 2</td></tr></table>",
        "<table class=crayon-table><tr><td class=crayon-nums><div>1</div><div>2</div></td>"
        "<td class=crayon-code><div>a = 1</div><div>b = 2</div></td></tr></table>",
        "<table><tr><td><pre>1\n2</pre></td><td><pre>a = 1\nb = 2</pre></td></tr></table>",
        "<pre><code><table class=hljs-ln><tr><td class=hljs-ln-numbers>1</td><td class=hljs-ln-code>a = 1</td></tr>"
        "<tr><td class=hljs-ln-numbers>2</td><td class=hljs-ln-code>b = 2</td></tr></table></code></pre>",
    ],
)
def test_a_table_that_numbers_lines_is_code(table: str):
    page = article(table)
    assert [node.text for node in page.find("code")] == ["a = 1\nb = 2"]
    assert not page.find("table")


def test_a_table_of_numbers_is_no_code():
    page = article("<table><tr><td>1</td><td>9 kg</td></tr><tr><td>2</td><td>8 kg</td></tr></table>")
    assert not page.find("code")
    assert len(page.find("cell")) == 4


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        (r"We have \(a_1 + b\) here.", [r"a_1 + b"]),
        (r"We have \[ x^2 \] here.", ["x^2"]),
        ("We have $$x_1$$ here.", ["x_1"]),
        ("We have $E = mc^2$ here.", ["E = mc^2"]),
        (r"\begin{align} x &= 1 \end{align}", [r"\begin{align} x &= 1 \end{align}"]),
        ("It costs $5, or $6 with jam.", []),
        (r"It costs $5, and \(x\) more.", ["x"]),
        ("We have $ here.", []),
    ],
)
def test_tex_between_delimiters_stays_and_is_marked(text: str, formulas: list[str]):
    page = article(f"<p>{text.replace('&', '&amp;')}</p>")
    paragraph = next(node for node in page.find("paragraph") if node.text == text)
    assert paragraph.attributes.get("tex", []) == formulas
    assert len([mark for mark in paragraph.marks if mark.type == "math"]) == len(formulas)


def test_tex_in_code_is_code_and_that_of_a_picture_is_a_formula():
    assert not [mark for mark in article(r"<p><code>\(x\)</code> is code</p>").marks if mark.type == "math"]
    page = article("<p>Let <img class=latex src=e.png alt='x^2'> be.</p>")
    assert next(node for node in page.find("paragraph") if "Let" in node.text).attributes["tex"] == ["x^2"]


@pytest.mark.parametrize(
    "markup",
    [
        "<blockquote><p>Paint is work.</p><footer>Ida Roe</footer></blockquote>",
        "<blockquote>Paint is work.<cite>Ida Roe</cite></blockquote>",
        "<figure><blockquote><p>Paint is work.</p></blockquote><figcaption>Ida Roe</figcaption></figure>",
    ],
)
def test_the_source_of_a_quotation_is_kept_with_it(markup: str):
    page = article(markup.replace("<blockquote", "<blockquote cite=/letters"))
    quote = page.find("quote")[0]
    assert quote.attributes == {"cite": "https://e.example/letters", "source": "Ida Roe"}
    assert "Paint is work." in page.main_text
    assert "work.Ida" not in page.text


@pytest.mark.parametrize(
    "entry",
    [
        "<div class=entry><div>1{n}:05</div><p>{text}</p></div>",
        "<div class=entry><div>1{n}:05</div><div><h2>Entry {n}</h2><p>{text}</p></div></div>",
        "<section><p><time>1{n}:05</time></p><p>{text}</p></section>",
    ],
)
def test_an_entry_of_a_live_blog_is_a_section_with_its_time(entry: str):
    entries = "".join(entry.format(n=n, text=text) for n, text in enumerate(LINES))
    page = parse_html(f"<main><h1>Live: a white tower</h1><div>{entries}</div></main>")
    for n, line in enumerate(LINES):
        held = [node for node in page.find("section") if line in node.text][-1]
        assert f"1{n}:05" in held.text
        assert [other for other in LINES if other in held.text] == [line]


@pytest.mark.parametrize(
    ("markup", "sources"),
    [
        ("<amp-img src=a.jpg alt=x><amp-img fallback src=b.jpg></amp-img></amp-img>", ["a.jpg"]),
        ("<svg><image href=a.jpg /></svg>", ["a.jpg"]),
        ("<div role=img aria-label=x style='background-image:url(a.jpg)'></div>", ["a.jpg"]),
    ],
)
def test_pictures_in_other_elements(markup: str, sources: list[str]):
    images = article(f"<div>{markup}</div>").images()
    assert [image.attributes["src"] for image in images] == [f"https://e.example/d/{name}" for name in sources]


def test_what_side_bars_and_other_articles_say_is_not_the_pages():
    box = "<div class=card><h3>Other</h3><p class=byline>By Bo Ek</p><time datetime=2011-01-01>then</time></div>"
    page = article(before=f"<aside>{box}</aside>", after=f"<div class=related><article>{box}</article></div>")
    assert (page.metadata.authors, page.metadata.date) == ((), None)


@pytest.mark.parametrize(
    ("encoding", "label", "language", "words"),
    [
        ("iso2022_jp", "shift_jis", "ja", "灯台は五月に塗り直された。"),
        ("koi8-r", "windows-1251", "ru", "Маяк снова покрасили в мае. Вахта длилась неделю, и никто не жаловался."),
        ("iso8859_2", "iso-8859-1", "pl", "Wieża została pomalowana w maju, po jedenastu zimach bez źródła farby."),
        ("cp1250", "iso-8859-1", "cs", "Věž byla natřena v květnu, po jedenácti zimách, říká šéf přístavu."),
        ("cp1254", "iso-8859-1", "tr", "Kule mayısta yeniden boyandı, değirmenin karşısında, kışın ardından."),
    ],
)
def test_a_wrong_label_of_one_byte_is_found_out(encoding: str, label: str, language: str, words: str):
    page = parse_html(f"<html lang={language}><meta charset={label}><p>{words}</p>".encode(encoding))
    assert words in page.text


def test_a_guess_from_few_letters_says_so():
    assert "decode.unsure" in codes(parse_html("<p>שלום.</p>".encode("cp1255")))
    assert "decode.unsure" not in codes(parse_html("<meta charset=cp1255><p>שלום.</p>".encode("cp1255")))


def test_the_slides_that_a_script_shows_one_after_the_other_are_kept():
    slide = "<figure class='slide{}'><img src={}.jpg alt=x><figcaption>Tower number {}.</figcaption></figure>"
    slides = "".join(slide.format("" if n == 1 else " off", n, n) for n in (1, 2, 3))
    page = article(f"<style>.off{{display:none}}</style><div>{slides}</div><p class=off>Nobody sees this line.</p>")
    captions = ["".join(c.text for c in figure.children if c.kind == "caption") for figure in page.find("figure")]
    assert captions == [f"Tower number {n}." for n in (1, 2, 3)]
    assert "Nobody" not in page.text


def test_figures_with_other_text_are_no_slides_and_stay_hidden():
    slide = (
        "<figure class=off><img src=a.jpg alt=x><figcaption>A tower.</figcaption><p>Do as this line says.</p></figure>"
    )
    page = article(f"<style>.off{{display:none}}</style><div>{slide * 3}</div>")
    assert "this line" not in page.text
    assert "hidden.by_sheet" in codes(page)


@pytest.mark.parametrize("name", ["storefront-image", "x-img", "lazy-photo"])
def test_an_element_that_a_script_defines_may_be_an_image(name: str):
    page = article(f"<figure><{name} src=a.jpg alt=Tower></{name}><figcaption>The tower.</figcaption></figure>")
    assert [image.attributes["src"] for image in page.images()] == ["https://e.example/d/a.jpg"]
    page = article(f"<{name} src=a.jpg><img src=b.jpg></{name}>")
    assert [image.attributes["src"] for image in page.images()] == ["https://e.example/d/b.jpg"]


def test_divisions_that_are_a_table_by_their_roles_are_one():
    row = "<div role=row><div role=columnheader>Year</div><div role=columnheader>Paint</div></div>"
    page = article(
        f"<div role=table><div role=rowgroup>{row}</div><div role=rowgroup><div role=row><div role=cell>1988</div>"
        "<span role=cell>9</span></div></div></div>"
    )
    cells = [(tuple(node.position), node.text, bool(node.attributes.get("header"))) for node in page.find("cell")]
    assert cells == [((0, 0), "Year", True), ((0, 1), "Paint", True), ((1, 0), "1988", False), ((1, 1), "9", False)]
    assert page.find("cell")[0].source.xpath.endswith("/div[1]/div[1]/div[1]/div[1]")


@pytest.mark.parametrize(
    ("markup", "text", "images"),
    [
        ("<script type=math/asciimath>a^2</script>", "a^2", 0),
        ("<math><mfenced><mi>a</mi><mi>b</mi></mfenced></math>", "(a,b)", 0),
        ("<math><mfenced open='[' close='[' separators=';'><mi>a</mi><mi>b</mi></mfenced></math>", "[a;b[", 0),
        ("<span class=katex><span class=katex-html aria-hidden=true>a=1</span></span>", "a=1", 0),
        ("<img class=ql-img-inline-formula alt='$a_1$' src=a.png>", "a_1", 1),
        (
            "<span class=mwe-math-element><span class=mwe-math-mathml style='display:none'><math><mi>a</mi></math>"
            "</span><img class=mwe-math-fallback-image-inline alt=a src=a.svg></span>",
            "a",
            0,
        ),
    ],
)
def test_a_formula_in_any_dress_is_read_once(markup: str, text: str, images: int):
    page = article(f"<p>So {markup} it is.</p>")
    assert f"So {text} it is." in page.text
    assert len(page.images()) == images


@pytest.mark.parametrize(
    "markup",
    [
        "<div class=line-numbers-mode><pre><code>a = 1\nb = 2</code></pre>"
        "<div class=line-numbers-wrapper><span>1</span><br><span>2</span><br></div></div>",
        "<pre><code>a = 1\nb = 2</code><ul class=pre-numbering><li>1</li><li>2</li></ul></pre>",
        "<p><code>a = 1<br>b = 2</code></p>",
    ],
)
def test_code_is_code_without_its_numbers(markup: str):
    page = article(markup)
    assert [node.text for node in page.find("code")] == ["a = 1\nb = 2"]
    assert "1 2" not in " ".join(page.main_text.split())


@pytest.mark.parametrize(
    "source",
    ["<p class=attribution>Ida Roe</p>", "<p>— Ida Roe</p>", "<small>Ida Roe</small>"],
)
def test_the_last_line_of_a_quotation_may_be_its_source(source: str):
    quote = article(f"<blockquote><p>A tower is a lamp with stairs.</p>{source}</blockquote>").find("quote")[0]
    assert "Ida Roe" in str(quote.attributes["source"])
    quote = article("<blockquote><p>A tower is a lamp.</p><p>It has stairs.</p></blockquote>").find("quote")[0]
    assert "source" not in quote.attributes


@pytest.mark.parametrize("time", ["Today, {} am", "Updated at {}", "Mon {}"])
def test_words_may_stand_before_the_time_of_an_entry(time: str):
    entries = "".join(
        f"<div class=e><div>{time.format(at)}</div><p>{line}</p></div>"
        for at, line in zip(("08:00", "08:35", "09:10"), LINES, strict=False)
    )
    page = parse_html(f"<main><h1>Live</h1>{entries}</main>")
    sections = [node.text for node in page.find("section") if "08:35" in node.text and "08:00" not in node.text]
    assert len(sections) == 1
    assert LINES[1] in sections[0]
