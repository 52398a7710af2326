"""Plain text and Markdown input, and load_document."""

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docgraph import (
    DataError,
    Document,
    DocumentError,
    LimitError,
    Limits,
    ParseError,
    load_document,
    parse_html,
    parse_markdown,
    parse_text,
)
from tests.documents import drawn
from tests.growth import assert_linear

PROSE = st.text(st.sampled_from("ab é我。. !?\n\r\t\u2028\x0b\ud800"), max_size=80)


@drawn
@given(PROSE)
def test_no_text_is_lost_and_paragraphs_are_what_stands_between_blank_lines(text):
    document = parse_text(text)
    whole = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ud800", "\ufffd")
    assert "".join(document.text.split()) == "".join(whole.split())
    lines = [line.strip() for line in whole.split("\n")]
    blocks, open_block = [], []
    for line in [*lines, ""]:
        if line:
            open_block.append(line)
        elif open_block:
            blocks.append(open_block)
            open_block = []
    assert [[line.strip() for line in n.text.split("\n")] for n in document.find(kind="paragraph")] == blocks


def test_paragraphs_hold_sentences():
    document = parse_text("One. Two!\r\n\r\n \t\r\nThree\nfour.", title="T", language="en")
    assert [(n.kind, n.text) for n in document] == [
        ("document", "One. Two!\n\nThree\nfour."),
        ("paragraph", "One. Two!"),
        ("sentence", "One."),
        ("sentence", "Two!"),
        ("paragraph", "Three\nfour."),
        ("sentence", "Three\nfour."),
    ]
    assert (document.metadata.title, document.metadata.language, document.main_text) == (
        "T",
        "en",
        document.text,
    )


@pytest.mark.parametrize("text", ["", " \n\t\n "])
def test_text_without_words_is_a_document_without_leaves(text):
    document = parse_text(text)
    assert (len(document), document.text, document.warnings) == (1, "", ())


def test_past_a_bound_adding_stops_and_the_document_says_so():
    document = parse_text("One. Two.\n\nThree. Four.\n\nFive.", limits=Limits(nodes=5))
    assert document.text == "One. Two."
    assert document.truncated
    assert [warning.code for warning in document.warnings] == ["limit.nodes"]
    document = parse_text("One two three.", limits=Limits(input_bytes=7))
    assert (document.text, document.truncated) == ("One two", True)
    with pytest.raises(LimitError, match=r"Limits\.input_bytes is 7.*Raise the limit"):
        parse_text("One two three.", limits=Limits(input_bytes=7), strict=True)
    assert not parse_text("One two three.", limits=Limits(input_bytes=14, nodes=3), strict=True).truncated


def test_lone_surrogates_are_replaced_and_counted():
    document = parse_text("a\ud800b\udfff")
    assert document.text == "a\ufffdb\ufffd"
    assert document.warnings[0][:2] == (
        "decode.replaced",
        "2 lone surrogates in the text were replaced by U+FFFD.",
    )


MARKDOWN = """---
title: 'Ferries: late'
authors:
- A. Lee
- B
tags: [sea, "news"]
lang: en
---
Intro.

# Head

Text *em* with [l](x.md) and `co`. <b onclick="x()">Raw</b><script>alert(1)</script>

3. three
4. four
   - in

```python
def f():
    pass
```

> said

| a | b |
|---|---|
| 1 | 2 |

![A cat](img/a.png)
"""


def test_markdown_becomes_the_tree_that_it_draws():
    document = parse_markdown(MARKDOWN, url="https://example.org/d/")
    kinds = [node.kind for node in document if node.kind not in ("sentence", "section")]
    assert kinds == [
        "page", "paragraph", "heading", "paragraph", "list", "item", "item", "paragraph", "list", "item",
        "code", "quote", "table", "cell", "cell", "cell", "cell", "image",
    ]  # fmt: skip
    assert document.find("list")[0].attributes["start"] == 3
    assert document.find("code")[0].text == "def f():\n    pass"
    assert document.find("code")[0].attributes["code_language"] == "python"
    assert document.images()[0].attributes["src"] == "https://example.org/d/img/a.png"
    assert [link.href for link in document.links] == ["https://example.org/d/x.md"]
    assert "alert" not in document.text
    assert document.main_text == document.text
    found = document.metadata
    assert (found.title, found.authors, found.tags, found.language) == (
        "Ferries: late",
        ("A. Lee", "B"),
        ("sea", "news"),
        "en",
    )


def test_markdown_without_front_matter_takes_its_title_from_the_first_heading():
    assert parse_markdown("# A *b*\n\nc").metadata.title == "A b"
    assert parse_markdown("---\n\nno front matter").metadata.title is None
    assert parse_markdown("").metadata.title is None


@pytest.mark.parametrize(
    ("front", "wanted"),
    [
        ('title: "He said \\"no\\", twice"', {"title": 'He said "no", twice'}),
        ("title: What's __init__.py?", {"title": "What's __init__.py?"}),
        ("title: 1.10\ndescription: >\n  folded\n  text", {"title": "1.10", "description": "folded text"}),
        ("date: Jan 2, 2020\nlastmod: 2021-03-04", {"date": "2020-01-02", "modified": "2021-03-04"}),
        ("authors:\n  - name: Ann Bee\n    url: x\n  - Bo Ek", {"authors": ("Ann Bee", "Bo Ek")}),
        ("author: Ann Bee, Bo Ek\ntags: [a, 'b, c']\nkeywords: d", {
            "authors": ("Ann Bee", "Bo Ek"), "tags": ("a", "b, c", "d")}),
        ("lang: de\ntitle: ~\ndraft: true\nmenu: {main: {weight: 5}}", {
            "language": "de", "title": "Head", "extra": {"draft": "true", "menu": {"main": {"weight": "5"}}}}),
    ],
)  # fmt: skip
def test_front_matter_is_yaml_read_as_it_is_written(front, wanted):
    for fence in ("---\n{}\n---\n", "---\r\n{}\r\n...\r\n"):
        document = parse_markdown(fence.format(front) + "\n# Head\n\nText.")
        about = document.metadata
        assert {name: getattr(about, name) for name in wanted} == wanted
        assert document.text == "Head\n\nText."
        assert document.warnings == ()


def test_front_matter_may_be_toml():
    front = 'title = "A, b"\ndate = 2020-01-02T03:04:05Z\nauthors = ["Ann Bee"]\n[menu]\nweight = 5'
    document = parse_markdown(f"+++\n{front}\n+++\nText.")
    about = document.metadata
    assert (about.title, about.date, about.authors) == ("A, b", "2020-01-02T03:04:05+00:00", ("Ann Bee",))
    assert about.extra == {"menu": {"weight": "5"}}
    assert document.text == "Text."
    broken = parse_markdown("+++\ntitle =\n+++\nText.")
    assert "title =" in broken.text
    assert "must be TOML" in broken.warnings[0].message


@pytest.mark.parametrize(
    "text",
    [
        "---\n\n**Subject: the old pier**\n\nSome words: they matter.\n\n---\n\nLast.",
        "---\n\nNote: one.\n\n---\nLast.",
        "---\n- a\n- b\n---\nLast.",
        "---\nJust a line of prose.\n---\nLast.",
        "---\nA sentence, with words: and more\n---\nLast.",
        "---\n? [a, b]\n: c\n---\nLast.",
    ],
)
def test_text_between_rules_stays_text(text):
    document = parse_markdown(text)
    for word in re.findall(r"\w+", text):
        assert word in document.text
    assert document.metadata.extra == {}


def test_broken_yaml_is_read_line_by_line_and_named():
    document = parse_markdown("---\ntitle: A: b\nlang: fr\nx: [\n---\nText.")
    assert (document.metadata.title, document.metadata.language, document.text) == ("A: b", "fr", "Text.")
    assert [warning.code for warning in document.warnings] == ["markdown.front_matter"]


def test_front_matter_that_grows_when_it_is_read_is_left_out_and_named():
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    document = parse_markdown(f"---\ntitle: T\n{laughs}---\nText.")
    assert document.metadata.title == "T"
    assert len(document.to_json()) < 200_000
    assert "left out" in document.warnings[0].message
    deep = parse_markdown(f"---\ntitle: T\nx: {'[' * 5_000}{']' * 5_000}\n---\nText.")
    assert (deep.metadata.title, deep.text) == ("T", "Text.")
    assert deep.warnings


def test_formulas_footnotes_and_task_lists_of_github():
    document = parse_markdown(
        "Let $x_1*y*z$ be.[^1] It costs $5 and *more* for $6.\n\n$$\na*b + c*d\n$$\n\n- [x] *do* it\n- [ ] or not\n\n"
        "[^1]: A note.\n"
    )
    assert "$x_1*y*z$" in document.text
    assert "a*b + c*d" in document.text
    assert "for $6" in document.text
    assert [mark.type for mark in document.marks].count("emphasis") == 2
    assert [item.attributes.get("checked") for item in document.find("item")] == [True, False, None]
    assert document.find("item")[0].text == "do it"
    assert document.text.endswith("A note.")
    assert parse_markdown(document.to_markdown()).text.split("\n\n")[:3] == document.text.split("\n\n")[:3]


def test_markdown_is_bounded():
    assert parse_markdown("word " * 100, limits=Limits(input_bytes=50)).truncated
    with pytest.raises(LimitError, match="Raise the limit"):
        parse_markdown("a\n\n" * 100, limits=Limits(nodes=20), strict=True)
    assert len(parse_markdown("> " * 5_000 + "deep")) < 200


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.html").write_text("<html><body><h1>H</h1><p>Text here.</p><img src='a.png'></body></html>")
    (tmp_path / "b.TXT").write_bytes("Das Caf\xe9 in Z\xfcrich \xf6ffnet fr\xfch am Morgen.".encode("cp1252"))
    (tmp_path / "c.md").write_text("# Head\n\nText.")
    (tmp_path / "d.json").write_text(parse_text("Saved.").to_json())
    (tmp_path / "e.json").write_text(json.dumps({"headline": "H", "image": "../secret.png", "section": "Arts"}))
    (tmp_path / "f.htm.gz").write_bytes(gzip.compress(b"<p>Packed page."))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("a.html", "page", "H\n\nText here."),
        ("b.TXT", "document", "Das Café in Zürich öffnet früh am Morgen."),
        ("c.md", "page", "Head\n\nText."),
        ("d.json", "document", "Saved."),
        ("e.json", "article", "H"),
        ("f.htm.gz", "page", "Packed page."),
    ],
)
def test_load_document_goes_by_suffix(folder, name, kind, text):
    for path in (folder / name, str(folder / name)):
        document = load_document(path)
        assert (document.root.kind, document.text) == (kind, text)
    if name != "d.json":
        assert document.metadata.source == name


def test_a_folder_is_a_site(folder):
    site = load_document(folder)
    assert (site.root.kind, [page.kind for page in site.root.children]) == ("site", ["page"])


def test_load_document_passes_options_on_and_matches_the_parser(folder):
    page = load_document(folder / "a.html", url="https://example.org/")
    assert page.same_as(parse_html(folder / "a.html", url="https://example.org/"))
    assert page.images()[0].attributes["src"] == "https://example.org/a.png"


def test_an_article_file_reads_no_picture_outside_its_folder(folder):
    picture = load_document(folder / "e.json").images()[0].image
    assert picture.status() in ("refused", "missing")
    assert picture.access.root == str(folder)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("x.pdf", b"", ParseError, r"must be one of \.html.*but .*x\.pdf has '\.pdf'"),
        ("x", b"", ParseError, "has ''"),
        ("x.json", b"{", ParseError, r"x\.json must hold JSON"),
        ("x.json", b"[" * 100_000, ParseError, "must hold JSON"),
        ("x.json", b"[{}]", DataError, "holds a list. Call parse_article on each"),
        ("x.json", b'{"schema": "other"}', DocumentError, "says 'other'"),
        (
            "x.json",
            b'{"headline": 5}',
            DataError,
            "field headline must be text or a list of paragraphs, but is a int: 5",
        ),
        ("x.txt.gz", b"not packed", ParseError, "cannot"),
        ("x.txt.gz", gzip.compress(b"cut off" * 50, mtime=0)[:-12], ParseError, "cannot"),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_error(tmp_path, name, content, error, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        load_document(tmp_path / name)


@pytest.mark.parametrize("name", ["none.html", "none.txt", "none.json", "none.md.gz", "none.zip"])
def test_a_missing_file_is_one_clear_error(tmp_path, name):
    with pytest.raises(ParseError, match=name):
        load_document(tmp_path / name)


def test_a_file_past_the_limit_is_cut_or_refused_before_it_is_read(tmp_path):
    limits = Limits(input_bytes=20)
    (tmp_path / "a.txt").write_text("One two three. " * 10)
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(bytes(50_000_000)))
    (tmp_path / "a.json").write_text(json.dumps({"headline": "long " * 20}))
    (tmp_path / "a.html").write_text("<p>One two three four five six seven.")
    for name in ("a.txt", "bomb.txt.gz", "a.html"):
        document = load_document(tmp_path / name, limits=limits)
        assert document.truncated
        assert len(document.text) <= 20
        with pytest.raises(LimitError, match=r"input_bytes|longer than 20 bytes"):
            load_document(tmp_path / name, limits=limits, strict=True)
    with pytest.raises(LimitError, match="JSON cannot be cut"):
        load_document(tmp_path / "a.json", limits=limits)


def test_a_saved_document_loads_as_it_was(tmp_path):
    document = parse_html("<h1>A</h1><p>b <a href='c'>c</a>")
    (tmp_path / "a.json").write_text(document.to_json(), encoding="utf-8")
    assert load_document(tmp_path / "a.json").same_as(document)
    assert isinstance(load_document(tmp_path / "a.json"), Document)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r"So \(x_1*y*z\) holds.", r"\(x_1*y*z\)"),
        ("So\n\n\\[\na_1 = b*c*d\n\\]\n\nholds.", "a_1 = b*c*d"),
        ("\\begin{align}\na &= b*c*d \\\\\ne &= f_1\n\\end{align}", r"b*c*d \\ e &= f_1"),
        (r"As \[1\] and \(mostly\) *all* say.", "As [1] and (mostly) all say."),
    ],
)
def test_tex_in_brackets_stays_as_it_is_and_escaped_brackets_are_brackets(text: str, kept: str):
    assert kept in " ".join(parse_markdown(text).text.split())


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (r"\(see [the page](http://e.com/?q=1)\)", "(see the page)"),
        (r"\(a **very** short = b\)", "(a very short = b)"),
        (r"\([f](x) = \alpha\) and \(x^2\) or \(it\)", r"\([f](x) = \alpha\) and \(x^2\) or (it)"),
        (r"\begin{a}x\end{b} \[y_1\]", r"\begin{a}x\end{b} \[y_1\]"),
        (r"\(" + "x=1 " * 600 + r"\)", "(" + "x=1 " * 600 + ")"),
    ],
)
def test_escaped_brackets_around_markdown_are_no_formula(markdown, text):
    assert parse_markdown(markdown).text == text


@pytest.mark.parametrize("opener", ["\\(a", "\\[", "\\begin{a}"])
def test_formulas_that_nothing_closes_take_linear_time(opener):
    assert_linear(parse_markdown, opener * 2_000, opener * 16_000)
