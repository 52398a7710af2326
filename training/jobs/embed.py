"""Embed documents and their nodes to a parquet file, with or without labels.

    inputs ──shard by shard, here or on Ray──> documents ──Embedder.encode──> rows ──> vectors.parquet

A level is "document" (one vector each), "passage" (what the encoder reads at once), a kind of node ("section",
"paragraph", "image", ...), "node" (every node) or, of a classifier, "leaf" (every token and patch). A job that was cut
off goes on at the first shard that is not done; inputs that cannot be read are named in errors.jsonl and do not stop
the others.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from rich.console import Console
from rich.progress import Progress

from docgraph import Document
from docgraph.bulk.shards import Engine, Problems, in_turn
from docgraph.embedding.arrow import vector_table
from docgraph.embedding.levels import check_levels
from docgraph.embedding.reader import TextReader
from docgraph.embedding.static import StaticEmbedder
from docgraph.errors import DataError, DocgraphError
from training.inputs import ERRORS, Input, SetAside, problem_of
from training.jobs.shards import INPUTS_PER_SHARD, vector_shards

if TYPE_CHECKING:
    from encoders.embedder.embedder import Embedder

Reader = Union["Embedder", StaticEmbedder]
"""What reads documents; the small one needs no torch."""


def embed(
    embedder: Reader,
    inputs: Sequence[Input],
    output: str | Path,
    *,
    model: str = "",
    levels: Sequence[str] = ("document",),
    boilerplate: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    per_shard: int = INPUTS_PER_SHARD,
    console: Console | None = None,
    engine: Engine = in_turn,
    load: Callable[[], Reader] | None = None,
) -> tuple[int, SetAside]:
    """Write the vectors of all inputs; return the number of rows and what was set aside.

    Args:
        output: a .parquet file, or a folder (no suffix) that the shards stay in.
        model: what to call the embedder in the file's metadata.
        levels, boilerplate, dtype: see `Embedder.encode`.
        engine: who does the shards, such as `docgraph.bulk.on_ray.OnRay`.
        load: loads the same embedder in a process of the engine; not needed in this one.

    Raises:
        DataError: no input could be read, `output` has another suffix, or another job's parts are in the way.
        ModelError: the embedder has no such level.
    """
    if not inputs:
        raise DataError("embedding needs at least one input, but there is none.")
    target = Path(output)
    if target.suffix not in ("", ".parquet"):
        raise DataError(f"the output of vectors must end in .parquet, but {target} does not.")
    if isinstance(getattr(embedder, "reader", embedder), TextReader):  # a classifier has a level more, and says itself
        check_levels(levels)
    settings = {**embedder.described, "levels": list(levels), "boilerplate": boilerplate}
    asked = repr((embedder.fingerprint, tuple(levels), boilerplate))
    shards = vector_shards(
        target,
        fingerprint=hashlib.blake2b(asked.encode(), digest_size=12).hexdigest(),
        inputs=[one.id for one in inputs],
        width=embedder.width,
        dtype=dtype,
        per_shard=per_shard,
        about={"model": model, "purpose": embedder.purpose, "settings": settings},
    )
    work = _Work(load or (lambda: embedder), list(levels), boilerplate, dtype, shards.schema)
    errors = SetAside(target.with_name(ERRORS))
    progress = Progress(console=console or Console(stderr=True), transient=True)
    with shards.claimed(), progress:
        pending = shards.pending()
        task = progress.add_task("embedding", total=len(inputs))
        progress.advance(task, len(inputs) - sum(len(shards.places(shard)) for shard in pending))
        for shard in engine(work, shards, inputs):
            for problem in shards.problems([shard]):
                print(f"set aside {problem['input']}: {problem['message']}", file=sys.stderr)
            progress.advance(task, len(shards.places(shard)))
        errors.found = shards.problems(range(shards.count))
        errors.write()
        if len(errors.found) == len(inputs):
            raise DataError(f"none of the {len(inputs)} inputs could be read; see {errors.file}.")
        return shards.finish(), errors


@dataclass(frozen=True)
class _Work:
    """What is done with the inputs of a shard; the embedder is loaded once in each process."""

    load: Callable[[], Reader]
    levels: Sequence[str]
    boilerplate: bool
    dtype: Literal["float32", "float16"]
    schema: Any

    @cached_property
    def embedder(self) -> Reader:
        return self.load()

    def __call__(self, inputs: Sequence[Input]) -> tuple[Any, Problems]:
        documents: list[Document] = []
        names: list[str] = []
        problems: Problems = []
        for one in inputs:
            try:
                documents.append(one.document())
                names.append(one.id)
            except DocgraphError as error:
                problems.append(problem_of(one.id, error))
        rows = self.embedder.encode(documents, self.levels, ids=names, boilerplate=self.boilerplate, dtype=self.dtype)
        return vector_table(rows, self.schema), problems
