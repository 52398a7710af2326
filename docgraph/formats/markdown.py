"""A document as Markdown (CommonMark with GitHub's tables), for people and for language models.

    heading, paragraph ... -> a block      list, quote -> a prefix for the blocks within      table -> a GFM table

One loop over the rows with a stack of open containers; nothing recurses. Text within a block is the work of
markdown_inline.py: it is escaped, so what is not markup in the document is none in the Markdown.

Sources: CommonMark 0.31 (list indentation); GitHub Flavored Markdown 0.29 (tables).
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from docgraph.columns import Columns
from docgraph.formats.markdown_inline import backticks, image_markup, inline_text
from docgraph.kinds import Domain
from docgraph.main_text import has_roles

_INLINE: Final = ("sentence", "image")
_DEEPEST_PREFIX: Final = 32
"""Lists and quotes that are shown nested; deeper ones continue the last. Prefixes would be longer than the text."""
_PADDED_CELLS: Final = 1_000_000
"""Cells of one table up to which missing cells are written as empty ones."""


def to_markdown(document: Columns, *, main_only: bool = False) -> str:
    """Return the document as Markdown.

    Args:
        main_only: leave out the blocks whose role is not "main" (all stay if no node has a role).
    """
    return _Writer(document, main_only).run()


@dataclass(slots=True)
class _Container:
    """An open list item, quote or definition: what its lines begin with."""

    end: int
    """One past its last row."""
    first: str
    rest: str
    begun: bool = False


class _Writer:
    def __init__(self, document: Columns, main_only: bool) -> None:
        self.document = document
        self.role = "main" if main_only and has_roles(document) else None
        self.blocks: list[str] = []
        self.open: list[_Container] = []
        self.numbers: dict[int, int] = {}
        """Row of an ordered list -> number of its next item."""
        self.tight = -1
        """Row of the list whose last item was one line, so that the next such item needs no empty line before it."""
        self.hard_breaks = document.kind[0] != "document"
        self.sections = _section_depths(document)
        self.inline_only = _inline_only(document)

    def run(self) -> str:
        document, row = self.document, 0
        ends = document.subtree_end.tolist()
        while row < len(document):
            while self.open and self.open[-1].end <= row:
                self.open.pop()
            row = self.visit(row, ends[row])
        return "\n".join(self.blocks).strip("\n") + "\n" if self.blocks else ""

    def visit(self, row: int, end: int) -> int:
        """Write what begins at a row; return the row to go on with."""
        document, kind = self.document, self.document.kind[row]
        if kind in _INLINE:
            return self.run_of(row)
        if kind == "list":
            self.numbers[row] = _number(document.attributes.get(row, {}).get("start"), 1)
        elif kind == "item":
            marker = self.marker(row)
            self.contain(end, marker + _box(document.attributes.get(row, {}).get("checked")), " " * len(marker))
        elif kind == "quote":
            self.contain(end, "> ", "> ")
        elif kind == "definition":
            self.contain(end, ":   ")
        elif kind == "table" and self.is_grid(row):
            if self.wanted(row):
                self.block("\n".join(_table(document, row, self.hard_breaks)))
            return end
        elif kind == "rule":
            self.block("---")
        if kind == "code" and self.wanted(row):
            self.block(_fence(document, row))
            return end
        if document.child_count[row] and not self.inline_only[row]:
            return row + 1
        if self.wanted(row):
            items = int(document.parent[row]) if kind == "item" else -1
            self.block(self.styled(row, self.inline(row, *document.span[row].tolist())), items)
        return end

    def is_grid(self, row: int) -> bool:
        """Whether a table's children are all cells."""
        kinds = {self.document.kind[child] for child in self.document.child_rows(row)}
        return kinds == {"cell"} and self.document.domain[row] is Domain.GRID

    def run_of(self, row: int) -> int:
        """Write the sentences and images that stand side by side from `row` on, as one paragraph."""
        document, above = self.document, int(self.document.parent[row])
        last = row
        ends = document.subtree_end
        while last < len(document) and document.parent[last] == above and document.kind[last] in _INLINE:
            last = int(ends[last])
        rows = range(row, last)
        if self.wanted(row):
            start, end = int(document.span[row][0]), max(int(document.span[one][1]) for one in rows)
            self.block(self.styled(above, self.inline(above, start, end, rows)))
        return last

    def wanted(self, row: int) -> bool:
        return self.role is None or self.document.effective_roles[row] == self.role

    # -- blocks and what they stand in ---------------------------------------------------------------------

    def contain(self, end: int, first: str, rest: str | None = None) -> None:
        if len(self.open) < _DEEPEST_PREFIX:
            self.open.append(_Container(end, first, " " * len(first) if rest is None else rest))

    def marker(self, row: int) -> str:
        above = int(self.document.parent[row])
        of_list = self.document.attributes.get(above, {}) if above >= 0 else {}
        if not of_list.get("ordered"):
            return "- "
        number = _number(self.document.attributes.get(row, {}).get("value"), self.numbers.get(above, 1))
        self.numbers[above] = number + (-1 if of_list.get("reversed") else 1)
        return f"{max(number, 0)}. "

    def block(self, text: str, items: int = -1) -> None:
        """Write a block at its place in the open containers, after an empty line unless it is one of short items."""
        if not text.strip():
            return
        lines = text.split("\n")
        fresh = next((depth for depth, one in enumerate(self.open) if not one.begun), len(self.open))
        tight = items >= 0 and items == self.tight
        self.tight = items
        if self.blocks and not tight:
            self.blocks.append("".join(one.rest for one in self.open[:fresh]).rstrip())
        head = "".join(one.rest if one.begun else one.first for one in self.open)
        rest = "".join(one.rest for one in self.open)
        self.blocks.append((head + lines[0]).rstrip(" ") if lines[0] else head.rstrip())
        self.blocks += [(rest + line) if line else rest.rstrip() for line in lines[1:]]
        for one in self.open:
            one.begun = True

    def styled(self, row: int, text: str) -> str:
        """Return a block's text as its kind is written."""
        kind, one_line = self.document.kind[row], text.replace("\\\n", " ").replace("\n", " ")
        if kind == "heading" or (kind == "field" and self.document[row].key == "headline"):
            level = _number(self.document.attributes.get(row, {}).get("level"), self.sections[row] or 1)
            return f"{'#' * min(max(level, 1), 6)} {one_line.strip()}" if one_line.strip() else ""
        if kind == "term":
            return f"**{one_line}**" if one_line else ""
        if kind in ("caption", "credit") or (kind == "field" and self.document[row].key == "caption"):
            return f"*{one_line}*" if one_line and "*" not in one_line else text
        return text

    def inline(self, row: int, start: int, end: int, rows: range | None = None) -> str:
        """Return text with its marks and the images that stand in it."""
        document = self.document
        within = range(row, int(document.subtree_end[row])) if rows is None else rows
        images = [
            (int(document.span[image, 0]), image_markup(document.attributes.get(image, {})))
            for image in within
            if document.kind[image] == "image"
        ]
        marks = document.marks_by_row.get(row, ())
        tex = document.attributes.get(row, {}).get("tex", ())
        return inline_text(document.text, start, end, marks, images, tex=tex, hard_breaks=self.hard_breaks)


def _section_depths(document: Columns) -> list[int]:
    """Return for each row how many sections it is in."""
    depths: list[int] = []
    for kind, above in zip(document.kind, document.parent.tolist(), strict=True):
        depths.append((depths[above] if above >= 0 else 0) + (kind == "section"))
    return depths


def _inline_only(document: Columns) -> list[bool]:
    """Return for each row whether all below it is sentences and images, at least one of them a sentence."""
    sentence, other = [False] * len(document), [False] * len(document)
    parent = document.parent.tolist()
    for row in range(len(document) - 1, 0, -1):
        above, kind = parent[row], document.kind[row]
        sentence[above] = sentence[above] or kind == "sentence" or sentence[row]
        other[above] = other[above] or kind not in _INLINE or other[row]
    return [some and not more for some, more in zip(sentence, other, strict=True)]


def _box(checked: object) -> str:
    return "" if not isinstance(checked, bool) else "[x] " if checked else "[ ] "


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9 else otherwise


def _fence(document: Columns, row: int) -> str:
    start, end = document.span[row].tolist()
    code = document.text[start:end]
    ticks = backticks(code, 3)
    language = str(document.attributes.get(row, {}).get("code_language") or "")
    language = language if re.fullmatch(r"[\w+#.-]{1,32}", language) else ""
    return f"{ticks}{language}\n{code}\n{ticks}"


def _table(document: Columns, row: int, hard_breaks: bool) -> list[str]:
    """Return a GFM table. A cell that spans others is written once; the places it covers stay empty."""
    grid: dict[int, dict[int, str]] = {}
    heads: set[int] = set()
    for cell in document.child_rows(row):
        y, x = document.position[cell].tolist()
        grid.setdefault(y, {})[x] = _cell(document, cell)
        if document.attributes.get(cell, {}).get("header"):
            heads.add(y)
    if not grid:
        return []
    rows = sorted(grid)
    width = 1 + max(max(cells) for cells in grid.values())
    width = max(width, _number(document.attributes.get(row, {}).get("columns"), 0))  # the last ones may be empty
    if width * len(rows) > _PADDED_CELLS:
        width = 0
    first = grid.pop(rows.pop(0)) if rows[0] in heads else {}
    columns = max(width, 1 + max(first, default=0))
    lines = [_table_row(first, columns), "|" + " --- |" * columns]
    return lines + [_table_row(grid[y], width) for y in rows]


def _table_row(cells: dict[int, str], width: int) -> str:
    words = [cells.get(x, "") for x in range(width)] if width else [cells[x] for x in sorted(cells)]
    return "| " + " | ".join(words) + " |"


def _cell(document: Columns, cell: int) -> str:
    """Return what a cell holds, on one line: its blocks and images in order."""
    end = int(document.subtree_end[cell])
    if document.child_count[cell] == 0:
        start, stop = document.span[cell].tolist()
        parts = [inline_text(document.text, start, stop, document.marks_by_row.get(cell, ()))]
    else:
        parts = []
        for row in range(cell + 1, end):
            if document.kind[row] == "image":
                parts.append(image_markup(document.attributes.get(row, {})))
            elif not document.child_count[row]:
                start, stop = document.span[row].tolist()
                owner = int(document.parent[row]) if document.kind[row] == "sentence" else row
                parts.append(inline_text(document.text, start, stop, document.marks_by_row.get(owner, ())))
    return "<br>".join(part.replace("\n", "<br>") for part in parts if part).replace("|", "\\|")
