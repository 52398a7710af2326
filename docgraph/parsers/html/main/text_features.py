"""What a block's own text, marks and images tell of it: the first columns of the features.

    TextBlocks ─ text_columns ─> (B, LOCAL)

A text is measured by its first letters; words are units, and a Chinese, Japanese or Thai character counts as one.
"""

import re
import string
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements

CJK: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ENDS_SENTENCE: Final = re.compile(r"[.!?…。！？؟:;][\"'”’»«)\]]*$")
_STOPS: Final = re.compile(r"[.!?。！？؟](?:\s|$|[\"'”’»])|[。！？]")
_DIGITS: Final = re.compile(r"\d")
_CAPITALS: Final = re.compile(r"(?:^|\s)[A-ZÀ-ÖØ-Þ]")
_ASCII_KINDS: Final = (string.digits, string.ascii_uppercase, ".!?", "\"'", string.whitespace + "\x1c\x1d\x1e\x1f")
_KINDS_OF_ASCII: Final = bytes(
    ord(next((kind for kind, chars in zip('0A." ', _ASCII_KINDS, strict=True) if chr(code) in chars), "x"))
    for code in range(256)
)
"""A letter for each kind of character: digits, capitals, ends of sentences, white space, quotation marks, others."""
_ASKING: Final = re.compile(
    r"^(?:read (?:more|also|next|full)|also read|see also|more (?:on|from|stories|about)|related|share|follow|sign ?up|"
    r"subscribe|advertisement|anzeige|werbung|lesen sie|mehr zum|lire aussi|leer más|leia|click here|tap here|watch|"
    r"listen|download|comments?|tags?|topics?|categories|posted in|filed under|copyright|©|all rights|photo|image|"
    r"foto|credit|source|by |von |por |par |published|updated|last (?:modified|updated)|\d+ comments?|loading|"
    r"newsletter|recommended|trending|most (?:read|popular)|what do you think|contact|about the author|join|"
    r"get (?:the|our)|print|email|facebook|twitter|whatsapp|linkedin|send)",
    re.I,
)
_CREDITS: Final = re.compile(
    r"©|copyright|all rights reserved|getty images|\bAFP\b|\bdpa\b|terms of (?:use|service)|privacy policy|cookie|"
    r"newsletter|subscribe|sign up|log ?in|app store|google play",
    re.I,
)
_DATE: Final = re.compile(
    r"\b\d{1,2}[:.]\d{2}\b|\b(?:19|20)\d\d\b|\b(?:ago|min read|uhr)\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}", re.I
)

_IN_CREDITS: Final = (
    "©", "copyright", "all rights", "getty", "afp", "dpa", "terms of", "privacy", "cookie", "newsletter", "subscribe",
    "sign up", "log in", "login", "app store", "google play",
)  # fmt: skip
"""One of these is in every text that `_CREDITS` finds something in: looking for them first is three times as fast."""
_IN_DATES: Final = re.compile("ago|min read|uhr").search
"""So with `_DATE`, in a text without digits."""
LOCAL: Final = (
    "words", "letters_per_word", "link_density", "ends_sentence", "stops", "pauses", "digits", "capitals", "bars",
    "asking", "credits", "date", "pictures", "strong", "emphasis", "copies", "declared", "kind", "level", "lines",
)  # fmt: skip
_KINDS: Final = {
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
    copies: dict[str, int] = {}
    for block in blocks:
        copies[block.text] = copies.get(block.text, 0) + 1
    rows: list[tuple[float, ...]] = []
    for block in blocks:
        text = block.text
        head = text if len(text) <= 600 else text[:600]
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
        small = head.lower()
        stops, digits, capitals = marks_of(head)
        rows.append(
            (
                words,
                letters / words,
                block.linked / letters,
                1.0 if _ENDS_SENTENCE.search(text, max(0, letters - 8)) else 0.0,
                stops / some,
                _count(head, ",;", "،、，；") / some,
                digits / len(head),
                capitals / some,
                _count(head, "|/>", "·•»›") / some,
                1.0 if _ASKING.match(text) else 0.0,
                1.0 if any(map(small.__contains__, _IN_CREDITS)) and _CREDITS.search(head) else 0.0,
                1.0 if words < 30 and (digits or _IN_DATES(small)) and _DATE.search(head) else 0.0,
                len(block.images),
                strong / letters,
                emphasis / letters,
                copies[text],
                _declared(text, declared),
                10 if level else _KINDS.get(tag, 0),
                level,
                text.count("\n") + 1,
            )
        )
    return np.asarray(rows, dtype=np.float64)


def marks_of(text: str) -> tuple[int, int, int]:
    """Return how many ends of sentences, digits and capital letters at the start of words are in a text."""
    if not text.isascii():
        return len(_STOPS.findall(text)), len(_DIGITS.findall(text)), len(_CAPITALS.findall(text))
    kinds = text.encode().translate(_KINDS_OF_ASCII)  # the same, several times as fast
    stops = kinds.count(b". ") + kinds.count(b'."') + kinds.endswith(b".")
    return stops, kinds.count(b"0"), kinds.count(b" A") + kinds.startswith(b"A")


def _count(text: str, ascii_: str, others: str) -> int:
    """Return how often one of some characters stands in a text: quicker than a pattern, most texts being ASCII."""
    count = sum(map(text.count, ascii_))
    return count if text.isascii() else count + sum(map(text.count, others))


def _declared(text: str, declared: str) -> float:
    """Whether a text is part of the declared one: 1 yes, 0 no, -1 nothing was declared."""
    if not declared:
        return -1.0
    head, tail = text[:48].rstrip(), text[-48:].lstrip()
    return (0.5 if head in declared else 0.0) + (0.5 if tail in declared else 0.0)
