"""Hierarchical self-attention over a forest: one function, several backends that compute the same.

    naive    the definition, one tree node at a time, any float dtype, gradients by autograd
    torch    vectorised over all families of all levels of all documents, any device; takes other family attentions
    cpu      compiled loops (Numba), fused and multi-threaded; what "auto" takes for tensors on a CPU, once compiling
             them is repaid or was done before (`patience`)
    triton   fused kernels for CUDA; what "auto" takes there, unless blocks are pooled by weights or queries untied:
             then it takes torch

    call     a checked call, which every backend takes
    torch's  pooling (blocks by weights), untied, order, lists (queries of their own), joined (sparse weights), opened
    family, once     the softmax of a family and what may replace it; derivatives that are refused

The mathematics: Amizadeh, Abdali, Li, Koishida, "Hierarchical Self-Attention", NeurIPS 2025 (arXiv 2509.15448), with
its errata mended; the docstring of `naive.py` states it in full.

Axes:  N leaves   R rows   T documents   H query heads   K key-value heads   D query width   E value width
       P position width
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from os import getenv
from types import ModuleType
from typing import Literal, NamedTuple, cast

from torch import Tensor, autocast, bfloat16, compiler, dtype, float16, float32, float64

from docgraph.errors import AttentionError
from encoders.attention.call import AttentionCall, Pooling, Positions, checked_call
from encoders.attention.family import FamilyAttention, linear_family, softmax_family
from encoders.attention.naive import naive_attention
from encoders.attention.once import refuse_others
from encoders.attention.patience import is_compiled_by_now, note_compiled
from encoders.attention.torch import torch_attention
from encoders.forest.batch import TreeBatch

__all__ = ["FamilyAttention", "hierarchical_attention", "linear_family", "softmax_family"]

Backend = Callable[[AttentionCall], tuple[Tensor, Tensor]]
"""Outputs (N, H, E) and energies (T, H) of a call."""

BACKENDS = ("auto", "naive", "torch", "cpu", "triton")


class _Need(NamedTuple):
    """What a compiled backend takes."""

    package: str
    device: str
    dtypes: tuple[dtype, ...]
    lacks: Callable[[AttentionCall], str]
    """What it cannot do of a call, as a sentence says it; "" if it can."""


def _lacks_cpu(call: AttentionCall) -> str:
    if call.untie is None:
        return ""
    if call.alpha != 1:
        return "alpha=1"
    if call.untie == "rows" or call.cumulant:
        return 'untie=None or "queries", without the second cumulant'
    return "" if call.query_position is None else "position=None where queries are untied"


def _lacks_triton(call: AttentionCall) -> str:
    return 'pooling="mean" and untie=None' if call.pooled or call.untie else ""


COMPILED = {
    "cpu": _Need("numba", "cpu", (float64, float32, bfloat16, float16), _lacks_cpu),
    # Triton's interpreter, which is there for tests, runs on the CPU.
    "triton": _Need(
        "triton", "cpu" if getenv("TRITON_INTERPRET") == "1" else "cuda", (float32, bfloat16, float16), _lacks_triton
    ),
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
    pooling: Pooling = "mean",
    untie: Literal["queries"] | None = None,
    near: int = 0,
    alpha: float = 1.0,
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
        scale: factor of query-key products, a number; None is 1 / sqrt(D).
        attend_self: whether a leaf keeps its own term. True on a one-level tree is softmax attention; False is
            the paper's.
        pooling: how the leaves of a block share its weight. "mean" is the paper's, all alike. "block" weighs a
            block's children by the block's own mean query, "document" by the whole document's: then attention can
            pick a leaf of another block; "moments" by the mean and variance of the document's queries. A tensor (R, H)
            or (R, 1), any floating dtype, finite: each row's log share among its siblings, up to a constant. Only
            "mean" has a kernel of its own in `triton`.
        untie: "queries" gives every leaf weights of its own for the blocks on its path, in place of one weight per
            pair of siblings; the leaves of a block share its weight as `pooling` says. O(N b depth). Compiled on
            the CPU without positions; all else is computed by `torch`.
        near: lowest families on each side of a leaf's own that are attended to leaf by leaf; needs `untie`.
        alpha: 1 is softmax; above, up to 2 (sparsemax), the entmax of that order, in which far-off blocks get a weight
            of exactly 0. Needs `untie`; computed by `naive` and `torch` alone. Blocks are pooled as with 1.
        return_energy: also return L of every root; with `untie` the mean of its leaves' log-partitions, which is the
            same of the other form, and with `alpha` the mean of the largest <P_i, s_i> + entropy of that order.
        backend: "auto" takes the fastest that can do what is asked; or one of the names above. On a CPU that is
            "torch" until compiling would be repaid or was done before: name "cpu" for the same bits in every process.
        family_attention: replaces the softmax among siblings; `torch` backend and plain means only. See
            `FamilyAttention`; `softmax_family` and `linear_family` are ready-made.

    Returns:
        (N, H, E) in the dtype of `value`. With `return_energy` also (T, H), float64 for float64 inputs and
        float32 otherwise: the log-partition L of each root, 0 for an empty document, and -inf where
        `attend_self=False` and the document is one leaf, which then attends to nothing and gets zeros.
        Half precision is accumulated in float32. Gradients reach query, key, value, position and a tensor of
        `pooling`. A second derivative, forward mode and the transforms of torch.func and vmap need the `naive` backend.
        `torch.compile` leaves the call as it is, a break in its graph: what a tree has of sizes would be compiled anew
        for each.

    Raises:
        AttentionError: shapes, dtypes or devices that do not fit one another or the forest; an unknown backend,
            pooling or `untie`, a backend that cannot do what is asked, or a derivative that it does not have.
        TreeError: `present` is not a bool for every leaf.
    """
    if compiler.is_dynamo_compiling():  # not a decorator, whose import takes a second
        eagerly = compiler.disable(hierarchical_attention)
        return eagerly(  # type: ignore[no-any-return]
            query, key, value, forest, position=position, present=present, scale=scale, attend_self=attend_self,
            pooling=pooling, untie=untie, near=near, alpha=alpha, return_energy=return_energy, backend=backend,
            family_attention=family_attention,
        )  # fmt: skip
    if untie not in (None, "queries"):
        raise AttentionError(f'untie must be None or "queries", but is {untie!r}.')
    call = checked_call(
        query, key, value, forest, position=position, present=present, scale=scale, attend_self=attend_self,
        pooling=pooling, untie=untie, near=near, alpha=alpha, family_attention=family_attention,
    )  # fmt: skip
    output, energy = attend(call, backend)
    return (output, energy) if return_energy else output


def attend(call: AttentionCall, backend: str = "auto") -> tuple[Tensor, Tensor]:
    """Return outputs and energies of a checked call; `backend` as in `hierarchical_attention`."""
    if backend not in BACKENDS:
        raise AttentionError(f"backend must be one of {', '.join(BACKENDS)}, but is {backend!r}.")
    if call.family_attention is not None and backend not in ("auto", "torch"):
        raise AttentionError(f'family_attention needs backend="torch" or "auto", but backend is {backend!r}.')
    if backend == "auto":
        backend = "torch" if call.family_attention else fastest_backend(call)
    function = _backend(backend, call)
    if backend != "naive":
        refuse_others(call)
    if backend == "cpu":
        note_compiled(call)
    with autocast(call.query.device.type, enabled=False):  # the caller's dtype, summed in float32 at least
        return function(call)


def fastest_backend(call: AttentionCall) -> str:
    """The backend to take for a call."""
    query = call.query
    for backend, need in COMPILED.items():
        if need.lacks(call):
            continue
        if query.device.type == need.device and query.dtype in need.dtypes and load_compiled(f"{__name__}.{backend}"):
            return backend if backend != "cpu" or is_compiled_by_now(call) else "torch"
    return "torch"


def _backend(backend: str, call: AttentionCall) -> Backend:
    """The function of a backend, which must be able to take such a call."""
    query = call.query
    if backend not in COMPILED:
        if backend == "naive" and (call.untie == "rows" or call.causal or call.cumulant):
            raise AttentionError('backend "naive" does not know the forms that zero_shot alone has. "torch" does.')
        return naive_attention if backend == "naive" else torch_attention
    need = COMPILED[backend]
    if query.device.type != need.device or query.dtype not in need.dtypes:
        dtypes = ", ".join(str(known).removeprefix("torch.") for known in need.dtypes)
        raise AttentionError(
            f'backend "{backend}" needs tensors on {need.device} of {dtypes}, '
            f"but query is {query.dtype} on {query.device}."
        )
    if lacks := need.lacks(call):
        raise AttentionError(f'backend "{backend}" needs {lacks}. "torch" takes all forms on any device.')
    module = load_compiled(f"{__name__}.{backend}")
    if module is None:
        raise AttentionError(
            f'backend "{backend}" needs {need.package}, which cannot be imported here. "torch" does without.'
        )
    return cast(Backend, getattr(module, f"{backend}_attention"))


@cache
def load_compiled(module: str) -> ModuleType | None:
    """Load a module of kernels when it is first needed; None if what it compiles with cannot be imported.

    An error of our own modules is raised: one of several processes must not go on with another backend unnoticed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "encoders":
            raise
        return None
