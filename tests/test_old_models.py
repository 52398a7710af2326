"""What version 0.1.0 wrote is read: a trained model, a converted one, pickles.
It was written by that version's code.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from docgraph import Document
from encoders import DocumentConfig, DocumentForClassification, TreeBatch, zero_shot

OLD = Path(__file__).parent / "data" / "v0.1.0"


def expected(folder: Path) -> dict:
    return json.loads((folder / "expected.json").read_text())


def assert_predicts_as_before(model: DocumentForClassification) -> None:
    want = expected(OLD / "model")
    found = model.predict([Document.from_json(text) for text in want["documents"]])
    assert list(found.classes) == want["classes"]
    np.testing.assert_allclose(found.probabilities, want["probabilities"], atol=1e-6)


def test_a_trained_model_gives_the_same_probabilities_and_vectors():
    """It has n-gram tables, a regression under its old name, and a temperature of 1.25."""
    model = DocumentForClassification.from_pretrained(OLD / "model")
    assert_predicts_as_before(model)
    want = expected(OLD / "model")
    vectors = model.encode([Document.from_json(text) for text in want["documents"]], "nodes")
    np.testing.assert_allclose(vectors.vectors, want["vectors"], atol=1e-5)
    assert vectors.node_row.tolist() == want["node_row"]
    assert vectors.kind.tolist() == want["kind"]


def test_saved_again_it_is_written_under_the_new_names(tmp_path):
    DocumentForClassification.from_pretrained(OLD / "model").save_pretrained(tmp_path)
    again = DocumentForClassification.from_pretrained(tmp_path)
    assert_predicts_as_before(again)
    written = json.loads((tmp_path / "config.json").read_text())
    assert not [name for name in written if "wide" in name or "temperature" in name]
    assert written["regression_ngrams"] == 2


def test_a_configuration_takes_the_old_names():
    config = DocumentConfig(wide_ngrams=3, wide_buckets=64, wide_cost=0.5)
    assert (config.regression_ngrams, config.regression_buckets, config.regression_cost) == (3, 64, 0.5)


def test_a_converted_model_is_restored():
    model = zero_shot.restore(AutoModel.from_pretrained(OLD / "converted", add_pooling_layer=False).eval())
    want = expected(OLD / "converted")
    tokens = torch.tensor(want["input_ids"])
    with torch.no_grad():
        states = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
    torch.testing.assert_close(states, torch.tensor(want["states"]), atol=1e-5, rtol=0)
    assert zero_shot.summary(model).converted == [0, 1]


@pytest.mark.parametrize("path", sorted((OLD / "pickles").glob("*.pickle")), ids=lambda path: path.stem)
def test_pickles_of_public_objects_load(path: Path):
    found = pickle.loads(path.read_bytes())
    assert type(found).__name__ == path.stem
    if isinstance(found, TreeBatch):
        assert found.leaf_count.tolist() == [3, 2, 1, 1, 1, 1, 2, 1, 1]
    elif path.stem in ("Form", "Windows", "Quadtree", "Budget"):
        want = {
            "Form": zero_shot.Form("queries", 1, "attention"),
            "Windows": zero_shot.Windows((2, 4), "own"),
            "Quadtree": zero_shot.Quadtree((2, 3)),
            "Budget": zero_shot.Budget(flops=0.5),
        }
        assert found == want[path.stem]
    else:
        assert repr(found)
