"""Tables: which are data and which only lay a page out, and where each cell of a data table stands.

Sources: HTML Living Standard 4.9.12 (forming a table); Firefox's and Readability's rules for layout tables.
"""

from typing import Final, NamedTuple

from docgraph.limits import Limits
from docgraph.parsers.html_blocks import is_hidden
from docgraph.parsers.html_elements import Elements
from docgraph.parsers.html_rules import HEADINGS


class Cell(NamedTuple):
    """Where a cell stands in the grid."""

    row: int
    column: int
    row_span: int
    column_span: int
    header: bool


class Grid(NamedTuple):
    """A data table."""

    cells: dict[int, Cell]
    """Cell element -> its place."""
    rows: int
    columns: int
    caption: int
    """The caption element, or -1."""
    cut: bool
    """Whether cells were left out because there were more than the bound."""


def read_grid(elements: Elements, table: int, limits: Limits) -> Grid | None:
    """Return the grid of a data table, or None if the table lays out the page. Linear in the table's elements."""
    rows, caption, inner, loose = _rows(elements, table)
    if not rows or loose or _is_layout(elements, table, rows, caption, inner):
        return None
    cells, width, cut = _place(elements, rows, limits)
    return Grid(cells, len(rows), width, caption, cut)


def _rows(elements: Elements, table: int) -> tuple[list[list[int]], int, bool, bool]:
    """Return the cell elements row by row, the caption, whether tables nest in it, and whether text stands loose."""
    rows: list[list[int]] = []
    caption, inner, loose = -1, False, False
    tags, events = elements.tag, elements.events
    index, stop = elements.first[table] + 1, elements.last[table]
    open_row = -1
    while index < stop:
        event = events[index]
        index += 1
        if isinstance(event, str):
            loose = loose or not event.isspace()
            continue
        if event < 0:
            continue
        tag = tags[event]
        if tag == "tr":
            rows.append([])
            open_row = event
        elif tag in ("td", "th"):
            if elements.parent[event] != open_row:
                rows.append([])
                open_row = elements.parent[event]
            rows[-1].append(event)
            inner = inner or "table" in tags[event + 1 : elements.end(event)]
            index = elements.last[event] + 1
        elif tag == "caption":
            caption = event if caption < 0 else caption
            index = elements.last[event] + 1
        elif tag in _UNSEEN_IN_TABLES or is_hidden(tag, elements.attributes[event]):
            index = elements.last[event] + 1
        elif tag not in ("thead", "tbody", "tfoot"):
            return rows, caption, inner, True
    return [cells for cells in rows if cells], caption, inner, loose


_UNSEEN_IN_TABLES: Final = frozenset(("col", "colgroup", "script", "style", "template", "noscript", "input"))


def _is_layout(elements: Elements, table: int, rows: list[list[int]], caption: int, inner: bool) -> bool:
    own = elements.attributes[table]
    if own.get("role") in ("presentation", "none") or own.get("datatable") == "0":
        return True
    if own.get("role") in ("table", "grid", "treegrid") or own.get("summary") or caption >= 0:
        return False
    tags = elements.tag
    if any(tags[cell] == "th" for cells in rows for cell in cells):
        return False
    end = elements.end(table)
    within = set(tags[table + 1 : end])
    if not within.isdisjoint(("thead", "tfoot", "colgroup", "col")):
        return False
    if inner:
        return True
    width = max(len(cells) for cells in rows)
    if len(rows) <= 1 or width <= 1:
        return True
    if not within.isdisjoint(HEADINGS) or "form" in within or "article" in within:
        return True
    letters = sum(len(elements.text(cell)) for cells in rows for cell in cells)
    return letters > 400 * sum(map(len, rows))


def _place(elements: Elements, rows: list[list[int]], limits: Limits) -> tuple[dict[int, Cell], int, bool]:
    """Place cells as the standard does: each takes the first free column; spans are clamped to the grid."""
    cells: dict[int, Cell] = {}
    width, area = 0, limits.table_cells
    taken: dict[int, int] = {}
    """Column -> first row in which it is free again."""
    for y, row in enumerate(rows):
        x = 0
        for cell in row:
            if len(cells) >= limits.table_cells:
                return cells, width, True
            while taken.get(x, 0) > y:
                x += 1
            own = elements.attributes[cell]
            across = min(_span(own.get("colspan")) or 1, limits.column_span)
            asked = _span(own.get("rowspan"))
            down = len(rows) - y if asked == 0 else min(asked or 1, limits.row_span, len(rows) - y)
            if across * down > 1 and (area := area - across * down) < 0:
                # Spans that cover more than the bound on cells are not honest: the cell keeps one place.
                across = down = 1
            if down > 1:
                for column in range(x, x + across):
                    taken[column] = y + down
            cells[cell] = Cell(y, x, down, across, elements.tag[cell] == "th")
            x += across
            width = max(width, x)
    return cells, width, False


def _span(value: str | None) -> int | None:
    """Return the number that a span attribute begins with, or None."""
    digits = ""
    for letter in (value or "").strip()[:6]:
        if not ("0" <= letter <= "9"):
            break
        digits += letter
    return int(digits) if digits else None
