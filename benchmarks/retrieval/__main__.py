"""Nodes of pages found by definitions, quiz questions, headings, captions and titles; passages by questions.

    python -m benchmarks.retrieval [--data FOLDER] [--every 1] [--cache FILE] [--parts settings weights pages ...]

    settings  a grid of the shares in a section's vector, on psychology, US history and astronomy
    weights   a grid of the weights of `docgraph search`, on the same books, each held out once
    pages     eight tasks on OpenStax business and anthropology: tasks.py
    flat      XQuAD in three scripts, Cranfield
    classes   nearest neighbours and clusters of BBC and 20 Newsgroups
    speed     `TextEncoder.encode` beside `SentenceTransformer.encode`, the same texts, all different, the same threads
    index     building an index beside embedding alone, and a warm query, 1,000 HTML pages
    memory    peak memory of encoding 100,000 short paragraphs, passage by passage, in a process of its own

Settings and weights come from the grids; the pages that are reported had no part in them. Parts that are not asked for
stay as they were recorded. Writes benchmarks/results/retrieval.json and retrieval.md.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import about
from benchmarks.page import command_line, publish, record, recorded
from benchmarks.retrieval import systems
from benchmarks.retrieval.classes import classes_part
from benchmarks.retrieval.flat import cranfield, xquad
from benchmarks.retrieval.indexing import index_part
from benchmarks.retrieval.measure import compared, gains, summary
from benchmarks.retrieval.pages import read_pages
from benchmarks.retrieval.report import SEARCH, report
from benchmarks.retrieval.settings import grid
from benchmarks.retrieval.systems import BASE, Places
from benchmarks.retrieval.tasks import tasks
from benchmarks.retrieval.weights import weights_part
from encoders import Embedder

PARTS = ("settings", "weights", "pages", "flat", "classes", "speed", "index", "memory")


def measure(
    places: Places, queries: Sequence[str], relevant: list[dict[int, float]], embedder: Embedder
) -> dict[str, Any]:
    """Score all systems on the same queries, beside two lines of sentence-transformers; search beside the best, too."""
    start = time.perf_counter()
    scores = {
        "BM25": systems.bm25(places, queries),
        BASE: systems.sentence_transformers(places, queries, embedder),
        "windows": systems.windows(places, queries, embedder),
        "late": systems.late(places, queries, embedder),
    }
    nodes, best_passages = systems.docgraph(places, queries, embedder)
    scores["BM25 + best passage"] = systems.standard(scores["BM25"]) + systems.standard(best_passages)
    scores["docgraph"], scores["docgraph, best passage"] = nodes, nodes + systems.BEST * best_passages
    scores[SEARCH] = systems.search(places, queries, embedder)
    found = {name: gains(one, relevant) for name, one in scores.items()}
    print(f"   {len(queries)} queries, {len(places.row)} places, {time.perf_counter() - start:.0f} s", flush=True)
    said = {
        name: {**summary(one), "difference": compared(one["ndcg"], found[BASE]["ndcg"])} for name, one in found.items()
    }
    best = max((name for name in found if name != SEARCH), key=lambda name: said[name]["ndcg"])
    said[SEARCH]["beside_best"] = {"system": best, **compared(found[SEARCH]["ndcg"], found[best]["ndcg"])}
    return said


def pages_part(data: Path, every: int, embedder: Embedder) -> dict[str, Any]:
    """Measure the tasks on OpenStax pages."""
    pages, queries = read_pages(data, "ccby")
    pages = pages[::every]
    found: dict[str, Any] = {"pages": len(pages), "every": every}
    for task in tasks(pages, queries):
        print(task.name, flush=True)
        found[task.name] = measure(task.places, task.queries, task.relevant, embedder)
    return found


def flat_part(data: Path, every: int, embedder: Embedder) -> dict[str, Any]:
    """Measure XQuAD and Cranfield: each document is one place."""
    found = {}
    sets = {f"XQuAD {language}": xquad(data, language) for language in ("en", "zh", "ru")}
    for name, (documents, queries, relevant) in {**sets, "Cranfield": cranfield(data)}.items():
        print(name, flush=True)
        places = Places(documents, range(len(documents)), [0] * len(documents), "document")
        found[name] = measure(places, queries[::every], relevant[::every], embedder)
    return found


def speed_part(data: Path, embedder: Embedder, texts: int = 100, rounds: int = 3) -> dict[str, Any]:
    """Take the processor time of both on the same paragraphs, in turn; the fastest round of each counts."""
    pages, _ = read_pages(data, "ccby")
    some = list(dict.fromkeys(block["text"] for page in pages for block in page.blocks if len(block["text"]) > 20))
    some = [some[n] for n in np.random.default_rng(0).permutation(len(some))[:texts].tolist()]
    encoder = embedder.reader.encoder
    cache, encoder.cache = encoder.cache, None
    calls = {
        BASE: lambda: encoder.model.encode(some),
        "docgraph": lambda: encoder.encode(some),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    encoder.cache = cache
    ratio = min(times[BASE]) / min(times["docgraph"])
    return {"texts": len(some), "threads": torch.get_num_threads(), "seconds": times, "ratio": ratio}


MEMORY = """
import resource, sys
from docgraph import DocumentBuilder
from encoders import Embedder, NodeSettings
embedder = Embedder.from_pretrained(settings=NodeSettings(fill=1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def page(first):
    builder = DocumentBuilder()
    builder.open("page")
    for number in range(first, first + 100):
        builder.block("paragraph", f"{number} is a number.")
    builder.close()
    return builder.build()
found = embedder.encode((page(first) for first in range(0, int(sys.argv[1]), 100)), "passage", dtype="float16")
print(len(found), before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory_part(paragraphs: int = 100_000) -> dict[str, Any]:
    """Return peak memory in MB before and after, of a process that encodes so many different paragraphs."""
    said = subprocess.run([sys.executable, "-c", MEMORY, str(paragraphs)], capture_output=True, text=True, check=True)
    rows, before, after = map(int, said.stdout.split()[-3:])
    return {"paragraphs": rows, "loaded_mb": before / 1024, "peak_mb": after / 1024}


def main() -> None:
    """Measure the parts that are asked for; others stay as they were recorded."""
    parser: argparse.ArgumentParser = command_line(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--every", type=int, default=1, help="every n-th page (or question) only")
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps vectors between calls")
    chosen = parser.parse_args()
    data, every = chosen.data, chosen.every
    embedder = Embedder.from_pretrained(cache=chosen.cache)
    found = recorded("retrieval", chosen.results)
    parts: dict[str, Callable[[], Any]] = {
        "settings": lambda: grid(read_pages(data, "dev")[0][:: 3 * every], read_pages(data, "dev")[1], embedder),
        "weights": lambda: weights_part(data, every, embedder),
        "pages": lambda: pages_part(data, every, embedder),
        "flat": lambda: flat_part(data, every, embedder),
        "classes": lambda: classes_part(data, embedder),
        "speed": lambda: speed_part(data, embedder),
        "index": lambda: index_part(data, embedder, every),
        "memory": memory_part,
    }
    for name in chosen.parts:
        found[name] = parts[name]()
        found["about"] = about("torch", "sentence-transformers", "docgraph")
        record("retrieval", found, chosen.results)
    publish("retrieval", report(found, __doc__.split("\n\n")[0]), chosen.results)


if __name__ == "__main__":
    main()
