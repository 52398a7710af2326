"""Which texts the vector of a node is made of, and with what weight.

    Document ─ split ─> passages ─ plan ─> sources (texts), and for each wanted node a row of weights over them

A node of several blocks is the mean of its passages, a document by their length, as the pieces of a long text; a node
that is one block, or a part of one, is read alone; an image is its alternative text and caption, with a share of the
passage around it. Each has a share of the document's title and of the headings above. `NodeSettings` holds the shares;
benchmarks/results/retrieval.md says how they were measured.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from docgraph.chunks import image_of
from docgraph.document import Document
from docgraph.embedding.embeddings import Vectors
from docgraph.embedding.levels import DOCUMENT, NODE, PASSAGE
from docgraph.errors import ModelError
from docgraph.headings import SECTIONS, heading_paths, section_above
from docgraph.ids import document_key, hashed, node_ids
from docgraph.passages import Passage, split
from docgraph.passages.blocks import BOILERPLATE
from docgraph.passages.tables import alt_of, table_lines


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How a node's vector is made. All vectors that are added have length 1 where the encoder's have.

    The shares were chosen by a grid on psychology, US history and astronomy (benchmarks/results/retrieval.md): between
    0 and 0.3 they move the mean nDCG@10 by less than a point, but captions lose two at 0.3. A search that adds twice
    the best passage of a node to the node's own score gains 4 to 5 points.
    """

    title: float = 0.1
    """Weight of the document's title beside the node's own words, which have 1."""
    headings: float = 0.1
    """Weight of the mean of the headings above the node, a section's own included."""
    surroundings: float = 0.3
    """Weight of the passage around an image beside its own words or pixels."""
    by_length: bool = True
    """Whether a document is the mean of its passages by their letters, not of all alike. Chosen on BBC and a third of
    20 Newsgroups; questions and titles find their pages as before. Sections stay with all alike: captions lost 3
    points.
    """
    fill: int = 32
    """Blocks of one section with fewer tokens than this are joined into one passage."""

    def __post_init__(self) -> None:
        for name in ("title", "headings", "surroundings"):
            if not 0 <= getattr(self, name) <= 10:
                raise ModelError(f"{name} must lie between 0 and 10, but is {getattr(self, name)}.")


@dataclass(frozen=True)
class Plan:
    """What is read of one document, and how its vectors are made of it."""

    document: Document
    passages: list[Passage]
    sources: list[str]
    """The passages' words first, then other texts."""
    pixels: list[int]
    """Rows of images that are read by pixels; the n-th is source ~n."""
    rows: list[int]
    """Of each vector to make: the node; of a passage its first."""
    kinds: list[str]
    levels: list[str]
    texts: list[str]
    spans: list[tuple[int, int]]
    ids: list[str]
    headings: list[tuple[str, ...]]
    start: list[int] = field(default_factory=lambda: [0])
    """(n + 1,) where each vector's sources begin in `source` and `weight`."""
    source: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def vectors(self, read: Vectors) -> Vectors:
        """Return (n, D) weighted sums of the sources' vectors, zeros for a node without any."""
        made = np.zeros((len(self.rows), read.shape[1]), np.float32)
        counts = np.diff(self.start)
        some = np.flatnonzero(counts)
        if len(some):
            source = np.asarray(self.source)
            source[source < 0] = len(self.sources) + ~source[source < 0]
            parts = read[source] * np.asarray(self.weight, np.float32)[:, None]
            made[some] = np.add.reduceat(parts, np.asarray(self.start)[some])
        return made


def plan(
    document: Document,
    levels: Sequence[str],
    settings: NodeSettings,
    *,
    limit: int,
    count: Callable[[str], int],
    unit_name: str,
    document_id: str | None = None,
    boilerplate: bool = False,
    reads_images: bool = False,
) -> Plan:
    """Return what is to be read of a document for the nodes of some levels.

    Args:
        levels: "document", "passage", "node" (every node) or kinds of nodes.
        limit: tokens that the encoder reads at once, counted by `count`.
        unit_name: what counts, for the ids of passages.
        reads_images: whether images are read by pixels, too.
    """
    passages = split(document, limit, count, fill=settings.fill, context=False, boilerplate=boilerplate)
    roles = document.effective_roles
    everything = boilerplate or (bool(passages) and all(roles[p.rows[0]] in BOILERPLATE for p in passages))
    return _Planner(document, passages, settings, everything, reads_images, document_id, (limit, unit_name)).plan(
        levels
    )


class _Planner:
    def __init__(
        self,
        document: Document,
        passages: list[Passage],
        settings: NodeSettings,
        everything: bool,
        reads_images: bool,
        document_id: str | None,
        sizes: tuple[object, ...],
    ) -> None:
        self.document = document
        self.settings = settings
        self.everything = everything
        self.reads_images = reads_images
        self.sizes = (*sizes, settings.fill)
        self.paths = heading_paths(document)
        self.ids = node_ids(document, document_key(document) if document_id is None else document_id)
        self.first = [passage.rows[0] for passage in passages]
        self.last = [int(document.subtree_end[passage.rows[-1]]) for passage in passages]
        self.holding = {image: number for number, passage in enumerate(passages) for image in passage.images}
        self.place: dict[str, int] = {}
        self.made = Plan(document, passages, [p.words for p in passages], [], [], [], [], [], [], [], [])

    def plan(self, levels: Sequence[str]) -> Plan:
        document, made = self.document, self.made
        if PASSAGE in levels:
            self._passages()
        for row, kind in enumerate(document.kind):
            wanted = NODE in levels or kind in levels or (row == 0 and DOCUMENT in levels)
            if wanted and (self.everything or row == 0 or document.effective_roles[row] not in BOILERPLATE):
                sources = self._sources(row)
                if sources or (row == 0 and DOCUMENT in levels):
                    self._add(row, sources)
        order = sorted(range(len(made.rows)), key=lambda n: (made.rows[n], made.levels[n] == PASSAGE, n))
        return made if order == list(range(len(order))) else _sorted(made, order)

    def _passages(self) -> None:
        pieces: dict[tuple[int, ...], int] = {}
        for number, passage in enumerate(self.made.passages):
            pieces[passage.rows] = piece = pieces.get(passage.rows, -1) + 1
            own = [(number, 1.0)] if passage.words else []
            self._append(
                passage.rows[0], passage.kind, PASSAGE, passage.words, passage.span,
                hashed(*(self.ids[row] for row in passage.rows), piece, *self.sizes), passage.headings,
                [*own, *self._above(passage.headings)],
            )  # fmt: skip

    def _add(self, row: int, sources: list[tuple[int, float]]) -> None:
        document = self.document
        kind = document.kind[row]
        level = DOCUMENT if row == 0 else "section" if kind in SECTIONS else NODE
        start, end = document.span[row].tolist()
        text = own_text(self.document, row) if kind in ("image", "table") else document.text[start:end]
        self._append(row, kind, level, text, (start, end), self.ids[row], self.paths[row], sources)

    def _append(
        self, row: int, kind: str, level: str, text: str, span: tuple[int, int], id: str, headings: Iterable[int],
        sources: list[tuple[int, float]],
    ) -> None:  # fmt: skip
        made = self.made
        made.rows.append(row)
        made.kinds.append(kind)
        made.levels.append(level)
        made.texts.append(text)
        made.spans.append(span)
        made.ids.append(id)
        made.headings.append(tuple(" ".join(self.document[h].text.split()) for h in headings))
        made.source.extend(source for source, _ in sources)
        made.weight.extend(weight for _, weight in sources)
        made.start.append(len(made.source))

    def _sources(self, row: int) -> list[tuple[int, float]]:
        """Return the sources of a node, with their weights; none for a node without words or pixels."""
        own = self._image(row) if self.document.kind[row] == "image" else self._words(row)
        above = [one for one in self.paths[row] if one != row]
        return [*own, *self._above(above)] if own or not row else []

    def _words(self, row: int) -> list[tuple[int, float]]:
        within, covering = self._passages_of(row)
        if within:
            letters = [len(self.made.passages[number].words) for number in covering]
            if row or not self.settings.by_length or not any(letters):
                letters = [1] * len(covering)
            return [(number, one / sum(letters)) for number, one in zip(covering, letters, strict=True)]
        return self._text(own_text(self.document, row), 1.0)

    def _passages_of(self, row: int) -> tuple[list[int], list[int]]:
        """Return the numbers of the passages that lie in a node, and of those that share rows with it."""
        end = int(self.document.subtree_end[row])
        covering = list(range(bisect_right(self.last, row), bisect_left(self.first, end)))
        return [n for n in covering if self.first[n] >= row and self.last[n] <= end], covering

    def _image(self, row: int) -> list[tuple[int, float]]:
        image = image_of(self.document, row)
        words = "\n".join(dict.fromkeys(part for part in (image.alt, image.caption) if part))
        own = self._text(words, 1.0)
        if self.reads_images:
            own.append((~len(self.made.pixels), 1.0))
            self.made.pixels.append(row)
        around = self._around(row)
        weight = self.settings.surroundings if own else 1.0
        return [*own, *((number, weight / len(around)) for number in around)]

    def _around(self, row: int) -> list[int]:
        """Return the passage that an image stands in; of one in a figure by itself those before and after it."""
        passages = self.made.passages
        after = self.holding.get(row, bisect_left(self.first, row))
        numbers = [after - 1, after]
        if row in self.holding:
            numbers = [after] if len(passages[after].rows) > 1 else [after - 1, after + 1]
        section = section_above(self.document, row)
        wanted = [n for n in numbers if 0 <= n < len(passages)]
        return [n for n in wanted if passages[n].text and passages[n].section == section]

    def _above(self, headings: Sequence[int]) -> list[tuple[int, float]]:
        """Return the title and the headings as sources."""
        found = []
        if title := " ".join((self.document.metadata.title or "").split()):
            found += self._text(title, self.settings.title)
        for heading in headings:
            text = " ".join(self.document[heading].text.split())
            found += self._text(text, self.settings.headings / len(headings))
        return found

    def _text(self, text: str, weight: float) -> list[tuple[int, float]]:
        """Return a text as a source."""
        if not text.strip() or not weight:
            return []
        if text not in self.place:
            self.place[text] = len(self.made.sources)
            self.made.sources.append(text)
        return [(self.place[text], weight)]


def own_text(document: Document, row: int) -> str:
    """Return the words of a node with those of its images; a table as lines."""
    if document.kind[row] == "table":
        return "\n".join(line.text for line in table_lines(document, row))
    if document.kind[row] == "image":
        image = image_of(document, row)
        return "\n".join(dict.fromkeys(part for part in (image.alt, image.caption) if part))
    start, stop = document.span[row].tolist()
    end = int(document.subtree_end[row])
    alts = [alt_of(document, one) for one in range(row, end) if document.kind[one] == "image"]
    return "\n\n".join(part for part in (document.text[start:stop], *alts) if part)


def _sorted(made: Plan, order: list[int]) -> Plan:
    """Return a plan with its rows in another order."""
    lists: dict[str, Any] = {name: [getattr(made, name)[n] for n in order] for name in _COLUMNS}
    spans = [range(made.start[n], made.start[n + 1]) for n in order]
    return replace(
        made,
        **lists,
        start=[0, *np.cumsum([len(span) for span in spans]).tolist()],
        source=[made.source[one] for span in spans for one in span],
        weight=[made.weight[one] for span in spans for one in span],
    )


_COLUMNS: Final = ("rows", "kinds", "levels", "texts", "spans", "ids", "headings")
