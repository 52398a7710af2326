"""Documents in, arrays out: vectors of documents, of their nodes, or of their tokens and patches.

Documents go through the model in batches of bounded size, longest together; rows come back in the order of the
documents and, within one, of the tree.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from docgraph import Document
from docgraph.embedding.embeddings import Embeddings, Problem, as_documents
from docgraph.errors import ModelError
from encoders.inputs.encoded import EncodedDocument
from encoders.inputs.processor import DocumentProcessor


def plan_batches(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Return groups of places whose sizes add up to at most `budget` (a larger one stands alone), largest first."""
    groups: list[list[int]] = []
    room = 0
    for place in sorted(range(len(sizes)), key=lambda p: -sizes[p]):
        if not groups or sizes[place] > room:
            groups.append([])
            room = budget
        groups[-1].append(place)
        room -= sizes[place]
    return groups


def encode_documents(
    model: Any,
    documents: Document | Iterable[Document],
    output: str,
    *,
    processor: DocumentProcessor,
    ids: Sequence[str] | None,
    batch_nodes: int,
    normalize: bool,
    show_progress_bar: bool,
) -> Embeddings:
    """See `DocumentPreTrainedModel.encode`."""
    if output not in ("document", "nodes", "leaves"):
        raise ModelError(f'output must be "document", "nodes" or "leaves", but is {output!r}.')
    listed = as_documents(documents)
    if ids is not None and len(ids) != len(listed):
        raise ModelError(f"ids must name each of the {len(listed)} documents, but there are {len(ids)}.")
    encoded = [processor.encode(document) for document in listed]
    pieces: list[Embeddings | None] = [None] * len(listed)
    groups = plan_batches([e.num_rows for e in encoded], batch_nodes)
    for group in track(groups, "embedding", disable=not show_progress_bar):
        for place, piece in zip(group, _embed(model, listed, encoded, group, output, processor), strict=True):
            pieces[place] = piece
    return _joined([piece for piece in pieces if piece is not None], ids, normalize, model.config.hidden_size)


@torch.no_grad()
def _embed(
    model: Any,
    documents: Sequence[Document],
    encoded: Sequence[EncodedDocument],
    group: Sequence[int],
    output: str,
    processor: DocumentProcessor,
) -> Iterator[Embeddings]:
    """Run one batch and yield each document's rows."""
    was_training = model.training
    model.eval()
    batch = processor.collate([encoded[place] for place in group]).to(model.device)
    result = model.base_model(batch, output_nodes=output == "nodes", output_leaves=output == "leaves")
    model.train(was_training)
    states = {"document": result.document_states, "nodes": result.node_states, "leaves": result.leaf_states}[output]
    states = states.float().cpu().numpy()
    there = batch.rows_with_leaves()
    leaf_of_row = np.cumsum(np.concatenate([one.is_leaf for one in (encoded[place] for place in group)])) - 1
    for number, place in enumerate(group):
        one, document = encoded[place], documents[place]
        start, end = batch.row_start[number : number + 2].tolist()
        present = there[start:end]
        problems = tuple(Problem(place, p.node_row, p.message) for p in batch.problems if p.document == number)
        if output == "document":
            rows, vectors = np.zeros(1, np.int64), states[number : number + 1]
        elif output == "nodes":
            rows = np.flatnonzero(_is_node(one) & present)
            vectors = states[start + rows]
        else:
            rows = np.flatnonzero(one.is_leaf & present)
            vectors = states[leaf_of_row[start + rows]]
        node_row = one.node_row[rows]
        order = np.lexsort((rows, node_row))
        yield Embeddings(
            vectors=vectors[order],
            document_id=np.full(len(rows), place),
            node_row=node_row[order],
            kind=np.array(_kinds(one, document, rows[order]), dtype=np.str_),
            span=document.span[node_row[order]],
            empty=() if present.any() else (place,),
            problems=problems,
        )


def _is_node(one: EncodedDocument) -> NDArray[np.bool_]:
    """(R,) True for rows that are document nodes, not tokens or patches of one."""
    inner = one.parent >= 0
    inner[inner] = one.node_row[inner] == one.node_row[one.parent[inner]]
    return ~inner


def _kinds(one: EncodedDocument, document: Document, rows: NDArray[np.int64]) -> list[str]:
    node = _is_node(one)
    kinds = [document.kind[row] for row in one.node_row[rows].tolist()]
    return [
        kind if node[row] else ("patch" if kind == "image" else "token")
        for kind, row in zip(kinds, rows.tolist(), strict=True)
    ]


def _joined(pieces: Sequence[Embeddings], ids: Sequence[str] | None, normalize: bool, width: int) -> Embeddings:
    if not pieces:
        empty = np.zeros(0, np.int64)
        return Embeddings(
            np.zeros((0, width), np.float32), empty, empty, np.zeros(0, np.str_), np.zeros((0, 2), np.int64)
        )
    vectors = np.concatenate([piece.vectors for piece in pieces])
    if normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    place = np.concatenate([piece.document_id for piece in pieces])
    return Embeddings(
        vectors=cast(NDArray[np.float32], vectors),
        document_id=place if ids is None else np.array(ids, dtype=np.str_)[place],
        node_row=np.concatenate([piece.node_row for piece in pieces]),
        kind=np.concatenate([piece.kind for piece in pieces]),
        span=np.concatenate([piece.span for piece in pieces]),
        empty=tuple(place for piece in pieces for place in piece.empty),
        problems=tuple(problem for piece in pieces for problem in piece.problems),
    )
