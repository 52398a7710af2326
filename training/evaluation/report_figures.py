"""The figures of an evaluation, as PNG: confusion matrix, reliability, learning curve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import training.installed

import numpy as np

from training.evaluation.metrics import Scores
from training.evaluation.predictions import RecordPrediction
from training.output.figures import new_figure, png

BINS: Final = 10
MOST_CLASSES: Final = 24
"""Of a confusion matrix that can be read; of more, the most confused are drawn."""
MOST_LETTERS: Final = 32
"""Of a class beside its row."""


def confusion_png(path: str | Path, scores: Scores) -> Path:
    """Write the confusion matrix as an image."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(confusion(scores))
    return target


def confusion(scores: Scores) -> bytes:
    """Return the confusion matrix as PNG: a cell's colour is its share of the row, its number the count.

    Of more than `MOST_CLASSES` classes it has those of the most frequent confusions.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    drawn = most_confused(scores.confusion)
    names = [_shortened(scores.classes[place].label) for place in drawn]
    counts = [[scores.confusion[y][x] for x in drawn] for y in drawn]
    totals = [max(sum(scores.confusion[y]), 1) for y in drawn]
    shares = [[count / total for count in row] for row, total in zip(counts, totals, strict=True)]
    side = 2.6 + 0.42 * len(names)
    figure = new_figure(side + 1.2, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count:
                color = "white" if shares[y][x] > 0.6 else "black"
                axes.text(x, y, str(count), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    few = "" if len(drawn) == len(scores.classes) else f", {len(drawn)} of {len(scores.classes)} classes"
    axes.set_title(f"{scores.name}: accuracy {scores.accuracy:.3f}, {scores.count} records{few}")
    figure.colorbar(image, ax=axes, label="share of the label's records")
    return png(figure)


def most_confused(confusion: Sequence[Sequence[int]]) -> list[int]:
    """Return which classes to draw: all, or of many those that are confused most often, then those of most records.

    Args:
        confusion: (C, C) records by label and predicted class.
    """
    if len(confusion) <= MOST_CLASSES:
        return list(range(len(confusion)))
    counts = np.array(confusion)
    records = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    ranked = np.argsort(-counts, axis=None, kind="stable")[: np.count_nonzero(counts)]
    drawn = dict.fromkeys(one for place in ranked.tolist() for one in divmod(place, len(counts)))
    return list(drawn | dict.fromkeys(np.argsort(-records, kind="stable").tolist()))[:MOST_CLASSES]


def _shortened(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"


def reliability(predictions: Sequence[RecordPrediction]) -> bytes:
    """Return how often predictions are right by how probable they are said to be, in ten bins of like width.

    A bin's bar is the share that is right, its number how many there are; on the diagonal, what is said holds.
    """
    said = np.array([one.probability for one in predictions])
    right = np.array([one.predicted == one.label for one in predictions])
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    shares = np.bincount(bins, right, minlength=BINS) / np.maximum(counts, 1)
    means = np.bincount(bins, said, minlength=BINS) / np.maximum(counts, 1)
    some = np.flatnonzero(counts)
    figure = new_figure(4.6, 4.2)
    axes = figure.add_subplot()
    axes.bar((some + 0.5) / BINS, shares[some], width=0.9 / BINS, color="tab:blue", alpha=0.5)
    axes.plot(means[some], shares[some], "o", color="tab:blue")
    axes.plot([0, 1], [0, 1], "--", color="grey")
    for place in some:
        axes.text((place + 0.5) / BINS, 0.02, str(counts[place]), ha="center", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability said", ylabel="share that is right")
    return png(figure)


def learning_curve(history: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Return loss and dev accuracy by epoch; None where a run has less than two epochs of either.

    Args:
        history: of a run's scores: entries with "epoch" and "loss", or "eval_loss" and "eval_accuracy".
    """
    named = {"training loss": "loss", "dev loss": "eval_loss", "dev accuracy": "eval_accuracy"}
    series = {
        name: [(entry["epoch"], entry[key]) for entry in history if "epoch" in entry and key in entry]
        for name, key in named.items()
    }
    if not any(len(points) > 1 for points in series.values()):
        return None
    figure = new_figure(6, 3.4)
    axes = figure.add_subplot()
    beside = axes.twinx()
    for name, colour in zip(series, ("tab:grey", "tab:orange", "tab:blue"), strict=True):
        where = beside if name == "dev accuracy" else axes
        where.plot(*zip(*series[name], strict=True) if series[name] else ([], []), "o-", color=colour, label=name)
    axes.set(xlabel="epoch", ylabel="loss")
    beside.set(ylabel="accuracy", ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return png(figure)
