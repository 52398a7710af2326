"""Where each node stands in the decoded input.

    Elements with the places of their tags ─ element_offsets
        ─> (start, end) of each element ─ node_offsets ─> of each node

An element that nobody wrote has no place of its own: (-1, -1). One whose end tag nobody wrote ends where the next tag
after its content begins.
"""

import re
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.parsers.html.elements import Elements


def element_offsets(markup: str, elements: Elements) -> NDArray[np.int64]:
    """Return (E, 2) start and end of each element in `markup`, -1 where unknown.

    Args:
        elements: as read from `markup` with `tags=True`.
    """
    offsets = np.full((len(elements), 2), -1, dtype=np.int64)
    boundaries = [place for tag in elements.tags if tag for place in (tag[0], tag[2]) if place >= 0]
    boundaries.sort()
    reach = [-1] * len(elements)
    """Where the last tag within each element ends."""
    for row in range(len(elements) - 1, -1, -1):
        tag = elements.tags[row] if row < len(elements.tags) else None
        if tag is not None:
            offsets[row, 0] = tag[0]
            if tag[3] >= 0:
                end = tag[3]
            else:
                after = bisect_left(boundaries, max(tag[1], reach[row]))
                end = boundaries[after] if after < len(boundaries) else len(markup)
            offsets[row, 1] = reach[row] = end
        above = elements.parent[row]
        if above >= 0:
            reach[above] = max(reach[above], reach[row])
    return _before_line_ends_were_changed(markup, offsets)


def _before_line_ends_were_changed(markup: str, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return offsets in `markup` of those in the same text with every "\\r\\n" as one letter, as parsers see it."""
    ends = [found.start() for found in re.finditer("\r\n", markup)]
    if not ends:
        return offsets
    seen = np.asarray(ends, dtype=np.int64) - np.arange(len(ends))
    return np.where(offsets < 0, offsets, offsets + np.searchsorted(seen, offsets, side="left"))


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
