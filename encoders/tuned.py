"""A text encoder that was tuned to the classes, and reads the beginning and the end of each document.

    DocumentBatch ─ the first and last sub-words of each text ─ encoder ─ mean, length 1 ─ linear ─> logits (B, C)

It stands beside the frozen encoder that it began as, whose vectors the regressions and the transformer read. A text of
more than `most` sub-words is read in its first and its last half of as many. Where a document has no text its logits
are 0. Training is in training/parts/tuning.py.

Source: Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?" (arXiv 1905.05583), for both ends of a text.

Axes:  B documents   C classes   T sub-words   W encoder width
"""

from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from encoders.inputs.encoded import DocumentBatch
from encoders.leaves.pretrained_text import PretrainedTextLeaves, padded_states, together

SHARPNESS = 20.0
"""What vectors of length 1 are multiplied by: the logits of a linear layer on them could not be sure of anything."""
MOST_KNOWN = 100_000
"""Documents whose logits are kept: those of a dev split are asked for after each epoch."""


class TunedText(nn.Module):
    """An encoder and a linear layer on the mean of its states.

    Args:
        config: the transformers configuration (a `PreTrainedConfig`) of the encoder.
        most: sub-words of a document that are read, special ones not counted.
        prefix_ids, suffix_ids: special sub-words put around them.
    """

    def __init__(
        self,
        config: Any,
        classes: int,
        *,
        most: int,
        prefix_ids: tuple[int, ...] = (),
        suffix_ids: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.encoder: Any = AutoModel.from_config(config)
        self.head = nn.Linear(int(config.hidden_size), classes)
        self.most, self.prefix_ids, self.suffix_ids = most, prefix_ids, suffix_ids
        self._known: dict[bytes, Tensor] = {}
        self.requires_grad_(False)

    @classmethod
    def beside(cls, text: PretrainedTextLeaves, classes: int, most: int) -> "TunedText":
        """Return one that reads as a frozen encoder does, without its weights."""
        return cls(text.encoder.config, classes, most=most, prefix_ids=text.prefix_ids, suffix_ids=text.suffix_ids)

    def forward(self, batch: DocumentBatch) -> Tensor:
        """Return logits (B, C), without gradients."""
        text = batch.text
        counts = torch.bincount(batch.leaf_document[text.token_leaf], minlength=len(batch)).tolist()
        return self.logits_of([self.ends_of(ids) for ids in text.token_id.split(counts)])

    @torch.no_grad()
    def logits_of(self, texts: list[Tensor]) -> Tensor:
        """Return the logits (B, C) of texts (T,), without gradients; those that come again are not read again."""
        device = self.head.weight.device
        if self.training or torch.is_autocast_enabled(device.type) or not texts:
            return self.read(texts)
        digests = [blake2b(text.cpu().long().numpy().tobytes(), digest_size=16).digest() for text in texts]
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._known}
        waiting, special = list(new), len(self.prefix_ids) + len(self.suffix_ids)
        for group in together([len(new[digest]) + special for digest in waiting]):
            some = [waiting[place] for place in group]
            self._known.update(zip(some, self.read([new[digest] for digest in some]).cpu(), strict=True))
        found = torch.stack([self._known[digest] for digest in digests]).to(device)
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        return found

    def ends_of(self, ids: Tensor) -> Tensor:
        """Return the first and last sub-words of a text, as many as are read."""
        if len(ids) <= self.most:
            return ids
        first = (self.most + 1) // 2
        return torch.cat([ids[:first], ids[len(ids) - (self.most - first) :]])

    def read(self, texts: list[Tensor]) -> Tensor:
        """Return the logits (B, C) of some texts, padded to the longest."""
        weight = self.head.weight
        logits = weight.new_zeros(len(texts), len(weight)) + 0 * self.head.bias
        places = [place for place, text in enumerate(texts) if len(text)]
        if not places:
            return logits
        given = [texts[place].to(weight.device) for place in places]
        states, mask = padded_states(self.encoder, given, self.prefix_ids, self.suffix_ids)
        mean = nn.functional.normalize((states * mask[..., None]).sum(1), dim=1)
        said = self.head(SHARPNESS * mean.to(weight.dtype))
        return logits.index_add(0, torch.tensor(places, device=weight.device), said.to(logits.dtype))

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiply the logits."""
        self.head.weight.mul_(factor)
        self.head.bias.mul_(factor)
        self._known = {digest: logits * factor for digest, logits in self._known.items()}

    def train(self, mode: bool = True) -> "TunedText":
        """Set training mode; what is known is of the weights before."""
        if mode:
            self._known.clear()
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._known.clear()  # what is known is of other weights, or of another precision
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._known.clear()
        super()._load_from_state_dict(*args, **kwargs)
