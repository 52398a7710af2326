"""Which column of a table is read as what: by its name, or as the caller says.

    columns, first rows ──find_columns──> Columns: fields, images, label, html, id, split

Names count in any case, with blanks or dashes for underscores. Of our own names ("text", "title", "label", ...) all
are read, a field from the first that is filled. Other common names ("review", "category", ...) are taken where a
table has just one of them and none of ours. What is not clear is said, with the options to type.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docgraph.errors import DataError
from training.datasets.cells import label_of, text_of

COLUMNS: Final = {
    "headline": ("headline", "title", "subject"),
    "abstract": ("abstract", "summary", "description", "excerpt"),
    "caption": ("caption", "captions"),
    "body": ("body", "article", "text", "paragraphs", "content"),
}
"""Column names that are read as each field, the first that is filled."""
OTHERS: Final = {
    "headline": "heading news_headline news_title article_title review_title web_title short_headline".split(),
    "abstract": "short_description lead lede standfirst teaser subtitle review_summary".split(),
    "caption": "image_caption alt alt_text".split(),
    "body": (
        "review review_text reviewtext review_body review_content comment comments comment_text sentence tweet post "
        "message document doc news story utterance sms email feedback full_text fulltext clean_text body_text "
        "article_text news_text question query"
    ).split(),
    "label": (
        "labels category class section topic target sentiment stars rating overall genre intent emotion polarity desk "
        "class_index class_name category_name news_category label_text tag y"
    ).split(),
    "image": "img picture photo image_path image_file image_name photo_path picture_path image_id".split(),
}
"""Other common names: one of them is taken where there is none of ours."""
IMAGE_COLUMNS: Final = ("images", "image")
HEAD: Final = 1000
"""Rows that are looked at to know the columns."""


NAME_YOURS: Final = "Name yours: "
"""Before the options to type, in every sentence about columns."""


class ColumnsError(DataError):
    """A table whose columns are not clear; `options` are those to type."""

    def __init__(self, message: str, options: str) -> None:
        super().__init__(message)
        self.options = options

    def __reduce__(self) -> tuple[type["ColumnsError"], tuple[str, str]]:
        return ColumnsError, (str(self), self.options)


@dataclass(frozen=True)
class TableColumns:
    """What each column is read as."""

    names: tuple[str, ...]
    """All columns of the first rows."""
    fields: dict[str, tuple[str, ...]]
    """Field -> columns, the first of which that is filled is read."""
    images: tuple[str, ...] = ()
    label: str | None = None
    html: str | None = None
    """The column of whole pages."""
    id: str | None = None
    split: str | None = None
    unclear: str = ""
    """Why there is no label, as a sentence with the option to type."""

    def read_as(self) -> dict[str, str]:
        """Return column -> what it is read as, "" for what is not read."""
        found = dict.fromkeys(self.names, "")
        fields = {"page": (self.html,)} if self.html else {**self.fields, "image": self.images}
        others = {"label": (self.label,), "id": (self.id,), "split": (self.split,)}
        found |= {column: name for name, columns in (fields | others).items() for column in columns if column in found}
        return found


def find_columns(
    rows: Sequence[Mapping[str, Any]],
    where: str,
    label: str | None = None,
    fields: Mapping[str, str] | Sequence[str] | None = None,
) -> TableColumns:
    """Find what is read of a table.

    Args:
        rows: the first ones.
        where: the table's path, for messages.
        label: the label's column; None to find it.
        fields: as in `read_table`.

    Raises:
        ColumnsError: no column, or more than one, can be the text, or a named one is not there.
    """
    names = tuple(dict.fromkeys(str(name) for row in rows for name in row))
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(_canonical(name), []).append(name)
    first = {canonical: some[0] for canonical, some in known.items()}
    here = f"its columns are {', '.join(names) or 'none'}"
    label, unclear = _label(rows, names, first, label)
    page: str | None = None
    images: tuple[str, ...] = ()
    found: dict[str, tuple[str, ...]] = {}
    if fields is not None:
        chosen = _chosen(fields, first, names)
        if lost := [column for column in chosen.values() if column not in names]:
            wrong = f"{where} must have the columns that were named, but has no {', '.join(lost)}: {here}."
            there = [
                column for name, column in chosen.items() if column not in lost and {name, column} & {*IMAGE_COLUMNS}
            ]
            raise _error(wrong, suggestion(rows, names, label, there))
        images = tuple(column for name, column in chosen.items() if {name, column} & {*IMAGE_COLUMNS})
        found |= {name: (column,) for name, column in chosen.items() if column not in images}
    else:
        page = first.get("html") if any(isinstance(row.get(first.get("html", "")), str) for row in rows) else None
        for name, ours in COLUMNS.items():
            some = [first[one] for one in ours if one in first and first[one] != label]
            others = [first[one] for one in OTHERS[name] if one in first and first[one] != label]
            if name == "body" and not some and len(others) > 1 and page is None:
                wrong = f"one column of {where} must be its text, but {' and '.join(others)} may be: {here}."
                raise _error(wrong, f"--text {shlex.quote(others[0])} {_label_option(rows, names, label, others[0])}")
            if some or len(others) == 1:
                found[name] = tuple(some or others)
        images = tuple(first[one] for one in IMAGE_COLUMNS if one in first)
        images = images or tuple(first[one] for one in OTHERS["image"] if one in first)[:1]
        if not found and not images and page is None:
            known_as = ", ".join((*COLUMNS, "text", "review"))
            wrong = f"{where} must have columns that hold text or images ({known_as}, ...), but {here}."
            raise _error(wrong, suggestion(rows, names, label))
    return TableColumns(names, found, images, label, page, first.get("id"), first.get("split"), unclear)


def _error(wrong: str, options: str) -> ColumnsError:
    return ColumnsError(f"{wrong} {NAME_YOURS}{options}", options)


def field_of(column: str) -> str:
    """Return the field that a column is read as by its name, a dotted one by its last part; else the column's name."""
    name = _canonical(column.rpartition(".")[2])
    fields = (field for field in COLUMNS if name in COLUMNS[field] or name in OTHERS[field])
    return next(fields, column)


def suggestion(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], label: str | None = None, images: Sequence[str] = ()
) -> str:
    """Return options that name the likeliest columns: the longest texts, and the fewest labels that repeat.

    Args:
        images: columns that are known as such.
    """
    lengths = {name: sum(len(text_of(row.get(name))) for row in rows) for name in names if name not in (label, *images)}
    text = max(lengths, key=lambda name: lengths[name], default="")
    if not lengths.get(text):
        return "--text COLUMN --label COLUMN"
    known = (
        f"--{name} {shlex.quote(column)}" for name, column in [("text", text), *(("image", one) for one in images)]
    )
    return " ".join([*known, _label_option(rows, names, label, text, *images)])


def _label_option(rows: Sequence[Mapping[str, Any]], names: Sequence[str], label: str | None, *taken: str) -> str:
    if label is None or label not in names:
        label = _likely_label(rows, names, taken)
    return f"--label {'COLUMN' if label is None else shlex.quote(label)}"


def _likely_label(rows: Sequence[Mapping[str, Any]], names: Sequence[str], taken: Sequence[str]) -> str | None:
    """Return the column with the fewest values, two or more; among as many, one whose values repeat comes first."""
    counts = {}
    for name in names:
        if name not in taken:
            values = [value for row in rows if (value := label_of(row.get(name))) is not None]
            if len(set(values)) > 1 or len(rows) == 1:
                counts[name] = len(set(values))
    return min(counts, key=lambda name: counts[name], default=None)


def _label(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], first: Mapping[str, str], label: str | None
) -> tuple[str | None, str]:
    """Return the label's column, and a sentence where none can be told."""
    here = f"its columns are {', '.join(names)}"
    if label is not None:
        if label in names:
            return label, ""
        text = [column for column in (first.get(one) for one in COLUMNS["body"]) if column is not None]
        return label, f"there is no column {label!r}: {here}. {NAME_YOURS}{_label_option(rows, names, None, *text)}"
    if "label" in first:
        return first["label"], ""
    others = [first[one] for one in OTHERS["label"] if one in first]
    if len(others) == 1:
        return others[0], ""
    why = f"{' and '.join(others)} may be" if others else "none is known as one"
    text = [first[one] for some in (COLUMNS, OTHERS) for one in some.get("body", ()) if one in first]
    option = _label_option(rows, names, others[0] if others else None, *text)
    return None, f"one column must be the label, but {why}: {here}. {NAME_YOURS}{option}"


def _chosen(
    fields: Mapping[str, str] | Sequence[str], first: Mapping[str, str], names: Sequence[str]
) -> dict[str, str]:
    """Return field -> column of the fields that were asked for; a field's name stands for its columns, too."""
    pairs = fields.items() if isinstance(fields, Mapping) else [(name, name) for name in fields]
    chosen = {}
    for name, column in pairs:
        if column not in names:
            ours = (first[one] for one in COLUMNS.get(column, (column,)) if one in first)
            column = next(ours, column)
        chosen[name] = column
    return chosen


def _canonical(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
