"""Which blocks of a gold page are its main text, and what each counts in training."""

import re

import numpy as np

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.main.text_features import CJK
from tools.main_content_gold import GoldPage

WEIGHT = {
    "scrapinghub": 1.0, "readability": 1.0, "fundus": 0.7, "trafilatura": 0.8, "dragnet": 1.2, "page-signal": 0.8,
    "cleanportaleval": 0.8, "cleaneval-final": 1.2, "cleaneval-dev": 0.3, "f18": 2.0, "openstax": 1.0,
}  # fmt: skip
"""Of a page of each set in the trees. Fundus leaves out what its selectors do not take; dragnet, page-signal and
CleanEval are pages of 2005 to 2012; the last two are rendered with hardly any frame, and say what an article may hold:
lists of links, tables, glossaries."""
TOKEN = re.compile(r"\w+")
NOT_FROM_FUNDUS = frozenset(("li", "blockquote", "td", "th", "dd", "dt", "pre", "h2", "h3", "h4", "h5"))
"""Fundus gold often leaves these out though they are content: inside the article they are no evidence."""
WITH_HEAD = ("dragnet", "cleaneval-dev", "cleaneval-final", "cleanportaleval")
"""Sets whose gold begins with title, by-line and date, which we call the article's header."""


def labels(gold: GoldPage, elements: Elements, measured: Measured, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each block is main by the gold, and what it counts in training (in all `WEIGHT` of the set)."""
    if not measured.block:
        return np.zeros(0, dtype=bool), np.zeros(0)
    if gold.text:
        label, known = _labels_by_text(gold, elements, measured)
    else:
        label, known = _labels_by_strings(gold, measured)
    weight = np.where(known & ~beside, np.clip(measured.words, 4, 100) ** 0.7, 0.0)
    return label, weight / max(weight.sum(), 1e-9) * WEIGHT[gold.set]


def _labels_by_text(gold: GoldPage, elements: Elements, measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    blocks = measured.block
    size = np.asarray([len(TOKEN.findall(b.text)) + len(CJK.findall(b.text)) for b in blocks])
    share = _shares(gold.text, measured)
    main = np.where(size >= 4, share > 0.7, share > 0.5)
    known = size > 0
    place = np.arange(len(blocks))
    sure = np.flatnonzero((size >= 8) & (share > 0.8))
    if len(sure):
        # A few words found in the gold text mean little outside the article.
        main &= ~((size < 6) & ((place < sure[0]) | (place > sure[-1])))
    if gold.neither:
        known &= main | (_shares(gold.neither, measured) <= 0.5)
    long = np.flatnonzero(main & (size >= 20))
    if gold.set in WITH_HEAD and len(long):
        known &= ~(main & (size < 14) & (place < long[0]))
    if gold.set == "fundus" and main.any():
        first, last = np.flatnonzero(main)[[0, -1]]
        kind = np.asarray([elements.tag[b.element] in NOT_FROM_FUNDUS for b in blocks])
        known &= ~(kind & ~main & (place >= first) & (place <= last))
    return main, known


def _labels_by_strings(gold: GoldPage, measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Only blocks with one of the strings are known. Of several with a wanted one the longest is meant."""
    texts = [flat(block.text) for block in measured.block]
    main, known = np.zeros(len(texts), dtype=bool), np.zeros(len(texts), dtype=bool)
    for string in map(flat, gold.unwanted):
        known |= np.asarray([string in text for text in texts])
    for string in map(flat, gold.wanted):
        holders = [place for place, text in enumerate(texts) if string in text]
        if holders:
            place = max(holders, key=lambda place: len(texts[place]))
            main[place] = known[place] = True
    return main, known


def flat(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def _shares(gold: str, measured: Measured) -> np.ndarray:
    """Return the share of each block's token 4-grams that a text holds."""
    tokens = TOKEN.findall(gold)
    letters = "".join(tokens)
    grams = {n: {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)} for n in (1, 2, 3, 4)}
    return np.asarray([_share(block.text, letters, grams) for block in measured.block])


def _share(text: str, letters: str, grams: dict[int, set[tuple[str, ...]]]) -> float:
    tokens = TOKEN.findall(text)
    joined = "".join(tokens)
    if not tokens:
        return 0.0
    if len(joined) >= 14 and joined in letters:
        return 1.0
    n = min(4, len(tokens))
    own = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return sum(gram in grams[n] for gram in own) / len(own)
