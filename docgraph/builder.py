"""Make a document row by row, in document order.

    builder = DocumentBuilder()
    builder.open("page")
    builder.open("section")
    builder.block("heading", "News", attributes={"level": 1})
    builder.block("paragraph", "One. Two.", sentences=[(0, 4), (5, 9)])
    builder.leaf("image", attributes={"src": "a.jpg", "alt": "A cat"})
    builder.close()
    builder.close()
    document = builder.build()

The builder owns the canonical text: `append` joins blocks with a blank line, so every node's span is known when it
is added. A node that is opened without a span gets the union of its children's spans; if they hold no text it gets
an empty span at its place. Positions are ordinals unless given.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from docgraph.columns import Columns
from docgraph.errors import DocumentError
from docgraph.kinds import Domain
from docgraph.metadata import Metadata
from docgraph.records import Box, ImageAccess, Ints, Mark, Sources, Warning

BLOCK_SEPARATOR: Final = "\n\n"
_SEQUENCE, _SET, _KEYED = Domain.SEQUENCE, Domain.SET, Domain.KEYED  # a look into an enum costs ten into a module


_Row = tuple[int, str, Domain, str | None, tuple[int, int], tuple[int, int] | None, int, float, int]
"""Of one node: parent, kind, domain, role, position, span (None if it is open), where it begins, score, element."""


class ColumnsBuilder:
    """Collects the columns of one document; `DocumentBuilder` is this and makes the document."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._length = 0
        self._rows: list[_Row] = []
        self._keys: dict[str, int] = {}
        self._attributes: dict[int, Mapping[str, Any]] = {}
        self._edges: dict[int, np.ndarray[Any, np.dtype[np.int32]]] = {}
        self._boxes: dict[int, Box] = {}
        self._marks: list[Mark] = []
        self._warnings: list[Warning] = []
        self._open: list[int] = []
        self._children: list[int] = []
        self.truncated = False

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def depth(self) -> int:
        """Number of open nodes."""
        return len(self._open)

    @property
    def length(self) -> int:
        """Characters of canonical text so far."""
        return self._length

    @property
    def warnings(self) -> tuple[Warning, ...]:
        """What was recorded so far."""
        return tuple(self._warnings)

    def append(self, text: str, separator: str = BLOCK_SEPARATOR) -> tuple[int, int]:
        """Add text to the canonical text, after `separator` if there is text already, and return its span."""
        if not text:
            return self._length, self._length
        if self._length and separator:
            self._text.append(separator)
            self._length += len(separator)
        start = self._length
        self._text.append(text)
        self._length += len(text)
        return start, self._length

    def open(
        self,
        kind: str,
        *,
        domain: Domain = _SEQUENCE,
        span: tuple[int, int] | None = None,
        role: str | None = None,
        position: tuple[int, int] | None = None,
        key: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        score: float = math.nan,
        element: int = -1,
        box: Box | None = None,
    ) -> int:
        """Add a node under the innermost open one and open it; return its row.

        Args:
            span: its slice of the canonical text; None to take the union of its children's.
            position: place in the parent's domain; None for the ordinal (or the key's id, or (0, 0) in a set).
            key: field name, needed where the parent's domain is KEYED.
            element: row of the `Sources` element table it comes from, -1 for none.

        Raises:
            DocumentError: a second root, or a key where there should be none.
        """
        row = len(self._rows)
        if not self._open and row:
            raise DocumentError(f"a document must have one root, but a second one, a {kind}, was added at row {row}.")
        above = self._open[-1] if self._open else -1
        position = self._next_position(above, position, key)
        self._rows.append((above, kind, domain, role, position, span, self._length, score, element))
        self._children.append(0)
        if attributes:
            self._attributes[row] = attributes
        if box is not None:
            self._boxes[row] = box
        self._open.append(row)
        return row

    def close(self) -> None:
        """Close the innermost open node."""
        self._open.pop()

    def leaf(self, kind: str, **columns: Any) -> int:
        """Add a node without children (arguments as `open`); without a span it holds no text."""
        row = self.open(kind, **columns)
        self.close()
        return row

    def leaves(self, kind: str, spans: Sequence[tuple[int, int]], *, element: int = -1) -> None:
        """Add one childless node for each span under the innermost open node, whose domain is a sequence, at once."""
        above, begin, count = self._open[-1], self._length, len(spans)
        first = self._children[above]
        self._children[above] += count
        self._children += [0] * count
        self._rows += [
            (above, kind, _SEQUENCE, None, (ordinal, 0), span, begin, math.nan, element)
            for ordinal, span in enumerate(spans, first)
        ]

    def block(
        self,
        kind: str,
        text: str,
        *,
        sentences: Iterable[tuple[int, int]] = (),
        marks: Iterable[tuple[int, int, str, str | None]] = (),
        **columns: Any,
    ) -> int:
        """Append text as a block of its own and add a node for it; return its row.

        Args:
            sentences: spans within `text`; each becomes a sentence child.
            marks: (start, end, type, href) within `text`.
            columns: as `open`.
        """
        start, end = self.append(text)
        row = self.open(kind, span=(start, end), **columns)
        self.leaves("sentence", [(start + first, start + last) for first, last in sentences])
        self.close()
        for first, last, type_, href in marks:
            self.mark(row, start + first, start + last, type_, href)
        return row

    def mark(self, row: int, start: int, end: int, type: str, href: str | None = None) -> None:
        """Put an inline mark on `text[start:end]` of node `row` (spans of the canonical text)."""
        self._marks.append(Mark(row, start, end, type, href))

    def set_edges(self, row: int, edges: Sequence[tuple[int, int]]) -> None:
        """Give a GRAPH node its edges: pairs of child ordinals, from and to."""
        self._edges[row] = np.asarray(edges, dtype=np.int32).reshape(-1, 2).T.copy()

    def warn(self, code: str, message: str, row: int = -1) -> None:
        """Record something that was left out, cut or repaired."""
        self._warnings.append(Warning(code, message, row))

    def cut(self, code: str, message: str, row: int = -1) -> None:
        """Record that a bound cut something off: a warning, and the document is marked truncated."""
        self.truncated = True
        self.warn(code, message, row)

    def build(
        self,
        *,
        metadata: Metadata | None = None,
        image_access: ImageAccess | None = None,
        elements: tuple[Sequence[int] | Ints, Sequence[str]] | None = None,
        offsets: np.ndarray[Any, np.dtype[np.int64]] | None = None,
    ) -> Columns:
        """Return the columns.

        Args:
            elements: parents and steps of the element table that `element=` rows point into.
            offsets: (N, 2) start and end of every node in the decoded input, -1 where unknown.

        Raises:
            DocumentError: nodes are still open, or there is none.
        """
        if self._open:
            raise DocumentError(f"every node must be closed before build(), but {len(self._open)} are still open.")
        columns: Iterable[Any] = zip(*self._rows, strict=True) if self._rows else [()] * 9
        parent, kind, domain, role, position, span, begin, score, element = columns
        sources = None
        if elements is not None:
            parents = np.asarray(elements[0], dtype=np.int32)
            sources = Sources(parents, elements[1], np.asarray(element, dtype=np.int32), offsets)
        scores = np.asarray(score, dtype=np.float32)
        return Columns(
            text="".join(self._text),
            parent=np.asarray(parent, dtype=np.int32),
            kind=kind,
            domain=domain,
            role=role,
            position=np.fromiter(chain.from_iterable(position), np.int32).reshape(-1, 2),
            span=np.fromiter(chain.from_iterable(_closed(span, begin, parent)), np.int64).reshape(-1, 2),
            keys=tuple(self._keys),
            score=None if np.isnan(scores).all() else scores,
            attributes=self._attributes,
            edges=self._edges,
            marks=tuple(sorted(self._marks, key=lambda mark: (mark.row, mark.start, -mark.end))),
            boxes=self._boxes,
            sources=sources,
            metadata=metadata or Metadata(),
            image_access=image_access or ImageAccess(),
            truncated=self.truncated,
            warnings=tuple(self._warnings),
        )

    def _next_position(self, above: int, position: tuple[int, int] | None, key: str | None) -> tuple[int, int]:
        """Return the position of the next child of row `above` and count it."""
        if above < 0:
            return (0, 0)
        domain, ordinal = self._rows[above][2], self._children[above]
        if (domain is _KEYED) != (key is not None):
            raise DocumentError(
                f"a child must have a key just where its parent's domain is keyed, "
                f"but key={key!r} under a {domain.value} domain."
            )
        self._children[above] += 1
        if key is not None:
            return (self._keys.setdefault(key, len(self._keys)), 0)
        if position is not None:
            return position
        return (0, 0) if domain is _SET else (ordinal, 0)


def _closed(
    spans: Sequence[tuple[int, int] | None], begins: Sequence[int], parents: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the spans, those that were left open as the union of the children's."""
    union = list(spans)
    for row in range(len(union) - 1, 0, -1):
        span, above = union[row], parents[row]
        if spans[above] is not None or span is None or span[0] == span[1]:
            continue
        over = union[above]
        union[above] = span if over is None else (min(over[0], span[0]), max(over[1], span[1]))
    closed: list[tuple[int, int]] = []
    for span, begin, above in zip(union, begins, parents, strict=True):
        if span is None or span[0] == span[1]:
            # An image before the first word of its parent stands before the separator: take it inside.
            begin = begin if span is None else span[0]
            if above >= 0:
                start, end = closed[above]
                begin = min(max(begin, start), end)
            span = (begin, begin)
        closed.append(span)
    return closed
