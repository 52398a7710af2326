"""Main text on sites that were not seen: docgraph cross-validated by site, peers on the same pages, all gold.

    gold_pages ─┬─ folds by site ─> tables and trees without the fold ─> parse_html ─┬─> hits of each page
                └─ peers as they are ────────────────────────────────────────────────┘     ─> F1, interval, bad, empty

The whole parser is measured, not its model alone. Intervals are 95 % by resampling sites, not pages: pages of one site
fail together. A page is bad if its own F1 is below .5. Of the old sets (2005 to 2012) some pages are read, every
`EVERY`-th, for they are many; docgraph learns from all. The language is that of the text,
by its most common small words.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from benchmarks.parsing.systems import SYSTEMS, set_up, version
from docgraph import parse_html
from docgraph.parsers.decode import decode
from docgraph.parsers.html.main.forest import from_json, judged_by
from tools import train_main_content as training
from tools.main_content_gold import OPEN, SETS, GoldPage, gold_pages

OURS = "docgraph"
EVERY = {"dragnet": 5, "page-signal": 5, "cleaneval-final": 8, "cleaneval-dev": 2, "f18": 5, "openstax": 5}
"""Of pages of old sets, and of the rendered ones, which one is read."""
RESAMPLES = 2000
SMALL_WORDS = {
    "en": "the of and to in is that for it with", "de": "der die und das ist nicht mit ein den von",
    "fr": "le la les des et est une dans pour que", "es": "el los las que de una por con para del",
    "it": "il che di una per con non sono della gli", "pt": "o os que não uma para com em do da",
    "nl": "het een van de niet dat zijn voor met op", "hu": "a az és hogy nem egy is meg de volt",
    "pl": "w na nie się że do jest to z jak", "tr": "ve bir bu için ile da de çok olan daha",
    "sv": "och att det som en är på för inte av", "da": "og at det er en til på ikke af med",
    "ru": "и в не на что с как это по к", "uk": "і в не на що з як це до та",
}  # fmt: skip


def measure_unseen(data: Path, names: list[str], folds: int, seed: int = 0) -> dict[str, Any]:
    """Return, for each system, what it gives on each set and in each language."""
    pages = list(gold_pages(data))
    seen: Counter[str] = Counter()
    tested = []
    for place, page in enumerate(pages):
        seen[page.set] += 1
        if seen[page.set] % EVERY.get(page.set, 1) == 0:
            tested.append(place)
    markup = {place: decode(pages[place].page).text for place in tested}
    language = {place: language_of(pages[place]) for place in tested}
    texts: dict[str, dict[int, str]] = {}
    for name in names:
        if name != OURS and (system := set_up(name)) is not None:
            texts[f"{name} {version(SYSTEMS[name][0])}"] = {
                place: _text(system, markup[place]) for place in tested
            }  # fmt: skip
            print(f"unseen: {name} read {len(tested)} pages", flush=True)
    raw = {place: pages[place].page for place in tested}
    examples = [training.example(page) for page in pages]
    for name, sets in ((OURS, SETS), (f"{OURS}, learned from open pages alone", OPEN)):
        texts[name] = _ours(examples, raw, sets, folds, seed)
    found: dict[str, Any] = {}
    for name, text in sorted(texts.items(), key=lambda both: (not both[0].startswith(OURS), both[0])):
        counted = {place: training.hits(pages[place], text[place]) for place in tested}
        groups: dict[str, dict[str, list[int]]] = {"sets": defaultdict(list), "languages": defaultdict(list)}
        for place in tested:
            groups["sets"][pages[place].set].append(place)
            if pages[place].set in ("scrapinghub", "readability", "fundus", "trafilatura"):
                kind = "strings" if not pages[place].text else "text"
                groups["languages"][f"{language[place]}, {kind}"].append(place)
        found[name] = {
            kind: {
                label: _figures(
                    np.asarray([counted[place] for place in places]),
                    [pages[place].site for place in places],
                    sum(not text[place].strip() for place in places),
                )
                for label, places in of_kind.items()
            }
            for kind, of_kind in groups.items()
        }
        print(name, {label: values["f1"] for label, values in found[name]["sets"].items()}, flush=True)
    return {"folds": folds, "seed": seed, "pages": len(tested), "systems": found}


def _text(system: Any, markup: str) -> str:
    try:
        return str(system.text(system.run(markup, "")))
    except Exception:
        return ""


def _ours(
    examples: list[training.Example], raw: dict[int, bytes], sets: tuple[str, ...], folds: int, seed: int
) -> dict[int, str]:
    """Return what the whole parser finds on each tested page, by what was learned without its site."""
    statistics = training.statistics_of(e for e in examples if e.gold.set in sets)
    found: dict[int, str] = {}
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(examples, groups=[e.gold.site for e in examples]):
        model = from_json(training.grow([examples[i] for i in train if examples[i].gold.set in sets], statistics))
        with judged_by(model):
            found.update({int(place): parse_html(raw[place]).main_text for place in test if place in raw})
    return found


def _figures(counted: np.ndarray, sites: list[str], empty: int) -> dict[str, Any]:
    """Return F1 with its interval, precision, recall, pages, bad and empty pages of one group."""
    names = sorted(set(sites))
    sums = np.zeros((len(names), counted.shape[1]))
    np.add.at(sums, [names.index(site) for site in sites], counted)
    draw = np.random.default_rng(0)
    drawn = [training.f1(sums[draw.integers(0, len(names), len(names))])[0] for _ in range(RESAMPLES)]
    p, r = counted[:, 0] / np.maximum(counted[:, 1], 1e-9), counted[:, 2] / np.maximum(counted[:, 3], 1e-9)
    f1, precision, recall = training.f1(counted)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "f1": round(f1, 4), "low": round(float(low), 4), "high": round(float(high), 4),
        "precision": round(precision, 4), "recall": round(recall, 4), "pages": len(counted), "empty": empty,
        "bad": int((2 * p * r / np.maximum(p + r, 1e-9) < 0.5).sum()),
    }  # fmt: skip


def language_of(page: GoldPage) -> str:
    """Return the language whose small words the main text has most of, "other" for other scripts and for none."""
    words = Counter(re.findall(r"[^\W\d_]+", (page.text or " ".join(page.wanted + page.unwanted)).lower()))
    scores = {name: sum(words[word] for word in small.split()) for name, small in SMALL_WORDS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else "other"
