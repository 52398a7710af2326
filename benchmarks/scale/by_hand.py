"""The same made passages in LanceDB used by hand: its own indexes of vectors and words, and its own hybrid questions.

A table of id, text and vector; `create_index` (cosine; IVF_PQ, its default) and `create_fts_index`; hybrid questions as
its guide has them, fused by reciprocal ranks. Exact is the same question past the index of vectors
(`bypass_vector_index`). Refined: `nprobes(50).refine_factor(20)`, which reads full vectors again.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.scale.index import PASSAGES, TOGETHER, WIDTH, Made, kept

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("vector", pa.list_(pa.float32(), WIDTH))])


def batches(made: Made, documents: int) -> Iterator[pa.RecordBatch]:
    """Yield the passages of so many documents."""
    for first in range(0, documents, TOGETHER):
        rows = [row for n in range(first, min(first + TOGETHER, documents)) for row in made.rows(n)[1:]]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([row.vector for row in rows])), WIDTH)
        yield pa.record_batch([[row.id for row in rows], [row.text for row in rows], vectors], schema=SCHEMA)


def ask(table: Any, questions: list[tuple[str, Any]], how: str) -> tuple[list[list[str]], list[float], float]:
    """Return ids, seconds of each question, and the processor's seconds a question, as `index.ask` does."""
    answers, seconds, work = [], [], time.process_time()
    for words, vector in questions:
        begin = time.monotonic()
        query = table.search(query_type="hybrid").vector(vector).text(words).limit(10).select(["id"])
        if how == "exact":
            query = query.bypass_vector_index()
        elif how == "refined":
            query = query.nprobes(50).refine_factor(20)
        answers.append(query.to_arrow()["id"].to_pylist())
        seconds.append(time.monotonic() - begin)
    return answers, seconds, (time.process_time() - work) / len(questions)


def measure(folder: Path, made: Made, asked: list[tuple[str, Any]], size: int) -> dict[str, Any]:
    """Return what a table of so many passages costs, and how near it comes to its own exact answers."""
    os.environ.setdefault("LANCE_LOG", "error")
    import lancedb

    shutil.rmtree(folder / "by_hand", ignore_errors=True)
    begin = time.monotonic()
    table = lancedb.connect(folder / "by_hand").create_table("passages", batches(made, size // PASSAGES), SCHEMA)
    added = time.monotonic() - begin
    table.create_index(metric="cosine")
    table.create_fts_index("text")
    row: dict[str, Any] = {"vectors": size, "added_s": added, "build_s": time.monotonic() - begin}
    files = (file for file in (folder / "by_hand").rglob("*") if file.is_file())
    row["mb"] = sum(file.stat().st_size for file in files) // 1_000_000
    before, questions = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    wanted, seconds, _ = ask(table, questions, "exact")
    row["exact_p50_ms"] = 1000 * np.median(seconds)
    for how in ("default", "refined"):
        ask(table, before, how)
        answers, seconds, work = ask(table, questions, how)
        row |= {f"{how}_p50_ms": 1000 * np.median(seconds), f"{how}_processor_ms": 1000 * work}
        row[f"{how}_recall_10"] = kept(answers, wanted)
    return {name: round(float(value), 3) for name, value in row.items()}
