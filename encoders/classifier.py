"""A document model with a classifier on the documents' vectors, and beside it, where asked for,
regressions on their words and on what frozen encoders say of them.

    DocumentBatch ─┬ DocumentModel ─ classifier ─────┬─ sum ─> logits (B, C)
                   ├ NgramRegression, in evaluation ──┤
                   ├ VectorRegression, likewise ──────┤
                   └ TunedText, likewise ─────────────┘

Axes:  B documents   C classes   P parts
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from docgraph import Document, Evidence
from encoders.cache import FeatureCache
from encoders.config import DocumentConfig
from encoders.evidence import explain
from encoders.inputs.encoded import DocumentBatch
from encoders.inputs.processor import DocumentProcessor
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.model import DocumentModel as DocumentModel  # the package names it here: see the last lines
from encoders.model_base import DocumentOutput, DocumentPreTrainedModel
from encoders.ngrams import MODULUS, NgramRegression, NgramTable
from encoders.off_topic import OffTopic
from encoders.predict import Predictions, predict_documents
from encoders.sharding import reshard
from encoders.tuned import TunedText
from encoders.vectors import WHOLE, VectorRegression, text_vectors

READ_BYTES = 100_000_000
"""Of features kept where no cache is given: what the regressions read, the transformer reads as well."""


class DocumentForClassification(DocumentPreTrainedModel):
    """A document model with a one-hidden-layer classifier on the documents' vectors.

    With `config.regression_ngrams` the logits of a regression on the words are added in evaluation mode,
    not in training; with `config.regression_vectors` those of regressions on vectors of its frozen encoders.
    """

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__(config)
        self.document = DocumentModel(config)
        hidden = config.classifier_hidden_size or config.hidden_size
        self.classifier = nn.Sequential(
            nn.Linear(config.hidden_size, hidden),
            nn.GELU(),
            nn.Dropout(config.classifier_dropout_prob),
            nn.Linear(hidden, int(config.num_labels or 2)),
        )
        self.regression: NgramRegression | None = None
        self.vectors: VectorRegression | None = None
        self.off_topic: OffTopic | None = None
        self.make_regressions()
        text = self.document.text
        self.tuned = (
            TunedText.beside(text, int(config.num_labels or 2), config.tuned_tokens)
            if config.tuned_tokens and isinstance(text, PretrainedTextLeaves)
            else None
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def make_regressions(self) -> None:
        """Make the regressions that the configuration asks for, without weights."""
        config, classes = self.config, int(self.config.num_labels or 2)
        self.regression = self.vectors = self.off_topic = None
        if config.regression_ngrams:
            known = config.regression_known
            buckets, marked = MODULUS if known else config.regression_buckets, tuple(config.regression_marked)
            table = NgramTable(config.words, config.regression_ngrams, buckets, marked)
            self.regression = NgramRegression(table, classes, config.regression_weighting, known)
        if config.regression_vectors:
            self.vectors = VectorRegression(config.regression_vectors, self.document.text, self.document.image, classes)
        if config.off_topic_references and isinstance(self.document.text, PretrainedTextLeaves):
            self.off_topic = OffTopic(config.off_topic_references, self.document.text.width)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        names: Any = self.config.id2label
        return tuple(str(names[number]) for number in range(len(names)))

    @property
    def linear_parts(self) -> list[nn.Module]:
        """The regressions, in the order of `logit_parts` after the transformer."""
        words: list[nn.Module] = [] if self.regression is None else [self.regression]
        return [*words, *([] if self.vectors is None else self.vectors.parts)]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Read a model that `save_pretrained` wrote, by version 0.1.0 too, in evaluation mode, with its processor."""
        kwargs.setdefault("key_mapping", {r"^wide\.": "regression."})  # the name in version 0.1.0
        model = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        loaded = model[0] if isinstance(model, tuple) else model
        # Version 0.1.0 divided the logits by a temperature when it predicted; here the weights are.
        temperature = loaded.config.__dict__.pop("old_temperature", 1.0)
        if temperature != 1:
            loaded.scale_logits([1 / temperature] * (1 + len(loaded.linear_parts)))
        if loaded.vectors is not None or loaded.off_topic is not None:
            loaded.use_cache(FeatureCache(memory_bytes=READ_BYTES))
        return model

    def forward(
        self,
        batch: DocumentBatch,
        labels: Tensor | None = None,
        *,
        output_nodes: bool = False,
        output_leaves: bool = False,
        **_: Any,
    ) -> DocumentOutput:
        """Return logits (B, C), and the mean cross-entropy where `labels` (B,) are given; -100 is no label.

        Other losses than that are training's: see training/learning/targets.py.
        """
        if self.training or self.config.use_transformer or output_nodes or output_leaves:
            output = self.document(batch, output_nodes=output_nodes, output_leaves=output_leaves)
            parts = self.classifier(output.document_states)[None]
        else:  # training left the transformer out: it would say 0
            output = DocumentOutput()
            classes = int(self.config.num_labels or 2)
            parts = torch.zeros(1, len(batch), classes, dtype=self.dtype, device=self.device)
        if self.regression is not None and not self.training:
            parts = torch.cat([parts, self.regression(batch).to(parts.dtype)[None]])
        if self.vectors is not None and not self.training:
            vectors = self.vectors(batch, self.document.text, self.document.image)
            parts = torch.cat([parts, vectors.to(parts.dtype)])
        if self.tuned is not None and not self.training:
            parts = torch.cat([parts, self.tuned(batch).to(parts.dtype)[None]])
        logits = parts.sum(0)
        distance = None
        if self.off_topic is not None and isinstance(self.document.text, PretrainedTextLeaves) and not self.training:
            with torch.no_grad():
                distance = self.off_topic(text_vectors(batch, [WHOLE], self.document.text)[0][0])
        loss = None
        if labels is not None:
            weights = self.config.class_weights
            loss = nn.functional.cross_entropy(
                logits.float(),
                labels,
                weight=None if weights is None else logits.new_tensor(weights, dtype=torch.float32),
                label_smoothing=self.config.label_smoothing,
            )
        return DocumentOutput(
            loss=loss,
            logits=logits,
            logit_parts=parts,
            distance=distance,
            document_states=output.document_states,
            node_states=output.node_states,
            leaf_states=output.leaf_states,
        )

    @torch.no_grad()
    def scale_logits(self, scales: Sequence[float]) -> None:
        """Multiply the weights that make the logits: those of the transformer and of each of `linear_parts`, as in
        `logit_parts`, by a number of its own.
        """
        reshard(self)
        for part, scale in zip([self.classifier[-1], *self.linear_parts], scales, strict=True):
            for parameter in part.parameters():
                parameter.mul_(scale)

    def predict(
        self,
        documents: Document | Iterable[Document],
        *,
        processor: DocumentProcessor | None = None,
        batch_nodes: int = 32_768,
        show_progress_bar: bool = False,
    ) -> Predictions:
        """Return the label and the probabilities of every document."""
        return predict_documents(
            self,
            documents,
            processor=self.needs_processor(processor),
            batch_nodes=batch_nodes,
            show_progress_bar=show_progress_bar,
        )

    def explain(
        self,
        document: Document,
        *,
        label: str | None = None,
        passes: int = 256,
        processor: DocumentProcessor | None = None,
        batch_nodes: int = 32_768,
    ) -> Evidence:
        """Return what each node of a document counts for its classes, for `document.view(evidence=...)`.

        Args:
            label, passes: see encoders/evidence.py.
        """

        def predict(documents: Sequence[Document]) -> Predictions:
            return self.predict(documents, processor=processor, batch_nodes=batch_nodes)

        return explain(predict, document, label=label, passes=passes)


AutoModelForSequenceClassification.register(DocumentConfig, DocumentForClassification, exist_ok=True)
