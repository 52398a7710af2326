"""What tells a label must not reach a model: ids, URLs, file and folder names, and the label itself.

The truth tested: a record whose label, ids, URLs and folders are changed gives the very same arrays.
"""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docgraph import Document
from encoders import DocumentProcessor, ProcessorSettings
from encoders.inputs.encoded import EncodedDocument
from encoders.leaves.image import image_settings
from training.datasets import load
from training.datasets.folder import read_pages
from training.datasets.n24news import read_n24news
from training.datasets.table import read_table

SECRETS = ("Sekrit", "sekrit")


@pytest.fixture(scope="module")
def processor() -> DocumentProcessor:
    """Reads text and pictures; its words are those of the sample news."""
    text = "The mayor spoke. Nobody listened to her. A caption of a picture, a headline and an abstract."
    from docgraph import parse_text

    settings = ProcessorSettings(image=image_settings("test_vit", 0, "patches"))
    return DocumentProcessor.from_documents([parse_text(text)] * 3, settings, vocab_size=300)


def arrays(encoded: EncodedDocument) -> dict[str, object]:
    """Everything of an encoded document but the way to its pictures."""
    values = {one.name: getattr(encoded, one.name) for one in fields(encoded) if one.name != "images"}
    values["images"] = [(leaf.first_row, leaf.node_row) for leaf in encoded.images]
    return values


def assert_same(processor: DocumentProcessor, one: Document, other: Document) -> None:
    left, right = processor.encode(one), processor.encode(other)
    for name, value in arrays(left).items():
        np.testing.assert_equal(value, arrays(right)[name], err_msg=name)
    batches = [processor.collate([encoded]) for encoded in (left, right)]
    assert batches[0].image is not None
    assert batches[1].image is not None
    assert batches[0].image.pixel_values.equal(batches[1].image.pixel_values)


def news(root: Path, secret: str) -> Document:
    record = {
        "section": secret,
        "headline": "The mayor spoke",
        "abstract": "Nobody listened.",
        "caption": "A picture of her",
        "body": "She spoke. Nobody listened.",
        "image_id": f"{secret}/picture_{secret}",
        "article_url": f"http://paper/{secret}",
        "image_url": f"http://paper/{secret}.jpg",
        "label_from": f"host:{secret}",
    }
    (root / "images" / secret).mkdir(parents=True)
    Image.new("RGB", (30, 20), (10, 200, 30)).save(root / "images" / f"{record['image_id']}.jpg")
    (root / "nytimes_dataset.json").write_text(json.dumps([record, {"section": "other", "headline": "Else"}]))
    records = [r for some in read_n24news(root).splits.values() for r in some]
    return next(record for record in records if record.label == secret).document()


def test_a_news_record_gives_the_same_arrays_whatever_its_label_ids_and_urls(tmp_path, processor):
    one, other = (news(tmp_path / secret, secret) for secret in SECRETS)
    assert_same(processor, one, other)
    assert "sekrit" not in one.to_json().lower()


def test_a_page_gives_the_same_arrays_whatever_its_folders_are_called(tmp_path, processor):
    documents = []
    for secret in SECRETS:
        folder = tmp_path / secret / "pages" / secret
        folder.mkdir(parents=True)
        Image.new("RGB", (30, 20), (10, 200, 30)).save(folder / f"{secret}.png")
        (folder / f"{secret}.html").write_text(
            f'<article><h1>The mayor spoke</h1><img src="{secret}.png" alt="her"><p>Nobody listened.</p></article>'
        )
        (record,) = (r for some in read_pages(tmp_path / secret / "pages").splits.values() for r in some)
        assert record.label == secret
        documents.append(record.document())
    assert_same(processor, *documents)


def test_a_table_row_gives_the_same_arrays_whatever_its_label_and_id(tmp_path, processor):
    documents = []
    for secret in SECRETS:
        Image.new("RGB", (30, 20), (10, 200, 30)).save(tmp_path / f"{secret}.png")
        row = {
            "id": secret,
            "label": secret,
            "url": secret,
            "title": "The mayor spoke",
            "image": f"{secret}.png",
        }
        (tmp_path / "t.jsonl").write_text(json.dumps(row))
        (record,) = (r for some in read_table(tmp_path / "t.jsonl").splits.values() for r in some)
        documents.append(record.document())
        assert secret not in documents[-1].to_json()
    assert_same(processor, *documents)


def test_no_document_of_the_sample_news_holds_what_names_its_class_or_picture(sample_data):
    raw = {}
    for split in ("train", "dev", "test"):
        for record in json.loads((sample_data / "news" / "news" / f"nytimes_{split}.json").read_text()):
            raw[record["image_id"]] = record
    for records in load(sample_data / "news").splits.values():
        for record in records:
            written = record.document().to_json()
            assert record.id not in written
            assert raw[record.id]["article_url"] not in written


def test_generic_fields_make_a_keyed_article(tmp_path):
    row = {"label": "x", "title": "Pie", "steps": ["Peel.", "Bake it. Eat it."]}
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    corpus = read_table(tmp_path / "t.jsonl", fields=["title", "steps"])
    (record,) = (r for some in corpus.splits.values() for r in some)
    document = record.document()
    assert [node.key for node in document.root.children] == ["title", "steps"]
    assert [node.text for node in document.find(kind="sentence")] == ["Pie", "Peel.", "Bake it.", "Eat it."]
