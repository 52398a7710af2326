"""Read a folder of HTML pages with labels, or a table with a label column.

    pages/<label>/**/*.html                  a sub-folder is a label
    pages/{train,dev,test}/<label>/*.html    with given splits
    pages/*.html + labels.csv | .jsonl       columns "file", "label" and perhaps "split"
    table.jsonl | .csv | .tsv [.gz] | .parquet   columns "label", any of the fields below, perhaps "split" and "id"

A table's fields are found by name (`COLUMNS`) or given, then by any name. Its images are paths from the table's folder
or from `images/` in it, bytes, or lists of them; a column "html" holds a whole page. Without given splits, records are
split 8:1:1 (splitting.py). File and folder names are ids, never text of a document.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docgraph import Limits
from docgraph.errors import DataError, needs_extra
from training.datasets.image_files import judge
from training.datasets.lines import is_lines, read_lines
from training.datasets.origins import ArticleOrigin, PageOrigin
from training.datasets.records import (
    SPLIT_NAMES,
    Corpus,
    Origin,
    Record,
    RecordProblem,
    UniqueNames,
    resolve,
    text_of,
)
from training.datasets.splitting import read_split, split_records, write_split

PAGES: Final = (".html", ".htm")
SHARES: Final = {"train": 0.8, "dev": 0.1, "test": 0.1}
COLUMNS: Final = {
    "headline": ("headline", "title", "subject"),
    "abstract": ("abstract", "summary", "description", "excerpt"),
    "caption": ("caption", "captions"),
    "body": ("body", "article", "text", "paragraphs", "content"),
}
"""Column names that are read as each field, the first that is there."""
IMAGE_COLUMNS: Final = ("images", "image")
IMAGE_FOLDERS: Final = ("images", "imgs")
SPLIT_WORDS: Final = {"validation": "dev", "valid": "dev", "val": "dev"}


def is_pages(path: Path) -> bool:
    """Whether a path is a folder with HTML pages in it."""
    return path.is_dir() and next(_pages(path), None) is not None


def is_table(path: Path) -> bool:
    """Whether a path is a table this module reads."""
    return is_lines(path) or (path.is_file() and path.suffix == ".parquet")


def read_pages(path: str | Path, *, seed: int = 0, split_file: Path | None = None, images: str | None = None) -> Corpus:
    """Read a folder of labelled pages.

    Args:
        images: folder that images may come from (the data folder if they lie beside the pages' folders), "skip",
            or None for each page's own folder.

    Raises:
        DataError: no pages, or a label file that is broken or names pages that are not there.
    """
    root = resolve(path)
    listed = _label_file(root)
    if listed is not None:
        entries = list(_listed(root, listed))
    else:
        entries = list(_by_folder(root))
    if not entries:
        raise DataError(f"{root} must hold HTML pages with labels, but holds no .html file.")
    splits: dict[str, list[Record]] = defaultdict(list)
    problems: list[RecordProblem] = []
    for file, label, split in entries:
        name = file.relative_to(root).as_posix()
        if not file.is_file():
            problems.append(RecordProblem("page.missing", name, f"there is no page at {file}."))
            continue
        record = Record(name, label, PageOrigin(str(file), images=images), ("page",), file.stat().st_size)
        splits[split].append(record)
    return Corpus(root.resolve().name, _with_splits(splits, seed, split_file), problems)


def read_table(
    path: str | Path,
    *,
    label: str = "label",
    fields: Mapping[str, str] | Sequence[str] | None = None,
    seed: int = 0,
    split_file: Path | None = None,
    limits: Limits | None = None,
) -> Corpus:
    """Read a table of documents.

    Args:
        label: the label's column.
        fields: field -> column; or columns, which then name the fields; None for those of `COLUMNS` that are there,
            images, or "html". Images are the fields or columns "image" and "images".

    Raises:
        DataError: the table is broken, or has none of the columns.
    """
    root = resolve(path)
    chosen = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields} if fields else None
    splits: dict[str, list[Record]] = defaultdict(list)
    problems: list[RecordProblem] = []
    unique = UniqueNames()
    columns: dict[str, None] = {}
    for index, row in enumerate(_rows(root)):
        columns.update(dict.fromkeys(row))
        name = unique(str(row.get("id", f"#{index}")))
        value = row.get(label)
        origin, present, size = _origin(root.parent, row, chosen, name, limits or Limits(), problems)
        if not present:
            problems.append(
                RecordProblem("record.empty", name, "none of the columns that hold text or images is filled.")
            )
        record = Record(name, None if value is None or value == "" else str(value), origin, present, size)
        splits[_split_of(row)].append(record)
    if not any(record.fields for records in splits.values() for record in records):
        raise DataError(
            f"{root} must have columns that hold text or images ({', '.join(chosen or COLUMNS)}, ...), "
            f"but its columns are {', '.join(columns) or 'none'}. Name yours: --text COLUMN --label COLUMN"
        )
    return Corpus(root.name.split(".")[0], _with_splits(splits, seed, split_file), problems)


def _with_splits(given: Mapping[str, list[Record]], seed: int, file: Path | None) -> dict[str, list[Record]]:
    """Keep given splits; split records without one at random, or as the split file says."""
    if set(given) != {""}:
        loose = given.get("", [])
        order = [name for name in SPLIT_NAMES if name in given] + sorted(set(given) - {"", *SPLIT_NAMES})
        splits = {name: list(given[name]) for name in order}
        splits.setdefault("train", []).extend(loose)
        return splits
    if file is not None and file.is_file():
        return read_split(file, given[""])
    splits = split_records(given[""], SHARES, seed=seed)
    if file is not None:
        write_split(file, splits)
    return splits


def _pages(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.suffix.lower() in PAGES and path.is_file())


def _by_folder(root: Path) -> Iterator[tuple[Path, str | None, str]]:
    """Yield page, label and split; the label is the first folder below the root or below the split's folder."""
    for file in _pages(root):
        parts = list(file.relative_to(root).parts[:-1])
        split = ""
        if len(parts) > 1 and (word := SPLIT_WORDS.get(parts[0], parts[0])) in SPLIT_NAMES:
            split, parts = word, parts[1:]
        yield file, parts[0] if parts else None, split


def _label_file(root: Path) -> Path | None:
    return next((root / n for n in ("labels.csv", "labels.jsonl") if (root / n).is_file()), None)


def _listed(root: Path, listed: Path) -> Iterator[tuple[Path, str | None, str]]:
    rows = list(read_lines(listed))
    for index, row in enumerate(rows, 1):
        name = row.get("file") or row.get("id")
        if not name:
            raise DataError(f"every row of {listed} must name a file, but row {index} has only {', '.join(row)}.")
        label = row.get("label")
        yield root / str(name), str(label) if label not in (None, "") else None, _split_of(row)


def _split_of(row: Mapping[str, Any]) -> str:
    word = str(row.get("split") or "").strip().lower()
    return SPLIT_WORDS.get(word, word)


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    if path.suffix != ".parquet":
        return read_lines(path)
    with needs_extra("reading parquet"):
        import pyarrow.parquet
    table = pyarrow.parquet.ParquetFile(path)
    return (row for batch in table.iter_batches(batch_size=1024) for row in batch.to_pylist())


def _origin(
    folder: Path,
    row: Mapping[str, Any],
    chosen: Mapping[str, str] | None,
    name: str,
    limits: Limits,
    problems: list[RecordProblem],
) -> tuple[Origin, tuple[str, ...], int]:
    """Return how to make a row's document, the fields it has, and its characters of text."""
    if chosen is None and isinstance(row.get("html"), str):
        return PageOrigin(row["html"], is_markup=True, images=str(folder)), ("page",), len(row["html"])
    texts: list[tuple[str, str]] = []
    if chosen is None:
        wanted = {f: next((c for c in names if row.get(c)), f) for f, names in COLUMNS.items()}
    else:
        wanted = {field: column for field, column in chosen.items() if not {field, column} & {*IMAGE_COLUMNS}}
    for field, column in wanted.items():
        if text := text_of(row.get(column)).strip():
            texts.append((field, text))
    images: list[str | bytes] = []
    for column in IMAGE_COLUMNS if chosen is None else [c for c in chosen.values() if c not in wanted.values()]:
        images += _images(folder, row.get(column), name, limits, problems)
    present = tuple(field for field, _ in texts) + (("image",) if images else ())
    return ArticleOrigin(tuple(texts), tuple(images)), present, sum(len(text) for _, text in texts)


def _images(
    folder: Path, value: Any, name: str, limits: Limits, problems: list[RecordProblem]
) -> Iterator[str | bytes]:
    """Yield the readable images of a cell: a path, bytes, {"bytes", "path"} as `datasets` writes, or a list."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _images(folder, one, name, limits, problems)
    elif value:
        folders = [folder, *(folder / each for each in IMAGE_FOLDERS)]
        image_folder = next((one for one in folders if (one / str(value)).is_file()), folder)
        wrong = judge(image_folder, str(value), limits)
        if wrong is None:
            yield str(image_folder / str(value))
        else:
            problems.append(RecordProblem(wrong[0], name, wrong[1]))
