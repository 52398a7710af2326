"""Hierarchical self-attention in Triton: CUDA devices, float32, bfloat16 and float16, forward and backward.

    leaves ─ gather ─> node means ─ attend ─> R, u ─ rise, fall, finish ─> outputs, energies

Every stage is one launch over all families of a level, or over all tiles of the batch, whatever their sizes; index
tensors are made once for a batch and stay on the device, nothing waits for the GPU, so a step can be captured in a CUDA
graph. Means, logits, normalisers and sweeps are float32; products of half-precision inputs have half-precision factors
and float32 sums. With TRITON_INTERPRET=1 in the environment the kernels also run on the CPU, slowly: for tests.

Axes as in `encoders.attention`.
"""

import os
from collections.abc import Sequence
from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.once import once
from encoders.attention.triton import backward, forward, rows
from encoders.attention.triton.index import BLOCK, ForestIndex, make_index

STRIPE = 1024
"""Numbers of a vector that one program of `spread` handles."""


def triton_attention(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H)."""
    index = make_index(call.forest.families(call.present), call.forest.device)
    arguments = (call.query, call.key, call.value, call.query_position, call.key_position)
    with torch.cuda.device_of(call.query):
        attention = _FusedAttention.apply(*arguments, index, call.forest.num_documents, call.scale, call.attend_self)
    return cast(tuple[Tensor, Tensor], attention)


class _FusedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_position: Tensor | None,
        key_position: Tensor | None,
        index: ForestIndex,
        documents: int,
        scale: float,
        attend_self: bool,
    ) -> tuple[Tensor, Tensor]:
        query, key, value = (_rows_contiguous(x) for x in (query, key, value))
        heads, shared, width = query.shape[1], key.shape[1], value.shape[2]
        families = len(index.first)
        inner = [_new(query, families, x.shape[1], x.shape[2]) for x in (query, key, value)]
        for x, means in zip((query, key, value), inner, strict=True):
            _gather(x, means, index, mean=True)
        top, total, g, h = (_new(query, len(index.source), heads) for _ in range(4))
        L = torch.zeros(len(index.source), heads, dtype=torch.float32, device=query.device)
        u_leaf, c = _new(query, len(query), heads, width), _new(query, families, heads, width)
        m = torch.ones(families, heads, dtype=torch.float32, device=query.device)
        sizes = _sizes(query, value, query_position)
        reads = _reads((query, key, value), inner, (query_position, key_position))
        nodes = _nodes(index)
        grid = (len(index.tiles), heads)
        if len(index.tiles):
            forward.attend_tiles[grid](
                *reads, rows.Written(u_leaf, c), top, total, L, nodes, index.tiles, scale, heads, shared,
                SELF=attend_self, **sizes,
            )  # fmt: skip
        lone = index.lone_leaf
        if len(lone):
            L[index.lone_node] = (
                _own(query, key, query_position, key_position, index, scale) if attend_self else -torch.inf
            )
        HH = triton.next_power_of_2(heads)
        for first, count in reversed(index.levels):
            forward.rise[(count,)](
                top,
                total,
                g,
                h,
                L,
                index.share,
                index.first,
                index.size,
                index.parent_node,
                first,
                heads,
                HH=HH,
                BLOCK=BLOCK,
            )
        for first, count in index.levels[:1]:
            c[first : first + count] = 0  # roots have no siblings
        for first, count in index.levels[1:]:
            forward.fall[(count, heads)](
                c, m, c, g, h, index.parent_node, index.parent_family, first, heads, E=width, EE=sizes["EE"]
            )
        output = torch.zeros(len(query), heads, width, dtype=value.dtype, device=value.device)
        blocks = triton.cdiv(len(index.leaf_node), BLOCK)
        if blocks:
            forward.finish[(blocks, heads)](
                output, u_leaf, reads[2], c, m, g, h, index.source, index.family, index.leaf_node,
                len(index.leaf_node), heads, shared, SELF=attend_self, E=width, EE=sizes["EE"], BLOCK=BLOCK,
            )  # fmt: skip
        if attend_self and len(lone):
            output[lone] = value[lone].repeat_interleave(heads // shared, dim=1)
        energy = torch.zeros(documents, heads, dtype=torch.float32, device=query.device)
        energy[index.root_document] = L[index.root_node]
        ctx.save_for_backward(query, key, value, query_position, key_position, *inner, top, total, g, h, m)
        ctx.kept = index, scale, attend_self, sizes
        ctx.set_materialize_grads(False)
        return output, energy

    @staticmethod
    @once
    def backward(ctx: Any, output_bar: Tensor | None, energy_bar: Tensor | None) -> tuple[Tensor | None, ...]:
        query, key, value, query_position, key_position, *inner, top, total, g, h, m = ctx.saved_tensors
        index, scale, attend_self, sizes = ctx.kept
        heads, shared, width = query.shape[1], key.shape[1], value.shape[2]
        if output_bar is None:
            output_bar = query.new_zeros(len(query), heads, width)
        output_bar = _rows_contiguous(output_bar)
        c_bar = _new(query, len(index.first), heads, width)
        _gather(output_bar, c_bar, index, mean=False)
        a, m_bar, L_bar, R_bar, weight = (torch.zeros_like(g) for _ in range(5))
        reads = _reads((query, key, value), inner, (query_position, key_position))
        slopes = _strided(output_bar, c_bar)
        nodes = _nodes(index)
        HH = triton.next_power_of_2(heads)
        if len(index.tiles):
            backward.measure[(len(index.tiles), heads)](
                *reads, slopes, top, total, a, m_bar, nodes, index.tiles, scale, heads, shared,
                SELF=attend_self, **sizes,
            )  # fmt: skip
        for first, count in reversed(index.levels):
            backward.rise_back[(count,)](
                a, m_bar, g, h, index.first, index.size, index.parent_node, first, heads, HH=HH, BLOCK=BLOCK
            )
        if energy_bar is not None:
            L_bar[index.root_node] = energy_bar[index.root_document].float()
        for first, count in index.levels:
            backward.fall_back[(count,)](
                a, m_bar, g, h, m, L_bar, R_bar, weight, index.share, index.first, index.size, index.parent_node, first,
                heads, HH=HH, BLOCK=BLOCK,
            )  # fmt: skip
        grads = [torch.zeros(x.shape, dtype=torch.float32, device=x.device) for x in (query, key, value)]
        inner_grads = [torch.zeros_like(means) for means in inner]
        sides = [
            None if x is None else torch.zeros(x.shape, dtype=torch.float32, device=x.device)
            for x in (query_position, key_position)
        ]
        e_bar, f_bar = (grads[0] if side is None else side for side in sides)  # not written to where there is none
        scalars = (top, total, a, L_bar, R_bar, weight)
        written = [rows.Written(*both) for both in zip(grads, inner_grads, strict=True)]
        if len(index.tiles):
            backward.push_queries[(len(index.tiles), heads)](
                *reads, slopes, *scalars, written[0], e_bar, nodes, index.tiles, scale, heads, shared,
                SELF=attend_self, **sizes,
            )  # fmt: skip
            backward.push_keys[(len(index.tiles), shared)](
                *reads, slopes, *scalars, g, written[1], written[2], f_bar, m, nodes, index.tiles, scale, heads, shared,
                SELF=attend_self, **sizes,
            )  # fmt: skip
        for leaf_grad, inner_grad in zip(grads, inner_grads, strict=True):
            _spread(leaf_grad, inner_grad, index)
        if attend_self and len(index.lone_leaf):
            _lone_backward(ctx.saved_tensors[:5], index, scale, output_bar, L_bar, grads, sides)
        narrow = [grad.to(x.dtype) for grad, x in zip(grads, (query, key, value), strict=True)]
        narrow_sides = [
            None if grad is None or x is None else grad.to(x.dtype)
            for grad, x in zip(sides, (query_position, key_position), strict=True)
        ]
        return (*narrow, *narrow_sides, None, None, None, None)


def _new(like: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=like.device)


def _rows_contiguous(x: Tensor) -> Tensor:
    """The tensor, or a copy of it if its last axis is not contiguous."""
    return x if x.stride(2) == 1 else x.contiguous()


def _reads(leaves: Sequence[Tensor], inner: Sequence[Tensor], positions: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """What all kernels over tiles read first: vectors of queries, keys and values, and both sides of the positions."""
    return (*(_strided(x, means) for x, means in zip(leaves, inner, strict=True)), *map(_side, positions))


def _strided(x: Tensor, inner: Tensor) -> rows.Vectors:
    return rows.Vectors(x, x.stride(0), x.stride(1), inner)


def _side(position: Tensor | None) -> rows.Side:
    """One side of the positions; where there are none, nothing is read."""
    if position is None:
        return rows.Side(None, 0, 0)
    position = _rows_contiguous(position)
    return rows.Side(position, position.stride(0), position.stride(1))


def _nodes(index: ForestIndex) -> rows.Nodes:
    return rows.Nodes(index.source, index.family, index.row, index.log_n, index.count)


def _sizes(query: Tensor, value: Tensor, position: Tensor | None) -> dict[str, Any]:
    """Widths and what they are padded to: `tl.dot` needs powers of two from 16 up."""
    narrow = {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}.get(query.dtype, tl.float32)
    if narrow is tl.bfloat16 and os.environ.get("TRITON_INTERPRET") == "1":
        narrow = tl.float32  # the interpreter would multiply the bits as integers
    D, E, P = query.shape[2], value.shape[2], 0 if position is None else position.shape[2]
    DD, EE, PP = (max(16, triton.next_power_of_2(max(1, width))) for width in (D, E, P))
    padded = {"D": D, "DD": DD, "E": E, "EE": EE, "P": P, "PP": PP}
    # Float32 products run outside the tensor cores: with 4 warps their tiles do not fit the registers.
    return {**padded, "NARROW": narrow, "BLOCK": BLOCK, "num_warps": 8 if narrow is tl.float32 else 4}


def _gather(leaves: Tensor, inner: Tensor, index: ForestIndex, mean: bool) -> None:
    """Fill the inner nodes from the leaves, the deepest level first."""
    heads, width = leaves.shape[1], leaves.shape[2]
    WW = triton.next_power_of_2(width)
    for first, count in reversed(index.levels):
        rows.gather[(count, heads)](
            _strided(leaves, inner), heads, index.source, index.share, index.first, index.size, first,
            MEAN=mean, W=width, WW=WW, BLOCK=16,
        )  # fmt: skip


def _spread(leaf_grad: Tensor, inner_grad: Tensor, index: ForestIndex) -> None:
    """Take what every leaf under an inner node gets down to the leaves, the highest level first."""
    numbers = leaf_grad.shape[1] * leaf_grad.shape[2]
    stripes = triton.cdiv(numbers, STRIPE)
    for first, count in index.levels[1:]:
        backward.spread[(count, stripes)](inner_grad, index.parent_family, first, numbers, BLOCK=STRIPE)
    if len(index.leaf_node):
        backward.finish_back[(len(index.leaf_node), stripes)](
            leaf_grad, inner_grad, index.source, index.family, index.leaf_node, numbers, BLOCK=STRIPE
        )


def _own(
    query: Tensor, key: Tensor, left: Tensor | None, right: Tensor | None, index: ForestIndex, scale: float
) -> Tensor:
    """(lone leaves, H) L of documents that are one leaf."""
    q, k = query[index.lone_leaf].float(), key[index.lone_leaf].float()
    own = scale * (q * k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)).sum(-1)
    if left is not None and right is not None:
        rows = index.row[index.lone_node]
        own = own + (left[rows].float() * right[rows].float()).sum(-1)
    return own


def _lone_backward(
    saved: Any,
    index: ForestIndex,
    scale: float,
    output_bar: Tensor,
    L_bar: Tensor,
    grads: list[Tensor],
    sides: list[Any],
) -> None:
    """Write the gradients of documents that are one leaf: its output is v, its energy its own logit."""
    query, key, _, left, right = saved
    lone, rows = index.lone_leaf, index.row[index.lone_node]
    own = L_bar[index.lone_node][..., None]
    group = query.shape[1] // key.shape[1]

    def per_key_head(x: Tensor) -> Tensor:
        return x.view(len(x), -1, group, x.shape[2]).sum(2)

    grads[0][lone] = scale * own * key[lone].float().repeat_interleave(group, dim=1)
    grads[1][lone] = per_key_head(scale * own * query[lone].float())
    grads[2][lone] = per_key_head(output_bar[lone].float())
    if left is not None:
        sides[0][rows] = own * right[rows].float()
        sides[1][rows] = own * left[rows].float()
