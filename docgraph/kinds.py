"""The words of a document tree: what kind a node is, what domain its children live on, what its leaves hold.

`Domain` and `Modality` are closed sets. Kinds and roles are plain strings: the ones that the parsers use are
listed here, and a caller may add others (`kind="price"`) as long as they are not empty.

Source of the five domains: Hierarchical Self-Attention (arXiv 2509.15448), appendix C.
"""

from enum import StrEnum
from typing import Final


class Domain(StrEnum):
    """Where the children of one node live; positions compare within one family only."""

    SEQUENCE = "sequence"
    """An order: position (ordinal, 0)."""
    GRID = "grid"
    """Rows and columns: position (row, column)."""
    GRAPH = "graph"
    """Nodes with edges between them: position (ordinal, 0); edges are pairs of child ordinals."""
    SET = "set"
    """No positions at all."""
    KEYED = "keyed"
    """Named fields: position (key id, 0), the key being a string."""


class Modality(StrEnum):
    """What a leaf holds."""

    TEXT = "text"
    IMAGE = "image"


KINDS: Final = (
    "site", "page", "article", "document", "section", "field", "heading", "paragraph", "sentence", "list", "item",
    "term", "definition", "table", "cell", "figure", "image", "caption", "credit", "quote", "code", "math", "group",
    "form", "rule", "media",
)  # fmt: skip
"""Kinds that the parsers make; see docs of each parser for which of them nest in which."""


def modality_of(kind: str) -> Modality:
    """Return what a leaf of this kind holds: an image node holds an image, every other leaf holds text."""
    return Modality.IMAGE if kind == "image" else Modality.TEXT
