"""How the weights of `docgraph search` were chosen: a grid on three books, each book held out once.

    questions of a book ─ docgraph.index.search.signals ─> four z-scores of every row ─ each setting's sum ─> nDCG@10

The grid is over the share of the best passage in the words, the weights of the best passage and of the row itself in
the meaning, and the weight of pairs of words in passages (bm25.py); words weigh 1 together. A setting is one for all
tasks and levels.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from benchmarks.retrieval.pages import Page, read_pages
from benchmarks.retrieval.systems import indexed
from benchmarks.retrieval.tasks import Task, tasks
from docgraph.index import Index, bm25, search
from docgraph.index.words import terms
from encoders import Embedder

SUMS: Final = tuple(product((0.0, 0.25, 0.5, 0.75), (0.7, 1.0, 1.4), (0.3, 0.5, 0.8)))
"""Share of the best passage in the words; weight of the best passage; weight of the row."""
PAIRS: Final = (0.0, 0.5, 1.0)
GRID: Final = tuple((*one, pairs) for one in SUMS for pairs in PAIRS)
NAMES: Final = ("best_words", "best", "whole", "pairs")
QUERIES: Final = 150
"""Of a task and book, at most: evenly spaced ones."""


def weights_part(data: Path, every: int, embedder: Embedder) -> dict[str, Any]:
    """Return nDCG@10 of each setting on each book, and of the one chosen without a book on that book."""
    pages, queries = read_pages(data, "dev")
    pages = pages[::every]
    books = sorted({page.id.split("/")[0] for page in pages})
    scores = {book: dict(_scores(book, pages, queries, embedder)) for book in books}
    means = {book: np.mean(list(scores[book].values()), 0) for book in books}
    own = GRID.index((search.BEST_WORDS, search.BEST, search.WHOLE, bm25.PAIRS))
    held_out = {}
    for book in books:
        chosen = int(np.mean([means[other] for other in books if other != book], 0).argmax())
        held_out[book] = {
            "chosen": GRID[chosen],
            "ndcg": float(means[book][chosen]),
            "default": float(means[book][own]),
            "best": float(means[book].max()),
        }
    rows = [
        {**dict(zip(NAMES, one, strict=True)), **{book: float(means[book][n]) for book in books}}
        for n, one in enumerate(GRID)
    ]
    tasks_of = {book: {name: float(values[own]) for name, values in scores[book].items()} for book in books}
    return {"pages": len(pages), "every": every, "grid": rows, "held_out": held_out, "default": tasks_of}


def _scores(
    book: str, pages: Sequence[Page], queries: list[dict[str, Any]], embedder: Embedder
) -> Iterator[tuple[str, Any]]:
    some = [page for page in pages if page.id.startswith(f"{book}/")]
    made = sorted(tasks(some, queries), key=lambda task: task.without or "")
    for _, group in groupby(made, key=lambda task: task.without):  # one index for those of the same documents
        alike = list(group)
        with indexed(alike[0].places, embedder) as index:
            for task in alike:
                found = np.mean(list(_gains(task, index, embedder)), 0)
                print(f"   {book} {task.name}: {found.max():.3f}", flush=True)
                yield task.name, found


def _gains(task: Task, index: Index, embedder: Embedder) -> Iterator[Any]:
    """Yield for each query (settings,) nDCG@10 of the one place that answers."""
    store, ids, level = index._store, task.places.ids(), task.places.level
    weight = np.array([[1 - share, share, whole, best] for share, best, whole in SUMS])
    step = -(-len(task.queries) // QUERIES)
    every, numbers = store.select(level, None, {}), store.rows(level).numbers
    for query, relevant in zip(task.queries[::step], task.relevant[::step], strict=True):
        vector, gains = embedder.encode_query([query])[0], []
        for pairs in PAIRS:
            with patch.object(bm25, "PAIRS", pairs):
                _, parts, _ = search.signals(store, level, every, terms(query), vector)
            own = weight if len(parts) == 4 else weight.reshape(-1, 2, 2).sum(2)  # an image is its own best passage
            total = own @ np.array([values for _, values in parts])
            target = int(np.searchsorted(numbers, store.number(ids[next(iter(relevant))]) or 0))
            rank = (total > total[:, target : target + 1]).sum(1)
            gains.append(np.where(rank < 10, 1 / np.log2(rank + 2), 0.0))
        yield np.stack(gains, 1).ravel()
