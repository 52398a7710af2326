"""Markdown and outline: readable, escaped, safe, and total over every document."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from docgraph import DocumentBuilder, parse_article, parse_html, parse_markdown, parse_text
from docgraph.formats.markdown_inline import safe_address
from tests.documents import documents, drawn


def rendered(markdown: str) -> str:
    """HTML of the Markdown by markdown-it, an independent reader of CommonMark and GFM tables."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


@drawn
@given(documents())
def test_exports_are_total_and_run_nothing(document):
    markdown = document.to_markdown()
    html = rendered(markdown).lower()
    assert "<script" not in html
    assert not re.search(r"""(?:href|src)\s*=\s*["']?\s*(?:javascript|vbscript|data):""", html)
    document.to_markdown(main_only=True)
    assert len(document.outline().split("\n")) == len(document)
    assert document.outline(max_nodes=1).count("\n") == (len(document) > 1)


class Tags(HTMLParser):
    """The tags that are open, those that ever were, and the text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.add(tag)
        assert all(name in ("style", "open") for name, _ in attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@drawn
@given(documents())
def test_a_notebook_gets_balanced_tags_of_ours_alone(document):
    tags = Tags(document._repr_html_())
    assert tags.open == []
    assert tags.seen <= {"div", "b", "i", "details", "summary"}


def test_a_notebook_gets_hostile_words_as_words():
    page = parse_html("<title>&lt;script></title><p>&lt;img src=x onerror=alert(1)> and more.</p><p>End.</p>")
    tags = Tags(page._repr_html_())
    assert "<img src=x onerror=alert(1)> and more." in tags.text
    assert "<script>" in tags.text
    assert "End." in tags.text


PAGE = """<html><body><h1>Title *x*</h1>
<p>Some <b>bold </b>text, <a href="http://e.org/a_(b)?x=1&amp;y=2">good <i>it</i></a>, snake_case, 1*2*3,
<code>a`b</code>, a &lt;b&gt; &amp;amp; c.</p>
<h2>Second</h2><ol start=3><li>one<ul><li>in 1</li><li>in 2</li></ul></li><li>two</li></ol>
<blockquote><p>q1</p><p>q2</p></blockquote><pre class="language-python"><code class="language-python">def f():
    return ```x```</code></pre><p># no heading</p><p>1. no list</p><p>- no list</p><p>&gt; no quote</p>
<p>line<br>+ break</p>
<table><caption>Cap</caption><tr><th>a|b<th>c</tr><tr><td rowspan=2>1<td>2 <b>x</b></tr><tr><td>3</tr></table>
<figure><img src=b.png alt="A ] b"><figcaption>Below it.</figcaption></figure></body></html>"""


def test_markdown_read_back_is_the_document_again():
    document = parse_html(PAGE, url="http://h.org/p/")
    again = parse_markdown(document.to_markdown())
    skipped = ("section", "figure", "caption", "paragraph", "page")
    told = [(n.kind, n.text) for n in document if n.kind not in skipped]
    assert [(n.kind, n.text) for n in again if n.kind not in skipped] == told
    assert again.text == document.text
    assert [n.attributes.get("level") for n in again.find("heading")] == [1, 2]
    assert again.find("list")[0].attributes["start"] == 3
    assert again.find("code")[0].attributes["code_language"] == "python"
    assert again.images()[0].attributes == {"src": "http://h.org/p/b.png", "alt": "A ] b"}
    assert [(link.text, link.href) for link in again.links] == [("good it", "http://e.org/a_%28b%29?x=1&y=2")]
    kept = ("strong", "emphasis", "code")
    of = [[(m.type, d.text[m.start : m.end].strip()) for m in d.marks if m.type in kept] for d in (document, again)]
    assert set(of[0]) <= set(of[1])  # the caption is set in emphasis too


@drawn
@given(documents())
def test_what_is_no_markup_in_the_document_is_none_in_its_markdown(document):
    words = "".join(c if c.isalnum() else " " for c in document.text).split()
    text = re.sub(r"<[^>]*>", "", rendered(document.to_markdown()))
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
        "java\tscript:x", "\x01javascript:x",
        "vbscript:x", "data:text/html,<script>", "data:text/html;base64,xx", "file:///etc/passwd", "blob:x",
        "view-source:x", "about:blank",
    ],
)  # fmt: skip
def test_addresses_that_run_something_are_dropped(address):
    assert safe_address(address) is None
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", "word", marks=[(0, 4, "link", address)])
    builder.leaf("image", attributes={"src": address, "alt": "x"})
    builder.close()
    assert builder.build().to_markdown() == "word\n\n![x]()\n"


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("http://e.org/a b", "http://e.org/a%20b"),
        ("a_(b).html#c", "a_%28b%29.html#c"),
        ("//e.org/x", "//e.org/x"),
        ("mailto:a@b.c", "mailto:a@b.c"),
        ("x>y<z\\", "x%3Ey%3Cz%5C"),
        ("&#106;avascript:alert(1)", "&amp;#106;avascript:alert%281%29"),
    ],
)
def test_harmless_addresses_are_written_so_that_they_stay_one(address, written):
    assert safe_address(address) == written
    assert safe_address("https://e.org/a.png", image=True) == "https://e.org/a.png"
    assert safe_address("mailto:a@b.c", image=True) is None


def test_main_only_leaves_out_the_rest():
    document = parse_html(
        "<nav><a href=/>Home</a></nav><main><h1>News</h1>"
        + "<p>It rained for days, and the ferry waited.</p>" * 5
        + "</main>"
    )
    assert "Home" in document.to_markdown()
    assert "Home" not in document.to_markdown(main_only=True)
    assert "ferry" in document.to_markdown(main_only=True)
    assert parse_text("All.").to_markdown(main_only=True) == "All.\n"


def test_articles_and_plain_text_as_markdown():
    article = parse_article({"headline": "Late", "caption": "A cat.", "body": "One.\n\nTwo.", "image": b"x"})
    assert article.to_markdown() == "# Late\n\n*A cat.*\n\nOne.\n\nTwo.\n\n![](picture-1)\n"
    assert parse_text("a\nb\n\nc").to_markdown() == "a\nb\n\nc\n"
    assert parse_text("").to_markdown() == ""


def test_a_table_whose_spans_claim_a_huge_grid_stays_small():
    builder = DocumentBuilder()
    from docgraph import Domain

    builder.open("table", domain=Domain.GRID)
    for row in range(2_000):
        builder.block("cell", "x", position=(row * 30, 999))
    builder.close()
    assert len(builder.build().to_markdown()) < 100_000


def test_the_outline_tells_kind_role_place_and_picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "cat.jpg")
    (tmp_path / "p.html").write_text(
        "<title>Harbour</title><nav><a href=/>Home</a></nav>"
        "<main><h1>News</h1><p>It rained. The ferry waited for hours.</p>"
        "<img src=cat.jpg alt='A cat'><img src=gone.jpg><table><tr><th>a<th>b<tr><td>1<td>2</table></main>"
    )
    lines = parse_html(tmp_path / "p.html").outline(width=60).splitlines()
    text = "\n".join(line.strip() for line in lines)
    assert lines[0].startswith("page ")
    assert '"Harbour"' in lines[0]
    for told in ("[nav]", "[main]", 'heading 1 "News"', 'sentence "It rained."',
    'image cat.jpg 64 x 48 "A cat"', "image gone.jpg (missing)",
                 "table 2 x 2", 'cell (0, 1) header "b"'):  # fmt: skip
        assert told in text
    assert max(map(len, lines)) <= 60
    assert "64 x 48" not in parse_html(tmp_path / "p.html").outline(sizes=False)


def test_the_outline_sends_no_control_characters_to_a_terminal():
    builder = DocumentBuilder()
    builder.open("page", attributes={"language": "\x1b[31m"})
    builder.block("para\x1bgraph", "\x1b]0;title\x07 re\u202ad", attributes={"href": "\x9b2J"})
    builder.leaf("image", attributes={"src": "a\x1b[2J.png", "alt": "\x1b[5m"})
    builder.close()
    shown = builder.build().outline()
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert "title" in shown


def test_tex_stays_as_it_is_between_dollars_and_in_formulas():
    page = parse_html(
        r"<p>Here $$h_{i}^{\ell+1} = W \left( Q_{a} * b * c \right)$$ and $a_b$ and "
        r"<script type='math/tex'>x_1 * y_2</script>, but $5*2 and $6*3.</p>"
    )
    written = page.to_markdown()
    for tex in (r"$$h_{i}^{\ell+1} = W \left( Q_{a} * b * c \right)$$", "$a_b$", "$x_1 * y_2$"):
        assert tex in written
    assert r"$5\*2 and $6\*3" in written


@pytest.mark.parametrize(
    "inside", ["[x](javascript:alert(1))", "<img src=x onerror=y>", "`a`", "&lt;b>", "[x][y]", "![x](y)"]
)
def test_nothing_between_dollars_becomes_markup(inside):
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", f"A ${inside}$ and $${inside}$$.")
    builder.close()
    shown = MarkdownIt("commonmark").render(builder.build().to_markdown())
    assert not re.search(r"<(?!/?p>)", shown)
    assert html.unescape(re.sub(r"</?p>", "", shown)).strip() == f"A ${inside}$ and $${inside}$$."
