"""How the attention benchmark takes times and memory, and what it says of the machine.

medians(calls) -> seconds of each, all taken in turn        peak_memory(...) -> bytes, in a fresh process
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch", "numba", "numpy", "triton", "h-transformer-1d", "local-attention", "performer-pytorch", "linear-attention-transformer",
)  # fmt: skip

CALM = 0.05
"""Share of the processors that other processes may take while something is timed."""

Call = Callable[[], Any]


def medians(calls: dict[str, Call], device: torch.device, *, seconds: float = 1.0, rounds: int = 5) -> dict[str, float]:
    """Median seconds of each call, over rounds in which every one has its turn.

    The first call, which warms up, is not counted, unless it took so long (over 5 s) that it is the only one. What
    takes over half a second has three rounds; the others go on for at least `rounds`, and until `seconds` each.
    """
    times: dict[str, list[float]] = {}
    going = dict(calls)
    for name, call in calls.items():
        first = timed(call, device)
        times[name] = [first] if first > 5 else []
        if first > 5:
            del going[name]
    while going:
        for name, call in list(going.items()):
            times[name].append(timed(call, device))
            taken = times[name]
            enough = 3 if taken[0] > 0.5 else rounds
            if len(taken) >= enough and (sum(taken) >= seconds or len(taken) >= 101):
                del going[name]
    return {name: float(np.median(taken)) for name, taken in times.items()}


class Others:
    """What other processes took of the processors since this was made: timings beside much of that say little."""

    def __init__(self) -> None:
        self.start = self._now()

    def share(self) -> float | None:
        """Between 0 and 1; None where the system does not tell."""
        now = self._now()
        if now is None or self.start is None:
            return None
        wall, busy, own = (b - a for a, b in zip(self.start, now, strict=True))
        return round(min(1.0, max(0.0, busy - own) / (wall * (os.cpu_count() or 1))), 3)

    def _now(self) -> tuple[float, float, float] | None:
        """Time, busy seconds of all processors, and of this process and its children."""
        stat = Path("/proc/stat")
        if not stat.is_file():
            return None
        user, nice, system, _, _, irq, softirq, *_ = map(int, stat.read_text().split("\n", 1)[0].split()[1:])
        busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, sum(os.times()[:4])


def undisturbed(measure: Callable[[], Any], attempts: int) -> tuple[Any, float | None]:
    """What `measure` returns and the share of others meanwhile, again until it is CALM; the calmest attempt."""
    best: tuple[Any, float | None] = (None, None)
    for attempt in range(attempts):
        others = Others()
        found = measure(), others.share()
        if attempt == 0 or (found[1] or 0.0) < (best[1] or 0.0):
            best = found
        if (best[1] or 0.0) <= CALM:
            break
    return best


def timed(call: Call, device: torch.device) -> float:
    """Seconds of one call, on CUDA until the device has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


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
import gc, sys
sys.path[:0] = {paths!r}
from benchmarks.attention.peers import contestants
from benchmarks.attention.trees import balanced
import torch
torch.set_num_threads({threads})
def call(leaves):
    return contestants(leaves, balanced(leaves, 16), torch.float32, {both}, torch.device("cpu"), only={name!r})[{name!r}]
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
        from benchmarks.attention.peers import contestants
        from benchmarks.attention.trees import balanced

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
    paths = [str(ROOT)]
    code = PROBE.format(paths=paths, threads=torch.get_num_threads(), name=name, leaves=leaves, both=both)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


FIRST_CALL = """
import sys, time
sys.path[:0] = {paths!r}
import torch
from benchmarks.attention.trees import balanced
from encoders import hierarchical_attention
q, k, v = (torch.randn(64, 8, 64, requires_grad=True) for _ in range(3))
forest = balanced(64, 8)
start = time.perf_counter()
output = hierarchical_attention(q, k, v, forest, backend="cpu")
middle = time.perf_counter()
output.sum().backward()
print(middle - start, time.perf_counter() - middle)
"""


def first_call(kept_in: Path) -> tuple[float, float]:
    """Seconds of the first forward and of the first backward pass of a process, machine code kept in a folder."""
    paths = [str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL.format(paths=paths)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(kept_in)},
        capture_output=True,
        text=True,
        check=True,
    )
    forward, backward = map(float, done.stdout.split())
    return forward, backward


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers were taken on."""
    info = Path("/proc/cpuinfo")
    models = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.is_file()
        else []
    )
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "command": "python -m benchmarks.attention " + " ".join(sys.argv[1:]),
        "commit": commit.stdout.strip() or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "versions": versions,
    }
