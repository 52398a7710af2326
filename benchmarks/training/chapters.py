"""OpenStax with chapters held out: recipes against bags of words, an image's worth, and the four kinds of attention.

    python -m benchmarks.training.chapters --minutes 7

The data's own dev and test splits share chapters with the training split, which flatters all that reads words. Here the
787 documents fall into ten groups of whole chapters (`chapter` of index.json; subjects spread evenly); fold k tests on
groups 2k and 2k+1, picks its epoch on the next one, trains on the other seven. Every document is tested once, by a
model that saw no other section of its chapter. Runs that are done are kept under --output, so the same call goes on.

Writes benchmarks/results/chapters.md and .json: accuracy over all documents, of the seeds that are done on every
fold, beside two bags of words, and what the page holds of settings that are not under --output; differences by paired
bootstrap over documents and seeds (training/evaluation/significance.py), p adjusted by Holm over each of the two
tables: recipes, and HSA against the other kinds of attention.
"""

import itertools
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, made_by, points, publish, record, recorded
from benchmarks.training.runs import Right, differences, right
from docgraph.errors import DataError
from training.compare.run import KINDS, compare
from training.config import CACHE
from training.evaluation.significance import LEVEL, holm, seed_interval
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe

RIVALS: Final = ("tf-idf", "nb-lr")
"""Bags of words, by the names that `docgraph compare` gives them."""
GROUPS: Final = 10
FOLDS: Final = 5

SETTINGS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "headline": ("news-scratch", {"fields": ["headline"], "model.image_encoder": None}),
    "headline + image": ("news-scratch", {"fields": ["headline", "image"]}),
    "headline, deep": ("news-scratch-deep", {"fields": ["headline"], "model.image_encoder": None}),
    "headline + image, deep": ("news-scratch-deep", {"fields": ["headline", "image"]}),
    "caption": ("news-scratch", {"fields": ["caption"], "model.image_encoder": None}),
    "headline, MiniLM": ("news-minilm", {"fields": ["headline"], "model.image_encoder": None}),
    "headline + image, pretrained": ("news-pretrained", {"fields": ["headline", "image"]}),
    "all five": ("news-scratch", {}),
    "all five, deep": ("news-scratch-deep", {}),
    "all five, deep, cut": ("news-scratch-deep", {"max_tokens": 512}),
    "all five, MiniLM": ("news-minilm", {}),
    "all five, pretrained": ("news-pretrained", {}),
}
"""Name -> recipe and changes."""

PAIRS: Final = [
    ("headline + image", "headline"),
    ("headline + image, deep", "headline, deep"),
    ("headline + image, pretrained", "headline, MiniLM"),
]
"""Settings that are compared with each other, beside each with the better bag of words on its fields."""

OF_KINDS: Final = "all five, deep"
"""The setting that is trained with every kind of attention."""
CUT: Final = "all five, deep, cut"
"""The same over the first 512 sub-words, where the paper cut its flat model; with flat attention alone."""


def write_folds(data: Path, output: Path) -> list[Path]:
    """Write the folds in the layout of N24News, images linked; return their folders."""
    index = json.loads((data / "index.json").read_text(encoding="utf-8"))
    chapter = {(one["label"], one["id"]): f"{one['label']} / {one['chapter']}" for one in index}
    records = [
        record
        for split in ("train", "dev", "test")
        for record in json.loads((data / "news" / f"nytimes_{split}.json").read_text(encoding="utf-8"))
    ]
    label = [record["section"] for record in records]
    chapters = [chapter[record["section"], record["article_url"].removeprefix("openstax:")] for record in records]
    group = np.zeros(len(records), dtype=int)
    splitter = StratifiedGroupKFold(GROUPS, shuffle=True, random_state=0)
    for number, (_, held) in enumerate(splitter.split(records, label, chapters)):
        group[held] = number
    folders = []
    for fold in range(FOLDS):
        test, dev = np.isin(group, (2 * fold, 2 * fold + 1)), group == (2 * fold + 2) % GROUPS
        folder = output / "folds" / str(fold)
        (folder / "news").mkdir(parents=True, exist_ok=True)
        for split, chosen in (("train", ~test & ~dev), ("dev", dev), ("test", test)):
            some = [records[place] for place in np.flatnonzero(chosen)]
            write_atomically(folder / "news" / f"nytimes_{split}.json", json.dumps(some))
        if not (folder / "images").exists():
            (folder / "images").symlink_to((data / "images").resolve())
        folders.append(folder)
    return folders


def run(
    name: str, folds: Sequence[Path], output: Path, seeds: int, deadline: float, of_kinds: Sequence[str] = KINDS
) -> None:
    """Train and test one setting on every fold, seed after seed, as far as the time goes."""
    base, changes = SETTINGS[name]
    for so_far, (fold, target) in itertools.product(
        range(1, seeds + 1), zip(folds, folds_of(name, output), strict=True)
    ):
        minutes = (deadline - time.monotonic()) / 60
        if minutes <= 0:
            return
        shared = {
            "data": str(fold),
            "output": str(target),
            # They are all good, and decoding each takes longer than training.
            "data_options": {"check_images": False},
            "feature_cache": str((output / CACHE).resolve()),
            "image_cache": str((output / "pictures.sqlite").resolve()),
        }
        config = recipe(base).with_values({**changes, **shared})
        kinds = {OF_KINDS: of_kinds, CUT: ("flat",)}.get(name, ("hsa",))
        compare(config, attention=kinds, seeds=so_far, minutes=minutes)


def folds_of(name: str, output: Path) -> list[Path]:
    """Return the folders of a setting's comparisons, one a fold."""
    return [output / name.replace(" ", "_") / str(fold) for fold in range(FOLDS)]


def collect(output: Path, seeds: int, of_kinds: Sequence[str] = KINDS) -> dict[str, Any]:
    """Return rows and differences of the settings, and of the kinds of attention, that are done."""
    ours: dict[str, Right] = {}
    bags: dict[str, dict[str, Right]] = {}
    for name in SETTINGS:
        folds = folds_of(name, output)
        every = {rival: right(folds, rival, 1) for rival in RIVALS}
        bag = {rival: found for rival, found in every.items() if found is not None}
        if (found := right(folds, "hsa", seeds)) is not None and bag:
            ours[name], bags[name] = found, bag
    if not ours:
        raise DataError(f"{output} must hold a setting with all its folds, but holds none: give it more --minutes.")
    pairs: list[tuple[dict[str, Any], Right, Right]] = []
    for name, bag in bags.items():
        best = max(bag, key=lambda rival: bag[rival].mean())
        pairs.append(({"one": name, "other": f"{best} on {name}"}, ours[name], bag[best]))
    pairs += [
        ({"one": one, "other": other}, ours[one], ours[other]) for one, other in PAIRS if one in ours and other in ours
    ]
    kinds_of = {kind: right(folds_of(OF_KINDS, output), kind, seeds) for kind in of_kinds}
    kinds_of["flat, cut"] = right(folds_of(CUT, output), "flat", seeds)
    kinds = {kind: found for kind, found in kinds_of.items() if found is not None}
    against = [kind for kind in kinds if kind != "hsa" and "hsa" in kinds]
    return {
        "documents": int(next(iter(ours.values())).shape[1]),
        "rows": [
            {**row_of(name, found), **{rival: float(bag.mean()) for rival, bag in bags[name].items()}, "about": about()}
            for name, found in ours.items()
        ],
        "pairs": differences(pairs),
        "kinds": [row_of(kind, found) for kind, found in kinds.items()],
        "kind_pairs": differences(({"one": "hsa", "other": kind}, kinds["hsa"], kinds[kind]) for kind in against),
        "about": about(),
    }


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return new results, with what older ones hold of other settings; p adjusted over both."""
    done = {row["setting"] for row in new["rows"]}
    rows = [{"about": old["about"], **row} for row in old.get("rows", []) if row["setting"] not in done] + new["rows"]
    pairs = [pair for pair in old.get("pairs", []) if pair["one"] not in done] + new["pairs"]
    order = list(SETTINGS).index
    kinds = new if new["kinds"] else {"kinds": [], "kind_pairs": [], **old}
    return {
        "documents": new["documents"],
        "rows": sorted(rows, key=lambda row: order(row["setting"])),
        "pairs": [
            {**pair, "adjusted_p": p} for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True)
        ],
        "kinds": kinds["kinds"],
        "kind_pairs": kinds["kind_pairs"],
        "about": kinds["about"],
    }


def row_of(name: str, correct: Right) -> dict[str, Any]:
    """Return accuracy over the seeds (S, N), and half of its interval."""
    mean, half = seed_interval(correct.mean(1).tolist())
    return {"setting": name, "seeds": len(correct), "accuracy": mean, "half_width": half}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = [
        f"# OpenStax, chapters held out: {found['documents']} documents, each tested once by every seed",
        table(
            ["setting", "accuracy, HSA", "seeds", *(f"{rival} on the same text" for rival in RIVALS)],
            (
                [*_accuracy(row), *(f"{row[rival]:.4f}" if rival in row else "" for rival in RIVALS)]
                for row in found["rows"]
            ),
        ),
        "± is Student's 95 % interval over seeds. Differences by paired bootstrap over documents and seeds, 95 % "
        "interval; p adjusted by Holm over this table:",
        _differences(found["pairs"]),
    ]
    if found["kinds"]:
        parts += [
            f"## {OF_KINDS}: kinds of attention",
            table(["attention", "accuracy", "seeds"], map(_accuracy, found["kinds"])),
            "p adjusted by Holm over this table:",
            _differences(found["kind_pairs"]),
        ]
    made: dict[str, list[str]] = {}
    for row in found["rows"]:
        made.setdefault(made_by(row["about"]), []).append(row["setting"])
    if found["kinds"]:
        made.setdefault(made_by(found["about"]), []).append("kinds of attention")
    parts.append("\n".join(f"* {'; '.join(names)}: {line}" for line, names in made.items()))
    return "\n\n".join([*parts, ""])


def _accuracy(row: dict[str, Any]) -> tuple[str, str, int]:
    half = "" if row["half_width"] is None else f" ± {row['half_width']:.4f}"
    return row["setting"], f"{row['accuracy']:.4f}{half}", row["seeds"]


def _differences(pairs: Iterable[dict[str, Any]]) -> str:
    rows = []
    for pair in pairs:
        said = "significant" if pair["adjusted_p"] < LEVEL else "not significant"
        rows.append([f"{pair['one']} − {pair['other']}", *points(pair), f"{pair['adjusted_p']:.4f}", said])
    return table(["difference", "points", "95 % interval", "adjusted p", ""], rows)


def main() -> None:
    parser = command_line(__doc__, DATA / "html_images" / "openstax", runs="runs/chapters")
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), choices=list(SETTINGS), help="settings to train")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help=f"of attention, of {OF_KINDS!r}")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    folds = write_folds(args.data, args.output)
    for name in args.only:
        run(name, folds, args.output, args.seeds, deadline, args.kinds)
    found = merged(recorded("chapters", args.results), collect(args.output, args.seeds, args.kinds))
    record("chapters", found, args.results)
    publish("chapters", to_markdown(found), args.results)


if __name__ == "__main__":
    main()
