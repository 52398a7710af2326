"""Events to text blocks: the flow of a page without its markup.

    Elements ─ one pass over the events, a rule for each kind of element ─> Flow

A rule says what the start of an element means for the flow: a block element ends the text block before it, an inline
one marks the text in it, an image stands in the text, and what nobody sees is passed over, here and nowhere else, so
it cannot leak later. The rules are listed in `_RULES`; an element without a rule is transparent.
"""

from collections.abc import Callable, Iterable
from typing import Final

from docgraph.parsers.html.blocks import Flow, OpenBlock, TextBlock
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.images import is_invisible
from docgraph.parsers.html.tags import (
    BLOCKS,
    MARKS,
    MEDIA,
    NAME_LETTERS,
    PREFORMATTED,
    UNSEEN,
    heading_level,
    kind_by_class,
)
from docgraph.parsers.html.visibility import is_hidden

_HEADING_EVENTS: Final = 120
_HEADING_LETTERS: Final = 1000
_NOT_IN_HEADINGS: Final = frozenset("p ul ol dl table h1 h2 h3 h4 h5 h6 article section form figure".split())
_TWIN_DISTANCE: Final = 6
"""Elements between an image and the `noscript` that holds its twin."""


class Reader:
    """The state of the pass: the text block being read, and what is open around it."""

    __slots__ = ("block", "containers", "elements", "flow", "heading")

    def __init__(self, elements: Elements) -> None:
        self.elements = elements
        self.flow = Flow()
        self.block = OpenBlock()
        self.containers = [0]
        """Open block elements, innermost last."""
        self.heading = -1
        """The open heading, or -1."""

    def end_block(self) -> None:
        """Put the text block that was read into the flow, if there is anything to see in it."""
        block = self.block.take(self.containers[-1])
        if block is not None:
            self.flow.items.append(block)

    def after(self, row: int) -> int:
        """Return the event after an element."""
        return self.elements.last[row] + 1


def read_flow(elements: Elements) -> Flow:
    """Return the flow of a page. One pass, no recursion; never raises."""
    reader = Reader(elements)
    add_text, rule_of = reader.block.add_text, _RULE_OF.get
    events, tags, attributes, last = elements.events, elements.tag, elements.attributes, elements.last
    index, count = 0, len(events)
    while index < count:
        event = events[index]
        index += 1
        if event.__class__ is str:
            add_text(event)
            continue
        row: int = event  # type: ignore[assignment]
        if row < 0:
            close(reader, ~row)
            continue
        tag, own = tags[row], attributes[row]
        if (own or tag == "dialog") and is_hidden(tag, own):
            index = last[row] + 1
        elif (rule := rule_of(tag)) is not None:
            index = rule(reader, row) or index
        elif own and is_apart(reader, own):
            block(reader, row)
    reader.end_block()
    return reader.flow


# -- the rules: what the start of an element means; each returns the event to go on with, 0 for the next ------------


def block(reader: Reader, row: int) -> int:
    """A block element ends the text block before it; inside a heading or preformatted text it is white space."""
    elements, text = reader.elements, reader.block
    tag = elements.tag[row]
    if reader.heading >= 0:
        text.add_text(" ")
        return 0
    if text.verbatim and tag in ("div", "p", "code"):
        text.start_line()
        return 0
    reader.end_block()
    reader.containers.append(row)
    reader.flow.items.append(row)
    if tag in PREFORMATTED:
        text.verbatim += 1
    elif (level := heading_level(tag, elements.attributes[row])) and _is_title(elements, row):
        reader.heading = row
        reader.flow.headings[row] = level
    return 0


def mark(reader: Reader, row: int) -> int:
    """An inline element marks the text in it, unless it is a caption by its class, and so a block of its own."""
    own = reader.elements.attributes[row]
    if own and is_apart(reader, own):
        return block(reader, row)
    reader.block.open_mark(MARKS[reader.elements.tag[row]], row)
    return 0


def image(reader: Reader, row: int) -> int:
    """An image stands in the text where it is; one that follows its twin from `noscript` takes the twin's place."""
    elements, text, flow = reader.elements, reader.block, reader.flow
    tag, own = elements.tag[row], elements.attributes[row]
    if is_invisible(own):
        return 0
    if text.images and tag == "img":
        before = text.images[-1][1]
        if before in flow.from_noscript and own.get("alt") == elements.attributes[before].get("alt"):
            flow.twins[row] = before
            text.images.pop()
    text.add_image(row)
    return 0


def media(reader: Reader, row: int) -> int:
    """A player or frame stands in the text like an image; what is in it is for browsers without."""
    reader.block.add_image(row)
    return reader.after(row)


def embed(reader: Reader, row: int) -> int:
    """Void, but libxml2 does not know: what follows stands inside it."""
    reader.block.add_image(row)
    return 0


def line_break(reader: Reader, row: int) -> int:
    """One ends the line, a second one the text block."""
    text = reader.block
    if reader.heading >= 0:
        text.add_text(" ")
    elif text.broken and not text.verbatim:
        reader.end_block()
    else:
        text.add_break()
    return 0


def drawing(reader: Reader, row: int) -> int:
    """Of a drawing its words are kept: the text of its `text` elements."""
    elements = reader.elements
    if elements.last[row] - elements.first[row] >= 4:
        for inner in range(row + 1, elements.end(row)):
            if elements.tag[inner] == "text":
                reader.block.add_text(f" {elements.text(inner)} ")
    return reader.after(row)


def ruby_bracket(reader: Reader, row: int) -> int:
    """An `rp` is for browsers without ruby; the `rt` that ends it, which libxml2 puts inside, is not."""
    elements = reader.elements
    inner = row + 1
    if inner < len(elements.tag) and elements.parent[inner] == row and elements.tag[inner] == "rt":
        return elements.first[inner]
    return reader.after(row)


def noscript(reader: Reader, row: int) -> int:
    """Images for browsers without scripts are the twins of those that a script fills, or stand alone."""
    elements = reader.elements
    for inner in range(row + 1, elements.end(row)):
        if elements.tag[inner] == "img":
            _add_twin(reader, row, inner)
    return reader.after(row)


def unseen(reader: Reader, row: int) -> int:
    """Nothing in it is shown."""
    return reader.after(row)


Rule = Callable[[Reader, int], int]
_RULES: Final[list[tuple[str, Rule, Iterable[str]]]] = [
    ("mark", mark, MARKS),
    ("block", block, BLOCKS),
    ("unseen", unseen, UNSEEN),
    ("media", media, MEDIA),
    ("embed", embed, ("embed",)),
    ("image", image, ("img", "amp-img", "image", "amp-anim")),
    ("break", line_break, ("br",)),
    ("drawing", drawing, ("svg",)),
    ("ruby bracket", ruby_bracket, ("rp",)),
    ("noscript", noscript, ("noscript",)),
]
"""Name, rule, the elements that it is for. Where two are for the same element, the later one holds."""
_RULE_OF: Final[dict[str, Rule]] = {tag: rule for _, rule, tags in _RULES for tag in tags}


def close(reader: Reader, row: int) -> None:
    """The end of an element: ends its text block or mark, or is white space where its start was."""
    tag, text = reader.elements.tag[row], reader.block
    if reader.containers[-1] == row and len(reader.containers) > 1:
        reader.end_block()
        reader.containers.pop()
        reader.flow.items.append(~row)
        if tag in PREFORMATTED:
            text.verbatim -= 1
        elif row == reader.heading:
            reader.heading = -1
    elif (type_ := MARKS.get(tag)) is not None:
        text.close_mark(type_, row)
    elif tag in BLOCKS:
        if reader.heading >= 0:
            text.add_text(" ")
        elif text.verbatim:
            text.start_line()


# -- what the rules ask ---------------------------------------------------------------------------------------------


def is_apart(reader: Reader, own: Attributes) -> bool:
    """Whether an inline element is a caption or credit by its class, and so a block of its own."""
    names = own.get("class")
    return names is not None and reader.heading < 0 and bool(kind_by_class(names[:NAME_LETTERS]))


def _is_title(elements: Elements, row: int) -> bool:
    """Whether a heading element holds a title, and not, being left open or abused, a part of the page."""
    first, last = elements.first[row], elements.last[row]
    letters = 0
    for event in elements.events[first + 1 : min(last, first + _HEADING_EVENTS)]:
        if event.__class__ is str:
            letters += len(event)
        elif event >= 0 and elements.tag[event] in _NOT_IN_HEADINGS:  # type: ignore[operator,index]
            return False
    return letters <= _HEADING_LETTERS and last - first <= _HEADING_EVENTS


def _add_twin(reader: Reader, noscript: int, twin: int) -> None:
    """Tie an image in `noscript` to the one before it that a script would fill, or keep it in its place."""
    tags, flow, text = reader.elements.tag, reader.flow, reader.block
    before = text.images[-1][1] if text.images else _last_image(flow)
    if (
        before is not None
        and before not in flow.twins
        and noscript - before <= _TWIN_DISTANCE
        and tags[before] == "img"
    ):
        flow.twins[before] = twin
        return
    flow.from_noscript.add(twin)
    image(reader, twin)


def _last_image(flow: Flow) -> int | None:
    """Return the last image of the last block, if no text came after it."""
    for item in reversed(flow.items[-_TWIN_DISTANCE:]):
        if isinstance(item, TextBlock):
            return item.images[-1][1] if item.images and not item.text else None
    return None
