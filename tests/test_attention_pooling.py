"""Blocks pooled by weights: every backend against the definition, and the definition against a solver."""

import itertools
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
from encoders.attention.call import checked_call
from encoders.attention.pooling import log_shares, shares_of_leaves
from tests.attention_runs import (
    EXACT,
    FAST,
    MIXED,
    TREE,
    assert_same,
    attention_matrix,
    drawn_call,
    flat_logits,
    inputs,
    relative_error,
    run,
)  # fmt: skip
from tests.forests import CORNERS, batches, chain, ragged

POOLINGS = ["block", "document", "moments", "shares"]
BACKENDS = ["naive", *FAST]


def pooling_of(name, forest, heads=7, dtype=torch.float64):
    """The argument: a name, or drawn log shares that require a gradient."""
    if name != "shares":
        return name
    generator = torch.Generator().manual_seed(5)
    return torch.randn(forest.num_rows, heads, dtype=torch.float64, generator=generator).to(dtype).requires_grad_()


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_definition(corner, backend, pooling, attend_self):
    forest = TreeBatch.from_nested(CORNERS[corner])
    tensors, options = inputs(forest), {"attend_self": attend_self, "pooling": pooling_of(pooling, forest)}
    want = run(forest, tensors, "naive", **options)
    assert_same(run(forest, tensors, backend, **options), want, **EXACT)
    assert all(x.isfinite().all() for name, x in want.items() if name != "energy")


@pytest.mark.parametrize("backend", FAST)
@given(documents=batches, data=st.data())
@settings(max_examples=60)
def test_ragged_forests_equal_the_definition(backend, documents, data):
    forest, tensors, options = drawn_call(documents, data)
    options["pooling"] = pooling_of(data.draw(st.sampled_from(POOLINGS)), forest, tensors[0].shape[1])
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
def test_rows_in_any_order_equal_the_definition(backend, pooling):
    parent = torch.tensor([7, 9, 9, 7, -1, 1, 9, 4, 7, 4, 1, -1, 11, 12])
    forest = TreeBatch.from_parents(parent)
    tensors, options = inputs(forest), {"pooling": pooling_of(pooling, forest)}
    assert_same(run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), **EXACT)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
def test_large_families_and_deep_chains_equal_the_definition(backend, pooling):
    caterpillar = None
    for _ in range(200):
        caterpillar = [None, caterpillar]
    deep = [chain(300), chain(99, [None, chain(100)]), caterpillar]
    wide = [[[None] * 2, [None] * 523, None], [[[None] * size, None] for size in (7, 8, 9, 63, 64, 65, 129)]]
    forest = TreeBatch.from_nested(deep + wide)
    tensors, options = inputs(forest, H=2, K=1), {"pooling": pooling_of(pooling, forest, 2)}
    # 200 levels of sums, each rounding on top of the one before, and sums of 523 terms
    assert_same(
        run(forest, tensors, backend, **options), run(forest, tensors, "naive", **options), rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize("size", [1e2, 3e2])
@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
def test_logits_of_ten_thousands_stay_finite(backend, pooling, attend_self, size):
    forest = TreeBatch.from_nested([*ragged(5, 4, 5, 3), [None] * 70, None])
    tensors = inputs(forest, size=size)
    options = {"attend_self": attend_self, "scale": 1.0, "pooling": pooling_of(pooling, forest)}
    want = run(forest, tensors, "naive", **options)
    got = run(forest, tensors, backend, **options)
    assert all(x.isfinite().all() for name, x in got.items() if name != "energy")
    # A logit of 1e5 in float64 is known to 1e5 * 2^-53 = 1e-11, and so is a weight; its gradient is as large as q is.
    for name in want:
        assert_same({name: got[name]}, {name: want[name]}, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
def test_low_precision_is_no_worse_than_plain_torch(backend, pooling, dtype, size):
    """At most twice the error of the definition in that dtype, for the same rounded inputs, over three draws."""
    forest = TreeBatch.from_nested([document for document in MIXED if document])
    pool = pooling_of(pooling, forest, 4, dtype)
    wide = pool if isinstance(pool, str) else pool.detach().double().requires_grad_()
    ours, plain = [], []
    for seed in range(3):
        tensors = inputs(forest, seed=seed, H=4, K=2, D=16, E=8, P=8, size=size**0.5, dtype=dtype)
        exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", pooling=wide)
        ours.append(relative_error(run(forest, tensors, backend, pooling=pool), exact))
        plain.append(relative_error(run(forest, tensors, "naive", pooling=pool), exact))
    error, allowed = ({name: math.hypot(*(e[name] for e in some)) for name in exact} for some in (ours, plain))
    for name in exact:
        assert error[name] <= 2 * allowed[name], (name, error[name], allowed[name])


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", FAST)
def test_the_gradient_is_that_of_finite_differences(backend, pooling):
    forest = TreeBatch.from_nested([[[[None, None], None], [None, [None, None]]], [[None]], []])
    tensors = inputs(forest, H=2, K=1, D=3, E=2, P=1)
    pool = pooling_of(pooling, forest, 2)

    def both(query, key, value, left, right, pool=pool):
        return hierarchical_attention(
            query, key, value, forest, position=(left, right), backend=backend, return_energy=True, pooling=pool
        )

    assert torch.autograd.gradcheck(both, [*tensors, *([] if isinstance(pool, str) else [pool])])


@pytest.mark.parametrize("backend", FAST)
def test_a_second_derivative_is_refused_in_our_own_words(backend):
    forest = TreeBatch.from_nested([[[None, [None, None]], [None, None]]])
    for pooling in POOLINGS:
        tensors = inputs(forest)
        output = hierarchical_attention(*tensors[:3], forest, backend=backend, pooling=pooling_of(pooling, forest))
        first = torch.autograd.grad(output.square().sum(), tensors[1], create_graph=True)[0]
        with pytest.raises(AttentionError, match="differentiated once only"):
            first.sum().backward()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_level_is_softmax_attention(backend, pooling):
    forest = TreeBatch.from_nested([[None] * 17, chain(3, [chain(2) for _ in range(5)])])
    query, key, value, left, right = inputs(forest, H=6, K=3)
    options = {"backend": backend, "pooling": pooling_of(pooling, forest, 6)}
    output = hierarchical_attention(query, key, value, forest, position=(left, right), **options)
    top = torch.cat([forest.leaf_rows[:17], forest.leaf_rows[17:] - 2])  # its position is the chain's, from the top
    wants = []
    for at in (slice(0, 17), slice(17, 22)):
        bias = torch.einsum("ihp,jhp->hij", left[top[at]], right[top[at]])
        heads_first = (x[at].transpose(0, 1) for x in (query, key, value))
        wants.append(scaled_dot_product_attention(*heads_first, attn_mask=bias, enable_gqa=True).transpose(0, 1))
    torch.testing.assert_close(output, torch.cat(wants), **EXACT)


def leaves_below(forest):
    """Leaves under every row, in row order, by walking up from each."""
    below = [[] for _ in range(forest.num_rows)]
    for place, row in enumerate(forest.leaf_rows.tolist()):
        while row >= 0:
            below[row].append(place)
            row = forest.parent[row].item()
    return below


def block_weights(forest, query, key, scale, pooling):
    """(H, leaves) weights of the leaves of every row: softmax over the block, or products of shares, by recursion."""
    below, parent = leaves_below(forest), forest.parent.tolist()
    found = {}

    def weights(row):
        if row in found:
            return found[row]
        under = below[row]
        children = [c for c, above in enumerate(parent) if above == row and below[c]]
        if not children:
            found[row] = query.new_ones(query.shape[1], 1)
        elif isinstance(pooling, str) and pooling == "document":
            picked = torch.einsum("hd,nhd->hn", query.mean(0), key[under]) * scale
            found[row] = picked.softmax(-1)
        elif isinstance(pooling, str) and pooling == "moments":
            apart = (key - key.mean(0))[under]
            varies = torch.einsum("hd,nhd->hn", (scale * query).var(0, correction=0), apart.square())
            found[row] = (torch.einsum("hd,nhd->hn", query.mean(0), key[under]) * scale + varies / 2).softmax(-1)
        else:
            parts = {c: weights(c) for c in children}
            if isinstance(pooling, str):
                mean = query[under].mean(0)
                logits = [
                    scale * torch.einsum("hd,hn,nhd->h", mean, w, key[below[c]]) - torch.special.xlogy(w, w).sum(-1)
                    for c, w in parts.items()
                ]
            else:
                logits = [pooling[c] for c in children]
            shares = torch.stack(logits).softmax(0)
            at = {leaf: n for n, leaf in enumerate(under)}
            found[row] = query.new_zeros(query.shape[1], len(under))
            for share, (c, w) in zip(shares, parts.items(), strict=True):
                found[row][:, [at[leaf] for leaf in below[c]]] = share[:, None] * w
        return found[row]

    return below, [weights(row) if below[row] else None for row in range(forest.num_rows)]


def solved(forest, logits, below, weights, head, attend_self):
    """(N, N) the optimum over P_ij = theta(A, B) w_j, by Newton's method on the dual: one multiplier a leaf.

    theta = exp(mean of s_ij - log w_j over A and w - 1 - mean of the multipliers of A), whatever the multipliers; the
    dual is smooth and convex, and is solved where all rows sum to 1.
    """
    parent, leaves = forest.parent.tolist(), forest.num_leaves
    blocks = [([place], [place], torch.ones(1, dtype=torch.float64)) for place in range(leaves) if attend_self]
    for a, b in itertools.permutations(range(forest.num_rows), 2):
        if parent[a] == parent[b] >= 0 and below[a] and below[b]:
            blocks.append((below[a], below[b], weights[b][head]))
    rows = torch.zeros(len(blocks), leaves, dtype=torch.float64)  # each block's leaves, as shares of 1
    gain = torch.zeros(len(blocks), dtype=torch.float64)
    for at, (a, b, w) in enumerate(blocks):
        rows[at, a] = 1 / len(a)
        gain[at] = (logits[head][a][:, b] @ w).mean() - torch.special.xlogy(w, w).sum()
    counts = torch.tensor([float(len(a)) for a, _, _ in blocks], dtype=torch.float64)

    def theta(multipliers):
        return counts * (gain - 1 - rows @ torch.as_tensor(multipliers)).exp()

    def dual(multipliers):
        return float(theta(multipliers).sum() + multipliers.sum())

    def slope(multipliers):
        return (1 - rows.T @ theta(multipliers)).numpy()

    def curvature(multipliers):
        return ((rows.T * theta(multipliers)) @ rows).numpy()

    start = (logits[head].logsumexp(-1) - 1).numpy()
    found = minimize(dual, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-8}).x
    for _ in range(3):  # the last digits, which the values of the dual no longer show
        found = found - torch.linalg.solve(torch.as_tensor(curvature(found)), torch.as_tensor(slope(found))).numpy()
    masses = theta(found) / counts
    P = torch.zeros(leaves, leaves, dtype=torch.float64)
    for mass, (a, b, w) in zip(masses, blocks, strict=True):
        P[torch.tensor(a)[:, None], torch.tensor(b)] = mass * w
    return P


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_what_a_solver_finds(backend, pooling, attend_self):
    forest = TreeBatch.from_nested(TREE)
    query, key, _, left, right = (x.detach() for x in inputs(forest, H=3, K=3))
    pool = pooling_of(pooling, forest, 3)
    pool = pool if isinstance(pool, str) else pool.detach()
    options = {"attend_self": attend_self, "scale": 0.7, "pooling": pool}
    matrix, energy = attention_matrix(forest, query, key, (left, right), backend, **options)
    logits = flat_logits(forest, query, key, left, right, 0.7)
    below, weights = block_weights(forest, query, key, 0.7, pool)
    for head in range(3):
        want = solved(forest, logits, below, weights, head, attend_self)
        torch.testing.assert_close(want.sum(-1), torch.ones(forest.num_leaves, dtype=torch.float64), **EXACT)
        torch.testing.assert_close(matrix[head], want, rtol=1e-10, atol=1e-10)
        kl = (torch.special.xlogy(want, want) - want * logits[head].log_softmax(-1)).sum(-1)
        cost = logits[head].logsumexp(-1) - kl
        torch.testing.assert_close(energy[head], cost.mean(), rtol=1e-10, atol=1e-10)


def document_call(forest, tensors):
    return checked_call(
        *tensors, forest, position=None, present=None, scale=None, attend_self=True, pooling="document"
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [[100] * 200, [2000] * 2])
def test_shares_of_many_leaves_are_rounded_no_more_than_a_few_times(sizes):
    """Twice what float32 knows of the largest, against float64 of the same keys, whose mean is not 0."""
    forest = TreeBatch.from_nested([[[None] * size for size in sizes]])
    tensors = [x.detach().float() + 1 for x in inputs(forest, H=2, K=2, D=16)[:3]]
    calls = (document_call(forest, [x.to(dtype) for x in tensors]) for dtype in (torch.float64, torch.float32))
    want, got = (log_shares(call, forest.tensors(None)) for call in calls)
    assert (got - want).abs().max() <= 2 * torch.finfo(torch.float32).eps * want.abs().max()


def test_shares_of_known_logits_are_rounded_once_however_deep_the_tree_is():
    caterpillar = None
    for _ in range(300):
        caterpillar = [None, caterpillar]
    forest = TreeBatch.from_nested([caterpillar, [[None] * 2000, None]])
    tensors = [x.detach().float() for x in inputs(forest, H=2, K=2)[:3]]
    logits = 5 * torch.randn(forest.num_leaves, 2, generator=torch.Generator().manual_seed(0))
    calls = (document_call(forest, [x.to(dtype) for x in tensors]) for dtype in (torch.float64, torch.float32))
    want, got = (shares_of_leaves(logits.to(call.wide), call, forest.tensors(None)) for call in calls)
    assert (got - want).abs().max() <= torch.finfo(torch.float32).eps / 2 * want.abs().max()


def test_shares_of_leaves_have_their_own_gradient_whatever_is_made_of_them():
    forest = TreeBatch.from_nested([TREE[0], [None, [None, [None, None]]], []])
    call = document_call(forest, [x.detach() for x in inputs(forest, H=2, K=2)[:3]])
    logits = torch.randn(forest.num_leaves, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    families = forest.tensors(None)
    assert torch.autograd.gradcheck(lambda x: shares_of_leaves(x, call, families), [logits.requires_grad_()])


@pytest.mark.parametrize("backend", BACKENDS)
def test_uniform_shares_are_the_paper(backend):
    forest = TreeBatch.from_nested([*ragged(7, 4, 6, 3), None, []])
    tensors = inputs(forest)
    shares = forest.leaf_count.double().clamp(min=1e-300).log()[:, None]
    assert_same(run(forest, tensors, backend, pooling=shares), run(forest, tensors, backend), **EXACT)


@pytest.mark.parametrize("pooling", ["block", "document"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_where_all_queries_agree_any_tree_is_softmax_attention(backend, pooling):
    forest = TreeBatch.from_nested(TREE)
    query, key, value = (x.detach() for x in inputs(forest, H=3, K=3)[:3])
    query = query[:1].expand_as(query)
    want = scaled_dot_product_attention(*(x.transpose(0, 1) for x in (query, key, value))).transpose(0, 1)
    got = hierarchical_attention(query, key, value, forest, backend=backend, pooling=pooling)
    torch.testing.assert_close(got, want, **EXACT)
    paper = hierarchical_attention(query, key, value, forest, backend=backend)
    assert (paper - want).abs().max() > 0.1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_block_can_show_the_one_leaf_that_its_query_asks_for(backend):
    """The mean of a block of 9 gives its telling leaf 1/9 of the weight at most; pooled, it gets nearly all."""
    forest = TreeBatch.from_nested([[[None] * 9, [None] * 9]])
    query = torch.zeros(18, 1, 2, dtype=torch.float64)
    query[..., 0] = 6.0
    key, value = torch.zeros_like(query), torch.zeros(18, 1, 1, dtype=torch.float64)
    key[13, 0, 0], value[13] = 6.0, 1.0
    got = {
        pooling: hierarchical_attention(query, key, value, forest, backend=backend, pooling=pooling)[0].item()
        for pooling in ("mean", "block", "document")
    }
    assert got["mean"] <= 1 / 9
    assert min(got["block"], got["document"]) > 0.99


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_absent_leaves_and_other_documents_change_nothing(backend, pooling):
    documents = [[None, [None, [None, None]], [[None], None, [None]]], [[None, None], [None, None]], None]
    forest = TreeBatch.from_nested(documents)
    present = torch.tensor([1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1], dtype=torch.bool)
    alone = TreeBatch.from_nested([[None, [None, [None]], [[None], [None]]]])
    kept_rows = torch.ones(forest.num_rows, dtype=torch.bool)
    kept_rows[forest.leaf_rows[~present]] = False
    query, key, value, left, right = (x.detach() for x in inputs(forest))
    for tensor in (query, key, value):
        tensor[~present] = torch.nan  # must not be looked at
    pool = pooling_of(pooling, forest)
    options = {"backend": backend, "return_energy": True}
    whole, energy = hierarchical_attention(
        query, key, value, forest, position=(left, right), present=present, pooling=pool, **options
    )
    assert (whole[~present] == 0).all()
    few, rows = present & (forest.leaf_document == 0), kept_rows & (forest.document == 0)
    small, small_energy = hierarchical_attention(
        query[few], key[few], value[few], alone, position=(left[rows], right[rows]),
        pooling=pool if isinstance(pool, str) else pool[rows], **options,
    )  # fmt: skip
    torch.testing.assert_close(whole[few], small, **EXACT)
    torch.testing.assert_close(energy[:1], small_energy, **EXACT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "max"}, r"pooling must be one of mean, block, document, moments or a tensor, but is 'max'"),
        ({"pooling": torch.zeros(6, 2)}, r"pooling must have shape \(7, 2\).*has shape \(6, 2\)"),
        ({"pooling": torch.zeros(7, 3)}, r"pooling must have shape \(7, 2\).*has shape \(7, 3\)"),
        ({"pooling": torch.zeros(7, 2, dtype=torch.int64)}, r"pooling must be floating point on cpu, but is torch.int"),
        ({"pooling": "block", "family_attention": attention.softmax_family}, r'family_attention needs pooling="mean"'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    forest = TreeBatch.from_nested([[None, [None, None]], [None]])
    tensors = inputs(forest, H=2, K=2)
    with pytest.raises(AttentionError, match=message):
        hierarchical_attention(*tensors[:3], forest, **change)


def test_energy_says_what_pooling_saves():
    """In one document of one block of leaves beside one leaf: log z less the divergence, by hand."""
    forest = TreeBatch.from_nested([[[None, None], None]])
    query, key, value = (x.detach() for x in inputs(forest, H=1, D=2)[:3])
    _, energy = hierarchical_attention(query, key, value, forest, scale=1.0, pooling="block", return_energy=True)
    s = torch.einsum("id,jd->ij", query[:, 0], key[:, 0]).tolist()
    picked = [(s[0][j] + s[1][j]) / 2 for j in (0, 1)]
    total = sum(math.exp(x) for x in picked)
    w = [math.exp(x) / total for x in picked]
    log = math.log

    def plus(*x):
        return log(sum(math.exp(y) for y in x))

    block = (plus(s[0][0], s[0][1]) + plus(s[1][0], s[1][1])) / 2
    outside = (s[0][2] + s[1][2]) / 2
    lone = w[0] * (s[2][0] - log(w[0])) + w[1] * (s[2][1] - log(w[1]))
    assert energy.item() == pytest.approx(2 / 3 * plus(block, outside) + 1 / 3 * plus(s[2][2], lone), abs=1e-14)


def test_a_backend_that_pools_by_means_alone_is_passed_over_and_says_so(monkeypatch):
    """As `triton` is on CUDA."""
    triton = attention.COMPILED["triton"]
    monkeypatch.setitem(attention.COMPILED, "cpu", attention.COMPILED["cpu"]._replace(lacks=triton.lacks))
    forest = TreeBatch.from_nested([[[None, None], None]])
    tensors = [x.float() for x in inputs(forest)[:3]]
    for options in ({"pooling": "block"}, {"untie": "queries"}):
        want = hierarchical_attention(*tensors, forest, **options, backend="torch")
        torch.testing.assert_close(hierarchical_attention(*tensors, forest, **options), want, rtol=0, atol=0)
        with pytest.raises(AttentionError, match=r'backend "cpu" needs pooling="mean" and untie=None\. "torch" takes'):
            hierarchical_attention(*tensors, forest, **options, backend="cpu")
