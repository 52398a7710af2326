"""A document as HTML for a notebook: its tree to open and close, without scripts, images or links.

Every text is escaped, and only the first nodes are shown: `document.view()` has the rest.
"""

from html import escape
from typing import Final

from docgraph.columns import Columns

MOST: Final = 400
"""Nodes."""
_DEEPEST: Final = 40
_WORDS: Final = 120


def to_notebook(document: Columns) -> str:
    """Return the tree as nested `<details>`, opened down to what holds sentences."""
    title = document.metadata.title or document.text[:60] or document.kind[0]
    parts = [
        f"<div><b>{_plain(title)}</b> {len(document):,} nodes, {len(document.text):,} characters"
        '<div style="font-size: .85em; line-height: 1.5">'
    ]
    shown, ends = min(len(document), MOST), list[int]()
    for row in range(shown):
        while ends and row >= ends[-1]:
            ends.pop()
            parts.append("</div></details>")
        if document.child_count[row] and len(ends) < _DEEPEST:
            is_open = " open" if document.kind[row + 1] != "sentence" else ""
            parts.append(f'<details{is_open}><summary>{_line(document, row)}</summary><div style="margin-left: 1.2em">')
            ends.append(int(document.subtree_end[row]))
        else:
            parts.append(f"<div>{_line(document, row)}</div>")
    parts += ["</div></details>"] * len(ends)
    if shown < len(document):
        parts.append(f"<div>… {len(document) - shown:,} more nodes</div>")
    return "".join([*parts, "</div></div>"])


def _line(document: Columns, row: int) -> str:
    node = document[row]
    role = f" <i>{_plain(document.role[row] or '')}</i>" if document.role[row] else ""
    words = str(node.attributes.get("alt") or node.attributes.get("src") or "") if node.kind == "image" else ""
    start, end = node.span
    words = words or document.text[start : min(end, start + _WORDS + 1)]
    words = words if len(words) <= _WORDS else words[:_WORDS] + "…"
    holds_blocks = document.child_count[row] and document.kind[row + 1] != "sentence"
    return f"<b>{_plain(node.kind)}</b>{role}" + ("" if holds_blocks else f" {_plain(words)}")


def _plain(text: str) -> str:
    return escape(" ".join(text.split()).encode("utf-8", "replace").decode())
