"""The definitions of the untied and the causal forms: plain loops over one tree, one leaf at a time.

    blocks seen by leaf i  ─>  (logit, size, leaves) of each  ─>  dense attention matrix P

They share no operation with lists.py and torch.py, and take a tree as nested lists of leaf numbers. Everything is
one head; P is dense, (N, N).

Axes:  N leaves   D query width   E value width
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

NestedTree = Any
"""A leaf number, or a list of trees, left to right."""


def leaves_of(tree: NestedTree) -> list[int]:
    """Return the leaves under a node, left to right."""
    return [tree] if isinstance(tree, int) else [leaf for child in tree for leaf in leaves_of(child)]


def collapse(tree: NestedTree) -> NestedTree:
    """Take out only children."""
    if isinstance(tree, int):
        return tree
    return collapse(tree[0]) if len(tree) == 1 else [collapse(child) for child in tree]


def siblings_on_path(tree: NestedTree, leaf: int, *, causal: bool = False) -> list[list[int]]:
    """Return the blocks that a leaf attends to: itself and the (left) siblings of every node on its path."""
    blocks = [[leaf]]
    while not isinstance(tree, int):
        inside = next(child for child in tree if leaf in leaves_of(child))
        position = tree.index(inside)
        blocks += [leaves_of(child) for c, child in enumerate(tree) if (c < position if causal else c != position)]
        tree = inside
    return blocks


def blocks_with_near_field(
    tree: NestedTree, leaf: int, near: int, *, causal: bool = False
) -> list[tuple[list[int], list[int]]]:
    """Return (group, block) for all blocks that a leaf attends to when `near` cells on each side of its own are exact.

    Walks down from (root, root). A pair (group, entry) whose entry has no leaf in the near field of the group's
    cells is one block; any other pair is taken apart on both sides, a cell and a leaf as far as they go. The group
    of an exact leaf is the querying leaf.
    """
    tree = collapse(tree)
    cells = cells_of(tree)

    def near_field(group: NestedTree) -> set[int]:
        inside = [c for c, cell in enumerate(cells) if set(cell) & set(leaves_of(group))]
        last = inside[-1] if causal else inside[-1] + near
        return {i for cell in cells[max(inside[0] - near, 0) : last + 1] for i in cell}

    def walk(group: NestedTree, entry: NestedTree) -> list[tuple[list[int], list[int]]]:
        is_cell = leaves_of(group) in cells and (isinstance(group, int) or leaves_of(group) == group)
        if is_cell and isinstance(entry, int):
            return [([leaf], [entry])] if not causal or entry <= leaf else []
        below = group if is_cell else next(child for child in group if leaf in leaves_of(child))
        blocks = []
        for part in [entry] if isinstance(entry, int) else entry:
            under = leaves_of(part)
            if causal and min(under) > max(leaves_of(below)):
                continue
            blocks += walk(below, part) if near_field(below) & set(under) else [(leaves_of(below), under)]
        return blocks

    return walk(tree, tree)


def cells_of(tree: NestedTree) -> list[list[int]]:
    """Return the families of leaves, and the leaves among inner siblings as cells of their own."""
    if isinstance(tree, int):
        return [[tree]]
    if all(isinstance(child, int) for child in tree):
        return [tree]
    return [cell for child in tree for cell in cells_of(child)]


def untied_weights(
    query: Tensor,
    key: Tensor,
    scale: float,
    blocks: Callable[[int], Sequence[tuple[Sequence[int], Sequence[int]]]],
    log_weight: Tensor | None = None,
) -> Tensor:
    """Return P (N, N) for query and key (N, D): one softmax a leaf over its blocks.

    Args:
        blocks: from a leaf to (group, block) pairs; the query of a block is the mean over its group.
        log_weight: (N,) log of each leaf's share of its block; None: all alike.
    """
    weights = query.new_zeros(len(query), len(query))
    for i in range(len(query)):
        logits, shares = [], []
        for group, block in blocks(i):
            at = list(block)
            share = (query.new_zeros(len(at)) if log_weight is None else log_weight[at]).softmax(0)
            logits.append(scale * query[list(group)].mean(0) @ (share @ key[at]) - share @ share.log())
            shares.append(share)
        for (_, block), share, p in zip(blocks(i), shares, torch.stack(logits).softmax(0), strict=True):
            weights[i, list(block)] = p * share
    return weights


def causal_weights_of_the_paper(query: Tensor, key: Tensor, scale: float, tree: NestedTree) -> Tensor:
    """Return P (N, N) of the paper's hierarchical causal mask (its appendix G): siblings to the right are hidden.

    It leaks: the mean query of a block and the energy of a block pool over later leaves of the same block, so
    a later leaf changes the weights of earlier ones. Here to be tested against, not to be used.
    """
    weights = query.new_zeros(len(query), len(query))

    def energy(node: NestedTree) -> Tensor:
        if isinstance(node, int):
            return scale * query[node] @ key[node]
        parts = [
            len(leaves_of(child)) * torch.logaddexp(energy(child), left(node, c))
            if c
            else energy(child) * len(leaves_of(child))
            for c, child in enumerate(node)
        ]
        return torch.stack(parts).sum() / len(leaves_of(node))

    def logits(node: NestedTree, c: int) -> Tensor:
        mean_query = query[leaves_of(node[c])].mean(0)
        blocks = [leaves_of(child) for child in node[:c]]
        return torch.stack([scale * mean_query @ key[b].mean(0) + math.log(len(b)) for b in blocks])

    def left(node: NestedTree, c: int) -> Tensor:
        return logits(node, c).logsumexp(0)

    def descend(node: NestedTree, mass: Tensor) -> None:
        if isinstance(node, int):
            weights[node, node] = mass
            return
        for c, child in enumerate(node):
            stay = mass
            if c:
                inside = torch.sigmoid(energy(child) - left(node, c))
                for block, p in zip(node[:c], logits(node, c).softmax(0), strict=True):
                    under = leaves_of(block)
                    for i in leaves_of(child):
                        weights[i, under] = mass * (1 - inside) * p / len(under)
                stay = mass * inside
            descend(child, stay)

    descend(collapse(tree), query.new_ones(()))
    return weights
