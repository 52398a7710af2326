"""Learn which blocks of a page are its main text, and report how well it is told on sites that were not seen.

    python tools/train_main_content.py [--data FOLDER] [--sets NAME ...] [--folds 5] [--seed 0] [--write]

    gold_pages ─ parse ─> blocks, features, words ─┬─ label: is the block in the gold text? ─┬─> table of words ─┐
                                                   │                                         └─> trees ──────────┤
                                                   └─ cross-validation by site ─> F1 of each set                 │
                                                                                            main_content.json <──┘

Two things are learned. What a word is worth (`words`): the mean over sites of how much of what it names is main. And
the trees, which weigh that beside all other features. A training page sees the table without its own site, as a new
page will. Pages of one site are always in the same fold, whatever set they are from. The F1 printed is that of
`choose.keep` with tables and trees made without the page's site; `python -m benchmarks.parsing` judges the whole
parser. `--open-only` leaves out the sets without an open licence. Needs scikit-learn (extra `train`).
"""

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from docgraph.parsers.decode import decode
from docgraph.parsers.html.elements import read_markup
from docgraph.parsers.html.figures import find_figures
from docgraph.parsers.html.flow import read_flow
from docgraph.parsers.html.main import choose
from docgraph.parsers.html.main.features import FEATURES, Measured, measure
from docgraph.parsers.html.main.forest import FILE, Model, from_json
from docgraph.parsers.html.main.words import WORD_COLUMNS, Words, opening_of
from docgraph.parsers.html.metadata.linked_data import declared_text
from docgraph.parsers.html.metadata.read import read_metadata
from tools.main_content_gold import OPEN, SETS, GoldPage, gold_pages
from tools.main_content_labels import TOKEN, flat, labels
from tools.main_content_words import LEAST_SITES, Statistics, tables

ROOT = Path(__file__).resolve().parent.parent
EVERY = {
    "dragnet": 4, "page-signal": 4, "cleanportaleval": 2, "cleaneval-final": 8, "cleaneval-dev": 2, "f18": 3,
    "openstax": 3,
}  # fmt: skip
"""The trees are grown on every nth page of sets of old pages, and of sets of one site. The words are counted on all."""
NOT_IN_TABLES = ("f18", "openstax")
"""Sets of one site each, whose names say nothing of others."""
TREES: dict[str, Any] = {
    "max_iter": 90, "learning_rate": 0.12, "max_leaf_nodes": 15, "max_depth": 5, "min_samples_leaf": 20,
    "l2_regularization": 5.0, "max_features": 0.3, "random_state": 0, "early_stopping": False,
}  # fmt: skip
BINS = 128
"""Values of a feature that the trees tell apart."""
SHORT = 40
"""Words of a text whose first words are evidence."""
NEARLY_ALL = 0.95
"""An element with more than this share of the page says nothing about a part of it."""


@dataclass
class Example:
    """One gold page, parsed, measured and labelled."""

    gold: GoldPage
    language: str | None
    measured: Measured
    beside: np.ndarray
    """(B,) whether a block is the title, a caption or a credit, which are no main text."""
    label: np.ndarray
    weight: np.ndarray
    seen: np.ndarray | None = None
    """(B, S) float32 what a rendered page shows of each block; see benchmarks/parsing/visual.py."""


def example(gold: GoldPage) -> Example:
    """Parse, measure and label one page."""
    elements = read_markup(decode(gold.page).text, most=1_000_000)
    flow = read_flow(elements)
    figures = find_figures(elements, flow)
    metadata = read_metadata(elements)
    title = choose.find_title(elements, flow, metadata.title or "")
    measured = measure(elements, flow, Words({}, {}), title=title, declared=declared_text(elements))
    captions = figures.captions | figures.credits
    beside = np.asarray(
        [i in captions or b.element == title for i, b in zip(measured.index, measured.block, strict=True)], dtype=bool
    )
    label, weight = labels(gold, elements, measured, beside)
    gold.page = b""
    return Example(gold, metadata.language, measured, beside, label, weight)


# -- words -------------------------------------------------------------------------------------------------


def statistics_of(examples: Iterable[Example]) -> Statistics:
    """Return how much of what each word names is main, site by site."""
    sums: dict[str, dict[str, dict[str, list[float]]]] = {
        kind: defaultdict(lambda: defaultdict(lambda: [0.0, 0.0])) for kind in LEAST_SITES
    }
    for e in examples:
        if e.gold.set in NOT_IN_TABLES or not e.weight.any():
            continue
        names, texts = sums["names"][e.gold.site], sums["texts"][e.gold.site]
        for words, share in _named_parts(e):
            for word in words:
                names[word][0] += share
                names[word][1] += 1
        clues = e.measured.clues
        for words, main, weight, count in zip(clues.texts, e.label, e.weight, e.measured.words, strict=True):
            if weight > 0 and count <= SHORT:
                for word in {*words, *([opening_of(words)] if len(words) > 1 else [])}:
                    texts[word][0] += main
                    texts[word][1] += 1
    return {
        kind: {site: {word: total / count for word, (total, count) in words.items()} for site, words in of_kind.items()}
        for kind, of_kind in sums.items()
    }


def _named_parts(e: Example) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the words of each element around blocks that are known, and the share of its known words that are main."""
    clues = e.measured.clues
    count = np.where(e.weight > 0, np.minimum(e.measured.words, 100), 0.0)
    main, known = np.zeros(len(clues.names)), np.zeros(len(clues.names))
    np.add.at(main, clues.owner, count * e.label)
    np.add.at(known, clues.owner, count)
    for row in range(len(clues.names) - 1, -1, -1):
        if (above := clues.parent[row]) >= 0:
            main[above] += main[row]
            known[above] += known[row]
    for words, part, whole in zip(clues.names, main, known, strict=True):
        if 0 < whole < NEARLY_ALL * known[0]:
            yield words, part / whole


# -- trees -------------------------------------------------------------------------------------------------


def matrix(e: Example, words: Words) -> np.ndarray:
    """Return the features of a page with the evidence of some table."""
    made = e.measured.matrix.copy()
    made[:, -len(WORD_COLUMNS) :] = words.columns(e.measured.clues)
    return made if e.seen is None else np.concatenate([made, e.seen], axis=1)


def grow(examples: list[Example], statistics: Statistics) -> dict[str, Any]:
    """Return the tables and trees learned from some pages, as JSON values."""
    made = tables(statistics, {e.gold.site for e in examples})
    rows, words_of_site = [], {}
    for e in sorted(_for_trees(examples), key=lambda e: e.gold.site):
        if (used := e.weight > 0).any():
            site = e.gold.site
            if site not in words_of_site:
                own = (made[kind].without(statistics[kind].get(site, {})) for kind in ("names", "texts"))
                words_of_site = {site: Words(*own)}
            rows.append((matrix(e, words_of_site[site])[used], e.label[used], e.weight[used]))
    features, label, weight = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    edges = [_edges(column) for column in features.T]
    # Binned here: with weights scikit-learn does it by a weighted percentile for each bin, which takes an hour.
    codes = np.stack([np.searchsorted(e, column) for e, column in zip(edges, features.T, strict=True)], axis=1)
    model = HistGradientBoostingClassifier(**TREES).fit(codes, label, sample_weight=weight / weight.mean())
    trees = []
    for (predictor,) in model._predictors:
        nodes = []
        for node in predictor.nodes:
            if node["is_leaf"]:
                nodes.append([round(float(node["value"]), 4)])
            else:
                feature = int(node["feature_idx"])
                edge = edges[feature][int(node["num_threshold"])]
                threshold = float(f"{edge:.6g}")
                nodes.append([feature, threshold, int(node["left"]), int(node["right"])])
        trees.append(nodes)
    return {
        "features": list(FEATURES),
        "bias": round(float(np.ravel(model._baseline_prediction)[0]), 4),
        "depth": TREES["max_depth"],
        "trees": trees,
        **{kind: table.evidence for kind, table in made.items()},
    }


def _edges(column: np.ndarray) -> np.ndarray:
    """Return at most `BINS` values that part a column into bins of like counts, each between two that are there."""
    values = np.unique(column)
    at = np.searchsorted(values, np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    at = np.arange(len(values) - 1) if len(values) <= BINS else np.unique(np.minimum(at, len(values) - 2))
    between = (values[at].astype(np.float64) + values[at + 1]) / 2
    return np.asarray([float(f"{value:.6g}") for value in between], dtype=np.float32)


def _for_trees(examples: list[Example]) -> Iterator[Example]:
    counted: Counter[str] = Counter()
    for e in examples:
        counted[e.gold.set] += 1
        if counted[e.gold.set] % EVERY.get(e.gold.set, 1) == 0:
            yield e


# -- judging -----------------------------------------------------------------------------------------------


def main_text(e: Example, model: Model) -> str:
    """Return the main text of a page by some tables and trees."""
    if not e.measured.block:
        return ""
    probability = model.forest.predict(matrix(e, model.words))
    kept = choose.keep(e.measured, probability).kept
    return "\n\n".join(
        block.text
        for block, keep, beside in zip(e.measured.block, kept.tolist(), e.beside.tolist(), strict=True)
        if keep and not beside
    )


def shingles(text: str, n: int = 4) -> Counter[tuple[str, ...]]:
    tokens = TOKEN.findall(text)
    return Counter(tuple(tokens[i : i + n]) for i in range(max(1, len(tokens) - n + 1))) if tokens else Counter()


def hits(gold: GoldPage, found: str) -> tuple[float, float, float, float]:
    """Return what one page gives to F1: right of found, found, right of wanted, wanted.

    With a gold text these are precision and recall of 4-token shingles (found and wanted are 1), as the scrapinghub
    benchmark has it; with strings, how many are there, as trafilatura's evaluation has it.
    """
    if not gold.text:
        text = flat(found)
        right = sum(flat(string) in text for string in gold.wanted)
        wrong = sum(flat(string) in text for string in gold.unwanted)
        return right, right + wrong, right, len(gold.wanted)
    a, b = shingles(gold.text), shingles(found)
    both = sum((a & b).values())
    return (both / b.total() if b else float(not a)), 1, (both / a.total() if a else float(not b)), 1


def f1(counted: np.ndarray) -> tuple[float, float, float]:
    """Return F1, precision and recall of the (pages, 4) hits of one set."""
    right, of_found, right_wanted, wanted = counted.sum(axis=0)
    p, r = right / max(of_found, 1e-9), right_wanted / max(wanted, 1e-9)
    return 2 * p * r / max(p + r, 1e-9), p, r


def cross_validate(examples: list[Example], folds: int, seed: int) -> list[str]:
    """Return the main text of each page by what was learned without its site."""
    found = [""] * len(examples)
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    statistics = statistics_of(examples)
    for train, test in splitter.split(examples, groups=[e.gold.site for e in examples]):
        model = from_json(grow([examples[i] for i in train], statistics))
        for i in test:
            found[i] = main_text(examples[i], model)
    return found


def show(examples: list[Example], found: list[str]) -> None:
    for name in SETS:
        pages = [(e.gold, text) for e, text in zip(examples, found, strict=True) if e.gold.set == name]
        if pages:
            score, p, r = f1(np.asarray([hits(*page) for page in pages]))
            print(f"{name:16} {len(pages):4} pages  F1 {score:.4f}  precision {p:.4f}  recall {r:.4f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DOCGRAPH_DATA", ROOT.parent / "shared" / "data")
    arguments.add_argument("--data", type=Path, default=Path(default))
    arguments.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    arguments.add_argument("--open-only", action="store_true", help="only sets with an open licence")
    arguments.add_argument("--folds", type=int, default=5, help="0: no cross-validation")
    arguments.add_argument("--seed", type=int, default=0, help="shuffles sites into folds")
    arguments.add_argument("--write", action="store_true", help=f"learn from all pages and write {FILE}")
    options = arguments.parse_args()
    sets = tuple(OPEN if options.open_only else options.sets)
    examples = [example(page) for page in gold_pages(options.data, sets)]
    blocks = sum(len(e.label) for e in examples)
    print(f"{len(examples)} pages, {blocks} blocks, {len(FEATURES)} features", flush=True)
    if options.folds:
        show(examples, cross_validate(examples, options.folds, options.seed))
    if options.write:
        path = ROOT / "docgraph" / "parsers" / "html" / "main" / FILE
        values = grow(examples, statistics_of(examples))
        path.write_text(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
        print(f"wrote {path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
