"""A batch of documents as one forest of tensors, built and checked once.

    nested lists or parent arrays ─ check ─> TreeBatch ─ families(present) ─> what attention and means run over

A row is a node of some document's tree; a leaf is a row that carries a vector. Rows and leaves keep the order
in which the caller gave them. `TreeBatch` is a value: it never changes, hot functions trust it, and what is
derived from it (families, their copies on other devices) is cached on it. A row that is no leaf and has no
leaf below is absent: everything computed equals that of the tree without it.

Axes:  R rows   N leaves   T documents (roots)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from docgraph.errors import TreeError
from encoders.forest.families import Families, FamilyTensors, Index, build_families, climb
from encoders.forest.last_seen import LastSeen


class TreeBatch:
    """A forest: one tree a document.

    Build it with `from_nested` or `from_parents`. All index tensors are int64 and live on `device`; `to`
    moves them all. Work on the host (families, checks) is done once and shared by every copy.

    Attributes:
        parent: (R,) row of each row's parent, -1 at a root.
        leaf_rows: (N,) row of each leaf: place n of a tensor over leaves belongs to row `leaf_rows[n]`.
        roots: (T,) row of each document's root, ascending.
        document: (R,) document of each row, an index into `roots`.
        depth: (R,) edges between the row and its root.
        leaf_count: (R,) leaves at or below the row; 0 at an absent row.
    """

    parent: Tensor
    leaf_rows: Tensor
    roots: Tensor
    document: Tensor
    depth: Tensor
    _host: "_Host"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("TreeBatch is made by TreeBatch.from_nested(...) or TreeBatch.from_parents(...).")

    @classmethod
    def from_nested(cls, documents: Sequence[Any]) -> "TreeBatch":
        """Build a forest from nested lists, one list or leaf a document.

        Args:
            documents: a list with one entry a document. A list is a node with its entries as children, `[]` an
                absent node (an empty document, where it is an entry of `documents`); anything else is a leaf.

        Returns:
            Rows are in pre-order over the batch, and so are the leaves.

        Raises:
            TreeError: `documents` is not a list or tuple, or a list contains itself.
        """
        if not isinstance(documents, list | tuple):
            raise TreeError(f"documents must be a list with one entry a document, but is a {type(documents).__name__}.")
        parent: list[int] = []
        is_leaf: list[bool] = []
        open_lists: set[int] = set()
        # (entry, row of its parent), last in first out; a row of -2 closes the list whose id is the entry.
        pending: list[tuple[Any, int]] = [(entry, -1) for entry in reversed(documents)]
        while pending:
            entry, above = pending.pop()
            if above == -2:
                open_lists.discard(entry)
                continue
            row = len(parent)
            parent.append(above)
            is_leaf.append(not isinstance(entry, list))
            if isinstance(entry, list) and entry:
                if id(entry) in open_lists:
                    raise TreeError(f"nested lists must be a tree, but the list of row {row} contains itself.")
                open_lists.add(id(entry))
                pending.append((id(entry), -2))
                pending.extend((child, row) for child in reversed(entry))
        return cls.from_parents(np.array(parent, dtype=np.int64), is_leaf=np.array(is_leaf, dtype=np.bool_))

    @classmethod
    def from_parents(cls, parent: ArrayLike | Tensor, *, is_leaf: ArrayLike | Tensor | None = None) -> "TreeBatch":
        """Build a forest from the parent of every row, in any row order.

        Args:
            parent: (R,) integers, the row of each row's parent, -1 at a root.
            is_leaf: (R,) booleans. None: rows without children are leaves. Otherwise a row without children
                that is no leaf is absent.

        Returns:
            Rows and leaves keep the order given; siblings are in row order. On the CPU; see `to`.

        Raises:
            TreeError: wrong shape, dtype or length, a parent out of range, a cycle (a row that no root
                reaches is in one or below one), or a leaf with children.
        """
        above = _integers(parent)
        rows = len(above)
        wrong = np.flatnonzero((above < -1) | (above >= rows))
        if len(wrong):
            raise TreeError(
                f"parent[{wrong[0]}] must be -1 or one of the {rows} rows, but is {above[wrong[0]]}"
                f"{_and_others(wrong)}."
            )
        itself = np.arange(rows)
        root, depth = climb(np.where(above < 0, itself, above), (above >= 0).astype(np.int64))
        lost = np.flatnonzero(above[root] >= 0)
        if len(lost):
            raise TreeError(
                f"every row must be reached from a root, but {_cycle(above, int(lost[0]))}{_and_others(lost)}."
            )
        leaf = _leaves(above, is_leaf)
        roots = np.flatnonzero(above < 0)
        ordinal = np.empty(rows, dtype=np.int64)
        ordinal[roots] = np.arange(len(roots))
        leaf_rows = np.flatnonzero(leaf)
        leaf_of_row = np.full(rows, -1)
        leaf_of_row[leaf_rows] = np.arange(len(leaf_rows))
        batch = cls.__new__(cls)
        batch._host = _Host(above, depth, leaf_of_row, len(leaf_rows))
        batch.parent = torch.from_numpy(above)
        batch.leaf_rows = torch.from_numpy(leaf_rows)
        batch.roots = torch.from_numpy(roots)
        batch.document = torch.from_numpy(ordinal[root])
        batch.depth = torch.from_numpy(depth)
        return batch

    @property
    def num_rows(self) -> int:
        """R."""
        return len(self.parent)

    @property
    def num_leaves(self) -> int:
        """N, leaves of all documents."""
        return len(self.leaf_rows)

    @property
    def num_documents(self) -> int:
        """T, empty documents included."""
        return len(self.roots)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.parent.device

    @property
    def leaf_count(self) -> Tensor:
        """(R,) leaves at or below each row."""
        families = self.tensors()
        counts = torch.cat([families.count, families.count.new_zeros(1)])  # the last answers for node -1
        return counts[families.node_of_row]

    @property
    def leaf_document(self) -> Tensor:
        """(N,) document of each leaf."""
        return self.document[self.leaf_rows]

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> "TreeBatch":
        """Return the same forest with all tensors on `device`; itself, if they are there."""
        device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0"
        if device == self.device:
            return self
        moved = type(self).__new__(type(self))
        moved._host = self._host
        packed = torch.cat([self.parent, self.document, self.depth, self.leaf_rows, self.roots])
        lengths = [self.num_rows] * 3 + [self.num_leaves, self.num_documents]
        parts = torch.split(packed.to(device, non_blocking=non_blocking), lengths)
        moved.parent, moved.document, moved.depth, moved.leaf_rows, moved.roots = parts
        moved.tensors(non_blocking=non_blocking)
        return moved

    def families(self, present: Tensor | None = None) -> Families:
        """Return the families of the forest, cached; those of the last `present` are kept too.

        Args:
            present: (N,) bool, False where a leaf is left out. On a GPU this waits for its values.

        Raises:
            TreeError: `present` has another shape or dtype.
        """
        return self._host.families(present)

    def tensors(self, present: Tensor | None = None, non_blocking: bool = False) -> FamilyTensors:
        """Return the families as tensors on this forest's device, cached like `families`."""
        return self._host.families(present).on(self.device, non_blocking)

    def __repr__(self) -> str:
        return (
            f"TreeBatch({self.num_documents} documents, {self.num_rows} rows, {self.num_leaves} leaves, {self.device})"
        )


class _Host:
    """The forest in numpy, and the families derived from it: shared by the copies on all devices."""

    def __init__(self, parent: Index, depth: Index, leaf_of_row: Index, leaves: int) -> None:
        self.parent, self.depth, self.leaf_of_row, self.leaves = parent, depth, leaf_of_row, leaves
        self._all: Families | None = None
        self._some: tuple[NDArray[np.bool_], Families] | None = None
        """The mask read last that leaves something out, and its families."""
        self._seen: LastSeen[Families] = LastSeen()

    def families(self, present: Tensor | None) -> Families:
        if present is not None:
            if not isinstance(present, Tensor):
                raise TreeError(f"present must be a bool tensor, one entry a leaf, but is a {type(present).__name__}.")
            return self._seen.get(present, lambda: self._of_mask(present))
        if self._all is None:
            self._all = build_families(self.parent, self.depth, self.leaf_of_row)
        return self._all

    def _of_mask(self, present: Tensor) -> Families:
        if present.dtype != torch.bool or present.shape != (self.leaves,):
            raise TreeError(
                f"present must be a bool tensor of shape ({self.leaves},), one entry a leaf, "
                f"but is {present.dtype} of shape {tuple(present.shape)}."
            )
        mask = present.detach().cpu().numpy().copy()
        if mask.all():
            return self.families(None)
        if self._some is None or not np.array_equal(self._some[0], mask):
            self._some = mask, build_families(self.parent, self.depth, self.leaf_of_row, mask)
        return self._some[1]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("parent", "depth", "leaf_of_row", "leaves")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["parent"], state["depth"], state["leaf_of_row"], state["leaves"])  # type: ignore[misc]


def _integers(parent: ArrayLike | Tensor) -> Index:
    """Copy `parent` to a contiguous int64 array, or say what is wrong with it."""
    array = np.asarray(parent.detach().cpu() if isinstance(parent, Tensor) else parent)
    if array.ndim == 1 and array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TreeError(
            f"parent must be a one-dimensional array of integers, but is {array.dtype} of shape {array.shape}."
        )
    return np.array(array, dtype=np.int64)


def _leaves(parent: Index, is_leaf: ArrayLike | Tensor | None) -> NDArray[np.bool_]:
    """Return which rows are leaves."""
    rows = len(parent)
    has_children = np.zeros(rows, dtype=np.bool_)
    has_children[parent[parent >= 0]] = True
    if is_leaf is None:
        return ~has_children
    leaf = np.asarray(is_leaf.detach().cpu() if isinstance(is_leaf, Tensor) else is_leaf)
    if leaf.size == 0:
        leaf = leaf.astype(np.bool_)
    if leaf.shape != (rows,) or leaf.dtype != np.bool_:
        raise TreeError(
            f"is_leaf must be booleans of shape ({rows},), one entry a row, but is {leaf.dtype} of shape {leaf.shape}."
        )
    wrong = np.flatnonzero(leaf & has_children)
    if len(wrong):
        child = int(np.argmax(parent == wrong[0]))
        raise TreeError(f"a leaf must have no children, but row {wrong[0]} has row {child}{_and_others(wrong)}.")
    return leaf


def _cycle(parent: Index, row: int) -> str:
    """Name the cycle that `row` is in or below."""
    seen: dict[int, int] = {}
    at = row
    while at not in seen:
        seen[at] = len(seen)
        at = int(parent[at])
    path = [r for r in seen if seen[r] >= seen[at]]
    shown = " -> ".join(map(str, [*path[:6], *(["..."] if len(path) > 6 else []), at]))
    return f"row {row} is {'in' if row in path else 'below'} the cycle {shown} (each to its parent)"


def _and_others(rows: Index) -> str:
    return f", and {len(rows) - 1} rows more" if len(rows) > 1 else ""
