"""Vectors of fields by frozen encoders: means by their definition, and nothing said of what is not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from docgraph import parse_article, parse_text
from docgraph.errors import ModelError
from encoders import DocumentConfig
from encoders.build import build_classifier
from encoders.classifier import DocumentForClassification
from encoders.vectors import WHOLE, text_vectors

ARTICLES = [
    parse_article({"headline": "sun and rain", "body": "The bark of it. wind fog .\n\nThe purr of it."}),
    parse_article({"body": "snow snow the purr"}),
    parse_article({"headline": "fog"}),
]


@pytest.fixture
def model(random_bert: Path) -> DocumentForClassification:
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_encoder="pretrained", text_leaves="node",
    )  # fmt: skip
    return build_classifier(config, ARTICLES, ["a", "b"], text_encoder=random_bert).eval()


def by_definition(model: DocumentForClassification, field: str | None) -> list[np.ndarray]:
    """Every sub-word's state, unit by unit, averaged over those that lie under the field."""
    processor, reader = model.needs_processor(None), model.document.text
    vectors = []
    for document in ARTICLES:
        one = processor.encode(document)
        states = []
        for start, end in zip(one.unit_start[:-1], one.unit_start[1:], strict=True):
            row = int(one.token_row[start])
            while one.parent[row] > 0:
                row = int(one.parent[row])
            name = one.keys[one.position[row, 0]]
            if field in (None, name):
                ids = torch.from_numpy(one.token_id[start:end])
                with torch.no_grad():
                    states += list(reader.read(ids, np.array([0, end - start])))
        mean = torch.stack(states).mean(0) if states else torch.zeros(reader.width)
        vectors.append((mean / mean.norm().clamp(min=1e-12)).numpy())
    return vectors


def test_a_fields_vector_is_the_mean_over_its_sub_words(model: DocumentForClassification) -> None:
    batch = model.needs_processor(None)(ARTICLES)
    names = [WHOLE, "headline", "body", "caption"]
    found = text_vectors(batch, names, model.document.text)
    for name, (vectors, there) in zip(names, found, strict=True):
        want = by_definition(model, None if name == WHOLE else name)
        np.testing.assert_allclose(vectors.numpy(), np.stack(want), atol=1e-5)
        assert there.tolist() == [bool(one.any()) for one in want]
    assert [there.tolist() for _, there in found] == [[True] * 3, [True, False, True], [True, True, False], [False] * 3]


def test_a_text_without_fields_has_a_whole_and_an_empty_one_has_none(model: DocumentForClassification) -> None:
    batch = model.needs_processor(None)([parse_text("sun of the bark"), parse_text("")])
    (whole, there), (body, none) = text_vectors(batch, [WHOLE, "body"], model.document.text)
    assert there.tolist() == [True, False]
    assert not none.any()
    assert whole[0].norm() == pytest.approx(1)
    assert not whole[1].any()
    assert not body.any()


def test_regressions_on_vectors_are_saved_and_say_nothing_of_what_is_not_there(
    model: DocumentForClassification, tmp_path: Path
) -> None:
    model.config.regression_vectors = ["headline", WHOLE]
    model.make_regressions()
    assert model.vectors is not None
    for part in model.vectors.parts:
        torch.nn.init.normal_(part.weight)
        torch.nn.init.ones_(part.bias)
    batch = model.needs_processor(None)(ARTICLES)
    with torch.no_grad():
        want = model(batch).logit_parts
    assert len(want) == 3
    assert want[1].any(1).tolist() == [True, False, True]
    model.save_pretrained(tmp_path)
    again = DocumentForClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again(batch).logit_parts, want)
        again.scale_logits([1.0, 0.0, 2.0])
        torch.testing.assert_close(again(batch).logits, want[0] + 2 * want[2], rtol=1e-4, atol=1e-5)
    assert not any(one.requires_grad for one in again.vectors.parameters())
    assert len(again.predict(ARTICLES)) == 3


def test_vectors_need_an_encoder_that_is_not_learned_here() -> None:
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, image_encoder=None, regression_vectors=["", "headline"]
    )
    with pytest.raises(ModelError, match="there is none for the whole text, headline"):
        DocumentForClassification(config)
