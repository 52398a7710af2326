"""Untied queries on the CPU, forward and backward: compiled with Numba, on the vectors and threads of this package.

    queries, blocks of all nodes ─ attend_cells ─> outputs, log-partitions     and back ─ attend_cells_back

A tile of TILE queries of one cell meets one list of keys, its cover, read where they lie, and one softmax finishes it:
the scores of a tile, (blocks, TILE), are kept whole, so nothing is rescaled. Blocks come from `pool_blocks`, which also
takes their gradients down to the leaves. Nothing of the size of the pairs is kept for the backward pass: weights
p come again from the largest logit and the sum relative to it. With c_i the gradient of o_i, z_bar_i of log z_i,

    s_bar_iB = p_iB (c_i.v_B - sum_C p_iC c_i.v_C + z_bar_i)     q_bar_i = sum_B s_bar k_B     k_bar_B = sum_i s_bar q_i
    v_bar_B = sum_i p_iB c_i                          H_bar_B = sum_i s_bar

Blocks are shared by cells, so threads of the backward pass take key heads, not cells: none writes where another does,
and sums have a fixed order. Names as in the `untied.py` above; widths are multiples of two
vectors, and arrays flat, (1, numbers).

Axes:  N leaves   M nodes   H heads   J heads of blocks   D query width   E value width
"""

from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.cpu.covers import ALL, TILE, Covers, Tasks, make_tasks
from encoders.attention.cpu.products import entry, inner
from encoders.attention.cpu.simd import LANES, exp, larger, load, splat, store, store_sums
from encoders.attention.cpu.threads import each
from encoders.attention.once import once
from encoders.attention.untied import Blocks

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


def attend_blocks(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and log-partitions (N, H), as `Attend` says."""
    families, near, causal = call.forest.families(call.present), call.near, call.causal
    tasks = families.cached(("cover tasks", near, causal), lambda: make_tasks(families, near=near, causal=causal))
    q, k, v = (_widen(x) for x in (query, blocks.key, blocks.value))
    result = _CompiledBlocks.apply(q, k, v, blocks.entropy, tasks, causal, call.attend_self)
    output, log_z = cast(tuple[Tensor, Tensor], result)
    return output[..., : blocks.value.shape[2]], log_z


class _CompiledBlocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, entropy: Tensor, tasks: Tasks, causal: bool, oneself: bool
    ) -> tuple[Tensor, Tensor]:
        leaves, heads, _ = query.shape
        whole = len(tasks.covers.leaf_at) == leaves
        output = (torch.empty if whole else torch.zeros)(leaves, heads, value.shape[2], dtype=value.dtype)
        top, total = value.new_zeros(leaves, heads), value.new_ones(leaves, heads)
        q, k, v, o = (_rows(x) for x in (query, key, value, output))
        H, sums = entropy.detach().contiguous().numpy(), (top.numpy(), total.numpy())

        def run(a: int, b: int) -> None:
            attend_cells(q, k, v, H, tasks.covers, o, *sums, causal, oneself, _tile(q, v, tasks.widest), a, b)

        each([(run, piece) for piece in tasks.pieces])
        ctx.save_for_backward(query, key, value, entropy, top, total)
        ctx.options = tasks, causal, oneself
        return output, top + total.log()

    @staticmethod
    @once
    def backward(ctx: Any, output_bar: Tensor, log_z_bar: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, entropy, top, total = ctx.saved_tensors
        tasks, causal, oneself = ctx.options
        query_bar, key_bar, value_bar, entropy_bar = (torch.zeros_like(x) for x in (query, key, value, entropy))
        entropy_bar = entropy_bar.contiguous()
        q, k, v, c, q_bar, k_bar, v_bar = (
            _rows(x) for x in (query, key, value, output_bar, query_bar, key_bar, value_bar)
        )
        H, sums, H_bar = entropy.contiguous().numpy(), (top.numpy(), total.numpy()), entropy_bar.numpy()
        z_bar = log_z_bar.contiguous().numpy()
        group = q.heads // k.heads
        shares = np.linspace(0, k.heads, min(k.heads, torch.get_num_threads()) + 1).astype(np.int64) * group

        def run(a: int, b: int) -> None:
            attend_cells_back(
                q, k, v, H, tasks.covers, c, *sums, z_bar, q_bar, k_bar, v_bar, H_bar, causal, oneself,
                _tile(q, v, tasks.widest), a, b,
            )  # fmt: skip

        each([(run, share) for share in pairwise(shares.tolist())])
        return query_bar, key_bar, value_bar, entropy_bar, None, None, None


def _widen(tensor: Tensor) -> Tensor:
    """Fill the last axis with zeros up to two whole vectors, if it is not, and lay it out row by row."""
    missing = -tensor.shape[-1] % (2 * LANES)
    return (torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor).contiguous()


def _rows(tensor: Tensor) -> Rows:
    return Rows(tensor.detach().contiguous().view(1, -1).numpy(), tensor.shape[1], tensor.shape[2])


def _tile(q: Rows, v: Rows, widest: int) -> Tile:
    shapes = (TILE, q.width), (TILE, v.width), (TILE, max(q.width, v.width)), (widest, TILE), (widest, TILE), (3, TILE)
    return Tile(*(np.empty(shape, q.value.dtype) for shape in shapes))


@entry
def attend_cells(
    q: Rows, k: Rows, v: Rows, H: Array, covers: Covers, o: Rows, top: Array, total: Array, causal: bool, oneself: bool,
    tile: Tile, cell_from: int, cell_to: int,
) -> None:  # fmt: skip
    """Attend from the leaves of cells [cell_from, cell_to), a tile of queries and a head at a time."""
    group = q.heads // k.heads
    for cell in range(cell_from, cell_to):
        for start in range(covers.begin[cell], covers.begin[cell + 1], TILE):
            count = min(TILE, covers.begin[cell + 1] - start)
            for head in range(q.heads):
                pack(q, covers, head, start, count, tile.query)
                against(k, covers, head // group, cell, count, tile.query, tile.scores)
                hide(H, covers, head // group, cell, start, count, causal, oneself, tile)
                soften(covers.first[cell + 1] - covers.first[cell], tile)
                mix(v, covers, head // group, cell, count, tile.scores, tile.mixed)
                for i in range(count):
                    leaf = covers.leaf_at[start + i]
                    top[leaf, head], total[leaf, head] = tile.sums[LARGEST, i], tile.sums[TOTAL, i]
                    put(o, leaf, head, i, splat(o.value.dtype.type(1) / tile.sums[TOTAL, i]), tile.mixed)


@entry
def attend_cells_back(
    q: Rows, k: Rows, v: Rows, H: Array, covers: Covers, c: Rows, top: Array, total: Array, z_bar: Array, q_bar: Rows,
    k_bar: Rows, v_bar: Rows, H_bar: Array, causal: bool, oneself: bool, tile: Tile, head_from: int, head_to: int,
) -> None:  # fmt: skip
    """Write the gradients of query heads [head_from, head_to), and add those of the blocks they share."""
    group, one = q.heads // k.heads, q.value.dtype.type(1)
    for cell in range(len(covers.begin) - 1):
        rows = covers.first[cell + 1] - covers.first[cell]
        for start in range(covers.begin[cell], covers.begin[cell + 1], TILE):
            count = min(TILE, covers.begin[cell + 1] - start)
            for head in range(head_from, head_to):
                shared = head // group
                pack(q, covers, head, start, count, tile.query)
                pack(c, covers, head, start, count, tile.bar)
                against(k, covers, shared, cell, count, tile.query, tile.scores)
                hide(H, covers, shared, cell, start, count, causal, oneself, tile)
                against(v, covers, shared, cell, count, tile.bar, tile.slopes)
                for i in range(TILE):  # queries that are not there have no weights
                    leaf = covers.leaf_at[start + min(i, count - 1)]
                    tile.sums[LARGEST, i] = top[leaf, head]
                    tile.sums[TOTAL, i] = one / total[leaf, head] if i < count else one - one
                    tile.sums[Z_BAR, i] = z_bar[leaf, head]
                slope(rows, tile)
                mix(k, covers, shared, cell, count, tile.slopes, tile.mixed)
                for i in range(count):
                    put(q_bar, covers.leaf_at[start + i], head, i, splat(one), tile.mixed)
                share_out(k_bar, covers, shared, cell, tile.slopes, tile.query)
                share_out(v_bar, covers, shared, cell, tile.scores, tile.bar)
                for e in range(covers.first[cell], covers.first[cell + 1]):
                    for i in range(count):
                        H_bar[covers.block[e], shared] += tile.slopes[e - covers.first[cell], i]


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
