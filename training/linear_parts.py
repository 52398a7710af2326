"""The linear parts that a classifier may be a sum of: what each reads of the records, and how it is fitted.

    encoded records ─ part_features ─> PartFeatures ─ fit ─> LinearWeights (V, C), (C,)

N-grams are read in two ways, of which the folds choose one: which a document has, each scaled by its naive Bayes log
ratio for the class; and TF-IDF. Vectors of frozen encoders are read as they are. All regressions are scikit-learn's:
one class against the rest on n-grams, whose dual has as few unknowns as there are documents, a softmax on vectors.

Axes:  n records   V features   C classes
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from encoders.classifier import DocumentForClassification
from encoders.inputs.encoded import EncodedDocument
from encoders.ngrams import NgramTable, ngrams_of, rarity_of, tfidf
from encoders.vectors import IMAGE, WHOLE, VectorRegression
from training.baselines import nb_ratio
from training.batches import EncodedDataset, PlannedBatches

NGRAMS: Final = "n-grams"
Weighting = Literal["binary", "tfidf", "vectors"]
COSTS: Final[dict[Weighting, tuple[float, ...]]] = {
    "binary": (0.1, 1.0),
    "tfidf": (10.0, 100.0),
    "vectors": (3.0, 30.0, 300.0),
}
"""scikit-learn's C, of which the folds choose one."""


class LinearWeights(NamedTuple):
    """A fitted regression: logits are features @ weight + bias."""

    weight: NDArray[np.float32]
    """(V, C)"""
    bias: NDArray[np.float32]
    """(C,)"""


class PartFeatures(NamedTuple):
    """What one part reads of some records, in one way."""

    part: str
    """`NGRAMS`, or a name of encoders/vectors.py."""
    weighting: Weighting
    values: Any
    """(n, V): CSR for the n-grams that occur, an array for vectors."""
    there: NDArray[np.bool_]
    """(n,) which records have anything of it."""
    columns: torch.Tensor | None = None
    """(V,) rows of the n-grams in their table."""
    rarity: torch.Tensor | None = None
    """Of all rows of the table, for TF-IDF."""

    def fit(self, rows: NDArray[np.int64], classes: NDArray[np.int64], count: int, cost: float) -> LinearWeights:
        """Fit it to some of the records: `classes` (n,) of all, `count` classes in all."""
        rows = rows[self.there[rows]]
        values, target = self.values[rows], classes[rows]
        if self.weighting == "vectors":
            return _softmax(values, target, count, cost)
        return _one_against_rest(values, target, count, cost, nb_weighted=self.weighting == "binary")

    def logits(self, weights: LinearWeights, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (len(rows), C), 0 for a record that has nothing of it."""
        logits = np.asarray(self.values[rows] @ weights.weight + weights.bias, dtype=np.float64)
        if self.weighting == "vectors":
            logits[~self.there[rows]] = 0
        return logits


def part_features(
    model: DocumentForClassification, datasets: Sequence[EncodedDataset], longest: int
) -> list[PartFeatures]:
    """Return what the parts read of all records of some data sets, one after another.

    Args:
        model: its encoders are read where they are frozen.
        longest: n-gram of sub-words; 0 for none.
    """
    found: list[PartFeatures] = []
    if longest and model.config.text_encoder != "none":
        table = NgramTable(model.config.words, longest, model.config.regression_buckets)
        found += _ngram_features(table, [one for data in datasets for one in data.encoded])
    if names := vector_names(model, datasets):
        vectors = _vectors(model, datasets, names)
        found += [
            PartFeatures(name, "vectors", values, there) for name, (values, there) in zip(names, vectors, strict=True)
        ]
    return found


def _ngram_features(table: NgramTable, documents: Sequence[EncodedDocument]) -> list[PartFeatures]:
    ngrams = ngrams_of(table, documents, pooled=False)
    assert ngrams.times is not None
    rarity = rarity_of(ngrams)
    counts = tfidf(ngrams.document, ngrams.times, rarity[ngrams.row], ngrams.documents)
    columns, column = ngrams.row.unique(return_inverse=True)
    there = np.ones(ngrams.documents, dtype=bool)

    def matrix(values: torch.Tensor) -> csr_matrix:
        place = (ngrams.document.numpy(), column.numpy())
        return csr_matrix((values.double().numpy(), place), shape=(ngrams.documents, len(columns)))

    return [
        PartFeatures(NGRAMS, "binary", matrix(torch.ones(len(column))), there, columns),
        PartFeatures(NGRAMS, "tfidf", matrix(counts), there, columns, rarity),
    ]


def vector_names(model: DocumentForClassification, datasets: Sequence[EncodedDataset]) -> list[str]:
    """Return what has vectors: the whole text and, where there are several, its fields; images."""
    names: list[str] = []
    if model.config.text_encoder == "pretrained" and model.config.freeze_text_encoder:
        keys = sorted({key for data in datasets for one in data.encoded for key in one.keys} - {IMAGE})
        names += [WHOLE, *(keys if len(keys) > 1 else ())]
    if model.config.image_encoder is not None and model.config.freeze_image_encoder:
        names += [IMAGE] * any(one.images for data in datasets for one in data.encoded)
    return names


@torch.no_grad()
def _vectors(
    model: DocumentForClassification, datasets: Sequence[EncodedDataset], names: Sequence[str]
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Return of each name (n, W) vectors and (n,) which records have it."""
    processor, document = model.needs_processor(None), model.document
    reader = VectorRegression(names, document.text, document.image, 1)
    pieces = []
    for data in datasets:
        plan = PlannedBatches(data.sizes, batch_documents=64, batch_leaves=65_536, seed=None)
        for rows in plan.plan():
            batch = processor.collate([data.encoded[row] for row in rows]).to(model.device)
            pieces.append(reader.vectors(batch, document.text, document.image))
    return [
        (torch.cat([v for v, _ in parts]).float().cpu().numpy(), torch.cat([t for _, t in parts]).cpu().numpy())
        for parts in zip(*pieces, strict=True)
    ]


def _one_against_rest(
    values: Any, target: NDArray[np.int64], count: int, cost: float, *, nb_weighted: bool
) -> LinearWeights:
    """Fit each class against the rest; a class without records has no weights and a low bias."""
    weight = np.zeros((values.shape[1], count), dtype=np.float32)
    bias = np.full(count, _unseen(target), dtype=np.float32)
    present = np.unique(target)
    for one in present[1:] if len(present) == 2 else present:
        inside = target == one
        if inside.all():
            bias[one] = -bias[one]
            continue
        ratio = nb_ratio(values, inside) if nb_weighted else np.ones(values.shape[1])
        model = LogisticRegression(C=cost, solver="liblinear", dual=True, random_state=0)
        with warnings.catch_warnings():
            # Where labels contradict each other it does not converge at high costs; the folds judge what comes of it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(values.multiply(ratio).tocsr() if nb_weighted else values, inside)
        weight[:, one], bias[one] = model.coef_[0] * ratio, model.intercept_[0]
    if len(present) == 2:  # both are one regression
        first, second = present
        weight[:, second], bias[second] = weight[:, second] / 2, bias[second] / 2
        weight[:, first], bias[first] = -weight[:, second], -bias[second]
    return LinearWeights(weight, bias)


def _softmax(values: NDArray[np.float32], target: NDArray[np.int64], count: int, cost: float) -> LinearWeights:
    weight = np.zeros((values.shape[1], count), dtype=np.float32)
    bias = np.full(count, _unseen(target), dtype=np.float32)
    present = np.unique(target)
    if len(present) < 2:
        bias[present] = 0
        return LinearWeights(weight, bias)
    model = LogisticRegression(C=cost, max_iter=1000).fit(values, target)
    if len(present) == 2:
        weight[:, present] = np.concatenate([-model.coef_, model.coef_]).T / 2
        bias[present] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        weight[:, present], bias[present] = model.coef_.T, model.intercept_ - model.intercept_.mean()
    return LinearWeights(weight, bias)


def _unseen(target: NDArray[np.int64]) -> float:
    """Log odds of a class that none of the records has."""
    return -float(np.log(len(target) + 1))
