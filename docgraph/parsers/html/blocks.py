"""Text blocks, and the one being read: inline content between two boundaries, white space collapsed as it comes.

    text, marks, images, breaks ─ OpenBlock ─> TextBlock        TextBlocks and block elements in order ─> Flow

White space: runs of it become one space, across inline elements; none is added or taken at an inline boundary, so
"wo<b>rd</b>" stays one word. `<br>` is a line break, two of them end the block. `<pre>` and its kin stay as they are.
Letters that only say where a line may break (soft hyphens) are left out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

InlineMark = tuple[int, int, str, int]
"""Start, end, type, element."""

_WORDS_BY_SPACE = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer: a zero-width space between words of these is the only sign of a word's end."""
_BREAK_HINTS: Final = re.compile(rf"[\xad\u2060\ufeff]|(?<![{_WORDS_BY_SPACE}])\u200b|\u200b(?![{_WORDS_BY_SPACE}])")
ENDS_SENTENCE: Final = re.compile(r"[.!?…。！？؟।։።][\"'”’»)\]」』]*\s*$")
_PARAGRAPH_LETTERS: Final = 60
_PARAGRAPH_SIGNS: Final = 20
"""A line as long as this that ends like a sentence is a paragraph; the second for Chinese and Japanese."""
_PARAGRAPH_SHARE: Final = 0.6
_NOTHING: Final = " \t\r\n\u200b\u200c\u200d\u2060\ufeff\xad\xa0"
"""A block of nothing but these holds no text."""


@dataclass(slots=True)
class TextBlock:
    """One run of inline content: a paragraph, a heading, the words of a cell."""

    element: int
    """The block element it stands in."""
    text: str
    marks: list[InlineMark]
    images: list[tuple[int, int, int]]
    """(offset in the text, image or media element, link element around it or -1)."""
    linked: int
    """Characters of the text within links."""
    preformatted: bool = False

    def trimmed(self) -> "TextBlock":
        """Return the block without white space at the front, which only a preformatted one has."""
        front = len(self.text) - len(self.text.lstrip())
        if not front:
            return self
        marks = [(max(s - front, 0), e - front, type_, row) for s, e, type_, row in self.marks if e > front]
        images = [(max(offset - front, 0), row, link) for offset, row, link in self.images]
        return TextBlock(self.element, self.text[front:], marks, images, self.linked, self.preformatted)

    def image_above(self) -> "TextBlock | None":
        """Take out the image that stands above an emphasised line, and return it as a block of its own, or None."""
        if len(self.images) != 1 or self.images[0][0] or self.preformatted:
            return None
        if not any(e - s >= len(self.text) and type_ in ("emphasis", "small") for s, e, type_, _ in self.marks):
            return None
        images, self.images = self.images, []
        return TextBlock(self.element, "", [], images, 0)

    def paragraphs(self) -> list["TextBlock"]:
        """Return the block cut at its line breaks where lines are paragraphs: long, and ending like a sentence.

        Most of the text must be in at least two such lines. A line that ends like a sentence, however short, is a
        paragraph among them; lines that do not, such as an address, stay together.
        """
        if self.preformatted or "\n" not in self.text:
            return [self]
        lines = self.text.split("\n")
        long = [_is_paragraph(line) for line in lines]
        held = sum(len(line) for line, is_long in zip(lines, long, strict=True) if is_long)
        if sum(long) < 2 or held < _PARAGRAPH_SHARE * len(self.text):
            return [self]
        cuts, place = [], -1
        for line, next_is_long in zip(lines, long[1:], strict=False):
            place += len(line) + 1
            if next_is_long or ENDS_SENTENCE.search(line):
                cuts.append(place)
        return [block for block in self.cut(cuts) if block.text or block.images]

    def cut(self, places: Sequence[int]) -> list["TextBlock"]:
        """Return the parts between some places of the text, without the white space at their ends."""
        parts: list[TextBlock] = []
        fronts: list[int] = []
        for start, end in pairwise((0, *places, len(self.text))):
            piece = self.text[start:end]
            fronts.append(start + len(piece) - len(piece.lstrip()))
            parts.append(TextBlock(self.element, piece.strip(), [], [], 0))
        for s, e, type_, row in self.marks:
            for index in range(bisect_right(fronts, s, 1) - 1, len(parts)):
                part, front = parts[index], fronts[index]
                start, end = max(s - front, 0), min(e - front, len(part.text))
                if e <= front:
                    break
                if start < end:
                    part.marks.append((start, end, type_, row))
                    part.linked += end - start if type_ == "link" else 0
        for offset, row, link in self.images:
            index = bisect_right(fronts, offset, 1) - 1
            part = parts[index]
            part.images.append((min(max(offset - fronts[index], 0), len(part.text)), row, link))
        return parts


def _is_paragraph(line: str) -> bool:
    """Whether a line is long enough for a paragraph, in the letters of its script, and ends like a sentence."""
    line = line.strip()
    least = _PARAGRAPH_SIGNS if line[-1:] in ("。", "！", "？", "」", "』") else _PARAGRAPH_LETTERS
    return len(line) >= least and ENDS_SENTENCE.search(line) is not None


@dataclass(slots=True)
class Flow:
    """The text blocks of a page between its block elements."""

    items: list["int | TextBlock"] = field(default_factory=list)
    """Block elements where they open (row) and close (~row), text blocks in between, in document order."""
    headings: dict[int, int] = field(default_factory=dict)
    """Heading elements that hold a title (and not, left open, half the page) -> level."""
    twins: dict[int, int] = field(default_factory=dict)
    """Image -> its twin inside `noscript`, which has the source that a script would load."""
    from_noscript: set[int] = field(default_factory=set)
    """Images inside `noscript` without a twin outside, kept in their place."""
    repeated: set[int] = field(default_factory=set)
    """Places in `items` of texts that the page has twice, for two kinds of screen: the second of each two."""
    named: dict[int, str] = field(default_factory=dict)
    """Elements that their class calls a "caption" or a "credit" -> which."""
    tex: dict[int, str] = field(default_factory=dict)
    """Element of a formula -> its TeX source."""
    readings: dict[int, str] = field(default_factory=dict)
    """Element of a reading (`rt`) -> how the words before it are read."""
    plain_tables: set[int] = field(default_factory=set)
    """Tables that are no grids: they number the lines of code, or set formulas apart."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Warnings: code and message."""
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    _blocks: list[tuple[int, TextBlock]] = field(default_factory=list)

    def put(self, items: Iterable["int | TextBlock"]) -> None:
        """Put other items in the place of those that are there."""
        self.items, self._blocks, self._places = list(items), [], {}

    def blocks(self) -> list[tuple[int, TextBlock]]:
        """Return the text blocks with their places in `items`, which then are changed by `put` alone."""
        if not self._blocks:
            self._blocks = [(index, item) for index, item in enumerate(self.items) if isinstance(item, TextBlock)]
        return self._blocks

    def places(self) -> dict[int, tuple[int, int]]:
        """Return where each block element opens and closes in `items`."""
        if not self._places:
            opened: dict[int, int] = {}
            for index, item in enumerate(self.items):
                if isinstance(item, int):
                    if item >= 0:
                        opened[item] = index
                    else:
                        self._places[~item] = (opened[~item], index)
        return self._places


class OpenBlock:
    """The text block being read."""

    __slots__ = ("broken", "images", "length", "marks", "open_marks", "pieces", "spaced", "verbatim")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.spaced = True
        """Whether the block is empty or ends in white space."""
        self.broken = False
        """Whether the block ends in a line break."""
        self.marks: list[InlineMark] = []
        self.open_marks: dict[str, tuple[int, int]] = {}
        """Type -> (start in the block, element) of the outermost open element of that type."""
        self.images: list[tuple[int, int, int]] = []
        self.verbatim = 0
        """Number of open preformatted elements."""

    def add_text(self, text: str) -> None:
        """Add text of the page, white space collapsed unless it is preformatted."""
        if not text.isascii() and ("\xad" in text or "\u200b" in text or "\u2060" in text or "\ufeff" in text):
            text = _BREAK_HINTS.sub("", text)
        if self.verbatim:
            text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
            self.pieces.append(text)
            self.length += len(text)
            self.spaced = self.broken = text.endswith("\n")
            return
        words = " ".join(text.split())
        if not words:
            if not self.spaced and text:
                self.pieces.append(" ")
                self.length += 1
                self.spaced = True
            return
        if not self.spaced and text[0].isspace():
            words = " " + words
        self.broken = False
        self.spaced = text[-1].isspace()
        if self.spaced:
            words += " "
        self.pieces.append(words)
        self.length += len(words)

    def add_break(self) -> None:
        """Add a line break, unless the block is empty."""
        if self.verbatim:
            self.add_text("\n")
        elif self.length:
            if self.spaced and self.pieces[-1].endswith(" "):
                self.pieces[-1] = self.pieces[-1][:-1]
                self.length -= 1
            self.pieces.append("\n")
            self.length += 1
            self.spaced = self.broken = True

    def start_line(self) -> None:
        """Begin a new line of preformatted text, unless it stands at one."""
        if self.pieces and not self.pieces[-1].endswith("\n"):
            self.add_text("\n")

    def add_image(self, row: int) -> None:
        """Add an image or media element at the end."""
        link = self.open_marks.get("link")
        self.images.append((self.length, row, link[1] if link else -1))

    def open_mark(self, type_: str, row: int) -> None:
        """Begin a mark; one within another of the same type is part of it."""
        self.open_marks.setdefault(type_, (self.length, row))

    def close_mark(self, type_: str, row: int) -> None:
        """End the mark that an element began, if it began one."""
        opened = self.open_marks.get(type_)
        if opened is not None and opened[1] == row:
            del self.open_marks[type_]
            self.marks.append((opened[0], self.length, type_, row))

    def take(self, element: int) -> TextBlock | None:
        """Return the block, if there is anything to see in it, and begin the next; open marks go on in it."""
        block = None
        if self.length or self.images:
            text = self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)
            whole = len(text)
            front = 0
            if self.verbatim:
                text = text.lstrip("\n")
                front = whole - len(text)
            text = text.rstrip()
            if not text.strip(_NOTHING):
                text = ""
            if text or self.images:
                plain = not (self.marks or self.open_marks or self.images)
                block = (
                    TextBlock(element, text, [], [], 0, self.verbatim > 0)
                    if plain
                    else self._marked(element, text, front)
                )
            self.pieces.clear()
            if self.marks:
                self.marks = []
            if self.images:
                self.images = []
            self.length = 0
        if self.open_marks:
            for type_, (_, row) in self.open_marks.items():
                self.open_marks[type_] = (0, row)
        self.spaced, self.broken = True, False
        return block

    def _marked(self, element: int, text: str, front: int) -> TextBlock:
        """Return the block with its marks and images, whose offsets lose `front` characters."""
        end = len(text)
        kept: list[InlineMark] = []
        linked = 0
        still_open = [(start, self.length, type_, row) for type_, (start, row) in self.open_marks.items()]
        for start, stop, type_, row in self.marks + still_open:
            start, stop = max(start - front, 0), min(stop - front, end)
            if start < stop:
                kept.append((start, stop, type_, row))
                if type_ == "link":
                    linked += stop - start
        images = [(min(max(offset - front, 0), end), row, link) for offset, row, link in self.images]
        return TextBlock(element, text, kept, images, linked, self.verbatim > 0)
