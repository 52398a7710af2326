"""What may be converted: gaps and costs of candidates ─ select(budget) ─> the best set over all layers together."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from docgraph.errors import ModelError
from encoders.zero_shot.form import Form
from encoders.zero_shot.layer import Layer
from encoders.zero_shot.windows import Hierarchy

GRAIN = 2000
"""Costs are told apart to this fraction of softmax attention in all layers."""


@dataclass(frozen=True)
class Budget:
    """What the chosen layers may cost. At least one of `flops` and `kl`.

    Half of a model's layers, each left with about a tenth of its attention: Budget(flops=0.5 + 0.5 * 0.1, layers=half).
    """

    flops: float | None = None
    """Share of the model's softmax attention that may remain, over all its layers, by the full count."""
    kl: float | None = None
    """Gap in nats that the model may have, summed over its layers."""
    layers: int | None = None
    """Exactly so many layers are to be converted; None: as many as are worth it."""

    def __post_init__(self) -> None:
        if self.flops is None and self.kl is None:
            raise ModelError("budget must say what may remain: flops, a share of softmax attention, or kl, in nats.")
        if self.flops is not None and not 0 <= self.flops <= 1:
            raise ModelError(f"flops must be a share of softmax attention, 0 to 1, but is {self.flops}: 5 % are 0.05.")


@dataclass
class CandidateGap:
    """One candidate in one layer, over all batches."""

    layer: Layer
    hierarchy: Hierarchy
    form: Form
    divergence: float = 0.0
    """Summed over positions and heads."""
    weight: int = 0
    """Positions times heads."""
    cost: int = 0
    """Multiply-adds, by the full count."""
    softmax: int = 0
    """Those of softmax attention."""
    chosen: bool = False

    @property
    def gap(self) -> float:
        """Mean divergence from softmax attention, in nats."""
        return self.divergence / max(self.weight, 1)


def budget_of(budget: Budget | Mapping[str, Any] | float) -> Budget:
    """Return the budget that a mapping or a share of FLOPs stands for."""
    if isinstance(budget, Budget):
        return budget
    if not isinstance(budget, Mapping):
        return Budget(flops=float(budget))
    names = [field.name for field in fields(Budget)]
    if unknown := budget.keys() - names:
        raise ModelError(f"budget must name {', '.join(names)}, but names {min(unknown, key=str)!r}.")
    return Budget(**budget)


def select(measured: list[CandidateGap], layers: int, budget: Budget) -> list[CandidateGap]:
    """Return the best set: dynamic programming over layers, by what a set costs and how many it converts."""
    by_layer: dict[str, list[CandidateGap]] = {}
    for m in measured:
        by_layer.setdefault(m.layer.name, []).append(m)
    softmax = sum(options[0].softmax for options in by_layer.values()) / len(by_layer) * layers
    kept_softmax = softmax * (layers - len(by_layer)) / layers
    # (converted, cost to the grain) -> (gap, cost, choice)
    best: dict[tuple[int, int], tuple[float, float, tuple[CandidateGap, ...]]] = {(0, 0): (0.0, kept_softmax, ())}
    for options in by_layer.values():
        following: dict[tuple[int, int], tuple[float, float, tuple[CandidateGap, ...]]] = {}
        for (converted, _), (gap, cost, choice) in best.items():
            steps: list[tuple[int, float, float, tuple[CandidateGap, ...]]] = [
                (converted, gap, cost + options[0].softmax, choice)
            ]
            steps += [(converted + 1, gap + m.gap, cost + m.cost, (*choice, m)) for m in options]
            for count, g, c, chosen in steps:
                key = count if budget.layers is not None else 0, int(GRAIN * c / softmax)
                if (count <= (budget.layers or count)) and (key not in following or g < following[key][0]):
                    following[key] = g, c, chosen
        best = following
    fitting = [
        (gap, cost, choice)
        for gap, cost, choice in best.values()
        if (budget.layers is None or len(choice) == budget.layers)
        and (budget.flops is None or cost <= budget.flops * softmax)
        and (budget.kl is None or gap <= budget.kl)
    ]
    if not fitting:
        least = min(cost for _, cost, _ in best.values()) / softmax
        raise ModelError(
            f"the budget must leave a choice, but no set of candidates meets {budget}: "
            f"the cheapest leaves {100 * least:.1f} % "
            "of the model's attention. Allow more, or add candidates."
        )
    if budget.flops is not None:
        return list(min(fitting, key=lambda f: (f[0], f[1]))[2])
    return list(min(fitting, key=lambda f: (f[1], f[0]))[2])
