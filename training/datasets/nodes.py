"""A table of nodes: which part of which page has which label. The nodes are found again in the pages.

    pages ─ node_rows ─> rows: document, row, path, kind, headings, text, label   (a person fills in the last)
    table, pages ─ read_nodes ─> Corpus: a Record a labelled row, its fields those of page_nodes.py, its group the page

A row without a label is not learned from. A labelled one must be found: the node in that row, or else the only one of
that path, or else the only one of that text, must say what the table says (of white space only that there is some).
Those that are not found are named and counted, and are in no split. Splits are drawn by page, or by what a column
"group" says, such as the site.
"""

import csv
import io
import os
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from docgraph import load_document
from docgraph.errors import DataError, DocgraphError
from training.datasets.cells import is_missing, label_of
from training.datasets.lines import Notes, ending, first_record
from training.datasets.origins import ArticleOrigin
from training.datasets.page_nodes import PageNode, page_nodes
from training.datasets.records import Corpus, Record, RecordProblem, UniqueNames, resolve
from training.datasets.rows import is_table, read_rows
from training.datasets.splitting import split_name, with_splits
from training.output.files import write_atomically

COLUMNS: Final = ("document", "row", "path", "kind", "headings", "text", "label")
SHOWN: Final = 1_000
"""Characters of a node's text that the table has, and that are compared."""
LOST: Final = "node.lost"
UNLABELLED: Final = "node.unlabelled"


def node_rows(name: str, nodes: Iterable[PageNode]) -> Iterator[dict[str, Any]]:
    """Yield a page's nodes as rows of the table, without labels.

    Args:
        name: the page's, as `read_nodes` is to find it: its path from the table's folder.
    """
    for node in nodes:
        values = (name, node.row, node.path, node.kind, " > ".join(node.headings), _shown(node), "")
        yield dict(zip(COLUMNS, values, strict=True))


def page_name(path: str | Path, folder: Path) -> str:
    """Return what a page is called in a table that lies in a folder: its path from there."""
    return Path(os.path.relpath(path, folder)).as_posix()


def write_nodes(file: Path | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, to stdout if there is no file."""
    text = io.StringIO()
    table = csv.DictWriter(text, [*rows[0]] if rows else COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    if file is None:
        sys.stdout.write(text.getvalue())
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text.getvalue())


def has_labels(file: Path) -> bool:
    """Whether somebody has filled in a label of a table that is there already."""
    try:
        return file.is_file() and any(_cell(row, "label") for row in read_rows(file))
    except DocgraphError:  # no table of ours
        return False


def is_nodes(path: Path, pages: str | Path | None = None) -> bool:
    """Whether a path is a table of nodes: of a document, a label, and a row or path each.

    The first document must lie in a folder of pages, or else beside the table; or columns are row, path and kind.
    """
    if path.is_dir() or not is_table(path):
        return False
    try:
        is_list = ending(path) == ".json"  # of which the start is enough
        first = (first_record(path) or {}) if is_list else next(read_rows(path), {})
    except DocgraphError:
        return False
    has_place = _cell(first, "path").startswith("/") or _cell(first, "row").isdecimal()
    if not ({"document", "label"} <= first.keys() and has_place):
        return False
    file = _located(_cell(first, "document"), Path(pages) if pages else path.parent)
    return {"row", "path", "kind"} <= first.keys() or os.path.isfile(file)


def read_nodes(
    path: str | Path,
    *,
    pages: str | Path | None = None,
    fields: Collection[str] | None = None,
    seed: int = 0,
    split_file: Path | None = None,
    dev_share: float = 0.0,
) -> Corpus:
    """Read a table of labelled nodes, and the pages that they are of.

    Args:
        pages: folder of the pages; None for that of the table. Names count from there.
        fields: of `page_nodes.FIELDS` to read; None for all.
        dev_share: share of the training records that becomes "dev" where the table has splits, but no such one.

    Raises:
        DataError: no row has a label, or none is found in its page.
    """
    root = resolve(path)
    notes: Notes = []
    rows = list(read_rows(root, notes))
    labelled: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if label_of(row.get("label")) is not None:
            labelled[_cell(row, "document")].append(row)
    total = sum(map(len, labelled.values()))
    if not total:
        raise DataError(f"{root} must have rows with a label, but in none of its {len(rows)} rows label is filled.")
    kinds = tuple(sorted({kind for row in rows if (kind := _cell(row, "kind"))}))
    problems = [RecordProblem(code, root.name, message) for code, message in notes]
    splits: dict[str, list[Record]] = defaultdict(list)
    found_kinds: set[str] = set()
    unique = UniqueNames()
    for name, some in labelled.items():
        found = _found(name, some, Path(pages) if pages else root.parent, kinds)
        for row, node in zip(some, found, strict=True):
            called = unique(f"{name}#{_cell(row, 'row') or _cell(row, 'path')}")
            if isinstance(node, PageNode):
                found_kinds.add(node.kind)
                label, group = label_of(row.get("label")), _cell(row, "group") or name
                splits[split_name(row.get("split"))].append(node_record(called, node, fields, label, group))
            else:
                problems.append(RecordProblem(LOST, called, node))
    if not splits:
        raise DataError(
            f"the {total} labelled rows of {root} must be nodes of their pages, but none is, such as "
            f"{problems[-1].record}: {problems[-1].message} --pages FOLDER says where the pages lie."
        )
    if total < len(rows):
        said = f"{len(rows) - total} of {len(rows)} rows have no label and are not learned from."
        problems.append(RecordProblem(UNLABELLED, root.name, said))
    order = [record.id for some in splits.values() for record in some]
    divided = with_splits(splits, seed, split_file, dev_share=dev_share, same=lambda record: record.group or record.id)
    kinds = kinds or tuple(sorted(found_kinds))
    return Corpus(
        root.name.split(".")[0], divided, problems, order=order, is_drawn=set(splits) == {""}, node_kinds=kinds
    )


def pages_of(path: Path) -> list[Path]:
    """Return the pages that a table of nodes names, each once, in its order."""
    names = dict.fromkeys(_cell(row, "document") for row in read_rows(path))
    return [_located(name, path.parent) for name in names]


def node_record(
    name: str,
    node: PageNode,
    fields: Collection[str] | None = None,
    label: str | None = None,
    group: str | None = None,
) -> Record:
    """Return a node as a record: its fields are an article's.

    Args:
        fields: to read; None for all.
    """
    kept = tuple((field, text) for field, text in node.fields if fields is None or field in fields)
    size = sum(len(text) for _, text in kept)
    return Record(name, label, ArticleOrigin(kept), tuple(field for field, _ in kept), size, group=group)


def lost(problems: Sequence[RecordProblem], most: int = 3) -> str | None:
    """Return in a sentence which labelled rows are not in their pages, and some of them; None where all are."""
    some = [one for one in problems if one.code == LOST]
    if not some:
        return None
    named = "; ".join(f"{one.record}: {one.message}" for one in islice(some, most))
    return f"{len(some)} labelled rows are not in their pages and are left out, such as {named}"


def _shown(node: PageNode) -> str:
    """Return what the table has of a node's text: without the space at its end, which no cell keeps."""
    return node.text[:SHOWN].rstrip()


def _cell(row: Mapping[str, Any], column: str) -> str:
    """Return a cell as text in one line."""
    value = row.get(column)
    return "" if is_missing(value) else " ".join(str(value).split())


def _found(name: str, rows: Sequence[Mapping[str, Any]], folder: Path, kinds: Collection[str]) -> list[PageNode | str]:
    """Return the node of each row of one page, or why there is none."""
    file = _located(name, folder)
    if not os.path.isfile(file):  # False, too, of a name that is too long
        return [f"document must name a page that is there, but {name[:60]!r} is no file in {folder}."] * len(rows)
    try:
        nodes = page_nodes(load_document(file, images="skip"), file, kinds or None)
    except (DocgraphError, OSError) as error:
        return [str(error)] * len(rows)
    by_row = {node.row: node for node in nodes}
    by_path: dict[str, list[PageNode]] = defaultdict(list)
    by_text: dict[str, list[PageNode]] = defaultdict(list)
    for node in nodes:
        by_path[node.path].append(node)
        by_text[_shown(node)].append(node)

    def find(row: Mapping[str, Any]) -> PageNode | str:
        number, path, text = (_cell(row, column) for column in ("row", "path", "text"))
        here = [by_row[int(number)]] if number.isdecimal() and int(number) in by_row else []
        here = [one for one in here if not path or one.path == path]
        there = here or by_path.get(path, [])
        same = [one for one in there if not text or _shown(one) == text]
        if not same and text:
            same = by_text.get(text, [])
        if len(same) == 1 or (same and here == same):
            return same[0]
        if len(same) > 1:
            return f"{len(same)} nodes may be meant, and none of them is in row {number or 'that is given'}."
        if not there:
            return f"there is no node at {path or f'row {number}'} in the page."
        return f"the node at {path or f'row {number}'} says {there[0].text[:60]!r}, but the table {text[:60]!r}."

    return [find(row) for row in rows]


def _located(name: str, folder: Path) -> Path:
    """Return where a page lies that a table names: by its path, or else by its name alone."""
    by_name = folder / Path(name).name
    return by_name if os.path.isfile(by_name) and not os.path.isfile(folder / name) else folder / name
