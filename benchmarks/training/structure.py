"""Where structure pays: accuracy by share of the labels, and by length of the document, by kind of attention.

    python -m benchmarks.training.structure --minutes 7

Three data sets: IMDB reviews (words alone, two passes), OpenStax sections (all five fields), 20 Newsgroups. For each
share of the training labels one `docgraph compare` under --output; runs that are done are kept, so the same call goes
on. Few labels get more passes, so that every model is trained to rest. The lengths are those of the runs with all
labels, in sub-words. Beside the four kinds, which all read whole documents, with all labels also flat attention over
the first 512 sub-words (images stay), where the paper cut its flat model.

Writes benchmarks/results/structure.md, .json and .png. Bars are 95 % intervals over records (Wilson's for one seed's
accuracy); differences of HSA from each other kind by paired bootstrap (training/evaluation/significance.py), p adjusted
by Holm over all of this page's.
"""

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, points, publish, record
from benchmarks.training.runs import differences, result, right
from docgraph.errors import DataError
from training.compare.report import COLOURS
from training.compare.run import KINDS, compare
from training.config import TrainingConfig
from training.evaluation.significance import LEVEL
from training.output.markdown import table
from training.recipes import recipe
from training.run_folder import load_corpus

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


def ids_of(config: TrainingConfig, kind: str) -> list[str]:
    """Return the scored records' names, in the order of the results; none if the first run is not done."""
    ids: list[str] = (result(Path(config.output), kind, 0) or {"ids": []})["ids"]
    return ids


def lengths(config: TrainingConfig) -> NDArray[np.int64]:
    """(N,) sub-words of the scored records, in the order of the results."""
    folder = Path(config.output, "runs", "hsa-0")
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = {
        record.id: record.origin.text()
        for records in load_corpus(config.with_values({"output": str(folder)})).splits.values()
        for record in records
    }
    return np.array([len(one.ids) for one in words.encode_batch([text[name] for name in ids_of(config, "hsa")])])


def collect(data: Path, output: Path, seeds: int) -> dict[str, Any]:
    """Return the points of the figure and HSA's differences from the other kinds."""
    shown, pairs = [], []
    for name in SETS:
        for share in SHARES:
            whole, cut = (config_of(name, share, data, output, cut=cut) for cut in (False, True))
            every = {kind: right([Path(whole.output)], kind, seeds) for kind in KINDS}
            every[CUT] = right([Path(cut.output)], "flat", seeds)
            if every[CUT] is not None and ids_of(whole, "hsa") != ids_of(cut, "flat"):
                raise DataError(f"all runs on {name} must score the same records, but those of {output} do not.")
            correct = {kind: found for kind, found in every.items() if found is not None}
            if not correct:
                continue
            groups = {"": np.ones(next(iter(correct.values())).shape[1], bool)}
            if share == 1 and "hsa" in correct:
                long = lengths(whole)
                groups |= {_bin_name(low, high): (long > low) & (long <= high) for low, high in BINS}
            for length, chosen in groups.items():
                if (count := int(chosen.sum())) < FEWEST:
                    continue
                where = {"data": name, "share": share, "length": length, "records": count}
                some = {kind: found[:, chosen] for kind, found in correct.items()}
                for kind, found in some.items():
                    mean = float(found.mean())
                    low, high = wilson(mean, count)
                    seen = {"kind": kind, "seeds": len(found), "accuracy": mean, "low": low, "high": high}
                    shown.append({**where, **seen})
                others = [kind for kind in some if kind != "hsa" and "hsa" in some]
                pairs += [({**where, "other": kind}, some["hsa"], some[kind]) for kind in others]
    if not shown:
        raise DataError(f"{output} must hold a finished run, but holds none: give it more --minutes.")
    return {"points": shown, "pairs": differences(pairs), "about": about()}


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a share."""
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return (middle - half) / scale, (middle + half) / scale


def _bin_name(low: int, high: int) -> str:
    return f"> {low}" if high >= 10**9 else f"{low + 1}-{high}"


def to_markdown(found: dict[str, Any]) -> str:
    """Return the points as a table, and what is significant."""
    rows: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for point in found["points"]:
        key = point["data"], f"{100 * point['share']:g} %", point["length"] or "all", point["records"]
        rows.setdefault(key, {})[point["kind"]] = point
    lines = []
    for key, points_of in rows.items():
        seeds = sorted({point["seeds"] for point in points_of.values()})
        cells = (f"{points_of[kind]['accuracy']:.4f}" if kind in points_of else "" for kind in SHOWN)
        lines.append([*key, "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))), *cells])
    said = []
    for pair in found["pairs"]:
        if pair["adjusted_p"] < LEVEL:
            value, interval = points(pair, 1)
            said.append(
                f"{pair['data']}, {100 * pair['share']:g} % of the labels, {pair['length'] or 'all lengths'}: HSA − "
                f"{pair['other']} {value} points ({interval}, adjusted p {pair['adjusted_p']:.4f})"
            )
    return "\n\n".join(
        [
            "# Where structure pays",
            table(["data", "labels", "length, sub-words", "records", "seeds", *SHOWN], lines),
            "![Accuracy by share of the labels and by length](structure.png)",
            f"Of {len(found['pairs'])} differences, significant: {'; '.join(said) or 'none'}.",
            made_by(found["about"]),
            "",
        ]
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the figure: accuracy by share of the labels above, by length below."""
    colours = {**COLOURS, CUT: "tab:grey"}
    names = [name for name in SETS if any(p["data"] == name for p in found["points"])]
    figure = Figure(figsize=(3.6 * len(names), 6), layout="constrained")
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
            if curve:
                above.plot(*zip(*curve, strict=True), "o-", color=colours[kind], label=kind, alpha=0.8)
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
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = command_line(__doc__, runs="runs/structure")
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
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
    record("structure", found, args.results)
    draw(found, args.results / "structure.png")
    publish("structure", to_markdown(found), args.results)
    if left:
        print("Some runs are left; the same call goes on.")


if __name__ == "__main__":
    main()
