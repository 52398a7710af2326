"""Evaluate a trained model on a split, beside its baselines.

    run folder, data ──> Evaluation ──> report.py, terminal

The model reads the very records that the baselines read. Records whose label the model was not trained on are named,
counted and left out of the scores; the rest goes on.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from docgraph.errors import DataError, DocgraphError
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from training.baselines import baselines
from training.config import FILE_NAME, TrainingConfig, read_config
from training.datasets import Corpus, Problem, Record, load
from training.datasets.load import options_of
from training.datasets.records import unseen_labels
from training.inputs import Errors, Input
from training.metrics import score
from training.report import Evaluation, Prediction


def open_model(folder: str | Path) -> DocumentForClassification:
    """Load a model from its folder alone.

    Raises:
        DataError: the folder holds no model, or a run that has not finished.
    """
    path = Path(folder)
    if not (path / "config.json").is_file():
        begun = (
            ", but a run that has not finished: the same `docgraph train` goes on"
            if (path / FILE_NAME).is_file()
            else ""
        )
        raise DataError(f"a model must lie in a folder with config.json, but {path} holds none{begun}.")
    from transformers.utils import logging

    logging.disable_progress_bar()
    model: DocumentForClassification = DocumentForClassification.from_pretrained(path).eval()
    trained = read_config(path / FILE_NAME) if (path / FILE_NAME).is_file() else TrainingConfig()
    if trained.feature_cache is not None and os.access(features := path / trained.feature_cache, os.W_OK):
        model.use_cache(FeatureCache(features))
    return model


def evaluation_corpus(model_folder: str | Path, data: str | Path, format: str = "auto") -> Corpus:
    """Read a data set as the model's training run would: the same fields, label column and random split."""
    file = Path(model_folder) / FILE_NAME
    config = read_config(file) if file.is_file() else TrainingConfig()
    known = options_of(data, format)
    options: dict[str, Any] = {name: value for name, value in config.data_options.items() if name in known}
    if config.fields is not None and "fields" in known:
        options.setdefault("fields", config.fields)
    stored = Path(model_folder) / "split.json"
    if (
        "split_file" in known
        and stored.is_file()
        and config.data
        and Path(config.data).resolve() == Path(data).resolve()
    ):
        options.setdefault("split_file", stored)
    return load(data, format, **options)


def evaluate(
    model: DocumentForClassification,
    corpus: Corpus,
    split: str,
    *,
    name: str = "model",
    with_baselines: bool = True,
    show_progress_bar: bool = False,
) -> Evaluation:
    """Predict a split and score it.

    Args:
        split: its name; "test" falls back to "dev" where the data set has no test split.
        with_baselines: also train the baselines on the data set's training split.

    Raises:
        DataError: no record of the split has a label that the model knows.
    """
    if split == "test" and "test" not in corpus.splits:
        split = "dev"
    names: Any = model.config.id2label
    labels = tuple(str(names[number]) for number in range(len(names)))
    known, problems = unseen_labels(corpus[split], labels)
    if not known:
        raise DataError(
            f"the {split} split of {corpus.name} must have records whose label is one of the model's "
            f"({', '.join(labels[:5])}, ...), but none of its {len(corpus[split])} has."
        )
    here = {record.id for record in corpus[split]}
    problems = [problem for problem in corpus.problems if problem.record in here] + problems
    predictions, read, broken = predict_records(model, known, show_progress_bar=show_progress_bar)
    problems += broken
    number = {label: place for place, label in enumerate(labels)}
    target = torch.tensor([number[str(record.label)] for record in read])
    probabilities = torch.tensor([[one.probabilities[label] for label in labels] for one in predictions])
    others = []
    if with_baselines and corpus.splits.get("train"):
        train, _ = unseen_labels(corpus["train"], labels)
        others = baselines(train, read, labels) if train else []
    return Evaluation(
        model=name,
        data=corpus.name,
        split=split,
        labels=labels,
        scores=score("this model", probabilities, target, labels),
        baselines=tuple(others),
        predictions=tuple(predictions),
        problems=tuple(problems),
    )


def predict_records(
    model: DocumentForClassification,
    records: Sequence[Record],
    *,
    show_progress_bar: bool = False,
    chunk: int = 512,
) -> tuple[list[Prediction], list[Record], list[Problem]]:
    """Predict records, some at a time; return predictions, the records they are of, and what was set aside."""
    found: list[Prediction] = []
    read: list[Record] = []
    problems: list[Problem] = []
    starts = range(0, len(records), chunk)
    progress = Console(stderr=True, quiet=not show_progress_bar)
    for start in track(starts, "predicting", console=progress, transient=True):
        some, documents = [], []
        for record in records[start : start + chunk]:
            try:
                documents.append(record.document())
            except DocgraphError as error:
                problems.append(Problem("document.unreadable", record.id, str(error)))
                continue
            some.append(record)
        predicted = model.predict(documents)
        problems += [Problem("image.unreadable", some[p.document].id, p.message) for p in predicted.problems]
        problems += [
            Problem(
                "document.empty",
                some[place].id,
                "there is nothing to read in it; its prediction says nothing.",
            )
            for place in predicted.empty
        ]
        problems += [
            Problem("text.cut", some[place].id, f"{count} sub-words past max_tokens were not read.")
            for place, count in predicted.cut.items()
        ]
        found += [
            Prediction(
                id=record.id,
                label=record.label,
                predicted=one.label,
                probability=one.probability,
                probabilities=one.probabilities,
            )
            for record, one in zip(some, predicted, strict=True)
        ]
        read += some
    return found, read, problems


def predict_inputs(
    model: DocumentForClassification, inputs: Sequence[Input], errors: Errors, chunk: int = 64
) -> Iterator[Prediction]:
    """Yield the prediction of every input that can be read; the others go to `errors`."""
    for start in range(0, len(inputs), chunk):
        some, documents = [], []
        for one in inputs[start : start + chunk]:
            try:
                documents.append(one.document())
                some.append(one)
            except DocgraphError as error:
                errors.add(one.id, error)
        predicted = model.predict(documents)
        for place in predicted.empty:
            errors.add(some[place].id, DataError("there is nothing to read in it."))
        for place, one in enumerate(some):
            if place not in predicted.empty:
                label = None if one.record is None else one.record.label
                found = predicted[place]
                yield Prediction(
                    id=one.id,
                    label=label,
                    predicted=found.label,
                    probability=found.probability,
                    probabilities=found.probabilities,
                )
