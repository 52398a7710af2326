"""The columns of a document as JSON values, for the scripts of the view.

    Document ─ as_data ─> {"text", "parent", "kind", "span", ...}   one entry a node, as in columns.py

JavaScript counts a letter above U+FFFF as two: `span` and `marks` are places as it counts, `char_span` are those of
Python where they differ. Kinds, roles and domains are numbers of a list of names.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docgraph.columns import Columns
from docgraph.view.images import inlined

_MOST_WARNINGS = 1_000


def as_data(document: Columns, *, image_bytes: int) -> dict[str, Any]:
    """Return all that the view shows of a document.

    Args:
        image_bytes: letters that the data URIs of all images may have.
    """
    place = js_places(document.text)
    span = place[document.span]
    images: dict[int, Any] = {}
    for node in document.images():
        images[node.row] = inlined(node, image_bytes)
        image_bytes -= len(images[node.row].get("src", ""))
    kinds, kind = _numbered(document.kind)
    roles, role = _numbered(document.role)
    domains, domain = _numbered([str(one) for one in document.domain])
    return {
        "text": document.text,
        "parent": document.parent.tolist(),
        "kinds": kinds, "kind": kind, "roles": roles, "role": role, "domains": domains, "domain": domain,
        "position": document.position.ravel().tolist(),
        "keys": list(document.keys),
        "span": span.ravel().tolist(),
        "char_span": None if len(document.text) == place[-1] else document.span.ravel().tolist(),
        "score": _rounded(document.score),
        "attributes": {row: dict(values) for row, values in document.attributes.items()},
        "marks": sorted(
            [int(place[m.start]), int(place[m.end]), m.type, m.href, m.row] for m in document.marks if m.start < m.end
        ),
        "boxes": {row: box[:4] for row, box in document.boxes.items()},
        "sources": _sources(document),
        "metadata": _metadata(document),
        "candidates": [list(one) for one in document.metadata.candidates],
        "warnings": [list(one) for one in document.warnings[:_MOST_WARNINGS]],
        "truncated": document.truncated,
        "images": images,
    }  # fmt: skip


def js_places(text: str) -> NDArray[np.int64]:
    """Return (len(text) + 1,) where each letter begins as JavaScript counts, in UTF-16 units."""
    wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4") > 0xFFFF
    places = np.arange(len(text) + 1, dtype=np.int64)
    places[1:] += np.cumsum(wide)
    return places


def _numbered(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """Return the distinct names, and the number of each entry's; -1 for None."""
    known = dict.fromkeys(name for name in names if name is not None)
    number = {name: place for place, name in enumerate(known)}
    return list(known), [-1 if name is None else number[name] for name in names]


def _rounded(score: NDArray[np.float32] | None) -> list[float | None] | None:
    if score is None:
        return None
    return [None if value != value else round(value, 3) for value in score.tolist()]


def _sources(document: Columns) -> dict[str, Any] | None:
    sources = document.sources
    if sources is None:
        return None
    offsets = sources.node_offsets
    return {
        "parent": sources.element_parent.tolist(),
        "step": list(sources.element_step),
        "element": sources.node_element.tolist(),
        "offsets": None if offsets is None else offsets.ravel().tolist(),
    }


def _metadata(document: Columns) -> list[list[Any]]:
    """Return field and value of what is known."""
    about = document.metadata
    names = [one.name for one in fields(about) if one.name not in ("candidates", "extra")]
    known = [[name, value] for name in names if (value := getattr(about, name)) not in (None, ())]
    return [*known, *([name, value] for name, value in about.extra.items())]
