"""Which elements bind pictures to their captions: `figure`, and containers whose class names say so.

    Elements, Flow ─> the elements that become figure nodes

A `figure` (or `role="figure"`) with something to see in it is one. Elsewhere a run whose class says caption (or
credit) is bound to the pictures of the nearest element around it that holds pictures and, captions aside, little text.
"""

from typing import Final

from docgraph.parsers.html_blocks import Block, Flow
from docgraph.parsers.html_elements import Elements
from docgraph.parsers.html_rules import CAPTION_CLASS, CREDIT_CLASS

_LEVELS_UP: Final = 5
_CAPTION_LETTERS: Final = 1500


def find_figures(elements: Elements, flow: Flow) -> set[int]:
    """Return the figure elements of a page; none of them lies in another."""
    pictures: dict[int, int] = {}
    letters: dict[int, int] = {}
    captions: dict[int, int] = {}
    for item in flow.items:
        if not isinstance(item, Block):
            continue
        own = len(item.text) if is_caption(elements, item.element) else 0
        row = item.element
        for _ in range(_LEVELS_UP + 3):
            if row < 0:
                break
            pictures[row] = pictures.get(row, 0) + len(item.pictures)
            letters[row] = letters.get(row, 0) + len(item.text)
            captions[row] = captions.get(row, 0) + own
            row = elements.parent[row]
    found: set[int] = set()
    for row, tag in enumerate(elements.tag):
        if (tag == "figure" or elements.attributes[row].get("role") == "figure") and row in letters:
            found.add(row)
    for item in flow.items:
        if (
            isinstance(item, Block)
            and 0 < len(item.text) <= _CAPTION_LETTERS
            and is_caption(elements, item.element)
        ):
            row = item.element
            for _ in range(_LEVELS_UP):
                if row < 0 or row in found or elements.tag[row] in ("body", "table", "article", "main"):
                    break
                if pictures.get(row, 0):
                    if letters[row] - captions[row] <= 0.3 * captions[row] + 20 and pictures[row] <= 3:
                        found.add(row)
                    break
                row = elements.parent[row]
    return _outermost(elements, found)


def is_caption(elements: Elements, element: int) -> bool:
    """Whether an element, or one of the two around it, says that it holds a caption or credit."""
    for _ in range(3):
        if element < 0:
            return False
        if elements.tag[element] == "figcaption":
            return True
        names = elements.attributes[element].get("class")
        if names and (CAPTION_CLASS.search(names) or CREDIT_CLASS.search(names)):
            return True
        element = elements.parent[element]
    return False


def _outermost(elements: Elements, found: set[int]) -> set[int]:
    kept: set[int] = set()
    end = -1
    for row in sorted(found):
        if row >= end:
            kept.add(row)
            end = elements.end(row)
    return kept
