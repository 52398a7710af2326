"""Gold pages that say which text of a page is its main text, from eleven sets, each page with its site.

    html_gold, html_train, html_images of the larger data ─ gold_pages ─> GoldPage: page, site, what is main

Three kinds of gold: the main text (most sets), the main text and a text that is neither main nor the contrary
(page-signal's captions and by-lines), strings that the main text must and must not hold (trafilatura). `site` is
the label that the site has registered, taken from the page's address where the set has one, else from what the page
says of itself (`rel=canonical`, `og:url`), else from the host that it links to most: pages of one site, whatever set
they are in, must not stand on both sides of a comparison. Licences stand beside the model:
`docgraph/parsers/html/main/MODEL.md`.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
OPEN = ("f18", "openstax", "readability")
"""Sets whose pages have an open licence."""
RENDERED_PAGES = 60
"""Of each of the rendered sets, spread over them; none of those that the repository ships, which are tested on."""
_BLOCKS = frozenset(
    "address article aside blockquote center dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table td th tr ul br".split()
)


@dataclass
class GoldPage:
    """One page and what of it is main."""

    set: str
    name: str
    site: str
    page: bytes
    text: str = ""
    """The main text, "" if only strings of it are known."""
    neither: str = ""
    """Text that may be main or not."""
    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    """Strings that must and must not be in the main text."""


def gold_pages(data: Path, sets: tuple[str, ...] = ()) -> Iterator[GoldPage]:
    """Yield the pages of the sets, or of some of them, in a fixed order."""
    readers = {
        "scrapinghub": _scrapinghub, "readability": _readability, "fundus": _fundus, "cleaneval-dev": _cleaneval_dev,
        "f18": lambda data: _rendered(data, "f18"), "openstax": lambda data: _rendered(data, "openstax"),
        "dragnet": _dragnet, "page-signal": _page_signal,
        "cleaneval-final": lambda data: _cleaneval(data, "cleaneval-final"),
        "cleanportaleval": lambda data: _cleaneval(data, "cleanportaleval"), "trafilatura": _trafilatura,
    }  # fmt: skip
    for name, reader in readers.items():
        if not sets or name in sets:
            yield from reader(data)


SETS = (
    "scrapinghub", "readability", "fundus", "trafilatura", "dragnet", "page-signal", "cleanportaleval",
    "cleaneval-final", "cleaneval-dev", "f18", "openstax",
)  # fmt: skip


# -- the sets ----------------------------------------------------------------------------------------------


def _scrapinghub(data: Path) -> Iterator[GoldPage]:
    folder = data / "html_gold"
    truth = json.loads((folder / "scrapinghub_ground_truth.json").read_text("utf-8"))
    for name, values in truth.items():
        page = read(folder / "scrapinghub" / f"{name}.html.gz")
        yield GoldPage("scrapinghub", name, site_of(page, values.get("url") or ""), page, values["articleBody"])


def _readability(data: Path) -> Iterator[GoldPage]:
    for folder in sorted((data / "html_gold" / "readability").iterdir()):
        page = read(folder / "source.html.gz")
        gold = plain_text(read(folder / "expected.html.gz").decode("utf-8"))
        yield GoldPage("readability", folder.name, site_of(page), page, gold)


def _fundus(data: Path) -> Iterator[GoldPage]:
    folder = data / "html_gold"
    for row in rows(folder / "fundus_gold.jsonl.gz"):
        body = row["gold"]["body"]
        parts = list(body["summary"])
        for section in body["sections"]:
            parts += section["headline"] + section["paragraphs"]
        page = read(folder / "fundus" / row["file"])
        yield GoldPage("fundus", row["file"], site_of(page, row["url"]), page, "\n\n".join(parts))


def _cleaneval_dev(data: Path) -> Iterator[GoldPage]:
    folder = data / "html_gold" / "cleaneval-dev"
    for path in sorted((folder / "input").iterdir()):
        name = path.name.split(".")[0]
        gold = read(folder / "gold" / f"{name}.txt.gz").decode("utf-8", "replace")
        yield _cleaneval_page("cleaneval-dev", name, read(path), gold)


def _cleaneval(data: Path, name: str) -> Iterator[GoldPage]:
    for row in rows(data / "html_train" / f"{name}.jsonl.gz"):
        yield _cleaneval_page(name, row["id"], row["html_latin1"].encode("latin-1"), row["gold"])


def _cleaneval_page(set_: str, name: str, page: bytes, gold: str) -> GoldPage:
    address = re.match(r"\s*URL:\s*(\S+)", gold)
    text = re.sub(r"<[hpl]>", "\n", re.sub(r"^\s*URL:.*\n", "", gold))
    return GoldPage(set_, name, site_of(page, address[1] if address else ""), page, text)


def _dragnet(data: Path) -> Iterator[GoldPage]:
    for row in rows(data / "html_train" / "dragnet.jsonl.gz"):
        page = row["html_latin1"].encode("latin-1")
        text = row["gold"].split("!@#$%^&*()")[0]
        yield GoldPage("dragnet", row["id"], site_of(page), page, text)


def _page_signal(data: Path) -> Iterator[GoldPage]:
    for row in rows(data / "html_train" / "page-signal.jsonl.gz"):
        page = row["html_latin1"].encode("latin-1")
        soup = BeautifulSoup(row["gold"], "lxml")
        main, neither = (
            "\n\n".join(tag.get_text(" ") for tag in soup.find_all("span", class_=names))
            for names in (["x-nc-sel2"], ["x-nc-sel1", "x-nc-sel3"])
        )
        yield GoldPage("page-signal", row["id"], site_of(page), page, main, neither)


def _trafilatura(data: Path) -> Iterator[GoldPage]:
    for row in rows(data / "html_train" / "trafilatura-eval-half.jsonl.gz"):
        page = row["html_latin1"].encode("latin-1")
        yield GoldPage(
            "trafilatura", row["id"], site_of(page, row["id"]), page,
            wanted=tuple(row["with"]), unwanted=tuple(row["without"]),
        )  # fmt: skip


def _rendered(data: Path, set_: str) -> Iterator[GoldPage]:
    shipped = {page.name for page in (ROOT / "sample_data").rglob("*.html")}
    pages = sorted((data / "html_images" / set_ / "html").rglob("*.html"))
    pages = [page for page in pages if page.name not in shipped]
    for page in pages[:: max(1, len(pages) // RENDERED_PAGES)]:
        yield GoldPage(set_, page.stem, set_, page.read_bytes(), rendered_text(page.read_text("utf-8")))


# -- texts -------------------------------------------------------------------------------------------------


def read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def plain_text(markup: str) -> str:
    """Return the text of a cleaned page (no scripts), a line break at each block."""
    soup = BeautifulSoup(markup, "lxml")
    for tag in soup.find_all(True):
        if tag.name in _BLOCKS:
            tag.insert_before("\n")
            tag.insert_after("\n")
    return soup.get_text()


def rendered_text(markup: str) -> str:
    """Return the text of the article of a rendered page, without title, byline and captions."""
    article = BeautifulSoup(markup, "lxml").find("article")
    if article is None:
        return ""
    for tag in [article.find("h1"), *article.select("p.byline, figcaption, table > caption")]:
        if tag is not None:
            tag.decompose()
    return plain_text(str(article))


# -- sites -------------------------------------------------------------------------------------------------

_SAID = re.compile(
    rb"<link[^>]+rel=[\"']?canonical[^>]*>|<meta[^>]+(?:property|name)=[\"']?og:url[^>]*>|<base[^>]+href[^>]*>", re.I
)
_ADDRESS = re.compile(rb"https?:\\?/\\?/([\w.-]+\.[a-z]{2,})", re.I)
_OTHERS = re.compile(
    r"facebook|fbcdn|twitter|google|gstatic|doubleclick|gravatar|youtube|linkedin|pinterest|instagram|addthis|sharethis|"
    r"feedburner|w3\.org|schema\.org|ogp\.me|wp\.com|cloudfront|amazonaws|akamai|disqus|digg|reddit|stumbleupon|"
    r"delicious|purl\.org|whatsapp|t\.co$|outbrain|taboola|scorecardresearch|quantserve|jquery|archive\.org|fakehost"
)
"""Hosts that pages of all sites link to."""
_SECOND_LEVEL = frozenset("co com org net gov ac edu or ne go gob govt nom".split())


def site_of(page: bytes, address: str = "") -> str:
    """Return the name of the site that a page is from. Of an archive's copy it is the site that was copied."""
    if host := urlsplit(address[address.rfind("http") :].strip()).hostname:
        return name_of(host)
    for said in _SAID.findall(page[:200_000]):
        for found in _ADDRESS.findall(said):
            if not _OTHERS.search(host := found.decode("ascii", "replace").lower()):
                return name_of(host)
    hosts = (host.decode("ascii", "replace").lower() for host in _ADDRESS.findall(page))
    counted = Counter(name_of(host) for host in hosts if not _OTHERS.search(host))
    return counted.most_common(1)[0][0] if counted else f"unknown-{hash_of(page)}"


def name_of(host: str) -> str:
    """Return the label that a site has registered, "bbc" for both www.bbc.co.uk and bbc.com."""
    labels = host.lower().strip(".").split(".")
    below = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    return labels[-below:][0].removeprefix("the")


def hash_of(page: bytes) -> str:
    import hashlib

    return hashlib.sha256(page).hexdigest()[:12]
