"""Pages to test the parser with, shipped, at hand or drawn at random, and what must hold of every one."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import turbohtml
from hypothesis import strategies as st

from docgraph import Document, parse_html


def pages_of(folder: Path) -> Iterator[bytes]:
    """Yield the bytes of the pages in a folder, in order of their names."""
    for path in sorted(folder.rglob("*.html*")):
        data = path.read_bytes()
        yield gzip.decompress(data) if path.suffix == ".gz" else data


def as_a_browser_writes_it(markup: str) -> str:
    """Return the markup of the standard's tree of a page: every element ends where a browser has it.

    Comments and scripts are left out, for other parsers do not agree with the standard where they end, and style
    sheets, for they hide text.
    That it is the standard's tree is tested in test_html_tree.py.
    """
    page = turbohtml.parse(markup, allow_declarative_shadow_roots=False)
    for node in list(page.descendants):
        if isinstance(node, turbohtml.Comment) or (
            isinstance(node, turbohtml.Element) and node.tag in ("script", "style")
        ):
            node.extract()
    return page.html


def check(page: Document) -> None:
    """The promises of every document of a page."""
    parent, span = page.parent[1:], page.span
    assert (span[1:, 0] >= span[parent, 0]).all()
    assert (span[1:, 1] <= span[parent, 1]).all()
    for mark in page.marks:
        assert span[mark.row, 0] <= mark.start < mark.end <= span[mark.row, 1]
    covered = np.zeros(len(page.text) + 1, dtype=bool)
    for node in page.walk():
        assert page.text[slice(*node.span)] == node.text
        if node.kind == "sentence" or node.is_leaf:
            covered[node.span[0] : node.span[1]] = True
            assert node.text == node.text.strip() or node.kind == "code"
    assert not "".join(letter for letter, seen in zip(page.text, covered, strict=False) if not seen).strip()


MARKUP = st.lists(
    st.sampled_from(
        "<p>|</p>|<div>|</div>|<ul>|</ul>|<li>|<table>|<tr>|<td rowspan=2>|<th colspan=3>|</table>|<h1>|<h3>|</h1>|"
        "<b>|</b>|<a href=x>|</a>|<br>|<img src=a.png>|<figure>|<figcaption>|</figure>|<pre>|</pre>|<blockquote>|<dl>|"
        "<dt>|<dd>|<nav>|<aside>|<header>|<section>|<p hidden>|<script>|</script>|<noscript>|<caption>|"
        "<span class=caption>|<div class=comment>|<!-- c -->|<![|&amp;|&#0;|\n|  |"
        "One two three. |Words, more of them, and a stop! |字。|\ud800|\x00|<svg><text>t</text></svg>|"
        "<template>|<textarea>|<option>|<embed>|"
        "<style>.a{display:none}@media(min-width:1.2.3px){.b{opacity:0}}</style>|"
        "<style>@media (max-width:.5em){.a .b{display:block}}.b>.a{left:-9999px}</style>|"
        "<div class=a>|<div class='b mobile'>|<span style='left:-9999px;color:red;color'>|"
        "<div class=comment-list id=c>|"
        "<section class=post itemscope itemtype=//schema.org/Article>|"
        "<time class=date datetime=2020-13-99>令和元年１月1日|"
        "<a rel=author class=byline href=/by/x>|<p class=caption>|<em>|<small>|<strong>|</strong>|"
        "$x_1$ $5 $$|\\(a\\)\\[|"
        "\\begin{align}|<svg><image href=x></svg>|<object data=x.svg>|<table class=highlight>|<td class=gutter>1|"
        "<td data-line-number=1>|<a href=#c>[1]</a>|<li id=c>|<cite>|<footer>|</footer>|<article>|</article>|<x-y>|"
        "<button>|<details>|<dialog>|<template shadowrootmode=open>|<math><mi>x</mi></math>|"
        "<script type=math/tex>y".split("|")
    ),
    max_size=40,
).map("".join)  # fmt: skip
"""Tag soup: elements begun and not ended, or ended and not begun, and what stands between them."""


def check_soup(markup: str) -> None:
    """What must hold of any tag soup."""
    page = parse_html(markup, url="http://[bad/", offsets=True)
    check(page)
    assert Document.from_json(page.to_json()).to_json() == page.to_json()
    assert parse_html(markup, main_only=True).root.kind == "page"
