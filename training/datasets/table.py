"""Read a table of labelled documents.

    rows.py: files ─ rows ─> columns.py: which is what ─> a Record a row ─> splits

The label, the fields of text, images and perhaps "split" and "id" are columns. Images are paths from the table's
folder or from `images/` in it, with or without their endings; bytes; or lists of them. A column "html" holds whole
pages. Without given splits, records are split 8:1:1, those with the same text together (splitting.py).
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from docgraph import Limits
from docgraph.errors import DataError
from training.datasets.cells import (
    GAP_WORDS,
    NAN_WORDS,
    has_decimal_commas,
    is_missing,
    label_of,
    labels_of,
    text_of,
    value_of,
)
from training.datasets.columns import HEAD, TableColumns, find_columns
from training.datasets.image_files import find_image, judge, judge_bytes
from training.datasets.label_doubts import label_doubt, separator_of
from training.datasets.lines import Notes
from training.datasets.origins import ArticleOrigin, PageOrigin
from training.datasets.problem_types import MULTI, REGRESSION, SINGLE, ProblemType
from training.datasets.records import Corpus, Origin, Record, RecordProblem, UniqueNames, resolve
from training.datasets.rows import read_rows, table_files
from training.datasets.splitting import split_name, with_splits

IMAGE_FOLDERS: Final = ("images", "imgs")
MANY: Final = 10
"""Records with a label such as "N/A" that make it a class, however many others have."""


def read_table(
    path: str | Path,
    *,
    label: str | None = None,
    fields: Mapping[str, str] | Sequence[str] | None = None,
    seed: int = 0,
    split_file: Path | None = None,
    dev_share: float = 0.0,
    limits: Limits | None = None,
    check_images: bool = True,
    problem_type: ProblemType | None = None,
) -> Corpus:
    """Read a table of documents.

    Args:
        label: the label's column; None to find it by its name.
        fields: field -> column; or columns, which then name the fields; None to find them by their names. Images are
            the fields or columns "image" and "images".
        dev_share: share of the training records that becomes "dev" where the table has splits, but no such one.
        check_images: decode every image once; False reads headers only.
        problem_type: what the label's column holds; None to tell by lists of several labels in it. Several labels in
            a text are JSON's or Python's form of a list, or parted by the first of ; | , that is found in the first
            rows.

    Raises:
        ColumnsError: the columns are not clear, or those that were named are not there.
        DataError: the table is broken, or holds nothing.
    """
    root = resolve(path)
    files = table_files(root)
    notes: dict[str, Notes] = {file.name: [] for file, _ in files}
    rows = ((file, split, row) for file, split in files for row in read_rows(file, notes[file.name]))
    head = list(islice(rows, HEAD))
    if not head:
        raise DataError(f"{root} must hold rows, but holds none.")
    columns = find_columns([row for *_, row in head], str(root), label, fields)
    cells = [row.get(columns.label) for *_, row in head] if columns.label else []
    kind = problem_type or _problem_type(cells)
    reader = _TableReader(columns, limits or Limits(), check_images, kind, cells)
    splits: dict[str, list[Record]] = defaultdict(list)
    for file, split, row in chain(head, rows):
        given = split_name(row.get(columns.split)) if columns.split else ""
        splits[given or split].append(reader.record(file.parent, row))
    for name, some in notes.items():
        for code, message in some:
            reader.note(code, name, message)
    if kind == SINGLE:
        splits = reader.without_gaps(splits)
        doubt = label_doubt([record.label for some in splits.values() for record in some if record.label is not None])
        if doubt and problem_type is None:
            reader.note("label.kind", root.name, doubt)
    if columns.unclear:
        reader.note("label.column", root.name, columns.unclear)
    order = [record.id for records in splits.values() for record in records]
    order.sort(key=reader.places.__getitem__)
    divided = with_splits(splits, seed, split_file, dev_share=dev_share, same=reader.same_text)
    return Corpus(
        root.name.split(".")[0],
        divided,
        reader.problems,
        order=order,
        is_drawn=set(splits) == {""},
        columns=columns.read_as(),
        labels=(str(columns.label),) if kind == REGRESSION else (),
        problem_type=kind,
    )


def _problem_type(cells: Sequence[Any]) -> ProblemType:
    """Return what a column is by its first cells: several labels where a tenth of the filled ones are lists of such."""
    several = sum(isinstance(cell, list | tuple) and len(cell) > 1 for cell in cells)
    return MULTI if several and several >= 0.1 * sum(not is_missing(cell) for cell in cells) else SINGLE


class _TableReader:
    """Turns rows into records and notes what is wrong with them."""

    def __init__(
        self,
        columns: TableColumns,
        limits: Limits,
        decode: bool,
        kind: ProblemType = SINGLE,
        labels: Sequence[Any] = (),
    ) -> None:
        """Read by columns; `labels` are the first cells of the label's."""
        self.kind = kind
        self.separator = separator_of([cell for cell in labels if isinstance(cell, str)])
        self.decimal_comma = has_decimal_commas(labels)
        self.columns = columns
        self.limits = limits
        self.decode = decode
        self.problems: list[RecordProblem] = []
        self.places: dict[str, int] = {}
        self._unique = UniqueNames()
        self._first_with: dict[int, str] = {}
        self._same: dict[str, str] = {}
        self._gaps: dict[str, list[str]] = {}

    def record(self, folder: Path, row: Mapping[str, Any]) -> Record:
        """Return a row as a record; its images lie in the folder."""
        number = len(self.places)
        given = label_of(row.get(self.columns.id)) if self.columns.id else None
        name = self._unique(given or f"#{number}")
        self.places[name] = number
        origin, present, size = self._origin(folder, row, name)
        if not present:
            self.note("record.empty", name, "none of the columns that hold text or images is filled.")
        if isinstance(origin, ArticleOrigin) and origin.fields:
            self._same[name] = self._first_with.setdefault(hash(origin.fields), name)
        if self.kind == SINGLE:
            return Record(name, self._label(row, name), origin, present, size)
        cell = row.get(self.columns.label) if self.columns.label else None
        if self.kind == MULTI:
            return Record(name, None, origin, present, size, labels=labels_of(cell, self.separator))
        value = value_of(cell, self.decimal_comma)
        if value is None and not is_missing(cell):
            self.note("label.number", name, f"the label must be a number, but is {cell!r:.60}.")
        return Record(name, None, origin, present, size, value=value)

    def same_text(self, record: Record) -> str:
        """Return the id of the first record with the same text as this one."""
        return self._same.get(record.id, record.id)

    def note(self, code: str, record: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(RecordProblem(code, record, message))

    def _label(self, row: Mapping[str, Any], name: str) -> str | None:
        value = row.get(self.columns.label) if self.columns.label else None
        if isinstance(value, list | tuple) and len(value) > 1:
            self.note(
                "label.several",
                name,
                f"a record must have one label, but has {len(value)}: {value!r:.60}. "
                f"For several: --set problem_type={MULTI}",
            )
            return None
        if isinstance(value, str) and (word := value.strip()) in (*NAN_WORDS, *GAP_WORDS):
            self._gaps.setdefault(word, []).append(name)
        return label_of(value)

    def without_gaps(self, splits: Mapping[str, list[Record]]) -> dict[str, list[Record]]:
        """Take the labels away that are words for nothing, such as "N/A", and note what each of them is read as.

        One that many records have, or as many as half of what a class has at the mean, names a class.
        """
        counts = Counter(record.label for some in splits.values() for record in some if record.label is not None)
        lost: set[str] = set()
        for word, names in self._gaps.items():
            is_class = word in counts and (len(names) >= MANY or 2 * len(names) * len(counts) >= counts.total())
            read = "a class of that name" if is_class else "no label"
            for name in names:
                self.note("label.word", name, f"the label is the word {word!r} and read as {read}.")
            lost |= set() if is_class else {*names}
        if not lost:
            return dict(splits)
        return {
            split: [replace(record, label=None) if record.id in lost else record for record in some]
            for split, some in splits.items()
        }

    def _origin(self, folder: Path, row: Mapping[str, Any], name: str) -> tuple[Origin, tuple[str, ...], int]:
        """Return how to make a row's document, the fields it has, and its characters of text."""
        page = row.get(self.columns.html) if self.columns.html else None
        if isinstance(page, str) and page.strip():
            return PageOrigin(page, is_markup=True, images=str(folder)), ("page",), len(page)
        texts: list[tuple[str, str]] = []
        for field, columns in self.columns.fields.items():
            values = [row.get(column) for column in columns]
            if text := next((text for value in values if (text := text_of(value))), ""):
                texts.append((field, text))
            elif words := [value for value in values if isinstance(value, str) and not is_missing(value)]:
                self.note(f"{field}.word", name, f"the {field} is the word {words[0].strip()!r} and read as nothing.")
        images: list[str | bytes] = []
        for column in self.columns.images:
            images += self._images(folder, row.get(column), name)
        present = tuple(field for field, _ in texts) + (("image",) if images else ())
        return ArticleOrigin(tuple(texts), tuple(images)), present, sum(len(text) for _, text in texts)

    def _images(self, folder: Path, value: Any, name: str) -> Iterator[str | bytes]:
        """Yield the readable images of a cell: a path, bytes, {"bytes", "path"} as `datasets` writes, or a list."""
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            wrong = judge_bytes(value, self.limits, decode=self.decode)
            if wrong is None:
                yield value
            else:
                self.note(wrong[0], name, wrong[1])
        elif isinstance(value, list | tuple):
            for one in value:
                yield from self._images(folder, one, name)
        elif (file := label_of(value)) is not None:
            folders = [folder, *(folder / each for each in IMAGE_FOLDERS)]
            found = ((each, find_image(each, file)) for each in folders)
            at, file = next((one for one in found if os.path.isfile(one[0] / one[1])), (folder, file))
            wrong = judge(at, file, self.limits, decode=self.decode)
            if wrong is None:
                yield str(at / file)
            else:
                self.note(wrong[0], name, wrong[1])
