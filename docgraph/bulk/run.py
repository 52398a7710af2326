"""Parse many files on all cores into one file of documents, resumably.

    paths ─ expand ─> (id, path) ... ─ processes: ParsePages ─> lines, in order ─> docs.jsonl | docs.parquet
                                                  └ what fails or is left out ──────> errors.jsonl beside it

Ids are paths relative to what was asked for. The output's order is that of the ids, whatever the number of workers.
Run it again after a crash, a kill or with more files: what is written already is skipped, what failed is tried
again. One page that raises, takes too long or kills its process costs that page only.

Processes are spawned, so a script that calls this needs the usual `if __name__ == "__main__":`. Memory holds a few
batches of results, not the corpus. A process that parses dies with the one that started it. The writers are in
output.py and parquet.py.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Final

from docgraph.bulk.files import Job, expand
from docgraph.bulk.output import errors_of, files_of, open_output
from docgraph.bulk.pages import ParsePages, Result
from docgraph.bulk.parquet import pyarrow_parquet
from docgraph.bulk.rows import Errors, Failure, schema
from docgraph.bulk.shards import Engine, Shards
from docgraph.errors import DataError
from docgraph.limits import Limits

Progress = Callable[[int, int], None]

_BATCH: Final = 8
"""Files one task parses: enough to hide the cost of passing it, few enough to share work evenly."""
_SHARDS: Final = 64
"""Shards that a job of an engine has at least, if they have more than _SMALLEST files; at most _LARGEST each."""
_SMALLEST: Final = 16
_LARGEST: Final = 1000
_AHEAD: Final = 4
"""Tasks a worker may be ahead of the slowest one."""
_DIED: Final = "BrokenProcessPool"


_LEFT_OUT: Final = (
    "of a folder the pages are read, but the file is none, or a link that leads nowhere: name it to read it."
)


@dataclass(frozen=True)
class Counts:
    """What one run did."""

    written: int
    skipped: int
    """Already in the output."""
    failed: int
    """Named in `errors`."""
    truncated: int
    """Written, but cut at a bound of `Limits`."""
    left_out: Sequence[str]
    """Other files of the folders, named in `errors`, too: texts beside pages, images, styles, archives ..."""
    seconds: float
    output: Path
    errors: Path


def parse_many(
    paths: Iterable[str | Path] | str | Path,
    output: str | Path,
    *,
    workers: int | None = None,
    limits: Limits | None = None,
    main_only: bool = False,
    strict: bool = False,
    urls: Mapping[str, str] | None = None,
    seconds: float = 60.0,
    progress: bool | Progress = False,
    engine: Engine | None = None,
) -> Counts:
    """Parse files and folders into `output`, and return the counts.

    Args:
        paths: files, and folders that are searched for HTML pages (if there are none: for Markdown, text and JSON; if
            there is none of these either: for zip, WARC and parquet files). Each page in a zip, WARC or parquet file
            is a document of its own; see archives.py.
        output: ends in `.jsonl` (one document a line, which `Document.from_json` reads) or `.parquet` (needs the
            extra "parquet"). It is appended to if it is there; with an engine a file that is there is refused.
        workers: processes; None for the number of cores; 1 parses in this process.
        main_only: keep the main content of HTML pages only.
        strict: a page past a bound of `limits` fails instead of being cut.
        urls: where pages were found, by their ids.
        seconds: for one file; 0 for no bound. Where the system has no interval timers there is none.
        progress: True for a bar on stderr, or a function that is called with files done and files in all.
        engine: who does the work, such as `on_ray.OnRay`; None for processes of this machine. The output is then a
            `.parquet` file or a folder of shards, and what was set aside stays so when the job goes on.

    Raises:
        DataError: a path does not exist, or `output` cannot be written or is being written by another process.
        MissingExtraError: `.parquet` without pyarrow.
    """
    begin = time.monotonic()
    target = Path(output)
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    task = ParsePages(limits or Limits(), main_only, strict, seconds)
    addresses = urls or {}
    if engine is not None:
        return _sharded(sources, target, task, addresses, engine, progress)
    written = truncated = 0
    with open_output(target) as (sink, errors), _reporting(progress) as report:
        found = expand(sources, but=files_of(target))
        for failure in found.failures:
            errors.add(failure)
        failed = len(found.failures)
        jobs = found.jobs
        todo = [job._replace(url=addresses.get(job.id, job.url)) for job in jobs if job.id not in sink.ids]
        skipped = len(jobs) - len(todo)
        done = skipped
        report(done, len(jobs))
        for results in _results(todo, task, workers or os.cpu_count() or 1):
            for result in results:
                if isinstance(result, Failure):
                    failed += 1
                    errors.add(result)
                else:
                    written += 1
                    truncated += result.truncated
                    sink.write(result)
            done += len(results)
            report(done, len(jobs))
        for name in found.left_out:
            errors.add(Failure(name, "LeftOut", _LEFT_OUT))
    seconds_used = time.monotonic() - begin
    return Counts(written, skipped, failed, truncated, found.left_out, seconds_used, target, errors.path)


def _sharded(
    sources: Sequence[str | Path],
    target: Path,
    task: ParsePages,
    addresses: Mapping[str, str],
    engine: Engine,
    progress: bool | Progress,
) -> Counts:
    begin = time.monotonic()
    if target.suffix not in ("", ".parquet"):
        raise DataError(f"an engine writes a .parquet file or a folder, which has no suffix, but not {target}.")
    found = expand(sources, but=files_of(target))
    jobs = [job._replace(url=addresses.get(job.id, job.url)) for job in found.jobs]
    names = [f"{job.id} {job.url or ''}" for job in jobs]
    per_shard = min(max(len(jobs) // _SHARDS, _SMALLEST), _LARGEST)
    manifest = {"fingerprint": task.fingerprint}
    shards = Shards(target, schema=schema(), manifest=manifest, inputs=names, per_shard=per_shard)
    with shards.claimed(), Errors(errors_of(target)) as errors, _reporting(progress) as report:
        todo = shards.pending()
        done = len(jobs) - sum(len(shards.places(shard)) for shard in todo)
        skipped = done - len(shards.problems({*range(shards.count)} - {*todo}))
        report(done, len(jobs))
        for shard in engine(task.table, shards, jobs):
            done += len(shards.places(shard))
            report(done, len(jobs))
        problems = shards.problems(range(shards.count))
        failed = len(problems) + len(found.failures)
        for failure in [*found.failures, *(Failure(**problem) for problem in problems)]:
            errors.add(failure)
        for name in found.left_out:
            errors.add(Failure(name, "LeftOut", _LEFT_OUT))
        rows = shards.finish()
        cut = pyarrow_parquet().read_table(target, columns=["truncated"])["truncated"].to_pylist() if rows else []
    seconds = time.monotonic() - begin
    return Counts(rows - skipped, skipped, failed, sum(cut), found.left_out, seconds, target, errors.path)


# -- sharing it out ------------------------------------------------------------------------------------------


def _results(jobs: Sequence[Job], task: ParsePages, workers: int) -> Iterator[list[Result]]:
    """Yield the results of batches of jobs, in order."""
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    if workers == 1 or len(batches) <= 1:
        yield from map(task.jobs, batches)
        return
    done = 0
    while done < len(batches):
        try:
            for results in _pooled(batches[done:], task, min(workers, len(batches))):
                done += 1
                yield results
        except BrokenProcessPool:
            # Some page killed its process. The batch that was next is done file by file, each in a process of
            # its own; then the others go on.
            results = [_alone(job, task) for job in batches[done]]
            if (
                done == 0
                and len(results) > 1
                and all(isinstance(one, Failure) and one.error == _DIED for one in results)
            ):
                raise DataError(
                    "processes that parse must live, but each dies at once; "
                    "the script that calls parse_many needs `if __name__ == '__main__':`, or memory is short."
                ) from None
            yield results
            done += 1


def _processes(count: int) -> ProcessPoolExecutor:
    """Return a pool of processes that parse, each of which dies with this one, however that ends."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_die_with_parent)


def _die_with_parent() -> None:
    """End this process once the one that started it has ended: kill -9 leaves nothing behind.

    A thread waits for the pipe that the parent holds, which the system closes with it.
    """

    def watch() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="dies with its parent").start()


def _pooled(batches: Sequence[Sequence[Job]], task: ParsePages, workers: int) -> Iterator[list[Result]]:
    waiting: deque[Future[list[Result]]] = deque()
    rest = iter(batches)
    with _processes(workers) as pool:
        try:
            while True:
                while len(waiting) < workers * _AHEAD and (batch := next(rest, None)) is not None:
                    waiting.append(pool.submit(task.jobs, batch))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _alone(job: Job, task: ParsePages) -> Result:
    """Parse one file in a process of its own, which may die of it."""
    with _processes(1) as pool:
        try:
            return pool.submit(task.job, job).result()
        except BrokenProcessPool:
            return Failure(job.id, "BrokenProcessPool", "the process that parsed it died, perhaps for lack of memory.")


@contextmanager
def _reporting(progress: bool | Progress) -> Iterator[Progress]:
    """Yield a function that takes files done and files in all."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("parsing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task("parsing", total=None)
        yield lambda done, total: bar.update(line, completed=done, total=total)
