"""Files that are there whole or not at all, JSON that any reader takes, and folders that one command at a time writes
into.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from docgraph.locks import locked

LOCK: Final = ".lock"


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def to_json(values: Any) -> str:
    """Return values as indented JSON, which has no NaN and no infinity: what is no finite number is null."""
    return json.dumps(_finite(values), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes from claiming it.

    Raises:
        DataError: another process has claimed it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, folder):
        yield
