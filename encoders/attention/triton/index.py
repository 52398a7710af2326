"""A forest as the Triton kernels want it: index tensors on the device, made once.

Axes:  M nodes   F families   V levels with families   T tiles
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from encoders.forest.families import Families, Index

BLOCK = 32
"""Most nodes of a tile."""


@dataclass(frozen=True, eq=False)
class ForestIndex:
    """Nodes and families numbered as in `Families`; int64 unless said otherwise."""

    source: Tensor
    """(M,) leaf, or ~family of the family that the node is the parent of."""
    family: Tensor
    """(M,) family that the node is a member of, -1 at a root."""
    row: Tensor
    """(M,) row whose position is the node's."""
    first: Tensor
    """(F,) first member."""
    size: Tensor
    """(F,) members."""
    parent_node: Tensor
    """(F,) the node they are children of."""
    parent_family: Tensor
    """(F,) the family which that is a member of, -1 at a root."""
    leaf_node: Tensor
    """Nodes of leaves that have siblings."""
    tiles: Tensor
    """(T, 4) first node and end, first key and end."""
    root_node: Tensor
    """Root nodes, and which documents they are: those that are not empty."""
    root_document: Tensor
    lone_node: Tensor
    """Roots that are leaves, and which leaves."""
    lone_leaf: Tensor
    count: Tensor
    """(M,) float32: leaves under the node, that over its parent's, and its log."""
    share: Tensor
    log_n: Tensor
    levels: list[tuple[int, int]]
    """First family and how many, level by level from the roots' children down; on the host."""


def make_index(families: Families, device: torch.device) -> ForestIndex:
    """Number and cut on the host, move in two transfers; cached on `families`."""
    return families.cached(("triton index", device), lambda: _make(families, device))


def _make(families: Families, device: torch.device) -> ForestIndex:
    parent, leaf, first, size = families.parent, families.leaf, families.first, families.size
    nodes = len(parent)
    # Nodes are numbered level by level: the roots, which no family has, then family after family.
    member_of = np.full(nodes, -1)
    member_of[nodes - int(size.sum()) :] = np.repeat(np.arange(len(size)), size)
    parent_node = parent[first] if len(first) else np.empty(0, np.int64)
    heads = np.full(nodes, -1)
    heads[parent_node] = np.arange(len(first))
    level = np.searchsorted(first, families.level)
    inner_count = families.count
    share = inner_count / np.where(parent >= 0, inner_count[parent], inner_count)
    lone = np.flatnonzero((parent < 0) & (leaf >= 0))
    whole: dict[str, Index] = {
        "source": np.where(leaf >= 0, leaf, ~heads),
        "family": member_of,
        "row": families.top_row,
        "first": first,
        "size": size,
        "parent_node": parent_node,
        "parent_family": member_of[parent_node],
        "leaf_node": np.flatnonzero((leaf >= 0) & (parent >= 0)),
        "tiles": _tiles(first, size).reshape(-1),
        "root_node": families.root[families.root >= 0],
        "root_document": np.flatnonzero(families.root >= 0),
        "lone_node": lone,
        "lone_leaf": leaf[lone],
    }
    # All integers in one transfer and all floats in another: a batch waits for two, however many columns there are.
    packed = torch.from_numpy(np.concatenate(list(whole.values()))).to(device)
    moved = dict(zip(whole, torch.split(packed, [len(x) for x in whole.values()]), strict=True))
    moved["tiles"] = moved["tiles"].view(-1, 4)
    real = np.stack([inner_count, share, np.log(np.maximum(inner_count, 1))]).astype(np.float32)
    count, shares, log_n = torch.from_numpy(real).to(device).unbind()
    levels = [(a, b - a) for a, b in pairwise(level.tolist()) if b > a]
    return ForestIndex(**moved, count=count, share=shares, log_n=log_n, levels=levels)


def _tiles(first: Index, size: Index) -> Index:
    """Put families of up to half a tile side by side, and cut those above a tile, all of the family as keys."""
    half = BLOCK // 2
    # Families of up to half a tile that begin in the same window of that width fit a tile together.
    window = np.where(size <= half, 2 * (first // half), 2 * first + 1)
    edges = np.append(np.flatnonzero(np.diff(window, prepend=-1)), len(first))
    begin, end = first[edges[:-1]], (first + size)[edges[1:] - 1]
    pieces = np.maximum(1, (end - begin + BLOCK - 1) // BLOCK)
    piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first_key, last_key = np.repeat(begin, pieces), np.repeat(end, pieces)
    start = first_key + piece * BLOCK
    return np.stack([start, np.minimum(start + BLOCK, last_key), first_key, last_key], axis=1)
