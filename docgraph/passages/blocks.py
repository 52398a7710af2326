"""Walk a document and yield its blocks: the largest nodes below the sections that fit into a size.

A block knows its place: section, headings above it, role, and how many tokens a passage there may have beside the
headings that are put before it. The first block under a heading begins with it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from docgraph.columns import Columns
from docgraph.headings import CONTAINERS, SECTIONS, heading_paths, is_heading
from docgraph.passages.sizes import SEPARATOR, Sizes
from docgraph.passages.tables import alt_of, row_groups, span_of, table_lines
from docgraph.sentences import sentence_spans

BOILERPLATE: Final = frozenset(("nav", "header", "footer", "aside", "boilerplate"))
_LONGEST_WORD: Final = 40
"""Characters for each token beyond which a node is not counted to see whether it fits."""


class Place(NamedTuple):
    """Where a block stands; only blocks of one place are joined."""

    section: int
    headings: tuple[int, ...]
    context: tuple[str, ...]
    shown: int
    """How many of the headings are in `context`."""
    role: str | None
    budget: int
    """Tokens that a passage's own words may have."""


@dataclass(frozen=True, slots=True)
class Block:
    """A node, or a piece of one, that fits into a passage."""

    place: Place
    rows: tuple[int, ...]
    kind: str
    span: tuple[int, int]
    text: str
    tokens: int
    """Of its words, with what it costs to join them to others."""
    images: tuple[int, ...] = ()
    alts: tuple[str, ...] = ()
    glued: int = 0
    """How many of the innermost headings of `place.context` its text begins with."""


@dataclass(slots=True)
class _Open:
    """A container that the walk is in."""

    end: int
    section: int
    heading: int
    """Row of the heading that what follows stands under, or -1."""
    title: str | None


class Blocks:
    """The walk over one document.

    Args:
        limit: tokens of a passage with its headings; `overlap` of them are kept free, and room for the headings if
            `context` is set.
        boilerplate: whether nodes of these roles are read.
    """

    def __init__(
        self, document: Columns, sizes: Sizes, *, limit: int, overlap: int, context: bool, boilerplate: bool
    ) -> None:
        self.document = document
        self.sizes = sizes
        self.limit = limit
        self.overlap = overlap
        self.context = context
        self._open: list[_Open] = []
        self._waiting: list[int] = []
        """Headings that nothing has stood under yet."""
        self._paths = heading_paths(document)
        self._size = lru_cache(maxsize=10_000)(lambda start, end: sizes.tokens(document.text[start:end]))
        self._images = [row for row, kind in enumerate(document.kind) if kind == "image"]
        self._tables = np.cumsum([0, *(kind == "table" for kind in document.kind)]).tolist()
        wanted = (boilerplate or role not in BOILERPLATE for role in document.effective_roles)
        self._wanted = np.cumsum([0, *wanted]).tolist()

    def __iter__(self) -> Iterator[Block]:
        document, row = self.document, 0
        kinds, ends, wanted = document.kind, document.subtree_end.tolist(), self._wanted
        while row < len(kinds):
            yield from self._leave(row)
            kind, end = kinds[row], ends[row]
            if wanted[row] == wanted[end]:
                row = end
            elif not self._open or (self._is_container(row, end) and not is_heading(document, row)):
                self._enter(row, end)
                row += self._is_container(row, end)
            elif wanted[row] == wanted[row + 1]:
                row += 1  # main content within boilerplate
            elif is_heading(document, row):
                yield from self._under(row)
                row = end
            elif (whole := self._whole(row, end)) is not None:
                yield from self._headed(whole)
                row = end
            elif kind != "table" and row + 1 < end and kinds[row + 1] != "sentence":
                row += 1
            else:
                for block in self._row_groups(row) if kind == "table" else self._pieces(row):
                    yield from self._headed(block)
                row = end
        yield from self._leave(row)

    def _is_container(self, row: int, end: int) -> bool:
        """Whether a node's children are blocks of their own."""
        kinds = self.document.kind
        return kinds[row] in CONTAINERS and row + 1 < end and kinds[row + 1] != "sentence"

    def _enter(self, row: int, end: int) -> None:
        document, kind = self.document, self.document.kind[row]
        title = document.metadata.title if not self._open and kind != "site" else None
        if kind == "page" and not title:
            title = document.attributes.get(row, {}).get("title")
        if self._open:
            above = self._open[-1]
            self._open.append(_Open(end, row if kind in SECTIONS else above.section, -1, title or above.title))
        else:
            self._open.append(_Open(end, row, -1, title))

    def _under(self, row: int) -> Iterator[Block]:
        """Read a heading: it stands over what follows under the same parent."""
        yield from self._drop_heading()
        self._open[-1].heading = row
        self._waiting.append(row)

    def _leave(self, row: int) -> Iterator[Block]:
        """Close the containers that end before `row`."""
        while self._open and self._open[-1].end <= row:
            yield from self._drop_heading()
            self._open.pop()

    def _drop_heading(self) -> Iterator[Block]:
        """End the reach of the innermost container's heading; one with nothing under it is a block of its own."""
        heading = self._open[-1].heading
        if heading in self._waiting:
            self._waiting.remove(heading)
            for block in self._pieces(heading):
                yield from self._headed(block)

    def _place(self, row: int) -> Place:
        document = self.document
        path = self._paths[row]
        context: list[str] = []
        room, shown = self.limit // 2, 0
        if self.context:
            for heading in reversed(path):
                text = _line(document[heading].text)
                room -= self.sizes.short(text)
                if room < 0:
                    break
                context.insert(0, text)
                shown += 1
            title = _line(str(self._open[-1].title or ""))
            titled = any(map(self._is_title, path)) or not title or self._is_title(row)
            if not titled and self.sizes.short(title) <= room:
                context.insert(0, title)
        role = document.effective_roles[row]
        section = row if document.kind[row] in SECTIONS else self._open[-1].section
        return Place(section, path, tuple(context), shown, role, self._room(context))

    def _room(self, context: Sequence[str] = ()) -> int:
        """Return how many tokens a passage's own words may have beside some headings."""
        used = self.sizes.base + self.overlap + sum(map(self.sizes.short, context))
        return max(self.limit - used + self.sizes.join, 1)

    def _is_title(self, heading: int) -> bool:
        own = self.document.attributes.get(heading, {})
        return own.get("level") == 1 or own.get("title") is True or self.document.kind[heading] == "field"

    def _whole(self, row: int, end: int) -> Block | None:
        """Return a node as one block, or None if it does not fit, or holds a table that is to be read by rows."""
        document, place = self.document, self._place(row)
        start, stop = document.span[row].tolist()
        is_table = document.kind[row] == "table"
        if row + 1 < end and stop - start > _LONGEST_WORD * place.budget:
            return None
        if not is_table and self._tables[row] < self._tables[end]:
            return None
        if is_table:
            text = "\n".join(line.text for line in table_lines(document, row))
            tokens = self.sizes.tokens(text)
        else:
            text = document.text[start:stop]
            tokens = self._size(start, stop) if text else 0
        images = self._images_of(row, end)
        alts = tuple(alt for alt in dict.fromkeys(alt_of(document, image) for image in images) if alt not in text)
        tokens += sum(map(self.sizes.tokens, alts))
        if tokens > place.budget:
            return None
        return Block(place, (row,), document.kind[row], (start, stop), text, tokens, images, alts)

    def _images_of(self, start: int, end: int) -> tuple[int, ...]:
        """Return the images among some rows."""
        return tuple(self._images[bisect_left(self._images, start) : bisect_left(self._images, end)])

    def _headed(self, block: Block) -> Iterator[Block]:
        """Yield a block, begun with the headings that wait for one; those that do not fit stand alone before it."""
        waiting, self._waiting = self._waiting, []
        if not waiting or not self.context:
            yield block
            return
        document, place = self.document, block.place
        spans = [*(tuple(document.span[row].tolist()) for row in waiting), block.span]
        count = 0
        while (
            count < min(place.shown, len(waiting))
            and not document.text[spans[-2 - count][1] : spans[-1 - count][0]].strip()
        ):
            count += 1
        for number, heading in enumerate(waiting[: len(waiting) - count]):
            above = place.headings[: len(place.headings) - len(waiting) + number]
            yield from self._pieces(heading, place._replace(headings=above, context=(), budget=self._room()))
        if not count:
            yield block
            return
        start, end = spans[-1 - count][0], spans[-2][1]
        text = document.text[start:end]
        if block.text:
            text += (document.text[end : block.span[0]] or SEPARATOR) + block.text
            end = block.span[1]
        rows = (*waiting[len(waiting) - count :], *block.rows)
        yield replace(block, rows=rows, span=(start, end), text=text, glued=count)

    def _pieces(self, row: int, place: Place | None = None) -> Iterator[Block]:
        """Yield the pieces of a node that does not fit: an image's alternative text, sentences, lines of code."""
        document, place = self.document, place or self._place(row)
        kind, (start, stop) = document.kind[row], document.span[row].tolist()
        text = alt_of(document, row) if kind == "image" else document.text[start:stop]
        if kind == "code":
            parts = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text)]
        else:
            parts = sentence_spans(text, document.metadata.language)
        for first, last in self.sizes.pieces(text, parts, place.budget):
            piece = text[first:last]
            tokens = self.sizes.tokens(piece)
            if kind == "image":
                yield Block(place, (row,), kind, (start, stop), "", tokens, (row,), (piece,))
            else:
                yield Block(place, (row,), kind, (start + first, start + last), piece, tokens)

    def _row_groups(self, table: int) -> Iterator[Block]:
        """Yield groups of a table's rows, each under its header; a row that does not fit is cut."""
        document, place = self.document, self._place(table)
        for group in row_groups(table_lines(document, table), self.sizes, place.budget):
            own = [line for line in group if not line.repeated]
            cells = [cell for line in own for cell in line.cells]
            images = tuple(row for cell in cells for row in self._images_of(cell, int(document.subtree_end[cell])))
            spans = [span_of(document, line) for line in own]
            span = (min(start for start, _ in spans), max(stop for _, stop in spans))
            text = "\n".join(line.text for line in group)
            yield Block(place, (table,), "table", span, text, self.sizes.tokens(text), images)


def _line(text: str) -> str:
    return " ".join(text.split())
