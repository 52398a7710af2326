"""`EmbedNodes`: documents to the vectors of their nodes, as a picklable class that any engine runs.

    batch: id, document (as ParsePages gives it) or a page ─ EmbedNodes ─> batch: a row a node, with its vector

    pages.map_batches(ParsePages(), batch_format="pyarrow").map_batches(
        EmbedNodes, fn_constructor_args=("models/my-encoder", ["section"]), batch_format="pyarrow", concurrency=4)

What is sent to a worker are the settings; the model is loaded there, once, by the first batch. The rows are those of
`docgraph embed`, with `key`, which hashes a row's id and all that its vector depends on beside the document, so that a
piece that an engine does twice is the same rows; and with `error`, which says of a document why it has none.

Axes:  n rows   D width of a vector
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from docgraph import Document
from docgraph.bulk.batches import columns_of, like
from docgraph.bulk.pages import ParsePages
from docgraph.embedding.arrow import vector_array, vector_columns, vector_schema
from docgraph.errors import DocgraphError
from docgraph.ids import hashed
from encoders.embedder.embedder import Embedder


@dataclass(frozen=True)
class EmbedNodes:
    """How documents are embedded; calling it with a batch does so, with an iterator of batches does so one by one.

    A batch has `id`, and `document` (JSON) or what `ParsePages` reads. The options are those of
    `Embedder.from_pretrained` and `Embedder.encode`.
    """

    model: str | Path | None = None
    levels: Sequence[str] = ("document",)
    of: Literal["document", "leaves"] = "document"
    late: bool = False
    normalize: bool | None = None
    boilerplate: bool = False
    dtype: Literal["float32", "float16"] = "float32"
    device: str | None = None
    cache: str | Path | None = None
    main_only: bool = False
    """Of pages that it parses itself: keep their main content only."""
    fixed_size: bool = True
    """Whether vectors in Arrow are lists of a fixed size; Spark knows only others."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # without the model

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def embedder(self) -> Embedder:
        """The model, loaded when it is first asked for.

        Raises:
            ModelError: there is no such model, or it is of none of the known kinds.
            MissingExtraError: sentence-transformers, or MiniLM's package, is not installed.
        """
        context: Literal["alone", "late"] = "late" if self.late else "alone"
        return Embedder.from_pretrained(
            self.model, context=context, normalize=self.normalize, device=self.device, cache=self.cache, of=self.of
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that a vector depends on beside its document."""
        return hashed(self.embedder.fingerprint, self.boilerplate, self.dtype)

    @property
    def schema(self) -> Any:
        """The Arrow schema of what comes out."""
        import pyarrow

        text, columns = pyarrow.string(), vector_schema(self.embedder.width, self.dtype)
        if not self.fixed_size:
            place = columns.get_field_index("vector")
            columns = columns.set(place, pyarrow.field("vector", pyarrow.list_(columns.field(place).type.value_type)))
        return pyarrow.schema([*columns, ("key", text), ("error", text)])

    def __call__(self, batch: Any) -> Any:
        """Return the rows of a batch's documents, in the form that the batch has.

        A document that cannot be read has one row, with its reason in `error` and a vector of zeros.

        Raises:
            DataError: it is no batch, or holds no documents.
            ModelError: the embedder has no such level.
        """
        if isinstance(batch, Iterator):
            return map(self, batch)
        columns = columns_of(batch)
        if "document" not in columns:
            columns = ParsePages(main_only=self.main_only)(columns)
        documents, names, errors = _read(columns)
        rows = self.embedder.encode(
            documents, list(self.levels), ids=names, boilerplate=self.boilerplate, dtype=self.dtype
        )
        made = vector_columns(rows)
        for name, values in made.items():
            if name not in ("vector", "id", "document_id"):
                made[name] = [*values, *([None] * len(errors))]
        made["id"] = [*made["id"], *(hashed(name) for name, _ in errors)]
        made["document_id"] = [*made["document_id"], *(name for name, _ in errors)]
        made["vector"] = np.concatenate([made["vector"], np.zeros((len(errors), self.embedder.width), self.dtype)])
        made["key"] = [hashed(one, self.fingerprint) for one in made["id"]]
        made["error"] = [*([None] * len(rows)), *(error for _, error in errors)]
        if not isinstance(batch, Mapping):
            made["vector"] = vector_array(made["vector"])
        return like(batch, made, lambda: self.schema)


def _read(columns: Mapping[str, Sequence[Any]]) -> tuple[list[Document], list[str], list[tuple[str, str]]]:
    """Return the documents that can be read, their ids, and of each other one its id and why it cannot."""
    documents: list[Document] = []
    names: list[str] = []
    errors: list[tuple[str, str]] = []
    nothing = [None] * len(columns["document"])
    known = zip(columns["document"], columns.get("id", nothing), columns.get("error", nothing), strict=True)
    for text, given, error in known:
        name = hashed(text) if given in (None, "") else str(given)
        try:
            if error is not None or not isinstance(text, str | bytes):
                problem = error or f"DataError: a document must be JSON text, but is {type(text).__name__}."
                errors.append((name, problem))
                continue
            documents.append(Document.from_json(text))
            names.append(name)
        except DocgraphError as raised:
            errors.append((name, f"{type(raised).__name__}: {raised}"))
    return documents, names, errors
