"""How benchmarks take times, and what they say of the machine.

medians(calls) -> seconds of each, all taken in turn    Others -> what other processes took    about() -> record

Loads no torch: the parser is measured under a bound on address space.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from training.output.provenance import environment, machine

if TYPE_CHECKING:
    import torch

CALM: Final = 0.05
"""Share of the processors that other processes may take while something is timed."""

Call = Callable[[], Any]


def about(*packages: str) -> dict[str, Any]:
    """Return what made a result, for `page.made_by`; with the versions of some packages more."""
    command = " ".join(["python", *sys.orig_argv[1:]])
    return {**environment(*packages), **machine(), "command": command}


def medians(
    calls: dict[str, Call], device: "torch.device | None" = None, *, seconds: float = 1.0, rounds: int = 5
) -> dict[str, float]:
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
            enough = min(3, rounds) if taken[0] > 0.5 else rounds
            if len(taken) >= enough and (sum(taken) >= seconds or len(taken) >= 101):
                del going[name]
    return {name: median(taken) for name, taken in times.items()}


def timed(call: Call, device: "torch.device | None" = None) -> float:
    """Seconds of one call, on CUDA until the device has done it."""
    if on_cuda := device is not None and device.type == "cuda":
        import torch

        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if on_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


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
