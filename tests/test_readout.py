"""Readouts and local pooling, against loops over nested lists."""

from typing import Any

import numpy as np
import pytest
import torch

from encoders import TreeBatch, subtree_mean
from encoders.forest.coarsen import coarsen
from encoders.readout import SCORE_BOUND, Readout, mean_of_means_weight

TREES: list[Any] = [[[[0, 1], [2], [[]]], 3, []], [], [[4, [5, 6, 7]], [[8]]], 9]
"""Numbers are leaves, in order; lists are nodes. Ragged, with only children, an absent node and an empty document."""


def values() -> torch.Tensor:
    return torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def mean_of_means(tree: Any, state: np.ndarray[Any, Any], there: set[int]) -> np.ndarray[Any, Any] | None:
    if not isinstance(tree, list):
        return state[tree] if tree in there else None
    children = [v for v in (mean_of_means(child, state, there) for child in tree) if v is not None]
    return np.mean(children, axis=0) if children else None


def leaves_of(tree: Any) -> list[int]:
    return [leaf for child in tree for leaf in leaves_of(child)] if isinstance(tree, list) else [tree]


def rows_of(tree: Any) -> list[Any]:
    """The nodes of a tree in pre-order."""
    return [tree, *(node for child in tree for node in rows_of(child))] if isinstance(tree, list) else [tree]


@pytest.mark.parametrize("absent", [(), (2,), (2, 9), (4, 5, 6, 7, 8)])
def test_mean_of_means_is_its_definition_at_every_node(absent: tuple[int, ...]) -> None:
    forest, state = TreeBatch.from_nested(TREES), values()
    present = torch.tensor([leaf not in absent for leaf in range(10)])
    there = set(range(10)) - set(absent)
    rows = Readout("mean_of_means", 3)(state, forest, present if absent else None)
    nodes = [node for tree in TREES for node in rows_of(tree)]
    for got, node in zip(rows, nodes, strict=True):
        want = mean_of_means(node, state.numpy(), there)
        np.testing.assert_allclose(got.numpy(), 0 if want is None else want, atol=1e-12)


def test_weights_of_a_document_add_up_to_one() -> None:
    forest = TreeBatch.from_nested(TREES)
    weight = mean_of_means_weight(forest, None)
    total = torch.zeros(4, dtype=torch.float64).index_add(0, forest.document[forest.leaf_rows], weight)
    torch.testing.assert_close(total, torch.tensor([1.0, 0, 1, 1], dtype=torch.float64))


def test_attention_readout_is_a_softmax_at_every_node() -> None:
    torch.manual_seed(0)
    forest, state = TreeBatch.from_nested(TREES), values().float()
    readout = Readout("attention", 3)
    rows = readout(state, forest, None)
    assert readout.score is not None
    score = (SCORE_BOUND * torch.tanh(readout.score(state) / SCORE_BOUND)).detach()[:, 0]
    for got, node in zip(rows.detach(), (node for tree in TREES for node in rows_of(tree)), strict=True):
        under = leaves_of(node)
        want = torch.softmax(score[under], 0) @ state[under] if under else torch.zeros(3)
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-5)
    rows.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in readout.parameters())


def pooled(tree: Any) -> Any:
    """One step of local pooling on nested lists: a list of numbers only becomes the tuple of them, a leaf."""
    if not isinstance(tree, list):
        return tree
    children = [child for child in tree if leaves_of(child)]
    if children and all(not isinstance(child, list) for child in children):
        return tuple(children)
    return [pooled(child) for child in children]


def test_local_pooling_is_its_definition() -> None:
    forest, state = TreeBatch.from_nested(TREES), values()
    step = coarsen(forest)
    want_tree = [pooled(tree) for tree in TREES]
    want = TreeBatch.from_nested(want_tree)
    assert step.forest.parent.tolist() == want.parent.tolist()
    assert step.forest.leaf_rows.tolist() == want.leaf_rows.tolist()
    groups = [leaf if isinstance(leaf, tuple) else (leaf,) for tree in want_tree for leaf in leaves_of(tree)]
    got = step.pool(state, None)
    for row, group in zip(got, groups, strict=True):
        torch.testing.assert_close(row, state[list(group)].mean(0))
    for place, group in enumerate(groups):
        assert all(int(step.leaf[leaf]) == place for leaf in group)


def test_pooling_skips_the_absent_and_ends_at_the_root() -> None:
    forest, state = TreeBatch.from_nested(TREES), values()
    present = torch.ones(10, dtype=torch.bool)
    present[[0, 2]] = False
    step = coarsen(forest)
    torch.testing.assert_close(step.pool(state, present)[0], state[1])
    there = step.present(present)
    assert there is not None
    assert there.tolist()[:2] == [True, False]
    for _ in range(6):
        step = coarsen(step.forest)
    assert step.forest.num_leaves == 3
    assert step.forest.num_rows == 4


def test_the_mean_over_pooled_leaves_is_the_mean_over_leaves_when_families_are_alike() -> None:
    forest, state = TreeBatch.from_nested([[[0, 1], [2, 3]], [[4, 5], [6, 7], [8, 9]]]), values()
    step = coarsen(forest)
    torch.testing.assert_close(
        subtree_mean(step.pool(state, None), step.forest)[step.forest.roots],
        subtree_mean(state, forest)[forest.roots],
    )
