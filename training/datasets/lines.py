"""Files of records: JSON lines, CSV with commas or tabs, JSON, plain or gzip; errors with file and line.

    .jsonl .ndjson   a JSON object a line
    .csv .tsv        the first line names the columns; a .csv without a comma in it may have ; or tabs
    .json            a list of objects, alone, under a name such as "data", or one a split; columns, as pandas writes
                     them; JSON lines

All are UTF-8, or what their byte order mark says. A CSV in another encoding is read in the one that it
seems to have (encodings.py). What spreadsheets leave behind is passed over: "sep=;" or comments above the
names, empty cells beyond the columns, empty rows at the end. `notes` gets a word of each: code and sentence.
"""

import codecs
import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, TextIO

from docgraph.errors import DataError
from training.datasets.csv_names import names_line
from training.datasets.encodings import text_of_table
from training.datasets.splitting import SPLIT_WORDS

JSON_ENDINGS: Final = (".jsonl", ".ndjson")
SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_ENVELOPES: Final = ("response", "result", "data")
"""Names that an interface of the web gives the object that holds its list."""
WRAPPERS: Final = ("data", "records", "rows", "items", "examples", "documents", "articles", "docs", "results")
"""Names that a JSON object may give its one list of records; under any other it is a document, or something else."""
Notes = list[tuple[str, str]]
_PEEK: Final = 1_000_000
_MARKS: Final = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LONGEST_FIELD: Final = 2**31 - 1
"""Characters of a CSV field: an article is longer than the csv module's default of 131,072."""


def is_lines(path: Path) -> bool:
    """Whether a path is named like a table that `read_lines` reads."""
    return path.is_file() and ending(path) in (*JSON_ENDINGS, *SEPARATORS)


def ending(path: Path) -> str:
    """Return a file's ending in small letters, the one before a `.gz`."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def read_lines(path: Path, notes: Notes | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of a table; blank lines are passed over. The first line of CSV names the columns.

    Args:
        notes: gets what was not as it should be, as a code and a sentence, once the last record is read.

    Raises:
        DataError: a line is no JSON object, or has more cells than there are columns, two columns have one name, or
            JSON is not UTF-8; the message names it.
    """
    notes = [] if notes is None else notes
    separator = SEPARATORS.get(ending(path))
    try:
        with _open(path) if separator is None else _open_any(path, notes) as file:
            yield from _json_lines(path, file) if separator is None else _csv_rows(path, file, separator, notes)
    except UnicodeError as error:
        raise DataError(f"{path} must be UTF-8 text, but {error}.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} must be a whole gzip file, but {error}.") from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ValueError, RecursionError: it holds no JSON, or is not UTF-8.
    """
    with _open(path) as file:
        return json.load(file)


def read_json_records(path: Path) -> Iterable[Any]:
    """Return the records of a JSON file: a list, a list under the only name that has one, or one a split, columns, or
    JSON lines.

    Raises:
        DataError: it holds none of them.
    """
    try:
        values = read_json(path)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return read_lines_of_json(path)
        raise DataError(f"{path} must be a JSON list of records, but cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} must be a JSON list of records, but cannot be read: {error}.") from error
    records = _records(values)
    if records is None:
        raise DataError(f"{path} must be a JSON list of records, but holds {_told(values)}.")
    return records


def is_json_records(path: Path) -> bool:
    """Whether a JSON file holds records, not a document; of a list only the start is read."""
    if first_record(path) is not None:
        return True
    with _open(path) as file:
        if not file.read(_PEEK).lstrip().startswith("{"):
            return False
    try:
        read_json_records(path)
    except DataError:
        return False
    return True


def first_record(path: Path) -> dict[str, Any] | None:
    """Return the first object of a JSON list, None if the file does not begin with one."""
    with _open(path) as file:
        try:
            start = file.read(_PEEK)
        except (UnicodeError, EOFError, gzip.BadGzipFile):
            return None
        opening = re.match(r"\s*\[\s*(?=\{)", start)
        if opening is None:
            return None
        try:
            value = json.JSONDecoder().raw_decode(start, opening.end())[0]
        except ValueError:  # longer than what was read, or broken
            try:
                value = json.loads(start + file.read())[0]
            except (ValueError, RecursionError, UnicodeError):
                return None
    return value if isinstance(value, dict) else None


def read_lines_of_json(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON file that has one a line, as many with the ending .json have."""
    with _open(path) as file:
        yield from _json_lines(path, file)


def _open(path: Path) -> TextIO:
    """Open a text file, unpacked, in the encoding that its byte order mark says."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        start = file.read(2)
    encoding = next((name for mark, name in _MARKS if start == mark), "utf-8-sig")
    opened: TextIO = opener(path, "rt", encoding=encoding, newline="")
    return opened


def _open_any(path: Path, notes: Notes) -> TextIO:
    """Open a text file in the encoding that it has; one that is not UTF-8 is read whole and noted."""
    state = path.stat()
    if _has_its_encoding(path, state.st_size, state.st_mtime_ns):
        return _open(path)
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        text, encoding, replaced = text_of_table(file.read())
    lost = f", in which {replaced} characters could not be read" if replaced else ""
    said = f"the file is not UTF-8 and is read as {encoding}{lost}. If letters are wrong, save it as UTF-8."
    notes.append(("file.encoding", said))
    return StringIO(text, newline="")


@lru_cache(maxsize=16)
def _has_its_encoding(path: Path, size: int, changed: int) -> bool:
    """Whether a file is UTF-8 or what its byte order mark says; it is not read again until it changes."""
    with _open(path) as file:
        try:
            while file.read(_PEEK):
                pass
        except UnicodeError:
            return False
    return True


def _json_lines(path: Path, file: TextIO) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            said = f"{error.msg} in column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise DataError(
                f"{path}:{number} must be one JSON object, but is cut or broken ({said}): mend the line or take it out."
            ) from error
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number} must be one JSON object, but is a {type(value).__name__}.")
        yield value


def _csv_rows(path: Path, file: TextIO, separator: str, notes: Notes) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_LONGEST_FIELD)
    separator, above = names_line(file, separator)
    if above:
        notes.append(("file.above", f"before the names of the columns stands {above[0]!r:.60}, which is not read."))
    reader = csv.reader(file, delimiter=separator, strict=True)
    empty: list[dict[str, Any]] = []
    longer = 0
    try:
        names = _names(path, next(filter(None, reader), []), notes)
        for cells in filter(None, reader):
            if more := [cell for cell in cells[len(names) :] if cell.strip()]:
                raise DataError(
                    f"{path}:{reader.line_num + len(above)} must have a cell for each of the columns "
                    f"{', '.join(names)}, but has {len(more)} more. Cells that hold "
                    f"{separator!r} must stand in double quotes."
                )
            longer += len(cells) > len(names)
            row = dict(zip_longest(names, cells[: len(names)]))
            if any(cell.strip() for cell in cells):
                yield from empty
                empty.clear()
                yield row
            else:
                empty.append(row)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num + len(above)} must be CSV, but {error}.") from error
    if longer:
        notes.append(("row.longer", f"{longer} rows end in empty cells beyond the {len(names)} columns."))
    if empty:
        notes.append(("row.empty", f"the last {len(empty)} rows have empty cells only and are no records."))


def _names(path: Path, header: list[str], notes: Notes) -> list[str]:
    """Return the names of the columns; one without a name is called by its place."""
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    if twice:
        raise DataError(f"every column of {path} must have its own name, but {twice[0]!r} comes twice. Rename one.")
    names = [name if name.strip() else f"column {place}" for place, name in enumerate(header, 1)]
    if unnamed := [name for name, given in zip(names[1:], header[1:], strict=True) if not given.strip()]:
        notes.append(("column.unnamed", f"{len(unnamed)} columns have no name: {', '.join(unnamed[:5])}."))
    return names


def _records(values: Any) -> list[Any] | None:
    """Return a list of records out of what JSON held, None if it holds none."""
    if isinstance(values, list):
        return values
    if not isinstance(values, dict) or not values:
        return None
    for inner in (values[name] for name in _ENVELOPES if isinstance(values.get(name), dict)):
        found: list[list[Any]] = [inner[name] for name in WRAPPERS if isinstance(inner.get(name), list)]
        if len(found) == 1 and all(isinstance(row, dict) for row in found[0]):
            return found[0]
    columns = list(values.values())
    if all(isinstance(column, dict) for column in columns):  # pandas: to_json()
        keys = dict.fromkeys(key for column in columns for key in column)
        return [{name: column.get(key) for name, column in values.items()} for key in keys]
    lists = [one for one in columns if isinstance(one, list)]
    splits = {name: some for name, some in values.items() if isinstance(some, list) and name.lower() in SPLIT_WORDS}
    if splits and len(splits) == len(lists) and all(isinstance(row, dict) for some in lists for row in some):
        return [{"split": name, **row} for name, some in splits.items() for row in some]
    for name in WRAPPERS:
        if isinstance(values.get(name), list) and len(lists) == 1:
            return lists[0]
    if len(lists) == len(columns) and len(set(map(len, lists))) == 1:
        return [dict(zip(values, row, strict=True)) for row in zip(*lists, strict=True)]
    return None


def _told(values: Any) -> str:
    return f"an object with {', '.join(list(values)[:5])}" if isinstance(values, dict) else f"a {type(values).__name__}"
