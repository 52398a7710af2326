"""A table as lines of text, one a row of the table, and the groups of lines that fit into a size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from docgraph.columns import Columns
from docgraph.passages.sizes import Sizes
from docgraph.sentences import sentence_spans


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table, or a piece of one."""

    text: str
    """Its cells with " | " between them."""
    cells: tuple[int, ...]
    """Their rows in the document."""
    header: bool = False
    """Whether every cell is a header cell."""
    repeated: bool = False
    """Whether the line stands here again, as the header of what follows."""


def table_lines(document: Columns, table: int) -> list[Line]:
    """Return the rows of a table, in order. A cell that spans rows stands in its first; images say their words."""
    cells: dict[int, list[int]] = {}
    for cell in document.child_rows(table):
        cells.setdefault(int(document.position[cell, 0]), []).append(cell)
    return [
        Line(
            " | ".join(_cell_text(document, cell) for cell in row),
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
            yield [*group, replace(line, text=line.text[start:stop])]
            group, used = list(again), cost
    if used > cost:
        yield group


def alt_of(document: Columns, row: int) -> str:
    """Return the alternative text of an image on one line, "" if it has none."""
    alt = document.attributes.get(row, {}).get("alt")
    return " ".join(alt.split()) if isinstance(alt, str) else ""


def _cell_text(document: Columns, cell: int) -> str:
    parts = [document[cell].text]
    end = int(document.subtree_end[cell])
    parts += [alt_of(document, row) for row in range(cell, end) if document.kind[row] == "image"]
    return " ".join(" ".join(parts).split())
