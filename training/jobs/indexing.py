"""Index documents shard by shard, on Ray: processes read and embed, this one writes.

    inputs ─ engine ─> x.index.shards/part-00000.parquet ... ─ one writer ─> x.index

Shards stay until all are in the index, so that the same command goes on wherever it was cut off. The index is the one
that `Index.add` makes of the same inputs, row by row.
"""

import hashlib
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from docgraph import Document, __version__
from docgraph.bulk.shards import Engine, Problems, Shards
from docgraph.errors import DataError, DocgraphError
from docgraph.ids import hashed
from docgraph.index import Added, Index
from docgraph.index import shards as made
from docgraph.index.index import TOGETHER
from docgraph.index.rows import IndexRow, named, rows_of
from training.inputs import Input, SetAside, problem_of

PER_SHARD: Final = 64


@dataclass(frozen=True)
class Asked:
    """An input, and the digest of what the index has of it."""

    input: Input
    known: str | None = None

    @property
    def id(self) -> str:
        """Of the document."""
        return self.input.id


@dataclass(frozen=True)
class IndexWork:
    """What is done with the inputs of a shard; the embedder is loaded once in each process."""

    load: Callable[[], Any] | None
    fingerprint: str
    max_tokens: int

    @cached_property
    def embedder(self) -> Any:
        """The embedder of the index.

        Raises:
            DataError: this machine has another one under the same name.
        """
        embedder = self.load() if self.load is not None else None
        if embedder is not None and embedder.fingerprint != self.fingerprint:
            raise DataError(
                f"every machine must have the embedder that the index is made with, but {platform.node()} has another "
                f"one under the name {embedder.name or 'MiniLM'}. Copy the same folder to all of them."
            )
        return embedder

    def __call__(self, inputs: Sequence[Asked]) -> tuple[Any, Problems]:
        changed: list[tuple[str, Document, str]] = []
        problems: Problems = []
        for one in inputs:
            try:
                document = changed_of(one.input, one.known)
                if document is not None and document[2] != one.known:
                    changed.append(document)
            except DocgraphError as error:
                problems.append(problem_of(one.id, error))
        embedder, rows = self.embedder, list[list[IndexRow]]()
        for first in range(0, len(changed), TOGETHER):
            rows += rows_of(changed[first : first + TOGETHER], embedder, self.max_tokens)
        return made.table_of([(*one, some) for one, some in zip(changed, rows, strict=True)]), problems


def changed_of(one: Input, known: str | None) -> tuple[str, Document, str] | None:
    """Return id, document and digest of an input, None if its file has the digest that is known.

    Raises:
        DocgraphError: it cannot be read.
    """
    try:
        digest = _digest_of(one)
        if digest is None:
            return named((one.id, one.document()))
        return None if digest == known else (one.id, one.document(), digest)
    except OSError as error:
        raise DocgraphError(str(error)) from error


def _digest_of(one: Input) -> str | None:
    """Return a hash of an input's file and of the version that reads it, None if it is no file."""
    if one.path is None or not one.path.is_file():
        return None
    with one.path.open("rb") as file:
        return f"{__version__} {hashlib.file_digest(file, 'blake2b').hexdigest()[:32]}"


def add_sharded(
    index: Index,
    inputs: Sequence[Input],
    output: Path,
    *,
    engine: Engine,
    load: Callable[[], Any] | None,
    errors: SetAside,
    progress: Callable[[int], object],
) -> Added:
    """Add inputs to an index at `output` and return what was done; what cannot be read goes to `errors`.

    Args:
        engine: who does the shards, such as `docgraph.bulk.on_ray.OnRay`.
        load: loads the embedder of the index in a process of the engine; None for words alone.
        progress: is called with the number of inputs of each shard that is done.
    """
    known, work = index.digests(), IndexWork(load, index.fingerprint, index.max_tokens)
    shards = Shards(
        output.with_name(output.name + ".shards"),
        schema=made.schema(),
        manifest={"fingerprint": hashed(__version__, work.fingerprint, work.max_tokens)},
        inputs=[one.id for one in inputs],
        per_shard=PER_SHARD,
        named="input",
    )
    with shards.claimed():
        asked = [Asked(one, known.get(one.id)) for one in inputs]
        progress(len(inputs) - sum(len(shards.places(shard)) for shard in shards.pending()))
        for shard in engine(work, shards, asked):
            progress(len(shards.places(shard)))
        found = shards.problems(range(shards.count))
        errors.found += found
        added = index.add_rows(document for shard in range(shards.count) for document in made.read(shards.part(shard)))
        added.unchanged = len(inputs) - len(found) - added.written
        shutil.rmtree(shards.parts)
    return added
