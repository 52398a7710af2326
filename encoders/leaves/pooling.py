"""Means of sub-words: of those of a leaf, and of those of a field's name.

Axes:  T sub-words   L leaves with text   C width of their states   K field names   E width of embeddings
"""

import torch
from torch import Tensor, nn


def weighted_mean(states: Tensor, weight: Tensor, token_leaf: Tensor) -> tuple[Tensor, Tensor]:
    """Return the leaves that sub-words belong to, (L,), and the weighted mean of each one's sub-words, (L, C).

    Args:
        states: (T, C); weight: (T, 1) at least 0; token_leaf: (T,) in any order.
    """
    leaf, place = torch.unique(token_leaf, return_inverse=True)
    total = torch.zeros(len(leaf), states.shape[1], dtype=states.dtype, device=states.device)
    whole = torch.zeros(len(leaf), 1, dtype=weight.dtype, device=weight.device)
    mean = total.index_add(0, place, states * weight) / whole.index_add(0, place, weight).clamp(min=1e-6)
    return leaf, mean


def mean_embedding(embedding: nn.Module, token_id: Tensor) -> Tensor:
    """(K, longest), -1 for none -> (K, E)."""
    real = token_id >= 0
    states = embedding(token_id.clamp(min=0)) * real[..., None]
    mean: Tensor = states.sum(dim=1) / real.sum(dim=1, keepdim=True).clamp(min=1)
    return mean
