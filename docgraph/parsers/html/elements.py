"""A page's markup to flat records: one entry an element, and the events in order.

    text ─ lxml's HTML parser (libxml2), event by event ─> Elements

This is the route that BeautifulSoup takes over lxml (`HTMLParser(target=...)`), without its objects: the same
elements in the same order at a fifth of the cost. It has no bound on depth, while `lxml.html` cuts a page at
254 levels in silence. Nothing recurses. `from_soup` makes the same records of a BeautifulSoup tree, whatever parser
made it.

`events` holds an element's row where it starts, `~row` where it ends, and strings for text; the content of element
`e` is `events[first[e] + 1 : last[e]]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from lxml import etree

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

Attributes = Mapping[str, str]
NO_ATTRIBUTES: Final[Attributes] = {}


@dataclass(slots=True)
class Elements:
    """The elements of one page, in document order."""

    tag: list[str] = field(default_factory=list)
    """In small letters as the parser gives them; a foreign name keeps its prefix ("o:p")."""
    parent: list[int] = field(default_factory=list)
    """Row of the parent, -1 at the root."""
    attributes: list[Attributes] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Index of the start event."""
    last: list[int] = field(default_factory=list)
    """Index of the end event."""
    events: list[int | str] = field(default_factory=list)
    _rows_of: dict[str, list[int]] = field(default_factory=dict)
    cut: bool = False
    """Whether elements were left out because there were more than the bound."""

    def __len__(self) -> int:
        return len(self.tag)

    def text(self, element: int) -> str:
        """Return all text within an element, markup left out, white space as it is."""
        return "".join(
            event for event in self.events[self.first[element] : self.last[element]] if isinstance(event, str)
        )

    def end(self, element: int) -> int:
        """Return one past the last row of the element's subtree."""
        row, event = element + 1, self.last[element]
        # Elements start in row order, so the first row that starts after the end event is found by bisection.
        low, high = row, len(self.first)
        while low < high:
            middle = (low + high) // 2
            if self.first[middle] < event:
                low = middle + 1
            else:
                high = middle
        return low

    def rows_of(self, tag: str) -> list[int]:
        """Return the rows of all elements of one name, in order. Found once."""
        if tag not in self._rows_of:
            self._rows_of[tag] = [row for row, name in enumerate(self.tag) if name == tag]
        return self._rows_of[tag]

    def steps(self) -> list[str]:
        """Return one xpath step an element ("div[3]"): its place among siblings of its own name."""
        seen: dict[tuple[int, str], int] = {}
        names: dict[str, str] = {}
        steps = []
        for tag, parent in zip(self.tag, self.parent, strict=True):
            count = seen[parent, tag] = seen.get((parent, tag), 0) + 1
            if (name := names.get(tag)) is None:
                name = names[tag] = tag if _is_plain_name(tag) else f"*[name()={_quoted(tag)}]"
            steps.append(f"{name}[{count}]")
        return steps


def read_markup(markup: str, *, most: int) -> Elements:
    """Return the elements of a page, at most `most` of them (`cut` says whether there were more).

    Lone surrogates, which no encoding can carry, are replaced. Never raises on any text.
    """
    try:
        markup.encode("utf-8")
    except UnicodeEncodeError:
        markup = markup.encode("utf-8", "replace").decode("utf-8")
    target = _Recorder(most)
    parser = etree.HTMLParser(target=cast(Any, target), recover=True, huge_tree=True)
    parser.feed(markup)
    try:
        parser.close()
    except etree.XMLSyntaxError:
        # libxml2 found no element at all: empty input, or nothing but comments.
        target.close()
    return target.elements


def from_soup(soup: "BeautifulSoup", *, most: int) -> Elements:
    """Return the same records of a BeautifulSoup tree, walked without recursion; the tree is not changed."""
    from bs4.element import NavigableString, PreformattedString, Tag

    target = _Recorder(most)
    open_tags: list[Tag] = []
    for node in soup.descendants:
        while open_tags and node.parent is not open_tags[-1]:
            target.end(open_tags.pop().name)
        if isinstance(node, Tag):
            target.start(
                node.name,
                {name: " ".join(v) if isinstance(v, list) else str(v) for name, v in node.attrs.items()},
            )
            open_tags.append(node)
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            target.data(str(node))
    target.close()
    return target.elements


class _Recorder:
    """Receives the parser's events."""

    def __init__(self, most: int) -> None:
        self.elements = Elements()
        self._open: list[int] = []
        self._most = most

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        elements = self.elements
        row = len(elements.tag)
        if row >= self._most:
            elements.cut = True
            return
        elements.tag.append(tag)
        elements.parent.append(self._open[-1] if self._open else -1)
        elements.attributes.append(attributes or NO_ATTRIBUTES)
        elements.first.append(len(elements.events))
        elements.last.append(-1)
        elements.events.append(row)
        self._open.append(row)

    def end(self, tag: str) -> None:
        elements, stack = self.elements, self._open
        if elements.cut and (not stack or elements.tag[stack[-1]] != tag):
            return
        if stack:
            row = stack.pop()
            elements.last[row] = len(elements.events)
            elements.events.append(~row)

    def data(self, data: str) -> None:
        if not self.elements.cut:
            self.elements.events.append(data)

    def close(self) -> None:
        while self._open:
            row = self._open.pop()
            self.elements.last[row] = len(self.elements.events)
            self.elements.events.append(~row)


def _is_plain_name(tag: str) -> bool:
    return tag.replace("-", "").replace("_", "").isalnum() and not tag[:1].isdigit()


def _quoted(text: Any) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
