"""Parts of a page that are main whole or not at all: lists, tables, quotations, panels, the next article.

    main blocks, one by one ─ keep_..., drop_... ─> main blocks that make whole parts

The forest judges a block by itself; nobody reads half a list. Headings follow what they stand over: part_headings.py.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.below import says_what_is_below
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.panels import panels_of_headings

PARAGRAPH_WORDS: Final = 10
LEAST_PARAGRAPHS: Final = 3
ARTICLE_WORDS: Final = 40
"""An `article` element with so many texts so long, and so many words, holds the article."""
MOSTLY: Final = 0.6
_LIST_SHARE: Final = 0.5
"""A table with more of the main words than this lays out the page."""
LEVELS: Final = 6
_MOST_OTHERS: Final = 400
BOX_ITEMS: Final = 80
"""A box is small: so many openings, closings and runs at most."""
_BESIDE: Final = frozenset(("nav", "aside", "footer", "form", "dialog"))
_PANEL_LEVELS: Final = 12
_PANEL_PROSE: Final = 8
"""Words that one text of a panel has, at least, that no button in a heading opens and that has no table of data."""
_NEAR: Final = 8


def keep_lists_whole(
    elements: Elements, flow: Flow, measured: Measured, main: set[int], titles: set[int], captions: set[int]
) -> None:
    """Add to `main` what is missing of a list or table that is mostly in it: half a list is no list."""
    if not main:
        return
    places, index = flow.places(), measured.index
    words = measured.words
    held = np.concatenate([[0.0], np.cumsum(words)])
    kept = np.concatenate([[0.0], np.cumsum(words * np.asarray([i in main for i in index]))])
    odd = np.concatenate([[0], np.cumsum([b.element in flow.headings for b in measured.block])])
    rows = [row for tag in ("ul", "ol", "dl", "table") for row in elements.rows_of(tag) if row in places]
    done = -1
    for start, stop in sorted(places[row] for row in rows):
        if start < done:
            continue
        first, last = bisect_left(index, start), bisect_left(index, stop)
        total, own = held[last] - held[first], kept[last] - kept[first]
        if not MOSTLY * total <= own < total or odd[last] > odd[first] or total > _LIST_SHARE * kept[-1]:
            continue
        done = stop
        main.update(i for i in index[first:last] if i not in captions and flow.items[i].element not in titles)  # type: ignore[union-attr]


def keep_lists_of_the_text(
    elements: Elements, flow: Flow, measured: Measured, main: set[int], captions: set[int]
) -> None:
    """Add to `main` an author's own lists: among at least three main texts in one element, after one that ends in a
    colon or between two. Links to other stories stand under a heading, in a box, or last.
    """
    parents = elements.parent
    texts = [index for index in main if flow.items[index].element not in flow.headings]  # type: ignore[union-attr]
    among = Counter(parents[flow.items[index].element] for index in texts)  # type: ignore[union-attr]
    for row, before, inside, after in _lists(elements, flow, measured):
        if (
            row in measured.named
            or among[parents[row]] < LEAST_PARAGRAPHS
            or before not in main
            or not _is_beside(elements, flow, before, row)
        ):
            continue
        if _leads(flow, before) or (after in main and _is_beside(elements, flow, after, row)):
            main.update(i for i in inside if i not in captions)


def keep_lists_of_items(elements: Elements, flow: Flow, measured: Measured, main: set[int], captions: set[int]) -> None:
    """Add to `main` what is missing of a list in an item whose own text is main and ends in a colon."""
    for row, before, inside, _ in _lists(elements, flow, measured):
        item = elements.parent[row]
        if elements.tag[item] != "li" or before not in main or flow.items[before].element != item:  # type: ignore[union-attr]
            continue
        if _leads(flow, before) and not main.isdisjoint(inside):
            main.update(i for i in inside if i not in captions)


def _lists(elements: Elements, flow: Flow, measured: Measured) -> Iterator[tuple[int, int, list[int], int]]:
    """Yield each list that has texts before it, the text before it, its own and the one after it (-1 for none)."""
    places, index = flow.places(), measured.index
    for row in (*elements.rows_of("ul"), *elements.rows_of("ol")):
        start, stop = places.get(row, (0, 0))
        first, last = bisect_left(index, start), bisect_left(index, stop)
        if row in places and first:
            yield row, index[first - 1], index[first:last], index[last] if last < len(index) else -1


def _leads(flow: Flow, index: int) -> bool:
    """Whether a text ends in a colon."""
    return flow.items[index].text.rstrip().endswith((":", "："))  # type: ignore[union-attr]


def keep_quotes_whole(elements: Elements, flow: Flow, main: set[int]) -> None:
    """Add to `main` what follows the first main text of a quotation: its source."""
    places = flow.places()
    for row in elements.rows_of("blockquote"):
        start, stop = places.get(row, (0, 0))
        if stop - start > BOX_ITEMS:
            continue
        texts = [i for i in range(start, stop) if isinstance(item := flow.items[i], TextBlock) and item.text]
        if texts and texts[0] in main:
            main.update(texts)


def _is_beside(elements: Elements, flow: Flow, index: int, row: int) -> bool:
    """Whether a text, no heading, is a child of the element that a list is a child of."""
    element = flow.items[index].element  # type: ignore[union-attr]
    return element not in flow.headings and elements.parent[element] == elements.parent[row]


def keep_panels(elements: Elements, flow: Flow, measured: Measured, main: set[int]) -> None:
    """Add to `main` what the page opens after the first main text, and what opens it: questions and answers, tabs.

    Their names ("accordion-collapse") are those of menus. Panels of links stay out, and those beside the content.
    """
    places, first = flow.places(), min(main, default=-1)
    headed = panels_of_headings(elements)
    for panel in sorted({*headed, *elements.rows_of("details"), *elements.rows_with("role")}):
        start, stop = places.get(panel, (-1, -1))
        if not 0 <= first < start or stop - start > BOX_ITEMS:
            continue
        if panel not in headed and not _is_panel(elements, flow, main, panel):
            continue
        if any(elements.tag[row] in _BESIDE for row in elements.around(panel, _PANEL_LEVELS)):
            continue
        texts = [i for i in range(start, stop) if isinstance(item := flow.items[i], TextBlock) and item.text]
        blocks: list[TextBlock] = [flow.items[i] for i in texts]  # type: ignore[misc]
        if 2 * sum(block.linked for block in blocks) >= sum(len(block.text) for block in blocks):
            continue
        before = range(start - 1, max(-1, start - _NEAR), -1)
        heading = next((i for i in before if isinstance(flow.items[i], TextBlock)), -1)
        if heading >= 0 and flow.items[heading].element in flow.headings and panel in headed:  # type: ignore[union-attr]
            main.update((heading, *texts))
        elif panel not in headed and (
            any(measured.words_at(i) >= _PANEL_PROSE for i in texts)
            or "th" in elements.tag[panel : elements.end(panel)]
        ):
            main.update(texts)
    for line in elements.rows_with("role"):
        panel = elements.end(line)
        if elements.attributes[line]["role"] != "button" or not {line, panel} <= places.keys():
            continue
        (start, stop), (first, last) = places[line], places[panel]
        if elements.parent[line] != elements.parent[panel] or stop - start > _NEAR or last - first > BOX_ITEMS:
            continue
        if not main.isdisjoint(range(first, last)):
            main.update(i for i in range(start, stop) if isinstance(item := flow.items[i], TextBlock) and item.text)


def _is_panel(elements: Elements, flow: Flow, main: set[int], row: int) -> bool:
    """Whether an element opens, or is shown by a tab or by the button before it, and stands in an element with main
    text before it.
    """
    own = elements.attributes[row]
    if elements.tag[row] != "details" and own["role"] != "tabpanel":
        line = elements.before(row) if own["role"] == "region" else -1
        if line < 0 or (elements.tag[line] != "button" and elements.attributes[line].get("role") != "button"):
            return False
    if says_what_is_below(own.get("class", ""), own.get("id", "")):
        return False
    places, start = flow.places(), flow.places()[row][0]
    for around in elements.around(elements.parent[row], LEVELS):
        if elements.tag[around] == "body":
            break
        begin = places[around][0] if around in places else start
        if any(index in main for index in range(max(begin, start - BOX_ITEMS), start)):
            return True
    return False


def drop_what_follows_the_article(
    elements: Elements, flow: Flow, measured: Measured, main: set[int], title: int, said: str
) -> None:
    """Take out of `main` what stands below the title's own `article`, if that holds one: comments, the next stories.
    Below one of few words only an `article` with a title of its own, or one that leads there, is another.

    Where no `article` is around the title, it is the element around it that comes again, with a heading of that level.

    Args:
        said: the title as the metadata gives it.
    """
    own = title
    while own >= 0 and elements.tag[own] != "article":
        own = elements.parent[own]
    places = flow.places()
    is_said = title >= 0 and 2 * len({*elements.text(title).split()} & {*said.split()}) > len(said.split())
    if own < 0 and is_said:
        own = _repeated(elements, flow, title)
    if own not in places:
        return
    start, stop = places[own]
    held = [measured.words_at(index) for index in main if start <= index < stop]
    long = [words for words in held if words >= PARAGRAPH_WORDS]
    if len(long) >= LEAST_PARAGRAPHS and sum(long) >= ARTICLE_WORDS:
        others = [places[row] for row in elements.rows_of("article") if row in places and places[row][1] <= start]
        main.difference_update(
            [index for index in main if index >= stop or any(first <= index < last for first, last in others)]
        )
    elif long and is_said and elements.tag[own] == "article":
        for row in elements.rows_of("article"):
            first, last = places.get(row, (-1, -1))
            if first >= stop and _is_story(elements, flow, row, flow.headings[title]):
                between = {index for index in main if stop <= index < first}
                if all(flow.items[index].element in flow.headings for index in between):  # type: ignore[union-attr]
                    main -= between  # what the stories are: "More news"
                main.difference_update(range(first, last))


def _is_story(elements: Elements, flow: Flow, row: int, level: int) -> bool:
    """Whether an `article` is another one than that above it: its heading is a link, or of the level of its title."""
    heading = next((inner for inner in range(row, elements.end(row)) if inner in flow.headings), -1)
    if heading < 0:
        return False
    beside = (heading - 1, heading + 1)
    return flow.headings[heading] == level or any(
        elements.tag[one] == "a"
        and elements.attributes[one].get("href", "").strip()[:1] != "#"
        and elements.text(one).strip() == elements.text(heading).strip()
        for one in beside
    )


def _repeated(elements: Elements, flow: Flow, title: int) -> int:
    """Return the element around the title after which another of its name begins, with a heading of that level.

    It stands beside it or, with the very same names, in an element that a script fills with the next stories.
    """
    level = flow.headings[title]
    for row in elements.around(elements.parent[title], LEVELS):
        if elements.tag[row] == "body":
            break
        end, names = elements.end(row), elements.attributes[row].get("class", "")
        later = elements.rows_of(elements.tag[row]) if names else []
        for other in later[bisect_left(later, end) :][:_MOST_OTHERS]:
            inner = range(other, min(elements.end(other), other + BOX_ITEMS))
            if elements.attributes[other].get("class") == names and any(flow.headings.get(i) == level for i in inner):
                return row
        if (
            elements.tag[row] in ("div", "section")
            and end < len(elements)
            and elements.parent[end] == elements.parent[row]
            and elements.tag[end] == elements.tag[row]
            and not {*elements.attributes[row].get("class", "").split()}.isdisjoint(
                elements.attributes[end].get("class", "").split()
            )
            and any(flow.headings.get(inner) == level for inner in range(end, min(elements.end(end), end + BOX_ITEMS)))
        ):
            return row
    return -1
