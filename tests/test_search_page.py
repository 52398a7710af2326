"""Answers as a page: what is marked, where its links lead, and that no page can put markup into it."""

import dataclasses
from pathlib import Path

import pytest

from docgraph import parse_html
from docgraph.index import Hit, Index
from docgraph.index.show import address, to_html

PAGE = """<title>Harbour</title><nav>Times</nav><h1>Ferry &lt;script&gt;alert(1)&lt;/script&gt;</h1><h2>Times</h2>
<p>The boat, well-known, leaves at nine &lt;b&gt; and comes back.</p>"""


@pytest.fixture
def hit(tmp_path: Path) -> Hit:
    with Index.open(tmp_path / "x.index", create=True) as index:
        index.add([("a.html", parse_html(PAGE))])
        return next(hit for hit in index.search("boat leaves") if "boat" in hit.text)


def test_the_page_of_answers_shows_place_and_marks_and_nothing_of_it_is_markup(hit):
    shown = to_html('boat "leaves" <i>', [hit])
    assert "<mark>boat</mark>" in shown
    assert "a.html" in shown
    assert "/html[1]/body[1]/p[1]" in shown
    assert not any(tag in shown for tag in ("<script", "<b>", "<i>"))
    page = parse_html(shown)
    assert "Ferry <script>alert(1)</script> › Times" in page.text
    assert page.metadata.title == 'boat "leaves" <i>'
    assert "Nothing was found." in to_html("x", [])


def test_a_link_leads_to_a_line_that_says_something_and_not_to_a_heading_of_one_word(hit):
    assert hit.text.startswith("Ferry <script>alert(1)</script>\n")
    there = dataclasses.replace(hit, url="https://example.org/a?b=1")
    assert (
        address(there)
        == "https://example.org/a?b=1#:~:text=The%20boat%2C%20well%2Dknown%2C%20leaves%20at%20nine%20%3Cb%3E%20and"
    )
    assert (
        address(dataclasses.replace(there, text="Times", url="https://x.org/#top")) == "https://x.org/#top:~:text=Times"
    )
    assert address(dataclasses.replace(there, text="")) == "https://example.org/a?b=1"


def test_a_link_leads_to_a_file_that_is_there_and_to_no_script(hit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert address(hit) is None
    Path("a.html").write_text(PAGE)
    assert (address(hit) or "").startswith((tmp_path / "a.html").as_uri() + "#:~:text=The%20boat")
    assert address(dataclasses.replace(hit, url="javascript:alert(1)")) is None
