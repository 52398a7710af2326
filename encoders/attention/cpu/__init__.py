"""Hierarchical self-attention on the CPU: compiled with Numba, multi-threaded, forward and backward.

    tensors ─ flat arrays ─> up ─> [what was deferred] ─> down ─> outputs, energies

    schedule, covers     which rows a thread takes       threads, simd, tiles, products   what kernels are made of
    forward, backward    the paper's form, by tiles      pooling, untied                blocks by weights, queries apart
    opened               blocks that give way to their children

The kernels take q, k, v where they lie, need no copy of them, and keep O(inner nodes) besides the output. Threads are
Python's own: the kernels release the GIL, chunks are handed out as threads become free, and no second OpenMP runtime
fights torch's. Small batches stay on the calling thread. Half precision is computed in float32.

Axes as in `encoders.attention`.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.cpu.backward import ascend_back, descend_back
from encoders.attention.cpu.backward_tiles import Slope
from encoders.attention.cpu.forward import ascend, descend
from encoders.attention.cpu.opened import attend_opened
from encoders.attention.cpu.pooling import Pool, PoolSlope
from encoders.attention.cpu.schedule import Schedule, make_schedule
from encoders.attention.cpu.simd import LANES
from encoders.attention.cpu.threads import each
from encoders.attention.cpu.tiles import NodeVectors, Side, State, Work, work_space
from encoders.attention.cpu.untied import attend_blocks
from encoders.attention.once import once
from encoders.attention.pooling import log_shares
from encoders.attention.untied import untied_attention

Array = NDArray[Any]

NONE = np.empty(0, np.int64)
NO_TILES = np.empty((0, 2), np.int64)
"""For the arguments of a kernel that has nothing of that kind to do."""
HUGE_PAGE = 1 << 21
"""Bytes of a page of the kind that numpy asks Linux for where an array is large."""


def cpu_attention(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H)."""
    if call.untie is not None:
        return untied_attention(call, attend_opened if call.opened else attend_blocks)
    wide = call.wide
    dtype = np.dtype(np.float64 if wide == torch.float64 else np.float32)
    schedule = make_schedule(call.forest.families(call.present), dtype)
    sides = [None if side is None else _widen(side.to(wide)) for side in (call.query_position, call.key_position)]
    query, key, value = (_widen(x.to(wide)) for x in (call.query, call.key, call.value))
    shares = None
    if call.pooled:  # each query head has blocks of its own, so keys that heads share are copied
        key, value = (x.repeat_interleave(call.group, dim=1) if call.group > 1 else x for x in (key, value))
        shares = log_shares(call, call.forest.tensors(call.present))
    attention = _CompiledAttention.apply(
        query, key, value, *sides, shares, call.pooled, schedule, call.scale, call.attend_self
    )
    output, energy = cast(tuple[Tensor, Tensor], attention)
    return output[..., : call.value.shape[2]].to(call.value.dtype), energy


def _widen(tensor: Tensor) -> Tensor:
    """Fill the last axis with zeros up to whole vectors, if it is not (heads commonly are)."""
    missing = -tensor.shape[-1] % LANES
    return torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor


class _CompiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_position: Tensor | None,
        key_position: Tensor | None,
        shares: Tensor | None,
        pooled: bool,
        schedule: Schedule,
        scale: float,
        attend_self: bool,
    ) -> tuple[Tensor, Tensor]:
        tree = schedule.tree
        dtype, families, members = tree.share.dtype, len(tree.above), len(tree.source)
        heads, width, whole = query.shape[1], value.shape[2], schedule.leaves == len(query)
        result = _result((len(query), heads, width), dtype, whole)
        per_node = [x.shape[1] * x.shape[2] for x in (query, key, value, result)]
        *inner, scalars, nodes = _carve(
            dtype, *(families * numbers for numbers in per_node), 5 * heads * members, 2 * families * heads
        )
        q, k, v, o = (_rows(x, nodes_of) for x, nodes_of in zip((query, key, value, result), inner, strict=True))
        e, f = _side(query_position, dtype), _side(key_position, dtype)
        state = State(*scalars.reshape(5, heads, members), *nodes.reshape(2, families, heads))
        state.L.fill(0)
        pool = _pool(shares, members, families, heads, dtype) if pooled else None
        options = attend_self, dtype.type(scale)

        def work() -> Work:
            return work_space(dtype, schedule.widest, heads, q.width + e.width, width)

        def up(first: int, end: int, waiting: Array, tiles: Array) -> None:
            ascend(tree, q, k, v, e, f, o, state, pool, schedule.deferred, first, end, waiting, tiles, *options, work())

        each([(up, (*chunk, NONE, NO_TILES)) for chunk in schedule.chunks])
        if len(schedule.waiting):
            up(0, 0, schedule.waiting, NO_TILES)
            each([(up, (0, 0, NONE, tiles)) for tiles in schedule.tiles])
            descend(tree, o, state, schedule.deferred, 0, 0, schedule.waiting, work())
        spare = work()
        # Last first: what was written last is still in the caches.
        each([(descend, (tree, o, state, schedule.deferred, *chunk, NONE, spare)) for chunk in schedule.chunks[::-1]])

        energy = np.zeros((len(schedule.root), heads), dtype)
        energy[schedule.root >= 0] = state.L[schedule.root[schedule.root >= 0]]
        ctx.save_for_backward(query, key, value, query_position, key_position, shares)
        ctx.kept = schedule, options, (q, k, v, e, f), state, pool
        ctx.set_materialize_grads(False)
        return result, torch.from_numpy(energy)

    @staticmethod
    @once
    def backward(ctx: Any, output_bar: Tensor | None, energy_bar: Tensor | None) -> tuple[Tensor | None, ...]:
        query, key, value, query_position, key_position, _ = ctx.saved_tensors
        schedule, options, (q, k, v, e, f), state, pool = ctx.kept
        tree = schedule.tree
        dtype, families, members = tree.share.dtype, len(tree.above), len(tree.source)
        heads, width, whole = query.shape[1], value.shape[2], schedule.leaves == len(query)
        if output_bar is None:
            output_bar = value.new_zeros(1, 1, 1).expand(len(value), heads, width)
        grads = [_result(tuple(x.shape), dtype, whole) for x in (query, key, value)]
        per_node = [x.shape[1] * x.shape[2] for x in (output_bar, query, key, value)]
        *inner, scalars, nodes = _carve(
            dtype, *(families * numbers for numbers in per_node), 2 * heads * members, 2 * families * heads
        )
        c_bar, q_bar, k_bar, v_bar = (
            _rows(x, nodes_of) for x, nodes_of in zip((output_bar, *grads), inner, strict=True)
        )
        slope = Slope(*scalars.reshape(2, heads, members), *nodes.reshape(2, families, heads))
        nodes.fill(0)
        if energy_bar is not None:
            slope.L_bar[schedule.root[schedule.root >= 0]] = energy_bar.numpy()[schedule.root >= 0]
        position_grads = [
            None if x is None else _result(tuple(x.shape), dtype, False) for x in (query_position, key_position)
        ]
        e_bar, f_bar = (_side(grad, dtype) for grad in position_grads)
        inputs = (tree, q, k, v, e, f, c_bar, state, slope)
        (kept,) = _carve(dtype, schedule.kept * heads)
        pool_slope = (
            None if pool is None else PoolSlope(np.empty_like(pool.w), *map(np.zeros_like, (pool.block, pool.given)))
        )

        def work() -> Work:
            return work_space(dtype, schedule.widest, heads, q.width + e.width, width)

        def up(first: int, end: int, waiting: Array, tiles: Array) -> None:
            ascend_back(*inputs, pool, schedule.deferred, kept, first, end, waiting, tiles, *options, work())

        def down(first: int, end: int, sweeping: Array, tiles: Array, spreading: Array) -> None:
            outputs = (pool, pool_slope, q_bar, k_bar, v_bar, e_bar, f_bar)
            order = first, end, sweeping, tiles, spreading
            descend_back(*inputs, *outputs, schedule.deferred, kept, *order, *options, work())

        each([(up, (*chunk, NONE, NO_TILES)) for chunk in schedule.chunks])
        if len(schedule.waiting):
            up(0, 0, schedule.waiting, NO_TILES)
            each([(up, (0, 0, NONE, tiles)) for tiles in schedule.tiles])
            down(0, 0, schedule.waiting, NO_TILES, NONE)
            each([(down, (0, 0, NONE, tiles, NONE)) for tiles in schedule.tiles])
            down(0, 0, NONE, NO_TILES, schedule.waiting)
        each([(down, (*chunk, NONE, NO_TILES, NONE)) for chunk in schedule.chunks[::-1]])
        shares_bar = None
        if pool_slope is not None and len(pool_slope.given):
            shares_bar = torch.from_numpy(pool_slope.given[:, :heads])
        return (*grads, *position_grads, shares_bar, None, None, None, None)


def _pool(shares: Tensor | None, members: int, families: int, heads: int, dtype: Any) -> Pool:
    """Allocate the scalars of pooling, log shares (R, H) of rows filled in if they are given."""
    columns = -(-heads // LANES) * LANES
    given = np.zeros((0 if shares is None else len(shares), columns), dtype)
    if shares is not None:
        given[:, :heads] = shares.detach().numpy()
    log_w, w, entropy = (np.empty((members, columns), dtype) for _ in range(3))
    return Pool(given, log_w, w, entropy, np.empty((families, columns), dtype))


def _result(shape: tuple[int, ...], dtype: Any, whole: bool) -> Tensor:
    """Allocate for a kernel to fill; zeros unless it fills the whole."""
    return torch.from_numpy(_allocate(np.empty if whole else np.zeros, math.prod(shape), dtype).reshape(shape))


def _carve(dtype: Any, *counts: int) -> list[Array]:
    """Allocate arrays (1, count) as one."""
    rounded = [-(-count // 16) * 16 for count in counts]
    whole = _allocate(np.empty, sum(rounded), dtype)[None]
    starts = np.cumsum(rounded) - rounded
    return [whole[:, start : start + count] for start, count in zip(starts.tolist(), counts, strict=True)]


def _allocate(make: Callable[..., Array], count: int, dtype: Any) -> Array:
    """Allocate with whole huge pages, for which numpy asks Linux: else page faults cost more than the kernels."""
    size = np.dtype(dtype).itemsize
    if count * size < 2 * HUGE_PAGE:
        return make(count, dtype)
    array = make(count + 2 * HUGE_PAGE // size, dtype)  # what is not touched takes no memory
    start = -array.ctypes.data % HUGE_PAGE // size
    return array[start : start + count]


def _rows(tensor: Tensor, inner: Array) -> NodeVectors:
    """View (N, heads, width) where it lies, if every row is contiguous, beside the array of its inner nodes."""
    rows, heads, width = tensor.shape
    if (width > 1 and tensor.stride(2) != 1) or (heads > 1 and tensor.stride(1) != width):
        tensor = tensor.contiguous()
    stride = tensor.stride(0)
    flat = _flat(tensor, (rows - 1) * stride + heads * width if tensor.numel() else 0)
    return NodeVectors(flat, stride, inner, heads, width)


def _side(position: Tensor | None, dtype: Any) -> Side:
    """View (R, H, P) where it lies, if its last axis is contiguous; None is a position of width 0."""
    if position is None or not position.numel():
        return Side(np.empty((1, 0), dtype), 0, 0, 0)
    if position.shape[2] > 1 and position.stride(2) != 1:
        position = position.contiguous()
    rows, heads, width = position.shape
    stride, head_stride, _ = position.stride()
    return Side(_flat(position, (rows - 1) * stride + (heads - 1) * head_stride + width), stride, head_stride, width)


def _flat(tensor: Tensor, span: int) -> Array:
    """The numbers from the tensor's first on as an array (1, span), not copied."""
    return tensor.detach().as_strided((1, span), (span, 1)).numpy()
