"""The nodes of a page as things to be labelled: what each says, and what stands around it.

    Document, perhaps its file ──page_nodes──> [PageNode, ...] in document order

What is read of a node are fields, as of an article; n-grams of all but the first count apart from its own words
(`DocumentConfig.regression_marked`):

text       its own words; of an image its alternative text and caption
headings   those above it                       names   tag, class names and ids on its DOM path, its own first
before     the text block before it: kind, length, share of links, its first words; after: the one after it
place      its kind, length, share of links, depth, and where in the page it stands, by steps
role       what part of the page the parser takes it for, and how sure it is that this is main text

Nodes are the blocks of text (paragraphs, headings, items, cells, captions ...) unless kinds are named, such as sections
or images. No torch.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from docgraph import Document, Limits
from docgraph.chunks import image_of
from docgraph.headings import heading_paths
from docgraph.main_text import text_blocks
from docgraph.parsers.decode import decode
from docgraph.parsers.files import HTML_SUFFIXES, document_suffix, read_bounded
from docgraph.parsers.html.elements import read_markup

FIELDS: Final = ("text", "headings", "before", "after", "names", "place", "role")
OWN: Final = FIELDS[0]
AROUND: Final = 200
"""Characters that are read of the block before and of the one after."""
LEVELS: Final = 5
"""Elements whose names are read: the node's own and those around it."""
MOST_NAMES: Final = 12
"""Words of the names of one element."""
_NAMES: Final = ("class", "id", "itemprop", "role")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
WHOLE: Final = frozenset(("section", "group", "list", "table", "figure", "form", "field", "image", "media"))
"""Kinds that are labelled as a whole where they are asked for; of others only the blocks of text are, not what holds
blocks, such as an item with paragraphs."""
_NEVER: Final = frozenset(("sentence", "page", "site", "document", "article"))


class PageNode(NamedTuple):
    """One node of a page, to be labelled."""

    row: int
    """Of the document."""
    path: str
    """XPath of its element, as in the rows of `docgraph embed`; "" where the page has none."""
    kind: str
    headings: tuple[str, ...]
    """Those above it, outermost first."""
    fields: tuple[tuple[str, str], ...]
    """Name and text of each of `FIELDS` that is there."""

    @property
    def text(self) -> str:
        """Its own words, in one line."""
        return " ".join(dict(self.fields).get(OWN, "").split())


def page_nodes(
    document: Document, file: str | Path | None = None, kinds: Collection[str] | None = None
) -> list[PageNode]:
    """Return the nodes of a page that are to be labelled, in document order.

    Args:
        file: the page's, for the class names of its elements, which a document does not hold.
        kinds: of nodes; None for all blocks of text. See `WHOLE`.

    Raises:
        ParseError: the file cannot be read.
    """
    blocks = [row for row in text_blocks(document) if document.kind[row] not in _NEVER]
    wanted = blocks
    if kinds is not None:
        whole = WHOLE.intersection(kinds)
        rows = {row for row in blocks if document.kind[row] in kinds}
        rows |= {row for row, kind in enumerate(document.kind) if kind in whole and _words(document, row, kind)}
        wanted = sorted(rows)
    names = {} if file is None else _names(document, Path(file), wanted)
    paths = heading_paths(document)
    near = [_near(document, row) for row in blocks]
    found, after = [], 0
    for row in wanted:
        end = int(document.subtree_end[row])
        while after < len(blocks) and blocks[after] < row:
            after += 1
        before, following = after - 1, after
        while following < len(blocks) and blocks[following] < end:
            following += 1
        node = document[row]
        headings = tuple(" ".join(document[one].text.split()) for one in paths[row] if one != row)
        values = {
            OWN: _words(document, row, node.kind),
            "headings": " > ".join(one[:AROUND] for one in headings),
            "before": near[before] if before >= 0 else "",
            "after": near[following] if following < len(blocks) else "",
            "names": names.get(row, ""),
            "place": f"{_shape(document, row)} depth{min(node.depth, 15)} "
            f"under {'nothing' if node.parent is None else node.parent.kind} place{10 * after // max(len(blocks), 1)} "
            f"first{min(after, 9)} last{min(len(blocks) - after, 9)}",
            "role": f"role {node.role or 'none'} score{_step(_score(document, row))}",
        }
        fields = tuple((name, value) for name, value in values.items() if value)
        found.append(PageNode(row, node.source.xpath or "", node.kind, headings, fields))
    return found


def _words(document: Document, row: int, kind: str) -> str:
    if kind != "image":
        return document[row].text.strip()
    image = image_of(document, row)
    return "\n\n".join(dict.fromkeys(part for part in (image.alt, image.caption) if part)) or "image"


def _shape(document: Document, row: int) -> str:
    """Return kind, length and share of links in three words: lengths by powers of two, shares by tenths."""
    node = document[row]
    start, end = node.span
    rows = range(row, int(document.subtree_end[row]))
    links = (mark for one in rows for mark in document.marks_by_row.get(one, ()) if mark.type == "link")
    share = sum(mark.end - mark.start for mark in links) / max(end - start, 1)
    return f"{node.kind} length{len(node.text.split()).bit_length()} links{_step(min(share, 1))}"


def _near(document: Document, row: int) -> str:
    """Return what others read of a block beside them: its first words alone, so that one encoding serves all."""
    text = " ".join(document[row].text.split())
    cut = text if len(text) <= AROUND else text[:AROUND].rpartition(" ")[0] or text[:AROUND]
    return f"{_shape(document, row)}\n\n{cut}"


def _score(document: Document, row: int) -> float | None:
    return next((one.score for one in (document[row], *document[row].ancestors) if one.score is not None), None)


def _step(share: float | None) -> str:
    """Return a share as a word."""
    return "none" if share is None else str(round(10 * share))


def _names(document: Document, file: Path, rows: Sequence[int]) -> dict[int, str]:
    """Return of each row the tag, class names, ids and the like of its element and of those around it."""
    sources = document.sources
    if sources is None or document_suffix(file) not in HTML_SUFFIXES:
        return {}
    limits = Limits()
    markup = decode(read_bounded(file, limits)[: limits.input_bytes]).text
    elements = read_markup(markup, most=limits.nodes)
    if len(elements) != len(sources.element_parent):  # parsed otherwise: its rows are others
        return {}

    @cache  # those around one are around many
    def named(element: int) -> str:
        words = islice(_named(elements.attributes[element]), MOST_NAMES)
        return " ".join(dict.fromkeys((elements.tag[element], *words)))

    return {row: " . ".join(map(named, elements.around(int(sources.node_element[row]), LEVELS))) for row in rows}


def _named(attributes: Mapping[str, str]) -> Iterator[str]:
    words = (word[0] for name in _NAMES for word in _WORD.finditer(attributes.get(name) or ""))
    return (word.lower() for word in words if len(word) > 1)
