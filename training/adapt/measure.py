"""How well an encoder finds the targets of held-out pairs, whether one is better than another, and what lies between.

    pairs ─ encode ─> (n, n) scores ─ without what may be right, too ─> rank of the target ─> nDCG@10 of each query (n,)
    two of these ─ sums of each document ─ paired bootstrap over documents ─> gain, 95 % interval
    start, trained ─ blend ─> weights on the line between them

Axes:  n pairs   m documents
"""

from collections.abc import Sequence
from typing import Final

import training.installed

import numpy as np
import torch
from numpy.typing import NDArray

from docgraph.pairs import Pair
from encoders.embedder.texts import TextEncoder
from training.evaluation.significance import Difference, paired_sums, share_of_sums, sums_by_group

Values = NDArray[np.float64]
SHARES: Final = (0.25, 0.5, 0.75, 1.0)
"""How far from the start towards the trained weights `blend` looks."""


def ndcg(encoder: TextEncoder, pairs: Sequence[Pair]) -> Values:
    """Return (n,) nDCG@10 of each pair: its target among those of all pairs, but for those that may be right, too."""
    encoder.model.eval()
    queries = encoder.encode([pair.query for pair in pairs], "query")
    targets = encoder.encode([pair.target for pair in pairs])
    scores = queries @ targets.T
    own = scores.diagonal().copy()
    for row, pair in enumerate(pairs):
        scores[row, [column for column, other in enumerate(pairs) if pair.overlaps(other)]] = -np.inf
    rank = 1 + (scores >= own[:, None]).sum(1)
    return np.where(rank <= 10, 1 / np.log2(1 + rank), 0.0)


def gain(pairs: Sequence[Pair], adapted: Values, start: Values) -> Difference:
    """Return how much the mean over pairs has grown, with the interval of a paired bootstrap over documents."""
    after, before = (sums_by_group(values, [pair.document for pair in pairs]) for values in (adapted, start))
    return paired_sums(after, before, share_of_sums)


def blend(
    start: TextEncoder, trained: TextEncoder, dev: Sequence[Pair], before: Values
) -> list[tuple[float, Difference]]:
    """Move the trained weights to the place between the start's and theirs where the gain on dev is surest.

    Weights between the two often do better than either on what was not trained for (Wortsman et al. 2022, "Robust
    fine-tuning of zero-shot models", arXiv 2109.01903). So the lower end of the gain's interval decides, not its mean,
    which the last few steps of the way hardly change.

    Args:
        before: (n,) nDCG@10 of each pair of dev by the start.

    Returns:
        Each place that was tried, its share of the way and the gain there: first the one that was taken.
    """
    ends = [{name: value.clone() for name, value in one.model.state_dict().items()} for one in (start, trained)]

    def move(share: float) -> None:
        between = {
            name: torch.lerp(value, ends[1][name], share) if value.is_floating_point() else ends[1][name]
            for name, value in ends[0].items()
        }
        trained.model.load_state_dict(between)

    tried = []
    for share in SHARES:
        move(share)
        tried.append((share, gain(dev, ndcg(trained, dev), before)))
    tried.sort(key=lambda one: (-one[1].low, one[0]))
    move(tried[0][0])
    return tried
