"""How the `cpu` backend compiles, and the small matrix products its tiles need.

A tile holds up to TILE keys as rows and as many queries as columns, `LANES` queries to a vector, so that maxima, sums
and exponentials over keys are elementwise. Products keep eight vectors in registers, which fits the sixteen of AVX2.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit

from encoders.attention.cpu.simd import load, splat, store, store_sums

TILE = 64
"""Most children of a family that are attended to at once: q, k, v of 64 x 64 floats are 48 KiB."""

FUSED = {"contract"}
"""Products may be fused with sums. Nothing else is relaxed: `exp` rounds on purpose, infinities and NaN go through."""


OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": FUSED, "_nrt": False}
"""Nothing compiled here allocates, so nothing counts references."""
UNWRAPPED: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inner(function: Callable[..., Any]) -> Any:
    """Compile what only compiled functions call."""
    return njit(**OPTIONS, **UNWRAPPED)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile what Python calls, without the GIL, and keep it on disk where that is possible."""
    try:
        kept = njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder to keep it in: neither beside this file nor in the user's home
        return njit(**OPTIONS)(function)
    _forget_older(Path(str(kept.stats.cache_path)), function.__name__)
    return kept


def _forget_older(folder: Path, name: str) -> None:
    """Remove what was compiled before any file of this package last changed; Numba looks at one of them only."""
    changed = max(file.stat().st_mtime for file in Path(__file__).parent.glob("*.py"))
    for index in folder.glob(f"*.{name}-*.nbi"):
        with suppress(OSError):  # another process was faster, or the folder is read-only and so never stale
            if index.stat().st_mtime < changed:
                index.unlink()


@inner
def products(left: Any, right: Any, into: Any, rows: int, columns: int) -> None:
    """into[r, c] = left[r] . right[c]; rows are rounded up to 2, columns to 4, and widths are multiples of 8."""
    nothing = splat(into.dtype.type(0))
    for r in range(0, rows, 2):
        for c in range(0, columns, 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = nothing
            for d in range(0, left.shape[1], 8):
                a, b = load(left, r, d), load(left, r + 1, d)
                x = load(right, c, d)
                a0, b0 = a0 + a * x, b0 + b * x
                x = load(right, c + 1, d)
                a1, b1 = a1 + a * x, b1 + b * x
                x = load(right, c + 2, d)
                a2, b2 = a2 + a * x, b2 + b * x
                x = load(right, c + 3, d)
                a3, b3 = a3 + a * x, b3 + b * x
            store_sums(into, r, c, a0, a1, a2, a3)
            store_sums(into, r + 1, c, b0, b1, b2, b3)


@inner
def add_mix(
    weights: Any, turned: bool, values: Any, into: Any, first: int, rows: int, columns: int, fresh: bool
) -> None:
    """into[first + r] += sum_c weights[r, c] values[c], or weights[c, r] if `turned`; from zero if `fresh`.

    Rows are rounded up to 4, and widths are multiples of 16.
    """
    nothing = splat(into.dtype.type(0))
    for r in range(0, rows, 4):
        at = first + r
        for d in range(0, into.shape[1], 16):
            a = b = c = e = s = t = u = w = nothing
            if not fresh:
                a, b, c, e = (load(into, at, d), load(into, at + 1, d), load(into, at + 2, d), load(into, at + 3, d))
                s, t = load(into, at, d + 8), load(into, at + 1, d + 8)
                u, w = load(into, at + 2, d + 8), load(into, at + 3, d + 8)
            for j in range(columns):
                x, y = load(values, j, d), load(values, j, d + 8)
                p = splat(weights[j, r] if turned else weights[r, j])
                a, s = a + p * x, s + p * y
                p = splat(weights[j, r + 1] if turned else weights[r + 1, j])
                b, t = b + p * x, t + p * y
                p = splat(weights[j, r + 2] if turned else weights[r + 2, j])
                c, u = c + p * x, u + p * y
                p = splat(weights[j, r + 3] if turned else weights[r + 3, j])
                e, w = e + p * x, w + p * y
            store(into, at, d, a)
            store(into, at, d + 8, s)
            store(into, at + 1, d, b)
            store(into, at + 1, d + 8, t)
            store(into, at + 2, d, c)
            store(into, at + 2, d + 8, u)
            store(into, at + 3, d, e)
            store(into, at + 3, d + 8, w)
