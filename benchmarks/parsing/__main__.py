"""The parser side by side with its peers: quality, speed and hostile pages, with the targets it is held to.

    python -m benchmarks.parsing [--parts quality unseen speed hostile] [--systems NAME ...]
                                 [--peers FOLDER] [--data FOLDER]
    pip install -e ".[bench]", or, not to mix them with what is there: pip install --target FOLDER trafilatura ...

    quality  body F1, structure recall and metadata on gold pages (`parsing_gold`), for every system (`parsing_systems`)
    unseen   main text on all gold, docgraph cross-validated by site, with intervals and by language (`unseen`)
    speed    the whole call, page after page, as a ratio to `BeautifulSoup(page, "lxml")` timed in between, one core
    hostile  pages made to break a parser (`parsing_hostile`): time, memory, text kept

Writes benchmarks/results/parsing.json, part by part, and parsing.md from it. The forest of docgraph has seen the gold
pages, so its body F1 under "quality" flatters it: the figure to compare with peers is the one under "unseen". Peers'
rules may have been tuned on some of these pages too; nobody knows. Time speed alone on the machine. Packages in
`--peers` come after those of the environment, so that all systems run over one lxml and one BeautifulSoup.
"""

import gc
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from benchmarks.clock import about
from benchmarks.page import command_line, record, recorded
from benchmarks.parsing.gold import GoldPage, body_f1, gold_pages, metadata_hits, section_hits, structure_hits
from benchmarks.parsing.hostile import hostile_pages
from benchmarks.parsing.report import report
from benchmarks.parsing.systems import SYSTEMS, set_up, version
from benchmarks.parsing.unseen import measure_unseen
from training.output.files import write_atomically

SETS = ("scrapinghub", "readability", "fundus", "cleaneval-dev")
TIMED_SETS = ("scrapinghub", "readability", "fundus")
ROUNDS = 2
"""Times that each page is timed; the faster one counts."""


def measure_quality(names: list[str], pages: list[GoldPage]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name in names:
        if (system := set_up(name)) is None:
            continue
        bodies: dict[str, list[tuple[str, str]]] = {}
        structure: dict[str, dict[str, list[int]]] = {"readability": {}, "fundus": {}}
        metadata: dict[str, dict[str, list[int]]] = {"readability": {}, "fundus": {}}
        failures = 0
        for page in pages:
            body = bodies.setdefault(page.set, [])
            try:
                output = system.run(page.markup, page.url)
                body.append((page.body, system.text(output)))
            except Exception as error:
                failures += 1
                print(f"   {name} failed on {page.set}/{page.name}: {error!r:.100}", flush=True)
                body.append((page.body, ""))
                continue
            if page.structure is not None and system.structure is not None:
                measure = structure_hits if page.set == "readability" else section_hits
                for kind, counts in measure(page.structure, system.structure(output)).items():
                    total = structure[page.set].setdefault(kind, [0, 0, 0])
                    total[:] = [a + b for a, b in zip(total, counts, strict=True)]
            if page.metadata and system.metadata is not None:
                for field, hit in metadata_hits(page.metadata, system.metadata(output)):
                    total = metadata[page.set].setdefault(field, [0, 0])
                    total[0] += hit
                    total[1] += 1
        results[name] = {
            "version": version(SYSTEMS[name][0]),
            "failures": failures,
            "body": {label: body_f1(pairs) for label, pairs in bodies.items()},
            "structure": structure,
            "metadata": metadata,
        }
        said = "  ".join(f"{label} {values['f1']:.4f}" for label, values in results[name]["body"].items())
        print(f"{name:26} body F1  {said}", flush=True)
    return results


def measure_speed(names: list[str], pages: list[GoldPage]) -> dict[str, Any]:
    """Return pages a second and the ratio to BeautifulSoup; both take the fastest of `ROUNDS` on each page."""
    results: dict[str, Any] = {}
    pages = [page for page in pages if page.set in TIMED_SETS]
    for name in names:
        if (system := set_up(name)) is None:
            continue
        for page in pages[:3]:
            system.run(page.markup, page.url)
        soups, runs = [1e9] * len(pages), [1e9] * len(pages)
        gc.collect()
        for _ in range(ROUNDS):
            for place, page in enumerate(pages):
                started = time.perf_counter()
                BeautifulSoup(page.markup, "lxml")
                between = time.perf_counter()
                try:
                    system.run(page.markup, page.url)
                except Exception:
                    soups[place] = runs[place] = 0.0
                    continue
                ended = time.perf_counter()
                soups[place] = min(soups[place], between - started)
                runs[place] = min(runs[place], ended - between)
        read = sum(run > 0 for run in runs)
        results[name] = {
            "pages": read,
            "pages_per_second": round(read / sum(runs), 1),
            "milliseconds": round(1000 * sum(runs) / read, 2),
            "beautifulsoup_milliseconds": round(1000 * sum(soups) / read, 2),
            "ratio": round(sum(runs) / sum(soups), 3),
        }
        print(f"{name:26} {results[name]}", flush=True)
    return results


def main() -> None:
    arguments = command_line(__doc__)
    arguments.add_argument("--parts", nargs="*", default=["quality", "unseen", "speed", "hostile"])
    arguments.add_argument("--systems", nargs="*", choices=list(SYSTEMS), default=list(SYSTEMS))
    arguments.add_argument("--peers", type=Path, help="folder with the peers' packages")
    arguments.add_argument("--folds", type=int, default=5)
    arguments.add_argument("--dry", action="store_true", help="print only, write no results")
    options = arguments.parse_args()
    if options.peers:
        sys.path.append(str(options.peers))
    warnings.simplefilter("ignore")
    folder = options.data / "html_gold"
    needs_pages = {"quality", "speed"} & set(options.parts)
    pages = gold_pages(folder, SETS) if needs_pages else []
    parts = {
        "quality": lambda: measure_quality(options.systems, pages),
        "unseen": lambda: measure_unseen(options.data, options.systems, options.folds),
        "speed": lambda: measure_speed(options.systems, pages),
        "hostile": lambda: hostile_pages(options.systems),
    }
    for part in options.parts:
        found = parts[part]()
        if not options.dry:
            _keep(part, found, options.results)


def _keep(part: str, found: dict[str, Any], folder: Path) -> None:
    """Write what was found into the results, beside the parts and systems that are there."""
    results = recorded("parsing", folder)
    before = results.get(part, {}).get("found", {}) if part != "unseen" else {}
    found = {**before, **found}
    ordered = {name: found[name] for name in sorted(found, key=_order)}
    results[part] = {**about("lxml", "beautifulsoup4", "numpy"), "found": ordered}
    record("parsing", results, folder)
    write_atomically(folder / "parsing.md", report(results))


def _order(name: str) -> int:
    """Systems stand in the order of `SYSTEMS`."""
    return list(SYSTEMS).index(name) if name in SYSTEMS else len(SYSTEMS)


if __name__ == "__main__":
    main()
