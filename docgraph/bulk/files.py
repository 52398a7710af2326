"""What paths stand for: files with ids, folders searched.

paths ─> (id, path) ...      an id is the path relative to what all paths have in common
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from docgraph.errors import DataError
from docgraph.load import HTML_SUFFIXES, SUFFIXES, document_suffix


class Job(NamedTuple):
    """A file to parse."""

    id: str
    path: Path


def expand(paths: Sequence[str | Path]) -> list[Job]:
    """Return the files that paths stand for, folders searched, in order of their ids.

    Raises:
        DataError: a path does not exist.
    """
    files: list[Path] = []
    tops: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += _documents_in(path)
            tops.append(os.path.abspath(path))
        elif path.exists():
            files.append(path)
            tops.append(os.path.abspath(path.parent))
        else:
            raise DataError(f"every path to parse must exist, but {path} does not.")
    if not tops:
        return []
    top = os.path.commonpath(tops)
    jobs = {Path(os.path.relpath(os.path.abspath(file), top)).as_posix(): file for file in files}
    return [Job(name, jobs[name]) for name in sorted(jobs)]


def _documents_in(folder: Path) -> list[Path]:
    """Return the HTML pages under a folder, or where there are none all files that `load_document` reads."""
    files = [path for path in folder.rglob("*") if document_suffix(path) in SUFFIXES and path.is_file()]
    return [path for path in files if document_suffix(path) in HTML_SUFFIXES] or files
