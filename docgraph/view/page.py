"""The page: the view's own HTML, style and scripts around the data of one document.

    view(document) ─> View ─ .html, .save(path), shown as it is in notebooks

A document may bring what others found out about it: passages that answer a question, the evidence of a model and where
its attention goes.

Sources: CSP level 3; HTML Living Standard 4.12.1.3 (contents of script elements); Trusted Types.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.columns import Columns
from docgraph.errors import DataError
from docgraph.view.data import as_data, js_places

SCRIPTS: Final = ("model.js", "reading.js", "screenshot.js", "tree.js", "panel.js", "main.js")
IMAGE_BYTES: Final = 32_000_000
_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


class Passage(NamedTuple):
    """A piece of a document that answers a question. Places are characters of `document.text`."""

    span: tuple[int, int]
    score: float
    marks: tuple[tuple[int, int], ...] = ()
    """Where words of the question stand in the document's text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What each node of a document counts for the classes that a model gives it. N nodes, C classes."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(C,) of the whole document."""
    values: NDArray[np.float32]
    """(N, C) what a class would lose without the node, NaN where it was not judged: above 0 it speaks for the class."""
    method: str
    """In words, with the unit of `values`."""
    passes: int = 0
    """Documents that the model read to find it out."""
    problem_type: str = "single_label_classification"
    """Or "multi_label_classification"; or "regression": one class, whose "probability" is the value."""
    given: tuple[str, ...] | None = None
    """The classes that the model gives the document; the most probable if None."""
    notes: tuple[str, ...] = ()
    """What else the model says of the document, such as that it is off topic; a sentence each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """Where a model's attention goes from nodes of a document. E edges, L layers."""

    row: NDArray[np.int64]
    """(E,) the node that looks; edges are sorted by it."""
    to: NDArray[np.int64]
    """(E,) what it looks at: itself or a sibling."""
    share: NDArray[np.float32]
    """(E, L) of what the node looks at, 0 to 1."""
    method: str
    """In words."""


@dataclass(frozen=True, repr=False)
class View:
    """A page that shows a document."""

    html: str

    def save(self, path: str | Path) -> Path:
        """Write it as a file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html, encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"<View of {len(self.html):,} characters: .save('view.html'), .html>"

    def _repr_html_(self) -> str:
        """Show it in a notebook: in a frame without an origin."""
        return (
            f'<iframe sandbox="allow-scripts" title="A document and its tree" width="100%" height="640" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )


def view(
    document: Columns,
    *,
    query: str | None = None,
    passages: Sequence[Passage] = (),
    evidence: Evidence | None = None,
    attention: Attention | None = None,
    image_bytes: int = IMAGE_BYTES,
) -> View:
    """Return a page that shows a document beside its tree; see `Document.view`."""
    data = as_data(document, image_bytes=image_bytes)
    place = js_places(document.text)
    if query is not None or passages:
        data["query"] = {
            "text": query or "",
            "passages": [
                [*place[list(one.span)].tolist(), round(one.score, 3), [place[list(m)].tolist() for m in one.marks]]
                for one in passages
            ],
        }
    if evidence is not None:
        data["evidence"] = _evidence(evidence, len(document))
    if attention is not None:
        data["attention"] = _attention(attention, document)
    script = "(() => {\n'use strict';\n" + "\n".join(map(_part, SCRIPTS)) + "})();\n"
    style = _part("view.css")
    values = {
        "policy": _POLICY.format(style=_digest(style), script=_digest(script)),
        "title": escape(_printable(document.metadata.title or document.text[:80] or document.kind[0])),
        "style": style,
        "data": as_json(data),
        "script": script,
    }
    parts = _part("view.html").split("{{")
    filled = [values[name] + rest for name, rest in (part.split("}}", 1) for part in parts[1:])]
    return View("".join([parts[0], *filled]))


def as_json(values: Any) -> str:
    """Return JSON that may stand in a script element: without "<", and with lone surrogates escaped.

    Raises:
        DataError: a value is none of JSON's, such as an attribute that a caller set.
    """
    try:
        written = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"attributes of a document that is viewed must be JSON values, but {error}.") from error
    return _printable(written.replace("<", "\\u003c"))


def _evidence(evidence: Evidence, rows: int) -> dict[str, Any]:
    if evidence.values.shape != (rows, len(evidence.classes)):
        raise DataError(
            f"evidence must have shape ({rows}, {len(evidence.classes)}) for this document, "
            f"but has {evidence.values.shape}."
        )
    judged = np.flatnonzero(np.isfinite(evidence.values).all(axis=1))
    return {
        "classes": list(evidence.classes),
        "probabilities": [float(f"{value:.6g}") for value in evidence.probabilities.tolist()],
        "rows": judged.tolist(),
        "values": np.round(evidence.values[judged].astype(float), 4).tolist(),
        "method": evidence.method,
        "passes": evidence.passes,
        "problem": evidence.problem_type,
        "given": None if evidence.given is None else list(evidence.given),
        "notes": list(evidence.notes),
    }


def _attention(attention: Attention, document: Columns) -> dict[str, Any]:
    row, to, share = attention.row, attention.to, attention.share
    there = len(row) == len(to) == len(share) and all(0 <= one < len(document) for one in {*row.tolist(), *to.tolist()})
    if not there or (document.parent[row] != document.parent[to]).any():
        raise DataError("attention must go from nodes of this document to themselves or siblings, but is of another.")
    return {
        "row": row.tolist(),
        "to": to.tolist(),
        "share": np.round(share.astype(float), 3).tolist(),
        "method": attention.method,
    }


def _part(name: str) -> str:
    return (files("docgraph.view") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode("ascii")


def _printable(text: str) -> str:
    """Return text that is UTF-8: a lone surrogate becomes its escape, which JSON reads as itself."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
