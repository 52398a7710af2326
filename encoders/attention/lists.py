"""Which blocks a leaf attends to when its query is its own: the interaction lists of a forest.

    Families ─ Order.of ─> Order (leaves left to right) ─ pairs ─> (group, entry) pairs ─ padded ─> Bucket tensors

A *group* is a node; its *entries* are the nodes that every leaf under it attends to, each as one block. The groups
on the path from the root to a leaf have disjoint entries that together cover all leaves the leaf may see, once. A
*cell* is where paths end: a node with leaf children only, or a leaf among inner siblings. Within a cell, and within
`near` neighbouring cells on each side, all entries are leaves, so attention there is exact. Blocks that touch the
near field of a group are taken up by the groups below it, piece by piece: so the farther a block, the larger it may
be, as in the fast multipole method. `near=0` gives the siblings of every node on the path.

With `causal=True` an entry lies left of the group or, in the cell, is a leaf that its query may see.

Source: Greengard and Rokhlin, "A fast algorithm for particle simulations", 1987, for interaction lists.
Axes:  M nodes of `Families`   N leaves   P pairs   G groups of one bucket   n queries   e entries of one bucket
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from docgraph.errors import ModelError
from encoders.attention.order import Order
from encoders.forest.families import Families, Index


def interaction_pairs(order: Order, *, near: int = 0, causal: bool = False) -> tuple[Index, Index]:
    """Return (P,) groups and (P,) entries, sorted by group.

    Raises:
        ModelError: `causal`, and the leaves under a node do not follow one another.
    """
    if causal and np.any(order.leaf_at[1:] < order.leaf_at[:-1]):
        raise ModelError(
            "every node of a hierarchy must span consecutive positions in a causal layer, but one does not: "
            "left and right have no meaning for it."
        )
    left, right = _near_field(order, near, causal)
    groups = [np.empty(0, dtype=np.int64)]
    entries = [np.empty(0, dtype=np.int64)]
    group = entry = order.roots
    # From the roots down. An entry far from all of its group is done; one that touches the near field is cut into its
    # children, for each child of the group, and looked at again. In a cell a leaf is done, too.
    while len(group):
        done = order.cell[group] & (order.first[entry] < 0)
        groups.append(group[done])
        entries.append(entry[done])
        group, entry = _expand(order, group[~done], entry[~done])
        if causal:
            seen = order.start[entry] < order.end[group]
            group, entry = group[seen], entry[seen]
        far = (order.end[entry] <= left[group]) | (order.start[entry] >= right[group])
        groups.append(group[far])
        entries.append(entry[far])
        group, entry = group[~far], entry[~far]
    all_groups, all_entries = np.concatenate(groups), np.concatenate(entries)
    by_group = np.lexsort((order.start[all_entries], all_groups))
    return all_groups[by_group], all_entries[by_group]


def _near_field(order: Order, near: int, causal: bool) -> tuple[Index, Index]:
    """Place of the first leaf, and after the last, that the cells of each node take as leaves."""
    cells = np.flatnonzero(order.cell)
    cells = cells[np.argsort(order.start[cells])]
    bounds = np.append(order.start[cells], len(order.leaf_at))
    document_start = order.start[order.roots]
    document_end = order.end[order.roots]
    document = np.searchsorted(document_start, order.start, side="right") - 1
    leftmost = np.searchsorted(bounds, order.start, side="right") - 1
    rightmost = np.searchsorted(bounds, order.end, side="left")
    # The near field ends where the document does, however many cells that leaves.
    left = np.maximum(bounds[np.maximum(leftmost - near, 0)], document_start[document])
    if causal:
        return left, order.end
    right = np.minimum(bounds[np.minimum(rightmost + near, len(cells))], document_end[document])
    return left, right


def _expand(order: Order, group: Index, entry: Index) -> tuple[Index, Index]:
    """Replace each pair by those of the children: of the group unless it is a cell, of the entry unless a leaf."""
    rows = np.where(order.cell[group], 1, order.size[group])
    columns = np.maximum(order.size[entry], 1)
    pair = np.repeat(np.arange(len(group)), rows * columns)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(rows * columns) - rows * columns, rows * columns)
    row, column = np.divmod(place, columns[pair])  # `place` counts the children of one pair, all columns of a row first
    group, entry = group[pair], entry[pair]
    return (
        np.where(order.cell[group], group, order.first[group] + row),
        np.where(order.first[entry] < 0, entry, order.first[entry] + column),
    )


@dataclass(frozen=True, eq=False)
class Bucket:
    """Groups of about one size at one level, padded to the largest of them."""

    level: int
    nodes: Tensor
    """(G,) the groups."""
    queries: Tensor
    """(G, n) leaf of the batch; N in the padding."""
    entries: Tensor
    """(G, e) node; M in the padding."""
    near: Tensor | None
    """(G, e) True where the entry is a leaf of the near field; None if no group is a cell."""
    hidden: Tensor | None
    """(G, n, e) True where a leaf may not see an entry; None if all see all."""

    def to(self, device: torch.device) -> "Bucket":
        moved = (
            None if t is None else t.to(device)
            for t in (self.nodes, self.queries, self.entries, self.near, self.hidden)
        )
        return Bucket(self.level, *moved)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Interactions:
    """The interactions of one batch, ready to be gathered."""

    buckets: tuple[Bucket, ...]
    leaves: int
    """N."""
    nodes: int
    """M."""
    levels: int
    parent: Tensor
    """(M,) parent of each node, -1 at a root."""
    count: Tensor
    """(M,) leaves under each node."""
    cell_of_leaf: Tensor
    """(N,) cell node of each leaf."""
    level_bounds: tuple[int, ...]
    pairs: int
    """Logits between a leaf and an entry that the untied form computes."""
    far_pairs: int
    """Of these, with an entry that is no leaf."""
    tied_pairs: int
    """Logits of the form with tied far fields: one for each group and far entry, and the near pairs."""
    tied_far_pairs: int
    """Of these, with an entry that is no leaf."""

    def parted(self, bucket: Bucket) -> tuple[Tensor, Tensor, Tensor]:
        """Where an entry is in the family of the query leaf or is it, and elsewhere the siblings that part the two.

        Returns:
            Three (G, e): bool, node over the group, node over the entry; M in the padding.
        """
        parent = torch.cat([self.parent, self.parent.new_full((1,), -2)])
        bounds = torch.tensor(self.level_bounds[1:], device=parent.device)
        level = torch.searchsorted(bounds, torch.arange(len(parent), device=parent.device), right=True)
        a, b = bucket.nodes[:, None].expand_as(bucket.entries), bucket.entries
        inside = (parent[b] == a) | (a == b)
        # Both climb, the deeper one first, until they are siblings: each step raises one of them at least.
        for _ in range(2 * self.levels):
            apart = (parent[a] != parent[b]) & ~inside & (bucket.entries < self.nodes)
            if not bool(apart.any()):
                break
            higher = level[a] - level[b]
            a, b = torch.where(apart & (higher >= 0), parent[a], a), torch.where(apart & (higher <= 0), parent[b], b)
        padding = bucket.entries == self.nodes
        return inside, a.masked_fill(padding, self.nodes), b

    def to(self, device: torch.device) -> "Interactions":
        moved = {name: getattr(self, name).to(device) for name in ("parent", "count", "cell_of_leaf")}
        buckets = tuple(bucket.to(device) for bucket in self.buckets)
        return Interactions(**{**self.__dict__, **moved, "buckets": buckets})


def build_interactions(families: Families, leaves: int, *, near: int = 0, causal: bool = False) -> Interactions:
    """Return the plan of a forest with N = `leaves` leaves, on the CPU.

    Args:
        near: cells on each side that are taken leaf by leaf; on the left only if `causal`.
    """
    order = Order.of(families)
    group, entry = interaction_pairs(order, near=near, causal=causal)
    left, right = _near_field(order, near, causal)
    is_near = (
        order.cell[group]
        & (order.first[entry] < 0)
        & (order.end[entry] > left[group])
        & (order.start[entry] < right[group])
    )
    seen_by = families.count[group]
    if causal:  # within the cell, the leaves from the entry on
        seen_by = np.minimum(seen_by, order.end[group] - order.start[entry])
    level = np.searchsorted(families.level, np.arange(len(families.parent)), side="right") - 1
    cells = np.flatnonzero(order.cell)
    cells = cells[np.argsort(order.start[cells])]
    cell_of_leaf = np.zeros(leaves, dtype=np.int64)
    cell_of_leaf[order.leaf_at] = np.repeat(cells, families.count[cells])
    far = order.first[entry] >= 0
    tied = np.where(is_near, seen_by, 1)
    return Interactions(
        buckets=_buckets(order, families, group, entry, is_near, level, leaves, causal),
        leaves=leaves,
        nodes=len(families.parent),
        levels=len(families.level) - 1,
        parent=torch.from_numpy(families.parent),
        count=torch.from_numpy(families.count),
        cell_of_leaf=torch.from_numpy(cell_of_leaf),
        level_bounds=tuple(families.level.tolist()),
        pairs=int(seen_by.sum()),
        far_pairs=int(seen_by[far].sum()),
        tied_pairs=int(tied.sum()),
        tied_far_pairs=int(tied[far].sum()),
    )


def _buckets(
    order: Order,
    families: Families,
    group: Index,
    entry: Index,
    is_near: np.ndarray[tuple[int], np.dtype[np.bool_]],
    level: Index,
    leaves: int,
    causal: bool,
) -> tuple[Bucket, ...]:
    # Groups of a bucket are of one level, and alike in queries and entries but for a factor of two: so padding takes
    # at most four times what is in it, and there are few buckets.
    nodes, begin, length = np.unique(group, return_index=True, return_counts=True)
    wide, many = _power(families.count[nodes]), _power(length)
    kind = np.stack([level[nodes], wide, many, order.cell[nodes]])
    kinds, which = np.unique(kind, axis=1, return_inverse=True)
    buckets = []
    for b in range(kinds.shape[1]):
        mine = np.flatnonzero(which.reshape(-1) == b)
        G, n, e = len(mine), int(families.count[nodes[mine]].max()), int(length[mine].max())
        at = order.start[nodes[mine]][:, None] + np.arange(n)
        inside = at < order.end[nodes[mine]][:, None]
        queries = np.where(inside, order.leaf_at[np.where(inside, at, 0)], leaves)
        column = begin[mine][:, None] + np.arange(e)
        real = np.arange(e) < length[mine][:, None]
        column = np.where(real, column, 0)
        entries = np.where(real, entry[column], len(families.parent))
        is_cell = bool(order.cell[nodes[mine[0]]])
        near = torch.from_numpy(is_near[column] & real) if is_cell else None
        hidden = None
        if causal and is_cell:
            later = order.start[entry[column]][:, None, :] > at[:, :, None]
            hidden = torch.from_numpy(later & real[:, None, :] & inside[:, :, None])
        assert queries.shape == (G, n)
        buckets.append(
            Bucket(
                int(kinds[0, b]),
                torch.from_numpy(nodes[mine]),
                torch.from_numpy(queries),
                torch.from_numpy(entries),
                near,
                hidden,
            )
        )
    return tuple(buckets)


def _power(count: Index) -> Index:
    """Exponent of the smallest power of two that is not below each count."""
    return np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64)
