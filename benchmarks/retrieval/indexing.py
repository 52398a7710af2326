"""What an index costs beside the embedding, and what a query costs beside the encoder.

    1,000 HTML pages ─ Index.add ─> seconds in the encoder, and the rest     the same pages, random vectors ─> queries

Random vectors take as long to compare as any, so that queries need no hour of embedding before them. Processor time.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from docgraph import Document, load_document
from docgraph.embedding.embeddings import Vectors, unit
from docgraph.embedding.reader import TextReader
from docgraph.index import Index
from encoders import Embedder
from encoders.embedder.texts import TextEncoder

PAGES: Final = 1000
QUERIES: Final = 100


class Clocked:
    """An embedder that takes its own time."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.name, self.fingerprint = embedder, embedder.name, embedder.fingerprint
        self.seconds = 0.0

    def encode(self, documents: list[Document], **asked: Any) -> Any:
        """Embed documents."""
        return self._timed(lambda: self._embedder.encode(documents, **asked))

    def encode_query(self, texts: list[str]) -> Vectors:
        """Embed questions."""
        found: Vectors = self._timed(lambda: self._embedder.encode_query(texts))
        return found

    def _timed(self, call: Any) -> Any:
        start = time.process_time()
        found = call()
        self.seconds += time.process_time() - start
        return found


class Blind(TextEncoder):
    """An encoder that reads nothing: random vectors, at no cost."""

    def _forward(self, inputs: list[Any], prompt: str) -> Vectors:
        return unit(np.random.default_rng(len(inputs)).standard_normal((len(inputs), self.width)))


def index_part(data: Path, embedder: Embedder, every: int) -> dict[str, Any]:
    """Take the time of an index of 1,000 pages: built from one page in `every`, asked with all of them in it."""
    folder = data / "html_images"
    files = sorted([*(folder / "openstax" / "html").rglob("*.html"), *(folder / "f18" / "html").rglob("*.html")])[
        :PAGES
    ]
    pages = [(file.name, load_document(file)) for file in files]
    encoder = embedder.reader.encoder
    honest = Clocked(Embedder(TextReader(TextEncoder(encoder.model))))
    blind = Clocked(Embedder(TextReader(Blind(encoder.model))))
    with TemporaryDirectory() as place:
        with Index.open(Path(place) / "a.index", honest, create=True) as index:
            start = time.process_time()
            index.add(pages[::every])
            build = {"pages": len(index), "seconds": time.process_time() - start, "embedding": honest.seconds}
        with Index.open(Path(place) / "b.index", blind, create=True) as index:
            index.add(pages)
            questions = [one.text for _, page in pages for one in page.find("heading")][
                :: max(len(pages) // QUERIES, 1)
            ]
            query = {
                level: _query(index, blind, questions[:QUERIES], level) for level in ("passage", "section", "document")
            }
            rows = index.counts()
    rest = build["seconds"] - build["embedding"]
    return {"build": {**build, "share": rest / build["embedding"]}, "rows": rows, "query_ms": query}


def _query(index: Index, embedder: Clocked, questions: list[str], kind: str) -> dict[str, float]:
    """Return median and 95th percentile of a warm query, in ms, without the encoder's time."""
    index.search(questions[0], kind)
    times = []
    for question in questions:
        start, encoding = time.process_time(), embedder.seconds
        index.search(question, kind)
        times.append(time.process_time() - start - (embedder.seconds - encoding))
    return {"median": 1000 * float(np.median(times)), "p95": 1000 * float(np.quantile(times, 0.95))}
