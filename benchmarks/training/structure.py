"""Where structure pays: accuracy by share of the labels, and by length of the document, by kind of attention.

    python -m benchmarks.training.structure --data ../shared/data --minutes 7

Three data sets: IMDB reviews (words alone, two passes), OpenStax sections (all five fields), 20 Newsgroups. For each share of the training
labels one `docgraph compare` under --output; runs that are done are kept, so the same call goes on. Few labels get more
passes, so that every model is trained to rest. The lengths are those of the runs with all labels, in sub-words. Beside the
four kinds, which all read whole documents, with all labels also flat attention over the first 512 sub-words (pictures
stay), where the paper cut its flat model.

Writes benchmarks/results/structure.md, .json and .png. Bars are 95 % intervals over records (Wilson's for one seed's
accuracy); differences of HSA from each other kind by paired bootstrap (training/compare/significance.py), p adjusted by Holm over
all of this page's.
"""

import argparse
import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.page import made_by
from docgraph.errors import DataError
from training.compare.report import COLOURS
from training.compare.run import KINDS, RESULT, compare
from training.compare.significance import holm, paired_bootstrap
from training.config import TrainingConfig
from training.fit import load_corpus
from training.provenance import environment, machine
from training.recipes import recipe
from training.shards import write_atomically

RESULTS: Final = Path(__file__).parents[1] / "results"
BINS: Final = ((0, 512), (512, 2_000), (2_000, 10**9))
FEWEST: Final = 10
"""Records that a bin must have to be shown: a bootstrap over one record is always sure."""

SETS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "IMDB": ("text/imdb_train.jsonl.gz", "reviews-imdb-deep", {"model.text_ngrams": 1, "epochs": 2}),
    "OpenStax": ("html_images/openstax", "news-scratch-deep", {}),
    "20 Newsgroups": ("text/ng20.jsonl.gz", "reviews-scratch-deep", {"epochs": 10}),
}
"""Name -> file under --data, recipe, changes."""

CUT: Final = "flat, cut"
SHOWN: Final = (*KINDS, CUT)
CUT_TOKENS: Final = 512

SHARES: Final = {1.0: 1.0, 0.1: 3.0, 0.01: 5.0}
"""Share of the labels -> how many times as many passes over them."""


def config_of(name: str, share: float, data: Path, output: Path, *, cut: bool = False) -> TrainingConfig:
    """Return the configuration of a comparison; with `cut`, its documents end after `CUT_TOKENS` sub-words."""
    file, base, changes = SETS[name]
    config = recipe(base).with_values(changes)
    smaller = {} if share == 1 else {"batch_documents": 16, "epochs": config.epochs * SHARES[share]}
    target = output / name.replace(" ", "_") / (f"{share:g}" + ("-cut" if cut else ""))
    shorter = {"max_tokens": CUT_TOKENS} if cut else {}
    return config.with_values(
        {**smaller, **shorter, "data": str(data / file), "output": str(target), "train_share": share}
    )


def results_of(config: TrainingConfig, seeds: int, kinds: Sequence[str] = KINDS) -> dict[str, NDArray[np.bool_]]:
    """Return (S, N) who was right, by kind, of the seeds that are done."""
    found = {}
    for kind in kinds:
        files = [Path(config.output, "runs", f"{kind}-{seed}", RESULT) for seed in range(seeds)]
        if files := [file for file in files if file.is_file()]:
            runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            found[kind] = np.array([run["right"] for run in runs])
    return found


def ids_of(config: TrainingConfig, kind: str) -> list[str]:
    """Return the scored records' names, in the order of the results."""
    file = Path(config.output, "runs", f"{kind}-0", RESULT)
    ids: list[str] = json.loads(file.read_text(encoding="utf-8"))["ids"]
    return ids


def lengths(config: TrainingConfig) -> NDArray[np.int64]:
    """(N,) sub-words of the scored records, in the order of the results."""
    folder = Path(config.output, "runs", "hsa-0")
    ids = ids_of(config, "hsa")
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = {
        record.id: record.origin.text()
        for records in load_corpus(config.with_values({"output": str(folder)})).splits.values()
        for record in records
    }
    return np.array([len(one.ids) for one in words.encode_batch([text[name] for name in ids])])


def collect(data: Path, output: Path, seeds: int) -> dict[str, Any]:
    """Return the points of the figure and HSA's differences from the other kinds."""
    points, pairs = [], []
    for name in SETS:
        for share in SHARES:
            config = config_of(name, share, data, output)
            right = results_of(config, seeds)
            for correct in results_of(config_of(name, share, data, output, cut=True), seeds, ["flat"]).values():
                if ids_of(config, "hsa") != ids_of(config_of(name, share, data, output, cut=True), "flat"):
                    raise DataError(f"all runs on {name} must score the same records, but those of {output} do not.")
                right[CUT] = correct
            groups = {"": np.ones(next(iter(right.values())).shape[1], bool)} if right else {}
            if share == 1 and "hsa" in right:
                long = lengths(config)
                groups |= {_bin_name(low, high): (long > low) & (long <= high) for low, high in BINS}
            for length, chosen in groups.items():
                where = {"data": name, "share": share, "length": length, "records": int(chosen.sum())}
                if chosen.sum() < FEWEST:
                    continue
                for kind, correct in right.items():
                    low, high = wilson(float(correct[:, chosen].mean()), int(chosen.sum()))
                    mean = float(correct[:, chosen].mean())
                    seen = {"kind": kind, "seeds": len(correct), "accuracy": mean, "low": low, "high": high}
                    points.append({**where, **seen})
                for other in right:
                    if other != "hsa" and "hsa" in right:
                        found = paired_bootstrap(right["hsa"][:, chosen], right[other][:, chosen])
                        pairs.append({**where, "other": other, **asdict(found)})
    if not points:
        raise DataError(f"{output} must hold a finished run, but holds none: give it more --minutes.")
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["adjusted_p"] = p
    return {"points": points, "pairs": pairs, "about": {**environment(), **machine()}}


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a share."""
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return (middle - half) / scale, (middle + half) / scale


def _bin_name(low: int, high: int) -> str:
    return f"> {low}" if high >= 10**9 else f"{low + 1}-{high}"


def to_markdown(found: dict[str, Any]) -> str:
    """Return the points as a table, and what is significant."""
    lines = [
        "# Where structure pays",
        "",
        "| data | labels | length, sub-words | records | seeds | " + " | ".join(SHOWN) + " |",
        "| --- | --- | --- | --- | --- |" + " --- |" * len(SHOWN),
    ]
    places = list(dict.fromkeys((p["data"], p["share"], p["length"], p["records"]) for p in found["points"]))
    for data, share, length, records in places:
        cells, seeds = [], set()
        for kind in SHOWN:
            here = [
                p
                for p in found["points"]
                if (p["data"], p["share"], p["length"], p["kind"]) == (data, share, length, kind)
            ]
            cells.append(f"{here[0]['accuracy']:.4f}" if here else "")
            seeds |= {p["seeds"] for p in here}
        lines.append(
            f"| {data} | {100 * share:g} % | {length or 'all'} | {records} | "
            + "-".join(map(str, sorted({min(seeds), max(seeds)})))
            + " | "
            + " | ".join(cells)
            + " |"
        )
    real = [p for p in found["pairs"] if p["adjusted_p"] < 0.05]
    said = [
        f"{p['data']}, {100 * p['share']:g} % of the labels, {p['length'] or 'all lengths'}: HSA − {p['other']} "
        f"{100 * p['value']:+.1f} points ({100 * p['low']:+.1f} to {100 * p['high']:+.1f}, adjusted p {p['adjusted_p']:.4f})"
        for p in real
    ]
    lines += [
        "",
        f"Of {len(found['pairs'])} differences, significant: " + ("; ".join(said) or "none") + ".",
        "",
    ]
    return "\n".join(
        [
            *lines,
            made_by(found["about"]),
            "",
        ]
    )


def picture(found: dict[str, Any]) -> bytes:
    """Return the figure: accuracy by share of the labels above, by length below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = {**COLOURS, CUT: "tab:grey"}
    names = [name for name in SETS if any(p["data"] == name for p in found["points"])]
    figure = Figure(figsize=(3.6 * len(names), 6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        above, below = grid[0][column], grid[1][column]
        here = [p for p in found["points"] if p["data"] == name]
        binned = [_bin_name(*one) for one in BINS]
        counts = {p["length"]: p["records"] for p in here}
        for number, kind in enumerate(SHOWN):
            shift = 0.14 * (number - 2)
            mine = [p for p in here if p["kind"] == kind]
            curve = sorted((p["share"], p["accuracy"]) for p in mine if not p["length"])
            above.plot(*zip(*curve, strict=True), "o-", color=colours[kind], label=kind, alpha=0.8) if curve else None
            for p in mine:
                if p["length"]:
                    spread = [[p["accuracy"] - p["low"]], [p["high"] - p["accuracy"]]]
                    place = binned.index(p["length"]) + shift
                    below.errorbar([place], [p["accuracy"]], yerr=spread, fmt="o", color=colours[kind], capsize=2)
        above.set_xscale("log")
        above.set_xticks(list(SHARES), [f"{100 * share:g} %" for share in SHARES])
        above.minorticks_off()
        above.set_title(name)
        above.set_xlabel("share of the training labels")
        below.set_xticks(range(len(binned)), [f"{one}\n({counts.get(one, f'fewer than {FEWEST}')})" for one in binned])
        below.set_xlabel("sub-words (records)")
        for axes in (above, below):
            axes.grid(alpha=0.3)
    grid[0][0].set_ylabel("accuracy")
    grid[1][0].set_ylabel("accuracy, all labels")
    lines = {line.get_label(): line for axes in grid[0] for line in axes.get_lines()}
    grid[0][0].legend(handles=list(lines.values()))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--output", type=Path, default=Path("runs/structure"), help="folder of runs")
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no further run after so long")
    args = parser.parse_args()
    begin, left = time.monotonic(), 0
    for name in args.only:
        for share in SHARES:
            minutes = args.minutes - (time.monotonic() - begin) / 60
            if minutes <= 0:
                left += 1
                continue
            config = config_of(name, share, args.data, args.output)
            left += compare(config, seeds=args.seeds, with_baseline=False, minutes=minutes).runs_left
        minutes = args.minutes - (time.monotonic() - begin) / 60
        if minutes <= 0:
            left += 1
            continue
        config = config_of(name, 1.0, args.data, args.output, cut=True)
        left += compare(config, attention=["flat"], seeds=args.seeds, with_baseline=False, minutes=minutes).runs_left
    found = collect(args.data, args.output, args.seeds)
    write_atomically(RESULTS / "structure.json", json.dumps(found, indent=1) + "\n")
    write_atomically(RESULTS / "structure.md", to_markdown(found))
    (RESULTS / "structure.png").write_bytes(picture(found))
    print(to_markdown(found))
    if left:
        print("Some runs are left; the same call goes on.")


if __name__ == "__main__":
    main()
