"""How the shares of title, headings and best passage were chosen: a grid, on other books than the results are of.

Vectors of passages, titles and headings are read once; each setting only adds them up.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from benchmarks.retrieval.measure import gains
from benchmarks.retrieval.pages import Page, Query, asked, caption_queries, heading_queries
from benchmarks.retrieval.systems import Places, best_passage
from docgraph.embedding.embeddings import Vectors, unit
from docgraph.headings import heading_paths
from encoders import Embedder

TITLE = (0.0, 0.1, 0.2, 0.3, 0.5)
HEADINGS = (0.0, 0.1, 0.2, 0.3, 0.5)
BEST = (0.0, 1.0, 2.0, 4.0)


def grid(pages: Sequence[Page], queries: list[dict[str, Any]], embedder: Embedder) -> list[dict[str, float]]:
    """Return nDCG@10 of heading, caption and definition -> section for each setting."""
    wanted = {
        "heading": heading_queries(list(pages)),
        "caption": [
            Query(one.text, one.page, pages[one.page].figures[one.target or 0]["section"])
            for one in caption_queries(list(pages))
        ],
        "definition": [one for one in asked(list(pages), queries, "definition") if one.target is not None],
    }
    found: dict[tuple[float, float, float], dict[str, float]] = {}
    for task, some in wanted.items():
        parts = _Sections(pages, task if task != "definition" else None, embedder)
        some = [one for one in some if (one.page, one.target) in parts.index]
        asking = embedder.encode_query([one.text for one in some])
        relevant = [{parts.index[one.page, one.target]: 1.0} for one in some]
        best = best_passage(asking @ parts.passages.T, parts.numbers)
        for title, headings, weight in product(TITLE, HEADINGS, BEST):
            nodes = unit(parts.means + title * parts.titles + headings * parts.headings)
            score = float(gains(asking @ nodes.T + weight * best, relevant)["ndcg"].mean())
            found.setdefault((title, headings, weight), {})[task] = score
    return [
        {"title": title, "headings": headings, "best": best, **scores, "mean": float(np.mean(list(scores.values())))}
        for (title, headings, best), scores in found.items()
    ]


class _Sections:
    """The vectors that those of sections are made of."""

    def __init__(self, pages: Sequence[Page], without: str | None, embedder: Embedder) -> None:
        built = [page.document(without) for page in pages]
        keys = [
            (n, section, row)
            for n, (page, one) in enumerate(zip(pages, built, strict=True))
            for section, row in one.sections.items()
            if section in page.paths and row > 0
        ]
        self.index = {(n, section): number for number, (n, section, _) in enumerate(keys)}
        documents = [one.document for one in built]
        places = Places(documents, [n for n, _, _ in keys], [row for _, _, row in keys], "section")
        texts, self.numbers = places.passages(embedder, fill=embedder.reader.settings.fill)
        encode = embedder.reader.encoder.encode
        self.passages: Vectors = encode([text for page in texts for text in page])
        self.means = unit(np.stack([self.passages[one].mean(0) for one in self.numbers]))
        self.titles: Vectors = encode([pages[n].title for n, _, _ in keys])
        paths = [heading_paths(document) for document in documents]
        over = [[documents[n][h].text for h in paths[n][row]] for n, _, row in keys]
        names = sorted({heading for path in over for heading in path})
        vector = dict(zip(names, encode(names), strict=True))
        none = np.zeros(embedder.width, np.float32)
        self.headings = np.stack([np.mean([vector[one] for one in path], 0) if path else none for path in over])
