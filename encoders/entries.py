"""What the entries of scratch text say about the classes of labelled documents.

    encoded documents ──entries_of──> Entries: which sub-words, and runs of them, stand in each document
                                      ──class_frequency──> (C, V) counts      ──regression──> (V, C) weights

The regression is logistic, on which entries stand in a document, each scaled by its naive Bayes log ratio for the class:
an entry that says little must be worth much to be given a weight. It has one optimum, found by L-BFGS.

Source: Wang and Manning 2012, "Baselines and Bigrams" (aclanthology.org/P12-2018), on the scaling.

Axes:  n documents   K entries that stand in them, over all documents   V entries   C classes
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from encoders.encoded import EncodedDocument

if TYPE_CHECKING:
    from encoders.text import ScratchTextLeaves


class Entries(NamedTuple):
    """Which entries stand in which documents, each once."""

    document: Tensor
    """(K,) ascending."""
    entry: Tensor
    """(K,)"""
    documents: int
    size: int
    """Entries there are."""


def entries_of(text: "ScratchTextLeaves", documents: Iterable[EncodedDocument]) -> Entries:
    """Return the entries of some documents, as the text leaves would look them up."""
    found = []
    for one in documents:
        unit = np.repeat(np.arange(len(one.unit_start) - 1), np.diff(one.unit_start))
        group = one.token_row if text.weight is not None else unit
        runs = text.runs(torch.from_numpy(one.token_id), torch.from_numpy(group))
        found.append(torch.cat([entry[real[:, 0] > 0] for entry, real in runs]).unique())
    lengths = torch.tensor([len(one) for one in found])
    return Entries(
        torch.repeat_interleave(torch.arange(len(found)), lengths),
        torch.cat(found) if found else torch.zeros(0, dtype=torch.int64),
        len(found),
        text.embed.num_embeddings,
    )


def class_frequency(entries: Entries, classes: Sequence[int], count: int) -> Tensor:
    """(C, V) in how many documents of each class each entry stands."""
    place = torch.tensor(classes, dtype=torch.int64)[entries.document] * entries.size + entries.entry
    return torch.bincount(place, minlength=count * entries.size).view(count, entries.size)


def regression(
    entries: Entries, classes: Sequence[int], count: int, *, cost: float = 0.05, steps: int = 60
) -> Tensor:
    """Return (V, C) each entry's weight for each class, 0 on average over the classes; 0 for entries not seen.

    Args:
        cost: of the data, against half the squared length of the weights before scaling.
        steps: of L-BFGS, at most.
    """
    seen, column = entries.entry.unique(return_inverse=True)
    row = entries.document
    target = torch.nn.functional.one_hot(torch.tensor(classes), count).float()
    inside = torch.zeros(len(seen), count).index_add_(0, column, target[row])
    outside = inside.sum(1, keepdim=True) - inside
    inside, outside = 1 + inside, 1 + outside
    ratio = torch.log(inside / inside.sum(0)) - torch.log(outside / outside.sum(0))
    weight, bias = torch.zeros(len(seen), count), torch.zeros(count)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, history_size=5, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        logits = bias.repeat(entries.documents, 1).index_add_(0, row, (ratio * weight)[column])
        error = cost * (logits.softmax(1) - target)
        weight.grad = weight + ratio * torch.zeros_like(weight).index_add_(0, column, error[row])
        bias.grad = error.sum(0)
        return weight.square().sum() / 2 - cost * (logits.log_softmax(1) * target).sum()

    optimizer.step(loss)
    found = torch.zeros(entries.size, count)
    found[seen] = ratio * weight
    return found - found.mean(1, keepdim=True)
