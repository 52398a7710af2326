"""Entmax in place of softmax: torch against the definition, which is tested by a solver and the package `entmax`."""

import math

import entmax
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from docgraph.errors import AttentionError
from encoders import TreeBatch, hierarchical_attention
from tests.attention_runs import (
    EXACT,
    TREE,
    assert_same,
    attention_matrix,
    blocks_by_hand,
    drawn_call,
    flat_logits,
    inputs,
    relative_error,
    run,
    untied,
)
from tests.forests import CORNERS, batches, chain, ragged

ALPHAS = [1.2, 1.5, 2.0]
POOLINGS = ["mean", "block", "document", "moments", "shares"]
NOT_EMPTY = [d for d in [*ragged(10, 3, 4, 3), [None] * 30, None, TREE[0]] if d != []]


def sparse(pooling, forest, heads=7, alpha=1.5, **options):
    return {**untied(pooling, forest, heads, **options), "alpha": alpha}


def flat_entmax(logits, alpha):
    """Of the package; its bisection to the last digit."""
    if alpha == 1.5:
        return entmax.entmax15(logits, dim=-1)
    if alpha == 2:
        return entmax.sparsemax(logits, dim=-1)
    return entmax.entmax_bisect(logits, alpha=alpha, dim=-1, n_iter=80)


def worth(P, logits, alpha):
    """<P, s> + entropy of order alpha, over the last axis."""
    power = torch.where(P > 0, torch.where(P > 0, P, 1) ** alpha, 0)  # with derivatives at 0
    return (P * logits).sum(-1) + (1 - power.sum(-1)) / (alpha * (alpha - 1))


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_definition(corner, pooling, attend_self, near):
    forest = TreeBatch.from_nested(CORNERS[corner])
    tensors, options = inputs(forest), sparse(pooling, forest, attend_self=attend_self, near=near)
    want = run(forest, tensors, "naive", **options)
    assert_same(run(forest, tensors, "torch", **options), want, **EXACT)
    assert all(x.isfinite().all() for name, x in want.items() if name != "energy")


@given(documents=batches, data=st.data())
@settings(max_examples=40, deadline=None)
def test_ragged_forests_equal_the_definition(documents, data):
    forest, tensors, options = drawn_call(documents, data)
    pooling, near = data.draw(st.sampled_from(POOLINGS)), data.draw(st.integers(0, 2))
    options |= sparse(pooling, forest, tensors[0].shape[1], data.draw(st.sampled_from(ALPHAS)), near=near)
    # The hidden logits of a leaf that attends to nothing are -1.8e308: no gradient may come of them.
    assert_same(run(forest, tensors, "torch", **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_wide_families_and_deep_chains_equal_the_definition(alpha):
    caterpillar = None
    for _ in range(40):
        caterpillar = [None, caterpillar]
    forest = TreeBatch.from_nested([chain(60, [None, chain(30)]), caterpillar, [[None] * 70, [None] * 9, None]])
    tensors, options = inputs(forest, H=2, K=1), sparse("block", forest, 2, alpha)
    assert_same(
        run(forest, tensors, "torch", **options), run(forest, tensors, "naive", **options), rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize(("size", "alpha"), [(1e2, 1.2), (3e2, 1.5), (3e2, 2.0)])
@pytest.mark.parametrize("pooling", ["mean", "block"])
def test_logits_of_ten_thousands_stay_finite(pooling, alpha, size):
    forest = TreeBatch.from_nested([*ragged(5, 3, 4, 3), [None] * 20, None])
    tensors, options = inputs(forest, size=size), sparse(pooling, forest, alpha=alpha, scale=1.0, near=1)
    want, got = run(forest, tensors, "naive", **options), run(forest, tensors, "torch", **options)
    assert all(x.isfinite().all() for x in got.values())
    # As with softmax: a logit of 1e5 in float64 is known to 1e-11, and its gradient is as large as q is.
    for name in want:
        assert_same({name: got[name]}, {name: want[name]}, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pooling", ["mean", "block"])
def test_low_precision_is_no_worse_than_the_definition_in_it(pooling, dtype):
    """At most twice the error of plain torch, as naive.py is, in that dtype, for the same rounded inputs."""
    forest, options = TreeBatch.from_nested(NOT_EMPTY), {"untie": "queries", "pooling": pooling, "alpha": 1.5}
    ours, plain = [], []
    for seed in range(3):
        tensors = inputs(forest, seed=seed, H=4, K=2, D=16, E=8, P=8, dtype=dtype)
        exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", **options)
        ours.append(relative_error(run(forest, tensors, "torch", **options), exact))
        plain.append(relative_error(run(forest, tensors, "naive", **options), exact))
    for name in exact:
        error, allowed = math.hypot(*(e[name] for e in ours)), 2 * math.hypot(*(e[name] for e in plain))
        assert error <= allowed, (name, error, allowed)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_gradient_is_that_of_finite_differences(pooling, alpha):
    forest = TreeBatch.from_nested([[[[None, None], None], [None, None]], [[None]], []])
    tensors, options = inputs(forest, H=2, K=1, D=2, E=1, P=1), sparse(pooling, forest, 2, alpha)
    pool = [options.pop("pooling")] if pooling == "shares" else []

    def both(query, key, value, left, right, *shares):
        given = {"pooling": shares[0]} if shares else {}
        return hierarchical_attention(
            query, key, value, forest, position=(left, right), return_energy=True, **options, **given
        )

    assert torch.autograd.gradcheck(both, [*tensors, *pool])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_definition_has_second_derivatives(alpha):
    forest = TreeBatch.from_nested([[None, [None, None]]])
    tensors = inputs(forest, H=1, K=1, D=2, E=1)[:3]
    options = {"backend": "naive", "untie": "queries", "pooling": "block", "alpha": alpha}
    assert torch.autograd.gradgradcheck(lambda *x: hierarchical_attention(*x, forest, **options), tensors)


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", ["naive", "torch"])
def test_one_level_is_what_the_package_entmax_computes(backend, pooling, alpha, attend_self):
    forest = TreeBatch.from_nested([[None] * 13])
    tensors, options = inputs(forest, H=3, K=3, size=2.0), sparse(pooling, forest, 3, alpha, attend_self=attend_self)
    logits = torch.einsum("ihd,jhd->hij", *tensors[:2]) * 5**-0.5
    if not attend_self:
        logits = logits.masked_fill(torch.eye(13, dtype=torch.bool), -1e4)
    P = flat_entmax(logits, alpha)
    assert 0.1 < (P == 0).double().mean() < 0.9
    want = torch.einsum("hij,jhe->ihe", P, tensors[2])
    got, energy = hierarchical_attention(*tensors[:3], forest, backend=backend, return_energy=True, **options)
    torch.testing.assert_close(got, want, **EXACT)
    torch.testing.assert_close(energy[0], worth(P, logits, alpha).mean(-1), **EXACT)
    by = torch.randn(want.shape, dtype=want.dtype, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(*(torch.autograd.grad(x, tensors[:3], by) for x in (got, want)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_near_field_of_all_cells_is_entmax(alpha):
    forest = TreeBatch.from_nested(TREE)
    query, key, value, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    P = flat_entmax(flat_logits(forest, query, key, left, right, 0.7), alpha)
    options = {"position": (left, right), "scale": 0.7, "untie": "queries", "near": 99, "alpha": alpha}
    got = hierarchical_attention(query, key, value, forest, **options)
    torch.testing.assert_close(got, torch.einsum("hij,jhe->ihe", P, value), **EXACT)


def best_masses(worth_of, blocks):
    """The (blocks,) masses of sum 1, none below 0, of the largest `worth_of`: scipy, then Newton on what is above 0.

    What comes back meets the conditions of the optimum, to 1e-11, by its gradient alone.
    """

    def slope(theta):
        return torch.autograd.functional.jacobian(worth_of, torch.as_tensor(theta))

    found = minimize(
        lambda x: -worth_of(torch.as_tensor(x)).item(), [1 / blocks] * blocks, jac=lambda x: -slope(x).numpy(),
        method="SLSQP", bounds=[(0, 1)] * blocks, tol=1e-14,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": lambda x: x * 0 + 1},
    )  # fmt: skip
    theta = torch.as_tensor(found.x).clamp(min=1e-6)
    for _ in range(100):
        theta = torch.where(theta < 1e-15, 0, theta)
        at = theta.nonzero()[:, 0]
        curve = torch.autograd.functional.hessian(lambda x, t=theta, at=at: worth_of(t.index_copy(0, at, x)), theta[at])
        edge = torch.ones(len(at), 1, dtype=theta.dtype)
        system = torch.cat([torch.cat([curve, edge], 1), torch.cat([edge.T, edge[:1] * 0], 1)])
        step = torch.linalg.solve(system, torch.cat([-slope(theta)[at], 1 - theta.sum()[None]]))[:-1]
        theta = theta.index_add(0, at, step * min(1.0, (0.99 * theta[at] / -step.clamp(max=-1e-300)).min().item()))
        if step.abs().max() < 1e-14:
            break
    gradient = slope(theta)
    price = gradient[theta > 0].mean()
    assert abs(theta.sum() - 1) < 1e-11
    assert (gradient[theta > 0] - price).abs().max() < 1e-9
    assert (gradient <= price + 1e-9).all()
    return theta


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("pooling", ["mean", "shares"])
@pytest.mark.parametrize("attend_self", [True, False])
def test_weights_are_what_a_solver_finds(attend_self, pooling, alpha):
    """The largest <P, s> + entropy of rows that are a mass times the weights in each block; and the energy."""
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=2, K=2, size=1.5))
    logits = flat_logits(forest, query, key, left, right, 0.7)[0]
    options = sparse(pooling, forest, 2, alpha, attend_self=attend_self, scale=0.7)
    log_shares = forest.leaf_count.double().log() if pooling == "mean" else options["pooling"].detach()[:, 0]
    found = {b: attention_matrix(forest, query, key, (left, right), b, **options) for b in ("naive", "torch")}
    most, zeros = [], 0
    for leaf in range(forest.num_leaves):
        w = blocks_by_hand(forest, leaf, attend_self, log_shares)
        theta = best_masses(lambda x, w=w, s=logits[leaf]: worth(x @ w, s, alpha), len(w))
        zeros += int((theta == 0).sum())
        most.append(worth(theta @ w, logits[leaf], alpha).item())
        for matrix, _ in found.values():
            torch.testing.assert_close(matrix[0, leaf], theta @ w, rtol=1e-10, atol=1e-10)
    assert zeros
    for _, energy in found.values():
        assert energy[0].item() == pytest.approx(sum(most) / len(most), abs=1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_energy_is_what_the_weights_are_worth(pooling, near, alpha):
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=2, K=2))
    logits = flat_logits(forest, query, key, left, right, 0.7)
    options = sparse(pooling, forest, 2, alpha, near=near, scale=0.7)
    P, energy = attention_matrix(forest, query, key, (left, right), "torch", **options)
    torch.testing.assert_close(P.sum(-1), torch.ones_like(P[..., 0]), **EXACT)
    torch.testing.assert_close(energy, worth(P, logits, alpha).mean(-1), **EXACT)
    assert (energy <= worth(flat_entmax(logits, alpha), logits, alpha).mean(-1)).all()


@pytest.mark.parametrize("backend", ["naive", "torch"])
@pytest.mark.parametrize("pooling", ["mean", "block", "document"])
@pytest.mark.parametrize("alpha", [1 + 1e-6, 1 + 1e-4, 1.01, 1.5, 2.0])
def test_float32_keeps_its_digits_as_close_to_one_as_one_likes(alpha, pooling, backend):
    """The power 1 / (alpha - 1) of a rounded number would lose that factor of digits."""
    forest, options = TreeBatch.from_nested(NOT_EMPTY), {"untie": "queries", "pooling": pooling, "alpha": alpha}
    tensors = inputs(forest, H=4, K=2, D=16, E=8, P=8, dtype=torch.float32)
    exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", **options)
    for name, error in relative_error(run(forest, tensors, backend, **options), exact).items():
        assert error < 20 * torch.finfo(torch.float32).eps, (name, error)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", ["naive", "torch"])
def test_close_to_one_it_is_softmax(backend, dtype):
    forest = TreeBatch.from_nested(NOT_EMPTY)
    tensors = inputs(forest, H=2, K=2, dtype=dtype)
    soft = run(forest, tensors, backend, untie="queries", pooling="block")
    for apart in (1e-4, 1e-6, 1e-9):
        nearly = run(forest, tensors, backend, untie="queries", pooling="block", alpha=1 + apart)
        for name, error in relative_error(nearly, soft).items():
            assert error < 10 * apart + 20 * torch.finfo(dtype).eps, (name, apart, error)


def test_absent_leaves_and_other_documents_change_nothing():
    forest = TreeBatch.from_nested([[None, [None, [None, None]], [[None], None, [None]]], [[None, None], [None]], None])
    present = torch.tensor([1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1], dtype=torch.bool)
    alone = TreeBatch.from_nested([[None, [None, [None]], [[None], [None]]]])
    query, key, value = (x.detach() for x in inputs(forest)[:3])
    for tensor in (query, key, value):
        tensor[~present] = torch.nan  # must not be looked at
    for backend in ("naive", "torch"):
        options = {"backend": backend, "untie": "queries", "pooling": "block", "alpha": 1.5, "return_energy": True}
        whole, energy = hierarchical_attention(query, key, value, forest, present=present, **options)
        few = present & (forest.leaf_document == 0)
        small, small_energy = hierarchical_attention(query[few], key[few], value[few], alone, **options)
        assert (whole[~present] == 0).all()
        torch.testing.assert_close(whole[few], small, **EXACT)
        torch.testing.assert_close(energy[:1], small_energy, **EXACT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"untie": None}, r'alpha=1.5 needs untie="queries": for tied queries no closed form is known'),
        ({"alpha": 0.9}, r"alpha must be a number from 1 \(softmax\) to 2 \(sparsemax\), but is 0.9"),
        ({"alpha": math.nan}, r"alpha must be a number from 1 .* but is nan"),
        ({"alpha": "2"}, r"alpha must be a number from 1 .* but is '2'"),
        ({"backend": "cpu"}, r'backend "cpu" needs alpha=1. "torch" takes all forms'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    forest = TreeBatch.from_nested([[None, [None, None]], [None]])
    options = {"untie": "queries", "alpha": 1.5, **change}
    with pytest.raises(AttentionError, match=message):
        hierarchical_attention(*inputs(forest, H=2, K=2)[:3], forest, **options)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_tied_queries_follow_a_recursion_of_functions(alpha):
    """docs/hsa.md: what no number a node can say, a falling function a node does. Against a solver, as deep as two."""
    families, p = [[0, 1, 2], [3, 4], [5]], 1 / (alpha - 1)
    forest = TreeBatch.from_nested([[[None] * len(f) for f in families]])
    query, key, *_ = (x.detach() for x in inputs(forest, H=1, K=1, size=1.5))
    s = torch.einsum("ihd,jhd->ij", query, key)
    blocks = torch.zeros(3, 6, dtype=torch.float64)
    for A, f in enumerate(families):
        blocks[A, f] = 1 / len(f)
    far, n = (blocks @ s @ blocks.T).tolist(), [len(f) for f in families]

    top = (alpha - 1) * s.abs().max().item()
    most = 6 * (2 * top + 1) ** p  # what is asked for at the lowest price that is looked at, -top - 1

    def asks(logit, price, m=1):
        return m * max((alpha - 1) * logit - price, 0) ** p

    def price_of(asked, mass, low):  # of a falling function, where it is `mass`
        return brentq(lambda price: asked(price) - mass, -top - low, top, xtol=1e-14)

    def leaf_price(i, f, mass):
        return price_of(lambda price: sum(asks(s[i, j].item(), price) for j in f), mass, most ** (alpha - 1))

    def inside(A, price):
        def above(mass):
            return sum(leaf_price(i, families[A], mass) for i in families[A]) / n[A] - price

        return 0.0 if above(1e-13) < 0 else brentq(above, 1e-13, most, xtol=1e-14)

    P = torch.zeros(6, 6, dtype=torch.float64)
    for A, f in enumerate(families):
        others = [B for B in range(3) if B != A]
        price = price_of(lambda x, A=A, o=others: sum(asks(far[A][B], x, n[B]) for B in o) + inside(A, x), 1, 1)
        mass = inside(A, price)
        for i in f:
            for B in others:
                P[i, families[B]] = asks(far[A][B], price, n[B]) / n[B]
            if mass:
                P[i, f] = torch.tensor([asks(s[i, j].item(), leaf_price(i, f, mass)) for j in f], dtype=P.dtype)

    # The same by a solver: one variable an ordered pair of siblings, and one for each leaf's own term.
    places = [(f_A, f_B) for f_A in families for f_B in families if f_A is not f_B]
    places += [([i], [j]) for f in families for i in f for j in f]

    def matrix(x):
        dense = torch.zeros(6, 6, dtype=torch.float64)
        for value, (rows, columns) in zip(x, places, strict=True):
            dense[torch.tensor(rows)[:, None], torch.tensor(columns)] = value
        return dense

    def loss(x):
        return -worth(matrix(x), s, alpha).sum()

    found = minimize(
        lambda x: loss(torch.as_tensor(x)).item(), [1 / 6] * len(places), method="SLSQP", bounds=[(0, 1)] * len(places),
        jac=lambda x: torch.autograd.functional.jacobian(loss, torch.as_tensor(x)).numpy(), tol=1e-13,
        constraints={"type": "eq", "fun": lambda x: (matrix(torch.as_tensor(x)).sum(1) - 1).numpy()},
        options={"maxiter": 500},
    )  # fmt: skip
    assert worth(P, s, alpha).sum().item() == pytest.approx(-found.fun, abs=1e-9)
    torch.testing.assert_close(P, matrix(torch.as_tensor(found.x)), rtol=0, atol=1e-4)  # flat there: 1e-9 in worth
    torch.testing.assert_close(P.sum(1), torch.ones(6, dtype=torch.float64), rtol=0, atol=1e-9)
