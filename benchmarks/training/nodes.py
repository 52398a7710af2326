"""Labels on nodes of pages against simple rivals trained on the same nodes, sites held out.

    python -m benchmarks.training.nodes --only "main text"

    main text            is a block of the page's main text? 241 pages of html_gold, by the gold text it shares
    parts of news pages  title, byline, teaser, heading, paragraph, caption, other: 77 news pages of fundus

Labels are those that the shipped judge of main text is trained on (tools/main_content_labels.py), on the blocks that
`docgraph nodes` lists, at most ten of each label of a page, drawn at random. That judge has seen these pages, so its
verdict (the field "role") is not read here. Three folds by site; a fold that is done is kept under --output, so the
same call goes on. Rivals are those of `docgraph evaluate`. Writes benchmarks/results/nodes.md and .json: accuracy over
all tested nodes, and its paired difference from each rival by bootstrap over pages, p by Holm over all of the page.
"""

import csv
import json
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from sklearn.model_selection import GroupKFold

from benchmarks.page import made_by_each, points
from benchmarks.training.folds import result_of, run_tasks
from docgraph import Document, load_document
from docgraph.parsers.decode import decode
from docgraph.parsers.html.elements import read_markup
from encoders.cache import FeatureCache
from tools.main_content_gold import GoldPage, gold_pages, rows
from tools.main_content_labels import TOKEN, flat, labels
from training.config import CACHE
from training.datasets.nodes import node_rows, write_nodes
from training.datasets.page_nodes import FIELDS, PageNode, page_nodes
from training.evaluate import predict_records
from training.evaluation.baselines import MAJORITY, rivals_of_nodes
from training.evaluation.metrics import score
from training.evaluation.significance import LEVEL, holm, paired_sums, share_of_sums, sums_by_group
from training.fit import fit
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe
from training.run_folder import learned_splits

FOLDS: Final = 3
DEV_PARTS: Final = 7
"""Of what a fold does not test, one site in so many is dev, which weighs the transformer; all is learned in the end."""
MOST: Final = 10
"""Blocks of a label of a page."""
OURS: Final = "docgraph"
SETS: Final = ("scrapinghub", "readability", "fundus", "cleaneval-dev")
TASKS: Final = {"main text": (SETS, "stacked-words"), "parts of news pages": (("fundus",), "stacked-minilm")}
"""Name -> sets of pages, recipe: what `docgraph train` chooses where the time is short for MiniLM, and where not."""
SETTINGS: Final = {"epochs": 3, "fields": [name for name in FIELDS if name != "role"]}
UNTUNED: Final = {"tune": "none"}
"""With MiniLM, to be measured in minutes."""
LEAST: Final = 25
"""Characters of a text that a part of is taken for all of it."""


def main_or_not(gold: GoldPage, document: Document, nodes: list[PageNode]) -> list[str]:
    """Return of each node "main", "other", or "" where the gold does not tell."""
    assert document.sources is not None
    owner = document.sources.node_element
    blocks = [SimpleNamespace(text=node.text, element=int(owner[node.row])) for node in nodes]
    words = np.array([len(TOKEN.findall(node.text)) for node in nodes], dtype=float)
    measured: Any = SimpleNamespace(block=blocks, words=words)
    elements = read_markup(decode(gold.page).text, most=1_000_000)
    beside = np.array([node.kind in ("caption", "credit") for node in nodes])
    main, weight = labels(gold, elements, measured, beside)
    return [("main" if one else "other") if known > 0 else "" for one, known in zip(main, weight, strict=True)]


def part_of(text: str, gold: dict[str, Any]) -> str | None:
    """Return which part of a news page a text is by its gold, None for none."""
    body = gold["body"]
    images = [one.get(name) or "" for one in gold.get("images") or () for name in ("caption", "description")]
    parts = {
        "title": [gold.get("title") or ""],
        "teaser": body["summary"],
        "heading": [one for section in body["sections"] for one in section["headline"]],
        "paragraph": [one for section in body["sections"] for one in section["paragraphs"]],
        "caption": images,
    }
    for name, some in parts.items():
        if any(_same(text, flat(one)) for one in some):
            return name
    is_byline = len(text.split()) <= 12 and any(
        flat(one).lower() in text.lower() for one in gold.get("authors") or () if one
    )
    return "byline" if is_byline else None


def _same(text: str, gold: str) -> bool:
    if text == gold:
        return bool(gold)
    return (len(text) >= LEAST and text in gold) or (len(gold) >= max(LEAST, 0.7 * len(text)) and gold in text)


def write_pages(name: str, data: Path, folder: Path, *, every: int = 1) -> list[dict[str, Any]]:
    """Write a task's pages, or every nth, into a folder, and return the rows of its table."""
    news = {row["file"]: row["gold"] for row in rows(data / "html_gold" / "fundus_gold.jsonl.gz")}
    folder.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for number, gold in enumerate(islice(gold_pages(data, TASKS[name][0]), 0, None, every)):
        file = folder / f"{gold.set}-{number}.html"
        file.write_bytes(gold.page)
        document = load_document(file, images="skip")
        nodes = page_nodes(document, file)
        given = main_or_not(gold, document, nodes)
        if name != "main text":
            parts = [part_of(node.text, news[gold.name]) for node in nodes]
            given = [part or ("other" if one == "other" else "") for part, one in zip(parts, given, strict=True)]
        listed, taken = list(node_rows(file.name, nodes)), Counter[str]()
        for place in np.random.default_rng(zlib.crc32(file.name.encode())).permutation(len(nodes)).tolist():
            taken[given[place]] += 1
            if given[place] and taken[given[place]] <= MOST:
                found.append({**listed[place], "label": given[place], "group": gold.site})
    return found


def run(name: str, data: Path, output: Path, deadline: float) -> None:
    """Train and test a task on every fold, as far as the time goes."""
    folder = output / "pages" / name.replace(" ", "-")
    listed = output / f"{name.replace(' ', '-')}.csv"
    if not listed.is_file():
        write_nodes(listed, write_pages(name, data, folder))
    with listed.open(encoding="utf-8", newline="") as lines:
        nodes = list(csv.DictReader(lines))
    sites = [row["group"] for row in nodes]
    for fold, (_, held) in enumerate(GroupKFold(FOLDS).split(nodes, groups=sites)):
        result = result_of(output, name, fold)
        if result.is_file() or time.monotonic() > deadline:
            continue
        tested = set(held.tolist())
        splits = ("test" if n in tested else _learned(site, fold) for n, site in enumerate(sites))
        file = output / "folds" / f"{result.stem}.csv"
        write_nodes(file, [{**row, "split": split} for row, split in zip(nodes, splits, strict=True)])
        config = recipe(TASKS[name][1]).with_values(
            {
                **SETTINGS,
                **(UNTUNED if TASKS[name][1] == "stacked-minilm" else {}),
                "data": str(file),
                "output": str(output / "runs" / result.stem),
                "data_options": {"pages": str(folder)},
                "feature_cache": str((output / CACHE).resolve()),
            }
        )
        start = time.monotonic()
        trained = fit(config, Console(stderr=True))
        seconds, names = time.monotonic() - start, trained.corpus.labels
        predictions, read, _ = predict_records(trained.model, trained.corpus.known("test", names)[0])
        train = trained.corpus.learned(learned_splits(config, trained.corpus), names)
        ours = torch.tensor([[one.probabilities[label] for label in names] for one in predictions])
        everyone = {OURS: ours, **rivals_of_nodes(train, read, names, FeatureCache(output / CACHE))}
        target = [str(one.label) for one in read]
        done = {
            "parts": trained.scores["parts"],
            "seconds": seconds,
            "labels": names,
            "target": target,
            "pages": [one.id.rpartition("#")[0] for one in read],
            "said": {one: said.tolist() for one, said in everyone.items()},
        }
        result.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(result, json.dumps(done))


def _learned(site: str, fold: int) -> str:
    return "dev" if zlib.crc32(site.encode()) % DEV_PARTS == fold else "train"


def collect(output: Path) -> list[dict[str, Any]]:
    """Return a row of every task whose folds are done."""
    found = []
    for name in TASKS:
        files = [result_of(output, name, fold) for fold in range(FOLDS)]
        if all(file.is_file() for file in files):
            found.append(_joined(name, [json.loads(file.read_text(encoding="utf-8")) for file in files]))
    return found


def _joined(name: str, folds: list[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({label for fold in folds for label in fold["labels"]})
    target = torch.tensor([names.index(label) for fold in folds for label in fold["target"] if label in names])
    pages = [page for fold in folds for page in fold["pages"]]
    everyone = {}
    for one in folds[0]["said"]:
        some = []
        for fold in folds:
            said = torch.zeros(len(fold["target"]), len(names))
            said[:, [names.index(label) for label in fold["labels"]]] = torch.tensor(fold["said"][one])
            some.append(said)
        everyone[one] = torch.cat(some)
    scores = {one: score(one, said, target, names, pages) for one, said in everyone.items()}
    right = {one: sums_by_group((said.argmax(1) == target).numpy(), pages) for one, said in everyone.items()}
    others = [one for one in everyone if one not in (OURS, MAJORITY)]
    return {
        "task": name,
        "nodes": len(target),
        "pages": len(set(pages)),
        "labels": dict(Counter(names[one] for one in target.tolist())),
        "scores": {
            one: {
                "accuracy": some.accuracy,
                "standard_error": some.standard_error,
                "macro_f1": some.macro_f1,
                "log_loss": some.log_loss,
                "f1": {label.label: label.f1 for label in some.classes},
            }
            for one, some in scores.items()
        },
        "differences": {one: vars(paired_sums(right[OURS], right[one], share_of_sums)) for one in others},
        "recipe": TASKS[name][1],
        "seconds": float(np.mean([fold["seconds"] for fold in folds])),
        "parts": folds[0]["parts"],
    }


def to_markdown(found: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = ["# Labels on nodes of pages, against simple rivals on the same nodes"]
    for row, said in _with_pairs(found["rows"]):
        counts = ", ".join(f"{label} {count:,}" for label, count in row["labels"].items())
        parts.append(f"## {row['task']}: {row['nodes']:,} nodes of {row['pages']} pages, sites held out ({counts})")
        lines = [
            [
                one,
                f"{values['accuracy']:.3f} ± {values['standard_error']:.3f}",
                f"{values['macro_f1']:.3f}",
                f"{values['log_loss']:.3f}",
                said.get(one, ""),
            ]
            for one, values in row["scores"].items()
        ]
        head = ["", "accuracy ± s.e. over pages", "macro-F1", "log loss", "docgraph less this, points"]
        parts.append(table(head, lines))
        classes = [[one, *(f"{f1:.2f}" for f1 in values["f1"].values())] for one, values in row["scores"].items()]
        parts.append(table(["F1", *row["scores"][OURS]["f1"]], classes))
        took = f"Recipe {row['recipe']}, {row['seconds']:.0f} s to train a fold."
        parts.append(f"{took} Parts, first fold: {'; '.join(row['parts'])}")
    return "\n\n".join([*parts, made_by_each(found["rows"]), ""])


def _with_pairs(rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield each row with its differences in words, p adjusted over all of the page."""
    adjusted = iter(holm([one["p"] for row in rows for one in row["differences"].values()]))
    for row in rows:
        said = {}
        for name, one in row["differences"].items():
            value, interval = points(one)
            how = "significant" if next(adjusted) < LEVEL else "not significant"
            said[name] = f"{value} ({interval}), {how}"
        yield row, said


if __name__ == "__main__":
    run_tasks("nodes", __doc__ or "", TASKS, run, collect, to_markdown)
