"""Documents in, labels and probabilities out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from docgraph import Document
from encoders.embed import as_documents, plan_batches
from encoders.inputs.encoded import Problem
from encoders.inputs.processor import DocumentProcessor


class Prediction(NamedTuple):
    """What the model says of one document."""

    label: str
    probability: float
    probabilities: dict[str, float]
    """Every label's, most probable first."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the model says of some documents, in their order; iterating gives a `Prediction` each."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(n, C), rows sum to 1."""
    empty: tuple[int, ...] = ()
    """Places of documents that had nothing to read: their probabilities say nothing about them."""
    problems: tuple[Problem, ...] = ()
    cut: dict[int, int] = field(default_factory=dict)
    """Sub-words past the processor's `max_tokens`, which were not read, by the place of their document."""

    @property
    def labels(self) -> list[str]:
        """The most probable class of each document."""
        return [self.classes[place] for place in self.probabilities.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, place: int) -> Prediction:
        row = self.probabilities[place]
        ranked = {self.classes[c]: float(row[c]) for c in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        return Prediction(label, ranked[label], ranked)

    def __iter__(self) -> Iterator[Prediction]:
        return (self[place] for place in range(len(self)))


@torch.no_grad()
def predict_documents(
    model: Any,
    documents: Document | Iterable[Document],
    *,
    processor: DocumentProcessor,
    batch_nodes: int,
    show_progress_bar: bool,
) -> Predictions:
    """See `DocumentForClassification.predict`."""
    listed = as_documents(documents)
    encoded = [processor.encode(document) for document in listed]
    classes = tuple(model.config.id2label[number] for number in range(model.config.num_labels))
    probabilities = np.zeros((len(listed), len(classes)), dtype=np.float32)
    problems: list[Problem] = []
    empty: list[int] = []
    was_training = model.training
    model.eval()
    for group in track(
        plan_batches([e.num_rows for e in encoded], batch_nodes), "predicting", disable=not show_progress_bar
    ):
        batch = processor.collate([encoded[place] for place in group])
        problems += [Problem(group[p.document], p.node_row, p.message) for p in batch.problems]
        empty += [group[number] for number in batch.empty()]
        logits = model(batch.to(model.device)).logits
        probabilities[group] = torch.softmax(logits.float(), dim=-1).cpu().numpy()
    model.train(was_training)
    cut = {place: one.cut_tokens for place, one in enumerate(encoded) if one.cut_tokens}
    return Predictions(classes, probabilities, tuple(sorted(empty)), tuple(sorted(problems)), cut)
