"""What a model is to say of each record, and how far what it says is from that.

    problem type                     target                           output (N, C)           loss
    single_label_classification      (N,) number of the label         logits of a softmax     cross-entropy
    multi_label_classification       (N, C) 1 for each label it has   logits of each label    the sum of binary ones
    regression                       (N,) in standard deviations      the value, C = 1        half the squared error

The names are those of transformers' `problem_type`. All three losses are minus a log likelihood, in nats.

Axes:  N records   C labels
"""

from dataclasses import dataclass

import training.installed

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional as F

from training.datasets.problem_types import MULTI, REGRESSION, SINGLE, ProblemType


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of some records."""

    kind: ProblemType
    values: NDArray[np.generic]
    """(N,) int64, (N, C) float64 or (N,) float64, as the kind has it."""
    labels: int
    """C; 1 for regression."""
    weight: NDArray[np.float64] | None = None
    """(N,) how much each record counts; None for all alike."""
    group: NDArray[np.int64] | None = None
    """(N,) number of each record's group, where records depend on each other (`Record.group`)."""

    @classmethod
    def of_classes(cls, classes: Tensor | NDArray[np.int64], labels: int) -> "Targets":
        """Return those of records with one label each."""
        return cls(SINGLE, np.asarray(classes, dtype=np.int64), labels)

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, rows: NDArray[np.int64] | slice) -> "Targets":
        """Return those of some of the records."""
        weight = None if self.weight is None else self.weight[rows]
        group = None if self.group is None else self.group[rows]
        return Targets(self.kind, self.values[rows], self.labels, weight, group)

    def balanced(self) -> "Targets":
        """Return those of records that weigh as much as their label is rare; the mean weight is 1."""
        assert self.kind == SINGLE
        counts = np.bincount(self.values.astype(np.int64), minlength=self.labels)
        weight = len(self) / np.maximum(counts, 1) / np.count_nonzero(counts)
        return Targets(self.kind, self.values, self.labels, weight[self.values.astype(np.int64)], self.group)

    def losses(self, output: Tensor) -> Tensor:
        """Return (N,) the loss of each record times its weight, of an output (N, C)."""
        loss = losses(self.kind, output, torch.from_numpy(self.values))
        return loss if self.weight is None else loss * torch.from_numpy(self.weight)

    def score(self, output: Tensor) -> float:
        """Return how good an output (N, C) is: the share of right labels, the average precision, or R squared."""
        target = torch.from_numpy(self.values)
        if self.kind == MULTI:
            return float(average_precision_score(self.values, output.numpy(), average="micro"))
        if self.kind == REGRESSION:
            return float(1 - (output[:, 0] - target).square().mean() / target.double().var(correction=0))
        return float((output.argmax(1) == target).double().mean())


def losses(
    kind: ProblemType,
    output: Tensor,
    target: Tensor,
    *,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return (N,) the loss of each output (N, C) on its target, as the table above has them.

    Args:
        class_weight, label_smoothing: of records with one label each; see `torch.nn.functional.cross_entropy`.
    """
    if kind == MULTI:
        return F.binary_cross_entropy_with_logits(output, target.to(output.dtype), reduction="none").sum(1)
    if kind == REGRESSION:
        return (output[:, 0] - target).square() / 2
    return F.cross_entropy(output, target, weight=class_weight, label_smoothing=label_smoothing, reduction="none")


def probabilities(kind: ProblemType, output: Tensor) -> Tensor:
    """Return (N, C) probabilities of an output; of a regression its values."""
    if kind == MULTI:
        return output.sigmoid()
    return output if kind == REGRESSION else output.softmax(-1)
