"""Flow and verdict to a document: sections, lists, tables, figures, paragraphs and their sentences.

    Elements, Flow, Verdict ─ one walk over the flow ─> DocumentBuilder

The walk keeps a stack of frames, one an open structure. A frame has a section stack of its own, so a heading in a
sidebar, a cell or a quote never takes the paragraphs that follow it outside. Only what carries structure becomes a
node: `div` and its kind do not. Past a bound of `Limits` structure is flattened or adding stops, and a warning says so.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Final

from docgraph.builder import DocumentBuilder
from docgraph.kinds import Domain
from docgraph.limits import Limits
from docgraph.parsers.html_blocks import Block, Flow
from docgraph.parsers.html_elements import Elements
from docgraph.parsers.html_figures import Figures
from docgraph.parsers.html_main import Verdict
from docgraph.parsers.html_pictures import picture_attributes, resolve
from docgraph.parsers.html_rules import MEDIA, PREFORMATTED
from docgraph.parsers.html_tables import Grid, read_grid
from docgraph.sentences import sentence_spans


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


@dataclass(slots=True, kw_only=True)
class Page:
    """What the walk needs to know of a page."""

    elements: Elements
    flow: Flow
    verdict: Verdict
    figures: Figures
    base: str = ""
    """Addresses are resolved against it."""
    language: str | None = None
    limits: Limits = field(default_factory=Limits)
    main_only: bool = False


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
_LEAVES: Final = frozenset(("heading", "cell", "code", "term"))
"""Kinds whose text is not cut into sentences."""
_NO_LEVEL: Final = 7
"""Deeper than any heading: closes asides only."""
_LONGEST_SPLIT: Final = 1_000_000
"""Characters of one run that are cut into sentences; the rest of a longer one is one sentence."""
_DEEPEST_BLOCK: Final = 3
"""Levels that a block may need below an open structure: item, paragraph, sentence."""
_LANGUAGE_CLASS: Final = re.compile(
    r"(?:^|\s)(?:language|lang|highlight-source|highlight-text|brush:?|sourceCode)[-\s:]+([A-Za-z0-9+#_.]+)",
    re.I,
)


class _Walk:
    def __init__(self, page: Page, builder: DocumentBuilder) -> None:
        self.page = page
        self.elements = page.elements
        self.items = page.flow.items
        self.verdict = page.verdict
        self.builder = builder
        self.frames: list[Frame] = []
        self.context: list[tuple[str | None, str | None]] = []
        """Role and language in effect, one entry an open node."""
        self.languages = _languages(page.elements, page.language)
        self.wanted = self.wanted_elements()
        self.index = 0
        """Of the next item of the flow."""
        self.images = 0
        self.warned: set[str] = set()

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
            if isinstance(item, Block):
                if not page.main_only or self.verdict.block_role.get(index) == "main":
                    self.add_block(
                        item, self.verdict.block_role.get(index), self.verdict.block_score.get(index)
                    )
            elif item >= 0:
                if item in wanted:
                    self.enter(item)
            elif ~item in wanted:
                self.leave(~item)
            if len(self.builder) >= page.limits.nodes:
                self.warn(
                    "limit.nodes", f"the page has more than {page.limits.nodes} nodes; the rest was left out."
                )
                self.builder.truncated = True
                break
        while self.frames:
            self.pop_frame()

    def wanted_elements(self) -> set[int]:
        """Return the elements with anything (wanted) in them."""
        parent, found = self.elements.parent, set[int]()
        roles = self.verdict.block_role if self.page.main_only else None
        for index, item in enumerate(self.items):
            if isinstance(item, Block) and (roles is None or roles.get(index) == "main"):
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

    def open_node(self, kind: str, role: str | None, language: str | None, **columns: Any) -> None:
        """Open a node; its role and language are stored where they differ from those around it."""
        role_above, language_above = self.context[-1] if self.context else (None, language)
        role = role or role_above
        attributes = columns.pop("attributes", None)
        if language != language_above and language:
            attributes = {**(attributes or {}), "language": language}
        self.builder.open(kind, role=None if role == role_above else role, attributes=attributes, **columns)
        self.context.append((role, language))

    def close_node(self) -> None:
        self.builder.close()
        self.context.pop()

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
        self.push_frame(
            "list", element, attributes=attributes, domain=Domain.SET if links else Domain.SEQUENCE
        )

    def is_all_links(self, element: int) -> bool:
        """Whether a list holds nothing but links (looking at its first hundred items)."""
        for item in self.items[self.index : self.index + 200]:
            if item == ~element:
                break
            if isinstance(item, Block) and item.linked < len(item.text):
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
            if isinstance(item, Block):
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
        elif (
            kind == "item" and (value := self.elements.attributes[element].get("value", "")[:16]).isdecimal()
        ):
            columns["attributes"] = {"value": int(value)}
        alone = self.only_run(element)
        if alone is None:
            self.push_frame(kind, element, **columns)
            return
        index, after = alone
        block = self.items[index]
        assert isinstance(block, Block)
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
            if isinstance(item, Block):
                if found >= 0 or not item.text or (item.pictures and tag in ("td", "th", "dt")):
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
        return (
            isinstance(item, int) and item >= 0 and self.elements.tag[item] in _LISTS and item in self.wanted
        )

    def skip(self, element: int) -> None:
        """Go on after the element."""
        while self.index < len(self.items) and self.items[self.index] != ~element:
            self.index += 1
        self.index += 1

    def figure_domain(self, element: int) -> Domain:
        """Several pictures of one figure are a set."""
        pictures = 0
        for item in self.items[self.index : self.index + 200]:
            if item == ~element:
                break
            if isinstance(item, Block):
                pictures += len(item.pictures)
        return Domain.SET if pictures > 1 else Domain.SEQUENCE

    # -- runs ----------------------------------------------------------------------------------------------

    def add_block(self, block: Block, role: str | None, score: float | None) -> None:
        """Add a run in the place where it stands."""
        frame = self.frames[-1]
        if frame.ended:
            self.pop_frame()
            frame = self.frames[-1]
        element = block.element
        if role == "main" and block.text and element not in self.page.flow.headings:
            self.close_sections(frame, _NO_LEVEL)
        if not block.text:
            for _, picture, link in block.pictures:
                self.add_picture(picture, link, role)
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
            self.add_run(
                "code", block, role, score, attributes={"code_language": language} if language else None
            )
        else:
            self.add_run(self.text_kind(self.index - 1), block, role, score)

    def takes_sections(self, frame: Frame) -> bool:
        """Whether a heading opens a section in a frame: in an item or the like only if more than the heading is in it."""
        if frame.kind not in _BOXES:
            return frame.kind in _SECTIONING
        for item in self.items[self.index : self.index + _ONLY_RUN_ITEMS]:
            if item == ~frame.element:
                return False
            if isinstance(item, Block) and item.text:
                return True
        return False

    def text_kind(self, index: int) -> str:
        """Return what a run of text is: a caption or credit beside a picture, else a paragraph."""
        if index in self.page.figures.captions:
            return "caption"
        return "credit" if index in self.page.figures.credits else "paragraph"

    def code_language(self, block: Block) -> str | None:
        """Return the language that a class of the code, or of an element close around it, names."""
        rows = [mark[3] for mark in block.marks[:1]]
        row = block.element
        for _ in range(3):
            if row >= 0:
                rows.append(row)
                row = self.elements.parent[row]
        for row in rows:
            if found := _LANGUAGE_CLASS.search(self.elements.attributes[row].get("class", "")):
                return found.group(1).lower()
        return None

    def add_run(
        self,
        kind: str,
        block: Block,
        role: str | None,
        score: float | None,
        element: int | None = None,
        **columns: Any,
    ) -> None:
        """Add a node for a run: its text, marks, sentences, and its pictures in their places."""
        builder = self.builder
        element = block.element if element is None else element
        language = self.language_of(block.element)
        start, end = builder.append(block.text)
        self.open_node(
            kind,
            role,
            language,
            span=(start, end),
            element=element,
            score=float("nan") if score is None else score,
            **columns,
        )
        row = len(builder) - 1
        if kind not in _LEAVES:
            self.add_sentences(block, start, element, language)
        self.close_node()
        for first, last, type_, origin in block.marks:
            href = self.href(origin) if type_ == "link" else None
            if type_ != "link" or href:
                builder.mark(row, start + first, start + last, type_, href)
        if kind in _LEAVES:
            for _, picture, link in block.pictures:
                self.add_picture(picture, link, role)

    def add_sentences(self, block: Block, start: int, element: int, language: str | None) -> None:
        """Add the sentences of a run whose text begins at `start`, and its pictures between them."""
        builder, text = self.builder, block.text
        spans = [
            (start + first, start + last) for first, last in sentence_spans(text[:_LONGEST_SPLIT], language)
        ]
        if len(text) > _LONGEST_SPLIT:
            spans.append((start + _LONGEST_SPLIT, start + len(text)))
            self.warn(
                "limit.sentences",
                f"a run of text longer than {_LONGEST_SPLIT} characters was not cut to its end.",
            )
        if len(spans) > (left := max(0, self.page.limits.nodes - len(builder))):
            spans = spans[:left]
        done = 0
        for offset, picture, link in block.pictures:
            until = bisect_left(spans, (start + offset, 0), done)
            builder.leaves("sentence", spans[done:until], element=element)
            done = until
            self.add_picture(picture, link, None, start + offset)
        builder.leaves("sentence", spans[done:] if done else spans, element=element)

    def add_picture(self, picture: int, link: int, role: str | None, place: int | None = None) -> None:
        """Add an image (or a media element) at a place of the text, the end if none is given."""
        page, builder = self.page, self.builder
        if self.images >= page.limits.images:
            self.warn(
                "limit.images",
                f"the page has more than {page.limits.images} pictures; the rest was left out.",
            )
            builder.truncated = True
            return
        self.images += 1
        if self.elements.tag[picture] in MEDIA:
            kind, attributes = "media", self.media_attributes(picture)
        else:
            kind = "image"
            attributes, cut = picture_attributes(
                self.elements,
                picture,
                twin=page.flow.twins.get(picture),
                base=page.base,
                attribute_bytes=page.limits.attribute_bytes,
                data_uri_bytes=page.limits.data_uri_bytes,
            )
            if cut:
                builder.warn(
                    "limit.attribute_bytes" if cut != ["src"] else "limit.data_uri_bytes",
                    f"{', '.join(cut)} of an image is longer than its bound and was cut.",
                    len(builder),
                )
                builder.truncated = True
        if link >= 0 and (href := self.href(link)):
            attributes["href"] = href
        place = builder.length if place is None else place
        self.open_node(
            kind,
            role,
            self.language_of(picture),
            span=(place, place),
            element=picture,
            attributes=attributes or None,
        )
        self.close_node()

    def media_attributes(self, element: int) -> dict[str, Any]:
        own = self.elements.attributes[element]
        attributes: dict[str, Any] = {"type": self.elements.tag[element]}
        for name, sources in (("src", ("src", "data-src", "data")), ("poster", ("poster",))):
            address = next((own[s].strip() for s in sources if own.get(s, "").strip()), None)
            if address and len(address) <= self.page.limits.attribute_bytes and is_safe(address):
                attributes[name] = resolve(address, self.page.base)
        if title := " ".join(own.get("title", "").split()):
            attributes["title"] = title[: self.page.limits.attribute_bytes]
        return attributes

    def href(self, link: int) -> str | None:
        """Return where a link goes, resolved; None if nowhere or if it runs a script."""
        address = self.elements.attributes[link].get("href")
        if not address or len(address) > self.page.limits.attribute_bytes:
            return None
        address = "".join(address.split()) if "\n" in address or "\t" in address else address.strip()
        if not address or not is_safe(address):
            return None
        return resolve(address, self.page.base)

    def language_of(self, element: int) -> str | None:
        return self.languages[element] if self.languages else self.page.language

    def warn(self, code: str, message: str) -> None:
        """Record a warning, once for each code."""
        if code not in self.warned:
            self.warned.add(code)
            self.builder.warn(code, message, len(self.builder) - 1)


_ONLY_RUN_ITEMS: Final = 24
_STRUCTURAL: Final = _LISTS | frozenset(_HOLDERS) | PREFORMATTED | {"table", "dl", "figure", "caption"}


def is_safe(address: str) -> bool:
    """Whether an address runs nothing when followed."""
    scheme = address[:24].lstrip().lower()
    return not scheme.startswith(("javascript:", "vbscript:", "data:text/html"))


def _cell_attributes(row_span: int, column_span: int, header: bool) -> dict[str, Any] | None:
    attributes: dict[str, Any] = {}
    if header:
        attributes["header"] = True
    if row_span > 1:
        attributes["row_span"] = row_span
    if column_span > 1:
        attributes["column_span"] = column_span
    return attributes or None


def _languages(elements: Elements, page: str | None) -> list[str | None]:
    """Return the language of every element, inherited; nothing if no element but the root names one."""
    if not any("lang" in own for own in elements.attributes[1:]):
        return []
    found: list[str | None] = []
    for own, above in zip(elements.attributes, elements.parent, strict=True):
        language = own.get("lang", "").strip()[:64]
        found.append(language or (found[above] if above >= 0 else page))
    return found
