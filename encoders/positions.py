"""Where a node stands in its family: features of its position, for each of the five domains.

    SEQUENCE  learnable Fourier features of the ordinal        GRID   the same of (row, column)
    KEYED     the mean sub-word embedding of the field's name  GRAPH  Laplacian features (graph_features.py)
    SET       zero: a set has no positions

On rendered pages the box of a node, seen from its parent's, may be one more feature in every domain (`BoxFeatures`).

`PositionFeatures` makes one table for all layers, a row for each distinct position of a batch; each layer has a
`PositionHeads` with one linear map a domain. The logit between siblings A and B gains query_A . key_B, so left and
right can differ; in the paper's layer both sides are the same.

Source: Li et al., "Learnable Fourier Features for Multi-Dimensional Spatial Positional Encoding" (arXiv 2106.02795);
HSA (arXiv 2509.15448), appendix C and F.

Axes:  Q distinct positions   F feature width   R rows   H heads   P width of a head's share
"""

import math

import torch
from torch import Tensor, nn

from docgraph.kinds import Domain
from encoders.inputs.encoded import DOMAIN_CODE, PositionInputs


class FourierFeatures(nn.Module):
    """Learnable Fourier features of coordinates, then a one-hidden-layer network.

    Coordinates enter as x and as log(1 + x): families range from 2 to thousands of children. Frequencies of x start
    between 1 and 1/1000 radians a place.
    """

    def __init__(self, coordinates: int, size: int) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.frequency = nn.Parameter(torch.empty(2 * coordinates, size // 2))
        self.network = nn.Sequential(
            nn.Linear(2 * (size // 2), size), nn.GELU(), nn.Linear(size, size), nn.LayerNorm(size)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the frequencies anew."""
        nn.init.normal_(self.frequency)
        scale = torch.ones_like(self.frequency)
        scale[: self.coordinates] = torch.logspace(0, -3, scale.shape[1])
        with torch.no_grad():
            self.frequency.mul_(scale)

    def forward(self, place: Tensor) -> Tensor:
        """(Q, coordinates) -> (Q, F)."""
        angle = torch.cat([place, torch.log1p(place.clamp(min=0))], dim=-1) @ self.frequency
        features: Tensor = self.network(torch.cat([angle.cos(), angle.sin()], dim=-1))
        return features


class PositionFeatures(nn.Module):
    """Features of every distinct position of a batch."""

    def __init__(self, size: int, name_size: int, graph_size: int) -> None:
        super().__init__()
        self.size = size
        self.sequence = FourierFeatures(1, size)
        self.grid = FourierFeatures(2, size)
        self.keyed = nn.Sequential(nn.Linear(name_size, size), nn.LayerNorm(size))
        self.graph = nn.Sequential(
            nn.Linear(graph_size + 2, size), nn.GELU(), nn.Linear(size, size), nn.LayerNorm(size)
        )

    def forward(self, inputs: PositionInputs, names: Tensor) -> Tensor:
        """Return (Q, F), zero for positions in a set.

        Args:
            names: (K, name_size) embeddings of the field names of the batch.
        """
        dtype = self.sequence.frequency.dtype
        features = torch.zeros(len(inputs.domain), self.size, dtype=dtype, device=inputs.domain.device)
        place = inputs.place.to(dtype)
        referred = inputs.reference
        modules: tuple[tuple[Domain, nn.Module], ...] = (
            (Domain.SEQUENCE, self.sequence),
            (Domain.GRID, self.grid),
            (Domain.KEYED, self.keyed),
            (Domain.GRAPH, self.graph),
        )
        for domain, module in modules:
            rows = (inputs.domain == DOMAIN_CODE[domain]).nonzero().flatten()
            if len(rows) == 0:
                if self.training:
                    features = features + 0 * sum(p.sum() for p in module.parameters())
                continue
            if domain is Domain.KEYED:
                values = names.to(dtype)[referred[rows]]
            elif domain is Domain.GRAPH:
                values = inputs.graph.to(dtype)[referred[rows]]
            else:
                values = place[rows, : 1 if domain is Domain.SEQUENCE else 2]
            features = features.index_copy(0, rows, module(values).to(dtype))
        return features


class BoxFeatures(nn.Module):
    """Features of where a node's box lies in its parent's; zero where there is none."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.features = FourierFeatures(4, size)

    def forward(self, box: Tensor | None, parent: Tensor) -> Tensor:
        """Return (R, F).

        Args:
            box: (R, 4) left, top, right, bottom, in pixels or the like: no side of a parent counts as less than 1; NaN
                where unknown; None if no row has one.
            parent: (R,) row of the parent, -1 at a root.
        """
        if box is None:
            box = torch.full((len(parent), 4), math.nan, device=parent.device)
        above = box[parent.clamp(min=0)]
        size = (above[:, 2:] - above[:, :2]).clamp(min=1)
        share = (box.unflatten(1, (2, 2)) - above[:, None, :2]) / size[:, None]
        known = ((parent >= 0) & share.isfinite().flatten(1).all(1))[:, None]
        # In hundredths, as frequencies are of ordinals; a child can lie anywhere, which beyond a side says no more.
        place = torch.where(known, 100 * share.flatten(1).clamp(-1, 2), 0).to(self.features.frequency.dtype)
        return torch.where(known, self.features(place), 0)


class PositionHeads(nn.Module):
    """One layer's linear map of the shared features, one for each domain; a set's positions stay zero.

    Args:
        sides: 2 for a query and a key side, 1 for the paper's symmetric form.
        boxes: whether the features of boxes have a map, too.
    """

    def __init__(self, size: int, heads: int, head_size: int, sides: int = 2, *, boxes: bool = False) -> None:
        super().__init__()
        self.heads, self.head_size, self.sides = heads, head_size, sides
        self.weight = nn.Parameter(torch.empty(len(DOMAIN_CODE), size, sides * heads * head_size))
        self.box_weight = nn.Parameter(torch.empty(size, sides * heads * head_size)) if boxes else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: position logits start near a tenth, so that attention starts from content.

        Boxes start from nothing: the model is then the one without them, and learns what they add.
        """
        nn.init.normal_(self.weight, std=0.3 / math.sqrt(self.weight.shape[1]))
        if self.box_weight is not None:
            nn.init.zeros_(self.box_weight)

    def forward(
        self, features: Tensor, inputs: PositionInputs, boxes: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """(Q, F), and (R, F) of boxes -> (R, H, P), or a query and a key side of that shape."""
        mapped = torch.zeros(len(features), self.weight.shape[2], dtype=features.dtype, device=features.device)
        for code in range(1, len(DOMAIN_CODE)):
            inside = (inputs.domain == code)[:, None]
            mapped = mapped + torch.where(inside, features @ self.weight[code], 0)
        shape = (self.sides, self.heads, self.head_size)
        table = mapped.unflatten(-1, shape)
        sides = [table[:, side][inputs.index] for side in range(self.sides)]
        if self.box_weight is not None and boxes is not None:
            of_boxes = (boxes @ self.box_weight).unflatten(-1, shape)
            sides = [one + of_boxes[:, side] for side, one in enumerate(sides)]
        return sides[0] if self.sides == 1 else (sides[0], sides[1])
