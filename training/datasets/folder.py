"""Read a folder of pages and texts with labels.

    <label>/**/*.{html,md,txt}                 a sub-folder is a label
    {train,dev,test}/<label>/*.{html,md,txt}   with given splits
    *.{html,md,txt} + labels.csv | .jsonl      columns "file", "label" and perhaps "split"
    <label>/**/12345                           texts without endings, where nothing else is a document

A document that was saved (.json), such as a rendered page with its boxes, may stand for a page. Each may be packed
(.gz). Without given splits, records are split 8:1:1 (splitting.py). File and folder names are ids, never text of a
document. Files that are neither page, text nor image are named in `problems`.
"""

import codecs
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docgraph.errors import DataError, ParseError
from docgraph.file_names import readable
from docgraph.limits import Limits
from docgraph.load import is_saved
from docgraph.parsers.files import HTML_SUFFIXES, PAGE_SUFFIXES, document_suffix, read_bounded
from docgraph.parsers.signatures import check_is_text
from training.datasets.cells import is_missing, label_of
from training.datasets.image_files import SUFFIXES
from training.datasets.lines import read_lines
from training.datasets.origins import FileOrigin, PageOrigin
from training.datasets.records import SPLIT_NAMES, Corpus, Origin, Record, RecordProblem, resolve
from training.datasets.rows import LABEL_FILES, table_files
from training.datasets.splitting import split_name, with_splits

HEAD: Final = 1024
"""Bytes of a file without an ending that say whether it is text."""
BESIDE: Final = (*SUFFIXES, ".svg", ".ico", ".css", ".js", ".woff", ".woff2", ".ttf")
"""What lies beside pages and is no document."""


def is_pages(path: Path) -> bool:
    """Whether a path is a folder of pages, or of texts with labels."""
    if not path.is_dir():
        return False
    if _label_file(path) is not None:
        return True
    return any(document_suffix(file) in HTML_SUFFIXES or file.parent != path for file in _documents(path))


def is_texts(path: Path) -> bool:
    """Whether a path is a folder of texts and of no tables: what is left when nothing else fits."""
    return path.is_dir() and bool(_documents(path)) and not table_files(path)


def read_pages(
    path: str | Path,
    *,
    seed: int = 0,
    split_file: Path | None = None,
    images: str | None = None,
    dev_share: float = 0.0,
) -> Corpus:
    """Read a folder of labelled pages or texts.

    Args:
        images: folder that images may come from (the data folder if they lie beside the pages' folders), "skip",
            or None for each page's own folder.
        dev_share: share of the training records that becomes "dev" where splits are given, but no such one.

    Raises:
        DataError: no pages, or a label file that is broken or names pages that are not there.
    """
    root = resolve(path)
    listed = _label_file(root)
    problems: list[RecordProblem] = []
    entries = list(_by_folder(root, problems) if listed is None else _listed(root, listed, problems))
    if not entries:
        raise DataError(f"{root} must hold pages or texts with labels, but holds no {', '.join(PAGE_SUFFIXES)} file.")
    splits: dict[str, list[Record]] = defaultdict(list)
    for file, label, split in entries:
        name = _name(root, file)
        if not file.is_file():
            problems.append(RecordProblem("page.missing", name, f"there is no page at {file}."))
            continue
        is_page = document_suffix(file) in HTML_SUFFIXES
        origin: Origin = PageOrigin(str(file), images=images) if is_page else FileOrigin(str(file))
        size = file.stat().st_size
        if not size:
            problems.append(RecordProblem("record.empty", name, "the file is empty."))
        fields = (("page" if is_page else "text"),) if size else ()
        splits[split].append(Record(name, label, origin, fields, size))
    order = [_name(root, file) for file, *_ in entries]
    divided = with_splits(splits, seed, split_file, dev_share=dev_share)
    return Corpus(root.resolve().name, divided, problems, order=order, is_drawn=set(splits) == {""})


def _documents(root: Path) -> list[Path]:
    """Return the pages and texts under a folder; where no file's ending says that it is one, those without endings."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    found = [file for file in files if _is_document(file)]
    return found or [file for file in files if file.parent != root and not file.suffix and is_plain(file)]


def is_plain(file: Path) -> bool:
    """Whether something is a file that begins like text: with no byte 0 and with no sign of something else."""
    if not file.is_file():
        return False
    try:
        head = read_bounded(file, Limits(input_bytes=HEAD))
        check_is_text(head, file.name)
    except ParseError:
        return False
    return b"\0" not in head or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _is_document(file: Path) -> bool:
    return document_suffix(file) in PAGE_SUFFIXES or is_saved(file)


def _name(root: Path, file: Path) -> str:
    return readable(file.relative_to(root).as_posix())


def _by_folder(root: Path, problems: list[RecordProblem]) -> Iterator[tuple[Path, str | None, str]]:
    """Yield page, label and split; the label is the first folder below the root or below the split's folder.

    A text beside the labels' folders tells of them and is left out, as is what is no page, text or image.
    """
    files = [file for file in sorted(root.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    documents = {*_documents(root)}
    has_labels = any(file.parent != root for file in documents)
    for file in files:
        suffix = document_suffix(file)
        parts = list(file.relative_to(root).parts[:-1])
        is_about = has_labels and not parts and suffix not in HTML_SUFFIXES
        if is_about or file not in documents:
            if suffix not in BESIDE:
                why = "lies beside the folders of labels" if file in documents else "is no page and no text"
                name = _name(root, file)
                problems.append(RecordProblem("file.left_out", name, f"{name} {why}."))
            continue
        split = ""
        if len(parts) > 1 and (word := split_name(parts[0])) in SPLIT_NAMES:
            split, parts = word, parts[1:]
        yield file, readable(parts[0]) if parts else None, split


def _label_file(root: Path) -> Path | None:
    return next((root / name for name in LABEL_FILES if (root / name).is_file()), None)


def _listed(root: Path, listed: Path, problems: list[RecordProblem]) -> Iterator[tuple[Path, str | None, str]]:
    """Yield page, label and split of every row; pages that no row names are noted."""
    named = set()
    for index, row in enumerate(read_lines(listed), 1):
        name = row.get("file") or row.get("id")
        if is_missing(name):
            raise DataError(f"every row of {listed} must name a file, but row {index} has only {', '.join(row)}.")
        named.add(root / str(name))
        yield root / str(name), label_of(row.get("label")), split_name(row.get("split"))
    for file in _documents(root):
        if file not in named:
            name = _name(root, file)
            problems.append(RecordProblem("file.left_out", name, f"{name} is not in {listed.name}."))
