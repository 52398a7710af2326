"""Documents to tensors: the part of a model that is saved with it but has no weights.

    Document --encode--> EncodedDocument --collate--> DocumentBatch

`encode` keeps the document nodes that have leaves under them, cuts text blocks into sub-words, ties every sub-word
to its sentence, heading or cell by its characters, and lays out a GRID of patches for every image. What may be
a feature is decided here and nowhere else: node text and images are; attributes, metadata and URLs are not.

Sub-words come from a vocabulary trained on the user's documents (byte-level BPE, no unknown words) or from the
tokenizer of a local transformers model.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from docgraph import Document, Domain
from docgraph.errors import ModelError
from docgraph.images import ImageReference
from docgraph.main_text import text_blocks
from encoders.cache import FeatureCache
from encoders.inputs.collate import collate
from encoders.inputs.encoded import DocumentBatch, EncodedDocument
from encoders.inputs.images import ImageSettings
from encoders.inputs.rows import Tokens, lay_out, text_leaves
from encoders.inputs.settings import ProcessorSettings
from encoders.inputs.vocabulary import special_token_ids, train_tokenizer

CONFIG_NAME: Final = "processor_config.json"
TOKENIZER_NAME: Final = "tokenizer.json"


class DocumentProcessor:
    """Turns documents into batches; saved beside a model's weights.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or None if text is left out.
        settings: see `ProcessorSettings`.
    """

    def __init__(self, tokenizer: Tokenizer | None, settings: ProcessorSettings | None = None) -> None:
        self.settings = settings or ProcessorSettings()
        self.tokenizer = tokenizer
        if tokenizer is None and self.settings.text_leaves != "none":
            raise ModelError('a processor must have a tokenizer unless text_leaves="none", but has none.')
        if tokenizer is not None:
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self.images: FeatureCache | None = None
        """Where prepared images are kept, as bytes at the model's size; None decodes an image whenever it is read."""

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], settings: ProcessorSettings | None = None, *, vocab_size: int = 16_000
    ) -> "DocumentProcessor":
        """Train a sub-word vocabulary on the text of some documents and return a processor with it."""
        return cls(train_tokenizer((document.text for document in documents), vocab_size), settings)

    @classmethod
    def from_text_encoder(cls, folder: str | Path, settings: ProcessorSettings | None = None) -> "DocumentProcessor":
        """Return a processor with the tokenizer of a transformers model (a local folder first, else a hub name)."""
        from transformers import AutoTokenizer

        try:
            fast: Any = AutoTokenizer.from_pretrained(str(folder))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"the text encoder must be the folder of a transformers model, or its name on the hub, but {folder}: "
                f"{reason}"
            ) from error
        if getattr(fast, "backend_tokenizer", None) is None:
            raise ModelError(f"the text encoder must have a fast tokenizer (tokenizer.json), but {folder} has none.")
        prefix, suffix = special_token_ids(fast)
        settings = settings or ProcessorSettings()
        values = {**settings.__dict__, "prefix_ids": prefix, "suffix_ids": suffix}
        return cls(Tokenizer.from_str(fast.backend_tokenizer.to_str()), ProcessorSettings(**values))

    # -- save and load -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:
        """Write processor_config.json and tokenizer.json into `folder`."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        values = {"processor_class": type(self).__name__, **asdict(self.settings)}
        Path(folder, CONFIG_NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        if self.tokenizer is not None:
            self.tokenizer.save(str(Path(folder, TOKENIZER_NAME)))

    @classmethod
    def from_pretrained(cls, folder: str | Path, **_: Any) -> "DocumentProcessor":
        """Return the processor that `save_pretrained` wrote into a local folder.

        Raises:
            ModelError: the folder has no processor.
        """
        path = Path(folder, CONFIG_NAME)
        if not path.is_file():
            raise ModelError(f"a processor's folder must hold {CONFIG_NAME}, but {folder} does not.")
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("processor_class", None)
        for name in ("fields", "prefix_ids", "suffix_ids"):
            values[name] = None if values[name] is None else tuple(values[name])
        values["image"] = None if values["image"] is None else ImageSettings(**values["image"])
        words = Path(folder, TOKENIZER_NAME)
        return cls(Tokenizer.from_file(str(words)) if words.is_file() else None, ProcessorSettings(**values))

    @property
    def vocab_size(self) -> int:
        """Number of sub-words, 0 without a tokenizer."""
        return 0 if self.tokenizer is None else int(self.tokenizer.get_vocab_size())

    # -- documents in, tensors out -------------------------------------------------------------------------

    def __call__(self, documents: Document | Sequence[Document]) -> DocumentBatch:
        """Return the batch of some documents."""
        if isinstance(documents, Document):
            documents = [documents]
        return self.collate([self.encode(document) for document in documents])

    def collate(self, encoded: Sequence[EncodedDocument]) -> DocumentBatch:
        """Return the batch of some encoded documents; images are read here."""
        return collate(encoded, self._prepare_image)

    def _prepare_image(self, reference: ImageReference) -> Tensor:
        """Return an image's normalised pixels: the same numbers with `images` and without."""
        settings = self.settings.image
        assert settings is not None, "a document without image leaves has no images to prepare"
        if self.images is None:
            return _normalised(settings, settings.resize()(reference.open("RGB")))
        shape = (3, settings.height, settings.width)
        scope = f"{settings.height} x {settings.width} {settings.interpolation}"
        digest = hashlib.blake2b(reference.bytes(), digest_size=16).digest()
        known = self.images.get(scope, [digest])[0]
        if known is None:
            known = settings.resize()(reference.open("RGB")).numpy().reshape(-1, settings.width)
            self.images.put(scope, {digest: known})
        return _normalised(settings, torch.tensor(known).reshape(shape))

    def encode(self, document: Document) -> EncodedDocument:
        """Return one document as arrays; no image is opened."""
        wanted = self._wanted(document)
        tokens = self._tokens(document, wanted)
        images = [
            row
            for row, kind in enumerate(document.kind)
            if kind == "image"
            and wanted[row]
            and self.settings.image is not None
            and document[row].attributes.get("src")
        ]
        return lay_out(document, tokens, images, self.settings, self.tokenizer)

    def _wanted(self, document: Document) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(nodes,) which nodes may be features at all."""
        wanted = np.ones(len(document), dtype=bool)
        if self.settings.main_only:
            wanted &= np.array([role in (None, "main") for role in document.effective_roles])
        if self.settings.fields is not None and document.domain[0] is Domain.KEYED:
            for row in document.child_rows(0):
                if document.keys[document.position[row, 0]] not in self.settings.fields:
                    wanted[row : document.subtree_end[row]] = False
        return wanted

    def _tokens(self, document: Document, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Tokens:
        """Cut the document's text blocks into sub-words and tie each to its text leaf."""
        if self.tokenizer is None or self.settings.text_leaves == "none":
            return Tokens.none()
        blocks = [row for row in text_blocks(document) if wanted[row]]
        starts = document.span[:, 0]
        encodings = self.tokenizer.encode_batch(
            [document.text[start:end] for start, end in document.span[blocks].tolist()], add_special_tokens=False
        )
        ids = [np.asarray(encoding.ids, dtype=np.int64) for encoding in encodings]
        places = [
            np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)[:, 1] - 1 + starts[row]
            for encoding, row in zip(encodings, blocks, strict=True)
        ]
        # A byte-level sub-word may begin with the space before its sentence: its last character tells where it belongs.
        token_id = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        place = np.concatenate(places) if places else np.zeros(0, np.int64)
        leaves = np.array([row for row in text_leaves(document) if wanted[row]], dtype=np.int64)
        unit_start = np.concatenate([[0], np.cumsum([len(i) for i in ids], dtype=np.int64)]).astype(np.int64)
        cut, limit = 0, self.settings.max_tokens
        if limit is not None and len(token_id) > limit:
            cut = len(token_id) - limit
            token_id, place, unit_start = token_id[:limit], place[:limit], np.minimum(unit_start, limit)
        owner = (
            leaves[np.maximum(np.searchsorted(starts[leaves], place, side="right") - 1, 0)]
            if len(leaves)
            else place[:0]
        )
        return Tokens(token_id, owner, np.unique(unit_start), cut)


def _normalised(settings: ImageSettings, pixels: Tensor) -> Tensor:
    """(3, H, W) bytes -> float32."""
    normalised: Tensor = settings.normalise()(pixels)
    return normalised.as_subclass(Tensor)
