"""Text to leaves by any local transformers model.

    TextInputs (sub-words, each tied to its leaf) ─ windows ─ encoder ─ pool, or not ─ project ─> (leaves with text, D)

A leaf is a sub-word, or with `pooled` a whole sentence, heading or cell: the mean of its sub-words. The encoder reads
a unit (paragraph, heading) at a time; a unit past its length is read in overlapping windows and each sub-word is taken
from the window where it stands farthest from an edge. Nothing is cut.

Axes:  T sub-words   N leaves of the batch   L leaves with text   W windows   C encoder width   D model width
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel

from docgraph.errors import ModelError
from encoders.cache import FeatureCache, cache_scope, fingerprint
from encoders.inputs.encoded import Ints, TextInputs
from encoders.leaves.pooling import mean_embedding, weighted_mean
from encoders.sharding import is_sharded, passes

WINDOW_TOKENS = 8_192
"""Sub-words, with padding, of one pass through a pre-trained encoder: bounds its memory."""


class Window(NamedTuple):
    """A stretch of sub-words read at once, and the part of it whose states are kept."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def windows_of(unit_start: Ints, capacity: int) -> list[Window]:
    """Cut units into windows of at most `capacity` sub-words; the kept parts cover every sub-word once.

    Neighbouring windows of a long unit overlap by a quarter of the capacity and share the overlap half and half.
    """
    windows = []
    for first, last in zip(unit_start[:-1].tolist(), unit_start[1:].tolist(), strict=True):
        overlap = capacity // 4
        start = kept = first
        while start + capacity < last:
            end = start + capacity
            keep_end = end - overlap // 2
            windows.append(Window(start, end, kept, keep_end))
            kept, start = keep_end, end - overlap
        if last > first:
            windows.append(Window(start, last, kept, last))
    return windows


class PretrainedTextLeaves(nn.Module):
    """A transformers model that reads text, and the projection of its states to the document model's width.

    Args:
        config: the transformers configuration (a `PreTrainedConfig`); weights are drawn at random until loaded.
        prefix_ids, suffix_ids: special sub-words put around each window.
        window: sub-words of a window with its special ones; 0 for all that the encoder allows.
    """

    def __init__(
        self,
        config: Any,
        hidden_size: int,
        *,
        pooled: bool,
        frozen: bool,
        window: int = 0,
        prefix_ids: tuple[int, ...] = (),
        suffix_ids: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.encoder: Any = AutoModel.from_config(config)
        self.width = int(config.hidden_size)
        self.project = nn.Linear(self.width, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.pooled, self.frozen = pooled, frozen
        self.prefix_ids, self.suffix_ids = prefix_ids, suffix_ids
        self.capacity = _longest(config, window) - len(prefix_ids) - len(suffix_ids)
        self.cache: FeatureCache | None = None
        self._fingerprint: str | None = None
        if frozen:
            self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainedTextLeaves":
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def load_encoder(self, folder: str) -> None:
        """Read the encoder's weights from a local transformers folder (or hub name, with a network)."""
        self.encoder.load_state_dict(AutoModel.from_pretrained(folder).state_dict())
        self._fingerprint = None

    def names(self, token_id: Tensor) -> Tensor:
        """(K, longest) sub-words of field names, -1 for none -> (K, C) their mean input embedding."""
        return mean_embedding(self.encoder.get_input_embeddings(), token_id)

    def forward(self, inputs: TextInputs, leaves: int) -> Tensor:
        """Return (N, D): rows of leaves without text are 0."""
        weight = self.project.weight
        leaf, features = self.features(inputs)
        projected: Tensor = self.norm(self.project(features.to(weight.dtype)))
        state = torch.zeros(leaves, weight.shape[0], dtype=projected.dtype, device=weight.device)
        return state.index_copy(0, leaf, projected)

    def features(self, inputs: TextInputs) -> tuple[Tensor, Tensor]:
        """Return the leaves that have text (L,), and what the encoder says of them (L, C)."""
        return self._cached(inputs) if self.frozen else self._fresh(inputs)

    def _fresh(self, inputs: TextInputs) -> tuple[Tensor, Tensor]:
        """Return the leaves that have text, ascending by first sub-word, and their features (L, C)."""
        return self._pool(self.read(inputs.token_id, inputs.unit_start), inputs.token_leaf)

    def _pool(self, states: Tensor, token_leaf: Tensor) -> tuple[Tensor, Tensor]:
        if not self.pooled:
            return token_leaf, states
        return weighted_mean(states, torch.ones(len(states), 1, dtype=states.dtype, device=states.device), token_leaf)

    def _cached(self, inputs: TextInputs) -> tuple[Tensor, Tensor]:
        """As `_fresh`, for a frozen encoder: units that are in the cache are not read again."""
        if self.cache is None:
            with torch.no_grad():
                return self._fresh(inputs)
        scope = cache_scope(self.fingerprint(), inputs.token_id.device)
        known = self.cache.get(scope, inputs.unit_digest)
        missing = [unit for unit, features in enumerate(known) if features is None]
        if missing or is_sharded(self.encoder):
            bounds = [(int(inputs.unit_start[u]), int(inputs.unit_start[u + 1])) for u in missing]
            ranges = [np.arange(start, end) for start, end in bounds]
            chosen = torch.from_numpy(np.concatenate(ranges) if ranges else np.zeros(0, np.int64))
            starts = np.concatenate([[0], np.cumsum([e - s for s, e in bounds])])
            with torch.no_grad():
                states = self.read(inputs.token_id[chosen.to(inputs.token_id.device)], starts)
            for unit, (start, end), first in zip(missing, bounds, starts[:-1].tolist(), strict=True):
                piece = states[first : first + end - start]
                known[unit] = self._pool(piece, inputs.token_leaf[start:end])[1].float().cpu().numpy()
            self.cache.put(scope, {inputs.unit_digest[unit]: known[unit] for unit in missing})  # type: ignore[misc]
        leaf = torch.unique_consecutive(inputs.token_leaf) if self.pooled else inputs.token_leaf
        features = [f for f in known if f is not None]
        joined = np.concatenate(features) if features else np.zeros((0, self.width), np.float32)
        return leaf, torch.from_numpy(joined).to(inputs.token_id.device)

    def fingerprint(self) -> str:
        """Return a hash of the encoder's weights and of how text is read: what cached features depend on."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(
                self.encoder, (self.capacity, self.prefix_ids, self.suffix_ids, self.pooled)
            )
        return self._fingerprint

    def read(self, token_id: Tensor, unit_start: Ints) -> Tensor:
        """(T,) -> (T, C): the encoder's last states, window by window, of like length together.

        An encoder that learns makes at least one pass, so that every process has gradients for it.
        """
        windows = windows_of(unit_start, self.capacity)
        special = len(self.prefix_ids) + len(self.suffix_ids)
        groups = together([window.end - window.start + special for window in windows])
        least = int(self.training and not self.frozen)
        idle = passes(self.encoder, max(len(groups), least), token_id.device) - len(groups)
        pieces: dict[int, Tensor] = {}
        for group in groups:
            read = self._read_group(token_id, [windows[w] for w in group])
            pieces |= dict(zip(group, read, strict=True))
        ids = torch.zeros(1, 1, dtype=torch.int64, device=token_id.device)
        unused = [0 * self.encoder(input_ids=ids).last_hidden_state.sum() for _ in range(idle)]
        joined = torch.cat([pieces[w] for w in range(len(windows))]) if windows else None
        states = torch.zeros(0, self.width, device=token_id.device) if joined is None else joined
        return states + sum(unused) if unused else states

    def _read_group(self, token_id: Tensor, windows: list[Window]) -> list[Tensor]:
        """Run the encoder on one padded group and return the kept states of each window."""
        texts = [token_id[w.start : w.end] for w in windows]
        states, _ = padded_states(self.encoder, texts, self.prefix_ids, self.suffix_ids)
        skip = len(self.prefix_ids)
        return [
            states[row, skip + w.keep_start - w.start : skip + w.keep_end - w.start] for row, w in enumerate(windows)
        ]


def together(lengths: Sequence[int]) -> list[list[int]]:
    """Return places of rows of sub-words that are read in one pass, longest first."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups = []
    while order:
        most = max(1, WINDOW_TOKENS // max(lengths[order[-1]], 1))
        groups.append([order.pop() for _ in range(min(len(order), most))])
    return groups


def padded_states(
    encoder: Any, texts: Sequence[Tensor], prefix_ids: Sequence[int], suffix_ids: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return an encoder's last states (B, T, C) of texts (T,), special sub-words around each, padded to the longest,
    and which of them are no padding (B, T).
    """
    device = texts[0].device
    prefix, suffix = (torch.tensor(list(ids), dtype=torch.int64, device=device) for ids in (prefix_ids, suffix_ids))
    rows = [torch.cat([prefix, text, suffix]) for text in texts]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=int(encoder.config.pad_token_id or 0))
    lengths = torch.tensor([len(row) for row in rows], device=device)
    mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
    states: Tensor = encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return states, mask


def _longest(config: Any, window: int) -> int:
    """Return the sub-words that one pass of the encoder may hold."""
    allowed = int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 512)
    if getattr(config, "model_type", "") in {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer"}:
        allowed -= int(config.pad_token_id or 0) + 1
    longest = min(window or allowed, allowed) if allowed > 0 else window or 512
    if longest < 8:
        raise ModelError(f"a window of the text encoder must hold at least 8 sub-words, but holds {longest}.")
    return longest
