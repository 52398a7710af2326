"""What an element that opens stands for in the tree: a rule for each kind of structure.

    element ─ region, figure, list_, table, item, definition, cell, quote, section ─> a frame, or a node at once

Only what carries structure becomes a node: `div` and its kind do not. `tree` lists the rules and calls them.

Sources: HTML Living Standard 4.4 (grouping content), 4.9 (tables).
"""

import re
from typing import Any, Final

from docgraph.kinds import Domain
from docgraph.parsers.html.blocks import ENDS_SENTENCE, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.images import resolve
from docgraph.parsers.html.nodes import Page, is_safe
from docgraph.parsers.html.tables import read_grid
from docgraph.parsers.html.tags import LISTS, NAME_LETTERS, PREFORMATTED
from docgraph.parsers.html.walk import Frame, Walk

SECTIONING: Final = frozenset(("page", "group", "box"))
"""Kinds of node in which every heading opens a section."""
FEW_ITEMS: Final = 24
"""Items of the flow that are looked at to see whether an element holds one text block only."""
_LIST_ITEMS: Final = 200
"""Items of the flow that are looked at to see whether a list is all links, or a figure holds several images."""
_HOLDERS: Final = {
    "li": "item", "dt": "term", "dd": "definition", "td": "cell", "th": "cell", "blockquote": "quote",
}  # fmt: skip
_STRUCTURAL: Final = LISTS | frozenset(_HOLDERS) | PREFORMATTED | {"table", "dl", "figure", "caption"}
_ALWAYS_BOXES: Final = frozenset(("aside", "details"))
_BOX_CLASS: Final = re.compile(
    r"(?:^|\s)(?:callout|side-?bar|kasten|encadr[eé]|recuadro|kader)(?:$|\s)|"
    r"(?:info|fact|fakten|fakta|text|side)[-_]?(?:box|boks|kasten|ruta)(?:$|\s|--|__)",
    re.I,
)
"""Class of an element that is a box, whatever stands beside it."""
_SOURCES: Final = frozenset(("footer", "cite", "small"))
_SOURCE_CLASS: Final = re.compile(r"(?:^|[\s_-])(?:attribution|author|source|cite)(?:$|[\s_])", re.I)
_DASHES: Final = ("—", "–", "―", "-- ", "- ")
"""A last line of a quotation that begins with one of these says where it is from."""
_QUOTE_ELEMENTS: Final = 200
_SOURCE_LETTERS: Final = 300
_FEW_LETTERS: Final = 60
_CELLS: Final = frozenset(("td", "th"))
_LABEL_LETTERS: Final = 10
"""A text of fewer is a label beside a heading, such as "[edit]", and not the text of a box."""
_LINES: Final = frozenset(("p", "div", "header"))
_SMALL_ROLES: Final = frozenset(("nav", "aside", "header", "footer"))


def region(walk: Walk, element: int) -> None:
    """A part of the page with a role of its own is a group."""
    if not walk.page.main_only:
        walk.frames.push("group", element, role=walk.page.verdict.region_role[element])


def figure(walk: Walk, element: int) -> None:
    """A figure; several images of one are a set."""
    images = 0
    for item in walk.ahead(_LIST_ITEMS):
        if item == ~element:
            break
        if isinstance(item, TextBlock):
            images += len(item.images)
    walk.frames.push("figure", element, domain=Domain.SET if images > 1 else Domain.SEQUENCE)


def list_(walk: Walk, element: int) -> None:
    """A list: with its numbering, or a set if it is all links of a navigation."""
    tag, own = walk.page.elements.tag[element], walk.page.elements.attributes[element]
    if element in walk.entries or (tag == "dl" and walk.frames.last.kind == "figure"):
        return  # each term opens a section, or is an image with its caption
    attributes: dict[str, Any] = {"definitions": True} if tag == "dl" else {"ordered": tag == "ol"}
    if tag == "ol":
        for name in ("start", "type"):
            if value := own.get(name, "")[:16].strip():
                attributes[name] = int(value) if value.removeprefix("-").isdecimal() else value
        if "reversed" in own:
            attributes["reversed"] = True
    links = walk.writer.role in _SMALL_ROLES and _is_all_links(walk, element)
    walk.frames.push("list", element, attributes=attributes, domain=Domain.SET if links else Domain.SEQUENCE)


def table(walk: Walk, element: int) -> None:
    """A table of data is a grid of cells, with its caption in a figure around it; one for layout is nothing."""
    limits = walk.page.limits
    grid = None if element in walk.page.flow.plain_tables else read_grid(walk.page.elements, element, limits)
    if grid is None:
        box(walk, element)
        return
    if grid.cut:
        walk.writer.cut(
            "limit.table_cells", f"a table has more than {limits.table_cells} cells; the rest was left out."
        )
    if grid.caption in walk.wanted:
        walk.frames.push("figure", element)
        _add_table_caption(walk, grid.caption)
    attributes = {"rows": grid.rows, "columns": grid.columns}
    walk.frames.push("table", element, grid=grid, domain=Domain.GRID, attributes=attributes)


def table_caption(walk: Walk, element: int) -> None:
    """The caption of a table of data has been added before it."""
    if walk.frames.last.kind == "table":
        walk.skip(element)


def definition(walk: Walk, element: int) -> None:
    """A term or definition; it ends the one before it, which it stands inside in a soup that lxml made."""
    frames, above = walk.frames, walk.page.elements.parent[element]
    if above in walk.entries:
        if walk.page.elements.tag[element] == "dt":
            if frames.last.kind == "section" and frames.last.element == above:
                frames.pop()
            frames.push("section", element).element = above
        return
    if walk.frames.last.kind in ("term", "definition"):
        walk.frames.pop()
    if walk.frames.last.kind == "list":
        _open_holder(walk, element)


def item(walk: Walk, element: int) -> None:
    """An item of a list, with its number if it has one of its own, and whether the box before its text is ticked."""
    if walk.frames.last.kind != "list":
        return
    elements = walk.page.elements
    attributes: dict[str, Any] = {}
    value = elements.attributes[element].get("value", "")[:16]
    if value.isdecimal():
        attributes["value"] = int(value)
    for inner in range(element + 1, min(element + 3, elements.end(element))):
        if elements.tag[inner] == "input" and elements.attributes[inner].get("type", "").lower() == "checkbox":
            attributes["checked"] = "checked" in elements.attributes[inner]
            break
    _open_holder(walk, element, attributes=attributes or None)
    if element in walk.entries and walk.frames.last.element == element:
        box(walk, element)


def cell(walk: Walk, element: int) -> None:
    """A cell of a table of data, in its place of the grid; in a table for layout it is nothing."""
    grid = walk.frames.last.grid
    if grid is None:
        return
    place = grid.cells.get(element)
    if place is None:
        walk.skip(element)
        return
    attributes: dict[str, Any] = {}
    if place.header:
        attributes["header"] = True
    if place.row_span > 1:
        attributes["row_span"] = place.row_span
    if place.column_span > 1:
        attributes["column_span"] = place.column_span
    _open_holder(walk, element, position=(place.row, place.column), attributes=attributes or None)


def quote(walk: Walk, element: int) -> None:
    """A quotation, with the address and the words that say where it is from."""
    attributes: dict[str, Any] = {}
    elements = walk.page.elements
    address = elements.attributes[element].get("cite", "").strip()
    if address and len(address) <= walk.page.limits.attribute_bytes and is_safe(address):
        attributes["cite"] = resolve(address, walk.page.base)
    if source := _source_of_quote(elements, element):
        attributes["source"] = source
    _open_holder(walk, element, attributes=attributes or None)


def box(walk: Walk, element: int) -> None:
    """A box that interrupts the text keeps its headings to itself: what follows it belongs to what came before it.

    So do cards in a row, and an entry of a live blog; one without a heading is a section all the same.
    """
    tag = walk.page.elements.tag[element]
    if element in walk.entries:
        if element not in walk.headed:
            walk.frames.push("section", element)
            return
        if level := _level_of_first(walk, element):
            walk.frames.close_sections(walk.frames.last, level)
        walk.frames.stack.append(Frame("box", element, 0))
        _open_before_heading(walk, element)
        return
    start, stop = walk.page.verdict.article
    if element in walk.grids and start < walk.index <= stop:
        walk.frames.close_sections(walk.frames.last, walk.grids[element])
        walk.frames.stack.append(Frame("box", element, 0))
    elif _has_headed_text(walk, element) and (
        tag in _ALWAYS_BOXES
        or (walk.page.elements.is_between(element, "p") and not _is_head(walk, element))
        or (
            len(walk.frames.last.sections) > 1
            and _BOX_CLASS.search(walk.page.elements.attributes[element].get("class", "")[:NAME_LETTERS])
        )
    ):
        walk.frames.stack.append(Frame("box", element, 0))


def section(walk: Walk, element: int) -> None:
    """A `section` or `article` element is a section by its heading; by itself only on a page without headings."""
    box(walk, element)
    if element in walk.entries:
        return
    _open_before_heading(walk, element)
    if walk.page.verdict.sections_by_element and walk.frames.last.kind in SECTIONING | {"section"}:
        walk.frames.push("section", element)


def _source_of_quote(elements: Elements, element: int) -> str:
    """Return the words that name the source of a quotation: `footer`, `cite`, or its figure's caption."""
    tags, end = elements.tag, elements.end(element)
    named = {tags[row]: row for row in range(element + 1, min(end, element + _QUOTE_ELEMENTS)) if tags[row] in _SOURCES}
    above = elements.parent[element]
    if not named and above >= 0 and tags[above] == "figure" and tags[end : end + 1] == ["figcaption"]:
        named = {"figcaption": end}
    row = next((named[tag] for tag in ("footer", "cite", "figcaption", "small") if tag in named), -1)
    if row < 0:
        lines = [row for row in range(element + 1, min(end, element + _QUOTE_ELEMENTS)) if tags[row] in ("p", "div")]
        last = lines[-1] if len(lines) > 1 and tags[lines[-1]] == "p" else element
        named_so = _SOURCE_CLASS.search(elements.attributes[last].get("class", "")[:NAME_LETTERS])
        if last != element and (named_so or elements.text(last).strip().startswith(_DASHES)):
            row = last
    if row < 0 or elements.last[row] - elements.first[row] > _QUOTE_ELEMENTS:
        return ""
    text = " ".join(elements.text(row).split())
    return text if len(text) <= _SOURCE_LETTERS else ""


# -- what the rules ask ---------------------------------------------------------------------------------------------


def _has_headed_text(walk: Walk, element: int) -> bool:
    """Whether a heading, and text or a table under it, are in an element."""
    if element not in walk.headed:
        return False
    headed = False
    for item in walk.ahead(FEW_ITEMS):
        if item == ~element:
            return False
        if isinstance(item, TextBlock) and item.text:
            if item.element not in walk.page.flow.headings:
                in_cell = walk.page.elements.tag[item.element] in _CELLS
                if headed and (in_cell or len(item.text) > _LABEL_LETTERS):
                    return True
            else:
                headed = True
    return headed


def _is_head(walk: Walk, element: int) -> bool:
    """Whether an element is the head of what follows it: a heading of the main text and a line that is no sentence."""
    headed, lined = False, False
    for index, item in enumerate(walk.ahead(FEW_ITEMS), start=walk.index):
        if item == ~element:
            return headed and lined
        if not isinstance(item, TextBlock) or not item.text:
            continue
        if walk.page.verdict.block_role.get(index) != "main":
            return False
        if item.element in walk.page.flow.headings:
            if headed:
                return False
            headed = True
        elif (
            lined
            or len(item.text) > _FEW_LETTERS
            or 2 * item.linked > len(item.text)
            or walk.page.elements.tag[item.element] not in _LINES
            or ENDS_SENTENCE.search(item.text)
        ):
            return False
        else:
            lined = headed
    return False


def _level_of_first(walk: Walk, element: int) -> int:
    """Return the level of the first heading in an element, 0 if it is not near its beginning."""
    headings = walk.page.flow.headings
    for item in walk.ahead(FEW_ITEMS):
        if item == ~element:
            break
        if isinstance(item, TextBlock) and item.element in headings:
            return headings[item.element]
    return 0


def _open_before_heading(walk: Walk, element: int) -> None:
    """Open the section of an element's heading where the element begins,
    if a few words (time, topic) come before it.
    """
    flow, verdict = walk.page.flow, walk.page.verdict
    before = 0
    for index, item in enumerate(walk.ahead(FEW_ITEMS), start=walk.index):
        if not isinstance(item, TextBlock):
            if item == ~element:
                return
            continue
        heading = item.element
        if heading not in flow.headings:
            before += bool(item.text)
            if len(item.text) > _FEW_LETTERS:
                return
            continue
        above = walk.page.elements.parent[heading]
        if walk.page.elements.tag[above] in _HOLDERS and above not in walk.entries:
            return  # it heads its item
        if before and heading not in (verdict.title, *verdict.second_lines) and walk.frames.last.kind in SECTIONING:
            role = verdict.block_role.get(index)
            walk.frames.open_section(walk.frames.last, flow.headings[heading], role, heading, aside=walk.is_aside(role))
            walk.opened.add(heading)
        return


def _open_holder(walk: Walk, element: int, **columns: Any) -> None:
    """Open an item, term, definition, cell or quote, or add it at once if all it holds is one text block."""
    kind = _HOLDERS[walk.page.elements.tag[element]]
    alone = _only_block(walk, element)
    if alone is None:
        walk.frames.push(kind, element, **columns)
        return
    index, walk.index = alone
    block, verdict = walk.items[index], walk.page.verdict
    assert isinstance(block, TextBlock)
    walk.writer.add_block(
        kind, block, verdict.block_role.get(index), verdict.block_score.get(index), element, **columns
    )


def _only_block(walk: Walk, element: int) -> tuple[int, int] | None:
    """Return where the only text block of an element is and where the element ends, None if there is more in it."""
    only, tag = -1, walk.page.elements.tag[element]
    for index, item in enumerate(walk.ahead(FEW_ITEMS), start=walk.index):
        if isinstance(item, TextBlock):
            if only >= 0 or not item.text or (item.images and tag in ("td", "th", "dt")):
                return None
            only = index
        elif item >= 0:
            if item in walk.wanted and _is_structure(walk.page, item):
                return None
        elif ~item == element:
            if only < 0 or (tag == "li" and walk.is_list_at(index + 1)):
                return None
            return only, index + 1
    return None


def _is_structure(page: Page, element: int) -> bool:
    """Whether an element stands for structure of its own."""
    return (
        page.elements.tag[element] in _STRUCTURAL
        or element in page.figures.elements
        or element in page.flow.headings
        or element in page.verdict.region_role
    )


def _is_all_links(walk: Walk, element: int) -> bool:
    """Whether a list holds nothing but links (looking at its first hundred items)."""
    for item in walk.ahead(_LIST_ITEMS):
        if item == ~element:
            break
        if isinstance(item, TextBlock) and item.linked < len(item.text):
            return False
    return True


def _add_table_caption(walk: Walk, element: int) -> None:
    """Add a table's caption, wherever it stands in the table: it is shown before it."""
    index = walk.index
    while index < len(walk.items) and walk.items[index] != element:
        index += 1
    while index < len(walk.items) and (item := walk.items[index]) != ~element:
        if isinstance(item, TextBlock):
            walk.writer.add_block("caption", item, walk.page.verdict.block_role.get(index), None)
        index += 1
