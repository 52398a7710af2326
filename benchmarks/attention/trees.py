"""Trees to attend over: balanced ones, and those of real documents as the processor lays them out.

    balanced(N, b) -> TreeBatch of one document
    corpora(data) -> name -> readers of its documents      real(readers) -> RealDocuments ─ together ─> TreeBatch

A real document's leaves are its sub-words, below sentences, paragraphs, sections, or the sentences themselves: what
`DocumentProcessor` makes of it for either kind of model. Images are left out, so that nothing but text counts.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from docgraph import Document, parse_article, parse_html
from encoders import DocumentProcessor, TreeBatch
from encoders.inputs.settings import ProcessorSettings

MOST_LEAVES = 262_144
"""Of one batch: q of 8 heads of 64 is then 512 MiB."""

Index = NDArray[np.int64]
Reader = Callable[[], Document]


def balanced(leaves: int, branching: int) -> TreeBatch:
    """One document: leaves grouped by `branching`, groups grouped again, until one node is left."""
    return TreeBatch.from_parents(balanced_parents(leaves, branching))


def balanced_parents(leaves: int, branching: int) -> Index:
    """(R,) parents of such a tree, level by level from the root, so that parents come before their children."""
    counts = [leaves]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // branching))
    counts.reverse()
    starts = np.cumsum([0, *counts])
    below = [
        starts[v] + np.arange(count) * counts[v] // max(count, 1)
        if count < branching * counts[v] - branching + 1
        else starts[v] + np.arange(count) // branching
        for v, count in enumerate(counts[1:])
    ]
    return np.concatenate([[-1], *below]).astype(np.int64)


def several(parents: list[Index], is_leaf: list[NDArray[np.bool_]] | None = None) -> TreeBatch:
    """Documents, one after another, as one batch."""
    starts = np.cumsum([0, *map(len, parents)])
    shifted = [np.where(p < 0, -1, p + start) for p, start in zip(parents, starts[:-1], strict=True)]
    leaf = None if is_leaf is None else np.concatenate(is_leaf)
    return TreeBatch.from_parents(np.concatenate(shifted), is_leaf=leaf)


class RealDocuments(NamedTuple):
    """Trees of a corpus."""

    parents: list[Index]
    is_leaf: list[NDArray[np.bool_]]

    @property
    def lengths(self) -> Index:
        """Leaves of each document."""
        return np.array([leaf.sum() for leaf in self.is_leaf], dtype=np.int64)

    def together(self) -> TreeBatch:
        """All documents in one batch."""
        return several(self.parents, self.is_leaf)


def corpora(data: Path, sample: Path) -> dict[str, list[Reader]]:
    """Name of each corpus that is there, and how to read each of its documents; `sample` always is."""
    found: dict[str, list[Reader]] = {
        "sample_data": _pages([*(sample / "html").glob("*.html"), *(sample / "pages").glob("*.html")])
    }
    books = _pages((data / "html_images" / "openstax" / "html").rglob("*.html"))
    if books:
        found["OpenStax pages"] = books
    for name, title, field in (
        ("hyperpartisan", "Hyperpartisan news", "html"),
        ("bbc", "BBC news", "paragraphs"),
    ):
        path = data / "text" / f"{name}.jsonl.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                found[title] = [_record(json.loads(line), field) for line in lines]
    return found


def _pages(paths: Any) -> list[Reader]:
    return [lambda path=path: parse_html(path, images="skip") for path in sorted(paths)]


def _record(record: dict[str, Any], field: str) -> Reader:
    if field == "html":
        return lambda: parse_html(record["html"], images="skip")
    return lambda: parse_article({"headline": record["title"], "body": "\n\n".join(record["paragraphs"])})


def real(readers: list[Reader], count: int, vocab_size: int = 8_000) -> dict[str, RealDocuments]:
    """Every so-manieth document of a corpus, `count` at most, by what its leaves are.

    Sub-words are those of a vocabulary trained on the documents. A corpus that has more than MOST_LEAVES of them is
    thinned out evenly.
    """
    documents = [readers[i]() for i in _evenly(len(readers), count)]
    found = {}
    for name, leaves in (("sentences", "node"), ("sub-words", "token")):
        settings = ProcessorSettings(text_leaves=leaves)
        processor = DocumentProcessor.from_documents(documents, settings, vocab_size=vocab_size)
        encoded = [one for one in map(processor.encode, documents) if one.is_leaf.any()]
        total = sum(int(one.is_leaf.sum()) for one in encoded)
        encoded = [encoded[i] for i in _evenly(len(encoded), len(encoded) * MOST_LEAVES // total)]
        found[name] = RealDocuments([one.parent for one in encoded], [one.is_leaf for one in encoded])
    return found


def _evenly(of: int, count: int) -> list[int]:
    """Up to `count` indices of a list, evenly spread."""
    return np.linspace(0, of - 1, min(count, of)).astype(int).tolist()


def shuffled(parents: Index, seed: int = 0) -> Index:
    """The same tree with its rows in random order."""
    place = np.random.default_rng(seed).permutation(len(parents))
    moved = np.empty_like(parents)
    moved[place] = np.where(parents < 0, -1, place[parents])
    return moved


def padding_mask(lengths: torch.Tensor) -> torch.Tensor:
    """(B, longest) True where a padded batch has a leaf."""
    return torch.arange(int(lengths.max())) < lengths[:, None]
