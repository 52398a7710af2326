"""MuSe, a rival: queries and keys are clustered apart, far clusters of keys are expanded in the query, near ones exact.

    query, key, value, Muse ─ cluster ─ expand ─ choose ─> softmax over [exact keys | expanded clusters] ─> Mixed

Source: Mitchell, Kersting, "Multipole Semantic Attention", ICML 2026 (PMLR 306; arXiv 2509.10406). Only its abstracts
(v1, v4), the caption of its first figure and public summaries of it were at hand, not its text or code. From these:
the two separate clusterings in the learned spaces, by head; monopole and dipole, dipoles "capture directional variance
within clusters"; for each centroid of queries the clusters of keys are "exponentially tilted", which gives new
centroids of keys and values ("query-specific summaries"); exact retrieval from the clusters that matter most; O(N C D)
for bidirectional attention. Our reading:

* A cluster j of keys gives a query q the mass f_j(q) = log sum exp(scale q.k) and the mean value m_j(q). With the
  weights w = softmax(scale p.k) of its keys at a point p, f_j is expanded to first order, f_j(p) + scale (q - p).k_j,
  k_j = sum w k, and m_j to order zero (monopole) or one (dipole): sum w v [+ scale Cov_w(v, k) (q - p)]. `tilted`: p
  is the centroid of q's cluster. Else p = 0, the plain multipole: the count, and plain means.
* The clusters that are exact are the `exact` ones of most mass at the centroid of q's cluster, for all its queries.
* k-means is Euclidean, k-means++ from a fixed seed, at most `iterations` steps, anew in each layer and head. How the
  paper seeds and how often it steps, and whether it keeps clusters equal in size, is not known here.
* `own`: first and last position ([CLS], [SEP]) are clusters of keys of one, as they are children of the root in our
  hierarchies. Not in the paper.

Computed densely, for quality alone, without gradients; what it would cost is counted by the rules of
`encoders.zero_shot.report`. Causal layers are not covered.

Axes:  H heads   n positions   P points   C clusters   D query width   E value width
"""

import math
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

SEED = 0


@dataclass(frozen=True)
class Muse:
    """What is clustered, what is exact, how far clusters are expanded."""

    keys: int
    """Clusters of keys of a head, those of `own` apart."""
    queries: int = 1
    exact: int = 0
    """Clusters of keys that a cluster of queries attends to key by key."""
    tilted: bool = True
    dipole: bool = False
    own: bool = False
    iterations: int = 10

    def __str__(self) -> str:
        parts = [f"{self.keys} clusters of keys", f"{self.queries} of queries"]
        parts += [f"{self.exact} exact"] * (self.exact > 0) + ["tilted" if self.tilted else "plain"]
        parts += ["dipole"] * self.dipole + ["own special tokens"] * self.own
        return ", ".join([*parts, *[f"k-means stopped after {self.iterations}"] * (self.iterations < 10)])


@dataclass(frozen=True)
class Count:
    """Multiply-adds, all heads together."""

    attention: int = 0
    """Of everything but the next two."""
    dipole: int = 0
    clustering: int = 0
    """Of k-means."""
    softmax: int = 0
    """Of softmax attention over the same positions."""

    def __add__(self, other: "Count") -> "Count":
        return Count(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Mixed(NamedTuple):
    """What MuSe gives for one sequence."""

    output: Tensor
    """(H, n, E)"""
    count: Count


class Clusters(NamedTuple):
    """What k-means finds in each head."""

    label: Tensor
    """(H, n) int64."""
    centre: Tensor
    """(H, C, D), of a cluster without members where it was last."""
    distances: int
    """Distances between points and centres that were computed, all heads together."""


def muse_attention(query: Tensor, key: Tensor, value: Tensor, muse: Muse, scale: float) -> Mixed:
    """Attend over one sequence.

    Args:
        query, key: (H, n, D), and value (H, n, E); one floating dtype, n of 1 or more.
    """
    heads, n, width = query.shape
    q = k_means(query, muse.queries, muse.iterations)
    ends = min(2, n - 1) if muse.own else 0
    inner = key[:, 1 : n - 1] if ends == 2 else key[:, ends:]
    k = k_means(inner, muse.keys, muse.iterations)
    label = k.label
    if ends:
        first, last = (label.new_full((heads, 1), k.centre.shape[1] + i) for i in range(2))
        label = torch.cat([first, label, last][: 1 + ends], 1)
    one_hot = torch.nn.functional.one_hot(label, k.centre.shape[1] + ends).transpose(1, 2).bool()  # (H, C, n)

    point = q.centre if muse.tilted else q.centre.new_zeros(heads, 1, width)
    at = q.label if muse.tilted else torch.zeros_like(q.label)
    logits = (scale * point @ key.mT)[:, :, None].masked_fill(~one_hot[:, None], -math.inf)
    mass = logits.logsumexp(-1)  # (H, P, C)
    weight = (logits - mass.clamp(min=torch.finfo(mass.dtype).min)[..., None]).exp()  # (H, P, C, n)
    mean_key, mean_value = torch.einsum("hpcn,hnd->hpcd", weight, key), torch.einsum("hpcn,hne->hpce", weight, value)

    there = one_hot.sum(-1)
    relevance = mass
    if not muse.tilted:
        relevance = mass + scale * q.centre @ mean_key[:, 0].mT
    near = torch.zeros_like(relevance, dtype=torch.bool)
    near.scatter_(2, relevance.topk(min(muse.exact, relevance.shape[2]), dim=2).indices, True)  # (H, queries, C)

    own = torch.nn.functional.one_hot(at, point.shape[1]).to(query.dtype)  # (H, n, P)
    away = query - own @ point
    products = scale * (query[:, None] - point[:, :, None]) @ mean_key.mT + mass[:, :, None]  # (H, P, n, C)
    far = products.gather(1, at[:, None, :, None].expand(-1, 1, -1, products.shape[3]))[:, 0]
    near_query = near.gather(1, q.label[..., None].expand(-1, -1, near.shape[2]))
    exact = (scale * query @ key.mT).masked_fill(~near_query.gather(2, label[:, None].expand(-1, n, -1)), -math.inf)
    shares = torch.cat([exact, far.masked_fill(near_query, -math.inf)], 2).softmax(-1)
    far_share = (own[..., None] * shares[:, :, None, n:]).flatten(2)  # (H, n, P C)
    output = shares[:, :, :n] @ value + far_share @ mean_value.flatten(1, 2)
    if muse.dipole:
        together = torch.einsum("hpcn,hne,hnd->hpced", weight, value, key)
        together -= mean_value[..., :, None] * mean_key[..., None, :]
        tensor = far_share @ together.flatten(3).flatten(1, 2)  # (H, n, E D)
        output = output + scale * (tensor.unflatten(2, (-1, width)) @ away[..., None])[..., 0]
    return Mixed(output, _count(muse, there, near, q, k, n, width, value.shape[2]))


def _count(
    muse: Muse, there: Tensor, near: Tensor, q: Clusters, k: Clusters, n: int, width: int, value_width: int
) -> Count:
    """Count the multiply-adds of a call: products, weighted sums and exponentials, as `report` does.

    Args:
        there: (H, C) keys of each cluster; near: (H, queries, C).
    """
    heads = len(there)
    a_pair = width + value_width + 1
    members = torch.zeros_like(near[:, :, 0], dtype=torch.int64).scatter_add_(1, q.label, torch.ones_like(q.label))
    is_far = ~near & (there > 0)[:, None]
    far_pairs = int((members[..., None] * is_far).sum())
    pairs = int((members[..., None] * there[:, None] * near).sum()) + far_pairs
    total = pairs * a_pair
    if muse.tilted:
        # Every centroid of queries meets every key for the masses; only far clusters are summed up.
        summed = int((there[:, None] * is_far).sum())
        total += heads * n * (near.shape[1] * (width + 1) + width)
    else:
        summed = heads * n
        total += heads * (near.shape[1] * near.shape[2] + n) * width if muse.exact else 0
    total += summed * (width + value_width)
    dipole = (summed + far_pairs) * width * value_width if muse.dipole else 0
    return Count(total, dipole, (q.distances + k.distances) * width, heads * n * n * a_pair)


def k_means(states: Tensor, clusters: int, iterations: int = 10) -> Clusters:
    """Cluster the rows of each head by Lloyd's steps from k-means++; own code because a fit a head is ten times slower.

    Args:
        states: (H, n, D).
        clusters: at most n are made; no row gives none.
    """
    heads, n, _ = states.shape
    clusters = min(clusters, n)
    if clusters == 1 or not n:
        return Clusters(states.new_zeros(heads, n, dtype=torch.int64), states.mean(1, keepdim=True)[:, :clusters], 0)
    if clusters == n:
        return Clusters(torch.arange(n, device=states.device).expand(heads, n), states, 0)
    centre, steps, before = _seeds(states, clusters), 0, None
    label = _nearest(states, centre)
    while steps < iterations and not (before is not None and torch.equal(before, label)):
        steps += 1
        centre = _means(states, label, centre)
        before, label = label, _nearest(states, centre)
    return Clusters(label, _means(states, label, centre), heads * n * clusters * (steps + 2))


def _seeds(states: Tensor, clusters: int) -> Tensor:
    """Return (H, C, D) rows, each drawn by its squared distance to the nearest one drawn before."""
    generator = torch.Generator(states.device).manual_seed(SEED)
    rows = torch.arange(len(states), device=states.device)
    chosen = [torch.randint(states.shape[1], (len(states),), generator=generator, device=states.device)]
    distance = states.new_full(states.shape[:2], math.inf)
    while len(chosen) < clusters:
        apart = (states - states[rows, chosen[-1]][:, None]).square().sum(-1)
        distance = torch.minimum(distance, apart)
        # Where all rows are drawn or doubles of drawn ones, any will do: its cluster stays empty.
        chance = torch.where(distance.sum(1, keepdim=True) > 0, distance, torch.ones_like(distance))
        chosen.append(torch.multinomial(chance, 1, generator=generator)[:, 0])
    return states[rows[:, None], torch.stack(chosen, 1)]


def _nearest(states: Tensor, centre: Tensor) -> Tensor:
    return (centre.square().sum(-1)[:, None] - 2 * states @ centre.mT).argmin(2)


def _means(states: Tensor, label: Tensor, centre: Tensor) -> Tensor:
    one_hot = torch.nn.functional.one_hot(label, centre.shape[1]).to(states.dtype)
    count = one_hot.sum(1)[..., None]
    return torch.where(count > 0, one_hot.mT @ states / count.clamp(min=1), centre)
