"""The processor: every sub-word belongs to the sentence whose characters it covers; nothing else is a feature."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docgraph import Document, parse_article, parse_text
from docgraph.errors import ModelError
from encoders import DocumentProcessor
from encoders.inputs.images import ImageSettings
from tests.articles import article, empty_document, picture

GRID = ImageSettings(
    height=16,
    width=24,
    mean=(0.5,) * 3,
    std=(0.5,) * 3,
    interpolation="bilinear",
    grid_height=2,
    grid_width=3,
)
TEXT = "First sentence, with words. Second: “quoted”, naïve!\n\nThird stands alone; 日本語の文。次の文。"


@pytest.fixture(scope="module")
def processor() -> DocumentProcessor:
    return DocumentProcessor.from_documents([parse_text(TEXT), article()], vocab_size=400)


def test_sub_words_spell_their_sentences(processor: DocumentProcessor) -> None:
    document = parse_text(TEXT)
    encoded = processor.encode(document)
    assert processor.tokenizer is not None
    for node in document.find("sentence"):
        of_node = encoded.node_row[encoded.token_row] == node.row
        spelled = processor.tokenizer.decode(encoded.token_id[of_node].tolist())
        assert "".join(spelled.split()) == "".join(node.text.lower().split())


def test_a_pretrained_tokenizer_ties_sub_words_by_their_characters(minilm: Path) -> None:
    processor = DocumentProcessor.from_text_encoder(minilm)
    document = parse_text("Unbelievably long-winded tokens. Another sentence.\n\nA last one.")
    encoded = processor.encode(document)
    assert processor.tokenizer is not None
    for node in document.find("sentence"):
        of_node = encoded.node_row[encoded.token_row] == node.row
        spelled = processor.tokenizer.decode(encoded.token_id[of_node].tolist())
        assert "".join(spelled.split()) == "".join(node.text.lower().split())
    assert processor.settings.prefix_ids == (101,)
    assert processor.settings.suffix_ids == (102,)


def test_the_tree_above_the_leaves_is_the_document(processor: DocumentProcessor) -> None:
    document = article()
    encoded = processor.encode(document)
    nodes = {}
    for row in range(encoded.num_rows):
        node = int(encoded.node_row[row])
        if not encoded.is_leaf[row]:
            nodes[row] = node
            above = int(encoded.parent[row])
            assert (document[node].parent.row if document[node].parent else None) == nodes.get(above)
        else:
            assert nodes[int(encoded.parent[row])] == node
    assert [document[node].kind for node in nodes.values()][:3] == ["article", "field", "sentence"]


def test_pictures_become_grids_of_patches(processor: DocumentProcessor, tmp_path: Path) -> None:
    with_images = DocumentProcessor(processor.tokenizer, replace(processor.settings, image=GRID))
    document = article(image=str(picture(tmp_path, "a")))
    batch = with_images([document, article(), document])
    assert batch.image is not None
    assert batch.image.pixel_values.shape == (2, 3, 16, 24)
    patch_rows = batch.forest.leaf_rows.numpy()[int(batch.image.first_leaf[1]) + np.arange(6)]
    assert {document[int(batch.node_row[row])].kind for row in patch_rows} == {"image"}
    places = batch.position.place[batch.position.index[patch_rows]].tolist()
    assert places == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_an_unreadable_picture_is_absent_and_named(processor: DocumentProcessor, tmp_path: Path) -> None:
    with_images = DocumentProcessor(processor.tokenizer, replace(processor.settings, image=GRID))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no jpeg")
    batch = with_images([article(image=str(tmp_path / "gone.jpg")), article(image=str(broken))])
    assert batch.image is None
    assert batch.present is not None
    assert int((~batch.present).sum()) == 12
    assert [problem.document for problem in batch.problems] == [0, 1]
    assert "gone.jpg" in batch.problems[0].message
    assert "broken.jpg" in batch.problems[1].message


def test_only_text_and_pictures_are_features(processor: DocumentProcessor) -> None:
    record = {
        "headline": "A headline of news.",
        "section": "Secret",
        "article_url": "http://x/secret",
        "image_id": "secret/1",
    }
    plain = processor.encode(parse_article({"headline": record["headline"]}))
    full = processor.encode(parse_article(record))
    for name in ("parent", "position", "domain", "token_id", "token_row", "is_leaf"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(full, name))


def test_fields_can_be_left_out(processor: DocumentProcessor) -> None:
    settings = replace(processor.settings, fields=("headline", "image"))
    some = DocumentProcessor(processor.tokenizer, settings).encode(article())
    only = processor.encode(article(caption=None, body=None))
    np.testing.assert_array_equal(some.token_id, only.token_id)
    np.testing.assert_array_equal(some.parent, only.parent)


def test_what_is_cut_is_counted(processor: DocumentProcessor) -> None:
    whole = processor.encode(article())
    cut = DocumentProcessor(processor.tokenizer, replace(processor.settings, max_tokens=7)).encode(article())
    assert whole.cut_tokens == 0
    assert len(cut.token_id) == 7
    assert cut.cut_tokens == len(whole.token_id) - 7
    assert cut.unit_start[-1] == 7


@pytest.mark.parametrize("document", [empty_document(), parse_text(""), parse_text(" \n\n ")])
def test_a_document_without_leaves_has_its_root(processor: DocumentProcessor, document: Document) -> None:
    encoded = processor.encode(document)
    assert encoded.num_leaves == 0
    assert encoded.parent.tolist() == [-1]
    batch = processor([document, article(), document])
    assert batch.empty() == [0, 2]


def test_save_and_load(processor: DocumentProcessor, tmp_path: Path) -> None:
    saved = DocumentProcessor(processor.tokenizer, replace(processor.settings, image=GRID, fields=("body",)))
    saved.save_pretrained(tmp_path)
    loaded = DocumentProcessor.from_pretrained(tmp_path)
    assert loaded.settings == saved.settings
    np.testing.assert_array_equal(loaded.encode(article()).token_id, saved.encode(article()).token_id)
    with pytest.raises(ModelError, match=r"must hold processor_config\.json"):
        DocumentProcessor.from_pretrained(tmp_path / "nowhere")
