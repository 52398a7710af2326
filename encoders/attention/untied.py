"""Beyond the paper's form: queries of their own, exact near fields, attention-pooled blocks. Plain torch.

    query, key, value of leaves ─ pool ─> blocks ─ logits of each bucket ─> one softmax a leaf

The paper's attention matrix has one value per pair of siblings A, B. Here a leaf i under A has its own value for B,
which the leaves of B share in fixed proportions w (sum 1 over B; uniform in the paper): P_ij = theta(i, B) w_j. The
minimum of sum_i KL(P_i || softmax(s_i)) over theta is one softmax a leaf, over the blocks of its interaction lists:

    l(i, B) = scale * q_i.k_B + H_B        k_B = sum_j w_j k_j     H_B = entropy of w, log n_B if uniform
    o_i = sum_B softmax_B(l(i, B)) v_B     v_B = sum_j w_j v_j

and it costs leaf i a divergence of log z_i - logsumexp_B l(i, B). Three choices:

* `tie`: "keys" as above. With "logits" the far logits are those of the group's mean query, as in the paper, but
  every leaf has its own normaliser, to which its near field belongs: one logit a group and far block.
* `log_weight`: w_j is proportional to exp(log_weight_j). For the logits of a typical query, such as the mean query of
  the document, this is softmax attention linearised around that query instead of around zero: exact for it, and
  off by second order for others.
* `cumulant`: the block's share grows with sum_j w_j exp(s_ij - mean), not with the mean alone: add half the
  variance of s_ij over j in B, from the diagonal of the keys' covariance. With normal logits such an average over
  n leaves stops growing so where the variance passes 2 log n, as its largest term takes over: the term is then that
  of the random-energy model.

Sources: docs/hsa.md, "Zero-shot replacement", for the optimum; Derrida, "Random-energy model", Phys. Rev. B 24, 1981,
for the freezing.
Axes:  N leaves   M nodes   H heads   D query width   E value width   G groups, n queries, e entries of a bucket
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from encoders.attention.lists import Bucket, Interactions
from encoders.forest.batch import TreeBatch
from encoders.forest.subtree import mean_up

Tie = Literal["keys", "logits"]


@dataclass(frozen=True, eq=False)
class _Blocks:
    """What every node offers as an entry. The last row, of lowest entropy, answers for padding.

    Nothing is ever -inf: a row of nothing but hidden entries would have NaN for its gradient.
    """

    key: Tensor
    """(M+1, H, D)."""
    value: Tensor
    """(M+1, H, E)."""
    entropy: Tensor
    """(M+1, H) of the proportions, added to the logits."""
    variance: Tensor | None
    """(M+1, H, D) of the keys under the node, where the cumulant is wanted."""
    log_n: Tensor
    """(M+1, 1) of the leaves under the node."""


def untied_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    lists: Interactions,
    *,
    scale: float,
    tie: Tie = "keys",
    log_weight: Tensor | None = None,
    cumulant: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attend from every leaf to its interaction lists.

    Args:
        query: (N, H, D), and key (N, K, D), value (N, K, E) with H a multiple of K; any floating dtype.
        lists: of this forest, on the same device.
        log_weight: (N, H) log of a leaf's share of its blocks, up to a constant a head and document; values
            beyond +-60 count as those. None: all alike.

    Returns:
        (N, H, E) in the dtype of `value`, and the log-normalisers (N, H), in float64 for float64 and in float32
        otherwise.
    """
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    if not len(query):
        return value.new_zeros(0, query.shape[1], value.shape[2]), query.new_zeros(query.shape[:2], dtype=wide)
    group = query.shape[1] // key.shape[1]
    k, v = key.to(wide), value.to(wide)
    blocks = _pool(k, v, forest, lists, group, log_weight, cumulant)
    query = torch.cat([query.to(wide) * scale, query.new_zeros(1, *query.shape[1:], dtype=wide)])
    output, normaliser = (_untied if tie == "keys" else _tied_far)(query, blocks, forest, lists)
    return output.to(value.dtype), normaliser


def _pool(
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    lists: Interactions,
    group: int,
    log_weight: Tensor | None,
    cumulant: bool,
) -> _Blocks:
    log_n = lists.count.to(key.dtype).log()[:, None]
    if log_weight is None:
        k, v = node_means(key, forest), node_means(value, forest)
        square = node_means(key.square(), forest).repeat_interleave(group, dim=1) if cumulant else None
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        entropy = log_n.expand(-1, k.shape[1])
    else:
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
        log_weight = log_weight.to(key.dtype).clamp(-60, 60)[..., None]
        weight = log_weight.exp()
        mass = node_means(weight, forest)
        k, v = node_means(key * weight, forest) / mass, node_means(value * weight, forest) / mass
        square = node_means(key.square() * weight, forest) / mass if cumulant else None
        entropy = log_n + (mass.log() - node_means(log_weight * weight, forest) / mass)[..., 0]
    lowest = torch.finfo(key.dtype).min
    return _Blocks(
        key=_with_padding(k),
        value=_with_padding(v),
        entropy=_with_padding(entropy, lowest),
        # The mean of one leaf's square may differ from its square by rounding.
        variance=None
        if square is None
        else _with_padding((square - k.square()).clamp(min=0).masked_fill((log_n == 0)[..., None], 0)),
        log_n=_with_padding(log_n),
    )


def _with_padding(nodes: Tensor, fill: float = 0.0) -> Tensor:
    return torch.cat([nodes, nodes.new_full((1, *nodes.shape[1:]), fill)])


def node_means(leaves: Tensor, forest: TreeBatch) -> Tensor:
    """Take (N, H, D) to the (M, H, D) means under every node of the forest's families."""
    families = forest.tensors()
    return mean_up(leaves[families.leaf].flatten(1), families).view(-1, *leaves.shape[1:])


def _untied(query: Tensor, blocks: _Blocks, forest: TreeBatch, lists: Interactions) -> tuple[Tensor, Tensor]:
    logits = [_logits(query[b.queries], blocks, b, b.hidden) for b in lists.buckets]
    normaliser = _join([part.logsumexp(-1).transpose(1, 2) for part in logits], lists, query)
    output = query.new_zeros(len(query), query.shape[1], blocks.value.shape[2])
    for bucket, part in zip(lists.buckets, logits, strict=True):
        output = _add_mixed(output, part, normaliser, blocks, bucket)
    return output[:-1], normaliser[:-1]


def _tied_far(query: Tensor, blocks: _Blocks, forest: TreeBatch, lists: Interactions) -> tuple[Tensor, Tensor]:
    """Far fields once a group, handed down; near fields leaf by leaf."""
    q = node_means(query[:-1], forest)
    lowest = torch.finfo(q.dtype).min
    R = q.new_full(q.shape[:2], lowest)
    u = q.new_zeros(*q.shape[:2], blocks.value.shape[2])
    nears: list[tuple[Bucket, Tensor]] = []
    for b in lists.buckets:
        log_far = _logits(q[b.nodes, None], blocks, b, None if b.near is None else b.near[:, None])
        R_b = log_far.logsumexp(-1)  # (G, H, 1)
        weight = (log_far - R_b[..., None]).exp()
        R = R.index_copy(0, b.nodes, R_b[..., 0])
        u = u.index_copy(0, b.nodes, (weight @ blocks.value[b.entries].transpose(1, 2))[:, :, 0])
        if b.near is not None:
            hidden = ~b.near[:, None] if b.hidden is None else b.hidden | ~b.near[:, None]
            nears.append((b, _logits(query[b.queries], blocks, b, hidden)))
    far, c = _hand_down(R, u, lists)
    near = query.new_full(query.shape[:2], lowest)
    for b, logits in nears:
        near = near.index_copy(0, b.queries.reshape(-1), logits.logsumexp(-1).transpose(1, 2).flatten(0, 1))
    cell = lists.cell_of_leaf
    normaliser = _with_padding(torch.logaddexp(near[:-1], far[cell]))
    output = _with_padding(c[cell] * (far[cell] - normaliser[:-1]).exp()[..., None])
    for b, logits in nears:
        output = _add_mixed(output, logits, normaliser, blocks, b)
    return output[:-1], normaliser[:-1]


def _add_mixed(output: Tensor, logits: Tensor, normaliser: Tensor, blocks: _Blocks, bucket: Bucket) -> Tensor:
    """Add one bucket's part of the mixtures of values to output (N+1, H, E)."""
    weight = (logits - normaliser[bucket.queries].transpose(1, 2)[..., None]).exp()
    mixed = weight @ blocks.value[bucket.entries].transpose(1, 2)
    return output.index_add(0, bucket.queries.reshape(-1), mixed.transpose(1, 2).flatten(0, 1))


def _hand_down(R: Tensor, u: Tensor, lists: Interactions) -> tuple[Tensor, Tensor]:
    """Join each node's far field with those of its ancestors: log-normalisers (M, H), mean values (M, H, E)."""
    bounds = lists.level_bounds
    joint, mixed = [R[: bounds[1]]], [u[: bounds[1]]]
    for begin, end in pairwise(bounds[1:]):
        parent = lists.parent[begin:end] - (begin - len(joint[-1]))
        above, own = joint[-1][parent], R[begin:end]
        both = torch.logaddexp(above, own)
        from_above = mixed[-1][parent] * (above - both).exp()[..., None]
        joint.append(both)
        mixed.append(from_above + u[begin:end] * (own - both).exp()[..., None])
    return torch.cat(joint), torch.cat(mixed)


def _join(parts: list[Tensor], lists: Interactions, like: Tensor) -> Tensor:
    """Join the (G, n, H) log-normalisers of all buckets into one (N+1, H); 0 in the last row."""
    rows = torch.cat([b.level * len(like) + b.queries.reshape(-1) for b in lists.buckets])
    table = like.new_full((lists.levels * len(like), like.shape[1]), torch.finfo(like.dtype).min)
    table = table.index_copy(0, rows, torch.cat([part.flatten(0, 1) for part in parts]))
    return _with_padding(table.view(lists.levels, len(like), like.shape[1])[:, :-1].logsumexp(0))


def _logits(query: Tensor, blocks: _Blocks, bucket: Bucket, hidden: Tensor | None) -> Tensor:
    """(G, H, n, e) for query (G, n, H, D); lowest in the padding and where `hidden`, (G, n, e), says so."""
    q = query.transpose(1, 2)
    logits = q @ blocks.key[bucket.entries].permute(0, 2, 3, 1)
    logits = logits + blocks.entropy[bucket.entries].transpose(1, 2)[:, :, None]
    if blocks.variance is not None:
        variance = q.square() @ blocks.variance[bucket.entries].permute(0, 2, 3, 1)
        logits = logits + second_cumulant(variance, blocks.log_n[bucket.entries].transpose(1, 2)[:, :, None])
    return logits if hidden is None else logits.masked_fill(hidden[:, None], torch.finfo(logits.dtype).min)


def second_cumulant(variance: Tensor, log_n: Tensor) -> Tensor:
    """Return what the log of a block's mean exponential exceeds its mean logit by, frozen past 2 log n."""
    limit = 2 * log_n
    frozen = torch.where(variance > limit, variance * limit, 1).sqrt() - limit / 2
    return torch.where(variance > limit, frozen, variance / 2)
