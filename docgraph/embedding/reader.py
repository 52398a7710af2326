"""A text encoder that reads documents: plans what each needs, reads the texts, makes the vectors of the nodes.

    documents ─ nodes.py ─> plans ─ the encoder, many texts at once ─> vectors of texts ─> vectors of nodes

Axes:  n nodes   D width
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from types import NoneType
from typing import Any, Protocol

import numpy as np

from docgraph.document import Document
from docgraph.embedding.embeddings import Embeddings, Problem, Vectors, documents_of, unit
from docgraph.embedding.levels import check_levels
from docgraph.embedding.nodes import NodeSettings, Plan, plan
from docgraph.errors import ImageError, ModelError, check_each, check_type
from docgraph.passages.tables import begun_at

GROUP_TEXTS = 4096
"""Texts that are read together: documents are planned until there are so many."""


class Encoder(Protocol):
    """What reads texts: `StaticEncoder` (static.py), or a pre-trained one (encoders.embedder.texts)."""

    @property
    def width(self) -> int:
        """D."""

    @property
    def max_tokens(self) -> int:
        """Tokens that it reads at once: of a passage."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens that its prompt for documents takes."""

    @property
    def reads_images(self) -> bool:
        """Whether it is an image-text model."""

    @property
    def tokenizer_name(self) -> str:
        """By what `count` counts: a part of the passages' ids."""

    @property
    def normalizes(self) -> bool:
        """Whether its vectors have length 1."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that the vectors depend on."""

    def count(self, text: str) -> int:
        """Return the number of a text's tokens."""

    def encode(self, texts: Sequence[str], prompt: str = "document", *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of texts, with the prompt for a "document" or a "query"."""

    def encode_images(self, images: Sequence[Any]) -> Vectors:
        """Return (n, D) vectors of PIL images."""


class TextReader:
    """A text encoder (or image-text model) that reads documents.

    Args:
        encoder: what reads texts, and images if it can.
        settings: how a node's vector is made of the texts in it and over it.
        late: reads each page's passages together, (P, D) for each, so that a vector knows what stands before it;
            better for finding a document's neighbours, worse for finding the passage that answers. None: each passage
            is read by itself.
        normalize: whether vectors are scaled to length 1; None: if the encoder's are.
    """

    purpose = "meaning: neighbours and search, without any training"
    """What the vectors are good for."""

    def __init__(
        self,
        encoder: Encoder,
        settings: NodeSettings | None = None,
        *,
        late: Callable[[Sequence[Sequence[str]]], list[Vectors]] | None = None,
        normalize: bool | None = None,
    ) -> None:
        check_type("settings", settings, NodeSettings, NoneType)
        self.encoder = encoder
        self.settings = settings or NodeSettings()
        self.late = late
        self.normalize = encoder.normalizes if normalize is None else normalize

    @property
    def width(self) -> int:
        """D."""
        return self.encoder.width

    @property
    def max_tokens(self) -> int:
        """Tokens that the encoder reads at once."""
        return self.encoder.max_tokens

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that the vectors depend on beside the documents: weights and settings."""
        return hashlib.blake2b(
            f"{self.encoder.fingerprint} {json.dumps(self.described, sort_keys=True)}".encode(), digest_size=12
        ).hexdigest()

    @property
    def described(self) -> dict[str, Any]:
        """The settings, as JSON values."""
        context = "alone" if self.late is None else "late"
        return {**dataclasses.asdict(self.settings), "context": context, "normalize": self.normalize}

    def encode_query(self, texts: Sequence[str] | str, *, show_progress_bar: bool = False) -> Vectors:
        """See `Embedder.encode_query`."""
        many = questions(texts)
        vectors = self.encoder.encode(many, "query", show_progress_bar=show_progress_bar)
        return unit(vectors) if self.normalize else vectors

    def encode(
        self,
        documents: Document | str | Iterable[Document | str],
        level: str | Sequence[str] = "document",
        *,
        ids: Sequence[str] | None = None,
        boilerplate: bool = False,
        dtype: str = "float32",
        show_progress_bar: bool = False,
    ) -> Embeddings:
        """See `Embedder.encode`."""
        if dtype not in ("float32", "float16"):
            raise ModelError(f'dtype must be "float32" or "float16", but is {dtype!r}.')
        check_type("boilerplate", boilerplate, bool)
        read = documents_of(documents)
        levels = [level] if isinstance(level, str) else check_each("level", level, str, "name one level or several")
        if read:
            check_levels(levels, read)
        ids = None if ids is None else check_each("ids", ids, str, "name each document")
        if ids is not None and len(ids) != len(read):
            raise ModelError(f"ids must name each of the {len(read)} documents, but there are {len(ids)}.")
        pieces: list[Embeddings] = []
        waiting: list[Plan] = []
        for place, document in enumerate(read):
            waiting.append(
                plan(
                    document,
                    levels,
                    self.settings,
                    limit=self.max_tokens - self.encoder.prompt_tokens,
                    count=self.encoder.count,
                    unit_name=self.encoder.tokenizer_name,
                    document_id=None if ids is None else ids[place],
                    boilerplate=boilerplate,
                    reads_images=self.encoder.reads_images,
                )
            )
            if place + 1 == len(read) or sum(len(one.sources) for one in waiting) >= GROUP_TEXTS:
                pieces += self._made(waiting, place + 1 - len(waiting), dtype, show_progress_bar)
                waiting = []
        return _joined(pieces, ids, self.width, dtype)

    def _made(self, plans: list[Plan], first: int, dtype: str, show_progress_bar: bool) -> list[Embeddings]:
        """Read what some documents need, and make their vectors."""
        texts = [text for one in plans for text in one.sources[0 if self.late is None else len(one.passages) :]]
        read = self.encoder.encode(texts, show_progress_bar=show_progress_bar)
        late = None if self.late is None else self.late([one.sources[: len(one.passages)] for one in plans])
        pieces, start = [], 0
        for number, one in enumerate(plans):
            size = len(one.sources) - (len(one.passages) if late is not None else 0)
            parts = [] if late is None else [late[number]]
            parts.append(read[start : start + size])
            start += size
            pixels, problems = self._pixels(one, first + number)
            vectors = one.vectors(np.concatenate([*parts, pixels]))
            pieces.append(self._piece(one, vectors, first + number, dtype, problems))
        return pieces

    def _pixels(self, one: Plan, place: int) -> tuple[Vectors, tuple[Problem, ...]]:
        """Return the vectors of a document's images, zeros for those that cannot be opened."""
        vectors = np.zeros((len(one.pixels), self.width), np.float32)
        images, rows, problems = [], [], []
        for number, row in enumerate(one.pixels):
            try:
                images.append(one.document[row].image.open())
                rows.append(number)
            except ImageError as error:
                problems.append(Problem(place, row, str(error)))
        if images:
            vectors[rows] = self.encoder.encode_images(images)
        return vectors, tuple(problems)

    def _piece(self, one: Plan, vectors: Vectors, place: int, dtype: str, problems: tuple[Problem, ...]) -> Embeddings:
        silent = np.linalg.norm(vectors, axis=1) == 0
        kept = np.flatnonzero(~silent | (np.asarray(one.rows) == 0)).tolist()
        vectors = unit(vectors[kept]) if self.normalize else vectors[kept]
        return Embeddings(
            vectors=np.asarray(vectors, dtype),
            document_id=np.full(len(kept), place),
            node_row=np.asarray([one.rows[n] for n in kept], np.int64),
            kind=np.asarray([one.kinds[n] for n in kept], np.str_),
            span=np.asarray([one.spans[n] for n in kept], np.int64).reshape(-1, 2),
            empty=(place,) if not one.passages and not any(one.weight) else (),
            problems=problems,
            id=tuple(one.ids[n] for n in kept),
            level=tuple(one.levels[n] for n in kept),
            headings=tuple(one.headings[n] for n in kept),
            dom_path=tuple(
                one.document[begun_at(one.document, one.rows[n], one.spans[n][0])].source.xpath for n in kept
            ),
            text=tuple(one.texts[n] for n in kept),
        )


def questions(texts: Sequence[str] | str) -> list[str]:
    """Return a list of texts; one is one.

    Raises:
        DataError: something is no text.
    """
    return [texts] if isinstance(texts, str) else check_each("texts", texts, str, "a question is a text")


def _joined(pieces: Sequence[Embeddings], ids: Sequence[str] | None, width: int, dtype: str) -> Embeddings:
    """Return the rows of all documents; `document_id` by name where names were given."""
    place = np.concatenate([np.zeros(0, np.int64), *(piece.document_id for piece in pieces)])
    return Embeddings(
        vectors=np.concatenate([np.zeros((0, width), dtype), *(piece.vectors for piece in pieces)]),
        document_id=place if ids is None else np.array(ids, dtype=np.str_)[place],
        node_row=np.concatenate([np.zeros(0, np.int64), *(piece.node_row for piece in pieces)]),
        kind=np.concatenate([np.zeros(0, np.str_), *(piece.kind for piece in pieces)]),
        span=np.concatenate([np.zeros((0, 2), np.int64), *(piece.span for piece in pieces)]),
        empty=tuple(one for piece in pieces for one in piece.empty),
        problems=tuple(one for piece in pieces for one in piece.problems),
        **{name: tuple(one for piece in pieces for one in getattr(piece, name)) for name in _TEXT_COLUMNS},
    )


_TEXT_COLUMNS = ("id", "level", "headings", "dom_path", "text")
