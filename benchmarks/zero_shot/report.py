"""The tables and figures of `python -m benchmarks.zero_shot`.

zero_shot_<section>.json ─ write_report ─> zero_shot.md, zero_shot_{forms,layers,time}.png
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.zero_shot import Outcome, appendix_l, table_3

Found = dict[str, Any]


def write_report(results: Path, sections: list[str], paper: Path | None, timed: dict[str, str]) -> None:
    """Write the report of what the sections have left in the folder `results`.

    Args:
        paper: JSON file of the curves read off the paper's figures.
        timed: what the names of the section `speed` stand for.
    """
    lines = ["# HSA inside pre-trained models, without training", ""]
    for section in sections:
        path = results / f"zero_shot_{section}.json"
        if path.is_file():
            found = json.loads(path.read_text())
            about = "; ".join(f"{k}: {v}" for k, v in found["about"].items())
            lines += [f"## {TITLES[section]}", "", about, "", *WRITERS[section](found, results, paper)]
            if section == "speed":
                lines += [*(f"* {name}: {attention}" for name, attention in timed.items()), ""]
    (results / "zero_shot.md").write_text("\n".join(lines), encoding="utf-8")


def _long(found: Found, results: Path, paper: Path | None) -> list[str]:
    _figure_of_forms(found["forms"], results / "zero_shot_forms.png")
    return [
        "`calibrate` saw 8 documents of each data set; these are others, of 200 tokens or more each. "
        "Accuracies on so few say little: see the probes.",
        "",
        found["choice"] + ".",
        "",
        table_3(_outcomes(found)),
        "",
        "### Forms at their cost",
        "",
        _forms_table(found["forms"]),
        "",
        "![](zero_shot_forms.png)",
        "",
        "### Divergence from softmax by layer",
        "",
        _gaps_table(found["gaps"]),
        "",
    ]


def _probe(found: Found, results: Path, paper: Path | None) -> list[str]:
    return [table_3(_outcomes(found)), ""]


def _sweep(found: Found, results: Path, paper: Path | None) -> list[str]:
    _figure_of_layers(found["outcomes"], results / "zero_shot_layers.png", paper)
    return [
        appendix_l(_outcomes(found)),
        "",
        "![](zero_shot_layers.png)",
        "",
        "Grey: the paper's curves, read off its figures; its models (RoBERTa, 12 and 24 layers) and data sets are others, "
        "so only the shape compares.",
        "",
    ]


def _speed(found: Found, results: Path, paper: Path | None) -> list[str]:
    _figure_of_time(found["rows"], results / "zero_shot_time.png")
    return [_speed_table(found["rows"]), "", "![](zero_shot_time.png)", ""]


def _decode(found: Found, results: Path, paper: Path | None) -> list[str]:
    return [_decode_table(found["rows"]), ""]


TITLES = {
    "long": "Half of the layers, chosen by `calibrate`",
    "probe": "Linear probes (the paper's Table 3)",
    "sweep": "By start layer (the paper's Appendix L)",
    "speed": "Time",
    "decode": "Decoding",
}
WRITERS: dict[str, Callable[[Found, Path, Path | None], list[str]]] = {
    "long": _long,
    "probe": _probe,
    "sweep": _sweep,
    "speed": _speed,
    "decode": _decode,
}


# ── tables ──


def _outcomes(found: Found) -> list[Outcome]:
    return [Outcome(**{**record, "layers": tuple(record["layers"])}) for record in found["outcomes"]]


def _forms_table(records: list[dict[str, Any]]) -> str:
    """One row a form: attention gone, and cosines per data set for some and all layers."""
    names = list(dict.fromkeys(r["condition"] for r in records))
    columns = list(dict.fromkeys((r["data"], len(r["layers"])) for r in records))
    head = [f"{data}, {n} layers" for data, n in columns]
    lines = [f"| form | attention gone | {' | '.join(head)} |", "|---|--:|" + "--:|" * len(columns)]
    for name in names:
        rows = {(r["data"], len(r["layers"])): r for r in records if r["condition"] == name}
        gone = dict.fromkeys(f"{100 * r['flops_gone']:.1f} %" for r in rows.values())
        cosines = " | ".join(f"{rows[c]['cosine']:.4f}" for c in columns)
        lines.append(f"| {name} | {', '.join(gone)} | {cosines} |")
    some = next(len(r["layers"]) for r in records)
    documents = ", ".join(dict.fromkeys(f"{r['documents']} documents of {r['data']}" for r in records))
    chosen = next(r["layers"] for r in records if len(r["layers"]) == some)
    return "\n".join([*lines, "", f"Mean cosine to the original vectors, {documents}; the {some} layers are {chosen}."])


def _gaps_table(gaps: list[dict[str, Any]]) -> str:
    lines = ["| layer | attention | gap (nats) | of softmax |", "|--:|---|--:|--:|"]
    for g in gaps:
        mark = " **chosen**" if g["chosen"] else ""
        cells = g["layer"], g["attention"] + mark, f"{g['gap']:.4f}", f"{100 * g['of_softmax']:.1f} %"
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _speed_table(rows: list[dict[str, Any]]) -> str:
    keys = [k for k in rows[0] if k != "length"]
    lines = ["| N | " + " | ".join(keys) + " |", "|--:|" + "--:|" * len(keys)]
    for row in rows:
        cells = [_time_cell(row, key) for key in keys]
        lines.append(f"| {row['length']:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "In brackets how many times faster than SDPA."])


def _time_cell(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return ""
    softmax = row.get(f"{key.split()[0]} sdpa")
    faster = "" if softmax is None or key.endswith("sdpa") else f" ({softmax / row[key]:.1f}x)"
    return f"{1e3 * row[key]:.1f} ms{faster}"


def _decode_table(rows: list[dict[str, Any]]) -> str:
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + "--:|" * len(keys)]
    for row in rows:
        cells = [
            f"{row[k]:,}" if k == "prompt" else f"{row[k]:.2f}" if k.endswith("MB") else f"{1e3 * row[k]:.2f} ms"
            for k in keys
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


# ── figures ──


def _figure_of_forms(records: list[dict[str, Any]], path: Path) -> None:
    """Cosine against the attention that is gone, one panel for the chosen layers and one for all."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(r["condition"] for r in records))
    counts = sorted({len(r["layers"]) for r in records})
    panels, axes = plt.subplots(1, len(counts), figsize=(11, 4.5), layout="constrained")
    for axis, count in zip(axes, counts, strict=True):
        for number, name in enumerate(names):
            rows = [r for r in records if r["condition"] == name and len(r["layers"]) == count]
            gone = sum(r["flops_gone"] for r in rows) / len(rows)
            cosine = sum(r["cosine"] for r in rows) / len(rows)
            axis.scatter(100 * (1 - gone), cosine, color=f"C{number % 10}", marker="os"[number // 10])
            axis.annotate(str(number + 1), (100 * (1 - gone), cosine), xytext=(5, 4), textcoords="offset points")
        axis.set_title(f"{count} layers converted")
        axis.set_xlabel("attention that remains in them, % (full count)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("mean cosine to the original vectors")
    panels.legend([f"{i + 1}  {name}" for i, name in enumerate(names)], loc="outside lower center", ncols=2, fontsize=7)
    panels.savefig(path, dpi=130)
    plt.close(panels)


def _figure_of_layers(records: list[dict[str, Any]], path: Path, paper: Path | None) -> None:
    """Accuracy lost against the share of the layers before the first converted one, one panel a hierarchy."""
    import matplotlib.pyplot as plt

    original = {r["data"]: _score(r) for r in records if not r["layers"]}
    names = list(dict.fromkeys(r["condition"].split(", SL ")[0] for r in records if r["layers"]))
    curves = json.loads(paper.read_text()) if paper is not None and paper.is_file() else {}
    panels, axes = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.6), sharey=True, layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        for key, curve in curves.items():
            if key.startswith(f"{name}/"):
                *accuracy, whole = curve["acc"]
                share = [i / len(accuracy) for i in range(len(accuracy))]
                axis.plot(share, [100 * (a - whole) for a in accuracy], color="0.8", lw=1, zorder=1)
        for data, whole in original.items():
            found = [r for r in records if r["data"] == data and r["condition"].startswith(f"{name}, SL ")]
            found.sort(key=lambda r: int(r["condition"].rsplit(" ", 1)[1]))
            share = [i / len(found) for i in range(len(found))]
            axis.plot(share, [100 * (_score(r) - whole) for r in found], "o-", ms=3, label=data)
        axis.axhline(0, color="0.5", lw=0.5)
        axis.set_title(name)
        axis.set_xlabel("share of layers before the first converted")
    axes[0].set_ylabel("accuracy lost, points")
    axes[0].plot([], [], color="0.8", label="the paper")
    axes[0].legend(fontsize=7)
    panels.savefig(path, dpi=130)
    plt.close(panels)


def _figure_of_time(rows: list[dict[str, Any]], path: Path) -> None:
    """Time against length on two logarithmic scales, for one layer's attention and for the whole model."""
    import matplotlib.pyplot as plt

    panels, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    for axis, what, title in zip(axes, ("attention", "model"), ("attention of one layer", "whole model"), strict=True):
        for key in (k for k in rows[0] if k.startswith(what)):
            seen = [(row["length"], 1e3 * row[key]) for row in rows if key in row]
            style = "k-" if key.endswith("sdpa") else "o-"
            axis.loglog(*zip(*seen, strict=True), style, ms=3, label=key.split(" ", 1)[1], base=2)
        axis.set_title(title)
        axis.set_xlabel("N")
        axis.set_yscale("log", base=10)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("milliseconds")
    panels.savefig(path, dpi=130)
    plt.close(panels)


def _score(record: dict[str, Any]) -> float:
    """Of the model's own classifier, or of the probe trained on the original vectors."""
    score: float = record["accuracy"] if record["transferred"] is None else record["transferred"]
    return score
