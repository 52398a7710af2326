"""What words say about main content, learned from pages of many sites: words of names, and words of short texts.

    class="post-relatedArticles" ─ words_of_name ─> post, related, articles, post-related-articles ─┐
    "Sign up for our newsletter" ─ words_of_text ─> sign, up, for, our, newsletter, "^sign up" ─────┴─ table ─> evidence

A word's evidence is the log-odds of what it names being main content, over that of any word: 0 says nothing, below
0 speaks against. It is averaged over sites, so one site counts once however many of its pages were seen, and it is
drawn towards 0 where few sites have the word. There are no lists by hand and no verdicts: the forest weighs it.
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from encodings import cp1252
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.elements import Attributes
from docgraph.parsers.html.main.names import said_by
from docgraph.parsers.html.tags import words_in

Floats = NDArray[np.float64]

HEAD_LETTERS: Final = 120
HEAD_WORDS: Final = 12
"""What is read of a text: it says early what it is."""
_LEVELS: Final = 5
_NAME_LETTERS: Final = 200
_MOST_NAMES: Final = 12
_MOST_KEPT: Final = 65_536
_MARKS: Final = ".,;:!?…\"'“”„’‘»«()[]{}|·•›>/*"
_NO_MARKS: Final = str.maketrans("0123456789", "0000000000", _MARKS)
_MARKS_AS_BYTES: Final = _MARKS.encode("cp1252")
_DIGITS_AS_BYTES: Final = bytes.maketrans(b"0123456789", b"0000000000")


@lru_cache(maxsize=16_384)
def words_of_name(names: str) -> tuple[str, ...]:
    """Return the words of a class or id attribute, and each name of several words as one."""
    words: list[str] = []
    for name in names[:_NAME_LETTERS].split()[:_MOST_NAMES]:
        parts = [part for part in words_in(said_by(name)) if len(part) > 1]
        words += parts
        if len(parts) > 1:
            words.append("-".join(parts))
    return tuple(words)


def words_of_element(tag: str, attributes: Attributes) -> tuple[str, ...]:
    """Return what an element says of itself: its tag ("<p"), its names, its role and what it is a property of."""
    if not attributes:
        return (f"<{tag}",)
    get = attributes.get
    return _words_of(tag, get("class") or "", get("id") or "", get("role") or "", get("itemprop") or "")


@lru_cache(maxsize=16_384)
def _words_of(tag: str, class_: str, id_: str, role: str, property_: str) -> tuple[str, ...]:
    words = {f"<{tag}": None}
    words.update(dict.fromkeys(words_of_name(class_)))
    words.update(dict.fromkeys(words_of_name(id_)))
    if role:
        words[f"role={role[:20]}"] = None
    if property_:
        words[f"prop={property_[:20].lower()}"] = None
    return tuple(words)


def in_code_page(text: str) -> bytes:
    """Return a text in the code page of western languages, cp1252, one byte a letter; `encode` takes twice as long.

    Raises:
        UnicodeEncodeError: it has other letters.
    """
    return text.encode() if text.isascii() else codecs.charmap_encode(text, "strict", cp1252.encoding_table)[0]


def words_of_text(text: str) -> list[str]:
    """Return the first words of a text, in small letters and without marks, every digit a 0."""
    head = text[:HEAD_LETTERS].lower()
    try:
        coded = in_code_page(head)
    except UnicodeEncodeError:
        return head.translate(_NO_MARKS).split()[:HEAD_WORDS]
    coded = coded.translate(_DIGITS_AS_BYTES, _MARKS_AS_BYTES)  # the same, several times as fast
    head = coded.decode() if coded.isascii() else codecs.charmap_decode(coded, "strict", cp1252.decoding_table)[0]
    return head.split()[:HEAD_WORDS]


@dataclass(slots=True)
class Clues:
    """The words around and in the blocks of a page: R elements above them, B blocks."""

    names: list[tuple[str, ...]]
    """(R) words of each element, parents before children."""
    parent: list[int]
    """(R) place of the parent in this list, -1 at the top."""
    share: Floats
    """(R,) share of the page's prose that each element holds."""
    owner: NDArray[np.intp]
    """(B,) place in this list of the element that each block stands in."""
    texts: list[list[str]]
    """(B) first words of each block."""


WORD_COLUMNS: Final = (
    *(f"names_{level}" for level in range(_LEVELS)), "names_least", "names_most", "names_sum", "share_of_least",
    "share_of_most", "text_mean", "text_least", "text_most", "text_opening",
)  # fmt: skip


class Words:
    """The learned tables: word -> evidence, for names and for texts."""

    def __init__(self, names: Mapping[str, float], texts: Mapping[str, float]) -> None:
        self._names, self._texts = names, texts
        self._of_names: dict[tuple[str, ...], float] = {}

    def of_name(self, words: tuple[str, ...]) -> float:
        """Return the mean evidence of the words of an element that the table knows, 0 if it knows none."""
        value = self._of_names.get(words)
        if value is None:
            known = [self._names[word] for word in words if word in self._names]
            value = sum(known) / len(known) if known else 0.0
            if len(self._of_names) < _MOST_KEPT:
                self._of_names[words] = value
        return value

    def columns(self, clues: Clues) -> Floats:
        """Return the (B, 14) columns `WORD_COLUMNS`: of the elements around each block, and of its own first words."""
        if not clues.names:
            return np.zeros((0, len(WORD_COLUMNS)))
        own = list(map(self.of_name, clues.names))
        least, most, total = list(own), list(own), list(own)
        least_at, most_at = list(range(len(own))), list(range(len(own)))
        for row, above in enumerate(clues.parent):
            if above < 0:
                continue
            total[row] += total[above]
            if least[above] < least[row]:
                least[row], least_at[row] = least[above], least_at[above]
            if most[above] > most[row]:
                most[row], most_at[row] = most[above], most_at[above]
        value, parent = np.asarray([*own, 0.0]), np.asarray([*clues.parent, -1], dtype=np.intp)
        columns, place = [], clues.owner
        for _ in range(_LEVELS):
            columns.append(value[place])
            place = parent[place]
        chains = (least, most, total, clues.share[least_at], clues.share[most_at])
        columns += [np.asarray(values)[clues.owner] for values in chains]
        texts = np.asarray([self._of_text(words) for words in clues.texts])
        return np.concatenate([np.stack(columns, axis=1), texts], axis=1)

    def _of_text(self, words: list[str]) -> tuple[float, float, float, float]:
        texts = self._texts
        known = [texts[word] for word in words if word in texts]
        opening = texts.get(opening_of(words), 0.0) if len(words) > 1 else 0.0
        return (sum(known) / len(known), min(known), max(known), opening) if known else (0.0, 0.0, 0.0, opening)


def opening_of(words: list[str]) -> str:
    """Return how the table names the first two words of a text."""
    return f"^{words[0]} {words[1]}"
