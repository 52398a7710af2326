"""Several documents as one: their roots become the children of a new root, their texts one canonical text.

Rows, spans, marks, keys, boxes and sources move with them; columns are concatenated, nothing is walked. Images:
see `join`. Warnings keep their text, with the child's name before it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from docgraph.builder import BLOCK_SEPARATOR
from docgraph.document import Document
from docgraph.errors import DocumentError
from docgraph.kinds import Domain
from docgraph.metadata import Metadata
from docgraph.records import Box, ImageAccess, Ints, Mark, Sources, Warning


def join(
    documents: Sequence[Document],
    *,
    kind: str,
    domain: Domain = Domain.SEQUENCE,
    names: Sequence[str] | None = None,
    attributes: Sequence[Mapping[str, Any]] | None = None,
    metadata: Metadata | None = None,
    image_access: ImageAccess | None = None,
) -> Document:
    """Return one document whose root's children are the roots of `documents`, in order.

    Args:
        kind: of the new root.
        domain: of its children: SEQUENCE, SET or GRAPH (edges are given with `replace(edges=...)` afterwards).
        names: what each document is called in warnings.
        attributes: for each document, attributes to add to its root.
        image_access: how all images are reached. The image nodes' `src` must already mean the same to it.

    Raises:
        DocumentError: a domain that needs more than an order.
    """
    if domain not in (Domain.SEQUENCE, Domain.SET, Domain.GRAPH):
        raise DocumentError(f"joined documents must be a sequence, set or graph, but domain is {domain.value}.")
    rows = np.cumsum([1, *map(len, documents)]).tolist()
    texts, shifts = _joined_text(documents)
    keys: dict[str, int] = {}
    positions = [np.zeros((1, 2), np.int32)]
    for ordinal, document in enumerate(documents):
        position = _moved_keys(document, keys)
        position[0] = (0 if domain is Domain.SET else ordinal, 0)
        positions.append(position)
    spans = [np.array([[0, len(texts)]], np.int64)]
    spans += [document.span + shift for document, shift in zip(documents, shifts, strict=True)]
    parents = [np.array([-1], np.int32)]
    for document, row in zip(documents, rows, strict=False):
        parents.append(np.where(document.parent < 0, 0, document.parent + row).astype(np.int32))
    return Document(
        text=texts,
        parent=np.concatenate(parents),
        kind=(kind, *(one for document in documents for one in document.kind)),
        domain=(domain, *(one for document in documents for one in document.domain)),
        role=(None, *(one for document in documents for one in document.role)),
        position=np.concatenate(positions),
        span=np.concatenate(spans),
        keys=tuple(keys),
        score=_joined_scores(documents),
        attributes=_joined_attributes(documents, rows, attributes),
        edges={
            row + offset: pairs
            for document, offset in zip(documents, rows, strict=False)
            for row, pairs in document.edges.items()
        },
        marks=tuple(
            Mark(mark.row + row, mark.start + shift, mark.end + shift, mark.type, mark.href)
            for document, row, shift in zip(documents, rows, shifts, strict=False)
            for mark in document.marks
        ),
        boxes=_joined_boxes(documents, rows),
        sources=_joined_sources(documents),
        metadata=metadata or Metadata(),
        image_access=image_access or ImageAccess(),
        truncated=any(document.truncated for document in documents),
        warnings=_joined_warnings(documents, rows, names),
    )  # fmt: skip


def _joined_text(documents: Sequence[Document]) -> tuple[str, list[int]]:
    """Return the texts joined by blank lines, and where each begins; empty texts add nothing."""
    parts: list[str] = []
    shifts: list[int] = []
    length = 0
    for document in documents:
        if document.text and length:
            parts.append(BLOCK_SEPARATOR)
            length += len(BLOCK_SEPARATOR)
        shifts.append(length)
        parts.append(document.text)
        length += len(document.text)
    return "".join(parts), shifts


def _moved_keys(document: Document, keys: dict[str, int]) -> Ints:
    """Return a document's positions with key ids of the joined table, which grows as needed."""
    position = document.position.copy()
    if document.keys:
        ids = np.array([keys.setdefault(key, len(keys)) for key in document.keys], np.int32)
        keyed = np.array([one is Domain.KEYED for one in document.domain])
        rows = 1 + np.flatnonzero(keyed[document.parent[1:]])
        position[rows, 0] = ids[position[rows, 0]]
    return position


def _joined_scores(documents: Sequence[Document]) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    if all(document.score is None for document in documents):
        return None
    unjudged = np.float32(np.nan)
    parts = [np.full(len(one), unjudged) if one.score is None else one.score for one in documents]
    return np.concatenate([np.full(1, unjudged), *parts])


def _joined_attributes(
    documents: Sequence[Document], rows: Sequence[int], added: Sequence[Mapping[str, Any]] | None
) -> dict[int, Mapping[str, Any]]:
    joined: dict[int, Mapping[str, Any]] = {}
    for ordinal, (document, offset) in enumerate(zip(documents, rows, strict=False)):
        if added is not None and added[ordinal]:
            joined[offset] = dict(added[ordinal])
        for row, values in document.attributes.items():
            joined[row + offset] = {**joined.get(row + offset, {}), **values}
    return joined


def _joined_boxes(documents: Sequence[Document], rows: Sequence[int]) -> dict[int, Box]:
    pairs = zip(documents, rows, strict=False)
    return {row + offset: box for document, offset in pairs for row, box in document.boxes.items()}


def _joined_sources(documents: Sequence[Document]) -> Sources | None:
    """Return one element table; rows without a source, the new root among them, point nowhere."""
    if all(document.sources is None for document in documents):
        return None
    parents, nodes = [np.zeros(0, np.int32)], [np.full(1, -1, np.int32)]
    steps: list[str] = []
    offsets = [np.full((1, 2), -1, np.int64)]
    elements = 0
    for document in documents:
        sources = document.sources
        if sources is None:
            nodes.append(np.full(len(document), -1, np.int32))
            offsets.append(np.full((len(document), 2), -1, np.int64))
            continue
        parents.append(np.where(sources.element_parent < 0, -1, sources.element_parent + elements).astype(np.int32))
        nodes.append(np.where(sources.node_element < 0, -1, sources.node_element + elements).astype(np.int32))
        given = sources.node_offsets
        offsets.append(np.full((len(document), 2), -1, np.int64) if given is None else given)
        steps.extend(sources.element_step)
        elements += len(sources.element_step)
    known = any(document.sources is not None and document.sources.node_offsets is not None for document in documents)
    return Sources(
        np.concatenate(parents), tuple(steps), np.concatenate(nodes), np.concatenate(offsets) if known else None
    )


def _joined_warnings(
    documents: Sequence[Document], rows: Sequence[int], names: Sequence[str] | None
) -> tuple[Warning, ...]:
    joined: list[Warning] = []
    for ordinal, (document, offset) in enumerate(zip(documents, rows, strict=False)):
        before = f"{names[ordinal]}: " if names is not None else ""
        for warning in document.warnings:
            row = warning.row + offset if warning.row >= 0 else offset
            joined.append(Warning(warning.code, before + warning.message, row))
    return tuple(joined)
