"""One layer of the fusing transformer, in two forms that share everything but their residuals.

    "prenorm"   x + Wo HSA(Wq n, Wk n, Wv n), n = norm(x); then x + FFN(norm(x)): the modern default
    "hte"       the paper's: q, k, v = norm(W x) for each leaf modality; concat over heads of (q + HSA(q, k, v));
                linear; norm; then x + FFN(x). A leaf does not attend to itself.

Attention kinds: "hsa" over the documents' trees, "flat" over one family a document, "none" (each leaf keeps its own
value: a deep set), "permuted" (the same trees with leaves shuffled among families). Inputs and parameters are the
same for all four, and for every form that the first and the last may have (`DocumentConfig.attention_form`). Those of
other papers (peers.py) run over patterns in the pre-norm layer.

Source: Hierarchical Self-Attention (arXiv 2509.15448), figure 4 and appendix F.

Axes:  N leaves   R rows   H heads   E width of a head   D model width
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from encoders.attention import hierarchical_attention
from encoders.config import DocumentConfig
from encoders.forest.batch import TreeBatch
from encoders.forest.coarsen import Coarser
from encoders.inputs.encoded import DocumentBatch, PositionInputs
from encoders.peers import Pattern, attend
from encoders.positions import PositionHeads


@dataclass(frozen=True, eq=False)
class Structure:
    """What all layers of one forward pass share: the forest that attention runs on, and where its rows stand."""

    batch: DocumentBatch
    """The batch (or its flat view) that the forest is from."""
    forest: TreeBatch
    position: PositionInputs
    position_features: Tensor
    """(Q, F)"""
    box_features: Tensor | None
    """(R, F), None for a model that does not look at boxes."""
    present: Tensor | None
    modality: Tensor
    """(N,) 0 for text, 1 for patches."""
    pattern: Pattern | None = None
    """Who attends to whom, in place of the forest, where attention is that of another paper."""

    def shuffled(self, order: Tensor) -> "Structure":
        """Return the same trees with leaf `order[n]` at the place of leaf n."""
        present = None if self.present is None else self.present[order]
        return replace(self, present=present, modality=self.modality[order])

    def coarser(self, step: Coarser) -> "Structure":
        """Return the structure after a step of local pooling."""
        modality = torch.zeros(step.forest.num_leaves, dtype=torch.int64, device=self.modality.device)
        return replace(
            self,
            forest=step.forest,
            position=replace(self.position, index=self.position.index[step.row]),
            box_features=None if self.box_features is None else self.box_features[step.row],
            present=step.present(self.present),
            modality=modality.index_copy(0, step.leaf, self.modality),
        )


class HierarchicalAttention(nn.Module):
    """Multi-head attention over leaves; `position` heads and the kind of attention come from the configuration."""

    def __init__(self, config: DocumentConfig, *, sides: int, attend_self: bool) -> None:
        super().__init__()
        self.kind = config.attention
        self.options = config.attention_options
        self.attend_self = attend_self
        self.backend = config.attention_backend
        self.position = PositionHeads(
            config.position_size,
            config.num_attention_heads,
            config.position_head_size,
            sides,
            boxes=config.position_boxes,
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, structure: Structure) -> Tensor:
        """(N, H, E) three times -> (N, H, E)."""
        if self.kind == "none":
            unused = sum(weight.sum() for weight in self.position.parameters()) + structure.position_features.sum()
            unused = unused if structure.box_features is None else unused + structure.box_features.sum()
            return value + 0 * (query + key) + 0 * unused
        position = self.position(structure.position_features, structure.position, structure.box_features)
        if structure.pattern is not None:
            # One product for both terms of a logit.
            query = torch.cat([query / math.sqrt(query.shape[2]), position[0]], dim=-1)
            return attend(query, torch.cat([key, position[1]], dim=-1), value, structure.pattern)
        mixed = hierarchical_attention(
            query,
            key,
            value,
            structure.forest,
            position=position,
            present=structure.present,
            attend_self=self.attend_self,
            backend=self.backend,
            **self.options,
        )
        assert isinstance(mixed, Tensor)
        return mixed


class FeedForward(nn.Sequential):
    """Two linear maps with a GELU between."""

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__(
            nn.Linear(config.hidden_size, config.intermediate_size),
            nn.GELU(),
            nn.Dropout(config.hidden_dropout_prob),
            nn.Linear(config.intermediate_size, config.hidden_size),
        )


class PreNormLayer(nn.Module):
    """A residual transformer block with hierarchical attention."""

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.qkv = nn.Linear(size, 3 * size)
        self.attention = HierarchicalAttention(config, sides=2, attend_self=config.attend_self)
        self.output = nn.Linear(size, size)
        self.feed_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.feed = FeedForward(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, state: Tensor, structure: Structure) -> Tensor:
        """(N, D) -> (N, D)."""
        query, key, value = self.qkv(self.norm(state)).unflatten(-1, (3, self.heads, -1)).unbind(1)
        mixed = self.attention(query, key, value, structure)
        state = state + self.dropout(self.output(mixed.flatten(1)))
        result: Tensor = state + self.dropout(self.feed(self.feed_norm(state)))
        return result


class HTELayer(nn.Module):
    """The layer of the paper: separate projections for each leaf modality, and the residual adds each head's q."""

    MODALITIES = 2

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.qkv = nn.ModuleList(nn.Linear(size, 3 * size) for _ in range(self.MODALITIES))
        self.norms = nn.ModuleList(nn.LayerNorm(config.head_dim, eps=config.layer_norm_eps) for _ in range(3))
        self.attention = HierarchicalAttention(config, sides=1, attend_self=False)
        self.output = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.feed = FeedForward(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, state: Tensor, structure: Structure) -> Tensor:
        """(N, D) -> (N, D)."""
        projected = self.qkv[0](state)
        for modality in range(1, self.MODALITIES):
            chosen = (structure.modality == modality)[:, None]
            projected = torch.where(chosen, self.qkv[modality](state), projected)
        query, key, value = (
            norm(part)
            for norm, part in zip(self.norms, projected.unflatten(-1, (3, self.heads, -1)).unbind(1), strict=True)
        )
        mixed = query + self.attention(query, key, value, structure)
        joined = self.norm(self.output(mixed.flatten(1)))
        result: Tensor = joined + self.dropout(self.feed(joined))
        return result


def make_layer(config: DocumentConfig) -> nn.Module:
    """Return one layer of the form that the configuration names."""
    return HTELayer(config) if config.layer == "hte" else PreNormLayer(config)
