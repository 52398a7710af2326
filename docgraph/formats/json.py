"""Documents as JSON: flat columns, a schema version, an exact round trip.

    {"schema": "docgraph.document", "version": 1, "text": ..., "parent": [...], "kind": [...], ...}

Flat because nested JSON overflows the stack of most readers near 1,000 levels, and pages nest deeper. Images
given as bytes travel as base64; a caller's `fetch` function does not travel. A reader meets a newer version with
one clear error.
"""

import base64
import json
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from docgraph.columns import Columns
from docgraph.errors import DocumentError
from docgraph.kinds import Domain
from docgraph.limits import Limits
from docgraph.metadata import Candidate, Metadata
from docgraph.records import Box, ImageAccess, Mark, Sources, Warning

SCHEMA: Final = "docgraph.document"
VERSION: Final = 1


def to_dict(document: Columns) -> dict[str, Any]:
    """Return the document as JSON values."""
    sources = document.sources
    images = document.image_access
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "metadata": asdict(document.metadata),
        "text": document.text,
        "parent": document.parent.tolist(),
        "kind": list(document.kind),
        "domain": [domain.value for domain in document.domain],
        "role": list(document.role),
        "position": document.position.tolist(),
        "span": document.span.tolist(),
        "keys": list(document.keys),
        "score": None if document.score is None else [None if s != s else s for s in document.score.tolist()],
        "attributes": {str(row): dict(document.attributes[row]) for row in sorted(document.attributes)},
        "edges": {str(row): document.edges[row].tolist() for row in sorted(document.edges)},
        "marks": [list(mark) for mark in document.marks],
        "boxes": {str(row): list(document.boxes[row]) for row in sorted(document.boxes)},
        "sources": None
        if sources is None
        else {
            "element_parent": sources.element_parent.tolist(),
            "element_step": list(sources.element_step),
            "node_element": sources.node_element.tolist(),
            "node_offsets": None if sources.node_offsets is None else sources.node_offsets.tolist(),
        },
        "images": {
            "root": images.root,
            "base": images.base,
            "limits": asdict(images.limits),
            "resources": {name: base64.b64encode(data).decode("ascii") for name, data in images.resources.items()},
        },
        "truncated": document.truncated,
        "warnings": [list(warning) for warning in document.warnings],
    }


def to_json(document: Columns, *, indent: int | None = None) -> str:
    """Return the document as JSON text that is valid UTF-8 (lone surrogates are escaped).

    Raises:
        DocumentError: an attribute or metadata value is none that JSON knows (a date, NaN, an object).
    """
    values = to_dict(document)
    written = _dumped(values, indent, ascii_only=False)
    try:
        written.encode("utf-8")
    except UnicodeEncodeError:
        return _dumped(values, indent, ascii_only=True)
    return written


def _dumped(values: dict[str, Any], indent: int | None, *, ascii_only: bool) -> str:
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(values, ensure_ascii=ascii_only, indent=indent, separators=separators, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentError(f"attributes and metadata must hold JSON values only, but {error}.") from error


def from_json(source: str | bytes) -> Columns:
    """Return the document that `to_json` wrote.

    Raises:
        DocumentError: not JSON, not a document, of a newer schema version, or with columns that do not fit.
    """
    try:
        values = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"a serialised document must be JSON, but {error}.") from error
    return from_dict(values)


def from_dict(values: Any) -> Columns:
    """Return the document that `to_dict` wrote.

    Raises:
        DocumentError: see `from_json`.
    """
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        schema = values.get("schema") if isinstance(values, dict) else type(values).__name__
        raise DocumentError(f"a serialised document must say schema {SCHEMA!r}, but says {schema!r}.")
    if values.get("version") != VERSION:
        raise DocumentError(
            f"this docgraph reads schema version {VERSION}, but the document has {values.get('version')!r}. "
            "Read it with the docgraph that wrote it, or a newer one."
        )
    try:
        return _document(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(
            f"every column of schema version {VERSION} must be there and well formed, but {error!r}."
        ) from error


def _document(values: dict[str, Any]) -> Columns:
    metadata = dict(values["metadata"])
    metadata["authors"] = tuple(metadata["authors"])
    metadata["tags"] = tuple(metadata["tags"])
    metadata["candidates"] = tuple(Candidate(*candidate) for candidate in metadata["candidates"])
    score, sources, images = values["score"], values["sources"], values["images"]
    return Columns(
        text=values["text"],
        parent=_ints(values["parent"]),
        kind=tuple(values["kind"]),
        domain=tuple(Domain(domain) for domain in values["domain"]),
        role=tuple(values["role"]),
        position=_ints(values["position"]).reshape(-1, 2),
        span=np.asarray(values["span"], dtype=np.int64).reshape(-1, 2),
        keys=tuple(values["keys"]),
        score=None if score is None else np.asarray([np.nan if s is None else s for s in score], dtype=np.float32),
        attributes={int(row): attributes for row, attributes in values["attributes"].items()},
        edges={int(row): _ints(pairs).reshape(2, -1) for row, pairs in values["edges"].items()},
        marks=tuple(Mark(*mark) for mark in values["marks"]),
        boxes={int(row): Box(*box) for row, box in values["boxes"].items()},
        sources=None if sources is None else _sources(sources),
        metadata=Metadata(**metadata),
        image_access=ImageAccess(
            resources={name: base64.b64decode(data, validate=True) for name, data in images["resources"].items()},
            root=images["root"],
            base=images["base"],
            limits=Limits(**images["limits"]),
        ),
        truncated=values["truncated"],
        warnings=tuple(Warning(*warning) for warning in values["warnings"]),
    )


def _sources(values: dict[str, Any]) -> Sources:
    offsets = values["node_offsets"]
    return Sources(
        _ints(values["element_parent"]),
        tuple(values["element_step"]),
        _ints(values["node_element"]),
        None if offsets is None else np.asarray(offsets, dtype=np.int64).reshape(-1, 2),
    )


def _ints(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.asarray(values, dtype=np.int32)
