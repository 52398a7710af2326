"""Means over the leaves under every node, one level of the forest at a time.

`mean_up` and `spread_down` are each other's transpose, so each is the other's gradient. Both keep one buffer and
change it in place, level by level; `subtree_mean` is what models call.

Axes:  N leaves   M nodes   R rows   C any number of values
"""

from typing import Any, cast

import torch
from torch import Tensor

from docgraph.errors import AttentionError
from encoders.forest.batch import TreeBatch
from encoders.forest.families import FamilyTensors


def subtree_mean(values: Tensor, forest: TreeBatch, *, present: Tensor | None = None) -> Tensor:
    """Give every row of the forest the mean of the leaves at or below it.

    Args:
        values: (N, ...) one entry a leaf; any floating dtype. Half precision is averaged in float32.
        forest: the forest of these leaves, on the same device.
        present: (N,) bool, False where a leaf is left out. None keeps all.

    Returns:
        (R, ...) in the dtype of `values`, differentiable. A row without a present leaf gets zeros; take
        `[forest.roots]` for one row a document, `[rows]` for any others.

    Raises:
        AttentionError: `values` does not have one entry a leaf, or lies on another device.
    """
    if len(values) != forest.num_leaves or values.device != forest.device:
        raise AttentionError(
            f"values must have one entry for each of the {forest.num_leaves} leaves, on {forest.device}, "
            f"but have shape {tuple(values.shape)} on {values.device}."
        )
    families = forest.tensors(present)
    wide = values.double() if values.dtype == torch.float64 else values.float()
    nodes = mean_up(wide.reshape(len(values), values.shape[1:].numel())[families.leaf], families)
    rows = torch.cat([nodes, nodes.new_zeros(1, nodes.shape[1])])[families.node_of_row]  # node -1: the zeros
    return rows.to(values.dtype).reshape(forest.num_rows, *values.shape[1:])


def mean_up(leaves: Tensor, families: FamilyTensors) -> Tensor:
    """Take (present leaves, C), in the order of nodes, to the (M, C) means under every node."""
    return cast(Tensor, _MeanUp.apply(leaves, families))


def spread_down(nodes: Tensor, families: FamilyTensors) -> Tensor:
    """Take (M, C) to the (present leaves, C) sums of `value / count(node)` over a leaf's line."""
    return cast(Tensor, _SpreadDown.apply(nodes, families))


class _MeanUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, leaves: Tensor, families: FamilyTensors) -> Tensor:
        ctx.families = families
        nodes = leaves.new_zeros(len(families.parent), leaves.shape[1])
        nodes.index_copy_(0, families.leaf_node, leaves)
        for start, end in reversed(families.levels[1:]):
            nodes[:start].index_add_(0, families.parent[start:end], nodes[start:end])
        return nodes.div_(families.count.to(nodes.dtype)[:, None])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return spread_down(grad, ctx.families), None


class _SpreadDown(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: Tensor, families: FamilyTensors) -> Tensor:
        ctx.families = families
        nodes = nodes / families.count.to(nodes.dtype)[:, None]
        for start, end in families.levels[1:]:
            nodes[start:end] += nodes.index_select(0, families.parent[start:end])
        return nodes.index_select(0, families.leaf_node)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return mean_up(grad, ctx.families), None
