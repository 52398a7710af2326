"""What is open while the tree grows, where in the flow the walk is, and bounds on depth.

    Frames ─ push, pop, open_section, close_sections ─> nodes opened and closed through NodeWriter
    Walk ─ the flow, the place in it, the frames ─> what every rule of `structures` and `tree` is given

A frame is one open structure. It has a section stack of its own, so a heading in a sidebar, a cell or a quote never
takes the paragraphs that follow it outside. Past the bound on depth a structure is flattened: its content is kept in
the node above, and a warning says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from docgraph.document import DocumentBuilder
from docgraph.parsers.html.blocks import TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.entries import find_entries, find_grids
from docgraph.parsers.html.nodes import NodeWriter, Page
from docgraph.parsers.html.tables import Grid
from docgraph.parsers.html.tags import LISTS

NO_LEVEL: Final = 7
"""Deeper than any heading: closes asides only."""
_DEEPEST_BLOCK: Final = 3
"""Levels that a block may need below an open structure: item, paragraph, sentence."""


@dataclass(slots=True)
class Frame:
    """An open structure of the document."""

    kind: str
    element: int
    """The element it ends with; -1 at the page."""
    nodes: int
    """Nodes that it opened: 0 if it was flattened, else 1."""
    sections: list[tuple[int, bool]] = field(default_factory=list)
    """Level of each section open in it, and whether it is an aside: opened by a heading that interrupts the
    article, and closed where the article goes on."""
    grid: Grid | None = None
    ended: bool = False
    """In an item: whether its element has ended; it is kept open for a list that follows it."""


class Frames:
    """The stack of open structures, innermost last."""

    def __init__(self, writer: NodeWriter) -> None:
        self.writer = writer
        self.stack: list[Frame] = []

    @property
    def last(self) -> Frame:
        """The innermost open structure."""
        return self.stack[-1]

    def push(
        self, kind: str, element: int, *, role: str | None = None, grid: Grid | None = None, **columns: Any
    ) -> Frame:
        """Open a structure as a node, or keep its content in the node above if the tree is as deep as it may be."""
        frame = Frame(kind, element, 0, grid=grid)
        if self.has_room():
            self.writer.open_node(kind, role, self.writer.language_of(element), element=element, **columns)
            frame.nodes = 1
        else:
            self.writer.warn(
                "limit.depth",
                f"the page nests deeper than Limits.depth={self.writer.page.limits.depth} levels; "
                "what is deeper was kept as text of the nodes above.",
            )
        self.stack.append(frame)
        return frame

    def pop(self) -> None:
        """Close the innermost structure and its sections."""
        frame = self.stack.pop()
        self.close_sections(frame, 0)
        if frame.nodes:
            self.writer.close_node()

    def has_room(self) -> bool:
        """Whether one more structure and a block in it stay within the bound on depth."""
        return self.writer.builder.depth + _DEEPEST_BLOCK < self.writer.page.limits.depth

    def open_section(self, frame: Frame, level: int, role: str | None, element: int, *, aside: bool) -> None:
        """Open a section for a heading, after those that it ends; an aside ends only asides."""
        if aside:
            while frame.sections and frame.sections[-1][1] and frame.sections[-1][0] >= level:
                frame.sections.pop()
                self.writer.close_node()
        else:
            self.close_sections(frame, level)
        if self.has_room():
            self.writer.open_node("section", role, self.writer.language_of(element), element=element)
            frame.sections.append((level, aside))

    def close_sections(self, frame: Frame, level: int) -> None:
        """Close the frame's asides, and its sections of this level and deeper."""
        while frame.sections and (frame.sections[-1][1] or frame.sections[-1][0] >= level):
            frame.sections.pop()
            self.writer.close_node()


class Walk:
    """The state of the walk: where in the flow it is, and what is open."""

    def __init__(self, page: Page, builder: DocumentBuilder) -> None:
        self.page = page
        self.writer = NodeWriter(page, builder)
        self.frames = Frames(self.writer)
        self.items = page.flow.items
        self.wanted = _wanted_elements(page)
        self.index = 0
        """Of the next item of the flow."""
        self.entries = find_entries(page.elements, page.flow)
        self.grids = find_grids(page.elements, page.flow)
        """Elements that hold cards in a row, and the level of their headings."""
        self.opened: set[int] = set()
        """Headings whose section was opened before them."""
        self.headed = _above(page.elements, page.flow.headings)
        """Elements with a heading in them."""

    def skip(self, element: int) -> None:
        """Go on after the element."""
        while self.index < len(self.items) and self.items[self.index] != ~element:
            self.index += 1
        self.index += 1

    def ahead(self, count: int) -> list["int | TextBlock"]:
        """Return the next items of the flow."""
        return self.items[self.index : self.index + count]

    def is_aside(self, role: str | None) -> bool:
        """Whether a heading of a role, here, interrupts the article."""
        start, stop = self.page.verdict.article
        return self.frames.last.kind in ("page", "box") and start < self.index <= stop and role != "main"

    def next_is_list(self) -> bool:
        """Whether a list with anything wanted in it opens next."""
        return self.is_list_at(self.index)

    def is_list_at(self, index: int) -> bool:
        """Whether a list with anything wanted in it opens at a place of the flow."""
        item = self.items[index] if index < len(self.items) else None
        return isinstance(item, int) and item in self.wanted and self.page.elements.tag[item] in LISTS


def _above(elements: Elements, rows: Iterable[int]) -> set[int]:
    """Return the elements around some."""
    parent, above = elements.parent, set[int]()
    for row in rows:
        row = parent[row]
        while row >= 0 and row not in above:
            above.add(row)
            row = parent[row]
    return above


def _wanted_elements(page: Page) -> set[int]:
    """Return the elements with anything (wanted) in them."""
    parent, wanted = page.elements.parent, set[int]()
    roles = page.verdict.block_role if page.main_only else None
    for index, item in page.flow.blocks():
        if roles is None or roles.get(index) == "main":
            row = item.element
            while row >= 0 and row not in wanted:
                wanted.add(row)
                row = parent[row]
    return wanted
