"""An image in 424 numbers, without weights: its colours, its edges, a thumbnail.

    (I, 3, 96, 96) pixels ─> 64 colours | 8 directions of edges in 1 + 4 + 16 cells | 8 x 8 thumbnail ─> (I, 424, 1, 1)

A few hundred images are too few to train a network's first layers; hand-made statistics need no training at all, and a
linear map on top of them learns from little. Each of the three groups is normalised, so none outweighs the others.
Known to `image_encoder` as "statistics": one patch an image.

Sources: Swain and Ballard 1991 (colour histograms); Dalal and Triggs 2005 (histograms of oriented gradients); Oliva and
Torralba 2001 (energies over cells); Arandjelovic and Zisserman 2012 (square roots of histograms).

Axes:  I images   H, W pixels   C statistics
"""

import math
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STATISTICS: Final = "statistics"
SIZE: Final = 96
SHADES: Final = 4
"""Of red, green and blue each: 64 colours."""
DIRECTIONS: Final = 8
CELLS: Final = (1, 2, 4)
THUMBNAIL: Final = 8


class ImageStatistics(nn.Module):
    """Stands where a timm model may stand."""

    num_features: int = SHADES**3 + DIRECTIONS * sum(n * n for n in CELLS) + 3 * THUMBNAIL**2
    pretrained_cfg: dict[str, Any] = {  # noqa: RUF012
        "input_size": (3, SIZE, SIZE),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }

    def forward_features(self, pixels: Tensor) -> Tensor:
        """(I, 3, H, W), normalised as `pretrained_cfg` says -> (I, C, 1, 1)."""
        red_green_blue = (pixels.float() * 0.5 + 0.5).clamp(0, 1)
        groups = [_colours(red_green_blue), _edges(red_green_blue), _thumbnail(red_green_blue)]
        joined = torch.cat([F.layer_norm(group, group.shape[1:]) for group in groups], dim=1)
        return joined.to(pixels.dtype)[..., None, None]


def _colours(image: Tensor) -> Tensor:
    """(I, 64) square roots of the share of each colour."""
    shade = (image * SHADES).long().clamp(max=SHADES - 1)
    colour = (shade[:, 0] * SHADES + shade[:, 1]) * SHADES + shade[:, 2]
    count = torch.zeros(len(image), SHADES**3, device=image.device)
    flat = colour.flatten(1)
    return (count.scatter_add_(1, flat, torch.ones_like(flat, dtype=count.dtype)) / flat.shape[1]).sqrt()


def _edges(image: Tensor) -> Tensor:
    """(I, 8 * 21) square roots of the mean strength of edges in each direction and cell."""
    grey = image.mean(1)
    across = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    down = grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    angle = torch.atan2(down, across) / (2 * math.pi) + 0.5
    direction = (angle * DIRECTIONS).long() % DIRECTIONS
    strength = (across**2 + down**2).sqrt()[:, None] * F.one_hot(direction, DIRECTIONS).permute(0, 3, 1, 2)
    return torch.cat([F.adaptive_avg_pool2d(strength, n).flatten(1) for n in CELLS], dim=1).sqrt()


def _thumbnail(image: Tensor) -> Tensor:
    """(I, 192) the image at 8 x 8."""
    return F.adaptive_avg_pool2d(image, THUMBNAIL).flatten(1)
