"""The screenshot as one more image of the document: a grid of patches, each with the node under its centre.

    PNG, boxes ─ with_screenshot ─> Document + node "image", domain GRID, `attributes["patches"]`

It hangs below the page as its last child and holds no text. As with every image, the patches are no nodes; their
grid says how many there are, how large one is, and which node of the document each belongs to.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.kinds import Domain
from docgraph.records import Box
from docgraph.render.snapshot import Floats

NAME: Final = "docgraph-screenshot.png"
_CELL: Final = 32
"""CSS pixels of a patch's side, at least."""
_MOST: Final = 2_048
"""Patches; those of a longer page are larger."""


def grid(width: float, height: float) -> tuple[int, int, int]:
    """Return rows, columns and the side of a patch for a page of a size."""
    cell = _CELL
    while (rows := -(-int(height) // cell)) * (columns := -(-int(width) // cell)) > _MOST:
        cell += _CELL // 2
    return max(rows, 1), max(columns, 1), cell


def nodes_under(boxes: Floats, visible: Sequence[bool], rows: int, columns: int, cell: int) -> NDArray[np.int32]:
    """Return (rows, columns) the deepest visible node whose box holds the centre of each patch; 0, the page, at least.

    Rows of a document are in pre-order, so a node that is written later is never above one that it is in.
    """
    under = np.zeros((rows, columns), dtype=np.int32)
    for row in range(1, len(boxes)):
        x0, y0, x1, y1 = boxes[row]
        if not visible[row] or x0 > x1:
            continue
        left, top = (max(int(np.ceil(low / cell - 0.5)), 0) for low in (x0, y0))
        right, bottom = (int(np.floor(high / cell - 0.5)) + 1 for high in (x1, y1))
        if right > left and bottom > top:
            under[top:bottom, left:right] = row
    return under


def with_screenshot(document: Document, png: bytes, width: float, height: float, under: NDArray[np.int32]) -> Document:
    """Return the document with its screenshot as the last child of the page."""
    row, rows, columns = len(document), *under.shape
    attributes: dict[str, Any] = {
        "src": NAME,
        "screenshot": True,
        "patches": {"rows": rows, "columns": columns, "node": under.ravel().tolist()},
    }
    sources = document.sources
    if sources is not None:
        sources = type(sources)(
            sources.element_parent,
            sources.element_step,
            np.append(sources.node_element, np.int32(-1)),
            None if sources.node_offsets is None else np.vstack([sources.node_offsets, [[-1, -1]]]),
        )
    end = len(document.text)
    access = document.image_access
    return document.replace(
        parent=np.append(document.parent, np.int32(0)),
        kind=(*document.kind, "image"),
        domain=(*document.domain, Domain.GRID),
        role=(*document.role, None),
        position=np.vstack([document.position, [[int(document.child_count[0]), 0]]]).astype(np.int32),
        span=np.vstack([document.span, [[end, end] if end <= document.span[0, 1] else document.span[0, 1:].repeat(2)]]),
        score=None if document.score is None else np.append(document.score, np.float32("nan")),
        attributes={**document.attributes, row: attributes},
        boxes={**document.boxes, row: Box(0.0, 0.0, width, height)},
        sources=sources,
        image_access=type(access)(
            {**access.resources, NAME: png}, access.root, access.base, access.fetch, access.limits
        ),
    )
