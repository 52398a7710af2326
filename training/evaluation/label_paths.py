"""Labels that are paths, "Sports/Football": what a classifier of the last level says of those above.

    probabilities of "Sports/Football", "Sports/Tennis", "Politics" ──> of "Sports", "Politics"

A path is as likely as all labels under it together. Labels are paths where two of them share a first part.

Axes:  N records   C labels   U paths of a level
"""

from collections.abc import Mapping, Sequence
from typing import Final

import training.installed

import torch
from torch import Tensor

SEPARATOR: Final = "/"


def are_paths(labels: Sequence[str]) -> bool:
    """Whether labels are paths: some have parts, and two share the first of theirs."""
    firsts = [label.partition(SEPARATOR)[0] for label in labels if SEPARATOR in label.strip(SEPARATOR)]
    return len(set(firsts)) < len(firsts)


def depth_of(labels: Sequence[str]) -> int:
    """Return how many parts the longest path has."""
    return max((label.count(SEPARATOR) + 1 for label in labels), default=0)


def above(label: str, level: int) -> str:
    """Return the first `level` parts of a path, all of a shorter one."""
    return SEPARATOR.join(label.split(SEPARATOR)[:level])


def at_level(probabilities: Tensor, labels: Sequence[str], level: int) -> tuple[Tensor, list[str]]:
    """Return the probabilities (N, U) of the paths of so many parts, and their names, of probabilities (N, C)."""
    names = sorted({above(label, level) for label in labels})
    column = torch.tensor([names.index(above(label, level)) for label in labels])
    return probabilities.new_zeros(len(probabilities), len(names)).index_add(1, column, probabilities), names


def best_path(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return the most probable path of each level above the last, with its probability."""
    found = {}
    for level in range(1, depth_of(list(probabilities))):
        totals: dict[str, float] = {}
        for label, value in probabilities.items():
            name = above(label, level)
            totals[name] = totals.get(name, 0.0) + value
        best = max(totals, key=lambda name: totals[name])
        found[best] = min(1.0, totals[best])  # the sum of many is rounded
    return found
