"""Where a block stands: the elements around it, the blocks beside it, its place on the page.

    Elements, owner of each block ─ Tree ─> sums over subtrees ─ around, neighbours, place ─> columns of the features

Cost is linear: sums over subtrees are differences of running sums, for rows are in document order.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.elements import Elements

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_LEVELS: Final = 5
AROUND: Final = tuple(
    f"{name}_{level}"
    for level in range(_LEVELS)
    for name in ("share", "links", "prose", "blocks", "words", "dates", "askings", "headings", "pictures")
)
_STEPS: Final = (-3, -2, -1, 1, 2, 3)
_FARTHEST: Final = 3
_BESIDE: Final = np.asarray(_STEPS) + _FARTHEST
NEIGHBOURS: Final = tuple(
    f"{name}_{step:+d}" for step in _STEPS for name in ("words", "links", "prose", "heading", "same")
)
PLACE: Final = (
    "index", "from_end", "prose_before", "window_before", "window_after", "since_title", "family_prose",
    "family_blocks", "depth", "page_words", "page_prose", "page_blocks", "root_share", "in_root", "below_root",
    "block_share", "to_prose_before", "to_prose_after",
)  # fmt: skip


class Tree:
    """Sums over the subtree of every element."""

    def __init__(self, elements: Elements, owner: Rows, words: Floats, linked: Floats, prose: Floats) -> None:
        self.count = len(elements)
        self.parent: Rows = np.asarray(elements.parent, dtype=np.int64)
        first = np.asarray(elements.first, dtype=np.int64)
        last = np.asarray(elements.last, dtype=np.int64)
        self.end: Rows = np.asarray(elements.ends, dtype=np.int64)
        self.depth: Rows = np.arange(self.count) - np.searchsorted(np.sort(last), first)  # all before that are open
        self.words = self.sum(owner, words)
        self.linked = self.sum(owner, linked)
        self.prose = self.sum(owner, prose)
        self.blocks = self.sum(owner, np.ones(len(owner)))
        self.counts: list[Floats] = []
        self.total_words = max(1.0, float(words.sum()))
        self.total_prose = max(1.0, float(prose.sum()))

    def sum(self, owner: Rows, values: Floats) -> Floats:
        own = np.bincount(owner, weights=values, minlength=self.count)
        running: Floats = np.concatenate([[0.0], np.cumsum(own)])
        sums: Floats = running[self.end] - running[:-1]
        return sums

    def above(self, rows: Rows) -> Rows:
        """Return the parents; the root is its own."""
        return np.maximum(self.parent[rows], 0)


def around(tree: Tree, owner: Rows) -> Floats:
    """Return the (B, AROUND) columns: what the elements around each block hold."""
    rows = [owner]
    for _ in range(_LEVELS - 1):
        rows.append(tree.above(rows[-1]))
    row = np.stack(rows, axis=1)  # (B, levels)
    words, prose, blocks = np.maximum(tree.words[row], 1.0), tree.prose[row], tree.blocks[row]
    some = np.maximum(blocks, 1.0)
    columns = [
        prose / tree.total_prose,
        tree.linked[row] / words,
        prose / words,
        np.log2(1 + blocks),
        np.log2(1 + words),
        *(count[row] / some for count in tree.counts),
    ]
    return np.stack(columns, axis=2).reshape(len(owner), -1)


def neighbours(
    words: Floats, links: Floats, prose: Floats, heading: Any, kind: Floats, owner: Rows, tree: Tree
) -> Floats:
    """Return the (B, NEIGHBOURS) columns: the blocks before and after each."""
    own = np.stack([np.log2(1 + words), links, prose > 0, heading, tree.above(owner), kind], axis=1)
    padded = np.full((len(own) + 2 * _FARTHEST, own.shape[1]), -1.0)  # -1 past the ends
    padded[_FARTHEST:-_FARTHEST] = own
    beside = padded[np.arange(len(own))[:, None] + _BESIDE]  # (B, 6, columns)
    same = (beside[:, :, 4:] == own[:, None, 4:]).all(axis=2)
    return np.concatenate([beside[:, :, :4], same[:, :, None]], axis=2).reshape(len(own), -1)


def place(elements: Elements, tree: Tree, owner: Rows, words: Floats, prose: Floats, title: int) -> Floats:
    """Return the (B, PLACE) columns: where on the page each block stands, and the prose near it."""
    count = len(owner)
    order = np.arange(count, dtype=np.float64)
    running = np.concatenate([[0.0], np.cumsum(prose)])
    before = running[:-1] - running[np.maximum(np.arange(count) - 6, 0)]
    after = running[np.minimum(np.arange(count) + 7, count)] - running[1:]
    since = order - float(np.searchsorted(owner, title)) if title >= 0 else np.full(count, -999.0)
    parent = tree.above(owner)
    tag_ids: dict[str, int] = {}
    tags = np.asarray([tag_ids.setdefault(elements.tag[row], len(tag_ids)) for row in owner.tolist()])
    _, family = np.unique(parent * (len(tag_ids) + 1) + tags, return_inverse=True)
    family_prose = np.bincount(family, weights=prose)[family]
    family_blocks = np.bincount(family)[family]
    root = _densest(tree, owner, prose)
    inside = (owner >= root) & (owner < tree.end[root])
    depth = tree.depth
    indices = np.arange(count)
    last_prose = np.maximum.accumulate(np.where(prose > 0, indices, -99))
    next_prose = np.minimum.accumulate(np.where(prose > 0, indices, count + 99)[::-1])[::-1]
    columns = [
        order / count,
        (count - order) / count,
        running[:-1] / tree.total_prose,
        np.log2(1 + before),
        np.log2(1 + after),
        np.clip(since, -30, 60),
        family_prose / tree.total_prose,
        np.log2(1 + family_blocks),
        np.minimum(depth[owner], 60),
        np.full(count, np.log2(1 + tree.total_words)),
        np.full(count, tree.total_prose / tree.total_words),
        np.full(count, np.log2(1 + count)),
        np.full(count, tree.prose[root] / tree.total_prose),
        inside.astype(np.float64),
        np.where(inside, depth[owner] - depth[root], -1),
        words / tree.total_words,
        np.minimum(indices - last_prose, 30),
        np.minimum(next_prose - indices, 30),
    ]
    return np.stack(columns, axis=1)


def _densest(tree: Tree, owner: Rows, prose: Floats) -> int:
    """Return the smallest element whose own and grandchild blocks hold the most prose (Readability's candidate)."""
    parent = tree.above(owner)
    score: Floats = np.bincount(parent, weights=prose, minlength=tree.count).astype(np.float64)
    score += np.bincount(tree.above(parent), weights=prose / 2, minlength=tree.count)
    score = score * (1 - tree.linked / np.maximum(tree.words, 1.0))
    return int(np.argmax(score)) if len(score) else 0
