"""Does structure help? HSA beside the attention of other papers on the same trees, each with its permuted control.

    python -m benchmarks.training.peers --seeds 3 --minutes 8

Two data sets, by their recipes for comparing kinds: OpenStax sections (all five fields) and 20 Newsgroups. All kinds
have the recipe's inputs, widths, passes and learning rate, and two layers, for in one layer news reaches an anchor and
not the leaves beyond it. Anchors add 8 vectors of parameters (encoders/anchors.py). Runs that are done are kept under
--output, so the same call goes on.

Writes benchmarks/results/peers.md and .json: accuracy; differences by paired bootstrap over records and seeds
(training/evaluation/significance.py) of every kind from its permuted control, from flat attention and from none, and of
HSA from the others, p adjusted by Holm over the page; and what attends, in pairs a document and layer.
"""

import time
from pathlib import Path
from typing import Any, Final

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, points, publish, record
from benchmarks.training.runs import Right, differences, result, right
from docgraph.errors import DataError
from encoders import DocumentProcessor, TreeBatch
from encoders.peers import PEERS, layout
from training.compare.run import compare
from training.config import TrainingConfig
from training.evaluation.significance import LEVEL, seed_interval
from training.output.markdown import table
from training.recipes import recipe
from training.run_folder import load_corpus

SETS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "OpenStax": ("html_images/openstax", "news-scratch-deep", {"data_options": {"check_images": False}}),
    "20 Newsgroups": ("text/ng20.jsonl.gz", "reviews-scratch-deep", {"epochs": 10}),
}
"""Name -> file under --data, recipe, changes."""
LAYERS: Final = 2
KINDS: Final = (
    "hsa", "permuted", "hdt", "permuted-hdt", "hat", "permuted-hat", "local", "late", "flat", "none",
    "hsa-block", "permuted-block",
)  # fmt: skip
CONTROL: Final = {"hsa": "permuted", "hsa-block": "permuted-block", "hdt": "permuted-hdt", "hat": "permuted-hat"}


def config_of(name: str, data: Path, output: Path) -> TrainingConfig:
    """Return the configuration of a comparison."""
    file, base, changes = SETS[name]
    shared = {
        "data": str(data / file),
        "output": str(output / name.replace(" ", "_")),
        "image_cache": str((output / "pictures.sqlite").resolve()),
    }
    return recipe(base).with_values({**changes, **shared, "model.num_hidden_layers": LAYERS})


def pairs_of(config: TrainingConfig) -> dict[str, float]:
    """Return what attends in one layer, a document of the test split; nothing if no run is done."""
    folder = Path(config.output, "runs", "hsa-0")
    if not folder.joinpath("result.json").is_file():
        return {}
    processor = DocumentProcessor.from_pretrained(folder)
    corpus = load_corpus(config.with_values({"output": str(folder)}))
    forests = []
    for one in corpus["test"]:
        encoded = processor.encode(one.document())
        forests.append(TreeBatch.from_parents(encoded.parent, is_leaf=encoded.is_leaf))
    leaves = [forest.num_leaves for forest in forests]
    found = {"leaves": sum(leaves), "flat": sum(n * n for n in leaves), "none": sum(leaves)}
    found["hsa"] = sum(int((forest.families().size ** 2).sum()) for forest in forests)
    found |= {kind: sum(layout(forest, kind).pairs for forest in forests) for kind in PEERS}
    return {kind: count / len(forests) for kind, count in found.items()}


def plain(kind: str) -> str:
    """Return the kind whose pairs, neither form nor shuffling aside, a kind has."""
    bare = kind.removeprefix("permuted-")
    return bare if bare in (*PEERS, "flat", "none") else "hsa"


def collect(data: Path, output: Path, seeds: int) -> dict[str, Any]:
    """Return rows and differences of the runs that are done."""
    rows, pairs = [], []
    for name in SETS:
        config = config_of(name, data, output)
        folder = Path(config.output)
        every: dict[str, Right] = {kind: found for kind in KINDS if (found := right([folder], kind, seeds)) is not None}
        costs = pairs_of(config)
        for kind, found in every.items():
            mean, half = seed_interval(found.mean(1).tolist())
            runs = [run for seed in range(seeds) if (run := result(folder, kind, seed)) is not None]
            rows.append(
                {
                    "data": name, "kind": kind, "records": found.shape[1], "seeds": len(found), "accuracy": mean,
                    "half_width": half, "parameters": runs[0]["parameters"], "pairs": costs.get(plain(kind)),
                    "leaves": costs.get("leaves"), "seconds": sum(run["seconds"] for run in runs) / len(runs),
                }
            )  # fmt: skip
        others = [(one, CONTROL[one]) for one in CONTROL]
        others += [(one, other) for other in ("flat", "none") for one in (*CONTROL, "local", "late")]
        others += [("hsa", other) for other in ("hdt", "hat", "local", "late")]
        others += [("hsa-block", other) for other in ("hsa", "hdt", "hat", "local", "late")]
        for one, other in others:
            if one in every and other in every:
                pairs.append(({"data": name, "one": one, "other": other}, every[one], every[other]))
    if not rows:
        raise DataError(f"{output} must hold a finished run, but holds none: give it more --minutes.")
    return {"rows": rows, "pairs": differences(pairs), "about": about()}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = ["# Kinds of attention on the same trees"]
    for name in dict.fromkeys(row["data"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["data"] == name]
        lines = []
        for row in rows:
            half = "" if row["half_width"] is None else f" ± {row['half_width']:.4f}"
            cost = "" if row["pairs"] is None else f"{row['pairs']:,.0f}"
            said = [f"{row['accuracy']:.4f}{half}", row["seeds"], f"{row['parameters']:,}", cost]
            lines.append([row["kind"], *said, f"{row['seconds']:.0f}"])
        leaves = "" if rows[0]["leaves"] is None else f", {rows[0]['leaves']:.0f} leaves a document"
        parts += [
            f"## {name}: {rows[0]['records']} test records{leaves}",
            table(["attention", "accuracy", "seeds", "parameters", "pairs a document", "training s"], lines),
            table(
                ["difference", "points", "95 % interval", "adjusted p", ""],
                [
                    [
                        f"{pair['one']} − {pair['other']}", *points(pair), f"{pair['adjusted_p']:.4f}",
                        "significant" if pair["adjusted_p"] < LEVEL else "not significant",
                    ]
                    for pair in found["pairs"] if pair["data"] == name
                ],
            ),
        ]  # fmt: skip
    real = sum(pair["adjusted_p"] < LEVEL for pair in found["pairs"])
    parts += [
        "± is Student's 95 % interval over seeds; p is adjusted by Holm over all differences of the page, of which "
        f"{real} of {len(found['pairs'])} are significant. Pairs attend in one layer; those of HSA are pairs of "
        "siblings, each of which stands for all leaves under the two. Training seconds are of a machine shared with "
        "other jobs.",
        made_by(found["about"]),
        "",
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = command_line(__doc__, runs="runs/peers")
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    args = parser.parse_args()
    begin, left = time.monotonic(), 0
    for name in args.only:
        minutes = args.minutes - (time.monotonic() - begin) / 60
        if minutes <= 0:
            left += 1
            continue
        config = config_of(name, args.data, args.output)
        found = compare(config, attention=args.kinds, seeds=args.seeds, with_baseline=False, minutes=minutes)
        left += found.runs_left
    found = collect(args.data, args.output, args.seeds)
    record("peers", found, args.results)
    publish("peers", to_markdown(found), args.results)
    if left:
        print("Some runs are left; the same call goes on.")


if __name__ == "__main__":
    main()
