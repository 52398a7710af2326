"""Hierarchies over the positions of a sequence or of a patch grid, from its shape, or from its keys too.

    Windows | Quadtree ─ forest(lengths, ends) ─> TreeBatch: one tree a sequence, leaves = its unpadded positions
    Auto ─ fit(keys, ends) ─> TreeBatch, windows whose ends are moved; trees_from_states: the same as a function
    "given"  the caller hands a TreeBatch over at each call (`encoders.zero_shot.text_trees` makes some)

A hierarchy is a value: it can be compared, hashed (it is a key of the layout cache) and written into a
model's config as plain JSON values.

Axes:  B sequences   n unpadded positions of one sequence
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import Tensor

from docgraph.errors import ModelError
from encoders.forest.batch import TreeBatch
from encoders.forest.families import Index
from encoders.zero_shot.moved import moved_windows, z_order

SpecialTokens = Literal["inside", "own"]


class Ends(NamedTuple):
    """How many special positions a sequence begins and ends with: `[CLS]` ... `[SEP]` is (1, 1)."""

    leading: int
    trailing: int


@dataclass(frozen=True)
class Windows:
    """Windows that do not overlap, from the leaves up; what remains above the last level are the root's children."""

    branching: tuple[int, ...] = (2, 4, 8, 16)
    """Children of a node at each level. `()` is one level: softmax attention itself."""
    special_tokens: SpecialTokens = "inside"
    """"own": the special positions at the ends are children of the root, and windows run over the others."""

    def __post_init__(self) -> None:
        if any(not isinstance(b, int) or b < 2 for b in self.branching):
            raise ModelError(f"branching must be integers of at least 2, leaves first, but is {tuple(self.branching)}.")
        if self.special_tokens not in ("inside", "own"):
            raise ModelError(f'special_tokens must be "inside" or "own", but is {self.special_tokens!r}.')

    def forest(self, lengths: Sequence[int], ends: Ends) -> TreeBatch:
        """Return one tree for each of the (B,) lengths."""
        lead, trail = ends if self.special_tokens == "own" else (0, 0)
        return _forest([self._parents(n, min(lead, n), min(trail, n - min(lead, n))) for n in lengths], lengths)

    def _parents(self, n: int, lead: int, trail: int) -> Index:
        """Rows are the n positions, then the windows level by level, then the root."""
        level, rows = np.arange(lead, n - trail), n
        above: list[Index] = []
        for b in self.branching:
            if len(level) < 2:
                break
            window = np.arange(len(level)) // b
            above.append(rows + window)
            level = np.arange(rows, rows + int(window[-1]) + 1)
            rows += len(level)
        inner = np.concatenate([*above, np.full(len(level), rows)])
        return np.concatenate([np.full(lead, rows), inner[: n - lead - trail], np.full(trail, rows),
                               inner[n - lead - trail :], [-1]])  # fmt: skip

    def __str__(self) -> str:
        name = "windows " + ",".join(map(str, self.branching)) if self.branching else "one level"
        return name + (" + own special tokens" if self.special_tokens == "own" else "")


@dataclass(frozen=True)
class Auto(Windows):
    """Windows whose ends are moved, in each layer and call, to where the keys change; `forest` has them before that.

    Where a tree comes with a call, as `trees_from_text` makes of sentences, that is used instead. Not for causal
    layers: later positions would have a say in what earlier ones see.
    """

    grid: tuple[int, int] | None = None
    """Patches (down, across), which are taken along the Z-order curve; None: a sequence."""

    def fit(self, keys: Sequence[Tensor], ends: Ends) -> TreeBatch:
        """Return one tree for each of the (n, width) keys.

        Raises:
            ModelError: there is a grid, and the positions between the special ones are not it.
        """
        trees = []
        for key in keys:
            n, own = len(key), self.special_tokens == "own" or self.grid is not None
            lead = min(ends.leading, n) if own else 0
            inner = np.arange(lead, n - min(ends.trailing, n - lead) if own else n)
            inner = inner if self.grid is None else inner[z_order(self.grid, len(inner))]
            trees.append(moved_windows(key.detach().cpu().double().numpy(), self.branching, inner))
        return _forest(trees, [len(key) for key in keys])

    def __str__(self) -> str:
        return f"moved {super().__str__()}"


def trees_from_states(
    states: Tensor,
    mask: Tensor | None = None,
    *,
    branching: tuple[int, ...] = (16,),
    special_tokens: SpecialTokens = "own",
    ends: tuple[int, int] = (1, 1),
    grid: tuple[int, int] | None = None,
) -> TreeBatch:
    """Return a tree over the positions of each sequence, its blocks ending where the states change.

    Args:
        states: (B, n, width) keys, hidden states or other vectors, any floating dtype.
        mask: (B, n) nonzero at unpadded positions; None: nothing is padded.
        branching: children of a node at each level, on average, leaves first.
        special_tokens: "own" makes the special positions, as many at each end as `ends` says, children of the root.
        grid: patches (down, across) between the special positions; None: a sequence.
    """
    rows = states if mask is None else [row[seen] for row, seen in zip(states, mask != 0, strict=True)]
    return Auto(branching, special_tokens, grid).fit(list(rows), Ends(*ends))


@dataclass(frozen=True)
class Quadtree:
    """Squares of patches inside squares of patches; `[CLS]` and the like are children of the root."""

    grid: tuple[int, int] | None = None
    """Patches (down, across). None: the square grid that the number of positions makes."""
    side: int = 2
    """A square is side x side smaller ones."""

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ModelError(f"side must be at least 2, but is {self.side}.")

    def forest(self, lengths: Sequence[int], ends: Ends) -> TreeBatch:
        """Return one tree for each of the (B,) lengths.

        Raises:
            ModelError: the positions between the special ones are not the grid.
        """
        return _forest([self._parents(n, ends) for n in lengths], lengths)

    def _parents(self, n: int, ends: Ends) -> Index:
        patches = n - sum(ends)
        height, width = self.grid or (isqrt(max(patches, 0)),) * 2
        if height * width != patches:
            what = f"the grid {height} x {width}" if self.grid else "a square grid; say Quadtree(grid=...)"
            raise ModelError(f"the {n} positions without {sum(ends)} special ones must be {what}, but are {patches}.")
        above: list[Index] = []
        rows = n
        while height * width > 1:
            down, across = -(-height // self.side), -(-width // self.side)
            y, x = np.divmod(np.arange(height * width), width)
            above.append(rows + y // self.side * across + x // self.side)
            height, width, rows = down, across, rows + down * across
        top = rows - 1 if above else n
        # The last square covers the image: it is the root.
        inner = np.concatenate(above) if above else np.full(patches, top)
        return np.concatenate([np.full(ends.leading, top), inner[:patches], np.full(ends.trailing, top),
                               inner[patches:], [-1]])  # fmt: skip

    def __str__(self) -> str:
        grid = f" {self.grid[0]}x{self.grid[1]}" if self.grid else ""
        return f"quadtree{grid}, side {self.side}"


Hierarchy = Windows | Quadtree | Literal["given"]
"""What a converted layer attends over; "given": the tree comes with each call."""


def to_json(hierarchy: Hierarchy) -> Any:
    """Return plain values for a config file."""
    if hierarchy == "given":
        return "given"
    if isinstance(hierarchy, Windows):
        record = {"branching": list(hierarchy.branching), "special_tokens": hierarchy.special_tokens}
        return {**record, "auto": _listed(hierarchy.grid)} if isinstance(hierarchy, Auto) else record
    return {"grid": _listed(hierarchy.grid), "side": hierarchy.side}


def from_json(record: Any) -> Hierarchy:
    """Invert `to_json`."""
    if record == "given":
        return "given"
    if "auto" in record:
        return Auto(tuple(record["branching"]), record["special_tokens"], _grid(record["auto"]))
    if "branching" in record:
        return Windows(tuple(record["branching"]), record["special_tokens"])
    return Quadtree(_grid(record["grid"]), record["side"])


def _listed(grid: tuple[int, int] | None) -> list[int] | None:
    return None if grid is None else list(grid)


def _grid(record: list[int] | None) -> tuple[int, int] | None:
    return (record[0], record[1]) if record else None


def _forest(parents: list[Index], lengths: Sequence[int]) -> TreeBatch:
    """Join trees whose first rows are their leaves."""
    sizes = np.array([len(p) for p in parents], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    parent = np.concatenate([np.where(p < 0, -1, p + at) for p, at in zip(parents, first, strict=True)])
    is_leaf = np.concatenate([np.arange(len(p)) < n for p, n in zip(parents, lengths, strict=True)])
    return TreeBatch.from_parents(parent, is_leaf=is_leaf)
