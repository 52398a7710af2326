"""Hierarchical attention: every backend against the definition, and the definition against torch's own softmax."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from encoders import TreeBatch, hierarchical_attention
from tests.attention_runs import EXACT, FAST, assert_same, drawn_call, inputs, run
from tests.forests import CORNERS, batches, chain, ragged


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_definition(corner, backend, attend_self):
    forest = TreeBatch.from_nested(CORNERS[corner])
    tensors = inputs(forest)
    want = run(forest, tensors, "naive", attend_self=attend_self)
    assert_same(run(forest, tensors, backend, attend_self=attend_self), want, **EXACT)
    assert all(x.isfinite().all() for name, x in want.items() if name != "energy")


@pytest.mark.parametrize("backend", FAST)
@given(documents=batches, data=st.data())
@settings(max_examples=60)
def test_ragged_forests_equal_the_definition(backend, documents, data):
    forest, tensors, options = drawn_call(documents, data)
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("backend", FAST)
def test_rows_in_any_order_equal_the_definition(backend):
    parent = torch.tensor([7, 9, 9, 7, -1, 1, 9, 4, 7, 4, 1, -1, 11, 12])
    forest = TreeBatch.from_parents(parent)
    tensors = inputs(forest)
    assert_same(run(forest, tensors, backend), run(forest, tensors, "naive"), **EXACT)


@pytest.mark.parametrize("backend", FAST)
def test_large_and_small_families_share_a_batch(backend):
    forest = TreeBatch.from_nested([[None] * 1031, [[None] * 2, [None] * 523, None], ragged(3, 1, 97, 2)])
    tensors = inputs(forest, H=2, K=1)
    # Sums of 1031 terms
    assert_same(run(forest, tensors, backend), run(forest, tensors, "naive"), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", FAST)
def test_families_around_the_width_of_a_tile(backend):
    forest = TreeBatch.from_nested([[None] * size for size in (1, 7, 8, 9, 63, 64, 65)] + [[[None] * 129, None]])
    tensors = inputs(forest, H=2, K=1)
    assert_same(run(forest, tensors, backend), run(forest, tensors, "naive"), rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("backend", FAST)
def test_chains_and_caterpillars_500_deep(backend):
    caterpillar = None
    for _ in range(500):
        caterpillar = [None, caterpillar]
    forest = TreeBatch.from_nested([chain(500), chain(499, [None, chain(500)]), caterpillar])
    tensors = inputs(forest, H=2, K=2)
    # 500 levels of sums, each rounding on top of the one before
    assert_same(run(forest, tensors, backend), run(forest, tensors, "naive"), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [1e2, 3e2])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", FAST)
def test_logits_of_ten_thousands_stay_finite(backend, attend_self, size):
    forest = TreeBatch.from_nested([*ragged(5, 4, 5, 3), [None] * 70, None])
    tensors = inputs(forest, size=size)
    want = run(forest, tensors, "naive", attend_self=attend_self, scale=1.0)
    assert max((q * k).sum(-1).abs().max() for q, k in [(tensors[0][:, :2], tensors[1])]) > size**2
    got = run(forest, tensors, backend, attend_self=attend_self, scale=1.0)
    assert all(x.isfinite().all() for name, x in got.items() if name != "energy")
    # A logit of 1e5 in float64 is known to 1e5 * 2^-53 = 1e-11, and so is a weight; its gradient is as large as q is.
    for name in want:
        assert_same({name: got[name]}, {name: want[name]}, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("backend", ["naive", *FAST])
@pytest.mark.parametrize("with_position", [False, True])
def test_one_level_is_softmax_attention(backend, with_position):
    forest = TreeBatch.from_nested([[None] * 17])
    query, key, value, left, right = inputs(forest, H=6, K=3)
    output = hierarchical_attention(
        query, key, value, forest, position=(left, right) if with_position else None, backend=backend
    )
    rows = forest.leaf_rows
    bias = torch.einsum("ihp,jhp->hij", left[rows], right[rows]) if with_position else None
    heads_first = (x.transpose(0, 1) for x in (query, key, value))
    want = scaled_dot_product_attention(*heads_first, attn_mask=bias, enable_gqa=True).transpose(0, 1)
    torch.testing.assert_close(output, want, **EXACT)
    leaves = [query, key, value, *([left, right] if with_position else [])]
    for a, b in zip(
        torch.autograd.grad(output.square().sum(), leaves),
        torch.autograd.grad(want.square().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(a, b, **EXACT)
