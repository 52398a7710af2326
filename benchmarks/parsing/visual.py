"""Does it help to see a page? The main-content model with and without what Chromium lays out, on pages with their CSS.

    python -m benchmarks.parsing.visual [--cache FOLDER]

    gold_pages ─ Renderer ─> boxes, type sizes, visibility of each block ─┐
        └────────────────────> features of the parser ────────────────────┴─ folds by site ─> trees ─> F1, with, without

Gold pages keep their markup, not their style sheets: those of which at least `LEAST_CSS` characters lie in the page
itself are rendered (no network, no scripts, 1,280 pixels wide), and tested. The trees learn from all gold pages, by
tables and trees without the page's site; what was not rendered has -1 in the visual columns. Both rows have the same
folds, trees and rules, and `choose.keep` alone judges, as in tools/train_main_content.py. The interval resamples sites.

Writes benchmarks/results/visual.md and .json.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record
from docgraph import Document
from docgraph.errors import DocgraphError
from docgraph.parsers.decode import decode
from docgraph.parsers.html.main.forest import from_json
from docgraph.render import Renderer
from tools import train_main_content as training
from tools.main_content_gold import GoldPage, gold_pages
from training.output.markdown import table

WIDTH: Final = 1280
FOLDS: Final = 5
LEAST_CSS: Final = 5_000
SETS: Final = ("scrapinghub", "readability", "fundus", "trafilatura", "cleanportaleval")
"""Sets of this age's pages; the others lay out by tables, or have one style."""
CSS: Final = re.compile(rb"<style[^>]*>(.*?)</style>", re.S | re.I)
COLUMNS: Final = (
    "visible", "left", "width", "top", "height", "font_size", "font_weight", "fixed", "in_widest_column",
    "same_left", "on_first_screen",
)  # fmt: skip
"""Pixels as shares of the window's width, `top` as a share of the page's height; the last three: whether the block
stands in the column that shows most words, how many of the page's words begin at its left edge, and whether it is seen
without scrolling."""
EDGE: Final = 16
"""Pixels within which left edges are the same."""
RESAMPLES: Final = 2_000
Floats = NDArray[np.float32]


def columns(document: Document, elements: Iterable[int], words: NDArray[Any]) -> Floats:
    """Return (B, S) what is seen of the blocks that stand in some elements, -1 where nothing is known."""
    sources = document.sources
    assert sources is not None
    row_of: dict[int, int] = {}
    for row, element in enumerate(sources.node_element.tolist()):
        if row and document[row].box is not None:
            row_of.setdefault(element, row)
    height = max(document[0].box.y1, 1.0) if document[0].box is not None else 1.0
    found = np.full((len(words), len(COLUMNS)), -1, np.float32)
    box = np.full((len(words), 4), np.nan)
    for place, element in enumerate(elements):
        if (row := row_of.get(element)) is None:
            continue
        one, look = document[row].box, document[row].attributes["layout"]
        box[place] = (one.x0, one.y0, one.x1, one.y1)
        found[place, :8] = (
            look["visible"], one.x0 / WIDTH, (one.x1 - one.x0) / WIDTH, one.y0 / height, (one.y1 - one.y0) / WIDTH,
            look.get("font_size", 1.0), look.get("font_weight", 1.0), "position" in look,
        )  # fmt: skip
    known = ~np.isnan(box[:, 0])
    if not known.any():
        return found
    left, right, count = box[known, 0], box[known, 2], words[known]
    same = np.abs(left[:, None] - left[None]) <= EDGE
    share = (same * count).sum(1) / max(count.sum(), 1)
    best = int(share.argmax())
    middle = (left + right) / 2
    found[known, 8] = (middle >= left[best]) & (middle <= right[same[best]].max())
    found[known, 9] = share
    found[known, 10] = box[known, 1] < 800
    return found


def styled(page: GoldPage) -> bool:
    """Whether a page carries its own style."""
    return page.set in SETS and sum(len(found) for found in CSS.findall(page.page)) >= LEAST_CSS


def seen(renderer: Renderer, markup: str, example: training.Example, cache: Path) -> Floats | None:
    """Return `columns` of a page, None if Chromium gives it up; kept in a file by its markup."""
    file = cache / f"{hashlib.sha1(markup.encode('utf-8', 'replace')).hexdigest()}.npy"
    if file.is_file():
        kept = np.load(file)
        return kept if len(kept) else None
    measured = example.measured
    try:
        document = renderer.render(markup, width=WIDTH, screenshot=False)
        made = columns(document, [block.element for block in measured.block], measured.words)
    except DocgraphError as error:
        print(f"{example.gold.set}/{example.gold.name}: {error}", flush=True)
        made = np.zeros((0, len(COLUMNS)), np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, made)
    return made if len(made) else None


def read(data: Path, cache: Path) -> tuple[list[training.Example], list[int], int]:
    """Return all examples, the places of those that were rendered, and how many Chromium gave up."""
    examples, rendered, refused = [], [], 0
    with Renderer() as renderer:
        for page in gold_pages(data):
            markup = decode(page.page).text if styled(page) else None
            example = training.example(page)
            if markup is not None and example.measured.block:
                example.seen = seen(renderer, markup, example, cache)
                if example.seen is None:
                    refused += 1
                else:
                    rendered.append(len(examples))
            examples.append(example)
    return examples, rendered, refused


def texts(examples: list[training.Example], wanted: set[int]) -> dict[int, str]:
    """Return the main text of the wanted pages, by what was learned without their sites."""
    statistics, found = training.statistics_of(examples), {}
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in splitter.split(examples, groups=[e.gold.site for e in examples]):
        model = from_json(training.grow([examples[i] for i in train], statistics))
        found.update({int(i): training.main_text(examples[i], model) for i in test if int(i) in wanted})
    return found


def interval(one: np.ndarray, other: np.ndarray, sites: list[str]) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two F1, of (pages, 4) hits, over sites."""
    names, draw = sorted(set(sites)), np.random.default_rng(0)
    at = np.asarray([names.index(site) for site in sites])
    sums = np.zeros((2, len(names), 4))
    for part, hits in zip(sums, (one, other), strict=True):
        np.add.at(part, at, hits)
    drawn = (draw.integers(0, len(names), len(names)) for _ in range(RESAMPLES))
    found = [training.f1(sums[0, rows])[0] - training.f1(sums[1, rows])[0] for rows in drawn]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def measure(data: Path, cache: Path) -> dict[str, Any]:
    """Return F1 with and without what is seen, of each set of rendered pages."""
    examples, rendered, refused = read(data, cache)
    print(f"{len(rendered)} pages rendered, {refused} given up", flush=True)
    made, said = [example.seen for example in examples], {}
    for name, with_columns in (("without", False), ("with", True)):
        for example, own in zip(examples, made, strict=True):
            none = np.full((len(example.measured.words), len(COLUMNS)), -1, np.float32)
            example.seen = (none if own is None else own) if with_columns else None
        said[name] = texts(examples, set(rendered))
        print(f"{name}: learned", flush=True)
    rows = []
    for name in (*SETS, "all"):
        places = [i for i in rendered if name in ("all", examples[i].gold.set)]
        if not places:
            continue
        hits = {way: np.asarray([training.hits(examples[i].gold, said[way][i]) for i in places]) for way in said}
        low, high = interval(hits["with"], hits["without"], [examples[i].gold.site for i in places])
        found = {way: training.f1(one) for way, one in hits.items()}
        rows.append({"set": name, "pages": len(places), "low": low, "high": high, **found})
    return {"rows": rows, "refused": refused, "about": about()}


def main() -> None:
    parser = command_line(__doc__ or "")
    parser.add_argument("--cache", type=Path, default=Path("runs/visual"), help="keeps what was seen of each page")
    asked = parser.parse_args()
    found = measure(asked.data, asked.cache)
    record("visual", found, asked.results)
    lines = [
        [
            row["set"], row["pages"], f"{row['without'][0]:.4f}", f"{row['with'][0]:.4f}",
            f"{row['with'][0] - row['without'][0]:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})",
        ]
        for row in found["rows"]
    ]  # fmt: skip
    text = [
        "# Main text by what is seen",
        (__doc__ or "").split("\n\n")[3].strip(),
        table(["F1", "pages", "without", "with what is seen", "difference, 95 %"], lines),
        f"Columns: {', '.join(COLUMNS)}. Chromium gave up {found['refused']} pages.",
        made_by(found["about"]),
        "",
    ]
    publish("visual", "\n\n".join(text), asked.results)


if __name__ == "__main__":
    main()
