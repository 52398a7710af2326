"""The state of the pass over a page: the text block being read, and what is open around it."""

import re
from bisect import bisect_left
from typing import Final

from docgraph.parsers.html.blocks import Flow, OpenBlock, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.formulas import equations, written_formulas
from docgraph.parsers.html.tags import NAME_LETTERS, OF_CAPTIONS, kind_by_class

_OF_NUMBERS: Final = ("num", "gutter", "lineno", "lntd", "syntaxhigh", "crayon")
"""One of these is in a class name of every table that numbers lines of code."""
_MAY_NUMBER: Final = re.compile("|".join(_OF_NUMBERS), re.I).search
_OF_DOXYGEN: Final = ("fragment", "headertitle")
_NO_PARAGRAPHS: Final = frozenset("th dt caption figcaption".split())
"""Elements whose line breaks never end a paragraph."""

_SAYS_CAPTION: Final = frozenset(("span", "div", "p", "em", "small"))


def _captions_and_credits(elements: Elements) -> dict[int, str]:
    """Return the elements that their class, or microdata, calls a "caption" or a "credit" -> which."""
    rows = elements.by_names()
    named = ((kind_by_class(pair[0][:NAME_LETTERS]), pair) for pair in elements.names_with(OF_CAPTIONS))
    marked = (row for row in elements.rows_with("itemprop") if elements.tag[row] in _SAYS_CAPTION)
    found = {row: "caption" for row in marked if elements.attributes[row]["itemprop"] == "caption"}
    return found | {row: kind for kind, pair in named if kind for row in rows[pair]}


class Reader:
    """The state of the pass: the text block being read, and what is open around it."""

    __slots__ = (
        "block",
        "containers",
        "elements",
        "equations",
        "flow",
        "formulas",
        "fragments",
        "has_code",
        "has_numbers",
        "heading",
        "hidden",
        "opened",
        "shown",
        "titles",
        "typeset_twice",
    )

    def __init__(self, elements: Elements, shown: frozenset[int] = frozenset()) -> None:
        self.elements = elements
        self.flow = Flow(named=_captions_and_credits(elements))
        self.formulas = 0
        self.equations = equations(elements)
        """Elements in which blocks are parts of one line: a formula and its number."""
        self.flow.plain_tables.update(self.equations)
        self.block = OpenBlock()
        self.containers = [0]
        """Open block elements, innermost last."""
        self.heading = -1
        """The open heading, or -1."""
        self.shown = shown
        """Hidden elements that are read all the same."""
        self.opened: set[str] | None = None
        """Identifiers of what a button opens, once asked for."""
        self.hidden: list[int] = []
        """Hidden elements that were passed over."""
        self.has_code = bool(elements.rows_of("pre"))
        doxygen = elements.names_with(_OF_DOXYGEN)
        self.fragments = {row for pair in doxygen if pair[0] == "fragment" for row in elements.by_names()[pair]}
        """Elements in which Doxygen has code, line by line."""
        self.titles = {
            row + 1
            for pair in doxygen
            if pair[0] == "headertitle"
            for row in elements.by_names()[pair]
            if row + 1 < elements.end(row) and elements.attributes[row + 1].get("class") == "title"
        }
        """Elements in which it has the title of a page."""
        self.has_numbers = bool(elements.rows_of("table")) and (
            self.has_code or any(_MAY_NUMBER(class_) for class_, _ in elements.names_with(_OF_NUMBERS))
        )
        self.typeset_twice = any(
            elements.attributes[row].get("type", "").startswith("math/") for row in elements.rows_of("script")
        )

    def end_block(self) -> None:
        """Put the text block that was read into the flow, if there is anything to see in it."""
        text = self.block
        if not text.length and not text.images:
            text.spaced, text.broken = True, False
            return
        block = text.take(self.containers[-1])
        if block is None:
            return
        if ("\\" in block.text or "$" in block.text) and not block.preformatted:
            self._mark_formulas(block)
        if block.images and block.text and (alone := block.image_above()):
            self.flow.items.append(alone)
        if "\n" not in block.text or self.elements.tag[block.element] in _NO_PARAGRAPHS:
            self.flow.items.append(block)
        else:
            self.flow.items.extend(block.paragraphs())

    def add_formula(self, row: int, text: str, tex: str) -> int:
        """Put a formula into the text, marked, with its TeX source; return the event after its element."""
        if text:
            self.block.open_mark("math", row)
            self.block.add_text(text)
            self.block.close_mark("math", row)
            if tex:
                self.flow.tex[row] = tex
        return self.after(row)

    def _mark_formulas(self, block: TextBlock) -> None:
        """Mark the formulas that a block has as TeX between delimiters; a script would draw them."""
        code = sorted((start, end) for start, end, type_, _ in block.marks if type_ in ("code", "math"))
        for start, end, tex in written_formulas(block.text):
            before = bisect_left(code, (end, 0)) - 1
            if before < 0 or code[before][1] <= start:
                # No element holds it alone: a number of its own stands for one.
                self.formulas += 1
                block.marks.append((start, end, "math", -self.formulas))
                self.flow.tex[-self.formulas] = tex

    def is_opened(self, name: str) -> bool:
        """Whether a button says that it opens the element with an identifier."""
        if self.opened is None:
            self.opened = self.elements.words_of("aria-controls")
        return name in self.opened

    def after(self, row: int) -> int:
        """Return the event after an element."""
        return self.elements.last[row] + 1
