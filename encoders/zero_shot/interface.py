"""What transformers calls in place of softmax attention.

    query, key, value (B, H, n, D) ─ refuse ─ padding ─ layout ─ pack ─ form_attention ─ unpack ─> (B, n, H, D)

`register` makes it known to transformers. A converted attention module carries a `Layer`, which says what to do.
Nothing that a call brings is passed over: what HSA cannot honour raises. The one exception is attention
dropout, which needs weights that are never formed; there is one warning. torch.compile leaves this function as it is.

Axes:  B sequences   n queries   m keys   H heads   K key-value heads   D width   N unpadded positions
"""

import warnings
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from docgraph.errors import ModelError
from encoders.zero_shot.cache import HierarchicalLayer, KeyValueBlocks
from encoders.zero_shot.calls import KEYWORD
from encoders.zero_shot.form import form_attention
from encoders.zero_shot.layer import HSA, Layer, Watched, layer_of
from encoders.zero_shot.layout import Layout, layout_of, layout_of_given
from encoders.zero_shot.masks import padding_mask, padding_of
from encoders.zero_shot.windows import Windows

NOT_HONOURED = (
    "position_bias", "softcap", "s_aux", "sinks", "sliding_window", "indices", "cache", "cu_seqlens",
    "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "encoder_hidden_states",
)  # fmt: skip


def register() -> None:
    """Make the attention, and the mask it asks for, known to transformers under the name `HSA`."""
    AttentionInterface.register(HSA, hsa)
    AttentionMaskInterface.register(HSA, padding_mask)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def hsa(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend as the module's `Layer` says.

    Args:
        query: (B, H, n, D), and key, value (B, K, m, D); m differs from n only where a causal layer decodes.
        attention_mask: None, (B, m) padding, or (B, 1, n, m) padding with causality, bool or additive.
        scaling: factor of the logits; None is 1 / sqrt(D).
        dropout: not applied.
        kwargs: `hsa_tree`, this call's hierarchy; `output_attentions=True` for the weights, dense and slow.

    Returns:
        (B, n, H, D), zeros in the padding, and the weights (B, H, n, m) if asked for.

    Raises:
        ModelError: the call brings something that HSA cannot honour, or lacks the hierarchy it needs.
    """
    layer = layer_of(module)
    if layer is None:
        raise ModelError(
            f'attention "{HSA}" must be put in by zero_shot.convert, but a {type(module).__name__} names it that was '
            "not converted."
        )
    for name in NOT_HONOURED:
        if kwargs.get(name) is not None:
            raise ModelError(f"{name} must be None for HSA, but {layer} was called with one.")
    if dropout:
        warnings.warn("attention dropout is not applied in layers converted to HSA", stacklevel=2)
    causal = layer.causal if is_causal is None else bool(is_causal)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    tree = layer.calls.tree_for(layer.tower, str(layer), kwargs)
    cached = HierarchicalLayer.behind(key)
    if cached is not None and cached.blocks is not None:
        return _one_more(cached.blocks, query, key, value), None
    B, n, m = query.shape[0], query.shape[2], key.shape[2]
    if n != m and not causal:
        raise ModelError(
            f"queries and keys must be one sequence for HSA, but {layer} was called with {n} queries and {m} keys."
        )
    padding = padding_of(attention_mask, (B, n, m), causal, str(layer))
    if layer.watch is not None:
        layer.watch(Watched(layer, query, key, value, padding, scale, causal))
        softmax = AttentionInterface()["sdpa"]
        return cast(
            tuple[Tensor, Tensor | None],
            softmax(
                module, query, key, value, attention_mask,
                scaling=scaling, dropout=dropout, is_causal=is_causal, **kwargs,
            ),
        )  # fmt: skip
    if n != m:
        if layer.form.pooling == "attention":
            raise ModelError(
                f'pooling="attention" must decode with past_key_values=zero_shot.HierarchicalCache(model), but {layer} '
                "was called with another cache, which does not keep queries."
            )
        if n == 1 and tree is None and isinstance(layer.hierarchy, Windows) and not layer.form.near:
            blocks = _key_value_blocks(layer, scale)
            before = None if padding is None else padding[:, :-1]
            blocks.ingest(None, key[:, :, :-1], value[:, :, :-1], before)
            return blocks.step(query, key[:, :, -1:], value[:, :, -1:]), None
        query = torch.cat([query.new_zeros(B, query.shape[1], m - n, query.shape[3]), query], dim=2)
    layout = _layout(layer, tree, key, padding, decoding=n != m)
    output, weights = _layer_attention(layer, query, key, value, layout, scale, causal, kwargs)
    if cached is not None:
        cached.blocks = _key_value_blocks(layer, scale)
        cached.blocks.ingest(query, key, value, padding)
    return output[:, m - n :], None if weights is None else weights[:, :, m - n :]


def _layout(layer: Layer, tree: Any, key: Tensor, padding: Tensor | None, decoding: bool) -> Layout:
    shape, device = (key.shape[0], key.shape[2]), key.device
    if tree is not None:
        return layout_of_given(tree, shape, padding, device)
    if layer.hierarchy == "given":
        way_out = (
            "a tree over the prompt says nothing about positions that come after it; generate without converted layers"
            if decoding
            else f"pass {KEYWORD}=... or use `with zero_shot.use_tree(...)`"
        )
        raise ModelError(f"{layer} must be given its hierarchy with each call, but was called without one: {way_out}.")
    return layout_of(layer.hierarchy, shape, padding, layer.ends, device, key)


def _layer_attention(
    layer: Layer,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    causal: bool,
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor | None]:
    """Return (B, n, H, D) and, if asked for, the weights (B, H, n, n)."""
    B, _, n, _ = query.shape
    q, k, v = layout.pack(query), layout.pack(key), layout.pack(value)
    forest, form, backend = layout.forest, layer.form, layer.backend
    output = layout.unpack(form_attention(q, k, v, forest, form, scale=scale, causal=causal, backend=backend), (B, n))
    if not kwargs.get("output_attentions"):
        return output, None
    # The weights are what attention makes of values that are all different: one-hot positions.
    one_hot = torch.eye(n, dtype=v.dtype, device=v.device).expand(B, -1, -1)[:, None].expand(-1, key.shape[1], -1, -1)
    dense = form_attention(q, k, layout.pack(one_hot), forest, form, scale=scale, causal=causal, backend=backend)
    return output, layout.unpack(dense, (B, n)).transpose(1, 2)


def _key_value_blocks(layer: Layer, scale: float) -> KeyValueBlocks:
    if not isinstance(layer.hierarchy, Windows):
        raise ModelError(
            f"hierarchy must be windows for the hierarchical cache, but that of {layer} is {layer.hierarchy}: "
            "only windows say where positions to come belong."
        )
    return KeyValueBlocks(layer.hierarchy, layer.form.for_causal(), layer.ends, scale)


def _one_more(blocks: KeyValueBlocks, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if query.shape[2] != 1:
        raise ModelError(
            "a HierarchicalCache must be filled by one call and then grow by single positions, "
            f"but {query.shape[2]} came."
        )
    return blocks.step(query, key, value)
