"""Padding out of the masks that transformers makes.

    (B, m) padding | (B, 1, n, m) padding with causality, bool or additive ─ padding_of ─> (B, m) bool, or None

Where all layers of a model are converted, transformers asks `padding_mask` for the mask, which stays O(n). Where some
are, it makes the mask of the other layers, (n, m); that one is checked to hold padding and causality and nothing else.

Axes:  B sequences   n queries   m keys
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import bidirectional_mask_function, causal_mask_function

from docgraph.errors import ModelError
from encoders.forest.last_seen import LastSeen


def padding_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] = causal_mask_function,
    attention_mask: Tensor | None = None,
    **kwargs: Any,
) -> Tensor | None:
    """Return the (B, kv_length) padding mask, or None where nothing is padded.

    Raises:
        ModelError: the mask is more than padding and causality, such as a sliding window or packed sequences.
    """
    if mask_function not in (causal_mask_function, bidirectional_mask_function):
        raise ModelError(
            "the attention mask must be padding and causality for HSA, but this call adds to it: a sliding window, "
            "several sequences in one row (position_ids that start again), or a mask function of its own."
        )
    if attention_mask is None:
        return None
    attention_mask = attention_mask[:, -kv_length:].bool()
    return None if attention_mask.shape[1] == kv_length and bool(attention_mask.all()) else attention_mask


_last_padding: LastSeen[Tensor | None] = LastSeen()


def padding_of(mask: Tensor | None, shape: tuple[int, int, int], causal: bool, where: str) -> Tensor | None:
    """Return the (B, m) bool padding of an attention mask, None where nothing is padded.

    Args:
        shape: B, n, m.
        where: the layer, for errors.

    Raises:
        ModelError: the mask has another shape, or holds more than padding and causality.
    """
    if mask is None:
        return None
    return _last_padding.get(mask, lambda: _unless_full(_read(mask, shape, causal, where)), shape, causal)


def _unless_full(padding: Tensor) -> Tensor | None:
    return None if bool(padding.all()) else padding


def _read(mask: Tensor, shape: tuple[int, int, int], causal: bool, where: str) -> Tensor:
    B, n, m = shape
    if mask.ndim == 2 and mask.shape == (B, m):
        return mask.bool()
    if mask.ndim != 4 or mask.shape[0] not in (1, B) or mask.shape[1] != 1 or mask.shape[2:] != (n, m):
        raise ModelError(
            f"attention_mask must have shape ({B}, {m}) or ({B}, 1, {n}, {m}), but has {tuple(mask.shape)} in {where}."
        )
    seen = mask[:, 0] if mask.dtype == torch.bool else _unbiased(mask[:, 0], where)
    padding = seen[:, -1]
    position = torch.arange(m, device=mask.device)
    want = padding[:, None].expand(-1, n, -1)
    if causal:
        want = want & (position <= position[m - n :, None])
    # What padded queries see does not matter, but if they see padded keys (and not simply all keys, as some kernels
    # want it), they are no padding: they are another sequence in the same row.
    wrong = (seen != want) & padding[:, m - n :, None]
    other = (seen & ~padding[:, None]).any(-1) & ~seen.all(-1)
    if bool(wrong.any()) or bool(other.any()):
        raise ModelError(
            f"attention_mask must hold padding{' and causality' if causal else ''} and nothing else for HSA, "
            f"but that of {where} hides or shows more."
        )
    return padding.expand(B, -1)


def _unbiased(mask: Tensor, where: str) -> Tensor:
    """Return where an additive mask lets through, or raise if it adds anything else to the logits."""
    hidden = mask <= torch.finfo(mask.dtype).min / 2
    if bool((~hidden & (mask != 0)).any()):
        raise ModelError(
            f"attention_mask must be 0 or -inf for HSA, but that of {where} adds finite values to the logits: "
            "a relative position bias cannot be honoured."
        )
    return ~hidden
