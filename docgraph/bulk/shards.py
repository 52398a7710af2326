"""Results in shards, so that a job that dies goes on where it was, whichever machine did what.

    output.parquet.parts/_manifest.json         what makes the job: fingerprint, inputs
                         part-00000.parquet     the rows of inputs 0..k-1; there or not there, never half
                         _part-00000.json       the inputs of that shard that were set aside
                         _part-00000.tries      inputs that a worker began and did not live to end
    output.parquet                              all rows, once every shard is done; the parts are removed
    output/                                     an output without a suffix is the folder of the parts itself

Shards follow from the order of the inputs and a fixed number of inputs each, not from how the job ran. A file is
written beside its place and renamed, errors before rows: a shard that two workers do is there once. A job with other
settings or another list of inputs is refused the folder.

A shard whose worker died is done input by input, and an input at which three workers of one run died is set aside.
Arrow, Spark and Ray pass over files that begin with _.
"""

import hashlib
import json
import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from docgraph.bulk.parquet import pyarrow_parquet
from docgraph.errors import DataError
from docgraph.locks import locked

Problems = list[dict[str, Any]]
Work = Callable[[Sequence[Any]], tuple[Any, Problems]]
"""Inputs -> an Arrow table of their rows, and what was set aside."""
Engine = Callable[[Work, "Shards", Sequence[Any]], Iterator[int]]
"""Does the shards that are not done, and yields the number of each when it is."""
_MANIFEST: Final = "_manifest.json"
_DEATHS: Final = 3


class Shards:
    """The files of one job. Can be sent to the workers, which see the same folder.

    Args:
        output: a .parquet file, or a folder.
        schema: of the rows, an Arrow schema.
        manifest: what the rows depend on beside the inputs.
        inputs: names of all inputs, in order.
        per_shard: inputs of a shard.
        dictionary: columns that are written once a value.
        named: what problems call an input.

    Raises:
        DataError: where it is claimed, if the output or parts of another job are there.
    """

    def __init__(
        self,
        output: Path,
        *,
        schema: Any,
        manifest: Mapping[str, Any],
        inputs: Sequence[str],
        per_shard: int,
        dictionary: Sequence[str] = (),
        named: str = "id",
    ) -> None:
        self.output = output
        self.is_folder = output.suffix != ".parquet"
        self.parts = output if self.is_folder else output.with_name(output.name + ".parts")
        self.schema = schema
        self.per_shard = per_shard
        self.total = len(inputs)
        self.count = -(-len(inputs) // per_shard)
        self.dictionary = list(dictionary)
        self.named = named
        digest = hashlib.blake2b("\n".join(inputs).encode("utf-8", "replace"), digest_size=12).hexdigest()
        self.manifest = {**manifest, "inputs": len(inputs), "inputs_digest": digest, "per_shard": per_shard}

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other commands out of the output, and make the folder or make sure that it belongs to this job.

        Raises:
            DataError: another command writes there, the output is a file that is there, or the parts are those of
                another job.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        lock = self.output.with_name(self.output.name + ".lock")
        with locked(lock, self.output):
            try:
                self._claim()
                yield
            finally:
                lock.unlink(missing_ok=True)

    def _claim(self) -> None:
        if not self.is_folder and self.output.exists():
            raise DataError(f"{self.output} must not be there yet, but is. Choose another output, or delete it.")
        self.parts.mkdir(parents=True, exist_ok=True)
        file = self.parts / _MANIFEST
        if not file.is_file():
            if others := sorted(path.name for path in self.parts.iterdir()):
                raise DataError(
                    f"{self.parts} must be empty or belong to this job, but holds {others[0]}. Choose another output."
                )
            _write(file, json.dumps(self.manifest, indent=1) + "\n")
            return
        held = json.loads(file.read_text(encoding="utf-8"))
        other = [name for name, value in self.manifest.items() if held.get(name) != value]
        if other:
            raise DataError(
                f"{self.parts} must belong to this job, but differs in {', '.join(other)}: it holds parts that were "
                "made by another model, configuration or list of inputs. Delete it, or choose another output."
            )
        for tries in self.parts.glob("_part-*.tries"):  # who killed the last run killed its workers: no input did
            tries.unlink(missing_ok=True)

    def places(self, shard: int) -> range:
        """Return the places of a shard's inputs in the list of inputs."""
        start = shard * self.per_shard
        return range(start, min(start + self.per_shard, self.total))

    def is_done(self, shard: int) -> bool:
        """Whether a shard's rows are there."""
        return self.part(shard).is_file()

    def pending(self) -> list[int]:
        """Return the shards that are not done."""
        return [shard for shard in range(self.count) if not self.is_done(shard)]

    def do(self, shard: int, inputs: Sequence[Any], work: Work) -> None:
        """Do one shard and write it, unless it is there; note what is begun, in case this process dies of it.

        Raises:
            DataError: this machine does not see the folder, or workers die before their first input.
        """
        if self.is_done(shard):
            return
        if not (self.parts / _MANIFEST).is_file():
            raise DataError(
                f"{self.parts} must lie on a file system that every machine of the cluster sees, "
                f"but {platform.node()} does not see it."
            )
        tries = self.part(shard, ".tries")
        deaths = _deaths(tries)
        if deaths is not None and deaths["start"] > _DEATHS:
            raise DataError(
                f"a worker must live to load its model, but {deaths['start']} died before their first input, "
                "perhaps for lack of memory. Ask for fewer workers."
            )
        _append(tries, "start")
        try:
            self.write(shard, *(work(inputs) if deaths is None else self._one_by_one(inputs, work, tries, deaths)))
        finally:  # whatever it was, this process has lived
            tries.unlink(missing_ok=True)

    def _one_by_one(self, inputs: Sequence[Any], work: Work, tries: Path, deaths: Counter[str]) -> tuple[Any, Problems]:
        import pyarrow

        pieces, problems = [self.schema.empty_table()], []
        work([])  # loads the model: a worker that dies of that dies of no input
        for place, one in enumerate(inputs):
            if deaths[str(place)] >= _DEATHS:
                message = f"{_DEATHS} workers that did it died, perhaps for lack of memory."
                problems.append({self.named: one.id, "error": "WorkerDied", "message": message})
                continue
            _append(tries, str(place))
            rows, aside = work([one])
            pieces.append(rows)
            problems += aside
        return pyarrow.concat_tables(pieces), problems

    def write(self, shard: int, rows: Any, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        """Write the rows of one shard and what was set aside in it."""
        _write(self.part(shard, ".json"), json.dumps(list(problems), ensure_ascii=False) + "\n")
        target = self.part(shard)
        beside = target.with_name(f"_{target.name}.{platform.node()}.{os.getpid()}.tmp")
        with self._writer(beside) as writer:
            writer.write_table(rows)
        os.replace(beside, target)

    def problems(self, shards: Iterable[int]) -> Problems:
        """Return what was set aside in some finished shards."""
        named: Problems = []
        for shard in shards:
            named += json.loads(self.part(shard, ".json").read_text(encoding="utf-8"))
        return named

    def finish(self) -> int:
        """Join the shards into the output, if that is a file, and return the number of rows.

        Raises:
            DataError: some shards are not done.
        """
        if pending := self.pending():
            raise DataError(f"every shard must be done to finish, but {len(pending)} of {self.count} are not.")
        parquet = pyarrow_parquet()
        files = [self.part(shard) for shard in range(self.count)]
        if self.is_folder:
            for left in self.parts.glob("_*.tmp"):
                left.unlink(missing_ok=True)
            return sum(parquet.read_metadata(file).num_rows for file in files)
        beside = self.output.with_name(f"{self.output.name}.{os.getpid()}.tmp")
        rows = 0
        with self._writer(beside) as writer:
            for file in files:
                table = parquet.read_table(file, schema=self.schema)
                rows += table.num_rows
                writer.write_table(table)
        os.replace(beside, self.output)
        shutil.rmtree(self.parts)
        return rows

    def _writer(self, path: Path) -> Any:
        return pyarrow_parquet().ParquetWriter(path, self.schema, use_dictionary=self.dictionary, compression="zstd")

    def part(self, shard: int, suffix: str = ".parquet") -> Path:
        """Return the file of a shard's rows, or another one of it."""
        return self.parts / f"{'' if suffix == '.parquet' else '_'}part-{shard:05d}{suffix}"


def in_turn(work: Work, shards: Shards, inputs: Sequence[Any]) -> Iterator[int]:
    """Do the shards that are not done, one after the other, and yield each when it is."""
    for shard in shards.pending():
        shards.write(shard, *work([inputs[place] for place in shards.places(shard)]))
        yield shard


def _deaths(tries: Path) -> Counter[str] | None:
    """Return how many workers died at each place of a shard and at "start", None if no worker has begun it."""
    try:
        lines = tries.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    return Counter(line for line, after in zip(lines, [*lines[1:], "start"], strict=True) if after == "start")


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="ascii") as tries:  # outlives the process, which is enough: no input kills a machine
        tries.write(line + "\n")


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{platform.node()}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
