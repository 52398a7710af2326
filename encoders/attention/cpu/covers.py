"""What every cell of a forest attends to as a whole, cut into tasks for threads; for untied.py.

    Families ─ Order, interaction_pairs ─> entries of each group ─ along the path ─> cover of each cell ─ join ─> Covers

All leaves of a cell attend to the same blocks, its *cover*: the entries of the groups on the path from the root to it.
Sibling cells that are small share a tile of queries, a *joint*: their covers are joined, and each block has a bit for
every query of the joint that sees it. A block is a node.

Axes:  N leaves   C cells and joints   B blocks of all covers
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.attention.cpu.simd import LANES
from encoders.attention.lists import interaction_pairs
from encoders.attention.order import Order
from encoders.forest.families import Families, Index

TILE = LANES
"""Queries at a time: as many as a vector has lanes."""
ALL = (1 << TILE) - 1
"""Bits of a block that all queries of a tile see."""
SMALL = TILE // 2
"""Most leaves of a cell that shares its tile with its siblings."""
PIECES = 8
"""Tasks a thread, so that none waits long for the last."""


class Covers(NamedTuple):
    """The covers as arrays for the kernels."""

    leaf_at: Index
    """(N,) leaf at each place, where the leaves of a node are in a row."""
    begin: Index
    """(C+1,) first place of each cell or joint."""
    first: Index
    """(C+1,) its first block in `block`."""
    block: Index
    """(B,)"""
    place: Index
    """(B,) place of each block's first leaf."""
    lanes: NDArray[Any]
    """(B,) uint8, which queries of a joint see each block, as bits; `ALL` in cells of their own."""


class Tasks(NamedTuple):
    """Covers, and how threads share them."""

    covers: Covers
    widest: int
    """Blocks of the largest cover."""
    pieces: list[tuple[int, int]]
    """Ranges of cells of about equal work."""


def make_tasks(families: Families, *, near: int, causal: bool) -> Tasks:
    """Return the covers of a forest, cut into tasks; arguments as of `build_interactions`."""
    order = Order.of(families)
    group, entries = interaction_pairs(order, near=near, causal=causal)
    nodes = len(families.parent)
    cells = np.flatnonzero(order.cell)
    cells = cells[np.argsort(order.start[cells])]
    group_first = np.searchsorted(group, np.arange(nodes + 1))
    # Every cell climbs to the root, all cells a step at a time; what it meets on the way is its path.
    cell_of, on_path = [], []
    at, number = cells, np.arange(len(cells))
    while len(at):
        cell_of.append(number)
        on_path.append(at)
        up = families.parent[at]
        at, number = up[up >= 0], number[up >= 0]
    owner, path = (np.concatenate(x) if x else np.empty(0, np.int64) for x in (cell_of, on_path))
    length = group_first[path + 1] - group_first[path]
    pair = np.repeat(np.arange(len(path)), length)
    seen = entries[group_first[path][pair] + np.arange(len(pair)) - np.repeat(np.cumsum(length) - length, length)]
    # Cells are joined; a bit for each query of the joint says whether it is of a cell that sees the block.
    begin = np.append(order.start[cells], len(order.leaf_at))
    joint = _joints(families.parent[cells], np.diff(begin))
    leader = np.append(np.flatnonzero(np.diff(joint, prepend=-1)), len(cells))  # first cell of each joint
    shift = begin[:-1] - begin[leader[joint]]
    bits = ((1 << np.minimum(np.diff(begin), TILE)) - 1) << np.where(np.diff(leader)[joint] > 1, shift, 0)
    bits = np.where(np.diff(leader)[joint] > 1, bits, ALL)
    owner = owner[pair]
    by_joint = np.lexsort((seen, order.start[seen], joint[owner]))
    seen, owner = seen[by_joint], owner[by_joint]
    new = np.append(True, (joint[owner][1:] != joint[owner][:-1]) | (seen[1:] != seen[:-1]))
    lanes = np.bitwise_or.reduceat(bits[owner], np.flatnonzero(new)).astype(np.uint8)
    seen, owner = seen[new], joint[owner][new]
    first = np.searchsorted(owner, np.arange(len(leader)))
    begin = begin[leader]

    # Pieces of about equal work, queries times blocks.
    work = np.append(0, np.cumsum(np.diff(begin) * np.diff(first)))
    parts = max(1, min(len(begin) - 1, PIECES * torch.get_num_threads()))
    cuts = np.unique(np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1], side="right"))
    bounds = [0, *cuts.tolist(), len(begin) - 1]
    covers = Covers(order.leaf_at, begin, first, seen, order.start[seen], lanes)
    return Tasks(covers, int(np.diff(first).max(initial=0)), [(a, b) for a, b in pairwise(bounds) if a < b])


def _joints(parent: Index, size: Index) -> Index:
    """Return the number of the joint of each cell: small siblings together, as many as fit into a tile."""
    joint = np.zeros(len(size), dtype=np.int64)
    number, filled, last = -1, TILE, -1
    for i, (above, leaves) in enumerate(zip(parent.tolist(), size.tolist(), strict=True)):
        if leaves > SMALL or above < 0 or above != last or filled + leaves > TILE:
            number, filled = number + 1, 0
        filled = TILE if leaves > SMALL else filled + leaves
        last = above
        joint[i] = number
    return joint
