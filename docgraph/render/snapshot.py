"""Chromium's snapshot of a page as columns: the DOM's nodes, what is laid out of them, and lines of text.

    DOMSnapshot.captureSnapshot ─ read ─> Snapshot ─ elements ─> which DOM node each of the parser's elements is

The DOM's nodes come in pre-order. A node without a layout object (`display: none`, `<head>`) has layout -1; a node
may have several boxes (one in columns), of which the first counts, with the union of all.

Source: https://chromedevtools.github.io/devtools-protocol/tot/DOMSnapshot/
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.elements import Elements
from docgraph.render.browser import STYLES
from docgraph.render.marks import Marked

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(slots=True)
class Snapshot:
    """A page as it was laid out. Axes: D DOM nodes, L layout objects, T lines of text. Boxes are CSS pixels."""

    url: str
    parent: list[int]
    """(D,) -1 at the document."""
    name: list[str]
    """(D,) in small letters."""
    attributes: list[list[int]]
    """(D,) names and values by turns, as indices of `strings`."""
    strings: list[str]
    layout: Rows
    """(D,) first layout object, -1 for none."""
    node: Rows
    """(L,) the DOM node of each layout object."""
    bounds: Floats
    """(L, 4) x0, y0, x1, y1."""
    paint: Rows
    """(L,) the larger is painted later."""
    styles: list[list[str]]
    """(L,) values of STYLES; empty for text."""
    ground: list[str]
    """(L,) colour behind the text, blended."""
    text: list[str]
    """(L,) rendered text of a text object, else ""."""
    shown_image: dict[int, str]
    """DOM node -> the address of the image that it shows."""
    line_layout: Rows
    """(T,) the text object of each line."""
    line_bounds: Floats
    """(T, 4)"""
    line_text: list[str]
    """(T,)"""
    line_start: Rows
    """(T,) where a line begins in its object's text: lines of two directions come as they are seen, not as read."""

    def style(self, layout: int, name: str) -> str:
        """Return a computed style of a layout object, "" where there is none."""
        values = self.styles[layout]
        return values[STYLES.index(name)] if values else ""


def read_snapshot(answer: dict[str, Any]) -> Snapshot:
    """Return the columns of the page itself; those of frames in it are left out."""
    strings: list[str] = answer["strings"]
    document = answer["documents"][0]
    nodes, layout, lines = document["nodes"], document["layout"], document["textBoxes"]

    def string(index: int) -> str:
        return strings[index] if index >= 0 else ""

    images = nodes.get("currentSourceURL", {"index": (), "value": ()})
    node = np.asarray(layout["nodeIndex"], dtype=np.int64)
    first = np.full(len(nodes["parentIndex"]), -1, dtype=np.int64)
    first[node[::-1]] = np.arange(len(node))[::-1]
    text = [string(index) for index in layout["text"]]
    return Snapshot(
        url=string(document["documentURL"]),
        parent=nodes["parentIndex"],
        name=[string(index).lower() for index in nodes["nodeName"]],
        attributes=nodes["attributes"],
        strings=strings,
        layout=first,
        node=node,
        bounds=_corners(layout["bounds"]),
        paint=np.asarray(layout.get("paintOrders", [0] * len(node)), dtype=np.int64),
        styles=[[string(index) for index in own] for own in layout["styles"]],
        ground=[string(index) for index in layout.get("blendedBackgroundColors", [-1] * len(node))],
        text=text,
        shown_image={at: string(index) for at, index in zip(images["index"], images["value"], strict=True)},
        line_layout=np.asarray(lines["layoutIndex"], dtype=np.int64),
        line_bounds=_corners(lines["bounds"]),
        line_text=_lines(text, lines),
        line_start=np.asarray(lines["start"], dtype=np.int64),
    )


def _corners(bounds: list[list[float]]) -> Floats:
    boxes = np.asarray(bounds, dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _lines(text: list[str], lines: dict[str, Any]) -> list[str]:
    """Return the text of each line; its places count UTF-16 units."""
    wide = {index: one.encode("utf-16-le", "surrogatepass") for index, one in enumerate(text) if not _is_narrow(one)}
    parts = []
    for layout, start, length in zip(lines["layoutIndex"], lines["start"], lines["length"], strict=True):
        if layout in wide:
            part = wide[layout][2 * start : 2 * (start + length)].decode("utf-16-le", "replace")
        else:
            part = text[layout][start : start + length]
        parts.append(part)
    return parts


def _is_narrow(text: str) -> bool:
    return text.isascii() or max(text) <= "\uffff"


def dom_nodes(snapshot: Snapshot, marked: Marked, elements: Elements) -> Rows:
    """Return (E,) the DOM node of each element of the parser, -1 where the browser has none.

    Elements that nobody wrote (`html`, `tbody` ...) are found from the first element in them, level by level.
    """
    of_number: dict[int, list[int]] = {}
    for node, own in enumerate(snapshot.attributes):
        if (
            len(own) > 1
            and snapshot.strings[own[0]] == marked.attribute
            and (value := snapshot.strings[own[1]]).isdigit()
        ):
            of_number.setdefault(int(value), []).append(node)
    dom = np.full(len(elements), -1, dtype=np.int64)
    for number, rows in marked.rows.items():
        for row, node in zip(rows, of_number.get(number, ()), strict=False):
            dom[row] = node
    for row in range(len(elements) - 1, 0, -1):  # children before their parents
        above = elements.parent[row]
        if dom[row] >= 0 and above >= 0 and dom[above] < 0:
            node = snapshot.parent[dom[row]]
            if node >= 0 and snapshot.name[node] == elements.tag[above]:
                dom[above] = node
    return dom
