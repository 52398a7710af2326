"""The steps of one tile of queries against the blocks of its cover, compiled into `untied.py`; names as there.

pack ─> query     against ─> scores     hide, soften ─> weights     mix ─> outputs ─ put     slope, share_out: back
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.attention.cpu.covers import ALL, TILE, Covers
from encoders.attention.cpu.products import inner
from encoders.attention.cpu.simd import LANES, exp, larger, load, splat, store, store_sums

Array = NDArray[Any]

HALF = TILE // 2
"""Queries whose sums are in registers at once: four sums, or four of two vectors each, beside what they read."""
HIDDEN = np.float32(-3e38)
"""Score of what a query does not see: exp of it is 0, and it differs from itself by 0, not by NaN as -inf does."""
LARGEST, TOTAL, Z_BAR = 0, 1, 2
"""Rows of `Tile.sums`; in the backward pass the second is 1 over it."""


class Rows(NamedTuple):
    """`heads` vectors of `width` for each of many rows in a flat array: row r, head h is at (r * heads + h) * width."""

    value: Array
    heads: int
    width: int


class Tile(NamedTuple):
    """One thread's space."""

    query: Array
    """(TILE, D)"""
    bar: Array
    """(TILE, E) gradients of outputs."""
    mixed: Array
    """(TILE, the larger of D and E)"""
    scores: Array
    """(widest, TILE)"""
    slopes: Array
    """(widest, TILE)"""
    sums: Array
    """(3, TILE) numbers of each query."""


@inner
def pack(rows: Rows, covers: Covers, head: int, start: int, count: int, into: Array) -> None:
    """Copy a tile of leaves' vectors; the last one again where there are fewer."""
    for i in range(TILE):
        at = (covers.leaf_at[start + min(i, count - 1)] * rows.heads + head) * rows.width
        for d in range(0, rows.width, LANES):
            store(into, i, d, load(rows.value, 0, at + d))


@inner
def put(rows: Rows, leaf: int, head: int, i: int, factor: Any, mixed: Array) -> None:
    """Write `factor` times row i of `mixed` to where a leaf has its vector."""
    at = (leaf * rows.heads + head) * rows.width
    for d in range(0, rows.width, LANES):
        store(rows.value, 0, at + d, load(mixed, i, d) * factor)


@inner
def against(blocks: Rows, covers: Covers, head: int, cell: int, count: int, tile: Array, into: Array) -> None:
    """Put the products of every block of the cover and each vector of the tile into `into`, a block a row."""
    first, nothing = covers.first[cell], splat(into.dtype.type(0))
    for e in range(first, covers.first[cell + 1]):
        at = (covers.block[e] * blocks.heads + head) * blocks.width
        for i in range(0, TILE, HALF):
            a0 = a1 = a2 = a3 = nothing
            if i < count:
                for d in range(0, blocks.width, LANES):
                    x = load(blocks.value, 0, at + d)
                    a0, a1 = a0 + load(tile, i, d) * x, a1 + load(tile, i + 1, d) * x
                    a2, a3 = a2 + load(tile, i + 2, d) * x, a3 + load(tile, i + 3, d) * x
            store_sums(into, e - first, i, a0, a1, a2, a3)


@inner
def hide(
    H: Array, covers: Covers, head: int, cell: int, start: int, count: int, causal: bool, oneself: bool, tile: Tile
) -> None:
    """Add the entropies to `scores`, hide what a query does not see, and put the largest into `sums`."""
    scores, first = tile.scores, covers.first[cell]
    largest = splat(scores.dtype.type(HIDDEN))
    for e in range(first, covers.first[cell + 1]):
        row, place = e - first, covers.place[e]
        s = load(scores, row, 0) + splat(H[covers.block[e], head])
        store(scores, row, 0, s)
        # Places are left to right, so a leaf that comes later has a larger one.
        if causal and place > start:
            for i in range(min(count, place - start)):
                scores[row, i] = HIDDEN
        if not oneself and start <= place < start + count:
            scores[row, place - start] = HIDDEN
        if covers.lanes[e] != ALL:
            for i in range(count):
                if not (covers.lanes[e] >> i) & 1:
                    scores[row, i] = HIDDEN
        largest = larger(load(scores, row, 0), largest)
    store(tile.sums, LARGEST, 0, largest)


@inner
def soften(rows: int, tile: Tile) -> None:
    """Turn scores into weights relative to the largest, a query a lane, and sum them."""
    largest, total = load(tile.sums, LARGEST, 0), splat(tile.sums.dtype.type(0))
    for row in range(rows):
        p = exp(load(tile.scores, row, 0) - largest)
        store(tile.scores, row, 0, p)
        total = total + p
    store(tile.sums, TOTAL, 0, total)


@inner
def slope(rows: int, tile: Tile) -> None:
    """Turn scores into weights, and what is in `slopes`, c.v, into the gradients of logits."""
    top, part = load(tile.sums, LARGEST, 0), load(tile.sums, TOTAL, 0)
    mean = splat(tile.sums.dtype.type(0))
    for row in range(rows):
        p = exp(load(tile.scores, row, 0) - top) * part
        store(tile.scores, row, 0, p)
        mean = mean + p * load(tile.slopes, row, 0)
    # Where one weight is 1 the difference is 0: that of c.v and c.o, one rounded here and one elsewhere, is not.
    shift = mean - load(tile.sums, Z_BAR, 0)
    for row in range(rows):
        store(tile.slopes, row, 0, load(tile.scores, row, 0) * (load(tile.slopes, row, 0) - shift))


@inner
def mix(blocks: Rows, covers: Covers, head: int, cell: int, count: int, weights: Array, into: Array) -> None:
    """Put the sum over blocks of weight times vector into `into`, four queries and two vectors at a time.

    Sums stay in registers over all blocks: eight of them, two of vectors and one weight fit the sixteen of AVX2.
    """
    nothing, first = splat(into.dtype.type(0)), covers.first[cell]
    for i in range(0, count, HALF):
        for d in range(0, blocks.width, 2 * LANES):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = nothing
            for e in range(first, covers.first[cell + 1]):
                row, at = e - first, (covers.block[e] * blocks.heads + head) * blocks.width + d
                x, y = load(blocks.value, 0, at), load(blocks.value, 0, at + LANES)
                p = splat(weights[row, i])
                a0, b0 = a0 + p * x, b0 + p * y
                p = splat(weights[row, i + 1])
                a1, b1 = a1 + p * x, b1 + p * y
                p = splat(weights[row, i + 2])
                a2, b2 = a2 + p * x, b2 + p * y
                p = splat(weights[row, i + 3])
                a3, b3 = a3 + p * x, b3 + p * y
            store(into, i, d, a0)
            store(into, i, d + LANES, b0)
            store(into, i + 1, d, a1)
            store(into, i + 1, d + LANES, b1)
            store(into, i + 2, d, a2)
            store(into, i + 2, d + LANES, b2)
            store(into, i + 3, d, a3)
            store(into, i + 3, d + LANES, b3)


@inner
def share_out(blocks: Rows, covers: Covers, head: int, cell: int, weights: Array, tile: Array) -> None:
    """Add to every block of the cover the sum over queries of weight times vector of the tile."""
    first = covers.first[cell]
    for e in range(first, covers.first[cell + 1]):
        row, at = e - first, (covers.block[e] * blocks.heads + head) * blocks.width
        p0, p1, p2, p3 = (
            splat(weights[row, 0]), splat(weights[row, 1]), splat(weights[row, 2]), splat(weights[row, 3]),
        )  # fmt: skip
        p4, p5, p6, p7 = (
            splat(weights[row, 4]), splat(weights[row, 5]), splat(weights[row, 6]), splat(weights[row, 7]),
        )  # fmt: skip
        for d in range(0, blocks.width, LANES):
            x = load(blocks.value, 0, at + d)
            x = x + p0 * load(tile, 0, d) + p1 * load(tile, 1, d) + p2 * load(tile, 2, d) + p3 * load(tile, 3, d)
            x = x + p4 * load(tile, 4, d) + p5 * load(tile, 5, d) + p6 * load(tile, 6, d) + p7 * load(tile, 7, d)
            store(blocks.value, 0, at + d, x)
