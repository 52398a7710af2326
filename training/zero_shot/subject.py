"""A pre-trained model on one labelled data set, as it is and with HSA in some layers.

A model with a classification head is scored by it. Any other is an encoder: its mean-pooled, normalised vectors are
compared by cosine with those of the model as it was, and a linear probe (logistic regression, cross-validated) is
trained on them. Two probe accuracies: `transferred` takes the probe trained on the original vectors, as if the layers
were swapped under a finished classifier; `retrained` trains it on the converted model's own.

Axes:  n documents   C classes
"""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import training.installed

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from docgraph.errors import DataError, ModelError
from encoders import zero_shot
from encoders.zero_shot import Form, Windows
from encoders.zero_shot.layer import Layer, layers_of
from encoders.zero_shot.report import Cost, hsa_cost, softmax_cost

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Vectors = NDArray[np.float32]

PAPER = Windows((2, 4, 8, 16))
PAPER_FORM = Form()


@dataclass(frozen=True)
class Condition:
    """What is converted; no layers is the model as it was."""

    name: str
    layers: tuple[int, ...] = ()
    """0-based."""
    hierarchy: Windows = PAPER
    form: Form = PAPER_FORM


@dataclass(frozen=True)
class Outcome:
    """What a condition gives on one data set."""

    data: str
    condition: str
    layers: tuple[int, ...]
    documents: int
    mean_tokens: float
    accuracy: float | None
    """Of the classification head, or of the retrained probe; None where there are too few documents to train one."""
    transferred: float | None
    """Of the probe trained on the original vectors."""
    agreement: float
    """Share of documents whose predicted class (head, or transferred probe) is that of the model as it was."""
    cosine: float
    """Mean cosine with the original vectors (logits, where there is a head)."""
    lowest_cosine: float
    paper_mflops: float
    """Of one converted layer's attention at the mean length, by the paper's count."""
    softmax_mflops: float
    flops_gone: float
    """Share of the converted layers' attention that is gone, by the full count, over all documents."""


class Subject:
    """A model with its tokenizer on one data set."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        name: str,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        max_length: int | None = None,
        at_least: int = 0,
        batch_size: int = 16,
        folds: int = 5,
        console: Console | None = None,
    ) -> None:
        self.model, self.tokenizer, self.name = model.eval(), tokenizer, name
        self.console = console
        longest = getattr(model.config, "max_position_embeddings", 512)
        if getattr(model.config, "model_type", "") in ("roberta", "xlm-roberta", "camembert"):
            longest -= 2  # their positions begin behind the padding index
        limit = min(max_length or longest, longest)
        ids = [tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in texts]
        labels = [label for label, i in zip(labels, ids, strict=True) if len(i) >= at_least]
        ids = [i for i in ids if len(i) >= at_least]
        if not ids:
            what = f"of {at_least} tokens or more " if at_least else ""
            raise DataError(f"{name} must hold documents {what}with a label, but holds none.")
        self.lengths = [len(i) for i in ids]
        order = np.argsort(self.lengths, kind="stable")
        self.batches: list[tuple[NDArray[Any], Any]] = [
            (part, tokenizer.pad({"input_ids": [ids[i] for i in part]}, return_tensors="pt"))
            for part in np.array_split(order, -(-len(ids) // batch_size))
        ]
        self.classes, self.y = np.unique(np.array(labels), return_inverse=True)
        counts = np.bincount(self.y)
        self.has_head = any(a.endswith("ForSequenceClassification") for a in model.config.architectures or ())
        if not self.has_head and (len(counts) < 2 or counts.max() < 2):
            raise DataError(
                f"{name} must hold two labels or more, and several documents of one, for a probe, but holds "
                f"{len(self.y)} documents of {len(counts)} labels."
            )
        self.folds = max(2, min(folds, int(counts.min())))
        zero_shot.revert(model)
        self.original = self.vectors("original")
        self.fold = np.zeros(len(self.y), np.int64) if self.has_head else self._folds()
        self.probes = [] if self.has_head else self._probes(self.original)
        self.predicted = self._predict(self.original)

    def document(self, row: int) -> dict[str, torch.Tensor]:
        """Return one document as a batch of its own."""
        rows, batch = next(one for one in self.batches if row in one[0])
        (place,) = np.flatnonzero(rows == row)
        return {key: value[place : place + 1, : self.lengths[row]] for key, value in batch.items()}

    def part(self, rows: Sequence[int]) -> "Subject":
        """Return the same subject with some of its documents; probes stay those of the whole."""
        fewer, chosen = copy.copy(self), list(rows)
        fewer.lengths = [self.lengths[row] for row in chosen]
        fewer.batches = [(np.array([place]), self.document(row)) for place, row in enumerate(chosen)]
        for name in ("y", "original", "predicted", "fold"):
            setattr(fewer, name, getattr(self, name)[chosen])
        return fewer

    def measure(self, condition: Condition) -> Outcome:
        """Convert, score, and put the model back."""
        zero_shot.revert(self.model)
        try:
            if condition.layers:
                zero_shot.convert(self.model, condition.layers, hierarchy=condition.hierarchy, form=condition.form)
            return self.score(condition, self.vectors(condition.name))
        finally:
            zero_shot.revert(self.model)

    def score(self, condition: Condition, vectors: Vectors) -> Outcome:
        """Compare the vectors of a condition with the original ones."""
        predicted = self._predict(vectors)
        cosine = (vectors * self.original).sum(1) / (
            np.linalg.norm(vectors, axis=1) * np.linalg.norm(self.original, axis=1)
        )
        right = float((predicted == self.y).mean())
        retrained = not self.has_head and bool(condition.layers)
        layers = layers_of(self.model)
        mean = round(float(np.mean(self.lengths)))
        return Outcome(
            data=self.name,
            condition=condition.name,
            layers=condition.layers,
            documents=len(self.y),
            mean_tokens=float(np.mean(self.lengths)),
            accuracy=self._cross_validated(vectors) if retrained else right,
            transferred=None if self.has_head else right,
            agreement=float((predicted == self.predicted).mean()),
            cosine=float(cosine.mean()),
            lowest_cosine=float(cosine.min()),
            paper_mflops=np.mean([self._cost(layer, mean).paper for layer in layers]).item() / 1e6 if layers else 0.0,
            softmax_mflops=self._cost(None, mean).paper / 1e6,
            flops_gone=1 - self._full(layers) / self._full([None] * len(layers)) if layers else 0.0,
        )

    def _cost(self, layer: Layer | None, n: int) -> Cost:
        """Of one layer's attention over n positions; None is softmax."""
        width, heads = self.model.config.hidden_size, self.model.config.num_attention_heads
        if layer is None:
            return softmax_cost(n, width, heads)
        assert layer.hierarchy != "given"
        return hsa_cost(layer.hierarchy.forest([n], layer.ends), layer.hierarchy, layer.form, width, heads)

    def _full(self, layers: Sequence[Layer | None]) -> int:
        """Multiply-adds of these layers over all documents."""
        counts = Counter(self.lengths)
        return sum(times * self._cost(layer, n).full for layer in layers for n, times in counts.items())

    def vectors(self, what: str) -> Vectors:
        """(n, C) logits, or (n, width) mean-pooled and normalised."""
        vectors: Vectors | None = None
        batches: Iterator[Any] = iter(self.batches)
        if self.console is not None:
            batches = iter(track(self.batches, f"{self.name}, {what}", console=self.console, transient=True))
        with torch.inference_mode():
            for rows, batch in batches:
                output = self.model(**batch)
                if self.has_head:
                    rows_vectors = output.logits
                else:
                    mask = batch["attention_mask"][..., None].to(output.last_hidden_state.dtype)
                    mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
                    rows_vectors = torch.nn.functional.normalize(mean, dim=1)
                if vectors is None:
                    vectors = np.empty((len(self.lengths), rows_vectors.shape[1]), np.float32)
                vectors[rows] = rows_vectors.float().numpy()
        assert vectors is not None
        return vectors

    def _folds(self) -> NDArray[np.int64]:
        """(n,) number of the fold that each document is held out in."""
        from sklearn.model_selection import StratifiedKFold

        fold = np.zeros(len(self.y), np.int64)
        splitter = StratifiedKFold(self.folds, shuffle=True, random_state=0)
        for number, (_, held_out) in enumerate(splitter.split(np.zeros((len(self.y), 1)), self.y)):
            fold[held_out] = number
        return fold

    def _probes(self, vectors: Vectors) -> list[Any]:
        """Fit one logistic regression a fold."""
        from sklearn.linear_model import LogisticRegression

        kept = [self.fold != number for number in range(self.folds)]
        return [LogisticRegression(C=10.0, max_iter=1000).fit(vectors[k], self.y[k]) for k in kept]

    def _predict(self, vectors: Vectors) -> NDArray[np.int64]:
        """(n,) classes, by the head, or for each document by the original probe that has not seen it."""
        if self.has_head:
            classes: NDArray[np.int64] = _as_classes(self.model.config, self.classes)[vectors.argmax(1)]
            return classes
        return self._held_out(self.probes, vectors)

    def _held_out(self, probes: list[Any], vectors: Vectors) -> NDArray[np.int64]:
        predicted = np.empty(len(self.y), np.int64)
        for number, probe in enumerate(probes):
            held_out = self.fold == number
            if held_out.any():
                predicted[held_out] = probe.predict(vectors[held_out])
        return predicted

    def _cross_validated(self, vectors: Vectors) -> float | None:
        """Accuracy of probes trained anew; None where a part of a data set is too small for that."""
        if min(np.bincount(self.y, minlength=len(self.classes))) < 2 * self.folds:
            return None
        return float((self._held_out(self._probes(vectors), vectors) == self.y).mean())


def _as_classes(config: Any, classes: NDArray[np.str_]) -> NDArray[np.int64]:
    """Match the outputs of a head with the labels of the data: by name, or in order if the head names none of them."""
    names = [str(config.id2label[i]).lower() for i in range(config.num_labels)]
    known = {str(c).lower(): i for i, c in enumerate(classes)}
    if all(name in known for name in names):
        return np.array([known[name] for name in names])
    if len(names) != len(classes):
        raise ModelError(
            f"the model's classes must be those of the data, {', '.join(map(str, classes))}, "
            f"but are {', '.join(names)}."
        )
    return np.arange(len(names))
