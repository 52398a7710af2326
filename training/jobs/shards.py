"""The shards of vectors, and the file that they make.

Columns, as `Embeddings` has them: id, document_id, node_row, kind, level, headings, start, end (characters), dom_path,
text, vector (fixed-size list of float32 or float16). Sorted by document, then by place in the tree. The file's metadata
names model, settings and what the vectors are good for, as JSON under "docgraph".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.bulk.parquet import pyarrow_parquet
from docgraph.bulk.shards import Shards
from docgraph.embedding.arrow import vector_schema

INPUTS_PER_SHARD: Final = 64


def vector_shards(
    output: Path,
    *,
    fingerprint: str,
    inputs: Sequence[str],
    width: int,
    dtype: str = "float32",
    per_shard: int = INPUTS_PER_SHARD,
    about: Mapping[str, Any] | None = None,
) -> Shards:
    """Return the shards of a job.

    Args:
        output: the parquet file to make, or a folder.
        fingerprint: of everything that the vectors depend on beside the inputs: weights, configuration, level.
        inputs: names of all inputs, in order.
        width: D of every vector.
        dtype: "float32" or "float16".
        about: what else the file's metadata says.
    """
    shards = Shards(
        output,
        schema=vector_schema(width, dtype),
        manifest={"fingerprint": fingerprint, "width": width, "dtype": dtype},
        inputs=inputs,
        per_shard=per_shard,
        dictionary=["document_id", "kind", "level"],
        named="input",
    )
    told = json.dumps({**shards.manifest, **(about or {})}, ensure_ascii=False)
    shards.schema = shards.schema.with_metadata({"docgraph": told})
    return shards


def read_vectors(path: Path) -> tuple[Any, NDArray[np.float32]]:
    """Return the table and its vectors as (n, D), the latter a view where the file has one row group.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    table = pyarrow_parquet().read_table(path)
    column = table.column("vector").combine_chunks()
    width = column.type.list_size
    return table, column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
