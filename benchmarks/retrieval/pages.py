"""OpenStax pages as documents, and what is asked of them.

    pages.jsonl.gz ─ read_pages ─> Page ─ .document(without=...) ─> Document, rows of its sections and figures

Sections nest as their paths say. What is asked is taken out of the pages before anything is read: for a "heading" those
of sections without sections of their own, for a "caption" all captions, for a "title" all titles; what stands above
stays.
"""

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgraph import Document, DocumentBuilder
from docgraph.metadata import Metadata

KINDS = {"para": "paragraph", "note": "quote", "list": "paragraph", "table": "paragraph", "example": "quote",
         "equation": "math", "quote": "quote"}  # fmt: skip

LATE = 256


@dataclass(frozen=True)
class Query:
    """A text and the place it should lead to: (page, section number), (page, figure number) or (page, None)."""

    text: str
    page: int
    target: int | None = None


@dataclass(frozen=True)
class Built:
    """A page as a document, with the rows of its parts."""

    document: Document
    sections: dict[int, int]
    """Section number -> row; 0 is the page before its first heading, whose row is 0."""
    figures: dict[int, int]
    """Number of a figure -> row of its image."""


@dataclass(frozen=True)
class Page:
    """One page of the data set."""

    id: str
    title: str
    blocks: list[dict[str, Any]]
    figures: list[dict[str, Any]]

    @property
    def paths(self) -> dict[int, tuple[str, ...]]:
        """Section number -> headings, of the sections that hold blocks."""
        return {block["section"]: tuple(block["path"]) for block in self.blocks}

    @property
    def leaves(self) -> list[int]:
        """Numbers of sections that hold blocks and no sections."""
        paths = self.paths
        inner = {path[:depth] for path in paths.values() for depth in range(len(path))}
        return [number for number, path in paths.items() if path and path not in inner]

    def document(self, without: str | None = None) -> Built:
        """Return the page as a document, without the leaf sections' "heading"s, all "caption"s or its "title"."""
        builder = DocumentBuilder()
        builder.open("page")
        bare = set(self.leaves) if without == "heading" else set()
        opened: list[str] = []
        sections, figures = {0: 0}, {}
        paths = self.paths
        for number in sorted(paths):
            path = paths[number]
            same = next((d for d, (a, b) in enumerate(zip(opened, path, strict=False)) if a != b), None)
            same = min(len(opened), len(path)) if same is None else same
            if path and same == len(path):
                same -= 1  # a second section of the same name
            for _ in opened[same:]:
                builder.close()
            for depth, heading in enumerate(path[same:], same):
                sections[number] = builder.open("section")
                if depth + 1 < len(path) or number not in bare:
                    builder.block("heading", heading, attributes={"level": depth + 2})
            opened = list(path)
            for block in self.blocks:
                if block["section"] == number and block["text"].strip():
                    builder.block(KINDS[block["kind"]], block["text"].strip())
            for place, figure in enumerate(self.figures):
                if figure["section"] == number:
                    builder.open("figure")
                    figures[place] = builder.leaf("image", attributes={"src": figure["src"], "alt": figure["alt"]})
                    if figure["caption"] and without != "caption":
                        builder.block("caption", figure["caption"])
                    builder.close()
        for _ in opened:
            builder.close()
        builder.close()
        title = None if without == "title" else self.title
        return Built(builder.build(metadata=Metadata(title=title)), sections, figures)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a gzip JSON lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read_pages(data: Path, name: str) -> tuple[list[Page], list[dict[str, Any]]]:
    """Return the pages and queries of openstax_NAME; pages without a word are left out."""
    folder = data / "retrieval"
    pages = [
        Page(one["id"], one["title"], [{**b, "text": b["text"]} for b in one["blocks"]], one["figures"])
        for one in read_lines(folder / f"openstax_{name}_pages.jsonl.gz")
    ]
    return [page for page in pages if page.blocks], read_lines(folder / f"openstax_{name}_queries.jsonl.gz")


def heading_queries(pages: list[Page]) -> list[Query]:
    """Heading -> section, for sections without sections of their own;
    a heading that stands on many pages asks nothing.
    """
    seen: dict[str, int] = {}
    for page in pages:
        for number in page.leaves:
            heading = page.paths[number][-1].casefold()
            seen[heading] = seen.get(heading, 0) + 1
    return [
        Query(page.paths[number][-1], place, number)
        for place, page in enumerate(pages)
        for number in page.leaves
        if seen[page.paths[number][-1].casefold()] == 1
    ]


def caption_queries(pages: list[Page]) -> list[Query]:
    """Caption -> figure."""
    return [
        Query(figure["caption"], place, number)
        for place, page in enumerate(pages)
        for number, figure in enumerate(page.figures)
        if figure["caption"] and figure["section"] in page.paths
    ]


def title_queries(pages: list[Page]) -> list[Query]:
    """Title -> page; a title of several pages asks nothing."""
    seen = Counter(page.title for page in pages)
    return [Query(page.title, place) for place, page in enumerate(pages) if seen[page.title] == 1]


def is_late(built: Built, row: int) -> bool:
    """Whether a node stands late in a long page: in its second half, behind more words than MiniLM reads."""
    start, text = int(built.document.span[row, 0]), built.document.text
    return start >= len(text) / 2 and len(text[:start].split()) >= LATE


def asked(pages: list[Page], queries: list[dict[str, Any]], kind: str) -> list[Query]:
    """Definition -> section (where the term is first used) or quiz question -> page."""
    place = {page.id: number for number, page in enumerate(pages)}
    return [
        Query(one["query"], place[one["page"]], one.get("section"))
        for one in queries
        if one["kind"] == kind and one["page"] in place
    ]
