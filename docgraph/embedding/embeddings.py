"""Vectors of documents and of their nodes, as arrays: what every embedder returns.

Axes:  n rows   D width of a vector
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.document import Document
from docgraph.errors import ModelError, is_iterable
from docgraph.parsers.text import parse_text

Vectors = NDArray[np.float32]


class Problem(NamedTuple):
    """Something of one document that was set aside, by name."""

    document: int
    """Place of the document in the batch or the call."""
    node_row: int
    message: str


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors, and for each where it comes from. Rows are sorted by document, then by place in the tree."""

    vectors: NDArray[np.float32]
    """(n, D)"""
    document_id: NDArray[Any]
    """(n,) the document's place in the call, or its id where ids were given."""
    node_row: NDArray[np.int64]
    """(n,) `document[node_row]` is the node; tokens and patches have the row of the node they belong to."""
    kind: NDArray[np.str_]
    """(n,) the node's kind; "token" or "patch" for leaves below a node."""
    span: NDArray[np.int64]
    """(n, 2) the node's slice of the document's text."""
    empty: tuple[int, ...] = ()
    """Places of documents that had no leaves: their document vector is zero."""
    problems: tuple[Problem, ...] = ()
    """Images that could not be read, by name."""
    id: tuple[str, ...] = ()
    """(n,) a hash of document, node path and, for passages, their size: the same for the same page. This and what
    follows is filled in by `Embedder`."""
    level: tuple[str, ...] = ()
    """(n,) "document", "section", "passage", or "node" for every other node."""
    headings: tuple[tuple[str, ...], ...] = ()
    """(n,) heading path, outermost first; a section's own heading is its last."""
    dom_path: tuple[str | None, ...] = ()
    """(n,) XPath of the node in its page."""
    text: tuple[str, ...] = ()
    """(n,) the node's words: its slice of the text, a table as lines, an image's alternative text and caption."""

    def __len__(self) -> int:
        return len(self.vectors)


def as_documents(documents: Document | Iterable[Any]) -> list[Document]:
    """Return a list of documents.

    Raises:
        ModelError: something in it is not a `Document`.
    """
    listed = [documents] if isinstance(documents, Document) else list(documents)
    for place, document in enumerate(listed):
        if not isinstance(document, Document):
            raise ModelError(
                f"a model reads Document objects, but number {place} is a {type(document).__name__}. "
                "Make one with parse_html, parse_article, parse_text or load_document."
            )
    return listed


def documents_of(documents: Document | str | Iterable[Document | str]) -> list[Document]:
    """Return a list of documents; a text is one, too.

    Raises:
        ModelError: something is neither.
    """
    if not is_iterable(documents):  # a document is, too
        raise ModelError(f"documents must be documents or texts, but are {type(documents).__name__}.")
    many = [documents] if isinstance(documents, Document | str) else list(documents)
    return as_documents([parse_text(one) if isinstance(one, str) else one for one in many])


def unit(vectors: NDArray[Any]) -> Vectors:
    """Return vectors scaled to length 1; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32)
