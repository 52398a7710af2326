"""Flow and verdict to a document: sections, lists, tables, figures, paragraphs and their sentences.

    Elements, Flow, Verdict ─ one walk over the flow ─> DocumentBuilder

The walk keeps a stack of frames, one an open structure. A frame has a section stack of its own, so a heading in a
sidebar, a cell or a quote never takes the paragraphs that follow it outside. Only what carries structure becomes a
node: `div` and its kind do not. Past a bound of `Limits` structure is flattened or adding stops, and a warning says so.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from docgraph.builder import DocumentBuilder
from docgraph.kinds import Domain
from docgraph.parsers.html.flow import TextBlock
from docgraph.parsers.html.nodes import NodeWriter, Page
from docgraph.parsers.html.tables import Grid, read_grid
from docgraph.parsers.html.tags import PREFORMATTED


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


def grow(page: Page, builder: DocumentBuilder) -> None:
    """Add the nodes of a page to a builder, the root included."""
    _Walk(page, builder).run()


_SECTIONING: Final = frozenset(("page", "group"))
_BOXES: Final = frozenset(("item", "definition", "cell", "quote"))
_LISTS: Final = frozenset(("ul", "ol", "menu", "dir"))
_HOLDERS: Final = {
    "li": "item",
    "dt": "term",
    "dd": "definition",
    "td": "cell",
    "th": "cell",
    "blockquote": "quote",
}
_NO_LEVEL: Final = 7
"""Deeper than any heading: closes asides only."""
_DEEPEST_BLOCK: Final = 3
"""Levels that a block may need below an open structure: item, paragraph, sentence."""


class _Walk(NodeWriter):
    """The state of the walk: what is open, and where in the flow it is."""

    def __init__(self, page: Page, builder: DocumentBuilder) -> None:
        super().__init__(page, builder)
        self.items = page.flow.items
        self.verdict = page.verdict
        self.frames: list[Frame] = []
        self.wanted = self.wanted_elements()
        self.index = 0
        """Of the next item of the flow."""

    def run(self) -> None:
        """Walk the flow from start to end."""
        items, wanted, page = self.items, self.wanted, self.page
        start, stop = self.verdict.article
        self.open_node("page", "main" if page.main_only else None, page.language)
        self.frames.append(Frame("page", -1, 1))
        while self.index < len(items):
            index, item = self.index, items[self.index]
            self.index += 1
            if index in (start, stop):
                self.close_sections(self.frames[-1], 0)
            if isinstance(item, TextBlock):
                if not page.main_only or self.verdict.block_role.get(index) == "main":
                    self.add_block(item, self.verdict.block_role.get(index), self.verdict.block_score.get(index))
            elif item >= 0:
                if item in wanted:
                    self.enter(item)
            elif ~item in wanted:
                self.leave(~item)
            if len(self.builder) >= page.limits.nodes:
                self.warn("limit.nodes", f"the page has more than {page.limits.nodes} nodes; the rest was left out.")
                self.builder.truncated = True
                break
        while self.frames:
            self.pop_frame()

    def wanted_elements(self) -> set[int]:
        """Return the elements with anything (wanted) in them."""
        parent, found = self.elements.parent, set[int]()
        roles = self.verdict.block_role if self.page.main_only else None
        for index, item in enumerate(self.items):
            if isinstance(item, TextBlock) and (roles is None or roles.get(index) == "main"):
                row = item.element
                while row >= 0 and row not in found:
                    found.add(row)
                    row = parent[row]
        return found

    # -- frames --------------------------------------------------------------------------------------------

    def enter(self, element: int) -> None:
        """Open what the element stands for, if it stands for structure."""
        tag = self.elements.tag[element]
        frame = self.frames[-1]
        if frame.ended and tag not in _LISTS:
            self.pop_frame()
            frame = self.frames[-1]
        if element in self.verdict.holds_main:
            self.close_sections(frame, _NO_LEVEL)
        role = self.verdict.region_role.get(element)
        if role is not None and not self.page.main_only:
            frame = self.push_frame("group", element, role=role)
        if element in self.page.figures.elements:
            frame = self.push_frame("figure", element, domain=self.figure_domain(element))
        if tag in _LISTS or tag == "dl":
            self.enter_list(element, tag)
        elif tag == "table":
            self.enter_table(element)
        elif tag == "caption" and frame.kind == "table":
            self.skip(element)
        elif tag in _HOLDERS:
            if tag in ("dt", "dd") and frame.kind in ("term", "definition"):
                # A `dd` ends the one before it, but the parser puts it inside.
                self.pop_frame()
                frame = self.frames[-1]
            self.enter_holder(element, tag, frame)
        elif (
            tag in ("section", "article")
            and self.verdict.sections_by_element
            and frame.kind in _SECTIONING | {"section"}
        ):
            self.push_frame("section", element)

    def leave(self, element: int) -> None:
        """Close what the element opened."""
        frame = self.frames[-1]
        if frame.ended and self.elements.parent[frame.element] == element:
            self.pop_frame()
            frame = self.frames[-1]
        if frame.kind == "item" and frame.element == element and self.next_is_list():
            frame.ended = True
            return
        while self.frames[-1].element == element:
            self.pop_frame()

    def push_frame(
        self, kind: str, element: int, *, role: str | None = None, grid: Grid | None = None, **columns: Any
    ) -> Frame:
        """Open a structure as a node, or keep its content in the node above if the tree is as deep as it may be."""
        frame = Frame(kind, element, 0, grid=grid)
        if self.builder.depth + _DEEPEST_BLOCK < self.page.limits.depth:
            self.open_node(kind, role, self.language_of(element), element=element, **columns)
            frame.nodes = 1
        else:
            self.warn(
                "limit.depth",
                f"the page nests deeper than Limits.depth={self.page.limits.depth} levels; "
                "what is deeper was kept as text of the nodes above.",
            )
        self.frames.append(frame)
        return frame

    def pop_frame(self) -> None:
        frame = self.frames.pop()
        self.close_sections(frame, 0)
        if frame.nodes:
            self.close_node()

    def open_section(self, frame: Frame, level: int, role: str | None, element: int) -> None:
        """Open a section for a heading, after those that it ends."""
        start, stop = self.verdict.article
        aside = frame.kind == "page" and start < self.index <= stop and role != "main"
        if aside:
            while frame.sections and frame.sections[-1][1] and frame.sections[-1][0] >= level:
                frame.sections.pop()
                self.close_node()
        else:
            self.close_sections(frame, level)
        if self.builder.depth + _DEEPEST_BLOCK < self.page.limits.depth:
            self.open_node("section", role, self.language_of(element), element=element)
            frame.sections.append((level, aside))

    def close_sections(self, frame: Frame, level: int) -> None:
        """Close the frame's asides, and its sections of this level and deeper."""
        while frame.sections and (frame.sections[-1][1] or frame.sections[-1][0] >= level):
            frame.sections.pop()
            self.close_node()

    # -- structures ----------------------------------------------------------------------------------------

    def enter_list(self, element: int, tag: str) -> None:
        own = self.elements.attributes[element]
        attributes: dict[str, Any] = {"ordered": tag == "ol"}
        if tag == "dl":
            attributes = {"definitions": True}
        elif tag == "ol":
            for name in ("start", "type"):
                if value := own.get(name, "")[:16].strip():
                    attributes[name] = int(value) if value.lstrip("-").isdecimal() else value
            if "reversed" in own:
                attributes["reversed"] = True
        role = self.context[-1][0]
        links = role in ("nav", "aside", "header", "footer") and self.is_all_links(element)
        self.push_frame("list", element, attributes=attributes, domain=Domain.SET if links else Domain.SEQUENCE)

    def is_all_links(self, element: int) -> bool:
        """Whether a list holds nothing but links (looking at its first hundred items)."""
        for item in self.items[self.index : self.index + 200]:
            if item == ~element:
                break
            if isinstance(item, TextBlock) and item.linked < len(item.text):
                return False
        return True

    def enter_table(self, element: int) -> None:
        grid = read_grid(self.elements, element, self.page.limits)
        if grid is None:
            return
        if grid.cut:
            self.warn(
                "limit.table_cells",
                f"a table has more than {self.page.limits.table_cells} cells; the rest was left out.",
            )
            self.builder.truncated = True
        if grid.caption in self.wanted:
            self.push_frame("figure", element)
            self.add_caption(grid.caption)
        self.push_frame(
            "table",
            element,
            grid=grid,
            domain=Domain.GRID,
            attributes={"rows": grid.rows, "columns": grid.columns},
        )

    def add_caption(self, element: int) -> None:
        """Add a table's caption, wherever it stands in the table: it is shown before it."""
        place = self.index
        while place < len(self.items) and self.items[place] != element:
            place += 1
        for index in range(place, len(self.items)):
            item = self.items[index]
            if item == ~element:
                break
            if isinstance(item, TextBlock):
                self.add_run("caption", item, self.verdict.block_role.get(index), None)

    def enter_holder(self, element: int, tag: str, frame: Frame) -> None:
        """Open an item, term, definition, cell or quote, or add it at once if all it holds is one run."""
        kind = _HOLDERS[tag]
        columns: dict[str, Any] = {}
        if kind == "cell":
            cell = frame.grid.cells.get(element) if frame.grid else None
            if cell is None:
                if frame.grid is not None:
                    self.skip(element)
                return
            columns["position"] = (cell.row, cell.column)
            columns["attributes"] = _cell_attributes(cell.row_span, cell.column_span, cell.header)
        elif kind != "quote" and frame.kind != "list":
            return
        elif kind == "item" and (value := self.elements.attributes[element].get("value", "")[:16]).isdecimal():
            columns["attributes"] = {"value": int(value)}
        alone = self.only_run(element)
        if alone is None:
            self.push_frame(kind, element, **columns)
            return
        index, after = alone
        block = self.items[index]
        assert isinstance(block, TextBlock)
        self.add_run(
            kind,
            block,
            self.verdict.block_role.get(index),
            self.verdict.block_score.get(index),
            element,
            **columns,
        )
        self.index = after

    def only_run(self, element: int) -> tuple[int, int] | None:
        """Return where the only run of an element is and where the element ends, None if there is more in it."""
        found, tag = -1, self.elements.tag[element]
        for index in range(self.index, min(self.index + _ONLY_RUN_ITEMS, len(self.items))):
            item = self.items[index]
            if isinstance(item, TextBlock):
                if found >= 0 or not item.text or (item.images and tag in ("td", "th", "dt")):
                    return None
                found = index
            elif item >= 0:
                if item in self.wanted and not self.is_neutral(item):
                    return None
            elif ~item == element:
                if found < 0 or (tag == "li" and self.next_is_list(index + 1)):
                    return None
                return found, index + 1
        return None

    def is_neutral(self, element: int) -> bool:
        """Whether an element stands for no structure of its own."""
        return not (
            self.elements.tag[element] in _STRUCTURAL
            or element in self.page.figures.elements
            or element in self.page.flow.headings
            or element in self.verdict.region_role
        )

    def next_is_list(self, index: int | None = None) -> bool:
        index = self.index if index is None else index
        item = self.items[index] if index < len(self.items) else None
        return isinstance(item, int) and item >= 0 and self.elements.tag[item] in _LISTS and item in self.wanted

    def skip(self, element: int) -> None:
        """Go on after the element."""
        while self.index < len(self.items) and self.items[self.index] != ~element:
            self.index += 1
        self.index += 1

    def figure_domain(self, element: int) -> Domain:
        """Several images of one figure are a set."""
        images = 0
        for item in self.items[self.index : self.index + 200]:
            if item == ~element:
                break
            if isinstance(item, TextBlock):
                images += len(item.images)
        return Domain.SET if images > 1 else Domain.SEQUENCE

    # -- runs ----------------------------------------------------------------------------------------------

    def add_block(self, block: TextBlock, role: str | None, score: float | None) -> None:
        """Add a run in the place where it stands."""
        frame = self.frames[-1]
        if frame.ended:
            self.pop_frame()
            frame = self.frames[-1]
        element = block.element
        if role == "main" and block.text and element not in self.page.flow.headings:
            self.close_sections(frame, _NO_LEVEL)
        if not block.text:
            for _, image, link in block.images:
                self.add_image(image, link, role)
            return
        if element in self.page.flow.headings:
            level = self.page.flow.headings[element]
            attributes: dict[str, Any] = {"level": level}
            if element == self.verdict.title:
                attributes["title"] = True
            if element not in self.verdict.second_lines and self.takes_sections(frame):
                self.open_section(frame, level, role, element)
            self.add_run("heading", block, role, score, attributes=attributes)
        elif block.preformatted and self.elements.tag[element] != "textarea":
            language = self.code_language(block)
            self.add_run("code", block, role, score, attributes={"code_language": language} if language else None)
        else:
            self.add_run(self.text_kind(self.index - 1), block, role, score)

    def takes_sections(self, frame: Frame) -> bool:
        """Whether a heading opens a section in a frame: in an item or the like only if more than the heading is in it."""
        if frame.kind not in _BOXES:
            return frame.kind in _SECTIONING
        for item in self.items[self.index : self.index + _ONLY_RUN_ITEMS]:
            if item == ~frame.element:
                return False
            if isinstance(item, TextBlock) and item.text:
                return True
        return False

    def text_kind(self, index: int) -> str:
        """Return what a run of text is: a caption or credit beside a picture, else a paragraph."""
        if index in self.page.figures.captions:
            return "caption"
        return "credit" if index in self.page.figures.credits else "paragraph"


_ONLY_RUN_ITEMS: Final = 24
_STRUCTURAL: Final = _LISTS | frozenset(_HOLDERS) | PREFORMATTED | {"table", "dl", "figure", "caption"}


def _cell_attributes(row_span: int, column_span: int, header: bool) -> dict[str, Any] | None:
    attributes: dict[str, Any] = {}
    if header:
        attributes["header"] = True
    if row_span > 1:
        attributes["row_span"] = row_span
    if column_span > 1:
        attributes["column_span"] = column_span
    return attributes or None
