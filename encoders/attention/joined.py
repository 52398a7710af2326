"""One softmax, or one entmax, a leaf over the logits of all the buckets of its interaction lists.

    logits (G, H, n, e) of each bucket ─ JoinedSoftmax | JoinedEntmax ─> log-partitions (N+1, H), weights (G, H, n, e)

A block B of weights w has the effective number of leaves m_B = (sum_j w_j^alpha)^(1/(1-alpha)). Entmax gives it

    theta_B = m_B y_B^p     y_B = max(1 + a (s_B - t), 0)     a = alpha - 1     p = 1 / a     sum_B theta_B = 1

The p-th root of the last sum T is convex and falls in t: Newton's steps, from where one block alone has mass 1,
approach t from below. Each quarters, at least, the product of what is too much and the slope, so that STEPS are
enough for any row in float64. As a tends to 0, y^p does to exp(s_B - t) and t to the log-partition: powers are taken
by log1p and expm1, so that no digit is lost on the way. With r_B = theta_B / y_B, and bars for gradients,

    step = (1 - T^-a) T / (a sum_B r_B)
    R = sum_B r_B theta_bar_B / sum_B r_B   s_bar_B = r_B (theta_bar_B - R)   (log m)_bar_B = theta_B (theta_bar_B - R)

and E = t + (a / alpha) sum_B theta_B (s_B - t), in place of the log-partition, adds theta_B and theta_B y_B / alpha.

Sources: docs/hsa.md; Peters, Niculae, Martins, "Sparse sequence-to-sequence models", ACL 2019, for entmax.
Axes:  N leaves   H heads   G groups, n queries, e entries of a bucket; query N is padding
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from encoders.attention.lists import Bucket, Interactions
from encoders.attention.once import once

STEPS = 64
"""Most of them; a few are taken."""


class JoinedSoftmax(torch.autograd.Function):
    """One softmax a query over the (G, H, n, e) logits of all buckets: log-partitions (N+1, H), and the weights."""

    @staticmethod
    def forward(ctx: Any, lists: Interactions, rows: int, *logits: Tensor) -> tuple[Tensor, ...]:
        # Weights are exp(logit - top) / total: from log_z alone, which is rounded, they would lose digits.
        top = _largest(logits, lists, rows)
        weights = [(x - _each(top, b)).exp_() for b, x in zip(lists.buckets, logits, strict=True)]
        total = _summed(weights, lists, rows)
        total.masked_fill_(total == 0, 1)  # of absent leaves
        weights = [x.div_(_each(total, b)) for b, x in zip(lists.buckets, weights, strict=True)]
        ctx.save_for_backward(*weights)
        ctx.lists = lists
        return top + total.log(), *weights

    @staticmethod
    @once
    def backward(ctx: Any, log_z_bar: Tensor, *weights_bar: Tensor) -> tuple[Tensor | None, ...]:
        lists, weights = ctx.lists, ctx.saved_tensors
        slopes = [p * bar for p, bar in zip(weights, weights_bar, strict=True)]
        mean = _summed(slopes, lists, len(log_z_bar))
        each = zip(weights, weights_bar, lists.buckets, strict=True)
        return None, None, *(p * ((bar - _each(mean, b)) + _each(log_z_bar, b)) for p, bar, b in each)


class JoinedEntmax(torch.autograd.Function):
    """Like `JoinedSoftmax`, after `alpha` of the logits and of the log m (G, H, 1, e) of the entries of all buckets."""

    @staticmethod
    def forward(ctx: Any, lists: Interactions, rows: int, alpha: float, *parts: Tensor) -> tuple[Tensor, ...]:
        logits, sizes, a = parts[: len(lists.buckets)], parts[len(lists.buckets) :], alpha - 1
        top = _largest(logits, lists, rows)
        x = [s - _each(top, b) for b, s in zip(lists.buckets, logits, strict=True)]
        t = _largest([x_b - torch.expm1(-a * m) / a for x_b, m in zip(x, sizes, strict=True)], lists, rows)
        for _ in range(STEPS):
            over = [(x_b - _each(t, b)).mul_(a).clamp_(min=-1) for b, x_b in zip(lists.buckets, x, strict=True)]
            theta = [(m + o.log1p() / a).exp_() for o, m in zip(over, sizes, strict=True)]
            r = [w / _above_zero(1 + o) for w, o in zip(theta, over, strict=True)]
            total = _above_zero(_summed(theta, lists, rows))
            step = torch.expm1(-a * total.log()).mul_(total).div_(_above_zero(_summed(r, lists, rows)) * -a)
            if bool((step <= 8 * torch.finfo(step.dtype).eps * (1 + t.abs())).all()):
                break
            t += step
        weights = [w.div_(_each(total, b)) for b, w in zip(lists.buckets, theta, strict=True)]
        spread = _summed([w * o for w, o in zip(weights, over, strict=True)], lists, rows)
        ctx.save_for_backward(*weights, *(o.add_(1) for o in over))
        ctx.lists, ctx.alpha = lists, alpha
        return top + t + spread / alpha, *weights

    @staticmethod
    @once
    def backward(ctx: Any, log_z_bar: Tensor, *weights_bar: Tensor) -> tuple[Tensor | None, ...]:
        lists, buckets = ctx.lists, ctx.lists.buckets
        weights, y = ctx.saved_tensors[: len(buckets)], ctx.saved_tensors[len(buckets) :]
        r = [w / _above_zero(y_b) for w, y_b in zip(weights, y, strict=True)]
        slopes = [r_b * bar for r_b, bar in zip(r, weights_bar, strict=True)]
        mean = _summed(slopes, lists, len(log_z_bar)) / _above_zero(_summed(r, lists, len(log_z_bar)))
        logits_bar, sizes_bar = [], []
        for b, w, r_b, y_b, bar in zip(buckets, weights, r, y, weights_bar, strict=True):
            apart, energy = bar - _each(mean, b), _each(log_z_bar, b)
            logits_bar.append(r_b * apart + w * energy)
            sizes_bar.append((w * (apart + y_b * energy / ctx.alpha)).sum(2, keepdim=True))
        return None, None, None, *logits_bar, *sizes_bar


def _above_zero(x: Tensor) -> Tensor:
    """What may be divided by: 1 for 0."""
    return x.masked_fill(x == 0, 1)


def _largest(parts: Sequence[Tensor], lists: Interactions, rows: int) -> Tensor:
    """(N+1, H) largest over the entries of all buckets."""
    top = parts[0].new_full((rows, parts[0].shape[1]), torch.finfo(parts[0].dtype).min)
    for b, part in zip(lists.buckets, parts, strict=True):
        top[b.queries] = torch.maximum(top[b.queries], part.amax(-1).transpose(1, 2))
    return top


def _each(rows: Tensor, bucket: Bucket) -> Tensor:
    """Take (N+1, H) to the (G, H, n, 1) of a bucket's queries."""
    return rows[bucket.queries].transpose(1, 2)[..., None]


def _summed(parts: Sequence[Tensor], lists: Interactions, rows: int) -> Tensor:
    """(N+1, H) sums over the entries of all buckets."""
    total = parts[0].new_zeros(rows, parts[0].shape[1])
    for b, part in zip(lists.buckets, parts, strict=True):
        total.index_add_(0, b.queries.reshape(-1), part.sum(-1).transpose(1, 2).flatten(0, 1))
    return total
