"""A page's markup, or a tree of it that is at hand, to flat records: one entry an element, and the events in order.

    text ─ turbohtml: the tree that the HTML standard builds, as a browser does ─> Elements
    BeautifulSoup or Tag ─ walked as it is ─> Elements

turbohtml agrees with the standard's own cases, has no bound on depth and knows where every tag stands in the input.
Nothing recurses.

`events` holds an element's row where it starts, `~row` where it ends, and strings for text; the content of element
`e` is `events[first[e] + 1 : last[e]]`.

Sources: HTML Living Standard 13.2 (parsing), 4.12.3 (declarative shadow roots are kept as `template` elements).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import turbohtml

if TYPE_CHECKING:
    from bs4 import Tag

Attributes = Mapping[str, str]
NO_ATTRIBUTES: Final[Attributes] = {}
_CLIMB: Final = 40
"""Levels that a sibling may be deep."""
_ELEMENT: Final = turbohtml.Element
_TEXT: Final = (turbohtml.Text, turbohtml.CData)
_CONTENT: Final = turbohtml.DocumentFragment
"""What a `template` element holds."""
_STREAMED: Final = re.compile(r"""\$R[CRS]\(\s*["']([BPS]:\w+)["']\s*,\s*["']([BPS]:\w+)["']""")
"""A call that puts a streamed part ("S:1") where its placeholder stands ("B:1", "P:1")."""
_MOST_STREAMED: Final = 100
_TABLE_ROLES: Final = {
    "table": "table", "grid": "table", "treegrid": "table", "rowgroup": "tbody", "row": "tr", "cell": "td",
    "gridcell": "td", "columnheader": "th", "rowheader": "th",
}  # fmt: skip
"""ARIA roles by which a `div` or `span` is a part of a table -> the element that it stands for."""


@dataclass(slots=True)
class Elements:
    """The elements of one page, in document order."""

    tag: list[str] = field(default_factory=list)
    """In small letters; a foreign name keeps its prefix ("o:p")."""
    parent: list[int] = field(default_factory=list)
    """Row of the parent, -1 at the root."""
    attributes: list[Attributes] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Index of the start event."""
    last: list[int] = field(default_factory=list)
    """Index of the end event."""
    events: list[int | str] = field(default_factory=list)
    _rows_of: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    divisions: dict[int, str] = field(default_factory=dict)
    """Elements that are parts of a table by their role -> what the page has them as, `div` or `span`."""
    cut: bool = False
    """Whether elements were left out because there were more than the bound."""
    tags: list[tuple[int, int, int, int] | None] = field(default_factory=list)
    """If asked for: start and end of the start tag and of the end tag in the markup, with line ends as "\\n"; -1 for
    an end tag that nobody wrote, None for an element that nobody wrote."""

    def __len__(self) -> int:
        return len(self.tag)

    def text(self, element: int) -> str:
        """Return all text within an element, markup left out, white space as it is."""
        return "".join(
            event for event in self.events[self.first[element] : self.last[element]] if isinstance(event, str)
        )

    def outline(self) -> Iterator[tuple[int, str]]:
        """Yield (depth, tag) and (depth, '"' + text) in document order, white space collapsed, blank text left out.

        What a `template` holds is two levels deeper, as in the standard's own cases:
        it stands in a document of its own.
        """
        depth = 0
        for event in self.events:
            if isinstance(event, str):
                if text := " ".join(event.split()):
                    yield depth, f'"{text}'
                continue
            levels = 2 if self.tag[event if event >= 0 else ~event] == "template" else 1
            if event >= 0:
                yield depth, self.tag[event]
                depth += levels
            else:
                depth -= levels

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

    def is_between(self, element: int, tag: str) -> bool:
        """Whether the elements right before and after an element, in the same parent, are of one name."""
        above, after, before = self.parent[element], self.end(element), element - 1
        if not (after < len(self.tag) and self.parent[after] == above and self.tag[after] == tag):
            return False
        for _ in range(_CLIMB):
            if before <= above or self.parent[before] == above:
                break
            before = self.parent[before]
        return before > above and self.parent[before] == above and self.tag[before] == tag

    def rows_of(self, tag: str) -> list[int]:
        """Return the rows of all elements of one name, in order. Those of all names are found at once."""
        if not self._rows_of:
            for row, name in enumerate(self.tag):
                self._rows_of[name].append(row)
        return self._rows_of.get(tag, [])

    def steps(self) -> list[str]:
        """Return one xpath step an element ("div[3]"): its place among siblings of its own name."""
        seen: dict[tuple[int, str], int] = {}
        names: dict[str, str] = {}
        steps = []
        tags = self.tag
        if self.divisions:
            tags = [self.divisions.get(row, tag) for row, tag in enumerate(tags)]
        for tag, parent in zip(tags, self.parent, strict=True):
            count = seen[parent, tag] = seen.get((parent, tag), 0) + 1
            if (name := names.get(tag)) is None:
                name = names[tag] = tag if _is_plain_name(tag) else f"*[name()={_quoted(tag)}]"
            steps.append(f"{name}[{count}]")
        return steps


def read_markup(markup: str, *, most: int, tags: bool = False) -> Elements:
    """Return the elements of a page, at most `most` of them (`cut` says whether there were more).

    Lone surrogates, which no encoding can carry, are replaced. Never raises on any text.

    Args:
        tags: also find where each tag stands.
    """
    try:
        markup.encode("utf-8")
    except UnicodeEncodeError:
        markup = markup.encode("utf-8", "replace").decode("utf-8")
    page = turbohtml.parse(markup, positions=False, source_locations=tags, allow_declarative_shadow_roots=False)
    if "$R" in markup and (
        moves := [sorted(move.groups()) for move in islice(_STREAMED.finditer(markup), _MOST_STREAMED)]
    ):
        _put_in_place(page, moves)
    recorder = _Recorder(most)
    around: list[Any] = [page]
    for node in page.descendants:
        above = node.parent
        while around[-1] is not above:
            if around.pop().__class__ is _ELEMENT:
                recorder.end()
        if node.__class__ is _ELEMENT:
            if not recorder.start(node.tag, _plain(node.attrs)):
                break
            if tags:
                recorder.elements.tags.append(_tag_places(node))
            around.append(node)
        elif node.__class__ is _CONTENT:
            around.append(node)
        elif node.__class__ in _TEXT:
            recorder.elements.events.append(node.data)
    recorder.close()
    return recorder.elements


def _put_in_place(page: Any, moves: Iterable[list[str]]) -> None:
    """Do what React's script does with parts that were streamed: each goes where its placeholder stands."""
    by_id = {name: node for node in page.iter_elements() if (name := node.attrs.get("id"))}
    for into, name in moves:
        place, part = by_id.get(into), by_id.get(name)
        if place is None or part is None or place.tag != "template":
            continue
        around = list(place.ancestors)
        # What an earlier call took out with its fallback is of the page no more.
        if part in around or page not in around or page not in part.ancestors:
            continue
        depth, fallback = 0, list[Any]()
        for node in place.next_siblings if into.startswith("B") else ():
            if node.__class__ is turbohtml.Comment:
                depth += -1 if node.data.startswith("/") else node.data.startswith("$")
                if depth < 0:
                    for one in fallback:
                        one.extract()
                    break
            fallback.append(node)
        del by_id[into], by_id[name]
        place.insert_before(*list(part.children))
        place.extract()
        part.extract()


def _plain(attributes: Mapping[str, Any]) -> Attributes:
    """Return attributes as strings: lists of names ("class") joined again, one without a value empty."""
    if not attributes:
        return NO_ATTRIBUTES
    return {
        name: value if value.__class__ is str else " ".join(value) if isinstance(value, list) else str(value or "")
        for name, value in attributes.items()
    }


def _tag_places(node: turbohtml.Element) -> tuple[int, int, int, int] | None:
    location = node.source_location
    if location is None or location.start_tag is None:
        return None
    start, end = location.start_tag, location.end_tag
    return (
        start.start_offset,
        start.end_offset,
        -1 if end is None else end.start_offset,
        -1 if end is None else end.end_offset,
    )


def from_soup(soup: "Tag", *, most: int) -> Elements:
    """Return the same records of a BeautifulSoup tree, walked without recursion; the tree is not changed."""
    from bs4 import BeautifulSoup
    from bs4.element import NavigableString, PreformattedString, Tag

    recorder = _Recorder(most)
    around: list[Tag] = [soup]
    if not isinstance(soup, BeautifulSoup):
        recorder.start(soup.name, _plain(soup.attrs))
    for node in soup.descendants:
        while node.parent is not around[-1]:
            around.pop()
            recorder.end()
        if isinstance(node, Tag):
            if not recorder.start(node.name, _plain(node.attrs)):
                break
            around.append(node)
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            recorder.elements.events.append(str(node))
    recorder.close()
    return recorder.elements


class _Recorder:
    """Writes the records of elements as they start and end."""

    def __init__(self, most: int) -> None:
        self.elements = Elements()
        self._open: list[int] = []
        self._most = most

    def start(self, tag: str, attributes: Attributes) -> bool:
        """Record an element, unless there are as many as there may be; return whether it was."""
        elements = self.elements
        row = len(elements.tag)
        if row >= self._most:
            elements.cut = True
            return False
        if (
            attributes
            and "role" in attributes
            and tag in ("div", "span")
            and (part := _TABLE_ROLES.get(attributes["role"]))
        ):
            elements.divisions[row] = tag
            tag = part
        elements.tag.append(tag if tag.islower() else tag.lower())
        elements.parent.append(self._open[-1] if self._open else -1)
        elements.attributes.append(attributes)
        elements.first.append(len(elements.events))
        elements.last.append(-1)
        elements.events.append(row)
        self._open.append(row)
        return True

    def end(self) -> None:
        """Record the end of the innermost open element."""
        row = self._open.pop()
        self.elements.last[row] = len(self.elements.events)
        self.elements.events.append(~row)

    def close(self) -> None:
        """Record the end of all that is open."""
        while self._open:
            self.end()


def _is_plain_name(tag: str) -> bool:
    return tag.replace("-", "").replace("_", "").isalnum() and not tag[:1].isdigit()


def _quoted(text: Any) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
