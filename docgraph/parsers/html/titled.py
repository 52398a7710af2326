"""Which heading elements hold a title.

heading element ─ is_title ─> does it hold a title, or a caption, or half the page?
"""

import re
from typing import Final

from docgraph.parsers.html.reader import Reader

_HEADING_EVENTS: Final = 120
_HEADING_LETTERS: Final = 1000
_NOT_IN_HEADINGS: Final = frozenset("p ul ol dl table h1 h2 h3 h4 h5 h6 article section form figure".split())
_CAPTION_LEVELS: Final = 6
_LABEL: Final = re.compile(
    r"(?:fig(?:ure|\.)?|table|scheme|abb(?:ildung|\.)|tab(?:elle|\.)|figura?)(?:\s*\d{1,3}(?:[.-]\d{1,2})?[a-z]?|\s+[ivx]{1,4}|\s+[a-h])\W*",
    re.I,
)
"""What numbers a figure: a part of its caption."""


def is_title(reader: Reader, row: int) -> bool:
    """Whether a heading element holds a title, and not a caption or, being left open or abused, a part of the page."""
    elements = reader.elements
    around = [elements.tag[container] for container in reader.containers[-_CAPTION_LEVELS:]]
    if "figcaption" in around or (
        "figure" in around and (row in reader.flow.named or _LABEL.fullmatch(elements.text(row).strip()))
    ):
        return False
    first, last = elements.first[row], elements.last[row]
    letters = 0
    for event in elements.events[first + 1 : min(last, first + _HEADING_EVENTS)]:
        if event.__class__ is str:
            letters += len(event)
        elif event >= 0 and elements.tag[event] in _NOT_IN_HEADINGS:  # type: ignore[operator,index]
            return False
    return letters <= _HEADING_LETTERS and last - first <= _HEADING_EVENTS
