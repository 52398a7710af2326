"""Which rows of a document are text blocks, and which of them are its main text."""

import numpy as np

from docgraph.columns import Columns


def has_roles(document: Columns) -> bool:
    """Whether any node has a role of its own."""
    return any(role is not None for role in document.role)


def main_spans(document: Columns) -> list[tuple[int, int]]:
    """Return the spans of the text blocks that are main content, in document order.

    A block is a node with text of its own: a leaf, or the parent of sentences. It is main content if its effective
    role is "main", or None where no node of the document has any role. Of a page with roles, captions,
    credits and the heading that is its title (attribute "title") stand beside the running text and are left out.
    """
    wanted = "main" if has_roles(document) else None
    beside = ("caption", "credit") if wanted else ()
    spans: list[tuple[int, int]] = []
    for row in text_blocks(document):
        if document.effective_roles[row] == wanted and document.kind[row] not in beside:
            if wanted and document.attributes.get(row, {}).get("title") is True:
                continue
            start, end = document.span[row].tolist()
            spans.append((start, end))
    return spans


def text_blocks(document: Columns) -> list[int]:
    """Return the rows that hold text of their own: text leaves that are no sentences, and parents of sentences."""
    blocks: list[int] = []
    for row in np.flatnonzero(document.span[:, 0] < document.span[:, 1]).tolist():
        if document.kind[row] == "sentence":
            above = int(document.parent[row])
            if above >= 0 and (not blocks or blocks[-1] != above):
                blocks.append(above)
        elif document.child_count[row] == 0:
            blocks.append(row)
    return blocks
