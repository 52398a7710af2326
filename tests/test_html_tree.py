"""The tree of a page: that of the HTML standard, as a browser builds it; and trees that are at hand already."""

import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from docgraph import Limits
from docgraph.errors import DataError, LimitError
from docgraph.parsers.decode import decode
from docgraph.parsers.html.elements import read_markup
from docgraph.parsers.html.page import parse_html
from tests.html5lib_cases import cases, without_frame
from tests.html_pages import as_a_browser_writes_it, pages_of


def share_that_agrees(folder: Path) -> tuple[int, float]:
    """The number of the standard's cases in a folder, and the share whose tree is ours."""
    agrees = [
        without_frame(list(read_markup(markup, most=10**6).outline())) == wanted for markup, wanted in cases(folder)
    ]
    return len(agrees), sum(agrees) / len(agrees)


def test_the_tree_is_that_of_the_standard():
    count, share = share_that_agrees(Path(__file__).parent / "html5lib")
    assert count == 292
    assert share >= 0.99


def test_the_tree_is_that_of_the_standard_in_all_of_its_cases(shared_data: Path):
    count, share = share_that_agrees(shared_data / "html5lib" / "tree-construction")
    assert count > 1_500
    assert share >= 0.998


def test_a_menu_left_open_does_not_hide_the_page():
    """A browser ends the inner `div` where the outer ends, so that only what follows inside it is hidden."""
    page = parse_html("<header><div hidden><div>Menu</header><main><p>Seen.</main>")
    assert page.text == "Seen."


def test_text_loose_in_a_table_stands_before_it():
    page = parse_html("<table>loose<tr><td>a<td>b<tr><td>c<td>d</table>")
    assert [node.kind for node in page.root.children] == ["paragraph", "table"]
    assert page.text.startswith("loose")


@pytest.mark.parametrize("builder", ["lxml", "html.parser"])
def test_a_soup_is_a_source_and_says_what_its_markup_says(builder: str, sample_data: Path):
    for data in pages_of(sample_data):
        markup = decode(data).text
        soup = BeautifulSoup(markup, builder)
        before = str(soup)
        ours, theirs = parse_html(markup, url="https://e.org/a"), parse_html(soup, url="https://e.org/a")
        assert str(soup) == before
        assert theirs.text == ours.text
        assert theirs.main_text == ours.main_text
        assert theirs.kind == ours.kind
        assert theirs.metadata.title == ours.metadata.title


def test_a_soup_of_a_real_page_says_what_its_markup_says(shared_data: Path):
    """As a browser would serialise it: of that every builder makes the same tree."""
    for data in list(pages_of(shared_data / "html_gold" / "scrapinghub"))[:50]:
        markup = as_a_browser_writes_it(decode(data).text)
        ours, theirs = parse_html(markup), parse_html(BeautifulSoup(markup, "html.parser"))
        assert (theirs.text, theirs.kind, theirs.role) == (ours.text, ours.kind, ours.role)


def test_a_tag_is_a_source_of_what_is_in_it():
    soup = BeautifulSoup(
        "<body><p>Out.</p><div><h2>A</h2><p>In <b>it</b>.</p></div><p>After.</p></body>", "html.parser"
    )
    assert soup.div is not None
    page = parse_html(soup.div)
    assert page.text == "A\n\nIn it."
    assert page.find("paragraph")[0].source.offsets is None


def test_bounds_hold_for_a_soup():
    soup = BeautifulSoup("<p>word </p>" * 20, "html.parser")
    assert parse_html(soup, limits=Limits(nodes=10)).truncated
    with pytest.raises(LimitError, match="more than 10 elements"):
        parse_html(soup, limits=Limits(nodes=10), strict=True)


def test_a_source_of_another_kind_is_refused():
    for wrong in ({"limits": 5}, {"images": 5}):
        with pytest.raises(DataError, match=f"{next(iter(wrong))} must be .*, but is int"):
            parse_html("<p>Text.", **wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="source"):
        parse_html(3)  # type: ignore[arg-type]


def test_beautifulsoup_is_imported_only_by_those_who_use_it():
    code = (
        "import sys, docgraph; docgraph.parse_html('<p>x').text; "
        "sys.exit('bs4' in sys.modules or 'lxml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
