"""Lay encoded documents one after another: one forest, one table of positions, one run of sub-words and images.

    collate([EncodedDocument, ...], prepare) -> DocumentBatch

Images are read here (in a data loader's worker, if there is one). One that cannot be read becomes absent
leaves and a named problem; it never stops the batch.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docgraph.embedding.embeddings import Problem
from docgraph.errors import ImageError
from docgraph.kinds import Domain
from encoders.forest.batch import TreeBatch
from encoders.inputs.encoded import (
    DOMAIN_CODE,
    DocumentBatch,
    EncodedDocument,
    ImageInputs,
    Ints,
    PositionInputs,
    TextInputs,
)

if TYPE_CHECKING:
    from docgraph.images import ImageReference

Prepare = Callable[["ImageReference"], Tensor]
"""An image that has not been opened in, normalised pixels (3, height, width) out; ImageError if it cannot be read."""


def collate(documents: Sequence[EncodedDocument], prepare: Prepare) -> DocumentBatch:
    """Return the batch of some encoded documents; an empty sequence gives an empty batch.

    Args:
        prepare: opens an image and turns it into normalised pixels.
    """
    rows = np.array([document.num_rows for document in documents], dtype=np.int64)
    row_start = np.concatenate([[0], np.cumsum(rows)])
    offsets = row_start[:-1]
    parent = _joined([np.where(d.parent < 0, -1, d.parent + o) for d, o in zip(documents, offsets, strict=True)])
    is_leaf = _joined([document.is_leaf for document in documents]).astype(bool)
    leaf_of_row = np.cumsum(is_leaf) - 1
    leaf_document = np.repeat(np.arange(len(documents)), rows)[is_leaf]
    image, present, problems = _images(documents, offsets, leaf_of_row, int(is_leaf.sum()), prepare)
    return DocumentBatch(
        forest=TreeBatch.from_parents(parent, is_leaf=is_leaf),
        text=_text(documents, offsets, leaf_of_row),
        image=image,
        position=_positions(documents),
        box=_boxes(documents),
        present=present,
        leaf_document=torch.from_numpy(leaf_document),
        seed=torch.tensor([document.seed for document in documents], dtype=torch.int64),
        readout_row=torch.from_numpy(
            offsets + np.array([document.readout_row for document in documents], dtype=np.int64)
        ),
        node_row=_joined([document.node_row for document in documents]),
        row_start=row_start,
        problems=problems,
    )


def _joined(arrays: Sequence[NDArray[Any]]) -> Ints:
    """Return the arrays end to end, empty if there are none."""
    return np.concatenate(arrays).astype(np.int64, copy=False) if arrays else np.zeros(0, dtype=np.int64)


def _text(documents: Sequence[EncodedDocument], offsets: Ints, leaf_of_row: Ints) -> TextInputs:
    token_row = _joined([d.token_row + o for d, o in zip(documents, offsets, strict=True)])
    lengths = _joined([np.diff(document.unit_start) for document in documents])
    return TextInputs(
        token_id=torch.from_numpy(_joined([document.token_id for document in documents])),
        token_leaf=torch.from_numpy(leaf_of_row[token_row]),
        unit_start=np.concatenate([[0], np.cumsum(lengths)]),
        unit_digest=[digest for document in documents for digest in document.unit_digest],
    )


def _images(
    documents: Sequence[EncodedDocument], offsets: Ints, leaf_of_row: Ints, leaves: int, prepare: Prepare
) -> tuple[ImageInputs | None, Tensor | None, list[Problem]]:
    """Decode the images; those that cannot be read are marked absent and named."""
    pixels: list[Tensor] = []
    first_leaf: list[int] = []
    owner: list[int] = []
    problems: list[Problem] = []
    absent: list[tuple[int, int]] = []
    for number, (document, offset) in enumerate(zip(documents, offsets, strict=True)):
        for leaf in document.images:
            first = int(leaf_of_row[leaf.first_row + offset])
            try:
                pixels.append(prepare(leaf.reference))
            except ImageError as error:
                problems.append(Problem(number, leaf.node_row, str(error)))
                absent.append((first, first + document.patches))
                continue
            first_leaf.append(first)
            owner.append(number)
    present = None
    if absent:
        present = torch.ones(leaves, dtype=torch.bool)
        for start, end in absent:
            present[start:end] = False
    if not pixels:
        return None, present, problems
    image = ImageInputs(
        pixel_values=torch.stack(pixels),
        first_leaf=torch.tensor(first_leaf),
        document=torch.tensor(owner),
        patches=documents[owner[0]].patches,
    )
    return image, present, problems


def _boxes(documents: Sequence[EncodedDocument]) -> Tensor | None:
    if all(document.box is None for document in documents):
        return None
    boxes = [np.full((d.num_rows, 4), np.nan, np.float32) if d.box is None else d.box for d in documents]
    return torch.from_numpy(np.concatenate(boxes))


def _positions(documents: Sequence[EncodedDocument]) -> PositionInputs:
    """Find the distinct (domain, place) pairs of all rows."""
    domain = _joined([document.domain for document in documents])
    place = np.concatenate([document.position for document in documents]) if documents else np.zeros((0, 2), np.int64)
    keys: dict[tuple[str, tuple[int, ...]], int] = {}
    graph_rows, first = 0, 0
    for document in documents:
        rows = slice(first, first + document.num_rows)
        first = rows.stop
        keyed = np.flatnonzero(document.domain == DOMAIN_CODE[Domain.KEYED]) + rows.start
        if len(keyed):
            known = [keys.setdefault(key, len(keys)) for key in zip(document.keys, document.key_token_id, strict=True)]
            place[keyed, 0] = np.asarray(known)[place[keyed, 0]]
        graph = np.flatnonzero(document.domain == DOMAIN_CODE[Domain.GRAPH]) + rows.start
        place[graph, 0] += graph_rows
        graph_rows += len(document.graph)
    codes = (domain << 58) | (place[:, 0] << 29) | place[:, 1]
    distinct, index = np.unique(codes, return_inverse=True)
    kind, one, two = distinct >> 58, (distinct >> 29) & (2**29 - 1), distinct & (2**29 - 1)
    refers = (kind == DOMAIN_CODE[Domain.KEYED]) | (kind == DOMAIN_CODE[Domain.GRAPH])
    longest = max((len(tokens) for _, tokens in keys), default=1)
    key_token_id = np.full((len(keys), longest), -1, dtype=np.int64)
    for (_, tokens), number in keys.items():
        key_token_id[number, : len(tokens)] = tokens
    graphs = [document.graph for document in documents]
    return PositionInputs(
        index=torch.from_numpy(index.reshape(-1)),
        domain=torch.from_numpy(kind),
        place=torch.from_numpy(np.where(refers[:, None], 0, np.stack([one, two], 1)).astype(np.float32)),
        reference=torch.from_numpy(np.where(refers, one, 0)),
        key_token_id=torch.from_numpy(key_token_id),
        keys=tuple(name for name, _ in keys),
        graph=torch.from_numpy(np.concatenate(graphs) if graphs else np.zeros((0, 0), np.float32)),
    )
