"""Several labels a record, and numbers: the stacked recipes against simple rivals trained on the same records.

    python -m benchmarks.training.kinds --only "18F tags"

    18F tags             the tags of blog posts that ten or more have
    newsgroup names      the parts of the name of a newsgroup: rec, sport, hockey
    press entities       the entities of press headlines that twenty or more name
    IMDB ratings         stars from 1 to 10, films kept apart; every twentieth review

Five folds; a fold that is done is kept under --output, so the same call goes on. Rivals are those of
training/evaluation/evaluate_targets.py. Writes benchmarks/results/kinds.md and .json: micro-F1 or R squared over all
tested records, and its paired difference from the best rival, p by Holm over the tasks of the page.
"""

import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from sklearn.model_selection import GroupKFold

from benchmarks.page import made_by_each, points
from benchmarks.training.folds import result_of, run_tasks
from docgraph import parse_html
from encoders.cache import FeatureCache
from training.config import CACHE
from training.datasets.lines import read_lines
from training.datasets.problem_types import MULTI, REGRESSION
from training.evaluate import predict_records
from training.evaluation.evaluate_targets import (
    FIRST,
    MEAN,
    OURS,
    measures_of,
    ours_of,
    sums_of,
    target_of,
    target_rivals,
)
from training.evaluation.significance import LEVEL, holm, paired_sums
from training.fit import fit
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe
from training.run_folder import learned_splits

FOLDS: Final = 5
DEV_PARTS: Final = 7
"""Of what a fold does not test, one part in so many is dev, which weighs the transformer; all is learned in the end."""
Row = dict[str, Any]


def blog_tags(data: Path) -> Iterator[Row]:
    """Yield the posts of 18F with their tags."""
    folder = data / "html_images" / "f18"
    posts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    counts = Counter(tag for post in posts for tag in post["tags"])
    for post in posts:
        page = parse_html((folder / post["html"]).read_bytes())
        yield {"text": page.text, "label": [tag for tag in post["tags"] if counts[tag] >= 10]}


def newsgroup_names(data: Path) -> Iterator[Row]:
    """Yield the posts of newsgroups with the parts of the group's name."""
    for row in read_lines(data / "text" / "ng20.jsonl.gz"):
        yield {"text": f"{row['subject']}\n\n{row['text']}", "label": str(row["label"]).split(".")}


def press_entities(data: Path) -> Iterator[Row]:
    """Yield press headlines with the entities of their articles."""
    folder = data / "news" / "newsimages" / "news"
    rows = [
        row for name in ("train", "dev", "test") for row in json.loads((folder / f"nytimes_{name}.json").read_text())
    ]
    named = [[one.strip() for one in row["abstract"].split(";")] for row in rows]
    counts = Counter(one for some in named for one in set(some))
    for row, some in zip(rows, named, strict=True):
        yield {"text": row["headline"], "label": [one for one in some if one and counts[one] >= 20]}


def ratings(data: Path) -> Iterator[Row]:
    """Yield film reviews with their stars."""
    for number, row in enumerate(read_lines(data / "text" / "imdb_train.jsonl.gz")):
        if number % 20 == 0:
            yield {"text": row["text"], "label": row["rating"], "group": row["movie"]}


TASKS: Final[dict[str, tuple[Callable[[Path], Iterator[Row]], str, str]]] = {
    "18F tags": (blog_tags, MULTI, "stacked-minilm"),
    "newsgroup names": (newsgroup_names, MULTI, "stacked-words"),
    "press entities": (press_entities, MULTI, "stacked-minilm"),
    "IMDB ratings": (ratings, REGRESSION, "stacked-words"),
}
"""Name -> records, problem type, recipe."""


def hash_of(group: Any) -> int:
    """Return a number that a group has in every process."""
    return zlib.crc32(str(group).encode())


def run(name: str, data: Path, output: Path, deadline: float) -> None:
    """Train and test a task on every fold, as far as the time goes."""
    make, kind, recipe_name = TASKS[name]
    rows = list(make(data))
    groups = [row.pop("group", number) for number, row in enumerate(rows)]
    order = np.random.default_rng(0).permutation(len(rows))
    rows, groups = [rows[one] for one in order], [groups[one] for one in order]
    for fold, (_, held) in enumerate(GroupKFold(FOLDS).split(rows, groups=groups)):
        result = result_of(output, name, fold)
        if result.is_file() or time.monotonic() > deadline:
            continue
        tested, file = set(held.tolist()), output / "folds" / f"{result.stem}.jsonl"
        dev = {group for group in groups if hash_of(group) % DEV_PARTS == fold}
        splits = ("test" if n in tested else "dev" if group in dev else "train" for n, group in enumerate(groups))
        lines = (json.dumps({**row, "split": split}) + "\n" for row, split in zip(rows, splits, strict=True))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, "".join(lines))
        config = recipe(recipe_name).with_values(
            {
                "data": str(file),
                "output": str(output / "runs" / result.stem),
                "problem_type": kind,
                "feature_cache": str((output / CACHE).resolve()),
            }
        )
        start = time.monotonic()
        trained = fit(config, Console(stderr=True))
        seconds, labels = time.monotonic() - start, trained.corpus.labels
        predictions, read, _ = predict_records(trained.model, trained.corpus["test"])
        train = [one for split in learned_splits(config, trained.corpus) for one in trained.corpus[split]]
        everyone = {OURS: ours_of(predictions, labels, trained.model.config.thresholds)}
        everyone |= target_rivals(train, target_of(train, labels, kind), read, kind, FeatureCache(output / CACHE))
        target = target_of(read, labels, kind)
        done = {
            "parts": trained.scores["parts"],
            "seconds": seconds,
            "records": len(read),
            "sums": {one: sums_of(kind, target, *said).tolist() for one, said in everyone.items()},
            "measures": {one: measures_of(kind, target, *said) for one, said in everyone.items()},
        }
        result.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(result, json.dumps(done))


def collect(output: Path) -> list[dict[str, Any]]:
    """Return a row of every task whose folds are done."""
    rows = []
    for name, (_, kind, _) in TASKS.items():
        files = [result_of(output, name, fold) for fold in range(FOLDS)]
        if not all(file.is_file() for file in files):
            continue
        folds = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        everyone = set.intersection(*(set(fold["sums"]) for fold in folds)) - {MEAN}
        sums = {
            one: np.concatenate([np.array(fold["sums"][one], dtype=np.float64) for fold in folds]) for one in everyone
        }
        measure = {one: float(FIRST[kind](some.sum(0))) for one, some in sums.items()}
        best = max(everyone - {OURS}, key=lambda one: measure[one])
        second = {
            one: {
                key: float(np.mean([fold["measures"][one][key] for fold in folds])) for key in folds[0]["measures"][one]
            }
            for one in everyone
        }
        rows.append(
            {
                "task": name,
                "records": sum(fold["records"] for fold in folds),
                "kind": kind,
                "measure": measure,
                "others": second,
                "best": best,
                "difference": asdict(paired_sums(sums[OURS], sums[best], FIRST[kind])),
                "seconds": float(np.mean([fold["seconds"] for fold in folds])),
                "parts": folds[0]["parts"],
            }
        )
    for row, p in zip(rows, holm([row["difference"]["p"] for row in rows]), strict=True):
        row["difference"]["adjusted_p"] = p
    return rows


def to_markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    rows = []
    for row in found["rows"]:
        value, interval = points(row["difference"])
        said = "significant" if row["difference"]["adjusted_p"] < LEVEL else "not significant"
        second = "log_loss" if row["kind"] == MULTI else "mae"
        ours, others = row["others"][OURS][second], [one[second] for name, one in row["others"].items() if name != OURS]
        rows.append(
            [
                row["task"],
                row["records"],
                "micro-F1" if row["kind"] == MULTI else "R squared",
                f"{row['measure'][OURS]:.3f}",
                f"{row['measure'][row['best']]:.3f} ({row['best']})",
                f"{value} ({interval}), {said}",
                second.replace("_", " "),
                f"{ours:.3f}",
                f"{min(others):.3f}",
            ]
        )
    head = ["task", "records", "measure", "ours", "best rival", "difference, points", "also", "ours", "least of rivals"]
    parts = [f"* {row['task']}: {'; '.join(row['parts'])}" for row in found["rows"]]
    title = "# Several labels a record, and numbers, against simple rivals on the same records"
    shown = [
        title,
        table(head, rows),
        "Parts of each model, first fold:",
        "\n".join(parts),
        made_by_each(found["rows"]),
        "",
    ]
    return "\n\n".join(shown)


if __name__ == "__main__":
    run_tasks("kinds", __doc__ or "", TASKS, run, collect, to_markdown)
