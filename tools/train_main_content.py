"""Grow the forest that tells main content from the rest, and report how well it does on sites it has not seen.

    python tools/train_main_content.py [--data FOLDER] [--folds 5] [--seed 0] [--write]

    gold pages ─ parse ─> blocks and features ─┬─ label: is the block's text in the gold text? ─> trees ─> main_content.json
                                               └─ cross-validation by site ─> body F1 of each set

Reads `html_gold` (scrapinghub, readability, fundus, cleaneval) and `html_images` (f18, openstax) of the larger data. Pages of one site are always in
the same fold. The F1 printed is that of the whole method (`docgraph.parsers.html.main.choose`) with trees grown without
the page's site: 4-token shingles, precision and recall averaged over pages, as the scrapinghub benchmark has it.
The seed only shuffles sites into folds; the trees that are written are grown on all pages with a fixed seed.
Needs scikit-learn (extra `train`).
"""

import argparse
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from docgraph.parsers.decode import decode
from docgraph.parsers.html.blocks import Flow
from docgraph.parsers.html.elements import Elements, read_markup
from docgraph.parsers.html.figures import find_figures
from docgraph.parsers.html.flow import read_flow
from docgraph.parsers.html.main import choose
from docgraph.parsers.html.main.features import CJK, FEATURES, Measured, measure
from docgraph.parsers.html.main.forest import FILE, from_json
from docgraph.parsers.html.metadata.linked_data import declared_text
from docgraph.parsers.html.metadata.read import read_metadata

ROOT = Path(__file__).resolve().parent.parent
WEIGHT = {
    "scrapinghub": 1.0,
    "readability": 1.0,
    "fundus": 0.7,
    "cleaneval": 0.3,
    "f18": 0.3,
    "openstax": 0.3,
}
"""Of a page of each set in training. Fundus leaves out what its selectors do not take; CleanEval is from 2006; the last
two are rendered with hardly any frame, and say what an article may hold: lists of links, tables, glossaries."""
RENDERED_PAGES = 60
"""Of each of the rendered sets, spread over them; none of those that the repository ships, which are tested on."""
TREES: dict[str, Any] = {
    "max_iter": 90, "learning_rate": 0.12, "max_leaf_nodes": 15, "max_depth": 5, "min_samples_leaf": 20,
    "l2_regularization": 5.0, "max_features": 0.3, "random_state": 0,
}  # fmt: skip
TOKEN = re.compile(r"\w+")
BLOCKS = frozenset(
    "address article aside blockquote center dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table td th tr ul br".split()
)
NOT_FROM_FUNDUS = frozenset(("li", "blockquote", "td", "th", "dd", "dt", "pre", "h2", "h3", "h4", "h5"))
"""Fundus gold often leaves these out though they are content: inside the article they are no evidence."""


@dataclass
class Example:
    """One gold page, parsed and measured."""

    set: str
    name: str
    site: str
    gold: str
    elements: Elements
    flow: Flow
    captions: set[int]
    title: int
    measured: Measured
    label: np.ndarray
    weight: np.ndarray


def gold_pages(folder: Path) -> Iterator[tuple[str, str, str, bytes, str]]:
    """Yield set, name, site, page and gold text."""
    truth = json.loads((folder / "scrapinghub_ground_truth.json").read_text("utf-8"))
    for name, values in truth.items():
        host = urlsplit(values.get("url") or "").netloc.split(".")
        site = ".".join(host[-2:]) if len(host) > 1 else name
        yield (
            "scrapinghub",
            name,
            site,
            _read(folder / "scrapinghub" / f"{name}.html.gz"),
            values["articleBody"],
        )
    for page in sorted((folder / "readability").iterdir()):
        gold = plain_text(_read(page / "expected.html.gz").decode("utf-8"))
        yield "readability", page.name, re.sub(r"-?\d+$", "", page.name), _read(page / "source.html.gz"), gold
    for line in _read(folder / "fundus_gold.jsonl.gz").decode("utf-8").splitlines():
        row = json.loads(line)
        body = row["gold"]["body"]
        parts = list(body["summary"])
        for section in body["sections"]:
            parts += section["headline"] + section["paragraphs"]
        site = row["file"].split("_")[0]
        yield "fundus", row["file"], site, _read(folder / "fundus" / row["file"]), "\n\n".join(parts)
    for page in sorted((folder / "cleaneval-dev" / "input").iterdir()):
        name = page.name.split(".")[0]
        gold = _read(folder / "cleaneval-dev" / "gold" / f"{name}.txt.gz").decode("utf-8", "replace")
        gold = re.sub(r"<[hpl]>", "\n", re.sub(r"^\s*URL:.*\n", "", gold))
        yield "cleaneval", name, f"cleaneval-{name}", _read(page), gold
    shipped = {page.name for page in (ROOT / "sample_data").rglob("*.html")}
    for set_ in ("f18", "openstax"):
        pages = sorted((folder.parent / "html_images" / set_ / "html").rglob("*.html"))
        pages = [page for page in pages if page.name not in shipped]
        for page in pages[:: max(1, len(pages) // RENDERED_PAGES)]:
            yield set_, page.stem, set_, page.read_bytes(), rendered_text(page.read_text("utf-8"))


def _read(path: Path) -> bytes:
    with gzip.open(path, "rb") as file:
        return file.read()


def plain_text(markup: str) -> str:
    """Return the text of a cleaned page (no scripts), a line break at each block."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(markup, "lxml")
    for tag in soup.find_all(True):
        if tag.name in BLOCKS:
            tag.insert_before("\n")
            tag.insert_after("\n")
    return soup.get_text()


def rendered_text(markup: str) -> str:
    """Return the text of the article of a rendered page, without title, byline and captions."""
    from bs4 import BeautifulSoup

    article = BeautifulSoup(markup, "lxml").find("article")
    if article is None:
        return ""
    for tag in [article.find("h1"), *article.select("p.byline, figcaption, table > caption")]:
        if tag is not None:
            tag.decompose()
    return plain_text(str(article))


def example(set_: str, name: str, site: str, page: bytes, gold: str) -> Example:
    """Parse, measure and label one page."""
    elements = read_markup(decode(page).text, most=1_000_000)
    flow = read_flow(elements)
    figures = find_figures(elements, flow)
    captions = figures.captions | figures.credits
    title = choose.find_title(elements, flow, read_metadata(elements).title or "")
    measured = measure(elements, flow, title=title, declared=declared_text(elements))
    label, weight = _labels(set_, elements, measured, captions, title, gold)
    return Example(set_, name, site, gold, elements, flow, captions, title, measured, label, weight)


def _labels(
    set_: str, elements: Elements, measured: Measured, captions: set[int], title: int, gold: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each block is main content by the gold text, and what it counts in training."""
    tokens = TOKEN.findall(gold)
    letters = "".join(tokens)
    grams = {n: {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)} for n in (1, 2, 3, 4)}
    label = np.asarray([_share(block.text, letters, grams) for block in measured.block])
    size = np.asarray([len(TOKEN.findall(b.text)) + len(CJK.findall(b.text)) for b in measured.block])
    is_main = np.where(size >= 4, label > 0.7, label > 0.5)
    place = np.arange(len(label))
    sure = np.flatnonzero((size >= 8) & (label > 0.8))
    if len(sure):
        # A few words found in the gold text mean little outside the article.
        is_main &= ~((size < 6) & ((place < sure[0]) | (place > sure[-1])))
    ignored = np.asarray(
        [i in captions or b.element == title for i, b in zip(measured.index, measured.block, strict=True)],
        dtype=bool,
    ) | (size == 0)
    if set_ == "fundus" and is_main.any():
        first, last = np.flatnonzero(is_main)[[0, -1]]
        kind = np.asarray([elements.tag[b.element] in NOT_FROM_FUNDUS for b in measured.block])
        ignored |= kind & ~is_main & (place >= first) & (place <= last)
    weight = np.where(ignored, 0.0, np.minimum(measured.words, 100) ** 0.7)
    return is_main, weight / max(weight.sum(), 1e-9) * WEIGHT[set_]


def _share(text: str, letters: str, grams: dict[int, set[tuple[str, ...]]]) -> float:
    """Return the share of a text's token 4-grams that the gold text holds."""
    tokens = TOKEN.findall(text)
    joined = "".join(tokens)
    if not tokens:
        return 0.0
    if len(joined) >= 14 and joined in letters:
        return 1.0
    n = min(4, len(tokens))
    own = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return sum(gram in grams[n] for gram in own) / len(own)


def grow(examples: list[Example]) -> dict[str, Any]:
    """Return the trees grown on some pages, as JSON values."""
    matrix = np.concatenate([e.measured.matrix for e in examples])
    label = np.concatenate([e.label for e in examples])
    weight = np.concatenate([e.weight for e in examples])
    used = weight > 0
    model = HistGradientBoostingClassifier(**TREES).fit(
        matrix[used], label[used], sample_weight=weight[used] / weight[used].mean()
    )
    trees = []
    for (predictor,) in model._predictors:
        nodes = []
        for node in predictor.nodes:
            if node["is_leaf"]:
                nodes.append([round(float(node["value"]), 5)])
            else:
                threshold = float(np.float32(node["num_threshold"]))
                nodes.append([int(node["feature_idx"]), threshold, int(node["left"]), int(node["right"])])
        trees.append(nodes)
    return {
        "features": list(FEATURES),
        "bias": float(np.ravel(model._baseline_prediction)[0]),
        "depth": TREES["max_depth"],
        "trees": trees,
    }


def main_text(e: Example, values: dict[str, Any]) -> str:
    """Return the main text of a page by the whole method with the given trees."""
    forest = from_json(values)
    probability = forest.predict(e.measured.matrix)
    owner = np.asarray([block.element for block in e.measured.block], dtype=np.int64)
    if not len(owner):
        return ""
    _, kept = choose.keep(e.measured, probability, owner, e.elements)
    return "\n\n".join(
        block.text
        for index, block, keep in zip(e.measured.index, e.measured.block, kept.tolist(), strict=True)
        if keep and index not in e.captions and block.element != e.title
    )


def shingles(text: str, n: int = 4) -> Counter[tuple[str, ...]]:
    tokens = TOKEN.findall(text)
    return Counter(tuple(tokens[i : i + n]) for i in range(max(1, len(tokens) - n + 1))) if tokens else Counter()


def body_f1(pairs: list[tuple[str, str]]) -> tuple[float, float, float]:
    """Return F1, precision and recall of (gold, found) texts, as `score_body.py` of the larger data computes them."""
    precisions, recalls = [], []
    for gold, found in pairs:
        a, b = shingles(gold), shingles(found)
        both, spurious, missed = sum((a & b).values()), sum((b - a).values()), sum((a - b).values())
        precisions.append(both / (both + spurious) if both + spurious else float(missed == 0))
        recalls.append(both / (both + missed) if both + missed else float(spurious == 0))
    p, r = float(np.mean(precisions)), float(np.mean(recalls))
    return 2 * p * r / (p + r), p, r


def cross_validate(examples: list[Example], folds: int, seed: int) -> None:
    """Print body F1 of each set, each page judged by trees grown without its site."""
    found: dict[int, str] = {}
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(examples, groups=[e.site for e in examples]):
        values = grow([examples[i] for i in train])
        for i in test:
            found[i] = main_text(examples[i], values)
    for name in WEIGHT:
        pairs = [(e.gold, found[i]) for i, e in enumerate(examples) if e.set == name]
        f1, p, r = body_f1(pairs)
        print(f"{name:12} {len(pairs):3} pages  F1 {f1:.4f}  precision {p:.4f}  recall {r:.4f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DOCGRAPH_DATA", ROOT.parent / "shared" / "data")
    arguments.add_argument("--data", type=Path, default=Path(default))
    arguments.add_argument("--folds", type=int, default=5, help="0: no cross-validation")
    arguments.add_argument("--seed", type=int, default=0, help="shuffles sites into folds")
    arguments.add_argument("--write", action="store_true", help=f"grow on all pages and write {FILE}")
    options = arguments.parse_args()
    examples = [example(*page) for page in gold_pages(options.data / "html_gold")]
    blocks = sum(len(e.label) for e in examples)
    print(f"{len(examples)} pages, {blocks} blocks, {len(FEATURES)} features", flush=True)
    if options.folds:
        cross_validate(examples, options.folds, options.seed)
    if options.write:
        path = ROOT / "docgraph" / "parsers" / "html" / "main" / FILE
        path.write_text(json.dumps(grow(examples), separators=(",", ":")) + "\n", "utf-8")
        print(f"wrote {path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
