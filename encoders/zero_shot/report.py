"""A table of what is converted and what it costs.

summary(model, length) ─> Report: one row a layer; print it
"""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from docgraph.errors import ModelError
from encoders.zero_shot.cost import Cost, hsa_cost, softmax_cost
from encoders.zero_shot.interface import Layer
from encoders.zero_shot.sites import Site, attention_modules

LENGTH = 512


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
        text = ["  ".join(f"{cell:<{w}}" if c < 2 else f"{cell:>{w}}" for c, (cell, w) in enumerate(zip(line, widths, strict=True))).rstrip()
                for line in lines]  # fmt: skip
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
    layer: Layer | None = site.module.__dict__.get("docgraph_hsa")
    config: Any = layer.original_config if layer else site.module.config
    width, heads = config.hidden_size, config.num_attention_heads
    n = positions_of(site, config) if length is None else length
    softmax = softmax_cost(n, width, heads, causal=site.causal)
    if layer is None or not layer.enabled:
        return Row(
            site.name,
            site.tower,
            site.layer,
            "softmax" if layer is None else "softmax (disabled)",
            n,
            softmax,
            softmax,
            False,
        )
    form = layer.form.for_causal() if site.causal else layer.form
    attention = f"{layer.hierarchy}; {form}{', causal' if site.causal else ''}"
    if layer.hierarchy == "given":
        return Row(site.name, site.tower, site.layer, attention, n, None, softmax, True)
    cost = hsa_cost(layer.hierarchy.forest([n], site.ends), layer.hierarchy, form, width, heads, causal=site.causal)
    return Row(site.name, site.tower, site.layer, attention, n, cost, softmax, True)


def positions_of(site: Site, config: object) -> int:
    """Return how many positions a layer sees by default."""
    image, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if image is not None and patch is not None:
        height, width = (image, image) if isinstance(image, int) else image
        down, across = (patch, patch) if isinstance(patch, int) else patch
        return int(height // down * (width // across)) + sum(site.ends)
    most = getattr(config, "max_position_embeddings", None) or LENGTH
    return min(LENGTH, int(most))
