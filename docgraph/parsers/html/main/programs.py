"""Parts of pages about programs that are main text although they read like none.

main blocks ─ keep_code, keep_references ─> the code among them, and all that a generator wrote of a program
"""

import re
from bisect import bisect_left
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.main.parts import LEVELS

_REFERENCES: Final = re.compile(r"(?:javadoc|doxygen|rustdoc)\b", re.I)
"""Generators of pages that describe a program."""


def keep_code(elements: Elements, flow: Flow, measured: Measured, main: set[int], captions: set[int]) -> None:
    """Add to `main` the code right before or after a main text, captions aside: it stands among the text as it is."""
    texts = [index for index in measured.index if index not in captions]
    for place, index in enumerate(texts):
        block = flow.items[index]
        if index in main or not isinstance(block, TextBlock) or not block.preformatted:
            continue
        beside = texts[max(0, place - 1) : place + 2]
        above = elements.parent[block.element]
        if not main.isdisjoint(beside) and any(
            above in elements.around(flow.items[i].element, LEVELS)  # type: ignore[union-attr]
            for i in beside
            if i in main
        ):
            main.add(index)


def keep_references(
    elements: Elements, flow: Flow, measured: Measured, main: set[int], title: int, captions: set[int]
) -> None:
    """Add to `main` all that a program wrote of another one, as it says: signatures read like no text of an article."""
    generators = (
        own.get("content", "")
        for own in (elements.attributes[row] for row in elements.rows_of("meta"))
        if own.get("name", "").lower() == "generator"
    )
    if not any(map(_REFERENCES.match, generators)):
        return
    places, done = flow.places(), -1
    whole = {*elements.rows_of("main"), *elements.rows_named(lambda class_, _: class_ == "contents", ("contents",))}
    for row in sorted(whole & places.keys()):
        if row < done:
            continue
        done, (start, stop) = elements.end(row), places[row]
        others = {i for box in measured.named if row < box < done for i in range(*places.get(box, (0, 0)))} | captions
        inside = measured.index[bisect_left(measured.index, start) : bisect_left(measured.index, stop)]
        main.update(i for i in inside if i not in others and flow.items[i].element != title)  # type: ignore[union-attr]
