"""What the document models share: their output, loading and saving with a processor, the cache, `encode`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from docgraph import Attention, Document
from docgraph.embedding.embeddings import Embeddings
from docgraph.errors import ModelError
from encoders.attended import attention_of
from encoders.cache import FeatureCache
from encoders.config import DocumentConfig
from encoders.embed import encode_documents
from encoders.inputs.processor import CONFIG_NAME, DocumentProcessor
from encoders.leaves.image import ImageLeaves
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.leaves.scratch_text import ScratchTextLeaves
from encoders.ngrams import NgramRegression
from encoders.positions import FourierFeatures, PositionHeads
from encoders.tuned import TunedText
from encoders.vectors import VectorRegression


@dataclass
class DocumentOutput(ModelOutput):
    """What a document model returns."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    """(B, C)"""
    document_states: Tensor | None = None
    """(B, D) readout of each document; zeros for one without leaves."""
    leaf_states: Tensor | None = None
    """(N, D), only where asked for."""
    node_states: Tensor | None = None
    """(R, D) mean over the leaves under each row, only where asked for."""
    logit_parts: Tensor | None = None
    """(P, B, C) whose sum is `logits`: of the transformer, then, in evaluation, of the regression on n-grams
    and of those on vectors."""
    distance: Tensor | None = None
    """(B,) from the documents of training, in evaluation, where the model tells what is off topic."""


class DocumentPreTrainedModel(PreTrainedModel):
    """What the models share: configuration class, weight initialisation, the processor that travels with them."""

    config_class = DocumentConfig
    config: DocumentConfig
    base_model_prefix = "document"
    main_input_name = "batch"
    supports_gradient_checkpointing = True
    _no_split_modules = ["PreNormLayer", "HTELayer"]  # noqa: RUF012
    processor: DocumentProcessor | None = None

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[no-untyped-call]
        if isinstance(module, PositionHeads | FourierFeatures):
            module.reset_parameters()
        elif isinstance(module, ScratchTextLeaves) and module.weight is not None:
            nn.init.zeros_(module.weight.weight)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Write configuration, weights and (if there is one) the processor into a folder."""
        kwargs.setdefault("save_original_format", False)  # by the names of this version, whichever it was read from
        super().save_pretrained(save_directory, *args, **kwargs)
        if self.processor is not None and kwargs.get("is_main_process", True):
            self.processor.save_pretrained(save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Read a model that `save_pretrained` wrote, in evaluation mode; its processor is attached if it is there."""
        if (
            Path(pretrained_model_name_or_path).is_dir()
            and not Path(pretrained_model_name_or_path, "config.json").is_file()
        ):
            raise ModelError(f"a model's folder must hold config.json, but {pretrained_model_name_or_path} does not.")
        model = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        loaded = model[0] if isinstance(model, tuple) else model
        for module in loaded.modules():
            if isinstance(module, PretrainedTextLeaves | ImageLeaves) and module.frozen:
                module.encoder.requires_grad_(False)
            elif isinstance(module, NgramRegression | TunedText | VectorRegression):
                module.requires_grad_(False)
        if Path(pretrained_model_name_or_path, CONFIG_NAME).is_file():
            loaded.processor = DocumentProcessor.from_pretrained(pretrained_model_name_or_path)
        return model

    def attention_of(self, document: Document, *, processor: DocumentProcessor | None = None) -> Attention:
        """Return where the attention of each node goes, for `document.view(attention=...)`.

        Raises:
            ModelError: the model has no attention between leaves, or one over shuffled leaves.
        """
        return attention_of(self, document, processor=self.needs_processor(processor))

    def get_input_embeddings(self) -> nn.Module | None:  # type: ignore[override]
        """Return None: leaves come from encoders, none of which is "the" embedding that others could replace or tie."""
        return None

    def needs_processor(self, processor: DocumentProcessor | None) -> DocumentProcessor:
        """Return the processor to use: the one given, else the model's own.

        Raises:
            ModelError: there is neither.
        """
        chosen = processor or self.processor
        if chosen is None:
            raise ModelError(
                "a model must have a processor to read documents, but this one has none: its folder held no "
                f"{CONFIG_NAME}. Pass processor=..., or set model.processor."
            )
        return chosen

    def use_cache(self, cache: FeatureCache | None) -> None:
        """Let frozen leaf encoders keep their features in `cache`; None stops it. Encoders that learn never do."""
        for module in self.modules():
            if isinstance(module, PretrainedTextLeaves | ImageLeaves) and module.frozen:
                module.cache = cache

    def encode(
        self,
        documents: Document | Iterable[Document],
        output: str = "document",
        *,
        processor: DocumentProcessor | None = None,
        ids: Sequence[str] | None = None,
        batch_nodes: int = 32_768,
        normalize: bool = False,
        show_progress_bar: bool = False,
    ) -> Embeddings:
        """Embed documents, their nodes, or their leaves.

        Args:
            output: "document": one vector each. "nodes": one for every document node that has leaves under it.
                "leaves": one for every token and patch.
            ids: names of the documents; None for their places in the call.
            batch_nodes: rows (nodes, tokens, patches) that go through the model at once: bounds memory.
            normalize: scale vectors to length 1.

        Returns:
            `Embeddings`: vectors (n, D) float32 and columns document_id, node_row, kind, span.
        """
        return encode_documents(
            self,
            documents,
            output,
            processor=self.needs_processor(processor),
            ids=ids,
            batch_nodes=batch_nodes,
            normalize=normalize,
            show_progress_bar=show_progress_bar,
        )
