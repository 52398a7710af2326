"""Regressions on what frozen encoders say of a document: of its text, of each of its fields, of its images.

    DocumentBatch ─ frozen encoders ─ mean over sub-words or patches ─> a vector of each part (B, W), length 1
                                                                  └ VectorRegression ─> (F, B, C) logits

A part is named by its field ("headline"), or is the `WHOLE` text or the `IMAGE`s. Where a document has nothing of a
part, its logits are 0: they say nothing. Weights are fitted in training/parts/stacking.py and not trained further.

Axes:  B documents   F parts   W width of an encoder   C classes   N leaves   L leaves with text   I images
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from docgraph.errors import ModelError
from encoders.inputs.encoded import DocumentBatch
from encoders.leaves.image import ImageLeaves
from encoders.leaves.pretrained_text import PretrainedTextLeaves

WHOLE = ""
"""Names the mean over all text of a document."""
IMAGE = "image"
"""Names the mean over all its images."""


def text_vectors(batch: DocumentBatch, names: Sequence[str], text: PretrainedTextLeaves) -> list[tuple[Tensor, Tensor]]:
    """Return of each name the vectors (B, W), zeros where there is no text, and where there is some (B,).

    Args:
        names: of fields, or `WHOLE`.
    """
    leaf, features = text.features(batch.text)
    length = torch.bincount(batch.text.token_leaf, minlength=len(batch.leaf_document))[leaf].to(features.dtype)
    document, field = batch.leaf_document[leaf], batch.leaf_field(names)[leaf]
    found = []
    for number, name in enumerate(names):
        weight = length if name == WHOLE else length * (field == number)
        total = features.new_zeros(len(batch), features.shape[1]).index_add(0, document, features * weight[:, None])
        there = weight.new_zeros(len(batch)).index_add(0, document, weight) > 0
        found.append((nn.functional.normalize(total), there))
    return found


def image_vectors(batch: DocumentBatch, image: ImageLeaves) -> tuple[Tensor, Tensor]:
    """Return the mean vectors of images (B, W), zeros where there is none that can be read, and where there is one."""
    device = batch.leaf_document.device
    total = torch.zeros(len(batch), int(image.encoder.num_features), device=device)  # type: ignore[arg-type]
    there = torch.zeros(len(batch), dtype=torch.bool, device=device)
    if batch.image is None:
        return total, there
    features = image.known(batch.image.pixel_values).mean(1).to(total.dtype)
    total = total.index_add(0, batch.image.document, features)
    return nn.functional.normalize(total), there.index_fill(0, batch.image.document, True)


class VectorRegression(nn.Module):
    """Logits from the vectors of frozen encoders.

    Args:
        names: of the parts, each a field, `WHOLE` or `IMAGE`.
        text, image: the document model's encoders. They are not a part of this module.
    """

    def __init__(self, names: Sequence[str], text: nn.Module | None, image: ImageLeaves | None, classes: int) -> None:
        super().__init__()
        self.names = tuple(names)
        widths = dict.fromkeys(self.names, text.width if isinstance(text, PretrainedTextLeaves) else 0)
        if IMAGE in widths:
            widths[IMAGE] = 0 if image is None else int(image.encoder.num_features)  # type: ignore[arg-type]
        if without := [name or "the whole text" for name, width in widths.items() if not width]:
            raise ModelError(
                f"a regression on vectors needs a pre-trained encoder of text and one of images for what it names, "
                f"but there is none for {', '.join(without)}."
            )
        self.parts = nn.ModuleList(nn.Linear(width, classes) for width in widths.values())
        self.requires_grad_(False)

    @torch.no_grad()
    def vectors(
        self, batch: DocumentBatch, text: nn.Module | None, image: ImageLeaves | None
    ) -> list[tuple[Tensor, Tensor]]:
        """Return of each part, in order, the vectors (B, W) and which documents have it (B,)."""
        fields = [name for name in self.names if name != IMAGE]
        found: dict[str, tuple[Tensor, Tensor]] = {}
        if isinstance(text, PretrainedTextLeaves) and fields:
            found |= dict(zip(fields, text_vectors(batch, fields, text), strict=True))
        if image is not None and IMAGE in self.names:
            found[IMAGE] = image_vectors(batch, image)
        return [found[name] for name in self.names]

    def forward(self, batch: DocumentBatch, text: nn.Module | None, image: ImageLeaves | None) -> Tensor:
        """Return (F, B, C) logits."""
        found = self.vectors(batch, text, image)
        return torch.stack(
            [part(vectors) * there[:, None] for part, (vectors, there) in zip(self.parts, found, strict=True)]
        )
