"""Pairs that pages make by themselves: a text, and the passage that it speaks of. They train embedders without labels.

    documents ─ split ─> passages ─┬─ heading  ─> a passage of its section
                                   ├─ title    ─> a passage of the page
                                   ├─ caption  ─> the paragraph beside the image
                                   ├─ image    ─> what else is said of the image: its alternative text
                                   ├─ table    ─> the rows of its table
                                   ├─ opening  ─> the rest of the paragraph that the sentence opens
                                   ├─ term     ─> its definition
                                   └─ link     ─> a passage of the page that it leads to

The query's own words are taken out of the target: a heading is never in the passages under it, a caption is cut out of
the one that holds it. A heading, title or link text that stands for several places ("Summary", "read more") asks for
none of them and is left out. Boilerplate is not read. Each pair has the rows that its query speaks of, its scope: what
lies outside, in the same page or site, is wrong and yet near, so siblings are the hard negatives (`overlap` tells which
pairs may not be each other's).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from docgraph.document import Document
from docgraph.parsers.site.links import home_of, known_as
from docgraph.passages import Passage, split, words
from docgraph.passages.blocks import BOILERPLATE
from docgraph.passages.sizes import Sizes
from docgraph.passages.tables import alt_of, row_groups, table_lines
from docgraph.sentences import sentence_spans

KINDS: Final = ("heading", "title", "caption", "image", "table", "opening", "term", "link")
SHORTEST: Final = 8
"""Words of a target: less says too little to be told from others."""
PASSAGES: Final = 2
"""Passages of a section, or of a page, that its heading or title is paired with."""
_ASKS: Final = {"opening": (5, 60), "caption": (3, 120), "image": (3, 120), "link": (2, 30)}
"""Words of a query, at least and at most, where they are not 1 and 40."""
_NAMES: Final = frozenset(("heading", "title", "link", "term"))
"""Kinds whose queries must stand for one place alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and a passage that it speaks of."""

    kind: str
    """One of KINDS."""
    query: str
    target: str
    document: str
    """The document that the target lies in."""
    scope: tuple[int, int]
    """The rows of that document that the query speaks of, start and end: other passages there are right, too."""

    @property
    def group(self) -> str:
        """The site or folder that the document is of."""
        return group_of(self.document)

    def overlaps(self, other: "Pair") -> bool:
        """Whether one's query may speak of the other's target."""
        (start, end), (begin, stop) = self.scope, other.scope
        return self.target == other.target or (self.document == other.document and start < stop and begin < end)


def group_of(name: str) -> str:
    """Return what a document belongs to by its name: the host of a URL, the folder of a path."""
    return urlsplit(name).netloc if "://" in name else str(PurePosixPath(name).parent)


def mine(
    documents: Iterable[tuple[str, Document]], *, limit: int = 256, count: Callable[[str], int] = words, fill: int = 32
) -> list[Pair]:
    """Return the pairs of some documents, in order. One document at a time is read.

    Args:
        documents: names and documents. Links are followed by the names, if a document has no URL of its own.
        limit, count, fill: how passages are cut, as the encoder that is to learn from them reads; see `split`.
    """
    made: list[Pair] = []
    homes: dict[str, tuple[str, Pair]] = {}
    """What a page is known as -> its name, and a pair whose target opens it."""
    links: list[tuple[str, str, str]] = []
    for name, document in documents:
        one = _Page(name, document, limit, count, fill)
        made += one.pairs()
        home = home_of(document, name)
        opening = Pair("link", "", one.passages[0].words, name, (0, len(document))) if one.passages else None
        for address in (home, document.metadata.canonical_url):
            if opening is not None and address and (known := known_as(home, address)):
                homes.setdefault(known, (name, opening))
        links += [
            (name, _line(link.text), known_as(home, link.href))
            for link in document.links
            if document.effective_roles[link.row] not in BOILERPLATE and link.href
        ]
    for name, text, known in links:
        page, opening = homes.get(known, (name, None))
        if opening is not None and page != name:
            made.append(Pair("link", text, opening.target, page, opening.scope))
    return list(_clear(made))


def _clear(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Leave out what is too short or too long, what stands twice, and names of several places."""
    places: dict[tuple[str, str], set[tuple[str, tuple[int, int]]]] = defaultdict(set)
    for pair in pairs:
        places[pair.kind, pair.query.casefold()].add((pair.document, pair.scope))
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        least, most = _ASKS.get(pair.kind, (1, 40))
        named = pair.kind in _NAMES and len(places[pair.kind, pair.query.casefold()]) > 1
        asks = least <= words(pair.query) <= most and any(map(str.isalpha, pair.query))
        if asks and not named and words(pair.target) >= SHORTEST and (key := (pair.query, pair.target)) not in seen:
            seen.add(key)
            yield pair


class _Page:
    """The pairs of one document."""

    def __init__(self, name: str, document: Document, limit: int, count: Callable[[str], int], fill: int) -> None:
        self.name, self.document, self.limit = name, document, limit
        self.sizes = Sizes(count)
        self.passages = split(document, limit, count, fill=fill, context=False)
        self.scopes: dict[int, tuple[int, int]] = {}
        """By row of a heading: the rows from it to the last that stands under it."""
        for passage in self.passages:
            end = max(int(document.subtree_end[row]) for row in passage.rows)
            for heading in passage.headings:
                self.scopes[heading] = (heading, max(end, self.scopes.get(heading, (0, 0))[1]))
        self.holder: dict[int, int] = {}
        """A row -> the first passage that it is in, by number."""
        for n, passage in enumerate(self.passages):
            for row in passage.rows:
                self.holder.setdefault(row, n)
        self.title = next((row for row in self.scopes if self._is_title(row)), -1)

    def pairs(self) -> Iterator[Pair]:
        """Yield them by kind."""
        yield from self._headings()
        for row, kind in enumerate(self.document.kind):
            if kind == "caption" and self.document.effective_roles[row] not in BOILERPLATE:
                yield from self._caption(row)
            elif kind == "term" and self.document.effective_roles[row] not in BOILERPLATE:
                yield from self._term(row)
        for passage in self.passages:
            yield from self._opening(passage)

    def _pair(self, kind: str, query: str, target: str, scope: tuple[int, int]) -> Pair:
        return Pair(kind, _line(query), target.strip(), self.name, scope)

    def _is_title(self, row: int) -> bool:
        attributes = self.document.attributes.get(row, {})
        return self.document.kind[row] == "field" or attributes.get("level") == 1 or attributes.get("title") is True

    def _scope(self, passage: Passage) -> tuple[int, int]:
        """Return the rows of the section that a passage is of."""
        whole = (0, len(self.document))
        return self.scopes[passage.headings[-1]] if passage.headings else whole

    def _headings(self) -> Iterator[Pair]:
        """Pair each heading with the first passages right under it, and the title with those that open the page."""
        document, whole = self.document, (0, len(self.document))
        title = document.metadata.title or (document[self.title].text if self.title >= 0 else "")
        under: dict[int, list[Passage]] = defaultdict(list)
        for passage in self.passages:
            if passage.kind not in ("figure", "image") and words(passage.words) >= SHORTEST:
                under[passage.headings[-1] if passage.headings else -1].append(passage)
        for passage in [one for some in under.values() for one in some][:PASSAGES]:
            yield self._pair("title", title, passage.words, whole)
        for heading, some in under.items():
            if heading >= 0 and (heading != self.title or _line(document[heading].text) != _line(title)):
                for passage in some[:PASSAGES]:
                    yield self._pair("heading", document[heading].text, passage.words, self.scopes[heading])

    def _caption(self, row: int) -> Iterator[Pair]:
        """Pair a caption with its table, or with what is said of its image and with the paragraph before or after."""
        document, figure = self.document, int(self.document.parent[row])
        rows = range(figure, int(document.subtree_end[figure]))
        query = document[row].text
        holder = min((self.holder[one] for one in rows if one in self.holder), default=-1)
        scope = self._scope(self.passages[holder]) if holder >= 0 else (rows.start, rows.stop)
        for table in (one for one in rows if document.kind[one] == "table"):
            lines = next(row_groups(table_lines(document, table), self.sizes, self.limit), [])
            yield self._pair("table", query, "\n".join(line.text for line in lines), scope)
        images = [one for one in rows if document.kind[one] == "image"]
        if not images:
            return
        alts = [alt for alt in dict.fromkeys(alt_of(document, one) for one in images) if alt != _line(query)]
        yield self._pair("image", query, "\n\n".join(alts), scope)
        if holder < 0:
            return
        beside = [self.passages[n] for n in (holder - 1, holder + 1) if 0 <= n < len(self.passages)]
        near = [one for one in beside if one.kind != "figure" and self._scope(one) == scope]
        if words(rest := self._without(self.passages[holder], row)) >= SHORTEST:
            yield self._pair("caption", query, rest, scope)
        elif near:
            yield self._pair("caption", query, near[0].words, scope)

    def _without(self, passage: Passage, row: int) -> str:
        """Return a passage's text without that of a node in it; "" where it is no slice of the document's."""
        (first, last), (start, end) = passage.span, self.document.span[row].tolist()
        if passage.text != self.document.text[first:last] or not first <= start <= end <= last:
            return ""
        text = self.document.text[first:start].rstrip() + "\n\n" + self.document.text[end:last].lstrip()
        return text.strip()

    def _term(self, row: int) -> Iterator[Pair]:
        """Pair a term with the definition right after it."""
        document, after = self.document, int(self.document.subtree_end[row])
        if (
            after < len(document)
            and document.parent[after] == document.parent[row]
            and document.kind[after] == "definition"
        ):
            scope = (row, int(document.subtree_end[after]))
            yield self._pair("term", document[row].text, document[after].text, scope)

    def _opening(self, passage: Passage) -> Iterator[Pair]:
        """Pair the first sentence of a paragraph with the rest of it."""
        if passage.kind != "paragraph":
            return
        spans = sentence_spans(passage.text, self.document.metadata.language)
        if len(spans) > 1:
            scope = (passage.rows[0], int(self.document.subtree_end[passage.rows[-1]]))
            first, rest = passage.text[slice(*spans[0])], passage.text[spans[1][0] :]
            yield self._pair("opening", first, rest, scope)


def _line(text: str) -> str:
    return " ".join(text.split())
