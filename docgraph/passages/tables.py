"""A table as lines of text, one a row of the table, and the groups of lines that fit into a size."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from docgraph.columns import Columns
from docgraph.passages.sizes import Sizes
from docgraph.sentences import sentence_spans

BETWEEN: Final = " | "
"""Stands between the cells of a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table, or a piece of one."""

    text: str
    """Its cells with BETWEEN between them."""
    cells: tuple[int, ...]
    """Their rows in the document."""
    header: bool = False
    """Whether every cell is a header cell."""
    repeated: bool = False
    """Whether the line stands here again, as the header of what follows."""
    cut: tuple[int, int] | None = None
    """Of a piece of a row that was cut: which characters of the row's line it is."""


def table_lines(document: Columns, table: int) -> list[Line]:
    """Return the rows of a table, in order. A cell that spans rows stands in its first; images say their words."""
    cells: dict[int, list[int]] = {}
    for cell in document.child_rows(table):
        cells.setdefault(int(document.position[cell, 0]), []).append(cell)
    return [
        Line(
            BETWEEN.join(_cell_text(document, cell) for cell in row),
            tuple(row),
            all(document.attributes.get(cell, {}).get("header") for cell in row),
        )
        for _, row in sorted(cells.items())
    ]


def row_groups(lines: Sequence[Line], sizes: Sizes, budget: int) -> Iterator[list[Line]]:
    """Yield groups of lines of at most `budget` tokens, each under the lines that open the table as its header.

    A header that takes more than half of the budget is not repeated. A row that does not fit is cut.
    """
    above = next((number for number, line in enumerate(lines) if not line.header), 0)
    head = list(lines[:above])
    cost = sum(sizes.tokens(line.text) for line in head)
    if cost > budget // 2:
        head, cost, above = [], 0, 0
    again = [replace(line, repeated=True) for line in head]
    group, used = head, cost
    for line in lines[above:]:
        tokens = sizes.tokens(line.text)
        if used > cost and used + tokens > budget:
            yield group
            group, used = list(again), cost
        if cost + tokens <= budget:
            group.append(line)
            used += tokens
            continue
        for start, stop in sizes.pieces(line.text, sentence_spans(line.text), budget - cost):
            yield [*group, replace(line, text=line.text[start:stop], cut=(start, stop))]
            group, used = list(again), cost
    if used > cost:
        yield group


def span_of(document: Columns, line: Line) -> tuple[int, int]:
    """Return the characters of the document's text that a line shows: its cells, or of a cut row what the piece has."""
    if line.cut is None:
        return int(document.span[line.cells, 0].min()), int(document.span[line.cells, 1].max())
    begin, end = line.cut
    shown: list[tuple[int, int]] = []
    start = 0
    for cell in line.cells:
        place, at = int(document.span[cell, 0]), start
        for word in re.finditer(r"\S+", document[cell].text):  # one space apart in the line
            first, last = max(begin - at, 0), min(end - at, len(word[0]))
            if first < last:
                shown.append((place + word.start() + first, place + word.start() + last))
            at += len(word[0]) + 1
        start += len(_cell_text(document, cell)) + len(BETWEEN)
        if not shown and begin < start:  # so far nothing but what the images of this cell say
            shown.append((int(document.span[cell, 1]),) * 2)
    return shown[0][0], shown[-1][1]


def begun_at(document: Columns, row: int, start: int) -> int:
    """Return the row of the node that a passage of `row` begins with: of a later piece of a table the cell."""
    if document.kind[row] == "table" and start > document.span[row, 0]:
        return next((cell for cell in document.child_rows(row) if start < document.span[cell, 1]), row)
    return row


def alt_of(document: Columns, row: int) -> str:
    """Return the alternative text of an image on one line, "" if it has none."""
    alt = document.attributes.get(row, {}).get("alt")
    return " ".join(alt.split()) if isinstance(alt, str) else ""


def _cell_text(document: Columns, cell: int) -> str:
    parts = [document[cell].text]
    end = int(document.subtree_end[cell])
    parts += [alt_of(document, row) for row in range(cell, end) if document.kind[row] == "image"]
    return " ".join(" ".join(parts).split())
