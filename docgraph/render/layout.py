"""From what the browser laid out to the nodes of the document: the box of each.

    lines of text ─ stream ─> Stream: all letters of the page in order, and the line of each
    node of text ─ its letters, looked for within its element ─> the lines they stand on ─> box
    other nodes ─ their element ─> box;   without one ─ the union of their children's

White space is left out on both sides, since the parser and the browser treat it differently. Within a line a place
is told by its share of the letters, so the ends of a sentence may be some pixels off; lines themselves are exact.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np

from docgraph.columns import Columns
from docgraph.parsers.html.elements import Elements
from docgraph.render.snapshot import Floats, Rows, Snapshot

_LEFT_OUT: Final = {ord(sign): None for sign in "\xad\u2060\ufeff\u200b"}
_HEADINGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS: Final = frozenset(("paragraph", "heading", "caption", "credit", "code", "term", "field"))
"""Kinds whose element may hold more than their text: a box of their lines is meant then."""
_FROM_RIGHT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
_MOST_SEARCHED: Final = 200_000_000
"""Letters that are looked through in vain, all in all."""
NOWHERE: Final = (np.inf, np.inf, -np.inf, -np.inf)


def letters(text: str) -> str:
    """Return text as it is compared: small letters, no white space, no hints for line breaks."""
    text = "".join(text.split()).translate(_LEFT_OUT)
    small = text.lower()
    return small if len(small) == len(text) else text


@dataclass(slots=True)
class Stream:
    """The letters of a page in the order of the document, and where they stand."""

    text: str
    starts: list[int]
    """Where each line begins in `text`."""
    bounds: Floats
    """(T, 4) box of each line, in the same order."""
    layout: Rows
    """(T,) its text object."""
    from_right: list[bool]
    """(T,) whether its letters run from right to left; each line is of one direction."""
    first_of_node: list[int]
    """(D + 1,) where the letters of each DOM node's subtree begin, in lines."""

    def find(self, words: str, low: int, high: int) -> int:
        """Return where words stand between two places, -1 for nowhere."""
        return self.text.find(words, low, high)

    def boxes(self, start: int, end: int) -> tuple[Floats, Rows]:
        """Return the boxes of the letters from start to end, one a line, and their text objects."""
        first, last = bisect_right(self.starts, start) - 1, bisect_left(self.starts, end)
        boxes = self.bounds[first:last].copy()
        for line, place, side in ((first, start, 0), (last - 1, end, 2)):
            begin = self.starts[line]
            size = (self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)) - begin
            left, right = self.bounds[line, 0], self.bounds[line, 2]
            share = (place - begin) / max(size, 1)
            if self.from_right[line]:
                boxes[line - first, 2 - side] = right - (right - left) * share
            else:
                boxes[line - first, side] = left + (right - left) * share
        return boxes, self.layout[first:last]


def stream_of(snapshot: Snapshot) -> Stream:
    """Return the letters of a page; DOM nodes, and so their lines, are in pre-order."""
    order = np.lexsort((snapshot.line_start, snapshot.line_layout, snapshot.node[snapshot.line_layout]))
    pieces, starts, length = [], [], 0
    for line in order.tolist():
        piece = letters(snapshot.line_text[line])
        pieces.append(piece)
        starts.append(length)
        length += len(piece)
    nodes = snapshot.node[snapshot.line_layout][order]
    firsts = np.searchsorted(nodes, np.arange(len(snapshot.parent) + 1)).tolist()
    from_right = [bool(_FROM_RIGHT.search(piece)) for piece in pieces]
    return Stream("".join(pieces), starts, snapshot.line_bounds[order], snapshot.line_layout[order], from_right, firsts)


@dataclass(slots=True)
class Placed:
    """Where the nodes of a document stand. N nodes."""

    box: Floats
    """(N, 4), `NOWHERE` for none."""
    layout: Rows
    """(N,) the layout object whose styles are the node's, -1 for none."""


def place(document: Columns, elements: Elements, dom: Rows, snapshot: Snapshot) -> Placed:
    """Return the boxes of a document's nodes, whose elements are the DOM nodes `dom`."""
    rows = len(document)
    box, layout = np.full((rows, 4), NOWHERE), np.full(rows, -1, dtype=np.int64)
    sources = document.sources
    if sources is None:
        return Placed(box, layout)
    stream, ends = stream_of(snapshot), _subtree_ends(snapshot.parent)
    of_element = _boxes_of_dom(snapshot, ends)
    element = sources.node_element.tolist()
    node_of = [int(dom[row]) if row >= 0 else -1 for row in element]
    cursor: dict[int, int] = {}
    wasted = 0
    spans, parents = document.span.tolist(), document.parent.tolist()
    shared = _sections_of_headings(document, elements, element)
    exact = np.zeros(rows, dtype=bool)
    """Whether the box is the node's own, and not to be widened by its children's."""
    for row in range(rows):
        node = node_of[row]
        if node < 0:
            continue
        if row not in shared:
            layout[row] = snapshot.layout[node]
        holds, is_block = bool(document.child_count[row]), document.kind[row] in _BLOCKS
        words = "" if holds and not is_block else letters(document.text[spans[row][0] : spans[row][1]])
        low, high = (_letter(stream, stream.first_of_node[at]) for at in (node, ends[node]))
        if holds:
            whole = len(words) == high - low if is_block else row not in shared
            if whole and of_element[node, 0] <= of_element[node, 2]:
                box[row], exact[row] = of_element[node], True
            continue
        if not words:
            box[row], exact[row] = of_element[node], True
            continue
        if len(words) == high - low and document.kind[row] != "sentence":
            box[row], exact[row] = of_element[node], True
            cursor[node] = high
            continue
        start = -1
        if wasted < _MOST_SEARCHED:
            begin = max(low, cursor.get(node, low))
            start = stream.find(words, begin, high)
            if start < 0:
                wasted += high - begin
        if start < 0:
            continue
        cursor[node] = start + len(words)
        boxes, objects = stream.boxes(start, start + len(words))
        box[row], exact[row] = _union(boxes), True
        layout[row] = snapshot.layout[snapshot.parent[snapshot.node[objects[0]]]]
        if layout[row] < 0:  # within `display: contents`
            layout[row] = snapshot.layout[node]
    for row in range(rows - 1, 0, -1):
        above = parents[row]
        if not exact[above] and box[row, 0] <= box[row, 2]:
            box[above, :2] = np.minimum(box[above, :2], box[row, :2])
            box[above, 2:] = np.maximum(box[above, 2:], box[row, 2:])
    for row in np.flatnonzero(~exact & (box[:, 0] > box[:, 2])).tolist():
        if node_of[row] >= 0:  # text that the browser shows otherwise (a formula, quotes of its own): its element
            box[row] = of_element[node_of[row]]
    return Placed(box, layout)


def _letter(stream: Stream, line: int) -> int:
    return stream.starts[line] if line < len(stream.starts) else len(stream.text)


def _union(boxes: Floats) -> Floats:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _subtree_ends(parent: list[int]) -> list[int]:
    ends = list(range(1, len(parent) + 1))
    for node in range(len(parent) - 1, 0, -1):
        above = parent[node]
        if above >= 0 and ends[node] > ends[above]:
            ends[above] = ends[node]
    return ends


def _boxes_of_dom(snapshot: Snapshot, ends: list[int]) -> Floats:
    """Return (D, 4) the box of each DOM node: of all its layout objects, or without one of what is in it."""
    boxes = np.full((len(snapshot.parent), 4), NOWHERE)
    np.minimum.at(boxes[:, 0], snapshot.node, snapshot.bounds[:, 0])
    np.minimum.at(boxes[:, 1], snapshot.node, snapshot.bounds[:, 1])
    np.maximum.at(boxes[:, 2], snapshot.node, snapshot.bounds[:, 2])
    np.maximum.at(boxes[:, 3], snapshot.node, snapshot.bounds[:, 3])
    for node in range(len(ends) - 1, 0, -1):
        above = snapshot.parent[node]
        if above >= 0 and snapshot.layout[above] < 0 and boxes[node, 0] <= boxes[node, 2]:
            boxes[above, :2] = np.minimum(boxes[above, :2], boxes[node, :2])
            boxes[above, 2:] = np.maximum(boxes[above, 2:], boxes[node, 2:])
    return boxes


def _sections_of_headings(document: Columns, elements: Elements, element: list[int]) -> set[int]:
    """Return the sections that a heading opened: their element is the heading's, their box is not."""
    return {
        row
        for row, kind in enumerate(document.kind)
        if kind == "section" and element[row] >= 0 and _opened_by_heading(document, elements, element, row)
    }


def _opened_by_heading(document: Columns, elements: Elements, element: list[int], row: int) -> bool:
    if elements.tag[element[row]] in _HEADINGS:
        return True
    first = row + 1
    return first < len(document) and document.kind[first] == "heading" and element[first] == element[row]
