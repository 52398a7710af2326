"""What a block's own text, marks and images tell of it: the first columns of the features.

    TextBlocks ─ text_columns ─> (B, LOCAL)

A text is measured by its first letters; words are units, and a Chinese, Japanese or Thai character counts as one.
"""

import re
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.words import in_code_page
from docgraph.parsers.html.searched import Searched

CJK: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ENDS_SENTENCE: Final = re.compile(r"[.!?…。！？؟:;][\"'”’»«)\]]*$")
_LAST: Final = frozenset(".!?…。！？؟:;\"'”’»«)]")
"""Letters that a text ends in if it ends like a sentence."""
_STOPS: Final = re.compile(r"[.!?。！？؟](?:\s|$|[\"'”’»])|[。！？]")
_DIGITS: Final = re.compile(r"\d")
_CAPITALS: Final = re.compile(r"(?:^|\s)[A-ZÀ-ÖØ-Þ]")
_PAUSES: Final = re.compile("[,;،、，；]")
_BARS: Final = re.compile("[|/>·•»›]")
_KINDS: Final = {
    "0": _DIGITS, "A": _CAPITALS, ".": re.compile("[.!?]"), '"': re.compile("[\"'”’]"), " ": re.compile(r"\s"),
    ",": _PAUSES, "»": re.compile("»"), "|": _BARS,
}  # fmt: skip
_HEAD_LETTERS: Final = 600
_KINDS_OF_BYTES: Final = "".join(
    next((kind for kind, pattern in _KINDS.items() if pattern.match(letter)), "x")
    for letter in bytes(range(256)).decode("cp1252", "replace")
).encode("cp1252")
"""The kind of each character: digit, capital, end of a sentence, mark after it, white space, pause, bar, other."""
_ASKING_WORDS: Final = (
    "read more|read also|read next|read full|also read|see also|more on|more from|more stories|more about|related|"
    "share|follow|signup|sign up|subscribe|advertisement|anzeige|werbung|lesen sie|mehr zum|lire aussi|leer más|leia|"
    "click here|tap here|watch|listen|download|comment|tag|topic|categories|posted in|filed under|copyright|©|"
    "all rights|photo|image|foto|credit|source|by |von |por |par |published|updated|last modified|last updated|loading|"
    "newsletter|recommended|trending|most read|most popular|what do you think|contact|about the author|join|get the|"
    "get our|print|email|facebook|twitter|whatsapp|linkedin|send".split("|")
)
_ASKING: Final = {word[0]: tuple(other for other in _ASKING_WORDS if other[0] == word[0]) for word in _ASKING_WORDS}
"""What a text that asks for something, or tells about the page, begins with, in small letters; by the first one."""
_COMMENTS: Final = re.compile(r"\d+ comment")
"""And this."""
_CREDITS: Final = re.compile(
    r"all rights reserved|getty images|\bAFP\b|\bdpa\b|terms of (?:use|service)|privacy policy", re.I
)
_SURE_CREDITS: Final = (
    "©", "copyright", "cookie", "newsletter", "subscribe", "sign up", "log in", "login", "app store", "google play",
)  # fmt: skip
"""A text of credits has one of these, or what `_CREDITS` finds."""
_DATE: Final = re.compile(
    r"\b\d{1,2}[:.]\d{2}\b|\b(?:19|20)\d\d\b|\b(?:ago|min read|uhr)\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}", re.I
)

_IN_CREDITS: Final = ("all rights", "getty", "afp", "dpa", "terms of", "privacy")
_IN_DATES: Final = ("ago", "min read", "uhr")
"""One of these is in every text that `_CREDITS` finds something in, and `_DATE` in one without digits: looking for
them in all texts first is many times as fast."""
LOCAL: Final = (
    "words", "letters_per_word", "link_density", "ends_sentence", "stops", "pauses", "digits", "capitals", "bars",
    "asking", "credits", "date", "pictures", "strong", "emphasis", "copies", "declared", "kind", "level", "lines",
)  # fmt: skip
_KINDS_OF_BLOCKS: Final = {
    "p": 1, "li": 2, "td": 3, "th": 3, "blockquote": 4, "pre": 5, "dt": 6, "dd": 6, "figcaption": 7, "button": 8,
    "option": 8, "label": 8, "summary": 8, "legend": 8, "caption": 7, "span": 9, "a": 9, "time": 9, "address": 8,
    "section": 11, "article": 11, "body": 11, "center": 11,
}  # fmt: skip


def count_words(text: str) -> int:
    """Return the number of words of a text; a character of a script without spaces counts as one."""
    words = text.count(" ") + 1
    return words if text.isascii() else words + len(CJK.findall(text))


def text_columns(elements: Elements, flow: Flow, blocks: list[TextBlock], declared: str) -> NDArray[np.float64]:
    """Return the (B, LOCAL) columns of blocks.

    Args:
        declared: the article's text as the page declares it elsewhere, or "".
    """
    texts = [block.text for block in blocks]
    copies = Counter(texts)
    heads = [text[:_HEAD_LETTERS] for text in texts]
    small_heads = [head.lower() for head in heads]
    searched = Searched(small_heads)
    credited = {row for row in searched.having(_IN_CREDITS) if _CREDITS.search(heads[row])}
    credited.update(searched.having(_SURE_CREDITS))
    dated = set(searched.having(_IN_DATES))
    values: list[float] = []
    for row, (block, head, small) in enumerate(zip(blocks, heads, small_heads, strict=True)):
        text = block.text
        letters, words = len(text), count_words(text)
        some = max(1, words if head is text else count_words(head))
        tag = elements.tag[block.element]
        strong = emphasis = 0
        for start, end, type_, _ in block.marks:
            if type_ == "strong":
                strong += end - start
            elif type_ == "emphasis":
                emphasis += end - start
        level = flow.headings.get(block.element, 0)
        stops, digits, capitals, pauses, bars = marks_of(head)
        values += (
            words,
            letters / words,
            block.linked / letters,
            1.0 if text[-1] in _LAST and _ENDS_SENTENCE.search(text, max(0, letters - 8)) else 0.0,
            stops / some,
            pauses / some,
            digits / len(head),
            capitals / some,
            bars / some,
            1.0 if small.startswith(_ASKING.get(small[0], ())) or (digits and _COMMENTS.match(small)) else 0.0,
            1.0 if row in credited else 0.0,
            1.0 if words < 30 and (digits or row in dated) and _DATE.search(head) else 0.0,
            len(block.images),
            strong / letters,
            emphasis / letters,
            copies[text],
            _declared(text, declared),
            10 if level else _KINDS_OF_BLOCKS.get(tag, 0),
            level,
            text.count("\n") + 1,
        )
    return np.asarray(values, dtype=np.float64).reshape(-1, len(LOCAL))


def marks_of(text: str) -> tuple[int, int, int, int, int]:
    """Return how many ends of sentences, digits, capital letters at the start of words, pauses and bars a text has."""
    try:
        letters = in_code_page(text)
    except UnicodeEncodeError:
        patterns = (_STOPS, _DIGITS, _CAPITALS, _PAUSES, _BARS)
        return tuple(len(pattern.findall(text)) for pattern in patterns)  # type: ignore[return-value]
    kinds = letters.translate(_KINDS_OF_BYTES)  # the same, several times as fast
    stops = kinds.count(b". ") + kinds.count(b'."') + kinds.count(b".\xbb") + kinds.endswith(b".")
    capitals = kinds.count(b" A") + kinds.startswith(b"A")
    bars = kinds.count(b"|") + kinds.count(b"\xbb")
    return stops, kinds.count(b"0"), capitals, kinds.count(b","), bars


def _declared(text: str, declared: str) -> float:
    """Whether a text is part of the declared one: 1 yes, 0 no, -1 nothing was declared."""
    if not declared:
        return -1.0
    head, tail = text[:48].rstrip(), text[-48:].lstrip()
    return (0.5 if head in declared else 0.0) + (0.5 if tail in declared else 0.0)
