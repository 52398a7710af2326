"""What an index keeps of a document: one row for it, each section, each passage and each image.

Ids are those of `Document.chunks(parents=True)` and of `docgraph embed`: the same page gives the same ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from docgraph.chunks import Chunk, chunks
from docgraph.document import Document
from docgraph.headings import heading_paths, section_above
from docgraph.ids import node_ids

LEVELS: Final = ("document", "section", "passage", "image")
NEAR: Final = 600
"""Letters of the text around an image, on each side, that help to find it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One thing that can be found."""

    id: str
    level: str
    """One of LEVELS."""
    kind: str
    kinds: tuple[str, ...]
    """Of the nodes it is made of, by any of which it is found: a passage may hold a paragraph and a table."""
    parent: str | None
    """Id of the section it lies in."""
    headings: tuple[str, ...]
    span: tuple[int, int]
    dom_path: str | None
    text: str
    words: str
    """What is counted besides the headings: the text, alternative texts, for an image what stands around it."""


def rows(document: Document, document_id: str, *, max_tokens: int, count: Any, boilerplate: bool) -> Iterator[Row]:
    """Yield the rows of a document: itself, then sections and passages in order, then images."""
    made = chunks(document, max_tokens, count, parents=True, boilerplate=boilerplate, document_id=document_id)
    shown: set[int] = set()
    for chunk in made:
        if chunk.level == "passage":
            shown.update(image.row for image in chunk.images)
        yield _of_chunk(chunk, document)
    if not shown:
        return
    ids, paths = node_ids(document, document_id), heading_paths(document)
    for chunk in made:
        for image in chunk.images if chunk.level == "passage" else ():
            if image.row not in shown:
                continue
            shown.remove(image.row)
            start = int(document.span[image.row, 0])
            said = " ".join(part for part in (image.alt, image.caption) if part)
            around = document.text[max(start - NEAR, 0) : start + NEAR]
            yield Row(
                id=ids[image.row],
                level="image",
                kind="image",
                kinds=("image",),
                parent=ids[section_above(document, image.row)],
                headings=tuple(" ".join(document[row].text.split()) for row in paths[image.row]),
                span=(start, start),
                dom_path=document[image.row].source.xpath,
                text=said,
                words=f"{said}\n{said}\n{around}",  # twice: what is said of it counts more than what is near it
            )


def _of_chunk(chunk: Chunk, document: Document) -> Row:
    alts = " ".join(image.alt for image in chunk.images if image.alt)
    return Row(
        id=chunk.id,
        level=chunk.level,
        kind=chunk.kind,
        kinds=tuple(sorted({document.kind[row] for row in chunk.rows})),
        parent=chunk.parent_id,
        headings=chunk.headings,
        span=chunk.span,
        dom_path=chunk.dom_path,
        text=chunk.text,
        words=f"{chunk.text}\n{alts}" if alts else chunk.text,
    )
