"""Finish a model of several labels a record, or of a number: thresholds, and scores of the dev split.

    logits of records that were not learned ─> thresholds ─> configuration
    logits of dev ─> scores

A regression is learned in standard deviations from the mean, and says values.

Axes:  N records   C labels
"""

from typing import Any

import training.installed

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from encoders.classifier import DocumentForClassification
from training.datasets.problem_types import MULTI, REGRESSION, ProblemType
from training.evaluation.evaluate_targets import measures_of
from training.learning.targets import probabilities
from training.learning.thresholds import best_thresholds


def set_thresholds(model: DocumentForClassification, target: NDArray[Any], output: Tensor) -> None:
    """Set from which probability a record is given each label, where it may have several.

    Args:
        target, output: (N, C) labels and logits of records that were not learned.
    """
    if model.config.problem_type == MULTI:
        model.config.thresholds = best_thresholds(target, probabilities(MULTI, output).numpy())


def dev_scores(
    model: DocumentForClassification, kind: ProblemType, target: NDArray[Any], output: Tensor
) -> dict[str, float]:
    """Return the measures of the dev split.

    Args:
        target, output: (N, C) or (N,) labels or values, and the (N, C) outputs, in the model's units.
    """
    config = model.config
    said = probabilities(kind, output).double().numpy()
    if kind == REGRESSION:
        said, target = (x * config.value_scale + config.value_mean for x in (said, target))
    measures = measures_of(kind, target.astype(np.float64), said, config.thresholds)
    return {f"dev_{name}": value for name, value in measures.items()}
