"""A made-up N24News of the real one's size, layout and dirt: to measure reading, memory and time without the real one.

    python -m benchmarks.n24news_made FOLDER --records 61218

    FOLDER/news/nytimes_{train,dev,test}.json     8:1:1, all five fields
    FOLDER/images/<image_id>.jpg                  links to a few hundred JPEGs of 600 x 400 pixels

Words are made up; some tell the section, so that a classifier learns something. Of 61,218 records 849 and 123 have an
error page for a body, 21 an empty body, 303 an empty caption, as the real data has; 200 images are missing and 20 are
cut off. With fewer records there is as much less of each, but one at least.
"""

import argparse
import io
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

RECORDS: Final = 61_218
SECTIONS: Final = (
    "Health", "Books", "Science", "Art & Design", "Television", "Style", "Travel", "Media", "Movies", "Food", "Dance",
    "Well", "Real Estate", "Fashion & Style", "Economy", "Technology", "Sports", "Your Money", "Theater", "Education",
    "Opinion", "Automobiles", "Music", "Global Business",
)  # fmt: skip
DIRT: Final = {
    "blocked": 849, "not found": 123, "no body": 21, "no caption": 303, "no image": 200, "cut image": 20
}  # fmt: skip
"""What is wrong with how many of 61,218 records."""
PAGES: Final = {
    "blocked": "Access to this page has been denied because we believe you are using automation tools.",
    "not found": "Page Not Found. We are sorry, we seem to have lost this page, but we do not want to lose you.",
}
WORDS: Final = {"headline": 10, "abstract": 25, "caption": 20, "paragraph": 60}
PARAGRAPHS: Final = 13
PHOTOS: Final = 200
TELLING: Final = 0.08
"""Share of words that tell the section."""


def make(folder: Path, records: int = RECORDS, *, photos: int = PHOTOS, seed: int = 0) -> dict[str, int]:
    """Write the data set; return how many records have each kind of dirt."""
    draw = np.random.default_rng(seed)
    (folder / "news").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    counts = {name: max(1, round(count * records / RECORDS)) for name, count in DIRT.items()}
    order = iter(draw.permutation(records).tolist())
    dirty = {name: {next(order) for _ in range(count)} for name, count in counts.items()}
    writer = _Writer(draw)
    files = _photos(folder, photos, draw)
    cut = folder / "photos" / "cut.jpg"
    cut.write_bytes(files[0].read_bytes()[:2_000])
    rows: list[dict[str, Any]] = []
    for number in range(records):
        section = int(draw.integers(len(SECTIONS)))
        name = f"{number:08x}-made"
        body = writer.body(section)
        for page, text in PAGES.items():
            body = text if number in dirty[page] else body
        rows.append(
            {
                "section": SECTIONS[section],
                "headline": writer.text(section, "headline"),
                "abstract": writer.text(section, "abstract"),
                "caption": "" if number in dirty["no caption"] else writer.text(section, "caption"),
                "body": "" if number in dirty["no body"] else body,
                "image_id": name,
                "image_url": f"https://example.org/{name}.jpg",
                "article_url": f"https://example.org/{SECTIONS[section]}/{number}.html",
            }
        )
        if number not in dirty["no image"]:
            target = folder / "images" / f"{name}.jpg"
            target.unlink(missing_ok=True)
            os.link(cut if number in dirty["cut image"] else files[number % photos], target)
    first, second = round(0.8 * records), round(0.9 * records)
    for split, some in (("train", rows[:first]), ("dev", rows[first:second]), ("test", rows[second:])):
        (folder / "news" / f"nytimes_{split}.json").write_text(json.dumps(some), encoding="utf-8")
    return counts


class _Writer:
    """Writes texts of made-up words."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw = draw
        parts = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "or", "um")]
        words = ["".join(parts[one] for one in draw.integers(0, len(parts), 1 + n % 3)) for n in range(20_000)]
        self.common = np.array(words[: -40 * len(SECTIONS)], dtype=object)
        self.telling = np.array(words[-40 * len(SECTIONS) :], dtype=object).reshape(len(SECTIONS), -1)

    def text(self, section: int, kind: str) -> str:
        """Return a text of a section."""
        count = WORDS[kind]
        words = self.common[(self.draw.random(count) ** 3 * len(self.common)).astype(int)]
        told = self.draw.random(count) < TELLING
        words[told] = self.draw.choice(self.telling[section], int(told.sum()))
        return " ".join(words).capitalize() + "."

    def body(self, section: int) -> str:
        """Return paragraphs."""
        return "\n".join(self.text(section, "paragraph") for _ in range(int(self.draw.integers(3, 2 * PARAGRAPHS - 3))))


def _photos(folder: Path, count: int, draw: np.random.Generator) -> list[Path]:
    """Write JPEGs of 600 x 400 pixels, as detailed as a photo."""
    (folder / "photos").mkdir(exist_ok=True)
    files = []
    for number in range(count):
        coarse = draw.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((600, 400), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=85)
        files.append(folder / "photos" / f"{number}.jpg")
        files[-1].write_bytes(stream.getvalue())
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=RECORDS, help="default: %(default)s")
    args = parser.parse_args()
    print(make(args.folder, args.records))


if __name__ == "__main__":
    main()
