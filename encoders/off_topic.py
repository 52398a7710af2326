"""Whether a document is like those that a classifier was trained on at all, told in the space of its text encoder.

    vectors of training documents ─ references (R, W) ─┐
    vector of a document (B, W) ───────────────────────┴─ mean cosine distance of the nearest few ─> (B,)

Beyond a distance that few of the training documents have from the others, a document is off topic: the classes are not
meant for it, however sure the classifier is.

Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors" (arXiv 2204.06507).

Axes:  B documents   R references   W width of the encoder
"""

import torch
from torch import Tensor, nn

NEIGHBOURS = 5
"""References whose distance counts."""


class OffTopic(nn.Module):
    """Distances from training documents. `references` (R, W) are vectors of length 1; set once, not trained."""

    references: Tensor

    def __init__(self, references: int, width: int) -> None:
        super().__init__()
        self.register_buffer("references", torch.zeros(references, width))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the distances (B,), from 0 to 2, of vectors (B, W) of length 1; one of zeros has 1."""
        return distance(vectors, self.references.to(vectors.dtype))


def distance(vectors: Tensor, references: Tensor, *, are_among: bool = False) -> Tensor:
    """Return the mean cosine distance (B,) of vectors from the nearest references.

    Args:
        are_among: the vectors are the references themselves: each is left out for itself.
    """
    cosine = vectors @ references.T
    if are_among:
        cosine.fill_diagonal_(-1)
    count = min(NEIGHBOURS, len(references) - are_among)
    return 1 - cosine.topk(count, dim=1).values.mean(1)
