"""An index that grows to a million passages: what its questions cost, and how near they come to the exact answer.

A made passage lies between a real one of OpenStax's pages and one of its nearest: its vector is a mean of the two with
noise, its words are half of the one's and half of the other's. The noise was chosen so that the cosines with the
nearest 1, 10 and 100 of 200,000 made passages go on as those of 1,000, 4,000 and 15,616 real ones begin. The questions
are real ones about the pages, which MiniLM reads. At each size: seconds to build, to open, of a first and of further
hybrid questions that were not asked before, share of the exact answer's ten that are among the ten, seconds that 1,000
more documents take and the removal of as many, bytes on disk, memory above that of the made passages.
"""

import gc
import os
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from docgraph.index import Index, near
from docgraph.index.rows import IndexRow
from docgraph.index.store import StoredDocument
from docgraph.metadata import Metadata

WIDTH = 384
PASSAGES = 20
"""Of a document."""
NEIGHBOURS = 32
"""Real passages, one of which a made one is mixed with."""
LOCAL, NOISE = 0.3, 0.3
"""Length of the noise: along differences of neighbours, and in any direction."""
QUESTIONS = 200
"""That are asked; as many others come first, so that common words are kept as in a process that has run a while."""
TOGETHER = 500
"""Documents of a transaction."""


class Given:
    """An embedder whose vectors are given."""

    name = fingerprint = "given"
    question = np.zeros(WIDTH, np.float32)

    def encode_query(self, texts: list[str]) -> Any:
        return self.question[None]


def unit(vectors: Any) -> Any:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


class Made:
    """Documents that follow from their number."""

    def __init__(self, base: Path) -> None:
        with Index.open(base) as index:
            self.vectors = unit(index._store.vectors("passage").vectors)
            rows = index._store.connection.execute("SELECT text FROM nodes WHERE level = 'passage' ORDER BY number")
            self.texts = [text.split() for (text,) in rows]
        blocks = [self.vectors[first : first + 1000] @ self.vectors.T for first in range(0, len(self.vectors), 1000)]
        self.nearest = np.concatenate([np.argsort(-block, axis=1)[:, 1 : NEIGHBOURS + 1] for block in blocks])

    def rows(self, number: int) -> list[IndexRow]:
        rng = np.random.default_rng(number)
        one, (two, three) = rng.integers(0, len(self.vectors), PASSAGES), rng.integers(0, NEIGHBOURS, (2, PASSAGES))
        two, three = self.nearest[one, two], self.nearest[one, three]
        four = self.nearest[two, rng.integers(0, NEIGHBOURS, PASSAGES)]
        share = rng.uniform(0.5, 1, (PASSAGES, 1)).astype(np.float32)
        mixed = share * self.vectors[one] + (1 - share) * self.vectors[two]
        mixed += LOCAL * (self.vectors[four] - self.vectors[three])
        noise = NOISE * unit(rng.standard_normal(mixed.shape).astype(np.float32))
        vectors = unit(mixed + noise)
        texts = [self._half(first, rng) + self._half(second, rng) for first, second in zip(one, two, strict=True)]
        base: dict[str, Any] = {"headings": (), "span": (0, 1), "dom_path": None}
        whole = IndexRow(id=f"{number}", level="document", kind="page", kinds=("page",), parent=None, text="", words="",
                    vector=unit(vectors.mean(0)), **base)  # fmt: skip
        return [whole] + [
            IndexRow(id=f"{number}-{place}", level="passage", kind=kind, kinds=(kind,), parent=f"{number}",
                text=" ".join(words), words=" ".join(words), vector=vector, **base)
            for place, (words, vector) in enumerate(zip(texts, vectors, strict=True))
            for kind in ("table" if place == 0 else "paragraph",)
        ]  # fmt: skip

    def _half(self, place: int, rng: Any) -> list[str]:
        """Return half of a passage's words, in one piece."""
        words = self.texts[place]
        start = int(rng.integers(0, len(words) // 2 + 1))
        return words[start : start + max(len(words) // 2, 1)]


def base(folder: Path, data: Path, books: list[str], cache: Path | None) -> tuple[Made, list[tuple[str, Any]]]:
    """Return the made documents, and questions with their vectors; the index of real pages is kept in the folder."""
    path = folder / f"base-{'-'.join(books)}.index"
    from benchmarks.retrieval.pages import read_pages
    from encoders import Embedder

    embedder = Embedder.from_pretrained(cache=cache)
    texts: list[str] = []
    with Index.open(path, embedder, create=True) as index:
        for name in books:
            pages, queries = read_pages(data, name)
            index.add((page.id, page.document().document) for page in pages)
            unlike = list(dict.fromkeys(query["query"] for query in queries))
            random.Random(0).shuffle(unlike)
            texts += unlike[: 2 * QUESTIONS]
    chosen = np.random.default_rng(0).permutation(len(texts))[: 2 * QUESTIONS].tolist()
    some = [texts[place] for place in chosen]
    vectors = np.asarray(embedder.encode_query(some), np.float32)
    return Made(path), list(zip(some, vectors, strict=True))


def grow(index: Index, made: Made, documents: int) -> float:
    """Add documents until there are so many, killed or not; return the seconds."""
    begin, store = time.monotonic(), index._store
    with store.writing():
        for first in range(store.count("document"), documents, TOGETHER):
            with store.transaction():
                for number in range(first, min(first + TOGETHER, documents)):
                    date = f"20{number % 27:02d}-{number % 12 + 1:02d}-01"
                    about = Metadata(title="t", date=date, site_name=f"s{number % 1000}")
                    store.put(str(number), StoredDocument("", about), "x", made.rows(number))
            print(f"\r{first}", end="", file=sys.stderr, flush=True)
        added = time.monotonic() - begin
    print(f"\nadded {added:.1f} s, tidied {time.monotonic() - begin - added:.1f} s", file=sys.stderr)
    return time.monotonic() - begin


def ask(
    index: Index, embedder: Given, questions: list[tuple[str, Any]], **how: Any
) -> tuple[list[list[str]], list[float], float]:
    """Return the ids of the answers, the seconds of each question, and the processor's seconds a question."""
    answers, seconds, work = [], [], time.process_time()
    for words, vector in questions:
        embedder.question = vector
        begin = time.monotonic()
        answers.append([hit.id for hit in index.search(words, every=True, **how)])
        seconds.append(time.monotonic() - begin)
    return answers, seconds, (time.process_time() - work) / len(questions)


def kept(answers: list[list[str]], wanted: list[list[str]]) -> float:
    """Return the share of what is wanted that is among the answers."""
    return float(np.mean([len({*a} & {*b}) / len(b) for a, b in zip(answers, wanted, strict=True)]))


WAYS: dict[str, dict[str, Any]] = {
    "": {}, "kind": {"kind": "table"}, "date": {"where": {"date": "2026-03-*"}}, "site": {"where": {"site": "s7"}},
    "document": {"kind": "document"},
}  # fmt: skip


def memory() -> int:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def bytes_of(folder: Path) -> dict[str, int]:
    """Megabytes by kind of file."""
    files = sum(file.stat().st_size for file in (folder / "x.index.lance").rglob("*") if file.is_file())
    return {"sqlite": (folder / "x.index").stat().st_size // 1_000_000, "lance": files // 1_000_000}


def measure(folder: Path, made: Made, asked: list[tuple[str, Any]], size: int, store: str) -> dict[str, Any]:
    path, embedder, documents = folder / "x.index", Given(), size // PASSAGES
    with Index.open(path, embedder, create=True, store=store) as index:  # type: ignore[arg-type]
        if index._store.count("document") < documents:
            (folder / f"{size}.seconds").write_text(str(grow(index, made, documents)))
    gc.collect()
    held = memory()
    begin = time.monotonic()
    index = Index.open(path, embedder)
    row: dict[str, Any] = {
        "vectors": size,
        "load": os.getloadavg()[0],
        "build_s": float((folder / f"{size}.seconds").read_text()),
        "open_s": time.monotonic() - begin,
    }
    before, questions = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    row["first_s"] = ask(index, embedder, before[:1])[1][0]
    ask(index, embedder, before)
    answers: dict[str, Any] = {}
    for name, how in WAYS.items():
        ask(index, embedder, before[:1], **how)
        answers[name], seconds, work = ask(index, embedder, questions if not name else questions[:50], **how)
        prefix = f"{name}_" if name else ""
        row[f"{prefix}processor_ms"] = 1000 * work
        row[f"{prefix}p50_ms"] = 1000 * np.median(seconds)
        if not name:
            row |= {"p95_ms": 1000 * np.quantile(seconds, 0.95), "memory_mb": memory() - held}
    row |= bytes_of(folder)
    near.EXACT, limit = 10**12, near.EXACT
    for name, how in WAYS.items():
        wanted, seconds, work = ask(index, embedder, questions if not name else questions[:50], **how)
        row[f"{name}_recall_10" if name else "recall_10"] = kept(answers[name], wanted)
        if not name:
            row |= {"exact_p50_ms": 1000 * np.median(seconds), "exact_processor_ms": 1000 * work}
    row["exact_memory_mb"] = memory() - held
    near.EXACT = limit
    index.close()
    with Index.open(path, embedder, create=True) as index:
        row["add_1000_documents_s"] = grow(index, made, documents + 1000)
        begin = time.monotonic()
        index.remove([str(number) for number in range(documents, documents + 1000)])
        row["remove_1000_documents_s"] = time.monotonic() - begin
    return {name: round(float(value), 3) for name, value in row.items()}
