"""Flow and verdict to a document: sections, lists, tables, figures, paragraphs and their sentences.

    Elements, Flow, Verdict ─ one walk over the flow, a rule for each kind of structure ─> DocumentBuilder

`structures` says what an element stands for, `walk` holds what is open, `nodes` writes text blocks and images. Past a
bound of `Limits` structure is flattened or adding stops, and a warning says so.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from docgraph.document import DocumentBuilder
from docgraph.parsers.html import structures
from docgraph.parsers.html.blocks import TextBlock
from docgraph.parsers.html.code import code_language
from docgraph.parsers.html.nodes import Page
from docgraph.parsers.html.tags import LISTS
from docgraph.parsers.html.walk import NO_LEVEL, Frame, Walk

Rule = Callable[[Walk, int], None]
_RULES: Final[list[tuple[str, Rule, Iterable[str]]]] = [
    ("list", structures.list_, LISTS | {"dl"}),
    ("table", structures.table, ("table",)),
    ("table caption", structures.table_caption, ("caption",)),
    ("item", structures.item, ("li",)),
    ("definition", structures.definition, ("dt", "dd")),
    ("cell", structures.cell, ("td", "th")),
    ("quote", structures.quote, ("blockquote",)),
    ("section", structures.section, ("section", "article")),
    ("box", structures.box, ("aside", "details", "div", "fieldset", "figure", "form")),
]
"""Name, rule, the elements that it is for. Before them `region` and `figure`, which any element may be."""
_RULE_OF: Final[dict[str, Rule]] = {tag: rule for _, rule, tags in _RULES for tag in tags}


_BOXES: Final = frozenset(("item", "definition", "cell", "quote"))
"""Kinds of node in which a heading opens a section only if there is more in them."""


def grow(page: Page, builder: DocumentBuilder) -> None:
    """Add the nodes of a page to a builder, the root included."""
    walk = Walk(page, builder)
    items, wanted, verdict, frames = walk.items, walk.wanted, page.verdict, walk.frames
    edges, joined = verdict.article, page.figures.joined
    walk.writer.open_node("page", "main" if page.main_only else None, page.language)
    frames.stack.append(Frame("page", -1, 1))
    while walk.index < len(items):
        index, item = walk.index, items[walk.index]
        walk.index += 1
        if index in edges:
            frames.close_sections(frames.last, 0)
        if index in joined and joined[index] in wanted:
            frames.push("figure", joined[index])
        if isinstance(item, TextBlock):
            if not page.main_only or verdict.block_role.get(index) == "main":
                add_block(walk, item, index)
        elif item >= 0:
            if item in wanted:
                enter(walk, item)
        else:
            if ~item in wanted:
                leave(walk, ~item)
            continue
        if len(builder) >= page.limits.nodes:
            walk.writer.cut("limit.nodes", f"the page has more than {page.limits.nodes} nodes; the rest was left out.")
            break
    while frames.stack:
        frames.pop()


def enter(walk: Walk, element: int) -> None:
    """Open what the element stands for, if it stands for structure."""
    tag, frames, page = walk.page.elements.tag[element], walk.frames, walk.page
    stack = frames.stack
    if stack[-1].ended and tag not in LISTS:
        frames.pop()
    if stack[-1].sections and element in page.verdict.holds_main:
        frames.close_sections(stack[-1], NO_LEVEL)
    if element in page.verdict.region_role:
        structures.region(walk, element)
    if element in page.figures.elements:
        structures.figure(walk, element)
    rule = _RULE_OF.get(tag)
    if rule is not None and not (tag == "dl" and element in page.figures.elements):
        rule(walk, element)


def leave(walk: Walk, element: int) -> None:
    """Close what the element opened."""
    frames, stack = walk.frames, walk.frames.stack
    if stack[-1].ended and walk.page.elements.parent[stack[-1].element] == element:
        frames.pop()
    if stack[-1].element == element and stack[-1].kind == "item" and walk.next_is_list():
        stack[-1].ended = True
        return
    while stack[-1].element == element:
        frames.pop()


def add_block(walk: Walk, block: TextBlock, index: int) -> None:
    """Add a text block in the place where it stands: as heading, code, caption, credit or paragraph."""
    page, writer, frames = walk.page, walk.writer, walk.frames
    role, score = page.verdict.block_role.get(index), page.verdict.block_score.get(index)
    if frames.last.ended:
        frames.pop()
    element, headings = block.element, page.flow.headings
    if role == "main" and block.text and element not in headings:
        frames.close_sections(frames.last, NO_LEVEL)
    if not block.text:
        for _, image, link in block.images:
            writer.add_image(image, link, role)
    elif element in headings:
        level = headings[element]
        attributes: dict[str, Any] = {"level": level}
        if element == page.verdict.title:
            attributes["title"] = True
        if element not in page.verdict.second_lines and element not in walk.opened and _takes_sections(walk):
            frames.open_section(frames.last, level, role, element, aside=walk.is_aside(role))
        writer.add_block("heading", block, role, score, attributes=attributes)
    elif (block.preformatted and page.elements.tag[element] != "textarea") or _is_code(block):
        language = code_language(page.elements, block.element, *(mark[3] for mark in block.marks[:1]))
        writer.add_block("code", block, role, score, attributes={"code_language": language} if language else None)
    elif index in page.figures.captions:
        writer.add_block("caption", block, role, score)
    elif index in page.figures.credits:
        writer.add_block("credit", block, role, score)
    else:
        writer.add_block("paragraph", block, role, score)


def _is_code(block: TextBlock) -> bool:
    """Whether a block of several lines is all code."""
    return "\n" in block.text and any(mark[:3] == (0, len(block.text), "code") for mark in block.marks)


def _takes_sections(walk: Walk) -> bool:
    """Whether a heading opens a section here: in an item or the like only if more than the heading is in it."""
    frame = walk.frames.last
    if frame.kind not in _BOXES:
        return frame.kind in structures.SECTIONING
    for item in walk.ahead(structures.FEW_ITEMS):
        if item == ~frame.element:
            return False
        if isinstance(item, TextBlock) and item.text:
            return True
    return False
