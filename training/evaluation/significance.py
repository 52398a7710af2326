"""Say how sure a comparison is: intervals over seeds, and differences on the very same test records.

    scores of one kind by seed ──seed_interval──> mean, half width of its 95 % interval
    who got which record right ──paired_bootstrap──> difference, its 95 % interval, p
    the p of several pairs     ──holm, pairs_of──> p that may be read side by side
    confusion of one run       ──accuracy_interval, f1_interval──> 95 % intervals over records

The two intervals answer different questions. The one over seeds says how a figure would move if training were started
again on the same data and scored on the same records; the bootstrap says how it would move on other records (and,
where there are several seeds, with other seeds).

Sources: Efron and Tibshirani 1993, chapters 13 and 16; Holm 1979; Bouthillier et al. 2021 (arXiv 2103.03098);
Wilson 1927.

Axes:  S seeds   N test records   B bootstrap samples   C classes
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
LEVEL: Final = 0.05
"""Below which an adjusted p is called significant."""
SAMPLES: Final = 10_000
Right = NDArray[np.bool_] | NDArray[np.float64]
CHUNK: Final = 1_000
"""Bootstrap samples drawn at once: bounds memory to CHUNK x N integers."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much more often one kind is right than another, as a share of the test records."""

    value: float
    low: float
    high: float
    """The 95 % percentile interval of the bootstrap."""
    p: float
    """Two-sided: how often the bootstrap's difference lies on the other side of zero, doubled; never 0."""


@dataclass(frozen=True, kw_only=True)
class NamedDifference(Difference):
    """The difference of one from another, among several that are read side by side."""

    one: str
    other: str
    adjusted_p: float

    @property
    def significant(self) -> bool:
        """Whether the difference counts as one."""
        return self.adjusted_p < LEVEL


def pairs_of(names: Sequence[tuple[str, str]], differences: Sequence[Difference]) -> tuple[NamedDifference, ...]:
    """Return differences with the names of both sides, p adjusted over all of them."""
    adjusted = holm([one.p for one in differences])
    return tuple(
        NamedDifference(one=one, other=other, adjusted_p=p, **asdict(difference))
        for (one, other), difference, p in zip(names, differences, adjusted, strict=True)
    )


def figures(pair: NamedDifference) -> list[str]:
    """Return difference, interval, adjusted p, and what that says, as cells."""
    return [
        f"{100 * pair.value:+.2f}",
        f"{100 * pair.low:+.2f} to {100 * pair.high:+.2f}",
        f"{pair.adjusted_p:.4f}",
        "significant" if pair.significant else "not significant",
    ]


def seed_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the half width of Student's 95 % interval; None for the width of a single value."""
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return mean, None
    from scipy.stats import t

    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return mean, float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread / math.sqrt(count)


def paired_bootstrap(one: Right, other: Right, *, samples: int = SAMPLES, seed: int = 0) -> Difference:
    """Return how much more often `one` is right than `other`, or by how much its scores are higher.

    A sample draws N records with replacement, the same for both sides, and as many seeds as there are: the same for
    both sides where they have equally many, else for each side on its own. Seeds are pooled by averaging, and their
    spread is part of the interval.

    Args:
        one, other: (S, N) which records each seed's run got right, or the records' scores; the same records in the
            same order, and the same seeds where S is the same.
    """
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or not one.size or not other.size:
        raise ValueError(f"one and other must be (S, N) of the same N, but are {one.shape} and {other.shape}.")
    draw = np.random.default_rng(seed)
    found = []
    for start in range(0, samples, CHUNK):
        size, count = min(CHUNK, samples - start), one.shape[1]
        times = draw.multinomial(count, np.full(count, 1 / count), size=size)
        shares = _shares(len(one), size, draw)
        others = shares if len(other) == len(one) else _shares(len(other), size, draw)
        found.append(_sampled(one, times, shares) - _sampled(other, times, others))
    return _difference(float(one.mean() - other.mean()), np.concatenate(found))


def paired_sums(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Difference:
    """Return how much higher a measure is of `one` than of `other`, on samples of records that are the same for both.

    Args:
        one, other: (N, K) of the same records, what the measure is made of.
        measure: of sums over records (..., K), such as an F1 of counts.
    """
    draw = np.random.default_rng(seed)
    found = []
    for start in range(0, samples, CHUNK):
        times = draw.multinomial(len(one), np.full(len(one), 1 / len(one)), size=min(CHUNK, samples - start))
        found.append(measure(times @ one) - measure(times @ other))
    return _difference(float(measure(one.sum(0)) - measure(other.sum(0))), np.concatenate(found))


def sums_by_group(values: NDArray[Any], groups: Sequence[Any]) -> NDArray[np.float64]:
    """Return (G, 2) of each group the sum of its records' values (N,) and their number, for `paired_sums`."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    sums: NDArray[np.float64] = np.stack([np.bincount(group, values), np.bincount(group)], 1).astype(np.float64)
    return sums


def share_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over records of sums (..., 2) over groups of them."""
    mean: NDArray[np.float64] = sums[..., 0] / sums[..., 1]
    return mean


def _difference(value: float, sampled: NDArray[np.float64]) -> Difference:
    low, high = np.quantile(sampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    beyond = 1 + min(int((sampled <= 0).sum()), int((sampled >= 0).sum()))
    return Difference(value=value, low=float(low), high=float(high), p=min(1.0, 2 * beyond / (len(sampled) + 1)))


def holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p of several tests, in their order: below 0.05 means significant among all of them."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def accuracy_interval(confusion: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Return Wilson's 95 % interval of an accuracy, which says something also where all or no records are right."""
    count, right = sum(map(sum, confusion)), sum(row[place] for place, row in enumerate(confusion))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def f1_interval(
    confusion: Sequence[Sequence[int]], *, samples: int = 2_000, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a macro-F1, by bootstrap over the records; None where all are right.

    Args:
        confusion: (C, C) counts, a row a label.
    """
    cells = np.asarray(confusion)
    labels, predicted = np.nonzero(cells)
    if (labels == predicted).all():
        return None
    times = cells[labels, predicted]
    drawn = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=samples)
    of_label, of_prediction = (drawn @ np.eye(len(cells))[side] for side in (labels, predicted))
    right = (drawn * (labels == predicted)) @ np.eye(len(cells))[labels]
    total = of_label + of_prediction
    f1 = np.divide(2 * right, total, out=np.zeros_like(right), where=total > 0).sum(1) / (total > 0).sum(1)
    low, high = np.quantile(f1, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _shares(seeds: int, samples: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """(B, S) share of each seed in each sample."""
    return draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples) / seeds


def _sampled(right: Right, times: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) accuracy on each sample of records (B, N) and of seeds (B, S)."""
    by_seed = times @ right.T.astype(np.float64) / right.shape[1]
    result: NDArray[np.float64] = (by_seed * shares).sum(1)
    return result
