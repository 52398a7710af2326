"""Events to blocks: the flow of a page without its markup.

    Elements ─ one pass over the events ─> Flow: block elements opening (row) and closing (~row), text runs between

A run (`TextBlock`) is the uncut inline content between two block boundaries: its text with white space collapsed, the
inline marks on it, the pictures in it and where they stand. What nobody sees (scripts, templates, `hidden`,
`display: none`, ...) is passed over here and nowhere else, so it cannot leak later.

White space: runs of it become one space, across inline elements; none is added or taken at an inline boundary, so
"wo<b>rd</b>" stays one word. `<br>` is a line break, two of them end the run. `<pre>` and its kin stay as they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.images import is_invisible
from docgraph.parsers.html.tags import (
    BLOCKS,
    HIDING_STYLE,
    MARKS,
    MEDIA,
    NAME_LETTERS,
    PREFORMATTED,
    UNSEEN,
    heading_level,
    hides_by_class,
    kind_by_class,
)

InlineMark = tuple[int, int, str, int]
"""Start, end, type, element."""


@dataclass(slots=True)
class TextBlock:
    """One run of inline content."""

    element: int
    """The block element it stands in."""
    text: str
    marks: Sequence[InlineMark]
    images: Sequence[tuple[int, int, int]]
    """(offset in the text, picture or media element, link element around it or -1)."""
    linked: int
    """Characters of the text within links."""
    preformatted: bool = False


@dataclass(slots=True)
class Flow:
    """The blocks of a page between its block elements."""

    items: list["int | TextBlock"] = field(default_factory=list)
    """TextBlock elements where they open (row) and close (~row), blocks in between, in document order."""
    headings: dict[int, int] = field(default_factory=dict)
    """Heading elements that hold a title (and not, left open, half the page) -> level."""
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)
    """Picture -> its twin inside `noscript`, which has the source that a script would load."""
    from_noscript: set[int] = field(default_factory=set)
    """Pictures inside `noscript` without a twin outside, kept in their place."""

    def places(self) -> dict[int, tuple[int, int]]:
        """Return where each block element opens and closes in `items`."""
        if not self._places:
            opened: dict[int, int] = {}
            for index, item in enumerate(self.items):
                if isinstance(item, int):
                    if item >= 0:
                        opened[item] = index
                    else:
                        self._places[~item] = (opened[~item], index)
        return self._places


_MAY_HIDE: Final = re.compile(r"none|hidden|collapse", re.I).search


def is_hidden(tag: str, attributes: Attributes) -> bool:
    """Whether an element and all in it are hidden from the eye by its own markup."""
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    if style and _MAY_HIDE(style) and HIDING_STYLE.search(style):
        return True
    names = attributes.get("class")
    if names and hides_by_class(names):
        return True
    if tag == "dialog":
        return "open" not in attributes
    return tag == "input" and attributes.get("type", "").lower() == "hidden"


def read_flow(elements: Elements) -> Flow:
    """Return the flow of a page. One pass, no recursion; never raises."""
    flow = Flow()
    _Reader(elements, flow).read()
    return flow


_TEXT, _BLOCK, _MARK, _UNSEEN, _IMAGE, _BREAK, _MEDIA, _SVG = range(8)

_ACTIONS: Final[dict[str, int]] = {
    **dict.fromkeys(MARKS, _MARK),
    **dict.fromkeys(BLOCKS, _BLOCK),
    **dict.fromkeys(UNSEEN, _UNSEEN),
    **dict.fromkeys(MEDIA, _MEDIA),
    **dict.fromkeys(("img", "amp-img", "image", "amp-anim"), _IMAGE),
    "br": _BREAK,
    "svg": _SVG,
}


_HEADING_EVENTS: Final = 120
_HEADING_LETTERS: Final = 1000
_NOT_IN_HEADINGS: Final = frozenset("p ul ol dl table h1 h2 h3 h4 h5 h6 article section form figure".split())
_TWIN_DISTANCE: Final = 6
_NOTHING: Final = " \t\r\n\u200b\u200c\u200d\u2060\ufeff\xad\xa0"


class _Reader:
    """The state of the pass: the run being collected, and what is open around it."""

    def __init__(self, elements: Elements, flow: Flow) -> None:
        self.elements = elements
        self.flow = flow
        self.containers = [0]
        """Open block elements, innermost last."""
        self.pieces: list[str] = []
        self.length = 0
        self.spaced = True
        """Whether the run is empty or ends in white space."""
        self.broken = False
        """Whether the run ends in a line break."""
        self.marks: list[InlineMark] = []
        self.open_marks: dict[str, tuple[int, int]] = {}
        """Type -> (start in the run, element) of the outermost open element of that type."""
        self.images: list[tuple[int, int, int]] = []
        self.verbatim = 0
        """Number of open preformatted elements."""
        self.heading = -1
        """The open heading, or -1."""

    def read(self) -> None:
        elements, events = self.elements, self.elements.events
        tags, attributes, last = elements.tag, elements.attributes, elements.last
        index, count = 0, len(events)
        while index < count:
            event = events[index]
            index += 1
            if event.__class__ is str:
                self.add_text(event)
                continue
            row: int = event  # type: ignore[assignment]
            if row < 0:
                self.close(~row)
                continue
            tag, own = tags[row], attributes[row]
            if (own or tag == "dialog") and is_hidden(tag, own):
                index = last[row] + 1
                continue
            action = _ACTIONS.get(tag, _TEXT)
            if action == _BLOCK:
                self.open_block(row, tag)
            elif action == _MARK:
                if own and self.is_apart(own):
                    self.open_block(row, tag)
                else:
                    self.open_marks.setdefault(MARKS[tag], (self.length, row))
            elif action == _TEXT:
                if own and self.is_apart(own):
                    self.open_block(row, tag)
            elif action == _IMAGE:
                self.add_image(row)
            elif action == _BREAK:
                self.add_break()
            elif tag == "embed":
                # Void, but the parser does not know: what follows stands inside it.
                self.add_image(row)
            elif tag == "rp":
                index = self.end_of_bracket(row)
            else:
                self.pass_over(row, tag, action)
                index = last[row] + 1
        self.flush()

    # -- elements ------------------------------------------------------------------------------------------

    def is_apart(self, own: Attributes) -> bool:
        """Whether an inline element is a caption or credit by its class, and so a block of its own."""
        names = own.get("class")
        if not names or self.heading >= 0:
            return False
        return bool(kind_by_class(names[:NAME_LETTERS]))

    def open_block(self, row: int, tag: str) -> None:
        if self.heading >= 0:
            self.add_text(" ")
            return
        if self.verbatim and tag in ("div", "p", "code"):
            self.start_line()
            return
        self.flush()
        self.containers.append(row)
        self.flow.items.append(row)
        if tag in PREFORMATTED:
            self.verbatim += 1
        elif (level := heading_level(tag, self.elements.attributes[row])) and self.is_heading(row):
            self.heading = row
            self.flow.headings[row] = level

    def is_heading(self, row: int) -> bool:
        """Whether a heading element holds a title, and not, being left open or abused, a part of the page."""
        elements = self.elements
        first, last = elements.first[row], elements.last[row]
        letters = 0
        for event in elements.events[first + 1 : min(last, first + _HEADING_EVENTS)]:
            if event.__class__ is str:
                letters += len(event)
            elif event >= 0 and elements.tag[event] in _NOT_IN_HEADINGS:  # type: ignore[operator,index]
                return False
        return letters <= _HEADING_LETTERS and last - first <= _HEADING_EVENTS

    def close(self, row: int) -> None:
        tag = self.elements.tag[row]
        if self.containers[-1] == row and len(self.containers) > 1:
            self.flush()
            self.containers.pop()
            self.flow.items.append(~row)
            if tag in PREFORMATTED:
                self.verbatim -= 1
            elif row == self.heading:
                self.heading = -1
            return
        if (type_ := MARKS.get(tag)) is not None:
            opened = self.open_marks.get(type_)
            if opened is not None and opened[1] == row:
                del self.open_marks[type_]
                self.marks.append((opened[0], self.length, type_, row))
        elif tag in BLOCKS:
            if self.heading >= 0:
                self.add_text(" ")
            elif self.verbatim:
                self.start_line()

    def end_of_bracket(self, row: int) -> int:
        """Return where an `rp` ends: before the `rt` that ends it, which the parser puts inside."""
        elements = self.elements
        inner = row + 1
        if inner < len(elements.tag) and elements.parent[inner] == row and elements.tag[inner] == "rt":
            return elements.first[inner]
        return elements.last[row] + 1

    def pass_over(self, row: int, tag: str, action: int) -> None:
        """Read what is to be kept of an element whose content is not text of the page."""
        if action == _MEDIA:
            self.add_image(row)
        elif action == _SVG:
            self.read_drawing(row)
        elif tag == "noscript":
            elements = self.elements
            for inner in range(row + 1, elements.end(row)):
                if elements.tag[inner] == "img":
                    self.add_twin(row, inner)

    # -- content -------------------------------------------------------------------------------------------

    def add_text(self, text: str) -> None:
        if self.verbatim:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            self.pieces.append(text)
            self.length += len(text)
            self.spaced = self.broken = text.endswith("\n")
            return
        words = " ".join(text.split())
        if not words:
            if not self.spaced and text:
                self.pieces.append(" ")
                self.length += 1
                self.spaced = True
            return
        if not self.spaced and text[0].isspace():
            words = " " + words
        self.broken = False
        self.spaced = text[-1].isspace()
        if self.spaced:
            words += " "
        self.pieces.append(words)
        self.length += len(words)

    def add_break(self) -> None:
        if self.heading >= 0:
            self.add_text(" ")
        elif self.verbatim:
            self.add_text("\n")
        elif self.broken:
            self.flush()
        elif self.length:
            if self.spaced and self.pieces[-1].endswith(" "):
                self.pieces[-1] = self.pieces[-1][:-1]
                self.length -= 1
            self.pieces.append("\n")
            self.length += 1
            self.spaced = self.broken = True

    def start_line(self) -> None:
        """Begin a new line of a preformatted run, unless it stands at one."""
        if self.pieces and not self.pieces[-1].endswith("\n"):
            self.add_text("\n")

    def add_image(self, row: int) -> None:
        elements = self.elements
        if elements.tag[row] not in MEDIA and is_invisible(elements.attributes[row]):
            return
        twins = self.flow.twins
        if self.images and elements.tag[row] == "img":
            before = self.images[-1][1]
            if before in self.flow.from_noscript and elements.attributes[row].get("alt") == elements.attributes[
                before
            ].get("alt"):
                twins[row] = before
                self.images.pop()
        link = self.open_marks.get("link")
        self.images.append((self.length, row, link[1] if link else -1))

    def add_twin(self, noscript: int, image: int) -> None:
        """Tie a image in `noscript` to the one before it that a script would fill, or keep it in its place."""
        elements = self.elements
        before = self.images[-1][1] if self.images else self.last_image()
        if (
            before is not None
            and before not in self.flow.twins
            and noscript - before <= _TWIN_DISTANCE
            and elements.tag[before] == "img"
        ):
            self.flow.twins[before] = image
            return
        self.flow.from_noscript.add(image)
        self.add_image(image)

    def last_image(self) -> int | None:
        """Return the last image of the last block, if no text came after it."""
        for item in reversed(self.flow.items[-_TWIN_DISTANCE:]):
            if isinstance(item, TextBlock):
                return item.images[-1][1] if item.images and not item.text else None
        return None

    def read_drawing(self, row: int) -> None:
        """Keep the words of a drawing: the text of its `text` elements."""
        elements = self.elements
        if elements.last[row] - elements.first[row] < 4:
            return
        for inner in range(row + 1, elements.end(row)):
            if elements.tag[inner] == "text":
                self.add_text(f" {elements.text(inner)} ")

    # -- runs ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """End the run; keep it if there is anything to see in it."""
        if self.length or self.images:
            text = self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)
            whole = len(text)
            cut = 0
            if self.verbatim:
                text = text.lstrip("\n")
                cut = whole - len(text)
            text = text.rstrip()
            if not text.strip(_NOTHING):
                text = ""
            if text or self.images:
                plain = not (self.marks or self.open_marks or self.images)
                self.flow.items.append(
                    TextBlock(self.containers[-1], text, (), (), 0, self.verbatim > 0)
                    if plain
                    else self.marked(text, cut)
                )
            self.pieces.clear()
            if self.marks:
                self.marks = []
            if self.images:
                self.images = []
            self.length = 0
        if self.open_marks:
            for type_, (_, element) in self.open_marks.items():
                self.open_marks[type_] = (0, element)
        self.spaced, self.broken = True, False

    def marked(self, text: str, cut: int) -> TextBlock:
        """Return the run with its marks and images, whose offsets lose `cut` characters at the front."""
        end = len(text)
        kept: list[InlineMark] = []
        linked = 0
        still_open = [(start, self.length, type_, element) for type_, (start, element) in self.open_marks.items()]
        for start, stop, type_, element in self.marks + still_open:
            start, stop = max(start - cut, 0), min(stop - cut, end)
            if start < stop:
                kept.append((start, stop, type_, element))
                if type_ == "link":
                    linked += stop - start
        images = [(min(max(offset - cut, 0), end), row, link) for offset, row, link in self.images]
        return TextBlock(self.containers[-1], text, kept, images, linked, self.verbatim > 0)
