"""What a command is given: files, folders and data sets, as documents that are read one at a time.

    PATHS... ──find_inputs──> [Input, ...] ──input.document()──> Document, or one DocgraphError that names the input

A folder in the layout of a data set gives its records, a table of nodes the pages that it names, any other folder
every page under it, every text if there is no page, or every file without an ending that is text if there is neither.
An input that cannot be read is set aside by `Errors`, which names it on stderr and in errors.jsonl; the others go on.
No torch.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TextIO

from docgraph import Document, load_document
from docgraph.errors import DataError, DocgraphError
from docgraph.file_names import readable, told
from docgraph.parsers.files import document_suffix, find_files, leads_out
from training.datasets import Record
from training.datasets.folder import is_plain
from training.datasets.load import guess_format, load, options_of
from training.datasets.n24news import is_n24news
from training.datasets.nodes import is_nodes, pages_of
from training.datasets.origins import FileOrigin
from training.datasets.rows import is_table
from training.datasets.sentiment import is_elec, is_imdb

PAGES: Final = (".html", ".htm", ".xhtml", ".xht")
TEXTS: Final = (".md", ".markdown", ".txt", ".text")
ERRORS: Final = "errors.jsonl"


@dataclass(frozen=True)
class Input:
    """One document to come."""

    id: str
    """Its path as given, or its record's id."""
    path: Path | None = None
    record: Record | None = None
    folder: Path | None = None
    """The folder that it was found in, which it may not lead out of."""

    def document(self) -> Document:
        """Read it.

        Raises:
            DocgraphError: it cannot be read; the message says why.
        """
        if self.record is not None:
            return self.record.document()
        assert self.path is not None
        if self.path.is_dir():
            raise DataError(f"{self.path} must hold pages ({', '.join(PAGES)}) or texts, but holds none.")
        if self.folder is not None and leads_out(self.path, self.folder):
            raise DataError(f"a page must lie in the folder that is given, but {self.path} leads out of {self.folder}.")
        if not self.path.suffix and is_plain(self.path):
            return FileOrigin(str(self.path)).document()
        return load_document(self.path)


def find_inputs(paths: Sequence[str | Path], usual: Mapping[str, Any] | None = None, **columns: Any) -> list[Input]:
    """Return the inputs that some paths stand for, in their order: files of a folder by name, records as they come.

    Args:
        usual: options of the table reader that hold where none else are named, and where there is a table.
        columns: options of the table reader, "fields" and "label", for the tables among them.

    Raises:
        DataError: columns are named, all the paths are there, and none is a table that has any.
    """
    places = list(map(Path, paths))
    found: dict[str, Input] = {}
    taken = set[str]()
    for path in places:
        for each in _inputs_of(path, {**(usual or {}), **columns}, taken):
            if each.record is not None and each.id in found:
                each = replace(each, id=f"{readable(path.as_posix())}:{each.id}")
            found.setdefault(each.id, each)
    lost = [columns[name] for name in columns if name not in taken]
    if lost and all(map(os.path.exists, places)):  # of one that is not its error tells
        names = [name for one in lost for name in (one.values() if isinstance(one, Mapping) else [one])]
        raise DataError(
            f"columns must be of a table, but {', '.join(names)} was named and "
            f"{', '.join(map(str, places[:3]))} is none that takes it: leave it out, or name a table."
        )
    return list(found.values())


def _inputs_of(path: Path, columns: Mapping[str, Any], taken: set[str]) -> Iterator[Input]:
    """Yield the inputs of a path; add the columns that its reader takes to `taken`."""
    if path.is_file() and is_nodes(path):
        yield from (Input(readable(page.as_posix()), page) for page in pages_of(path))
    elif path.exists() and (is_n24news(path) or is_imdb(path) or is_elec(path) or is_table(path)):
        name = guess_format(path, columns)
        options = {option: value for option, value in columns.items() if option in options_of(path, name)}
        taken.update(options)
        yield from (Input(record.id, record=record) for record in load(path, name, **options).records())
    elif path.is_dir():
        under, _ = find_files(path)
        files = _of(under, PAGES) or _of(under, TEXTS)
        files = files or [file for file in under if not file.suffix and file.name[0] != "." and is_plain(file)]
        if not files:
            yield Input(readable(path.as_posix()), path)
        elif others := {*under} - {*files}:
            left_out = told(file.relative_to(path).as_posix() for file in others)
            texts = {*_of(under, TEXTS)} - {*files}
            hint = f"; texts beside pages are read where they are named: {min(texts)}" if texts else ""
            print(readable(f"left out of {path}: {left_out}{hint}"), file=sys.stderr)
        yield from (Input(readable(file.as_posix()), file, folder=path) for file in files)
    else:
        yield Input(readable(path.as_posix()), path)


def _of(files: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [file for file in files if document_suffix(file) in suffixes and file.is_file()]


def problem_of(name: str, error: DocgraphError) -> dict[str, Any]:
    """Return a line of errors.jsonl."""
    return {"input": readable(name), "error": type(error).__name__, "message": readable(str(error))}


@dataclass
class SetAside:
    """The inputs that were set aside: named on stderr as they come, and in a JSON lines file."""

    file: Path
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    found: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, error: DocgraphError) -> None:
        """Note one input and why it was set aside."""
        self.found.append(problem_of(name, error))
        print(readable(f"set aside {name}: {error}"), file=self.stream)

    def write(self) -> Path | None:
        """Write the file if anything was set aside; return where it is."""
        if not self.found:
            return None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in self.found)
        self.file.write_text("".join(lines), encoding="utf-8")
        return self.file

    def exit_code(self, done: int) -> int:
        """Return 0 if nothing was set aside, 2 if nothing was done, else 1."""
        if done == 0:
            return 2
        return 1 if self.found else 0
