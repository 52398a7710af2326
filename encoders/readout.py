"""From leaf states to a vector for every node: four readouts, each defined for any subtree.

    mean             of all leaves under the node
    mean_of_means    of the children's vectors, each child counted once, down to the leaves
    attention        of all leaves, weighted by the softmax of a learned score
    (the vector of a chosen subtree instead of the root is the processor's `readout_node`)

All are weighted means over leaves whose weights multiply up along the tree, so one `subtree_mean` computes each for
all nodes at once.

Axes:  N leaves   R rows   D model width
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from encoders.forest.batch import TreeBatch
from encoders.forest.subtree import subtree_mean

SCORE_BOUND = 8.0
"""Scores lie within +-8: the weight of a leaf is never lost to rounding, whatever else its document holds."""


class Readout(nn.Module):
    """Gives every row of a forest one vector."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.score = (
            nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 1)) if kind == "attention" else None
        )

    def forward(self, state: Tensor, forest: TreeBatch, present: Tensor | None) -> Tensor:
        """(N, D) -> (R, D); rows without a present leaf get zeros."""
        if self.score is not None:
            raw = self.score(state).float()
            weight = torch.exp(SCORE_BOUND * torch.tanh(raw / SCORE_BOUND))
            return _weighted(state, weight, forest, present)
        if self.kind == "mean_of_means":
            return _weighted(state, mean_of_means_weight(forest, present)[:, None], forest, present)
        return subtree_mean(state, forest, present=present)


def _weighted(state: Tensor, weight: Tensor, forest: TreeBatch, present: Tensor | None) -> Tensor:
    """Mean of the leaves under each row, weighted; weights need no scale."""
    joint = (
        torch.cat([state.float() * weight, weight], dim=1)
        if state.dtype != torch.float64
        else torch.cat([state * weight, weight], 1)
    )
    rows = subtree_mean(joint, forest, present=present)
    whole = rows[:, -1:]
    return (rows[:, :-1] / torch.where(whole > 0, whole, 1)).to(state.dtype)


def mean_of_means_weight(forest: TreeBatch, present: Tensor | None) -> Tensor:
    """(N,) the weight of each leaf in its document's mean of means: 1 / (siblings) multiplied up to the root.

    Children without a present leaf do not count.
    """
    rows = forest.num_rows
    leaf = torch.ones(forest.num_leaves, dtype=torch.float64, device=forest.device)
    there = subtree_mean(leaf if present is None else leaf * present, forest)
    exists = (there > 0).double()
    child = forest.parent >= 0
    siblings = torch.zeros(rows, dtype=torch.float64, device=forest.device)
    siblings = siblings.index_add(0, forest.parent[child], exists[child])
    weight = torch.ones(rows, dtype=torch.float64, device=forest.device)
    order = torch.argsort(forest.depth, stable=True)
    bounds = torch.bincount(forest.depth).cumsum(0).tolist() if rows else []
    for start, end in pairwise(bounds):
        level = order[start:end]
        above = forest.parent[level]
        weight[level] = weight[above] / siblings[above].clamp(min=1)
    return weight[forest.leaf_rows]
