"""The shipped documents: small, complete, split without overlap, and silent about their labels."""

import json
import re
from itertools import chain, combinations
from pathlib import Path

import pytest
from PIL import Image

CLASSES = {"economics", "business", "anthropology"}
SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def records(sample_data: Path) -> dict[str, list[dict[str, str]]]:
    news = sample_data / "news" / "news"
    return {name: json.loads((news / f"nytimes_{name}.json").read_text(encoding="utf-8")) for name in SPLITS}


def test_it_is_at_most_8_mib_and_no_file_passes_1_mib(sample_data):
    sizes = [path.stat().st_size for path in sample_data.rglob("*") if path.is_file()]
    assert sum(sizes) <= 8 * 2**20
    assert max(sizes) <= 2**20


def test_every_record_has_all_five_fields_and_a_picture_that_opens(sample_data, records):
    for record in chain.from_iterable(records.values()):
        assert all(record[field].strip() for field in ("headline", "abstract", "caption", "article"))
        with Image.open(sample_data / "news" / "images" / f"{record['image_id']}.jpg") as picture:
            picture.load()


def test_every_class_is_in_every_split_and_no_document_is_in_two(records):
    for split in records.values():
        assert {record["section"] for record in split} == CLASSES
    for one, other in combinations(records.values(), 2):
        for field in ("article_url", "article", "headline", "image_id"):
            assert not {r[field] for r in one} & {r[field] for r in other}, field


def test_nothing_beside_the_label_names_the_class(sample_data, records):
    for record in chain.from_iterable(records.values()):
        assert not re.search("|".join(CLASSES), record["image_id"] + record["article_url"] + record["image_url"])
    assert not any(re.search("|".join(CLASSES), path.name) for path in (sample_data / "pages").rglob("*"))


def test_the_pages_to_predict_are_not_in_the_news_split(sample_data, records):
    used = {record["headline"] for record in chain.from_iterable(records.values())}
    pages = sorted((sample_data / "pages").glob("*.html"))
    assert len(pages) == 6
    for page in pages:
        title = re.search("<h1>(.*?)</h1>", page.read_text(encoding="utf-8"))
        assert title is not None
        assert title[1] not in used


def test_every_local_picture_of_every_page_is_there(sample_data):
    for page in [*(sample_data / "html").glob("*.html"), *(sample_data / "pages").glob("*.html")]:
        for source in re.findall(r'<img[^>]*src="([^"]*)"', page.read_text(encoding="utf-8")):
            assert (page.parent / source).is_file(), f"{page.name}: {source}"


def test_the_readme_counts_what_is_there_and_names_books_and_licences(sample_data, records):
    text = (sample_data / "README.md").read_text(encoding="utf-8")
    counted = [len(records[name]) for name in SPLITS]
    assert f"{counted[0]} train / {counted[1]} dev / {counted[2]} test | {sum(counted)} |" in text
    assert f"{sum(counted) + 16 + 6} real documents" in text
    for words in ("CC0", "creativecommons.org/licenses/by/4.0", "Principles of Economics 3e", "OpenStax"):
        assert words in text
