"""Hierarchical self-attention in plain torch: any device, vectorised over all documents.

    leaves ─ mean_up ─> node means ─ families ─> R, u ─ sweeps ─> outputs, energies

Once the means are known the sibling softmaxes of all families are independent: families of one size are one batched
matrix product, and those above `LARGE` are streamed block by block, so nothing is padded and memory stays O(nodes).
What remains are two sweeps over the levels. Names of quantities as in `naive.py`; a trailing `_bar` is a gradient.
Half precision is computed in float32.

Axes:  N leaves   M nodes   F families of one size b   H heads   D query width with positions   E value width
"""

from collections.abc import Iterator
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from encoders.attention.once import once
from encoders.batch import TreeBatch
from encoders.families import LARGE, FamilyTensors
from encoders.subtree import mean_up

WORKSPACE = 1 << 24
"""Numbers that one batched product may take besides its inputs: 64 MiB in float32."""


class FamilyAttention(Protocol):
    """What may replace the softmax among siblings."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, log_weight: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend within families of one size, each child to all others but not to itself.

        Args:
            query: (F, H, b, D) means of the children, already scaled, with position features appended.
            key: (F, H, b, D) likewise: `query @ key` is the logit without the weight.
            value: (F, H, b, E).
            log_weight: (F, b) log of the leaves under each child: it counts as that many keys.

        Returns:
            (F, H, b, E) outputs u, and (F, H, b) log of the normalisers R. Outputs alone will do: R is then that
            of the softmax over these logits.
        """


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    *,
    query_position: Tensor | None,
    key_position: Tensor | None,
    present: Tensor | None,
    scale: float,
    attend_self: bool,
    family_attention: FamilyAttention | None = None,
) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H); arguments as `hierarchical_attention` has checked them."""
    families = forest.tensors(present)
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    group = query.shape[1] // key.shape[1]

    def means(leaves: Tensor) -> Tensor:
        """(M, H, width)."""
        flat = leaves[families.leaf].to(wide).flatten(1)
        return mean_up(flat, families).view(-1, *leaves.shape[1:])

    q = means(query) * scale
    k = means(key).repeat_interleave(group, dim=1)
    v = means(value).repeat_interleave(group, dim=1)
    if query_position is not None and key_position is not None:
        q = torch.cat([q, query_position[families.top_row].to(wide)], dim=-1)
        k = torch.cat([k, key_position[families.top_row].to(wide)], dim=-1)
    if family_attention is None:
        R, u = cast(tuple[Tensor, Tensor], _SoftmaxFamilies.apply(q, k, v, families))
    else:
        R, u = _any_families(q, k, v, families, family_attention)
    leaf = families.leaf_node
    L = (q[leaf] * k[leaf]).sum(-1) if attend_self else q.new_full((len(leaf), q.shape[1]), -torch.inf)
    o, energy = cast(tuple[Tensor, Tensor], _Sweeps.apply(L, R, u, v[leaf], attend_self, families))
    output = o.new_zeros(len(query), *o.shape[1:]).index_copy(0, families.leaf, o)
    return output.to(value.dtype), energy


def _small(families: FamilyTensors, numbers: int) -> Iterator[tuple[Tensor, int]]:
    """Yield (F * b,) nodes and b of families of one size, few enough to fit the workspace at `numbers` a child."""
    for size, first in families.sizes:
        if size <= LARGE:
            child = torch.arange(size, device=first.device)
            for part in torch.split(first, max(1, WORKSPACE // (size * (numbers + size)))):
                yield (part[:, None] + child).reshape(-1), size


def _blocks(first: int, size: int) -> list[slice]:
    return [slice(at, min(at + LARGE, first + size)) for at in range(first, first + size, LARGE)]


def _by_family(nodes: Tensor, size: int) -> Tensor:
    """(F * b, H, width) to (F, H, b, width)."""
    return nodes.view(-1, size, *nodes.shape[1:]).transpose(1, 2)


def _by_node(families: Tensor) -> Tensor:
    """(F, H, b, ...) to (F * b, H, ...)."""
    return families.transpose(1, 2).flatten(0, 1)


class _SoftmaxFamilies(torch.autograd.Function):
    """R (M, H) and u (M, H, E) of every node in a family; zeros at roots."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, families: FamilyTensors) -> tuple[Tensor, Tensor]:
        log_n = families.count.to(q.dtype).log()
        # Weights are exp(logit - top) / total: from R alone, which is rounded, they would lose digits where it is large.
        top, total, u = q.new_zeros(q.shape[:2]), q.new_ones(q.shape[:2]), torch.zeros_like(v)
        for i, size in _small(families, q.shape[1]):
            logits = _logits(q[i], k[i], log_n[i], size)
            highest = logits.amax(-1, keepdim=True)
            p = (logits - highest).exp_()
            sums = p.sum(-1, keepdim=True)
            top[i], total[i] = _by_node(highest).squeeze(-1), _by_node(sums).squeeze(-1)
            u[i] = _by_node((p @ _by_family(v[i], size)) / sums)
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
        families = ctx.families
        log_n = families.count.to(q.dtype).log()
        shift = R_bar - (u_bar * u).sum(-1)
        q_bar, k_bar, v_bar = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for i, size in _small(families, q.shape[1]):
            top_i, total_i, shift_i = (_by_family(x[i, :, None], size) for x in (top, total, shift))
            p = (_logits(q[i], k[i], log_n[i], size) - top_i).exp_() / total_i
            u_bar_i = _by_family(u_bar[i], size)
            v_bar[i] = _by_node(p.mT @ u_bar_i)
            p *= (u_bar_i @ _by_family(v[i], size).mT) + shift_i
            q_bar[i] = _by_node(p @ _by_family(k[i], size))
            k_bar[i] = _by_node(p.mT @ _by_family(q[i], size))
        for first, size in families.large:
            blocks = _blocks(first, size)
            for at in blocks:
                u_bar_i, q_i = u_bar[at].transpose(0, 1), q[at].transpose(0, 1)
                top_i, total_i, shift_i = (x[at].T[..., None] for x in (top, total, shift))
                for j in blocks:
                    p = (_block_logits(q, k, log_n, at, j) - top_i).exp_() / total_i
                    v_bar[j] += (p.mT @ u_bar_i).transpose(0, 1)
                    p *= (u_bar_i @ v[j].permute(1, 2, 0)) + shift_i
                    q_bar[at] += (p @ k[j].transpose(0, 1)).transpose(0, 1)
                    k_bar[j] += (p.mT @ q_i).transpose(0, 1)
        return q_bar, k_bar, v_bar, None


def _logits(q: Tensor, k: Tensor, log_n: Tensor, size: int) -> Tensor:
    """(F, H, b, b), -inf between a node and itself."""
    logits = (_by_family(q, size) @ _by_family(k, size).mT).add_(log_n.view(-1, 1, 1, size))
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
    total, u = (
        torch.zeros_like(top),
        torch.zeros((*top.shape[:2], v.shape[2]), dtype=q.dtype, device=q.device),
    )
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
    log_n = families.count.to(q.dtype).log()
    nodes, Rs, us = [], [], []
    for size, first in families.sizes:
        i = (first[:, None] + torch.arange(size, device=first.device)).reshape(-1)
        result = attention(
            _by_family(q[i], size), _by_family(k[i], size), _by_family(v[i], size), log_n[i].view(-1, size)
        )
        if isinstance(result, Tensor):
            result = result, _logits(q[i], k[i], log_n[i], size).logsumexp(-1)
        nodes.append(i)
        us.append(_by_node(result[0]))
        Rs.append(_by_node(result[1]))
    R, u = q.new_zeros(q.shape[:2]), torch.zeros_like(v)
    if nodes:
        i = torch.cat(nodes)
        R, u = R.index_copy(0, i, torch.cat(Rs)), u.index_copy(0, i, torch.cat(us))
    return R, u


class _Sweeps(torch.autograd.Function):
    """From L of leaves, R, u and v to outputs of leaves (n, H, E) and energies (T, H): once up, once down."""

    @staticmethod
    def forward(
        ctx: Any, L_leaf: Tensor, R: Tensor, u: Tensor, v: Tensor, attend_self: bool, families: FamilyTensors
    ) -> tuple[Tensor, Tensor]:
        leaf, share = families.leaf_node, families.share.to(R.dtype)[:, None]
        L = R.new_zeros(len(R) + 1, R.shape[1])  # the last answers for the empty document, node -1
        L[leaf] = L_leaf
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
            c[start:end] = c[parent] + (above * h[start:end])[..., None] * u[start:end]
        ctx.save_for_backward(g, h, m, u, v)
        ctx.families, ctx.attend_self = families, attend_self
        output = c[leaf]
        if attend_self:
            output += m[leaf][..., None] * v
        return output, L[families.root]

    @staticmethod
    @once
    def backward(ctx: Any, o_bar: Tensor, energy_bar: Tensor) -> tuple[Tensor | None, ...]:
        g, h, m, u, v = ctx.saved_tensors
        families = ctx.families
        leaf, share = families.leaf_node, families.share.to(g.dtype)[:, None]
        c_bar, m_bar, a = torch.zeros_like(u), torch.zeros_like(m), torch.zeros_like(m)
        c_bar[leaf] = o_bar
        if ctx.attend_self:
            m_bar[leaf] = (o_bar * v).sum(-1)
        for start, end in reversed(families.levels[1:]):
            parent = families.parent[start:end]
            a[start:end] = (c_bar[start:end] * u[start:end]).sum(-1)
            m_bar.index_add_(0, parent, g[start:end] * m_bar[start:end] + h[start:end] * a[start:end])
            c_bar.index_add_(0, parent, c_bar[start:end].clone())
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
        u_bar = (above * h)[..., None] * c_bar
        v_bar = m[leaf][..., None] * o_bar if ctx.attend_self else None
        return L_bar[leaf], R_bar, u_bar, v_bar, None, None
