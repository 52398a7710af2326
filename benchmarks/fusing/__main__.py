"""Does knowing the tree improve the vectors of a page's nodes, where the text encoder stays as it is?

    python -m benchmarks.fusing [--seeds 3] [--cache FILE]

MiniLM's vectors of a page's passages and title go through one layer of attention and a feed-forward net, residual, with
last weights of 0, so that it begins as the identity; a node's vector is then made of its passages as ever. The layer is
trained on what the pages of psychology, US history and astronomy ask of themselves (heading and caption -> section,
title -> page, each taken out of the page), and stops where a tenth of these pages, held out, is found best. It is
tested on business and anthropology. Rate and temperature were chosen with psychology held out, from four.

    none        no attention: each passage by itself         permuted   the same trees, passages shuffled among places
    flat        softmax over the page                        hsa        the paper's form over sections and passages
    block       hsa, blocks pooled by their mean query       untied     block, queries untied, near field exact
    + masked    also trained to tell a passage that is left out from those around it

Probes: whether a passage's nearest other passage is of its page; within the page, whether it is of its section.
Differences are means over seeds, with the 95 % interval of a paired bootstrap over queries. Writes
benchmarks/results/fusing.json and fusing.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.clock import about
from benchmarks.fusing.layer import KINDS, Fusing, fused, vectors
from benchmarks.fusing.pages import Asked, Page, read_task
from benchmarks.page import command_line, made_by, publish, record, recorded
from benchmarks.retrieval.measure import compared, gains
from benchmarks.retrieval.pages import read_pages
from benchmarks.retrieval.tasks import TITLES, tasks
from encoders import Embedder
from training.output.markdown import table

LEARNED: Final = ("heading", "caption", "title")
ASKED: Final = ("heading", "caption", "definition", "late heading", "late caption", "title")
PAGES, EPOCHS, RATE, WARMTH = 32, 4, 2e-4, 0.1
HIDDEN: Final = 0.15
"""Share of the passages that are left out."""


@torch.no_grad()
def scored(asked: Asked, layer: Fusing | None, only: set[int] | None = None) -> NDArray[np.float64]:
    """Return nDCG@10 of each query, of those about some pages if they are named."""
    made, where = vectors(asked, range(len(asked.pages)), layer)
    queries = [n for n, one in enumerate(asked.relevant) if only is None or asked.places[one][0] in only]
    scores = (asked.queries[queries] @ made.T).numpy()
    return gains(scores, [{where[asked.relevant[n]]: 1.0} for n in queries])["ndcg"]


def train(kind: str, learned: Sequence[Asked], seed: int) -> Fusing:
    """Return the layer after the epoch by which held-out pages are found best; the identity if none helps."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    layer, masks = Fusing(kind), torch.Generator().manual_seed(seed)
    held = {number for number in range(len(learned[0].pages)) if number % 10 == seed % 10}
    own = [sorted({asked.places[one][0] for one in asked.relevant} - held) for asked in learned]
    steps = EPOCHS * sum(-(-len(one) // PAGES) for one in own)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.1)
    best = (np.mean([scored(one, layer, held).mean() for one in learned]), _copy(layer))
    for _ in range(EPOCHS):
        batches = [
            (asked, some[start : start + PAGES])
            for asked, numbers in zip(learned, own, strict=True)
            for some in [chance.permutation(numbers).tolist()]
            for start in range(0, len(some), PAGES)
        ]
        for number in chance.permutation(len(batches)):
            asked, numbers = batches[number]
            made, where = vectors(asked, numbers, layer)
            queries = [n for n, one in enumerate(asked.relevant) if one in where]
            wanted = torch.tensor([where[asked.relevant[n]] for n in queries])
            loss = F.cross_entropy(asked.queries[queries] @ made.T / WARMTH, wanted)
            if kind.endswith("masked"):
                loss = loss + _masked(layer, [asked.pages[n] for n in numbers], masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        value = np.mean([scored(one, layer, held).mean() for one in learned])
        if value > best[0]:
            best = (value, _copy(layer))
    layer.load_state_dict(best[1])
    return layer


def _copy(layer: Fusing) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in layer.state_dict().items()}


def _masked(layer: Fusing, pages: Sequence[Page], chance: torch.Generator) -> Tensor:
    """Return the loss of telling passages that are left out, among all those of the batch, from what is around."""
    own = torch.cat([page.read[page.leaves] for page in pages])
    hidden = torch.rand(len(own), generator=chance) < HIDDEN
    return F.cross_entropy(layer(pages, hidden)[hidden] @ own.T / WARMTH, hidden.nonzero()[:, 0])


@torch.no_grad()
def probes(asked: Asked, layer: Fusing | None) -> dict[str, NDArray[np.float64]]:
    """Return for each passage whether its nearest other one is of its page, and in the page, of its section."""
    counts = [len(page.section) for page in asked.pages]
    read = [page.read for page in asked.pages] if layer is None else fused(asked.pages, layer(asked.pages))
    passages = torch.cat([one[:count] for one, count in zip(read, counts, strict=True)])
    page = np.repeat(np.arange(len(counts)), counts)
    names = [(n, path) for n, one in enumerate(asked.pages) for path in one.section]
    section = np.unique([str(name) for name in names], return_inverse=True)[1]
    scores = (passages @ passages.T).fill_diagonal_(-torch.inf).numpy()
    nearest = scores.argmax(1)
    inside = np.where(page[:, None] == page, scores, -np.inf).argmax(1)
    with_others = (np.bincount(section)[section] > 1) & (np.bincount(section)[section] < np.array(counts)[page])
    return {
        "nearest passage is of the same page": (page[nearest] == page).astype(float),
        "nearest in the page is of the same section": (section[inside] == section)[with_others].astype(float),
    }


def scores_of(asked: Mapping[str, Asked], layer: Fusing | None) -> dict[str, NDArray[np.float64]]:
    """Return all that is measured, by task."""
    found = {TITLES[name]: scored(one, layer) for name, one in asked.items()}
    return {**found, **probes(asked["definition"], layer)}


def report(found: Mapping[str, Any]) -> str:
    """Return the page."""
    base, kinds = found["base"], found["kinds"]
    cells = "{value:+.2f} ({low:+.2f} to {high:+.2f})"
    rows = [
        [task, one["count"], f"{100 * one['mean']:.1f}", *(cells.format(**kinds[kind][task]) for kind in kinds)]
        for task, one in base.items()
    ]
    beside = [[task, *(cells.format(**found["beside"][kind][task]) for kind in found["beside"])] for task in base]
    return f"""# A layer that knows the tree

{(__doc__ or "").partition(chr(10))[0]}

nDCG@10 in points, probes in per cent; {found["seeds"]} seeds. First what each kind of layer adds to MiniLM's vectors \
as they are, then what it is ahead of the layer without attention.

{table(["task", "queries", "as they are", *kinds], rows)}

{table(["beside none", *found["beside"]], beside)}

{made_by(found["about"])}
"""


def points(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float]:
    """Return a difference in points."""
    return {name: 100 * value for name, value in compared(one, other).items()}


def main() -> None:
    """Train all kinds and seeds, and test them."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps vectors between calls")
    chosen = parser.parse_args()
    embedder = Embedder.from_pretrained(cache=chosen.cache)
    learned = [read_task(one, embedder) for one in tasks(*read_pages(chosen.data, "dev")) if one.name in LEARNED]
    asked = {
        one.name: read_task(one, embedder)
        for one in tasks(*read_pages(chosen.data, "ccby"))
        if one.name in ASKED
    }  # fmt: skip
    base = scores_of(asked, None)
    found = recorded("fusing", chosen.results)
    found |= {"seeds": chosen.seeds, "kinds": {}, "beside": {}}
    found["base"] = {task: {"count": len(one), "mean": float(one.mean())} for task, one in base.items()}
    means: dict[str, dict[str, NDArray[np.float64]]] = {}
    for kind in KINDS:
        some = [scores_of(asked, train(kind, learned, seed)) for seed in range(chosen.seeds)]
        means[kind] = {task: np.mean([one[task] for one in some], 0) for task in base}
        found["kinds"][kind] = {task: points(means[kind][task], base[task]) for task in base}
        if kind != "none":
            found["beside"][kind] = {task: points(means[kind][task], means["none"][task]) for task in base}
        found["about"] = about("torch", "sentence-transformers", "docgraph")
        record("fusing", found, chosen.results)
        print(kind, {task: round(one["value"], 2) for task, one in found["kinds"][kind].items()}, flush=True)
    publish("fusing", report(found), chosen.results)


if __name__ == "__main__":
    main()
