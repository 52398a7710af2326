"""Ready-made attentions among siblings, for `hierarchical_attention(..., family_attention=...)`.

The paper leaves the attention inside a family open. Both here have the signature of `FamilyAttention`: means of the
children in, log-weights beside them, each child attends to all others but not to itself.

Axes:  F families of one size b   H heads   D query width with positions   E value width
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import elu, scaled_dot_product_attention


class FamilyAttention(Protocol):
    """What may replace the softmax among siblings."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, log_weight: Tensor) -> Tensor | tuple[Tensor, Tensor]:
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


def softmax_family(query: Tensor, key: Tensor, value: Tensor, log_weight: Tensor) -> Tensor:
    """The default again, by torch's own kernels: (F, H, b, D), (F, H, b, D), (F, H, b, E), (F, b) to (F, H, b, E)."""
    size = query.shape[2]
    mask = log_weight[:, None, None, :].expand(-1, 1, size, size).clone()
    mask.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)


def linear_family(query: Tensor, key: Tensor, value: Tensor, log_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Linear attention with the feature map elu + 1: O(b) for a family of b.

    Args and first result as in `softmax_family`; the second is (F, H, b), log of the sums of weights. A child's own
    term is taken off the sum over all, which costs digits where that term is nearly all of it.

    Source: Katharopoulos et al., "Transformers are RNNs" (ICML 2020).
    """
    q, k = elu(query) + 1, (elu(key) + 1) * log_weight.exp()[:, None, :, None]
    own = (q * k).sum(-1, keepdim=True)
    total = q @ k.sum(-2).unsqueeze(-1) - own
    mixed = q @ (k.mT @ value) - own * value
    return mixed / total, total.squeeze(-1).log()
