"""Nodes of pages found by definitions, quiz questions, headings and captions; passages by questions.

    python -m benchmarks.retrieval [--data FOLDER] [--every 1] [--cache FILE] [--parts settings pages flat speed memory]

    settings  a grid of the shares in a section's vector, on psychology, US history and astronomy
    pages   OpenStax business and anthropology: definition -> section, quiz question -> page (where the
            books have any), heading -> section (the target's own heading taken out before anything is read),
            caption -> image (all captions taken out)
    flat    XQuAD in three scripts, Cranfield
    speed   `TextEncoder.encode` beside `SentenceTransformer.encode`, the same texts, all different, the same threads
    memory  peak memory of encoding 100,000 short paragraphs, passage by passage, in a process of its own

The default settings of `Embedder` come from the grid; the pages that are reported had no part in it.
Writes benchmarks/results/retrieval.json and retrieval.md.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import about
from benchmarks.page import RESULTS, command_line, made_by, publish, record, recorded
from benchmarks.retrieval import systems
from benchmarks.retrieval.flat import cranfield, xquad
from benchmarks.retrieval.measure import compared, gains, summary
from benchmarks.retrieval.pages import Page, asked, caption_queries, heading_queries, read_pages
from benchmarks.retrieval.settings import grid
from benchmarks.retrieval.systems import Places
from encoders import Embedder
from training.markdown import table

BASE = "sentence-transformers"
TITLES = {
    "definition": "definition → section",
    "quiz": "quiz question → page",
    "heading": "heading → section",
    "caption": "caption → image",
}


def measure(
    places: Places, queries: Sequence[str], relevant: list[dict[int, float]], embedder: Embedder
) -> dict[str, Any]:
    """Score every system on the same queries, each beside sentence-transformers in two lines."""
    start = time.perf_counter()
    scores = {
        "BM25": systems.bm25(places, queries),
        BASE: systems.sentence_transformers(places, queries, embedder),
        "windows": systems.windows(places, queries, embedder),
        "late": systems.late(places, queries, embedder),
    }
    scores["docgraph"], scores["docgraph, best passage"] = systems.docgraph(places, queries, embedder)
    found = {name: gains(one, relevant) for name, one in scores.items()}
    print(f"   {len(queries)} queries, {len(places.row)} places, {time.perf_counter() - start:.0f} s", flush=True)
    return {
        name: {**summary(one), "difference": compared(one["ndcg"], found[BASE]["ndcg"])} for name, one in found.items()
    }


def pages_part(data: Path, every: int, embedder: Embedder) -> dict[str, Any]:
    """Measure the four questions on OpenStax pages."""
    pages, queries = read_pages(data, "ccby")
    pages = pages[::every]
    found: dict[str, Any] = {"pages": len(pages), "every": every}
    for task, without in (("definition", None), ("quiz", None), ("heading", "heading"), ("caption", "caption")):
        if task in ("definition", "quiz"):
            wanted = [one for one in asked(pages, queries, task) if task == "quiz" or one.target is not None]
        else:
            wanted = heading_queries(pages) if task == "heading" else caption_queries(pages)
        places, index = _places(pages, task, without)
        wanted = [one for one in wanted if (one.page, one.target) in index]
        if wanted:
            relevant = [{index[one.page, one.target]: 1.0} for one in wanted]
            found[task] = measure(places, [one.text for one in wanted], relevant, embedder)
    return found


def _places(pages: Sequence[Page], task: str, without: str | None) -> tuple[Places, dict[tuple[int, int | None], int]]:
    """Return what is searched, and the number of each (page, section or figure)."""
    built = [page.document(without) for page in pages]
    if task == "quiz":
        keys = [(number, None, 0) for number in range(len(pages))]
    elif task == "caption":
        keys = [(n, figure, row) for n, one in enumerate(built) for figure, row in one.figures.items()]
    else:
        keys = [
            (n, section, row)
            for n, (page, one) in enumerate(zip(pages, built, strict=True))
            for section, row in one.sections.items()
            if section in page.paths and row > 0
        ]
    places = Places([one.document for one in built], [n for n, _, _ in keys], [row for _, _, row in keys])
    return places, {(n, target): number for number, (n, target, _) in enumerate(keys)}


def flat_part(data: Path, embedder: Embedder) -> dict[str, Any]:
    """Measure XQuAD and Cranfield: each document is one place."""
    found = {}
    sets = {f"XQuAD {language}": xquad(data, language) for language in ("en", "zh", "ru")}
    for name, (documents, queries, relevant) in {**sets, "Cranfield": cranfield(data)}.items():
        places = Places(documents, range(len(documents)), [0] * len(documents))
        found[name] = measure(places, queries, relevant, embedder)
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


def report(found: dict[str, Any]) -> str:
    """Return the results page."""
    text = ["# Retrieval", "", __doc__.split("\n\n")[0], ""]
    if "pages" in found:
        text += [
            f"OpenStax business and anthropology, {found['pages']['pages']} pages: one in {found['pages']['every']}. "
            "sentence-transformers reads a place's text under its title and headings, cut at 256 tokens.",
            "",
        ]
    for part in ("pages", "flat"):
        for name, scores in found.get(part, {}).items():
            if not isinstance(scores, dict):
                continue
            queries = scores[BASE]["queries"]
            text += [f"## {TITLES.get(name, name)}", "", f"{queries:,} queries.", ""]
            rows = [
                [
                    system,
                    f"{one['ndcg']:.3f}",
                    f"{one['r1']:.3f}",
                    f"{one['r10']:.3f}",
                    "" if system == BASE else "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**one["difference"]),
                ]
                for system, one in scores.items()
            ]
            text += [table(["", "nDCG@10", "R@1", "R@10", "nDCG beside sentence-transformers (95 %)"], rows), ""]
    if "settings" in found:
        text += [
            "## Settings",
            "",
            "nDCG@10 on every third page of psychology, US history and astronomy; `NodeSettings` has the shares of "
            "title and headings, `best` is the weight of the best passage in a search.",
            "",
        ]
        rows = [
            [
                one["title"],
                one["headings"],
                one["best"],
                *(f"{one[n]:.4f}" for n in ("heading", "caption", "definition", "mean")),
            ]
            for one in found["settings"]
        ]
        text += [table(["title", "headings", "best", "heading", "caption", "definition", "mean"], rows), ""]
    if "speed" in found:
        one = found["speed"]
        text += [
            "## Speed",
            "",
            f"{one['texts']} different paragraphs, {one['threads']} thread(s), processor time, fastest of "
            f"{len(one['seconds'][BASE])}: {min(one['seconds']['docgraph']):.2f} s beside "
            f"{min(one['seconds'][BASE]):.2f} s of `SentenceTransformer.encode`: {one['ratio']:.2f} x.",
            "",
        ]
    if "memory" in found:
        one = found["memory"]
        text += [
            "## Memory",
            "",
            f"{one['paragraphs']:,} different paragraphs, float16: peak {one['peak_mb']:,.0f} MB, "
            f"{one['loaded_mb']:,.0f} MB of it before the first one.",
            "",
        ]
    return "\n".join([*text, made_by(found["about"]), ""])


def main() -> None:
    """Measure the parts that are asked for; others stay as they were recorded."""
    parser: argparse.ArgumentParser = command_line(__doc__)
    parser.add_argument("--parts", nargs="+", default=["settings", "pages", "flat", "speed", "memory"])
    parser.add_argument("--every", type=int, default=1, help="every n-th page only")
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps vectors between calls")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of results; default: %(default)s")
    chosen = parser.parse_args()
    embedder = Embedder.from_pretrained(cache=chosen.cache)
    found = recorded("retrieval", chosen.output)
    if "settings" in chosen.parts:
        pages, queries = read_pages(chosen.data, "dev")
        found["settings"] = grid(pages[:: 3 * chosen.every], queries, embedder)
    if "pages" in chosen.parts:
        found["pages"] = pages_part(chosen.data, chosen.every, embedder)
    if "flat" in chosen.parts:
        found["flat"] = flat_part(chosen.data, embedder)
    if "speed" in chosen.parts:
        found["speed"] = speed_part(chosen.data, embedder)
    if "memory" in chosen.parts:
        found["memory"] = memory_part()
    found["about"] = about("torch", "sentence-transformers", "docgraph")
    record("retrieval", found, chosen.output)
    publish("retrieval", report(found), chosen.output)


if __name__ == "__main__":
    main()
