"""Evaluate models of several labels a record, or of a number, beside simple rivals trained on the same records.

    model, data ──evaluate_targets──> TargetEvaluation ──> Markdown, JSON, terminal

    several labels   rivals: regressions on TF-IDF and on MiniLM's vectors, one a label, thresholds by folds as ours
                     measures: micro-F1, macro-F1, log loss a label, share of records with exactly the right labels
    a number         rivals: the mean, ridge regressions on the same two
                     measures: R squared, mean absolute error, root mean squared error

The first measure is tested: its difference from each rival by bootstrap over the records.

Axes:  N records   C labels
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import training.installed

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from torch import Tensor

from docgraph.errors import DataError
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from training.datasets import Corpus, Record, RecordProblem
from training.datasets.problem_types import MULTI, REGRESSION, ProblemType
from training.evaluate import predict_records
from training.evaluation.baselines import MINILM, TFIDF, minilm_may_read, minilm_vectors, tfidf_vectors
from training.evaluation.predictions import RecordPrediction
from training.evaluation.significance import NamedDifference, figures, paired_sums, pairs_of
from training.learning.targets import probabilities
from training.learning.thresholds import best_thresholds
from training.output.files import to_json
from training.output.markdown import table
from training.output.provenance import environment

Values = NDArray[np.float64]
TARGET_SUFFIXES: Final = (".md", ".json")
MEASURES: Final = {MULTI: ("micro_f1", "macro_f1", "log_loss", "exact"), REGRESSION: ("r2", "mae", "rmse")}
RIDGE: Final = {TFIDF: "TF-IDF + ridge regression", MINILM: "MiniLM + ridge regression"}
MEAN: Final = "mean"
OURS: Final = "this model"
Said = tuple[Values, Sequence[float]]
"""(N, C) probabilities or (N, 1) values, and the thresholds of the labels."""


@dataclass(frozen=True, kw_only=True)
class TargetEvaluation:
    """A model on a split of a data set, and its rivals."""

    model: str
    data: str
    split: str
    problem_type: ProblemType
    records: int
    measures: dict[str, dict[str, float]]
    """Of "this model" and of each rival."""
    pairs: tuple[NamedDifference, ...]
    """How far this model is from each rival by the first measure."""
    problems: tuple[RecordProblem, ...] = ()
    notes: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=environment)

    def to_markdown(self) -> str:
        """Return it as Markdown."""
        names = MEASURES[self.problem_type]
        rows = [[one, *(f"{some[name]:.3f}" for name in names)] for one, some in self.measures.items()]
        parts = [
            f"# {self.model} on {self.data} ({self.split}, {self.records:,} records)",
            table(["", *(name.replace("_", " ") for name in names)], rows),
        ]
        if self.pairs:
            head = ["this model less", f"{names[0].replace('_', ' ')}, points", "95 % interval", "adjusted p", ""]
            parts.append(table(head, [[pair.other, *figures(pair)] for pair in self.pairs]))
        parts += self.notes
        codes = sorted({problem.code for problem in self.problems})
        parts += [f"{code}: {sum(one.code == code for one in self.problems)} records." for code in codes]
        return "\n\n".join(parts) + "\n"


def evaluate_targets(
    model: DocumentForClassification,
    corpus: Corpus,
    split: str,
    *,
    name: str = "model",
    with_baselines: bool = True,
    learned: Sequence[str] = ("train",),
    notes: Sequence[str] = (),
    cache: FeatureCache | None = None,
    show_progress_bar: bool = False,
) -> TargetEvaluation:
    """Predict a split and score it; arguments as of `evaluate`.

    Raises:
        DataError: no record of the split has what the model predicts, or can be read, or the data holds another kind
            of label.
    """
    split = corpus.scored(split)
    kind = model.config.problem_type
    if corpus.problem_type != kind:
        raise DataError(f"{corpus.name} must hold labels for {kind}, but holds them for {corpus.problem_type}.")
    labels = model.labels
    known, problems = corpus.known(split, labels)
    if not known:
        raise DataError(f"the {split} split of {corpus.name} must have records with known labels, but has none.")
    predictions, read, broken = predict_records(model, known, show_progress_bar=show_progress_bar)
    if not read:
        raise DataError(f"the {split} split of {corpus.name} must have records that can be read, but has none.")
    target = target_of(read, labels, kind)
    everyone = {OURS: ours_of(predictions, labels, model.config.thresholds)}
    train = corpus.learned(learned, labels)
    if with_baselines and train:
        everyone |= target_rivals(train, target_of(train, labels, kind), read, kind, cache)
    sums = {one: sums_of(kind, target, *found) for one, found in everyone.items()}
    rivals = [one for one in everyone if one not in (OURS, MEAN)]
    differences = [paired_sums(sums[OURS], sums[one], FIRST[kind]) for one in rivals]
    return TargetEvaluation(
        model=name,
        data=corpus.name,
        split=split,
        problem_type=corpus.problem_type,
        records=len(read),
        measures={one: measures_of(kind, target, *found) for one, found in everyone.items()},
        pairs=pairs_of([(OURS, one) for one in rivals], differences),
        problems=(*problems, *broken),
        notes=tuple(notes),
    )


def write_targets(path: Path, evaluation: TargetEvaluation) -> Path:
    """Write a report as .md or .json.

    Raises:
        DataError: another suffix.
    """
    if path.suffix not in TARGET_SUFFIXES:
        known = ", ".join(TARGET_SUFFIXES)
        raise DataError(f"a report on {evaluation.problem_type} must end in {known}, but is {path.name!r}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = to_json(asdict(evaluation)) if path.suffix == ".json" else evaluation.to_markdown()
    path.write_text(text, encoding="utf-8")
    return path


def ours_of(predictions: Sequence[RecordPrediction], labels: Sequence[str], thresholds: Sequence[float]) -> Said:
    """Return what a model's predictions are beside those of rivals."""
    if predictions[0].value is not None:
        return np.array([[one.value] for one in predictions], dtype=np.float64), ()
    return np.array([[one.probabilities[label] for label in labels] for one in predictions]), thresholds


def target_of(records: Sequence[Record], labels: Sequence[str], kind: str) -> Values:
    """Return (N, C) 1 for each label that a record has, or (N,) values."""
    if kind == REGRESSION:
        return np.array([record.value for record in records], dtype=np.float64)
    return np.array([[float(label in record.names) for label in labels] for record in records])


def measures_of(kind: str, target: Values, said: NDArray[Any], thresholds: Sequence[float]) -> dict[str, float]:
    """Return the measures by name, of targets (N, C) or (N,) and what was said of them, probabilities or values."""
    if kind == REGRESSION:
        error = said[:, 0] - target
        return {
            "r2": float(1 - (error**2).mean() / max(target.var(), 1e-12)),
            "mae": float(np.abs(error).mean()),
            "rmse": float((error**2).mean() ** 0.5),
        }
    given = said >= np.asarray(thresholds)
    right, total = (given * target).sum(0), given.sum(0) + target.sum(0)
    occurs = total > 0
    p = said.astype(np.float64).clip(1e-7, 1 - 1e-7)
    return {
        "micro_f1": float(2 * right.sum() / max(total.sum(), 1)),
        "macro_f1": float((2 * right[occurs] / total[occurs]).mean()) if occurs.any() else 0.0,
        "log_loss": float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()),
        "exact": float((given == (target > 0)).all(1).mean()),
    }


def dev_scores(
    model: DocumentForClassification, kind: ProblemType, target: NDArray[Any], output: Tensor
) -> dict[str, float]:
    """Return the measures of the dev split, as a run keeps them.

    Args:
        target, output: (N, C) or (N,) labels or values, and the (N, C) outputs. A regression is learned in standard
            deviations from the mean; its measures are of values.
    """
    config = model.config
    said = probabilities(kind, output).double().numpy()
    if kind == REGRESSION:
        said, target = (x * config.value_scale + config.value_mean for x in (said, target))
    measures = measures_of(kind, target.astype(np.float64), said, config.thresholds)
    return {f"dev_{name}": value for name, value in measures.items()}


def sums_of(kind: str, target: Values, said: Values, thresholds: Sequence[float]) -> Values:
    """Return (N, 2) of each record what the first measure is made of, by sums over records."""
    if kind == REGRESSION:
        return np.stack([(said[:, 0] - target) ** 2, (target - target.mean()) ** 2], 1)
    given = said >= np.asarray(thresholds)
    return np.stack([2 * (given * target).sum(1), given.sum(1) + target.sum(1)], 1)


def _micro_f1(sums: Values) -> Values:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def _r2(sums: Values) -> Values:
    return 1 - sums[..., 0] / np.maximum(sums[..., 1], 1e-12)


FIRST: Final[dict[str, Callable[[Values], Values]]] = {MULTI: _micro_f1, REGRESSION: _r2}


def target_rivals(
    train: Sequence[Record], target: Values, test: Sequence[Record], kind: str, cache: FeatureCache | None
) -> dict[str, Said]:
    """Return what the rivals say of the test records, and their thresholds; without any text there is the mean."""
    has_text = any(record.origin.text().strip() for record in train)
    features = {TFIDF: tfidf_vectors(train, test)} if has_text else {}
    if has_text and minilm_may_read(train, test):
        features[MINILM] = minilm_vectors(train, test, cache)
    if kind == REGRESSION:
        mean = np.full((len(test), 1), target.mean())
        found = {RIDGE[name]: (Ridge().fit(a, target).predict(b)[:, None], ()) for name, (a, b) in features.items()}
        return {MEAN: (mean, ()), **found}
    return {name: (_each(a, target, b), _by_folds(a, target)) for name, (a, b) in features.items()}


def _each(train: Any, target: Values, test: Any) -> Values:
    """Return (n, C) probabilities of one regression a label; a label that no record or each has is that likely."""
    said = np.tile(target.mean(0), (test.shape[0], 1))
    for label in np.flatnonzero((target.min(0) == 0) & (target.max(0) == 1)):
        said[:, label] = (
            LogisticRegression(C=10.0, max_iter=1000).fit(train, target[:, label]).predict_proba(test)[:, 1]
        )
    return said


def _by_folds(train: Any, target: Values) -> list[float]:
    out_of_fold = np.zeros_like(target)
    for fitted, held in KFold(min(5, len(target)), shuffle=True, random_state=0).split(target):
        out_of_fold[held] = _each(train[fitted], target[fitted], train[held])
    return best_thresholds(target, out_of_fold)
