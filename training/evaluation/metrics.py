"""Score predictions against labels: accuracy, macro-F1, every class, confusion, calibration.

    probabilities (N, C), label numbers (N,) ──> Scores ──> JSON values, or a page (report.py)

Macro-F1 is the mean over the classes that occur in the labels or the predictions, as scikit-learn has it.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import training.installed

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from docgraph.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """How one class fared. A measure whose denominator is zero is 0."""

    label: str
    precision: float
    recall: float
    f1: float
    count: int
    """Records that have this label."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How a set of predictions fared."""

    name: str
    """What made them: "model", "majority class", "TF-IDF + logistic regression"."""
    accuracy: float
    standard_error: float
    """Of the accuracy: sqrt(a (1 - a) / n), or over groups of records that depend on each other; nan of one group."""
    macro_f1: float
    log_loss: float
    """Mean of -log p(label), in nats."""
    calibration_error: float
    """Expected calibration error, 15 bins."""
    count: int
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: labels; columns: predictions."""

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return asdict(self)

    def line(self) -> str:
        """Return one line for the terminal."""
        return (
            f"{self.name}: accuracy {self.accuracy:.3f} ± {self.standard_error:.3f}, macro-F1 {self.macro_f1:.3f}"
            f" ({self.count} records)"
        )


def score(
    name: str, probabilities: Tensor, target: Tensor, labels: Sequence[str], groups: Sequence[str] | None = None
) -> Scores:
    """Score predicted probabilities.

    Args:
        probabilities: (N, C) rows that sum to 1; the prediction is the largest.
        target: (N,) label numbers.
        labels: (C,) names.
        groups: (N,) of records that depend on each other; None where none do.

    Raises:
        DataError: there is nothing to score, or the shapes do not fit.
    """
    if len(target) == 0:
        raise DataError("scores need at least one record with a known label, but there is none.")
    if probabilities.shape != (len(target), len(labels)):
        raise DataError(
            f"probabilities must be ({len(target)}, {len(labels)}), one row a record and one column a label, "
            f"but are {tuple(probabilities.shape)}."
        )
    # torchmetrics asks for two classes; a single one gets an empty companion, dropped again below.
    count = max(len(labels), 2)
    probabilities = torch.nn.functional.pad(probabilities.float(), (0, count - len(labels)))
    each: dict[str, Any] = {"num_classes": count, "average": "none"}
    accuracy = float(multiclass_accuracy(probabilities, target, num_classes=count, average="micro"))
    precision = multiclass_precision(probabilities, target, **each).tolist()
    recall = multiclass_recall(probabilities, target, **each).tolist()
    f1 = multiclass_f1_score(probabilities, target, **each).tolist()
    matrix = multiclass_confusion_matrix(probabilities, target, num_classes=count)
    confusion: list[list[int]] = matrix[: len(labels), : len(labels)].tolist()
    likelihood = probabilities[torch.arange(len(target)), target].clamp(min=1e-12)
    return Scores(
        name=name,
        accuracy=accuracy,
        standard_error=_standard_error(probabilities.argmax(1) == target, groups),
        macro_f1=float(multiclass_f1_score(probabilities, target, num_classes=count, average="macro")),
        log_loss=float(-likelihood.log().mean()) or 0.0,  # not -0.0
        calibration_error=float(multiclass_calibration_error(probabilities, target, num_classes=count)),
        count=len(target),
        classes=tuple(
            ClassScores(label=label, precision=precision[i], recall=recall[i], f1=f1[i], count=sum(confusion[i]))
            for i, label in enumerate(labels)
        ),
        confusion=tuple(tuple(row) for row in confusion),
    )


def _standard_error(right: Tensor, groups: Sequence[str] | None) -> float:
    """Return that of the share of right records; of groups by the sums of their residuals (Cochran 1977, 11.3)."""
    share = float(right.double().mean())
    if groups is None:
        return math.sqrt(share * (1 - share) / len(right))
    number = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    place = torch.tensor([number[name] for name in groups])
    if len(number) < 2:
        return math.nan
    sums = torch.zeros(len(number), dtype=torch.float64).index_add(0, place, right.double() - share)
    return math.sqrt(float(sums.square().sum()) * len(number) / (len(number) - 1)) / len(right)
