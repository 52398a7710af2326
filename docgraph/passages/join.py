"""Join blocks into passages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from docgraph.columns import Columns
from docgraph.errors import DocumentError, check_whole
from docgraph.passages.blocks import Block, Blocks
from docgraph.passages.sizes import SEPARATOR, WORD, Sizes
from docgraph.sentences import sentence_spans


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of a document."""

    rows: tuple[int, ...]
    """The nodes it is made of, in order; of a node that was cut, each piece has its row."""
    kind: str
    """The kind of its one node, or "passage" where several were joined."""
    span: tuple[int, int]
    """Start and end in the document's text."""
    text: str
    """That slice; a table as one line a row, each piece of it under the header; "" for images alone."""
    section: int
    """The row of the section it lies in (or page, article, field ...)."""
    headings: tuple[int, ...]
    """Rows of the headings that it stands under, outermost first, its own section's included."""
    context: tuple[str, ...]
    """Those of them to put before `text` to say where it comes from: not the ones it begins with, and no more than
    fit into half the limit, the innermost first. The title, where no heading stands for it."""
    images: tuple[int, ...]
    alts: tuple[str, ...]
    """What its images say in words: alternative texts, in order, those left out that `text` holds."""

    @property
    def words(self) -> str:
        """The text and what the images say."""
        return SEPARATOR.join(part for part in (self.text, *self.alts) if part)

    @property
    def contextualized(self) -> str:
        """The same under its headings."""
        return SEPARATOR.join(part for part in ("\n".join(self.context), self.words) if part)


def split(
    document: Columns,
    limit: int,
    count: Callable[[str], int],
    *,
    fill: int | None = None,
    overlap: int = 0,
    context: bool = True,
    boilerplate: bool = False,
) -> list[Passage]:
    """Return the passages of a document, in order.

    Args:
        limit: tokens that a passage may have, its headings included; only a single letter may have more.
        count: what counts them; see `counter`.
        fill: blocks are joined while they have fewer tokens than this; None for as many as the limit allows.
        overlap: tokens of the passage before that a passage begins with, in whole sentences where they fit.
        context: whether headings belong to passages: room is left for the path, and the first passage of a section
            begins with its heading. If not, a heading is a passage only where nothing stands under it.
        boilerplate: whether navigation, headers, footers and asides are read, too. A page of nothing else is read.

    Raises:
        DocumentError: a number is none, or out of range.
    """
    check_whole("max_tokens", limit, error=DocumentError)
    check_whole("overlap", overlap, least=0, error=DocumentError)
    if not 0 <= overlap <= limit // 2:
        raise DocumentError(f"overlap must lie between 0 and half of max_tokens={limit}, but is {overlap}.")
    sizes = Sizes(count)
    blocks = Blocks(document, sizes, limit=limit, overlap=overlap, context=context, boilerplate=boilerplate)
    passages = _Joiner(document, sizes, limit, overlap).joined(blocks, limit if fill is None else fill)
    if not passages and not boilerplate:
        return split(document, limit, count, fill=fill, overlap=overlap, context=context, boilerplate=True)
    return passages


@dataclass(slots=True)
class _Joiner:
    document: Columns
    sizes: Sizes
    limit: int
    overlap: int
    passages: list[Passage] = field(default_factory=list)

    def joined(self, blocks: Iterable[Block], fill: int) -> list[Passage]:
        """Join blocks of one place that stand side by side."""
        group: list[Block] = []
        used = 0
        for block in blocks:
            if group and (
                block.place != group[-1].place
                or block.glued
                or used >= fill
                or used + block.tokens > block.place.budget
                or self.document.text[group[-1].span[1] : block.span[0]].strip()
            ):
                self._add(group)
                group, used = [], 0
            group.append(block)
            used += block.tokens
        if group:
            self._add(group)
        return self.passages

    def _add(self, group: list[Block]) -> None:
        """Add a group as one passage; as two where joined texts have more tokens than they had alone."""
        passage = self._passage(group, self._overlap(group[0]))
        if not passage.words:
            return  # an image without words in a section without words
        if len(group) > 1 and not self._fits(passage):
            self._add(group[: len(group) // 2])
            self._add(group[len(group) // 2 :])
            return
        if not self._fits(passage):
            passage = self._passage(group, group[0].span[0])
        while passage.context and not self._fits(passage):
            passage = replace(passage, context=passage.context[1:])
        self.passages.append(passage)

    def _fits(self, passage: Passage) -> bool:
        return self.sizes.count(passage.contextualized) <= self.limit

    def _passage(self, group: list[Block], begin: int) -> Passage:
        """Return a group of blocks as one passage that begins with the document's text from `begin`."""
        document, first = self.document, group[0]
        worded = [block for block in group if block.text] or [first]
        text = document.text[begin : first.span[0]] + worded[0].text
        for before, block in pairwise(worded):
            between = document.text[before.span[1] : block.span[0]]
            # pieces of a word touch; those of a table's row, which has its header again, are lines apart
            text += (between if between or block.kind != "table" else SEPARATOR) + block.text
        rows = tuple(dict.fromkeys(row for block in group for row in block.rows))
        return Passage(
            rows=rows,
            kind=first.kind if len(rows) - first.glued == 1 else "passage",
            span=(begin if begin < first.span[0] else worded[0].span[0], worded[-1].span[1]),
            text=text,
            section=first.place.section,
            headings=first.place.headings,
            context=first.place.context[: len(first.place.context) - first.glued],
            images=tuple(dict.fromkeys(image for block in group for image in block.images)),
            alts=tuple(alt for block in group for alt in block.alts),
        )

    def _overlap(self, first: Block) -> int:
        """Return where a passage begins: with the end of the one before, where both are plain text of one section."""
        document, stop = self.document, first.span[0]
        if not self.overlap or not self.passages or first.glued or not first.text or first.kind == "table":
            return stop
        last = self.passages[-1]
        begin, end = last.span
        if last.headings != first.place.headings or document.text[end:stop].strip() or not last.text:
            return stop
        if last.section != first.place.section or document.text[begin:end] != last.text:
            return stop
        tail = document.text[begin:stop]
        starts = [start for start, _ in sentence_spans(tail, document.metadata.language)]
        starts += [match.start() for match in list(WORD.finditer(tail))[-self.overlap :]]
        return next((begin + start for start in starts if self.sizes.tokens(tail[start:]) <= self.overlap), stop)
