"""What sub-words, and runs of them, say about the classes of labelled documents.

    encoded documents ──entries_of──> Entries: which sub-words, and runs of them, stand in each document
                                      ──class_frequency──> (C, V) counts      ──regression──> (V, C) weights, bias

The regression is logistic, on which entries stand in a document, each scaled by its naive Bayes log ratio for the class:
an entry that says little must be worth much to be given a weight. It has one optimum, found by L-BFGS.

Source: Wang and Manning 2012, "Baselines and Bigrams" (aclanthology.org/P12-2018), on the scaling.

Axes:  n documents   K entries that stand in them, over all documents   V entries   C classes
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from encoders.inputs.encoded import EncodedDocument
from encoders.runs import Runs


class Entries(NamedTuple):
    """Which entries stand in which documents, each once."""

    document: Tensor
    """(K,) ascending."""
    entry: Tensor
    """(K,)"""
    documents: int
    size: int
    """Entries there are."""


class Regression(NamedTuple):
    """A logistic regression on entries."""

    weight: Tensor
    """(V, C), 0 on average over the classes; 0 for entries not seen."""
    bias: Tensor
    """(C,), 0 on average."""


def entries_of(runs: Runs, documents: Iterable[EncodedDocument], *, pooled: bool) -> Entries:
    """Return the entries of some documents.

    Args:
        pooled: runs stay within a leaf, as pooled text leaves look them up; else within the text encoded together.
    """
    found = []
    for one in documents:
        unit = np.repeat(np.arange(len(one.unit_start) - 1), np.diff(one.unit_start))
        group = torch.from_numpy(one.token_row if pooled else unit)
        stand = [entry[real] for entry, real in runs(torch.from_numpy(one.token_id), group)]
        found.append(torch.cat(stand).unique())
    lengths = torch.tensor([len(one) for one in found])
    return Entries(
        torch.repeat_interleave(torch.arange(len(found)), lengths),
        torch.cat(found) if found else torch.zeros(0, dtype=torch.int64),
        len(found),
        runs.entries,
    )


def class_frequency(entries: Entries, classes: Sequence[int], count: int) -> Tensor:
    """(C, V) in how many documents of each class each entry stands."""
    place = torch.tensor(classes, dtype=torch.int64)[entries.document] * entries.size + entries.entry
    return torch.bincount(place, minlength=count * entries.size).view(count, entries.size)


def regression(
    entries: Entries, classes: Sequence[int], count: int, *, cost: float = 0.05, steps: int = 60
) -> Regression:
    """Return each entry's weight for each class.

    Args:
        cost: of the data, against half the squared length of the weights before scaling.
        steps: of L-BFGS, at most.
    """
    seen, column = entries.entry.unique(return_inverse=True)
    stands = _sparse(entries.document, column, entries.documents, len(seen))
    by_column = torch.argsort(column, stable=True)
    turned = _sparse(column[by_column], entries.document[by_column], len(seen), entries.documents)
    target = torch.nn.functional.one_hot(torch.tensor(classes), count).float()
    inside = turned @ target
    outside = inside.sum(1, keepdim=True) - inside
    inside, outside = 1 + inside, 1 + outside
    ratio = torch.log(inside / inside.sum(0)) - torch.log(outside / outside.sum(0))
    weight, bias = torch.zeros(len(seen), count), torch.zeros(count)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, history_size=5, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        logits = bias + stands @ (ratio * weight)
        error = cost * (logits.softmax(1) - target)
        weight.grad = weight + ratio * (turned @ error)
        bias.grad = error.sum(0)
        return weight.square().sum() / 2 - cost * (logits.log_softmax(1) * target).sum()

    optimizer.step(loss)
    found = torch.zeros(entries.size, count)
    found[seen] = ratio * weight
    return Regression(found - found.mean(1, keepdim=True), bias - bias.mean())


def _sparse(row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Return a (rows, columns) matrix in CSR form with ones at the places given, `row` ascending."""
    start = torch.zeros(rows + 1, dtype=torch.int64)
    start[1:] = torch.bincount(row, minlength=rows).cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(start, column, torch.ones(len(column)), (rows, columns), check_invariants=True)
