"""What cannot be measured among other things: peak memory and first calls, in fresh processes, and CUDA graphs."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.attention.peers import contestants
from benchmarks.attention.trees import balanced
from benchmarks.clock import Call, medians
from benchmarks.page import ROOT


def graph_seconds(call: Call) -> float:
    """Median seconds of a call captured in a CUDA graph: what the device takes, without what Python takes."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return medians({"graph": graph.replay}, torch.device("cuda"))["graph"]


PROBE = """
import gc
from benchmarks.attention.peers import contestants
from benchmarks.attention.trees import balanced
import torch
torch.set_num_threads({threads})
def call(leaves):
    forest, cpu = balanced(leaves, 16), torch.device("cpu")
    return contestants(leaves, forest, torch.float32, {both}, cpu, only={name!r})[{name!r}]
def status(field):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(field))
call(512)()  # compiles
measured = call({leaves})
gc.collect()
open("/proc/self/clear_refs", "w").write("5")  # the peak so far is forgotten
before = status("VmRSS")
measured()
print(status("VmHWM") - before)
"""


def peak_memory(name: str, leaves: int, both: bool, device: torch.device) -> int | None:
    """Most bytes taken beyond the inputs, output and gradients included; None where it cannot be measured.

    On a CPU in a process of its own, from Linux's own count of resident pages.
    """
    if device.type == "cuda":
        call = contestants(leaves, balanced(leaves, 16).to(device), torch.bfloat16, both, device, only=name)[name]
        call()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if not Path("/proc/self/clear_refs").exists():
        return None
    code = PROBE.format(threads=torch.get_num_threads(), name=name, leaves=leaves, both=both)
    return int(_in_fresh_process(code))


FIRST_CALL = """
import time
import torch
from benchmarks.attention.trees import balanced
from encoders import hierarchical_attention
q, k, v = (torch.randn(64, 8, 64, requires_grad=True) for _ in range(3))
forest = balanced(64, 8)
start = time.perf_counter()
output = hierarchical_attention(q, k, v, forest, backend="{backend}")
middle = time.perf_counter()
output.sum().backward()
print(middle - start, time.perf_counter() - middle)
"""


def first_call(kept_in: Path, backend: str) -> tuple[float, float]:
    """Seconds of the first forward and of the first backward pass of a process, machine code kept in a folder."""
    code = FIRST_CALL.format(backend=backend)
    forward, backward = map(float, _in_fresh_process(code, NUMBA_CACHE_DIR=str(kept_in)).split())
    return forward, backward


def _in_fresh_process(code: str, **environment: str) -> str:
    """Run Python code in the repository's root; return what it prints."""
    command, variables = [sys.executable, "-c", code], {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout
