"""How a converted layer attends: the paper's form and the improved ones, behind one function.

    Form + layout ─ form_attention(query, key, value) ─> outputs of the leaves

| form                              | tied                   | cost of a far block B for a group A |
| `Form()`                          | logits and normalisers | one logit a pair: the paper         |
| `Form(untie="rows")`              | logits                 | one logit a pair                    |
| `Form(untie="queries")`           | keys and values        | one logit a leaf of A               |

`near` makes the field around a leaf exact, `pooling="attention"` weighs the leaves of a block by what the mean query of
the document (in causal layers, of the positions up to the leaf) gives them, "moments" by what its queries give them on
average, as if they were normal, `cumulant` adds the second cumulant to the logits of blocks, `opened` lets every leaf
go down the tree to where its attention lies. In causal layers every form is the strictly causal one with untied
queries, because the mean query of a block would carry later positions to earlier ones.

Axes:  N leaves   R rows   T documents   H heads   K key-value heads   D query width   E value width
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from docgraph.errors import ModelError
from encoders.attention import attend
from encoders.attention.call import AttentionCall, Pooling, checked_call
from encoders.attention.pooling import shares_of_leaves
from encoders.forest.batch import TreeBatch
from encoders.forest.subtree import subtree_mean

Untie = Literal["rows", "queries"] | None
BlockPooling = Literal["mean", "attention", "moments"]


@dataclass(frozen=True)
class Form:
    """What is tied, what is exact, how blocks are pooled."""

    untie: Untie = None
    """None is the paper's: one weight per pair of siblings."""
    near: int = 0
    """Cells (lowest families) on each side of a leaf's own that are attended to leaf by leaf; needs `untie`."""
    pooling: BlockPooling = "mean"
    """"attention" and "moments" need `untie`, and cost one or two more passes over the keys."""
    cumulant: bool = False
    alpha: float = 1.0
    """Above 1, up to 2, masses are an entmax of that order in place of a softmax; needs untied queries."""
    opened: int = 0
    """Blocks a head that each position replaces by their children where they promise most; needs untied queries. With
    pooling="moments" the closest at its count of products."""

    def __post_init__(self) -> None:
        if self.untie not in (None, "rows", "queries"):
            raise ModelError(f'untie must be None, "rows" or "queries", but is {self.untie!r}.')
        if self.pooling not in ("mean", "attention", "moments"):
            raise ModelError(f'pooling must be "mean", "attention" or "moments", but is {self.pooling!r}.')
        if not isinstance(self.near, int) or self.near < 0:
            raise ModelError(f"near must be an integer of at least 0, but is {self.near!r}.")
        if self.untie is None and (self.near or self.pooling != "mean"):
            raise ModelError(
                f'near={self.near} and pooling="{self.pooling}" must go with untie="rows" or "queries": the paper\'s '
                "form ties all rows of a block to its means."
            )

        if self.alpha != 1 and (self.untie != "queries" or self.cumulant):
            raise ModelError(
                f'alpha={self.alpha} must go with untie="queries" and without the cumulant, but beside it are '
                f"untie={self.untie!r} and cumulant={self.cumulant!r}."
            )

        if not isinstance(self.opened, int) or self.opened < 0:
            raise ModelError(f"opened must be an integer of at least 0, but is {self.opened!r}.")
        if self.opened and (self.untie != "queries" or self.cumulant or self.alpha != 1):
            raise ModelError(
                f'opened={self.opened} must go with untie="queries", without the cumulant and with alpha=1, but beside '
                f"it are untie={self.untie!r}, cumulant={self.cumulant!r} and alpha={self.alpha!r}."
            )

    @property
    def runs_causal(self) -> bool:
        """Whether causal layers have the form."""
        return self.untie != "rows" and self.alpha == 1 and not self.opened and self.pooling != "moments"

    def for_causal(self) -> "Form":
        """Return the form a causal layer runs, or raise if there is none."""
        if self.untie == "rows":
            raise ModelError(
                'untie must be "queries" or None in causal layers, but is "rows": '
                "the mean query of a block would carry later positions to earlier ones."
            )
        if self.alpha != 1:
            raise ModelError(f"alpha must be 1 in causal layers, whose cache knows softmax alone, but is {self.alpha}.")
        if self.opened:
            raise ModelError(
                f"opened must be 0 in causal layers, whose cache keeps no leaves of blocks, but is {self.opened}."
            )
        if self.pooling == "moments":
            raise ModelError(
                'pooling must be "mean" or "attention" in causal layers, but is "moments": later queries would count.'
            )
        return Form("queries", self.near, self.pooling, self.cumulant)

    def __str__(self) -> str:
        parts = ["paper" if self.untie is None else f"untied {self.untie}"]
        parts += [f"near {self.near}"] * (self.near > 0) + [f"{self.pooling}-pooled"] * (self.pooling != "mean")
        parts += [f"{self.opened} opened"] * (self.opened > 0)
        parts += ["cumulant"] * self.cumulant + [f"entmax {self.alpha:g}"] * (self.alpha != 1)
        return " + ".join(parts)


def form_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    forest: TreeBatch,
    form: Form,
    *,
    scale: float,
    causal: bool = False,
    backend: str = "auto",
) -> Tensor:
    """Attend over each document's leaves.

    Args:
        query: (N, H, D), and key (N, K, D), value (N, K, E) with H a multiple of K.
        causal: leaves are in the order of the sequence, and none sees a later one.
        backend: as of `hierarchical_attention`.

    Returns:
        (N, H, E) in the dtype of `value`.
    """
    if not len(query):
        return value.new_zeros(0, query.shape[1], value.shape[2])
    output, _ = attend(form_call(query, key, value, forest, form, scale=scale, causal=causal), backend)
    return output


def form_call(
    query: Tensor, key: Tensor, value: Tensor, forest: TreeBatch, form: Form, *, scale: float, causal: bool = False
) -> AttentionCall:
    """Return the call of `encoders.attention` that a form stands for; arguments as of `form_attention`."""
    if causal:
        form = form.for_causal()
    paper = form.untie is None
    pooling: Pooling = "document" if form.pooling == "attention" else form.pooling
    call = checked_call(
        query, key, value, forest, present=None, scale=scale, attend_self=True, pooling=pooling, untie=form.untie,
        near=form.near, opened=form.opened, alpha=form.alpha, causal=causal, cumulant=form.cumulant and not paper,
        position=cumulant_positions(query, key, forest, scale) if paper and form.cumulant else None,
    )  # fmt: skip
    if not (causal and call.pooled):
        return call
    families = forest.tensors()
    logits = logits_with_mean_so_far(query, key, forest, scale).index_select(0, families.leaf)
    return replace(call, pooling=shares_of_leaves(logits, call, families))


def logits_with_mean_so_far(query: Tensor, key: Tensor, forest: TreeBatch, scale: float) -> Tensor:
    """Return (N, H): the logit of each leaf's key with the mean query of its document up to the leaf."""
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    q, k = query.to(wide), key.to(wide).repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    mean = torch.cat([mean_so_far(part) for part in q.split(leaves_per_document(forest))])
    return (mean * k).sum(-1) * scale


def mean_so_far(query: Tensor) -> Tensor:
    """Return the mean of (n, H, D) over each position and those before it."""
    count = torch.arange(1, len(query) + 1, device=query.device, dtype=query.dtype)
    return query.cumsum(0) / count[:, None, None]


def leaves_per_document(forest: TreeBatch) -> list[int]:
    """Return how many leaves each document has, empty ones included."""
    families = forest.families()
    count: list[int] = np.where(families.root >= 0, families.count[families.root], 0).tolist()
    return count


def cumulant_positions(query: Tensor, key: Tensor, forest: TreeBatch, scale: float) -> tuple[Tensor, Tensor]:
    """Return position features (R, H, D) whose products are half the mean variance of a row's logits in a block.

    1/2 mean_{i in A} Var_{j in B}(scale q_i.k_j), with the diagonal of B's covariance, is a product of the second
    moment of A's queries and the variance of B's keys. A leaf has no variance, so its own term is unchanged.
    """
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    q, k = query.to(wide), key.to(wide).repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    variance = (subtree_mean(k.square(), forest) - subtree_mean(k, forest).square()).clamp(min=0)
    # The mean of one leaf's square may differ from its square by rounding.
    variance = variance.masked_fill((forest.leaf_count < 2)[:, None, None], 0)
    return subtree_mean(q.square(), forest) * (scale * scale / 2), variance
