"""The hierarchical key-value cache: what converted causal layers keep in `generate` instead of keys and values.

    model.generate(..., past_key_values=HierarchicalCache(model))

    positions so far ─ ingest ─> KeyValueBlocks (shelves)
        ─ step(query, key, value of the next) ─> its output, one longer

Converted causal layers keep `KeyValueBlocks` each, others their keys and values as ever. A key that comes out of such a
layer's `update` carries the layer with it, so that the attention function finds it.

Windows grow from the left, so a block left of the last position's ancestors is complete and never changes: the next
position attends to itself and to these blocks. Shelf l holds the complete left siblings at level l, fewer than
branching[l]; when one more would fill it, it is emptied into one block of the shelf above. The last shelf holds the
root's children and is the only one that grows. So a step costs O(b log N) and never looks at positions again.

A block is one row of numbers a head: mass, surprise, mean key, mean value, and the mean square of its keys if the form
needs it. Its entropy, as attention/pooling.py has it, is log(mass) - surprise.

Axes:  B sequences   n positions   H heads   K key-value heads   J heads of a block (K, or H if attention-pooled)
       S slots of a shelf   C numbers of a block   D query width   E value width
"""

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from docgraph.errors import ModelError
from encoders.attention.untied import second_cumulant
from encoders.zero_shot.form import Form, mean_so_far
from encoders.zero_shot.layer import layers_of
from encoders.zero_shot.windows import Ends, Windows

_MARK = "_docgraph_cache_layer"
"""Attribute of a key that names the cache layer it comes from."""
MASS, SURPRISE, KEY = 0, 1, 2


class KeyValueBlocks:
    """What one causal layer keeps of the positions so far: complete blocks of keys and values, sequence by sequence."""

    def __init__(self, hierarchy: Windows, form: Form, ends: Ends, scale: float) -> None:
        if form.near:
            raise ModelError(
                f"near must be 0 for the hierarchical cache, but is {form.near}: "
                "the exact near field would need more than one ancestor line. "
                "Generate with transformers' own cache instead."
            )
        self.branching, self.form, self.scale = hierarchy.branching, form, scale
        self.pooled = form.pooling == "attention"
        self.leading = ends.leading if hierarchy.special_tokens == "own" else 0
        self.count = torch.zeros(0, dtype=torch.int64)
        """(B,) positions so far, padding left out."""
        self.shelves: list[Tensor] = []
        """(B, S, J, C) at each level."""
        self.query_sum: Tensor | None = None
        """(B, H, D) of all queries so far, where blocks are attention-pooled."""

    def ingest(self, query: Tensor | None, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        """Take in the positions of a prompt.

        Args:
            query: (B, H, n, D); None will do unless blocks are attention-pooled.
            key, value: (B, K, n, .).
            mask: (B, n) True at unpadded positions, None if all are.
        """
        key, value = key.detach().transpose(1, 2), value.detach().transpose(1, 2)
        rows = []
        sums = []
        for r in range(len(key)):
            seen = slice(None) if mask is None else mask[r]
            reference = None
            if self.pooled:
                assert query is not None
                q = _wide(query[r].detach().transpose(0, 1)[seen])
                reference = mean_so_far(q)
                sums.append(q.sum(0))
            rows.append(self._leaves(reference, key[r, seen], value[r, seen]))
        self.count = torch.tensor([len(row) for row in rows], device=key.device)
        self.query_sum = torch.stack(sums) if self.pooled else None
        levels = [self._shelve(row) for row in rows]
        slots = [*self.branching, max(len(shelves[-1]) for shelves in levels)]
        self.shelves = [torch.stack([_fill(shelves[i], s) for shelves in levels]) for i, s in enumerate(slots)]

    def step(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from one more position, then take it in.

        Args:
            query: (B, H, 1, D), and key (B, K, 1, D), value (B, K, 1, E), unpadded in every sequence.

        Returns:
            (B, 1, H, E) in the dtype of `value`.
        """
        q = _wide(query[:, :, 0].detach())
        reference = None
        if self.query_sum is not None:
            self.query_sum = self.query_sum + q
            reference = self.query_sum / (self.count + 1)[:, None, None]
        leaf = self._leaves(reference, key[:, :, 0].detach(), value[:, :, 0].detach())
        used = self._used()
        blocks = torch.cat([*self.shelves, leaf[:, None]], dim=1)
        slot = [
            torch.arange(shelf.shape[1], device=q.device) < u[:, None]
            for shelf, u in zip(self.shelves, used, strict=True)
        ]
        seen = torch.cat([*slot, slot[0].new_ones(len(q), 1)], dim=1)
        output = self._mix(q, blocks, seen, value.shape[-1])
        self._put(leaf, used)
        self.count = self.count + 1
        return output[:, None].to(value.dtype)

    def select(self, rows: Tensor) -> None:
        """Keep these sequences of the batch, in this order."""
        self.count = self.count[rows]
        self.shelves = [shelf[rows] for shelf in self.shelves]
        self.query_sum = None if self.query_sum is None else self.query_sum[rows]

    def _leaves(self, reference: Tensor | None, key: Tensor, value: Tensor) -> Tensor:
        """Blocks (..., J, C) of single positions; `reference` is the mean query so far, (..., H, D)."""
        k, v = _wide(key), _wide(value)
        if self.pooled:
            assert reference is not None
            group = reference.shape[-2] // k.shape[-2]
            k, v = k.repeat_interleave(group, dim=-2), v.repeat_interleave(group, dim=-2)
            surprise = ((reference * k).sum(-1, keepdim=True) * self.scale).clamp(-60, 60)
        else:
            surprise = k.new_zeros(*k.shape[:-1], 1)
        square = [k.square()] if self.form.cumulant else []
        return torch.cat([surprise.exp(), surprise, k, v, *square], dim=-1)

    def _shelve(self, blocks: Tensor) -> list[Tensor]:
        """Sort the (n, J, C) positions of one sequence onto shelves."""
        special, blocks = blocks[: self.leading], blocks[self.leading :]
        shelves = []
        for b in self.branching:
            full = len(blocks) // b
            shelves.append(blocks[full * b :])
            blocks = _pool(blocks[: full * b].view(full, b, *blocks.shape[1:]))
        return [*shelves, torch.cat([special, blocks])]

    def _used(self) -> list[Tensor]:
        """(B,) filled slots of each shelf."""
        rest = (self.count - self.leading).clamp(min=0)
        used = []
        for b in self.branching:
            used.append(rest % b)
            rest = rest // b
        return [*used, rest + self.count.clamp(max=self.leading)]

    def _put(self, block: Tensor, used: list[Tensor]) -> None:
        """Put one block a sequence (B, J, C) onto the lowest shelf, and full shelves onto the next."""
        row = torch.arange(len(block), device=block.device)
        special = self.count < self.leading
        placed = ~special
        for level, b in enumerate(self.branching):
            shelf = self.shelves[level]
            shelf[row, used[level]] = torch.where(placed[:, None, None], block, shelf[row, used[level]])
            placed = placed & (used[level] + 1 == b)
            block = torch.where(special[:, None, None], block, _pool(shelf))
        placed = placed | special
        last = used[-1]
        if int(last.max()) == self.shelves[-1].shape[1]:
            self.shelves[-1] = torch.cat(
                [self.shelves[-1], torch.zeros_like(self.shelves[-1]), block[:, None] * 0], dim=1
            )
        shelf = self.shelves[-1]
        shelf[row, last] = torch.where(placed[:, None, None], block, shelf[row, last])

    def _mix(self, query: Tensor, blocks: Tensor, seen: Tensor, width: int) -> Tensor:
        """(B, H, E) for query (B, H, D), blocks (B, S, J, C) and which of them are there (B, S)."""
        D = query.shape[-1]
        blocks = blocks.repeat_interleave(query.shape[1] // blocks.shape[2], dim=2).transpose(1, 2)
        key, value = blocks[..., KEY : KEY + D], blocks[..., KEY + D : KEY + D + width]
        q = query[:, :, None] * self.scale
        logits = (q * key).sum(-1) + blocks[..., MASS].clamp(min=1e-30).log() - blocks[..., SURPRISE]
        if self.form.cumulant:
            variance = (blocks[..., KEY + D + width :] - key.square()).clamp(min=0)
            log_n = self._log_leaves(blocks.shape[2], query)
            logits = logits + second_cumulant((q.square() * variance).sum(-1), log_n)
        weight = logits.masked_fill(~seen[:, None], -torch.inf).softmax(-1)
        return (weight[:, :, None] @ value)[:, :, 0]

    def _log_leaves(self, slots: int, like: Tensor) -> Tensor:
        """(slots,) log of the positions under each block; an own special position is one."""
        per_level = [1]
        for b in self.branching:
            per_level.append(per_level[-1] * b)
        sizes = [shelf.shape[1] for shelf in self.shelves]
        n = [float(w) for w, s in zip(per_level, sizes, strict=True) for _ in range(s)] + [1.0]
        first_of_root = sum(sizes[:-1])
        n[first_of_root : first_of_root + self.leading] = [1.0] * self.leading
        assert len(n) == slots
        return torch.tensor(n, dtype=like.dtype, device=like.device).log()


def _wide(states: Tensor) -> Tensor:
    return states if states.dtype == torch.float64 else states.float()


def _pool(blocks: Tensor) -> Tensor:
    """Join blocks (..., b, J, C) into one (..., J, C)."""
    mass = blocks[..., MASS : MASS + 1]
    total = mass.sum(-3, keepdim=True)
    mixed = (blocks * (mass / total.clamp(min=1e-30))).sum(-3)
    return torch.cat([total[..., 0, :, :], mixed[..., SURPRISE:]], dim=-1)


def _fill(blocks: Tensor, slots: int) -> Tensor:
    return torch.cat([blocks, blocks.new_zeros(slots - len(blocks), *blocks.shape[1:])])


class HierarchicalLayer(CacheLayerMixin):
    """The cache of one converted layer: `KeyValueBlocks` instead of keys and values."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.blocks: KeyValueBlocks | None = None
        self.length = 0
        """Positions so far, padding included."""
        self.awaiting = False

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Note that there is something; the blocks are made by the attention function."""
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Hand the new keys and values through, marked: the attention function takes them into the blocks."""
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
        self.blocks, self.length, self.awaiting, self.is_initialized = None, 0, False, False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Follow the beams."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these sequences."""
        if self.blocks is not None:
            self.blocks.select(indices.to(self.blocks.count.device))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence."""
        if self.blocks is not None:
            rows = torch.arange(len(self.blocks.count), device=self.blocks.count.device)
            self.blocks.select(rows.repeat_interleave(repeats))

    def crop(self, tokens_to_remove: int) -> None:
        """Refuse: pooled positions cannot be taken out again."""
        if tokens_to_remove:
            raise ModelError("a HierarchicalCache must only grow, but was asked to give up positions.")


class HierarchicalCache(Cache):
    """A cache for `generate` that keeps blocks, not positions, in each converted layer.

    Raises:
        ModelError: the model has no converted causal layer with windows.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        converted = {layer.index for layer in layers_of(model) if layer.enabled and layer.causal}
        if not converted:
            raise ModelError("model must have converted causal layers, but has none: use transformers' own cache.")
        count = model.config.get_text_config(decoder=True).num_hidden_layers
        super().__init__(layers=[HierarchicalLayer() if i in converted else DynamicLayer() for i in range(count)])
