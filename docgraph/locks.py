"""One process at a time: a file that the operating system locks for as long as the process lives."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from docgraph.errors import DataError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD: Final[set[Path]] = set()
"""What this process holds: the system keeps out others only."""


@contextmanager
def locked(lock: Path, output: Path) -> Iterator[None]:
    """Hold a lock file for this process alone.

    The operating system lets go of it when the process ends, also by kill -9; the file stays, with the number of the
    last process that held it.

    Args:
        output: what is written meanwhile, for the message.

    Raises:
        DataError: another process holds it.
    """
    if (path := lock.resolve()) in _HELD:  # before it is opened: to close it would let go of the lock
        raise _refusal(output, os.getpid())
    with lock.open("a+", encoding="utf-8") as file:
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            raise _refusal(output, file.read().strip() or "?") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        _HELD.add(path)
        try:
            yield
        finally:
            _HELD.discard(path)


def _refusal(output: Path, process: int | str) -> DataError:
    return DataError(
        f"{output} must be written by one command at a time, but process {process} is at it. "
        "Wait until it is done, or choose another output."
    )


def _lock(file: TextIO) -> None:
    """Lock a file without waiting, in a way that forked children do not inherit."""
    if sys.platform == "win32":
        file.seek(1 << 20)  # past the number, which others read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
