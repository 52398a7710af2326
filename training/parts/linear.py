"""The linear parts that a classifier may be a sum of: what each reads of the records, and how it is fitted.

    encoded records ─ ngram_features ──┬─> PartFeatures ─ fit ─> LinearWeights (V, C), (C,)
                    └ vector_features ─┘

N-grams make three parts: which a document has, each scaled by its naive Bayes log ratio for the class; TF-IDF; and
TF-IDF scaled by that ratio. Vectors of frozen encoders are read as they are. All regressions are scikit-learn's: one
label against the rest on n-grams, whose dual has as few unknowns as there are documents, a softmax on vectors, ridge
for numbers, which have no naive Bayes ratio.

Axes:  n records   V features   C labels
"""

import time
import warnings
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import training.installed

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from encoders.classifier import DocumentForClassification
from encoders.ngrams import MODULUS, NgramTable, known_ngrams, ngrams_of, rarity_of, tfidf
from encoders.vectors import IMAGE, WHOLE, VectorRegression
from training.datasets.problem_types import MULTI, REGRESSION, SINGLE
from training.evaluation.baselines import nb_ratio
from training.learning.batches import EncodedDataset, PlannedBatches
from training.learning.budget import TimeBudget
from training.learning.targets import Targets

Weighting = Literal["nb", "tfidf", "tfidf-nb", "vectors"]
COSTS: Final[dict[Weighting, tuple[float, ...]]] = {
    "nb": (0.1, 1.0),
    "tfidf": (10.0, 100.0),
    "tfidf-nb": (3.0, 30.0),
    "vectors": (3.0, 30.0, 300.0),
}
"""scikit-learn's C, of which the folds choose one."""
RIDGE_COSTS: Final = (0.3, 3.0, 30.0)
"""One over ridge's alpha, likewise."""
NAMES: Final[dict[Weighting, str]] = {
    "nb": "n-grams, NB-weighted",
    "tfidf": "n-grams, TF-IDF",
    "tfidf-nb": "n-grams, TF-IDF and NB-weighted",
}
TOLERANCE: Final = 1e-2
"""Of the regressions on n-grams: closer ones take longer and predict the same."""
LOOK: Final = 0.04
"""Share of the records, or of what time is left, after which it is said how long reading all of them will take."""


class LinearWeights(NamedTuple):
    """A fitted regression: logits are features @ weight + bias."""

    weight: NDArray[np.float32]
    """(V, C)"""
    bias: NDArray[np.float32]
    """(C,)"""


class PartFeatures(NamedTuple):
    """What one part reads of some records."""

    vector: str | None
    """What the vectors are of, a name of encoders/vectors.py; None for n-grams."""
    weighting: Weighting
    values: Any
    """(n, V): CSR for the n-grams that occur, an array for vectors."""
    there: NDArray[np.bool_]
    """(n,) which records have anything of it."""
    columns: torch.Tensor | None = None
    """(V,) rows of the n-grams in their table, ascending."""
    rarity: torch.Tensor | None = None
    """(V,) of these, for TF-IDF."""

    @property
    def name(self) -> str:
        """The part in words."""
        if self.vector is None:
            return NAMES[self.weighting]
        return {WHOLE: "vector of the whole text", IMAGE: "vector of the images"}.get(
            self.vector, f"vector of {self.vector}"
        )

    def costs(self, targets: Targets) -> tuple[float, ...]:
        """What to choose the cost of."""
        return RIDGE_COSTS if targets.kind == REGRESSION else COSTS[self.weighting]

    def fit(self, rows: NDArray[np.int64], targets: Targets, cost: float) -> LinearWeights:
        """Fit it to some of the records; the targets are of all."""
        rows = rows[self.there[rows]]
        values, some = self.values[rows], targets.rows(rows)
        if targets.kind == REGRESSION:
            return _ridge(values, some, cost)
        if self.weighting == "vectors" and targets.kind == SINGLE:
            return _softmax(values, some, cost)
        return _one_against_rest(values, some, cost, by_ratio=self.weighting in ("nb", "tfidf-nb"))

    def logits(self, weights: LinearWeights, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (len(rows), C), 0 for a record that has nothing of it."""
        logits = np.asarray(self.values[rows] @ weights.weight + weights.bias, dtype=np.float64)
        if self.weighting == "vectors":
            logits[~self.there[rows]] = 0
        return logits


def ngram_features(
    model: DocumentForClassification, datasets: Sequence[EncodedDataset], longest: int
) -> list[PartFeatures]:
    """Return the parts that read n-grams of the records of some data sets, one after another; the quickest first.

    Args:
        longest: n-gram of sub-words; 0 for none.
    """
    if not longest or model.config.text_encoder == "none":
        return []
    table = NgramTable(model.config.words, longest, MODULUS, tuple(model.config.regression_marked))
    ngrams = ngrams_of(table, (one for data in datasets for one in data.encoded), pooled=False)
    columns, ngrams = known_ngrams(ngrams, model.config.words, model.config.regression_buckets)
    if not len(columns):
        return []
    assert ngrams.times is not None
    rarity = rarity_of(ngrams)
    counts = tfidf(ngrams.document, ngrams.times, rarity[ngrams.row], ngrams.documents)
    start = np.concatenate([[0], np.bincount(ngrams.document.numpy(), minlength=ngrams.documents).cumsum()])
    shape = (ngrams.documents, len(columns))
    weighed = csr_matrix((counts.double().numpy(), ngrams.row.numpy(), start), shape=shape)
    there = np.ones(ngrams.documents, dtype=bool)
    by_rarity = PartFeatures(None, "tfidf", weighed, there, columns, rarity)
    if datasets[0].problem_type == REGRESSION:
        return [by_rarity]
    which = PartFeatures(None, "nb", _with_data(weighed, np.ones(weighed.nnz)), there, columns)
    return [which, by_rarity, by_rarity._replace(weighting="tfidf-nb")]


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
def vector_features(
    model: DocumentForClassification,
    datasets: Sequence[EncodedDataset],
    budget: TimeBudget | None = None,
    share: float = 1.0,
) -> list[PartFeatures] | float:
    """Return the parts that read vectors of frozen encoders, all in one pass.

    Args:
        share: of what the budget has left, that it may take.

    Returns:
        Where that would take longer, the minutes that it would take.
    """
    names = vector_names(model, datasets)
    if not names:
        return []
    processor, document = model.needs_processor(None), model.document
    reader = VectorRegression(names, document.text, document.image, 1)
    pieces = []
    done, rows_in_all, first, start = 0, sum(sum(data.sizes) for data in datasets), 0, 0.0
    allowed = 0.0 if budget is None else share * budget.left
    for data in datasets:
        plan = PlannedBatches(data.sizes, batch_documents=8, batch_leaves=4_096, seed=None)
        for rows in plan.plan():
            batch = processor.collate([data.encoded[row] for row in rows]).to(model.device)
            pieces.append(reader.vectors(batch, document.text, document.image))
            done += sum(data.sizes[row] for row in rows)
            if len(pieces) == 1:  # the first read is slower, and tells nothing of the others
                first, start = done, time.monotonic()
                continue
            took = time.monotonic() - start
            needed = took * rows_in_all / max(done - first, 1)
            if budget is not None and (done > LOOK * rows_in_all or took > LOOK * allowed) and needed > allowed:
                return needed / 60
    joined = (
        (torch.cat([v for v, _ in parts]).float().cpu().numpy(), torch.cat([t for _, t in parts]).cpu().numpy())
        for parts in zip(*pieces, strict=True)
    )
    return [PartFeatures(name, "vectors", values, there) for name, (values, there) in zip(names, joined, strict=True)]


def _with_data(values: Any, data: NDArray[np.float64]) -> Any:
    """Return a CSR matrix with other values at the same places."""
    return csr_matrix((data, values.indices, values.indptr), shape=values.shape)


def _one_against_rest(values: Any, targets: Targets, cost: float, *, by_ratio: bool) -> LinearWeights:
    """Fit each label against the rest; one without records has no weights and a low bias."""
    count = targets.labels
    weight = np.zeros((values.shape[1], count), dtype=np.float32)
    bias = np.full(count, _unseen(len(targets)), dtype=np.float32)
    belongs = targets.values == 1 if targets.kind == MULTI else targets.values[:, None] == np.arange(count)
    present = np.flatnonzero(belongs.any(0))
    are_two = targets.kind == SINGLE and len(present) == 2
    has = _with_data(values, np.ones(values.nnz)) if by_ratio else None
    for one in present[1:] if are_two else present:
        inside = belongs[:, one]
        if inside.all():
            bias[one] = -bias[one]
            continue
        ratio = np.ones(values.shape[1]) if has is None else nb_ratio(has, inside)
        model = LogisticRegression(C=cost, solver="liblinear", dual=True, tol=TOLERANCE, random_state=0)
        with warnings.catch_warnings():
            # Where labels contradict each other it does not converge at high costs; the folds judge what comes of it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scaled = values if has is None else _with_data(values, values.data * ratio[values.indices])
            model.fit(scaled, inside, sample_weight=targets.weight)
        weight[:, one], bias[one] = model.coef_[0] * ratio, model.intercept_[0]
    if are_two:  # both are one regression
        first, second = present
        weight[:, second], bias[second] = weight[:, second] / 2, bias[second] / 2
        weight[:, first], bias[first] = -weight[:, second], -bias[second]
    return LinearWeights(weight, bias)


def _softmax(values: NDArray[np.float32], targets: Targets, cost: float) -> LinearWeights:
    weight = np.zeros((values.shape[1], targets.labels), dtype=np.float32)
    bias = np.full(targets.labels, _unseen(len(targets)), dtype=np.float32)
    present = np.unique(targets.values).astype(np.int64)
    if len(present) < 2:
        bias[present] = 0
        return LinearWeights(weight, bias)
    model = LogisticRegression(C=cost, max_iter=1000).fit(values, targets.values, sample_weight=targets.weight)
    if len(present) == 2:
        weight[:, present] = np.concatenate([-model.coef_, model.coef_]).T / 2
        bias[present] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        weight[:, present], bias[present] = model.coef_.T, model.intercept_ - model.intercept_.mean()
    return LinearWeights(weight, bias)


def _ridge(values: Any, targets: Targets, cost: float) -> LinearWeights:
    model = Ridge(alpha=1 / cost, solver="sparse_cg" if isinstance(values, csr_matrix) else "auto")
    model.fit(values, targets.values)
    return LinearWeights(model.coef_[:, None].astype(np.float32), np.array([model.intercept_], dtype=np.float32))


def _unseen(records: int) -> float:
    """Log odds of a label that none of the records has."""
    return -float(np.log(records + 1))
