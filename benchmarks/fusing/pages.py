"""Pages whose texts have been read: vectors of their passages, and what their nodes are made of.

Axes:  S sources (passages first)   N leaves   n nodes   D width
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.retrieval.tasks import Task
from docgraph import Document
from docgraph.embedding.nodes import Plan, plan
from docgraph.headings import SECTIONS
from encoders import Embedder


@dataclass(frozen=True)
class Page:
    """What the layer sees of a page, and what its nodes are made of."""

    read: Tensor
    """(S, D) vectors of the sources."""
    leaves: Tensor
    """(N,) sources that are leaves: passages, then the title."""
    parent: NDArray[np.int64]
    """Of the rows of the page's tree: sections and leaves."""
    is_leaf: NDArray[np.bool_]
    weights: Tensor
    """(n, S) what each node is made of."""
    node: dict[int, int]
    """Row of the document -> node."""
    section: list[tuple[int, ...]]
    """Of each passage: the sections that it stands in."""


@dataclass(frozen=True)
class Asked:
    """A task on pages that have been read."""

    pages: list[Page]
    places: list[tuple[int, int]]
    queries: Tensor
    relevant: list[int]


def read_task(task: Task, embedder: Embedder) -> Asked:
    """Read the pages and queries of a task."""
    reader: Any = embedder.reader
    encoder = reader.encoder
    plans = [
        plan(
            one, ["document", "section"], reader.settings, limit=reader.max_tokens - encoder.prompt_tokens,
            count=encoder.count, unit_name="", boilerplate=True,
        )
        for one in task.places.documents
    ]  # fmt: skip
    read = torch.from_numpy(encoder.encode([text for one in plans for text in one.sources]))
    parts = read.split([len(one.sources) for one in plans])
    return Asked(
        [_page(*both) for both in zip(plans, parts, strict=True)],
        list(zip(task.places.document, task.places.row, strict=True)),
        torch.from_numpy(embedder.encode_query(task.queries)),
        [next(iter(one)) for one in task.relevant],
    )


def _page(one: Plan, read: Tensor) -> Page:
    paths = [_sections(one.document, passage.rows[0]) for passage in one.passages]
    parent, is_leaf, known = [-1], [False], {(): 0}
    for path in paths:
        for depth in range(1, len(path) + 1):
            if path[:depth] not in known:
                known[path[:depth]] = len(parent)
                parent.append(known[path[: depth - 1]])
                is_leaf.append(False)
        parent.append(known[path])
        is_leaf.append(True)
    leaves = list(range(len(paths)))
    title = " ".join((one.document.metadata.title or "").split())
    if title in one.sources:
        parent.append(0)
        is_leaf.append(True)
        leaves.append(one.sources.index(title))
    weights = np.zeros((len(one.rows), len(one.sources)), np.float32)
    for node in range(len(one.rows)):
        some = slice(one.start[node], one.start[node + 1])
        np.add.at(weights[node], one.source[some], one.weight[some])
    return Page(
        read, torch.tensor(leaves), np.array(parent), np.array(is_leaf), torch.from_numpy(weights),
        {row: node for node, row in enumerate(one.rows)}, paths,
    )  # fmt: skip


def _sections(document: Document, row: int) -> tuple[int, ...]:
    found = []
    while row > 0:
        if document.kind[row] in SECTIONS:
            found.append(row)
        row = int(document.parent[row])
    return tuple(reversed(found))
