"""What a converted attention module carries: its `Layer`, which says how to attend.

convert ─ sets ─> module.docgraph_hsa = Layer ─ layer_of ─> interface.hsa, report, calibrate
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from encoders.zero_shot.calls import Calls
from encoders.zero_shot.form import Form
from encoders.zero_shot.windows import Ends, Hierarchy

HSA = "docgraph_hsa"
"""Name of the attention in transformers, and of the attribute of a converted module that holds its `Layer`."""


@dataclass(eq=False)
class Layer:
    """What a converted attention module does."""

    name: str
    tower: str
    index: int
    """0-based, within the tower."""
    ends: Ends
    causal: bool
    hierarchy: Hierarchy
    form: Form
    backend: str
    calls: Calls
    original_config: Any
    """The module's config before the conversion: `revert` and `disable` put it back."""
    enabled: bool = True
    watch: "Callable[[Watched], None] | None" = None
    """Told what the layer attends over while it attends by softmax: `calibrate` sets it."""

    def __str__(self) -> str:
        return f"layer {self.index} ({self.name})"


@dataclass(frozen=True, eq=False)
class Watched:
    """What a layer would attend over in one call."""

    layer: Layer
    query: Tensor
    """(B, H, n, D); key and value are (B, K, n, D)."""
    key: Tensor
    value: Tensor
    padding: Tensor | None
    scale: float
    causal: bool


def layer_of(module: nn.Module) -> Layer | None:
    """Return what a module was converted to, None if it was not."""
    layer: Layer | None = module.__dict__.get(HSA)
    return layer


def layers_of(model: nn.Module) -> list[Layer]:
    """Return the converted layers in their order, disabled ones included."""
    return [layer for module in model.modules() if (layer := layer_of(module)) is not None]
