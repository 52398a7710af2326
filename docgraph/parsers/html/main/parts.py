"""Parts of a page that are main whole or not at all: lists, tables, quotations, headings, boxes, the next article.

    main blocks, one by one ─ keep_..., drop_... ─> main blocks that make whole parts

The forest judges a block by itself; nobody reads half a list, or the heading of a box without the box.
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
_MOSTLY: Final = 0.6
_LIST_SHARE: Final = 0.5
"""A table with more of the main words than this lays out the page."""
_LEVELS: Final = 6
_BOX_LEVELS: Final = 4
_MOST_OTHERS: Final = 400
_BOX_ITEMS: Final = 80
"""A box is small: so many openings, closings and runs at most."""
_BESIDE: Final = frozenset(("nav", "aside", "footer", "form", "dialog"))
_PANEL_LEVELS: Final = 12
_PANEL_PROSE: Final = 8
"""Words that one text of a panel has, at least, that no button in a heading opens."""
_BETWEEN_WORDS: Final = 10
"""Words between the heading of a part and its first main text, at most: when it was written, by whom."""
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
        if not _MOSTLY * total <= own < total or odd[last] > odd[first] or total > _LIST_SHARE * kept[-1]:
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
        if stop - start > _BOX_ITEMS:
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
        if not 0 <= first < start or stop - start > _BOX_ITEMS:
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
        elif panel not in headed and any(measured.words_at(i) >= _PANEL_PROSE for i in texts):
            main.update(texts)


def _is_panel(elements: Elements, flow: Flow, main: set[int], row: int) -> bool:
    """Whether an element opens, or is shown by a tab, and stands in an element with main text before it."""
    own = elements.attributes[row]
    if elements.tag[row] != "details" and own["role"] != "tabpanel":
        return False
    if says_what_is_below(own.get("class", ""), own.get("id", "")):
        return False
    places, start = flow.places(), flow.places()[row][0]
    for around in elements.around(elements.parent[row], _LEVELS):
        if elements.tag[around] == "body":
            break
        begin = places[around][0] if around in places else start
        if any(index in main for index in range(max(begin, start - _BOX_ITEMS), start)):
            return True
    return False


def keep_code(elements: Elements, flow: Flow, measured: Measured, main: set[int], captions: set[int]) -> None:
    """Add to `main` the code right before or after a main text, captions aside: it stands among the text as it is."""
    texts = [index for index in measured.index if index not in captions]
    for place, index in enumerate(texts):
        block = flow.items[index]
        if index in main or not isinstance(block, TextBlock) or not block.preformatted:
            continue
        beside = texts[max(0, place - 1) : place + 2]
        above = elements.parent[block.element]
        if not main.isdisjoint(beside) and any(
            above in elements.around(flow.items[i].element, _LEVELS)  # type: ignore[union-attr]
            for i in beside
            if i in main
        ):
            main.add(index)


def _has_links(flow: Flow, start: int, stop: int) -> bool:
    """Whether most of a text between two places is a link."""
    return any(isinstance(item, TextBlock) and 2 * item.linked > len(item.text) for item in flow.items[start:stop])


def keep_headings_of_parts(elements: Elements, flow: Flow, measured: Measured, main: set[int], title: int) -> None:
    """Add to `main` the headings with which parts of the page begin that hold main text right under them.

    Between the heading and the text may stand when it was written, and headings of lower levels. Linear.
    """
    places, before = flow.places(), measured.before
    texts, under = [*sorted(main), len(flow.items)], dict[int, int]()
    headings = [
        (index, block.element)
        for index, block in zip(measured.index, measured.block, strict=True)
        if block.element in flow.headings
    ]
    added = len(flow.items)
    for index, element in reversed(headings):
        level, text = flow.headings[element], min(added, texts[bisect_left(texts, index)])
        following = min((at for other, at in under.items() if other <= level), default=len(flow.items))
        under[level] = index
        if index in main or element == title or text >= following or _is_link(elements, flow, index):
            continue
        if before[text] - before[index + 1] > _BETWEEN_WORDS or _has_links(flow, index + 1, text):
            continue
        for box in elements.around(elements.parent[element], _BOX_LEVELS):
            start, stop = places.get(box, (index, index))
            if elements.tag[box] == "body" or before[index] > before[start]:
                break
            if index < text < stop:
                main.add(index)
                added = index
                break


def keep_headings_of_main(elements: Elements, flow: Flow, main: set[int], title: int, captions: set[int]) -> None:
    """Add to `main` the headings right before a main text in the same element: nobody reads the one without the other.

    So is a heading right between two main texts, however page builders wrap each of them. One that is a link leads
    elsewhere.
    """
    above = {heading: before for before, heading in _pairs(flow, captions)}
    for heading, texts in _under_headings(flow, title):
        if texts[0] in main and not _is_link(elements, flow, heading):
            is_between = above.get(heading, -1) in main and _are_wrapped_alike(elements, flow, texts[0], heading)
            if is_between or _is_under(elements, flow, texts[0], heading):
                main.add(heading)


def keep_headings_of_stories(elements: Elements, flow: Flow, measured: Measured, main: set[int], title: int) -> None:
    """Add to `main` the headings that are links where the texts under such hold most of the page's main words."""
    stories = [
        (heading, [text for text in texts if text in main and _is_under(elements, flow, text, heading)])
        for heading, texts in _under_headings(flow, title)
        if texts[0] in main and _is_link(elements, flow, heading) and _is_under(elements, flow, texts[0], heading)
    ]
    held = sum(measured.words_at(text) for _, texts in stories for text in texts)
    if held >= _MOSTLY * sum(map(measured.words_at, main)):
        main.update(heading for heading, _ in stories)


def _under_headings(flow: Flow, title: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each heading but the page's title, and the texts after it up to the next heading, if there are any."""
    heading, texts = -1, list[int]()
    for index, item in flow.blocks():
        if not item.text:
            continue
        if item.element not in flow.headings:
            texts.append(index)
            continue
        if heading >= 0 and texts:
            yield heading, texts
        heading, texts = (index if item.element != title else -1), []
    if heading >= 0 and texts:
        yield heading, texts


def _is_link(elements: Elements, flow: Flow, index: int) -> bool:
    """Whether a text is a link from its first letter to its last, and not to a place in its own page."""
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    if block.linked < len(block.text):
        return False
    links = [elements.attributes[row].get("href", "") for _, _, type_, row in block.marks if type_ == "link"]
    return not links or any(address.strip()[:1] != "#" for address in links)


def _pairs(flow: Flow, captions: set[int]) -> Iterator[tuple[int, int]]:
    """Yield each text and the heading that follows it, with no more than captions between them."""
    before = -1
    for index, item in flow.blocks():
        if item.text and index not in captions:
            if item.element in flow.headings and before >= 0:
                yield before, index
            before = index


def _are_wrapped_alike(elements: Elements, flow: Flow, text: int, heading: int) -> bool:
    """Whether a text and a heading stand in elements of their own, as many, that have the same names but for a word."""
    one, other = (elements.parent[flow.items[index].element] for index in (text, heading))  # type: ignore[union-attr]
    for _ in range(_LEVELS):
        if one == other:
            return True
        if one < 0 or other < 0 or elements.tag[one] != elements.tag[other]:
            return False
        names = [elements.attributes[row].get("class", "").split() for row in (one, other)]
        if len(names[0]) != len(names[1]) or (names[0] and names[0][0] != names[1][0]):
            return False
        one, other = elements.parent[one], elements.parent[other]
    return False


def _is_under(elements: Elements, flow: Flow, text: int, heading: int) -> bool:
    """Whether a text stands in the element of a heading, itself, in an element of its own, or in the next one."""
    element, row = flow.items[text].element, flow.items[heading].element  # type: ignore[union-attr]
    above, around = elements.parent[element], elements.parent[row]
    return around in elements.around(element, _BOX_LEVELS) or (
        above == elements.end(row) and elements.parent[above] == around
    )


def drop_what_follows_the_article(
    elements: Elements, flow: Flow, measured: Measured, main: set[int], title: int, said: str
) -> None:
    """Take out of `main` what stands below the title's own `article`, if that holds one: comments, the next stories.

    Where no `article` is around the title, it is the element around it that comes again, with a heading of that level.

    Args:
        said: the title as the metadata gives it.
    """
    own = title
    while own >= 0 and elements.tag[own] != "article":
        own = elements.parent[own]
    places = flow.places()
    if own < 0 and title >= 0 and 2 * len({*elements.text(title).split()} & {*said.split()}) > len(said.split()):
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


def _repeated(elements: Elements, flow: Flow, title: int) -> int:
    """Return the element around the title after which another of its name begins, with a heading of that level.

    It stands beside it or, with the very same names, in an element that a script fills with the next stories.
    """
    level = flow.headings[title]
    for row in elements.around(elements.parent[title], _LEVELS):
        if elements.tag[row] == "body":
            break
        end, names = elements.end(row), elements.attributes[row].get("class", "")
        later = elements.rows_of(elements.tag[row]) if names else []
        for other in later[bisect_left(later, end) :][:_MOST_OTHERS]:
            inner = range(other, min(elements.end(other), other + _BOX_ITEMS))
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
            and any(flow.headings.get(inner) == level for inner in range(end, min(elements.end(end), end + _BOX_ITEMS)))
        ):
            return row
    return -1


def drop_boxed_headings(elements: Elements, flow: Flow, main: set[int]) -> None:
    """Take out of `main` the headings of boxes: linked, or with an image, in an element without other main text."""
    places = flow.places()
    texts = sorted(index for index in main if flow.items[index].element not in flow.headings)  # type: ignore[union-attr]
    for index in sorted(main):
        block = flow.items[index]
        assert isinstance(block, TextBlock)
        if block.element not in flow.headings:
            continue
        for box in elements.around(elements.parent[block.element], _BOX_LEVELS):
            if box not in places:
                continue
            start, stop = places[box]
            if stop - start > _BOX_ITEMS or bisect_left(texts, start) != bisect_left(texts, stop):
                break
            inside = [item for item in flow.items[start:stop] if isinstance(item, TextBlock)]
            if len(inside) > 1 and (_is_link(elements, flow, index) or any(item.images for item in inside)):
                main.discard(index)
                break
