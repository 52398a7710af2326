"""Code whose lines are numbered: which elements hold the numbers, and the code of a table that has them in cells; the
buttons that copy code; the language that code is named after.

table ─ numbered_code ─> the code, line by line, or "" if the table is of another kind
"""

import re
from itertools import pairwise
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.tags import CODE_TABLE, COPY_BUTTON, GUTTER, HEADINGS, NAME_LETTERS

_GUTTER_EVENTS: Final = 3_000
_NUMBER_DIGITS: Final = 9
_NUMBERS: Final = "0123456789 \t\r\n\xa0.:|+-"
_LINES: Final = frozenset(("div", "p", "li", "br", "tr"))
_NOT_IN_LINES: Final = frozenset((*HEADINGS, "img", "p"))
"""Where one of these is a line, it is of a text."""
_LEVELS: Final = 4
_FEW_ELEMENTS: Final = 40
_BUTTON_EVENTS: Final = 40
_LANGUAGE_CLASS: Final = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight-source|highlight-text|brush:?|sourceCode)[-\s:]+|"
    r"highlight-(?=[a-z0-9+]+ notranslate)(?!default|none)|(?:syntaxhighlighter|hljs) "
    r"(?:nogutter )?(?=[\w+#.]+(?: |$))(?!hljs\b))"
    r"([A-Za-z0-9+#_.]+)",
    re.I,
)
_LANGUAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+#_.-]{0,19}")
_SHORT_LANGUAGES: Final = frozenset("c r js ts sh go py rb".split())
"""Names of languages of code in a `lang` attribute, which else with so few letters is one that people speak."""
_WRAPPERS: Final = 3
_HIGHLIGHT_LEVELS: Final = 10
"""Levels around code that are looked at for its language, whatever they are, and if they say that it is highlighted."""


def is_gutter(elements: Elements, row: int) -> bool:
    """Whether an element holds nothing but the numbers of lines, and says so by its class."""
    own = elements.attributes[row]
    if elements.last[row] - elements.first[row] > _GUTTER_EVENTS:
        return False
    if not own or not GUTTER.search(own.get("class", "")[:NAME_LETTERS]):
        return "data-line-number" in own and not elements.text(row).strip()
    return not elements.text(row).strip(_NUMBERS)


def numbered_code(elements: Elements, table: int) -> str:
    """Return the code of a table that has the numbers of its lines in cells of their own, "" if it is another table.

    Either each row is a line, or one row holds all numbers and all lines. Linear in the table.
    """
    cells = _rows_of_cells(elements, table)
    if not cells or any(not 2 <= len(row) <= 3 for row in cells):
        return ""
    named = _says_code(elements, table)
    for row in cells:
        if not all(is_gutter(elements, cell) or _is_numbers(elements, cell, named) for cell in row[:-1]):
            return ""
        if not named and "pre" not in elements.tag[row[-1] : min(elements.end(row[-1]), row[-1] + _FEW_ELEMENTS)]:
            return ""
    if not named and len(cells) > 1:
        return ""
    return "\n".join(_code_of(elements, row[-1]) for row in cells)


def lines_of_code(elements: Elements, box: int) -> str:
    """Return the code of an element in which Doxygen has an element for each line, "" if it has anything else."""
    lines, row, end, letters = list[str](), box + 1, elements.end(box), 0
    if not _NOT_IN_LINES.isdisjoint(elements.tag[row:end]):
        return ""
    while row < end:
        if elements.attributes[row].get("class") != "line":
            return ""
        line = elements.text(row)
        letters += len("".join(line.split()))
        number = next((n for n in range(row + 1, elements.end(row)) if is_gutter(elements, n)), -1)
        lines.append(line.removeprefix(elements.text(number) if number >= 0 else ""))
        row = elements.end(row)
    if letters < len("".join(elements.text(box).split())):
        return ""  # text beside the lines
    return "\n".join(lines).replace("\xa0", " ").strip("\n")


def _rows_of_cells(elements: Elements, table: int) -> list[list[int]]:
    rows: list[list[int]] = []
    row, end = table + 1, elements.end(table)
    while row < end:
        tag = elements.tag[row]
        if tag in ("td", "th"):
            if not rows:
                return []
            rows[-1].append(row)
            row = elements.end(row)
            continue
        if tag == "tr":
            rows.append([])
        elif tag not in ("tbody", "colgroup", "col"):
            return []
        row += 1
    return [cells for cells in rows if cells]


def _says_code(elements: Elements, table: int) -> bool:
    """Whether a table, an element close around it or one of its cells is named after code."""
    cells = [row for row in range(table, min(elements.end(table), table + 12)) if elements.tag[row] == "td"]
    close = (elements.attributes[row].get("class", "") for row in (*elements.around(table, _LEVELS), *cells))
    return any(CODE_TABLE.search(names[:NAME_LETTERS]) for names in close) or any(is_gutter(elements, c) for c in cells)


def _is_numbers(elements: Elements, cell: int, named: bool) -> bool:
    """Whether a cell holds the numbers of lines, one after the other, or none and that is where they are drawn."""
    if elements.last[cell] - elements.first[cell] > _GUTTER_EVENTS:
        return False
    text = " ".join(
        event for event in elements.events[elements.first[cell] : elements.last[cell]] if isinstance(event, str)
    ).split()
    if not text:
        return named
    if not all(word.isdecimal() and len(word) <= _NUMBER_DIGITS for word in text):
        return False
    return len(text) == 1 or all(int(b) - int(a) == 1 for a, b in pairwise(text))


def _code_of(elements: Elements, cell: int) -> str:
    """Return the lines in a cell: as written within `pre`, else one for each element that is a line."""
    lines = [""]
    verbatim, tags = 0, elements.tag
    for event in elements.events[elements.first[cell] + 1 : elements.last[cell]]:
        if isinstance(event, str):
            if verbatim or event.strip() or "\n" not in event:
                lines[-1] += event.replace("\r\n", "\n")
        elif tags[event if event >= 0 else ~event] == "pre":
            verbatim += 1 if event >= 0 else -1
        elif event >= 0 and tags[event] in _LINES and (lines[-1] or tags[event] == "br"):
            lines.append("")
    return "\n".join(lines).strip("\n")


def is_copy_button(elements: Elements, row: int) -> bool:
    """Whether a button copies the code beside it: by its class or its few words."""
    above = elements.parent[row]
    first = elements.tag[above + 1 : min(elements.end(above), above + 1 + _BUTTON_EVENTS)]
    if "pre" not in first and elements.parent[above] > 0:
        above = elements.parent[above]  # the button may stand in a bar above the code
    beside = elements.tag[above + 1 : min(elements.end(above), above + _BUTTON_EVENTS)] if above >= 0 else []
    if elements.last[row] - elements.first[row] > _BUTTON_EVENTS or "pre" not in beside:
        return False
    words = elements.text(row).strip()
    names = elements.attributes[row].get("class", "")[:NAME_LETTERS]
    return len(words) <= 30 and bool(COPY_BUTTON.search(names) or words.lower() in ("copy", "copy code", "copied!"))


def _code_of_lang(said: str) -> str:
    """Return the `lang` attribute of code if it names a language of code ("python"), "" for one that people speak."""
    return said if said.lower() in _SHORT_LANGUAGES or (len(said) > 2 and "-" not in said) else ""


def code_language(elements: Elements, block: int, *marked: int) -> str | None:
    """Return the language that an element of code names, or one close around it; of a table of lines, one in it."""
    rows = [*marked, *elements.around(block, _WRAPPERS)]
    if elements.tag[block] == "table":
        inner = range(block + 1, min(elements.end(block), block + _FEW_ELEMENTS))
        rows += [row for row in inner if elements.tag[row] in ("pre", "code")]
    outer = [*elements.around(block, _HIGHLIGHT_LEVELS)][_WRAPPERS:]
    rows += [row for row in outer if "highlight" in elements.attributes[row].get("class", "")]
    for row in rows:
        own = elements.attributes[row]
        if named := _LANGUAGE_CLASS.search(own.get("class", "")[:NAME_LETTERS]):
            return named.group(1).lower()
        if elements.tag[row] in ("pre", "code"):
            said = own.get("data-lang") or own.get("data-language") or _code_of_lang(own.get("lang", ""))
            if _LANGUAGE.fullmatch(said):
                return said.lower()
    return None
