"""Blocks that give way to their children, on the CPU: the search of the `opened.py` above, leaf by leaf, compiled.

    queries, blocks ─ open_leaves ─> outputs, log-partitions, what each leaf saw     and back ─ open_leaves_back

The entries of one head lie in a row, and what gives way leaves its place to its last child: all entries of a row are
attended to. Only heads of which something was opened have their masses summed anew. For the backward pass the nodes
that a leaf saw are kept, 4 bytes for each of its products; weights come again from these. Threads take leaves, and in
the backward pass heads: none writes where another does. Names as in `untied.py`.

Axes:  N leaves   M nodes   H heads   D query width   E value width   e entries   c children   X entries of a leaf, C of
       one of its heads, at most
"""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.cpu.opened_leaf import AT_ONCE, CLOSED, Seen, Space, open_leaves, open_leaves_back
from encoders.attention.cpu.simd import LANES
from encoders.attention.cpu.threads import each
from encoders.attention.cpu.untied import flat_rows, widened
from encoders.attention.once import once
from encoders.attention.opened import Rows as Lists
from encoders.attention.opened import lists_of
from encoders.attention.untied import Blocks

PIECES = 8
"""Tasks a thread."""


def attend_opened(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and log-partitions (N, H), as `Attend` says."""
    lists, spread = lists_of(call, len(query)), blocks.spread
    assert spread is not None
    is_block = (lists.children[:-1] < len(spread)).any(1, keepdim=True)
    log_spread = spread.clamp(min=torch.finfo(spread.dtype).tiny).log().masked_fill(~is_block, float(2 * CLOSED))
    q, k, v = (widened(x) for x in (query, blocks.key, blocks.value))
    result = _CompiledOpened.apply(q, k, v, blocks.entropy, log_spread, lists, call.opened)
    output, log_z = cast(tuple[Tensor, Tensor], result)
    return output[..., : blocks.value.shape[2]], log_z


class _CompiledOpened(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, entropy: Tensor, spread: Tensor, lists: Lists, opened: int
    ) -> tuple[Tensor, Tensor]:
        leaves, heads, _ = query.shape
        output = value.new_zeros(leaves, heads, value.shape[2])
        top, total = query.new_zeros(leaves, heads), query.new_ones(leaves, heads)
        q, k, v, o = (flat_rows(x) for x in (query, key, value, output))
        H, sums = entropy.detach().contiguous().numpy(), (top.numpy(), total.numpy())
        entries, children = lists.entries.numpy(), lists.children.numpy()
        more = children.shape[1] - 1
        # What a head sees is apart in the tree, so no more than there are nodes.
        most = min(entries.shape[1] + opened * heads * more, len(key))
        kept = leaves if any(ctx.needs_input_grad) else 0
        every = min(heads * entries.shape[1] + opened * heads * more, heads * len(key))
        seen = Seen(np.empty((kept, every), np.int32), np.zeros((kept, heads + 1), np.int32))

        def run(a: int, b: int) -> None:
            space = _space(heads, most + children.shape[1], q.value.dtype)
            open_leaves(q, k, v, H, spread.numpy(), entries, children, o, *sums, seen, opened, space, a, b)

        pieces = min(leaves, PIECES * torch.get_num_threads())
        each([(run, piece) for piece in pairwise(np.linspace(0, leaves, pieces + 1).astype(np.int64).tolist())])
        ctx.save_for_backward(query, key, value, entropy, top, total)
        ctx.seen, ctx.most = seen, most
        return output, top + total.log()

    @staticmethod
    @once
    def backward(ctx: Any, output_bar: Tensor, log_z_bar: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, entropy, top, total = ctx.saved_tensors
        query_bar, key_bar, value_bar = (torch.zeros_like(x) for x in (query, key, value))
        entropy_bar = torch.zeros_like(entropy, memory_format=torch.contiguous_format)
        q, k, v, c, q_bar, k_bar, v_bar = (
            flat_rows(x) for x in (query, key, value, output_bar, query_bar, key_bar, value_bar)
        )
        H, sums, H_bar = entropy.contiguous().numpy(), (top.numpy(), total.numpy()), entropy_bar.numpy()
        z_bar = log_z_bar.contiguous().numpy()

        def run(a: int, b: int) -> None:
            space = _space(q.heads, ctx.most, q.value.dtype)
            open_leaves_back(q, k, v, H, c, *sums, z_bar, ctx.seen, q_bar, k_bar, v_bar, H_bar, space, a, b)

        shares = np.linspace(0, q.heads, min(q.heads, torch.get_num_threads()) + 1).astype(np.int64)
        each([(run, share) for share in pairwise(shares.tolist())])
        return query_bar, key_bar, value_bar, entropy_bar, None, None, None


def _space(heads: int, most: int, dtype: Any) -> Space:
    wide = -(-(most + AT_ONCE) // LANES) * LANES
    node, length, head, place = (np.empty(shape, np.int64) for shape in ((heads, wide), heads, heads, heads))
    score, spread, slope = np.empty((3, heads, wide), dtype)
    sums, lanes, best = (np.empty(shape, dtype) for shape in ((2, heads), (1, LANES), heads))
    return Space(node, score, spread, slope, length, sums, lanes, best, head, place)
