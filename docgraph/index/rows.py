"""What an index keeps of a document: one row for it, each section, each passage and each image.

Ids are those of `Document.chunks(parents=True)` and of `docgraph embed`: the same page gives the same ids. With an
embedder the rows are those that it gives vectors to; without one, passages are chunks.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.chunks import chunks, image_of
from docgraph.document import Document
from docgraph.embedding.nodes import own_text
from docgraph.errors import DataError
from docgraph.headings import CONTAINERS, SECTIONS, heading_paths, section_above
from docgraph.ids import document_key, node_ids

LEVELS: Final = ("document", "section", "passage", "image")
EMBEDDED: Final = ("document", "section", "field", "passage", "image")
"""What an embedder is asked for."""
MANY: Final = ("cell", "sentence")
"""Kinds with so many nodes in a passage that where each stands is not kept."""
NEAR: Final = 600
"""Letters of the text around an image, on each side, that help to find it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A node in a passage of several: what a search for its kind leads to."""

    kind: str
    start: int
    stop: int
    """Characters of the document's text."""
    dom_path: str | None
    text: str | None
    """None: that slice of the document's text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRow:
    """One thing that can be found."""

    id: str
    level: str
    """One of LEVELS."""
    kind: str
    kinds: tuple[str, ...]
    """Of the nodes it is made of, or is a piece of; by any of them it is found: a passage may hold a paragraph and a
    table."""
    parent: str | None
    """Id of the section it lies in."""
    headings: tuple[str, ...]
    span: tuple[int, int]
    dom_path: str | None
    text: str
    words: str
    """What is counted besides the headings: the text, alternative texts; for an image what stands around it, for a
    section what stands directly in it, as a match in one of its sections speaks for that one."""
    parts: tuple[Part, ...] = ()
    """Of a passage: the nodes in it, in order."""
    vector: NDArray[np.float32] | None = None


def rows_of(batch: Sequence[tuple[str, Document, str]], embedder: Any, max_tokens: int) -> list[list[IndexRow]]:
    """Return the rows of each document, with the vectors of an embedder; None for passages of so many words."""
    if embedder is None:
        return [plain_rows(document, name, max_tokens) for name, document, _ in batch]
    return list(embedded_rows([(name, document) for name, document, _ in batch], embedder))


def named(one: Document | tuple[str, Document] | tuple[str, Document, str]) -> tuple[str, Document, str]:
    """Return id, document and digest.

    Raises:
        DataError: it is something else.
    """
    if isinstance(one, Document):
        one = (document_key(one), one)
    is_one = isinstance(one, tuple) and len(one) in (2, 3) and isinstance(one[0], str) and isinstance(one[1], Document)
    if not is_one:
        raise DataError(
            f"an index takes documents, or pairs of an id and a document, but was given a {type(one).__name__}: "
            f"{one!r:.80}. Make documents with load_document, parse_html or parse_text."
        )
    if len(one) == 3:
        return one
    name, document = one
    return (
        name,
        document,
        hashlib.blake2b(document.to_json().encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
    )


def embedded_rows(documents: Sequence[tuple[str, Document]], embedder: Any) -> Iterator[list[IndexRow]]:
    """Yield the rows of each document, with the vectors of an embedder."""
    found = embedder.encode(
        [document for _, document in documents], level=list(EMBEDDED), ids=[name for name, _ in documents]
    )
    names = found.document_id.tolist()
    start = 0
    for name, document in documents:
        stop = start
        while stop < len(names) and names[stop] == name:
            stop += 1
        ids = node_ids(document, name)
        rows = []
        for place in range(start, stop):
            row, span, kind = int(found.node_row[place]), tuple(found.span[place].tolist()), str(found.kind[place])
            vector = found.vectors[place].astype(np.float32)
            length = float(np.linalg.norm(vector))
            rows.append(
                _row(
                    document, ids, row,
                    id=found.id[place],
                    level="image" if kind == "image" and found.level[place] == "node" else found.level[place],
                    kind=kind,
                    headings=found.headings[place],
                    span=span,
                    dom_path=found.dom_path[place],
                    text=found.text[place],
                    vector=vector / length if length else vector,
                )
            )  # fmt: skip
        yield rows
        start = stop


def plain_rows(document: Document, name: str, max_tokens: int) -> list[IndexRow]:
    """Return the rows of a document for finding it by words."""
    ids, paths = node_ids(document, name), heading_paths(document)
    made = chunks(document, max_tokens, parents=True, document_id=name)
    rows = [
        _row(
            document, ids, one.rows[0],
            id=one.id, level=one.level, kind=one.kind, headings=one.headings, span=one.span, dom_path=one.dom_path,
            parent=one.parent_id,
            text="\n\n".join(
                (one.text, *(image.alt for image in one.images if image.alt and image.alt not in one.text))
            ) if one.level == "passage" else one.text,
        )
        for one in made
    ]  # fmt: skip
    images = dict.fromkeys(image.row for one in made if one.level == "passage" for image in one.images)
    for row in images:
        image = image_of(document, row)
        place = int(document.span[row, 0])
        rows.append(
            _row(
                document, ids, row,
                id=ids[row], level="image", kind="image", span=(place, place), dom_path=document[row].source.xpath,
                headings=tuple(" ".join(document[one].text.split()) for one in paths[row]),
                text="\n".join(dict.fromkeys(part for part in (image.alt, image.caption) if part)),
            )
        )  # fmt: skip
    return rows


def _row(document: Document, ids: list[str], row: int, **values: Any) -> IndexRow:
    """Return a row with what follows from where it stands."""
    level, text, (start, stop) = values["level"], values["text"], values["span"]
    if "parent" not in values:
        above = row if level == "passage" and document.kind[row] in SECTIONS else section_above(document, row)
        values["parent"] = ids[above] if above >= 0 else None
    kinds, words, parts = {values["kind"]}, text, list[Part]()
    if level == "passage":
        starts = document.span[:, 0]  # ascending, as rows are in the order of the text
        over: set[int] = set()
        for one in range(max(row, bisect_left(starts, start)), len(document)):
            if starts[one] >= stop:
                break
            kind, (begin, end) = document.kind[one], document.span[one].tolist()
            if end <= stop:
                over |= _above(document, one, over)
                kinds.add(kind)
                if kind not in MANY and kind != "image" and (kind, begin, end) != (values["kind"], start, stop):
                    shown = own_text(document, one)
                    is_slice = shown == document.text[begin:end]
                    parts.append(Part(kind, begin, end, document[one].source.xpath, None if is_slice else shown))
        kinds |= {document.kind[one] for one in over}
    elif level == "section":
        words = _directly(document, row)
    elif level == "image":
        around = document.text[max(start - NEAR, 0) : start + NEAR]
        words = f"{text}\n{text}\n{around}"  # twice: what is said of it counts more than what is near it
    return IndexRow(kinds=tuple(sorted(kinds - {"passage", "sentence"})), words=words, parts=tuple(parts), **values)


def _above(document: Document, row: int, known: set[int]) -> set[int]:
    """Return the rows of the list, table, quote ... that a node is a piece of, up to those that are known."""
    found = set()
    while (row := int(document.parent[row])) >= 0 and row not in known and document.kind[row] not in CONTAINERS:
        found.add(row)
    return found


def _directly(document: Document, section: int) -> str:
    """Return the text of a section without that of the sections in it."""
    (place, stop), parts = document.span[section].tolist(), []
    row, end = section + 1, int(document.subtree_end[section])
    while row < end:
        if document.kind[row] in SECTIONS:
            inner, after = document.span[row].tolist()
            parts.append(document.text[place:inner])
            place, row = after, int(document.subtree_end[row])
        else:
            row += 1
    return "\n".join([*parts, document.text[place:stop]])
