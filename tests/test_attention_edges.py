"""Hierarchical attention: precision, memory, threads, layouts, and what is refused with which words."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import encoders.attention as attention
from docgraph.errors import AttentionError, DocgraphError, TreeError
from encoders import TreeBatch, hierarchical_attention
from tests.attention_runs import EXACT, FAST, MIXED, assert_same, inputs, relative_error, run
from tests.forests import CORNERS, ragged

BACKENDS = ["naive", *FAST]


@pytest.mark.parametrize("attend_self", [True, False])
@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", FAST)
def test_low_precision_is_no_worse_than_plain_torch(backend, dtype, size, attend_self):
    """At most twice the error of the definition computed in that dtype, for the same rounded inputs."""
    forest = TreeBatch.from_nested([document for document in MIXED if document])
    tensors = inputs(forest, H=4, K=2, D=16, E=8, P=8, size=size**0.5, dtype=dtype)
    exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", attend_self=attend_self)
    plain = relative_error(run(forest, tensors, "naive", attend_self=attend_self), exact)
    ours = relative_error(run(forest, tensors, backend, attend_self=attend_self), exact)
    for name, error in ours.items():
        assert error <= 2 * plain[name], (name, error, plain[name])


@pytest.mark.parametrize("backend", FAST)
def test_half_precision_in_half_precision_out(backend):
    forest = TreeBatch.from_nested([[[None, None], None]])
    tensors = inputs(forest, dtype=torch.bfloat16)
    result = run(forest, tensors, backend)
    assert {name: x.dtype for name, x in result.items() if name != "energy"} == {
        name: torch.bfloat16 for name in result if name != "energy"
    }
    assert result["energy"].dtype == torch.float32


@pytest.mark.parametrize("backend", FAST)
def test_nothing_depends_on_uninitialised_memory(backend, monkeypatch):
    """Every array and tensor that nobody has written to is full of NaN."""
    empty = np.empty

    def poisoned(shape, dtype=float, **options):
        made = empty(shape, dtype, **options)
        made.fill(np.nan if made.dtype.kind == "f" else 10**6)
        return made

    forests = [TreeBatch.from_nested(MIXED), *(TreeBatch.from_nested(corner) for corner in CORNERS.values())]
    wants = [run(forest, inputs(forest), "naive") for forest in forests]
    monkeypatch.setattr(np, "empty", poisoned)
    was = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        assert torch.empty(3).isnan().all()
        for forest, want in zip(forests, wants, strict=True):
            assert_same(run(forest, inputs(forest), backend), want, **EXACT)
            some = torch.arange(forest.num_leaves) % 3 > 0
            want = run(forest, inputs(forest), "naive", present=some)
            assert_same(run(forest, inputs(forest), backend, present=some), want, **EXACT)
    finally:
        torch.use_deterministic_algorithms(was[0])
        torch.utils.deterministic.fill_uninitialized_memory = was[1]


def test_results_do_not_depend_on_threads(monkeypatch):
    from encoders.attention.cpu import schedule

    forest = TreeBatch.from_nested([*MIXED * 3, ragged(9, 1, 20, 4)[0]])
    tensors = inputs(forest, H=2)
    want = run(forest, tensors, "torch")
    monkeypatch.setattr(schedule, "SMALL", 50)  # many chunks and many deferred families, small as the forest is
    forest = TreeBatch.from_nested([*MIXED * 3, ragged(9, 1, 20, 4)[0]])
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(run(forest, tensors, "cpu"))
    finally:
        torch.set_num_threads(threads)
    cut = schedule.make_schedule(forest.families(), np.dtype(np.float64))
    assert len(cut.chunks) > 8
    assert len(cut.tiles) > 2
    assert not cut.deferred.all()
    assert_same(results[0], want, rtol=1e-11, atol=1e-11)  # families of 150
    for result in results[1:]:
        assert_same(result, results[0], rtol=0, atol=0)


@pytest.mark.parametrize("backend", FAST)
def test_any_strides_will_do(backend):
    forest = TreeBatch.from_nested(MIXED[:4])
    n, rows = forest.num_leaves, forest.num_rows
    generator = torch.Generator().manual_seed(0)
    fused = torch.randn(n, 3, 2, 8, dtype=torch.float64, generator=generator)
    turned = torch.randn(2, 8, n, dtype=torch.float64, generator=generator)
    shared = torch.randn(rows, 1, 5, dtype=torch.float64, generator=generator)
    leaves = [fused.requires_grad_(), turned.requires_grad_(), shared.requires_grad_()]

    def attend(backend, contiguous):
        tensors = [fused[:, 0], fused[:, 1], turned.permute(2, 0, 1), shared.expand(rows, 2, 5)]
        query, key, value, position = (x.contiguous() for x in tensors) if contiguous else tensors
        output = hierarchical_attention(query, key, value, forest, position=position, backend=backend)
        return output, *torch.autograd.grad(output.sum(), leaves)  # a sum's gradient has strides of zero

    for got, want in zip(attend(backend, False), attend("naive", True), strict=True):
        torch.testing.assert_close(got, want, **EXACT)
    slim = hierarchical_attention(fused[:, 0], fused[:, 1], turned.permute(2, 0, 1), forest, position=shared)
    wide = hierarchical_attention(
        fused[:, 0], fused[:, 1], turned.permute(2, 0, 1), forest, position=shared.expand(rows, 2, 5)
    )
    torch.testing.assert_close(slim, wide, rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_either_result_alone_has_its_gradients(backend):
    forest = TreeBatch.from_nested(MIXED[:4])
    for use in (0, 1):
        grads = []
        for name in ("naive", backend):
            tensors = inputs(forest)
            results = hierarchical_attention(
                *tensors[:3], forest, position=tuple(tensors[3:]), backend=name, return_energy=True
            )
            results[use].square().sum().backward()
            grads.append([torch.zeros_like(x) if x.grad is None else x.grad for x in tensors])
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, **EXACT)


@pytest.mark.parametrize("backend", FAST)
def test_the_gradient_is_that_of_finite_differences(backend):
    forest = TreeBatch.from_nested([[None, [None, None]], [[None]], []])
    tensors = inputs(forest, H=2, K=1, D=3, E=2, P=1)

    def both(query, key, value, left, right):
        return hierarchical_attention(
            query, key, value, forest, position=(left, right), backend=backend, return_energy=True
        )

    assert torch.autograd.gradcheck(both, tensors)


@pytest.mark.parametrize("backend", FAST)
def test_a_second_derivative_is_refused_in_our_own_words(backend):
    forest = TreeBatch.from_nested([[None, [None, None]]])
    tensors = inputs(forest)
    output = hierarchical_attention(*tensors[:3], forest, backend=backend)
    first = torch.autograd.grad(output.square().sum(), tensors[0], create_graph=True)[0]
    torch.testing.assert_close(
        first.detach(),
        torch.autograd.grad(hierarchical_attention(*tensors[:3], forest, backend="naive").square().sum(), tensors[0])[
            0
        ],
        **EXACT,
    )
    with pytest.raises(AttentionError, match=r'differentiated once only.*backend="naive" can do that'):
        first.sum().backward()


def test_the_definition_has_second_derivatives():
    forest = TreeBatch.from_nested([[None, [None, None]]])
    tensors = inputs(forest, H=1, D=2, E=2)[:3]
    assert torch.autograd.gradgradcheck(
        lambda *x: hierarchical_attention(*x, forest, backend="naive"), tensors, raise_exception=True
    )


FAMILIES = """
import resource, sys, torch
from encoders import TreeBatch, hierarchical_attention
torch.set_num_threads(2)
def once(size):
    forest = TreeBatch.from_nested([[None] * size, *[[None, None]] * size])
    q, k, v = (torch.randn(3 * size, 4, 8, requires_grad=True) for _ in range(3))
    hierarchical_attention(q, k, v, forest, backend=sys.argv[1]).sum().backward()
once(600)  # compiles, warms up, and streams
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
once(5000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("backend", FAST)
def test_families_of_2_and_5000_take_no_memory_of_squares_or_padding(backend):
    done = subprocess.run([sys.executable, "-c", FAMILIES, backend], capture_output=True, text=True, check=True)
    # The large family's logits would be 5000^2 * 4 heads * 4 bytes = 381 MiB, and the 5,000 pairs padded to it 5000
    # times as much; q, k, v, their means, gradients and so on are 2 MiB each.
    assert float(done.stdout) < 96


def test_a_broken_module_of_our_own_is_not_taken_for_a_missing_package(monkeypatch):
    def broken(name):
        raise ImportError(
            "cannot import name 'Schedule' from 'encoders.attention.cpu.schedule'", name=f"{name}.schedule"
        )

    monkeypatch.setattr(attention, "import_module", broken)
    attention.load_compiled.cache_clear()
    try:
        with pytest.raises(ImportError, match="cannot import name 'Schedule'"):
            hierarchical_attention(*[torch.zeros(1, 1, 1)] * 3, TreeBatch.from_nested([None]))
    finally:
        attention.load_compiled.cache_clear()


def test_auto_takes_the_compiled_backend_and_does_without_it(monkeypatch):
    forest = TreeBatch.from_nested([[None, None]])
    tensors = [x.float() for x in inputs(forest)[:3]]
    hierarchical_attention(*tensors, forest)
    call = attention.checked_call(*tensors, forest, position=None, present=None, scale=None, attend_self=True)
    assert attention.fastest_backend(call) == "cpu"

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(attention, "import_module", missing)
    attention.load_compiled.cache_clear()
    try:
        assert attention.fastest_backend(call) == "torch"
        assert hierarchical_attention(*tensors, forest).shape == (2, 7, 3)
        with pytest.raises(AttentionError, match="needs numba, which cannot be imported"):
            hierarchical_attention(*tensors, forest, backend="cpu")
    finally:
        attention.load_compiled.cache_clear()


def test_no_folder_to_keep_machine_code_in_is_no_failure(monkeypatch):
    from encoders.attention.cpu import products

    def refuse(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(products, "njit", refuse)
    assert products.entry(len) == ("compiled", len)


FOREST = [[None, [None, None]], [None]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": (3, 2, 4)}, r"query must have shape \(4, heads, width\).*has shape \(3, 2, 4\)"),
        ({"value": (4, 4)}, r"value must have shape \(4, heads, width\).*has shape \(4, 4\)"),
        ({"key": (4, 2, 5)}, r"key must be as wide as query, 4, but is 5 wide"),
        ({"value": (4, 1, 4)}, r"value must have as many heads as key, 2, but has 1"),
        ({"query": (4, 3, 4)}, r"query heads must be a multiple of key heads, but are 3 and 2"),
        (
            {"key": torch.float32},
            r"share one floating dtype, but key is torch.float32 and query is torch.float64",
        ),
        (
            {"query": torch.int64, "key": torch.int64, "value": torch.int64},
            r"floating dtype, but query is torch.int64",
        ),
        ({"query": "meta"}, r"query is on meta, but the forest is on cpu.*forest.to"),
        ({"position": (6, 2, 3)}, r"position must have shape \(7, 2, width\).*has shape \(6, 2, 3\)"),
        ({"position": (7, 3, 3)}, r"position must have shape \(7, 2, width\).*has shape \(7, 3, 3\)"),
        ({"position": torch.int64}, r"position must be floating point on cpu, but is torch.int64"),
        ({"position": ((7, 2, 3), (7, 2, 4))}, r"the same on both sides, but has shape .*3\) and .*4\)"),
        ({"backend": "fast"}, r"backend must be one of auto, naive, torch, cpu.*, but is 'fast'"),
        (
            {"backend": "cpu", "family_attention": attention.softmax_family},
            r'needs backend="torch" or "auto"',
        ),
        ({"forest": "tree"}, r"forest must be a TreeBatch, but is a str"),
        ({"query": (4, 0, 4)}, r"query heads must be a multiple of key heads, but are 0 and 2"),
        ({"query": None}, r"query must be a torch tensor, but is a NoneType: see torch.as_tensor"),
        ({"position": [None, None]}, r"position must be a torch tensor, but is a NoneType"),
        ({"pooling": np.zeros((7, 2))}, r"pooling must be one of mean, .*moments or a tensor, but is a ndarray"),
        ({"scale": torch.ones(())}, r"scale must be a finite number, but is tensor.*Multiply the query"),
        ({"scale": float("nan")}, r"scale must be a finite number, but is nan"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    arguments = {"query": (4, 2, 4), "key": (4, 2, 4), "value": (4, 2, 4), "position": (7, 2, 3)}
    made = {}
    for name, shape in arguments.items():
        wanted = change.get(name, shape)
        if wanted is None or isinstance(wanted, list):
            made[name] = wanted
        elif isinstance(wanted, torch.dtype):
            made[name] = torch.ones(shape, dtype=wanted)
        elif wanted == "meta":
            made[name] = torch.ones(shape, dtype=torch.float64, device="meta")
        elif isinstance(wanted[0], tuple):
            made[name] = tuple(torch.ones(side, dtype=torch.float64) for side in wanted)
        else:
            made[name] = torch.ones(wanted, dtype=torch.float64)
    forest = change.get("forest", TreeBatch.from_nested(FOREST))
    options = {name: change[name] for name in ("backend", "family_attention", "pooling", "scale") if name in change}
    with pytest.raises(AttentionError, match=message) as caught:
        hierarchical_attention(made["query"], made["key"], made["value"], forest, position=made["position"], **options)
    assert isinstance(caught.value, DocgraphError)


def test_present_must_fit_the_leaves():
    forest = TreeBatch.from_nested(FOREST)
    tensors = inputs(forest)[:3]
    with pytest.raises(TreeError, match=r"bool tensor of shape \(4,\).*shape \(3,\)"):
        hierarchical_attention(*tensors, forest, present=torch.ones(3, dtype=torch.bool))
    with pytest.raises(TreeError, match=r"present must be a bool tensor, one entry a leaf, but is a list"):
        hierarchical_attention(*tensors, forest, present=[True] * 4)


@pytest.mark.parametrize("form", [{}, {"pooling": "block"}, {"untie": "queries"}], ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_vectors_of_no_width_are_no_failure(backend, form):
    forest = TreeBatch.from_nested(FOREST)
    for width, values in ((0, 3), (3, 0)):
        query = torch.zeros(4, 2, width, requires_grad=True)
        key, value = torch.zeros(4, 2, width), torch.ones(4, 2, values)
        output = hierarchical_attention(query, key, value, forest, backend=backend, **form)
        assert output.shape == (4, 2, values)
        torch.testing.assert_close(output, torch.ones_like(output))
        output.sum().backward()


def test_more_cells_than_there_are_is_all_of_them():
    forest = TreeBatch.from_nested(FOREST)
    tensors = inputs(forest)[:3]
    all_of_them = hierarchical_attention(*tensors, forest, untie="queries", near=4)
    assert torch.equal(hierarchical_attention(*tensors, forest, untie="queries", near=10**30), all_of_them)
