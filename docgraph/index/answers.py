"""The passages of one document that answer a question: an index of it alone, made and thrown away."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docgraph.document import Document
from docgraph.index.index import Index
from docgraph.index.words import marks
from docgraph.view.page import Passage


def answers(document: Document, question: str, *, embedder: Any = None, top: int = 10) -> list[Passage]:
    """Return the passages of a document that answer a question, best first: for `document.view(passages=...)`.

    Args:
        embedder: as for `Index.open`; None: by words alone.
    """
    with TemporaryDirectory() as folder, Index.open(Path(folder, "one.index"), embedder, create=True) as index:
        index.add([("document", document)])
        hits = index.search(question, top=top)
    return [
        Passage(
            hit.span,
            hit.score,
            tuple((a + hit.span[0], b + hit.span[0]) for a, b in marks(document.text[slice(*hit.span)], question)),
        )
        for hit in hits
    ]
