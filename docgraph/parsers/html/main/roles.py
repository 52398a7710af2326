"""From the blocks that are main content to the part of the page that everything belongs to.

    main blocks ─ set_regions ─> elements that are a part of their own: navigation, header, footer, aside, form
                ─ set_roles ───> role of every block; where the article begins and ends

A region is an element that by its tag, ARIA role or name is a part of the page, and holds no main content. What lies
in no region is `boilerplate` outside of the article; inside it is `header` before the first main block, `aside` after.
The figures that an article begins with are main although they stand before its title.
"""

from dataclasses import dataclass, field
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.tags import LANDMARK_ROLES, LANDMARKS

_QUOTES: Final = frozenset(("blockquote", "figure"))
_FIGURE_LEVELS: Final = 4
_SECTIONING: Final = frozenset(("article", "aside", "main", "nav", "section"))


@dataclass(slots=True)
class Verdict:
    """What part of the page everything belongs to."""

    block_role: dict[int, str] = field(default_factory=dict)
    """Index in `Flow.items` of a block -> its role."""
    block_score: dict[int, float] = field(default_factory=dict)
    """Index in `Flow.items` of a block with text -> main-content score in [0, 1]."""
    region_role: dict[int, str] = field(default_factory=dict)
    """Element -> role, for elements that are a part of the page of their own and hold no main content."""
    holds_main: set[int] = field(default_factory=set)
    """Elements with main content, or the title, in them."""
    root: int = 0
    """The element that holds the main content."""
    title: int = -1
    """The heading element that is the title of the page, or -1."""
    second_lines: set[int] = field(default_factory=set)
    """Heading elements that go on with the title: they open no section."""
    article: tuple[int, int] = (-1, -1)
    """Where in `Flow.items` the article, its title included, begins and ends."""
    main_words: int = 0
    """Words of main content."""
    relaxed: bool = False
    """Whether little main text was found at first, and the page judged again without suspicion."""
    sections_by_element: bool = False
    """Whether sections are made from `section` and `article` elements, there being no headings."""


def set_regions(
    verdict: Verdict, elements: Elements, flow: Flow, main: set[int], figures: set[int], measured: Measured
) -> None:
    """Find the elements that are a part of the page of their own:
    landmarks and named containers without main content, in no figure.
    """
    holds_main = verdict.holds_main
    for index in main:
        item = flow.items[index]
        assert isinstance(item, TextBlock)
        row = item.element
        while row >= 0 and row not in holds_main:
            holds_main.add(row)
            row = elements.parent[row]
    row = verdict.title
    while row >= 0 and row not in holds_main:
        holds_main.add(row)
        row = elements.parent[row]
    for row, role in measured.named.items():
        if row in holds_main or elements.tag[elements.parent[row]] in _QUOTES:
            continue
        if figures.isdisjoint(elements.around(elements.parent[row], _FIGURE_LEVELS)):
            verdict.region_role[row] = role
    landmarks = {row: role for tag, role in LANDMARKS.items() for row in elements.rows_of(tag)}
    for row in elements.rows_with("role"):
        if row not in landmarks and (role_of := LANDMARK_ROLES.get(elements.attributes[row]["role"])):
            landmarks[row] = role_of
    sections, reach = [(row, elements.end(row)) for tag in _SECTIONING for row in elements.rows_of(tag)], 0
    sections.sort(reverse=True)
    for row in sorted(landmarks):
        while sections and sections[-1][0] < row:
            reach = max(reach, sections.pop()[1])
        above = elements.tag[elements.parent[row]]
        if (elements.tag[row] == "header" and row < reach) or (elements.tag[row] == "footer" and above in _QUOTES):
            # The head of a part, not of the page: its heading is the part's. A quotation's foot names its source.
            continue
        if row not in holds_main:
            verdict.region_role[row] = landmarks[row]


def set_roles(verdict: Verdict, elements: Elements, flow: Flow, main: set[int], captions: set[int]) -> None:
    """Give every block its role, and find where the article begins and ends."""
    regions = verdict.region_role
    inherited: list[str | None] = []
    for row, above in enumerate(elements.parent):
        inherited.append(regions[row] if row in regions else inherited[above] if above >= 0 else None)
    places = flow.places()
    root, items = verdict.root, flow.items
    start, stop = places.get(root, (0, len(items)))
    if 0 <= verdict.title < root and inherited[verdict.title] is None:
        start = min(start, places[verdict.title][0])
    verdict.article = (start, stop)
    first_main = min(main, default=len(items))
    lead = _lead_figures(verdict, elements, flow, captions, start)
    for index, item in flow.blocks():
        role = inherited[item.element]
        if index in main or item.element == verdict.title:
            role = "main"
        elif role is None:
            if index in lead:
                role = "main"
            elif index in flow.repeated or not start <= index <= stop:
                role = "boilerplate"
            elif not item.text or index in captions:
                role = "main"
            else:
                role = "header" if index < first_main else "aside"
        verdict.block_role[index] = role


def _lead_figures(verdict: Verdict, elements: Elements, flow: Flow, captions: set[int], start: int) -> set[int]:
    """Return the captions, and the images right before them, that stand in the title's `article` before the text."""
    row = verdict.title
    while row >= 0 and elements.tag[row] not in ("article", "main"):
        row = elements.parent[row]
    if row < 0:
        return set()
    found: set[int] = set()
    images: list[int] = []
    for index in range(flow.places()[row][0], start):
        item = flow.items[index]
        if not isinstance(item, TextBlock):
            continue
        if not item.text:
            images.append(index)
        elif index in captions:
            found.update(images, (index,))
            images = []
        else:
            images = []
    return found
