"""Chunks: a document in pieces of bounded size for search, retrieval and language models, with the way back.

    for chunk in document.chunks(max_tokens=256):
        index.add(chunk.id, chunk.contextualized)

A chunk follows the structure (passages/): paragraphs, lists, tables and images of one section, under its headings. It
knows its place: the slice of the document's text, the rows of its nodes, the DOM path, the section it is a part of.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple

from docgraph.columns import Columns
from docgraph.errors import check_type
from docgraph.headings import heading_paths, section_above
from docgraph.ids import document_key, hashed, node_ids
from docgraph.passages import Passage, counter, split
from docgraph.passages.tables import alt_of, begun_at


class ChunkImage(NamedTuple):
    """An image of a chunk. `document[row].image` opens it."""

    row: int
    src: str | None
    alt: str
    caption: str
    """The text of the captions in its figure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a document. Sorted as they stand in it; together their texts are the document's."""

    id: str
    """A hash of document, node path and settings: the same for the same page and the same arguments."""
    document_id: str
    parent_id: str | None
    """The section it lies in; None for the whole document. The id that `parents=True` and `docgraph embed` give it."""
    children_ids: tuple[str, ...] = ()
    """Of a parent: the chunks and sections directly in it, in order."""
    level: str = "passage"
    """"passage", or of a parent "section" or "document"."""
    kind: str
    """The kind of its one node ("paragraph", "table", "code" ...), or "passage" where several were joined."""
    text: str
    """`document.text[slice(*span)]`. A table is one line a row, each piece of it under the header; a chunk of nothing
    but images has their alternative texts."""
    contextualized: str
    """The text under the headings above it (the title, if there are none), with the alternative texts of its images:
    what to embed. It has at most `max_tokens` tokens, for which long paths lose their outer headings."""
    headings: tuple[str, ...]
    """Heading path, outermost first, whole."""
    span: tuple[int, int]
    """Characters of `document.text`."""
    rows: tuple[int, ...]
    """The nodes it is made of: `document[row]`."""
    images: tuple[ChunkImage, ...]
    dom_path: str | None
    """Where it begins in the page, as an XPath; a later piece of a table begins in a cell. None if there is none."""
    tokens: int
    """Of `contextualized`."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "images": [image._asdict() for image in self.images]}


def chunks(
    document: Columns,
    max_tokens: int = 256,
    count: Any = None,
    overlap: int = 0,
    *,
    parents: bool = False,
    boilerplate: bool = False,
    document_id: str | None = None,
) -> list[Chunk]:
    """Return the chunks of a document, in order; see `Document.chunks`."""
    check_type("boilerplate", boilerplate, bool)
    check_type("document_id", document_id, str, NoneType)
    measure = counter(count)
    name = document_key(document) if document_id is None else document_id
    ids = node_ids(document, name)
    passages = split(document, max_tokens, measure, overlap=overlap, boilerplate=boilerplate)
    settings = (max_tokens, _unit(count), overlap, boilerplate)
    pieces: dict[tuple[int, ...], int] = {}
    made: list[Chunk] = []
    for passage in passages:
        pieces[passage.rows] = piece = pieces.get(passage.rows, -1) + 1
        made.append(
            Chunk(
                id=hashed(*(ids[row] for row in passage.rows), piece, *settings),
                document_id=name,
                parent_id=ids[passage.section],
                kind=passage.kind,
                text=passage.text or passage.words,
                contextualized=passage.contextualized,
                headings=_texts(document, passage.headings),
                span=passage.span,
                rows=passage.rows,
                images=tuple(image_of(document, row) for row in passage.images),
                dom_path=document[begun_at(document, _first(passage), passage.span[0])].source.xpath,
                tokens=measure(passage.contextualized),
            )
        )
    if not parents:
        return made
    return _with_parents(document, [passage.section for passage in passages], made, ids, measure)


def _with_parents(
    document: Columns, sections: list[int], made: list[Chunk], ids: list[str], measure: Callable[[str], int]
) -> list[Chunk]:
    """Put before the first chunk of each section the section itself, and those that it lies in before it."""
    children: dict[int, list[str]] = {}
    order: list[int | Chunk] = []
    for section, chunk in zip(sections, made, strict=True):
        new, row = [], section
        while row >= 0 and row not in children:
            children[row] = []
            new.append(row)
            row = section_above(document, row)
        for row in reversed(new):
            order.append(row)
            if (above := section_above(document, row)) >= 0:
                children[above].append(ids[row])
        children[section].append(chunk.id)
        order.append(chunk)
    paths = heading_paths(document)
    return [
        one
        if isinstance(one, Chunk)
        else _parent(document, one, paths[one], ids, tuple(children[one]), made[0].document_id, measure)
        for one in order
    ]


def _parent(
    document: Columns,
    row: int,
    path: tuple[int, ...],
    ids: list[str],
    children: tuple[str, ...],
    document_id: str,
    measure: Callable[[str], int],
) -> Chunk:
    """Return a section, or the document, as a chunk of whatever size."""
    start, end = document.span[row].tolist()
    text = document.text[start:end]
    over = [heading for heading in path if document.parent[heading] != row]
    contextualized = "\n\n".join(part for part in ("\n".join(_texts(document, over)), text) if part)
    above = section_above(document, row)
    return Chunk(
        id=ids[row],
        document_id=document_id,
        parent_id=ids[above] if above >= 0 else None,
        children_ids=children,
        level="section" if above >= 0 else "document",
        kind=document.kind[row],
        text=text,
        contextualized=contextualized,
        headings=_texts(document, path),
        span=(start, end),
        rows=(row,),
        images=tuple(
            image_of(document, image)
            for image in range(row, int(document.subtree_end[row]))
            if document.kind[image] == "image"
        ),
        dom_path=document[row].source.xpath,
        tokens=measure(contextualized),
    )


def _first(passage: Passage) -> int:
    """Return the row of the first node of a passage that is not a heading it begins with."""
    return next((row for row in passage.rows if row not in passage.headings), passage.rows[0])


def _texts(document: Columns, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(" ".join(document[row].text.split()) for row in rows)


def image_of(document: Columns, row: int) -> ChunkImage:
    """Return an image with its words: its alternative text, and the captions of its figure."""
    node = document[row]
    figure = next((above for above in node.ancestors[:4] if above.kind == "figure"), None)
    caption = "" if figure is None else " ".join(" ".join(one.text for one in figure.find("caption")).split())
    src = node.attributes.get("src")
    return ChunkImage(row, src if isinstance(src, str) else None, alt_of(document, row), caption)


def _unit(count: Any) -> str:
    """Return a name of what counts the tokens, for the ids."""
    if count is None:
        return "words"
    named = getattr(count, "name_or_path", None) or getattr(count, "__qualname__", None)
    return str(named or type(count).__qualname__)
