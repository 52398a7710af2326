"""Gold pages and measures of the parsing benchmark: what a page should give, and how much of it a system gave.

    html_gold ─> GoldPage: markup, body text, structure, metadata of the gold, whatever of it the set has
    (gold, found) ─> hits of body, structure and metadata

Everything is compared as letters: words run together without marks, in small letters. Nobody's choice of white space,
quotes or bullets counts.

    scrapinghub  body text                                readability  body HTML, metadata
    fundus       sections, images, metadata             cleaneval-dev  body text of 2006
"""

import gzip
import json
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from docgraph.parsers.decode import decode
from tools.main_content_gold import gold_pages as labelled_pages

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
ADDRESS = "http://fakehost/test/page.html"
"""The readability pages' own, in their gold."""
LONG = 32
"""Letters that a paragraph must have to count for its heading: about 40 characters."""


@dataclass
class Structure:
    """What is said to be on a page. Texts are letters; pairs are (addresses of one image, caption)."""

    paragraphs: Counter[str] = field(default_factory=Counter)
    headings: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    nested: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    pictures: list[frozenset[str]] = field(default_factory=list)
    pairs: list[tuple[frozenset[str], str]] = field(default_factory=list)
    over: dict[str, set[str]] = field(default_factory=dict)
    """Running text -> the headings that it stands under, "" for none."""

    def add(self, kind: Counter[str], text: str, heading: str | None = None) -> None:
        if text:
            kind[text] += 1
            if heading is not None:
                self.over.setdefault(text, set()).add(heading)


@dataclass
class GoldPage:
    set: str
    name: str
    site: str
    markup: str
    body: str
    url: str = ADDRESS
    structure: Structure | None = None
    """Of the readability set; the fundus set has headlines, paragraphs and pairs."""
    metadata: dict[str, Any] = field(default_factory=dict)


def letters(text: str | None) -> str:
    return re.sub(r"[\W_]+", "", text or "").lower()


def gold_pages(folder: Path, sets: tuple[str, ...]) -> list[GoldPage]:
    """Return the pages of some sets."""
    fundus = {row["file"]: row for row in map(json.loads, _lines(folder / "fundus_gold.jsonl.gz"))}
    pages = []
    for labelled in labelled_pages(folder.parent, sets):
        name, page = labelled.set, labelled.name
        gold = GoldPage(name, page, labelled.site, decode(labelled.page).text, labelled.text)
        if name == "readability":
            place = folder / "readability" / page
            gold.structure = structure_of_html(_text(place / "expected.html.gz"))
            gold.metadata = json.loads(_text(place / "expected-metadata.json.gz"))
        elif name == "fundus":
            row = fundus[page]
            gold.url = row["url"]
            gold.structure = _fundus_structure(row)
            values = row["gold"]
            gold.metadata = {
                "title": values["title"], "byline": ", ".join(values.get("authors") or ()),
                "publishedTime": values.get("publishing_date"),
            }  # fmt: skip
        pages.append(gold)
    return pages


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _fundus_structure(row: dict[str, Any]) -> Structure:
    found, gold = Structure(), row["gold"]
    for section in gold["body"]["sections"]:
        headline = letters(" ".join(section["headline"]))
        found.add(found.headings, headline)
        for paragraph in section["paragraphs"]:
            found.add(found.paragraphs, letters(paragraph), headline)
    for picture in gold.get("images") or ():
        addresses = frozenset(address_key(urljoin(row["url"], v["url"])) for v in picture["versions"])
        found.pictures.append(addresses)
        if picture["caption"]:
            found.pairs.append((addresses, letters(picture["caption"])))
    return found


def address_key(address: str) -> str:
    """Return what two addresses of one image share: scheme and query differ between copies of a page."""
    parts = urlsplit(address)
    return f"{parts.netloc}{parts.path}"


def structure_of_html(markup: str) -> Structure:
    """Return the structure of HTML that holds nothing but an article: the gold, or what a peer made of a page."""
    soup, found, heading = BeautifulSoup(markup, "lxml"), Structure(), ""
    for tag in soup.find_all([*HEADINGS, "p", "li", "td", "th", "img", "figure", "blockquote"]):
        text = letters(tag.get_text())
        if tag.name in HEADINGS:
            found.add(found.headings, text)
            heading = text or heading
        elif tag.name == "img":
            if addresses := _addresses(tag):
                found.pictures.append(addresses)
        elif tag.name == "figure":
            caption, picture = tag.find("figcaption"), tag.find("img")
            if caption is not None and picture is not None and letters(caption.get_text()):
                found.pairs.append((_addresses(picture), letters(caption.get_text())))
        elif tag.name == "p":
            found.add(found.paragraphs, text, heading)
        elif tag.name == "li":
            found.add(found.items, text, heading)
            if tag.find_parent("li") is not None:
                found.add(found.nested, text)
        elif tag.name == "blockquote":
            found.over.setdefault(text, set()).add(heading)
        elif _is_data(tag.find_parent("table")):
            found.add(found.cells, text, heading)
    return found


def _addresses(picture: Tag) -> frozenset[str]:
    written = [str(picture.get(name) or "") for name in ("src", "data-src")]
    written += [part.split()[0] for part in str(picture.get("srcset") or "").split(", ") if part.split()]
    return frozenset(address_key(urljoin(ADDRESS, address)) for address in written if address)


def _is_data(table: Tag | None) -> bool:
    """Whether a table of the gold holds data: two rows or more, and no table in it."""
    return table is not None and table.find("table") is None and len(table.find_all("tr", limit=2)) > 1


# -- measures ----------------------------------------------------------------------------------------------


def shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = re.findall(r"\w+", text)
    return Counter(tuple(tokens[i : i + 4]) for i in range(max(1, len(tokens) - 3))) if tokens else Counter()


def body_f1(pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Return what `score_body.py` of the larger data computes: precision and recall of 4-token shingles, averaged
    over pages; F1 of the averages."""
    precision, recall = [], []
    for gold, found in pairs:
        a, b = shingles(gold), shingles(found)
        both = sum((a & b).values())
        precision.append(both / sum(b.values()) if b else float(not a))
        recall.append(both / sum(a.values()) if a else float(not b))
    p, r = statistics.mean(precision), statistics.mean(recall)
    return {
        "f1": round(2 * p * r / (p + r), 4) if p + r else 0.0,
        "precision": round(p, 4),
        "recall": round(r, 4),
    }


def structure_hits(gold: Structure, found: Structure) -> dict[str, tuple[int, int, int]]:
    """Return (hits, in the gold, found) of each kind of thing on one readability page."""

    def both(name: str) -> tuple[int, int, int]:
        a, b = getattr(gold, name), getattr(found, name)
        return sum((a & b).values()), sum(a.values()), sum(b.values())

    # A paragraph that a system calls an item or a cell is kept as well: what counts is one node with its text.
    kept = Counter(dict.fromkeys(found.over, 1))
    return {
        "paragraph": (
            sum((gold.paragraphs & (found.paragraphs | kept)).values()),
            gold.paragraphs.total(), found.paragraphs.total(),
        ),
        "heading": both("headings"),
        "item": both("items"),
        "nested item": both("nested"),
        "cell": both("cells"),
        "picture": (
            sum(any(a & b for b in found.pictures) for a in gold.pictures),
            len(gold.pictures), len(found.pictures),
        ),
        "picture-caption": (sum(_bound(p, found.pairs) for p in gold.pairs), len(gold.pairs), len(found.pairs)),
        "right heading": right_headings(gold, found),
    }  # fmt: skip


def right_headings(gold: Structure, found: Structure) -> tuple[int, int, int]:
    """Return how many of the long gold paragraphs that were found stand under their heading.

    One before the first heading may stand under the page's title or under nothing, but under no heading of the gold.
    """
    hits = total = 0
    for text, over in gold.over.items():
        if len(text) < LONG or text not in gold.paragraphs or text not in found.over:
            continue
        total += 1
        hits += bool(found.over[text] & over) or ("" in over and not found.over[text] & set(gold.headings))
    return hits, total, total


def section_hits(gold: Structure, found: Structure) -> dict[str, tuple[int, int, int]]:
    """Return (hits, in the gold, found) on one fundus page: headlines, paragraphs in their section, images."""
    known = list(found.over)
    placed = 0
    for text, over in gold.over.items():
        same = [text] if text in found.over else [other for other in known if _alike(text, other, 0.8)]
        headings = set().union(*(found.over[other] for other in same))
        if "" in over:
            placed += bool(same) and (not headings & set(gold.headings) or "" in headings)
        else:
            placed += any(_alike(a, b, 0.8) for a in over for b in headings)
    return {
        "headline": (
            sum(any(_alike(text, other, 0.8) for other in found.headings) for text in gold.headings),
            len(gold.headings), found.headings.total(),
        ),
        "paragraph in its section": (placed, len(gold.over), found.paragraphs.total()),
        "picture": (
            sum(any(a & b for b in found.pictures) for a in gold.pictures),
            len(gold.pictures), len(found.pictures),
        ),
        "picture-caption": (sum(_bound(p, found.pairs) for p in gold.pairs), len(gold.pairs), len(found.pairs)),
    }  # fmt: skip


def _bound(pair: tuple[frozenset[str], str], found: list[tuple[frozenset[str], str]]) -> bool:
    addresses, caption = pair
    return any(addresses & other and (caption in text or _alike(caption, text, 0.5)) for other, text in found)


def _alike(a: str, b: str, least: float) -> bool:
    """Whether one text holds the other, and is not much longer."""
    shorter, longer = sorted((a, b), key=len)
    return bool(shorter) and len(shorter) >= least * len(longer) and shorter in longer


FIELDS = ("title", "byline", "siteName", "publishedTime", "lang")


def metadata_hits(gold: dict[str, Any], found: dict[str, str | None]) -> Iterator[tuple[str, bool]]:
    """Yield (field, hit) for each field that the gold has.

    A text is hit if it says the same in letters, or one holds the other and is at most twice as long; a date if it
    is the same day; a language if the primary subtag is the same.
    """
    for name in FIELDS:
        if not gold.get(name):
            continue
        want, have = str(gold[name]), found.get(name) or ""
        if name == "publishedTime":
            yield name, want[:10] == have[:10]
        elif name == "lang":
            yield name, want.lower()[:2] == have.lower()[:2]
        else:
            yield name, _alike(letters(want), letters(have), 0.5)
