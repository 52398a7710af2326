"""Sparse attention of other papers over the same trees, to compare with: who attends to whom, and softmax over that.

    TreeBatch, kind ─ layout ─> Layout: anchors, one or two patterns ─ attend ─> outputs

Leaves are joined by *anchors*, rows of their own that stand for inner nodes as the papers' [DOC], [SEC], [CLS] tokens
do. In one layer

    "hdt"     a node attends to itself, its siblings, its parent and its children; every inner node has an anchor
    "hat"     leaves attend within their segment (the leaves of one parent) and to its anchor, which attends to them;
              then, by the same weights, all anchors of a document attend to each other
    "local"   a leaf attends to `window` leaves on each side in reading order and to one global anchor a document,
              which attends to all
    "late"    leaves attend within their segment alone; parts meet in the readout. No anchors

As in `Families`, chains of only children are one node and what has no present leaf is left out. A pattern is a list
of groups of equally many rows: a row attends within its group, as far as the group's mask allows, and no row is in two
groups. So nothing is padded, and no document sees another. Masks are dense: one of n rows costs n^2, as flat attention
does; `Layout.pairs` counts what is attended to, which a kernel of their own would be bound by.

Sources: HDT (arXiv 2407.08330); HAT (arXiv 2210.05529), whose two encoders have weights of their own; Longformer (arXiv
2004.05150), whose global tokens have; here all kinds have the same.

Axes:  N leaves   A anchors   M nodes   G groups of n rows   H heads   E width of a head
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from encoders.forest.batch import TreeBatch
from encoders.forest.families import Families, Index

PEERS: Final = ("hdt", "hat", "local", "late")

Mask = NDArray[np.bool_]
Masks = Callable[[Index], Mask] | None
"""(G, n) places of nodes to the (G, n, n) pairs that attend; None: all do."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Who attends to whom in one pass over some rows."""

    order: Tensor
    """(K,) rows, group after group; a row that is in no group attends to nothing."""
    shapes: tuple[tuple[int, int], ...]
    """(G, n) of each set of groups of equal size."""
    masks: tuple[Tensor | None, ...]
    """(G, n, n) bool of each, True where a row attends to a column; None: all to all."""


@dataclass(frozen=True, eq=False)
class AnchorLayout:
    """Leaves and anchors of a forest: rows 0 to N - 1 are leaves, the A after them anchors."""

    row: Tensor
    """(N + A,) row of the forest whose place among its siblings a leaf or anchor has."""
    ordinal: Tensor
    """(N + A,) its place in the document's reading order instead, or -1."""
    depth: Tensor
    """(A,) of each anchor's node, chains of only children counted once."""
    passes: tuple[Pattern, ...]
    """The first is over leaves and anchors; one that follows is over anchors alone, numbered from 0."""
    reader_node: Tensor
    """(K,) with `reader_anchor`: node, and an anchor that speaks for it. "hdt": its own; "local": the root's; "hat":
    those of all segments under it."""
    reader_anchor: Tensor
    pairs: int
    """Pairs that attend, in all passes together."""


def layout(forest: TreeBatch, kind: str, *, present: Tensor | None = None, window: int = 8) -> AnchorLayout:
    """Return who attends to whom; it is made once for a forest and the leaves that are there.

    Args:
        kind: one of `PEERS`.
        present: (N,) bool, False where a leaf is left out.
        window: leaves on each side ("local").
    """
    families = forest.families(present)
    return families.cached(("peers", kind, window, forest.device), lambda: _layout(forest, families, kind, window))


def attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, *, scale: float = 1.0) -> Tensor:
    """Softmax attention of each row over the rows that the pattern has it attend to.

    Args:
        query, key: (rows, H, any width); `value`: (rows, H, E). One floating dtype.

    Returns:
        (rows, H, E), differentiable; zeros for a row in no group.
    """
    mixed, start = [], 0
    q, k, v = (x[pattern.order] for x in (query, key, value))
    for (groups, size), mask in zip(pattern.shapes, pattern.masks, strict=True):
        end = start + groups * size
        a, b, c = (x[start:end].unflatten(0, (groups, size)).transpose(1, 2) for x in (q, k, v))
        allowed = None if mask is None else mask[:, None]
        mixed.append(scaled_dot_product_attention(a, b, c, attn_mask=allowed, scale=scale).transpose(1, 2))
        start = end
    out = torch.zeros_like(value)
    return out.index_copy(0, pattern.order, torch.cat([x.flatten(0, 1) for x in mixed])) if mixed else out


def _layout(forest: TreeBatch, families: Families, kind: str, window: int) -> AnchorLayout:
    parent, leaf, leaves = families.parent, families.leaf, forest.num_leaves
    document = forest.document.cpu().numpy()[families.top_row]
    first = np.full(len(leaf), leaves)  # of the leaves of a segment, at the node above them
    below = np.flatnonzero((leaf >= 0) & (parent >= 0))
    np.minimum.at(first, parent[below], leaf[below])
    chosen = {"hdt": leaf < 0, "local": (leaf < 0) & (parent < 0), "hat": first < leaves, "late": leaf < -1}[kind]
    anchors = np.flatnonzero(chosen)
    if kind == "hat":
        anchors = anchors[np.lexsort((first[anchors], document[anchors]))]

    row_of_node = leaf.copy()
    row_of_node[anchors] = leaves + np.arange(len(anchors))
    nodes = np.flatnonzero(row_of_node >= 0)
    nodes = nodes[np.argsort(row_of_node[nodes])]
    row = np.concatenate([forest.leaf_rows.cpu().numpy(), families.top_row[anchors]])
    row[row_of_node[nodes]] = families.top_row[nodes]
    ordinal = np.full(leaves + len(anchors), -1)
    if kind == "local":
        there = nodes[leaf[nodes] >= 0]
        ordinal[leaf[there]] = _ordinal(document[there])
    elif kind == "hat":
        ordinal[leaves:] = _ordinal(document[anchors])

    groups: list[tuple[Index, Index, Index, Masks]]
    """Passes: nodes, what parts them into groups, their rows, and masks."""
    if kind in ("hdt", "local"):
        masks: Masks = partial(_relatives, parent) if kind == "hdt" else partial(_near, ordinal[row_of_node], window)
        groups = [(nodes, document[nodes], row_of_node[nodes], masks)]
    else:
        segment = np.where((leaf >= 0) & (parent >= 0), parent, np.arange(len(leaf)))
        groups = [(nodes, segment[nodes], row_of_node[nodes], None)]
        if kind == "hat":
            groups.append((anchors, document[anchors], np.arange(len(anchors)), None))
    passes, pairs = zip(*(_pattern(*one, forest.device) for one in groups), strict=True)

    node, anchor = anchors, np.arange(len(anchors))
    reader = [(node, anchor)]
    while kind == "hat" and len(node):
        node = parent[node]
        node, anchor = node[node >= 0], anchor[node >= 0]
        reader.append((node, anchor))
    depth = np.searchsorted(families.level, anchors, side="right") - 1
    reader_node, reader_anchor = (np.concatenate(side) for side in zip(*reader, strict=True))
    tensors = (torch.from_numpy(x).to(forest.device) for x in (row, ordinal, depth, reader_node, reader_anchor))
    row_, ordinal_, depth_, reader_node_, reader_anchor_ = tensors
    return AnchorLayout(row_, ordinal_, depth_, passes, reader_node_, reader_anchor_, sum(pairs))


def _ordinal(document: Index) -> Index:
    """(K,) place of each entry among those of its document."""
    order = np.argsort(document, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.searchsorted(document[order], document[order])
    return place


def _relatives(parent: Index, node: Index) -> Mask:
    above = parent[node]
    same = node[:, :, None] == node[:, None]
    siblings = (above[:, :, None] == above[:, None]) & (above >= 0)[:, None]
    children = node[:, :, None] == above[:, None]
    found: Mask = same | siblings | children | children.transpose(0, 2, 1)
    return found


def _near(ordinal: Index, window: int, node: Index) -> Mask:
    place = ordinal[node]
    everywhere = place < 0
    apart = np.abs(place[:, :, None] - place[:, None])
    found: Mask = (apart <= window) | everywhere[:, :, None] | everywhere[:, None]
    return found


def _pattern(nodes: Index, group: Index, rows: Index, masks: Masks, device: torch.device) -> tuple[Pattern, int]:
    """Return the pattern of rows that attend within their groups, and the number of pairs that do."""
    order = np.argsort(group, kind="stable")
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.diff(start, append=len(order))
    shapes, places, found, pairs = [], [np.zeros(0, dtype=np.int64)], [], 0
    for count in _distinct(size):
        place = order[start[size == count][:, None] + np.arange(count)]
        places.append(place.ravel())
        shapes.append(place.shape)
        mask = None if masks is None else masks(nodes[place])
        pairs += place.size * count if mask is None else int(mask.sum())
        found.append(None if mask is None else torch.from_numpy(mask).to(device))
    return Pattern(torch.from_numpy(rows[np.concatenate(places)]).to(device), tuple(shapes), tuple(found)), pairs


def _distinct(size: Index) -> Iterable[int]:
    return [int(one) for one in np.unique(size)]
