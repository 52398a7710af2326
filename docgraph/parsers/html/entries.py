"""The entries of a live blog: elements in a row that each begin with a time and go on with text; of a `dl` each term
that is a time, with what stands under it.

Flow ─ find_entries ─> elements, each a section of its own in the tree
"""

import re
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements

LEAST_ENTRIES: Final = 3
_TIME: Final = re.compile(
    r"(?:[^\W\d]{2,12}[\W_]{1,3}){0,2}[012]?\d[:.h][0-5]\d\b|\W{0,3}(?:[012]?\d[:.h][0-5]\d\b|[012]?\d\s?[ap]\.?m\b|\d{1,2}\s?(?:min|h|hrs?)\b)",
    re.I,
)
_DIGIT: Final = re.compile(r"\d")
_FIRST_DIGIT: Final = 33
"""No time begins after so many letters; looking for a digit first is quicker."""
_TIME_LETTERS: Final = 80
_ENTRIES: Final = frozenset(("div", "section", "article", "li", "dt"))
_LEVELS: Final = 5
_BLOCKS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "p"))


def find_entries(elements: Elements, flow: Flow) -> set[int]:
    """Return the elements that are entries: at least three children of one element, told apart by their times."""
    parents, tags = elements.parent, elements.tag
    groups: dict[tuple[int, str], set[int]] = {}
    for index, item in flow.blocks():
        text = item.text
        if not (0 < len(text) <= _TIME_LETTERS and _DIGIT.search(text, 0, _FIRST_DIGIT) and _TIME.match(text)):
            continue
        # The elements that open right before the time: it is the first that each of them shows.
        above = index - 1
        for _ in range(_LEVELS):
            row = flow.items[above] if above >= 0 else -1
            if not isinstance(row, int) or row < 0:
                break
            if tags[row] in _ENTRIES:
                groups.setdefault((parents[row], tags[row]), set()).add(row)
            above -= 1
    places = flow.places()
    found: set[int] = set()
    for (above, tag), group in groups.items():
        if len(group) < LEAST_ENTRIES:
            continue
        if tag == "dt":
            if len(group) == _terms(elements, above):
                found.add(above)
        elif min(_texts(flow, *places[row]) for row in group) >= 2:
            found |= group
    return found


def _terms(elements: Elements, row: int) -> int:
    """Return the terms that a `dl` has, if the text under them has headings or paragraphs; else -1."""
    tags = elements.tag[row + 1 : elements.end(row)]
    return tags.count("dt") if not _BLOCKS.isdisjoint(tags) else -1


def _texts(flow: Flow, start: int, stop: int) -> int:
    return sum(isinstance(item, TextBlock) and bool(item.text) for item in flow.items[start : min(stop, start + 24)])
