"""Queries of their own, exact near fields: every leaf has its own softmax over the blocks of its interaction lists.

    query, key, value of leaves ─ pool_blocks ─> blocks ─ attend_blocks ─> one softmax a leaf ─> outputs, energies

Tied queries have one mass per pair of siblings A, B. Here a leaf i under A has its own for B, which the leaves of B
share by the weights w that `pooling` gives: P_ij = theta(i, B) w_j. The minimum of sum_i KL(P_i || softmax(s_i)) over
theta is one softmax a leaf over the blocks of its lists, whose log-partition log z'_i is short of softmax's by KL_i:

    l(i, B) = scale * q_i.k_B + e.f + H_B      k_B, v_B, H_B as in naive.py, e and f of the siblings that part i and B
    o_i = sum_B softmax_B(l(i, B)) v_B         energy = mean_i log z'_i

With `alpha` above 1 the masses are an entmax over the blocks: see joined.py.

`untied_attention` is the frame for every backend; `attend_blocks` is torch's, any device, any form but `opened`, which
is in opened.py. Forms that only zero_shot has: that; `causal`, where lists go to the left; untie="rows", where far
logits are those of the group's mean query, as tied, but every leaf has its own normaliser, to which its near field
belongs; and `cumulant`: a block's share grows
with sum_j w_j exp(s_ij - mean), not with the mean alone, so half the variance of s_ij over j in B is added, from the
diagonal of the keys' covariance. With normal logits such an average over n leaves stops growing so where the variance
passes 2 log n, as its largest term takes over: the term is then that of the random-energy model.

Sources: docs/hsa.md for the optimum; Derrida, "Random-energy model", Phys. Rev. B 24, 1981,
for the freezing.
Axes:  N leaves   M nodes   H heads   D query width   E value width   G groups, n queries, e entries of a bucket
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from encoders.attention.call import AttentionCall
from encoders.attention.joined import JoinedEntmax, JoinedSoftmax
from encoders.attention.lists import Bucket, Interactions, build_interactions
from encoders.attention.pooling import Moments, log_shares, node_means, pool_up, present_leaves
from encoders.forest.batch import TreeBatch
from encoders.forest.families import FamilyTensors

LEAST_SPREAD = 1e-3
"""Of the mean square that a spread is what the mean's own square leaves of."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """What every node offers as an entry, with the heads of the keys where blocks are plain means."""

    key: Tensor
    """(M, H, D)."""
    value: Tensor
    """(M, H, E)."""
    entropy: Tensor
    """(M, H) of the weights, added to the logits."""
    size: Tensor | None
    """(M, H) log of the effective number of leaves, where alpha is not 1; `entropy` is 0 then."""
    variance: Tensor | None
    """(M, H, D) of the keys under the node, where the cumulant is wanted."""
    spread: Tensor | None
    """(M, H) variance of the logits under the node, as the document's queries lie, where blocks are opened."""
    log_n: Tensor
    """(M, 1) of the leaves under the node."""

    def padded(self, heads: int) -> "Blocks":
        """For that many heads, with one more row, of lowest entropy, which answers for padding.

        Nothing is ever -inf: a row of nothing but hidden entries would have NaN for its gradient.
        """
        group, lowest = heads // self.key.shape[1], torch.finfo(self.key.dtype).min

        def each(nodes: Tensor, fill: float = 0.0) -> Tensor:
            return _with_padding(nodes.repeat_interleave(group, dim=1) if group > 1 else nodes, fill)

        variance = None if self.variance is None else each(self.variance)
        entropy, log_n = each(self.entropy, lowest), _with_padding(self.log_n)
        size, spread = (None if x is None else each(x) for x in (self.size, self.spread))
        return Blocks(each(self.key), each(self.value), entropy, size, variance, spread, log_n)


Attend = Callable[[Tensor, Blocks, AttentionCall], tuple[Tensor, Tensor]]
"""From queries (N, H, D), scaled, and blocks to outputs (N, H, E) and log-partitions (N, H) of present leaves."""


def untied_attention(call: AttentionCall, attend: Attend) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and energies (T, H)."""
    families, forest, wide = call.forest.tensors(call.present), call.forest, call.wide
    query, heads = call.query, call.query.shape[1]
    if not len(families.leaf):
        nothing = query[:0].sum() + call.key[:0].sum() + call.value[:0].sum()  # in the graph
        output = call.value.new_zeros(len(query), heads, call.value.shape[2]) + nothing.to(call.value.dtype)
        return output, query.new_zeros(forest.num_documents, heads, dtype=wide) + nothing.to(wide)
    output, log_z = attend(query.to(wide) * call.scale, pool_blocks(call, families), call)
    document = forest.leaf_document[families.leaf]
    count = torch.bincount(document, minlength=forest.num_documents)
    log_z = log_z.index_select(0, families.leaf)
    if not call.attend_self:  # a leaf alone attends to nothing
        alone = count[document] == 1
        log_z = log_z.masked_fill(alone[:, None], -torch.inf)
        output = output.index_fill(0, families.leaf[alone], 0)
    energy = log_z.new_zeros(forest.num_documents, heads).index_add(0, document, log_z)
    return output.to(call.value.dtype), energy / count.clamp(min=1)[:, None].to(wide)


def pool_blocks(call: AttentionCall, families: FamilyTensors) -> Blocks:
    """Return keys, values and entropies of all nodes; see pooling.py."""
    key, value = (present_leaves(x, families).to(call.wide) for x in (call.key, call.value))
    log_n = families.count.to(call.wide).log()[:, None]
    if (call.pooled or call.opened) and call.group > 1:
        key, value = (x.repeat_interleave(call.group, dim=1) for x in (key, value))
    moments = Moments.over(call, families) if call.opened else None
    if call.cumulant:
        value = torch.cat([value, key.square()], dim=-1)
    elif moments is not None:
        value = torch.cat([value, moments.square.detach()[..., None]], dim=-1)
    if call.pooled:
        shares = log_shares(call, families, moments)
        picks = None
        if shares is None:
            picks = node_means(present_leaves(call.query, families).to(call.wide), families) * call.scale
        shares = None if shares is None else shares[families.top_row]
        k, v, entropy, size = pool_up(key, value, picks, shares, families, call.alpha)
    else:
        k, v = node_means(key, families), node_means(value, families)
        entropy = size = log_n.expand(-1, k.shape[1])
    variance = spread = None
    if moments is not None:
        v, spread = v.split([call.value.shape[2], 1], dim=-1)
        square = spread[..., 0]
        spread = square - moments.of(k, call.forest.document[families.top_row])
        # Where one leaf has all the weight, no rounding decides what is opened.
        spread = torch.maximum(spread, square * LEAST_SPREAD).detach()
    if call.cumulant:
        v, square = v.split([call.value.shape[2], k.shape[2]], dim=-1)
        # The mean of one leaf's square may differ from its square by rounding.
        variance = (square - k.square()).clamp(min=0).masked_fill((log_n == 0)[..., None], 0)
    if call.alpha == 1:
        return Blocks(k, v, entropy, None, variance, spread, log_n)
    return Blocks(k, v, torch.zeros_like(entropy), size, variance, spread, log_n)


def interactions_of(forest: TreeBatch, present: Tensor | None = None, *, near: int, causal: bool) -> Interactions:
    """Return the interaction lists of a forest, on its device, made once for each."""
    families = forest.families(present)
    host = families.cached(
        ("interactions", near, causal),
        lambda: build_interactions(families, forest.num_leaves, near=near, causal=causal),
    )
    return families.cached(("interactions", near, causal, forest.device), lambda: host.to(forest.device))


def attend_blocks(query: Tensor, blocks: Blocks, call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Attend from every leaf to its interaction lists; see `Attend`."""
    families = call.forest.tensors(call.present)
    lists = interactions_of(call.forest, call.present, near=call.near, causal=call.causal)
    blocks = blocks.padded(query.shape[1])
    query = _with_padding(query)
    if call.untie == "rows":
        return _tied_far(query, blocks, families, lists)
    if not call.attend_self:
        leaf = torch.full_like(blocks.log_n[:, 0], -1, dtype=torch.int64)
        leaf = leaf.index_copy(0, families.leaf_node, families.leaf)
        lists = replace(lists, buckets=tuple(_without_oneself(b, leaf) for b in lists.buckets))
    positions = None
    if call.query_position is not None and call.key_position is not None:
        sides = (call.query_position, call.key_position)
        left, right = (_with_padding(x[families.top_row].to(call.wide)) for x in sides)
        own = query.new_zeros(*query.shape[:2], left.shape[2])
        own = own.index_copy(0, families.leaf, left[families.leaf_node])
        positions = left, right, own
    return _untied(query, blocks, lists, positions, call.alpha)


def _without_oneself(bucket: Bucket, leaf: Tensor) -> Bucket:
    """Hide every leaf from itself."""
    oneself = leaf[bucket.entries][:, None, :] == bucket.queries[:, :, None]
    return replace(bucket, hidden=oneself if bucket.hidden is None else bucket.hidden | oneself)


def _with_padding(nodes: Tensor, fill: float = 0.0) -> Tensor:
    return torch.cat([nodes, nodes.new_full((1, *nodes.shape[1:]), fill)])


def _position_logits(bucket: Bucket, lists: Interactions, positions: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(G, H, n, e) e.f of the two siblings that part a query's line from an entry's."""
    left, right, own = positions
    inside, a, b = lists.parted(bucket)
    within = own[bucket.queries].transpose(1, 2) @ right[bucket.entries].permute(0, 2, 3, 1)
    apart = (left[a] * right[b]).sum(-1).transpose(1, 2)[:, :, None]
    return torch.where(inside[:, None, None], within, apart)


def _untied(
    query: Tensor, blocks: Blocks, lists: Interactions, positions: tuple[Tensor, Tensor, Tensor] | None, alpha: float
) -> tuple[Tensor, Tensor]:
    added = [None if positions is None else _position_logits(b, lists, positions) for b in lists.buckets]
    logits = [_logits(query[b.queries], blocks, b, b.hidden, x) for b, x in zip(lists.buckets, added, strict=True)]
    if blocks.size is None:
        log_z, *weights = JoinedSoftmax.apply(lists, len(query), *logits)
    else:
        sizes = [blocks.size[b.entries].transpose(1, 2)[:, :, None] for b in lists.buckets]
        log_z, *weights = JoinedEntmax.apply(lists, len(query), alpha, *logits, *sizes)
    output = query.new_zeros(*query.shape[:2], blocks.value.shape[2])
    for b, part in zip(lists.buckets, weights, strict=True):
        mixed = part @ blocks.value[b.entries].transpose(1, 2)
        output = output.index_add(0, b.queries.reshape(-1), mixed.transpose(1, 2).flatten(0, 1))
    return output[:-1], log_z[:-1]


def _tied_far(query: Tensor, blocks: Blocks, families: FamilyTensors, lists: Interactions) -> tuple[Tensor, Tensor]:
    """Far fields once a group, handed down; near fields leaf by leaf."""
    q = node_means(query.index_select(0, families.leaf), families)
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


def _add_mixed(output: Tensor, logits: Tensor, normaliser: Tensor, blocks: Blocks, bucket: Bucket) -> Tensor:
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


def _logits(
    query: Tensor, blocks: Blocks, bucket: Bucket, hidden: Tensor | None, added: Tensor | None = None
) -> Tensor:
    """(G, H, n, e) for query (G, n, H, D); lowest in the padding and where `hidden`, (G, n, e), says so."""
    q = query.transpose(1, 2)
    logits = q @ blocks.key[bucket.entries].permute(0, 2, 3, 1)
    logits = logits if added is None else logits + added
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
