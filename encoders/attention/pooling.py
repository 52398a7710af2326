"""Blocks pooled by weights: keys, values and entropies of all nodes, from the leaves up.

    present_leaves leaves in the order of nodes
    node_means     plain means over the leaves under every node
    Moments        the variance of the logits that the queries of a document give a key
    log_shares     "document", "moments", a tensor ─> log shares of all rows, up to a constant a family; "block" ─> None
    pool_up        keys, values of leaves; what picks ─> keys, values, entropies of nodes

With x_A what picks the children A of a node P, w_A = softmax_A(x_A), and T_A the gradient of w_A,

    k_P = sum_A w_A k_A     v_P = sum_A w_A v_A     H_P = sum_A w_A (H_A - log w_A)
    T_A = k_bar_P.k_A + v_bar_P.v_A + H_bar_P (H_A - log w_A)      x_bar_A = w_A (T_A - sum_B w_B T_B)

In "block", x_A = q_P.k_A + H_A. A constant query r in place of q_P gives w_j = softmax_j(r.k_j) over the leaves j of a
block, for H_P + r.k_P = logsumexp_A x_A: so "document" needs no keys of nodes to know its shares. "moments" takes the
log of the mean exp(q_i.k_j) over the queries i of the document, as if they were normal, each width by itself.

The entropy of order alpha = 1 + a (Renyi), R_P = log(sum_A w_A exp(a u_A)) / -a where u_A = log w_A - R_A, adds
-alpha R_bar_P w_A (exp(a u_A + a R_P) - 1) / a to x_bar_A. As a tends to 0, R does to H: log1p and expm1 keep digits.

Axes:  N leaves   R rows   M nodes   H heads   D query width   E value width   T documents
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.once import once
from encoders.forest.families import FamilyTensors
from encoders.forest.subtree import mean_up

PIECE = 256
"""Nodes at a time: 512 KiB of 8 heads x 64."""


def present_leaves(leaves: Tensor, families: FamilyTensors) -> Tensor:
    """Take (N, ...) to (present leaves, ...), in the order of nodes; not copied if that is how they lie."""
    leaf = families.leaf
    if leaf.device.type == "cpu" and len(leaf) == len(leaves) and torch.equal(leaf, torch.arange(len(leaf))):
        return leaves
    return leaves.index_select(0, leaf)


def node_means(leaves: Tensor, families: FamilyTensors) -> Tensor:
    """Take (present leaves, H, width), in the order of nodes, to the (M, H, width) means under every node."""
    return mean_up(leaves.flatten(1), families).view(len(families.parent), *leaves.shape[1:])


@dataclass(frozen=True, eq=False)
class Moments:
    """The variance of the logits that the queries of a document give a key, as if each width varied by itself."""

    query: Tensor
    """(T, H, D) variance of the queries, times the scale."""
    key: Tensor
    """(T, H, D) mean of the keys."""
    square: Tensor
    """(present leaves, H): `of` the leaves' keys."""

    @classmethod
    def over(cls, call: AttentionCall, families: FamilyTensors) -> "Moments":
        document = call.forest.leaf_document[families.leaf]
        query, key = (x.index_select(0, families.leaf).to(call.wide) for x in (call.query, call.key))
        query, key = query * call.scale, key.repeat_interleave(call.group, dim=1)
        apart = query - _document_means(query, document, call)[document].to(call.wide)
        spread, middle = (_document_means(x, document, call).to(call.wide) for x in (apart.square(), key))
        square = (spread[document] * (key - middle[document]).square()).sum(-1)
        return cls(spread, middle, square)

    def of(self, key: Tensor, document: Tensor) -> Tensor:
        """Return (n, H) variances for keys (n, H, D) of some documents."""
        return (self.query[document] * (key - self.key[document]).square()).sum(-1)


def _document_means(leaves: Tensor, document: Tensor, call: AttentionCall) -> Tensor:
    """Take (present leaves, H, D) to the (T, H, D) means of documents.

    One leaf after another is added: in float64, where there is one, so that many leaves round no more than a few.
    """
    count = torch.bincount(document, minlength=call.forest.num_documents).clamp(min=1)
    exact = leaves if leaves.device.type == "mps" else leaves.double()
    total = exact.new_zeros(len(count), *leaves.shape[1:]).index_add(0, document, exact)
    return total / count.to(total.dtype)[:, None, None]


def log_shares(call: AttentionCall, families: FamilyTensors, moments: Moments | None = None) -> Tensor | None:
    """Return (R, H) log shares of rows among their siblings, up to a constant; None where the blocks pick."""
    if isinstance(call.pooling, Tensor):
        return call.pooling.to(call.wide)
    if call.pooling == "block":
        return None
    leaf, document = families.leaf, call.forest.leaf_document[families.leaf]
    query, key = (x.index_select(0, leaf).to(call.wide) for x in (call.query, call.key))
    mean = (_document_means(query, document, call) * call.scale).to(query.dtype)
    logits = (mean[document] * key.repeat_interleave(call.group, dim=1)).sum(-1)
    if call.pooling == "moments":
        logits = logits + (moments or Moments.over(call, families)).square / 2
    return shares_of_leaves(logits, call, families)


def shares_of_leaves(logits: Tensor, call: AttentionCall, families: FamilyTensors) -> Tensor:
    """Return (R, H) log shares that give the leaves of any block the softmax of (present leaves, H) logits."""
    # Shares are differences of sums: in float64, where there is one, they keep their digits.
    exact = logits if logits.device.type == "mps" else logits.double()
    nodes = cast(Tensor, _SoftmaxShares.apply(exact, families)).to(call.wide)
    rows = nodes.new_zeros(call.forest.num_rows, nodes.shape[1])
    return rows.index_copy(0, families.top_row, nodes)


def pool_up(
    key: Tensor, value: Tensor, query: Tensor | None, shares: Tensor | None, families: FamilyTensors, alpha: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return keys (M, H, D), values (M, H, E), entropies (M, H) and those of order `alpha` (M, H) of all nodes.

    Args:
        key: (present leaves, H, D), in the order of nodes, as is `value`, (present leaves, H, E).
        query: (M, H, D) what picks a node's children by their keys, scaled; or None, and
        shares: (M, H) their log shares.
    """
    k, v, H, R = cast(tuple[Tensor, ...], _PoolUp.apply(key, value, query, shares, families, alpha))
    return k, v, H, H if alpha == 1 else R


def _top_and_total(x: Tensor, parent: Tensor, parents: int) -> tuple[Tensor, Tensor]:
    """For each of (n, H) children, the largest x among its siblings and the log of their sum of exp(x - largest)."""
    top = x.new_full((parents, x.shape[1]), -torch.inf)
    top = top.scatter_reduce_(0, parent[:, None].expand_as(x), x, "amax")[parent]
    total = x.new_zeros(parents, x.shape[1]).index_add_(0, parent, (x - top).exp_())
    return top, total.log_()[parent]


class _SoftmaxShares(torch.autograd.Function):
    """From logits (present leaves, H) to log shares (M, H) of nodes in their parents, each summed over its leaves."""

    @staticmethod
    def forward(ctx: Any, leaves: Tensor, families: FamilyTensors) -> Tensor:
        mass = leaves.new_zeros(len(families.parent), leaves.shape[1])  # log of the sum of exponentials under a node
        mass[families.leaf_node] = leaves
        log_w = torch.zeros_like(mass)
        for (above, start), (_, end) in reversed(list(pairwise(families.levels))):
            parent, part = families.parent[start:end], mass[start:end]
            top, total = _top_and_total(part, parent - above, start - above)
            log_w[start:end] = part - top - total
            mass[parent] = top + total  # all siblings write the same
        ctx.save_for_backward(log_w)
        ctx.families = families
        return log_w

    @staticmethod
    @once
    def backward(ctx: Any, log_w_bar: Tensor) -> tuple[Tensor | None, ...]:
        (log_w,), families = ctx.saved_tensors, ctx.families
        mass_bar = torch.zeros_like(log_w)
        for (above, start), (_, end) in pairwise(families.levels):
            parent, bar = families.parent[start:end], log_w_bar[start:end]
            among = bar.new_zeros(start - above, bar.shape[1]).index_add_(0, parent - above, bar)
            mass_bar[start:end] = bar + log_w[start:end].exp() * (mass_bar[parent] - among[parent - above])
        return mass_bar[families.leaf_node], None


def _pieces(start: int, end: int) -> list[slice]:
    """Nodes a few at a time: what is computed of them stays in the caches, and takes no memory of its own."""
    return [slice(at, min(at + PIECE, end)) for at in range(start, end, PIECE)]


class _PoolUp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, key: Tensor, value: Tensor, query: Tensor | None, shares: Tensor | None, families: FamilyTensors,
        alpha: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
        nodes, leaf = len(families.parent), families.leaf_node
        k, v = (x.new_zeros(nodes, *x.shape[1:]).index_copy_(0, leaf, x) for x in (key, value))
        H, log_w = k.new_zeros(k.shape[:2]), k.new_zeros(k.shape[:2])
        R, a = None if alpha == 1 else torch.zeros_like(H), alpha - 1
        for (above, start), (_, end) in reversed(list(pairwise(families.levels))):
            parent, H_A, pieces = families.parent[start:end], H[start:end], _pieces(start, end)
            if query is None or shares is not None:
                x = cast(Tensor, shares)[start:end]
            else:
                x = torch.cat([(query[families.parent[at]] * k[at]).sum(-1) for at in pieces]).add_(H_A)
            top, total = _top_and_total(x, parent - above, start - above)
            x = (x - top).sub_(total)
            log_w[start:end], w = x, x.exp()
            for at, w_at in zip(pieces, w[..., None].split(PIECE), strict=True):
                k.index_add_(0, families.parent[at], w_at * k[at])
                v.index_add_(0, families.parent[at], w_at * v[at])
            H.index_add_(0, parent, w * (H_A - x))
            if R is not None:
                u = x - R[start:end]
                # The sum that R is the log of: by what it lacks of 1 where it is near it.
                lacks = x.new_zeros(start - above, x.shape[1]).index_add_(0, parent - above, w * torch.expm1(a * u))
                lacks = lacks[parent - above]
                top, total = _top_and_total(x + a * u, parent - above, start - above)
                # All siblings write the same.
                R[parent] = torch.where(lacks > -0.5, lacks.log1p(), top + total) / -a
        ctx.save_for_backward(k, v, H, log_w, query, R)
        ctx.families, ctx.alpha = families, alpha
        return k, v, H, R

    @staticmethod
    @once
    def backward(
        ctx: Any, k_bar: Tensor, v_bar: Tensor, H_bar: Tensor, R_bar: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        k, v, H, log_w, query, R = ctx.saved_tensors
        families, a = ctx.families, ctx.alpha - 1
        k_bar, v_bar, H_bar = k_bar.clone(), v_bar.clone(), H_bar.clone()
        R_bar = None if R_bar is None else R_bar.clone()
        query_bar = None if query is None else torch.zeros_like(query)
        shares_bar = torch.zeros_like(H)
        for (above, start), (_, end) in pairwise(families.levels):
            parent, log_w_A, w = families.parent[start:end], log_w[start:end], log_w[start:end].exp()
            H_P, pieces = H_bar[parent], _pieces(start, end)
            T = [
                (k_bar[families.parent[at]] * k[at]).sum(-1) + (v_bar[families.parent[at]] * v[at]).sum(-1)
                for at in pieces
            ]
            x_bar = torch.cat(T).add_(H_P * (H[start:end] - log_w_A)).mul_(w)
            mean = x_bar.new_zeros(start - above, x_bar.shape[1]).index_add_(0, parent - above, x_bar)
            x_bar -= w * mean[parent - above]
            if R_bar is not None:
                part = w * R_bar[parent]
                beside = torch.expm1(a * (log_w_A - R[start:end] + R[parent]))
                x_bar -= part * beside * (ctx.alpha / a)
                R_bar[start:end] += part * (1 + beside)
            H_bar[start:end] += w * H_P
            shares_bar[start:end] = x_bar
            for at, w_at, x_at in zip(pieces, w[..., None].split(PIECE), x_bar[..., None].split(PIECE), strict=True):
                above_at = families.parent[at]
                k_bar[at].addcmul_(w_at, k_bar[above_at])
                v_bar[at].addcmul_(w_at, v_bar[above_at])
                if query is not None:
                    k_bar[at].addcmul_(x_at, query[above_at])
                    query_bar.index_add_(0, above_at, x_at * k[at])  # type: ignore[union-attr]
            if query is not None:
                H_bar[start:end] += x_bar
        leaf = families.leaf_node
        return k_bar[leaf], v_bar[leaf], query_bar, shares_bar if query is None else None, None, None
