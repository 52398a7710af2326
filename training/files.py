"""Files that are there whole or not at all, and folders that one command at a time writes into."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from docgraph.errors import DataError

LOCK: Final = ".lock"


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes from claiming it.

    The operating system holds the lock for this process alone and lets go of it when the process ends, also by kill -9;
    the file `.lock` stays, with the number of the last process that held it.

    Raises:
        DataError: another process has claimed it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            raise DataError(
                f"{folder} must be written by one command at a time, "
                f"but process {file.read().strip() or '?'} is at it. "
                "Wait until it is done, or choose another output."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _lock(file: TextIO) -> None:
    """Lock a file without waiting, in a way that forked children do not inherit."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # past the number, which others read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
