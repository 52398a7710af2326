"""The Triton backend against the definition: on a GPU if there is one, else in Triton's interpreter.

The interpreter is chosen by an environment variable when Triton is imported, so without a GPU one test here runs the
others in a process of their own. Another compiles every kernel for GPUs that need not be there.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from encoders import TreeBatch
from tests.attention_runs import assert_same, inputs, run
from tests.forests import CORNERS, ragged

triton = pytest.importorskip("triton", reason="Triton comes with torch for CUDA")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
runs = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason="no GPU; run by test_all_of_this_in_the_interpreter",
)
FORESTS = {**CORNERS, "ragged": ragged(10, 2, 5, 3), "large": [[None] * 37, [[None] * 34, None, None]]}


def on(device, forest, tensors):
    """The forest and copies of the tensors on a device."""
    return forest.to(device), [x.detach().to(device).requires_grad_() for x in tensors]


@runs
@pytest.mark.parametrize(
    ("name", "attend_self"), [*((name, True) for name in FORESTS), ("ragged", False), ("one leaf", False)]
)
def test_float32_equals_the_definition(name, attend_self):
    forest = TreeBatch.from_nested(FORESTS[name])
    tensors = inputs(forest, H=4, K=2, dtype=torch.float32)
    exact = [x.detach().double().requires_grad_() for x in tensors]
    want = run(forest, exact, "naive", attend_self=attend_self)
    there, moved = on(DEVICE, forest, tensors)
    got = run(there, moved, "triton", attend_self=attend_self)
    # Float32: 70 terms of size 1, 4 levels
    assert_same({k: x.double().cpu() for k, x in got.items()}, want, rtol=2e-5, atol=2e-5)


@runs
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_is_no_worse_than_plain_torch(dtype):
    forest = TreeBatch.from_nested([*ragged(10, 1, 5, 3), [None] * 40])
    tensors = inputs(forest, H=2, K=1, D=16, E=16, P=8, dtype=dtype)
    exact = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive")
    plain = run(forest, tensors, "naive")
    there, moved = on(DEVICE, forest, tensors)
    ours = run(there, moved, "triton")
    for name, right in exact.items():
        error, allowed = ((x[name].double().cpu() - right).norm() for x in (ours, plain))
        assert error <= 2 * allowed, (name, float(error), float(allowed))


@runs
def test_absent_leaves_and_missing_positions():
    forest = TreeBatch.from_nested(FORESTS["ragged"])
    present = torch.arange(forest.num_leaves) % 3 > 0
    for count in (3, 4):
        tensors = inputs(forest, H=2, K=2, dtype=torch.float32)[:count]
        want = run(forest, [x.detach().double().requires_grad_() for x in tensors], "naive", present=present)
        there, moved = on(DEVICE, forest, tensors)
        got = run(there, moved, "triton", present=present.to(DEVICE))
        assert_same({k: x.double().cpu() for k, x in got.items()}, want, rtol=2e-5, atol=2e-5)


@runs
def test_logits_of_ten_thousands_stay_finite():
    forest = TreeBatch.from_nested([*ragged(10, 1, 5, 3), None])
    tensors = inputs(forest, H=2, K=2, size=1e2, dtype=torch.float32)
    there, moved = on(DEVICE, forest, tensors)
    for attend_self in (True, False):
        got = run(there, moved, "triton", attend_self=attend_self, scale=1.0)
        assert all(x.isfinite().all() for name, x in got.items() if name != "energy")


def test_all_of_this_in_the_interpreter():
    if INTERPRETED or torch.cuda.is_available():
        pytest.skip("this is it")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


@pytest.mark.skipif(INTERPRETED, reason="compiles nothing")
def test_every_kernel_compiles_for_a_gpu(monkeypatch):
    """For Hopper, whether or not there is one: types, shapes and shared memory, not speed."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.runtime.jit import JITFunction

    from encoders.attention import triton as backend
    from encoders.attention.call import AttentionCall

    pointers = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.int64: "*i64"}
    shared = {}

    class Compiled:
        """Stands for a kernel: compiles it for what it is called with, and does not run it."""

        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            return self.compile

        def compile(self, *arguments, num_warps=4, **constants):
            names = self.kernel.arg_names
            given = dict(zip(names, arguments, strict=False)) | constants
            constant = {name for name in names if self.kernel.params[names.index(name)].is_constexpr}
            values = {}

            def typed(value, path, is_constant=False):
                if is_constant or value is None:
                    values[path] = value
                    return "constexpr"
                if isinstance(value, tuple):
                    return type(value)(*(typed(part, (*path, at)) for at, part in enumerate(value)))
                if isinstance(value, torch.Tensor):
                    return pointers[value.dtype]
                return "i32" if isinstance(value, int) else "fp32"

            signature = {name: typed(given[name], (at,), name in constant) for at, name in enumerate(names)}
            source = ASTSource(self.kernel, signature, values)
            made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": num_warps})
            shared[self.kernel.__name__] = made.metadata.shared

    modules = (backend.rows, backend.forward, backend.backward)
    kernels = {
        name: (module, kernel)
        for module in modules
        for name, kernel in vars(module).items()
        if isinstance(kernel, JITFunction) and kernel.fn.__module__ == module.__name__
    }
    for helper in ("load_rows", "store_rows", "load_side", "tile_of", "load_keys", "multiply", "logits"):
        del kernels[helper]
    for name, (module, kernel) in kernels.items():
        monkeypatch.setattr(module, name, Compiled(kernel))
    forest = TreeBatch.from_nested([[[None] * 3, None]])
    tensors = inputs(forest, H=8, K=4, D=64, E=64, P=16, dtype=torch.bfloat16)
    call = AttentionCall(
        query=tensors[0],
        key=tensors[1],
        value=tensors[2],
        forest=forest,
        query_position=tensors[3],
        key_position=tensors[4],
        present=None,
        scale=0.125,
        attend_self=True,
    )
    output, energy = backend.triton_attention(call)
    (output.sum() + energy.sum()).backward()
    assert set(shared) == set(kernels)
    assert max(shared.values()) < 99 * 1024  # what one block may have on the smallest of these chips
