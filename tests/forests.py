"""Forests to attend over, shared by the attention tests."""

import random
from typing import Any

from hypothesis import strategies as st

leaf = st.none()
nested = st.recursive(leaf, lambda inner: st.lists(inner, max_size=6), max_leaves=25)
batches = st.lists(nested, max_size=4)
"""Hypothesis: documents of any depth, with only children, absent nodes, single leaves and empty documents."""


def chain(length: int, end: Any = None) -> Any:
    """`length` nodes, each an only child of the one above, and `end` below the last."""
    for _ in range(length):
        end = [end]
    return end


def ragged(seed: int, documents: int, width: int, depth: int) -> list[Any]:
    """Random documents with families of 0 to `width` children."""
    draw = random.Random(seed)

    def node(below: int) -> Any:
        if below == 0 or draw.random() < 0.25:
            return None
        return [node(below - 1) for _ in range(draw.randint(0, width))]

    return [node(depth) for _ in range(documents)]


CORNERS: dict[str, list[Any]] = {
    "nothing": [],
    "one empty document": [[]],
    "one leaf": [None],
    "one leaf in a chain": [chain(3)],
    "empty, leaf, pair": [[], None, [None, None]],
    "pair below a chain": [chain(4, [None, None])],
    "chains below a pair": [[chain(3), chain(5, [None, chain(2), None])]],
    "absent siblings": [[[], None, [[], []]], [[[]], [None, [], None]]],
    "prime families": [[[None] * 7, [None] * 13, None, [[None] * 3, [None] * 2]], [None] * 11],
}
