"""Short texts of a page line by line, as the eye reads them, and which lines of a byline name authors.

    events ─ lines_of ─> lines ─ byline ─> "Ann Lee; Bo Ek"

What a style sheet sets apart may have no white space between it in the markup ("Ann Lee3 May"). A line ends at a
block or `br`, and where one inline element ends and another starts, if there are enough words to be more than parts
of a name.
"""

import re
from typing import Final, NamedTuple

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.metadata.authors import (
    LONGEST_NAME,
    author_names,
    is_name,
    is_named_author,
    is_only_before_names,
    without_what_is_before,
)
from docgraph.parsers.html.tags import BLOCKS, UNSEEN

_ENDS_LINE: Final = BLOCKS | {"br"}
_UNSEEN: Final = (UNSEEN - {"title"}) | {"svg"}
_GOES_ON: Final = re.compile(r"(?:,|&|\b(?:and|und|et|y|e|og|och|en|by|von|par|por))$", re.I)
_IS_MORE: Final = re.compile(r"^(?:,|&|(?:and|und|et|y|e|og|och|en)\b)", re.I)

_WITHIN_LINE: Final = re.compile(
    r"\s(?:作者|记者|撰文)\s*[:：]\s*([\u4e00-\u9fff]{2,4})(?=\s|$)|\d{4}\s*·\s*\d{1,3} min\s*·\s*([^\d·]+)$|"
    r"[（(【](?:記者|记者)\s?[・·:：／/]\s?([\u3040-\u30ff\u4e00-\u9fff]{2,6})[）)】]"
)
"""An author after the date and the source in one line ("2022年5月18日 来源：… 作者：沈一鸣"), or after the time that
reading takes, as Hugo's most common theme has it ("3 min · Ines Varga"), or in brackets ("（記者・佐藤健一）").
"""


class Line(NamedTuple):
    """One line of a short text."""

    text: str
    """Not empty, white space collapsed."""
    name: tuple[str, str]
    """Tag and class of the element that its last words stand in."""


def lines_of(elements: Elements, start: int, stop: int) -> list[Line]:
    """Return the lines between two events; what nobody sees is left out."""
    lines: list[Line] = []
    text, name = "", ("", "")
    index, row, ended, apart = start, -1, False, False
    while index < stop:
        event = elements.events[index]
        index += 1
        if isinstance(event, str):
            if words := event.strip():
                if apart and _are_two_lines(text, event):
                    lines.append(Line(" ".join(text.split()), name))
                    text = ""
                elif apart:
                    text += " "
                own = elements.attributes[row] if row >= 0 else {}
                name = (elements.tag[row] if row >= 0 else "", own.get("class", ""))
                ended = apart = False
            text += event if words else " "
            continue
        inner = event if event >= 0 else ~event
        row = inner if event >= 0 else elements.parent[inner]
        if event >= 0 and elements.tag[inner] in _UNSEEN:
            index, row = elements.last[inner] + 1, elements.parent[inner]
        elif elements.tag[inner] in _ENDS_LINE:
            if text.strip():
                lines.append(Line(" ".join(text.split()), name))
            text, ended, apart = "", False, False
        else:
            ended, apart = ended or event < 0, apart or (ended and event >= 0)
    if text.strip():
        lines.append(Line(" ".join(text.split()), name))
    return lines


def _are_two_lines(before: str, after: str) -> bool:
    """Whether the text of an inline element and that of the next one are two lines, as many words as they have."""
    if len(without_what_is_before(" ".join(before.split())).split()) < 2 or not after.lstrip()[0].isalnum():
        return False
    return not before[-1].isspace() or len(after.split()) > 1 or after.lstrip()[0].isdigit()


def byline(lines: list[Line]) -> str:
    """Return what the lines of a byline say of authors: the first that names any, and those right after that look like
    it. Of "By / Ann Lee / Reporter / 3 May" it is "By Ann Lee".
    """
    if len(lines) < 2:
        return lines[0].text if lines else ""
    joined = _joined(lines)
    first = next((i for i, line in enumerate(joined) if not _has_digit(line.text) and author_names(line.text)), 0)
    chosen = [joined[first].text]
    for line in joined[first + 1 :]:
        if line.name != joined[first].name or not (line.name[0] == "a" or line.name[1]) or not is_name(line.text):
            break
        chosen.append(line.text)
    return "; ".join(chosen)


def byline_below(elements: Elements, start: int, stop: int) -> str | None:
    """Return the first line between two events that is a byline by its words alone ("By Ann Lee"), None if there is
    none before the first long line.
    """
    for line in _joined(lines_of(elements, start, stop)):
        if len(line.text) > LONGEST_NAME:
            break
        if is_named_author(line.text):
            return line.text
        if (named := _WITHIN_LINE.search(line.text)) and (named[1] or named[3] or is_name(named[2])):
            return named[1] or named[2] or named[3]
    return None


def _joined(lines: list[Line]) -> list[Line]:
    """Return lines with those made one that cannot stand alone: "By / Ann Lee / and Bo Ek"."""
    joined = lines[:1]
    for line in lines[1:]:
        before = joined[-1].text
        if is_only_before_names(before) or _GOES_ON.search(before) or _IS_MORE.search(line.text):
            joined[-1] = Line(f"{before} {line.text}", line.name)
        else:
            joined.append(line)
    return joined


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))
