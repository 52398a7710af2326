"""The page of `python -m benchmarks.zero_shot`.

zero_shot_<section>.json ─ write_report ─> zero_shot.md, zero_shot_layers.png
"""

import json
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.page import Found, made_by, publish, recorded
from benchmarks.zero_shot.auto import windows_at
from benchmarks.zero_shot.forms import TIMED
from benchmarks.zero_shot.rivals import CHARGES
from training.output.markdown import table
from training.zero_shot.subject import Outcome
from training.zero_shot.tables import appendix_l, table_3

Record = dict[str, Any]


def write_report(sections: list[str], results: Path, paper: Path) -> None:
    """Write the page of what the sections have left in the folder `results`.

    Args:
        paper: JSON file of the curves read off the paper's figures.
    """
    parts = ["# HSA inside pre-trained models, without training"]
    for section in sections:
        if found := recorded(f"zero_shot_{section}", results):
            title, describe = SECTIONS[section]
            parts += [f"## {title}", made_by(found["about"]), *describe(found)]
            if section == "sweep":
                _figure_of_layers(found["outcomes"], results / "zero_shot_layers.png", paper)
    publish("zero_shot", "\n\n".join(parts) + "\n", results)


def _long(found: Found) -> list[str]:
    return [
        "`calibrate` saw 8 documents of each data set; these are others, of 200 tokens or more each. "
        "Accuracies on so few say little: see the probes.",
        found["choice"] + ".",
        table_3(_outcomes(found)),
        "### Forms at their cost",
        _forms_table(found["forms"]),
        "### Divergence from softmax by layer",
        _gaps_table(found["gaps"]),
    ]


def _probe(found: Found) -> list[str]:
    return [table_3(_outcomes(found))]


def _sweep(found: Found) -> list[str]:
    return [
        appendix_l(_outcomes(found)),
        "![](zero_shot_layers.png)",
        "Grey: the paper's curves, read off its figures; its models (RoBERTa, 12 and 24 layers) and data sets are "
        "others, so only the shape compares.",
    ]


def _speed(found: Found) -> list[str]:
    rows = found["rows"]
    keys = [key for key in rows[0] if key != "length"]
    return [
        table(["N", *keys], ([f"{row['length']:,}", *(_time_cell(row, key) for key in keys)] for row in rows)),
        "In brackets how many times faster than SDPA.",
        "\n".join(f"* {name}: {windows}; {form}" for name, (_, windows, form) in TIMED.items()),
    ]


def _decode(found: Found) -> list[str]:
    said = {"prompt": "{:,}", "MB": "{:.2f}"}
    names = list(found["rows"][0])
    cells = (
        [
            said[name.split()[-1]].format(row[name]) if name.split()[-1] in said else f"{1e3 * row[name]:.2f} ms"
            for name in names
        ]
        for row in found["rows"]
    )
    return [table(names, cells)]


def _auto(found: Found) -> list[str]:
    rows, lines = found["rows"], []
    for row in rows:
        if row["hierarchy"].startswith("windows"):
            continue
        costs = row["cost"], row["cost"] + row["choosing"]
        windows = [windows_at(rows, row, cost) for cost in costs]
        saved = ["" if isnan(gap) else f"{100 * (1 - row['gap'] / gap):+.1f} %" for gap in windows]
        name = row["hierarchy"].replace(" + own special tokens", "").replace(",2,2,2,2,2,2,2,2,2,2", ",2,2,...")
        shares = f"{100 * row['cost']:.1f} %", f"{100 * row['choosing']:.1f} %"
        lines.append([row["data"], row["form"], name, *shares, f"{row['gap']:.4f}"])
        lines[-1] += ["" if isnan(windows[0]) else f"{windows[0]:.4f}", *saved]
    head = ["data", "form", "hierarchy", "of softmax's cost", "choosing", "gap", "windows", "saved", "with choosing"]
    tried = len({(row["hierarchy"], row["form"]) for row in rows if row["hierarchy"].startswith("windows")})
    return [
        f"Gap in nats, the mean over all layers and heads of {found['documents']} documents of each data set, of 200 "
        "tokens or more; costs by the full count, that of choosing the ends apart. Special tokens are the root's own. "
        f"`windows`: the gap of the best of {tried} windows and forms tried, of the same form and at the same cost, "
        "between two that no other betters in both; none tried costs as much where it is missing. `saved` of it; and "
        "where choosing the ends is paid for, too.",
        table(head, lines),
        f"Choosing the ends of 512 positions took {1e3 * found['seconds']:.1f} ms a layer on one thread.",
    ]


def _sparse(found: Found) -> list[str]:
    names = ["data", "attention", "cosine", "agreement", "gap, nats", "weights of zero"]
    keys = ("cosine", "agreement", "gap")
    lines = [
        [f"{r['data']} ({r['documents']})", r["condition"], *(f"{r[k]:.4f}" for k in keys), f"{100 * r['zero']:.1f} %"]
        for r in found["outcomes"]
    ]
    took = ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in found["times"].items())
    return [
        "All layers converted; alpha 1 is softmax, 2 sparsemax. Cosine and agreement are with the model as it was, the "
        "gap is the mean divergence of its layers' attention from softmax. Hierarchy: what `calibrate` chose above, "
        "untied queries + near 1 + attention-pooled.",
        table(names, lines),
        f"Forward and backward, `torch`, 4,096 leaves in families of 16, 8 heads x 64, pooled by blocks: {took}.",
    ]


def _muse(found: Found) -> list[str]:
    rows = found["levels"]
    sets = list(dict.fromkeys(r["data"] for r in rows))
    lines: list[list[str]] = []
    ahead: dict[str, list[bool]] = {}
    for layers, level in dict.fromkeys((len(r["layers"]), r["level"]) for r in rows):
        at = [r for r in rows if (len(r["layers"]), r["level"]) == (layers, level)]
        most = {data: max(r["cosine"] for r in at if r["data"] == data) for data in sets}
        ours = {r["data"]: r["cosine"] for r in at if r["condition"] == "ours"}
        for kind, charge in dict.fromkeys((r["condition"], r["charge"]) for r in at):
            same = {r["data"]: r for r in at if (r["condition"], r["charge"]) == (kind, charge)}
            if kind != "ours":
                ahead.setdefault(charge, []).extend(
                    r["cosine"] > ours[data] for data, r in same.items() if data in ours
                )
            setting = next(iter(same.values()))["setting"]
            if charge == "least" and setting in {r["setting"] for r in at if r["charge"] == "apart"}:
                continue  # The dipole is not worth it even where it is free.
            marks = {data: "**" * (r["cosine"] == most[data]) for data, r in same.items()}
            cells = [f"{marks[data]}{r['cosine']:.4f}{marks[data]}" for data, r in same.items()]
            left = [", ".join(f"{100 * r['left'][c]:.1f} %" for r in same.values()) for c in ("apart", "all")]
            name = "ours" if kind == "ours" else f"MuSe, {CHARGES[charge]}"
            lines.append([str(layers), f"{100 * level:.0f} %", name, setting, *left, *cells])
    head = ["layers", "may be left", "form", "best setting", "left", "with k-means", *sets]
    wins = "; ".join(f"{CHARGES[charge]}: {sum(won)} of {len(won)}" for charge, won in ahead.items())
    counts = [sum(r["kind"] == kind for r in found["tried"]) // 2 for kind in ("ours", "MuSe")]
    return [
        "MuSe (arXiv 2509.10406) is a rival that needs no training and no tree: queries and keys are clustered apart, "
        "far clusters of keys are expanded in the query. `benchmarks/zero_shot/muse.py` says what of it is the paper's "
        "and what is our reading. At each share of softmax attention that may be left in the converted layers: the "
        f"best of {counts[0]} settings of ours and of {counts[1]} of MuSe, by the mean cosine on the documents that "
        "`calibrate` saw; cosines are those of others, and in bold the highest. Shares are of multiply-adds; the left "
        "ones are given for each data set.",
        table(head, lines),
        f"MuSe is ahead of ours in so many of these cells, by what it is charged: {wins}.",
        "### MuSe on more documents, and under probes",
        "Half of the layers at 8 % left, all at 10 %, k-means free; `half, calibrated` is what `calibrate` chose.",
        _rivals_table(found["outcomes"] + found["probes"]),
        "### All that was tried",
        "Mean cosine on the documents that settings are chosen on.",
        _tried_table(found["tried"]),
    ]


def _rivals_table(records: list[Record]) -> str:
    head = ["data", "condition", "setting", "layers", "accuracy", "transferred", "agreement", "cosine", "lowest"]
    lines = []
    for r in records:
        scores = ("-" if r[k] is None else f"{r[k]:.4f}" for k in ("accuracy", "transferred"))
        close = (f"{r[k]:.4f}" for k in ("agreement", "cosine", "lowest_cosine"))
        paid = f"{100 * (1 - r['left']['all']):.1f} %" if "left" in r else ""
        layers = ",".join(map(str, r["layers"])) or "-"
        gone = f"{100 * r['flops_gone']:.1f} %"
        data = f"{r['data']} ({r['documents']})"
        lines.append([data, r["condition"], r.get("setting", ""), layers, *scores, *close, gone, paid])
    return table([*head, "attention gone", "with k-means"], lines)


def _tried_table(records: list[Record]) -> str:
    """One row a setting, columns for some and all layers."""
    counts = sorted({r["layers"] for r in records})
    lines = []
    for kind, setting in dict.fromkeys((r["kind"], r["setting"]) for r in records):
        rows = {r["layers"]: r for r in records if (r["kind"], r["setting"]) == (kind, setting)}
        left = rows[counts[-1]]["left"]
        shares = [f"{100 * left[charge]:.1f} %" for charge in ("least", "apart", "all")]
        lines.append([kind, setting, *shares, *(f"{rows[n]['cosine']:.4f}" for n in counts)])
    head = ["form", "setting", "left", "with the dipole", "with k-means too", *(f"{n} layers" for n in counts)]
    return table(head, lines)


SECTIONS: dict[str, tuple[str, Callable[[Found], list[str]]]] = {
    "long": ("Half of the layers, chosen by `calibrate`", _long),
    "probe": ("Linear probes (the paper's Table 3)", _probe),
    "sweep": ("By start layer (the paper's Appendix L)", _sweep),
    "speed": ("Time", _speed),
    "decode": ("Decoding", _decode),
    "auto": ("Hierarchy where none is given", _auto),
    "sparse": ("Weights of exactly zero", _sparse),
    "muse": ("MuSe, a rival without trees", _muse),
}
"""Title of each section, and what is said of it."""


def _outcomes(found: Found) -> list[Outcome]:
    return [Outcome(**{**record, "layers": tuple(record["layers"])}) for record in found["outcomes"]]


def _forms_table(records: list[Record]) -> str:
    """One row a form: attention gone, and cosines per data set for some and all layers."""
    columns = list(dict.fromkeys((r["data"], len(r["layers"])) for r in records))
    lines = []
    for name in dict.fromkeys(r["condition"] for r in records):
        rows = {(r["data"], len(r["layers"])): r for r in records if r["condition"] == name}
        gone = dict.fromkeys(f"{100 * r['flops_gone']:.1f} %" for r in rows.values())
        lines.append([name, ", ".join(gone), *(f"{rows[c]['cosine']:.4f}" for c in columns)])
    some = records[0]["layers"]
    documents = ", ".join(dict.fromkeys(f"{r['documents']} documents of {r['data']}" for r in records))
    head = ["form", "attention gone", *(f"{data}, {count} layers" for data, count in columns)]
    said = f"Mean cosine to the original vectors, {documents}; the {len(some)} layers are {some}."
    return f"{table(head, lines)}\n\n{said}"


def _gaps_table(gaps: list[Record]) -> str:
    """One row an attention, one column a layer: nats, and in bold what was chosen."""
    layers = sorted({gap["layer"] for gap in gaps})
    lines = []
    for attention in dict.fromkeys(gap["attention"] for gap in gaps):
        rows = {gap["layer"]: gap for gap in gaps if gap["attention"] == attention}
        cells = (f"{'**' * rows[n]['chosen']}{rows[n]['gap']:.4f}{'**' * rows[n]['chosen']}" for n in layers)
        costs = dict.fromkeys(f"{100 * gap['of_softmax']:.1f} %" for gap in rows.values())
        lines.append([attention, ", ".join(costs), *cells])
    head = ["attention", "of softmax's cost", *(f"layer {layer}" for layer in layers)]
    return f"{table(head, lines)}\n\nGap in nats; in bold what `calibrate` chose."


def _time_cell(row: Record, key: str) -> str:
    if key not in row:
        return ""
    softmax = row.get(f"{key.split()[0]} sdpa")
    faster = "" if softmax is None or key.endswith("sdpa") else f" ({softmax / row[key]:.1f}x)"
    return f"{1e3 * row[key]:.1f} ms{faster}"


def _figure_of_layers(records: list[Record], path: Path, paper: Path) -> None:
    """Accuracy lost against the share of the layers before the first converted one, one panel a hierarchy."""
    original = {r["data"]: _score(r) for r in records if not r["layers"]}
    names = list(dict.fromkeys(r["condition"].split(", SL ")[0] for r in records if r["layers"]))
    curves = json.loads(paper.read_text()) if paper.is_file() else {}
    panels = Figure(figsize=(3.4 * len(names), 3.6), layout="constrained")
    axes = panels.subplots(1, len(names), sharey=True)
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


def _score(record: Record) -> float:
    """Of the model's own classifier, or of the probe trained on the original vectors."""
    score: float = record["accuracy"] if record["transferred"] is None else record["transferred"]
    return score
