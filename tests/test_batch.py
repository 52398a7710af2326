"""TreeBatch: rows, leaves, counts and families against lists and loops; every way a parent array can be wrong."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from docgraph.errors import DocgraphError, TreeError
from encoders import TreeBatch
from encoders.forest.subtree import subtree_mean

# 0 ── 1 ── 4     5 ── 6     two trees; rows and parents out of step on purpose
#  └── 2 ── 3
PARENT = [-1, 0, 0, 2, 1, -1, 5]

nested = st.recursive(st.none(), lambda inner: st.lists(inner, max_size=5), max_leaves=30)
batches = st.lists(nested, max_size=4)


@st.composite
def shuffled_parents(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    """A random forest, parents first, then its rows shuffled; some childless rows are no leaves."""
    rows = draw(st.integers(1, 40))
    above = [-1] + [draw(st.integers(-1, row - 1)) for row in range(1, rows)]
    place = draw(st.permutations(range(rows)))
    parent = [0] * rows
    for row, up in enumerate(above):
        parent[place[row]] = -1 if up < 0 else place[up]
    is_leaf = [row not in parent and draw(st.booleans()) for row in range(rows)]
    return parent, is_leaf


def leaves_below(parent: list[int], leaves: list[int], row: int) -> list[int]:
    """Places of the leaves whose line to the root passes `row`."""
    found = []
    for place, at in enumerate(leaves):
        while at not in (-1, row):
            at = parent[at]
        if at == row:
            found.append(place)
    return found


def test_from_nested_numbers_rows_in_preorder():
    forest = TreeBatch.from_nested([[[None, None], [None]], [], "leaf", [None, []]])
    assert forest.parent.tolist() == [-1, 0, 1, 1, 0, 4, -1, -1, -1, 8, 8]
    assert forest.leaf_rows.tolist() == [2, 3, 5, 7, 9]
    assert forest.roots.tolist() == [0, 6, 7, 8]
    assert forest.document.tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3]
    assert forest.depth.tolist() == [0, 1, 2, 2, 1, 2, 0, 0, 0, 1, 1]
    assert forest.leaf_count.tolist() == [3, 2, 1, 1, 1, 1, 0, 1, 1, 1, 0]
    assert forest.leaf_document.tolist() == [0, 0, 0, 2, 3]
    assert (forest.num_rows, forest.num_leaves, forest.num_documents) == (11, 5, 4)


def test_from_parents_keeps_the_order_given():
    forest = TreeBatch.from_parents(PARENT)
    assert forest.parent.tolist() == PARENT
    assert forest.leaf_rows.tolist() == [3, 4, 6]
    assert forest.roots.tolist() == [0, 5]
    assert forest.document.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert forest.depth.tolist() == [0, 1, 1, 2, 2, 0, 1]


@given(shuffled_parents())
def test_rows_of_any_order_are_described_as_loops_describe_them(forest_as_lists):
    parent, is_leaf = forest_as_lists
    forest = TreeBatch.from_parents(parent, is_leaf=is_leaf)
    leaves = [row for row, leaf in enumerate(is_leaf) if leaf]
    lines = []
    for row in range(len(parent)):
        line = [row]
        while parent[line[-1]] >= 0:
            line.append(parent[line[-1]])
        lines.append(line)
    roots = [row for row, up in enumerate(parent) if up < 0]
    assert forest.depth.tolist() == [len(line) - 1 for line in lines]
    assert forest.document.tolist() == [roots.index(line[-1]) for line in lines]
    assert forest.leaf_count.tolist() == [len(leaves_below(parent, leaves, row)) for row in range(len(parent))]


@given(shuffled_parents(), st.randoms(use_true_random=False))
def test_families_are_the_branchings_of_the_tree_of_present_leaves(forest_as_lists, random):
    parent, is_leaf = forest_as_lists
    forest = TreeBatch.from_parents(parent, is_leaf=is_leaf)
    leaves = [row for row, leaf in enumerate(is_leaf) if leaf]
    present = [random.random() < 0.7 for _ in leaves]
    families = forest.families(torch.tensor(present, dtype=torch.bool))
    below = [
        frozenset(leaf for leaf in leaves_below(parent, leaves, row) if present[leaf]) for row in range(len(parent))
    ]
    # A family of the collapsed tree, named without nodes: the leaf sets of its children, in row order.
    want = []
    for row in range(len(parent)):
        kinds = [below[child] for child, up in enumerate(parent) if up == row and below[child]]
        if len(kinds) > 1:
            want.append(kinds)
    of_node = {int(node): below[row] for row, node in enumerate(families.node_of_row) if node >= 0}
    got = [
        [of_node[node] for node in range(first, first + size)]
        for first, size in zip(families.first, families.size, strict=True)
    ]
    assert sorted(got, key=str) == sorted(want, key=str)
    assert [len(of_node[node]) for node in range(len(families.count))] == families.count.tolist()
    for node, top in enumerate(families.top_row):
        assert below[top] == of_node[node]
        assert parent[top] < 0 or below[parent[top]] != of_node[node]


@given(batches, st.randoms(use_true_random=False))
def test_subtree_mean_is_the_mean_of_the_leaves_below(documents, random):
    forest = TreeBatch.from_nested(documents)
    parent, leaves = forest.parent.tolist(), forest.leaf_rows.tolist()
    present = torch.tensor([random.random() < 0.8 for _ in leaves], dtype=torch.bool)
    values = torch.randn(len(leaves), 3, dtype=torch.float64)
    got = subtree_mean(values, forest, present=present)
    for row in range(len(parent)):
        kept = [values[leaf] for leaf in leaves_below(parent, leaves, row) if present[leaf]]
        want = sum(kept, torch.zeros(3, dtype=torch.float64)) / max(len(kept), 1)
        torch.testing.assert_close(got[row], want, rtol=0, atol=1e-14)  # 30 terms of size 1


def test_subtree_mean_has_the_gradient_of_finite_differences():
    forest = TreeBatch.from_nested([[[None, None], [[None]], []], None, [None, None, None]])
    values = torch.randn(forest.num_leaves, 2, dtype=torch.float64, requires_grad=True)
    present = torch.tensor([True, False, True, True, True, True, True])
    assert torch.autograd.gradcheck(lambda x: subtree_mean(x, forest, present=present), values)


def test_chains_of_only_children_leave_no_levels():
    document = None
    for _ in range(500):
        document = [document]
    families = TreeBatch.from_nested([document, [document, document]]).families()
    assert len(families.level) - 1 == 2
    assert families.count.tolist() == [1, 2, 1, 1]


def test_a_caterpillar_ten_thousand_deep_is_built():
    rows = np.arange(20_000)
    parent = np.where(rows % 2 == 0, rows - 2, rows - 1)  # even rows are the spine, odd rows its leaves
    parent[0] = -1
    forest = TreeBatch.from_parents(parent)
    assert forest.depth.max() == 10_000
    assert forest.leaf_count[0] == 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1, 3, 1, 2, 0],), r"row 1 is in the cycle 1 -> 3 -> 2 -> 1 .*and 2 rows more"),
        (([-1, 2, 1, 2],), r"row 1 is in the cycle 1 -> 2 -> 1"),
        (([-1, 1],), r"row 1 is in the cycle 1 -> 1"),
        (([-1, 0, 4, 4, 3],), r"row 2 is below the cycle 4 -> 3 -> 4"),
        (([-1, 0, 7],), r"parent\[2\] must be -1 or one of the 3 rows, but is 7"),
        (([-1, -2],), r"parent\[1\] must be -1 or one of the 2 rows, but is -2"),
        (([-1.0, 0.0],), r"one-dimensional array of integers, but is float64 of shape \(2,\)"),
        (([[-1, 0]],), r"one-dimensional array of integers, but is int64 of shape \(1, 2\)"),
        (([-1, 0], [True]), r"is_leaf must be booleans of shape \(2,\).* bool of shape \(1,\)"),
        (([-1, 0], [0, 1]), r"is_leaf must be booleans of shape \(2,\).* int64"),
        (([-1, 0, 0, 1], [False, True, True, True]), r"a leaf must have no children, but row 1 has row 3"),
    ],
)
def test_what_is_no_forest_is_named(arguments, message):
    parent, *is_leaf = arguments
    with pytest.raises(TreeError, match=message) as caught:
        TreeBatch.from_parents(parent, is_leaf=is_leaf[0] if is_leaf else None)
    assert isinstance(caught.value, DocgraphError)


def test_a_list_that_contains_itself_is_named():
    loop: list = [None]
    loop.append([loop])
    with pytest.raises(TreeError, match="the list of row 3 contains itself"):
        TreeBatch.from_nested([loop])


def test_a_list_used_twice_is_two_nodes():
    twice = [None, None]
    assert TreeBatch.from_nested([[twice, twice]]).num_leaves == 4


def test_present_must_be_a_bool_for_every_leaf():
    forest = TreeBatch.from_nested([[None, None]])
    with pytest.raises(TreeError, match=r"bool tensor of shape \(2,\).*float32 of shape \(2,\)"):
        forest.families(torch.ones(2))


def test_families_follow_a_mask_changed_in_place():
    forest = TreeBatch.from_nested([[None, None, None]])
    present = torch.tensor([True, True, False])
    assert forest.families(present).size.tolist() == [2]
    assert forest.families(present) is forest.families(present)
    present[2] = True
    assert forest.families(present).size.tolist() == [3]
    with torch.inference_mode():
        inferred = torch.tensor([False, True, True])
        assert forest.families(inferred) is forest.families(inferred)
        inferred[2] = False
        assert forest.families(inferred).size.tolist() == []


def test_nothing_at_all_is_a_forest():
    for forest in (TreeBatch.from_nested([]), TreeBatch.from_parents([])):
        assert (forest.num_rows, forest.num_leaves, forest.num_documents) == (0, 0, 0)
        assert forest.leaf_count.tolist() == []


def test_pickle_and_to_keep_everything():
    forest = TreeBatch.from_nested([[[None, None], None], []])
    forest.families()
    for other in (pickle.loads(pickle.dumps(forest)), forest.to("meta"), forest.to("cpu")):
        assert (other.num_rows, other.num_leaves, other.num_documents) == (6, 3, 2)
        assert other.families().size.tolist() == [2, 2]
    moved = forest.to("meta")
    assert {getattr(moved, name).device.type for name in ("parent", "leaf_rows", "roots", "document", "depth")} == {
        "meta"
    }
    assert forest.to("cpu") is forest
