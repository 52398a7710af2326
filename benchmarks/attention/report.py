"""attention.md and attention.png from what `__main__.py` measured; nothing is computed here but ratios.

The first table holds each target beside what was measured, met or not; a target whose rows are not there says so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attention.figure import PASSES, draw
from benchmarks.attention.peers import HEADS, WIDTH
from benchmarks.page import made_by, publish
from training.output.markdown import table

Results = dict[str, Any]
Row = dict[str, Any]


def write_report(results: Results, folder: Path) -> None:
    """Write both files into a folder."""
    parts = [
        "# Attention: time and memory",
        f"`python -m benchmarks.attention` writes this page; {HEADS} heads x {WIDTH}; medians of contestants "
        "that take turns in one process.",
        _machines(results),
        "## Targets",
        _targets(results),
    ]
    if results.get("balanced"):
        parts += ["## One balanced tree", "![time against N](attention.png)", _balanced(results)]
        draw(results["balanced"], folder / "attention.png")
    for title, section, describe in (
        ("Real documents, one batch, forward + backward", "documents", _documents),
        ("Short documents: where flat attention is faster", "short", _short),
        ("Building a TreeBatch with its families", "build", _build),
        ("Peak memory beyond the inputs", "memory", _memory),
        ("First call of a process", "first", _first),
    ):
        if results.get(section):
            parts += [f"## {title}", describe(results[section])]
    if results.get("missing"):
        parts.append("Not run: " + "; ".join(f"{name} ({why})" for name, why in results["missing"].items()) + ".")
    publish("attention", "\n\n".join(parts) + "\n", folder)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def _machines(results: Results) -> str:
    """A line for each section, and the versions, those of the last where sections differ."""
    made = results.get("machine", {})
    lines = [
        f"* {section}: " + made_by({key: about[key] for key in about if key not in ("versions", "others")})
        for section, about in made.items()
    ]
    versions = {name: version for about in made.values() for name, version in about["versions"].items()}
    return "\n".join([*lines, "* " + ", ".join(f"{name} {version}" for name, version in versions.items())])


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


# ── targets ──


def _seconds(results: Results, leaves: int, branching: int, name: str) -> dict[str, float]:
    found: dict[str, float] = results["balanced"][f"{leaves} {branching} {name}"]["seconds"]
    return found


def _fused(seconds: dict[str, float]) -> float:
    return seconds.get("ours (triton)", seconds.get("ours (cpu)", float("nan")))


def _ratio(leaves: int, name: str, branching: int = 16) -> Callable[[Results], float]:
    def ratio(results: Results) -> float:
        seconds = _seconds(results, leaves, branching, name)
        return seconds["flat SDPA"] / _fused(seconds)

    return ratio


def _linear(name: str) -> Callable[[Results], float]:
    """Compares two rows, which must come from one process: the machine's speed is not the same all day."""

    def ratio(results: Results) -> float:
        short, long = (results["balanced"][f"{leaves} 16 {name}"] for leaves in (16_384, 65_536))
        if short["run"] != long["run"]:
            raise KeyError("rows of different runs")
        return _fused(long["seconds"]) / _fused(short["seconds"])

    return ratio


def _plain(results: Results) -> float:
    seconds = _seconds(results, 16_384, 8, "forward")
    return _fused(seconds) / seconds["plain"]


def _extra(name: str) -> Callable[[Results], float]:
    def extra(results: Results) -> float:
        memory = results["memory"]
        key = next(k for k in memory if k.startswith(("65536 ours (cpu)", "65536 ours (triton)")))
        row = memory[key.rsplit(" ", 1)[0] + " " + name]
        return float(row["bytes"]) / _floor_bytes(row["leaves"], key)

    return extra


def _floor_bytes(leaves: int, key: str) -> int:
    """q + k + v + o."""
    return 4 * leaves * HEADS * WIDTH * (2 if "triton" in key else 4)


def _documents_ratio(corpus: str | None, rival: str) -> Callable[[Results], float]:
    def ratio(results: Results) -> float:
        documents = results["documents"]
        seconds = documents[corpus or next(iter(documents))]["seconds"]
        return float(seconds[rival] / _fused(seconds))

    return ratio


def _rate(order: str) -> Callable[[Results], float]:
    return lambda results: min(r["nodes a second"] for name, r in results["build"].items() if order in name) / 1e6


def _on_gpu(results: Results) -> float:
    row = results["balanced"]["65536 16 both"]
    return float(row["seconds"]["flat SDPA"] / row["graph seconds"])


def _first_call(way: int) -> Callable[[Results], float]:
    return lambda results: float(results["first"]['"auto", nothing compiled'][way])


TARGETS: list[tuple[str, str, float, Callable[[Results], float]]] = [
    ("N = 16,384, b = 16, forward: flat SDPA / ours", ">=", 60, _ratio(16_384, "forward")),
    ("same, forward + backward", ">=", 40, _ratio(16_384, "both")),
    ("N = 65,536 / N = 16,384, ours, forward", "<=", 4.6, _linear("forward")),
    ("same, forward + backward", "<=", 4.6, _linear("both")),
    ("forward, N = 16,384, b = 8: ours / plain read-write pass", "<=", 8, _plain),
    ("N = 1,024, forward: flat SDPA / ours", ">=", 1.5, _ratio(1_024, "forward")),
    ("peak extra memory at N = 65,536 / (q + k + v + o), forward", "<=", 3, _extra("forward")),
    ("same, forward + backward, gradients included", "<=", 3, _extra("both")),
    *(
        (
            f"documents of {corpus}, one batch, forward + backward: {rival} / ours",
            ">=",
            5,
            _documents_ratio(corpus, rival),
        )
        for corpus in ("BBC news, sub-words", "OpenStax pages, sentences", "OpenStax pages, sub-words")
        for rival in ("flat SDPA, batches of 8", "flat SDPA, sorted, batches of 8")
    ),
    ("TreeBatch, million nodes a second, parents first", ">=", 5, _rate("parents first")),
    ("TreeBatch, million nodes a second, any order", ">=", 1.5, _rate("any order")),
    ("first call, nothing compiled, forward, s", "<=", 2, _first_call(0)),
    ("same, backward", "<=", 2, _first_call(1)),
    ("GPU, N = 65,536 bf16, forward + backward: flash SDPA / ours by CUDA graph", ">=", 40, _on_gpu),
]


def _targets(results: Results) -> str:
    rows, missing = [], []
    for what, sign, target, measure in TARGETS:
        try:
            value = measure(results)
        except (KeyError, StopIteration, ValueError):
            missing.append(f"{what} ({sign} {target:g})")
            continue
        met = value >= target if sign == ">=" else value <= target
        rows.append([what, f"{sign} {target:g}", f"{value:.3g}", "met" if met else "MISSED"])
    said = table(["", "target", "measured", ""], rows)
    return said + (f"\n\nNot measured: {'; '.join(missing)}." if missing else "")


# ── tables ──


def _balanced(results: Results) -> str:
    text = [
        "Milliseconds. `plain` reads each input and writes each result once; `projections` are the four linear "
        "maps around an attention. Ratios are those of the fused backend. A dash: left out for its memory or time "
        "(flat SDPA: a call would have taken longer than --longest-call). `others`: what other processes took of "
        "the processors meanwhile."
    ]
    for name, title in PASSES.items():
        chosen = [row for row in results["balanced"].values() if row["pass"] == name]
        chosen.sort(key=lambda row: (row["leaves"], row["branching"]))
        names = list(dict.fromkeys(key for row in chosen for key in row["seconds"]))
        names = [*(n for n in names if n not in ("plain", "projections")), "plain", "projections"]
        lines = []
        for row in chosen:
            seconds = row["seconds"]
            fused, flat = _fused(seconds), seconds.get("flat SDPA")
            ratios = [
                "-" if flat is None else f"{flat / fused:.3g}",
                f"{fused / seconds['plain']:.3g}",
                f"{fused / seconds['projections']:.2g}",
            ]
            times = (_ms(seconds.get(n)) for n in names)
            lines.append([f"{row['leaves']:,}", row["branching"], *times, *ratios, _percent(row.get("others"))])
        head = ["N", "b", *names, "flat / ours", "ours / plain", "ours / projections", "others"]
        text.append(f"### {title}\n\n{table(head, lines)}")
    return "\n\n".join(text)


def _documents(section: Results) -> str:
    names = list(dict.fromkeys(name for row in section.values() for name in row["seconds"]))
    head = ["corpus", "documents", "leaves", "shortest / median / longest", "families, mean and largest"]
    lines = []
    for corpus, row in section.items():
        seconds = row["seconds"]
        ratios = [f"{seconds[n] / _fused(seconds):.3g}" for n in names if n in seconds and not n.startswith("ours")]
        lengths, families = " / ".join(map(str, row["lengths"])), f"{row['families'][1]:.1f}, {row['families'][2]}"
        times = (f"{seconds[n]:.3g}" if n in seconds else "-" for n in names)
        documents = [corpus, row["documents"], f"{row['leaves']:,}", lengths, families]
        lines.append([*documents, *times, " / ".join(ratios), _percent(row.get("others"))])
    return table([*head, *(f"{n}, s" for n in names), "ratios to ours", "others"], lines)


def _short(section: list[Row]) -> str:
    text = []
    for count in dict.fromkeys(row["documents"] for row in section):
        for name, title in PASSES.items():
            rows = [r for r in section if r["documents"] == count and r["pass"] == name]
            slower = [r["leaves"] for r in rows if r["seconds"]["flat SDPA"] < _fused(r["seconds"])]
            where = (
                f"flat attention is faster up to {max(slower)} leaves a document"
                if slower
                else f"ours is not slower at {rows[0]['leaves']} leaves or more"
            )
            text.append(f"* {count} document{'s' if count > 1 else ''}, {title}: {where}.")
    lines = []
    for row in section:
        fused, flat = _fused(row["seconds"]), row["seconds"]["flat SDPA"]
        times = _ms(fused), _ms(flat), f"{flat / fused:.2g}"
        lines.append([row["documents"], row["leaves"], PASSES[row["pass"]], *times])
    head = ["documents", "leaves each", "pass", "ours, ms", "flat SDPA, ms", "flat / ours"]
    return "\n".join(text) + "\n\n" + table(head, lines)


def _build(section: Results) -> str:
    return table(
        ["tree", "nodes", "million nodes a second"],
        [[name, f"{r['nodes']:,}", f"{r['nodes a second'] / 1e6:.3g}"] for name, r in section.items()],
    )


def _memory(section: Results) -> str:
    lines = []
    for row in section.values():
        size = row["bytes"]
        sizes = ["-", "-"]
        if size is not None:
            sizes = [f"{size / 2**20:,.0f}", f"{size / _floor_bytes(row['leaves'], row['name']):.2f}"]
        lines.append([f"{row['leaves']:,}", row["name"], PASSES[row["pass"]], *sizes])
    head = ["N", "", "pass", "MiB", "of q + k + v + o"]
    return f"Output and gradients included.\n\n{table(head, lines)}"


def _first(section: Results) -> str:
    rows = [[name, f"{forward:.2f}", f"{backward:.2f}"] for name, (forward, backward) in section.items()]
    return table(["", "first forward, s", "first backward, s"], rows)
