"""Tables of every kind, row by row: which files make up one, and the rows of each.

    path ──table_files──> [(file, split), ...]      file ──read_rows──> {"text": ..., "label": ...}, ...

    one file         .jsonl .ndjson .csv .tsv .json [.gz]   .parquet   .arrow
    a folder         train.csv, test.csv, ... in it or in data/: the names say the splits; or one table alone
    of the hub       train/0000.parquet, test/0000.parquet, ... (hub.py)
    of `datasets`    what `save_to_disk` wrote, with one split or several; class numbers become names

Sources: huggingface.co/docs/datasets (save_to_disk; file names and splits); Arrow IPC streaming format.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from docgraph.errors import DataError, needs_extra
from docgraph.parsers.files import PAGE_SUFFIXES, document_suffix
from training.datasets.lines import Notes, ending, is_json_records, read_json, read_json_records, read_lines
from training.datasets.splitting import SPLIT_WORDS

SAVED: Final = ("dataset_dict.json", "state.json")
"""Files in a folder that `datasets` saved: of several splits, of one."""
ENDINGS: Final = (".jsonl", ".ndjson", ".csv", ".tsv", ".json", ".parquet", ".arrow")
DEPTH: Final = 8
"""Objects in objects whose values are columns."""
LABEL_FILES: Final = ("labels.csv", "labels.jsonl")
"""Tables that label the files beside them."""


def is_table(path: Path) -> bool:
    """Whether a path is a table, or a folder of tables."""
    if path.is_dir():
        return bool(table_files(path))
    if ending(path) == ".json":
        return is_json_records(path)
    return path.is_file() and ending(path) in ENDINGS


def table_files(path: Path) -> list[tuple[Path, str]]:
    """Return the files of a table and the split that the name of each says, "" for none; nothing if it is no table.

    Raises:
        DataError: a folder of `datasets` whose description cannot be read.
    """
    if not path.is_dir():
        return [(path, "")]
    if (path / SAVED[0]).is_file():
        splits = _described(path / SAVED[0]).get("splits", [])
        return [(file, _split_word(name) or name) for name in splits for file in _saved_files(path / name)]
    if (path / SAVED[1]).is_file():
        return [(file, "") for file in _saved_files(path)]
    if saved := sorted(path.glob("*/0*.parquet")):  # the hub's: SPLIT/0000.parquet
        return [(file, _split_word(file.parent.name) or file.parent.name) for file in saved]
    for folder in (path, path / "data"):
        if not folder.is_dir():
            continue
        tables = [file for file in sorted(folder.iterdir()) if file.is_file() and ending(file) in ENDINGS]
        tables = [file for file in tables if file.name not in LABEL_FILES and not file.name.startswith((".", "_"))]
        named = [(file, word) for file in tables if (word := _split_word(file.name))]
        if "train" in [word for _, word in named]:
            return named
        if len(tables) == 1 and not _has_documents(path):
            return [(tables[0], "")]
    return []


def _has_documents(folder: Path) -> bool:
    """Whether a folder has pages or texts, at any depth, but for those that tell of it."""
    names = (file for file in folder.rglob("*") if document_suffix(file) in PAGE_SUFFIXES)
    return any(not file.stem.lower().startswith(("readme", "license", "changelog")) for file in names)


def read_rows(path: Path, notes: Notes | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file, objects in them as columns: {"doc": {"text": ...}} has the column "doc.text".

    Args:
        notes: gets what was not as it should be, as a code and a sentence, once the last row is read.

    Raises:
        DataError: the file cannot be read as what its name says.
        MissingExtraError: pyarrow is needed and not installed.
    """
    kind = ending(path)
    if kind == ".parquet":
        rows = _parquet_rows(path)
    elif kind == ".arrow":
        rows = _arrow_rows(path)
    elif kind == ".json":
        rows = _json_rows(path)
    else:
        rows = read_lines(path, notes)
    yield from map(_flat, rows)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(read_json_records(path)):
        if not isinstance(row, dict):
            raise DataError(f"every record of {path} must be an object, but #{number} is {row!r:.60}.")
        yield row


def _flat(row: dict[str, Any], depth: int = DEPTH) -> dict[str, Any]:
    """Return a row with the values of its objects, and of lists of objects, under dotted names; images stay whole."""
    if not any(isinstance(value, dict | list) for value in row.values()):
        return row
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) and not _is_image(one) for one in value):
            value = {key: [one.get(key) for one in value] for key in dict.fromkeys(key for one in value for key in one)}
        if isinstance(value, dict) and value and depth and not _is_image(value):
            flat |= {f"{name}.{key}": one for key, one in _flat(value, depth - 1).items()}
        else:
            flat[name] = value
    return flat


def _is_image(value: dict[str, Any]) -> bool:
    """Whether an object is an image as `datasets` keeps it."""
    return {*value} <= {"bytes", "path"}


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    with needs_extra("reading parquet"):
        import pyarrow
        import pyarrow.parquet
    try:
        table = pyarrow.parquet.ParquetFile(path)
        names = _class_names(table.schema_arrow)
        yield from _rows(table.iter_batches(batch_size=1024), names)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} must be a parquet file, but {error}.") from error


def _arrow_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read what `datasets` keeps: an Arrow stream; or an Arrow file, as others write."""
    with needs_extra("reading Arrow files"):
        import pyarrow
        import pyarrow.ipc
    try:
        with pyarrow.memory_map(str(path)) as source:
            try:
                reader = pyarrow.ipc.open_stream(source)
                batches: Iterable[Any] = reader
            except pyarrow.ArrowInvalid:
                reader = pyarrow.ipc.open_file(source)
                batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            yield from _rows(batches, _class_names(reader.schema))
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} must be an Arrow file, but {error}.") from error


def _rows(batches: Iterable[Any], names: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Yield rows with the names of classes in place of their numbers; -1 is what `datasets` writes for no class."""
    for batch in batches:
        for row in batch.to_pylist():
            for column, classes in names.items():
                row[column] = _named(row[column], classes)
            yield row


def _named(value: Any, classes: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(one, classes) for one in value]
    return (classes[value] if 0 <= value < len(classes) else None) if isinstance(value, int) else value


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes of each column that `datasets` declared as one of classes."""
    declared = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = declared.get("info", {}).get("features") or {}
    return {name: names for name, feature in features.items() if (names := _names_in(feature))}


def _names_in(feature: Any) -> list[str]:
    """Return the names of a feature of classes, or of lists of such: [feature], or "Sequence", "List", ... of one."""
    if isinstance(feature, list):
        return _names_in(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    return (feature.get("names") or []) if feature.get("_type") == "ClassLabel" else _names_in(feature.get("feature"))


def _described(file: Path) -> dict[str, Any]:
    try:
        values = read_json(file)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} must be what `save_to_disk` of datasets wrote, but cannot be read: {error}."
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"{file} must be what `save_to_disk` of datasets wrote, but holds a {type(values).__name__}.")
    return values


def _saved_files(folder: Path) -> list[Path]:
    state = _described(folder / SAVED[1])
    if state.get("_indices_data_files"):
        raise DataError(
            f"{folder} must hold its rows in order, but is a selection of rows by an old version of datasets. "
            "Save it anew: `dataset.flatten_indices().save_to_disk(FOLDER)`."
        )
    return [folder / one["filename"] for one in state.get("_data_files", [])]


def _split_word(name: str) -> str:
    """Return the split that a file's name begins with, "" for none: train-00000-of-00002.parquet is of "train"."""
    word = re.split(r"[^a-z]", name.lower(), maxsplit=1)[0]
    return SPLIT_WORDS.get(word, "")
