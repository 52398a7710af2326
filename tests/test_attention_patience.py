"""When "auto" compiles kernels for the CPU, and when it does without."""

import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from encoders import TreeBatch, attention, hierarchical_attention
from encoders.attention import patience
from tests.training_runs import QUIET, tiny, write_table
from training.fit import fit

FOREST = TreeBatch.from_nested([[None, None], [None, [None, None]]])
NUMBERS = 5 * 2 * (8 + 8 + 16)
"""Of queries, keys and values in a call of `draw`."""


def draw(**options):
    torch.manual_seed(0)
    return [torch.randn(5, 2, width, **options) for width in (8, 8, 16)]


def call_of(tensors, **options):
    return attention.checked_call(
        *tensors, FOREST, position=None, present=None, scale=None, attend_self=True, **options
    )


@pytest.fixture
def nothing_compiled(monkeypatch):
    monkeypatch.setattr(patience, "_waits", True)
    monkeypatch.setattr(patience, "_gone", Counter())
    monkeypatch.setattr(patience, "_at_hand", set())
    monkeypatch.setattr(patience, "_are_compiled", lambda kind: False)


def test_auto_goes_without_kernels_until_compiling_is_repaid(nothing_compiled, monkeypatch):
    monkeypatch.setattr(patience, "REPAID", 3 * NUMBERS)
    call = call_of(draw())
    assert [attention.fastest_backend(call) for _ in range(4)] == ["torch", "torch", "cpu", "cpu"]


@pytest.mark.parametrize("change", ["dtype", "pooled", "untied", "backward"])
def test_what_has_gone_is_counted_for_each_kind_of_kernel(nothing_compiled, monkeypatch, change):
    monkeypatch.setattr(patience, "REPAID", 2 * NUMBERS)
    options = {"dtype": torch.float64} if change == "dtype" else {"requires_grad": change == "backward"}
    form = {"pooled": {"pooling": "block"}, "untied": {"untie": "queries"}}.get(change, {})
    other = call_of(draw(**options), **form)
    assert [attention.fastest_backend(call_of(draw())) for _ in range(2)] == ["torch", "cpu"]
    assert [attention.fastest_backend(other) for _ in range(2)] == ["torch", "cpu"]


def test_gradients_that_nobody_wants_need_no_kernels(nothing_compiled, monkeypatch):
    monkeypatch.setattr(patience, "REPAID", 2 * NUMBERS)
    with torch.no_grad():
        assert attention.fastest_backend(call_of(draw(requires_grad=True))) == "torch"
    assert attention.fastest_backend(call_of(draw())) == "cpu"


def test_one_call_that_repays_compiling_compiles(nothing_compiled, monkeypatch):
    monkeypatch.setattr(patience, "REPAID", NUMBERS)
    assert attention.fastest_backend(call_of(draw())) == "cpu"


def test_training_does_not_wait(nothing_compiled, tmp_path):
    assert attention.fastest_backend(call_of(draw())) == "torch"
    fit(tiny(write_table(tmp_path / "data.jsonl"), tmp_path / "run", epochs=1), QUIET)
    assert attention.fastest_backend(call_of(draw())) == "cpu"


def test_waiting_changes_nothing_but_the_backend(nothing_compiled):
    q, k, v = draw()
    assert torch.equal(
        hierarchical_attention(q, k, v, FOREST), hierarchical_attention(q, k, v, FOREST, backend="torch")
    )


def test_what_is_compiled_is_told_by_form_and_dtype_and_direction(tmp_path):
    """In processes of their own, one after the other: kernels of a kind, kept on disk, are found by the next."""
    kinds = """
from itertools import product
from encoders.attention.patience import _are_compiled, _Kind
both = False, True
found = [(kind.untied, kind.pooled, kind.opened, kind.dtype == torch.float64, kind.backward)
         for kind in (_Kind(*one) for one in product(both, both, both, (torch.float32, torch.float64), both))
         if _are_compiled(kind) and kind.untied >= kind.opened]
print(found)
"""
    call = """
q, k, v = (torch.randn(2, 1, 16) for _ in range(3))
hierarchical_attention(q, k, v, TreeBatch.from_nested([[None, None]]), untie="queries", backend="cpu")
"""
    opening = """
from encoders.zero_shot.form import Form, form_attention
forest = TreeBatch.from_nested([[None, None]])
form_attention(*(torch.randn(2, 1, 16) for _ in range(3)), forest, Form("queries", opened=1), scale=1.0, backend="cpu")
"""
    head = "import torch\nfrom encoders import TreeBatch, hierarchical_attention\n"

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", head + code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run(kinds) == "[]"
    here = run(call + kinds)
    untied = (
        "(True, False, False, False, False)",
        "(True, True, False, False, False)",
    )  # pooling is torch's where untied
    assert here == f"[{', '.join(untied)}]"
    assert run(kinds) == here
    opened = "(True, False, True, False, False)", "(True, True, True, False, False)"
    assert run(opening + kinds) == f"[{untied[0]}, {opened[0]}, {untied[1]}, {opened[1]}]"


def test_kernels_that_were_asked_for_by_name_are_at_hand_for_auto(nothing_compiled):
    call = call_of(draw())
    assert attention.fastest_backend(call) == "torch"
    hierarchical_attention(*draw(), FOREST, backend="cpu")
    assert attention.fastest_backend(call) == "cpu"


def test_a_gradient_of_the_pooling_alone_needs_kernels_for_it(nothing_compiled):
    shares = torch.zeros(FOREST.num_rows, 1, requires_grad=True)
    attention.fastest_backend(call_of(draw(), pooling=shares))
    assert [kind.backward for kind in patience._gone] == [True]


def test_the_disk_is_asked_once_and_not_again_in_the_middle_of_a_work(nothing_compiled, monkeypatch):
    asked = []
    monkeypatch.setattr(patience, "_are_compiled", lambda kind: asked.append(kind))
    for _ in range(3):
        attention.fastest_backend(call_of(draw()))
    assert len(asked) == 1


@pytest.mark.parametrize(("built_for", "found"), [("this one", True), ("another", False)])
def test_machine_code_of_another_processor_is_none(built_for: str, found: bool):
    file = SimpleNamespace(_load_index=lambda: {("array(float32, 1d, C)", built_for, "hash"): "file"})
    context = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: "this one"))
    entry = SimpleNamespace(overloads={}, _cache=SimpleNamespace(_cache_file=file), targetctx=context)
    assert patience._has(entry, torch.float32) == found
    assert not patience._has(entry, torch.float64)
