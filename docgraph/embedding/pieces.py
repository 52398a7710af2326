"""WordPiece: a text to the rows of a vocabulary, as BERT's uncased tokenizer reads it, without its library.

    text ─ letter by letter: controls out, accents off, small, marks and Chinese apart ─ split ─> words ─> pieces

A word is cut, from its start, into the longest pieces that the vocabulary has; those that go on begin with ##. A word
that cannot be cut, or is longer than 100 letters, is [UNK]. Each letter is looked up once in a process, each word while
it is among the last quarter million. Source: Devlin et al. 2018, BERT, `tokenization.py`; the rows are those of the
library `tokenizers`, which tests compare.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

LONGEST: Final = 100
"""Letters of a word."""
REMEMBERED: Final = 1 << 18
"""Words whose pieces are remembered."""
UNKNOWN: Final = "[UNK]"
_CHINESE: Final = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""Characters that are words, as BERT has them: the fifth block begins at 2B820 in Unicode, and at 2B920 there."""


class _Letters(dict[int, str]):
    """A character -> what it is read as; made when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = read = "".join(map(_read, unicodedata.normalize("NFD", _clean(chr(code)))))
        return read


def _clean(letter: str) -> str:
    """Return a character, a space for white space, nothing for a control, and spaces around a Chinese one."""
    if letter in "\t\n\r":
        return " "
    if letter == "\ufffd" or unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs"):
        return ""
    if letter.isspace():
        return " "
    code = ord(letter)
    return f" {letter} " if any(first <= code <= last for first, last in _CHINESE) else letter


def _read(letter: str) -> str:
    """Return a decomposed character, small; nothing for an accent, and spaces around a mark."""
    kind = unicodedata.category(letter)
    if kind == "Mn":
        return ""
    is_mark = kind[0] == "P" or (letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " ")
    return f" {letter} " if is_mark else letter.lower()


_LETTERS: Final = _Letters()


class WordPiece:
    """Cuts texts into the pieces of a vocabulary.

    Args:
        vocabulary: pieces; a row is the place of one. [UNK] is among them.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._row = {piece: row for row, piece in enumerate(vocabulary)}
        self._longest = max(map(len, vocabulary))
        self._unknown = (self._row[UNKNOWN],)
        self._pieces = lru_cache(maxsize=REMEMBERED)(self._cut)

    def rows(self, text: str) -> list[int]:
        """Return the row of each piece of a text."""
        return list(chain.from_iterable(map(self._pieces, text.translate(_LETTERS).split())))

    def _cut(self, word: str) -> tuple[int, ...]:
        """Return the rows of a word's pieces, the longest first piece first."""
        if len(word) > LONGEST:
            return self._unknown
        rows, start = [], 0
        while start < len(word):
            begun = "##" if start else ""
            stops = range(min(len(word), start + self._longest), start, -1)
            stop = next((one for one in stops if begun + word[start:one] in self._row), None)
            if stop is None:
                return self._unknown
            rows.append(self._row[begun + word[start:stop]])
            start = stop
        return tuple(rows)
