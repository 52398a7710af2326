"""`ParsePages`: pages to rows, as a picklable class that any engine runs, and `parse_many` itself.

    batch: id, url, and html | bytes | path  ─ ParsePages ─> batch: the columns of `Row`, key, error

    ray.data.read_binary_files(folder, include_paths=True).map_batches(ParsePages(), batch_format="pyarrow")
    spark_frame.mapInArrow(ParsePages(), schema)          dataset.map(ParsePages(), batched=True)

One row comes out for each that goes in. A page that cannot be parsed has its reason in `error` and nothing else, so
that it costs only itself. `key` hashes the id and all that the row depends on beside the page: a piece that an engine
does twice is the same row. No torch.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from docgraph import __version__
from docgraph.bulk.archives import page_of, parse_part
from docgraph.bulk.batches import columns_of, like
from docgraph.bulk.files import Job
from docgraph.bulk.rows import Failure, Row, row_of, schema
from docgraph.document import Document
from docgraph.errors import DataError
from docgraph.ids import hashed
from docgraph.limits import Limits
from docgraph.load import load_document
from docgraph.parsers.files import PAGE_SUFFIXES, document_suffix, parse_bytes

Result = Row | Failure
COLUMNS: Final = ("html", "bytes", "path")
"""Columns that hold pages; the first that a batch has is read."""


@dataclass(frozen=True)
class ParsePages:
    """How pages are parsed; calling it with a batch does so, with an iterator of batches does so one by one.

    A batch has `html` (text or bytes), `bytes` (of a file; `path` or `id` say what it is by their suffix) or `path`,
    and may have `id` (else the path, the url or a hash of the page stands for it) and `url`.
    """

    limits: Limits = field(default_factory=Limits)
    main_only: bool = False
    """Keep the main content of HTML pages only."""
    strict: bool = False
    """A page past a bound of `limits` fails instead of being cut."""
    seconds: float = 60.0
    """For one page; 0 for no bound. There is none outside of a process's main thread, or without interval timers."""

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that a row depends on beside its page."""
        return hashed(__version__, *asdict(self.limits).values(), self.main_only, self.strict)

    @property
    def schema(self) -> Any:
        """The Arrow schema of what comes out.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        import pyarrow

        text = pyarrow.string()
        return pyarrow.schema([*schema(), ("key", text), ("error", text)])

    def __call__(self, batch: Any) -> Any:
        """Return a batch of rows in the form that the batch has.

        Raises:
            DataError: it is no batch, or has none of the columns.
        """
        if isinstance(batch, Iterator):
            return map(self, batch)
        columns = columns_of(batch)
        kind = next((name for name in COLUMNS if name in columns), None)
        if kind is None:
            raise DataError(f"a batch of pages must have one of {', '.join(COLUMNS)}, but has {', '.join(columns)}.")
        pages = columns[kind]
        nothing: list[Any] = [None] * len(pages)
        urls, paths = columns.get("url", nothing), columns.get("path", nothing)
        known = zip(columns.get("id", nothing), paths, urls, pages, strict=True)
        names = [
            next((str(name) for name in (one, path, url) if name not in (None, "")), None) or hashed(page)
            for one, path, url, page in known
        ]
        readers: list[Callable[..., Document]] = [
            partial(_of_data, page, kind, str(path or name)) if kind != "path" else partial(load_document, str(page))
            for page, path, name in zip(pages, paths, names, strict=True)
        ]
        results = [self._row(*one) for one in zip(names, readers, urls, strict=True)]
        made: dict[str, Any] = {
            name: [getattr(one, name) if isinstance(one, Row) else None for one in results] for name in Row._fields
        }
        made["id"] = [one.id for one in results]
        made["key"] = [hashed(one.id, self.fingerprint) for one in results]
        made["error"] = [f"{one.error}: {one.message}" if isinstance(one, Failure) else None for one in results]
        return like(batch, made, lambda: self.schema)

    def table(self, jobs: Sequence[Job]) -> tuple[Any, list[dict[str, Any]]]:
        """Return the rows of files as an Arrow table, and what failed; what `Shards` are made with."""
        import pyarrow

        results = self.jobs(jobs)
        rows = [one._asdict() for one in results if isinstance(one, Row)]
        problems = [one._asdict() for one in results if isinstance(one, Failure)]
        return pyarrow.Table.from_pylist(rows, schema=schema()), problems

    def jobs(self, jobs: Sequence[Job]) -> list[Result]:
        """Return the row of each file, or why there is none."""
        return [self.job(job) for job in jobs]

    def job(self, job: Job) -> Result:
        """Return the row of a file or of a page inside one, or why there is none."""
        read = partial(load_document, job.path) if job.place is None else partial(parse_part, job.path, job.place)
        return self._row(job.id, read, job.url)

    def _row(self, name: str, read: Callable[..., Document], url: str | None) -> Result:
        options: dict[str, Any] = {"limits": self.limits, "strict": self.strict, "main_only": self.main_only}
        if url is not None or (isinstance(read, partial) and read.func is parse_part):
            options["url"] = url
        try:
            with _timed(self.seconds):
                return row_of(name, read(**options))
        except Exception as error:  # the outermost loop: one page must not end the run, whatever it does
            return Failure(name, type(error).__name__, str(error))


def _of_data(data: Any, kind: str, name: str, **options: Any) -> Document:
    """Return the document of what a column holds."""
    suffix = document_suffix(Path(name))
    if kind == "bytes" and isinstance(data, bytes) and suffix in PAGE_SUFFIXES:
        return parse_bytes(data, suffix, name, **options)
    return page_of(data, **options)


@contextmanager
def _timed(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the body once it has taken too long, where this thread can be told so."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"parsing must take at most {seconds:g} seconds, but took longer.")

    try:
        before = signal.signal(signal.SIGALRM, late) if seconds > 0 else None
    except (AttributeError, ValueError):  # no such signal on this system, or not the main thread
        before = None
    if before is None:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
