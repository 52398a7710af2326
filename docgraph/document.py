"""A document: columns that hold a tree, and one canonical text that every node is a slice of.

    row      0        1         2          3           4            pre-order: a subtree is a contiguous range
    kind     page     section   heading    paragraph   sentence
    parent   -1       0         1          1           3
    span     (0, 24)  (0, 24)   (0, 5)     (7, 24)     (7, 24)      text[start:end]

`Document` owns the columns; a `Node` (node.py) is a light view of one row. Nothing here recurses, so a document of
100,000 levels pickles, copies and serialises like any other. A document is made by `DocumentBuilder` (builder.py)
and not changed afterwards: `with_roles` and `replace` return a new document that shares the other columns.

Text is stored once, in document order, blocks joined by a blank line. Pictures, alt text and metadata add no text:
they have an empty span at their place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DocumentError
from docgraph.kinds import Domain
from docgraph.limits import Limits
from docgraph.metadata import Metadata
from docgraph.node import Node

if TYPE_CHECKING:
    import networkx

    from docgraph.chunks import Chunk

Ints = NDArray[np.int32]
Fetcher = Callable[[str], bytes | None]


class Mark(NamedTuple):
    """An inline mark on an uncut text: `document.text[start:end]` is a link, strong, emphasis, code, ..."""

    row: int
    """The row of the node whose text carries the mark (a paragraph, a heading, a cell, ...)."""
    start: int
    end: int
    type: str
    """"link" | "strong" | "emphasis" | "code" | "subscript" | "superscript" | "deleted" | ..."""
    href: str | None = None
    """Where a link goes, resolved."""


class Warning(NamedTuple):
    """Something that was left out, cut or repaired, as data: `code` for programs, `message` for people."""

    code: str
    """A short constant such as "limit.nodes", "limit.input_bytes", "image.missing", "decode.replaced"."""
    message: str
    row: int = -1
    """The node it happened at, or -1."""


class Box(NamedTuple):
    """Where a node stands on a rendered page."""

    x0: float
    y0: float
    x1: float
    y1: float
    unit: str = "px"


@dataclass(frozen=True, eq=False)
class Sources:
    """Where nodes come from in the input: an element table that xpaths are read from, and offsets on request.

    An xpath is stored as one step per element and joined when asked for, so that deep pages cost linear memory.
    """

    element_parent: Ints
    """(E,) row of the parent element in this table, -1 at the root."""
    element_step: Sequence[str]
    """(E,) one xpath step each: "div[3]"."""
    node_element: Ints
    """(N,) the element each node was made from, -1 for none."""
    node_offsets: NDArray[np.int64] | None = None
    """(N, 2) start and end in the decoded input, -1 where unknown; None unless asked for."""

    def xpath(self, row: int) -> str | None:
        """Return the absolute xpath of the element that made node `row`, or None."""
        element = int(self.node_element[row])
        if element < 0:
            return None
        steps = []
        while element >= 0:
            steps.append(self.element_step[element])
            element = int(self.element_parent[element])
        return "/" + "/".join(reversed(steps))


@dataclass(frozen=True, eq=False)
class Images:
    """How the pictures of a document are reached. Opening is lazy; see images.py for what is allowed.

    `resources` are pictures given as bytes, by the name that an image node's `src` attribute holds.
    `root` is the only folder (or zip archive) that local pictures may come from. `base` is where relative names
    start: a folder within the root, or a path within the archive; None for the root itself. A document that comes
    from elsewhere brings its own root: set another with `document.replace(image_access=...)` if it is not trusted.
    `fetch` is the caller's own way out, and is not serialised.
    """

    resources: Mapping[str, bytes] = field(default_factory=dict)
    root: str | None = None
    base: str | None = None
    fetch: Fetcher | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, eq=False, kw_only=True)
class Document:
    """A tree of text and pictures. Columns have one entry a node, in pre-order.

    Made by the parsers or `DocumentBuilder`; equal only to itself (`same_as` compares contents).
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
    image_access: Images = field(default_factory=Images)
    truncated: bool = False
    warnings: Sequence[Warning] = ()

    def __post_init__(self) -> None:
        rows = len(self.parent)
        if rows == 0:
            raise DocumentError("a document must have at least its root node, but has no rows.")
        for name in ("kind", "domain", "role", "position", "span"):
            if len(getattr(self, name)) != rows:
                raise DocumentError(
                    f"column {name} must have one entry for each of the {rows} nodes, but has {len(getattr(self, name))}."
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
        return f"<Document {self.kind[0]} {title!r}: {len(self)} nodes, {len(self.text)} characters>"

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
    def links(self) -> list["Link"]:
        """Every hyperlink: link marks and nodes with an `href`, in document order."""
        found = [
            Link(m.row, m.start, m.end, m.href, self.text[m.start : m.end])
            for m in self.marks
            if m.type == "link" and m.href
        ]
        for row, attributes in self.attributes.items():
            href = attributes.get("href")
            if isinstance(href, str) and href:
                start, end = self.span[row].tolist()
                found.append(Link(row, start, end, href, self.text[start:end]))
        return sorted(found, key=lambda link: (link.start, link.row))

    @property
    def main_text(self) -> str:
        """The text of the main content: the blocks whose role is "main", or all text if no role was given."""
        from docgraph.main_text import main_spans

        return "\n\n".join(self.text[start:end] for start, end in main_spans(self))

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
        for own, above in zip(self.role, self.parent.tolist(), strict=True):
            roles.append(own if own is not None or above < 0 else roles[above])
        return roles

    @cached_property
    def marks_by_row(self) -> Mapping[int, Sequence[Mark]]:
        """Row -> the inline marks on that node's text."""
        found: dict[int, list[Mark]] = {}
        for mark in self.marks:
            found.setdefault(mark.row, []).append(mark)
        return found

    def child_rows(self, row: int) -> list[int]:
        """Return the rows of a node's children, in order. Costs the number of children."""
        ends, found, child = self.subtree_end, [], row + 1
        while child < ends[row]:
            found.append(child)
            child = int(ends[child])
        return found

    # -- new documents from old ----------------------------------------------------------------------------

    def replace(self, **columns: Any) -> "Document":
        """Return a document with other columns; the rest is shared."""
        return replace(self, **columns)

    def with_roles(self, role: Sequence[str | None], score: NDArray[np.float32] | None = None) -> "Document":
        """Return a document with other roles (and scores)."""
        return replace(self, role=tuple(role), score=self.score if score is None else score)

    def with_metadata(self, **values: Any) -> "Document":
        """Return a document with some metadata fields changed."""
        return replace(self, metadata=replace(self.metadata, **values))

    def same_as(self, other: "Document") -> bool:
        """Whether both documents have the same contents (compared through their JSON)."""
        return self.to_json() == other.to_json()

    # -- views and formats (each in its own module) --------------------------------------------------------

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the document as JSON, flat and with a schema version; see serialise.py."""
        from docgraph.formats.json import to_json

        return to_json(self, indent=indent)

    @staticmethod
    def from_json(source: str | bytes) -> "Document":
        """Return the document that `to_json` wrote.

        Raises:
            DocumentError: the JSON is not a document of a known schema version.
        """
        from docgraph.formats.json import from_json

        return from_json(source)

    def to_networkx(self) -> "networkx.DiGraph[int]":
        """Return the document as a networkx graph; see graph.py."""
        from docgraph.formats.networkx import to_networkx

        return to_networkx(self)

    @staticmethod
    def from_networkx(graph: "networkx.DiGraph[Any]") -> "Document":
        """Return the document that a networkx graph holds; see graph.py."""
        from docgraph.formats.networkx import from_networkx

        return from_networkx(graph)

    def to_markdown(self, *, main_only: bool = False) -> str:
        """Return the document as Markdown; see markdown.py."""
        from docgraph.formats.markdown import to_markdown

        return to_markdown(self, main_only=main_only)

    def chunks(
        self,
        max_tokens: int = 256,
        count: Any = None,
        overlap: int = 0,
        *,
        parents: bool = False,
        boilerplate: bool = False,
        document_id: str | None = None,
    ) -> "list[Chunk]":
        """Return the document in pieces of bounded size, cut along its structure; see chunks.py.

        Args:
            max_tokens: tokens that a chunk may have with the headings put before it; only a single letter has more.
            count: what counts them: a function of a text or a tokenizer; words if None.
            overlap: tokens at the end of a chunk that the next one of its section begins with.
            parents: whether the sections and the document, of whatever size, are returned too, each before its parts.
            boilerplate: whether navigation, headers, footers and asides are read, too.
            document_id: a name for the document; its URL if None, else a hash of its contents.

        Raises:
            DocumentError: a number is out of range, or `count` is neither a function nor a tokenizer.
        """
        from docgraph.chunks import chunks

        return chunks(
            self, max_tokens, count, overlap, parents=parents, boilerplate=boilerplate, document_id=document_id
        )

    def outline(self, *, width: int = 100, max_nodes: int | None = None, sizes: bool = True) -> str:
        """Return the tree as indented lines, one a node; see outline.py."""
        from docgraph.formats.outline import outline

        return outline(self, width=width, max_nodes=max_nodes, sizes=sizes)


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


def _check_spans(document: Document) -> None:
    start, end = document.span[:, 0], document.span[:, 1]
    if bool((start > end).any()) or int(start.min()) < 0 or int(end.max()) > len(document.text):
        raise DocumentError(
            f"every span must lie within the text of {len(document.text)} characters, start before end."
        )
    above = document.parent[1:]
    outside = np.flatnonzero((start[1:] < start[above]) | (end[1:] > end[above]))
    if len(outside):
        row = int(outside[0]) + 1
        raise DocumentError(
            f"a node's span must lie within its parent's, but row {row} has {document.span[row].tolist()} "
            f"under {document.span[document.parent[row]].tolist()}."
        )


def _check_families(document: Document) -> None:
    """Raise unless keys, edges, marks and boxes point at what is there."""
    rows = len(document)
    keyed = np.fromiter((domain is Domain.KEYED for domain in document.domain), bool, rows)
    if keyed.any():
        ids = document.position[1:, 0][keyed[document.parent[1:]]]
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(document.keys):
            raise DocumentError(
                f"a child of a KEYED node must have one of the {len(document.keys)} keys, but ids go from {ids.min()} to {ids.max()}."
            )
    for row, pairs in document.edges.items():
        if not 0 <= row < rows or document.domain[row] is not Domain.GRAPH:
            raise DocumentError(f"only GRAPH nodes have edges, but row {row} has.")
        count = int(document.child_count[row])
        if pairs.ndim != 2 or len(pairs) != 2 or (pairs.size and not 0 <= int(pairs.min()) <= int(pairs.max()) < count):
            raise DocumentError(f"edges of row {row} must be pairs of ordinals of its {count} children, but are not.")
    for name in ("attributes", "boxes"):
        if any(not 0 <= row < rows for row in getattr(document, name)):
            raise DocumentError(f"{name} must belong to one of the {rows} rows, but one does not.")
    for mark in document.marks:
        if not (0 <= mark.row < rows and 0 <= mark.start <= mark.end <= len(document.text)):
            raise DocumentError(f"a mark must lie on a node and within the text, but {mark} does not.")


class Link(NamedTuple):
    """A hyperlink of a document."""

    row: int
    start: int
    end: int
    href: str | None
    text: str
