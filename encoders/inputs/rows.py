"""One document as arrays: a row for every node that has leaves under it, then one for every sub-word or patch.

    Document, Tokens (sub-words and the node of each), images ─ lay_out ─> EncodedDocument

Axes:  R rows   T sub-words   U text units
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from docgraph import Document, Domain
from encoders.inputs.encoded import DOMAIN_CODE, EncodedDocument, ImageLeaf, Ints
from encoders.inputs.graph_features import laplacian_features
from encoders.inputs.settings import ProcessorSettings


@dataclass(frozen=True)
class Tokens:
    """Sub-words of one document before they have rows."""

    token_id: Ints
    node: Ints
    """(T,) document row of the text leaf each belongs to, ascending."""
    unit_start: Ints
    cut: int

    @classmethod
    def none(cls) -> "Tokens":
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, np.zeros(1, np.int64), 0)


def text_leaves(document: Document) -> list[int]:
    """Return the rows of text leaves, in order of their text."""
    rows = np.flatnonzero((document.child_count == 0) & (document.span[:, 0] < document.span[:, 1]))
    return sorted(rows.tolist(), key=lambda row: int(document.span[row, 0]))


def lay_out(
    document: Document, tokens: Tokens, images: Sequence[int], settings: ProcessorSettings, tokenizer: Tokenizer | None
) -> EncodedDocument:
    """Give every kept node, sub-word and patch a row.

    Args:
        images: rows of the document's images that are to be leaves.
        tokenizer: for the names of fields.
    """
    kept = _kept_rows(document, np.concatenate([tokens.node, np.asarray(images, dtype=np.int64)]))
    local = np.full(len(document), -1, dtype=np.int64)
    local[kept] = np.arange(len(kept))
    above = document.parent[kept].astype(np.int64)
    parent = np.where(above < 0, -1, local[above])
    domain = np.array([DOMAIN_CODE[document.domain[a]] if a >= 0 else 0 for a in above.tolist()], dtype=np.uint8)
    position = document.position[kept].astype(np.int64)
    position[domain == DOMAIN_CODE[Domain.SET]] = 0
    is_leaf = np.zeros(len(kept), dtype=bool)
    token_row = local[tokens.node]
    parts = [(parent, domain, position, is_leaf, kept)]
    if settings.text_leaves == "token":
        first = np.flatnonzero(np.diff(tokens.node, prepend=-1))
        ordinal = np.arange(len(tokens.node)) - np.repeat(first, np.diff(np.append(first, len(tokens.node))))
        parts.append(
            _leaf_rows(token_row, Domain.SEQUENCE, np.stack([ordinal, np.zeros_like(ordinal)], 1), tokens.node)
        )
        token_row = len(kept) + np.arange(len(tokens.node))
    else:
        is_leaf[token_row] = True
    rows = sum(len(part[0]) for part in parts)
    image_leaves = []
    grid = (1, 1) if settings.image is None else settings.image.leaf_grid
    cells = np.stack(np.divmod(np.arange(grid[0] * grid[1]), grid[1]), 1)
    for row in images:
        image_leaves.append(ImageLeaf(document[row].image, rows, row))
        parts.append(_leaf_rows(np.full(len(cells), local[row]), Domain.GRID, cells, np.full(len(cells), row)))
        rows += len(cells)
    graph = _graph_features(document, kept, domain, position, settings.graph_features)
    used = sorted({int(k) for k in position[domain == DOMAIN_CODE[Domain.KEYED], 0]})
    position[domain == DOMAIN_CODE[Domain.KEYED], 0] = np.searchsorted(
        np.asarray(used), position[domain == DOMAIN_CODE[Domain.KEYED], 0]
    )
    keys = tuple(document.keys[k] for k in used)
    digests = _unit_digests(tokens, settings)
    nodes = np.concatenate([part[4] for part in parts])
    boxes = _boxes(document)
    return EncodedDocument(
        parent=np.concatenate([part[0] for part in parts]),
        domain=np.concatenate([part[1] for part in parts]),
        position=np.concatenate([part[2] for part in parts]),
        is_leaf=np.concatenate([part[3] for part in parts]),
        node_row=nodes,
        box=None if boxes is None else boxes[nodes],
        keys=keys,
        key_token_id=tuple(_key_ids(key, tokenizer) for key in keys),
        graph=graph,
        token_id=tokens.token_id,
        token_row=token_row,
        unit_start=tokens.unit_start,
        unit_digest=digests,
        images=tuple(image_leaves),
        patches=len(cells),
        seed=int.from_bytes(
            hashlib.blake2b(document.text.encode("utf-8", "replace"), digest_size=4).digest(), "little"
        ),
        readout_row=_readout_row(document, kept, settings.readout_node),
        cut_tokens=tokens.cut,
    )


def _readout_row(document: Document, kept: Ints, name: str | None) -> int:
    """Return the first kept row whose field name or kind is `name`, else the root."""
    for local, row in enumerate(kept.tolist() if name is not None else []):
        if name in (document.kind[row], document[row].key):
            return local
    return 0


def _kept_rows(document: Document, leaf_nodes: Ints) -> Ints:
    """Return the rows of the root and of every node that has one of `leaf_nodes` at or under it, in order."""
    keep = np.zeros(len(document), dtype=bool)
    keep[0] = True
    keep[leaf_nodes] = True
    parent = document.parent.tolist()
    for row in range(len(document) - 1, 0, -1):
        if keep[row]:
            keep[parent[row]] = True
    return np.flatnonzero(keep)


def _leaf_rows(parent: Ints, domain: Domain, position: Ints, node: Ints) -> tuple[Any, ...]:
    """Return the columns of leaf rows that share one domain."""
    size = len(parent)
    return parent, np.full(size, DOMAIN_CODE[domain], np.uint8), position, np.ones(size, bool), node


def _graph_features(
    document: Document, kept: Ints, domain: Any, position: Ints, size: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return features of all children of GRAPH nodes, and point their positions at them."""
    rows = np.flatnonzero(domain == DOMAIN_CODE[Domain.GRAPH])
    features = np.zeros((len(rows), size + 2), dtype=np.float32)
    owner = document.parent[kept[rows]]
    for node in np.unique(owner).tolist():
        children = np.flatnonzero(owner == node)
        edges = document.edges.get(node, np.zeros((2, 0), np.int32))
        table = laplacian_features(int(document.child_count[node]), edges, size)
        features[children] = table[position[rows[children], 0]]
    position[rows, 0] = np.arange(len(rows))
    return features


def _key_ids(key: str, tokenizer: Tokenizer | None) -> tuple[int, ...]:
    """Return the sub-words of a field name (its bytes where there is no tokenizer)."""
    words = key.replace("_", " ").replace("-", " ")
    ids = tuple(tokenizer.encode(words, add_special_tokens=False).ids) if tokenizer is not None else ()
    return ids or tuple(key.encode("utf-8"))


def _boxes(document: Document) -> NDArray[np.float32] | None:
    """(nodes, 4) boxes on the rendered page, a parent's where a node has none; None for a document without any."""
    if not document.boxes:
        return None
    boxes = np.full((len(document), 4), np.nan, dtype=np.float32)
    for row, box in document.boxes.items():
        boxes[row] = box[:4]
    for row in np.flatnonzero(np.isnan(boxes[:, 0])).tolist():
        if row:
            boxes[row] = boxes[document.parent[row]]
    return boxes


def _unit_digests(tokens: Tokens, settings: ProcessorSettings) -> tuple[bytes, ...]:
    """Return a content hash of each unit: its sub-words, and where its leaves begin if they are pooled."""
    pooled = settings.text_leaves == "node"
    digests = []
    for start, end in zip(tokens.unit_start[:-1].tolist(), tokens.unit_start[1:].tolist(), strict=True):
        content = hashlib.blake2b(tokens.token_id[start:end].tobytes(), digest_size=16)
        if pooled:
            content.update(np.diff(tokens.node[start:end]).astype(bool).tobytes())
        digests.append(content.digest())
    return tuple(digests)
