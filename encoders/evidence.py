"""What each node of a document counts for the class that a model gives it: the model is asked again without the node.

    document ─ without(node), some hundred times, from the top of the tree down ─> predict ─> Evidence (N, C)

    evidence(node, class) = log odds(class | document) - log odds(class | document without the node)

Above 0 the node speaks for the class, below 0 against it; the unit is nats. Of a model for several labels the odds are
those of each label for itself; of a regression the evidence is what the value loses, in its own unit. Only `predict`
is asked, so that any classifier can be explained, stacked ones and those behind an address as well. Nodes that are
left out in the order of the tree cost few passes: first the parts of the page, then the parts of those that count
most, until `passes` are used up. Where more siblings wait than passes are left, stretches of neighbours are left out
together and the heaviest are halved; `method` says how many parts were judged by themselves. A node that holds all that
its parent holds has its parent's evidence. What counts only together with its like (two sentences that say the same)
may show at their parent and not at themselves.

Sources: Good 1950 (weight of evidence); Robnik-Sikonja & Kononenko 2008, "Explaining classifications for individual
instances"; benchmarks/evidence.py compares it with gradients and with chance.

Axes:  N nodes   C classes
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph import Document, Evidence
from docgraph.errors import DataError
from docgraph.without import without

METHOD: Final = (
    "Evidence is what the log odds of a class lose, in nats, when a node is left out and the model is asked again."
)
VALUE: Final = "Evidence is what the value loses when a node is left out and the model is asked again."
_FEW: Final = 8
"""Passes from which on stretches are asked for: with fewer, none could be narrowed down to a node."""
_LEAST: Final = 1e-30
"""Of a probability: near what float32 tells from 0."""


def explain(
    predict: Callable[[Sequence[Document]], Any],
    document: Document,
    *,
    label: str | None = None,
    passes: int = 256,
    together: int = 32,
) -> Evidence:
    """Return what the nodes of a document count for its classes.

    Args:
        predict: gives `classes` and `probabilities` (n, C) of n documents, `problem_type` unless one class is the
            case, and perhaps `logits` (n, C), as `DocumentForClassification.predict` does.
        label: the class by which parts are chosen for a closer look; the most probable if None. All classes get their
            evidence, whichever it is.
        passes: documents that the model may read.
        together: of these, in one call.

    Raises:
        DataError: `label` is none of the model's classes, or `passes` is below 2.
    """
    if passes < 2:
        raise DataError(f"passes must be at least 2, the document and it without one node, but is {passes}.")
    whole = predict([document])
    classes, probabilities = tuple(whole.classes), np.asarray(whole.probabilities[0], dtype=np.float32)
    if label is not None and label not in classes:
        raise DataError(f"label must be one of the model's classes, {', '.join(classes)}, but is {label!r}.")
    chosen = int(probabilities.argmax()) if label is None else classes.index(label)
    before = said(whole)[0]
    values = np.full((len(document), len(classes)), np.nan, dtype=np.float32)
    parts = _parts(document)
    used, order = 1, 0
    # (minus the weight of its evidence, when it came, rows): the heaviest is looked into first
    waiting: list[tuple[float, int, list[int]]] = [(0.0, 0, [0])]
    asked: list[list[int]] = []
    offered = 0
    while waiting or asked:
        while waiting and len(asked) < together:
            rows = heapq.heappop(waiting)[2]
            if len(rows) == 1:
                below = parts(rows[0])
                offered += len(below)
                asked += _stretches(below, passes - used - len(asked))
            else:
                asked += [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
        asked, later = asked[: min(together, passes - used)], asked[min(together, passes - used) :]
        if not asked:
            break
        lost = before - said(predict([without(document, rows) for rows in asked]))
        used += len(asked)
        for rows, value in zip(asked, lost, strict=True):
            order += 1
            if len(rows) == 1:
                values[rows[0]] = value
            heapq.heappush(waiting, (-abs(float(value[chosen])), order, rows))
        asked = later
    method = VALUE if _kind(whole) == "regression" else METHOD
    judged = int((~np.isnan(values[:, 0])).sum())
    if judged < offered:
        method += f" {judged:,} of {offered:,} parts were judged by themselves; more passes judge more."
    _share_down(document, values)
    return Evidence(
        classes=classes,
        probabilities=probabilities,
        values=values,
        method=method,
        passes=used,
        problem_type=_kind(whole),
        given=_given(whole, classes, probabilities),
        notes=tuple(_notes(whole)),
    )


def _given(predictions: Any, classes: tuple[str, ...], probabilities: NDArray[np.float32]) -> tuple[str, ...] | None:
    """Return the labels that a model for several gives, most probable first; None of any other."""
    if _kind(predictions) != "multi_label_classification":
        return None
    least = getattr(predictions, "thresholds", ()) or (0.5,) * len(classes)
    order = np.argsort(-probabilities, kind="stable")
    return tuple(classes[place] for place in order if probabilities[place] >= least[place])


def _notes(predictions: Any) -> Iterator[str]:
    """Yield what else is to be said of the first of some predictions, as far as they tell it."""
    if 0 in getattr(predictions, "empty", ()):
        yield "The model found nothing to read in the document: what it says is said of any such document."
    if getattr(predictions, "distances", None) is None:
        return
    distance, far = float(predictions.distances[0]), predictions.off_topic_distance
    if distance > far:
        yield (
            f"Off topic: its distance from the nearest training documents is {distance:.3f}, above {far:.3f}, so what "
            f"the model says means little; {predictions.off_topic_alarms:.1%} of documents on topic are as far."
        )


def said(predictions: Any) -> NDArray[np.float64]:
    """Return (n, C) what evidence is a difference of: log odds, or the values of a regression."""
    given = np.asarray(predictions.probabilities, dtype=np.float32)
    kind = _kind(predictions)
    if kind == "regression":
        return given.astype(np.float64)
    if (logits := getattr(predictions, "logits", None)) is not None:
        every = np.asarray(logits, dtype=np.float64)
        return every if kind == "multi_label_classification" else log_odds_of_logits(every)
    if kind == "multi_label_classification":
        return log_odds(np.stack([given, 1 - given], axis=-1))[..., 0]
    return log_odds(given)


def _kind(predictions: Any) -> str:
    return str(getattr(predictions, "problem_type", "single_label_classification"))


def log_odds(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log odds of each class for all the others: (..., C) of probabilities (..., C).

    What a class lacks to 1 is the sum of the others, which float32 tells where it does not tell 1 from a bit less.
    """
    each = probabilities.astype(np.float64)
    others = each @ (1 - np.eye(each.shape[-1]))
    odds: NDArray[np.float64] = np.log(each.clip(_LEAST)) - np.log(others.clip(_LEAST))
    return odds


def log_odds_of_logits(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log odds of each class for all the others: (n, C) of the logits (n, C) of a softmax, however large."""
    first = logits.argmax(1)[:, None]
    rest = logits.copy()
    np.put_along_axis(rest, first, -np.inf, 1)
    others = np.logaddexp.reduce(rest, 1, keepdims=True)
    total = np.logaddexp(others, np.take_along_axis(logits, first, 1))
    # Of all but the first, a share of at most a half is taken away: nothing is lost by it.
    found = logits - total - np.log1p(-np.exp(rest - total))
    np.put_along_axis(found, first, np.take_along_axis(logits, first, 1) - others, 1)
    return found


def has_content(document: Document) -> NDArray[np.bool_]:
    """Return (N,) which nodes hold text or an image."""
    holds = np.fromiter((kind == "image" for kind in document.kind), bool, len(document))
    starts, ends = document.span[:, 0].tolist(), document.span[:, 1].tolist()
    holds |= [bool(document.text[start:end].strip()) for start, end in zip(starts, ends, strict=True)]
    parent = document.parent.tolist()
    for row in range(len(document) - 1, 0, -1):
        if holds[row]:
            holds[parent[row]] = True
    return holds


def _parts(document: Document) -> Callable[[int], list[int]]:
    """Return what gives the nodes below one of which each holds a part of its content, not all of it."""
    holds = has_content(document)

    def parts(row: int) -> list[int]:
        while True:
            below = [child for child in document.child_rows(row) if holds[child]]
            if len(below) != 1:
                return below
            row = below[0]

    return parts


def _stretches(rows: list[int], passes: int) -> list[list[int]]:
    """Return each sibling by itself, or stretches of neighbours that half of the passes that are left suffice for."""
    size = 1 if len(rows) <= passes or passes < _FEW else math.ceil(len(rows) / (passes // 2))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _share_down(document: Document, values: NDArray[np.float32]) -> None:
    """Give a judged node's evidence to a node below that holds all of its content."""
    holds = has_content(document)
    for row in range(1, len(document)):
        if not np.isnan(values[row, 0]):
            below = [child for child in document.child_rows(row) if holds[child]]
            if len(below) == 1:
                values[below[0]] = values[row]
