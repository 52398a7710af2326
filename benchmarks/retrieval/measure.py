"""How well places are found: ranks, nDCG@10, R@1, R@10, and whether one system beats another.

Axes:  q queries   n places
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 10_000

Scores = NDArray[np.float32]


def gains(scores: Scores, relevant: Sequence[Mapping[int, float]]) -> dict[str, NDArray[np.float64]]:
    """Return for each query (q,) nDCG@10, R@1 and R@10 of its best places; of equal scores the later one is first.
    Places without a score (-inf) are not found.

    Args:
        scores: (q, n), higher is better.
        relevant: for each query the places that it should find, with their gains.
    """
    found: dict[str, list[float]] = {"ndcg": [], "r1": [], "r10": []}
    discount = 1 / np.log2(np.arange(2, 12))
    for row, wanted in zip(scores, relevant, strict=True):
        best = np.lexsort((-np.arange(len(row)), -row))[:10]
        best = best[row[best] > -np.inf]
        got = np.array([wanted.get(int(place), 0.0) for place in best])
        ideal = np.sort(list(wanted.values()))[::-1][:10]
        found["ndcg"].append(float((got * discount[: len(got)]).sum() / (ideal * discount[: len(ideal)]).sum()))
        hits = [place in wanted for place in best.tolist()]
        found["r1"].append(float(any(hits[:1])))
        found["r10"].append(sum(hits) / min(len(wanted), 10))
    return {name: np.array(values) for name, values in found.items()}


def compared(one: NDArray[np.float64], other: NDArray[np.float64], seed: int = 0) -> dict[str, float]:
    """Return the mean difference over the same queries, with the 95 % interval of a paired bootstrap."""
    difference = one - other
    draw = np.random.default_rng(seed)
    means = np.concatenate(
        [difference[draw.integers(0, len(difference), (500, len(difference)))].mean(1) for _ in range(SAMPLES // 500)]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(difference.mean()), "low": float(low), "high": float(high)}


def summary(per_query: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the means, and the queries' number."""
    return {**{name: float(values.mean()) for name, values in per_query.items()}, "queries": len(per_query["ndcg"])}
