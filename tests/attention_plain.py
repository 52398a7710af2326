"""Attention with untied queries as one would write it in torch, from masks, dense products and one softmax a leaf.

It shares no operation on trees with the package, nor its way of summing: its error in a dtype is what that dtype costs.
"""

import math

import torch
from torch import Tensor


def plain_untied(forest, query, key, value, sides=(), *, scale, pooling) -> tuple[Tensor, Tensor]:
    """Outputs (N, H, E) and energies (T, H); `pooling` by name or as log shares (R, H), near=0, all leaves present."""
    group, size = query.shape[1] // key.shape[1], forest.num_rows
    q, k, v = query.transpose(0, 1), *(x.repeat_interleave(group, dim=1).transpose(0, 1) for x in (key, value))
    parent, leaf_rows = forest.parent, forest.leaf_rows
    over = torch.eye(size, dtype=torch.bool)  # over[a, b]: a is b or above it
    for row in forest.depth.argsort().tolist():
        if parent[row] >= 0:
            over[:, row] |= over[:, parent[row]]
    under = over[:, leaf_rows]  # (R, N)
    count = under.sum(1)
    mean = under.to(q.dtype) @ q / count.clamp(min=1)[:, None].to(q.dtype)

    same = (forest.leaf_document == forest.leaf_document[:, None]).to(q.dtype)
    same = same / same.sum(1, keepdim=True)  # (N, N) means over the document
    spread = same @ (scale * (q - same @ q)).square()
    square = torch.zeros(len(k), size, dtype=k.dtype)  # (H, R) mean variance of logits under a row
    square = square.index_copy(1, leaf_rows, (spread * (k - same @ k).square()).sum(-1))
    k, v = (torch.zeros(len(x), size, x.shape[2], dtype=x.dtype).index_copy(1, leaf_rows, x) for x in (k, v))
    H = k.new_zeros(len(k), size)
    for depth in range(int(forest.depth.max()), 0, -1):
        P = parent[(forest.depth == depth) & (count > 0)].unique()
        child = (parent == P[:, None]) & (count > 0)  # (P, R)
        if pooling == "mean":
            x = count.clamp(min=1).to(q.dtype).log().expand(len(k), len(P), -1)
        elif isinstance(pooling, Tensor):
            x = pooling.T[:, None].expand(-1, len(P), -1)
        else:
            by = P if pooling == "block" else (over & (parent < 0)[:, None])[:, P].int().argmax(0)
            x = mean[:, by] @ k.mT * scale + H[:, None] + (square[:, None] / 2 if pooling == "moments" else 0)
        log_w = x.masked_fill(~child, -math.inf).log_softmax(-1)
        w, log_w = log_w.exp(), log_w.masked_fill(~child, 0)
        H = H.index_copy(1, P, (w * (H[:, None] - log_w)).sum(-1))
        k, v = k.index_copy(1, P, w @ k), v.index_copy(1, P, w @ v)
        square = square.index_copy(1, P, (w * square[:, None]).sum(-1))

    own = torch.arange(size) == leaf_rows[:, None]  # (N, R)
    sees = own | (under.T[:, parent] & (parent >= 0) & ~under.T & (count > 0))
    logits = q @ k.mT * scale + H[:, None]
    if sides:
        left, right = sides
        # The leaf's side: what stands on its line beside the block; at itself, the top of its chain of only children.
        beside = (under.T[:, None] & (parent == parent[:, None])).int().argmax(-1)
        top = (under.T & (count == 1)).int() * (size - forest.depth).int()
        a = torch.where(own, top.argmax(-1)[:, None], beside)
        b = torch.where(own, top.argmax(-1)[:, None], torch.arange(size))
        logits = logits + (left[a] * right[b]).sum(-1).permute(2, 0, 1)
    logits = logits.masked_fill(~sees, -math.inf)
    output, log_z = logits.softmax(-1) @ v, logits.logsumexp(-1)
    documents = (forest.leaf_document == torch.arange(forest.num_documents)[:, None]).to(q.dtype)
    energy = log_z @ documents.T / documents.sum(1)
    return output.transpose(0, 1), energy.T
