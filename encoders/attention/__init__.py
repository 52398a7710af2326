"""Hierarchical self-attention over a forest: one function, several backends that compute the same.

    naive    the definition, one tree node at a time, any float dtype, gradients by autograd
    torch    vectorised over all families of all levels of all documents, any device; takes other family attentions
    cpu      compiled loops (Numba), fused and multi-threaded; what "auto" takes for tensors on a CPU
    triton   fused kernels for CUDA; what "auto" takes there

The mathematics: Amizadeh, Abdali, Li, Koishida, "Hierarchical Self-Attention", NeurIPS 2025 (arXiv 2509.15448), with
its errata mended; the docstring of `naive.py` states it in full.

Axes:  N leaves   R rows   T documents   H query heads   K key-value heads   D query width   E value width   P position width
"""

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module
from os import getenv
from types import ModuleType
from typing import NamedTuple, cast

from torch import Tensor, autocast, bfloat16, dtype, float16, float32, float64

from docgraph.errors import AttentionError
from encoders.attention import naive
from encoders.attention import torch as torch_backend
from encoders.attention.family import linear_family, softmax_family
from encoders.attention.torch import FamilyAttention
from encoders.forest.batch import TreeBatch

__all__ = ["FamilyAttention", "hierarchical_attention", "linear_family", "softmax_family"]

Positions = Tensor | tuple[Tensor, Tensor] | None

BACKENDS = ("auto", "naive", "torch", "cpu", "triton")


class _Need(NamedTuple):
    """What a compiled backend takes."""

    package: str
    device: str
    dtypes: tuple[dtype, ...]


COMPILED = {
    "cpu": _Need("numba", "cpu", (float64, float32, bfloat16, float16)),
    # Triton's interpreter, which is there for tests, runs on the CPU.
    "triton": _Need("triton", "cpu" if getenv("TRITON_INTERPRET") == "1" else "cuda", (float32, bfloat16, float16)),
}
"""In the order in which "auto" considers them."""


def hierarchical_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    *,
    position: Positions = None,
    present: Tensor | None = None,
    scale: float | None = None,
    attend_self: bool = True,
    return_energy: bool = False,
    backend: str = "auto",
    family_attention: FamilyAttention | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Attend over the leaves of each document, with one weight per pair of siblings of its tree.

    Args:
        query: (N, H, D), the leaves of all documents; any floating dtype.
        key: (N, K, D) with H a multiple of K: query head h uses key head h // (H / K).
        value: (N, K, E).
        forest: the forest of these leaves, on the same device.
        position: (R, H, P) one row a tree node, or a pair (query side, key side) of such: their dot product,
            unscaled, is added to the logits between siblings. (R, 1, P) serves all heads. None: no positions.
        present: (N,) bool, False where a leaf is absent: it gets zeros, and the rest is as if the tree did not
            have it. None: all present.
        scale: factor of query-key products; None is 1 / sqrt(D).
        attend_self: whether a leaf keeps its own term. True on a one-level tree is softmax attention; False is
            the paper's.
        return_energy: also return L of every root.
        backend: "auto" takes the fastest that can do what is asked; or one of the names above.
        family_attention: replaces the softmax among siblings; `torch` backend only. See
            `FamilyAttention`; `softmax_family` and `linear_family` are ready-made.

    Returns:
        (N, H, E) in the dtype of `value`. With `return_energy` also (T, H), float64 for float64 inputs and
        float32 otherwise: the log-partition L of each root, 0 for an empty document, and -inf where
        `attend_self=False` and the document is one leaf, which then attends to nothing and gets zeros.
        Half precision is accumulated in float32. Gradients reach query, key, value and position; they cannot be
        differentiated a second time, except with the `naive` backend.

    Raises:
        AttentionError: shapes, dtypes or devices that do not fit one another or the forest; an unknown backend,
            or one that cannot do what is asked.
        TreeError: `present` is not a bool for every leaf.
    """
    _check(query, key, value, forest)
    query_position, key_position = _positions(position, query, forest)
    if backend not in BACKENDS:
        raise AttentionError(f"backend must be one of {', '.join(BACKENDS)}, but is {backend!r}.")
    if family_attention is not None and backend not in ("auto", "torch"):
        raise AttentionError(f'family_attention needs backend="torch" or "auto", but backend is {backend!r}.')
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[2]) if query.shape[2] else 1.0
    if backend == "auto":
        backend = "torch" if family_attention else _fastest(query)
    attend = _attend(backend, query)
    options = {} if family_attention is None else {"family_attention": family_attention}
    with autocast(query.device.type, enabled=False):  # the caller's dtype, summed in float32 at least
        output, energy = attend(
            query,
            key,
            value,
            forest,
            query_position=query_position,
            key_position=key_position,
            present=present,
            scale=scale,
            attend_self=attend_self,
            **options,
        )
    return (output, energy) if return_energy else output


def _fastest(query: Tensor) -> str:
    """The backend to take for such tensors."""
    for backend, need in COMPILED.items():
        if query.device.type == need.device and query.dtype in need.dtypes and _compiled(backend):
            return backend
    return "torch"


def _attend(backend: str, query: Tensor) -> Callable[..., tuple[Tensor, Tensor]]:
    """The function of a backend, which must be able to take such tensors."""
    if backend not in COMPILED:
        return naive.attend if backend == "naive" else torch_backend.attend
    need = COMPILED[backend]
    if query.device.type != need.device or query.dtype not in need.dtypes:
        dtypes = ", ".join(str(known).removeprefix("torch.") for known in need.dtypes)
        raise AttentionError(
            f'backend "{backend}" needs tensors on {need.device} of {dtypes}, '
            f"but query is {query.dtype} on {query.device}."
        )
    module = _compiled(backend)
    if module is None:
        raise AttentionError(
            f'backend "{backend}" needs {need.package}, which cannot be imported here. "torch" does without.'
        )
    return cast(Callable[..., tuple[Tensor, Tensor]], module.attend)


@cache
def _compiled(backend: str) -> ModuleType | None:
    """The module of a backend, loaded when first needed; None if what it compiles with cannot be imported.

    An error of our own modules is raised: one of several processes must not go on with another backend unnoticed.
    """
    try:
        return import_module(f"encoders.attention.{backend}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "encoders":
            raise
        return None


def _check(query: Tensor, key: Tensor, value: Tensor, forest: TreeBatch) -> None:
    """Raise unless query, key and value fit one another and the forest."""
    if not isinstance(forest, TreeBatch):
        raise AttentionError(f"forest must be a TreeBatch, but is a {type(forest).__name__}.")
    leaves = forest.num_leaves
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.ndim != 3 or len(tensor) != leaves:
            raise AttentionError(
                f"{name} must have shape ({leaves}, heads, width), one entry a leaf of the forest, "
                f"but has shape {tuple(tensor.shape)}."
            )
        if not tensor.is_floating_point() or tensor.dtype != query.dtype:
            raise AttentionError(
                f"query, key and value must share one floating dtype, but {name} is {tensor.dtype} "
                f"and query is {query.dtype}."
            )
        if tensor.device != forest.device:
            raise AttentionError(
                f"{name} is on {tensor.device}, but the forest is on {forest.device}. Move it with forest.to(...)."
            )
    heads, shared = query.shape[1], key.shape[1]
    if key.shape[2] != query.shape[2]:
        raise AttentionError(f"key must be as wide as query, {query.shape[2]}, but is {key.shape[2]} wide.")
    if value.shape[1] != shared:
        raise AttentionError(f"value must have as many heads as key, {shared}, but has {value.shape[1]}.")
    if shared == 0 or heads % shared:
        raise AttentionError(f"query heads must be a multiple of key heads, but are {heads} and {shared}.")


def _positions(position: Positions, query: Tensor, forest: TreeBatch) -> tuple[Tensor | None, Tensor | None]:
    """Return the two sides of the position, (R, H, P) each, or None twice."""
    if position is None:
        return None, None
    sides = (position, position) if isinstance(position, Tensor) else tuple(position)
    if len(sides) != 2:
        raise AttentionError(f"position must be a tensor or a pair of tensors, but has {len(sides)} entries.")
    rows, heads = forest.num_rows, query.shape[1]
    for side in sides:
        if side.ndim != 3 or len(side) != rows or side.shape[1] not in (1, heads) or side.shape != sides[0].shape:
            raise AttentionError(
                f"position must have shape ({rows}, {heads}, width), one entry a row of the forest and the same on "
                f"both sides, but has shape {' and '.join(str(tuple(s.shape)) for s in sides)}."
            )
        if not side.is_floating_point() or side.device != forest.device:
            raise AttentionError(
                f"position must be floating point on {forest.device}, but is {side.dtype} on {side.device}."
            )
    left, right = (side.expand(rows, heads, side.shape[2]) for side in sides)
    return left, right
