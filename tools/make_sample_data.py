"""Make `sample_data/` from the larger data: a selection by rule, small enough to ship and free to publish.

    html_images/f18       ──> sample_data/html/    16 posts (named below) and the images they show
    html_images/openstax  ──> sample_data/news/    3 classes x (14 train, 4 dev, 8 test), N24News layout
                          ──> sample_data/pages/   2 more pages of each class, as HTML with its images

Records are taken in the order of a hash of their identity, so nobody chose them by how well a model does. Left out:
records whose captions name a licence other than public domain, CC0 or CC BY for an image, and what shares a
headline with a record of another split or class that was taken before it. Run with no arguments in the
repository root: writes the same bytes each time.
"""

import csv
import hashlib
import html
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(os.environ.get("DOCGRAPH_DATA", "../shared/data")) / "html_images"
TARGET: Final = Path("sample_data")

POSTS: Final = (
    "2014-09-04-a-new-look-at-the-freedom-of-information-act",
    "2014-11-26-how-to-use-more-open-source",
    "2014-12-22-protosketch",
    "2015-03-13-how-to-protosketch",
    "2015-03-19-how-we-built-analytics-usa-gov",
    "2015-06-03-giving-back-to-open-source",
    "2015-08-10-18f-design-methods",
    "2015-11-17-choose-design-over-architecture",
    "2016-03-01-what-we-learned-after-interviewing-people-about-their-interactions-with-the-federal-government",
    "2016-03-09-trust-as-a-two-way-street",
    "2016-08-25-micro-purchase-design-philosophy-do-one-thing-well",
    "2016-08-29-data-act-prototype-simplicty-is-key",
    "2016-10-14-iterative-workplace-design-denver-federal-center",
    "2018-08-15-shared-infrastructure-as-code",
    "2019-05-28-you-might-not-be-as-agile-as-you-think-you-are",
    "2021-04-05-why_simplicity_choosing_a_web_architecture",
)
"""Chosen for variety: tables, nested lists, figures, quotes, code, one or many images; some link to each other."""

CLASSES: Final = ("economics", "business", "anthropology")
PER_CLASS: Final = {"train": 14, "dev": 4, "test": 8}
PAGES_PER_CLASS: Final = 2
NOT_FREE: Final = re.compile(
    r"BY-(NC|SA|ND)|NonCommercial|NoDeriv|Share-? ?Alike|rights reserved|with permission|fair use", re.I
)
IMAGE: Final = re.compile(r'(<img[^>]*?\bsrc=")([^"]*)(")')


def make_posts() -> None:
    """Copy the posts; images go beside them, and links between copied posts become file names."""
    target = TARGET / "html"
    (target / "images").mkdir(parents=True)
    for post in POSTS:
        text = (SOURCE / "f18/html" / f"{post}.html").read_text(encoding="utf-8")
        text = _copy_pictures(text, SOURCE / "f18/html", target, lambda path: path.name)
        for other in POSTS:
            year, month, day, name = other.split("-", 3)
            text = re.sub(
                rf'href="(?:https?://18f\.gsa\.gov)?/{year}/{month}/{day}/{re.escape(name)}/?"',
                f'href="{other}.html"',
                text,
            )
        (target / f"{post}.html").write_text(text, encoding="utf-8")


def make_news() -> set[str]:
    """Write the N24News-layout split and its images; return the identities of the records that were taken."""
    target = TARGET / "news"
    (target / "news").mkdir(parents=True)
    (target / "images").mkdir()
    taken: set[str] = set()
    headlines: set[str] = set()
    for split, count in PER_CLASS.items():
        records = json.loads((SOURCE / f"openstax/news/nytimes_{split}.json").read_text(encoding="utf-8"))
        chosen: list[dict[str, Any]] = []
        for name in CLASSES:
            mine = [r for r in records if r["section"] == name and not NOT_FREE.search(r["caption"])]
            mine = [r for r in sorted(mine, key=_order) if r["headline"] not in headlines][:count]
            headlines.update(r["headline"] for r in mine)
            chosen += mine
        for record in sorted(chosen, key=_order):
            taken.add(_identity(record))
            picture = SOURCE / "openstax/images" / f"{record['image_id']}.jpg"
            record["image_id"] = _neutral_name(picture)
            shutil.copyfile(picture, target / "images" / f"{record['image_id']}.jpg")
        path = target / "news" / f"nytimes_{split}.json"
        path.write_text(json.dumps(sorted(chosen, key=_order), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return taken


def make_pages(taken: set[str]) -> None:
    """Copy more pages of each class, none of them in the news split, with neutral names and a `labels.csv`."""
    target = TARGET / "pages"
    (target / "images").mkdir(parents=True)
    records = [
        record
        for split in PER_CLASS
        for record in json.loads((SOURCE / f"openstax/news/nytimes_{split}.json").read_text(encoding="utf-8"))
    ]
    rows = []
    for name in CLASSES:
        left = [r for r in records if r["section"] == name and _identity(r) not in taken]
        free = [r for r in sorted(left, key=_order) if r["headline"] != "Introduction" and _page_is_free(r)]
        for record in free[:PAGES_PER_CLASS]:
            source = _page_of(record)
            text = _copy_pictures(
                source.read_text(encoding="utf-8"),
                source.parent,
                target,
                lambda p: _neutral_name(p) + p.suffix,
            )
            (target / source.name).write_text(text, encoding="utf-8")
            rows.append((source.name, name))
    with (target / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "label"), *rows])


def _copy_pictures(text: str, source: Path, target: Path, name_of: Any) -> str:
    """Copy the local images that markup shows into `target/images` and point the markup there."""

    def copied(match: re.Match[str]) -> str:
        picture = source / html.unescape(match[2])
        if not picture.is_file():
            return match[0]
        name = name_of(picture)
        shutil.copyfile(picture, target / "images" / name)
        return f"{match[1]}images/{name}{match[3]}"

    return IMAGE.sub(copied, text)


def _page_of(record: dict[str, Any]) -> Path:
    return SOURCE / "openstax/html" / record["section"] / f"{record['article_url'].removeprefix('openstax:')}.html"


def _page_is_free(record: dict[str, Any]) -> bool:
    """Whether a page has two to six images, sections, and no image with a licence that restricts its use."""
    text = _page_of(record).read_text(encoding="utf-8")
    return 2 <= len(IMAGE.findall(text)) <= 6 and "<h2" in text and not NOT_FREE.search(text)


def _identity(record: dict[str, Any]) -> str:
    return f"{record['section']}/{record['article_url']}"


def _order(record: dict[str, Any]) -> str:
    """Return a sort key that has nothing to do with the content."""
    return hashlib.sha256(f"{record['article_url']} {record['headline']}".encode()).hexdigest()


def _neutral_name(picture: Path) -> str:
    """Return a name that tells nothing about the class: the start of a hash of the picture's bytes."""
    return hashlib.sha256(picture.read_bytes()).hexdigest()[:12]


def main() -> None:
    """Write the three folders anew; README.md beside them is kept."""
    for name in ("html", "news", "pages"):
        shutil.rmtree(TARGET / name, ignore_errors=True)
    make_posts()
    make_pages(make_news())
    files = [path for path in TARGET.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 2**20:.2f} MiB in {TARGET}/")


if __name__ == "__main__":
    main()
