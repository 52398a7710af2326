"""Make a classifier the calibrated sum of parts, each of which may be left out.

    encoded records ─ linear parts ─ out-of-fold logits ─ choose, weigh ─> regressions in the model   (fit_parts)
                                                        └ their sum ─> where the transformer starts   (Stack.base)
    transformer, trained on what they leave over ─ dev ─ residual_scale ─> its own weight, perhaps 0

What a part weighs is what is likeliest on predictions of records that it was not fitted to: for the linear parts those
of the folds, for the transformer the dev split. A part is kept if leaving it out costs more than one nat in all, which
is Akaike's price of a parameter; the transformer, whose epoch the dev split chose as well, if it gains more than one
standard error. So the sum is, up to that noise, never worse than its best part, and its probabilities are calibrated.

Sources: Wolpert 1992, "Stacked generalization"; Breiman 1996, "Stacked regressions", for weights that are not negative;
Akaike 1974; Breiman et al. 1984, section 3.4.3, for the rule of one standard error.

Axes:  P parts   N records   C classes
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from encoders.classifier import DocumentForClassification
from encoders.ngrams import NgramRegression, RegressionWeights
from encoders.vectors import IMAGE, WHOLE
from training.batches import EncodedDataset
from training.calibration import logit_scales, weighed
from training.linear_parts import COSTS, NGRAMS, LinearWeights, PartFeatures, part_features

FOLDS: Final = 5
SCALES: Final = (0.0, 20.0)
"""Bounds of what a part is multiplied by."""


@dataclass(frozen=True, kw_only=True)
class ChosenPart:
    """A linear part in its best way, and what it is worth."""

    features: PartFeatures
    cost: float
    out_of_fold: Tensor
    """(N, C) logits of the training records, each by a regression that was not fitted to it."""
    scale: float = 0.0
    """What its logits are multiplied by; 0 leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The linear parts of a model."""

    parts: tuple[ChosenPart, ...]
    classes: NDArray[np.int64]
    """Of the training records, then of the dev records."""
    labels: int
    """C."""
    longest: int
    """N-gram."""
    train: int
    """N, training records."""

    @property
    def kept(self) -> list[ChosenPart]:
        """The parts of the model, in its order."""
        return [one for one in self.parts if one.scale > 0]

    @property
    def base(self) -> Tensor:
        """(N, C) out-of-fold sum of the parts that are kept, on the training records."""
        nothing = torch.zeros(self.train, self.labels, dtype=torch.float64)
        return sum((one.scale * one.out_of_fold for one in self.parts), nothing).float()

    def lines(self) -> list[str]:
        """Say in words which parts are kept and which are left out."""
        target = torch.from_numpy(self.classes[: self.train])
        return [
            f"{told(one.features)}: {accuracy(one.out_of_fold, target):.3f} alone on held-out folds, "
            + (f"weighs {one.scale:.2f}" if one.scale else "left out: it adds nothing to the others")
            for one in self.parts
        ]

    @torch.no_grad()
    def put_into(self, model: DocumentForClassification, *, with_dev: bool = False) -> None:
        """Fit the parts that are kept, to the training records or to all, and make them the model's, times scales."""
        rows = np.arange(len(self.classes) if with_dev else self.train)
        fitted = {
            one.features.part: (one, one.features.fit(rows, self.classes, self.labels, one.cost)) for one in self.kept
        }
        words = fitted.pop(NGRAMS, None)
        model.config.regression_ngrams = self.longest if words else 0
        model.config.regression_weighting = "tfidf" if words and words[0].features.rarity is not None else "binary"
        model.config.regression_vectors = list(fitted)
        model.make_regressions()
        if words is not None and model.regression is not None:
            _put_words(model.regression, *words)
        linears: Any = () if model.vectors is None else model.vectors.parts
        for linear, (part, weights) in zip(linears, fitted.values(), strict=True):
            linear.weight.copy_(torch.from_numpy(weights.weight.T) * part.scale)
            linear.bias.copy_(torch.from_numpy(weights.bias) * part.scale)
        nn.Module.to(model, model.device)  # transformers' own is typed for itself alone


def fit_parts(
    model: DocumentForClassification, train: EncodedDataset, dev: EncodedDataset | None, longest: int
) -> Stack:
    """Choose and weigh the linear parts by folds of the training records, and put them into a model, fitted to those.

    The transformer's last weights become 0: it begins with what the parts say.

    Args:
        dev: read as well, for `Stack.put_into`; nothing is chosen by it.
        longest: n-gram of sub-words, 0 for no regression on n-grams.
    """
    target, count = np.asarray(train.targets), len(train.labels)
    datasets = [train, *([] if dev is None else [dev])]
    ways, folds = part_features(model, datasets, longest), _folds(target)
    chosen = [
        _best_way([way for way in ways if way.part == part], target, count, folds)
        for part in dict.fromkeys(way.part for way in ways)
    ]
    out_of_fold = [one.out_of_fold for one in chosen]
    scales = choose(torch.stack(out_of_fold), torch.from_numpy(target)).tolist() if chosen else []
    stack = Stack(
        parts=tuple(replace(one, scale=scale) for one, scale in zip(chosen, scales, strict=True)),
        classes=np.concatenate([data.targets for data in datasets]),
        labels=count,
        longest=longest,
        train=len(target),
    )
    stack.put_into(model)
    last: Any = model.classifier[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return stack


def choose(parts: Tensor, target: Tensor) -> Tensor:
    """Return (P,) scales of parts (P, N, C), 0 for those that are left out.

    The part whose loss is least missed goes first, as long as it is missed by less than a nat in all.
    """
    kept = list(range(len(parts)))

    def fitted(some: Sequence[int]) -> tuple[float, Tensor]:
        scales = logit_scales(parts[list(some)], target, bounds=SCALES)
        return float(cross_entropy(weighed(parts[list(some)].double(), scales), target)), scales

    loss, scales = fitted(kept)
    while len(kept) > 1:
        without = {one: fitted([other for other in kept if other != one]) for one in kept}
        least = min(kept, key=lambda one: without[one][0])
        if (without[least][0] - loss) * len(target) > 1:
            break
        kept.remove(least)
        loss, scales = without[least]
    result = torch.zeros(len(parts), dtype=torch.float64)
    result[kept] = scales
    return result


def residual_scale(base: Tensor, residual: Tensor, target: Tensor) -> float:
    """Return from 0 to 1 what the logits of a residual (N, C) count beside those of a base (N, C).

    0 unless the mean gain in log loss is above its standard error. The scale is fitted to the same records, so that a
    residual which says nothing gets there in 2.3 % of cases.
    """
    base, residual = base.double(), residual.double()
    before = cross_entropy(base, target, reduction="none")

    def loss(scale: float) -> Tensor:
        return cross_entropy(base + scale * residual, target, reduction="none")

    scale = float(minimize_scalar(lambda one: float(loss(one).mean()), bounds=(0, 1), method="bounded").x)
    gain = before - loss(scale)
    return scale if float(gain.mean()) > float(gain.std()) / len(gain) ** 0.5 else 0.0


def told(features: PartFeatures) -> str:
    """Return a part's name in words."""
    if features.part == NGRAMS:
        return f"n-grams ({'TF-IDF' if features.weighting == 'tfidf' else 'NB-weighted'})"
    return {WHOLE: "vector of the whole text", IMAGE: "vector of the images"}.get(
        features.part, f"vector of {features.part}"
    )


def transformer_line(scale: float | None) -> str:
    """Say in words what the transformer counts; None where there is no dev split to tell."""
    if scale is None:
        return "transformer: left out: without a dev split nothing tells what it adds"
    said = f"weighs {scale:.2f}" if scale else "left out: on dev it adds nothing to the others"
    return f"transformer: {said}"


def accuracy(logits: Tensor, target: Tensor) -> float:
    """Return how many of (N, C) logits are highest at their class."""
    return float((logits.argmax(1) == target).double().mean())


def _folds(target: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the records of each fold to fit and to predict; classes are spread evenly as far as they go."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        most = int(np.bincount(target).max())
        kind, count = (StratifiedKFold, min(FOLDS, most)) if most > 1 else (KFold, min(FOLDS, len(target)))
        return list(kind(count, shuffle=True, random_state=0).split(target, target))


def _best_way(
    ways: Sequence[PartFeatures],
    target: NDArray[np.int64],
    count: int,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> ChosenPart:
    """Return the way and the cost whose out-of-fold logits, scaled, are likeliest."""
    classes = torch.from_numpy(target)
    tried = []
    for way in ways:
        for cost in COSTS[way.weighting]:
            logits = np.zeros((len(target), count))
            for fitted, held in folds:
                logits[held] = way.logits(way.fit(fitted, target, count, cost), held)
            found = torch.from_numpy(logits)
            scaled = weighed(found[None], logit_scales(found[None], classes, bounds=SCALES))
            tried.append((float(cross_entropy(scaled, classes)), way, cost, found))
    _, way, cost, found = min(tried, key=lambda one: one[0])
    return ChosenPart(features=way, cost=cost, out_of_fold=found)


def _put_words(regression: NgramRegression, part: ChosenPart, fitted: LinearWeights) -> None:
    """Give a regression on n-grams the weights of those that occur, 0 for the others."""
    features = part.features
    assert features.columns is not None
    weight = torch.zeros(regression.table.size, fitted.weight.shape[1])
    weight[features.columns] = torch.from_numpy(fitted.weight) * part.scale
    regression.set_weights(RegressionWeights(weight, torch.from_numpy(fitted.bias) * part.scale))
    if regression.rarity is not None and features.rarity is not None:
        regression.rarity.copy_(features.rarity)
