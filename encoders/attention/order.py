"""The leaves of a forest in a row, and its cells, for the interaction lists in `lists.py`.

    Families ─ Order.of ─> Order

Axes:  M nodes of `Families`   N leaves   T trees
"""

from dataclasses import dataclass

import numpy as np

from encoders.forest.families import Families, Index


@dataclass(frozen=True, eq=False)
class Order:
    """A forest with its leaves in a row: documents in order, siblings by their first leaf."""

    start: Index
    """(M,) place of each node's first leaf."""
    end: Index
    """(M,) place after its last."""
    leaf_at: Index
    """(N present,) leaf of the batch at each place."""
    first: Index
    """(M,) first child, -1 at a leaf; siblings are numbered in a row."""
    size: Index
    """(M,) children."""
    cell: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """(M,) whether the node is a cell."""
    roots: Index
    """(T non-empty,) nodes."""

    @classmethod
    def of(cls, families: Families) -> "Order":
        nodes = len(families.parent)
        first, size = np.full(nodes, -1), np.zeros(nodes, dtype=np.int64)
        inner = families.parent[families.first]
        first[inner], size[inner] = families.first, families.size
        leaf = families.leaf >= 0
        least = np.where(leaf, families.leaf, np.iinfo(np.int64).max)
        for begin, stop in _levels_up(families.level):
            np.minimum.at(least, families.parent[begin:stop], least[begin:stop])
        start = np.zeros(nodes, dtype=np.int64)
        roots = families.root[families.root >= 0]
        start[roots] = np.cumsum(families.count[roots]) - families.count[roots]
        for begin, stop in reversed(list(_levels_up(families.level))):
            rank = begin + np.lexsort((least[begin:stop], families.parent[begin:stop]))
            above = families.parent[rank]
            before = np.cumsum(families.count[rank]) - families.count[rank]
            new_family = np.append(True, above[1:] != above[:-1])
            base = before[new_family][np.cumsum(new_family) - 1]
            start[rank] = start[above] + before - base
        leaf_at = np.empty(int(leaf.sum()), dtype=np.int64)
        leaf_at[start[leaf]] = families.leaf[leaf]
        return cls(start, start + families.count, leaf_at, first, size, _cells(families, leaf), roots)


def _levels_up(level: Index) -> list[tuple[int, int]]:
    """First node and end of each level below the roots, deepest first."""
    bounds = level.tolist()
    return [(bounds[v], bounds[v + 1]) for v in range(len(bounds) - 2, 0, -1)]


def _cells(
    families: Families, leaf: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    inner_below = np.zeros(len(families.parent), dtype=np.bool_)
    inside = ~leaf & (families.parent >= 0)
    inner_below[families.parent[inside]] = True
    among_leaves = leaf & (families.parent >= 0) & ~inner_below[families.parent]
    return np.where(leaf, ~among_leaves, ~inner_below)
