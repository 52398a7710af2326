"""What hierarchical attention is, checked without its formulas: against the flat softmax, and by invariances."""

import itertools
import math
import random

import pytest
import torch
from torch.nn.functional import elu, pad

from encoders import TreeBatch, hierarchical_attention
from encoders.attention import linear_family, softmax_family
from tests.attention_runs import EXACT, FAST, TREE, assert_same, attention_matrix, flat_logits, inputs, run
from tests.forests import chain, ragged

BACKENDS = ["naive", *FAST]


def sibling_blocks(forest):
    """Every pair of siblings with leaves as (leaves under A, leaves under B), A and B the same for a leaf itself."""
    parent, leaf_rows = forest.parent.tolist(), forest.leaf_rows.tolist()
    below = {row: [] for row in range(forest.num_rows)}
    for place, row in enumerate(leaf_rows):
        while row >= 0:
            below[row].append(place)
            row = parent[row]
    blocks = [([place], [place]) for place in range(len(leaf_rows))]
    for a, b in itertools.permutations(range(forest.num_rows), 2):
        if parent[a] == parent[b] >= 0 and below[a] and below[b]:
            blocks.append((below[a], below[b]))
    return blocks


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_one_per_pair_of_siblings_and_sum_to_one(backend, attend_self):
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    matrix, _ = attention_matrix(forest, query, key, (left, right), backend, attend_self=attend_self)
    torch.testing.assert_close(matrix.sum(-1), torch.ones_like(matrix[..., 0]), **EXACT)
    covered = torch.zeros_like(matrix[0])
    for left_leaves, right_leaves in sibling_blocks(forest):
        block = matrix[:, left_leaves][:, :, right_leaves]
        covered[left_leaves, torch.tensor(right_leaves)[:, None]] += 1
        torch.testing.assert_close(block, block[:, :1, :1].expand_as(block), **EXACT)
    assert (covered == 1).all()
    assert attend_self or (matrix.diagonal(dim1=-2, dim2=-1) == 0).all()


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_the_closest_of_their_form_to_softmax(backend, attend_self):
    """No step that keeps rows summing to one and blocks constant lowers sum_i KL(P_i || softmax(s_i))."""
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    matrix, _ = attention_matrix(forest, query, key, (left, right), backend, attend_self=attend_self, scale=0.7)
    logits = flat_logits(forest, query, key, left, right, 0.7)
    blocks = [(a, b) for a, b in sibling_blocks(forest) if attend_self or a != b]
    leaves = forest.num_leaves
    # One unknown a block. Rows: constraints that each leaf's weights keep their sum.
    constraints = torch.zeros(leaves, len(blocks), dtype=torch.float64)
    gradient = torch.zeros(3, len(blocks), dtype=torch.float64)
    slope = (matrix / torch.softmax(logits, -1)).log() + 1  # derivative of KL by P
    for at, (a, b) in enumerate(blocks):
        constraints[a, at] = len(b)
        gradient[:, at] = slope[:, a][:, :, b].sum((1, 2))
    # At a minimum the derivative is a combination of the constraints; the problem is convex.
    combination = torch.linalg.lstsq(constraints.T, gradient.T).solution
    # Least squares over some 50 blocks, slopes of size 10
    torch.testing.assert_close(constraints.T @ combination, gradient.T, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("documents", [TREE, ragged(5, 1, 5, 4), [chain(500, [None, chain(3, [None] * 3)])]])
@pytest.mark.parametrize("backend", BACKENDS)
def test_energy_is_the_flat_partition_less_what_the_hierarchy_costs(backend, documents):
    forest = TreeBatch.from_nested(documents)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    matrix, energy = attention_matrix(forest, query, key, (left, right), backend)
    logits = flat_logits(forest, query, key, left, right, 1 / math.sqrt(5))
    kl = (matrix * (matrix.log() - torch.log_softmax(logits, -1))).sum(-1)
    torch.testing.assert_close(energy, (logits.logsumexp(-1) - kl).mean(-1), **EXACT)


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_constant_on_every_logit_moves_the_energy_only(backend, attend_self):
    forest = TreeBatch.from_nested(ragged(2, 3, 5, 3))
    query, key, value, left, right = (x.detach() for x in inputs(forest))
    options = {"attend_self": attend_self, "backend": backend, "return_energy": True}
    output, energy = hierarchical_attention(query, key, value, forest, position=(left, right), **options)
    shifted = pad(left, (0, 1), value=1.0), pad(right, (0, 1), value=3.0)
    moved, moved_energy = hierarchical_attention(query, key, value, forest, position=shifted, **options)
    torch.testing.assert_close(moved, output, **EXACT)
    torch.testing.assert_close(moved_energy, energy + 3.0 * (forest.leaf_count[forest.roots] > 0)[:, None], **EXACT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_siblings_change_places_and_take_their_outputs_along(backend):
    documents = ragged(4, 2, 6, 3)
    forest = TreeBatch.from_nested(documents)
    place = list(range(forest.num_rows))
    random.Random(0).shuffle(place)
    parent = torch.full((forest.num_rows,), -1)
    for row, above in enumerate(forest.parent.tolist()):
        parent[place[row]] = -1 if above < 0 else place[above]
    is_leaf = torch.zeros(forest.num_rows, dtype=torch.bool)
    is_leaf[[place[row] for row in forest.leaf_rows]] = True
    other = TreeBatch.from_parents(parent, is_leaf=is_leaf)
    order = {row: leaf for leaf, row in enumerate(other.leaf_rows.tolist())}
    leaf_to = torch.tensor([order[place[row]] for row in forest.leaf_rows])
    row_to = torch.tensor(place)
    tensors = inputs(forest)
    moved = [torch.empty_like(x).index_copy(0, leaf_to, x) for x in tensors[:3]]
    moved += [torch.empty_like(x).index_copy(0, row_to, x) for x in tensors[3:]]
    want = hierarchical_attention(*tensors[:3], forest, position=tuple(tensors[3:]), backend=backend)
    got = hierarchical_attention(*moved[:3], other, position=tuple(moved[3:]), backend=backend)
    torch.testing.assert_close(got[leaf_to], want, **EXACT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_documents_in_a_batch_do_not_see_each_other(backend):
    documents = [*ragged(6, 4, 5, 3), [], None, [None] * 70]
    forest = TreeBatch.from_nested(documents)
    query, key, value, left, right = (x.detach() for x in inputs(forest))
    options = {"backend": backend, "return_energy": True}
    output, energy = hierarchical_attention(query, key, value, forest, position=(left, right), **options)
    for at, document in enumerate(documents):
        alone = TreeBatch.from_nested([document])
        leaves, rows = forest.leaf_document == at, forest.document == at
        one, one_energy = hierarchical_attention(
            query[leaves], key[leaves], value[leaves], alone, position=(left[rows], right[rows]), **options
        )
        torch.testing.assert_close(output[leaves], one, **EXACT)
        torch.testing.assert_close(energy[[at]], one_energy, **EXACT)


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_absent_leaf_might_as_well_not_be_in_the_tree(backend, attend_self):
    documents = [[None, [None, [None, None]], [[None], None, [None]]], [None, None], None, [[None]]]
    present = torch.tensor([1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0], dtype=torch.bool)
    without = [[None, [None, [None]], [[], None, []]], [], None, [[]]]
    forest, pruned = TreeBatch.from_nested(documents), TreeBatch.from_nested(without)
    assert int(present.sum()) == pruned.num_leaves
    kept_rows = torch.ones(forest.num_rows, dtype=torch.bool)
    kept_rows[forest.leaf_rows[~present]] = False
    query, key, value, left, right = (x.detach() for x in inputs(forest))
    for tensor in (query, key, value):
        tensor[~present] = torch.nan  # must not be looked at
    tensors = [x.requires_grad_() for x in (query, key, value, left, right)]
    few = [x.detach()[present].requires_grad_() for x in tensors[:3]]
    few += [x.detach()[kept_rows].requires_grad_() for x in tensors[3:]]
    whole = run_weighted(forest, tensors, backend, present, attend_self)
    small = run_weighted(pruned, few, backend, None, attend_self)
    assert (whole[0][~present] == 0).all()
    torch.testing.assert_close(whole[0][present], small[0], **EXACT)
    torch.testing.assert_close(whole[1], small[1], **EXACT)
    for at, grad in enumerate(whole[2:]):
        keep = present if at < 3 else kept_rows
        torch.testing.assert_close(grad[keep], small[2 + at], **EXACT)
        assert (grad[~keep] == 0).all()


def run_weighted(forest, tensors, backend, present, attend_self):
    """Output, energy and gradients of the sum of the squares of what is present."""
    output, energy = hierarchical_attention(
        *tensors[:3],
        forest,
        position=tuple(tensors[3:]),
        present=present,
        attend_self=attend_self,
        return_energy=True,
        backend=backend,
    )
    total = output.square().sum() + energy.masked_fill(energy.isneginf(), 0).square().sum()
    return [output, energy, *torch.autograd.grad(total, tensors)]


def test_softmax_among_siblings_as_a_black_box_is_the_default():
    forest = TreeBatch.from_nested([*ragged(7, 4, 6, 3), None, []])
    tensors = inputs(forest, H=4, K=2)
    want = run(forest, tensors, "torch")
    assert_same(run(forest, tensors, "torch", family_attention=softmax_family), want, **EXACT)
    assert_same(run(forest, tensors, "auto", family_attention=softmax_family), want, **EXACT)


def test_linear_attention_among_siblings_equals_its_loops():
    forest = TreeBatch.from_nested([[[None, None, [None, None, None]], None, [None] * 4]])
    query, key, value, left, right = inputs(forest, H=2, K=2)
    output = hierarchical_attention(
        query, key, value, forest, position=(left, right), attend_self=False, family_attention=linear_family
    )
    want = linear_by_loops(forest, query, key, value, left, right)
    torch.testing.assert_close(output, want, **EXACT)
    for a, b in zip(*(torch.autograd.grad(x.square().sum(), (query, key, value)) for x in (output, want)), strict=True):
        torch.testing.assert_close(a, b, **EXACT)


def linear_by_loops(forest, query, key, value, left, right):
    """Linear attention in place of softmax: o_i is a product of choices on the way from the root to leaf i.

    L of a parent is the mean over leaves of log(e^L + sum of weights): energies are needed on the way.
    """
    parent = forest.parent.tolist()
    children = {row: [c for c, above in enumerate(parent) if above == row] for row in range(forest.num_rows)}
    leaf = {row: at for at, row in enumerate(forest.leaf_rows.tolist())}

    def below(row):
        return [leaf[row]] if row in leaf else [at for c in children[row] for at in below(c)]

    def weights(row, a):
        """(H, ...) weight of each sibling of a, by its leaves."""
        found = {}
        for b in children[row]:
            if b != a:
                q = torch.cat([query[below(a)].mean(0) / math.sqrt(query.shape[2]), left[a]], -1)
                k = torch.cat([key[below(b)].mean(0), right[b]], -1)
                found[b] = len(below(b)) * ((elu(q) + 1) * (elu(k) + 1)).sum(-1)
        return found

    def energy(row):
        if row in leaf:
            return torch.full((query.shape[1],), -math.inf, dtype=query.dtype)
        total = 0.0
        for a in children[row]:
            outside = sum(weights(row, a).values()).log()
            total = total + len(below(a)) / len(below(row)) * torch.logaddexp(energy(a), outside)
        return total

    def out(row, stay, carried, results):
        if row in leaf:
            results[leaf[row]] = carried
            return
        for a in children[row]:
            found = weights(row, a)
            total = sum(found.values())
            go = total / (total + energy(a).exp())
            mixed = sum((w / total)[:, None] * value[below(b)].mean(0) for b, w in found.items())
            out(a, stay * (1 - go), carried + (stay * go)[:, None] * mixed, results)

    results: dict = {}
    for root in forest.roots.tolist():
        out(root, torch.ones(query.shape[1], dtype=query.dtype), torch.zeros_like(value[0]), results)
    return torch.stack([results[at] for at in range(forest.num_leaves)])
