"""Which elements are headings: those of a title's size, and short bold lines that stand between paragraphs.

heading element ─ is_title ─> does it hold a title, or a caption, or half the page?
Flow ─ add_bold_headings ─> the paragraphs, and first lines of paragraphs, that are headings in all but name
"""

import re
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.reader import Reader
from docgraph.parsers.html.tags import LISTS, NAME_LETTERS, kind_by_class

_HEADING_EVENTS: Final = 120
_HEADING_LETTERS: Final = 1000
_NOT_IN_HEADINGS: Final = frozenset("p ul ol dl table h1 h2 h3 h4 h5 h6 article section form figure".split())
_CAPTION_LEVELS: Final = 6
_BOLD_LETTERS: Final = 80
_BOLD_WORDS: Final = 10
_NEAR: Final = 6
_PARAGRAPH_LETTERS: Final = 60
_OPENERS: Final = "\"'“”„«‹‘¿¡"
_BY: Final = re.compile(r"(?:By|Von|Par|Por|Door|Text|Photos?|Fotos?|Words)\s*:?(?:\s+[A-ZÀ-ÖØ-Þ][\w.'’-]*)+$")
"""A byline, which is often bold, too."""
_BOLD_STYLE: Final = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.I)
_HEADING_CLASS: Final = re.compile(
    r"(?:^|[\s_-])(?:sub-?head(?:ing|er|line)?|cross-?head(?:ing)?|zwischen-?(?:titel|(?:ue|ü)berschrift)|inter-?titre?|"
    r"ladillo|tussenkop|mellomtittel|section-?(?:title|head(?:ing|er)?)|heading-?\d?|h[2-6])(?:$|[\s_]|--)",
    re.I,
)
"""Class of a paragraph that is a heading."""


def is_title(reader: Reader, row: int) -> bool:
    """Whether a heading element holds a title, and not a caption or, being left open or abused, a part of the page."""
    elements = reader.elements
    around = [elements.tag[container] for container in reader.containers[-_CAPTION_LEVELS:]]
    names = elements.attributes[row].get("class", "")[:NAME_LETTERS]
    if "figcaption" in around or ("figure" in around and kind_by_class(names)):
        return False
    first, last = elements.first[row], elements.last[row]
    letters = 0
    for event in elements.events[first + 1 : min(last, first + _HEADING_EVENTS)]:
        if event.__class__ is str:
            letters += len(event)
        elif event >= 0 and elements.tag[event] in _NOT_IN_HEADINGS:  # type: ignore[operator,index]
            return False
    return letters <= _HEADING_LETTERS and last - first <= _HEADING_EVENTS


def add_bold_headings(elements: Elements, flow: Flow) -> None:
    """Add the paragraphs that are headings in all but name: bold, short, alone in their element, text under them.

    So is a bold first line of a paragraph, which then is a block of its own. They are one level below the last real
    heading.
    """
    bold: dict[int, int] = {}
    lines: list[int] = []
    level = 1
    for index, item in enumerate(flow.items):
        if not isinstance(item, TextBlock) or not item.text:
            continue
        if item.element in flow.headings:
            level = flow.headings[item.element]
        elif _is_bold(elements, item) and _has_text_under(elements, flow, index):
            bold[item.element] = min(level + 1, 6)
        elif (row := _bold_line(elements, item)) >= 0:
            bold[row] = min(level + 1, 6)
            lines.append(index)
    if lines:
        cut = set(lines)
        flow.items = [
            part for index, item in enumerate(flow.items) for part in (_cut_line(item) if index in cut else (item,))
        ]
    flow.headings.update(bold)


def _is_bold(elements: Elements, block: TextBlock) -> bool:
    """Whether a block is a short bold line that ends like no sentence."""
    text = block.text
    if len(text) > _BOLD_LETTERS or block.images or block.preformatted or "\n" in text:
        return False
    if elements.tag[block.element] not in ("p", "div") or not _reads_like_a_heading(text):
        return False
    return block.linked < len(text) and _is_bold_to(elements, block, len(text))


def _reads_like_a_heading(text: str) -> bool:
    """Whether a short line ends like no sentence, begins like a heading and is no byline."""
    first = text.lstrip(_OPENERS)[:1]
    return (
        text[-1] not in ".,;…"
        and first.isalnum()
        and len(text.split()) <= _BOLD_WORDS
        and any(letter.isalpha() for letter in text)
        and _BY.match(text) is None
    )


def _is_bold_to(elements: Elements, block: TextBlock, end: int) -> bool:
    """Whether all letters of a block up to a place are bold, or its class says that it is a heading."""
    letters = len("".join(block.text[:end].split()))
    if (
        sum(min(stop, end) - start for start, stop, type_, _ in block.marks if type_ == "strong" and start < end)
        >= letters
    ):
        return True
    if end < len(block.text):
        return False
    row = block.element
    own = elements.attributes[row]
    if _HEADING_CLASS.search(own.get("class", "")[:NAME_LETTERS]) or _BOLD_STYLE.search(own.get("style", "")):
        return True
    return (
        elements.tag[row + 1 : row + 2] == ["span"]
        and elements.end(row + 1) == elements.end(row)
        and _BOLD_STYLE.search(elements.attributes[row + 1].get("style", "")) is not None
    )


def _bold_line(elements: Elements, block: TextBlock) -> int:
    """Return the element of the bold line that a paragraph begins with, if it is a heading, or -1."""
    end = block.text.find("\n", 0, _BOLD_LETTERS + 1)
    if (
        end < 0
        or not block.marks
        or block.images
        or block.preformatted
        or elements.tag[block.element] not in ("p", "div")
    ):
        return -1
    line, rest = block.text[:end].rstrip(), block.text[end + 1 :]
    if len(rest) < _PARAGRAPH_LETTERS or not line or not _reads_like_a_heading(line):
        return -1
    first = next((mark for mark in block.marks if mark[2] == "strong" and mark[0] == 0), None)
    if first is None or first[1] > end + 1 or not _is_bold_to(elements, block, len(line)):
        return -1
    return first[3]


def _cut_line(block: "int | TextBlock") -> "list[int | TextBlock]":
    """Return a paragraph as its first line, a block of its own in the element of its bold words, and the rest."""
    assert isinstance(block, TextBlock)
    line, rest = block.cut([block.text.find("\n")])
    row = next(mark[3] for mark in line.marks if mark[2] == "strong" and mark[0] == 0)
    line.element = row
    return [row, line, ~row, rest]


def _has_text_under(elements: Elements, flow: Flow, index: int) -> bool:
    """Whether a block stands between paragraphs of its own kind: text before it, a paragraph or list right after it."""
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    row = block.element
    before = next(
        (item for item in reversed(flow.items[max(0, index - _NEAR) : index]) if isinstance(item, TextBlock)), None
    )
    after = next((item for item in flow.items[index + 1 : index + _NEAR] if isinstance(item, TextBlock)), None)
    if before is None or after is None or after.element in flow.headings or not after.text:
        return False
    if flow.items[index - 1] != row or flow.items[index + 1] != ~row:
        return False
    above = elements.parent[after.element]
    if elements.tag[above] in LISTS:
        return elements.parent[above] == elements.parent[row] and after.linked < len(after.text)
    all_bold = any(end - start == len(after.text) for start, end, type_, _ in after.marks if type_ == "strong")
    same = (above, elements.tag[after.element]) == (elements.parent[row], elements.tag[row])
    return len(after.text) >= _PARAGRAPH_LETTERS and same and not all_bold
