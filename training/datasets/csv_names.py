"""Where the line stands that names the columns of a CSV file, and what parts its cells.

file ─ names_line ─> separator, the lines above: "sep=;", comments, a title and an empty line
"""

import csv
import re
from typing import Final, TextIO

_OTHER_SEPARATORS: Final = (";", "\t", "|")
"""Of a .csv whose first line has no comma: what spreadsheets write where the comma is the decimal mark."""

_LONGEST_NAME: Final = 40
"""Letters of a column's name that stands below a title."""


def names_line(file: TextIO, separator: str) -> tuple[str, list[str]]:
    """Go to the line that names the columns; return what parts its cells, and the lines above it.

    A line that begins with # names the columns if it has as many cells, two or more, as the line after it. A line of
    one cell, an empty one, and one of several are a title and the names.
    """
    above: list[str] = []
    line = file.readline()
    if declared := re.fullmatch(r"sep=(.)\s*", line, re.IGNORECASE):  # as Excel reads and writes it
        separator = declared[1]
        above.append(line.strip())
        line = file.readline()
    while line.startswith("#"):
        after = file.readline()
        while after.count('"') % 2 and (more := file.readline()):  # a cell of several lines
            after += more
        if len(_cells(line, separator)) == len(_cells(after, separator)) > 1:
            break
        above.append(line.strip())
        line = after
    after, names = file.readline(), file.readline()
    if after and [len(_filled(one, separator)) for one in (line, after)] == [1, 0] and _are_names(names, separator):
        above += [line.strip(), after.strip()]
        line = names
    separator = _separator_of(line, separator)
    file.seek(0)
    for _ in above:
        file.readline()
    return separator, above


def _are_names(line: str, separator: str) -> bool:
    cells = _filled(line, separator)
    return len(cells) > 1 and all(len(cell) <= _LONGEST_NAME and cell[0] != " " for cell in cells)


def _filled(line: str, separator: str) -> list[str]:
    return [cell for cell in _cells(line, separator) if cell.strip()]


def _separator_of(header: str, separator: str) -> str:
    return max(_OTHER_SEPARATORS, key=header.count) if separator == "," and separator not in header else separator


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader(line.splitlines(keepends=True), delimiter=_separator_of(line, separator)), [])
