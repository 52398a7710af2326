"""What belongs together is judged alike: the posts of a thread, the teasers of an index, notes and what refers to them.

    posts ─ keep_posts ─> where the posts of a page hold most of its text, they are main; a few left out are, too
    main text ─ keep_notes ─> the notes that its numbers ("[1]") lead to

A post is one of at least three elements in a row, in one element and of one name, each of which holds text that reads
like prose and, beside it, who wrote it, when, or what it is called.
"""

import re
from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured

LEAST_POSTS: Final = 3
_ANSWERS: Final = re.compile(r"comment|message|answer|reply", re.I)
"""In the class that two posts share, where there are no more."""
_LARGER: Final = 0.85
"""Share of their prose that one of two posts may hold."""
THREAD_SHARE: Final = 0.6
"""Share of the page's prose that the posts of a thread hold, and of a row's prose that must be main for all to be."""
_KEPT_SHARE: Final = 0.5
_LEAST_SHARE: Final = 0.4
"""A thread is read whole where less than this of it was main, a row of posts where it holds that much of the page."""
_LARGEST: Final = 0.6
"""Share of a row's prose that one post may hold."""
_BLOCKS_A_POST: Final = 1.9
_POSTS: Final = frozenset(("div", "li", "tr", "article", "section", "dd"))
_LEVELS: Final = 12
_REFERENCE: Final = re.compile(r"[\[(]?(?:\d{1,3}|[a-z]|[ivx]{1,5}|[*†‡§¶#]{1,3})[\])]?", re.I)
_MOST_NOTE_ITEMS: Final = 60
_NOTE_BOXES: Final = frozenset(("footer", "section", "aside", "div"))
_NOTES: Final = re.compile(r"(?:^|[\s_-])(?:foot|end)-?notes(?:$|[\s_-])", re.I)

_ADMONITIONS: Final = re.compile(
    r"(?:^|[\s_-])(?:admonition|markdown-alert|custom-block|starlight-aside)(?:$|[\s_-])", re.I
)
"""Class of a box in which Sphinx, GitHub, VitePress or Starlight shows a note."""
_IN_ADMONITIONS: Final = ("admonition", "markdown-alert", "custom-block", "starlight-aside")


def keep_posts(elements: Elements, flow: Flow, measured: Measured, kept: NDArray[np.bool_]) -> set[int]:
    """Return places in `Flow.items` that are main because their like is, or because they are what the page is for."""
    total, held = measured.prose.sum(), (measured.words * kept).sum()
    found: set[int] = set()
    running = np.concatenate([[0.0], np.cumsum(np.bincount(measured.owner, measured.prose, len(measured.end)))])
    for rows in _groups(elements, measured):
        held_by = running[measured.end[rows]] - running[rows]
        largest = _LARGEST if len(rows) >= LEAST_POSTS else _LARGER
        if held_by.sum() < _LEAST_SHARE * total or held_by.max() > largest * held_by.sum():
            continue  # a few words of the page, or its columns
        edges = np.zeros(len(measured.end) + 1, dtype=np.int64)
        np.add.at(edges, rows, 1)
        np.add.at(edges, measured.end[rows], -1)
        inside = np.cumsum(edges)[measured.owner] > 0
        prose = measured.prose * inside
        share = (prose * kept).sum() / prose.sum()
        is_thread = prose.sum() >= THREAD_SHARE * total and held < _KEPT_SHARE * prose.sum()
        if not is_thread and share < THREAD_SHARE:
            continue
        headings = [i for i in np.flatnonzero(inside).tolist() if measured.block[i].element in flow.headings]
        wanted = [i for i in np.flatnonzero(prose > 0).tolist() if is_thread or share < 1]
        if len({bool(kept[i]) for i in headings}) > 1:
            wanted += headings
        found.update(measured.index[i] for i in wanted)
    return found


def _groups(elements: Elements, measured: Measured) -> list[list[int]]:
    """Return the elements of each row of posts on a page."""
    parents, tags = elements.parent, elements.tag
    prose: dict[tuple[int, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for owner, words in zip(measured.owner.tolist(), measured.prose.tolist(), strict=True):
        if not words:
            continue
        for row in elements.around(owner, _LEVELS):
            if tags[row] == "body":
                break
            if tags[row] in _POSTS:
                prose[parents[row], tags[row]][row] += 1
    owners = measured.owner
    order = np.sort(owners)
    groups = []
    for rows in prose.values():
        if len(rows) < LEAST_POSTS and not _are_answers(elements, list(rows)):
            continue
        blocks = sum(int(np.searchsorted(order, measured.end[row]) - np.searchsorted(order, row)) for row in rows)
        if blocks >= _BLOCKS_A_POST * len(rows) and _same_names(elements, list(rows)):
            groups.append(list(rows))
    return groups


def _are_answers(elements: Elements, rows: list[int]) -> bool:
    """Whether there are two elements with one class attribute, which says that they are posts."""
    names = {elements.attributes[row].get("class", "")[:200] for row in rows}
    return len(rows) == 2 and len(names) == 1 and _ANSWERS.search(names.pop()) is not None


def _same_names(elements: Elements, rows: list[int]) -> bool:
    """Whether most of some elements share a class, or have none."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        for name in set(elements.attributes[row].get("class", "").split()) or {""}:
            counts[name] += 1
    return max(counts.values()) >= 0.8 * len(rows)


def keep_notes(elements: Elements, flow: Flow, main: set[int]) -> None:
    """Add to `main` the notes of its text: what short links ("1", "[a]", "*") lead to on the page, and the admonitions
    of technical pages ("Note", "Warning") beside its texts.
    """
    wanted: set[str] = set()
    for index in main:
        block = flow.items[index]
        assert isinstance(block, TextBlock)
        for start, end, type_, row in block.marks:
            if type_ == "link" and end - start <= 6 and _REFERENCE.fullmatch(block.text[start:end].strip()):
                address = elements.attributes[row].get("href", "")
                if "#" in address and (name := address.partition("#")[2]):
                    wanted.add(name)
    places, parents = flow.places(), elements.parent
    first, last = min(main, default=0), max(main, default=-1)
    for row in {*elements.rows_named(_names_notes, ("notes",)), *elements.rows_with("role")}:
        own = elements.attributes[row]
        if (
            elements.tag[row] in _NOTE_BOXES
            and row in places
            and (own.get("role") == "doc-endnotes" or _names_notes(own.get("class", "")))
        ):
            start, stop = places[row]
            near = parents[row] >= 0 and first < start and places.get(parents[row], (0, 0))[0] <= last
            if near and stop - start <= _MOST_NOTE_ITEMS:
                main.update(_texts_in(flow, start, stop))
    around = {parents[flow.items[index].element] for index in main}  # type: ignore[union-attr]
    marked = (row for row in elements.rows_with("role") if elements.attributes[row]["role"] == "note")
    for row in {*elements.rows_named(_names_admonitions, _IN_ADMONITIONS), *marked}:
        start, stop = places.get(row, (0, 0))
        if parents[row] in around and first < start and stop - start <= _MOST_NOTE_ITEMS:
            texts = _texts_in(flow, start, stop)
            blocks: list[TextBlock] = [flow.items[i] for i in texts]  # type: ignore[misc]
            if 2 * sum(block.linked for block in blocks) < sum(len(block.text) for block in blocks):
                main.update(texts)
    if not wanted:
        return
    for row in {*elements.rows_with("id"), *elements.rows_with("name")}:
        own = elements.attributes[row]
        if own.get("id") in wanted or (elements.tag[row] == "a" and own.get("name") in wanted):
            note = row
            while note >= 0 and note not in places:
                note = parents[note]
            start, stop = places.get(note, (0, 0))
            if elements.tag[note] == "dt":
                stop = max(stop, places.get(elements.end(note), (0, 0))[1])
            if elements.tag[note] not in ("body", "article", "main", "section") and stop - start <= _MOST_NOTE_ITEMS:
                main.update(_texts_in(flow, start, stop))


def _texts_in(flow: Flow, start: int, stop: int) -> list[int]:
    return [i for i in range(start, stop) if isinstance(item := flow.items[i], TextBlock) and item.text]


def _names_admonitions(class_: str, _: str = "") -> bool:
    return _ADMONITIONS.search(class_[:200]) is not None


def _names_notes(class_: str, _: str = "") -> bool:
    return _NOTES.search(class_[:200]) is not None
