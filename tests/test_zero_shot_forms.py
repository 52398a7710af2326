"""The improved forms of HSA against their definitions, closed forms and invariants."""

import itertools
import math
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docgraph.errors import ModelError
from encoders import TreeBatch, hierarchical_attention
from encoders.attention import attend
from encoders.attention.lists import build_interactions, interaction_pairs
from encoders.attention.order import Order
from encoders.attention.untied import second_cumulant
from encoders.zero_shot import Form, Windows
from encoders.zero_shot.calibrate import _log_partition, divergence
from encoders.zero_shot.form import cumulant_positions, form_attention, form_call
from encoders.zero_shot.windows import Ends
from tests import untied_definition as naive

SCALE = 0.7
FAST = ("torch", "cpu") if find_spec("numba") else ("torch",)
# Cells of 1, 2 and 3 leaves, a leaf among inner siblings, only children, chains, a single leaf.
TREES = [
    [[[0, 0], [0, 0, 0]], [[0, 0], [0]], 0, [0, [0, 0, 0], [0, 0]]],
    [0, 0, 0],
    [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]],
    [0],
    [[[0]]],
    [0, [[0, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 0], 0]],
]
trees = st.recursive(st.just(0), lambda child: st.lists(child, min_size=1, max_size=4), max_leaves=24).map(
    lambda t: [t]
)


def numbered(tree):
    count = itertools.count()

    def walk(node):
        return [walk(child) for child in node] if isinstance(node, list) else next(count)

    return walk(tree)


def draw(forest, heads=2, key_heads=None, width=5, out=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    n, k = forest.num_leaves, key_heads or heads
    return (
        torch.randn(n, heads, width, generator=g, dtype=torch.float64),
        torch.randn(n, k, width, generator=g, dtype=torch.float64),
        torch.randn(n, k, out, generator=g, dtype=torch.float64),
    )


def by_definition(documents, query, key, value, form, *, causal=False, log_weight=None):
    """Dense weights of each document and head, from `naive`."""
    output = torch.zeros(len(query), query.shape[1], value.shape[2], dtype=torch.float64)
    group = query.shape[1] // key.shape[1]
    start = 0
    for document in documents:
        tree = numbered(document)
        n = len(naive.leaves_of(tree))
        at = slice(start, start + n)

        def blocks(leaf, tree=tree):
            pairs = naive.blocks_with_near_field(tree, leaf, form.near, causal=causal)
            return pairs if form.untie == "rows" else [([leaf], block) for _, block in pairs]

        for h in range(query.shape[1]):
            lw = None if log_weight is None else log_weight[at, h]
            weights = naive.untied_weights(query[at, h], key[at, h // group], SCALE, blocks, lw)
            output[at, h] = weights @ value[at, h // group]
        start += n
    return output


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("near", [0, 1, 2])
@pytest.mark.parametrize("untie", ["queries", "rows"])
@pytest.mark.parametrize("key_heads", [1, 2])
def test_untied_forms_are_their_definition(untie, near, causal, key_heads):
    if causal and untie == "rows":
        pytest.skip("not a form of causal layers")
    forest = TreeBatch.from_nested(TREES)
    query, key, value = draw(forest, key_heads=key_heads)
    form = Form(untie, near)
    got = form_attention(query, key, value, forest, form, scale=SCALE, causal=causal)
    torch.testing.assert_close(got, by_definition(TREES, query, key, value, form, causal=causal), rtol=0, atol=1e-14)


@pytest.mark.parametrize("untie", ["queries", "rows"])
def test_attention_pooling_is_its_definition(untie):
    forest = TreeBatch.from_nested(TREES)
    query, key, value = draw(forest)
    log_weight = []
    for document in range(len(TREES)):
        at = forest.leaf_document == document
        log_weight.append(SCALE * torch.einsum("hd,nhd->nh", query[at].mean(0), key[at]))
    form = Form(untie, 1, "attention")
    want = by_definition(TREES, query, key, value, form, log_weight=torch.cat(log_weight))
    torch.testing.assert_close(form_attention(query, key, value, forest, form, scale=SCALE), want, rtol=0, atol=1e-14)


def test_attention_pooling_keeps_interleaved_documents_apart():
    """Leaves 0, 2, 4, 6 are one document, 1, 3, 5, 7 another: each gets what it gets alone."""
    forest = TreeBatch.from_parents([8, 9, 8, 9, 10, 11, 10, 11, 12, 13, 12, 13, -1, -1])
    alone = TreeBatch.from_parents([4, 4, 5, 5, 6, 6, -1])
    inputs, form = draw(forest), Form("queries", 0, "attention")
    got = form_attention(*inputs, forest, form, scale=0.5)
    for first in (0, 1):
        want = form_attention(*(x[first::2] for x in inputs), alone, form, scale=0.5)
        torch.testing.assert_close(got[first::2], want, rtol=0, atol=1e-14)


def test_causal_attention_pooling_uses_the_mean_query_so_far():
    forest = TreeBatch.from_nested(TREES)
    query, key, value = draw(forest)
    log_weight = torch.empty(forest.num_leaves, 2, dtype=torch.float64)
    for leaf in range(forest.num_leaves):
        so_far = (forest.leaf_document == forest.leaf_document[leaf]) & (torch.arange(forest.num_leaves) <= leaf)
        log_weight[leaf] = SCALE * (query[so_far].mean(0) * key[leaf]).sum(-1)
    form = Form("queries", 0, "attention")
    want = by_definition(TREES, query, key, value, form, causal=True, log_weight=log_weight)
    got = form_attention(query, key, value, forest, form, scale=SCALE, causal=True)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-14)


@given(document=trees, near=st.integers(0, 3), causal=st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_leaf_is_covered_once(document, near, causal):
    """The entries on a leaf's path cover each leaf it may see exactly once, and its near field leaf by leaf."""
    forest = TreeBatch.from_nested([document, document])
    families = forest.families()
    order = Order.of(families)
    group, entry = interaction_pairs(order, near=near, causal=causal)
    n = forest.num_leaves // 2
    seen = torch.zeros(2 * n, 2 * n)
    for x, b in zip(group.tolist(), entry.tolist(), strict=True):
        seen[order.start[x] : order.end[x], order.start[b] : order.end[b]] += 1
    one = torch.ones(n, n)
    cells = naive.cells_of(naive.collapse(numbered(document)))
    if causal:  # within a cell, `hidden` does the rest
        one = one.tril()
        for cell in cells:
            one[cell[0] : cell[-1] + 1, cell[0] : cell[-1] + 1] = 1
    assert torch.equal(seen, torch.block_diag(one, one))
    plan = build_interactions(families, 2 * n, near=near, causal=causal)
    tree = numbered(document)
    count = sum(len(naive.blocks_with_near_field(tree, leaf, near, causal=causal)) for leaf in range(n))
    assert plan.pairs == 2 * count


@given(document=trees)
@settings(max_examples=50, deadline=None)
def test_without_a_near_field_blocks_are_the_siblings_on_the_path(document):
    tree = numbered(document)
    for causal in (False, True):
        for leaf in naive.leaves_of(tree):
            got = [block for _, block in naive.blocks_with_near_field(tree, leaf, 0, causal=causal)]
            assert sorted(got) == sorted(naive.siblings_on_path(naive.collapse(tree), leaf, causal=causal))


@pytest.mark.parametrize("form", [Form("queries"), Form("rows", 1), Form("queries", 1, "attention")])
def test_blocks_of_equal_leaves_cost_nothing(form):
    """If the leaves of every top-level block are alike, tying them is exact: the form is softmax attention."""
    forest = TreeBatch.from_nested([[[[0, 0], [0, 0, 0]], [[0, 0], 0], 0]])
    block = torch.tensor([0] * 5 + [1] * 3 + [2])
    query, key, value = (t[block] for t in draw(forest))
    flat = torch.einsum("ihd,jhd->hij", query, key).mul(SCALE).softmax(-1)
    want = torch.einsum("hij,jhe->ihe", flat, value)
    torch.testing.assert_close(form_attention(query, key, value, forest, form, scale=SCALE), want, rtol=0, atol=1e-14)


def test_attention_pooling_is_exact_for_equal_queries():
    forest = TreeBatch.from_nested(TREES[:1])
    query, key, value = draw(forest)
    query = query[:1].expand_as(query)
    flat = torch.einsum("ihd,jhd->hij", query, key).mul(SCALE).softmax(-1)
    want = torch.einsum("hij,jhe->ihe", flat, value)
    for untie in ("queries", "rows"):
        got = form_attention(query, key, value, forest, Form(untie, pooling="attention"), scale=SCALE)
        torch.testing.assert_close(got, want, rtol=0, atol=1e-14)
    mean_pooled = form_attention(query, key, value, forest, Form("queries"), scale=SCALE)
    assert not torch.allclose(mean_pooled, want, atol=0.05)


def dense_weights(query, key, forest, form, causal=False):
    n = forest.num_leaves
    one_hot = torch.eye(n, dtype=query.dtype)[:, None].expand(-1, key.shape[1], -1)
    return form_attention(query, key, one_hot, forest, form, scale=SCALE, causal=causal).transpose(0, 1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_the_normaliser_measures_the_divergence(pooling, causal):
    """KL(P_i || softmax_i) = log z_i - logsumexp of leaf i's logits, and no other weights of this form have less."""
    forest = TreeBatch.from_nested(TREES[:1])
    query, key, value = draw(forest)
    form = Form("queries", 1, pooling)
    logits = torch.einsum("ihd,jhd->hij", query, key) * SCALE
    if causal:
        logits = logits.masked_fill(torch.ones(len(query), len(query)).triu(1).bool(), -math.inf)
    P = dense_weights(query, key, forest, form, causal)
    _, energy = attend(form_call(query, key, value, forest, form, scale=SCALE, causal=causal))
    kl = (torch.special.xlogy(P, P) - torch.where(P > 0, P * logits, 0)).sum(-1) + logits.logsumexp(-1)
    torch.testing.assert_close(kl.mean(-1), logits.logsumexp(-1).mean(-1) - energy[0], rtol=0, atol=1e-13)
    generator = torch.Generator().manual_seed(3)
    tree = numbered(TREES[0])
    for _ in range(20):
        other = P.clone()
        for i in range(len(query)):
            for _, block in naive.blocks_with_near_field(tree, i, 1, causal=causal):
                other[:, i, block] *= 1 + 0.2 * torch.randn((), generator=generator, dtype=torch.float64)
        other = other.abs() / other.abs().sum(-1, keepdim=True)
        worse = (torch.special.xlogy(other, other) - torch.where(other > 0, other * logits, 0)).sum(
            -1
        ) + logits.logsumexp(-1)
        assert (worse >= kl - 1e-12).all()


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(cumulant=True),
        Form("rows", 1, "attention"),
        Form("queries", 1, "attention", True),
        Form("queries"),
        Form("queries", 0, "attention", opened=1),
    ],
)
def test_gradients_are_finite_and_right(form):
    forest = TreeBatch.from_nested([[[[0, 0], [0, 0]], 0, [0, 0]], [], [[0]]])
    inputs = [t.requires_grad_() for t in draw(forest, heads=2, key_heads=1, width=2, out=2)]
    assert torch.autograd.gradcheck(
        lambda q, k, v: form_attention(q, k, v, forest, form, scale=SCALE, backend="torch"), inputs
    )


@pytest.mark.parametrize(
    "form",
    [
        Form(cumulant=True),
        Form("rows", 1),
        Form("queries", 1, "attention", True),
        Form("queries", 0, "attention", opened=2),
    ],
)
@pytest.mark.parametrize("size", [1e4, 1e-30])
def test_extreme_logits_stay_finite(form, size):
    forest = TreeBatch.from_nested(TREES)
    inputs = [(t * size if i < 2 else t).float().requires_grad_() for i, t in enumerate(draw(forest))]
    inputs = [t.detach().requires_grad_() for t in inputs]
    output = form_attention(*inputs, forest, form, scale=1e-4 if size > 1 else 1.0, backend="torch")
    output.sum().backward()
    assert output.isfinite().all()
    assert all(t.grad.isfinite().all() for t in inputs)


@pytest.mark.parametrize("size", [1e4, 1e-30])
def test_extreme_logits_of_opened_blocks_are_as_compiled(size):
    """In float32; among logits that are all alike it does not matter to the output which blocks are opened."""
    forest, form = TreeBatch.from_nested(TREES), Form("queries", 0, "moments", opened=2)
    found = []
    for backend in FAST:
        q, k, v = ((t * size if i < 2 else t).float().requires_grad_() for i, t in enumerate(draw(forest)))
        output = form_attention(q, k, v, forest, form, scale=1e-4 if size > 1 else 1.0, backend=backend)
        found.append([output, *torch.autograd.grad(output.sum(), (q, k, v))])
        assert all(tensor.isfinite().all() for tensor in found[-1])
    for got, want in list(zip(found[-1], found[0], strict=True))[: 4 if size > 1 else 1]:
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * float(want.detach().abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    forest = TreeBatch.from_nested(TREES)
    inputs = [t.to(dtype) for t in draw(forest)]
    for form in (Form("queries", 1, "attention"), Form("rows"), Form("queries", 0, "moments", opened=99)):
        got = form_attention(*inputs, forest, form, scale=SCALE)
        want = form_attention(*[t.double() for t in inputs], forest, form, scale=SCALE)
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), want.to(dtype).double(), rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_permuting_siblings_permutes_outputs():
    left, right = [[0, 0], [0, 0, 0]], [[0], [0, 0]]
    one, other = TreeBatch.from_nested([[left, right]]), TreeBatch.from_nested([[right, left]])
    query, key, value = draw(one)
    swap = torch.tensor([5, 6, 7, 0, 1, 2, 3, 4])
    for form in (Form("queries", 0, "attention"), Form("rows"), Form(cumulant=True)):
        got = form_attention(query[swap], key[swap], value[swap], other, form, scale=SCALE)
        torch.testing.assert_close(
            got, form_attention(query, key, value, one, form, scale=SCALE)[swap], rtol=0, atol=1e-14
        )


def test_the_papers_form_gets_the_row_wise_variance():
    """1/2 mean_{i in A} Var_{j in B}(s_ij), here with keys of one dimension, where the diagonal is everything."""
    forest = TreeBatch.from_nested([[[0, 0], [0, 0, 0], 0]])
    query, key, value = draw(forest, heads=1, width=1)
    q, k, _ = (t[:, 0, 0] for t in (query, key, value))
    left, right = cumulant_positions(query, key, forest, SCALE)
    blocks = {1: [0, 1], 4: [2, 3, 4], 8: [5]}  # row -> leaves; rows are in pre-order
    for a, under_a in blocks.items():
        for b, under_b in blocks.items():
            variance = (SCALE * q[under_a][:, None] * k[under_b]).var(1, correction=0).mean()
            torch.testing.assert_close((left[a] * right[b]).sum(), variance / 2, rtol=0, atol=1e-14)
    got = form_attention(query, key, value, forest, Form(cumulant=True), scale=SCALE)
    plain = hierarchical_attention(query, key, value, forest, scale=SCALE)
    assert not torch.allclose(got, plain, atol=1e-3)


def test_the_second_cumulant_is_that_of_normal_logits():
    """For many normal logits the log of the mean exponential is mean + variance / 2, until its largest term decides."""
    generator = torch.Generator().manual_seed(0)
    log_n = torch.tensor(math.log(2**16))
    for sigma in (0.5, 1.0, 2.0, 8.0, 16.0):
        draws = torch.randn(200, 2**16, generator=generator) * sigma
        excess = (draws.logsumexp(1) - log_n).mean()
        got = second_cumulant(torch.tensor(sigma**2), log_n)
        assert abs(got - excess) < 0.12 * max(1.0, float(excess)), sigma
    limit = 2 * log_n
    assert second_cumulant(limit * 0.999, log_n) == pytest.approx(
        float(second_cumulant(limit * 1.001, log_n)), rel=2e-3
    )


def test_a_document_alone_and_in_a_batch():
    forest = TreeBatch.from_nested([*TREES, []])
    query, key, value = draw(forest)
    attended = [Form(untie, 1, "attention") for untie in ("queries", "rows")]
    for form in (*attended, Form(cumulant=True), Form("queries", 0, "attention", opened=2)):
        together = form_attention(query, key, value, forest, form, scale=SCALE)
        for d, document in enumerate(TREES):
            at = forest.leaf_document == d
            alone = form_attention(query[at], key[at], value[at], TreeBatch.from_nested([document]), form, scale=SCALE)
            torch.testing.assert_close(alone, together[at], rtol=0, atol=1e-14)
    empty = TreeBatch.from_nested([[]])
    assert form_attention(query[:0], key[:0], value[:0], empty, Form("queries"), scale=SCALE).shape == (0, 2, 3)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize(("key_heads", "near", "causal"), [(4, 0, False), (2, 1, False), (1, 2, True), (4, 0, True)])
def test_the_compiled_form_is_the_plain_one(key_heads, near, causal, pooling):
    pytest.importorskip("numba")
    forest = TreeBatch.from_nested([*TREES, [], [[0] * 19, [0] * 8, 0]])
    inputs = [t.float() for t in draw(forest, heads=4, key_heads=key_heads, width=12, out=20)]
    form = Form("queries", near, pooling)
    plain = form_attention(*(t.double() for t in inputs), forest, form, scale=SCALE, causal=causal, backend="torch")
    compiled = form_attention(*inputs, forest, form, scale=SCALE, causal=causal, backend="cpu")
    single = form_attention(*inputs, forest, form, scale=SCALE, causal=causal, backend="torch")
    bound = 2 * (single - plain).abs().max() + 1e-6
    assert (compiled - plain).abs().max() < bound
    if causal:  # no rounding of a later leaf reaches an earlier output either
        changed = [t.clone() for t in inputs]
        for tensor in changed:
            tensor[20] += 1
        again = form_attention(*changed, forest, form, scale=SCALE, causal=True, backend="cpu")
        assert torch.equal(again[:20], compiled[:20])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("near", [0, 1])
def test_small_cells_that_share_a_tile_see_their_own_blocks(near, causal):
    planning = pytest.importorskip("encoders.attention.cpu.covers", exc_type=ImportError)
    forest = Windows((2, 3, 2)).forest([37, 5, 1], Ends(1, 1))
    covers = planning.make_tasks(forest.families(), near=near, causal=causal).covers
    assert np.diff(covers.begin).max() == 6  # three cells of two
    inputs = [t.float() for t in draw(forest, heads=4, key_heads=2, width=12, out=20)]
    for pooling in ("mean", "attention"):
        form = Form("queries", near, pooling)
        plain = form_attention(*inputs, forest, form, scale=SCALE, causal=causal, backend="torch")
        compiled = form_attention(*inputs, forest, form, scale=SCALE, causal=causal, backend="cpu")
        torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)


def test_the_compiled_form_keeps_extreme_logits_finite():
    pytest.importorskip("numba")
    forest = TreeBatch.from_nested(TREES)
    inputs = [t.float() * 100 for t in draw(forest)]
    for pooling in ("mean", "attention"):
        compiled = form_attention(*inputs, forest, Form("queries", 1, pooling), scale=1.0, backend="cpu")
        plain = form_attention(*inputs, forest, Form("queries", 1, pooling), scale=1.0, backend="torch")
        assert compiled.isfinite().all()
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-2)


def test_entmax_is_that_of_the_attention_and_has_a_divergence():
    forest = TreeBatch.from_nested(TREES)
    query, key, value = draw(forest)
    got = form_attention(query, key, value, forest, Form("queries", 1, "attention", alpha=1.5), scale=SCALE)
    want = hierarchical_attention(
        query, key, value, forest, scale=SCALE, untie="queries", near=1, pooling="document", alpha=1.5
    )
    torch.testing.assert_close(got, want, rtol=0, atol=0)
    lengths = [len(naive.leaves_of(numbered(tree))) for tree in TREES]
    log_z = _log_partition(query, key, lengths, SCALE, causal=False)
    soft, sparse = (
        divergence(query, key, forest, Form("queries", alpha=alpha), SCALE, False, log_z) for alpha in (1, 1.5)
    )
    assert (sparse >= soft - 1e-12).all()  # of masses on these blocks, softmax's are the nearest to softmax


OPENING = [*TREES, [], [[0] * 7, [[0, 0], [0, 0, [0, 0]]], 0]]


@pytest.mark.parametrize("opened", [1, 3, 99])
@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("pooling", ["mean", "attention", "moments"])
@pytest.mark.parametrize("size", [3, 300])
def test_opened_blocks_are_their_definition(pooling, near, opened, size):
    forest = TreeBatch.from_nested(OPENING)
    query, key, value = draw(forest, heads=4, key_heads=2)
    call = form_call(size * query, key, value, forest, Form("queries", near, pooling, opened=opened), scale=SCALE)
    wanted = attend(call, "naive")
    for backend in FAST:
        for got, want in zip(attend(call, backend), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("pooling", "near", "opened"), [("mean", 1, 2), ("attention", 0, 99), ("moments", 0, 1), ("moments", 0, 3)]
)
def test_gradients_through_opened_blocks_are_those_of_their_definition(pooling, near, opened):
    forest = TreeBatch.from_nested([TREES[0], [0], [], [[0, 0], [[0, 0], [0, 0, [0, 0]]]]])
    form = Form("queries", near, pooling, opened=opened)
    inputs = [tensor.requires_grad_() for tensor in draw(forest, heads=4, key_heads=2)]

    def gradients(backend: str) -> tuple[torch.Tensor, ...]:
        output, energy = attend(form_call(*inputs, forest, form, scale=SCALE), backend)
        return torch.autograd.grad(output.sin().sum() + energy.cos().sum(), inputs)

    wanted = gradients("naive")
    for backend in FAST:
        for got, want in zip(gradients(backend), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-13)


def test_opened_blocks_of_whole_vectors_and_of_absent_leaves():
    """Widths that are no multiple of what a register holds are filled up; here one is, and one is longer."""
    forest, form = Windows((4, 4), "own").forest([21, 1, 10], Ends(1, 1)), Form("queries", 0, "moments", opened=3)
    inputs = draw(forest, heads=3, width=16, out=33)
    call = form_call(*inputs, forest, form, scale=SCALE)
    for present in (None, torch.arange(forest.num_leaves) % 5 > 0):
        one = replace(call, present=present)
        for got, want in zip(attend(one, FAST[-1]), attend(one, "naive"), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("opened", [0, 1, 2, 4])
def test_opened_blocks_are_those_that_promise_most(opened):
    """By hand: plain means in a binary tree, leaf by leaf, and the divergence of what comes of it."""
    forest = TreeBatch.from_nested([[[[0, 0], [0, 0]], [[0, 0], [0, 0]]]])
    query, key, _ = draw(forest)
    logits = torch.einsum("ihd,jhd->hij", 3 * query, key) * SCALE
    form = Form("queries", opened=opened)
    P = dense_weights(3 * query, key, forest, form)
    varies = (3 * SCALE * query).var(0, correction=0)

    def share(h, i, b):
        return logits[h, i, b].mean() + math.log(len(b))

    def promise(h, i, b, mass):
        return share(h, i, b) - mass[h] + (varies[h] * key[b, h].var(0, correction=0)).sum().log()

    for i in range(8):
        near = i // 4 * 4
        listed = [
            [i],
            [i ^ 1],
            [j for j in range(near, near + 4) if j // 2 != i // 2],
            [(near ^ 4) + j for j in range(4)],
        ]
        blocks = [list(listed), list(listed)]
        for _ in range(opened):  # as many as there are heads, of all heads
            mass = [torch.stack([share(h, i, b) for b in blocks[h]]).logsumexp(0) for h in range(2)]
            inner = [(h, b) for h in range(2) for b in blocks[h] if len(b) > 1]
            for h, most in sorted(inner, key=lambda at: promise(at[0], i, at[1], mass), reverse=True)[:2]:
                blocks[h].remove(most)
                blocks[h] += [most[: len(most) // 2], most[len(most) // 2 :]]
        for h in range(2):
            want = torch.zeros(8, dtype=torch.float64)
            for b, theta in zip(blocks[h], torch.stack([share(h, i, b) for b in blocks[h]]).softmax(0), strict=True):
                want[b] = theta / len(b)
            torch.testing.assert_close(P[h, i], want, rtol=0, atol=1e-14)
    kl = (torch.special.xlogy(P, P) - P * logits).sum(-1) + logits.logsumexp(-1)
    log_z = _log_partition(3 * query, key, [8], SCALE, causal=False)
    got = divergence(3 * query, key, forest, form, SCALE, False, log_z)
    torch.testing.assert_close(got[0], kl.sum(-1), rtol=0, atol=1e-12)


def test_the_more_is_opened_the_closer_to_softmax():
    forest = Windows((3, 3, 3), "own").forest([61, 30], Ends(1, 1))
    query, key, value = draw(forest, heads=4)
    log_z = _log_partition(query, key, [61, 30], SCALE, causal=False)
    gaps = [
        divergence(query, key, forest, Form("queries", near, "attention", opened=opened), SCALE, False, log_z)
        for near in (0, 1)
        for opened in (0, 1, 2, 5, 10, 20, 91)
    ]
    for fewer, more in itertools.pairwise(gaps[:7]):
        assert (more <= fewer + 1e-12).all()
    assert gaps[0].min() > 1
    flat = [
        torch.einsum("hij,jhe->ihe", torch.einsum("ihd,jhd->hij", q, k).mul(SCALE).softmax(-1), v)
        for q, k, v in zip(*(x.split([61, 30]) for x in (query, key, value)), strict=True)
    ]
    for near, gap in ((0, gaps[6]), (1, gaps[13])):
        assert gap.abs().max() < 1e-11
        got = form_attention(query, key, value, forest, Form("queries", near, "attention", opened=91), scale=SCALE)
        torch.testing.assert_close(got, torch.cat(flat), rtol=0, atol=1e-13)


def test_opening_a_piece_at_a_time_changes_nothing(monkeypatch):
    forest, form = TreeBatch.from_nested(OPENING), Form("queries", 0, "attention", opened=2)
    inputs = draw(forest)
    want = form_attention(*inputs, forest, form, scale=SCALE)
    monkeypatch.setattr("encoders.attention.opened.WORKSPACE", 1)
    torch.testing.assert_close(form_attention(*inputs, forest, form, scale=SCALE), want, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"untie": None}, r'opened=2 must go with untie="queries".* are untie=None'),
        ({"cumulant": True}, r"without the cumulant.* cumulant=True"),
        ({"alpha": 1.5}, r"with alpha=1, .* alpha=1.5"),
        ({"opened": -1}, r"opened must be an integer of at least 0, but is -1"),
    ],
)
def test_opening_goes_with_untied_queries_alone(change, message):
    with pytest.raises(ModelError, match=message):
        Form(**{"untie": "queries", "opened": 2, **change})
    with pytest.raises(ModelError, match=r"opened must be 0 in causal layers.* but is 2"):
        Form("queries", opened=2).for_causal()
    with pytest.raises(ModelError, match=r'in causal layers, but is "moments"'):
        Form("queries", pooling="moments").for_causal()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"untie": "rows", "alpha": 1.5}, r'alpha=1.5 must go with untie="queries".*untie=\'rows\''),
        ({"untie": "queries", "alpha": 1.5, "cumulant": True}, r"without the cumulant, .*cumulant=True"),
    ],
)
def test_entmax_goes_with_untied_queries_alone(change, message):
    with pytest.raises(ModelError, match=message):
        Form(**change)
    with pytest.raises(ModelError, match=r"alpha must be 1 in causal layers.* but is 1.5"):
        Form("queries", alpha=1.5).for_causal()
