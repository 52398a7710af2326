"""The columns of a document: one entry a node, in pre-order, checked once, with the questions that one asks of a tree.

    row      0        1         2          3           4            pre-order: a subtree is a contiguous range
    kind     page     section   heading    paragraph   sentence
    parent   -1       0         1          1           3
    span     (0, 24)  (0, 24)   (0, 5)     (7, 24)     (7, 24)      text[start:end]

    Columns ─┬─ checks on making: pre-order, spans within their parents', keys and edges that point at what is there
             ├─ nodes: walk, leaves, find, images, links            (views of rows; see node.py)
             └─ columns derived once: child_count, subtree_end, depth, effective_roles

Text is stored once, in document order, blocks joined by a blank line. Images, alt text and metadata add no text:
they have an empty span at their place. Nothing here recurses, so a document of 100,000 levels pickles, copies and
serialises like any other. `Document` (document.py) is this and the formats.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DocumentError
from docgraph.kinds import Domain
from docgraph.metadata import Metadata
from docgraph.node import Node
from docgraph.records import Box, ImageAccess, Ints, Link, Mark, Sources, Warning


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """A tree of text and images. Columns have one entry a node, in pre-order.

    Not changed once made: `with_roles` and `replace` return a new one that shares the other columns.

    Raises:
        DocumentError: the columns do not make a tree, or point at what is not there.
    """

    text: str
    parent: Ints
    """(N,) row of the parent, -1 at the root (row 0)."""
    kind: Sequence[str]
    domain: Sequence[Domain]
    """(N,) the domain that the node's children live on."""
    role: Sequence[str | None]
    """(N,) own role; None means the parent's."""
    position: Ints
    """(N, 2) place in the parent's domain: (ordinal, 0), (row, column), (key id, 0) or (0, 0) in a set."""
    span: NDArray[np.int64]
    """(N, 2) start and end in `text`, in characters."""
    keys: Sequence[str] = ()
    """Key strings of KEYED families; `position[row, 0]` indexes it."""
    score: NDArray[np.float32] | None = None
    """(N,) main-content score in [0, 1], NaN where not judged; None if no parser judged."""
    attributes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Row -> attributes (JSON values): href, alt, src, level, language, ordered, colspan, header ..."""
    edges: Mapping[int, Ints] = field(default_factory=dict)
    """Row of a GRAPH node -> (2, E) pairs of child ordinals, from and to."""
    marks: Sequence[Mark] = ()
    boxes: Mapping[int, Box] = field(default_factory=dict)
    sources: Sources | None = None
    metadata: Metadata = field(default_factory=Metadata)
    image_access: ImageAccess = field(default_factory=ImageAccess)
    truncated: bool = False
    warnings: Sequence[Warning] = ()

    def __post_init__(self) -> None:
        rows = len(self.parent)
        if rows == 0:
            raise DocumentError("a document must have at least its root node, but has no rows.")
        for name in ("kind", "domain", "role", "position", "span"):
            if len(getattr(self, name)) != rows:
                raise DocumentError(
                    f"column {name} must have one entry for each of the {rows} nodes, "
                    f"but has {len(getattr(self, name))}."
                )
        for name in ("position", "span"):
            if getattr(self, name).shape != (rows, 2):
                raise DocumentError(f"column {name} must have shape ({rows}, 2), but has {getattr(self, name).shape}.")
        _check_preorder(self.parent.tolist())
        _check_spans(self)
        _check_families(self)

    # -- nodes ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.parent)

    def __getitem__(self, row: int) -> Node:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row must be within the {len(self)} nodes of the document, but is {row}.")
        return Node(self, row % len(self))

    def __iter__(self) -> Iterator[Node]:
        return self.walk()

    def __repr__(self) -> str:
        title = self.metadata.title or self.text[:40]
        return f"<{type(self).__name__} {self.kind[0]} {title!r}: {len(self)} nodes, {len(self.text)} characters>"

    @property
    def root(self) -> Node:
        """The node of row 0."""
        return Node(self, 0)

    def walk(self) -> Iterator[Node]:
        """Yield every node in pre-order."""
        return (Node(self, row) for row in range(len(self)))

    def leaves(self) -> list[Node]:
        """Return the nodes without children, in document order."""
        return [Node(self, int(row)) for row in np.flatnonzero(self.child_count == 0)]

    def images(self) -> list[Node]:
        """Return the image nodes; `node.image.open()` decodes one."""
        return self.find(kind="image")

    def find(self, kind: str | None = None, *, role: str | None = None) -> list[Node]:
        """Return the nodes of a kind and of a role (their own or their ancestors'), in document order."""
        rows: Iterator[int] = (r for r in range(len(self)) if kind is None or self.kind[r] == kind)
        return [Node(self, r) for r in rows if role is None or self.effective_roles[r] == role]

    @property
    def links(self) -> list[Link]:
        """Every hyperlink: link marks and nodes with an `href`, in document order."""
        links = [
            Link(m.row, m.start, m.end, m.href, self.text[m.start : m.end])
            for m in self.marks
            if m.type == "link" and m.href
        ]
        for row, attributes in self.attributes.items():
            href = attributes.get("href")
            if isinstance(href, str) and href:
                start, end = self.span[row].tolist()
                links.append(Link(row, start, end, href, self.text[start:end]))
        return sorted(links, key=lambda link: (link.start, link.row))

    # -- columns derived once ------------------------------------------------------------------------------

    @cached_property
    def child_count(self) -> Ints:
        """(N,) number of children."""
        return np.bincount(self.parent[1:], minlength=len(self)).astype(np.int32)

    @cached_property
    def subtree_end(self) -> Ints:
        """(N,) one past the last row of each subtree: the subtree of `row` is `range(row, subtree_end[row])`."""
        parents = self.parent.tolist()
        ends = list(range(1, len(parents) + 1))
        for row in range(len(parents) - 1, 0, -1):
            above = parents[row]
            if ends[row] > ends[above]:
                ends[above] = ends[row]
        return np.asarray(ends, dtype=np.int32)

    @cached_property
    def depth(self) -> Ints:
        """(N,) levels below the root, 0 at the root."""
        depths = [0] * len(self)
        for row, above in enumerate(self.parent.tolist()):
            if above >= 0:
                depths[row] = depths[above] + 1
        return np.asarray(depths, dtype=np.int32)

    @cached_property
    def effective_roles(self) -> Sequence[str | None]:
        """(N,) each node's role, or the nearest ancestor's."""
        roles: list[str | None] = []
        for role, above in zip(self.role, self.parent.tolist(), strict=True):
            roles.append(role if role is not None or above < 0 else roles[above])
        return roles

    @cached_property
    def marks_by_row(self) -> Mapping[int, Sequence[Mark]]:
        """Row -> the inline marks on that node's text."""
        by_row: dict[int, list[Mark]] = {}
        for mark in self.marks:
            by_row.setdefault(mark.row, []).append(mark)
        return by_row

    def child_rows(self, row: int) -> list[int]:
        """Return the rows of a node's children, in order. Costs the number of children."""
        ends, rows, child = self.subtree_end, [], row + 1
        while child < ends[row]:
            rows.append(child)
            child = int(ends[child])
        return rows

    # -- others from this one ------------------------------------------------------------------------------

    def replace(self, **columns: Any) -> Self:
        """Return one with other columns; the rest is shared."""
        return replace(self, **columns)

    def with_roles(self, role: Sequence[str | None], score: NDArray[np.float32] | None = None) -> Self:
        """Return one with other roles (and scores)."""
        return replace(self, role=tuple(role), score=self.score if score is None else score)

    def with_metadata(self, **values: Any) -> Self:
        """Return one with some metadata fields changed."""
        return replace(self, metadata=replace(self.metadata, **values))


def _check_preorder(parent: list[int]) -> None:
    """Raise unless row 0 is the only root and every other row hangs from the row before it or one of its ancestors."""
    if parent[0] != -1:
        raise DocumentError(f"row 0 must be the root, whose parent is -1, but its parent is {parent[0]}.")
    for row in range(1, len(parent)):
        above, open_row = parent[row], row - 1
        while open_row != above and open_row >= 0:
            open_row = parent[open_row]
        if open_row < 0:
            raise DocumentError(
                f"rows must be in pre-order with one root, but row {row} has parent {above}, which is not open there."
            )


def _check_spans(columns: Columns) -> None:
    start, end = columns.span[:, 0], columns.span[:, 1]
    if bool((start > end).any()) or int(start.min()) < 0 or int(end.max()) > len(columns.text):
        raise DocumentError(f"every span must lie within the text of {len(columns.text)} characters, start before end.")
    above = columns.parent[1:]
    outside = np.flatnonzero((start[1:] < start[above]) | (end[1:] > end[above]))
    if len(outside):
        row = int(outside[0]) + 1
        raise DocumentError(
            f"a node's span must lie within its parent's, but row {row} has {columns.span[row].tolist()} "
            f"under {columns.span[columns.parent[row]].tolist()}."
        )


def _check_families(columns: Columns) -> None:
    """Raise unless keys, edges, marks and boxes point at what is there."""
    rows = len(columns)
    if (keyed := Domain.KEYED) in columns.domain:
        is_keyed = np.fromiter((domain is keyed for domain in columns.domain), bool, rows)
        ids = columns.position[1:, 0][is_keyed[columns.parent[1:]]]
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(columns.keys):
            raise DocumentError(
                f"a child of a KEYED node must have one of the {len(columns.keys)} keys, "
                f"but ids go from {ids.min()} to {ids.max()}."
            )
    for row, pairs in columns.edges.items():
        if not 0 <= row < rows or columns.domain[row] is not Domain.GRAPH:
            raise DocumentError(f"only GRAPH nodes have edges, but row {row} has.")
        count = int(columns.child_count[row])
        if pairs.ndim != 2 or len(pairs) != 2 or (pairs.size and not 0 <= int(pairs.min()) <= int(pairs.max()) < count):
            raise DocumentError(f"edges of row {row} must be pairs of ordinals of its {count} children, but are not.")
    for name in ("attributes", "boxes"):
        if any(not 0 <= row < rows for row in getattr(columns, name)):
            raise DocumentError(f"{name} must belong to one of the {rows} rows, but one does not.")
    for mark in columns.marks:
        if not (0 <= mark.row < rows and 0 <= mark.start <= mark.end <= len(columns.text)):
            raise DocumentError(f"a mark must lie on a node and within the text, but {mark} does not.")
