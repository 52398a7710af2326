"""A node: a view of one row of a document.

A node holds its document and its row, nothing else; it is equal to another view of the same row of the same
document object. Making one costs nothing that grows with the document.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from docgraph.errors import ImageError
from docgraph.images import ImageReference
from docgraph.kinds import Domain, Modality, modality_of
from docgraph.records import Box, Mark

if TYPE_CHECKING:
    from docgraph.columns import Columns
    from docgraph.document import Document


class Source(NamedTuple):
    """Where a node comes from in its input."""

    xpath: str | None
    offsets: tuple[int, int] | None
    """Start and end in the decoded input, if the parser was asked for them and could tell."""


class Node:
    """One node of a document."""

    __slots__ = ("document", "row")

    document: "Document"
    row: int

    def __init__(self, document: "Columns", row: int) -> None:
        object.__setattr__(self, "document", document)
        object.__setattr__(self, "row", row)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a node is a view and cannot be changed; make a new document to change {name}.")

    def __reduce__(self) -> tuple[type["Node"], tuple["Document", int]]:
        return (Node, (self.document, self.row))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.document is self.document and other.row == self.row

    def __hash__(self) -> int:
        return hash((id(self.document), self.row))

    def __repr__(self) -> str:
        text = self.text
        return f"<{self.kind} {self.row}: {text[:40] + '…' if len(text) > 40 else text!r}>"

    @property
    def kind(self) -> str:
        """What the node is: "page", "section", "paragraph", "sentence", "image", ..."""
        return self.document.kind[self.row]

    @property
    def role(self) -> str | None:
        """The part of the page it belongs to (its own or its nearest ancestor's): "main", "nav", ..."""
        return self.document.effective_roles[self.row]

    @property
    def domain(self) -> Domain:
        """The domain that its children live on."""
        return self.document.domain[self.row]

    @property
    def modality(self) -> Modality:
        """What it holds if it is a leaf: text or an image."""
        return modality_of(self.kind)

    @property
    def score(self) -> float | None:
        """Main-content score in [0, 1], or None where no parser judged."""
        score = self.document.score
        value = float("nan") if score is None else float(score[self.row])
        return None if value != value else value

    @property
    def span(self) -> tuple[int, int]:
        """Start and end in `document.text`, in characters."""
        start, end = self.document.span[self.row].tolist()
        return start, end

    @property
    def text(self) -> str:
        """Its slice of `document.text`."""
        start, end = self.span
        return self.document.text[start:end]

    @property
    def position(self) -> tuple[int, int]:
        """Place in the parent's domain: (ordinal, 0), (row, column), (key id, 0), or (0, 0) in a set."""
        first, second = self.document.position[self.row].tolist()
        return first, second

    @property
    def key(self) -> str | None:
        """Its field name, if its parent's domain is KEYED."""
        parent = self.parent
        if parent is None or parent.domain is not Domain.KEYED:
            return None
        return self.document.keys[self.position[0]]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes by name: href, src, alt, level, language, ordered, colspan, header, ..."""
        return self.document.attributes.get(self.row, {})

    @property
    def language(self) -> str | None:
        """The `language` of the node or of its nearest ancestor that has one, else the document's."""
        node: Node | None = self
        while node is not None:
            if language := node.attributes.get("language"):
                return str(language)
            node = node.parent
        return self.document.metadata.language

    @property
    def marks(self) -> list[Mark]:
        """The inline marks on its text."""
        return list(self.document.marks_by_row.get(self.row, ()))

    @property
    def box(self) -> Box | None:
        """Where it stands on a rendered page, if known."""
        return self.document.boxes.get(self.row)

    @property
    def source(self) -> Source:
        """Where it comes from in the input: xpath, and offsets if they were asked for."""
        sources = self.document.sources
        if sources is None:
            return Source(None, None)
        offsets = None
        if sources.node_offsets is not None and sources.node_offsets[self.row, 0] >= 0:
            start, end = sources.node_offsets[self.row].tolist()
            offsets = (start, end)
        return Source(sources.xpath(self.row), offsets)

    @property
    def image(self) -> ImageReference:
        """Its image, not yet opened.

        Raises:
            ImageError: the node is not an image.
        """
        if self.kind != "image":
            raise ImageError(f"only an image node has an image, but row {self.row} is a {self.kind}.")
        src, raw = (value if isinstance(value, str) else None for value in map(self.attributes.get, ("src", "src_raw")))
        return ImageReference(src, self.document.image_access, raw)

    @property
    def is_leaf(self) -> bool:
        """Whether it has no children."""
        return bool(self.document.child_count[self.row] == 0)

    @property
    def depth(self) -> int:
        """Levels below the root."""
        return int(self.document.depth[self.row])

    @property
    def parent(self) -> "Node | None":
        """The node above, or None at the root."""
        row = int(self.document.parent[self.row])
        return None if row < 0 else Node(self.document, row)

    @property
    def children(self) -> list["Node"]:
        """The nodes below, in order."""
        return [Node(self.document, row) for row in self.document.child_rows(self.row)]

    @property
    def ancestors(self) -> list["Node"]:
        """The nodes above, nearest first."""
        above, node = [], self.parent
        while node is not None:
            above.append(node)
            node = node.parent
        return above

    def walk(self) -> Iterator["Node"]:
        """Yield the node and everything under it, in pre-order."""
        return (Node(self.document, row) for row in range(self.row, int(self.document.subtree_end[self.row])))

    def leaves(self) -> list["Node"]:
        """Return the leaves under the node (itself, if it is one)."""
        return [node for node in self.walk() if node.is_leaf]

    def find(self, kind: str) -> list["Node"]:
        """Return the nodes of a kind under this one, itself included."""
        return [node for node in self.walk() if node.kind == kind]
