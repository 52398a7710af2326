"""Threads of the `cpu` backend: Python's own, as many as torch uses.

The kernels release the GIL. Tasks are handed out one by one, so that a thread that is held up (by torch's OpenMP
workers, which spin for a while after each of torch's own parallel regions) does not hold up the others.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

Task = tuple[Callable[..., None], tuple[Any, ...]]

_pools: dict[int, ThreadPoolExecutor] = {}


def each(tasks: Sequence[Task]) -> None:
    """Call every function on its arguments, this thread among the others; return when all are done."""
    waiting = deque(tasks)

    def work() -> None:
        while waiting:
            try:
                function, arguments = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            function(*arguments)

    others = [_pool().submit(work) for _ in range(min(torch.get_num_threads(), len(tasks)) - 1)]
    work()
    for other in others:
        other.result()


def _pool() -> ThreadPoolExecutor:
    """The threads of this process: they do not survive a fork."""
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="hierarchical-attention")
    return _pools[process]
