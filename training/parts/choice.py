"""Choose what a part of a sum costs and weighs, on predictions of records that it was not fitted to.

    part features + folds ─ best_cost ─> ChosenPart: its out-of-fold logits ─ choose ─> scales, 0 for those left out
    base + residual on dev ─ residual_scale ─> what the residual counts

Sources: in stacking.py.

Axes:  P parts   N records   C labels
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import training.installed

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from training.datasets.problem_types import SINGLE
from training.learning.budget import TimeBudget
from training.learning.calibration import logit_scales, weighed
from training.learning.targets import Targets
from training.parts.linear import PartFeatures

FOLDS: Final = 5
MANY: Final = 1_000
"""Records of a fold from which one fold alone chooses a part's cost."""
SCALES: Final = (0.0, 20.0)
"""Bounds of what a part is multiplied by."""
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, kw_only=True)
class ChosenPart:
    """A linear part at its best cost, and what it is worth."""

    features: PartFeatures
    cost: float
    out_of_fold: Tensor
    """(N, C) logits of the training records, each by a regression that was not fitted to it."""
    seconds: float
    """That one fit takes."""
    scale: float = 0.0
    """What its logits are multiplied by; 0 leaves it out."""


def folds_of(targets: Targets) -> Folds:
    """Return the records of each fold to fit and to predict.

    Labels are spread evenly as far as they go, and groups stay together.
    """
    rows = np.arange(len(targets))
    most = int(np.bincount(targets.values.astype(np.int64)).max()) if targets.kind == SINGLE else 1
    if targets.group is not None and (groups := len(np.unique(targets.group))) > 1:
        count = min(FOLDS, groups, most)
        spread = StratifiedGroupKFold(count, shuffle=True, random_state=0) if count > 1 else None
        folds = spread or GroupKFold(min(FOLDS, groups))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(folds.split(rows, targets.values, targets.group))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        kind, count = (StratifiedKFold, min(FOLDS, most)) if most > 1 else (KFold, min(FOLDS, len(targets)))
        return list(kind(count, shuffle=True, random_state=0).split(rows, targets.values))


def best_cost(features: PartFeatures, targets: Targets, folds: Folds, budget: TimeBudget | None) -> ChosenPart | float:
    """Return a part at the cost whose out-of-fold logits, scaled, are likeliest.

    Returns:
        Where the budget has no time for it, the minutes that it would take.
    """
    costs, tried, seconds = features.costs(targets), [], 0.0
    first_tells = len(folds[0][1]) >= MANY
    fits = len(costs) + len(folds) - 1 if first_tells else len(costs) * len(folds)
    logits = {cost: np.zeros((len(targets), targets.labels)) for cost in costs}

    def predict(cost: float, fold: int) -> None:
        fitted, held = folds[fold]
        logits[cost][held] = features.logits(features.fit(fitted, targets, cost), held)

    def loss(cost: float, rows: NDArray[np.int64]) -> float:
        some, held = torch.from_numpy(logits[cost][rows]), targets.rows(rows)
        return float(held.losses(weighed(some[None], logit_scales(some[None], held, bounds=SCALES))).mean())

    for cost in costs:
        start = time.monotonic()
        predict(cost, 0)
        seconds = max(seconds, time.monotonic() - start)
        if budget is not None and seconds * fits > budget.left:
            return seconds * fits / 60
    held = folds[0][1] if first_tells else np.arange(len(targets))
    if first_tells:
        costs = (min(costs, key=lambda cost: loss(cost, held)),)
    for cost in costs:
        for fold in range(1, len(folds)):
            predict(cost, fold)
        tried.append((loss(cost, held), cost))
    _, best = min(tried)
    return ChosenPart(features=features, cost=best, out_of_fold=torch.from_numpy(logits[best]), seconds=seconds)


def choose(parts: Tensor, targets: Targets) -> Tensor:
    """Return (P,) scales of parts (P, N, C), 0 for those that are left out.

    The part whose loss is least missed goes first, as long as it is missed by less than a nat in all.
    """
    kept = list(range(len(parts)))

    def fitted(some: Sequence[int]) -> tuple[float, Tensor]:
        scales = logit_scales(parts[list(some)], targets, bounds=SCALES)
        return float(targets.losses(weighed(parts[list(some)].double(), scales)).sum()), scales

    loss, scales = fitted(kept)
    while len(kept) > 1:
        without = {one: fitted([other for other in kept if other != one]) for one in kept}
        least = min(kept, key=lambda one: without[one][0])
        if without[least][0] - loss > 1:
            break
        kept.remove(least)
        loss, scales = without[least]
    result = torch.zeros(len(parts), dtype=torch.float64)
    result[kept] = scales
    return result


def residual_scale(base: Tensor, residual: Tensor, targets: Targets) -> float:
    """Return from 0 to 1 what the logits of a residual (N, C) count beside those of a base (N, C).

    0 unless the mean gain in log loss is above its standard error. The scale is fitted to the same records, so that a
    residual which says nothing gets there in 2.3 % of cases.
    """
    base, residual = base.double(), residual.double()
    before = targets.losses(base)

    def loss(scale: float) -> Tensor:
        return targets.losses(base + scale * residual)

    scale = float(minimize_scalar(lambda one: float(loss(one).mean()), bounds=(0, 1), method="bounded").x)
    gain = before - loss(scale)
    if targets.group is not None:  # what a group gains is one observation
        _, group = np.unique(targets.group, return_inverse=True)
        size = int(group.max()) + 1
        gain = gain.new_zeros(size).index_add(0, torch.from_numpy(group), gain) * size / len(gain)
    return scale if float(gain.mean()) > float(gain.std()) / len(gain) ** 0.5 else 0.0
