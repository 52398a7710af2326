"""Blocks that give way to their children where a leaf's attention lies: a tree searched from the top, best first.

    Families ─ Rows.of ─> entries of each leaf's lists, children of nodes ─ attend_opened ─> outputs, log-partitions

A leaf's blocks, of its interaction lists, have the logits l(i, B) of untied.py. Opening one, which gives way to its
children, saves about half of its mass times the variance of the leaf's logits in it, which `Blocks.spread` estimates
for all leaves of a document alike. In each of `opened` rounds a leaf opens as many blocks as there are heads, those of
all its heads where mass times spread is the most: heads that attend far and wide need few.
P_ij = theta(i, B) w_j then holds over finer blocks: the divergence from softmax cannot grow, and with all of them
opened it is 0. A leaf pays for the products with the children; the search itself is over numbers it has. What is chosen
has no gradient; all else has.

Source: Barnes and Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324, 1986, for cells of a tree
that are opened where they matter.
Axes:  N leaves   M nodes   H heads   D query width   E value width   n leaves of a piece   e entries   c children
       x = H e + opened H c entries of all heads
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.lists import interaction_pairs
from encoders.attention.order import Order
from encoders.attention.untied import Blocks
from encoders.forest.families import Families

WORKSPACE = 2**24
"""Numbers of gathered keys and values at a time: 64 MiB in float32."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Where a leaf begins, and where opening leads to."""

    entries: Tensor
    """(N, e) nodes, M in the padding and at absent leaves."""
    children: Tensor
    """(M+1, c) nodes, M in the padding."""

    @classmethod
    def of(cls, families: Families, leaves: int, near: int) -> "Rows":
        order, nodes = Order.of(families), len(families.parent)
        group, entry = interaction_pairs(order, near=near)
        times = families.count[group]
        place = np.repeat(order.start[group] - np.cumsum(times) + times, times) + np.arange(times.sum())
        leaf, entry = order.leaf_at[place], np.repeat(entry, times)
        by_leaf = np.argsort(leaf, kind="stable")
        many = np.bincount(leaf, minlength=leaves)
        entries = np.full((leaves, many.max(initial=0)), nodes)
        entries[np.arange(entries.shape[1]) < many[:, None]] = entry[by_leaf]
        child = np.arange(order.size.max(initial=1))
        below = np.where(child < order.size[:, None], order.first[:, None] + child, nodes)
        children = np.append(below, np.full((1, len(child)), nodes), axis=0)
        return cls(torch.from_numpy(entries), torch.from_numpy(children))


def lists_of(call: AttentionCall, leaves: int) -> Rows:
    """Return the lists of a call's leaves, made once for each forest."""
    families = call.forest.families(call.present)
    return families.cached(("rows", call.near), lambda: Rows.of(families, leaves, call.near))


def attend_opened(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Attend from every leaf to its lists, blocks opened; see `Attend` in untied.py."""
    rows = lists_of(call, len(query))
    entries, children = rows.entries.to(query.device), rows.children.to(query.device)
    blocks = blocks.padded(query.shape[1])
    wide = query.shape[1] * max(query.shape[2], blocks.value.shape[2])
    piece = max(1, WORKSPACE // (wide * (entries.shape[1] + call.opened * children.shape[1]) or 1))
    each = zip(query.split(piece), entries.split(piece), strict=True)
    parts = [_attend(q, entry, children, blocks, call.opened) for q, entry in each]
    output, log_z = (torch.cat(part) for part in zip(*parts, strict=True))
    return output, log_z


def _attend(query: Tensor, entries: Tensor, children: Tensor, blocks: Blocks, opened: int) -> tuple[Tensor, Tensor]:
    """Outputs (n, H, E) and log-partitions (n, H) of some leaves: query (n, H, D), entries (n, e)."""
    assert blocks.spread is not None
    finfo, (n, heads, _), e, c = torch.finfo(query.dtype), query.shape, entries.shape[1], children.shape[1]
    is_block = (children < len(children) - 1).any(1)
    spread = blocks.spread.clamp(min=finfo.tiny).log().masked_fill(~is_block[:, None], finfo.min)
    row = torch.arange(n, device=query.device)[:, None]
    # Entries of all heads, side by side: their nodes, heads, logits, spreads, and whether they were opened.
    node = entries.repeat(1, heads)
    head = torch.arange(heads, device=query.device).repeat_interleave(e).expand(n, -1)
    listed = torch.einsum("nhd,nehd->nhe", query, blocks.key[entries]) + blocks.entropy[entries].transpose(1, 2)
    logits, spreads = listed.flatten(1), spread[entries].transpose(1, 2).flatten(1)
    gone, rounds = torch.zeros_like(node, dtype=torch.bool), []
    for _ in range(opened):
        live = logits.detach().masked_fill(gone, finfo.min)
        top, total = _masses(live, head, heads)
        promise = live - (top + total.log()).gather(1, head) + spreads
        best = promise.topk(heads, dim=1).indices
        h, there = head[row, best], is_block[node[row, best]] & ~gone[row, best]
        below = children[torch.where(there, node[row, best], len(children) - 1)]  # (n, H, c)
        of_head = h[..., None]
        inside = (blocks.key[below, of_head] @ query[row, h][..., None])[..., 0] + blocks.entropy[below, of_head]
        rounds.append((h, below))
        gone[row, best] |= there
        node, head = torch.cat([node, below.flatten(1)], 1), torch.cat([head, h.repeat_interleave(c, 1)], 1)
        logits = torch.cat([logits, inside.flatten(1)], 1)
        spreads = torch.cat([spreads, spread[below, of_head].flatten(1)], 1)
        gone = torch.cat([gone, torch.zeros_like(inside.flatten(1), dtype=torch.bool)], 1)
    joined = logits.masked_fill(gone, finfo.min)  # (n, x)
    top, total = _masses(joined, head, heads)
    weights = (joined - top.gather(1, head)).exp() / total.gather(1, head)
    output = torch.einsum("nhe,nehv->nhv", weights[:, : heads * e].view(n, heads, e), blocks.value[entries])
    for at, (h, below) in zip(range(heads * e, weights.shape[1], heads * c), rounds, strict=True):
        mixed = weights[:, at : at + heads * c].view(n, heads, 1, c) @ blocks.value[below, h[..., None]]
        output = output.scatter_add(1, h[..., None].expand_as(mixed[:, :, 0]), mixed[:, :, 0])
    return output, top + total.log()


def _masses(logits: Tensor, head: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """The largest logit (n, H) of each head, and the sum of exp(logit - largest), of logits (n, x) of these heads."""
    least = torch.finfo(logits.dtype).min
    top = logits.new_full((len(logits), heads), least).scatter_reduce(1, head, logits.detach(), "amax")
    return top, torch.zeros_like(top).scatter_add(1, head, (logits - top.gather(1, head)).exp())
