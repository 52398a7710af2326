"""Responsive twins: what a page holds twice, once for small screens and once for large ones.

    Flow ─ find_twins ─> which texts are the second of two that are never shown together; images are there once

What gives twins away is that they say the same and that the class of one, or of an element close around it, names a
kind of screen. The second text stays in the tree, but is no main text. A line that is said twice on purpose, such as a
refrain, has no such class.
"""

import re
from functools import lru_cache
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.tags import NAME_LETTERS

_LEAST_LETTERS: Final = 8
_LEVELS: Final = 4
_NEAR: Final = 24
"""Items of the flow between twins: the same words far below stand there for another reason."""
_PULLED: Final = re.compile(r"pull-?(?:ed-?)?quote|blockquote--pull", re.I)
_MOST_QUOTES: Final = 40
_QUOTE_LETTERS: Final = 25
_QUOTATION_MARKS: Final = str.maketrans("", "", "\"“”„‟«»‘’'")
_SCREENS: Final = re.compile(
    r"(?:^|[\s_:-]|(?<=[a-z]))(?:(?i:mobile|desktop|tablet|handheld|smartphone|phone)(?![a-z])|Mobile|Desktop|Tablet)"
    r"|(?:^|[\s_-])(?:d|hide|hidden|show|visible|display)-(?:for-)?(?:none|xs|sm|md|lg|xl|small|medium|large)(?:$|[\s_-])"
    r"|(?:^|\s)(?:xs|sm|md|lg|xl|2xl):(?:hidden|block|flex|inline|grid|contents)"
    r"|(?:^|[\s_-])(?:small|medium|large|xs|sm|md|lg)-(?:only|up|down)"
)


def find_twins(elements: Elements, flow: Flow) -> None:
    """Note the second of two texts that are twins (`Flow.repeated`), and take the second of two images out."""
    said: dict[str, tuple[int, int]] = {}
    seen: dict[tuple[str, str], int] = {}
    emptied: set[int] = set()
    repeated: list[TextBlock] = []
    for index, item in flow.blocks():
        if len(item.text) >= _LEAST_LETTERS and not item.preformatted:
            first, place = said.setdefault(item.text, (item.element, index))
            if index - place > _NEAR:
                said[item.text] = (item.element, index)
            elif first != item.element and (_of_a_screen(elements, first) or _of_a_screen(elements, item.element)):
                repeated.append(item)
                flow.headings.pop(item.element, None)
                continue
        if item.images:
            item.images = [image for image in item.images if not _is_twin(elements, image[1], seen)]
            if not item.images and not item.text:
                emptied.add(index)
    if emptied:
        flow.put(item for index, item in enumerate(flow.items) if index not in emptied)
    repeated += _pulled_quotes(elements, flow)
    if repeated:
        twins = {id(item) for item in repeated}
        flow.repeated = {index for index, item in flow.blocks() if id(item) in twins}


def _pulled_quotes(elements: Elements, flow: Flow) -> list[TextBlock]:
    """Return the texts in boxes named after pulled quotes that only repeat what a paragraph says."""
    pulled = elements.rows_named(lambda names, _: _PULLED.search(names), ("quote",))
    boxes = [row for row in pulled if row in flow.places()]
    if not boxes or len(boxes) > _MOST_QUOTES:
        return []
    inside = {index for row in boxes for index in range(*flow.places()[row])}
    texts = {index: item for index, item in flow.blocks() if item.text}
    told = "\n".join(_plain(item.text) for index, item in texts.items() if index not in inside)
    return [
        item
        for index, item in texts.items()
        if index in inside and len(item.text) >= _QUOTE_LETTERS and _plain(item.text).strip() in told
    ]


def _plain(text: str) -> str:
    return " ".join(text.translate(_QUOTATION_MARKS).split())


def _is_twin(elements: Elements, image: int, seen: dict[tuple[str, str], int]) -> bool:
    """Whether an image with the same source or the same words came before, one of them for a kind of screen."""
    own = elements.attributes[image]
    for name in ("src", "alt"):
        value = own.get(name, "")
        if len(value) < _LEAST_LETTERS - 3 or value.startswith("data:"):
            continue
        first = seen.setdefault((name, value), image)
        if first != image and (_of_a_screen(elements, first) or _of_a_screen(elements, image)):
            return True
    return False


def _of_a_screen(elements: Elements, row: int) -> bool:
    """Whether an element, or one close around it, is for a kind of screen by its class."""
    for close in elements.around(row, _LEVELS):
        if elements.tag[close] in ("body", "html"):
            return False
        if (names := elements.attributes[close].get("class")) and _names_a_screen(names[:NAME_LETTERS]):
            return True
    return False


@lru_cache(maxsize=8_192)
def _names_a_screen(names: str) -> bool:
    return _SCREENS.search(names) is not None
