"""From a parent array to the families that attention runs over.

    parent, leaves ─ prune ─> rows with a leaf below ─ collapse ─> nodes ─ order ─> levels of families

`prune` drops rows without a present leaf, so that nothing downstream knows of absence. `collapse` makes one
node of every chain of only children: each node that is left has two or more children or is a leaf, so there
are fewer than twice as many nodes as leaves and depth costs nothing where nothing branches. `order` numbers
the nodes level by level from the roots; the children of a node (a family) are then one contiguous range and
so is every level. Everything is vectorised numpy on the host; the only Python loop is the one over levels
that counts leaves.

Axes:  R rows   M nodes   F families   T documents   V levels
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Derived = TypeVar("Derived")

LARGE = 512
"""Families with more children are streamed through attention in blocks of this size."""


@dataclass(frozen=True, eq=False)
class Families:
    """A forest without absent nodes and without only children, as index arrays on the host.

    Nodes are numbered level by level; node 0 and on are the roots. Families are numbered in the order of
    their first child.
    """

    node_of_row: Index
    """(R,) node that stands for the row, -1 where no present leaf is below. A chain shares one node."""
    top_row: Index
    """(M,) highest row of the node's chain: its position is the node's position."""
    parent: Index
    """(M,) node, -1 at a root."""
    leaf: Index
    """(M,) place of the leaf in the batch's leaf order, -1 at an inner node."""
    count: Index
    """(M,) leaves under the node, itself included."""
    level: Index
    """(V+1,) first node of each level, and M."""
    root: Index
    """(T,) node of each document, -1 where the document is empty."""
    first: Index
    """(F,) first child of each family."""
    size: Index
    """(F,) children of each family, at least 2."""

    cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    """What others derive from the families, by name: see `cached`."""

    def cached(self, name: Hashable, make: Callable[[], Derived]) -> Derived:
        """Return what was stored under `name`, made by `make` the first time."""
        if name not in self.cache:
            self.cache[name] = make()
        return cast(Derived, self.cache[name])

    def on(self, device: torch.device, non_blocking: bool = False) -> "FamilyTensors":
        """Return the arrays as tensors on a device, cached."""
        host = self.cached("tensors", lambda: FamilyTensors.of(self))
        return self.cached(("tensors", device), lambda: host.to(device, non_blocking))


@dataclass(frozen=True, eq=False)
class FamilyTensors:
    """`Families` as torch tensors on one device, with what level-by-level sweeps index by."""

    node_of_row: Tensor
    top_row: Tensor
    parent: Tensor
    count: Tensor
    root: Tensor
    leaf_node: Tensor
    """(present leaves,) node of each present leaf, in the order of nodes."""
    leaf: Tensor
    """(present leaves,) its place in the batch's leaf order."""
    share: Tensor
    """(M,) float64, the node's leaves over its parent's; 1 at a root."""
    levels: tuple[tuple[int, int], ...]
    """First node and end of each level."""
    sizes: tuple[tuple[int, Tensor], ...]
    """Family size and (families of that size,) first children, by ascending size."""
    large: tuple[tuple[int, int], ...]
    """First child and size of every family above `LARGE`, on the host."""

    @classmethod
    def of(cls, families: Families) -> "FamilyTensors":
        """Derive everything on the host; `to` moves it."""
        leaf_node = np.flatnonzero(families.leaf >= 0)
        share = families.count / np.where(families.parent >= 0, families.count[families.parent], families.count)
        order = np.argsort(families.size, kind="stable")
        size, start = np.unique(families.size[order], return_index=True)
        groups = np.split(families.first[order], start[1:])
        bounds = families.level.tolist()
        large = np.flatnonzero(families.size > LARGE)
        return cls(
            node_of_row=torch.from_numpy(families.node_of_row),
            top_row=torch.from_numpy(families.top_row),
            parent=torch.from_numpy(families.parent),
            count=torch.from_numpy(families.count),
            root=torch.from_numpy(families.root),
            leaf_node=torch.from_numpy(leaf_node),
            leaf=torch.from_numpy(families.leaf[leaf_node]),
            share=torch.from_numpy(share),
            levels=tuple(pairwise(bounds)),
            sizes=tuple((int(b), torch.from_numpy(g)) for b, g in zip(size, groups, strict=False)),
            large=tuple(zip(families.first[large].tolist(), families.size[large].tolist(), strict=True)),
        )

    def to(self, device: torch.device, non_blocking: bool = False) -> "FamilyTensors":
        """Move every tensor, packed into two transfers."""
        if self.parent.device == device:
            return self
        names = [f.name for f in fields(self) if f.name not in ("share", "levels", "sizes", "large")]
        pieces = [getattr(self, name) for name in names] + [starts for _, starts in self.sizes]
        packed = torch.cat(pieces).to(device, non_blocking=non_blocking)
        moved = torch.split(packed, [len(piece) for piece in pieces])
        sizes = tuple((b, m) for (b, _), m in zip(self.sizes, moved[len(names) :], strict=True))
        # float32: Apple's GPUs have no float64, and a share is used in the dtype of the sweeps anyway.
        share = self.share if device.type != "mps" else self.share.float()
        return FamilyTensors(
            **dict(zip(names, moved, strict=False)),
            share=share.to(device, non_blocking=non_blocking),
            levels=self.levels,
            sizes=sizes,
            large=self.large,
        )


def climb(up: Index, weight: Index) -> tuple[Index, Index]:
    """Follow `up` from every row to the end of its path, in log2(longest path) vectorised steps.

    Args:
        up: (R,) next row of the path; a row at the end points to itself.
        weight: (R,) what each row adds, 0 at an end.

    Returns:
        (R,) end of each path and (R,) sum of the weights on it. In a cycle, which has no end, the first is
        some row that does not point to itself.
    """
    total = weight
    for _ in range(max(len(up), 1).bit_length()):
        further = up[up]
        if np.array_equal(further, up):
            break
        total = total + total[up]
        up = further
    return up, total


def build_families(parent: Index, depth: Index, leaf_of_row: Index, present: Mask | None = None) -> Families:
    """Prune, collapse and order a checked forest.

    Args:
        parent: (R,) row of the parent, -1 at a root; free of cycles, which `TreeBatch` has checked.
        depth: (R,) edges between the row and its root.
        leaf_of_row: (R,) place in the leaf order, -1 where the row is no leaf.
        present: (leaves,) False where a leaf is to be left out; None keeps all.

    Returns:
        The families. Siblings are in row order, documents in the order of their root rows.
    """
    rows = len(parent)
    keep = leaf_of_row >= 0
    if present is not None:
        keep[keep] = present[leaf_of_row[keep]]
    children = np.bincount(parent[parent >= 0], minlength=rows)
    alive = _prune(parent, children, keep)
    only = alive & (parent >= 0) & (children[parent] == 1)
    top = np.arange(rows)
    if only.any():
        top, _ = climb(np.where(only, parent, top), only.astype(np.int64))
        _, depth = climb(np.where(parent < 0, top, parent), ((parent >= 0) & ~only).astype(np.int64))

    bottom, parent_row = _order(np.flatnonzero(alive & (children != 1)), parent, top, depth)
    node_of_bottom = np.full(rows + 1, -1)  # the last entry answers for row -1
    node_of_bottom[bottom] = np.arange(len(bottom))
    node_of_top = np.full(rows, -1)
    node_of_top[top[bottom]] = np.arange(len(bottom))
    parent_node = node_of_bottom[parent_row]
    node_of_row = np.where(alive, node_of_top[top], -1)
    leaf = np.where(children[bottom] == 0, leaf_of_row[bottom], -1)
    roots = np.flatnonzero(parent < 0)
    inner = np.searchsorted(parent_node >= 0, True)  # the roots come first and are in no family
    first = inner + np.flatnonzero(np.diff(parent_node[inner:], prepend=-1))
    level_of_node = depth[bottom]
    levels = int(level_of_node[-1]) + 1 if len(bottom) else 0
    level = np.searchsorted(level_of_node, np.arange(levels + 1))
    return Families(
        node_of_row=node_of_row,
        top_row=top[bottom],
        parent=parent_node,
        leaf=leaf,
        count=_count(leaf, parent_node, first, level),
        level=level,
        root=node_of_row[roots],
        first=first,
        size=np.diff(first, append=len(bottom)),
    )


def _prune(parent: Index, children: Index, keep: Mask) -> Mask:
    """Mark the rows that have a leaf to keep at or below them, and take the others off `children`, in place."""
    alive = np.ones(len(parent), dtype=np.bool_)
    gone = np.flatnonzero((children == 0) & ~keep)
    while len(gone):
        alive[gone] = False
        above = parent[gone]
        above = above[above >= 0]
        np.subtract.at(children, above, 1)
        above = np.unique(above)
        gone = above[children[above] == 0]
    return alive


def _order(bottom: Index, parent: Index, top: Index, depth: Index) -> tuple[Index, Index]:
    """Sort nodes, named by the lowest rows of their chains, by level, and within it into families by highest row.

    Returns the nodes in order and the row of each one's parent.
    """
    bottom = bottom[_by_level(depth[bottom])]
    highest = top[bottom]
    above = parent[highest]
    # Rows in pre-order or level by level need no more than that: families are contiguous already.
    starts = np.flatnonzero(np.diff(above, prepend=-2))
    families = np.bincount(above + 1, minlength=1)
    rising = np.diff(highest, prepend=-1) > 0
    rising[starts] = True
    if len(starts) != np.count_nonzero(families) or not rising.all():
        # Both in one integer: numpy sorts those several times faster than it sorts by two keys.
        key = np.sort((above + 1 << 32) | highest)
        bottom_of_top = np.empty(len(parent), dtype=np.int64)
        bottom_of_top[highest] = bottom
        bottom = bottom_of_top[key & 0xFFFFFFFF]
        order = _by_level(depth[bottom])
        bottom, above = bottom[order], (key[order] >> 32) - 1
    return bottom, above


def _by_level(level: Index) -> Index:
    """Argsort, stable; on 16 bits, which are enough for most documents, numpy has a radix sort."""
    return np.argsort(level.astype(np.int16) if level.max(initial=0) < 2**15 else level, kind="stable")


def _count(leaf: Index, parent: Index, first: Index, level: Index) -> Index:
    """Count the leaves under every node, from the deepest level up."""
    count = (leaf >= 0).astype(np.int64)
    family_level = np.searchsorted(first, level)
    for v in range(len(level) - 2, 0, -1):
        starts = first[family_level[v] : family_level[v + 1]]
        count[parent[starts]] = np.add.reduceat(count[level[v] : level[v + 1]], starts - level[v])
    return count
