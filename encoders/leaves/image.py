"""Images to leaves: any timm model, through `forward_features`.

    PIL image --transform--> (3, H, W) --timm--> (patches, C) or (C, h, w) --project--> (patches, D) leaves

A vision transformer's tokens (without its prefix) and a convolutional net's feature map are the same thing here: a
GRID family of patches under the image. With `leaves="one"` an image is one leaf, the mean of its patches.

Axes:  I images   P patches   C width of the timm model   D width of the document model
"""

from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import timm
import torch
from timm.data import resolve_model_data_config  # type: ignore[attr-defined]
from torch import Tensor, nn

from docgraph.errors import ModelError
from encoders.cache import FeatureCache, cache_scope, fingerprint
from encoders.inputs.images import ImageSettings
from encoders.leaves.image_statistics import STATISTICS, ImageStatistics
from encoders.sharding import passes

WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")


def make_image_encoder(
    name: str, image_size: int = 0, weights: str | Path | None = None, pretrained: bool = False
) -> nn.Module:
    """Return a timm model without its classifier, or the statistics that need no training.

    Args:
        image_size: pixels a side, 0 for the model's own.
        weights: a local file of weights (safetensors or torch), or a folder that holds one; wins over `pretrained`.
        pretrained: fetch the weights from the hub; needs a network.

    Raises:
        ModelError: timm does not know the name, the model cannot take that size, or there are no such weights.
    """
    if name == STATISTICS:
        return ImageStatistics()
    options: dict[str, Any] = {"num_classes": 0}
    if image_size and "vit" in name:
        options["img_size"] = image_size
    if weights is not None:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(_weights_file(weights))}}
    elif pretrained:
        options["pretrained"] = True
    try:
        model: nn.Module = timm.create_model(name, **options)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ModelError(
            f"image_encoder must be a timm model that takes {image_size or 'its own'} pixels, but {name!r}: {error}."
        ) from error
    return model


def _weights_file(path: str | Path) -> Path:
    """Return a file of weights, in a folder the one that timm and transformers write."""
    file = Path(path)
    if file.is_dir():
        file = next((file / name for name in WEIGHTS if (file / name).is_file()), file)
    if not file.is_file():
        raise ModelError(
            f"weights of an image encoder must be a file, or a folder with {' or '.join(WEIGHTS)}, "
            f"but {path} is neither."
        )
    return file


def image_settings(name: str, image_size: int = 0, leaves: str = "patches") -> ImageSettings:
    """Return how images are prepared for a timm model; its patch grid is found by one pass over a blank image."""
    model = make_image_encoder(name, image_size).eval()
    config = resolve_model_data_config(model)
    height, width = (image_size, image_size) if image_size else _input_size(model)
    with torch.no_grad():
        grid = _grid(model, torch.zeros(1, 3, height, width)).shape[1:3]
    return ImageSettings(
        height=height,
        width=width,
        mean=config["mean"],
        std=config["std"],
        interpolation=config["interpolation"]
        if config["interpolation"] in {"bilinear", "bicubic", "nearest"}
        else "bicubic",
        grid_height=grid[0],
        grid_width=grid[1],
        leaves=leaves,
    )


def _input_size(model: nn.Module) -> tuple[int, int]:
    """Return the height and width that a timm model was made for."""
    height, width = resolve_model_data_config(model)["input_size"][-2:]
    return int(height), int(width)


def _grid(model: Any, pixels: Tensor) -> Tensor:
    """(I, 3, H, W) -> (I, h, w, C): features of the patches, for transformers and convolutional nets alike."""
    features: Tensor = model.forward_features(pixels)
    if features.ndim == 3:
        features = features[:, getattr(model, "num_prefix_tokens", 0) :]
        height, width = _token_grid(model, pixels, features.shape[1])
        return features.reshape(len(features), height, width, -1)
    if features.ndim != 4:
        raise ModelError(
            "a timm model must give patch tokens or a feature map, "
            f"but {type(model).__name__} gives {tuple(features.shape)}."
        )
    return features if getattr(model, "output_fmt", "NCHW") == "NHWC" else features.permute(0, 2, 3, 1)


def _token_grid(model: Any, pixels: Tensor, tokens: int) -> tuple[int, int]:
    embed = getattr(model, "patch_embed", None)
    if embed is not None and hasattr(embed, "dynamic_feat_size"):
        height, width = embed.dynamic_feat_size(tuple(pixels.shape[-2:]))
        if height * width == tokens:
            return int(height), int(width)
    side = round(tokens**0.5)
    return (side, side) if side * side == tokens else (1, tokens)


class ImageLeaves(nn.Module):
    """A timm model and the projection of its patches to the document model's width."""

    def __init__(self, name: str, image_size: int, leaves: str, hidden_size: int, *, frozen: bool) -> None:
        super().__init__()
        self.encoder = make_image_encoder(name, image_size)
        self.input_size: tuple[int, int] = (image_size, image_size) if image_size else _input_size(self.encoder)
        self.leaves = leaves
        self.frozen = frozen
        self.cache: FeatureCache | None = None
        self._fingerprint: str | None = None
        self.project = nn.Linear(int(self.encoder.num_features), hidden_size)  # type: ignore[arg-type]
        self.norm = nn.LayerNorm(hidden_size)
        if frozen:
            self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "ImageLeaves":
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def features(self, pixels: Tensor) -> Tensor:
        """(I, 3, H, W) -> (I, P, C), or (I, 1, C) with one leaf an image."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            grid = _grid(self.encoder, pixels).flatten(1, 2)
        return grid.mean(dim=1, keepdim=True) if self.leaves == "one" else grid

    def fingerprint(self) -> str:
        """Return a hash of the encoder's weights and of what is kept of an image."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self.encoder, self.leaves)
        return self._fingerprint

    def forward(self, pixels: Tensor) -> Tensor:
        """(I, 3, H, W) -> (I, P, D)."""
        projected: Tensor = self.norm(self.project(self.known(pixels).to(self.project.weight.dtype)))
        return projected

    def known(self, pixels: Tensor) -> Tensor:
        """As `features`, from the cache where a frozen encoder has one."""
        return self.features(pixels) if self.cache is None or not self.frozen else self._cached(pixels, self.cache)

    def _cached(self, pixels: Tensor, cache: FeatureCache) -> Tensor:
        """As `features`, for a frozen encoder: images that are in the cache do not pass through it again."""
        digests = [blake2b(one.tobytes(), digest_size=16).digest() for one in pixels.cpu().numpy()]
        scope = cache_scope(self.fingerprint(), pixels.device)
        known = cache.get(scope, digests)
        missing = [place for place, features in enumerate(known) if features is None]
        if not missing and passes(self.encoder, 0, pixels.device):
            self.features(pixels[:1])  # others read images and wait for this process
        elif missing:
            passes(self.encoder, 1, pixels.device)
            fresh = self.features(pixels[missing]).float().cpu().numpy()
            for place, features in zip(missing, fresh, strict=True):
                known[place] = features
            cache.put(scope, {digests[place]: features for place, features in zip(missing, fresh, strict=True)})
        return torch.from_numpy(np.stack([features for features in known if features is not None])).to(pixels.device)
