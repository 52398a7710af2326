"""Embed documents and their nodes to a parquet file, with or without labels.

    inputs ──shard by shard──> documents ──Embedder.encode──> rows of the wanted levels ──> vectors.parquet

A level is "document" (one vector each), "passage" (what the encoder reads at once), a kind of node ("section",
"paragraph", "image", ...), "node" (every node) or, of a classifier, "leaf" (every token and patch). A job that was cut
off goes on at the first shard that is not done; inputs that cannot be read are named in errors.jsonl and do not stop
the others.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from docgraph import Document
from docgraph.errors import DataError, DocgraphError
from encoders.embed import Embeddings
from encoders.embedder.embedder import Embedder
from training.inputs import ERRORS, Errors, Input
from training.shards import INPUTS_PER_SHARD, VectorShards


def embed(
    embedder: Embedder,
    inputs: Sequence[Input],
    output: str | Path,
    *,
    model: str = "",
    levels: Sequence[str] = ("document",),
    boilerplate: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    per_shard: int = INPUTS_PER_SHARD,
    console: Console | None = None,
) -> tuple[int, Errors]:
    """Write the vectors of all inputs; return the number of rows and what was set aside.

    Args:
        model: what to call the embedder in the file's metadata.
        levels, boilerplate, dtype: see `Embedder.encode`.

    Raises:
        DataError: no input could be read, `output` does not end in .parquet, or another job's parts are in the way.
        ModelError: the embedder has no such level.
    """
    if not inputs:
        raise DataError("embedding needs at least one input, but there is none.")
    target = Path(output)
    if target.suffix != ".parquet":
        raise DataError(f"the output of vectors must end in .parquet, but {target} does not.")
    target.parent.mkdir(parents=True, exist_ok=True)
    settings = {**embedder.described, "levels": list(levels), "boilerplate": boilerplate}
    asked = repr((embedder.fingerprint, tuple(levels), boilerplate))
    shards = VectorShards(
        target,
        fingerprint=hashlib.blake2b(asked.encode(), digest_size=12).hexdigest(),
        inputs=[one.id for one in inputs],
        width=embedder.width,
        dtype=dtype,
        per_shard=per_shard,
        about={"model": model, "purpose": embedder.purpose, "settings": settings},
    )
    errors = Errors(target.with_name(ERRORS))
    pending = set(shards.pending())
    with Progress(console=console or Console(stderr=True), transient=True) as progress:
        task = progress.add_task("embedding", total=len(inputs))
        for shard in range(shards.count):
            some = [inputs[place] for place in shards.places(shard)]
            if shard in pending:
                before = len(errors.found)
                documents, names = _read(some, errors)
                rows: Embeddings = embedder.encode(documents, levels, ids=names, boilerplate=boilerplate, dtype=dtype)
                shards.write(shard, rows, errors.found[before:])
            progress.advance(task, len(some))
    errors.found = shards.errors()
    errors.write()
    if len(errors.found) == len(inputs):
        raise DataError(f"none of the {len(inputs)} inputs could be read; see {errors.file}.")
    return shards.finish(), errors


def _read(inputs: Sequence[Input], errors: Errors) -> tuple[list[Document], list[str]]:
    """Return the documents that can be read, and their names."""
    documents: list[Document] = []
    names: list[str] = []
    for one in inputs:
        try:
            documents.append(one.document())
            names.append(one.id)
        except DocgraphError as error:
            errors.add(one.id, error)
    return documents, names
