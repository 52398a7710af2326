"""What paths stand for: files with ids, folders searched, and what in them is no document.

    paths ─expand─> Found: jobs (id, path) ... to parse       left_out, named by their ids       failures

An id is the path relative to what all paths have in common, as text that UTF-8 can hold.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from docgraph.bulk.rows import Failure
from docgraph.errors import DataError
from docgraph.file_names import readable
from docgraph.load import SUFFIXES
from docgraph.parsers.files import HTML_SUFFIXES, document_suffix, find_files


class Job(NamedTuple):
    """A file to parse."""

    id: str
    path: Path


@dataclass
class Found:
    """What paths stand for."""

    jobs: list[Job] = field(default_factory=list)
    """In order of their ids."""
    left_out: list[str] = field(default_factory=list)
    """Ids of the other files in the folders."""
    failures: list[Failure] = field(default_factory=list)
    """Folders that cannot be searched, ids that stand for two files."""


def expand(paths: Sequence[str | Path], but: Iterable[Path] = ()) -> Found:
    """Return the files that paths stand for.

    A folder stands for its HTML pages, or where it has none for its Markdown, texts and JSON files.

    Args:
        but: files to pass over: the output, which may lie in a folder that is searched.

    Raises:
        DataError: a path does not exist.
    """
    files: list[Path] = []
    others: list[Path] = []
    closed: list[Path] = []
    tops: list[str] = []
    passed = {os.path.abspath(path) for path in but}
    for path in map(Path, paths):
        if path.is_dir():
            under, unread = find_files(path)
            documents = _documents_among(under)
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

    jobs: dict[str, Path] = {}
    for file in (file for file in files if os.path.abspath(file) not in passed):
        name = name_of(file)
        if os.path.abspath(jobs.setdefault(name, file)) != os.path.abspath(file):
            found.failures.append(Failure(name, "DataError", "an id must stand for one file, but this stands for two."))
    found.jobs = [Job(name, jobs[name]) for name in sorted(jobs)]
    passed |= {os.path.abspath(file) for file in files}
    found.left_out = sorted(name_of(file) for file in others if os.path.abspath(file) not in passed)
    found.failures += [Failure(name_of(one), "DataError", "the folder cannot be searched.") for one in closed]
    return found


def _documents_among(files: Sequence[Path]) -> list[Path]:
    documents = [path for path in files if document_suffix(path) in SUFFIXES and path.is_file()]
    return [path for path in documents if document_suffix(path) in HTML_SUFFIXES] or documents
