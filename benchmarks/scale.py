"""Indexes of up to a million vectors, and pages a second by engine and workers.

    python -m benchmarks.scale index CACHE TEXTS --folder F [--sizes 200000,1000000] [--results R.json]
    python -m benchmarks.scale engines PAGES --folder F [--workers 1,2] [--results R.json]

index: CACHE is what `docgraph embed --cache CACHE` leaves: real vectors, to which noise is added until there are
enough. TEXTS is a folder of pages whose paragraphs, in pieces, are the words. The index grows from size to size; at
each: seconds to build, to open, of a first and of further hybrid questions, share of the exact answer's ten that are
among the ten, seconds that 1,000 more documents take, bytes on disk, memory. F keeps the index: killed, it goes on.

engines: PAGES parsed by each engine with each number of workers, Ray's start not counted.
"""

import argparse
import gc
import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from docgraph import Document, DocumentBuilder, load_document
from docgraph.index import Index, lance
from docgraph.index.rows import Row
from docgraph.metadata import Metadata

WIDTH = 384
PASSAGES = 20
"""Of a document."""
WORDS = 40
"""Of a passage."""
NOISE = 0.6
"""Length of the noise beside a real vector of length 1: the cosine of the two is .86."""
QUESTIONS = 100
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


def real(cache: Path, texts: Path) -> tuple[Any, list[str]]:
    """Return (m, D) vectors of length 1 and the words of all pages."""
    rows = sqlite3.connect(f"file:{cache}?mode=ro", uri=True).execute(
        "SELECT data FROM features WHERE width = ? ORDER BY digest", (WIDTH,)
    )
    vectors = np.frombuffer(b"".join(data for (data,) in rows if len(data) == 4 * WIDTH), np.float32)
    words = [word for page in sorted(texts.rglob("*.html")) for word in load_document(page).text.split()]
    return unit(vectors.reshape(-1, WIDTH)), words


class Made:
    """Documents that follow from their number."""

    def __init__(self, vectors: Any, words: list[str]) -> None:
        self.vectors, self.words = vectors, words
        builder = DocumentBuilder()
        builder.open("page")
        builder.block("paragraph", "x")
        builder.close()
        self.page: Document = builder.build(metadata=Metadata(title="t"))

    def near(self, some: Any, rng: Any) -> Any:
        """Return vectors near some."""
        return unit(some + NOISE * unit(rng.standard_normal(some.shape).astype(np.float32)))

    def rows(self, number: int) -> list[Row]:
        rng = np.random.default_rng(number)
        vectors = self.near(self.vectors[rng.integers(0, len(self.vectors), PASSAGES)], rng)
        starts = rng.integers(0, len(self.words) - WORDS, PASSAGES).tolist()
        texts = [" ".join(self.words[start : start + WORDS]) for start in starts]
        base: dict[str, Any] = {"headings": (), "span": (0, 1), "dom_path": None}
        whole = Row(id=f"{number}", level="document", kind="page", kinds=("page",), parent=None, text="", words="",
                    vector=unit(vectors.mean(0)), **base)  # fmt: skip
        return [whole] + [
            Row(id=f"{number}-{place}", level="passage", kind="paragraph", kinds=("paragraph",), parent=f"{number}",
                text=text, words=text, vector=vector, **base)
            for place, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]  # fmt: skip

    def questions(self, documents: int) -> Iterator[tuple[str, Any]]:
        """Yield words and a vector near those of some passage."""
        rng = np.random.default_rng(7)
        for number in rng.integers(0, documents, QUESTIONS).tolist():
            row = self.rows(number)[1 + int(rng.integers(PASSAGES))]
            words = row.text.split()
            yield " ".join(rng.choice(words, 6, replace=False).tolist()), self.near(row.vector, rng)


def grow(index: Index, made: Made, documents: int) -> float:
    """Add documents until there are so many, killed or not; return the seconds."""
    begin, store = time.monotonic(), index._store
    with store.writing():
        for first in range(store.count("document"), documents, TOGETHER):
            with store.transaction():
                for number in range(first, min(first + TOGETHER, documents)):
                    store.put(str(number), made.page, "x", made.rows(number))
            print(f"\r{first}", end="", file=sys.stderr, flush=True)
        added = time.monotonic() - begin
    print(f"\nadded {added:.1f} s, tidied {time.monotonic() - begin - added:.1f} s", file=sys.stderr)
    return time.monotonic() - begin


def ask(index: Index, embedder: Given, questions: list[tuple[str, Any]]) -> tuple[list[list[str]], list[float], float]:
    """Return the ids of the answers, the seconds of each question, and the processor's seconds a question."""
    answers, seconds, work = [], [], time.process_time()
    for words, vector in questions:
        embedder.question = vector
        begin = time.monotonic()
        answers.append([hit.id for hit in index.search(words)])
        seconds.append(time.monotonic() - begin)
    return answers, seconds, (time.process_time() - work) / len(questions)


def memory() -> int:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def bytes_of(folder: Path) -> dict[str, int]:
    """Megabytes by kind of file."""
    lance_files = sum(file.stat().st_size for file in (folder / "x.index.lance").rglob("*") if file.is_file())
    return {"sqlite": (folder / "x.index").stat().st_size // 1_000_000, "lance": lance_files // 1_000_000}


def measure(folder: Path, made: Made, size: int, exact: bool) -> dict[str, Any]:
    path, embedder, documents = folder / "x.index", Given(), size // PASSAGES
    with Index.open(path, embedder, create=True, store="lancedb") as index:
        build = grow(index, made, documents)
    gc.collect()
    begin = time.monotonic()
    index = Index.open(path, embedder)
    row: dict[str, Any] = {"vectors": size, "build_s": build, "open_s": time.monotonic() - begin}
    questions = list(made.questions(documents))
    row["first_s"] = ask(index, embedder, questions[:1])[1][0]
    ask(index, embedder, questions)  # common words are kept
    answers, seconds, work = ask(index, embedder, questions)
    row["processor_ms"] = 1000 * work
    row |= {"p50_ms": 1000 * np.median(seconds), "p95_ms": 1000 * np.quantile(seconds, 0.95), "memory_mb": memory()}
    row |= bytes_of(folder)
    if exact:
        lance.EXACT, before = 10**12, lance.EXACT
        wanted, slow, _ = ask(index, embedder, questions)
        lance.EXACT = before
        kept = [len({*a} & {*b}) / len(b) for a, b in zip(answers, wanted, strict=True)]
        row |= {"recall_10": np.mean(kept), "exact_p50_ms": 1000 * np.median(slow), "exact_memory_mb": memory()}
    index.close()
    with Index.open(path, embedder, create=True) as index:
        row["add_1000_documents_s"] = grow(index, made, documents + 1000)
    return {name: round(float(value), 3) for name, value in row.items()}


ONE = """
import json, sys, time
from docgraph import parse_many
if __name__ == "__main__":
    pages, output, workers, engine = sys.argv[1:]
    if engine == "ray":
        import ray
        from docgraph.bulk.on_ray import OnRay
        ray.init("local", num_cpus=int(workers), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        nap = ray.remote(lambda: time.sleep(1))
        ray.get([nap.remote() for _ in range(int(workers))])  # processes are there
        counts = parse_many(pages, output, engine=OnRay(workers=int(workers)))
    else:
        counts = parse_many(pages, output, workers=int(workers))
    print(json.dumps({"pages": counts.written, "seconds": counts.seconds}))
"""


def engine(pages: Path, folder: Path, name: str, workers: int) -> dict[str, Any]:
    """Parse all pages in a process of its own, and return pages a second."""
    script = folder / "one.py"
    script.write_text(ONE)
    output = folder / f"{name}-{workers}-{time.time():.0f}.parquet"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, script, pages, output, str(workers), name], capture_output=True, env=environment, check=True
    )
    counts = json.loads(done.stdout.splitlines()[-1])
    output.unlink()
    return {"engine": name, "workers": workers, **counts, "pages_per_s": round(counts["pages"] / counts["seconds"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("index", "engines"))
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", default="200000,1000000")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--no-exact", action="store_true")
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    if asked.part == "index":
        made = Made(*real(*asked.paths))
        for size in map(int, asked.sizes.split(",")):
            rows.append(measure(asked.folder, made, size, not asked.no_exact))
            print(json.dumps(rows[-1]), flush=True)
    else:
        for workers in map(int, asked.workers.split(",")):
            for name in ("local", "ray"):
                rows.append(engine(asked.paths[0], asked.folder, name, workers))
                print(json.dumps(rows[-1]), flush=True)
    if asked.results:
        held = json.loads(asked.results.read_text()) if asked.results.exists() else {}
        asked.results.write_text(json.dumps({**held, asked.part: rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
