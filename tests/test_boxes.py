"""Boxes of rendered pages as positions: where a node lies in its parent's box changes what attends to it."""

import numpy as np
import pytest
import torch

from docgraph import Document, Domain, parse_html
from docgraph.records import Box
from encoders import DocumentConfig, DocumentForClassification, build_classifier
from encoders.positions import BoxFeatures, PositionHeads
from tests.articles import family
from training.datasets import load

TEXTS = ["red apples", "green pears", "blue plums"]
SHOWN = {0: Box(0, 0, 1000, 600), 1: Box(0, 0, 1000, 100), 2: Box(0, 100, 300, 600), 3: Box(300, 100, 1000, 600)}


def shown(boxes: dict[int, Box]) -> Document:
    return family(Domain.SET, TEXTS).replace(boxes=boxes)


def model_of(**changes: object) -> DocumentForClassification:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "image_encoder": None}
    config = DocumentConfig(**sizes, **{"position_boxes": True, **changes})
    model = build_classifier(config, [family(Domain.SET, TEXTS)], ["a", "b"], vocab_size=300).eval()
    for name, weight in model.named_parameters():
        if "box_weight" in name:  # they start from zero
            torch.nn.init.normal_(weight, std=0.3)
    return model


def vectors(model: DocumentForClassification, document: Document) -> np.ndarray:
    return model.encode(document, "nodes").vectors


@pytest.mark.parametrize("changes", [{}, {"layer": "hte", "attend_self": False}, {"attention": "flat"},
                                     {"attention_form": "block"}, {"pool_after": [0]}], ids=str)  # fmt: skip
def test_moving_a_box_changes_the_output(changes: dict[str, object]) -> None:
    model = model_of(**changes)
    before = vectors(model, shown(SHOWN))
    assert np.abs(before - vectors(model, shown({**SHOWN, 2: Box(0, 400, 1000, 600)}))).max() > 1e-4


def test_a_new_model_is_the_one_without_boxes() -> None:
    torch.manual_seed(0)
    assert not PositionHeads(8, 2, 4, boxes=True).box_weight.any()


def test_boxes_count_as_shares_of_the_parents() -> None:
    larger = {row: Box(*(50 + 3 * side for side in box[:4])) for row, box in SHOWN.items()}
    model = model_of()
    np.testing.assert_allclose(vectors(model, shown(larger)), vectors(model, shown(SHOWN)), atol=1e-5)


def test_without_boxes_nothing_is_added() -> None:
    """Features are zero where a page was not rendered; a model that is not asked for boxes does not look at them."""
    seen, blind = model_of(), model_of(position_boxes=False)
    blind.load_state_dict(seen.state_dict(), strict=False)
    for document in (shown({}), family(Domain.SEQUENCE, TEXTS)):
        np.testing.assert_array_equal(vectors(seen, document), vectors(blind, document))
    np.testing.assert_array_equal(vectors(blind, shown(SHOWN)), vectors(blind, shown({})))
    together = seen.processor([shown(SHOWN), shown({})])
    states = seen.document(together).document_states.detach().numpy()
    for place, document in enumerate((shown(SHOWN), shown({}))):
        alone = seen.document(seen.processor(document)).document_states.detach().numpy()
        np.testing.assert_allclose(states[place], alone[0], atol=1e-6)


def test_a_row_without_a_box_has_its_parents() -> None:
    def shares(boxes: dict[int, Box]) -> np.ndarray:
        return model_of().processor.encode(shown(boxes)).box

    np.testing.assert_array_equal(shares({0: SHOWN[0], 2: SHOWN[2]})[1], SHOWN[0][:4])
    assert np.isnan(shares({2: SHOWN[2]})[[0, 1, 3]]).all()


def test_every_row_has_the_box_of_the_nearest_node_with_one() -> None:
    document = parse_html("<h1>One</h1><p>a b</p><ul><li>c d<li>e</ul><h2>Two</h2><p>f g h</p><p>i</p>")
    draw = np.random.default_rng(0)
    with_box = [row for row in range(len(document)) if row == 0 or row % 3]
    boxes = {row: Box(*draw.integers(0, 1000, 4).tolist()) for row in with_box}
    document = document.replace(boxes=boxes)
    encoded = model_of().processor.encode(document)
    assert len(encoded.box) > len(document) > len(boxes)
    for row, box in zip(encoded.node_row.tolist(), encoded.box.tolist(), strict=True):
        while row not in boxes:
            row = int(document.parent[row])
        assert box == list(boxes[row][:4])


def test_features_are_of_hundredths_of_the_parent_a_side_beyond_at_most() -> None:
    features = BoxFeatures(8)
    boxes = torch.tensor([(10.0, 20, 210, 60), (60, 30, 110, 50), (-90, 20, 210, 60), (-500, 10, 999, 999)])
    found = features(boxes, torch.tensor([-1, 0, 0, 0]))
    places = torch.tensor([(25.0, 25, 50, 75), (-50, 0, 100, 100), (-100, -25, 200, 200)])
    torch.testing.assert_close(found[1:], features.features(places))


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (-1e9, -1e9, 1e9, 1e9), (float("nan"),) * 4, (1e30, 0, 1e31, 1)])
def test_odd_boxes_have_finite_features_and_gradients(box: tuple[float, float, float, float]) -> None:
    features = BoxFeatures(8)
    boxes = torch.tensor([box, (0.0, 0.0, 10.0, 10.0), box])
    found = features(boxes, torch.tensor([-1, 0, 1]))
    found.sum().backward()
    assert found.shape == (3, 8)
    assert found.isfinite().all()
    assert not found[0].any()
    assert all(weight.grad.isfinite().all() for weight in features.parameters())


@pytest.mark.parametrize("changes", [{}, {"attention": "flat"}, {"attention": "hdt"}, {"attention": "local"},
                                     {"pool_after": [0]}], ids=str)  # fmt: skip
def test_other_documents_of_the_batch_change_nothing(changes: dict[str, object]) -> None:
    """Each has the boxes of its own rows, whichever rows stand in them."""
    model, lists = model_of(**changes), parse_html("<h1>One</h1><p>a b</p><ul><li>c d<li>e</ul>")
    sides = np.random.default_rng(0).uniform(0, 900, (len(lists), 4)).tolist()
    lists = lists.replace(boxes={row: Box(*some) for row, some in enumerate(sides)} | {0: Box(40, 0, 900, 500)})
    documents = [shown(SHOWN), lists, shown({})]
    together = model.document(model.processor(documents)).document_states
    for state, document in zip(together, documents, strict=True):
        torch.testing.assert_close(state, model.document(model.processor(document)).document_states[0])


def test_boxes_are_learned_through_every_kind() -> None:
    for attention in ("hsa", "flat", "permuted", "none"):
        model = model_of(attention=attention).train()
        for boxes in (SHOWN, {}):
            model.zero_grad()
            model(model.processor([shown(boxes)]), labels=torch.tensor([0])).loss.backward()
            assert all(weight.grad is not None for name, weight in model.named_parameters() if "box" in name)


def test_saved_documents_are_pages_of_a_labelled_folder(tmp_path) -> None:
    for label, boxes in (("left", SHOWN), ("right", {})):
        (tmp_path / "train" / label).mkdir(parents=True)
        for indent in (None, 2):
            (tmp_path / "train" / label / f"{indent}.json").write_text(shown(boxes).to_json(indent=indent))
        (tmp_path / "train" / label / "notes.json").write_text('{"a": 1}')
    corpus = load(tmp_path)
    assert [record.label for record in corpus["train"]] == ["left", "left", "right", "right"]
    assert corpus["train"][0].document().boxes == SHOWN
    assert corpus["train"][0].origin.text() == "\n\n".join(TEXTS)
    assert corpus.problem_counts == {"file.left_out": 2}
