"""Which blocks are the page's main content, and what part of the page the others belong to.

    Elements, Flow ─> Verdict: a role for every block, a score for every block, a role for every region element

Nothing is deleted: the verdict is a label. First version: landmark elements and roles, then Readability's scoring
(points for paragraphs handed to the parent and half of them to the grandparent, times one minus link density).

Sources: Readability.js (mozilla), HTML Living Standard 4.3 (sections).
"""

import re
from dataclasses import dataclass, field
from typing import Final

from docgraph.parsers.html_blocks import Block, Flow
from docgraph.parsers.html_elements import Elements
from docgraph.parsers.html_rules import LANDMARK_ROLES, LANDMARKS

_UNLIKELY: Final = re.compile(
    r"-ad-|ai2html|banner|breadcrumb|combx|comment|community|cover-wrap|disqus|extra|footer|gdpr|header|legends|menu|"
    r"related|remark|replies|rss|shoutbox|sidebar|skyscraper|social|sponsor|supplemental|ad-break|agegate|pagination|"
    r"pager|popup|yom-remote|newsletter|promo|share|subscribe|recommend|cookie|consent",
    re.I,
)
_MAYBE: Final = re.compile(r"and|article|body|column|content|main|shadow|story|entry|post|page|text", re.I)


@dataclass(slots=True)
class Verdict:
    """What part of the page everything belongs to."""

    block_role: dict[int, str] = field(default_factory=dict)
    """Index in `Flow.items` of a block -> its role."""
    block_score: dict[int, float] = field(default_factory=dict)
    """Index in `Flow.items` of a block -> main-content score in [0, 1]."""
    region_role: dict[int, str] = field(default_factory=dict)
    """Element -> role, for elements that are a part of the page of their own."""
    root: int = 0
    """The element that holds the main content."""
    title: int = -1
    """The heading element that is the title of the page, or -1."""
    article: tuple[int, int] = (-1, -1)
    """Where in `Flow.items` the article, its title included, begins and ends."""
    sections_by_element: bool = False
    """Whether sections are made from `section` and `article` elements, there being no headings."""


def judge(elements: Elements, flow: Flow) -> Verdict:
    """Return the verdict on a page."""
    verdict = Verdict()
    regions = _regions(elements)
    root = _root(elements, flow, regions)
    verdict.root = root
    end = elements.end(root) if len(elements) else 0
    inside = [-1] * len(elements)
    for row in range(len(elements)):
        above = elements.parent[row]
        role = regions.get(row)
        if row == root:
            inside[row] = -1
        elif (
            role is not None
            and not (role == "form" and row <= root < elements.end(row))
            and not row <= root < elements.end(row)
        ):
            inside[row] = row
            verdict.region_role[row] = role
        else:
            inside[row] = inside[above] if above >= 0 else -1
    for index, item in enumerate(flow.items):
        if isinstance(item, Block):
            region = inside[item.element]
            if region >= 0:
                verdict.block_role[index] = verdict.region_role[region]
            elif root <= item.element < end:
                verdict.block_role[index] = "main"
            else:
                verdict.block_role[index] = "boilerplate"
            verdict.block_score[index] = 1.0 if verdict.block_role[index] == "main" else 0.0
    verdict.title = _title(elements, flow)
    verdict.sections_by_element = not flow.headings
    places = {item: index for index, item in enumerate(flow.items) if isinstance(item, int)}
    start, stop = places.get(root, 0), places.get(~root, len(flow.items))
    if verdict.title >= 0 and verdict.title < root:
        start = min(start, places[verdict.title])
    verdict.article = (start, stop)
    return verdict


def _regions(elements: Elements) -> dict[int, str]:
    found: dict[int, str] = {}
    for row, (tag, own) in enumerate(zip(elements.tag, elements.attributes, strict=True)):
        role = LANDMARKS.get(tag) or (LANDMARK_ROLES.get(own.get("role", "")) if own else None)
        if role:
            found[row] = role
        elif own and tag in ("div", "section", "ul", "ol", "p", "span", "table"):
            names = f"{own.get('class', '')} {own.get('id', '')}"
            if _UNLIKELY.search(names) and not _MAYBE.search(names):
                found[row] = "boilerplate"
    return found


def _root(elements: Elements, flow: Flow, regions: dict[int, str]) -> int:
    score = [0.0] * len(elements)
    for item in flow.items:
        if isinstance(item, Block) and len(item.text) >= 25:
            points = (1 + item.text.count(",") + min(len(item.text) / 100, 3)) * (
                1 - item.linked / len(item.text)
            )
            row = item.element
            if elements.tag[row] in ("p", "pre", "td", "li", "blockquote", "section"):
                row = max(elements.parent[row], 0)
            score[row] += points
            above = elements.parent[row]
            if above >= 0:
                score[above] += points / 2
    return max(range(len(elements)), key=lambda row: score[row], default=0)


def _title(elements: Elements, flow: Flow) -> int:
    return next((row for row in sorted(flow.headings) if elements.tag[row] == "h1"), -1)
