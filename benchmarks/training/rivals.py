"""The stacked recipes against simple rivals trained on the same records, each record tested once.

    python -m benchmarks.training.rivals --only elec "openstax headline"

    records ─ folds of whole groups ─> train, dev, test ─ fit, rivals ─> probabilities of the test records ─> one table

Five folds; a seventh of what is not tested is dev. OpenStax keeps chapters together, IMDB films. A fold that is done is
kept under --output, so the same call goes on; what frozen encoders read is shared by all folds.

Writes benchmarks/results/rivals.md and .json: accuracy, log loss, the best rival on each, and the paired differences
over all tested records: accuracy by bootstrap, p by Holm over the tasks of the page; log loss by the standard error of
its mean difference.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, made_by_each, points, publish, record, recorded
from benchmarks.training.chapters import write_folds
from docgraph.errors import DataError
from encoders.cache import FeatureCache
from training.config import CACHE
from training.datasets.lines import read_lines
from training.evaluate import predict_records
from training.evaluation.baselines import MAJORITY, rivals
from training.evaluation.significance import LEVEL, holm, paired_bootstrap
from training.fit import fit
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe
from training.run_folder import learned_splits

FOLDS: Final = 5
DEV_PARTS: Final = 7
"""Of what a fold does not test, one part in so many is dev."""
OURS: Final = "docgraph"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set, and how a classifier is trained on it."""

    data: str
    """From the data folder."""
    recipe: str
    changes: dict[str, Any] = field(default_factory=dict)
    group: str | None = None
    """Column whose values are not parted."""


_OPENSTAX: Final = "html_images/openstax"
TASKS: Final[dict[str, Task]] = {
    "elec": Task(data="text/elec.jsonl.gz", recipe="stacked-minilm"),
    "bbc": Task(data="text/bbc.jsonl.gz", recipe="stacked-minilm"),
    "20 newsgroups": Task(data="text/ng20.jsonl.gz", recipe="stacked-minilm"),
    "openstax headline": Task(data=_OPENSTAX, recipe="stacked-minilm", changes={"fields": ["headline"]}),
    "openstax headline + image": Task(
        data=_OPENSTAX, recipe="stacked-pretrained", changes={"fields": ["headline", "image"]}
    ),
    "openstax all five": Task(data=_OPENSTAX, recipe="stacked-pretrained"),
    "openstax all five, words": Task(
        data=_OPENSTAX, recipe="stacked-words", changes={"fields": ["headline", "abstract", "caption", "body"]}
    ),
    "imdb, words": Task(data="text/imdb_train.jsonl.gz", recipe="stacked-words", group="movie"),
}


def folders_of(task: Task, data: Path, output: Path) -> list[Path]:
    """Write the folds of a task in a layout that a reader knows; return their folders or files."""
    if task.data == _OPENSTAX:
        return write_folds(data / task.data, output)
    rows = list(read_lines(data / task.data))
    label = [str(row["label"]) for row in rows]
    groups = [str(row[task.group]) if task.group else number for number, row in enumerate(rows)]
    numbers = np.zeros(len(rows), dtype=int)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for number, (_, held) in enumerate(splitter.split(rows, label, groups)):
        numbers[held] = number
    names = sorted(set(groups), key=str)
    part_of = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % DEV_PARTS, strict=True))
    files = []
    for fold in range(FOLDS):
        file = output / "folds" / f"{Path(task.data).name.partition('.')[0]}-{fold}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        split = [
            "test" if number == fold else "dev" if part_of[group] == fold else "train"
            for number, group in zip(numbers, groups, strict=True)
        ]
        lines = (json.dumps({**row, "split": one}) + "\n" for row, one in zip(rows, split, strict=True))
        write_atomically(file, "".join(lines))
        files.append(file)
    return files


def run(name: str, data: Path, output: Path, folds: int, deadline: float) -> None:
    """Train and test a task on every fold, as far as the time goes."""
    task = TASKS[name]
    for number, fold in enumerate(folders_of(task, data, output)[:folds]):
        result = _result(output, name, number)
        if result.is_file() or time.monotonic() > deadline:
            continue
        start = time.monotonic()
        config = recipe(task.recipe).with_values(
            {
                **task.changes,
                "data": str(fold),
                "output": str(output / "runs" / f"{result.stem}"),
                "data_options": {"check_images": False} if task.data == _OPENSTAX else {},
                "feature_cache": str((output / CACHE).resolve()),
            }
        )
        run = fit(config, Console(stderr=True))
        seconds = time.monotonic() - start
        predictions, read, _ = predict_records(run.model, run.corpus["test"])
        labels = run.corpus.labels
        train = [one for split in learned_splits(config, run.corpus) for one in run.corpus[split]]
        found = {OURS: torch.tensor([[one.probabilities[label] for label in labels] for one in predictions])}
        found |= rivals(train, read, labels, cache=FeatureCache(output / CACHE))
        target = [labels.index(str(one.label)) for one in read]
        done = {
            "parts": run.scores.get("parts", []),
            "seconds": seconds,
            "learned": len(train),
            "target": target,
            "probabilities": {one: some.tolist() for one, some in found.items() if one != MAJORITY},
        }
        result.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(result, json.dumps(done))


def collect(output: Path, folds: int) -> dict[str, Any]:
    """Return a row of every task whose folds are done."""
    rows = []
    for name in TASKS:
        files = [_result(output, name, fold) for fold in range(folds)]
        if all(file.is_file() for file in files):
            rows.append(_row(name, [json.loads(file.read_text(encoding="utf-8")) for file in files]))
    if not rows:
        raise DataError(f"{output} must hold a task with all its folds, but holds none: give it more --minutes.")
    for row, p in zip(rows, holm([row["accuracy difference"]["p"] for row in rows]), strict=True):
        row["accuracy difference"]["adjusted_p"] = p
    return {"rows": [{**row, "about": about()} for row in rows]}


def _row(name: str, folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    target = np.concatenate([fold["target"] for fold in folds])
    everyone = set.intersection(*(set(fold["probabilities"]) for fold in folds))
    found = {one: np.concatenate([np.array(fold["probabilities"][one]) for fold in folds]) for one in everyone}
    right = {one: some.argmax(1) == target for one, some in found.items()}
    loss = {one: -np.log(some[np.arange(len(target)), target].clip(1e-12)) for one, some in found.items()}
    others = sorted(everyone - {OURS})
    surest = max(others, key=lambda one: right[one].mean())
    likeliest = min(others, key=lambda one: loss[one].mean())
    return {
        "task": name,
        "records": len(target),
        "accuracy": {one: float(some.mean()) for one, some in right.items()},
        "log loss": {one: float(some.mean()) for one, some in loss.items()},
        "best": surest,
        "accuracy difference": asdict(paired_bootstrap(right[OURS][None], right[surest][None])),
        "likeliest": likeliest,
        "loss difference": _mean_and_error(loss[OURS] - loss[likeliest]),
        "seconds": float(np.mean([fold["seconds"] for fold in folds])),
        "parts": folds[0]["parts"],
    }


def _mean_and_error(values: NDArray[np.float64]) -> dict[str, float]:
    return {"value": float(values.mean()), "error": float(values.std(ddof=1) / len(values) ** 0.5)}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    rows = []
    for row in found["rows"]:
        difference, loss = row["accuracy difference"], row["loss difference"]
        value, interval = points(difference)
        said = "significant" if difference["adjusted_p"] < LEVEL else "not significant"
        rows.append(
            [
                row["task"],
                row["records"],
                f"{row['accuracy'][OURS]:.4f}",
                f"{row['accuracy'][row['best']]:.4f} ({row['best']})",
                f"{value} ({interval}), {said}",
                f"{row['log loss'][OURS]:.3f}",
                f"{row['log loss'][row['likeliest']]:.3f} ({row['likeliest']})",
                f"{loss['value']:+.3f} ± {1.96 * loss['error']:.3f}",
                f"{row['seconds']:.0f}",
            ]
        )
    head = ["task", "records", "ours", "best rival", "difference, points"]
    head += ["log loss", "least of rivals", "± 95 %", "s a fold"]
    parts = [f"* {row['task']}: {'; '.join(row['parts'])}" for row in found["rows"]]
    return "\n\n".join(
        [
            "# The stacked recipes, against simple rivals on the same records",
            table(head, rows),
            "Parts of each model, first fold:",
            "\n".join(parts),
            made_by_each(found["rows"]),
            "",
        ]
    )


def _result(output: Path, name: str, fold: int) -> Path:
    return output / "results" / f"{name.replace(', ', '-').replace(' + ', '-').replace(' ', '-')}-{fold}.json"


def main() -> None:
    parser = command_line(__doc__, DATA, runs="runs/rivals")
    parser.add_argument("--only", nargs="*", default=list(TASKS), choices=list(TASKS), help="tasks to train")
    parser.add_argument("--folds", type=int, default=FOLDS, help="of them, how many to test; default: %(default)s")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    for name in args.only:
        run(name, args.data, args.output, args.folds, deadline)
    page = recorded("rivals", args.results)
    earlier = {row["task"]: {"about": page.get("about"), **row} for row in page.get("rows", [])}
    found = collect(args.output, args.folds)
    found["rows"] = list({**earlier, **{row["task"]: row for row in found["rows"]}}.values())
    record("rivals", found, args.results)
    publish("rivals", to_markdown(found), args.results)


if __name__ == "__main__":
    main()
