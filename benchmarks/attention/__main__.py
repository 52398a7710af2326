"""How long attention takes: ours against flat attention and its relatives, on this machine, side by side.

    pip install 'docgraph[bench]' && python -m benchmarks.attention         # everything: 15 minutes on two cores
    python -m benchmarks.attention balanced --leaves 256 1024               # a part; what is measured again replaces

Writes benchmarks/results/attention.json, .md and .png. All of a row's contestants take turns within one process, and
medians are given. Sections:

    balanced    one balanced tree of N leaves, b = 8, 16, 32: ours, flat SDPA, peers, and two floors: a plain pass over
                q, k, v, o, and the four projections around an attention
    documents   real documents in one batch, against flat SDPA padded, padded in buckets of like length, and one by one
    short       where flat SDPA is faster: one document, and 64 equal ones, of 8 ... 1024 leaves
    build       nodes a second from a parent array to a `TreeBatch` with its families
    memory      peak memory beyond the inputs, each contestant in a process of its own
    first       seconds of a process' first call: by "auto", compiled, and read back from disk
    report      attention.md and attention.png from attention.json

Flat SDPA is not run where one call would take longer than --longest-call, judged by the quarter of the length. On CUDA
(bfloat16, flash SDPA, the time of a CUDA graph beside it) the same commands do the same; that was not run yet.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.attention.apart import first_call, graph_seconds, peak_memory
from benchmarks.attention.documents import measure_documents, measure_short
from benchmarks.attention.peers import MISSING, contestants, floors
from benchmarks.attention.report import write_report
from benchmarks.attention.trees import balanced, balanced_parents, corpora, real, shuffled
from benchmarks.clock import CALM, Others, about, medians, undisturbed
from benchmarks.page import ROOT, command_line, record, recorded
from encoders import TreeBatch

PACKAGES = (
    "numba", "numpy", "triton", "h-transformer-1d", "local-attention", "performer-pytorch",
    "linear-attention-transformer",
)  # fmt: skip

Results = dict[str, Any]


def kept(row: Results | None, options: argparse.Namespace) -> bool:
    """Whether a row that is there is not to be measured again."""
    return options.keep and row is not None and (row.get("others") or 0.0) <= CALM


def warm_up(options: argparse.Namespace) -> None:
    """Compile what is compiled, so that no first call counts as slow."""
    small = balanced(64, 8).to(options.device)
    for call in contestants(64, small, options.dtype, True, options.device).values():
        call()


def run_balanced(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    rows = results.setdefault("balanced", {})
    for leaves in options.leaves:
        for branching in options.branching if leaves in (1_024, 16_384, 65_536) else (16,):
            for both in (False, True):
                key = f"{leaves} {branching} {'both' if both else 'forward'}"
                if not kept(rows.get(key), options):
                    rows[key] = balanced_row(leaves, branching, both, rows, options)
                    save()


def balanced_row(leaves: int, branching: int, both: bool, rows: Results, options: argparse.Namespace) -> Results:
    """Seconds of everything on one tree; with b other than 16, of ours and the floors alone."""
    device, name = options.device, "both" if both else "forward"
    before = rows.get(f"{leaves // 4} 16 {name}", {"seconds": {}})["seconds"].get("flat SDPA")
    flat = leaves <= 4_096 or (before is not None and 16 * before <= options.longest_call)
    forest, left_out = balanced(leaves, branching).to(device), [] if flat else ["flat SDPA"]
    calls = contestants(leaves, forest, options.dtype, both, device, leave_out=left_out)
    if branching != 16:
        calls = {key: call for key, call in calls.items() if key.startswith("ours")}
    fused = next(iter(calls.values()))
    calls.update(floors(leaves, options.dtype, both, device))
    seconds, others = undisturbed(lambda: medians(calls, device, seconds=options.seconds), options.attempts)
    row = {"leaves": leaves, "branching": branching, "pass": name, "dtype": str(options.dtype)}
    row.update({"seconds": seconds, "others": others, "run": options.run})
    if device.type == "cuda":
        row["graph seconds"] = graph_seconds(fused)
    print(leaves, branching, name, {key: f"{1000 * s:.3g} ms" for key, s in seconds.items()}, others, flush=True)
    return row


def run_documents(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    section = results.setdefault("documents", {})
    for name, readers in corpora(options.data, ROOT / "sample_data").items():
        if options.corpora and name not in options.corpora:
            continue
        for leaves, documents in real(readers, options.documents).items():
            key, others = f"{name}, {leaves}", Others()
            if not kept(section.get(key), options):
                row = measure_documents(documents, options.dtype, options.device)
                section[key] = {**row, "others": others.share()}
                print(key, section[key], flush=True)
                save()


def run_short(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    results["short"] = measure_short(options.dtype, options.device, options.seconds)


def run_build(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    """Checks, families and their tensors: all that attention needs, from a parent array."""
    section = results["build"] = {}
    cpu = torch.device("cpu")
    sample = next(iter(reversed(corpora(options.data, ROOT / "sample_data").items())))
    documents = real(sample[1], options.documents)["sub-words"].together().parent.numpy()
    trees = {
        "balanced, b = 16, a million leaves": balanced_parents(1_000_000, 16),
        f"{options.documents} documents of {sample[0]}, sub-words": documents,
    }
    for name, parents in trees.items():
        for order, rows in (("parents first", parents), ("any order", shuffled(parents))):

            def build(rows: Any = rows) -> None:
                TreeBatch.from_parents(rows).tensors()

            seconds = medians({"build": build}, cpu, seconds=options.seconds)["build"]
            section[f"{name}; {order}"] = {"nodes": len(rows), "nodes a second": len(rows) / seconds}
            print(name, order, f"{len(rows) / seconds / 1e6:.2f} M nodes a second", flush=True)


def run_memory(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    """Bytes beyond q, k, v, their layout for the contestant, and the gradient that comes in."""
    section = results.setdefault("memory", {})
    fused = "ours (triton)" if options.device.type == "cuda" else "ours (cpu)"
    for leaves in (65_536, 16_384):
        for name in (
            fused,
            "ours (torch)",
            "flat SDPA",
            "local-attention",
            "performer",
            "linear",
            "h-transformer-1d",
        ):
            if leaves > 16_384 and not name.startswith("ours"):
                continue
            for both in (False, True):
                key = f"{leaves} {name} {'both' if both else 'forward'}"
                if kept(section.get(key), options):
                    continue
                row = {"leaves": leaves, "name": name, "pass": "both" if both else "forward"}
                section[key] = {**row, "bytes": peak_memory(name, leaves, both, options.device)}
                print(key, section[key]["bytes"], flush=True)
                save()


def run_first(results: Results, options: argparse.Namespace, save: Callable[[], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = {'"auto", nothing compiled': "auto", '"cpu", compiled': "cpu", '"cpu", read from disk': "cpu"}
        results["first"] = {name: first_call(Path(folder), backend) for name, backend in rows.items()}
    print(results["first"], flush=True)


SECTIONS = {
    "balanced": run_balanced,
    "documents": run_documents,
    "short": run_short,
    "build": run_build,
    "memory": run_memory,
    "first": run_first,
}


def main() -> None:
    """Measure the sections asked for, and write the report of all."""
    parser = command_line(__doc__)
    parser.add_argument(
        "sections", nargs="*", default=[*SECTIONS], metavar="SECTION", help=", ".join([*SECTIONS, "report"])
    )
    parser.add_argument("--leaves", type=int, nargs="+", default=[256, 1_024, 4_096, 16_384, 65_536, 262_144])
    parser.add_argument("--branching", type=int, nargs="+", default=[16, 8, 32])
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--corpora", nargs="+", help="only these")
    parser.add_argument("--seconds", type=float, default=0.5, help="least time for each contestant of a row")
    parser.add_argument("--attempts", type=int, default=3, help="for a row while other processes are busy")
    parser.add_argument("--keep", action="store_true", help="keep rows that are there, if nothing disturbed them")
    parser.add_argument("--longest-call", type=float, default=45.0, help="seconds")
    parser.add_argument(
        "--device", type=torch.device, default=torch.device("cuda" if torch.cuda.is_available() else "cpu")
    )
    options = parser.parse_args()
    unknown = set(options.sections) - {*SECTIONS, "report"}
    if unknown:
        parser.error(f"a section must be one of {', '.join([*SECTIONS, 'report'])}, but is {unknown.pop()!r}.")
    options.dtype = torch.bfloat16 if options.device.type == "cuda" else torch.float32
    options.run = f"{time.time():.0f}"
    results = recorded("attention", options.results)
    torch.manual_seed(0)

    def save() -> None:
        results.setdefault("missing", {}).update(MISSING)
        record("attention", results, options.results)

    if {"balanced", "documents", "short"} & set(options.sections):
        warm_up(options)
    for name in options.sections:
        if name != "report":
            made, others = {**about(*PACKAGES), "device": str(options.device)}, Others()
            results.setdefault("machine", {})[name] = made
            SECTIONS[name](results, options, save)
            made["others"] = others.share()
            save()
    write_report(results, options.results)


if __name__ == "__main__":
    main()
