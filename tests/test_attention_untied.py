"""Queries untied and near fields: every backend against the definition, the definition against a solver and softmax."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch.nn.functional import scaled_dot_product_attention

import encoders.attention as attention
from docgraph.errors import AttentionError
from encoders import TreeBatch, hierarchical_attention
from tests.attention_plain import plain_untied
from tests.attention_runs import (
    EXACT,
    TREE,
    assert_same,
    attention_matrix,
    blocks_by_hand,
    drawn_call,
    flat_logits,
    inputs,
    named_gradients,
    relative_error,
    run,
    untied,
)  # fmt: skip
from tests.forests import CORNERS, batches, chain, ragged

POOLINGS = ["mean", "block", "document", "moments", "shares"]
BACKENDS = ["naive", "torch", "cpu"]
NOT_EMPTY = [d for d in [*ragged(10, 3, 4, 3), [None] * 30, None, TREE[0]] if d != []]


def for_backend(tensors, backend):
    """Without positions where the backend takes none."""
    return tensors[:3] if backend == "cpu" else tensors


def run_plain(forest, tensors, pooling):
    """What `run` gives, of dense torch."""
    scale = tensors[0].shape[2] ** -0.5
    output, energy = plain_untied(forest, *tensors[:3], tensors[3:], scale=scale, pooling=pooling)
    return named_gradients(output, energy, tensors, pooling)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_definition(corner, backend, pooling, attend_self, near):
    forest = TreeBatch.from_nested(CORNERS[corner])
    tensors = for_backend(inputs(forest), backend)
    options = untied(pooling, forest, attend_self=attend_self, near=near)
    want = run(forest, tensors, "naive", **options)
    assert_same(run(forest, tensors, backend, **options), want, **EXACT)
    assert all(x.isfinite().all() for name, x in want.items() if name != "energy")


@pytest.mark.parametrize("backend", ["torch", "cpu"])
@given(documents=batches, data=st.data())
@settings(max_examples=40, deadline=None)
def test_ragged_forests_equal_the_definition(backend, documents, data):
    forest, tensors, options = drawn_call(documents, data)
    tensors = for_backend(tensors, backend)
    pooling, near = data.draw(st.sampled_from(POOLINGS)), data.draw(st.integers(0, 2))
    options |= untied(pooling, forest, tensors[0].shape[1], near=near)
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("backend", ["torch", "cpu"])
def test_rows_in_any_order_equal_the_definition(backend, near):
    parent = torch.tensor([7, 9, 9, 7, -1, 1, 9, 4, 7, 4, 1, -1, 11, 12])
    forest = TreeBatch.from_parents(parent)
    tensors, options = for_backend(inputs(forest), backend), untied("block", forest, near=near)
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("backend", ["torch", "cpu"])
def test_wide_families_and_deep_chains_equal_the_definition(backend):
    caterpillar = None
    for _ in range(40):
        caterpillar = [None, caterpillar]
    forest = TreeBatch.from_nested([chain(60, [None, chain(30)]), caterpillar, [[None] * 70, [None] * 9, None]])
    tensors, options = for_backend(inputs(forest, H=2, K=1), backend), untied("block", forest, 2)
    assert_same(
        run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize("size", [1e2, 3e2])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", ["torch", "cpu"])
def test_logits_of_ten_thousands_stay_finite(backend, pooling, attend_self, size):
    forest = TreeBatch.from_nested([*ragged(5, 3, 4, 3), [None] * 20, None])
    tensors = for_backend(inputs(forest, size=size), backend)
    options = untied(pooling, forest, attend_self=attend_self, scale=1.0, near=1)
    want, got = run(forest, tensors, "naive", **options), run(forest, tensors, backend, **options)
    assert all(x.isfinite().all() for name, x in got.items() if name != "energy")
    # A logit of 1e5 in float64 is known to 1e5 * 2^-53 = 1e-11, and so is a weight; its gradient is as large as q is.
    for name in want:
        assert_same({name: got[name]}, {name: want[name]}, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_definition_is_what_dense_torch_computes(pooling):
    forest = TreeBatch.from_nested(NOT_EMPTY)
    tensors, options = inputs(forest, H=4, K=2, D=16, E=8, P=8), untied(pooling, forest, 4)
    assert_same(run(forest, tensors, "naive", **options), run_plain(forest, tensors, options["pooling"]), **EXACT)


@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", ["torch", "cpu"])
def test_low_precision_is_no_worse_than_plain_torch(backend, pooling, dtype, size):
    """At most twice the error of dense torch in that dtype, for the same rounded inputs, over three draws."""
    forest = TreeBatch.from_nested(NOT_EMPTY)
    options = untied(pooling, forest, 4, dtype)
    wide = dict(options)
    if pooling == "shares":
        wide["pooling"] = options["pooling"].detach().double().requires_grad_()
    ours, plain = [], []
    for seed in range(3):
        tensors = inputs(forest, seed=seed, H=4, K=2, D=16, E=8, P=8, size=size**0.5, dtype=dtype)
        tensors = for_backend(tensors, backend)
        exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", **wide)
        ours.append(relative_error(run(forest, tensors, backend, **options), exact))
        plain.append(relative_error(run_plain(forest, tensors, options["pooling"]), exact))
    for name in exact:
        error, allowed = math.hypot(*(e[name] for e in ours)), 2 * math.hypot(*(e[name] for e in plain))
        assert error <= allowed, (name, error, allowed)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_is_that_of_finite_differences(backend, pooling, near):
    forest = TreeBatch.from_nested([[[[None, None], None], [None, [None, None]]], [[None]], []])
    tensors = for_backend(inputs(forest, H=2, K=1, D=3, E=2, P=1), backend)
    options = untied(pooling, forest, 2, near=near)
    pool = [options.pop("pooling")] if pooling == "shares" else []

    def both(query, key, value, *rest):
        given = {"pooling": rest[-1]} if pool else {}
        position = None if backend == "cpu" else rest[:2]
        return hierarchical_attention(
            query, key, value, forest, position=position, backend=backend, return_energy=True, **options, **given
        )

    assert torch.autograd.gradcheck(both, [*tensors, *pool])


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_level_is_softmax_attention(backend, pooling, attend_self):
    forest = TreeBatch.from_nested([[None] * 13])
    query, key, value = (x.detach() for x in inputs(forest, H=3, K=3)[:3])
    mask = ~torch.eye(13, dtype=torch.bool) | attend_self
    flat = (x.transpose(0, 1) for x in (query, key, value))
    want = scaled_dot_product_attention(*flat, attn_mask=mask).transpose(0, 1)
    options = untied(pooling, forest, 3, attend_self=attend_self)
    got = hierarchical_attention(query, key, value, forest, backend=backend, **options)
    torch.testing.assert_close(got, want, **EXACT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_near_field_of_all_cells_is_softmax_attention(backend):
    forest = TreeBatch.from_nested(TREE)
    query, key, value, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    position = None if backend == "cpu" else (left, right)
    sides = (x if position else x * 0 for x in (left, right))
    P = flat_logits(forest, query, key, *sides, 0.7).softmax(-1)
    got = hierarchical_attention(
        query, key, value, forest, position=position, scale=0.7, backend=backend, untie="queries", near=99
    )
    torch.testing.assert_close(got, torch.einsum("hij,jhe->ihe", P, value), **EXACT)


@pytest.mark.parametrize("pooling", ["mean", "shares"])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_what_a_solver_finds(backend, attend_self, pooling):
    """The least KL to softmax of rows that are a mass times the weights in each block, by scipy; and the energy."""
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=2, K=2))
    position = None if backend == "cpu" else (left, right)
    logits = flat_logits(forest, query, key, *(x if position else x * 0 for x in (left, right)), 0.7)[0]
    options = {**untied(pooling, forest, 2), "attend_self": attend_self, "scale": 0.7}
    log_shares = forest.leaf_count.double().log() if pooling == "mean" else options["pooling"].detach()[:, 0]
    matrix, energy = attention_matrix(forest, query, key, position, backend, **options)
    log_z = []
    for leaf in range(forest.num_leaves):
        w = blocks_by_hand(forest, leaf, attend_self, log_shares)
        inside = (w * logits[leaf] - torch.special.xlogy(w, w)).sum(-1)

        def cost(x, inside=inside):  # all masses up to a factor
            log_mass = torch.cat([torch.zeros(1, dtype=torch.float64), torch.as_tensor(x)]).log_softmax(0)
            return (log_mass.exp() * (log_mass - inside)).sum()

        def slope(x, cost=cost):
            return torch.autograd.functional.jacobian(cost, torch.as_tensor(x))

        def curve(x, cost=cost):
            return torch.autograd.functional.hessian(cost, torch.as_tensor(x))

        start = torch.zeros(len(w) - 1, dtype=torch.float64).numpy()
        least = minimize(
            lambda x, f=cost: f(x).item(), start, method="trust-exact", tol=1e-9,
            jac=lambda x, f=slope: f(x).numpy(), hess=lambda x, f=curve: f(x).numpy(),
        )  # fmt: skip
        x = torch.as_tensor(least.x)
        for _ in range(4):  # the last digits, which the values of the cost no longer show
            x = x - torch.linalg.solve(curve(x), slope(x))
        mass = torch.cat([torch.zeros(1, dtype=torch.float64), x]).softmax(0)
        torch.testing.assert_close(matrix[0, leaf], mass @ w, rtol=1e-10, atol=1e-10)
        log_z.append(-cost(x).item())
    assert energy[0].item() == pytest.approx(sum(log_z) / len(log_z), abs=1e-10)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_energy_is_softmax_less_the_divergence(backend, pooling, near):
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=2, K=2))
    position = None if backend == "cpu" else (left, right)
    logits = flat_logits(forest, query, key, *(x if position else x * 0 for x in (left, right)), 0.7)
    options = untied(pooling, forest, 2, near=near, scale=0.7)
    P, energy = attention_matrix(forest, query, key, position, backend, **options)
    torch.testing.assert_close(P.sum(-1), torch.ones_like(P[..., 0]), **EXACT)
    kl = (torch.special.xlogy(P, P) - P * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(energy, (logits.logsumexp(-1) - kl).mean(-1), **EXACT)
    del options["untie"], options["near"]  # to tie the rows of a block is one more constraint
    assert (energy >= attention_matrix(forest, query, key, position, backend, **options)[1]).all()


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_absent_leaves_and_other_documents_change_nothing(backend, near):
    documents = [[None, [None, [None, None]], [[None], None, [None]]], [[None, None], [None, None]], None]
    forest = TreeBatch.from_nested(documents)
    present = torch.tensor([1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1], dtype=torch.bool)
    alone = TreeBatch.from_nested([[None, [None, [None]], [[None], [None]]]])
    query, key, value = (x.detach() for x in inputs(forest)[:3])
    for tensor in (query, key, value):
        tensor[~present] = torch.nan  # must not be looked at
    options = {"backend": backend, "untie": "queries", "near": near, "pooling": "block", "return_energy": True}
    whole, energy = hierarchical_attention(query, key, value, forest, present=present, **options)
    few = present & (forest.leaf_document == 0)
    small, small_energy = hierarchical_attention(query[few], key[few], value[few], alone, **options)
    assert (whole[~present] == 0).all()
    torch.testing.assert_close(whole[few], small, **EXACT)
    torch.testing.assert_close(energy[:1], small_energy, **EXACT)


def test_results_do_not_depend_on_the_number_of_threads():
    forest = TreeBatch.from_nested([*ragged(3, 8, 6, 4), [[None] * 30] * 20])
    tensors, options = inputs(forest, H=4, K=2)[:3], untied("document", forest, 4)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(run(forest, tensors, "cpu", **options))
    finally:
        torch.set_num_threads(threads)
    assert_same(*results, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"untie": "rows"}, r"untie must be None or \"queries\", but is 'rows'"),
        ({"near": 1}, r'near=1 needs untie="queries"'),
        ({"untie": "queries", "near": -1}, r"near must be an integer of at least 0, but is -1"),
        ({"untie": "queries", "family_attention": attention.softmax_family}, r"family_attention needs untie=None"),
        ({"untie": "queries", "backend": "cpu", "position": True}, r'needs position=None where.*"torch" takes all'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    forest = TreeBatch.from_nested([[None, [None, None]], [None]])
    tensors = inputs(forest, H=2, K=2)
    change = dict(change)
    position = tensors[3] if change.pop("position", False) else None
    with pytest.raises(AttentionError, match=message):
        hierarchical_attention(*tensors[:3], forest, position=position, **change)


def test_positions_go_to_torch_of_themselves():
    forest = TreeBatch.from_nested(TREE)
    query, key, value, left, _ = inputs(forest)
    got = hierarchical_attention(query, key, value, forest, position=left, untie="queries")
    want = hierarchical_attention(query, key, value, forest, position=left, untie="queries", backend="torch")
    torch.testing.assert_close(got, want, rtol=0, atol=0)
