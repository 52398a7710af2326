"""Which short bold lines that stand between paragraphs are headings. Heading elements: titled.py.

Flow ─ add_bold_headings ─> the paragraphs, and first lines of paragraphs, that are headings in all but name
"""

import re
from collections import Counter
from typing import Final

from docgraph.parsers.html.blocks import ENDS_SENTENCE, Flow, TextBlock
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.selectors import selector_before
from docgraph.parsers.html.tags import LISTS, NAME_LETTERS

_BOLD_LETTERS: Final = 80
_BOLD_WORDS: Final = 10
_NEAR: Final = 6
_PARAGRAPH_LETTERS: Final = 60
_SENTENCE_LETTERS: Final = 40
_LINE_LETTERS: Final = 16
"""Letters of what is under a bold first line: a sentence; less beside other such headings in its element."""
_OPENERS: Final = "\"'“”„«‹‘¿¡■□●○◆◇▼▶★☆【《〈「『［[#§ "
_BY: Final = re.compile(r"(?:By|Von|Par|Por|Door|Text|Photos?|Fotos?|Words)\s*:?(?:\s+[A-ZÀ-ÖØ-Þ][\w.'’-]*)+$")
"""A byline, which is often bold, too."""
_BOLD_STYLE: Final = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.I)
_CLASS: Final = re.compile(r"\.[\w-]+")
_MOST_CSS: Final = 400_000
_BOLD_CLASS: Final = re.compile(r"(?:^|\s)(?:(?:font|fw|text)-)?(?:semi-?)?bold(?:er)?(?:$|\s)")
_HEADING_CLASS: Final = re.compile(
    r"(?:^|[\s_-])(?:section-?(?:title|head(?:ing|er)?)|heading-?\d?|h[2-6]|inter)(?:$|[\s_]|--)|"
    r"(?:sub|cross)[-_]*(?:head(?:ing|er|line)?|title)(?![a-z])|(?:para(?:graph)?|text|block)[-_]*(?:title|heading)(?![a-z])|"
    r"zwischen[-_]*(?:titel|(?:ue|ü)berschrift|zeile)|inter[-_]*tit(?:le|re|ulo)|entretitulo|ladillo|tussenkop|"
    r"m(?:ellom|ellem)tit|mell(?:an|em)rubrik|v[aä]liotsikko|sottotitol|[sś]r[oó]dtytu|podtitul|alc[ií]m(?![a-z])",
    re.I,
)
"""Class of a paragraph that is a heading."""
_QUESTION_CLASS: Final = re.compile(r"(?:^|[\s_-])question(?:$|[\s_-])", re.I)
_UNDER_BOLD: Final = LISTS | {"p"}
_OVER_BOLD: Final = _UNDER_BOLD | {"hr"}
"""What stands after and before bold words that are a heading."""
_AROUND: Final = frozenset(("div", "section", "article", "li", "main", "body"))
_LINES: Final = frozenset(("p", "div", "center"))
"""Elements that hold a line between paragraphs."""


def add_bold_headings(elements: Elements, flow: Flow) -> None:
    """Add the paragraphs that are headings in all but name: bold, short, alone in their element, text under them.

    So is a bold first line of a paragraph, which then is a block of its own. They are one level below the last real
    heading.
    """
    bold: dict[int, int] = {}
    by_sheet: dict[str, bool] = {}
    lines: list[int] = []
    short: list[tuple[int, int, int, int]] = []
    """Element, bold words that begin a short text in it, level and place: headings if others in the element are."""
    first: dict[int, tuple[int, int, int]] = {}
    """By element: bold words that its text begins with, their level and place: a heading if there are more of them."""
    level = 1
    for index, item in flow.blocks():
        if not item.text:
            continue
        if item.element in flow.headings:
            level = flow.headings[item.element]
        elif _is_line(elements, item) and _is_bold_alone(elements, flow, index, by_sheet):
            bold[item.element] = min(level + 1, 6)
        elif (row := _bold_line(elements, item)) >= 0:
            under = len(item.text) - item.text.find("\n") - 1
            if under < (_SENTENCE_LETTERS if ENDS_SENTENCE.search(item.text) else _PARAGRAPH_LETTERS):
                short.append((item.element, row, min(level + 1, 6), index))
                continue
            bold[row] = min(level + 1, 6)
            lines.append(index)
        elif (row := _bold_before(elements, flow, index)) >= 0:
            bold[row] = min(level + 1, 6)
            lines.append(index)
        elif (row := _bold_above(flow, index)) >= 0:
            words = row, min(level + 1, 6), index
            if isinstance(flow.items[index - 1], int):
                first[item.element] = words
                continue
            for inner, at, place in (words, first.pop(item.element, words)):
                bold[inner] = at
                lines.append(place)
    if lines:
        headed = {flow.items[index].element for index in lines}  # type: ignore[union-attr]
        said = Counter(elements.text(row).strip() for _, row, *_ in short)
        for element, row, at, index in short:
            if element in headed and said[elements.text(row).strip()] == 1:  # who speaks does so again
                bold[row] = at
                lines.append(index)
        cut = set(lines)
        flow.put(
            part for index, item in enumerate(flow.items) for part in (_cut_line(item) if index in cut else (item,))
        )
    flow.headings.update(bold)


def _is_line(elements: Elements, block: TextBlock) -> bool:
    """Whether a block is a short line, most of it no link, that ends like no sentence."""
    text = block.text
    if len(text) > _BOLD_LETTERS or block.images or block.preformatted or "\n" in text:
        return False
    if elements.tag[block.element] not in _LINES or 2 * block.linked > len(text):
        return False
    return _reads_like_a_heading(text)


def _reads_like_a_heading(text: str) -> bool:
    """Whether a short line ends like no sentence, begins like a heading and is no byline."""
    first = text.lstrip(_OPENERS)[:1]
    return (
        text[-1] not in ".,;…。、；"
        and first.isalnum()
        and len(text.split()) <= _BOLD_WORDS
        and any(letter.isalpha() for letter in text)
        and _BY.match(text) is None
    )


def _is_bold_to(elements: Elements, block: TextBlock, end: int) -> bool:
    """Whether all letters of a block up to a place are bold, or its class says that it is a heading."""
    bold = sum(min(stop, end) - start for start, stop, type_, _ in block.marks if type_ == "strong" and start < end)
    if bold and bold >= len("".join(block.text[:end].split())):
        return True
    if end < len(block.text):
        return False
    row = block.element
    own = elements.attributes[row]
    if _HEADING_CLASS.search(own.get("class", "")[:NAME_LETTERS]) or _is_bold_by(own):
        return True
    alone = elements.tag[row + 1 : row + 2] == ["span"] and elements.end(row + 1) == elements.end(row)
    return alone and _is_bold_by(elements.attributes[row + 1])


def _is_bold_alone(elements: Elements, flow: Flow, index: int, by_sheet: dict[str, bool]) -> bool:
    """Whether a line is bold, by itself or by the page's style sheet, and stands between paragraphs."""
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    if _is_bold_to(elements, block, len(block.text)):
        return _has_text_under(elements, flow, index)
    names = elements.attributes[block.element : block.element + 2]
    return (
        any("class" in own for own in names)
        and _has_text_under(elements, flow, index)
        and _is_bold_by_sheet(elements, block.element, by_sheet)
    )


def _is_bold_by_sheet(elements: Elements, row: int, by_sheet: dict[str, bool]) -> bool:
    """Whether the page's style sheet makes an element, or the one `span` in it, bold by a class alone.

    Args:
        by_sheet: the classes that it makes bold, filled when first asked for; with "" in it if it has been.
    """
    if not by_sheet:
        by_sheet[""] = True
        css = "".join(map(elements.text, elements.rows_of("style")))[:_MOST_CSS]
        done = -1
        for found in _BOLD_STYLE.finditer(css):
            start = css.rfind("{", done + 1, found.start())
            if start < 0:
                continue
            name = selector_before(css, start + 1, done).rpartition(",")[2].strip()
            done = start
            if _CLASS.fullmatch(name):
                by_sheet[name[1:]] = True
    inner = [row, row + 1] if elements.tag[row + 1 : row + 2] == ["span"] else [row]
    return any(
        name in by_sheet
        for one in inner
        if elements.end(one) == elements.end(row)
        for name in elements.attributes[one].get("class", "").split()
    )


def _is_bold_by(own: Attributes) -> bool:
    """Whether an element's own style or class makes it bold."""
    style, names = own.get("style"), own.get("class")
    return bool((style and _BOLD_STYLE.search(style)) or (names and _BOLD_CLASS.search(names[:NAME_LETTERS])))


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
    if len(rest) < _LINE_LETTERS or not line or not _reads_like_a_heading(line):
        return -1
    first = next((mark for mark in block.marks if mark[2] == "strong" and mark[0] == 0), None)
    if first is None or first[1] > end + 1 or not _is_bold_to(elements, block, len(line)):
        return -1
    return first[3]


def _bold_above(flow: Flow, index: int) -> int:
    """Return the element of the bold words that are a line between two paragraphs of one element, or the first line of
    it, before a paragraph; or -1.
    """
    block, after = flow.items[index : index + 2] if index + 1 < len(flow.items) else (flow.items[index], -1)
    assert isinstance(block, TextBlock)
    if not block.marks or not isinstance(after, TextBlock) or after.element != block.element:
        return -1
    before = flow.items[index - 1]
    if isinstance(before, TextBlock) and before.element != block.element:
        return -1
    if len(block.text) > _BOLD_LETTERS or block.images or block.preformatted or not _reads_like_a_heading(block.text):
        return -1
    start, end, type_, row = block.marks[0]
    if type_ != "strong" or start or end < len(block.text) or block.linked:
        return -1
    return row if _is_long(after) and not _is_all_bold(after) else -1


def _bold_before(elements: Elements, flow: Flow, index: int) -> int:
    """Return the element of the bold words that stand alone before a paragraph or list and after another, or -1.

    One whose class says that it is a question needs nothing before it.
    """
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    if not block.marks or len(block.text) > _BOLD_LETTERS or block.linked or block.images:
        return -1
    start, end, type_, words = block.marks[0]
    before, after = flow.items[index - 1], flow.items[index + 1 : index + _NEAR]
    if (
        type_ != "strong"
        or start
        or end < len(block.text)
        or not after
        or not isinstance(after[0], int)
        or after[0] < 0
    ):
        return -1
    row, last = after[0], ~before if isinstance(before, int) and before < 0 else -1
    if elements.parent[row] != block.element or elements.tag[row] not in _UNDER_BOLD:
        return -1
    is_question = _QUESTION_CLASS.search(elements.attributes[words].get("class", "")[:NAME_LETTERS])
    follows = last >= 0 and elements.tag[last] in _OVER_BOLD and elements.parent[last] == block.element
    if not (is_question or follows) or not _reads_like_a_heading(block.text):
        return -1
    text = next((item for item in after if isinstance(item, TextBlock)), None)
    is_list = elements.tag[row] in LISTS
    if text is None or not text.text or text.element in flow.headings or _is_all_bold(text):
        return -1
    return words if (is_list and text.linked < len(text.text)) or (not is_list and _is_long(text)) else -1


def _is_long(block: TextBlock) -> bool:
    """Whether a block has the letters of a paragraph; a sign of Chinese tells as much as three letters."""
    return len(block.text.encode()) >= _PARAGRAPH_LETTERS


def _is_all_bold(block: TextBlock) -> bool:
    return any(end - start == len(block.text) for start, end, type_, _ in block.marks if type_ == "strong")


def _cut_line(block: "int | TextBlock") -> "list[int | TextBlock]":
    """Return a paragraph as its first line, a block of its own in the element of its bold words, and the rest."""
    assert isinstance(block, TextBlock)
    end = block.text.find("\n")
    line, *rest = block.cut([end]) if end >= 0 else [block]
    row = next(mark[3] for mark in line.marks if mark[2] == "strong" and mark[0] == 0)
    line.element = row
    return [row, line, ~row, *rest]


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
    start, stop = index - 2, index + 2
    while start >= 0 and stop < len(flow.items) and flow.items[start] == (around := elements.parent[row]) >= 0:
        if flow.items[stop] != ~around or elements.tag[around] not in ("div", "section"):
            break
        row, start, stop = around, start - 1, stop + 1
    above = elements.parent[after.element]
    if above == elements.end(row) and elements.tag[above] in _LINES and elements.tag[elements.parent[row]] in _AROUND:
        above = elements.parent[above]  # the text has an element of its own, as the line may have
    if elements.tag[above] in LISTS:
        return elements.parent[above] == elements.parent[row] and after.linked < len(after.text)
    tags = {elements.tag[after.element], elements.tag[block.element]}
    same = above == elements.parent[row] and (len(tags) == 1 or tags <= _LINES)
    return same and _is_long(after) and not _is_all_bold(after)
