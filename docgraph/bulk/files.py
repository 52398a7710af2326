"""What paths stand for: files with ids, folders searched, and what in them is no document.

    paths ─expand─> Found: jobs (id, path) ... to parse       left_out, named by their ids       failures

An id is the path relative to what all paths have in common, as text that UTF-8 can hold; of a page inside a file the
file's and the page's own name in it.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from docgraph.bulk.archives import SUFFIXES as ARCHIVES
from docgraph.bulk.archives import Place, parts_of
from docgraph.bulk.rows import Failure
from docgraph.errors import DataError
from docgraph.file_names import readable
from docgraph.load import SUFFIXES
from docgraph.parsers.files import HTML_SUFFIXES, document_suffix, find_files, leads_out


class Job(NamedTuple):
    """A file to parse, or a page inside one."""

    id: str
    path: Path
    place: Place | None = None
    """Where in the file the page is; see archives.py."""
    url: str | None = None
    """Where it was found, if the file says so."""


@dataclass
class Found:
    """What paths stand for."""

    jobs: list[Job] = field(default_factory=list)
    """In order of their ids."""
    left_out: list[str] = field(default_factory=list)
    """Ids of the other files in the folders."""
    failures: list[Failure] = field(default_factory=list)
    """Folders that cannot be searched, links that lead out of them, ids that stand for two files."""


def expand(paths: Sequence[str | Path], but: Iterable[Path] = ()) -> Found:
    """Return the files that paths stand for.

    A folder stands for its HTML pages, or where it has none for its Markdown, texts and JSON files, or where it has
    none of these either for the pages in its zip, WARC and parquet files.

    Args:
        but: files and folders to pass over: the output, which may lie in a folder that is searched.

    Raises:
        DataError: a path does not exist.
    """
    files: list[Path] = []
    others: list[Path] = []
    closed: list[Path] = []
    outside: list[tuple[Path, Path]] = []
    tops: list[str] = []
    passed = {os.path.abspath(path) for path in but}
    below = tuple(os.path.join(path, "") for path in passed)
    for path in map(Path, paths):
        if path.is_dir():
            listed, unread = find_files(path)
            under = [file for file in listed if not os.path.join(os.path.abspath(file), "").startswith(below)]
            documents = _documents_among(under)
            outside += [(file, path) for file in documents if leads_out(file, path)]
            files += documents
            others += sorted({*under} - {*documents})
            closed += unread
            tops.append(os.path.abspath(path))
        elif path.exists():
            files.append(path)
            tops.append(os.path.abspath(path.parent))
        else:
            raise DataError(f"every path to parse must exist, but {path} does not.")
    found = Found()
    if not tops:
        return found
    top = os.path.commonpath(tops)

    def name_of(file: Path) -> str:
        return readable(Path(os.path.relpath(os.path.abspath(file), top)).as_posix())

    passed |= {os.path.abspath(file) for file, _ in outside}
    jobs: dict[str, Job] = {}
    for file in (file for file in files if os.path.abspath(file) not in passed):
        name = name_of(file)
        for job in _jobs_of(name, file, found) if document_suffix(file) in ARCHIVES else [Job(name, file)]:
            held = jobs.setdefault(job.id, job)
            if (os.path.abspath(held.path), held.place) != (os.path.abspath(file), job.place):
                message = "an id must stand for one file, but this stands for two."
                found.failures.append(Failure(job.id, "DataError", message))
    found.jobs = [jobs[name] for name in sorted(jobs)]
    passed |= {os.path.abspath(file) for file in files}
    found.left_out += [name_of(file) for file in others if os.path.abspath(file) not in passed]
    found.left_out.sort()
    found.failures += [Failure(name_of(one), "DataError", "the folder cannot be searched.") for one in closed]
    message = "a page must lie in the folder that is searched, but this one leads out of {}."
    found.failures += [Failure(name_of(one), "ParseError", message.format(folder)) for one, folder in outside]
    return found


def _jobs_of(name: str, file: Path, found: Found) -> list[Job]:
    """Return the pages in a file; note what is none, and why the rest of it cannot be read."""
    jobs = []
    try:
        for part in parts_of(file):
            id = part.name if part.is_id else f"{name}/{readable(part.name)}"
            if part.place is None:
                found.left_out.append(id)
            else:
                jobs.append(Job(id, file, part.place, part.url))
    except Exception as error:  # the outermost loop: one file must not end the run, whatever is in it
        found.failures.append(Failure(name, type(error).__name__, str(error)))
    return jobs


def _documents_among(files: Sequence[Path]) -> list[Path]:
    documents = [path for path in files if document_suffix(path) in SUFFIXES and path.is_file()]
    pages = [path for path in documents if document_suffix(path) in HTML_SUFFIXES]
    return pages or documents or [path for path in files if document_suffix(path) in ARCHIVES and path.is_file()]
