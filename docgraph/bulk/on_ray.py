"""The engine ray: shards of a job done by the machines of a Ray cluster.

    inputs ─ shards ─> Ray tasks, a processor each ─ work (and model), once a process ─> parts in the folder

Only names of inputs and numbers of shards go through Ray; pages and rows do not, so that memory is flat however large
the corpus; a worker holds a row group of a parquet file, though. A shard is a file that is there whole or not at all:
what Ray does again, after a worker or a machine died, is there once. The folder and the inputs must be where all
machines see them.

These are tasks, not actors: an actor whose machine died waits for a processor that the others hold until the job ends,
and the threads of `ray.data`'s actors cannot be told that a page takes too long. ParsePages and EmbedNodes go through
`ray.data`, too; there an actor pool must leave processors for the tasks that read.
"""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from docgraph.bulk.shards import Shards, Work
from docgraph.errors import DataError, DocgraphError, needs_extra


@dataclass(frozen=True)
class OnRay:
    """A way to do shards, like `shards.in_turn`.

    Args:
        address: of a cluster ("auto", "10.0.0.1:6379"); None starts one on this machine for the job.
        workers: shards that are done at once, on a processor each; None for as many as the cluster has processors.
    """

    address: str | None = None
    workers: int | None = None

    def __call__(self, work: Work, shards: Shards, inputs: Sequence[Any]) -> Iterator[int]:
        """Do the shards that are not done, and yield the number of each when it is.

        Raises:
            MissingExtraError: Ray is not installed.
            DataError: no cluster at the address, more workers than processors, or a worker that cannot write.
        """
        waiting = iter(shards.pending())
        with self._cluster() as ray:
            processors = int(ray.cluster_resources().get("CPU", 0))
            workers = self.workers or processors
            if not 1 <= workers <= processors:
                raise DataError(
                    f"workers must be at most the {processors} processors of the Ray cluster, as each takes one, "
                    f"but are {workers}. Ask for fewer, or add machines."
                )
            # one more a processor waits there already, where no processor is left that it might take
            at_once = 2 * workers if workers == processors else workers
            task = ray.remote(_do).options(num_cpus=1, max_retries=-1)
            job = ray.put(pickle.dumps((work, shards)))
            running: dict[Any, int] = {}
            while True:
                while len(running) < at_once and (shard := next(waiting, None)) is not None:
                    some = pickle.dumps([inputs[place] for place in shards.places(shard)])
                    running[task.remote(job, shard, some, os.getcwd())] = shard
                if not running:
                    return
                for done in ray.wait(list(running))[0]:
                    _check(ray, done)
                    yield running.pop(done)

    @contextmanager
    def _cluster(self) -> Iterator[Any]:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # of a cluster that starts here: as processes of parse_many
        with needs_extra("the engine ray"):
            import ray
        is_ours = not ray.is_initialized()
        if is_ours:
            here: dict[str, Any] = {"num_cpus": self.workers or os.cpu_count(), "include_dashboard": False}
            options = {} if self.address else here
            try:
                ray.init(self.address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
            except (ConnectionError, RuntimeError, ValueError) as error:
                where = self.address or "this machine"
                raise DataError(f"a Ray cluster must be at {where}, but it does not answer: {error}") from error
        try:
            yield ray
        finally:
            if is_ours:
                ray.shutdown()


def _check(ray: Any, done: Any) -> None:
    """Raise what a task raised, as one sentence."""
    try:
        ray.get(done)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, DocgraphError):
            raise cause from None
        raise DataError(f"a worker of the Ray cluster must be able to do its shard, but {cause or error}.") from error


def _do(job: bytes, shard: int, inputs: bytes, folder: str) -> None:
    """Do a shard, in a process of the cluster."""
    if os.path.isdir(folder):
        os.chdir(folder)  # where relative names are from
    work, shards = _loaded(job)
    shards.do(shard, pickle.loads(inputs), work)


@lru_cache(maxsize=1)
def _loaded(job: bytes) -> tuple[Work, Shards]:
    """Return a job's work, which keeps its model, once for all shards that a process does."""
    return pickle.loads(job)  # type: ignore[no-any-return]
