"""Make a classifier the calibrated sum of parts, each of which may be left out.

    encoded records ─ linear parts ─ out-of-fold logits ─ choose, weigh ─> regressions in the model   (fit_parts)
                                                        └ their sum ─> where the others start         (Stack.base)
    copy of the text encoder, tuned to what they leave over ─ dev ─> its own weight, perhaps 0        (tuning.py)
    transformer, trained on what they leave over ─ dev ─ residual_scale ─> its own weight, perhaps 0
    (what chooses and weighs: choice.py)

What a part weighs is what is likeliest on predictions of records that it was not fitted to: for the linear parts those
of the folds, for the transformer the dev split. A part is kept if leaving it out costs more than one nat in all, which
is Akaike's price of a parameter; the transformer, whose epoch the dev split chose as well, if it gains more than one
standard error. So the sum is, up to that noise, never worse than its best part, and its probabilities are calibrated.
The simple rivals of evaluation/baselines.py are parts themselves.

Within a budget the first part is always fitted; of each other one the first fit, or the first records read, tell how
long it takes, and what does not fit into what is left is left out.

Sources: Wolpert 1992, "Stacked generalization"; Breiman 1996, "Stacked regressions", for weights that are not negative;
Akaike 1974; Breiman et al. 1984, section 3.4.3, for the rule of one standard error.

Axes:  P parts   N records   C labels
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import training.installed

import numpy as np
import torch
from torch import Tensor, nn

from encoders.classifier import DocumentForClassification
from encoders.ngrams import NgramRegression, RegressionWeights
from encoders.off_topic import distance
from encoders.vectors import WHOLE
from training.datasets.problem_types import REGRESSION
from training.learning.batches import EncodedDataset
from training.learning.budget import TimeBudget
from training.learning.targets import Targets
from training.parts.choice import FOLDS, ChosenPart, best_cost, choose, folds_of
from training.parts.linear import LinearWeights, PartFeatures, ngram_features, vector_features

REFERENCES: Final = 2_000
"""Training records that distances are measured from, at most."""
ALARMS: Final = 0.05
"""Share of them that may be called off topic by mistake."""
FROZEN: Final = 0.35
"""Of the time that is left, for the vectors of frozen encoders where one is tuned as well."""
LEAST: Final = 0.1
"""Share of a budget below which no transformer is begun."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The linear parts of a model."""

    parts: tuple[ChosenPart, ...]
    cut: tuple[str, ...]
    """What there was no time for, a line each."""
    targets: Targets
    """Of the training records, then of the dev records."""
    encoders_cut: bool
    """Whether the frozen encoders are among that."""
    whole: PartFeatures | None
    """What a frozen encoder says of the whole text, where it was read."""
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
        nothing = torch.zeros(self.train, self.targets.labels, dtype=torch.float64)
        return sum((one.scale * one.out_of_fold for one in self.parts), nothing).float()

    def lines(self) -> list[str]:
        """Say in words which parts are kept and which are left out."""
        target = self.targets.rows(slice(self.train))
        return [
            *(
                f"{one.features.name}: {target.score(one.out_of_fold):.3f} alone on held-out folds, "
                + (f"weighs {one.scale:.2f}" if one.scale else "left out: it adds nothing to the others")
                for one in self.parts
            ),
            *self.cut,
        ]

    def why_no_transformer(self, has_dev: bool, budget: TimeBudget | None) -> str | None:
        """Return in words why the transformer need not be trained; None where it is worth while."""
        if not self.kept:
            return None
        if not has_dev:
            return "transformer: left out: without a dev split nothing tells what it adds"
        if self.encoders_cut:
            return "transformer: left out: it reads with the encoders that there was no time for"
        if budget is not None and budget.left < LEAST * budget.seconds:
            return "transformer: left out: no time was left"
        return None

    def weigh_transformer(self, model: DocumentForClassification, scale: float) -> None:
        """Give the transformer its weight in the model; where that is 0 it is not run any more."""
        model.scale_logits([scale, *[1.0] * len(model.linear_parts)])
        model.config.use_transformer = scale > 0 or not self.kept

    @torch.no_grad()
    def put_into(self, model: DocumentForClassification, *, with_dev: bool = False) -> None:
        """Fit the parts that are kept, to the training records or to all, and make them the model's, times scales."""
        rows = np.arange(len(self.targets) if with_dev else self.train)
        fitted = [(one, one.features.fit(rows, self.targets, one.cost)) for one in self.kept]
        words = [(one, weights) for one, weights in fitted if one.features.vector is None]
        vectors = [(one, weights) for one, weights in fitted if one.features.vector is not None]
        kinds = {one.features.rarity is None for one, _ in words}
        model.config.regression_ngrams = self.longest if words else 0
        model.config.regression_known = len(words[0][0].features.columns) if words else 0  # type: ignore[arg-type]
        model.config.regression_weighting = "both" if len(kinds) == 2 else "tfidf" if False in kinds else "binary"
        model.config.regression_vectors = [str(one.features.vector) for one, _ in vectors]
        references = self._references(model) if vectors else None
        model.config.off_topic_references = 0 if references is None else len(references)
        model.make_regressions()
        if model.regression is not None:
            _put_words(model.regression, words)
        if model.off_topic is not None and references is not None:
            model.off_topic.references.copy_(references)
        linears: Any = () if model.vectors is None else model.vectors.parts
        for linear, (part, weights) in zip(linears, vectors, strict=True):
            linear.weight.copy_(torch.from_numpy(weights.weight.T) * part.scale)
            linear.bias.copy_(torch.from_numpy(weights.bias) * part.scale)
        nn.Module.to(model, model.device)  # transformers' own is typed for itself alone

    def _references(self, model: DocumentForClassification) -> Tensor | None:
        """Return vectors (R, W) of training records, and set from which distance on a document is off topic.

        That is the distance which few of them have from the others; how many of the dev records, which are not among
        them, are as far away is what is told as the rate of false alarms.
        """
        if self.whole is None or self.whole.there[: self.train].sum() < 2:
            return None
        rows = np.flatnonzero(self.whole.there[: self.train])
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:REFERENCES])
        references = torch.from_numpy(self.whole.values[rows]).float()
        far = distance(references, references, are_among=True).quantile(1 - ALARMS).item()
        dev = np.arange(self.train, len(self.targets))
        held = torch.from_numpy(self.whole.values[dev[self.whole.there[dev]]]).float()
        alarms = ALARMS if not len(held) else float((distance(held, references) > far).double().mean())
        model.config.off_topic_distance, model.config.off_topic_alarms = far, alarms
        return references


def fit_parts(
    model: DocumentForClassification,
    train: EncodedDataset,
    dev: EncodedDataset | None,
    longest: int,
    budget: TimeBudget | None = None,
    *,
    balanced: bool = False,
    tunes: bool = False,
) -> Stack:
    """Choose and weigh the linear parts by folds of the training records, and put them into a model, fitted to those.

    The transformer's last weights become 0: it begins with what the parts say.

    Args:
        dev: read as well, for `Stack.put_into`; nothing is chosen by it.
        longest: n-gram of sub-words, 0 for no regression on n-grams.
        budget: what of it is needed to fit the parts anew at the end is reserved there.
        balanced: a record weighs as much as its label is rare, in what is fitted and in what is chosen.
        tunes: an encoder is tuned afterwards, which takes time that frozen ones must leave.
    """
    datasets = [train, *([] if dev is None else [dev])]
    targets = _targets(model, datasets)
    targets = targets.balanced() if balanced else targets
    count, learned = len(train), targets.rows(slice(len(train)))
    folds, chosen, cut = folds_of(learned), list[ChosenPart](), list[str]()

    def try_part(features: PartFeatures) -> None:
        found = best_cost(features, learned, folds, budget if chosen else None)
        if isinstance(found, ChosenPart):
            chosen.append(found)
            if budget is not None:
                budget.reserved += 2 * found.seconds * FOLDS / (FOLDS - 1)
        else:
            cut.append(_no_time(features.name, found, budget))

    for features in ngram_features(model, datasets, longest):
        try_part(features)
    read = vector_features(model, datasets, budget if chosen else None, FROZEN if tunes else 1.0)
    if isinstance(read, float):
        cut.append(_no_time("vectors of frozen encoders", read, budget))
    else:
        for features in read:
            try_part(features)
    out_of_fold = [one.out_of_fold for one in chosen]
    scales = choose(torch.stack(out_of_fold), learned).tolist() if chosen else []
    stack = Stack(
        parts=tuple(replace(one, scale=scale) for one, scale in zip(chosen, scales, strict=True)),
        cut=tuple(cut),
        encoders_cut=isinstance(read, float),
        targets=targets,
        whole=next((one for one in read if one.vector == WHOLE), None) if isinstance(read, list) else None,
        longest=longest,
        train=count,
    )
    stack.put_into(model)
    last: Any = model.classifier[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return stack


def off_topic_line(model: DocumentForClassification, has_dev: bool) -> str:
    """Say in words whether the model tells what is off topic."""
    if model.off_topic is None:
        return "off topic: not told, as no frozen text encoder counts"
    of = "of the dev records" if has_dev else "of the training records, by choice,"
    return (
        f"off topic: farther than {model.config.off_topic_distance:.3f} from the nearest training records; "
        f"{model.config.off_topic_alarms:.1%} {of} are as far"
    )


def transformer_line(scale: float) -> str:
    """Say in words what a transformer that was trained counts."""
    return f"transformer: {f'weighs {scale:.2f}' if scale else 'left out: on dev it adds nothing to the others'}"


def _no_time(name: str, minutes: float, budget: TimeBudget | None) -> str:
    left = 0 if budget is None else max(budget.left, 0) / 60
    return f"{name}: left out: about {minutes:.1f} minutes more, and {left:.1f} were left"


def _targets(model: DocumentForClassification, datasets: Sequence[EncodedDataset]) -> Targets:
    """Return the targets of data sets, one after another; values in what the model is told to be its unit."""
    train = datasets[0]
    values = np.concatenate([np.asarray(data.targets) for data in datasets])
    if train.problem_type == REGRESSION:
        known = values[: len(train)]
        model.config.value_mean, model.config.value_scale = float(known.mean()), float(known.std()) or 1.0
        values = (values - model.config.value_mean) / model.config.value_scale
    names = [name for data in datasets for name in data.groups]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    group = None if None in number else np.array([number[name] for name in names], dtype=np.int64)
    return Targets(train.problem_type, values, len(train.labels), group=group)


def _put_words(regression: NgramRegression, parts: Sequence[tuple[ChosenPart, LinearWeights]]) -> None:
    """Give a regression on n-grams those that are known, and their weights; parts that read the same add."""
    classes = len(regression.bias)
    weight, bias = torch.zeros_like(regression.weight.weight), torch.zeros(classes)
    for part, fitted in parts:
        features = part.features
        assert features.columns is not None
        assert regression.known is not None
        regression.known.copy_(features.columns)
        side = slice(-classes, None) if features.rarity is not None else slice(0, classes)
        weight[:, side] += torch.from_numpy(fitted.weight) * part.scale
        bias += torch.from_numpy(fitted.bias) * part.scale
        if features.rarity is not None and regression.rarity is not None:
            regression.rarity.copy_(features.rarity)
    regression.set_weights(RegressionWeights(weight, bias))
