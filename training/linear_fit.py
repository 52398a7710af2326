"""Finish a model of several labels a record, or of a number: a sum of linear parts, without the transformer.

    Stack ─ out-of-fold sum ─ thresholds ─> configuration ─ dev scores ─> run folder

A regression is learned in standard deviations from the mean, and says values.

Axes:  N records   C labels
"""

from collections import Counter
from typing import Any

import numpy as np

from encoders.classifier import DocumentForClassification
from training.batches import EncodedDataset
from training.card import write_card
from training.config import TrainingConfig
from training.datasets import Corpus
from training.datasets.problem_types import MULTI
from training.evaluate_targets import measures_of
from training.run_folder import RunFolder, learned_splits
from training.stacking import Stack, off_topic_line
from training.targets import probabilities
from training.thresholds import best_thresholds


def finish_linear(
    config: TrainingConfig,
    folder: RunFolder,
    corpus: Corpus,
    model: DocumentForClassification,
    stack: Stack,
    train: EncodedDataset,
    dev: EncodedDataset | None,
) -> None:
    """Set the thresholds, score the dev split, fit to it as well where that is asked for, and write the run's files."""
    model.config.use_transformer = False
    learned = stack.targets.rows(slice(stack.train))
    if learned.kind == MULTI:
        model.config.thresholds = best_thresholds(learned.values, probabilities(MULTI, stack.base).numpy())
    scores: dict[str, Any] = {
        "records": {name: len(records) for name, records in corpus.splits.items()},
        "labels": dict(Counter(name for record in corpus["train"] for name in record.names)),
        "parts": [
            *stack.lines(),
            "transformer: left out: it learns records of one label only",
            off_topic_line(model, dev is not None),
        ],
        "history": [],
        "seconds": None,
    }
    if dev is not None:
        kept = set(dev.ids)
        said = model.predict([record.document() for record in corpus["dev"] if record.id in kept])
        values = np.array(dev.targets, dtype=np.float64)
        scores["best"] = {
            f"dev_{name}": value
            for name, value in measures_of(learned.kind, values, said.probabilities, said.thresholds).items()
        }
    if "dev" in learned_splits(config, corpus):
        stack.put_into(model, with_dev=True)
    model.save_pretrained(folder.path)
    folder.finish(scores)
    write_card(folder)
