"""Make a new model and its processor from a configuration, some documents, and what pre-trained parts there are.

    config, documents, labels ─> vocabulary or tokenizer ─> processor ─> configuration completed ─> model

Seed the random generators before: the weights are drawn here.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from docgraph import Document
from docgraph.errors import ModelError
from encoders.classifier import DocumentForClassification
from encoders.config import DocumentConfig
from encoders.inputs.encoded import EncodedDocument
from encoders.inputs.processor import DocumentProcessor
from encoders.inputs.settings import ProcessorSettings
from encoders.leaves.image import image_settings, make_image_encoder
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.leaves.scratch_text import ScratchTextLeaves
from encoders.ngrams import MODULUS, NgramTable, class_frequency, fit_regression, known_ngrams, ngrams_of


def build_classifier(
    config: DocumentConfig,
    documents: Iterable[Document],
    labels: Sequence[str],
    *,
    text_encoder: str | Path | None = None,
    image_weights: str | Path | Mapping[str, Tensor] | None = None,
    fields: tuple[str, ...] | None = None,
    main_only: bool = False,
    readout_node: str | None = None,
    max_tokens: int | None = None,
    vocab_size: int = 16_000,
    document_labels: Sequence[str] | None = None,
) -> DocumentForClassification:
    """Return a new classifier with `model.processor` attached.

    Args:
        config: its vocabulary size, labels and text configuration are filled in on a copy.
        documents: training documents: the vocabulary is learned on their text, where there is no `text_encoder`.
        labels: class names, in the order of class numbers.
        text_encoder: local folder (or hub name) of a transformers model,
            needed with `config.text_encoder="pretrained"`.
        image_weights: weights of the timm model: a local file, or tensors by name.
        fields, main_only, readout_node, max_tokens: see `ProcessorSettings`.
        document_labels: the label of each of `documents`, needed where `config.text_start` is "evidence" or
            "regression", or `config.regression_ngrams` is above 0.

    Raises:
        ModelError: a pre-trained text encoder is configured and none is given, labels repeat, or evidence is asked
            for and a document has no label.
    """
    if len(set(labels)) != len(labels) or not labels:
        raise ModelError(f"labels must be different names, at least one, but are {list(labels)}.")
    config = copy.deepcopy(config)
    documents = list(documents)
    settings = ProcessorSettings(
        text_leaves="none" if config.text_encoder == "none" else config.text_leaves,
        fields=fields,
        main_only=main_only,
        readout_node=readout_node,
        max_tokens=max_tokens,
        graph_features=config.graph_features,
        image=None
        if config.image_encoder is None
        else image_settings(config.image_encoder, config.image_size, config.image_leaves),
    )
    processor = _processor(config, documents, settings, text_encoder, vocab_size)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    model = DocumentForClassification(config)
    model.processor = processor
    _start(model, processor, documents, labels, document_labels)
    if isinstance(model.document.text, PretrainedTextLeaves):
        model.document.text.load_encoder(str(text_encoder))
    if image_weights is not None and model.document.image is not None and config.image_encoder is not None:
        inner = model.document.image.encoder
        if isinstance(image_weights, Mapping):
            inner.load_state_dict({name: image_weights[name] for name in inner.state_dict()})
        else:
            loaded = make_image_encoder(config.image_encoder, config.image_size, image_weights)
            inner.load_state_dict(loaded.state_dict())
    return model


def _processor(
    config: DocumentConfig,
    documents: Iterable[Document],
    settings: ProcessorSettings,
    text_encoder: str | Path | None,
    vocab_size: int,
) -> DocumentProcessor:
    """Return the processor and complete the configuration's text part."""
    if config.text_encoder == "none":
        return DocumentProcessor(None, settings)
    if config.text_encoder == "scratch":
        processor = DocumentProcessor.from_documents(documents, settings, vocab_size=vocab_size)
        config.vocab_size = processor.vocab_size
        return processor
    if text_encoder is None:
        raise ModelError('text_encoder="pretrained" needs the folder of a transformers model, but none is given.')
    processor = DocumentProcessor.from_text_encoder(text_encoder, settings)
    config.text_config = _text_config(text_encoder)
    config.text_prefix_ids = list(processor.settings.prefix_ids)
    config.text_suffix_ids = list(processor.settings.suffix_ids)
    return processor


def _start(
    model: DocumentForClassification,
    processor: DocumentProcessor,
    documents: Sequence[Document],
    labels: Sequence[str],
    document_labels: Sequence[str] | None,
) -> None:
    """Start the text encoder, and fit the regression, from the n-grams of the training documents."""
    config, has_regression = model.config, model.regression is not None
    text = model.document.text if isinstance(model.document.text, ScratchTextLeaves) else None
    start = "equal" if text is None else config.text_start
    if start == "frequency" and config.text_leaves == "token":
        start = "equal"
    if start == "equal" and not has_regression:
        return
    classes = [0] * len(documents)
    if has_regression or start != "frequency":
        asks = f"regression_ngrams={config.regression_ngrams}" if has_regression else f'text_start="{start}"'
        classes = _classes(asks, labels, documents, document_labels)
    encoded = [processor.encode(document) for document in documents]
    if has_regression:
        model.regression = None  # it is made anew, for what is known
        _fit_words(model, encoded, classes)
    if text is None or start == "equal":
        return
    ngrams = ngrams_of(text.table, encoded, pooled=text.weight is not None)
    if start == "regression":
        text.set_weights(fit_regression(ngrams, classes, len(labels)).weight)
        return
    counts = class_frequency(ngrams, classes, len(labels))
    if start == "frequency":
        text.set_frequencies(counts.sum(0), len(documents))
    else:
        text.set_evidence(counts, torch.bincount(torch.tensor(classes), minlength=len(labels)).clamp(min=1))


def _fit_words(model: DocumentForClassification, encoded: Sequence[EncodedDocument], classes: Sequence[int]) -> None:
    """Fit the regression on n-grams to those that are worth knowing; where there is none, there is no regression."""
    config = model.config
    if config.regression_weighting != "binary":
        raise ModelError(
            'regression_weighting must be "binary" where the model is no sum of parts, but is '
            f'"{config.regression_weighting}". Leave it out, or train a stack.'
        )
    table = NgramTable(config.words, config.regression_ngrams, MODULUS, tuple(config.regression_marked))
    known, ngrams = known_ngrams(ngrams_of(table, encoded, pooled=False), config.words, config.regression_buckets)
    config.regression_known = len(known)
    if not len(known):
        config.regression_ngrams = 0
    model.make_regressions()
    if model.regression is not None and model.regression.known is not None:
        model.regression.known.copy_(known)
        model.regression.set_weights(
            fit_regression(ngrams, classes, int(config.num_labels or 2), cost=config.regression_cost)
        )


def _classes(
    asks: str, labels: Sequence[str], documents: Sequence[Document], document_labels: Sequence[str] | None
) -> list[int]:
    """Return the class number of each document."""
    number = {label: place for place, label in enumerate(labels)}
    if document_labels is None or len(document_labels) != len(documents) or set(document_labels) - set(number):
        raise ModelError(
            f"{asks} needs document_labels, one of `labels` for each document, but has "
            f"{'none' if document_labels is None else f'{len(document_labels)} for {len(documents)} documents'}."
        )
    return [number[label] for label in document_labels]


def _text_config(folder: str | Path) -> dict[str, Any]:
    """Return the configuration of a local transformers model as plain values, without where it came from."""
    values: dict[str, Any] = AutoConfig.from_pretrained(str(folder)).to_dict()
    for name in ("_name_or_path", "transformers_version", "architectures"):
        values.pop(name, None)
    return values
