"""Which elements are headings: those of a title's size, and short bold lines that stand between paragraphs.

heading element ─ is_title ─> does it hold a title, or a caption, or half the page?
Flow ─ add_bold_headings ─> the paragraphs that are headings in all but name
"""

from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.reader import Reader
from docgraph.parsers.html.tags import NAME_LETTERS, kind_by_class

_HEADING_EVENTS: Final = 120
_HEADING_LETTERS: Final = 1000
_NOT_IN_HEADINGS: Final = frozenset("p ul ol dl table h1 h2 h3 h4 h5 h6 article section form figure".split())
_CAPTION_LEVELS: Final = 6
_BOLD_LETTERS: Final = 80
_BOLD_WORDS: Final = 10
_NEAR: Final = 6
_PARAGRAPH_LETTERS: Final = 60


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

    They are one level below the last real heading.
    """
    bold: dict[int, int] = {}
    level = 1
    for index, item in enumerate(flow.items):
        if not isinstance(item, TextBlock) or not item.text:
            continue
        if item.element in flow.headings:
            level = flow.headings[item.element]
        elif _is_bold(elements, item) and _has_text_under(elements, flow, index):
            bold[item.element] = min(level + 1, 6)
    flow.headings.update(bold)


def _is_bold(elements: Elements, block: TextBlock) -> bool:
    """Whether a block is a short bold line that ends like no sentence."""
    text = block.text
    if len(text) > _BOLD_LETTERS or block.images or block.preformatted or "\n" in text or text[-1] in ".,;:…":
        return False
    if elements.tag[block.element] not in ("p", "div") or len(text.split()) > _BOLD_WORDS or not text[0].isalnum():
        return False
    bold = sum(end - start for start, end, type_, _ in block.marks if type_ == "strong")
    return bold >= len("".join(text.split())) and block.linked < len(text) and any(letter.isalpha() for letter in text)


def _has_text_under(elements: Elements, flow: Flow, index: int) -> bool:
    """Whether a block stands between paragraphs of its own kind: text before it, and a paragraph right after it."""
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    row = block.element
    before = next(
        (item for item in reversed(flow.items[max(0, index - _NEAR) : index]) if isinstance(item, TextBlock)), None
    )
    after = next((item for item in flow.items[index + 1 : index + _NEAR] if isinstance(item, TextBlock)), None)
    if before is None or after is None or after.element in flow.headings or len(after.text) < _PARAGRAPH_LETTERS:
        return False
    alone = flow.items[index - 1] == row and flow.items[index + 1] == ~row
    all_bold = any(end - start == len(after.text) for start, end, type_, _ in after.marks if type_ == "strong")
    same = (elements.parent[after.element], elements.tag[after.element]) == (elements.parent[row], elements.tag[row])
    return alone and same and not all_bold
