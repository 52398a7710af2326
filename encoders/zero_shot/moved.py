"""Where windows end when their ends may move to where the keys change; and patches on a curve.

    keys (n, width) of a sequence ─ moved_windows ─> parents of a tree of positions, as `Windows` makes them

At each level there are as many blocks as `Windows` has, and their ends may move by almost half a window. What a block
loses is the spread of its keys around their mean, which is all that attention among blocks sees of them. Sums from the
left give it for any block at once, and so the best ends, all together, are found by dynamic programming over a few
places for each (Viterbi): O(n) for a level. Some coordinates of the keys will do.

Axes:  n positions   C coordinates   K blocks of a level   P places of an end
"""

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import ModelError
from encoders.forest.families import Index

Array = NDArray[np.float64]

COORDINATES = 48
"""Of the keys, evenly spaced over all heads. All of them, 384 in MiniLM, gain little and cost eight times as much."""
PLACES = 15
"""Of an end, at most."""
PIECE = 256
"""Blocks whose losses are in memory at a time: a few MB."""


def moved_windows(key: Array, branching: tuple[int, ...], inner: Index) -> Index:
    """Return the parent of each row: the n positions, then the blocks level by level, then the root, -1.

    Args:
        key: (n, width).
        branching: nodes of a block at each level on average, leaves first.
        inner: positions to be in blocks, in the order in which these take them; others are the root's children.
    """
    sums, squares = _sums_from_the_left(key[inner])
    nodes, at, rows = inner, np.arange(len(inner) + 1), len(key)
    levels = []
    for b in branching:
        if len(nodes) < 2:
            break
        chosen = _best_ends(at, b, sums, squares)
        levels.append((nodes, rows + np.searchsorted(chosen, at[:-1], side="right") - 1))
        nodes, at = np.arange(rows, rows + len(chosen) - 1), chosen
        rows += len(nodes)
    parent = np.full(rows + 1, rows)
    for below, above in levels:
        parent[below] = above
    parent[rows] = -1
    return parent


def moving_cost(n: int, branching: tuple[int, ...]) -> int:
    """Return the multiply-adds that `moved_windows` takes for n positions."""
    total = 2 * COORDINATES * n
    for b in branching:
        if n < 2:
            break
        n = -(-n // b)
        total += n * len(_shifts(b)) ** 2 * (COORDINATES + 4)
    return total


def z_order(grid: tuple[int, int], patches: int) -> Index:
    """Return the patches of a grid, numbered row by row, in the order of the Z-order curve: its runs are compact.

    Raises:
        ModelError: they are not the grid.
    """
    down, across = grid
    if down * across != patches:
        raise ModelError(f"the patches must be the grid {down} x {across}, but are {patches}.")
    y, x = np.divmod(np.arange(patches), max(across, 1))
    place = np.zeros(patches, dtype=np.int64)
    for bit in range(max(down, across).bit_length()):
        place |= ((x >> bit & 1) << 2 * bit) | ((y >> bit & 1) << 2 * bit + 1)
    return np.argsort(place)


def _sums_from_the_left(key: Array) -> tuple[Array, Array]:
    """(n + 1, C) sums of the keys before each position, and (n + 1,) of their squares."""
    width = key.shape[1]
    some = key[:, np.linspace(0, width - 1, min(width, COORDINATES)).round().astype(np.int64)]
    if len(some):  # around their mean, so that differences of sums keep their digits
        some = some - some.mean(0)
    sums = np.concatenate([np.zeros((1, some.shape[1])), some.cumsum(0)])
    return sums, np.concatenate([[0.0], (some * some).sum(1).cumsum()])


def _shifts(b: int) -> Index:
    """How far, in nodes of the level below, an end may move; not at all comes first, and so wins where all is alike."""
    most = max(1, (b - 1) // 2)
    shifts = np.linspace(-most, most, min(2 * most + 1, PLACES)).round().astype(np.int64)
    return shifts[np.argsort(np.abs(shifts), kind="stable")]


def _best_ends(at: Index, b: int, sums: Array, squares: Array) -> Index:
    """Return which of the ascending ends `at` of nodes are ends of blocks of b nodes on average."""
    nodes, shifts = len(at) - 1, _shifts(b)
    K = -(-nodes // b)
    places = np.round(np.arange(K + 1) * nodes / K).astype(np.int64)[:, None] + shifts  # (K + 1, P)
    places = np.clip(places, 1, max(nodes - 1, 1))
    places[0], places[-1] = 0, nodes
    best, before = np.zeros(len(shifts)), np.zeros((K, len(shifts)), dtype=np.int64)
    for first in range(0, K, PIECE):
        start, end = (at[places[i : i + PIECE]] for i in (first, first + 1))
        loss = _losses(start[: len(end)], end, sums, squares)
        for k, of_block in enumerate(loss, first):
            through = best[:, None] + of_block
            before[k], best = through.argmin(0), through.min(0)
    place, chosen = 0, [nodes]
    for k in range(K - 1, -1, -1):
        place = int(before[k, place])
        chosen.append(int(places[k, place]))
    return at[np.unique(chosen)]


def _losses(start: Index, end: Index, sums: Array, squares: Array) -> Array:
    """(K, P, P) what blocks lose that begin at one of (K, P) places and end at one of (K, P)."""
    many = end[:, None, :] - start[:, :, None]
    left, right = (sums[at] - sums[start[:, :1]] for at in (start, end))  # small, so that their products keep digits
    total = (left**2).sum(-1)[:, :, None] + (right**2).sum(-1)[:, None] - 2 * left @ right.transpose(0, 2, 1)
    spread = squares[end][:, None, :] - squares[start][:, :, None] - total / np.maximum(many, 1)
    return np.where(many > 0, spread, np.inf)
