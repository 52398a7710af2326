"""Do neighbours share a class, and do clusters? BBC (907 documents, 5 classes), 20 Newsgroups (a third of 1,746, 20).

document ─> vector ─> the class of most of its 10 nearest (leave one out); k-means, best of ten starts: V-measure, mean
of three seeds. One start falls into poor clusters now and then: with it the same vectors of BBC had .832 ± .085.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score

from benchmarks.retrieval.measure import compared
from benchmarks.retrieval.pages import read_lines
from benchmarks.retrieval.systems import BASE, Places, Scores, heads
from docgraph import Document, DocumentBuilder
from docgraph.metadata import Metadata
from encoders import Embedder

NEIGHBOURS: Final = 10
SEEDS: Final = 3
STARTS: Final = 10


def bbc(data: Path) -> tuple[list[Document], list[str]]:
    """Return documents and their classes."""
    lines = read_lines(data / "text" / "bbc.jsonl.gz")
    return [_document(one["title"], one["paragraphs"]) for one in lines], [one["label"] for one in lines]


def newsgroups(data: Path, every: int = 3) -> tuple[list[Document], list[str]]:
    """Return documents and their classes."""
    lines = read_lines(data / "text" / "ng20.jsonl.gz")[::every]
    return [_document(one["subject"], one["text"].split("\n\n")) for one in lines], [one["label"] for one in lines]


def _document(title: str, paragraphs: list[str]) -> Document:
    builder = DocumentBuilder()
    builder.open("page")
    for paragraph in paragraphs:
        if paragraph.strip():
            builder.block("paragraph", " ".join(paragraph.split()))
    builder.close()
    return builder.build(metadata=Metadata(title=title))


def agree(vectors: Scores, labels: list[str]) -> NDArray[np.float64]:
    """Return (n,) whether most of each one's nearest neighbours have its class; of as many, that of the nearest."""
    classes, own = np.unique(labels, return_inverse=True)
    nearness = vectors @ vectors.T
    np.fill_diagonal(nearness, -np.inf)
    nearest = own[np.argsort(-nearness, 1, kind="stable")[:, :NEIGHBOURS]]
    votes = (nearest[:, :, None] == np.arange(len(classes))).sum(1) + 0.5 * (nearest[:, :1] == np.arange(len(classes)))
    return np.asarray(votes.argmax(1) == own, np.float64)


def v_measure(vectors: Scores, labels: list[str]) -> tuple[float, float]:
    """Return mean and deviation over seeds of the V-measure of k-means with as many clusters as classes."""
    made = [KMeans(len(set(labels)), n_init=STARTS, random_state=seed).fit_predict(vectors) for seed in range(SEEDS)]
    scores = [v_measure_score(labels, one) for one in made]
    return float(np.mean(scores)), float(np.std(scores))


def classes_part(data: Path, embedder: Embedder) -> dict[str, Any]:
    """Measure the vectors of documents: two lines of sentence-transformers, and those of docgraph."""
    found: dict[str, Any] = {}
    for name, (documents, labels) in {"BBC": bbc(data), "20 Newsgroups": newsgroups(data)}.items():
        places = Places(documents, range(len(documents)), [0] * len(documents), "document")
        base = embedder.reader.encoder.encode(heads(places, embedder))
        made = {BASE: base, "docgraph": embedder.encode(documents).vectors}
        right = {system: agree(vectors, labels) for system, vectors in made.items()}
        found[name] = {
            system: {
                "documents": len(documents),
                "accuracy": float(right[system].mean()),
                "difference": compared(right[system], right[BASE]),
                "v_measure": v_measure(vectors, labels),
            }
            for system, vectors in made.items()
        }
    return found
