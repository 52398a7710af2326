"""A page's markup, or a tree of it that is at hand, to flat records: one entry an element, and the events in order.

    text ─ turbohtml: the tree that the HTML standard builds, as a browser does ─> Elements
    BeautifulSoup or Tag ─ walked as it is ─> Elements

turbohtml agrees with the standard's own cases, has no bound on depth and knows where every tag stands in the input.
Nothing recurses.

`events` holds an element's row where it starts, `~row` where it ends, and strings for text; the content of element
`e` is `events[first[e] + 1 : last[e]]`.

Sources: HTML Living Standard 13.2 (parsing), 4.12.3 (declarative shadow roots are kept as `template` elements).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import turbohtml

from docgraph.parsers.html.searched import Searched
from docgraph.parsers.html.slots import fill_slots
from docgraph.parsers.html.streamed import put_in_place

if TYPE_CHECKING:
    from bs4 import Tag

Attributes = Mapping[str, str]
NO_ATTRIBUTES: Final[Attributes] = {}
_CLIMB: Final = 40
"""Levels that a sibling may be deep."""
_IS_ELEMENT: Final = 1
_IS_TEXT: Final = 2
_IS_CONTENT: Final = 3
"""What a `template` element holds."""
_KINDS: Final[dict[type, int]] = defaultdict(
    int,
    {
        turbohtml.Element: _IS_ELEMENT,
        turbohtml.Text: _IS_TEXT,
        turbohtml.CData: _IS_TEXT,
        turbohtml.DocumentFragment: _IS_CONTENT,
    },
)
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
    ends: list[int] = field(default_factory=list)
    """One past the last row of the subtree."""
    events: list[int | str] = field(default_factory=list)
    _rows_of: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _rows_with: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _by_names: defaultdict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    _names: Searched | None = None
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
        inner = self.events[self.first[element] : self.last[element]]
        return "".join([event for event in inner if isinstance(event, str)])

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
        return self.ends[element]

    def around(self, element: int, levels: int) -> Iterator[int]:
        """Yield an element and those around it, innermost first: so many at most, none for -1."""
        for _ in range(levels):
            if element < 0:
                return
            yield element
            element = self.parent[element]

    def words_of(self, *names: str) -> set[str]:
        """Return the words that some attributes hold, of all elements together."""
        return {word for name in names for row in self.rows_with(name) for word in self.attributes[row][name].split()}

    def is_between(self, element: int, tag: str) -> bool:
        """Whether the elements right before and after an element, in the same parent, are of one name."""
        above, after = self.parent[element], self.end(element)
        if not (after < len(self.tag) and self.parent[after] == above and self.tag[after] == tag):
            return False
        return (before := self.before(element)) >= 0 and self.tag[before] == tag

    def before(self, element: int) -> int:
        """Return the element right before one in the same parent, -1 if there is none (or it is very deep)."""
        above, before = self.parent[element], element - 1
        for _ in range(_CLIMB):
            if before <= above or self.parent[before] == above:
                break
            before = self.parent[before]
        return before if before > above and self.parent[before] == above else -1

    def rows_of(self, tag: str) -> list[int]:
        """Return the rows of all elements of one name, in order. Those of all names are found at once."""
        if not self._rows_of:
            for row, name in enumerate(self.tag):
                self._rows_of[name].append(row)
        return self._rows_of.get(tag, [])

    def rows_with(self, attribute: str) -> list[int]:
        """Return the rows of all elements that have an attribute, in order. Those of all are found at once."""
        if not self._rows_with:
            for row, own in enumerate(self.attributes):
                for name in own:
                    self._rows_with[name].append(row)
        return self._rows_with.get(attribute, [])

    def by_names(self) -> Mapping[tuple[str, str], list[int]]:
        """Return each class and id attribute that elements have ("" for the one that is missing) -> their rows.

        A page repeats its names: what they say is found out once for each pair.
        """
        if not self._by_names:
            for row, own in enumerate(self.attributes):
                if "class" in own or "id" in own:
                    self._by_names[own.get("class", ""), own.get("id", "")].append(row)
        return self._by_names

    def names_with(self, words: Iterable[str]) -> list[tuple[str, str]]:
        """Return the class and id attributes in which, in small letters, one of some words is."""
        pairs = self.by_names()
        if self._names is None:
            self._names = Searched(f"{class_} {id_}".lower() for class_, id_ in pairs)
        places, listed = self._names.having(words), list(pairs)
        return [listed[place] for place in places]

    def rows_named(self, says: Callable[[str, str], object], words: Iterable[str]) -> list[int]:
        """Return the rows of the elements of whose class and id attributes a rule holds, in order.

        Args:
            words: one of these is, in small letters, in all names of which the rule can hold.
        """
        return sorted(row for names in self.names_with(words) if says(*names) for row in self._by_names[names])


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
    if "$R" in markup:
        put_in_place(page, markup)
    if "<slot" in markup and "shadowroot" in markup:
        fill_slots(page)
    return _recorded(page, page.descendants, _KINDS, attrgetter("tag"), attrgetter("data"), most, tags)


def _recorded(
    root: Any,
    nodes: Iterable[Any],
    kinds: Mapping[type, int],
    tag_of: Callable[[Any], str],
    text_of: Callable[[Any], str],
    most: int,
    tags: bool = False,
) -> Elements:
    """Return the records of a tree's nodes, which come in document order, each with its `parent` and `attrs`.

    Args:
        root: what the first node stands in; it is not recorded.
        kinds: what nodes of each class are: `_IS_ELEMENT`, `_IS_TEXT` or `_IS_CONTENT`; others are left out.
    """
    elements = Elements()
    add, events, first, last = elements.events.append, elements.events, elements.first.append, elements.last
    add_tag, add_parent, add_attributes = elements.tag.append, elements.parent.append, elements.attributes.append
    subtree_ends = elements.ends
    inner, ends, above = root, -1, -1
    around = [(inner, ends, above)]
    """What is open: a node, the row that ends with it or -1, and the row that is the parent of what is in it."""
    for node in nodes:
        parent = node.parent
        while inner is not parent:
            if ends >= 0:
                last[ends] = len(events)
                subtree_ends[ends] = len(last)
                add(~ends)
            around.pop()
            inner, ends, above = around[-1]
        kind = kinds[node.__class__]
        if kind == _IS_TEXT:
            add(text_of(node))
        elif kind == _IS_ELEMENT:
            row = len(last)
            if row >= most:
                elements.cut = True
                break
            tag, own = tag_of(node), NO_ATTRIBUTES
            if pairs := node.attrs.items():
                own = dict(pairs)
                for name, value in pairs:
                    if value.__class__ is not str:  # a list of names ("class"), or nothing
                        own[name] = " ".join(value) if isinstance(value, list) else str(value or "")
                if "role" in own and tag in ("div", "span") and (part := _TABLE_ROLES.get(own["role"])):
                    elements.divisions[row] = tag
                    tag = part
            add_tag(tag if tag.islower() else tag.lower())
            add_parent(above)
            add_attributes(own)
            first(len(events))
            last.append(-1)
            subtree_ends.append(-1)
            add(row)
            if tags:
                elements.tags.append(_tag_places(node))
            inner, ends, above = node, row, row
            around.append((inner, ends, above))
        elif kind == _IS_CONTENT:
            inner, ends = node, -1
            around.append((inner, ends, above))
    for _, ends, _ in reversed(around):
        if ends >= 0:
            last[ends] = len(events)
            subtree_ends[ends] = len(last)
            add(~ends)
    return elements


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

    class Kinds(dict[type, int]):
        def __missing__(self, kind: type) -> int:
            text = issubclass(kind, NavigableString) and not issubclass(kind, PreformattedString)
            return _IS_ELEMENT if issubclass(kind, Tag) else _IS_TEXT if text else 0

    whole = isinstance(soup, BeautifulSoup)
    root, nodes = (soup, soup.descendants) if whole else (soup.parent, chain((soup,), soup.descendants))
    return _recorded(root, nodes, Kinds(), attrgetter("name"), str, most)
