"""One call of hierarchical attention: what every backend is handed, checked once.

    arguments of hierarchical_attention ─ checked_call ─> AttentionCall ─> naive_attention, torch_attention, ...

Axes as in `encoders.attention`.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from docgraph.errors import AttentionError
from encoders.attention.family import FamilyAttention
from encoders.forest.batch import TreeBatch

Positions = Tensor | tuple[Tensor, Tensor] | None
Pooling = Literal["mean", "block", "document", "moments"] | Tensor
POOLINGS = ("mean", "block", "document", "moments")
Untie = Literal["queries", "rows"] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionCall:
    """What to attend over and how; see `hierarchical_attention` for each field. Backends trust it."""

    query: Tensor
    key: Tensor
    value: Tensor
    forest: TreeBatch
    query_position: Tensor | None
    """(R, H, P), as is `key_position`; None for both where there are no positions."""
    key_position: Tensor | None
    present: Tensor | None
    scale: float
    attend_self: bool
    pooling: Pooling = "mean"
    """A tensor of log shares is (R, H) here."""
    untie: Untie = None
    """"rows", `causal`, `cumulant` and `opened` are for zero_shot alone: see untied.py and opened.py."""
    near: int = 0
    opened: int = 0
    """Blocks that every leaf opens, a head; with untied queries alone, without positions, of softmax, not causal."""
    alpha: float = 1.0
    causal: bool = False
    cumulant: bool = False
    family_attention: FamilyAttention | None = None

    @property
    def pooled(self) -> bool:
        """Whether blocks are pooled by weights of each head, in place of plain means."""
        return isinstance(self.pooling, Tensor) or self.pooling != "mean"

    @property
    def group(self) -> int:
        """Query heads that share a key head."""
        return self.query.shape[1] // self.key.shape[1]

    @property
    def wide(self) -> torch.dtype:
        """What sums are accumulated in: float64 for float64, else float32."""
        return torch.float64 if self.query.dtype == torch.float64 else torch.float32


def checked_call(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    *,
    position: Positions,
    present: Tensor | None,
    scale: float | None,
    attend_self: bool,
    pooling: Pooling = "mean",
    untie: Untie = None,
    near: int = 0,
    opened: int = 0,
    alpha: float = 1.0,
    causal: bool = False,
    cumulant: bool = False,
    family_attention: FamilyAttention | None = None,
) -> AttentionCall:
    """Return the record of a call.

    Raises:
        AttentionError: shapes, dtypes or devices do not fit one another or the forest.
    """
    _check(query, key, value, forest)
    query_position, key_position = _positions(position, query, forest)
    pooling = _pooling(pooling, query, forest)
    if family_attention is not None and (isinstance(pooling, Tensor) or pooling != "mean"):
        raise AttentionError('family_attention needs pooling="mean": it is handed one log-weight for all heads.')
    if family_attention is not None and untie is not None:
        raise AttentionError("family_attention needs untie=None: with queries untied no family attends by itself.")
    if not isinstance(near, int) or near < 0:
        raise AttentionError(f"near must be an integer of at least 0, but is {near!r}.")
    if near and untie is None:
        raise AttentionError(f'near={near} needs untie="queries": tied queries cannot attend leaf by leaf.')
    if not isinstance(alpha, int | float) or not 1 <= alpha <= 2:
        raise AttentionError(f"alpha must be a number from 1 (softmax) to 2 (sparsemax), but is {alpha!r}.")
    if alpha != 1 and untie != "queries":
        raise AttentionError(f'alpha={alpha} needs untie="queries": for tied queries no closed form is known.')
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[2]) if query.shape[2] else 1.0
    elif not isinstance(scale, int | float) or not math.isfinite(scale):
        # Compiled kernels take a number: a tensor would lose its gradient in them, and keep it elsewhere.
        raise AttentionError(
            f"scale must be a finite number, but is {scale!r}. Multiply the query by a factor that is learned, "
            "and hand over scale=1."
        )
    return AttentionCall(
        query=query,
        key=key,
        value=value,
        forest=forest,
        query_position=query_position,
        key_position=key_position,
        present=present,
        scale=float(scale),
        attend_self=attend_self,
        pooling=pooling,
        untie=untie,
        near=min(near, forest.num_leaves),  # more cells than that there are not
        opened=min(opened, 2 * forest.num_leaves),  # nor as many blocks and levels
        alpha=float(alpha),
        causal=causal,
        cumulant=cumulant,
        family_attention=family_attention,
    )


def _check(query: Tensor, key: Tensor, value: Tensor, forest: TreeBatch) -> None:
    """Raise unless query, key and value fit one another and the forest."""
    if not isinstance(forest, TreeBatch):
        raise AttentionError(f"forest must be a TreeBatch, but is a {type(forest).__name__}.")
    leaves = forest.num_leaves
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        _check_tensor(name, tensor)
        if tensor.ndim != 3 or len(tensor) != leaves:
            raise AttentionError(
                f"{name} must have shape ({leaves}, heads, width), one entry a leaf of the forest, "
                f"but has shape {tuple(tensor.shape)}."
            )
        if not tensor.is_floating_point() or tensor.dtype != query.dtype:
            beside = "" if tensor is query else f" and query is {query.dtype}"
            raise AttentionError(
                f"query, key and value must share one floating dtype, but {name} is {tensor.dtype}{beside}."
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
    if heads == 0 or shared == 0 or heads % shared:
        raise AttentionError(f"query heads must be a multiple of key heads, but are {heads} and {shared}.")


def _positions(position: Positions, query: Tensor, forest: TreeBatch) -> tuple[Tensor | None, Tensor | None]:
    """Return the two sides of the position, (R, H, P) each, or None twice."""
    if position is None:
        return None, None
    sides = tuple(position) if isinstance(position, tuple | list) else (position, position)
    if len(sides) != 2:
        raise AttentionError(f"position must be a tensor or a pair of tensors, but has {len(sides)} entries.")
    for side in sides:
        _check_tensor("position", side)
    rows, heads = forest.num_rows, query.shape[1]
    for side in sides:
        if side.ndim != 3 or len(side) != rows or side.shape[1] not in (1, heads) or side.shape != sides[0].shape:
            raise AttentionError(
                f"position must have shape ({rows}, {heads}, width), one entry a row of the forest and the same on "
                f"both sides, but has shape {' and '.join(str(tuple(s.shape)) for s in sides)}."
            )
        _check_kind("position", side, forest)
    left, right = (side.expand(rows, heads, side.shape[2]) for side in sides)
    return left, right


def _pooling(pooling: Pooling, query: Tensor, forest: TreeBatch) -> Pooling:
    """Return how blocks are pooled, log shares as (R, H)."""
    if not isinstance(pooling, Tensor):
        if not isinstance(pooling, str) or pooling not in POOLINGS:
            what = repr(pooling) if pooling is None or isinstance(pooling, str) else f"a {type(pooling).__name__}"
            raise AttentionError(f"pooling must be one of {', '.join(POOLINGS)} or a tensor, but is {what}.")
        return pooling
    rows, heads = forest.num_rows, query.shape[1]
    if pooling.ndim != 2 or len(pooling) != rows or pooling.shape[1] not in (1, heads):
        raise AttentionError(
            f"pooling must have shape ({rows}, {heads}), one log share a row of the forest and head, "
            f"but has shape {tuple(pooling.shape)}."
        )
    _check_kind("pooling", pooling, forest)
    return pooling.expand(rows, heads)


def _check_tensor(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise AttentionError(f"{name} must be a torch tensor, but is a {type(tensor).__name__}: see torch.as_tensor.")


def _check_kind(name: str, tensor: Tensor, forest: TreeBatch) -> None:
    if not tensor.is_floating_point() or tensor.device != forest.device:
        raise AttentionError(
            f"{name} must be floating point on {forest.device}, but is {tensor.dtype} on {tensor.device}."
        )
