"""A trained classifier as an embedder: the interface of `Embedder` over `DocumentForClassification.encode`.

Its vectors tell its classes apart; of anything else they know what helped with that. For search and neighbours take
those of the text encoder inside it: `Embedder.from_pretrained(run, of="leaves")`.
"""

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from docgraph import Document
from docgraph.embedding.embeddings import Embeddings, Vectors, documents_of
from docgraph.embedding.levels import DOCUMENT, NODE
from docgraph.errors import ModelError, check_each
from docgraph.headings import SECTIONS, heading_paths
from docgraph.ids import document_key, node_ids
from encoders.cache import FeatureCache, fingerprint
from encoders.classifier import DocumentForClassification
from encoders.embedder.texts import TextEncoder
from encoders.leaves.pretrained_text import PretrainedTextLeaves

LEAF = "leaf"


class RunReader:
    """The vectors of a classifier. Levels are "document", "node", kinds, or "leaf" (every token and patch) alone."""

    def __init__(self, model: DocumentForClassification, *, normalize: bool | None = None) -> None:
        self.model = model
        model.train(False)
        self.normalize = normalize is not False
        names = model.labels
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        self.purpose = (
            f"telling {len(names)} classes apart ({shown}); for search and neighbours take its text encoder "
            "(--of leaves) or a pre-trained one"
        )

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str | None = None, normalize: bool | None = None
    ) -> "RunReader":
        """Load a run folder."""
        model = DocumentForClassification.from_pretrained(folder)
        return cls(model.to(device) if device else model, normalize=normalize)

    @property
    def width(self) -> int:
        """D."""
        return int(self.model.config.hidden_size)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of weights, configuration and processor."""
        processor = self.model.needs_processor(None)
        words = "" if processor.tokenizer is None else processor.tokenizer.to_str()
        return fingerprint(self.model, (self.model.config.to_json_string(), processor.settings, words, self.normalize))

    @property
    def described(self) -> dict[str, Any]:
        """The settings, as JSON values."""
        return {"normalize": self.normalize, "purpose": self.purpose}

    def encode_query(self, texts: Sequence[str] | str, *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of texts, each read as a document."""
        found: Embeddings = self.model.encode(
            documents_of(texts), "document", normalize=self.normalize, show_progress_bar=show_progress_bar
        )
        return found.vectors

    def encode(
        self,
        documents: Document | str | Iterable[Document | str],
        level: str | Sequence[str] = "document",
        *,
        ids: Sequence[str] | None = None,
        boilerplate: bool = True,
        dtype: str = "float32",
        show_progress_bar: bool = False,
    ) -> Embeddings:
        """Return the vectors of the documents' nodes; all that the classifier reads has a share in them."""
        levels = [level] if isinstance(level, str) else check_each("level", level, str, "name one level or several")
        ids = None if ids is None else check_each("ids", ids, str, "name each document")
        if LEAF in levels and len(levels) > 1:
            raise ModelError(f"the level {LEAF} must stand alone, but was given with {', '.join(levels)}.")
        if "passage" in levels:
            raise ModelError('a classifier has no passages: take a kind of node, or its text encoder (of="leaves").')
        read = documents_of(documents)
        output = "leaves" if LEAF in levels else "document" if levels == [DOCUMENT] else "nodes"
        found = self.model.encode(read, output, normalize=self.normalize, show_progress_bar=show_progress_bar)
        wanted = np.ones(len(found), dtype=bool)
        if LEAF not in levels and NODE not in levels:
            wanted = np.isin(found.kind, levels) | ((found.node_row == 0) & (DOCUMENT in levels))
        return _described(found, np.flatnonzero(wanted), read, ids, dtype)


def _described(
    found: Embeddings, kept: Any, documents: Sequence[Document], ids: Sequence[str] | None, dtype: str
) -> Embeddings:
    """Return some rows, with the columns that `Embedder` gives."""
    names = [document_key(document) for document in documents] if ids is None else list(ids)
    node = [node_ids(document, name) for document, name in zip(documents, names, strict=True)]
    paths = [heading_paths(document) for document in documents]
    place, row = found.document_id[kept].tolist(), found.node_row[kept].tolist()
    kinds, spans = found.kind[kept].tolist(), found.span[kept]
    nodes = [(documents[d], r) for d, r in zip(place, row, strict=True)]
    return dataclasses.replace(
        found,
        vectors=found.vectors[kept].astype(dtype),
        document_id=found.document_id[kept] if ids is None else np.array(names, np.str_)[place],
        node_row=found.node_row[kept],
        kind=found.kind[kept],
        span=spans,
        id=tuple(node[d][r] for d, r in zip(place, row, strict=True)),
        level=tuple(
            kind if kind in ("token", "patch") else DOCUMENT if r == 0 else "section" if kind in SECTIONS else NODE
            for kind, r in zip(kinds, row, strict=True)
        ),
        headings=tuple(
            tuple(" ".join(documents[d][h].text.split()) for h in paths[d][r]) for d, r in zip(place, row, strict=True)
        ),
        dom_path=tuple(document[r].source.xpath for document, r in nodes),
        text=tuple(
            document.text[start:end] or str(document[r].attributes.get("alt") or "")
            for (document, r), (start, end) in zip(nodes, spans.tolist(), strict=True)
        ),
    )


def leaves_encoder(folder: Path, *, device: str | None = None, cache: FeatureCache | None = None) -> TextEncoder:
    """Return the pre-trained text encoder inside a classifier, with mean pooling, as it was trained on.

    Raises:
        ModelError: the classifier reads texts with a vocabulary of its own.
    """
    model = DocumentForClassification.from_pretrained(folder)
    leaves = model.document.text
    if not isinstance(leaves, PretrainedTextLeaves):
        raise ModelError(
            f"the leaves of {folder} must be read by a pre-trained encoder to have vectors of their own, but its "
            "sub-words were learned with the classes; take another model, or the classifier's own vectors."
        )
    tokenizer = model.needs_processor(None).tokenizer
    with tempfile.TemporaryDirectory() as beside:
        leaves.encoder.save_pretrained(beside)
        _save_tokenizer(tokenizer, leaves, beside)
        return TextEncoder.from_pretrained(beside, device=device, cache=cache)


def _save_tokenizer(tokenizer: Any, leaves: PretrainedTextLeaves, folder: str) -> None:
    names = [tokenizer.id_to_token(one) for one in (*leaves.prefix_ids, *leaves.suffix_ids)]
    special = {"cls_token": names[0], "sep_token": names[-1]} if len(names) == 2 else {}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=tokenizer.id_to_token(leaves.encoder.config.pad_token_id or 0),
        model_max_length=leaves.capacity + len(names),
        **special,
    ).save_pretrained(folder)
