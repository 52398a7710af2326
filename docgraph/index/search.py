"""From a question to hits: words and meaning, of a row and of its best passage, as standard scores that are added up.

    score = WORDS * z(BM25) + BEST_WORDS * z(BM25 of the best passage) + WHOLE * z(cosine) + BEST * z(nearest passage)

z is a score less its mean over all rows of the level that the filters allow, divided by its standard deviation, which
of the cosines of a handful of rows says little: some rows of the usual one are counted in. Sums of z-scores keep how
far ahead a hit is, where fusing by ranks forgets it. The passages of a section are those directly in it: what stands
in its sections speaks for these. A passage or image is its own best passage. Without an embedder only words count, and
only rows that hold a word of the question are found. benchmarks/results/retrieval.md says how the weights were chosen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.errors import DataError
from docgraph.index.bm25 import bm25
from docgraph.index.near import Near, near
from docgraph.index.packed import Positions
from docgraph.index.rows import LEVELS
from docgraph.index.store import Store
from docgraph.index.words import marks, terms

FEW: Final = 3
USUAL: Final = 0.1
"""Deviation of a question's cosines, about that of MiniLM and of docgraph-static on hundreds of passages."""
WORDS: Final = 0.5
BEST_WORDS: Final = 0.5
WHOLE: Final = 0.5
BEST: Final = 1.0
COPIES: Final = 1000
"""Answers that are looked at past the last one for copies of better ones."""
ALIKE: Final = 0.5
"""Difference in score, at most, of copies that are told of though enough other answers are found: titles may differ."""
Scores = NDArray[np.floating[Any]]
_DOCUMENTS: Final = ("document", "page", "article", "site")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One answer, and where it stands."""

    score: float
    """Sum of z-scores."""
    document_id: str
    id: str
    """Of the row; where a kind such as "table" was asked for, of the passage that the table stands in."""
    parent: str | None
    """Id of the section that it lies in; `Index.read` gives its text."""
    level: str
    kind: str
    title: str | None
    url: str | None
    headings: tuple[str, ...]
    text: str
    span: tuple[int, int]
    """Characters of the document's text."""
    dom_path: str | None
    marks: tuple[tuple[int, int], ...]
    """Where words of the question stand in `text`."""
    also: tuple[str, ...] = ()
    """Ids of the documents that say the same under the same headings, once for each place: copies, such as a print
    version, that stand beside it in the order of answers."""


def search(
    store: Store, embedder: Any, question: str, *, kind: str | None, top: int, where: dict[str, str], every: bool
) -> Iterator[Hit]:
    """Yield the best hits; see `Index.search`."""
    if not (asked := terms(question)):
        raise DataError(f"a question must hold a word or a number, but is {question!r:.100}.")
    level, kind = level_of(store, kind)
    vector = None if embedder is None else np.asarray(embedder.encode_query([question])[0], np.float32)
    if vector is not None and not vector.any():  # it understands nothing of the question
        vector = None
    rows, parts, holds_words = signals(store, level, store.select(level, kind, where), asked, vector)
    score = sum((weight * values for weight, values in parts), np.zeros(len(rows)))
    if vector is None:
        score[~holds_words] = -np.inf
    numbers = store.rows(level).numbers
    part = kind if level == "passage" else None
    asked_of = question if every or part else ""  # marks are for those that are shown, but tell which part is
    best = _highest(score, top) if every else _in_order(score, top)
    hits = (hit(store, int(numbers[rows[place]]), float(score[place]), asked_of, part) for place in best)
    for one in hits if every else _once(hits, top):
        yield one if asked_of else replace(one, marks=marks(one.text, question))


def _once(hits: Iterable[Hit], top: int) -> Iterator[Hit]:
    """Yield so many hits that differ, each with the documents of those after it that say the same."""
    found: dict[object, tuple[Hit, list[str]]] = {}
    last, past = np.inf, 0
    for one in hits:
        full = len(found) == top
        past += full
        if full and (last - one.score > ALIKE or past > COPIES):
            break
        place = (one.dom_path or one.span) if one.level == "image" else None  # two images may be called alike
        same = (one.kind, one.headings, " ".join(one.text.split()), place) if one.text.strip() else one.id
        if same in found:
            found[same][1].append(one.document_id)
        elif not full:
            found[same], last = (one, []), one.score
    for first, others in found.values():
        yield replace(first, also=tuple(others))


def _in_order(score: Scores, few: int) -> Iterator[int]:
    """Yield the places of all scores above -inf, highest first, sorted so many at a time, ever more."""
    done, count = 0, few + COPIES
    while len(best := _highest(score, count)) > done:
        yield from best[done:]
        done, count = len(best), 8 * count


def _highest(score: Scores, top: int, above: float = -np.inf) -> list[int]:
    """Return the places of the highest scores above a bound, highest first; equal ones in the order of the index."""
    sample = np.sort(score[::64])
    likely = max(above, float(sample[-min(top // 32 + 8, len(sample))])) if len(sample) else above
    if len(some := np.flatnonzero(score > likely)) < top:  # what few of a sample exceed need not be sorted
        some = np.flatnonzero(score > above)
    if len(some) > top > 0:
        least = -np.partition(-score[some], top - 1)[top - 1]
        some = some[score[some] >= least]
    return some[np.lexsort((some, -score[some]))][:top].tolist()  # type: ignore[no-any-return]


def level_of(store: Store, kind: str | None) -> tuple[str, str | None]:
    """Return the level that a kind of hit is found at, and the kind of node it is limited to.

    Raises:
        DataError: the index has no row of this kind.
    """
    if kind is None or kind in LEVELS:
        return kind or "passage", None
    if kind in _DOCUMENTS:
        return "document", kind
    kinds = store.kinds()
    if kind not in kinds:
        known = ", ".join(dict.fromkeys((*LEVELS, *kinds)))
        raise DataError(f"kind must be one that the index has, {known}, but is {kind!r}.")
    return "passage", kind


def signals(
    store: Store, level: str, allowed: Positions, asked: Sequence[str], vector: NDArray[np.float32] | None
) -> tuple[Positions, list[tuple[float, Scores]], NDArray[np.bool_]]:
    """Return rows of a level that may be answers, what speaks for each, and which of them hold words of the question.

    Args:
        allowed: positions of rows, ascending.
        asked: the terms of the question.
        vector: (D,) of the question; None for words alone.

    Returns:
        (n,) all positions that are allowed, or those that were looked up in a large level without parts; pairs of a
        weight and standard scores (n,); (n,) booleans.
    """
    words = bm25(store, level, asked)
    some = words if len(allowed) == len(words) else words[allowed]
    found = None
    if vector is not None:
        vector = vector / (np.linalg.norm(vector) or 1.0)
        found = near(store, level, vector, allowed, partial(_best, words, allowed))
    if level in ("passage", "image"):
        return _alone(allowed, words, some, found)
    scored = bm25(store, "passage", asked)
    best_words = _of_best(store, level, allowed, scored)
    parts = [(WORDS, _standard(some, some)), (BEST_WORDS, _standard(best_words, best_words))]
    if vector is not None and found is not None:
        meaning, drawn = _spread(found, len(words))
        parts.append((WHOLE, _by_some(meaning[allowed], None if drawn is None else drawn[allowed])))
        passages, holders = store.holders(level)
        inside = np.zeros(len(words), bool)
        inside[allowed] = True
        within = passages[inside[holders]] if len(allowed) < len(words) else np.arange(len(scored))
        nearest, few = _spread(near(store, "passage", vector, within, partial(_best, scored, within)), len(scored))
        drawn = None if few is None else _of_best(store, level, allowed, few.astype(np.float32)) > 0
        parts.append((BEST, _by_some(_of_best(store, level, allowed, nearest), drawn)))
    return allowed, parts, (some > 0) | (best_words > 0)


def _alone(
    allowed: Positions, words: Scores, some: Scores, found: Near | None
) -> tuple[Positions, list[tuple[float, Scores]], NDArray[np.bool_]]:
    """Return what `signals` does of rows that are their own best passage.

    Args:
        words: BM25 of all rows of the level.
        some: of those that are allowed.
    """
    if found is None:
        return allowed, [(WORDS + BEST_WORDS, _standard(some, some))], some > 0
    if found.drawn is None:
        rows = allowed
        meaning = base = _spread(found, len(words))[0][allowed]
    else:  # what was not looked up cannot be an answer
        rows, meaning, base = found.rows, found.cosines, found.cosines[found.drawn]
    parts = [(WORDS + BEST_WORDS, _standard(words[rows], some)), (WHOLE + BEST, _standard(meaning, base, USUAL))]
    return rows, parts, words[rows] > 0


def _best(values: Scores, allowed: Positions, count: int) -> Positions:
    """Return the allowed rows with the highest values that are not zero."""
    return allowed[_highest(values if len(allowed) == len(values) else values[allowed], count, 0.0)]


def _of_best(store: Store, level: str, allowed: Positions, values: Scores) -> Scores:
    """Return for each allowed row the highest value of the passages in it; without any, the lowest that another has."""
    passages, holders = store.holders(level)
    every = np.full(len(store.rows(level).numbers), -np.inf)
    np.maximum.at(every, holders, values[passages])
    best = every[allowed]
    held = np.isfinite(best)
    best[~held] = best[held].min() if held.any() else 0.0
    return best


def _spread(found: Near, count: int) -> tuple[Scores, NDArray[np.bool_] | None]:
    """Return the cosine of each of so many rows, and which of them stand for all; None if all are there.

    A row without a cosine has less than any; the mean, where some stand for all.
    """
    some = found.drawn is not None and found.drawn.any()
    cosines = np.full(count, found.cosines[found.drawn].mean() if some else -1.0)
    cosines[found.rows] = found.cosines
    if found.drawn is None:
        return cosines, None
    drawn = np.zeros(count, bool)
    drawn[found.rows[found.drawn]] = True
    return cosines, drawn


def _by_some(values: Scores, drawn: NDArray[np.bool_] | None) -> Scores:
    """Return standard scores of cosines, by the mean and deviation of all or of those drawn."""
    return _standard(values, values[drawn] if drawn is not None and drawn.sum() > 1 else values, USUAL)


def _standard(values: Scores, base: Scores, usual: float = 0.0) -> Scores:
    """Return standard scores, by the mean and deviation of `base`; zeros if it is all the same.

    Args:
        usual: deviation of `FEW` rows more, so that the noise of a handful is not taken for a difference.
    """
    if not len(base):
        return np.zeros(len(values))
    centred = base - (mean := float(base.mean(dtype=np.float64)))
    squares = float(np.square(centred, out=centred).sum(dtype=np.float64))
    deviation = ((squares + FEW * usual**2) / (len(base) + (FEW if usual else 0))) ** 0.5
    return (values - mean) / deviation if deviation > 1e-12 else np.zeros(len(values))


def hit(store: Store, number: int, score: float = 0.0, question: str = "", kind: str | None = None) -> Hit:
    """Return a row of the index as a hit; where a kind is asked for, of the nodes of this kind in a passage the one
    that holds most words of the question.
    """
    node = store.node(number)
    text, said = node["shown"], marks(node["shown"], question)
    place = {name: node[name] for name in ("kind", "start", "stop", "dom_path")}
    if kind is not None and (parts := store.parts(node, kind)):
        marked = [(part, marks(part.text or "", question)) for part in parts]
        part, said = max(marked, key=lambda one: len(one[1]))
        text, place = part.text, asdict(part)
    return Hit(
        score=score,
        document_id=node["document_id"],
        id=node["id"],
        parent=node["parent"],
        level=node["level"],
        kind=place["kind"],
        title=node["title"],
        url=node["url"],
        headings=tuple(node["headings"]),
        text=text,
        span=(place["start"], place["stop"]),
        dom_path=place["dom_path"],
        marks=said,
    )
