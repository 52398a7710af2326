"""What is asked of OpenStax pages: eight tasks, each a level of places, queries, and the place that answers.

    heading, caption, definition ─> section     quiz, late heading, late caption, title ─> document     caption ─> image

Late: the target stands in the second half of its page, behind 256 words; the whole page is to be found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.retrieval.pages import (
    Built,
    Page,
    Query,
    asked,
    caption_queries,
    heading_queries,
    is_late,
    title_queries,
)
from benchmarks.retrieval.systems import Places

TITLES: Final = {
    "heading": "heading → section",
    "caption": "caption → section",
    "definition": "definition → section",
    "quiz": "quiz question → page",
    "late heading": "heading of a late section → page",
    "late caption": "caption of a late picture → page",
    "title": "title → page",
    "image": "caption → image",
}
_WITHOUT: Final[dict[str, str]] = {
    "heading": "heading",
    "late heading": "heading",
    "caption": "caption",
    "late caption": "caption",
    "image": "caption",
    "title": "title",
}


@dataclass(frozen=True)
class Task:
    """Queries of one kind against the places of one level."""

    name: str
    without: str | None
    """What is taken out of the documents."""
    places: Places
    queries: list[str]
    relevant: list[dict[int, float]]


def tasks(pages: Sequence[Page], queries: list[dict[str, Any]]) -> Iterator[Task]:
    """Yield the tasks that some pages allow."""
    for name in TITLES:
        built = [page.document(_WITHOUT.get(name)) for page in pages]
        keys = _places(pages, built, name)
        places = Places([one.document for one in built], [n for n, _ in keys], [row for _, row in keys], _level(name))
        number = {key: place for place, key in enumerate(keys)}
        wanted = [(text, number[key]) for text, key in _asked(list(pages), built, queries, name) if key in number]
        if wanted:
            yield Task(
                name, _WITHOUT.get(name), places, [text for text, _ in wanted], [{place: 1.0} for _, place in wanted]
            )


def _level(name: str) -> str:
    return {"heading": "section", "caption": "section", "definition": "section", "image": "image"}.get(name, "document")


def _places(pages: Sequence[Page], built: Sequence[Built], name: str) -> list[tuple[int, int]]:
    """Return what is searched, as page and row: pages, sections that hold blocks, or images."""
    if _level(name) == "document":
        return [(n, 0) for n in range(len(pages))]
    if _level(name) == "image":
        return [(n, row) for n, one in enumerate(built) for row in one.figures.values()]
    return [
        (n, row)
        for n, (page, one) in enumerate(zip(pages, built, strict=True))
        for section, row in one.sections.items()
        if section in page.paths and row > 0
    ]


def _asked(
    pages: list[Page], built: Sequence[Built], queries: list[dict[str, Any]], name: str
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield queries, and page and row of the place that answers."""
    if name in ("quiz", "title"):
        found = asked(pages, queries, "quiz") if name == "quiz" else title_queries(pages)
        yield from ((one.text, (one.page, 0)) for one in found)
        return
    is_heading = "heading" in name
    some: list[Query] = heading_queries(pages) if is_heading else caption_queries(pages)
    if name == "definition":
        some, is_heading = [one for one in asked(pages, queries, name) if one.target is not None], True
    for one in some:
        page, target = built[one.page], one.target or 0
        own = page.sections.get(target, 0) if is_heading else page.figures[target]
        if name == "caption":
            yield one.text, (one.page, page.sections[pages[one.page].figures[target]["section"]])
        elif not name.startswith("late"):
            yield one.text, (one.page, own)
        elif is_late(page, own):
            yield one.text, (one.page, 0)
