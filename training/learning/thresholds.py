"""From which probability a record is given a label, where it may have several.

A label's threshold is where the F1 of held-out predictions is highest; a label with few records takes that of all
labels together.

Source: Lipton et al. 2014, "Thresholding Classifiers to Maximize F1 Score" (arXiv 1402.1892).

Axes:  N records   C labels
"""

from typing import Any, Final

import training.installed

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from encoders.classifier import DocumentForClassification
from training.datasets.problem_types import MULTI
from training.learning.targets import probabilities

FEW: Final = 20
"""Records of a label below which its threshold is that of all labels together."""


def set_thresholds(model: DocumentForClassification, target: NDArray[Any], output: Tensor) -> None:
    """Set from which probability a record is given each label, where it may have several.

    Args:
        target, output: (N, C) labels and logits of records that were not learned.
    """
    if model.config.problem_type == MULTI:
        model.config.thresholds = best_thresholds(target, probabilities(MULTI, output).numpy())


def best_thresholds(target: NDArray[Any], predicted: NDArray[Any]) -> list[float]:
    """Return of each label the probability from which F1 is highest.

    Args:
        target: (N, C) 1 for each label that a record has.
        predicted: (N, C) probabilities of models that were not fitted to the record.
    """
    together = _best_threshold(target.ravel(), predicted.ravel())
    return [
        _best_threshold(has, said) if has.sum() >= FEW else together
        for has, said in zip(target.T, predicted.T, strict=True)
    ]


def _best_threshold(has: NDArray[Any], said: NDArray[Any]) -> float:
    """Return the middle between the last probability that is taken and the first that is not."""
    order = np.argsort(-said, kind="stable")
    right = has[order].cumsum()
    f1 = 2 * right / (np.arange(1, len(has) + 1) + max(has.sum(), 1))
    ends = np.append(said[order][1:] < said[order][:-1], True)  # not between equal ones
    best = int(np.flatnonzero(ends)[f1[ends].argmax()])
    after = said[order][best + 1] if best + 1 < len(said) else 0.0
    return float((said[order][best] + after) / 2)
