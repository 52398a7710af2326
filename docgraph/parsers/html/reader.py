"""The state of the pass over a page: the text block being read, and what is open around it."""

from typing import Final

from docgraph.parsers.html.blocks import Flow, OpenBlock
from docgraph.parsers.html.elements import Elements

_NO_PARAGRAPHS: Final = frozenset("th dt caption figcaption".split())
"""Elements whose line breaks never end a paragraph."""


class Reader:
    """The state of the pass: the text block being read, and what is open around it."""

    __slots__ = ("block", "containers", "elements", "flow", "has_code", "heading", "hidden", "shown", "typeset_twice")

    def __init__(self, elements: Elements, shown: frozenset[int] = frozenset()) -> None:
        self.elements = elements
        self.flow = Flow()
        self.block = OpenBlock()
        self.containers = [0]
        """Open block elements, innermost last."""
        self.heading = -1
        """The open heading, or -1."""
        self.shown = shown
        """Hidden elements that are read all the same."""
        self.hidden: list[int] = []
        """Hidden elements that were passed over."""
        self.has_code = bool(elements.rows_of("pre"))
        self.typeset_twice = any(
            elements.attributes[row].get("type", "").startswith("math/") for row in elements.rows_of("script")
        )

    def end_block(self) -> None:
        """Put the text block that was read into the flow, if there is anything to see in it."""
        block = self.block.take(self.containers[-1])
        if block is None:
            return
        if block.images and block.text and (alone := block.image_above()):
            self.flow.items.append(alone)
        if "\n" not in block.text or self.elements.tag[block.element] in _NO_PARAGRAPHS:
            self.flow.items.append(block)
        else:
            self.flow.items.extend(block.paragraphs())

    def after(self, row: int) -> int:
        """Return the event after an element."""
        return self.elements.last[row] + 1
