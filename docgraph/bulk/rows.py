"""What goes into an output of `parse_many`: a row for each document, and what failed beside it."""

import json
from pathlib import Path
from typing import IO, Any, NamedTuple, overload

from docgraph.document import Document


class Row(NamedTuple):
    """A parsed document, ready to be written."""

    id: str
    kind: str
    title: str | None
    url: str | None
    date: str | None
    language: str | None
    text: str
    main_text: str
    nodes: int
    truncated: bool
    document: str
    """Its JSON."""


class Failure(NamedTuple):
    """A file that gave no document, or was left out of a folder."""

    id: str
    error: str
    """Name of the exception's class, or "LeftOut"."""
    message: str


def schema() -> Any:
    """Return the Arrow schema of rows."""
    import pyarrow

    text, whole = pyarrow.string(), pyarrow.large_string()
    types = {
        "id": text, "kind": text, "title": text, "url": text, "date": text, "language": text,
        "text": whole, "main_text": whole, "nodes": pyarrow.int32(), "truncated": pyarrow.bool_(), "document": whole,
    }  # fmt: skip
    return pyarrow.schema(list(types.items()))


def row_of(name: str, document: Document) -> Row:
    """Return the row of a document."""
    about = document.metadata
    return Row(
        id=_whole(name),
        kind=document.kind[0],
        title=_whole(about.title),
        url=_whole(about.url),
        date=_whole(about.date),
        language=_whole(about.language),
        text=_whole(document.text),
        main_text=_whole(document.main_text),
        nodes=len(document),
        truncated=document.truncated,
        document=document.to_json(),
    )


@overload
def _whole(text: str) -> str: ...
@overload
def _whole(text: None) -> None: ...


def _whole(text: str | None) -> str | None:
    """Return text that UTF-8 can hold: file names and pages may have lone surrogates."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


class Errors:
    """errors.jsonl: made anew by each run, and only if something failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[str] | None = None

    def __enter__(self) -> "Errors":
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, failure: Failure) -> None:
        if self.file is None:
            self.file = self.path.open("w", encoding="utf-8")
        values = {name: _whole(value) for name, value in failure._asdict().items()}
        self.file.write(json.dumps(values, ensure_ascii=False) + "\n")
        self.file.flush()
