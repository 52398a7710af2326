"""Elements in a row that are alike: the entries of a live blog, which begin with a time, and cards with headings.

Flow ─ find_entries ─> elements, each a section of its own in the tree; of a `dl` each term that is a time
     ─ find_grids ───> elements that hold cards: what follows them is under no card's heading
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
_CARD_LEVELS: Final = 5
"""Elements between a heading and its card, at most, and one."""
_CARDS: Final = frozenset(("div", "li", "article", "section"))
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


def find_grids(elements: Elements, flow: Flow) -> dict[int, int]:
    """Return the elements that begin with cards in a row, and the level of the cards' headings.

    Cards have one name and class, and each a heading, all of one level, and text under it.
    """
    parents, tags, places = elements.parent, elements.tag, flow.places()
    found: dict[int, int] = {}
    last, level = list[int](), 0
    for row in sorted(flow.headings):
        around = [row]
        while len(around) <= _CARD_LEVELS and (above := parents[around[-1]]) >= 0:
            around.append(above)
        if flow.headings[row] == level:
            grid = next((one for one in around[1:] if one in last), -1)
            cards = [chain[chain.index(grid) - 1] for chain in (last, around)] if grid >= 0 else []
            names = {(tags[card], elements.attributes[card].get("class", "")) for card in cards}
            if len(names) == 1 and tags[cards[0]] in _CARDS and grid in places and grid not in found:
                start, first = places[grid][0], places[cards[0]][0]
                if not _texts(flow, start, first) and all(_texts(flow, *places[card]) > 1 for card in cards):
                    found[grid] = level
        last, level = around, flow.headings[row]
    return found
