"""Documents in, labels and probabilities out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from docgraph import Document
from docgraph.embedding.embeddings import Problem, as_documents
from encoders.embed import plan_batches
from encoders.inputs.processor import DocumentProcessor


class Prediction(NamedTuple):
    """What the model says of one document."""

    label: str
    probability: float
    probabilities: dict[str, float]
    """Every label's, most probable first."""
    labels: tuple[str, ...] | None = None
    """Of a model for several labels: those that it gives the document, most probable first."""
    value: float | None = None
    """Of a regression: what it says; there are no probabilities then."""
    distance: float | None = None
    """From the documents that the model was trained on, where it tells that."""
    off_topic: bool | None = None
    """Whether that is so far that what else is said means little."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the model says of some documents, in their order; iterating gives a `Prediction` each."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(n, C): rows sum to 1, but those of a model for several labels; of a regression the values (n, 1)."""
    problem_type: str = "single_label_classification"
    thresholds: tuple[float, ...] = ()
    """(C,) from which probability a label is given, where there may be several."""
    distances: NDArray[np.float32] | None = None
    """(n,) from the documents that the model was trained on, where it tells that."""
    off_topic_distance: float = 0.0
    """From which distance on a document is off topic."""
    empty: tuple[int, ...] = ()
    """Places of documents that had nothing to read: their probabilities say nothing about them."""
    problems: tuple[Problem, ...] = ()
    cut: dict[int, int] = field(default_factory=dict)
    """Sub-words past the processor's `max_tokens`, which were not read, by the place of their document."""
    off_topic_alarms: float = 0.0
    """Share of held-out documents that are as far by mistake."""
    logits: NDArray[np.float32] | None = None
    """(n, C) what the probabilities come from, and where float32 says 0 or 1 of those, more than they; None of a
    regression."""

    @property
    def labels(self) -> list[str]:
        """The most probable class of each document."""
        return [self.classes[place] for place in self.probabilities.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, place: int) -> Prediction:
        row = self.probabilities[place]
        if self.problem_type == "regression":
            return Prediction(f"{row[0]:g}", 1.0, {}, None, float(row[0]), *self._flag(place))
        order = np.argsort(-row, kind="stable")
        ranked = {self.classes[c]: float(row[c]) for c in order}
        label, labels = next(iter(ranked)), None
        if self.problem_type == "multi_label_classification":
            labels = tuple(self.classes[c] for c in order if row[c] >= self.thresholds[c])
        return Prediction(label, ranked[label], ranked, labels, None, *self._flag(place))

    def _flag(self, place: int) -> tuple[float | None, bool | None]:
        if self.distances is None:
            return None, None
        return float(self.distances[place]), bool(self.distances[place] > self.off_topic_distance)

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
    classes = model.labels
    probabilities = np.zeros((len(listed), len(classes)), dtype=np.float32)
    logits = np.zeros_like(probabilities)
    distances = np.zeros(len(listed), dtype=np.float32)
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
        output = model(batch.to(model.device))
        logits[group] = output.logits.float().cpu().numpy()
        probabilities[group] = _said(model.config, output.logits.float()).cpu().numpy()
        if output.distance is not None:
            distances[group] = output.distance.float().cpu().numpy()
    model.train(was_training)
    kind = model.config.problem_type or "single_label_classification"
    thresholds = tuple(model.config.thresholds) or (0.5,) * len(classes)
    cut = {place: one.cut_tokens for place, one in enumerate(encoded) if one.cut_tokens}
    tells = getattr(model, "off_topic", None) is not None
    return Predictions(
        classes,
        probabilities,
        kind,
        thresholds,
        distances if tells else None,
        model.config.off_topic_distance,
        tuple(sorted(empty)),
        tuple(sorted(problems)),
        cut,
        model.config.off_topic_alarms,
        None if kind == "regression" else logits,
    )


def _said(config: Any, logits: torch.Tensor) -> torch.Tensor:
    """Return probabilities (n, C) or values (n, 1)."""
    if config.problem_type == "regression":
        return torch.add(logits * config.value_scale, config.value_mean)
    return logits.sigmoid() if config.problem_type == "multi_label_classification" else logits.softmax(-1)
