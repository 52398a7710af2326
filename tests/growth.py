"""Whether work grows with its input as it should, told by a ratio of CPU times: a busy or slow machine changes both."""

import gc
import time
from collections.abc import Callable
from typing import Any

TRIES = 3
TICK = 0.002
"""Seconds: what took less counts as this long, so that a clock's grain is no growth."""


def assert_linear(work: Callable[[Any], Any], small: Any, large: Any) -> Any:
    """Return the work's result for the large input; fail unless that takes less than 24 times as long as the small one.

    `large` is eight times as large as `small`: linear work takes 8 times as long, squared work 64, and what stands
    between is more than others on the machine add to a CPU time. One good try of several is enough.
    """
    ratios = []
    for _ in range(TRIES):
        gc.collect()
        gc.disable()  # a collection walks all that other tests left, and falls into the large work far more often
        try:
            begin = time.process_time()
            result = work(large)  # first, so that what is loaded once makes its time longer, not the other's
            middle = time.process_time()
            work(small)
            ratios.append((middle - begin) / max(time.process_time() - middle, TICK))
        finally:
            gc.enable()
        if ratios[-1] < 24:
            return result
    raise AssertionError(f"8 times the input took {', '.join(f'{ratio:.0f}' for ratio in ratios)} times as long.")
