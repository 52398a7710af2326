"""Which headings stand over each node of a document."""

from typing import Final

from docgraph.columns import Columns

CONTAINERS: Final = frozenset(("site", "page", "article", "document", "section", "group", "form", "field"))
"""Kinds that hold blocks: the children of these are headings and what stands under them."""
SECTIONS: Final = frozenset(("site", "page", "article", "document", "section", "field"))
"""Those of them that are parts of a document; a group or form belongs to the part around it."""
TITLES: Final = frozenset(("headline", "title"))
"""Fields of a record that stand over the others as a heading does."""


def is_heading(document: Columns, row: int) -> bool:
    """Whether a node stands over what follows it under its parent; a heading in a list item or a quote does not."""
    kind, above = document.kind[row], int(document.parent[row])
    if kind == "field":
        return document[row].key in TITLES
    return kind == "heading" and (above < 0 or document.kind[above] in CONTAINERS)


def heading_paths(document: Columns) -> list[tuple[int, ...]]:
    """Return for each node the rows of the headings over it, outermost first; a section's own heading is its last."""
    paths: list[tuple[int, ...]] = []
    current: list[tuple[int, ...]] = []
    """By row of a parent: the headings over its next child."""
    headed: set[int] = set()
    for row, above in enumerate(document.parent.tolist()):
        paths.append(current[above] if above >= 0 else ())
        current.append(paths[row])
        if above >= 0 and is_heading(document, row):
            over = paths[above][:-1] if above in headed else paths[above]
            current[above] = (*over, row)
            if above not in headed and document.kind[above] in SECTIONS:
                headed.add(above)
                paths[above] = current[above]
    return paths


def section_above(document: Columns, row: int) -> int:
    """Return the row of the section, page, field ... that a node lies in, -1 for the root."""
    row = int(document.parent[row])
    while row >= 0 and document.kind[row] not in SECTIONS:
        row = int(document.parent[row])
    return max(row, -1)
