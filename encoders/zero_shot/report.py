"""What is converted and what it costs, counted: pairs of logits, the paper's FLOPs, and all multiply-adds.

    summary(model, length) ─> Report: one row a layer; print it        softmax_cost, hsa_cost ─> Cost

Two counts, for one layer of width d with h heads over n positions:

* the paper's: pairs * (4 d + h), with the families of windows padded to full size and the means and the way
  down left out; for trees that are not windows, families count their own size. It has no notion of the untied forms.
* the full one, in multiply-adds: per family of size b, 2 b^2 d + b^2 h (logits, values, exponentials); per node below
  the root 3 d (its share of its parent's means) and 2 d + 8 h (the way down). Untied forms: (2 d + h) for each
  logit (those of tied far fields once a group), 2 d per node for the means of keys and values (3 d with those of
  queries, and 2 d + 8 h for the way down, if far fields are tied). Attention pooling adds 4 d a position and 4 h a
  node, the second cumulant d a far logit and 2 d a node; moved windows what moved.py counts. Pooling by moments and
  opening take the variance of queries and of each position's logits, 3 d a position, once for both. A block that can
  be opened costs 2 d, for the variance in it; one that is, 2 d + h for each child, as many as the largest family below
  the root has, and saves d: it was no value to anyone.

Softmax attention is 2 n^2 d + n^2 h, and half of that, the pairs that are seen, if causal.

Sources: docs/hsa.md, "Zero-shot replacement"; the paper's section 5 for its formula, which gives all 14 cells of its
Table 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from docgraph.errors import ModelError
from encoders.attention.untied import interactions_of
from encoders.forest.batch import TreeBatch
from encoders.zero_shot.form import Form
from encoders.zero_shot.layer import layer_of
from encoders.zero_shot.moved import moving_cost
from encoders.zero_shot.sites import Site, attention_modules
from encoders.zero_shot.windows import Auto, Hierarchy, Windows

LENGTH = 512
"""Positions of a row, where the model does not say how many it sees."""


@dataclass(frozen=True)
class Cost:
    """Of one layer on one sequence."""

    pairs: int
    """Logits that are computed for each head."""
    paper: int
    """FLOPs as the paper counts them."""
    full: int
    """Multiply-adds."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.pairs + other.pairs, self.paper + other.paper, self.full + other.full)


@dataclass(frozen=True)
class Row:
    """One attention layer."""

    name: str
    tower: str
    layer: int
    attention: str
    """"softmax", or the hierarchy and the form."""
    length: int
    cost: Cost | None
    """Of the layer as it is; None where the tree comes with each call."""
    softmax: Cost
    converted: bool


@dataclass(frozen=True)
class Report:
    """All layers of a model; `str` gives a table."""

    rows: tuple[Row, ...]

    @property
    def converted(self) -> list[int]:
        """Numbers of the converted layers."""
        return [row.layer for row in self.rows if row.converted]

    @property
    def flops_saved(self) -> float:
        """Share of the converted layers' attention that is gone, by the full count; 0 if none is converted."""
        known = [row for row in self.rows if row.converted and row.cost is not None]
        before = sum(row.softmax.full for row in known)
        return 1 - sum(row.cost.full for row in known if row.cost) / before if before else 0.0

    def __str__(self) -> str:
        head = ("layer", "attention", "positions", "pairs", "paper's MFLOPs", "full MMACs", "of softmax")
        lines = [head, *(self._cells(row) for row in self.rows)]
        widths = [max(len(line[c]) for line in lines) for c in range(len(head))]
        text = [
            "  ".join(
                f"{cell:<{w}}" if c < 2 else f"{cell:>{w}}"
                for c, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        saved = f"{len(self.converted)} of {len(self.rows)} layers converted"
        if self.converted:
            saved += f"; {100 * self.flops_saved:.1f} % of their attention gone"
        return "\n".join([*text, saved])

    @staticmethod
    def _cells(row: Row) -> tuple[str, ...]:
        label = f"{row.tower} {row.layer}".strip()
        if row.cost is None:
            return label, row.attention, str(row.length), "-", "-", "-", "-"
        return (
            label,
            row.attention,
            str(row.length),
            f"{row.cost.pairs:,}",
            f"{row.cost.paper / 1e6:.3g}",
            f"{row.cost.full / 1e6:.3g}",
            f"{100 * row.cost.full / row.softmax.full:.1f} %",
        )


def summary(model: PreTrainedModel, length: int | None = None) -> Report:
    """Return what each attention layer does and costs on one sequence.

    Args:
        length: positions. None: those of an image for image towers, else 512 or as many as the model takes.

    Raises:
        ModelError: the model has no attention that could be converted, or `length` is below 1.
    """
    if length is not None and length < 1:
        raise ModelError(f"length must be at least 1, but is {length}.")
    return Report(tuple(_row(site, length) for site in attention_modules(model)))


def _row(site: Site, length: int | None) -> Row:
    layer = layer_of(site.module)
    config: Any = layer.original_config if layer else site.module.config
    width, heads = config.hidden_size, config.num_attention_heads
    n = positions_of(site, config) if length is None else length
    cost: Cost | None
    softmax = cost = softmax_cost(n, width, heads, causal=site.causal)
    attention, converted = "softmax", layer is not None and layer.enabled
    if layer is not None and not layer.enabled:
        attention = "softmax (disabled)"
    elif layer is not None:
        form = layer.form.for_causal() if site.causal else layer.form
        attention = f"{layer.hierarchy}; {form}{', causal' if site.causal else ''}"
        cost = None
        if layer.hierarchy != "given":
            tree = layer.hierarchy.forest([n], site.ends)
            cost = hsa_cost(tree, layer.hierarchy, form, width, heads, causal=site.causal)
    return Row(site.name, site.tower, site.layer, attention, n, cost, softmax, converted)


def grid_of(config: object) -> tuple[int, int] | None:
    """Return the patches (down, across) that an image model sees by default, None for a text model."""
    image, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if image is None or patch is None:
        return None
    height, width = (image, image) if isinstance(image, int) else image
    down, across = (patch, patch) if isinstance(patch, int) else patch
    return int(height // down), int(width // across)


def positions_of(site: Site, config: object) -> int:
    """Return how many positions a layer sees by default."""
    grid = grid_of(config)
    if grid is not None:
        return grid[0] * grid[1] + sum(site.ends)
    most = getattr(config, "max_position_embeddings", None) or LENGTH
    return min(LENGTH, int(most))


def softmax_cost(n: int, width: int, heads: int, *, causal: bool = False) -> Cost:
    """Return the cost of softmax attention over n positions."""
    pairs = n * (n + 1) // 2 if causal else n * n
    return Cost(pairs, n * n * (4 * width + heads), pairs * (2 * width + heads))


def hsa_cost(
    forest: TreeBatch, hierarchy: Hierarchy, form: Form, width: int, heads: int, *, causal: bool = False
) -> Cost:
    """Return the cost of a form of HSA over one tree."""
    families = forest.families()
    sizes = families.size
    if isinstance(hierarchy, Windows) and hierarchy.special_tokens == "inside":
        paper_pairs = paper_window_pairs(forest.num_leaves, hierarchy.branching)
    else:
        paper_pairs = int((sizes**2).sum()) + 1
    paper = paper_pairs * (4 * width + heads)
    moving = 0
    if isinstance(hierarchy, Auto):
        lengths = families.count[families.root[families.root >= 0]].tolist()
        moving = sum(moving_cost(n, hierarchy.branching) for n in lengths)
    below_root = int(np.count_nonzero(families.parent >= 0))
    if causal:
        form = form.for_causal()
    if form.untie is None:
        pairs = int((sizes**2).sum())
        full = moving + pairs * (2 * width + heads) + below_root * (5 * width + 8 * heads)
        return Cost(pairs, paper, full + form.cumulant * (pairs * width + below_root * 4 * width))
    lists = interactions_of(forest, near=form.near, causal=causal)
    tied = form.untie == "rows"
    pairs = lists.tied_pairs if tied else lists.pairs
    far = lists.tied_far_pairs if tied else lists.far_pairs
    full = moving + pairs * (2 * width + heads) + below_root * (5 * width + 8 * heads if tied else 2 * width)
    if form.pooling != "mean":
        full += forest.num_leaves * 4 * width + below_root * 4 * heads
    if form.pooling == "moments" or form.opened:
        full += forest.num_leaves * 3 * width
    if form.opened:
        above = families.parent[families.parent[families.first]]
        most, blocks = int(sizes[above >= 0].max(initial=0)), int((above >= 0).sum())
        times = forest.num_leaves * min(form.opened, blocks)
        pairs += times * most
        full += blocks * 2 * width + times * (most * (2 * width + heads) - width)
    return Cost(pairs, paper, full + form.cumulant * (far * width + below_root * 2 * width))


def paper_window_pairs(n: int, branching: tuple[int, ...]) -> int:
    """Return the paper's pairs for n positions in windows.

    A level of one family counts its own size, one of several families their full size; above the last level is
    the root's own family.
    """
    pairs = 0
    for b in branching:
        families = -(-n // b)
        pairs += families * b * b if families > 1 else n * n
        n = families
    return pairs + n * n
