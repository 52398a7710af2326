"""Vectors as Arrow tables: the columns of `Embeddings`, as `docgraph embed` and `EmbedNodes` write them.

    Embeddings ─ vector_columns ─> {"id": [...], ..., "vector": (n, D)} ─ vector_table ─> pyarrow.Table of vector_schema

Axes:  n rows   D width of a vector
"""

from typing import Any

import numpy as np

from docgraph.embedding.embeddings import Embeddings


def vector_schema(width: int, dtype: str) -> Any:
    """Return the Arrow schema of vectors and of what each is of."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.int64()
    types = {
        "id": text, "document_id": text, "node_row": number, "kind": text, "level": text,
        "headings": pyarrow.list_(text), "start": number, "end": number, "dom_path": text, "text": text,
        "vector": pyarrow.list_(pyarrow.float16() if dtype == "float16" else pyarrow.float32(), width),
    }  # fmt: skip
    return pyarrow.schema(list(types.items()))


def vector_columns(rows: Embeddings) -> dict[str, Any]:
    """Return the columns of vectors: lists, and (n, D) the vectors themselves. Texts are such as UTF-8 can hold."""
    return {
        "id": list(rows.id),
        "document_id": [_written(str(one)) for one in rows.document_id],
        "node_row": rows.node_row.tolist(),
        "kind": rows.kind.tolist(),
        "level": list(rows.level),
        "headings": [[_written(one) for one in path] for path in rows.headings],
        "start": rows.span[:, 0].tolist(),
        "end": rows.span[:, 1].tolist(),
        "dom_path": list(rows.dom_path),
        "text": [_written(one) for one in rows.text],
        "vector": np.ascontiguousarray(rows.vectors),
    }


def vector_table(rows: Embeddings, schema: Any) -> Any:
    """Return vectors as an Arrow table."""
    import pyarrow

    columns = vector_columns(rows)
    return pyarrow.Table.from_pydict({**columns, "vector": vector_array(columns["vector"])}, schema=schema)


def vector_array(vectors: Any) -> Any:
    """Return (n, D) vectors as an Arrow array, without a copy."""
    import pyarrow

    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), vectors.shape[1])


def _written(text: str) -> str:
    """Return a text without lone surrogates, which parquet cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
