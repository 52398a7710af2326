"""The document model: leaf encoders, layers of hierarchical attention, a vector for every node.

    DocumentBatch ─ text, image encoders ─> leaf states (N, D) ─ layers ─> (N, D) ─ mean under a node ─> (rows, D)

`DocumentModel` gives a vector for every leaf, node and document; encoders/classifier.py puts a classifier on it. Both
are transformers models: `save_pretrained` writes config.json, model.safetensors and the processor, `from_pretrained`
reads them back and attaches `model.processor`.

Axes:  N leaves   R rows   B documents   D model width
"""

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoProcessor

from docgraph.errors import ModelError
from encoders.anchors import Anchors, with_ordinals
from encoders.config import DocumentConfig
from encoders.inputs.encoded import DocumentBatch
from encoders.inputs.processor import DocumentProcessor
from encoders.layer import Structure, make_layer
from encoders.leaves.image import ImageLeaves
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.leaves.scratch_text import ScratchTextLeaves
from encoders.model_base import DocumentOutput, DocumentPreTrainedModel
from encoders.positions import BoxFeatures, PositionFeatures
from encoders.readout import Readout
from encoders.sharding import is_sharded


class DocumentModel(DocumentPreTrainedModel):
    """Fuses the leaves of documents with hierarchical self-attention.

    Args:
        config: see `DocumentConfig`. `config.text_config` holds the configuration of a pre-trained text encoder.
    """

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.text: ScratchTextLeaves | PretrainedTextLeaves | None = _text_leaves(config)
        self.image = (
            None
            if config.image_encoder is None
            else ImageLeaves(
                config.image_encoder, config.image_size, config.image_leaves, size, frozen=config.freeze_image_encoder
            )
        )
        self.modality = nn.Embedding(2, size)
        self.names = None if self.text is not None else nn.Embedding(256, size)
        name_size = _name_size(config)
        self.positions = PositionFeatures(config.position_size, name_size, config.graph_features)
        self.boxes = BoxFeatures(config.position_size) if config.position_boxes else None
        self.anchors = Anchors(config.peer, size, config.attention_window) if config.peer else None
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList(make_layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps) if config.layer == "prenorm" else nn.Identity()
        self.readout = Readout(config.readout, size)
        self.gradient_checkpointing = False
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, batch: DocumentBatch, *, output_nodes: bool = False, output_leaves: bool = False
    ) -> DocumentOutput:
        """Return the documents' vectors, and those of nodes and leaves where asked for."""
        present = self.present_leaves(batch)
        state, modality = self.embed_leaves(batch)
        place = torch.arange(len(state), device=state.device)
        structure = self.structure(batch, present, modality)
        if self.config.permuted:
            order = _shuffled(batch)
            place = torch.empty_like(order).index_copy(0, order, place)
            state, structure = state[order], structure.shuffled(order)
        passes = [(0, structure)]
        if self.anchors is not None:
            state, passes = self.anchors.enter(state, structure)
        steps = 0
        for number, layer in enumerate(self.layers):
            for first, over in passes:
                changed = self._run(layer, state[first:], over)
                state = torch.cat([state[:first], changed]) if first else changed
            if number in self.config.pool_after:
                step = structure.batch.coarsened(steps)
                state, structure, place = (
                    step.pool(state, structure.present),
                    structure.coarser(step),
                    step.leaf[place],
                )
                passes = [(0, structure)]
                steps += 1
        state = self.norm(state)
        leaf_state = state[place]
        rows = self.readout(leaf_state, batch.forest, present)
        if self.anchors is not None:
            rows = self.anchors.read(rows, state[len(place) :], structure)
        return DocumentOutput(
            document_states=rows[batch.readout_row],
            node_states=rows if output_nodes else None,
            leaf_states=leaf_state if output_leaves else None,
        )

    def _run(self, layer: nn.Module, state: Tensor, structure: Structure) -> Tensor:
        if self.gradient_checkpointing and self.training:
            state = self._gradient_checkpointing_func(layer.__call__, state, structure)
        else:
            state = layer(state, structure)
        return state

    def embed_leaves(self, batch: DocumentBatch) -> tuple[Tensor, Tensor]:
        """Return the states of all leaves (N, D) and their modality (N,)."""
        leaves = batch.forest.num_leaves
        weight = self.modality.weight
        modality = torch.zeros(leaves, dtype=torch.int64, device=weight.device)
        state = torch.zeros(leaves, weight.shape[1], dtype=weight.dtype, device=weight.device)
        if self.text is not None:
            state = self.text(batch.text, leaves)
        if self.image is not None:
            state, modality = self._add_images(batch, state, modality)
        return self.dropout(state + self.modality(modality).to(state.dtype)), modality

    def _add_images(self, batch: DocumentBatch, state: Tensor, modality: Tensor) -> tuple[Tensor, Tensor]:
        """Put the patches of the batch's images at their places."""
        assert self.image is not None
        image = batch.image
        if image is None:
            if not self.training and not is_sharded(self.image.encoder):
                return state, modality
            blank = torch.zeros(1, 3, *self.image.input_size, device=state.device)
            return state + 0 * self.image(blank).sum(), modality
        patches = self.image(image.pixel_values.to(self.image.project.weight.dtype))
        place = image.first_leaf[:, None] + torch.arange(patches.shape[1], device=state.device)
        state = state.index_copy(0, place.flatten(), patches.flatten(0, 1).to(state.dtype))
        return state, modality.index_fill(0, place.flatten(), 1)

    def present_leaves(self, batch: DocumentBatch) -> Tensor | None:
        """Return which leaves take part: those of readable images, less those of dropped ones in training."""
        chance = self.config.modality_dropout_prob
        if not self.training or chance <= 0 or batch.image is None:
            return batch.present
        image = batch.image
        dropped = (torch.rand(len(batch), device=image.document.device) < chance)[image.document]
        place = image.first_leaf[dropped][:, None] + torch.arange(image.patches, device=image.document.device)
        everything = torch.ones(batch.forest.num_leaves, dtype=torch.bool, device=image.document.device)
        present = everything if batch.present is None else batch.present
        return present.index_fill(0, place.flatten(), False)

    def structure(self, batch: DocumentBatch, present: Tensor | None, modality: Tensor) -> Structure:
        """Return what attention runs on: the documents' trees, or one family a document."""
        names = self._names(batch)
        view = batch.flat if self.config.attention == "flat" else batch
        position = view.position if self.anchors is None else with_ordinals(view)
        return Structure(
            batch=view,
            forest=view.forest,
            position=position,
            position_features=self.positions(position, names),
            box_features=None if self.boxes is None else self.boxes(view.box, view.forest.parent),
            present=present,
            modality=modality,
        )

    def _names(self, batch: DocumentBatch) -> Tensor:
        token_id = batch.position.key_token_id
        if self.text is not None:
            return self.text.names(token_id)
        assert self.names is not None
        real = token_id >= 0
        total = (self.names(token_id.clamp(min=0) % 256) * real[..., None]).sum(1)
        mean: Tensor = total / real.sum(1, keepdim=True).clamp(min=1)
        return mean


def _text_leaves(config: DocumentConfig) -> ScratchTextLeaves | PretrainedTextLeaves | None:
    pooled = config.text_leaves == "node"
    if config.text_encoder == "none":
        return None
    if config.text_encoder == "scratch":
        width = config.text_embedding_size or config.hidden_size
        leaves = ScratchTextLeaves(
            config.words,
            width,
            config.hidden_size,
            config.text_dropout_prob,
            pooled=pooled,
            ngrams=config.text_ngrams,
            buckets=config.text_ngram_buckets,
        )
        if config.freeze_text_start:
            leaves.freeze()
        return leaves
    if config.text_config is None:
        raise ModelError(
            'text_encoder="pretrained" needs text_config, the configuration of a transformers model, but has none.'
        )
    inner = AutoConfig.for_model(**config.text_config)
    return PretrainedTextLeaves(
        inner,
        config.hidden_size,
        pooled=pooled,
        frozen=config.freeze_text_encoder,
        window=config.text_window,
        prefix_ids=tuple(config.text_prefix_ids),
        suffix_ids=tuple(config.text_suffix_ids),
    )


def _name_size(config: DocumentConfig) -> int:
    """Return the width of field-name embeddings."""
    if config.text_encoder == "pretrained" and config.text_config is not None:
        return int(AutoConfig.for_model(**config.text_config).hidden_size)
    if config.text_encoder == "scratch":
        return config.text_embedding_size or config.hidden_size
    return config.hidden_size


def _shuffled(batch: DocumentBatch) -> Tensor:
    """(N,) a permutation of the leaves within each document, fixed by the document's content."""
    leaf = torch.arange(batch.forest.num_leaves, device=batch.leaf_document.device)
    mixed = leaf - torch.searchsorted(batch.leaf_document, batch.leaf_document)
    for multiplier in (2_654_435_761, 2_246_822_519):
        mixed = ((mixed + batch.seed[batch.leaf_document]) * multiplier) % 2_147_483_647
    by_key = torch.argsort(mixed, stable=True)
    return by_key[torch.argsort(batch.leaf_document[by_key], stable=True)]


AutoConfig.register("docgraph", DocumentConfig, exist_ok=True)
AutoModel.register(DocumentConfig, DocumentModel, exist_ok=True)
AutoProcessor.register(DocumentConfig, DocumentProcessor, exist_ok=True)
