"""Documents as an index keeps them, in shards: made by many processes, written by one.

inputs ─ shards, on Ray ─> id, digest, text and what is told of it, rows with vectors ─ one writer ─> the index
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from docgraph.bulk.parquet import pyarrow_parquet
from docgraph.document import Document
from docgraph.index.rows import IndexRow, Part
from docgraph.index.store import StoredDocument, clean
from docgraph.metadata import Metadata

TOLD: Final = ("title", "url", "site_name", "language", "date")


def schema() -> Any:
    """Return the Arrow schema of shards.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow_parquet()
    import pyarrow

    text, whole, many = pyarrow.string(), pyarrow.large_string(), pyarrow.list_(pyarrow.string())
    part = {"kind": text, "start": pyarrow.int64(), "stop": pyarrow.int64(), "dom_path": text, "text": text}
    row = {
        "id": text, "level": text, "kind": text, "kinds": many, "parent": text, "headings": many,
        "span": pyarrow.list_(pyarrow.int64()), "dom_path": text, "text": text, "words": text,
        "parts": pyarrow.list_(pyarrow.struct(list(part.items()))), "vector": pyarrow.list_(pyarrow.float32()),
    }  # fmt: skip
    rows = pyarrow.list_(pyarrow.struct(list(row.items())))
    return pyarrow.schema(
        [("id", text), ("digest", text), ("text", whole), *((one, text) for one in TOLD), ("rows", rows)]
    )


def table_of(documents: Sequence[tuple[str, Document, str, Sequence[IndexRow]]]) -> Any:
    """Return an Arrow table of ids, documents, digests and rows."""
    import pyarrow

    made = [
        {
            "id": name,
            "digest": digest,
            "text": _whole(document.text),
            **{one: _whole(getattr(document.metadata, one)) for one in TOLD},
            "rows": [{name: _whole(value) for name, value in asdict(row).items()} for row in rows],
        }
        for name, document, digest, rows in documents
    ]
    return pyarrow.Table.from_pylist(made, schema=schema())


def read(shard: Path) -> Iterator[tuple[str, StoredDocument, str, list[IndexRow]]]:
    """Yield ids, sources, digests and rows of a shard."""
    for batch in pyarrow_parquet().ParquetFile(shard).iter_batches(16):
        for one in batch.to_pylist():
            source = StoredDocument(one["text"], Metadata(**{name: one[name] for name in TOLD}))
            yield one["id"], source, one["digest"], [_row(row) for row in one["rows"]]


def _row(values: dict[str, Any]) -> IndexRow:
    vector = values.pop("vector")
    lists: dict[str, Any] = {name: tuple(values.pop(name)) for name in ("kinds", "headings", "span")}
    parts = tuple(Part(**part) for part in values.pop("parts"))
    return IndexRow(**values, **lists, parts=parts, vector=None if vector is None else np.array(vector, np.float32))


def _whole(value: Any) -> Any:
    """Return text that Arrow can hold: pages may have lone surrogates."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, tuple) else value
