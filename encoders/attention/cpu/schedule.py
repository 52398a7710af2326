"""How a forest is cut into tasks by the `cpu` backend.

    Families ─ number ─> Tree (post-order) ─ cut ─> chunks of families, and families that must wait

A chunk is a range of families that one thread works through; it can do alone every family whose subtree lies inside
it. The others are deferred (ancestors of a cut, and families large enough to be shared out themselves).
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.attention.cpu.products import TILE, entry
from encoders.attention.cpu.simd import LANES
from encoders.attention.cpu.tiles import Tree
from encoders.forest.families import Families, Index

CHUNKS = 32
"""Chunks of a large batch: enough for several to a thread, so that one that is held up does not hold up all."""
SMALL = 1 << 16
"""Least cost of a chunk: about 0.1 ms with 8 heads of 64."""
KEEP = 32
"""Most children of a family whose weights are kept between the passes of the backward: 256 bytes a child and head."""


class Schedule(NamedTuple):
    """Everything about a forest that the kernels need."""

    tree: Tree
    root: Index
    """(T,) family of each document's root, -1 where the document is empty."""
    chunks: list[tuple[int, int]]
    """First family and end of each chunk."""
    deferred: NDArray[np.bool_]
    """(F,) whether the family waits."""
    waiting: Index
    """Deferred families, ascending."""
    tiles: list[Index]
    """For each task (tiles, 2): a deferred family and a first member."""
    widest: int
    """Most children in a family."""
    leaves: int
    """Leaves in all families: those present."""
    kept: int
    """Numbers kept for each head in the backward pass."""


def make_schedule(families: Families, dtype: np.dtype[Any]) -> Schedule:
    """Number the families in post-order and cut them, the same for any number of threads; cached on `families`."""
    return families.cached(("cpu schedule", dtype), lambda: _cut(*_number_families(families, dtype)))


def _number_families(families: Families, dtype: np.dtype[Any]) -> tuple[Tree, Index, Index]:
    """Return the tree, the family of each root, and (F,) the first family of each subtree."""
    parent, leaf = families.parent, families.leaf
    # A document of one leaf is a family of one, and so nothing special to the kernels.
    alone = (parent < 0) & (leaf >= 0)
    heads_family = (leaf < 0) | alone
    total = int(np.count_nonzero(heads_family))
    members = int(np.count_nonzero((parent >= 0) | alone))
    below, number, begin = heads_family.astype(np.int64), np.full(len(parent), -1), np.empty(total, np.int64)
    start, above = np.zeros(total + 1, np.int64), np.full(total, -1)
    source, node = np.empty(members, np.int64), np.empty(members, np.int64)
    _number(parent, leaf, below, np.zeros(len(parent), np.int64), number, begin, start, above, source, node)
    count = families.count[node]
    tree = Tree(
        start=start,
        above=above,
        source=source,
        row=families.top_row[node],
        leaves=count.astype(dtype),
        share=(count / np.where(parent[node] >= 0, families.count[parent[node]], count)).astype(dtype),
        log_n=np.log(count).astype(dtype),
        kept=np.full(total, -1),
    )
    root = np.append(number, -1)[families.root]  # -1, the empty document, stays -1
    return tree, root, begin


@entry
def _number(
    parent: Index, leaf: Index, below: Index, free: Index, number: Index, begin: Index, start: Index, above: Index,
    source: Index, member: Index,
) -> None:  # fmt: skip
    """Number the families of nodes that come level by level, children first, and list their members.

    `below` comes with 1 at the nodes that have a number, and `free` with zeros. Everything after them is filled in:
    number of each node, and for each number the first one of its subtree, first member and parent's family; source and
    node of each member.
    """
    nodes = len(parent)
    for node in range(nodes - 1, -1, -1):
        if parent[node] >= 0:
            below[parent[node]] += below[node]
    top = 0
    for node in range(nodes):
        if parent[node] < 0:
            free[node] = top
            top += below[node]
        else:
            free[node] = free[parent[node]]
            free[parent[node]] += below[node]
        if below[node]:
            number[node] = free[node] + below[node] - 1
            begin[number[node]] = free[node]
    for node in range(nodes):
        if parent[node] >= 0 or leaf[node] >= 0:
            start[number[parent[node] if parent[node] >= 0 else node] + 1] += 1
        if below[node] and parent[node] >= 0:
            above[number[node]] = number[parent[node]]
    for family in range(len(above)):
        start[family + 1] += start[family]
        free[family] = start[family]
    for node in range(nodes):
        if parent[node] >= 0 or leaf[node] >= 0:
            family = number[parent[node] if parent[node] >= 0 else node]
            source[free[family]] = leaf[node] if leaf[node] >= 0 else ~number[node]
            member[free[family]] = node
            free[family] += 1


def _cut(tree: Tree, root: Index, begin: Index) -> Schedule:
    """Cut the families into chunks of about equal cost."""
    size = np.diff(tree.start)
    large = size > TILE
    cost = np.where(large, 0, size * (size + 16))
    each = max(SMALL, int(cost.sum()) // CHUNKS)
    # A large family is a chunk of its own, so that its ancestors do not lie inside one with it.
    piece = np.cumsum(cost) // each + (2 * np.cumsum(large) - large) * len(size)
    edges = np.append(np.flatnonzero(np.diff(piece, prepend=-1)), len(size))
    deferred = large | (begin < np.repeat(edges[:-1], np.diff(edges)))
    waiting = np.flatnonzero(deferred)
    chunks = list(pairwise(edges.tolist()))
    tiles = _share_out(waiting, size)
    keeps = np.where(deferred | (size > KEEP), 0, size * (-(-size // LANES) * LANES))
    tree = tree._replace(kept=np.where(keeps > 0, np.cumsum(keeps) - keeps, -1))
    leaves = int(np.count_nonzero(tree.source >= 0))
    return Schedule(
        tree, root, chunks, deferred, waiting, tiles, int(size.max(initial=1)), leaves, 2 * int(keeps.sum())
    )


def _share_out(waiting: Index, size: Index) -> list[Index]:
    """Split the deferred families into tiles of queries, and the tiles into tasks of about equal cost."""
    tiles = (size[waiting] + TILE - 1) // TILE
    family = np.repeat(waiting, tiles)
    first = (np.arange(len(family)) - np.repeat(np.cumsum(tiles) - tiles, tiles)) * TILE
    cost = np.cumsum(np.minimum(TILE, size[family] - first) * (size[family] + 16))
    if not len(cost):
        return []
    task = cost // max(SMALL, int(cost[-1]) // CHUNKS)
    return np.split(np.stack([family, first], axis=1), np.flatnonzero(np.diff(task)) + 1)
