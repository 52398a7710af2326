"""How images are prepared for an image encoder: `ImageSettings`, a part of the processor's settings.

PIL image ─ resize ─> bytes (3, H, W) ─ normalise ─> float32 (3, H, W)      transform: both
"""

from dataclasses import dataclass

import torch
from torchvision.transforms import v2


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """How images are prepared for one timm model, and the grid of patches it makes of them."""

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    grid_height: int
    grid_width: int
    leaves: str = "patches"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))

    @property
    def leaf_grid(self) -> tuple[int, int]:
        """Rows and columns of an image's leaves."""
        return (1, 1) if self.leaves == "one" else (self.grid_height, self.grid_width)

    def transform(self) -> v2.Compose:
        """Return the torchvision transform from an RGB image to normalised pixels (3, height, width)."""
        return v2.Compose([self.resize(), self.normalise()])

    def resize(self) -> v2.Compose:
        """Return the first half of `transform`: an RGB image to bytes (3, height, width).

        The whole image is kept: it is resized to the model's shape, not cropped.
        """
        size, mode = (self.height, self.width), v2.InterpolationMode(self.interpolation)
        return v2.Compose([v2.ToImage(), v2.Resize(size, interpolation=mode, antialias=True)])

    def normalise(self) -> v2.Compose:
        """Return the second half of `transform`: bytes to float32 of the model's mean and deviation."""
        return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(self.mean, self.std)])
