"""Elements that are no `figure` and yet hold an image and its caption: by what they are named, by where they stand.

    element, what it holds ─ is_image_container, is_card ─> does it become a figure?

What stands beside an image in a column of its own is text of the page.
"""

import re
from dataclasses import dataclass
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.captions import ENDS, is_prose
from docgraph.parsers.html.elements import Elements

_IMAGE_CONTAINER: Final = re.compile(
    r"(?:^|[\s_-])(?:image|img|photo|picture|figure|fig|wp-caption|media-?(?:image|object|photo)|bild|foto|imagen|thumbnail|"
    r"slide|(?:[Cc]arousel|[Gg]allery|[Ss]lideshow)[-_]*(?:[Ii]tem|[Ss]lide))(?:$|[\s_-]|\d|[A-Z]|s\b)"
)
_COLUMN: Final = re.compile(r"(?:^|[\s_-])(?:content|body|text|copy|col(?:umn)?s?)(?:$|[\s_-]|\d)", re.I)
_CREDITED: Final = re.compile(
    r"(?:^|[.!?)\s|])(?:photo(?:graph)?|foto|bild|image|picture|cr[eé]dit)s?(?: (?:by|credit|von|de|av))?"
    r"\s?[:/©]\s?[^.:!?]{3,60}\.?$",
    re.I,
)
"""The end of a caption."""
_CARD_LETTERS: Final = 300
_LEVELS_UP: Final = 6


@dataclass(slots=True)
class Content:
    """What an element close around images or captions holds."""

    images: int = 0
    letters: int = 0
    captions: int = 0
    """Letters in blocks that are named captions or credits."""
    linked: int = 0
    blocks: int = 0
    headings: int = 0
    prose: int = 0
    """Blocks that read like paragraphs."""


def is_image_container(elements: Elements, row: int, held: Content) -> bool:
    """Whether an element is named after images and holds one or two of them and a caption's worth of text."""
    if not (1 <= held.images <= 2 and 10 <= held.letters <= 600 and not held.headings and held.blocks <= 5):
        return False
    if held.prose > 1:
        return False
    if held.linked > 0.5 * held.letters or elements.tag[row] in ENDS or elements.tag[row] in ("a", "li", "p"):
        return False
    return bool(_IMAGE_CONTAINER.search(elements.attributes[row].get("class", "")))


def is_card(elements: Elements, flow: Flow, row: int, held: Content) -> bool:
    """Whether an element that interrupts paragraphs holds one image and, below it, a caption's worth of text."""
    if held.images != 1 or not 1 <= held.letters <= _CARD_LETTERS or held.headings or held.blocks > 3:
        return False
    if held.linked > 0.5 * held.letters or elements.tag[row] not in ("div", "section", "span", "aside", "table"):
        return False
    floats = elements.tag[row] == "table" and elements.attributes[row].get("align", "").lower() in ("left", "right")
    start, stop = flow.places()[row]
    if not floats and not (elements.is_between(row, "p") or (held.blocks == 2 and _has_credit(flow, start, stop))):
        return False
    blocks = [item for item in flow.items[start:stop] if isinstance(item, TextBlock)]
    if not blocks or not blocks[0].images or blocks[0].text:
        return False
    return not any(is_prose(item) and _is_in_column(elements, item.element, row) for item in blocks)


def _has_credit(flow: Flow, start: int, stop: int) -> bool:
    """Whether there is one text, and it ends in the words that name a photographer."""
    texts = [item.text for item in flow.items[start:stop] if isinstance(item, TextBlock) and item.text]
    return len(texts) == 1 and _CREDITED.search(texts[0]) is not None


def _is_in_column(elements: Elements, element: int, card: int) -> bool:
    """Whether an element in a card stands beside the image by its name, as text of its own: no caption."""
    within = (row for row in elements.around(element, _LEVELS_UP) if row > card)
    return any(_COLUMN.search(elements.attributes[row].get("class", "")) for row in within)
