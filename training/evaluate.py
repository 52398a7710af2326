"""Evaluate a trained model on a split, beside its baselines.

    model, data ──> Evaluation ──> evaluation/report.py, terminal

The model reads the very records that the baselines read, and differences from them are by paired bootstrap. Records
whose label the model was not trained on are named, counted and left out of the scores; the rest goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import training.installed

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from docgraph import Document, load_document
from docgraph.errors import DataError, DocgraphError
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from training.datasets import Corpus, Record, RecordProblem
from training.datasets.nodes import node_record
from training.datasets.page_nodes import page_nodes
from training.datasets.records import class_numbers
from training.evaluation.baselines import MAJORITY, rivals, rivals_of_nodes
from training.evaluation.label_paths import above, are_paths, at_level, depth_of
from training.evaluation.metrics import score
from training.evaluation.predictions import RecordPrediction
from training.evaluation.report import Evaluation
from training.evaluation.significance import (
    NamedDifference,
    paired_bootstrap,
    paired_sums,
    pairs_of,
    share_of_sums,
    sums_by_group,
)
from training.inputs import Input, SetAside

PASSES: Final = 64
"""Times that a document is read to tell which of its parts count."""
FEWEST_GROUPS: Final = 5
"""Groups of records that depend on each other, from which a difference may be called significant."""


def evaluate(
    model: DocumentForClassification,
    corpus: Corpus,
    split: str,
    *,
    name: str = "model",
    with_baselines: bool = True,
    learned: Sequence[str] = ("train",),
    notes: Sequence[str] = (),
    history: Sequence[Mapping[str, Any]] = (),
    cache: FeatureCache | None = None,
    show_progress_bar: bool = False,
) -> Evaluation:
    """Predict a split and score it.

    Args:
        split: its name; "test" falls back to "dev" where the data set has no test split.
        with_baselines: also train the baselines.
        learned: splits that the model's weights are fitted to, and the baselines are trained on.
        notes: sentences for the report, such as which parts of the model are left out.
        history: loss and dev scores by epoch, from the run's scores.
        cache: where the baseline that reads with a frozen encoder keeps what it read.

    Raises:
        DataError: no record of the split has a label that the model knows.
    """
    split = corpus.scored(split)
    labels = model.labels
    known, problems = corpus.known(split, labels)
    if not known:
        raise DataError(
            f"the {split} split of {corpus.name} must have records whose label is one of the model's "
            f"({', '.join(labels[:5])}{', ...' if len(labels) > 5 else ''}), but none of its {len(corpus[split])} has."
        )
    predictions, read, broken = predict_records(model, known, show_progress_bar=show_progress_bar)
    problems += broken
    target = torch.tensor(class_numbers(read, labels))
    probabilities = torch.tensor([[one.probabilities[label] for label in labels] for one in predictions])
    others: dict[str, Tensor] = {}
    train = corpus.learned(learned, labels)
    if with_baselines and train:
        compared = rivals_of_nodes if corpus.node_kinds else rivals
        others = compared(train, read, labels, cache=cache)
    groups = [record.group for record in read if record.group is not None] or None
    if groups is not None:
        count = len(set(groups))
        notes = (
            *notes,
            f"Errors and intervals are over {count} pages or groups: the nodes of one depend on each other.",
        )
        if count < FEWEST_GROUPS:
            notes = (*notes, f"These are too few pages to call a difference significant: p is 1 below {FEWEST_GROUPS}.")
    if split in learned:
        notes = (*notes, f"The model was fitted to the {split} records: its figures here flatter.")
    return Evaluation(
        model=name,
        data=corpus.name,
        split=split,
        labels=labels,
        scores=score("this model", probabilities, target, labels, groups),
        baselines=tuple(score(one, found, target, labels, groups) for one, found in others.items()),
        pairs=_pairs(probabilities, others, target, groups),
        levels=_levels({"this model": probabilities, **others}, target, labels),
        predictions=tuple(predictions),
        problems=tuple(problems),
        notes=tuple(notes),
        history=tuple(history),
    )


def _pairs(
    ours: Tensor, others: Mapping[str, Tensor], target: Tensor, groups: Sequence[Any] | None
) -> tuple[NamedDifference, ...]:
    """Return the difference of the model from each rival but the majority, p adjusted over them.

    Args:
        groups: of the records, of which samples are drawn then.
    """
    named = {name: found for name, found in others.items() if name != MAJORITY}
    right = [(found.argmax(1) == target).numpy() for found in (ours, *named.values())]
    if groups is None:
        differences = [paired_bootstrap(right[0][None], other[None]) for other in right[1:]]
    else:
        sums = [sums_by_group(one, groups) for one in right]
        differences = [paired_sums(sums[0], other, share_of_sums) for other in sums[1:]]
        if len(set(groups)) < FEWEST_GROUPS:
            differences = [replace(one, p=1.0) for one in differences]
    return pairs_of([("this model", name) for name in named], differences)


def _levels(everyone: Mapping[str, Tensor], target: Tensor, labels: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return how often each is right about the parts of a path, level by level, but for the last."""
    found = {}
    for level in range(1, depth_of(labels)) if are_paths(labels) else ():
        sums = {name: at_level(said, labels, level) for name, said in everyone.items()}
        names = next(iter(sums.values()))[1]
        right = torch.tensor([names.index(above(labels[number], level)) for number in target.tolist()])
        accuracy = {name: float((said.argmax(1) == right).double().mean()) for name, (said, _) in sums.items()}
        found[level] = {"paths": len(names), "accuracy": accuracy}
    return found


def predict_records(
    model: DocumentForClassification, records: Sequence[Record], *, show_progress_bar: bool = False, chunk: int = 512
) -> tuple[list[RecordPrediction], list[Record], list[RecordProblem]]:
    """Predict records, some at a time; return predictions, the records they are of, and what was set aside."""
    predictions: list[RecordPrediction] = []
    read: list[Record] = []
    problems: list[RecordProblem] = []
    starts = range(0, len(records), chunk)
    progress = Console(stderr=True, quiet=not show_progress_bar)
    for start in track(starts, "predicting", console=progress, transient=True):
        some, documents = [], []
        for record in records[start : start + chunk]:
            try:
                documents.append(record.document())
            except DocgraphError as error:
                problems.append(RecordProblem("document.unreadable", record.id, str(error)))
                continue
            some.append(record)
        predicted = model.predict(documents)
        problems += [RecordProblem("image.unreadable", some[p.document].id, p.message) for p in predicted.problems]
        nothing = "there is nothing to read in it; its prediction says nothing."
        problems += [RecordProblem("document.empty", some[index].id, nothing) for index in predicted.empty]
        problems += [
            RecordProblem("text.cut", some[index].id, f"{count} sub-words past max_tokens were not read.")
            for index, count in predicted.cut.items()
        ]
        predictions += [
            RecordPrediction.of(record.id, record.label, one) for record, one in zip(some, predicted, strict=True)
        ]
        read += some
    return predictions, read, problems


def predict_inputs(
    model: DocumentForClassification, inputs: Sequence[Input], errors: SetAside, chunk: int = 64, *, evidence: int = 0
) -> Iterator[RecordPrediction]:
    """Yield the prediction of every input that can be read, or of each of its nodes; the others go to `errors`.

    Args:
        evidence: so many parts of each document that count most are named.
    """
    if model.config.node_kinds:
        for one in inputs:
            try:
                yield from predict_nodes(model, one.document(), one.path, name=one.id, evidence=evidence)
            except DocgraphError as error:
                errors.add(one.id, error)
        return
    for start in range(0, len(inputs), chunk):
        some, documents = [], []
        for one in inputs[start : start + chunk]:
            try:
                documents.append(one.document())
                some.append(one)
            except DocgraphError as error:
                errors.add(one.id, error)
        predicted = model.predict(documents)
        for index in predicted.empty:
            errors.add(some[index].id, DataError("there is nothing to read in it."))
        for index, one in enumerate(some):
            if index not in predicted.empty:
                label = None if one.record is None else one.record.label
                named = _evidence(model, documents[index], evidence) if evidence else None
                yield RecordPrediction.of(one.id, label, predicted[index], named)


def predict_nodes(
    model: DocumentForClassification,
    page: Document | str | Path,
    file: str | Path | None = None,
    *,
    name: str | None = None,
    evidence: int = 0,
) -> list[RecordPrediction]:
    """Return the predictions of a page's nodes in document order, by a model that was trained on nodes.

    Args:
        page: its path, or what was read of it.
        file: where it lies, for the class names of its elements; without it they are not read.
        name: the page's, which the ids begin with.

    Raises:
        DataError: the model was trained on documents, or the page has no node of the kinds that it labels.
    """
    kinds = model.config.node_kinds
    if not kinds:
        raise DataError("the model must have been trained on a table of nodes, but was trained on whole documents.")
    document, file = (page, file) if isinstance(page, Document) else (load_document(page), page)
    nodes = page_nodes(document, file, kinds)
    if not nodes:
        raise DataError(f"a page must have nodes of the kinds that are labelled ({', '.join(kinds)}), but has none.")
    documents = [node_record("", node).document() for node in nodes]
    predicted, called = model.predict(documents), str(file or "page") if name is None else name
    found = []
    for node, document, one in zip(nodes, documents, predicted, strict=True):
        named = None
        if evidence:  # its rows are those of the node's fields, not of the page
            parts = _evidence(model, document, evidence)
            named = tuple({**part, "field": _field(document, part.pop("row"))} for part in parts)
        found.append(RecordPrediction.of(f"{called}#{node.row}", None, one, named, node))
    return found


def _field(document: Document, row: int) -> str | None:
    """Return the name of the field of an article that a row is in."""
    return next((one.key for one in (document[row], *document[row].ancestors) if one.key is not None), None)


def _evidence(model: DocumentForClassification, document: Document, most: int) -> tuple[dict[str, Any], ...]:
    """Return the parts of a document that count most for what is predicted: the smallest that were judged."""
    found = model.explain(document, passes=PASSES)
    values = found.values[:, int(found.probabilities.argmax())]
    judged = set(np.flatnonzero(np.isfinite(values)).tolist())
    inner = {around.row for row in judged for around in document[row].ancestors}
    weight = np.abs(values) if len(found.classes) == 1 else values
    rows = sorted(judged - inner, key=lambda row: (-float(weight[row]), row))
    return tuple(
        {"row": row, "kind": document[row].kind, "text": document[row].text, "value": round(float(values[row]), 4)}
        for row in rows[:most]
    )
