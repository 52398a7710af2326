"""The layer that fuses a page's passages, with and without its tree."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.fusing.pages import Asked, Page
from encoders.attention import hierarchical_attention
from encoders.forest.batch import TreeBatch

KINDS: Final[dict[str, dict[str, Any]]] = {
    "none": {}, "flat": {}, "permuted": {}, "hsa": {}, "block": {"pooling": "block"},
    "untied": {"pooling": "block", "untie": "queries", "near": 1}, "none + masked": {}, "hsa + masked": {},
}  # fmt: skip
WIDTH, HEADS = 384, 6


class Fusing(nn.Module):
    """One residual layer over the leaves of pages; the identity at first."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind.partition(" ")[0]
        self.norm, self.feed_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        for last in (self.output, self.feed[2]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, pages: Sequence[Page], hidden: Tensor | None = None) -> Tensor:
        """Return (N, D) the leaves of pages, of length 1; of those that are `hidden` only what is around is seen."""
        own = torch.cat([page.read[page.leaves] for page in pages])
        state = own * WIDTH**0.5 if hidden is None else own.masked_fill(hidden[:, None], 0) * WIDTH**0.5
        query, key, value = self.qkv(self.norm(state)).unflatten(-1, (3, HEADS, -1)).unbind(1)
        mixed = value if self.kind == "none" else self._attend(query, key, value, pages)
        state = state + self.output(mixed.flatten(1))
        return F.normalize(state + self.feed(self.feed_norm(state)), dim=-1)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, pages: Sequence[Page]) -> Tensor:
        parents, leaf, order, start, first = [], [], [], 0, 0
        for page in pages:
            count = len(page.leaves)
            parent = np.array([-1] + [0] * count) if self.kind == "flat" else page.parent
            parents.append(np.where(parent < 0, -1, parent + start))
            leaf.append(np.arange(len(parent)) > 0 if self.kind == "flat" else page.is_leaf)
            start += len(parent)
            shuffled = np.random.default_rng([count, int(1e6 * abs(float(page.read[0, 0])))]).permutation(count)
            order.append(first + (shuffled if self.kind == "permuted" else np.arange(count)))
            first += count
        forest = TreeBatch.from_parents(np.concatenate(parents), is_leaf=np.concatenate(leaf))
        place = torch.from_numpy(np.concatenate(order))
        options = KINDS.get(self.kind, {})
        mixed = hierarchical_attention(query[place], key[place], value[place], forest, **options)
        assert isinstance(mixed, Tensor)
        return mixed[place.argsort()]


def fused(pages: Sequence[Page], leaves: Tensor) -> list[Tensor]:
    """Return (S, D) the sources of each page with its leaves in their place."""
    parts = leaves.split([len(page.leaves) for page in pages])
    return [page.read.index_copy(0, page.leaves, one) for page, one in zip(pages, parts, strict=True)]


def vectors(asked: Asked, numbers: Sequence[int], layer: Fusing | None) -> tuple[Tensor, dict[int, int]]:
    """Return the places of some pages, and where each of them is."""
    pages = [asked.pages[number] for number in numbers]
    read = [page.read for page in pages] if layer is None else fused(pages, layer(pages))
    among = {number: place for place, number in enumerate(numbers)}
    places = [(n, among[page], row) for n, (page, row) in enumerate(asked.places) if page in among]
    made = [pages[page].weights[pages[page].node[row]] @ read[page] for _, page, row in places]
    return F.normalize(torch.stack(made), dim=-1), {n: where for where, (n, _, _) in enumerate(places)}
