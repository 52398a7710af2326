"""Tables in Markdown, for reports, comparisons and result pages."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_NUMBER: Final = re.compile(r"\**[+−-]?[\d.]")


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table, without a line break at its end.

    Cells are written as `str` says them, None as nothing; a bar is escaped and a line break becomes a space. A column
    whose cells all begin with a number stands to the right; empty cells and single dashes do not count.
    """
    body = [["" if cell is None else _cell(cell) for cell in row] for row in rows]
    columns = [[row[place] for row in body if row[place] not in ("", "-")] for place in range(len(head))]
    rule = ["---:" if column and all(map(_NUMBER.match, column)) else "---" for column in columns]
    return "\n".join(f"| {' | '.join(line)} |" for line in (map(_cell, head), rule, *body))


def _cell(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")
