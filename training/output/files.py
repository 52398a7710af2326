"""Files that are there whole or not at all, and folders that one command at a time writes into."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from docgraph.locks import locked

LOCK: Final = ".lock"


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes from claiming it.

    Raises:
        DataError: another process has claimed it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, folder):
        yield
