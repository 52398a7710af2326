"""Where the attention of a trained model goes in one document: from every node to itself and its siblings.

    attention_of(model, document) ─> Attention, edges with a share in each layer

    share(A, B) = mean over the leaves i under A of the sum over the leaves j under B of P_ij, B being A or a sibling

Attention is linear in its values. So every layer runs as it is, with its own kernel and whatever form of attention it
has, on values that say which node a leaf lies under: what comes out are the shares of that node, exactly. Heads are
averaged.

Axes:  N nodes   n leaves   H heads   K asked nodes at once   L layers
"""

from typing import Any, Final, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docgraph import Attention, Document
from docgraph.errors import ModelError
from encoders.inputs.processor import DocumentProcessor
from encoders.layer import HierarchicalAttention, Structure

LEAST: Final = 0.01
"""Smallest share that is told, in the layer where it is largest."""
TOGETHER: Final = 64
"""Nodes that are asked for in one pass."""
METHOD: Final = (
    "Attention is the share of a node's own looks, over all its words and heads, that goes to itself or to a sibling; "
    "shares under 1 % are left out, and what is missing goes to them or beyond the parent."
)


class AttendedLayer(NamedTuple):
    """What one layer's attention ran on."""

    attention: HierarchicalAttention
    query: Tensor
    key: Tensor
    structure: Structure
    node: NDArray[np.int64]
    """(n,) row of the document that each leaf belongs to."""

    def mix(self, value: Tensor) -> Tensor:
        """(n, K) -> (n, K), the mean over heads of P value."""
        each = value[:, None].expand(-1, self.query.shape[1], -1)
        return cast(Tensor, self.attention(self.query, self.key, each, self.structure)).mean(1)

    @property
    def present(self) -> Tensor:
        """(n,) bool."""
        present = self.structure.present
        return torch.ones(len(self.node), dtype=torch.bool) if present is None else present.cpu()


@torch.no_grad()
def attention_of(model: Any, document: Document, *, processor: DocumentProcessor | None = None) -> Attention:
    """Return where the attention of each node goes, for `document.view(attention=...)`.

    Args:
        model: a `DocumentModel` or `DocumentForClassification` whose attention is "hsa" or "flat".

    Raises:
        ModelError: the model has no attention between leaves, or one over shuffled leaves.
    """
    layers = layers_of(model, document, processor)
    parent = document.parent.astype(np.int64)
    end = np.arange(1, len(parent) + 1)  # after the last row under each
    for row in range(len(parent) - 1, 0, -1):
        end[parent[row]] = max(end[parent[row]], end[row])
    counts = [_under(layer.node[layer.present.numpy()], end) for layer in layers]
    asked = np.flatnonzero((parent >= 0) & (counts[0] > 0))
    families: dict[int, list[int]] = {}
    for row in asked.tolist():
        families.setdefault(int(parent[row]), []).append(row)
    asked = np.asarray([row for family in families.values() if len(family) > 1 for row in family], dtype=np.int64)
    told: list[tuple[int, int, NDArray[np.float64]]] = []
    for first in range(0, len(asked), TOGETHER):
        some = asked[first : first + TOGETHER]
        sums = [_sums(layer, some, end) for layer in layers]
        for place, to in enumerate(some.tolist()):
            rows = np.asarray(families[int(parent[to])])
            shares = np.stack(
                [
                    (total[end[rows], place] - total[rows, place]) / np.maximum(count[rows], 1)
                    for total, count in zip(sums, counts, strict=True)
                ],
                axis=1,
            )
            chosen = (rows == to) | (shares.max(axis=1) >= LEAST)
            told += [(row, to, share) for row, share in zip(rows[chosen].tolist(), shares[chosen], strict=True)]
    told.sort(key=lambda one: (one[0], -one[2].max()))
    return Attention(
        row=np.asarray([row for row, _, _ in told], dtype=np.int64),
        to=np.asarray([to for _, to, _ in told], dtype=np.int64),
        share=np.asarray([share for _, _, share in told], dtype=np.float32).reshape(len(told), len(layers)),
        method=METHOD,
    )


def _under(node: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) leaves under each node."""
    before = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=len(end)))])
    return cast(NDArray[np.int64], before[end] - before[:-1])


def _sums(layer: AttendedLayer, asked: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N + 1, K) what leaves of the rows before each one send to the asked nodes."""
    node = torch.from_numpy(layer.node)
    under = (node[:, None] >= torch.from_numpy(asked)) & (node[:, None] < torch.from_numpy(end[asked]))
    sent = layer.mix(under.to(layer.query)).double().cpu()
    sent[~layer.present] = 0
    each = np.zeros((len(end) + 1, len(asked)))
    np.add.at(each, layer.node + 1, sent.numpy())
    return each.cumsum(0)


def layers_of(model: Any, document: Document, processor: DocumentProcessor | None) -> list[AttendedLayer]:
    """Run the model on a document and return what the attention of each layer read."""
    inner = getattr(model, "document", model)
    if not inner.config.use_transformer:
        raise ModelError("attention is shown of a transformer, but training left it out of this model.")
    if inner.config.attention not in ("hsa", "flat"):
        raise ModelError(
            f'attention is shown of models whose attention is "hsa" or "flat", but this one\'s is '
            f'"{inner.config.attention}": it has none between leaves, shuffles them, or goes through anchors.'
        )
    batch = model.needs_processor(processor)(document).to(model.device)
    seen: list[tuple[HierarchicalAttention, tuple[Any, ...]]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, read: seen.append((module, read)))
        for module in inner.modules()
        if isinstance(module, HierarchicalAttention)
    ]
    try:
        inner(batch)
    finally:
        for hook in hooks:
            hook.remove()
    layers, forest, row, steps = [], batch.forest, np.asarray(batch.node_row), 0
    if inner.config.attention == "flat":
        forest, row = batch.flat.forest, np.concatenate([row[:1], row[forest.leaf_rows.cpu().numpy()]])
    for number, (attention, (query, key, _, structure)) in enumerate(seen):
        layers.append(AttendedLayer(attention, query, key, structure, row[forest.leaf_rows.cpu().numpy()]))
        if number in inner.config.pool_after:
            step = structure.batch.coarsened(steps)
            forest, row, steps = step.forest, row[step.row.cpu().numpy()], steps + 1
    return layers
