"""Headings are main text where what they stand over is, and not where it is not.

main blocks ─ keep_headings_..., drop_boxed_headings ─> main blocks with the headings of their parts
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.main.parts import BOX_ITEMS, LEVELS, MOSTLY

_MOST_OF_TITLE: Final = 0.5
_SECOND_LINE_WORDS: Final = 10
"""An `h2` after the `h1` with as many words is a standfirst: it tells the story, it heads no part of it."""

_LABEL_LETTERS: Final = 50
"""Of a heading that only says what links or buttons are for."""
_CLOSE_LEVELS: Final = 2
_AGREES: Final = re.compile(r"(?:yes|ja|oui|s[ií]|sim|tak|ano|igen|evet|да|так|ναι|はい|是|예|👍)(?!\w)", re.I)
_BOX_LEVELS: Final = 4
_BETWEEN_WORDS: Final = 10
"""Words between the heading of a part and its first main text, at most: when it was written, by whom."""


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
            if elements.tag[box] in ("aside", "nav", "footer", "form") and text >= stop:
                break  # it heads that alone
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
    if held >= MOSTLY * sum(map(measured.words_at, main)):
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
    for _ in range(LEVELS):
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
            if stop - start > BOX_ITEMS or bisect_left(texts, start) != bisect_left(texts, stop):
                break
            inside = [item for item in flow.items[start:stop] if isinstance(item, TextBlock)]
            if len(inside) > 1 and (_is_link(elements, flow, index) or any(item.images for item in inside)):
                main.discard(index)
                break


def drop_headings_of_buttons(elements: Elements, flow: Flow, main: set[int], title: int) -> None:
    """Take out of `main` the headings of boxes with nothing under them but buttons to say yes or no, which go, too ("Is
    this page useful?"), or links that are not main ("Share this").
    """
    places = flow.places()
    for index in sorted(main):
        heading = flow.items[index]
        assert isinstance(heading, TextBlock)
        if heading.element not in flow.headings or heading.element == title or len(heading.text) > _LABEL_LETTERS:
            continue
        under = _texts_under(elements, flow, index, places)
        is_of_buttons = all(elements.tag[flow.items[i].element] == "button" for i in under)  # type: ignore[union-attr]
        is_of_buttons = is_of_buttons and any(_AGREES.match(flow.items[i].text) for i in under)  # type: ignore[union-attr]
        if under and (is_of_buttons or (main.isdisjoint(under) and all(_leads_away(elements, flow, i) for i in under))):
            main.difference_update((index, *under))


def _leads_away(elements: Elements, flow: Flow, index: int) -> bool:
    """Whether a text is all link, and none of it to a place in its own page; "#" is none, but for a script."""
    block = flow.items[index]
    assert isinstance(block, TextBlock)
    links = (elements.attributes[row].get("href", "").strip() for _, _, type_, row in block.marks if type_ == "link")
    return 0 < len(block.text) <= min(block.linked, _LABEL_LETTERS) and not any(
        link[:1] == "#" and link != "#" for link in links
    )


def _texts_under(elements: Elements, flow: Flow, index: int, places: dict[int, tuple[int, int]]) -> list[int]:
    """Return the blocks between a heading and the next one, in the closest box around it that has any after it."""
    for box in elements.around(elements.parent[flow.items[index].element], _CLOSE_LEVELS):  # type: ignore[union-attr]
        under = list[int]()
        for place in range(index + 1, min(places.get(box, (0, 0))[1], index + BOX_ITEMS)):
            item = flow.items[place]
            if isinstance(item, TextBlock):
                if item.element in flow.headings:
                    break
                under.append(place)
        if under:
            return under
    return []


def second_lines(elements: Elements, flow: Flow, main: set[int], title: int) -> set[int]:
    """Return the headings between the title and the first main text that repeat it, or are its long second line."""
    if title < 0:
        return set()
    found: set[int] = set()
    said = "".join(elements.text(title).split()).lower()
    for index in sorted(main):
        block = flow.items[index]
        assert isinstance(block, TextBlock)
        if block.element < title:
            continue
        if block.element not in flow.headings:
            break
        second_line = (elements.tag[title], elements.tag[block.element]) == ("h1", "h2")
        again = "".join(block.text.split()).lower()
        if (again in said and len(again) >= _MOST_OF_TITLE * len(said)) or (
            second_line and len(block.text.split()) >= _SECOND_LINE_WORDS
        ):
            found.add(block.element)
    return found
