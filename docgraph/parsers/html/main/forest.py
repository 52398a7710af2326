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
    """T trees as flat arrays of nodes; a leaf points to itself."""

    features: tuple[str, ...]
    """Names of the columns that the trees were grown on, in order."""
    bias: float
    roots: NDArray[np.intp]
    """(T,) first node of each tree."""
    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    children: NDArray[np.intp]
    """(nodes, 2) where to go if the feature is at most the threshold, and if it is more."""
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
        node = np.broadcast_to(self.roots, (count, len(self.roots)))
        # `take` on flat arrays costs half of what indexing does, and this is all that a prediction costs.
        after = self.children.ravel()
        for _ in range(self.depth):
            more = flat.take(start + self.feature.take(node)) > self.threshold.take(node)
            node = after.take(2 * node + more)
        total = self.bias + self.value.take(node).sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-total)))


@dataclass(frozen=True)
class Model:
    """What was learned: the words' evidence, and the trees that weigh it beside the other features."""

    words: Words
    forest: Forest


def from_json(values: dict[str, Any]) -> Model:
    """Return what a file holds: tables of words, and trees as lists of [feature, threshold, left, right] or [value]."""
    roots: list[int] = []
    rows: list[tuple[int, float, int, int, float]] = []
    for tree in values["trees"]:
        base = len(rows)
        roots.append(base)
        for place, node in enumerate(tree):
            if len(node) == 1:
                rows.append((0, 0.0, base + place, base + place, node[0]))
            else:
                rows.append((node[0], node[1], base + node[2], base + node[3], 0.0))
    forest = Forest(
        features=tuple(values["features"]),
        bias=values["bias"],
        roots=np.asarray(roots, dtype=np.intp),
        feature=np.asarray([row[0] for row in rows], dtype=np.intp),
        threshold=np.asarray([row[1] for row in rows], dtype=np.float32),
        children=np.asarray([row[2:4] for row in rows], dtype=np.intp).reshape(-1, 2),
        value=np.asarray([row[4] for row in rows], dtype=np.float64),
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
