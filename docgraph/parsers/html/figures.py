"""Which elements bind images to their captions, and which blocks are captions: by tag, by class name, by place.

    Elements, Flow ─> Figures: elements that become figure nodes, blocks that are captions or credits

A `figure` with an image, a table or code in it is one, unless it holds half the page (it was left open). Elsewhere
a block whose class says caption (or credit) is bound to the images of the nearest element around it that holds
images and, captions aside, little text. In a figure without a named caption, or in a small container named after
images, the text beside the image is the caption.
"""

from dataclasses import dataclass, field
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.captions import (
    CAPTION_LETTERS,
    ENDS,
    NEAR,
    TABLES,
    is_control,
    is_credit,
    is_prose,
    letters_of,
    named_captions,
)
from docgraph.parsers.html.cards import Content, is_card, is_image_container
from docgraph.parsers.html.elements import Elements

_LEVELS_UP: Final = 6
_FIGURE_LETTERS: Final = 2500
"""A figure with more text than this, captions aside, is no figure but an element that was left open."""
_MOST_IMAGES: Final = 40
_MOST_OF_TEXT: Final = 0.5
_NEAR_CAPTION: Final = 40


@dataclass(slots=True)
class Figures:
    """The figures of a page."""

    elements: set[int] = field(default_factory=set)
    """Elements that become figure nodes."""
    captions: set[int] = field(default_factory=set)
    """Indices in `Flow.items` of blocks that are captions."""
    credits: set[int] = field(default_factory=set)
    """Indices in `Flow.items` of blocks that name a source or photographer."""
    joined: dict[int, int] = field(default_factory=dict)
    """Where in `Flow.items` a figure begins that is no element (an image and the caption beside it) -> the element of
    the caption, with which it ends."""


def find_figures(elements: Elements, flow: Flow) -> Figures:
    """Return the figures of a page. Linear: each block looks at most `_LEVELS_UP` levels up."""
    named = named_captions(elements, flow)
    content = _contents(elements, flow, named)
    found: set[int] = set()
    for row, held in content.items():
        if not held.blocks:
            continue
        if elements.tag[row] == "figure" or elements.attributes[row].get("role") == "figure":
            if _is_figure(elements, row, held):
                found.add(row)
        elif is_image_container(elements, row, held) or is_card(elements, flow, row, held):
            found.add(row)
    alone: list[int] = []
    for index in named:
        around = _around(elements, flow, index, content)
        if around is None:
            alone.append(index)
        else:
            found.add(around)
    figures = Figures(elements=_nested(elements, found, content))
    for index in alone:
        _join(elements, flow, index, named, figures)
    _find_captions(elements, flow, named, figures)
    _drop_captions_that_are_the_text(elements, flow, figures)
    return figures


def _join(elements: Elements, flow: Flow, index: int, named: dict[int, str], figures: Figures) -> None:
    """Bind a caption that stands right after an image, each in an element of its own."""
    items = flow.items
    image = next((i for i in range(index - 1, max(-1, index - NEAR), -1) if isinstance(items[i], TextBlock)), -1)
    picture, caption = items[image], items[index]
    if image < 0 or not isinstance(picture, TextBlock) or not isinstance(caption, TextBlock):
        return
    if picture.text or len(picture.images) != 1:
        return
    common = {*elements.around(picture.element, _LEVELS_UP)}
    rows = elements.around(caption.element, _LEVELS_UP + 1)
    end = next((row for row in rows if elements.parent[row] in common), -1)
    if end < 0:
        return
    start, stop = flow.places().get(end, (-1, -1))
    if end in common or not image < start < index < stop <= start + _NEAR_CAPTION:
        return
    if any(isinstance(item, TextBlock) and i not in named for i, item in enumerate(items[start:stop], start)):
        return
    above, first = elements.parent[end], image
    while (
        first > 0
        and picture.element != above
        and isinstance(item := items[first - 1], int)
        and item >= 0
        and item > above
    ):
        first -= 1
    closed = [~item for item in items[image:start] if isinstance(item, int) and item < 0]
    opened = [item for item in items[first:image] if isinstance(item, int)]
    if len(opened) == len(closed):
        figures.elements.difference_update(opened)
        figures.joined[first] = end


def _drop_captions_that_are_the_text(elements: Elements, flow: Flow, figures: Figures) -> None:
    """Take out captions outside of `figcaption`, and the figures they made, where they hold most of the text."""
    if len(figures.captions) < 2:
        return
    prose = {index for index, item in flow.blocks() if item.element not in flow.headings and is_prose(item)}
    texts = {index: flow.items[index] for index in prose & figures.captions}
    told = sum(letters_of(item) for item in texts.values())
    if len(texts) < 2 or told <= _MOST_OF_TEXT * sum(letters_of(flow.items[index]) for index in prose):
        return
    for index, item in texts.items():
        around = [*elements.around(item.element, _LEVELS_UP + 2)]  # type: ignore[union-attr]
        if not any(elements.tag[row] == "figcaption" for row in around):
            figures.captions.discard(index)
            figures.elements.difference_update(row for row in around if elements.tag[row] != "figure")


def _contents(elements: Elements, flow: Flow, named: dict[int, str]) -> dict[int, Content]:
    """Return what the figures and the block elements close around images hold; an inline one makes no node."""
    tags, places = elements.tag, flow.places()
    content: dict[int, Content] = {row: Content() for row in elements.rows_of("figure") if row in places}
    for _, item in flow.blocks():
        if item.images:
            for row in elements.around(item.element, _LEVELS_UP + 2):
                if tags[row] in ("body", "html"):
                    break
                if row in places:
                    content.setdefault(row, Content())
    if not content:
        return content
    around: dict[int, list[Content]] = {}
    for index, item in flow.blocks():
        close = around.get(item.element)
        if close is None:
            rows = elements.around(item.element, _LEVELS_UP + 2)
            close = around[item.element] = [content[row] for row in rows if row in content]
        if not close:
            continue
        letters, images, is_heading = len(item.text), len(item.images), item.element in flow.headings
        reads_on, in_captions = not is_heading and is_prose(item), letters if index in named else 0
        linked = item.linked
        for held in close:
            held.letters += letters
            held.linked += linked
            held.blocks += 1
            if images:
                held.images += images
            if in_captions:
                held.captions += in_captions
            if is_heading:
                held.headings += 1
            elif reads_on:
                held.prose += 1
    return content


def _is_figure(elements: Elements, row: int, held: Content) -> bool:
    if held.letters - held.captions > _FIGURE_LETTERS and held.images:
        return False
    if held.images:
        return True
    inner = elements.tag[row + 1 : min(elements.end(row), row + 60)]
    return "table" in inner or "pre" in inner or "code" in inner


def _around(elements: Elements, flow: Flow, index: int, content: dict[int, Content]) -> int | None:
    """Return the element that binds a named caption to its images, or None."""
    item = flow.items[index]
    assert isinstance(item, TextBlock)
    for row in elements.around(item.element, _LEVELS_UP):
        if elements.tag[row] in ENDS and elements.tag[row] not in TABLES:
            return None
        held = content.get(row) if elements.tag[row] not in ("tbody", "tr", "td") else None
        if held is not None and held.images:
            rest = held.letters - held.captions
            if elements.tag[row] == "table" and held.images > 1:
                return None
            few = held.images <= 3 or (held.images <= _MOST_IMAGES and rest <= 0.1 * held.captions)
            return row if few and rest <= 0.3 * held.captions + 20 else None
    return None


def _find_captions(elements: Elements, flow: Flow, named: dict[int, str], figures: Figures) -> None:
    """Sort the blocks inside figures, and the named ones outside, into captions and credits."""
    open_figures: list[_Open] = []
    for index, item in enumerate(flow.items) if figures.elements else flow.blocks():
        if isinstance(item, int):
            if item in figures.elements:
                open_figures.append(_Open(item))
            elif open_figures and ~item == open_figures[-1].element:
                done = open_figures.pop()
                prose = sum(is_prose(flow.items[beside]) for beside in done.beside)
                if done.named:
                    figures.credits.update(i for i in done.beside if is_credit(flow.items[i]))
                elif prose < 2:
                    figures.captions.update(done.beside)
            continue
        if not item.text:
            continue
        kind = named.get(index) if index not in flow.repeated else "twin"
        if kind == "credit":
            figures.credits.add(index)
        elif kind == "caption":
            figures.captions.add(index)
            if open_figures:
                open_figures[-1].named = True
        elif (
            open_figures
            and not kind
            and item.element not in flow.headings
            and not item.preformatted
            and item.linked < len(item.text)
            and len(item.text) <= CAPTION_LETTERS
            and elements.tag[item.element] not in ("th", "li", "button", "blockquote", "label")
            and (
                elements.tag[item.element] != "td" or _is_below_image(elements, item.element, open_figures[-1].element)
            )
            and not is_control(elements, item)
        ):
            open_figures[-1].beside.append(index)


def _is_below_image(elements: Elements, cell: int, figure: int) -> bool:
    """Whether a cell of a table that is a figure stands in a row without images, below one with the image."""
    line, tags = elements.parent[cell], elements.tag
    return tags[figure] == "table" and "img" in tags[figure:line] and "img" not in tags[line : elements.end(line)]


@dataclass(slots=True)
class _Open:
    """A figure that the walk is in."""

    element: int
    named: bool = False
    """Whether one of its own blocks says that it is the caption."""
    beside: list[int] = field(default_factory=list)
    """Its other blocks: the caption if none is named, else who took the image."""


def _nested(elements: Elements, found: set[int], content: dict[int, Content]) -> set[int]:
    """Return the figures to keep where one lies in another.

    One that is all there is in the other is the same figure under two names, and the outer one is kept. Several are a
    gallery: each is kept, and the outer one too if it is a `figure` or has a caption of its own.
    """
    inner: dict[int, list[int]] = {-1: []}
    around: list[int] = []
    for row in sorted(found):
        while around and row >= elements.end(around[-1]):
            around.pop()
        inner[around[-1] if around else -1].append(row)
        inner[row] = []
        around.append(row)
    kept: set[int] = set()
    waiting = inner[-1][::-1]
    while waiting:
        row = waiting.pop()
        own, within = content[row], inner[row]
        if not within or (len(within) == 1 and content[within[0]].images == own.images):
            kept.add(row)
            continue
        captions = sum(content[one].captions for one in within)
        if elements.tag[row] == "figure" or own.captions > captions:
            kept.add(row)
        waiting.extend(within)
    return kept
