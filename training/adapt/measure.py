"""How well an encoder finds the targets of held-out pairs, and whether one is better than another.

    pairs ─ encode ─> (n, n) scores ─ without what may be right, too ─> rank of the target ─> nDCG@10 of each query (n,)
    two of these ─ mean of each document ─ paired bootstrap over documents ─> gain, 95 % interval

Axes:  n pairs   m documents
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docgraph.pairs import Pair
from encoders.embedder.texts import TextEncoder
from training.evaluation.significance import Difference, paired_bootstrap

Values = NDArray[np.float64]


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
    """Return how much the mean over documents has grown, with the interval of a paired bootstrap over documents."""
    names, place = np.unique([pair.document for pair in pairs], return_inverse=True)
    counts = np.bincount(place, minlength=len(names))
    means = [np.bincount(place, values, len(names)) / counts for values in (adapted, start)]
    return paired_bootstrap(means[0][None], means[1][None])
