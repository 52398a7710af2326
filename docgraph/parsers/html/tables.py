"""Tables: which are data and which only lay a page out, and where each cell of a data table stands.

Sources: HTML Living Standard 4.9.12 (forming a table); Firefox's and Readability's rules for layout tables.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from docgraph.limits import Limits
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.tags import HEADINGS, NAME_LETTERS
from docgraph.parsers.html.visibility import is_hidden


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
    """Return the grid of a data table, or None if the table lays out the page.

    Costs the size of the table without what its cells hold, so that tables nested to any depth stay linear.
    """
    content = _read(elements, table)
    if not content.rows or content.loose or _is_layout(elements, table, content):
        return None
    cells, width, cut = _place(elements, content, limits)
    return Grid(cells, len(content.rows), width, content.caption, cut)


@dataclass(slots=True)
class _Content:
    """What stands in a table, not looking into its cells."""

    rows: list[list[int]] = field(default_factory=list)
    """Cell elements, row by row."""
    caption: int = -1
    inner: bool = False
    """Whether a cell holds a table."""
    loose: bool = False
    """Whether there is something outside of cells and captions."""
    parts: bool = False
    """Whether it has a head, a foot or columns."""
    head: set[int] = field(default_factory=set)
    """Cells in a head, which are headers whatever their name."""


def _read(elements: Elements, table: int) -> _Content:
    content = _Content()
    tags, events, tables = elements.tag, elements.events, elements.rows_of("table")
    index, stop = elements.first[table] + 1, elements.last[table]
    open_row, section = -1, -1
    top: list[list[int]] = []
    foot: list[list[int]] = []
    while index < stop and not content.loose:
        event = events[index]
        index += 1
        if isinstance(event, str):
            content.loose = not event.isspace()
            continue
        if event < 0:
            continue
        tag = tags[event]
        part = tags[section] if section >= 0 and event < elements.end(section) else "tbody"
        rows = foot if part == "tfoot" else top if part == "thead" else content.rows
        if tag == "tr":
            rows.append([])
            open_row = event
        elif tag in ("td", "th"):
            if elements.parent[event] != open_row or not rows:
                rows.append([])
                open_row = elements.parent[event]
            rows[-1].append(event)
            if (
                part == "thead"
                or elements.attributes[event].get("role") == "columnheader"
                or _HEAD_CLASS.search(elements.attributes[open_row].get("class", "")[:NAME_LETTERS])
            ):
                content.head.add(event)
            following = bisect_right(tables, event)
            content.inner = content.inner or (
                following < len(tables) and elements.first[tables[following]] < elements.last[event]
            )
            index = elements.last[event] + 1
        elif tag == "caption":
            content.caption = event if content.caption < 0 else content.caption
            index = elements.last[event] + 1
        elif tag in _UNSEEN_IN_TABLES or is_hidden(tag, elements.attributes[event]):
            content.parts = content.parts or tag in ("col", "colgroup")
            index = elements.last[event] + 1
        elif tag in ("thead", "tfoot"):
            content.parts = True
            section = event
        elif tag == "tbody":
            section = event
        else:
            content.loose = True
    # A head stands above the body and a foot below it, wherever they are written.
    content.rows = [cells for cells in top + content.rows + foot if cells]
    if (
        not content.head
        and len(content.rows) > 1
        and not any(tags[cell] == "th" for row in content.rows for cell in row)
    ):
        first, second = content.rows[0], content.rows[1]
        if all(_is_bold(elements, cell) for cell in first) and not all(_is_bold(elements, cell) for cell in second):
            content.head.update(first)
    return content


def _is_bold(elements: Elements, cell: int) -> bool:
    """Whether all that a cell says is bold, or its class or style says so."""
    own = elements.attributes[cell]
    if own and (_HEAD_CLASS.search(own.get("class", "")[:NAME_LETTERS]) or _BOLD_STYLE.search(own.get("style", ""))):
        return True
    inner = cell + 1
    while inner < elements.end(cell) and elements.tag[inner] in ("p", "div", "span", "font", "center"):
        inner += 1
    if inner >= elements.end(cell) or elements.tag[inner] not in ("b", "strong"):
        return False
    if elements.last[cell] - elements.first[cell] > _BOLD_EVENTS:
        return False
    text = elements.text(cell).strip()
    return bool(text) and elements.text(inner).strip() == text


_HEAD_CLASS: Final = re.compile(
    r"(?:^|\s)(?:table-?)?(?:head(?:er|ing|line)?s?|thead|(?:title|heading)-?row)(?:-row)?(?:$|\s)", re.I
)
_BOLD_STYLE: Final = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.I)
_BOLD_EVENTS: Final = 40


_UNSEEN_IN_TABLES: Final = frozenset(("col", "colgroup", "script", "style", "template", "noscript", "input"))
_NOT_IN_DATA: Final = frozenset((*HEADINGS, "form", "article"))
_SHOWN: Final = frozenset("img svg input select video audio canvas iframe i span object".split())
_LETTERS_A_CELL: Final = 400
"""Cells with more letters than this on average hold a page, not data."""


def _is_layout(elements: Elements, table: int, content: _Content) -> bool:
    own = elements.attributes[table]
    if own.get("role") in ("presentation", "none") or own.get("datatable") == "0":
        return True
    if own.get("role") in ("table", "grid", "treegrid") or own.get("summary") or content.caption >= 0:
        return False
    tags, rows = elements.tag, content.rows
    if content.parts or any(tags[cell] == "th" for cells in rows for cell in cells):
        return False
    if content.inner or len(rows) <= 1 or max(map(len, rows)) <= 1:
        return True
    if not _NOT_IN_DATA.isdisjoint(tags[table + 1 : elements.end(table)]):
        return True
    texts = [[elements.text(cell) for cell in cells] for cells in rows]
    if sum(map(len, chain(*texts))) > _LETTERS_A_CELL * sum(map(len, rows)):
        return True
    # Where no row says something in two cells, the others are space: but lines around them make a form to fill in.
    if own.get("border", "0").strip() not in ("", "0"):
        return False
    return not any(
        sum(bool(text.strip()) or _shows(elements, cell) for text, cell in zip(*both, strict=True)) > 1
        for both in zip(texts, rows, strict=True)
    )


def _shows(elements: Elements, cell: int) -> bool:
    """Whether a cell has an image, a field, an icon or a colour."""
    own = elements.attributes[cell]
    coloured = "bgcolor" in own or "background" in own.get("style", "")
    return coloured or not _SHOWN.isdisjoint(elements.tag[cell + 1 : elements.end(cell)])


def _place(elements: Elements, content: _Content, limits: Limits) -> tuple[dict[int, Cell], int, bool]:
    """Place cells as the standard does: each takes the first free column; spans are clamped to the grid."""
    rows = content.rows
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
            cells[cell] = Cell(y, x, down, across, elements.tag[cell] == "th" or cell in content.head)
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
