"""Where each element stands in the decoded input: a second pass over the markup, aligned with the first.

    markup ─ html.parser, tags only ─> tags with their places ─┐
    Elements ─ events ─────────────────────────────────────────┴─ align in order ─> (start, end) of each element

libxml2 does not say where an event comes from; the standard library's tokenizer does, and both see nearly the same
tags in the same order. Where they differ (elements that nobody wrote, tags that libxml2 drops) the walk looks a few
tags ahead and goes on. An element that nobody wrote has no place of its own: (-1, -1).
"""

from html.parser import HTMLParser
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.parsers.html.elements import Elements

_AHEAD: Final = 12
"""Tags that may be passed over to find an element's own."""
_IMPLIED: Final = frozenset(("html", "head", "body", "p", "tbody"))


class _Tag(NamedTuple):
    name: str
    is_end: bool
    start: int
    end: int


def element_offsets(markup: str, elements: Elements) -> NDArray[np.int64]:
    """Return (E, 2) start and end of each element in `markup`, -1 where unknown. Never raises.

    The start is that of its start tag; the end is that of its end tag, or, left unwritten, where the next tag begins.
    """
    tags = _tags(markup)
    offsets = np.full((len(elements), 2), -1, dtype=np.int64)
    place = 0
    for event in elements.events:
        if isinstance(event, str):
            continue
        if event >= 0:
            found = _find_start(tags, place, elements.tag[event])
            if found >= 0:
                offsets[event, 0] = tags[found].start
                place = found + 1
        else:
            row = ~event
            if offsets[row, 0] < 0:
                continue
            if place < len(tags) and tags[place].is_end and tags[place].name == elements.tag[row]:
                offsets[row, 1] = tags[place].end
                place += 1
            else:
                offsets[row, 1] = tags[place].start if place < len(tags) else len(markup)
    return offsets


def _find_start(tags: list[_Tag], place: int, name: str) -> int:
    """Return the index of an element's start tag at `place` or a little after it, or -1."""
    ahead = 1 if name in _IMPLIED else _AHEAD
    seen = 0
    while place < len(tags) and seen < ahead:
        tag = tags[place]
        if not tag.is_end:
            if tag.name == name:
                return place
            seen += 1
        place += 1
    return -1


def node_offsets(document: Document, of_element: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (N, 2) start and end of each node: its element's; a section's reach to the end of what is in it."""
    sources = document.sources
    offsets = np.full((len(document), 2), -1, dtype=np.int64)
    if sources is None:
        return offsets
    known = sources.node_element >= 0
    offsets[known] = of_element[sources.node_element[known]]
    parents = document.parent.tolist()
    for row in range(len(document) - 1, 0, -1):
        above = parents[row]
        if document.kind[above] in ("section", "page") and offsets[row, 0] >= 0:
            offsets[above, 1] = max(offsets[above, 1], offsets[row, 1])
            if offsets[above, 0] < 0 or offsets[row, 0] < offsets[above, 0]:
                offsets[above, 0] = offsets[row, 0]
    return offsets


class _Reader(HTMLParser):
    """Notes every tag and its place."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[_Tag] = []
        self._lines = [0]
        place = markup.find("\n")
        while place >= 0:
            self._lines.append(place + 1)
            place = markup.find("\n", place + 1)
        self._markup = markup

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._place()
        self.tags.append(_Tag(tag, False, start, start + len(self.get_starttag_text() or "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        start = self._place()
        close = self._markup.find(">", start)
        self.tags.append(_Tag(tag, True, start, len(self._markup) if close < 0 else close + 1))


def _tags(markup: str) -> list[_Tag]:
    reader = _Reader(markup)
    try:
        reader.feed(markup)
        reader.close()
    except (AssertionError, ValueError, RecursionError):
        # The tokenizer gives up on some broken declarations: what it found up to there stands.
        pass
    return reader.tags
