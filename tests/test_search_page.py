"""Answers as a page: what is marked, where its links lead, and that no page can put markup into it."""

import dataclasses
from pathlib import Path

import pytest

from docgraph import parse_html
from docgraph.index import Hit, Index
from docgraph.index.show import address, piece, to_html

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


def test_a_link_leads_to_the_line_or_cell_that_answers(tmp_path):
    table = "<table><tr><th>Option<th>Sense</tr><tr><td>port<td>where it listens for calls<tr><td>idle<td>30 s</table>"
    page = f"<h1>Setup</h1><p>These are all of the options.</p>{table}<p>Set what the harbour master has asked for.</p>"
    with Index.open(tmp_path / "x.index", create=True) as index:
        index.add([("a.html", parse_html(page))])
        for question, led in {
            "listens": "where%20it%20listens%20for%20calls",
            "idle": "idle",
            "harbour": "Set%20what%20the%20harbour%20master%20has%20asked%20for.",
            "options": "These%20are%20all%20of%20the%20options.",
        }.items():
            found = dataclasses.replace(index.search(question)[0], url="https://x.org/")
            assert address(found) == f"https://x.org/#:~:text={led}"


def test_a_piece_of_a_text_without_spaces_holds_what_was_asked_for(tmp_path):
    text = "今日は良い天気なので散歩をしました。" * 40
    with Index.open(tmp_path / "x.index", create=True, max_tokens=2000) as index:
        index.add([("a", parse_html(f"<p>序 {text}駐車場は 三十台分あります。{text}</p>"))])
        for question in ("駐車場", "三十台分"):
            (hit,) = index.search(question)
            shown, said = piece(hit)
            assert question in [shown[a:b] for a, b in said]
            assert 300 < len(shown) < 330
