"""Hierarchical attention: every backend against the definition, and the definition against softmax and dense oracles."""

import pytest
import torch
from forests import CORNERS, batches
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from encoders import TreeBatch, hierarchical_attention

FAST = ["torch", "cpu"]
# All numbers are of size 1, sums have up to 100 terms, and a result passes through up to 10 levels.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def inputs(
    forest: TreeBatch,
    seed: int = 0,
    H: int = 4,
    K: int = 2,
    D: int = 5,
    E: int = 3,
    P: int = 2,
    size: float = 1,
):
    """Query, key, value and the two sides of the position, with gradients, in float64."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(forest.num_leaves, H, D), (forest.num_leaves, K, D), (forest.num_leaves, K, E)]
    shapes += [(forest.num_rows, H, P)] * 2
    draw = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
    return [(x * size if i < 2 else x).requires_grad_() for i, x in enumerate(draw)]


def run(forest, tensors, backend, seed=1, **options):
    """Output, energy and the gradients of a random functional of both."""
    query, key, value, *sides = tensors
    position = None if not sides else sides[0] if len(sides) == 1 else tuple(sides)
    output, energy = hierarchical_attention(
        query, key, value, forest, position=position, backend=backend, return_energy=True, **options
    )
    generator = torch.Generator().manual_seed(seed)
    by_output = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    by_energy = torch.randn(energy.shape, dtype=torch.float64, generator=generator)
    by_energy[energy.isneginf()] = 0  # a lone leaf that does not attend to itself
    total = (output * by_output).sum() + (energy.masked_fill(energy.isneginf(), 0) * by_energy).sum()
    grads = torch.autograd.grad(total, tensors, allow_unused=True)
    return [
        output,
        energy,
        *(torch.zeros_like(x) if g is None else g for g, x in zip(grads, tensors, strict=True)),
    ]


def assert_same(got, want, **tolerance):
    for name, a, b in zip(["output", "energy", "q", "k", "v", "e", "f"], got, want, strict=False):
        torch.testing.assert_close(a, b, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_definition(corner, backend, attend_self):
    forest = TreeBatch.from_nested(CORNERS[corner])
    if not forest.num_rows:
        assert hierarchical_attention(*inputs(forest)[:3], forest, backend=backend).shape == (0, 4, 3)
        return
    tensors = inputs(forest)
    want = run(forest, tensors, "naive", attend_self=attend_self)
    assert_same(run(forest, tensors, backend, attend_self=attend_self), want, **EXACT)
    assert all(x.isfinite().all() for i, x in enumerate(want) if i != 1)


@pytest.mark.parametrize("backend", FAST)
@given(documents=batches, data=st.data())
@settings(deadline=None, max_examples=40)
def test_ragged_forests_equal_the_definition(backend, documents, data):
    forest = TreeBatch.from_nested(documents)
    if not forest.num_rows:
        return
    options = {"attend_self": data.draw(st.booleans()), "scale": data.draw(st.sampled_from([None, 1.0, 0.3]))}
    if data.draw(st.booleans()):
        options["present"] = torch.tensor(
            data.draw(st.lists(st.booleans(), min_size=forest.num_leaves, max_size=forest.num_leaves)),
            dtype=torch.bool,
        )
    tensors = inputs(forest)[: data.draw(st.sampled_from([3, 4, 5]))]
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("backend", FAST)
def test_large_and_small_families_share_a_batch(backend):
    forest = TreeBatch.from_nested([[None] * 1031, [[None] * 2, [None] * 523, None]])
    tensors = inputs(forest, H=2, K=1)
    # 1031 terms a sum
    assert_same(run(forest, tensors, backend), run(forest, tensors, "naive"), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", ["naive", *FAST])
@pytest.mark.parametrize("with_position", [False, True])
def test_one_level_is_softmax_attention(backend, with_position):
    forest = TreeBatch.from_nested([[None] * 17])
    query, key, value, left, right = inputs(forest)
    output = hierarchical_attention(
        query, key, value, forest, position=(left, right) if with_position else None, backend=backend
    )
    rows = forest.leaf_rows
    bias = torch.einsum("ihp,jhp->hij", left[rows], right[rows]) if with_position else None
    want = scaled_dot_product_attention(
        *(x.transpose(0, 1) for x in (query, key, value)), attn_mask=bias, enable_gqa=True
    ).transpose(0, 1)
    torch.testing.assert_close(output, want, **EXACT)
    got_grads = torch.autograd.grad(output.square().sum(), (query, key, value))
    want_grads = torch.autograd.grad(want.square().sum(), (query, key, value))
    for a, b in zip(got_grads, want_grads, strict=True):
        torch.testing.assert_close(a, b, **EXACT)
