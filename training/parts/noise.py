"""Training records that the folds disagree with: perhaps their labels are wrong.

    out-of-fold probabilities of a stack ──> noise.csv: id, label, predicted, p_label, p_predicted; the surest first

Each record is predicted by parts that were not fitted to it. Those that are predicted otherwise than they are labelled
are listed by how likely their own label is, the least likely first. That is a list to look at, not a verdict: where
labels are noisy a part of it is wrong, and hard records are on it, too.

Source: Northcutt et al. 2021, "Confident Learning" (arXiv 1911.00068), for self-confidence as the order.
"""

import csv
import io
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from training.parts.stacking import Stack

NOISE: Final = "noise.csv"
UNLIKELY: Final = 0.01


class Doubtful(NamedTuple):
    """A record that is predicted otherwise than it is labelled."""

    id: str
    label: str
    predicted: str
    p_label: float
    p_predicted: float


def doubtful(stack: Stack, ids: Sequence[str], labels: Sequence[str]) -> list[Doubtful]:
    """Return the training records that the folds disagree with, those with the least likely label first."""
    said = stack.base.softmax(-1).numpy()
    given, best = stack.targets.values[: stack.train].astype(np.int64), said.argmax(1)
    rows = np.flatnonzero(best != given)
    rows = rows[np.argsort(said[rows, given[rows]], kind="stable")]
    return [
        Doubtful(ids[row], labels[given[row]], labels[best[row]], float(said[row, given[row]]), float(said[row].max()))
        for row in rows.tolist()
    ]


def to_csv(records: Sequence[Doubtful]) -> str:
    """Return the list as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Doubtful._fields)
    table.writerows((*one[:3], f"{one.p_label:.4f}", f"{one.p_predicted:.4f}") for one in records)
    return text.getvalue()


def noise_line(records: Sequence[Doubtful], train: int) -> str:
    """Say in words how many there are."""
    unlikely = sum(one.p_label < UNLIKELY for one in records)
    return (
        f"{NOISE}: {len(records):,} of {train:,} training records are predicted otherwise than they are labelled, "
        f"{unlikely:,} of them with less than {UNLIKELY:.0%} for their label"
    )
