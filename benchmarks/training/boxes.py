"""Does it help to see where things are? Kinds of attention with and without the boxes of rendered pages.

    python -m benchmarks.training.boxes --seeds 3 --minutes 60

    markup ─ Renderer ─> documents with boxes ─ folds of whole groups ─> docgraph compare on each ─> one table

Two sets: WebKB (home pages of the 1990s in Chromium's own style; each university is tested by a model that saw the
other alone) and OpenStax sections under one style sheet, chapters apart (as in chapters.py). Words, inputs and passes
are the same in all rows; "-boxes" adds `position_boxes`. Pages are rendered without images, scripts and network.

Writes benchmarks/results/boxes.md and .json: accuracy over all documents, and what boxes add to each kind by paired
bootstrap over documents and seeds, p adjusted by Holm over the table. Runs that are done are kept under --output.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, points, publish, record
from benchmarks.training.chapters import FOLDS
from benchmarks.training.runs import differences, right
from docgraph.errors import LimitError
from docgraph.render import Renderer
from training.compare.run import compare
from training.datasets.lines import read_lines
from training.evaluation.significance import LEVEL, seed_interval
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe

RECIPE: Final = "reviews-scratch-deep"
KINDS: Final = ("hsa", "hsa-boxes", "flat", "flat-boxes", "permuted", "permuted-boxes", "none")
DEV_PARTS: Final = 4
"""Of the training records, one part in so many chooses the epoch."""
STYLE: Final = """<style>
body { font: 16px/1.4 serif; max-width: 60em; margin: 0 auto }
figure { float: right; width: 38%; margin: 0 0 1em 1em } figcaption { font-size: 80% }
blockquote, aside { margin: 1em 3em; padding: 1em; background: #eee } h1 { font-size: 240% } h2 { font-size: 160% }
ul, ol { columns: 2 } table { width: 100% }
</style>"""


class Page(NamedTuple):
    """A labelled page, and what it may not be parted from."""

    name: str
    label: str
    group: str
    markup: str


def webkb(data: Path) -> Iterator[Page]:
    for number, row in enumerate(read_lines(data / "html_labelled" / "webkb.jsonl.gz")):
        yield Page(str(number), str(row["label"]), str(row["university"]), str(row["html"]))


def openstax(data: Path) -> Iterator[Page]:
    folder = data / "html_images" / "openstax"
    for row in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        markup = (folder / row["html"]).read_text(encoding="utf-8")
        yield Page(row["id"], row["label"], f"{row['label']} / {row['chapter']}", STYLE + markup)


SETS: Final = {"WebKB": (webkb, 2), "OpenStax, styled": (openstax, FOLDS)}
"""Name -> its pages, folds."""


def render(pages: list[Page], folder: Path) -> dict[str, int]:
    """Render what is not there yet; return how many pages are, by what became of them."""
    found = {"rendered": 0, "refused": 0}
    with Renderer() as renderer:
        for page in pages:
            file = folder / page.label / f"{page.name}.json"
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                try:
                    document = renderer.render(page.markup, images="skip", screenshot=False)
                except LimitError as error:
                    print(f"{page.name}: {error}", flush=True)
                    found["refused"] += 1
                    continue
                write_atomically(file, document.to_json())
            found["rendered"] += 1
    return found


def folds_of(name: str, pages: list[Page], folder: Path, output: Path) -> list[Path]:
    """Write labels and splits of every fold, whose groups are tested by models that did not see them."""
    there = [page for page in pages if (folder / page.label / f"{page.name}.json").exists()]
    label, group = ([getattr(page, column) for page in there] for column in ("label", "group"))
    splitter = StratifiedGroupKFold(SETS[name][1], shuffle=True, random_state=0)
    written = []
    for fold, (_, held) in enumerate(splitter.split(there, label, group)):
        test = set(held.tolist())
        part = np.random.default_rng(fold).permutation(len(there)) % DEV_PARTS
        target = output / "folds" / f"{folder.name}-{fold}"
        target.mkdir(parents=True, exist_ok=True)
        if not (target / "pages").exists():
            (target / "pages").symlink_to(folder.resolve())
        rows = [
            {
                "file": f"pages/{page.label}/{page.name}.json",
                "label": page.label,
                "split": "test" if place in test else "dev" if part[place] == 0 else "train",
            }
            for place, page in enumerate(there)
        ]
        write_atomically(target / "labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        written.append(target)
    return written


def collect(folders: dict[str, list[Path]], seeds: int) -> dict[str, Any]:
    """Return accuracies, and what boxes add to each kind and HSA with boxes to the others."""
    rows, pairs = [], []
    for name, runs in folders.items():
        correct = {kind: found for kind in KINDS if (found := right(runs, kind, seeds)) is not None}
        for kind, found in correct.items():
            mean, half = seed_interval(found.mean(axis=1).tolist())
            of = {"set": name, "kind": kind, "records": found.shape[1], "seeds": len(found)}
            rows.append({**of, "accuracy": mean, "half": half})
        wanted = [(f"{kind}-boxes", kind) for kind in ("hsa", "flat", "permuted")]
        wanted += [("hsa-boxes", "permuted-boxes"), ("hsa-boxes", "flat-boxes")]
        pairs += [
            ({"set": name, "one": one, "other": other}, correct[one], correct[other])
            for one, other in wanted
            if one in correct and other in correct
        ]
    return {"rows": rows, "pairs": differences(pairs), "about": about()}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the two tables."""
    rows = [
        [row["set"], row["records"], row["kind"], row["seeds"],
         f"{row['accuracy']:.4f}" + ("" if row["half"] is None else f" ± {row['half']:.4f}")]
        for row in found["rows"]
    ]  # fmt: skip
    pairs = [
        [pair["set"], f"{pair['one']} − {pair['other']}", *points(pair), f"{pair['adjusted_p']:.4f}",
         "significant" if pair["adjusted_p"] < LEVEL else "not significant"]
        for pair in found["pairs"]
    ]  # fmt: skip
    counted = [f"{name}, {n['rendered']} rendered, {n['refused']} refused" for name, n in found["pages"].items()]
    return "\n\n".join(
        [
            "# Boxes of rendered pages as positions",
            "Accuracy over all documents, each tested once by every seed, groups apart (universities, chapters).",
            table(["data", "records", "attention", "seeds", "accuracy"], rows),
            "± is Student's 95 % interval over seeds.",
            table(["data", "difference", "points", "95 % interval", "adjusted p", ""], pairs),
            f"Pages: {'; '.join(counted)}.",
            made_by(found["about"]),
            "",
        ]
    )


def main() -> None:
    parser = command_line(__doc__, runs="runs/boxes")
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS), help="sets to train on")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    folders, counts = {}, {}
    for name in args.only:
        pages = list(SETS[name][0](args.data))
        rendered = args.output / "pages" / SETS[name][0].__name__
        counts[name] = render(pages, rendered)
        folders[name] = []
        for fold in folds_of(name, pages, rendered, args.output):
            target = args.output / "runs" / fold.name
            folders[name].append(target)
            config = recipe(RECIPE).with_values({"data": str(fold), "output": str(target)})
            left = max(0.0, (deadline - time.monotonic()) / 60)
            compare(config, attention=KINDS, seeds=args.seeds, with_baseline=False, minutes=left)
    found = {**collect(folders, args.seeds), "pages": counts}
    record("boxes", found, args.results)
    publish("boxes", to_markdown(found), args.results)


if __name__ == "__main__":
    main()
