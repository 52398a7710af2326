"""The hierarchical cache as transformers' `past_key_values`, and how converted layers decode.

    model.generate(..., past_key_values=HierarchicalCache(model))

Converted causal layers keep a `Line` each, others their keys and values as ever. A key that comes out of such a
layer's `update` carries the layer with it, so that the attention function finds it.

Axes:  B sequences   n positions   H heads   K key-value heads   D width
"""

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from docgraph.errors import ModelError
from encoders.zero_shot.line import Line

_MARK = "_docgraph_cache_layer"


class HierarchicalLayer(CacheLayerMixin):
    """The cache of one converted layer: `Line` instead of keys and values."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.line: Line | None = None
        self.length = 0
        """Positions so far, padding included."""
        self.awaiting = False

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Note that there is something; the line is made by the attention function."""
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Hand the new keys and values through, marked: the attention function takes them into the line."""
        if self.awaiting:
            raise ModelError(
                "a HierarchicalCache must go with the converted model it was made for, but the attention function of "
                "one of its layers did not pick up the last positions."
            )
        self.lazy_initialization(key_states, value_states)
        self.awaiting = True
        self.length += key_states.shape[-2]
        setattr(key_states, _MARK, self)
        return key_states, value_states

    @staticmethod
    def behind(key: Tensor) -> "HierarchicalLayer | None":
        """Return the cache layer that a key comes from, if it is one of these."""
        layer: HierarchicalLayer | None = getattr(key, _MARK, None)
        if layer is not None:
            layer.awaiting = False
        return layer

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys, as if they were kept."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Positions so far, padding included."""
        return self.length

    def get_max_length(self) -> int:
        """No maximum."""
        return -1

    def reset(self) -> None:
        """Forget everything."""
        self.line, self.length, self.awaiting, self.is_initialized = None, 0, False, False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Follow the beams."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these sequences."""
        if self.line is not None:
            self.line.select(indices.to(self.line.count.device))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence."""
        if self.line is not None:
            rows = torch.arange(len(self.line.count), device=self.line.count.device)
            self.line.select(rows.repeat_interleave(repeats))

    def crop(self, tokens_to_remove: int) -> None:
        """Refuse: pooled positions cannot be taken out again."""
        if tokens_to_remove:
            raise ModelError("a HierarchicalCache must only grow, but was asked to give up positions.")


class HierarchicalCache(Cache):
    """A cache for `generate` that keeps one ancestor line in each converted layer.

    Raises:
        ModelError: the model has no converted causal layer with windows.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        from encoders.zero_shot.convert import layers_of  # convert imports the interface, which imports this

        lines = {layer.index for layer in layers_of(model) if layer.enabled and layer.causal}
        if not lines:
            raise ModelError("model must have converted causal layers, but has none: use transformers' own cache.")
        count = model.config.get_text_config(decoder=True).num_hidden_layers
        super().__init__(layers=[HierarchicalLayer() if i in lines else DynamicLayer() for i in range(count)])
