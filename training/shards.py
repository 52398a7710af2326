"""Vectors to parquet, shard by shard, so that a job that dies goes on where it was.

    vectors.parquet.parts/manifest.json        what makes the job: fingerprint, inputs, columns
                          part-00000.parquet   the rows of inputs 0..k-1; there or not there, never half
                          part-00000.json      the inputs of that shard that were set aside
    vectors.parquet                            all rows, once every shard is done; the parts are removed

Shards follow from the order of the inputs and a fixed number of inputs each, not from how the job ran. A file is
written beside its place and renamed, shard errors before shard rows. A job with another model, configuration or
list of inputs is refused the folder: vectors of two models never mix. Vectors go to Arrow without a copy.

Columns, as `Embeddings` has them: id, document_id, node_row, kind, level, headings, start, end (characters), dom_path,
text, vector (fixed-size list of float32 or float16). Sorted by document, then by place in the tree. The file's metadata
names model, settings and what the vectors are good for, as JSON under "docgraph".
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError, needs_extra
from encoders.embedder.batches import vector_array, vector_columns, vector_schema
from training.files import write_atomically

if TYPE_CHECKING:
    from encoders.embed import Embeddings

MANIFEST: Final = "manifest.json"
INPUTS_PER_SHARD: Final = 64


class VectorShards:
    """The files of one job.

    Args:
        output: the parquet file to make.
        fingerprint: of everything that the vectors depend on beside the inputs: weights, configuration, level.
        inputs: names of all inputs, in order.
        width: D of every vector.
        dtype: "float32" or "float16".
        about: what else the file's metadata says.
        per_shard: inputs of a shard.

    Raises:
        DataError: an unfinished job of another kind lies where the parts go.
    """

    def __init__(
        self,
        output: Path,
        *,
        fingerprint: str,
        inputs: Sequence[str],
        width: int,
        dtype: str = "float32",
        per_shard: int = INPUTS_PER_SHARD,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.output = output
        self.parts = output.with_name(output.name + ".parts")
        self.width = width
        self.dtype = dtype
        self.about = dict(about or {})
        self.per_shard = per_shard
        self.total = len(inputs)
        self.count = -(-len(inputs) // per_shard)
        digest = hashlib.blake2b("\n".join(inputs).encode("utf-8", "replace"), digest_size=12).hexdigest()
        self.manifest = {
            "fingerprint": fingerprint,
            "inputs": len(inputs),
            "inputs_digest": digest,
            "per_shard": per_shard,
            "width": width,
            "dtype": dtype,
        }
        self._claim()

    def _claim(self) -> None:
        """Make the folder, or make sure that it belongs to this job."""
        file = self.parts / MANIFEST
        if not file.is_file():
            self.parts.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(self.manifest, indent=1) + "\n")
            return
        held = json.loads(file.read_text(encoding="utf-8"))
        other = [name for name, value in self.manifest.items() if held.get(name) != value]
        if other:
            raise DataError(
                f"{self.parts} must belong to this job, but differs in {', '.join(other)}: it holds parts of vectors "
                "made by another model, configuration or list of inputs. Delete it, or choose another output."
            )

    def places(self, shard: int) -> range:
        """Return the places of a shard's inputs in the list of inputs."""
        start = shard * self.per_shard
        return range(start, min(start + self.per_shard, self.total))

    def pending(self) -> list[int]:
        """Return the shards that are not done."""
        return [shard for shard in range(self.count) if not self._part(shard).is_file()]

    def write(self, shard: int, rows: "Embeddings", errors: Sequence[dict[str, Any]] = ()) -> None:
        """Write the rows of one shard and what was set aside in it."""
        write_atomically(self._part(shard, ".json"), json.dumps(list(errors), ensure_ascii=False) + "\n")
        parquet = _arrow()[1]
        target = self._part(shard)
        beside = target.with_suffix(f".{os.getpid()}.tmp")
        parquet.write_table(self._table(rows), beside, use_dictionary=["document_id", "kind", "level"])
        os.replace(beside, target)

    def errors(self) -> list[dict[str, Any]]:
        """Return what was set aside in all finished shards."""
        found: list[dict[str, Any]] = []
        for shard in range(self.count):
            if (file := self._part(shard, ".json")).is_file():
                found += json.loads(file.read_text(encoding="utf-8"))
        return found

    def finish(self) -> int:
        """Join the shards into the output, remove them, and return the number of rows.

        Raises:
            DataError: some shards are not done.
        """
        if pending := self.pending():
            raise DataError(f"every shard must be done to finish, but {len(pending)} of {self.count} are not.")
        parquet = _arrow()[1]
        beside = self.output.with_name(f"{self.output.name}.{os.getpid()}.tmp")
        rows = 0
        with parquet.ParquetWriter(beside, self.schema, use_dictionary=["document_id", "kind", "level"]) as writer:
            for shard in range(self.count):
                table = parquet.read_table(self._part(shard), schema=self.schema)
                rows += table.num_rows
                writer.write_table(table)
        os.replace(beside, self.output)
        shutil.rmtree(self.parts)
        return rows

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema; its metadata names the job."""
        about = json.dumps({**self.manifest, **self.about}, ensure_ascii=False)
        return vector_schema(self.width, self.dtype).with_metadata({"docgraph": about})

    def _table(self, rows: "Embeddings") -> Any:
        columns = vector_columns(rows)
        columns["vector"] = vector_array(columns["vector"].astype(self.dtype, copy=False))
        return _arrow()[0].Table.from_pydict(columns, schema=self.schema)

    def _part(self, shard: int, suffix: str = ".parquet") -> Path:
        return self.parts / f"part-{shard:05d}{suffix}"


def read_vectors(path: Path) -> tuple[Any, NDArray[np.float32]]:
    """Return the table and its vectors as (n, D), the latter a view where the file has one row group.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    table = _arrow()[1].read_table(path)
    column = table.column("vector").combine_chunks()
    width = column.type.list_size
    return table, column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)


def _arrow() -> tuple[Any, Any]:
    with needs_extra("writing vectors"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet
