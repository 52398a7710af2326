"""JSON lines, plain or gzip: one object a line, errors with file and line."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docgraph.errors import DataError


def is_lines(path: Path) -> bool:
    """Whether a path is named like a JSON lines file."""
    return path.is_file() and path.name.endswith((".jsonl", ".jsonl.gz"))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON lines file; blank lines are passed over.

    Raises:
        DataError: a line is not a JSON object; the message names it.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number} must be one JSON object, but {error}.") from error
            if not isinstance(value, dict):
                raise DataError(f"{path}:{number} must be one JSON object, but is a {type(value).__name__}.")
            yield value
