"""Hierarchical self-attention in plain torch: any device, vectorised over all documents.

    leaves ─ node_means, pool_up ─> nodes ─ families ─> R, u ─ sweeps ─> outputs, energies

Once these are known the sibling softmaxes of all families are independent: families of one size are batched matrix
products, and those above `LARGE` are streamed block by block, so nothing is padded and memory stays O(nodes).
What remains are two sweeps over the levels. Names of quantities as in `naive.py`; a trailing `_bar` is a gradient.
Half precision is computed in float32.

Axes:  N leaves   M nodes   F families of one size b   H heads   D query width with positions   E value width
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.family import FamilyAttention
from encoders.attention.once import once
from encoders.attention.opened import attend_opened
from encoders.attention.pooling import log_shares, node_means, pool_up
from encoders.attention.untied import attend_blocks, untied_attention
from encoders.forest.families import LARGE, FamilyTensors

WORKSPACE = {"cpu": 1 << 20}
"""Numbers that one batched product may take, on a CPU: what its caches hold."""
WORKSPACE_ELSEWHERE = 1 << 26
"""The same on other devices: 256 MiB in float32."""


def torch_attention(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H)."""
    if call.untie is not None:
        return untied_attention(call, attend_opened if call.opened else attend_blocks)
    families, wide, group = call.forest.tensors(call.present), call.wide, call.group

    def means(leaves: Tensor) -> Tensor:
        """(M, H, width)."""
        return node_means(leaves[families.leaf].to(wide), families)

    q = means(call.query) * call.scale
    left, right = [], []
    if call.query_position is not None and call.key_position is not None:
        left, right = ([x[families.top_row].to(wide)] for x in (call.query_position, call.key_position))
    if call.pooled:
        key, value = (x.index_select(0, families.leaf).to(wide) for x in (call.key, call.value))
        key, value = (x.repeat_interleave(group, dim=1) for x in (key, value))
        shares = log_shares(call, families)
        picks = q if shares is None else None
        k, v, H, _ = pool_up(key, value, picks, None if shares is None else shares[families.top_row], families)
        # One more column of products adds the entropies, and a node's keys count once, not n times. Sums begin with
        # what is small, so that they round less.
        H = H[..., None]
        q, k = torch.cat([torch.ones_like(H), *left, q], dim=-1), torch.cat([H, *right, k], dim=-1)
        families = replace(families, count=torch.ones_like(families.count))
    else:
        k, v = (x.repeat_interleave(group, dim=1) if group > 1 else x for x in (means(call.key), means(call.value)))
        if left:
            q, k = torch.cat([q, *left], dim=-1), torch.cat([k, *right], dim=-1)
    if call.family_attention is None:
        R, u = cast(tuple[Tensor, Tensor], _SoftmaxFamilies.apply(q, k, v, families))
    else:
        R, u = _any_families(q, k, v, families, call.family_attention)
    own = (q * k).sum(-1) if call.attend_self else q.new_full(q.shape[:2], -torch.inf)  # counts at leaves only
    sweeps = _Sweeps.apply(own, R, u, v, call.forest.num_leaves, call.attend_self, families)
    output, energy = cast(tuple[Tensor, Tensor], sweeps)
    return output.to(call.value.dtype), energy


def _small(families: FamilyTensors, q: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Yield families of one size b, few enough to fit the workspace: (F * H * b,) rows, (F * H, 1, b) log n, and b.

    Rows count nodes times heads: those of a family's head come one after the other.
    """
    heads, log_n = q.shape[1], families.count.to(q.dtype).log()
    space = WORKSPACE.get(q.device.type, WORKSPACE_ELSEWHERE)
    for size, first in families.sizes:
        if size <= LARGE:
            child = torch.arange(size, device=first.device)
            head = torch.arange(heads, device=first.device)[:, None]
            numbers = size * heads * 2 * (q.shape[2] + v.shape[2] + size)
            for part in torch.split(first, max(1, space // numbers)):
                node = (part[:, None] + child)[:, None]
                log_weight = log_n[node].expand(-1, heads, -1).reshape(-1, 1, size)
                yield (node * heads + head).view(-1), log_weight, size


def _blocks(first: int, size: int) -> list[slice]:
    return [slice(at, min(at + LARGE, first + size)) for at in range(first, first + size, LARGE)]


def _take(nodes: Tensor, rows: Tensor, size: int) -> Tensor:
    """(M, H, width) to (F * H, b, width), in one copy."""
    return nodes.flatten(0, 1).index_select(0, rows).view(len(rows) // size, size, nodes.shape[2])


def _put(nodes: Tensor, rows: Tensor, families: Tensor) -> None:
    """Write (F * H, b, width) to where `_take` would take it from; `nodes` is contiguous."""
    nodes.flatten(0, 1).index_copy_(0, rows, families.flatten(0, 1))


class _SoftmaxFamilies(torch.autograd.Function):
    """R (M, H) and u (M, H, E) of every node in a family; zeros at roots."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, families: FamilyTensors) -> tuple[Tensor, Tensor]:
        # Weights are exp(logit - top) / total: from R alone, which is rounded,
        # they would lose digits where it is large.
        top, total = q.new_zeros((*q.shape[:2], 1)), q.new_ones((*q.shape[:2], 1))
        u = v.new_zeros(v.shape)
        for rows, log_weight, size in _small(families, q, v):
            logits = _logits(_take(q, rows, size), _take(k, rows, size), log_weight)
            highest = logits.amax(-1, keepdim=True)
            p = logits.sub_(highest).exp_()
            sums = p.sum(-1, keepdim=True)
            _put(top, rows, highest)
            _put(total, rows, sums)
            _put(u, rows, (p @ _take(v, rows, size)).div_(sums))
        top, total, log_n = top.squeeze(-1), total.squeeze(-1), families.count.to(q.dtype).log()
        for first, size in families.large:
            for block in _blocks(first, size):
                top[block], total[block], u[block] = _stream(q, k, v, log_n, block, _blocks(first, size))
        ctx.save_for_backward(q, k, v, top, total, u)
        ctx.families = families
        return top + total.log(), u

    @staticmethod
    @once
    def backward(ctx: Any, R_bar: Tensor, u_bar: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, top, total, u = ctx.saved_tensors
        families, u_bar = ctx.families, u_bar.contiguous()
        q_bar, k_bar, v_bar = (x.new_zeros(x.shape) for x in (q, k, v))
        for rows, log_weight, size in _small(families, q, v):
            q_i, k_i, v_i, u_bar_i = (_take(x, rows, size) for x in (q, k, v, u_bar))
            top_i, total_i, R_bar_i = (_take(x[..., None], rows, size) for x in (top, total, R_bar))
            p = _logits(q_i, k_i, log_weight).sub_(top_i).exp_().div_(total_i)
            _put(v_bar, rows, p.mT @ u_bar_i)
            T = u_bar_i @ v_i.mT
            p *= T.add_(R_bar_i - (p * T).sum(-1, keepdim=True))
            _put(q_bar, rows, p @ k_i)
            _put(k_bar, rows, p.mT @ q_i)
        log_n = families.count.to(q.dtype).log()
        for first, size in families.large:
            blocks = _blocks(first, size)
            for at in blocks:
                u_bar_i, q_i = u_bar[at].transpose(0, 1), q[at].transpose(0, 1)
                shift = R_bar[at] - (u_bar[at] * u[at]).sum(-1)
                top_i, total_i, shift_i = (x.T[..., None] for x in (top[at], total[at], shift))
                for j in blocks:
                    p = (_block_logits(q, k, log_n, at, j) - top_i).exp_() / total_i
                    v_bar[j] += (p.mT @ u_bar_i).transpose(0, 1)
                    p *= (u_bar_i @ v[j].permute(1, 2, 0)) + shift_i
                    q_bar[at] += (p @ k[j].transpose(0, 1)).transpose(0, 1)
                    k_bar[j] += (p.mT @ q_i).transpose(0, 1)
        return q_bar, k_bar, v_bar, None


def _logits(q: Tensor, k: Tensor, log_weight: Tensor) -> Tensor:
    """(F * H, b, b), -inf between a node and itself."""
    logits = torch.baddbmm(log_weight, q, k.mT)
    logits.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return logits


def _block_logits(q: Tensor, k: Tensor, log_n: Tensor, i: slice, j: slice) -> Tensor:
    """(H, i, j) logits between two blocks of one family, -inf between a node and itself."""
    logits = (q[i].transpose(0, 1) @ k[j].permute(1, 2, 0)).add_(log_n[j])
    if i == j:
        logits.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return logits


def _stream(
    q: Tensor, k: Tensor, v: Tensor, log_n: Tensor, i: slice, blocks: list[slice]
) -> tuple[Tensor, Tensor, Tensor]:
    """Largest logit, sum of weights relative to it, and u of a block of queries, over the keys block by block."""
    top = q.new_full((q.shape[1], i.stop - i.start, 1), -torch.inf)
    total, u = (torch.zeros_like(top), torch.zeros((*top.shape[:2], v.shape[2]), dtype=q.dtype, device=q.device))
    for j in blocks:
        logits = _block_logits(q, k, log_n, i, j)
        higher = torch.maximum(top, logits.amax(-1, keepdim=True))
        p = (logits - higher).exp_()
        rescale = (top - higher).exp_()
        total = total * rescale + p.sum(-1, keepdim=True)
        u = u * rescale + p @ v[j].transpose(0, 1)
        top = higher
    return top.squeeze(-1).T, total.squeeze(-1).T, (u / total).transpose(0, 1)


def _any_families(
    q: Tensor, k: Tensor, v: Tensor, families: FamilyTensors, attention: FamilyAttention
) -> tuple[Tensor, Tensor]:
    """R and u by a callable, one call for all families of one size, differentiated by autograd."""
    heads, log_n = q.shape[1], families.count.to(q.dtype).log()
    head = torch.arange(heads, device=q.device)[:, None]
    parts, Rs, us = [], [], []
    for size, first in families.sizes:
        node = first[:, None] + torch.arange(size, device=first.device)
        rows = (node[:, None] * heads + head).view(-1)
        q_i, k_i, v_i = (_take(x, rows, size).unflatten(0, (len(first), heads)) for x in (q, k, v))
        result = attention(q_i, k_i, v_i, log_n[node])
        if isinstance(result, Tensor):
            log_weight = log_n[node][:, None].expand(-1, heads, -1).reshape(-1, 1, size)
            result = result, _logits(q_i.flatten(0, 1), k_i.flatten(0, 1), log_weight).logsumexp(-1)
        parts.append(rows)
        us.append(result[0].flatten(0, 2))
        Rs.append(result[1].reshape(-1))
    R, u = q.new_zeros(q.shape[:2]), v.new_zeros(v.shape)
    if parts:
        rows = torch.cat(parts)
        R = R.view(-1).index_copy(0, rows, torch.cat(Rs)).view(R.shape)
        u = u.flatten(0, 1).index_copy(0, rows, torch.cat(us)).view(u.shape)
    return R, u


class _Sweeps(torch.autograd.Function):
    """From own logits, R, u and v of all nodes to outputs (N, H, E) and energies (T, H): once up, once down."""

    @staticmethod
    def forward(
        ctx: Any, own: Tensor, R: Tensor, u: Tensor, v: Tensor, leaves: int, attend_self: bool, families: FamilyTensors
    ) -> tuple[Tensor, Tensor]:
        leaf, exact = families.leaf_node, R.dtype if R.device.type == "mps" else torch.float64
        # One child after another is added to L: in float64, so that many children round no more than a few.
        L = R.new_zeros((len(R) + 1, R.shape[1]), dtype=exact)  # the last answers for the empty document, node -1
        L[leaf] = own[leaf].to(exact)
        share = families.share.to(exact)[:, None]
        g, h = torch.ones_like(R), torch.zeros_like(R)  # roots keep g = 1, h = 0
        for start, end in reversed(families.levels[1:]):
            Z = torch.logaddexp(L[start:end], R[start:end])
            g[start:end] = (L[start:end] - Z).exp_()
            h[start:end] = (R[start:end] - Z).exp_()
            L.index_add_(0, families.parent[start:end], Z * share[start:end])
        m, c = torch.ones_like(R), torch.zeros_like(u)
        for start, end in families.levels[1:]:
            parent = families.parent[start:end]
            above = m[parent]
            m[start:end] = above * g[start:end]
            torch.index_select(c[:start], 0, parent, out=c[start:end])
            c[start:end].addcmul_((above * h[start:end])[..., None], u[start:end])
        ctx.save_for_backward(g, h, m, u, v)
        ctx.families, ctx.attend_self = families, attend_self
        if attend_self:
            c.addcmul_(m[..., None], v)  # of no use at inner nodes, and in place
        output = c.new_zeros(leaves, *c.shape[1:])
        output.index_copy_(0, families.leaf, c.index_select(0, leaf))
        return output, L[families.root].to(R.dtype)

    @staticmethod
    @once
    def backward(ctx: Any, output_bar: Tensor, energy_bar: Tensor) -> tuple[Tensor | None, ...]:
        g, h, m, u, v = ctx.saved_tensors
        families = ctx.families
        leaf, share = families.leaf_node, families.share.to(g.dtype)[:, None]
        c_bar, v_bar = torch.zeros_like(u), None
        c_bar.index_copy_(0, leaf, output_bar.index_select(0, families.leaf))
        if ctx.attend_self:
            v_bar = c_bar * m[..., None]  # while only leaves have a gradient
            m_bar = (c_bar * v).sum(-1)
        else:
            m_bar = torch.zeros_like(m)
        a = torch.zeros_like(m)
        for start, end in reversed(families.levels[1:]):
            parent = families.parent[start:end]
            a[start:end] = (c_bar[start:end] * u[start:end]).sum(-1)
            m_bar.index_add_(0, parent, g[start:end] * m_bar[start:end] + h[start:end] * a[start:end])
            c_bar[:start].index_add_(0, parent, c_bar[start:end])
        L_bar, R_bar = m.new_zeros(len(m) + 1, m.shape[1]), torch.zeros_like(m)
        L_bar[families.root] = energy_bar
        above = torch.zeros_like(m)
        for start, end in families.levels[1:]:
            parent = families.parent[start:end]
            above[start:end] = m[parent]
            g_v, h_v = g[start:end], h[start:end]
            # Along L - R, which g = 1 - h = sigmoid(L - R) alone depends on.
            tilt = above[start:end] * g_v * h_v * (m_bar[start:end] - a[start:end])
            Z_bar = share[start:end] * L_bar[parent]
            L_bar[start:end] = g_v * Z_bar + tilt
            R_bar[start:end] = h_v * Z_bar - tilt
        own_bar = None
        if ctx.attend_self:
            own_bar = torch.zeros_like(m)
            own_bar[leaf] = L_bar[leaf]
        u_bar = c_bar.mul_((above * h)[..., None])
        return own_bar, R_bar, u_bar, v_bar, None, None, None
