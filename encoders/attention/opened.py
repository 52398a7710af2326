"""Blocks that give way to their children where a leaf's attention lies: a tree searched from the top, best first.

    Families ─ Rows.of ─> entries of each leaf's lists, children of nodes ─ attend_opened ─> outputs, log-partitions

A leaf's blocks, of its interaction lists, have the logits l(i, B) of untied.py. `opened` times the one of most mass
that is no leaf gives way to its children, in each head anew. P_ij = theta(i, B) w_j then holds over finer blocks: the
divergence from softmax cannot grow, and with all of them opened it is 0. A leaf pays for the products with the
children; the search itself is over numbers it has. What is chosen has no gradient; all else has.

Source: Barnes and Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324, 1986, for cells of a tree
that are opened where they matter.
Axes:  N leaves   M nodes   H heads   D query width   E value width   n leaves of a piece   e entries   c children
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


def attend_opened(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Attend from every leaf to its lists, the blocks of most mass opened; see `Attend` in untied.py."""
    families = call.forest.families(call.present)
    rows = families.cached(("rows", call.near), lambda: Rows.of(families, len(query), call.near))
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
    lowest, (n, heads, _), e, c = torch.finfo(query.dtype).min, query.shape, entries.shape[1], children.shape[1]
    head = torch.arange(heads, device=query.device)[:, None]
    is_block = (children < len(children) - 1).any(1)
    logits = [torch.einsum("nhd,nehd->nhe", query, blocks.key[entries]) + blocks.entropy[entries].transpose(1, 2)]
    # What may be opened, by the columns of all the entries there will be, and where they come from.
    node = entries.new_full((n, heads, e + opened * c), len(children) - 1)
    node[..., :e] = entries[:, None]
    score = query.new_full(node.shape, lowest)
    score[..., :e] = logits[0].detach().masked_fill(~is_block[entries][:, None], lowest)
    gone = torch.zeros_like(node, dtype=torch.bool)
    for at in range(e, e + opened * c, c):
        best = score.argmax(-1, keepdim=True)
        before = gone.gather(2, best)  # where nothing is left to open, argmax finds anything
        there = is_block[node.gather(2, best)] & ~before
        below = children[torch.where(there, node.gather(2, best), len(children) - 1)[..., 0]]  # (n, H, c)
        logits.append((blocks.key[below, head] @ query[..., None])[..., 0] + blocks.entropy[below, head])
        gone.scatter_(2, best, there | before)
        score.scatter_(2, best, lowest)
        score[..., at : at + c] = logits[-1].detach().masked_fill(~is_block[below], lowest)
        node[..., at : at + c] = below
    joined = torch.cat(logits, -1).masked_fill(gone, lowest)
    log_z, weights = joined.logsumexp(-1), joined.softmax(-1)
    output = torch.einsum("nhe,nehv->nhv", weights[..., :e], blocks.value[entries])
    for at in range(e, e + opened * c, c):
        below = node[..., at : at + c]
        output = output + (weights[..., None, at : at + c] @ blocks.value[below, head])[..., 0, :]
    return output, log_z
