"""From a padding mask and a hierarchy to a forest over the unpadded positions of a batch, made once a shape.

    (B, n) mask, Hierarchy ─ layout_of ─> Layout: rows of the packed batch, TreeBatch

All layers of a forward pass ask for the same layout, and a model is called with the same shapes again and again: the
last layouts are kept, by value of the mask.

Axes:  B sequences   n positions   N unpadded positions of the batch
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docgraph.errors import TreeError
from encoders.forest.batch import TreeBatch
from encoders.forest.last_seen import LastSeen
from encoders.zero_shot.windows import Auto, Ends, Quadtree, Windows

KEPT = 32
"""Layouts kept. One of a batch of 64 x 512 positions takes about 10 MB, with its interaction lists."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the leaves of a forest are in a padded batch."""

    rows: Tensor | None
    """(N,) where each leaf is in the flattened (B * n) batch; None where nothing is padded."""
    forest: TreeBatch

    def pack(self, states: Tensor) -> Tensor:
        """Take (B, H, n, D) to (N, H, D)."""
        flat = states.transpose(1, 2).flatten(0, 1)
        return flat if self.rows is None else flat[self.rows]

    def unpack(self, leaves: Tensor, shape: tuple[int, int]) -> Tensor:
        """Take (N, H, E) to (B, n, H, E), zeros in the padding."""
        if self.rows is not None:
            leaves = leaves.new_zeros(shape[0] * shape[1], *leaves.shape[1:]).index_copy(0, self.rows, leaves)
        return leaves.view(*shape, *leaves.shape[1:])


_kept: OrderedDict[object, Layout] = OrderedDict()
_lock = threading.Lock()
_last_mask: LastSeen[NDArray[np.bool_]] = LastSeen()


def layout_of(
    hierarchy: Windows | Quadtree, shape: tuple[int, int], mask: Tensor | None, ends: Ends, device: torch.device,
    key: Tensor | None = None,
) -> Layout:  # fmt: skip
    """Return the layout of a batch of this shape (B, n).

    Args:
        key: (B, K, n, D), which `Auto` looks at.
        mask: (B, n) bool, True at unpadded positions, anywhere in the row; None: nothing is padded.
        ends: special positions at the two ends of each sequence.
    """
    values = None if mask is None else _on_host(mask)
    if isinstance(hierarchy, Auto) and key is not None:
        states = key.detach().transpose(1, 2).flatten(2).cpu()
        seen = states if values is None else [row[torch.from_numpy(v)] for row, v in zip(states, values, strict=True)]
        return Layout(_rows(values, device), hierarchy.fit(list(seen), ends).to(device))
    asked = (hierarchy, shape, ends, device, None if values is None else values.tobytes())
    with _lock:
        if asked in _kept:
            _kept.move_to_end(asked)
            return _kept[asked]
    lengths = [shape[1]] * shape[0] if values is None else values.sum(1).tolist()
    forest = hierarchy.forest(lengths, ends).to(device)
    layout = Layout(_rows(values, device), forest)
    with _lock:
        _kept[asked] = layout
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return layout


def layout_of_given(forest: TreeBatch, shape: tuple[int, int], mask: Tensor | None, device: torch.device) -> Layout:
    """Return the layout of a forest that the caller made for this batch.

    Raises:
        TreeError: the forest does not have one document a sequence with one leaf an unpadded position, in order.
    """
    if not isinstance(forest, TreeBatch):
        raise TreeError(f"the hierarchy of a call must be a TreeBatch, but is a {type(forest).__name__}.")
    values = None if mask is None else _on_host(mask)
    want = [shape[1]] * shape[0] if values is None else values.sum(1).tolist()
    document = forest.leaf_document.cpu().numpy()
    have = np.bincount(document, minlength=forest.num_documents).tolist()
    if have != want or bool(np.any(document[1:] < document[:-1])):
        raise TreeError(
            f"the given hierarchy must have one leaf for each unpadded position, sequence by sequence: {_few(want)} "
            f"leaves, but has {_few(have)}."
        )
    return Layout(_rows(values, device), forest.to(device))


def _on_host(mask: Tensor) -> NDArray[np.bool_]:
    return _last_mask.get(mask, lambda: mask.detach().cpu().numpy().copy())


def _rows(values: NDArray[np.bool_] | None, device: torch.device) -> Tensor | None:
    if values is None or bool(values.all()):
        return None
    return torch.from_numpy(np.flatnonzero(values)).to(device)


def _few(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f", ... ({len(numbers)} in all)" if len(numbers) > 8 else "")
