"""Local pooling: a family whose members are all leaves becomes one leaf, the mean of its present members.

    page > section > paragraph > sentence > token      one step: sentences are the leaves; two: paragraphs

Between two layers this shortens what the next one attends over. Leaves that have inner nodes among their siblings
stay. The steps are derived from a batch once and kept.

Axes:  N leaves   M leaves after a step   R rows
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoders.forest.batch import TreeBatch


@dataclass(frozen=True, eq=False)
class Coarser:
    """A forest after one step of local pooling."""

    forest: TreeBatch
    row: Tensor
    """(rows after,) the row of the forest before that each row of this one is."""
    leaf: Tensor
    """(N,) the leaf after the step that each leaf before it went into."""

    def pool(self, values: Tensor, present: Tensor | None) -> Tensor:
        """(N, ...) -> (M, ...): the mean of the present leaves that went into each; zero where there is none."""
        weight = torch.ones(len(values), dtype=values.dtype, device=values.device)
        if present is not None:
            weight = present.to(values.dtype)
        shape = (-1,) + (1,) * (values.ndim - 1)
        total = torch.zeros(self.forest.num_leaves, *values.shape[1:], dtype=values.dtype, device=values.device)
        count = torch.zeros(self.forest.num_leaves, dtype=values.dtype, device=values.device)
        total = total.index_add(0, self.leaf, values * weight.reshape(shape))
        count = count.index_add(0, self.leaf, weight)
        return total / count.clamp(min=1).reshape(shape)

    def present(self, present: Tensor | None) -> Tensor | None:
        """(N,) -> (M,): a pooled leaf is there if any of its leaves is."""
        if present is None:
            return None
        there = torch.zeros(self.forest.num_leaves, dtype=torch.int64, device=present.device)
        return there.index_add(0, self.leaf, present.to(torch.int64)) > 0


def coarsen(forest: TreeBatch) -> Coarser:
    """Return the forest with every family of leaves only pooled into its parent; absent nodes are left out."""
    parent = forest.parent.cpu().numpy()
    rows = len(parent)
    is_leaf = np.zeros(rows, dtype=bool)
    is_leaf[forest.leaf_rows.cpu().numpy()] = True
    child = parent >= 0
    exists = child & (forest.leaf_count.cpu().numpy() > 0)
    children = np.bincount(parent[exists], minlength=rows)
    leaves = np.bincount(parent[child & is_leaf], minlength=rows)
    pooled = (children > 0) & (leaves == children)
    gone = np.zeros(rows, dtype=bool)
    gone[child] = pooled[parent[child]] | ~exists[child]
    kept = np.flatnonzero(~gone)
    new_row = np.cumsum(~gone) - 1
    above = parent[kept]
    coarse = TreeBatch.from_parents(np.where(above < 0, -1, new_row[above]), is_leaf=(is_leaf | pooled)[kept])
    target = np.where(gone, parent, np.arange(rows))[forest.leaf_rows.cpu().numpy()]
    leaf_of_row = np.full(len(kept), -1)
    leaf_of_row[coarse.leaf_rows.numpy()] = np.arange(coarse.num_leaves)
    device = forest.device
    return Coarser(
        coarse.to(device), torch.from_numpy(kept).to(device), torch.from_numpy(leaf_of_row[new_row[target]]).to(device)
    )
