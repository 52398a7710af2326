"""Levels: which nodes of a document have a vector."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from docgraph.document import Document
from docgraph.errors import ModelError
from docgraph.kinds import KINDS

DOCUMENT: Final = "document"
NODE: Final = "node"
PASSAGE: Final = "passage"
LEVELS: Final = (DOCUMENT, PASSAGE, NODE, *KINDS)
"""That every embedder has; documents may have kinds of their own besides."""


def check_levels(levels: Sequence[Any], documents: Iterable[Document] = ()) -> None:
    """Hold levels against those that there are, and the kinds that documents have.

    Raises:
        ModelError: there is no level, or one is unknown.
    """
    if not levels:
        raise ModelError("level must name at least one level, but is empty.")
    if not (unknown := [level for level in levels if level not in LEVELS]):
        return
    there = {kind for document in documents for kind in document.kind}
    if unknown := [level for level in unknown if level not in there]:
        raise ModelError(
            f"level must be document, passage, node or a kind of node ({', '.join(KINDS)}), but is {unknown[0]!r:.100}."
        )
