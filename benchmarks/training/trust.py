"""What else is said of records: off topic, doubtful label, section; and rare labels. Each beside a simple rival.

    python -m benchmarks.training.trust --only noise

    off topic    trained on BBC news, asked about its test records and those of four other collections; the rival is
                 the highest probability of TF-IDF + logistic regression (Hendrycks and Gimpel 2017). AUROC, and how
                 many are flagged on either side
    noise        20 Newsgroups, a tenth of the labels drawn anew; records ordered by how likely their label is out of
                 fold; the rival is TF-IDF + logistic regression by five folds. AUROC of the changed ones
    paths        20 Newsgroups as rec/sport/hockey; accuracy of the first part; the rival is TF-IDF + logistic
                 regression trained on that alone
    balanced     sections of press headlines, class_weights=balanced; macro-F1; the rival is TF-IDF + logistic
                 regression, class_weight="balanced"

One random fifth is tested. Differences are by bootstrap over the records. What is done is kept in the results, so the
same call goes on. Writes benchmarks/results/trust.md and .json.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, made_by, points, publish, record, recorded
from docgraph import parse_text
from training.config import CACHE
from training.datasets.lines import read_lines
from training.evaluation.significance import CONFIDENCE, Difference
from training.fit import Run, fit
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe

Row = dict[str, str]
SAMPLES: Final = 2_000
CUT: Final = 1_500
"""Characters of a text that are read."""


def texts(data: Path, name: str, *columns: str) -> Iterator[Row]:
    """Yield the records of a collection in the data folder."""
    for row in read_lines(data / f"{name}.jsonl.gz"):
        parts = [
            value if isinstance(value, str) else "\n\n".join(value) for column in columns if (value := row[column])
        ]
        yield {"text": "\n\n".join(parts)[:CUT], "label": str(row["label"])}


def newsgroups(data: Path) -> list[Row]:
    """Return the posts of newsgroups."""
    return list(texts(data, "text/ng20", "subject", "text"))


def headlines(data: Path) -> list[Row]:
    """Return press headlines with their sections."""
    folder = data / "news" / "newsimages" / "news"
    rows = [
        row for name in ("train", "dev", "test") for row in json.loads((folder / f"nytimes_{name}.json").read_text())
    ]
    return [{"text": row["headline"], "label": row["section"]} for row in rows]


def split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return four fifths and one fifth."""
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = [rows[one] for one in order]
    cut = len(rows) // 5
    return shuffled[cut:], shuffled[:cut]


def trained(name: str, train: Sequence[Row], output: Path, kind: str, **changes: Any) -> Run:
    """Train a stacked recipe; an eighth of the records is dev."""
    file = output / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = ({**row, "id": str(n), "split": "dev" if n % 8 == 0 else "train"} for n, row in enumerate(train))
    write_atomically(file, "".join(json.dumps(row) + "\n" for row in rows))
    values = {"data": str(file), "output": str(output / "runs" / name), **changes}
    values["feature_cache"] = str((output / CACHE).resolve())
    return fit(recipe(kind).with_values(values), Console(stderr=True))


def simple(**options: Any) -> Any:
    """Return the simple rival."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000, **options))


def off_topic(data: Path, output: Path) -> dict[str, Any]:
    """Tell BBC news from other collections."""
    train, test = split(list(texts(data, "text/bbc", "title", "paragraphs")))
    recipes = [
        {"text": f"{row['title']}\n\n{' '.join(row['ingredients'])}"[:CUT]}
        for row in read_lines(data / "recipes" / "tasty.jsonl.gz")
    ]
    others = {
        "Elec": list(texts(data, "text/elec", "text")),
        "20 Newsgroups": newsgroups(data),
        "recipes": recipes,
        "IMDB": list(texts(data, "text/imdb_train", "text"))[::100],
    }
    draw = np.random.default_rng(0)
    asked = [row["text"] for row in test]
    outside = {name: [some[one]["text"] for one in draw.permutation(len(some))[:60]] for name, some in others.items()}
    asked += [text for some in outside.values() for text in some]
    run = trained("off-topic", train, output, "stacked-minilm")
    found = list(run.model.predict([parse_text(text) for text in asked]))
    rival = simple().fit([row["text"] for row in train], [row["label"] for row in train]).predict_proba(asked).max(1)
    is_outside = np.arange(len(asked)) >= len(test)
    flagged = np.array([one.off_topic for one in found])
    rates, start = {"false alarms": float(flagged[~is_outside].mean())}, len(test)
    for name, some in outside.items():
        rates[f"flagged of {name}"] = float(flagged[start : start + len(some)].mean())
        start += len(some)
    return {
        "measure": "AUROC",
        **compared(_auroc, is_outside, np.array([one.distance for one in found]), -rival),
        "more": rates,
    }


def noise(data: Path, output: Path) -> dict[str, Any]:
    """Find labels that were changed."""
    rows, draw = newsgroups(data), np.random.default_rng(0)
    names = sorted({row["label"] for row in rows})
    changed = draw.random(len(rows)) < 0.1
    for row, is_changed in zip(rows, changed, strict=True):
        if is_changed:
            row["label"] = str(draw.choice([name for name in names if name != row["label"]]))
    run = trained("noise", rows, output, "stacked-words")
    kept = np.array([n for n in range(len(rows)) if n % 8])  # the dev records are not listed
    listed = {row["id"]: float(row["p_label"]) for row in _csv(run.folder / "noise.csv")}
    ours = np.array([listed.get(str(n), 1.0) for n in kept])
    some, labels = [rows[n]["text"] for n in kept], np.array([rows[n]["label"] for n in kept])
    said = cross_val_predict(simple(), some, labels, cv=5, method="predict_proba")
    order = np.unique(labels)
    p_label = said[np.arange(len(kept)), np.searchsorted(order, labels)]
    rival = np.where(
        order[said.argmax(1)] == labels, 1.0, p_label
    )  # as ours: what is predicted as labelled is not listed
    count = int(changed[kept].sum())
    first = {f"changed among the first {count}": float(changed[kept][np.argsort(ours)[:count]].mean())}
    first["of the rival"] = float(changed[kept][np.argsort(rival)[:count]].mean())
    return {"measure": "AUROC", **compared(_auroc, changed[kept], -ours, -rival), "more": first}


def paths(data: Path, output: Path) -> dict[str, Any]:
    """Tell the first part of a newsgroup's name."""
    rows = [{**row, "label": row["label"].replace(".", "/")} for row in newsgroups(data)]
    train, test = split(rows)
    run = trained("paths", train, output, "stacked-words")
    first = np.array([row["label"].split("/")[0] for row in test])
    ours = []
    for one in run.model.predict([parse_text(row["text"]) for row in test]):
        sums: dict[str, float] = {}
        for label, value in one.probabilities.items():
            sums[label.split("/")[0]] = sums.get(label.split("/")[0], 0) + value
        ours.append(max(sums, key=lambda name: sums[name]))
    rival = simple().fit([row["text"] for row in train], [row["label"].split("/")[0] for row in train])
    said = rival.predict([row["text"] for row in test])
    return {"measure": "accuracy", **compared(_accuracy, first, np.array(ours), said), "more": {}}


def balanced(data: Path, output: Path) -> dict[str, Any]:
    """Find rare sections."""
    train, test = split(headlines(data))
    run = trained("balanced", train, output, "stacked-minilm", class_weights="balanced")
    asked, labels = [row["text"] for row in test], np.array([row["label"] for row in test])
    ours = np.array(run.model.predict([parse_text(text) for text in asked]).labels)
    rival = simple(class_weight="balanced").fit([row["text"] for row in train], [row["label"] for row in train])
    shares = np.unique([row["label"] for row in train], return_counts=True)[1] / len(train)
    return {
        "measure": "macro-F1",
        **compared(_macro_f1, labels, ours, rival.predict(asked)),
        "more": {"share of the rarest": float(shares.min()), "share of the most frequent": float(shares.max())},
    }


TASKS: Final[dict[str, Callable[[Path, Path], dict[str, Any]]]] = {
    "off topic": off_topic,
    "noise": noise,
    "paths": paths,
    "balanced": balanced,
}


def _auroc(target: NDArray[Any], said: NDArray[Any]) -> float:
    return float(roc_auc_score(target, said))


def _accuracy(target: NDArray[Any], said: NDArray[Any]) -> float:
    return float((target == said).mean())


def _macro_f1(target: NDArray[Any], said: NDArray[Any]) -> float:
    return float(f1_score(target, said, average="macro", zero_division=0))


def compared(
    measure: Callable[[NDArray[Any], NDArray[Any]], float],
    target: NDArray[Any],
    ours: NDArray[Any],
    rival: NDArray[Any],
) -> dict[str, Any]:
    """Return a measure of both, and the difference with its interval."""
    draw, sampled = np.random.default_rng(0), []
    for _ in range(SAMPLES):
        rows = draw.integers(0, len(target), len(target))
        sampled.append(measure(target[rows], ours[rows]) - measure(target[rows], rival[rows]))
    some = np.array(sampled)
    low, high = np.quantile(some, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    p = min(1.0, 2 * (1 + min(int((some <= 0).sum()), int((some >= 0).sum()))) / (SAMPLES + 1))
    value = measure(target, ours) - measure(target, rival)
    difference = asdict(Difference(value=value, low=float(low), high=float(high), p=p))
    return {
        "records": len(target),
        "ours": measure(target, ours),
        "rival": measure(target, rival),
        "difference": difference,
    }


def _csv(file: Path) -> list[dict[str, Any]]:
    return list(read_lines(file))


def to_markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    rows = []
    for name, one in found["tasks"].items():
        value, interval = points(one["difference"])
        more = "; ".join(f"{key} {number:.3f}" for key, number in one["more"].items())
        measures = [
            f"{one['ours']:.3f}",
            f"{one['rival']:.3f}",
            f"{value} ({interval})",
            f"{one['difference']['p']:.3f}",
        ]
        rows.append([name, one["records"], one["measure"], *measures, more])
    head = ["", "records", "measure", "ours", "simple rival", "difference, points", "p", "also"]
    title = "# Off-topic documents, doubtful labels, paths, rare labels"
    return "\n\n".join([title, table(head, rows), made_by(found["about"]), ""])


def main() -> None:
    parser = command_line(__doc__, DATA, runs="runs/trust")
    parser.add_argument("--only", nargs="*", default=list(TASKS), choices=list(TASKS), help="what to measure")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    for name in args.only:
        tasks = recorded("trust", args.results).get("tasks", {})
        if name not in tasks and time.monotonic() < deadline:
            tasks[name] = TASKS[name](args.data, args.output)
            record("trust", {"tasks": tasks, "about": about()}, args.results)
    publish("trust", to_markdown(recorded("trust", args.results)), args.results)


if __name__ == "__main__":
    main()
