"""What was learned about main content, read from a file of numbers: words' evidence, and a forest of small trees.

    main_content.json ─> Model: words (word -> evidence), forest: features (B, F) ─> probability (B,)

Both were learned from pages with known main content (`tools/train_main_content.py` writes the file and reports how
well it does on sites it has not seen; MODEL.md lists the pages). To use the trees takes numpy only: all trees and all
blocks go down one level at a time.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.main.words import Words

FILE: Final = "main_content.json"
_ROWS_AT_ONCE: Final = 4096
"""Bounds the memory of a prediction: rows times trees, in a few arrays."""


@dataclass(frozen=True)
class Forest:
    """T trees as flat arrays of nodes: the roots first, two children side by side; a leaf points to itself."""

    features: tuple[str, ...]
    """Names of the columns that the trees were grown on, in order."""
    bias: float
    trees: int
    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    """Infinite at a leaf."""
    child: NDArray[np.intp]
    """(nodes,) where to go if the feature is at most the threshold; to the node after that if it is more."""
    value: NDArray[np.float64]
    depth: int

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each row of a (B, F) matrix."""
        if len(matrix) > _ROWS_AT_ONCE:
            parts = [matrix[start : start + _ROWS_AT_ONCE] for start in range(0, len(matrix), _ROWS_AT_ONCE)]
            return np.concatenate([self.predict(part) for part in parts])
        count, width = matrix.shape
        flat = np.ascontiguousarray(matrix).ravel()
        start = np.arange(count, dtype=np.intp)[:, None] * width
        node = np.tile(np.arange(self.trees), (count, 1))
        place, child = np.empty_like(node), np.empty_like(node)
        value, bound = np.empty(node.shape, flat.dtype), np.empty(node.shape, np.float32)
        # `take` into arrays at hand costs a third of what indexing does, and this is all that a prediction costs;
        # its mode "clip" keeps it from copying, and nothing is out of bounds.
        for _ in range(self.depth):
            self.feature.take(node, out=place, mode="clip")
            place += start
            flat.take(place, out=value, mode="clip")
            self.threshold.take(node, out=bound, mode="clip")
            self.child.take(node, out=child, mode="clip")
            child += value > bound
            node, child = child, node
        total = self.bias + self.value.take(node).sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-total)))


@dataclass(frozen=True)
class Model:
    """What was learned: the words' evidence, and the trees that weigh it beside the other features."""

    words: Words
    forest: Forest


def from_json(values: dict[str, Any]) -> Model:
    """Return what a file holds: tables of words, and trees as lists of [feature, threshold, left, right] or [value]."""
    rows: list[tuple[int, float, int, float]] = []
    nodes = [(tree, tree[0]) for tree in values["trees"]]
    for tree, node in nodes:  # which grows
        if len(node) == 1:
            rows.append((0, np.inf, len(rows), node[0]))
        else:
            rows.append((node[0], node[1], len(nodes), 0.0))
            nodes += [(tree, tree[node[2]]), (tree, tree[node[3]])]
    forest = Forest(
        features=tuple(values["features"]),
        bias=values["bias"],
        trees=len(values["trees"]),
        feature=np.asarray([row[0] for row in rows], dtype=np.intp),
        threshold=np.asarray([row[1] for row in rows], dtype=np.float32),
        child=np.asarray([row[2] for row in rows], dtype=np.intp),
        value=np.asarray([row[3] for row in rows], dtype=np.float64),
        depth=values["depth"],
    )
    return Model(Words(values["names"], values["texts"]), forest)


def main_content() -> Model:
    """Return what pages are judged by: what the package brings, read once, unless `judged_by` says otherwise."""
    return _other.get() or _shipped()


@contextmanager
def judged_by(model: Model) -> Iterator[None]:
    """Judge pages by another model within a `with` block: what cross-validation needs."""
    before = _other.set(model)
    try:
        yield
    finally:
        _other.reset(before)


_other: ContextVar[Model | None] = ContextVar("main_content", default=None)


@lru_cache(maxsize=1)
def _shipped() -> Model:
    return from_json(json.loads(resources.files("docgraph.parsers.html.main").joinpath(FILE).read_text("utf-8")))
