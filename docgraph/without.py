"""A document less some of its nodes: their text goes with them, what is left keeps its order and its places.

    without(columns, rows) ─> columns      rows of whole subtrees; spans, marks, edges and sources follow

Positions among siblings stay as they were: that a paragraph was the third says something even if the second has gone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from docgraph.columns import Columns
from docgraph.errors import DocumentError
from docgraph.records import Sources

C = TypeVar("C", bound=Columns)


def without(document: C, rows: Iterable[int]) -> C:
    """Return the document without some nodes, all that is under them, and their text.

    Raises:
        DocumentError: a row is the root, or not there.
    """
    gone = np.zeros(len(document), dtype=bool)
    cut = np.zeros(len(document.text) + 1, dtype=bool)
    for row in rows:
        if not 0 < row < len(document):
            raise DocumentError(f"a row that is left out must be from 1 to {len(document) - 1}, but is {row}.")
        gone[row : document.subtree_end[row]] = True
        cut[slice(*document.span[row].tolist())] = True
    kept = np.flatnonzero(~gone)
    new_row = np.cumsum(~gone) - 1
    # (T + 1,) the place of each character: as many are before it as are not cut
    place = np.arange(len(cut)) - np.concatenate([[0], np.cumsum(cut[:-1])])

    def new(row: int) -> int:
        return -1 if not 0 <= row < len(gone) or gone[row] else int(new_row[row])

    parent, stay = document.parent[kept], kept.tolist()
    position = document.position[kept].copy()
    edges = {}
    for row, pairs in document.edges.items():
        if gone[row]:
            continue
        children = np.asarray(document.child_rows(row))
        left = ~gone[children]
        ordinal = np.cumsum(left) - 1
        edges[new(row)] = ordinal[pairs[:, left[pairs].all(axis=0)]].astype(pairs.dtype)
        position[new_row[children[left]], 0] = ordinal[left]  # a graph knows its children by their place among them
    return document.replace(
        text=_less(document.text, cut),
        parent=np.where(parent < 0, -1, new_row[parent]).astype(document.parent.dtype),
        kind=tuple(document.kind[row] for row in stay),
        domain=tuple(document.domain[row] for row in stay),
        role=tuple(document.role[row] for row in stay),
        position=position,
        span=place[document.span[kept]].astype(np.int64),
        score=None if document.score is None else document.score[kept],
        attributes={new(row): _attributes(values, new) for row, values in document.attributes.items() if not gone[row]},
        edges=edges,
        marks=tuple(
            mark._replace(row=new(mark.row), start=int(place[mark.start]), end=int(place[mark.end]))
            for mark in document.marks
            if not gone[mark.row] and place[mark.start] < place[mark.end]
        ),
        boxes={new(row): box for row, box in document.boxes.items() if not gone[row]},
        sources=_sources(document.sources, kept),
        warnings=tuple(warning._replace(row=new(warning.row)) for warning in document.warnings),
    )


def _attributes(values: Mapping[str, Any], new: Callable[[int], int]) -> Mapping[str, Any]:
    """Return a node's attributes, with the new rows under the patches of a screenshot; 0, the page, for those gone."""
    patches = values.get("patches")
    if not isinstance(patches, dict):
        return values
    rows = patches.get("node")
    if not isinstance(rows, list) or not all(isinstance(row, int) for row in rows):
        return values
    return {**values, "patches": {**patches, "node": [max(new(row), 0) for row in rows]}}


def _less(text: str, cut: NDArray[np.bool_]) -> str:
    """Return the characters that are not cut."""
    edges = np.flatnonzero(np.diff(cut[:-1].astype(np.int8), prepend=1, append=1))  # a stretch begins, one ends ...
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _sources(sources: Sources | None, kept: NDArray[np.int64]) -> Sources | None:
    if sources is None:
        return None
    offsets = sources.node_offsets
    return replace(
        sources, node_element=sources.node_element[kept], node_offsets=None if offsets is None else offsets[kept]
    )
