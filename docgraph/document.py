"""A document: columns that hold a tree and one canonical text, and what becomes of them.

    DocumentBuilder ──> Document ─┬─ the columns, nodes and links of columns.py
                                  ├─ main_text
                                  ├─ to_json  to_networkx  to_markdown  outline   (formats/)
                                  ├─ view                                        (view/)
                                  └─ chunks                                      (chunks.py, passages/)

A document is not changed once made: `with_roles`, `with_metadata` and `replace` return a new one that shares the rest.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from docgraph import records
from docgraph.builder import ColumnsBuilder
from docgraph.chunks import Chunk, chunks
from docgraph.columns import Columns
from docgraph.formats.json import from_json, to_json
from docgraph.formats.markdown import to_markdown
from docgraph.formats.networkx import from_networkx, to_networkx
from docgraph.formats.notebook import to_notebook
from docgraph.formats.outline import outline
from docgraph.main_text import main_spans
from docgraph.metadata import Metadata
from docgraph.records import ImageAccess, Ints
from docgraph.view.page import IMAGE_BYTES, Attention, Evidence, Passage, View, view
from docgraph.without import without

if TYPE_CHECKING:
    import networkx


class Document(Columns):
    """A tree of text and images. Columns have one entry a node, in pre-order.

    Made by the parsers or `DocumentBuilder`; equal only to itself (`same_as` compares contents).
    """

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Return the document of columns, which were checked when they were made; nothing is copied."""
        document = object.__new__(cls)
        document.__dict__.update(columns.__dict__)
        return document

    @property
    def main_text(self) -> str:
        """The text of the main content: the blocks whose role is "main", or all text if no role was given."""
        return "\n\n".join(self.text[start:end] for start, end in main_spans(self))

    def without(self, rows: Iterable[int]) -> Self:
        """Return the document without some nodes, all that is under them, and their text; see without.py.

        Raises:
            DocumentError: a row is the root, or not there.
        """
        return without(self, rows)

    def same_as(self, other: "Document") -> bool:
        """Whether both documents have the same contents (compared through their JSON)."""
        return self.to_json() == other.to_json()

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the document as JSON, flat and with a schema version; see formats/json.py."""
        return to_json(self, indent=indent)

    @classmethod
    def from_json(cls, source: str | bytes) -> Self:
        """Return the document that `to_json` wrote.

        Raises:
            DocumentError: the JSON is not a document of a known schema version.
        """
        return cls.from_columns(from_json(source))

    def to_networkx(self) -> "networkx.DiGraph[int]":
        """Return the document as a networkx graph; see formats/networkx.py."""
        return to_networkx(self)

    @classmethod
    def from_networkx(cls, graph: "networkx.DiGraph[Any]") -> Self:
        """Return the document that a networkx graph holds; see formats/networkx.py.

        Raises:
            DocumentError: the graph is not directed, or its tree edges are no tree with one root.
        """
        return cls.from_columns(from_networkx(graph))

    def to_markdown(self, *, main_only: bool = False) -> str:
        """Return the document as Markdown; see formats/markdown.py."""
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
    ) -> list[Chunk]:
        """Return the document in pieces of bounded size, cut along its structure; see chunks.py.

        Args:
            max_tokens: tokens that a chunk may have with the headings put before it; only a single letter has more.
            count: what counts them: a function of a text or a tokenizer; words if None.
            overlap: tokens at the end of a chunk that the next one of its section begins with.
            parents: whether the sections and the document, of whatever size, are returned too, each before its parts.
            boilerplate: whether navigation, headers, footers and asides are read, too.
            document_id: a name for the document; its URL if None, else a hash of its contents.

        Raises:
            DocumentError: a number is none or out of range, or `count` is neither a function nor a tokenizer.
            DataError: `boilerplate` or `document_id` is of another type.
        """
        return chunks(
            self, max_tokens, count, overlap, parents=parents, boilerplate=boilerplate, document_id=document_id
        )

    def outline(self, *, width: int = 100, max_nodes: int | None = None, sizes: bool = True) -> str:
        """Return the tree as indented lines, one a node; see formats/outline.py."""
        return outline(self, width=width, max_nodes=max_nodes, sizes=sizes)

    def _repr_html_(self) -> str:
        """Show the tree in a notebook; see formats/notebook.py."""
        return to_notebook(self)

    def view(
        self,
        *,
        query: str | None = None,
        passages: Sequence[Passage] = (),
        evidence: Evidence | None = None,
        attention: Attention | None = None,
        image_bytes: int = IMAGE_BYTES,
    ) -> View:
        """Return a page that shows the document beside its tree: one file, without network; see view/.

        Args:
            query: a question, shown with `passages`.
            passages: pieces that answer it, best first: `docgraph.index.answers(document, query)`.
            evidence: what the nodes count for a model's classes: `model.explain(document)`.
            attention: where a model's attention goes from each node: `model.attention_of(document)`.
            image_bytes: letters that the images in the page may have, all together; the others are named.

        Raises:
            DataError: the evidence or the attention is that of another document, or an attribute is no JSON value.
        """
        return view(
            self, query=query, passages=passages, evidence=evidence, attention=attention, image_bytes=image_bytes
        )


class DocumentBuilder(ColumnsBuilder):
    """Makes a document row by row, in document order; see builder.py."""

    def build(
        self,
        *,
        metadata: Metadata | None = None,
        image_access: ImageAccess | None = None,
        elements: tuple[Sequence[int] | Ints, Sequence[str]] | None = None,
        offsets: NDArray[np.int64] | None = None,
    ) -> Document:
        """Return the document; arguments and errors are those of `ColumnsBuilder.build`."""
        columns = super().build(metadata=metadata, image_access=image_access, elements=elements, offsets=offsets)
        return Document.from_columns(columns)


def __getattr__(name: str) -> Any:
    """Find the records where pickles of version 0.1.0 name them: in this module, and `ImageAccess` as `Images`."""
    if name in ("Box", "Images", "Link", "Mark", "Sources", "Warning"):
        return getattr(records, {"Images": "ImageAccess"}.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
