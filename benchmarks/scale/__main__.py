"""Indexes of up to a million vectors, pages a second by engine and workers, a cluster that loses a node, a corpus.

    python -m benchmarks.scale index --folder F [--sizes 20000,100000,1000000] [--books ccby,dev] [--store sqlite]
                                     [--cache FILE]
    python -m benchmarks.scale by_hand --folder F [--sizes 20000,100000,1000000] [--books ccby,dev] [--cache FILE]
    python -m benchmarks.scale encode --folder F
    python -m benchmarks.scale engines PAGES --folder F [--workers 1,2]
    python -m benchmarks.scale nodes PAGES --folder F
    python -m benchmarks.scale corpus PAGES --folder F [--sizes 2000,20000] [--workers 2]

Each part writes its share of benchmarks/results/scale.json, and the page scale.md of all that is there; sizes that a
call leaves out stay. F keeps what is made: killed, an index goes on.
"""

from pathlib import Path
from typing import Any, Final

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from benchmarks.scale import by_hand, corpus, encode, engines, index, nodes
from training.output.markdown import table

SAID: Final = {
    "vectors": "vectors", "processor_ms": "processor, ms", "p50_ms": "p50, ms", "p95_ms": "p95, ms",
    "recall_10": "of the exact ten", "exact_processor_ms": "all compared: processor, ms", "exact_p50_ms": "p50, ms",
    "first_s": "first question, s", "open_s": "opened, s", "memory_mb": "memory, MB", "exact_memory_mb": "all compared",
    "sqlite": "SQLite, MB", "lance": "LanceDB, MB", "build_s": "built, s", "add_1000_documents_s": "1,000 added, s",
    "remove_1000_documents_s": "removed, s", "load": "load", "added_s": "rows written, s", "mb": "MB on disk",
    "default_p50_ms": "by default: p50, ms", "default_processor_ms": "processor, ms",
    "default_recall_10": "of the exact ten", "refined_p50_ms": "refined: p50, ms",
    "refined_processor_ms": "processor, ms", "refined_recall_10": "of the exact ten",
}  # fmt: skip
ASKED: Final = (
    "vectors", "processor_ms", "p50_ms", "p95_ms", "recall_10", "exact_processor_ms", "exact_p50_ms", "first_s", "load",
)  # fmt: skip
HELD: Final = (
    "vectors", "open_s", "memory_mb", "exact_memory_mb", "sqlite", "lance", "build_s", "add_1000_documents_s",
    "remove_1000_documents_s",
)  # fmt: skip
FILTERS: Final = {"kind": "kind `table`, 1 in 20", "date": "a month, 1 in 324", "site": "a site, 1 in 1,000",
                  "document": "kind `document`"}  # fmt: skip

BY_HAND: Final = (
    "vectors", "added_s", "build_s", "mb", "exact_p50_ms", "default_p50_ms", "default_processor_ms",
    "default_recall_10", "refined_p50_ms", "refined_processor_ms", "refined_recall_10",
)  # fmt: skip

DOCUMENT: Final = (
    "A document is found by its best passage, and one none of whose passages is looked up is underrated; the documents"
    " here are twenty passages without a common subject, the worst case."
)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def rows_of(rows: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    return table([SAID[name] for name in names], [[number(row[name]) for name in names] for row in rows])


def page(found: dict[str, Any]) -> str:
    """Return the page of what was measured."""
    text = f"# Scale\n\n{__doc__.split('Each part')[0].split(chr(10), 1)[1].strip(chr(10))}\n"
    if part := found.get("index"):
        text += f"\n## An index that grows\n\n{index.__doc__.split(chr(10), 2)[2].strip()}\n\n"
        text += f"Store `{part['store']}`, a hybrid question, kind `passage`.\n\n{rows_of(part['rows'], ASKED)}\n\n"
        text += f"{rows_of(part['rows'], HELD)}\n\nWith a filter:\n\n"
        text += table(
            ["vectors", "filter", "processor, ms", "p50, ms", "of the exact ten"],
            [
                [number(row["vectors"]), said, *(number(row[f"{name}_{of}"]) for of in ASKED[1:5] if of != "p95_ms")]
                for row in part["rows"] for name, said in FILTERS.items()
            ],
        )  # fmt: skip
        text += f"\n\n{DOCUMENT}\n\n{made_by(part['about'])}\n"
    if part := found.get("by_hand"):
        text += f"\n## LanceDB used by hand\n\n{by_hand.__doc__}\n{rows_of(part['rows'], BY_HAND)}"
        text += f"\n\n{made_by(part['about'])}\n"
    if part := found.get("encode"):
        text += f"\n## Passages read\n\n{encode.__doc__}\n"
        heads = ["way", "passages", "seconds", "passages a second"]
        text += table(heads, [[str(row[name]) for name in row] for row in part["rows"]])
        text += f"\n\n{made_by(part['about'])}\n"
    if part := found.get("engines"):
        text += f"\n## Engines\n\n{engines.__doc__}\n"
        shown = [
            [str(row[name]) for name in ("engine", "workers", "pages", "seconds", "pages_per_s")]
            for row in part["rows"]
        ]
        text += table(["engine", "workers", "pages", "seconds", "pages a second"], shown)
        text += f"\n\n{made_by(part['about'])}\n"
    if part := found.get("nodes"):
        text += f"\n## A node killed\n\n{nodes.__doc__}\n"
        text += (
            "{pages} pages, SIGKILL when {killed_at} were there: the job ended on the other node after {seconds} s with"
            " {written} rows, {twice} of them twice, {failed} failed; the same table as here: {same_as_here}.\n\n"
        ).format(**part["rows"])
        text += f"{made_by(part['about'])}\n"
    if part := found.get("corpus"):
        text += f"\n## A corpus\n\n{corpus.__doc__}\n"
        names = ("pages", "command", "engine", "workers", "seconds", "mb", "killed_at", "rows", "twice", "same")
        heads = [*names[:5], "memory, MB", "killed at shard", *names[7:9], "the local engine's rows"]
        text += table(heads, [[str(row.get(name, "")).replace("None", "") for name in names] for row in part["rows"]])
        text += f"\n\n{made_by(part['about'])}\n"
    return text


def write(found: dict[str, Any], part: str, results: Path) -> None:
    """Write a part and the page of all; sizes of an index that this call leaves out stay."""
    held = recorded("scale", results)
    if part in ("index", "by_hand"):
        known = {row["vectors"]: row for row in [*held.get(part, {}).get("rows", []), *found["rows"]]}
        found = {**found, "rows": [known[size] for size in sorted(known)]}
    held[part] = found
    record("scale", held, results)
    publish("scale", page(held), results)


def main() -> None:
    assert __doc__
    parser = command_line(__doc__)
    parser.add_argument("part", choices=("index", "by_hand", "encode", "engines", "nodes", "corpus"))
    parser.add_argument("pages", type=Path, nargs="?", help="a folder, for engines and nodes")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", help="20000,100000,1000000 of an index, 2000,20000 of a corpus if not given")
    parser.add_argument("--books", default="ccby,dev", help="sets of real pages that passages are made of")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--cache", type=Path, help="keeps vectors of the real pages' texts")
    parser.add_argument("--store", choices=("sqlite", "lancedb"), default="sqlite")
    asked = parser.parse_args()
    if (asked.pages is None) != (asked.part in ("index", "by_hand", "encode")):
        parser.error("engines, nodes and corpus need a folder of pages, and the others take none")
    asked.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"store": asked.store, "about": about()}
    if asked.part in ("index", "by_hand"):
        found["rows"] = []
        made, questions = index.base(asked.folder, asked.data, asked.books.split(","), asked.cache)
        for size in map(int, (asked.sizes or "20000,100000,1000000").split(",")):
            if asked.part == "index":
                found["rows"].append(index.measure(asked.folder, made, questions, size, asked.store))
            else:
                found["rows"].append(by_hand.measure(asked.folder, made, questions, size))
            print(found["rows"][-1], flush=True)
            write(found, asked.part, asked.results)
    elif asked.part == "encode":
        found["rows"] = encode.measure(asked.data, asked.folder)
    elif asked.part == "engines":
        ways = [(name, int(workers)) for workers in asked.workers.split(",") for name in ("local", "ray")]
        found["rows"] = [engines.pages_per_second(asked.pages, asked.folder, *way) for way in ways]
    elif asked.part == "nodes":
        found["rows"] = nodes.run(asked.pages, asked.folder)
    else:
        sizes = list(map(int, (asked.sizes or "2000,20000").split(",")))
        found["rows"] = corpus.measure(asked.pages, asked.folder, sizes, int(asked.workers.split(",")[-1]))
    write(found, asked.part, asked.results)


if __name__ == "__main__":
    main()
