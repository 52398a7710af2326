"""The model that a run starts with, and what it keeps from one epoch to the next.

TrainingConfig, training records ──new_model──> DocumentForClassification with its processor
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import training.installed

import numpy as np
from huggingface_hub.errors import StrictDataclassError

from docgraph import Document
from docgraph.errors import DocgraphError
from encoders.build import build_classifier
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from encoders.config import DocumentConfig, renamed
from training.config import ConfigError, TrainingConfig
from training.datasets import Record
from training.datasets.dataset import DocumentDataset
from training.datasets.page_nodes import FIELDS, OWN
from training.learning.pretrained import image_weights, text_encoder_folder
from training.run_folder import RunFolder


def new_model(config: TrainingConfig, records: DocumentDataset) -> DocumentForClassification:
    """Return the model that a run starts with, its vocabulary learned from the training records.

    Raises:
        ConfigError: a field of `config.model` that does not exist, or a value of the wrong type.
    """
    chosen = None
    if config.fields is not None and records.records and "page" not in records.records[0].fields:
        chosen = tuple(config.fields)
    readable = list(_documents(records.records))
    # A stacked regression on n-grams is fitted later, by folds.
    values = {**renamed(config.model), "regression_ngrams": 0} if config.stack else config.model
    if records.node_kinds:
        marked = [name for name in FIELDS if name != OWN]
        values = {**values, "node_kinds": list(records.node_kinds), "regression_marked": marked}
    return build_classifier(
        document_config(values),
        [document for document, _ in readable],
        records.labels,
        document_labels=[label for _, label in readable],
        text_encoder=text_encoder_folder(config.text_encoder),
        image_weights=image_weights(config.image_weights, config.model.get("image_encoder")),
        fields=chosen,
        main_only=config.main_only,
        max_tokens=config.max_tokens,
        vocab_size=config.vocab_size,
    )


def document_config(values: Mapping[str, Any]) -> DocumentConfig:
    """Return a model configuration; whole numbers are taken where it wants real ones.

    Raises:
        ConfigError: a field that does not exist, or a value of the wrong type.
    """
    values = renamed(values)
    defaults = {one.name: one.default for one in fields(DocumentConfig)}
    if unknown := sorted(set(values) - set(defaults)):
        raise ConfigError(f"a document model has no field {', '.join(unknown)}.")
    real: dict[str, Any] = dict(values)
    for name, value in values.items():
        if isinstance(defaults[name], float) and type(value) is int:
            real[name] = float(value)
    try:
        return DocumentConfig(**real)
    except StrictDataclassError as error:
        raise ConfigError(f"a field of the document model is wrong: {' '.join(str(error).split())}") from error


def _documents(records: Sequence[Record]) -> Iterator[tuple[Document, str]]:
    for record in records:
        with contextlib.suppress(DocgraphError):
            yield record.document(), str(record.label)


def keep_features(config: TrainingConfig, model: DocumentForClassification, folder: RunFolder) -> None:
    """Let features of frozen encoders, and decoded images, outlast an epoch."""
    model.use_cache(FeatureCache(folder.file(config.feature_cache)))
    if config.image_memory or config.image_cache:
        model.needs_processor(None).images = FeatureCache(
            folder.file(config.image_cache), config.image_memory * 1_000_000, np.uint8
        )
