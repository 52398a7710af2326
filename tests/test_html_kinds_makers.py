"""Kinds of faults of pages by who wrote them: programs that describe programs, restaurants, mails, newspapers of many
languages; one small page a kind.
"""

from docgraph.parsers.html.page import parse_html
from tests.white_tower import LINES

# -- what opens, and shadow trees -----------------------------------------------------------------------------------

ANSWER = "The stairs are closed in winter, as ice is on them."


def test_what_an_element_holds_stands_in_the_slots_of_its_shadow_root():
    page = parse_html(
        "<x-page><template shadowrootmode=open><h1><slot name=title>Untitled</slot></h1><slot></slot>"
        f"<p>{LINES[1]}</p></template> <span slot=title>A white tower</span><p>{LINES[0]}</p></x-page>"
        "<x-foot><template shadowrootmode=open><p><slot>Nobody filled this.</slot></p></template> </x-foot>"
    )
    assert [node.text for node in page.find("heading")] == ["A white tower"]
    assert "Untitled" not in page.text
    assert page.text.index(LINES[0]) < page.text.index(LINES[1]) < page.text.index("Nobody filled this.")
