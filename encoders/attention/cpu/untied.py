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
vectors, and arrays flat, (1, numbers). The steps of one tile are in `untied_tile.py`.

Axes:  N leaves   M nodes   H heads   J heads of blocks   D query width   E value width
"""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.cpu.covers import TILE, Covers, Tasks, make_tasks
from encoders.attention.cpu.products import entry
from encoders.attention.cpu.simd import LANES, splat
from encoders.attention.cpu.threads import each
from encoders.attention.cpu.untied_tile import (
    LARGEST,
    TOTAL,
    Z_BAR,
    Array,
    Rows,
    Tile,
    against,
    hide,
    mix,
    pack,
    put,
    share_out,
    slope,
    soften,
)
from encoders.attention.once import once
from encoders.attention.untied import Blocks


def attend_blocks(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and log-partitions (N, H), as `Attend` says."""
    families, near, causal = call.forest.families(call.present), call.near, call.causal
    tasks = families.cached(("cover tasks", near, causal), lambda: make_tasks(families, near=near, causal=causal))
    q, k, v = (widened(x) for x in (query, blocks.key, blocks.value))
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
        q, k, v, o = (flat_rows(x) for x in (query, key, value, output))
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
            flat_rows(x) for x in (query, key, value, output_bar, query_bar, key_bar, value_bar)
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


def widened(tensor: Tensor) -> Tensor:
    """Fill the last axis with zeros up to two whole vectors, if it is not, and lay it out row by row."""
    missing = -tensor.shape[-1] % (2 * LANES)
    return (torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor).contiguous()


def flat_rows(tensor: Tensor) -> Rows:
    """View a tensor (rows, heads, width), or a contiguous copy, as kernels take it."""
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
