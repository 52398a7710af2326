"""Tables of records: JSON lines, CSV with commas or tabs, plain or gzip; errors with file and line."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from docgraph.errors import DataError

JSON_ENDINGS: Final = (".jsonl", ".ndjson")
SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_LONGEST_FIELD: Final = 2**31 - 1
"""Characters of a CSV field: an article is longer than the csv module's default of 131,072."""


def is_lines(path: Path) -> bool:
    """Whether a path is named like a table that `read_lines` reads."""
    return path.is_file() and _ending(path) in (*JSON_ENDINGS, *SEPARATORS)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a table; blank lines are passed over. The first line of CSV names the columns.

    Raises:
        DataError: a line is no JSON object, or has more cells than there are columns, or is not UTF-8;
            the message names it.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        try:
            separator = SEPARATORS.get(_ending(path))
            yield from _json_lines(path, file) if separator is None else _csv_rows(path, file, separator)
        except UnicodeDecodeError as error:
            raise DataError(f"{path} must be UTF-8 text, but {error}.") from error


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _json_lines(path: Path, file: TextIO) -> Iterator[dict[str, Any]]:
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


def _csv_rows(path: Path, file: TextIO, separator: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader(file, delimiter=separator, strict=True)
    try:
        for row in reader:
            if None in row:
                raise DataError(
                    f"{path}:{reader.line_num} must have a cell for each of the columns "
                    f"{', '.join(reader.fieldnames or ())}, but has {len(row[None])} more. Cells that hold "
                    f"{separator!r} must stand in double quotes."
                )
            yield row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num} must be CSV, but {error}.") from error
