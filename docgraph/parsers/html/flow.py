"""Events to text blocks: the flow of a page without its markup.

    Elements ─ one pass over the events, a rule for each kind of element ─> Flow

`rules` says what an element means, `reader` is the state of the pass, `blocks` the text. What is hidden is passed over
here and nowhere else, so it cannot leak later; a page that shows next to nothing is read with what it hides.
"""

import re
from collections import Counter
from itertools import accumulate
from typing import Final

from docgraph.parsers.html.blocks import Flow
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.headings import add_bold_headings
from docgraph.parsers.html.panels import is_rest_of_text, panels_of_headings
from docgraph.parsers.html.reader import Reader
from docgraph.parsers.html.rules import ENDING, RULE_OF, block, close, custom, is_apart
from docgraph.parsers.html.style_sheets import Sheet, sheet_of
from docgraph.parsers.html.tags import STREAMED, UNSEEN
from docgraph.parsers.html.twins import find_twins
from docgraph.parsers.html.visibility import fades_in, is_hidden, may_be_hidden, way_of_hiding

_ALMOST_EMPTY: Final = 300
"""Letters outside links: a page that shows fewer has its text somewhere hidden, if hidden text is longer than this."""

_LEAST_ARTICLE: Final = 100
"""The same, of hidden text that is an article by its markup."""
_SIGNS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_LAYERS: Final = 3
"""Hidden elements within hidden elements that are looked into."""
_LEAST_SLIDES: Final = 3
_SLIDE_ELEMENTS: Final = 60
"""Figures in a row that are slides, and elements that each may hold."""
_PARTS_OF_PAGE: Final = frozenset(("article", "main", "h1"))
"""What stands in no dialog that is closed."""


def read_flow(elements: Elements) -> Flow:
    """Return the flow of a page. One pass, no recursion; never raises.

    A page that shows next to nothing is read again with what it hides, layer by layer: scripts would show it.
    """
    sheet = sheet_of(elements)
    reader = _read(elements, sheet, frozenset())
    shown, deeper = frozenset[int](), reader
    for _ in range(_LAYERS):
        if _has_prose(reader.flow) or not (hidden := _hidden_text(elements, deeper.hidden)):
            break
        shown |= hidden
        deeper = _read(elements, sheet, shown)
        if _prose(deeper.flow) > 2 * _prose(reader.flow):
            reader = deeper
            reader.flow.notes.append(
                ("hidden.shown", "the page shows next to nothing without scripts, so the text that it hides was read.")
            )
    add_bold_headings(elements, reader.flow)
    find_twins(elements, reader.flow)
    return reader.flow


def _read(elements: Elements, sheet: Sheet, shown: frozenset[int]) -> Reader:
    reader = Reader(elements, shown)
    add_text, rule_of, ends_something = reader.block.add_text, RULE_OF.get, ENDING.__contains__
    containers = reader.containers
    events, tags, attributes, last = elements.events, elements.tag, elements.attributes, elements.last
    by_markup, named, by_sheet, by_trick = may_be_hidden(elements), sheet.may_hide(elements), 0, 0
    panels = panels_of_headings(elements) if by_markup or named else set()
    if named:
        named -= shown | panels | _slides(elements)
    suspects = by_markup | named
    index, count = 0, len(events)
    while index < count:
        event = events[index]
        index += 1
        if event.__class__ is str:
            add_text(event)
            continue
        row: int = event  # type: ignore[assignment]
        if row < 0:
            if ends_something(tags[row := ~row]) or containers[-1] == row:
                close(reader, row)
            continue
        tag, own = tags[row], attributes[row]
        if row in suspects:
            if is_hidden(tag, own) and row not in shown and not _is_opened(reader, row, panels):
                reader.hidden.append(row)
                if "style" in own and way_of_hiding(own["style"]) == "trick":
                    by_trick += sum(1 for event in events[index : last[row]] if event.__class__ is str)
                index = last[row] + 1
                continue
            if row in named and sheet.hides(elements, row) and not is_rest_of_text(elements, row):
                reader.hidden.append(row)
                by_sheet += sum(1 for event in events[index : last[row]] if event.__class__ is str)
                index = last[row] + 1
                continue
        if (rule := rule_of(tag)) is not None:
            index = rule(reader, row) or index
        elif "-" in tag:
            index = custom(reader, row) or index
        elif is_apart(reader, row):
            block(reader, row)
    reader.end_block()
    if by_sheet:
        reader.flow.notes.append(
            ("hidden.by_sheet", f"{by_sheet} pieces of text that the page's own style sheet hides were left out.")
        )
    if by_trick:
        reader.flow.notes.append(
            ("hidden.by_style", f"{by_trick} pieces of text hidden by their place, size or colour were left out.")
        )
    return reader


def _is_opened(reader: Reader, row: int, panels: set[int]) -> bool:
    """Whether a hidden element is one that a reader opens, and hidden by no trick."""
    own = reader.elements.attributes[row]
    if _is_shown_later(reader, own) or ("style" in own and fades_in(reader.elements.tag[row], own)):
        return True
    return (row in panels or is_rest_of_text(reader.elements, row)) and way_of_hiding(own.get("style", "")) != "trick"


def _is_shown_later(reader: Reader, own: Attributes) -> bool:
    """Whether a hidden element is sure to be shown: what React streams, the panel of a tab or of an accordion, MathML
    beside its image.
    """
    role = own.get("role")
    return (
        role == "tabpanel"
        or (role == "region" and ("aria-labelledby" in own or reader.is_opened(own.get("id", ""))))
        or bool(STREAMED.match(own.get("id", "")))
        or "mwe-math-mathml" in own.get("class", "")
    )


def _slides(elements: Elements) -> set[int]:
    """Return the figures in a row that hold images and captions alone: a script shows them one after the other.

    One with other text is none, so what a style sheet hides there cannot come into the main text.
    """
    slides = [row for row in elements.rows_of("figure") if _is_slide(elements, row)]
    count = Counter(elements.parent[row] for row in slides)
    return {row for row in slides if count[elements.parent[row]] >= _LEAST_SLIDES}


def _is_slide(elements: Elements, row: int) -> bool:
    end = elements.end(row)
    inner = elements.tag[row + 1 : min(end, row + _SLIDE_ELEMENTS)]
    if "img" not in inner or end - row > _SLIDE_ELEMENTS:
        return False
    captions = (elements.text(row + 1 + place) for place, tag in enumerate(inner) if tag == "figcaption")
    return sum(map(_count_letters, captions)) == _count_letters(elements.text(row))


def _count_letters(text: str) -> int:
    return sum(map(len, text.split()))


def _hidden_text(elements: Elements, rows: list[int]) -> frozenset[int]:
    """Return the hidden elements that hold prose, longer than what counts as almost empty."""
    found = set()
    for row in rows:
        is_dialog = elements.tag[row] == "dialog" or elements.attributes[row].get("role") in ("dialog", "alertdialog")
        if is_dialog and not _PARTS_OF_PAGE & {*elements.tag[row : elements.end(row)]}:
            continue
        least = _LEAST_ARTICLE if elements.tag[row] == "noscript" and _is_article(elements, row) else _ALMOST_EMPTY
        if _letters(elements, row) >= least:
            found.add(row)
    return frozenset(found)


def _is_article(elements: Elements, row: int) -> bool:
    """Whether an element is an article by its markup, and no notice that scripts are needed."""
    inner = elements.tag[row : elements.end(row)]
    return ("article" in inner or "main" in inner) and "script" not in elements.text(row).lower()


def _letters(elements: Elements, row: int) -> int:
    """Return the letters within an element, but for scripts, styles and links."""
    letters, index, stop = 0, elements.first[row] + 1, elements.last[row]
    while index < stop:
        event = elements.events[index]
        index += 1
        if isinstance(event, str):
            letters += _weight(event.strip())
        elif event >= 0 and (elements.tag[event] in UNSEEN or elements.tag[event] == "a"):
            index = elements.last[event] + 1
    return letters


def _has_prose(flow: Flow) -> bool:
    """Whether a flow has so many letters outside of links that the page is not almost empty."""
    letters = accumulate(_weight(item.text) - item.linked for _, item in flow.blocks())
    return any(count >= _ALMOST_EMPTY for count in letters)


def _prose(flow: Flow) -> int:
    """Return the letters of a flow outside of links."""
    return sum(_weight(item.text) - item.linked for _, item in flow.blocks())


def _weight(text: str) -> int:
    """Return the letters of a text; a sign of Chinese or a syllable of Korean tells as much as three."""
    return len(text) if text.isascii() else len(text) + 2 * len(_SIGNS.findall(text))
