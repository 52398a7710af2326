"""How large a text is, in the caller's tokens, and where it is cut to a size: between sentences, words, letters."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from docgraph.errors import DocumentError

SEPARATOR: Final = "\n\n"
_SCRIPTS: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Written without spaces: each letter counts as a word."""
WORD: Final = re.compile(rf"[{_SCRIPTS}]|[^\s{_SCRIPTS}]+")


def words(text: str) -> int:
    """Return the number of words: runs without white space; Chinese and Japanese letters count one each."""
    return len(text.split() if text.isascii() else WORD.findall(text))


def counter(count: Any = None) -> Callable[[str], int]:
    """Return a function that counts a text's tokens: `words`, the caller's own, or a tokenizer's `encode`.

    Raises:
        DocumentError: it is neither a function nor a tokenizer.
    """
    if count is None:
        return words
    if not isinstance(count, str) and (encode := getattr(count, "encode", None)):

        def tokens(text: str) -> int:
            found = encode(text)
            return len(getattr(found, "ids", found))

        return tokens
    if not callable(count):
        raise DocumentError(f"count must be a function of a text or a tokenizer, but is a {type(count).__name__}.")
    return lambda text: int(count(text))


class Sizes:
    """Sizes of texts that are to be joined.

    Args:
        count: tokens of a text; see `counter`.

    `base` is what an empty text costs (special tokens), `join` what it costs to put two texts together.
    """

    def __init__(self, count: Callable[[str], int]) -> None:
        self.count = count
        self.base = count("")
        self.join = max(count(SEPARATOR) - self.base, 0)
        self.short = lru_cache(maxsize=10_000)(self.tokens)
        """`tokens`, remembered: for headings."""

    def tokens(self, text: str) -> int:
        """Return what a text adds to one that it is joined to."""
        return self.count(text) - self.base + self.join

    def pieces(self, text: str, parts: Sequence[tuple[int, int]], budget: int) -> Iterator[tuple[int, int]]:
        """Yield spans of a text within the budget, of even size, cut between parts (sentences) where they fit."""
        sized: list[tuple[int, int, int]] = []
        for start, stop in parts:
            tokens = self.tokens(text[start:stop])
            if tokens <= budget:
                sized.append((start, stop, tokens))
            else:
                sized += [(a, b, self.tokens(text[a:b])) for a, b in self._words(text, start, stop, budget)]
        total = sum(tokens for _, _, tokens in sized)
        even = total / max(-(-total // budget), 1)
        begin, end, used = -1, -1, 0
        for start, stop, tokens in sized:
            if begin >= 0 and (used + tokens > budget or used >= even):
                yield begin, end
                begin, used = -1, 0
            begin = start if begin < 0 else begin
            end, used = stop, used + tokens
        if begin >= 0:
            yield begin, end

    def _words(self, text: str, start: int, stop: int, budget: int) -> Iterator[tuple[int, int]]:
        """Yield spans of a part that is too long by itself, cut between words, or letters of a word too long."""
        spans = [match.span() for match in WORD.finditer(text, start, stop)]
        place, step = 0, budget
        while place < len(spans):
            step = min(step, len(spans) - place)
            begin, end = spans[place][0], spans[place + step - 1][1]
            if self.tokens(text[begin:end]) <= budget:
                yield begin, end
                place, step = place + step, step + max(step // 4, 1)
            elif step > 1:
                step = max(step * 3 // 4, 1)
            else:
                yield from self._letters(text, begin, end, budget)
                place += 1

    def _letters(self, text: str, start: int, stop: int, budget: int) -> Iterator[tuple[int, int]]:
        step = stop - start
        while start < stop:
            step = min(step, stop - start)
            if step == 1 or self.tokens(text[start : start + step]) <= budget:
                yield start, start + step
                start += step
            else:
                step = max(step // 2, 1)
