"""Document models: the same answer saved and loaded, one by one and together, whatever is missing."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from docgraph import Document, parse_text
from docgraph.errors import ModelError
from encoders import (
    DocumentConfig,
    DocumentForClassification,
    DocumentModel,
    DocumentProcessor,
    build_classifier,
)
from encoders.layer import HTELayer, Structure
from tests.articles import article, empty_document, picture
from tests.small_models import SMALL, build

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "hte": {"layer": "hte"},
    "flat": {"attention": "flat"},
    "none": {"attention": "none"},
    "permuted": {"attention": "permuted"},
    "blocks pick": {"attention_form": "block"},
    "the document picks, hte": {"attention_form": "document", "layer": "hte"},
    "queries untied": {"attention_form": "block-untied", "attention_near": 1},
    "text nodes": {"text_leaves": "node"},
    "one leaf a picture": {"image_leaves": "one"},
    "convolutional": {"image_encoder": "test_resnet", "image_size": 64},
    "text only": {"image_encoder": None},
    "pictures only": {"text_encoder": "none"},
    "n-grams": {"text_ngrams": 3, "text_ngram_buckets": 512},
    "runs, pooled": {
        "text_ngrams": 2,
        "text_ngram_buckets": 512,
        "text_leaves": "node",
        "text_embedding_size": 12,
    },
    "mean of means": {"readout": "mean_of_means"},
    "attention readout": {"readout": "attention", "layer": "hte"},
    "pooled between layers": {"pool_after": [0, 1], "num_hidden_layers": 3},
    "pooled and permuted": {"pool_after": [0], "attention": "permuted"},
    "pooled and flat": {"pool_after": [0], "attention": "flat"},
    "hdt": {"attention": "hdt", "text_leaves": "node"},
    "hat": {"attention": "hat", "num_hidden_layers": 3, "position_boxes": True},
    "windows": {"attention": "local", "attention_window": 2},
    "late": {"attention": "late", "readout": "attention"},
    "hdt, permuted": {"attention": "permuted-hdt"},
    "hat, permuted": {"attention": "permuted-hat"},
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    folder = tmp_path_factory.mktemp("pictures")
    red, blue = str(picture(folder, "red")), str(picture(folder, "blue", "blue"))
    (folder / "cut.png").write_bytes(Path(red).read_bytes()[:60])
    return [
        article(image=red),
        article(image=None, caption=None),
        article(body=None, image=blue, headline="Only a headline and a picture."),
        empty_document(),
        article(body=None, caption=None),
        article(image=str(folder / "cut.png")),
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_saves_and_reads_documents_alike_alone_and_together(
    documents: list[Document], tmp_path: Path, variant: str
) -> None:
    model = build(documents, **VARIANTS[variant])
    assert model.processor is not None
    output = model.train()(batch=model.processor(documents), labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    output.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)

    together = model.eval().predict(documents).probabilities
    assert np.abs(together[0] - together[1]).max() > 0
    alone = np.concatenate([model.predict(document).probabilities for document in documents])
    np.testing.assert_allclose(together, alone, atol=1e-6)

    model.save_pretrained(tmp_path)
    loaded = DocumentForClassification.from_pretrained(tmp_path)
    np.testing.assert_allclose(loaded.predict(documents).probabilities, together, atol=1e-7)
    assert (tmp_path / "model.safetensors").is_file()


def test_a_pretrained_text_encoder_travels_with_the_model(
    documents: list[Document], minilm: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = DocumentConfig(**SMALL, text_encoder="pretrained", text_leaves="node", image_encoder=None)
    model = build_classifier(config, documents, ["a", "b"], text_encoder=minilm).eval()
    model.save_pretrained(tmp_path)
    loaded = DocumentForClassification.from_pretrained(tmp_path)
    np.testing.assert_allclose(loaded.encode(documents).vectors, model.encode(documents).vectors, atol=1e-6)
    assert str(minilm) not in (tmp_path / "config.json").read_text()
    assert not any(p.requires_grad for p in loaded.document.text.encoder.parameters())


def test_the_four_attention_kinds_have_the_same_parameters(documents: list[Document]) -> None:
    counts = {
        kind: sum(p.numel() for p in build(documents, attention=kind).parameters())
        for kind in ("hsa", "flat", "none", "permuted")
    }
    assert len(set(counts.values())) == 1


def test_attention_kinds_see_the_structure_they_should(documents: list[Document]) -> None:
    vectors = {}
    for kind in ("hsa", "flat", "none", "permuted"):
        vectors[kind] = build(documents, attention=kind).eval().encode(documents[0]).vectors
    for first, second in (("hsa", "flat"), ("hsa", "none"), ("hsa", "permuted"), ("flat", "none")):
        assert np.abs(vectors[first] - vectors[second]).max() > 1e-4


def test_forms_differ_on_trees_and_agree_on_one_level(documents: list[Document]) -> None:
    """No form has a parameter, so that equal seeds give equal weights."""
    forms, vectors = ("paper", "block", "document", "block-untied", "document-untied"), {}
    for kind in ("hsa", "flat"):
        for form in forms:
            model = build(documents, attention=kind, attention_form=form).eval()
            with torch.no_grad():  # fresh weights attend to all alike, which all forms do alike
                for name, parameter in model.document.named_parameters():
                    if name.endswith("qkv.weight"):
                        parameter.mul_(30)
            vectors[kind, form] = model.encode(documents[0]).vectors
    for form in forms[1:]:
        np.testing.assert_allclose(vectors["flat", form], vectors["flat", "paper"], atol=1e-6)
        assert np.abs(vectors["hsa", form] - vectors["hsa", "paper"]).max() > 1e-4


def test_a_configuration_without_a_form_is_the_papers() -> None:
    old = {name: value for name, value in DocumentConfig(**SMALL).to_dict().items() if name != "attention_form"}
    assert DocumentConfig.from_dict(old).attention_form == "paper"


def test_a_near_field_of_all_families_is_flat_attention(documents: list[Document]) -> None:
    """Positions aside, which differ: on a tree each family has its own."""
    vectors = {}
    for kind, options in (("flat", {}), ("hsa", {"attention_form": "block-untied", "attention_near": 99})):
        model = build(documents, attention=kind, **options).eval()
        with torch.no_grad():
            for name, parameter in model.document.named_parameters():
                if "position.weight" in name:
                    parameter.zero_()
                elif name.endswith("qkv.weight"):
                    parameter.mul_(30)
        vectors[kind] = model.encode(documents[0]).vectors
    np.testing.assert_allclose(vectors["hsa"], vectors["flat"], atol=1e-5)


def test_a_near_field_needs_untied_queries() -> None:
    with pytest.raises(ModelError, match=r'attention_near must be 0.*but is 1 with "block"'):
        DocumentConfig(**SMALL, attention_form="block", attention_near=1)


def test_flat_attention_is_softmax_attention_over_the_document(documents: list[Document]) -> None:
    """One family a document: compared with scaled_dot_product_attention and its position logits."""
    model = build(documents, attention="flat", image_encoder=None, num_hidden_layers=1).eval()
    assert model.processor is not None
    batch = model.processor(documents[0])
    inner = model.document
    with torch.no_grad():
        state, modality = inner.embed_leaves(batch)
        structure = inner.structure(batch, None, modality)
        layer: Any = inner.layers[0]
        query, key, value = layer.qkv(layer.norm(state)).unflatten(-1, (3, 3, -1)).unbind(1)
        got = layer.attention(query, key, value, structure)
        left, right = (side[1:] for side in layer.attention.position(structure.position_features, structure.position))
        bias = torch.einsum("ihp,jhp->hij", left, right)
        want = functional.scaled_dot_product_attention(
            query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), attn_mask=bias
        ).transpose(0, 1)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_the_papers_layer_is_its_transcription(documents: list[Document]) -> None:
    """hsa.md, "The layer of the paper": each step written out, the attention left to the definition."""
    from encoders import hierarchical_attention

    model = build(documents, layer="hte", num_hidden_layers=1, attention_backend="naive").double().eval()
    assert model.processor is not None
    batch = model.processor(documents[0])
    inner = model.document
    layer = inner.layers[0]
    assert isinstance(layer, HTELayer)
    with torch.no_grad():
        state, modality = inner.embed_leaves(batch)
        structure: Structure = inner.structure(batch, None, modality)
        heads, size = 3, 8
        rows = []
        for leaf, kind in zip(state, modality.tolist(), strict=True):
            linear = layer.qkv[kind]
            rows.append((linear.weight @ leaf + linear.bias).reshape(3, heads, size))
        parts = torch.stack(rows)
        normed = [
            functional.layer_norm(parts[:, n], (size,), layer.norms[n].weight, layer.norms[n].bias, 1e-5)
            for n in range(3)
        ]
        position = layer.attention.position(structure.position_features, structure.position)
        mixed = normed[0] + hierarchical_attention(
            *normed,
            structure.forest,
            position=position,
            attend_self=False,
            backend="naive",
            scale=1 / math.sqrt(size),
        )
        joined = layer.norm(mixed.flatten(1) @ layer.output.weight.T + layer.output.bias)
        hidden = functional.gelu(joined @ layer.feed[0].weight.T + layer.feed[0].bias)
        want = joined + hidden @ layer.feed[3].weight.T + layer.feed[3].bias
        torch.testing.assert_close(layer(state, structure), want, atol=1e-12, rtol=0)


def test_a_node_vector_is_the_mean_of_the_leaves_under_it(documents: list[Document]) -> None:
    model = build(documents).eval()
    document = documents[0]
    leaves, nodes, whole = (model.encode(document, output) for output in ("leaves", "nodes", "document"))
    for row, vector in zip(nodes.node_row, nodes.vectors, strict=True):
        end = document.subtree_end[row]
        under = (leaves.node_row >= row) & (leaves.node_row < end)
        np.testing.assert_allclose(vector, leaves.vectors[under].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(whole.vectors[0], leaves.vectors.mean(axis=0), atol=1e-5)
    assert set(leaves.kind) == {"token", "patch"}
    assert [document[row].kind for row in nodes.node_row] == nodes.kind.tolist()
    assert all(document[row].span == tuple(span) for row, span in zip(nodes.node_row, nodes.span, strict=True))


def test_embeddings_come_in_the_order_of_the_documents_whatever_the_batches(
    documents: list[Document],
) -> None:
    model = build(documents).eval()
    whole = model.encode(documents, "nodes", ids=list("abcdef"))
    small = model.encode(documents, "nodes", ids=list("abcdef"), batch_nodes=40)
    assert whole.document_id.tolist() == sorted(whole.document_id.tolist())
    np.testing.assert_array_equal(whole.node_row, small.node_row)
    np.testing.assert_allclose(whole.vectors, small.vectors, atol=1e-6)
    assert np.abs(np.linalg.norm(model.encode(documents[:2], normalize=True).vectors, axis=1) - 1).max() < 1e-6


def test_what_is_missing_is_flagged(documents: list[Document]) -> None:
    model = build(documents).eval()
    predictions = model.predict(documents)
    assert predictions.empty == (3,)
    assert [problem.document for problem in predictions.problems] == [5]
    assert "cut.png" in predictions.problems[0].message
    assert (model.encode(documents).vectors[3] == 0).all()
    first = predictions[0]
    assert first.label == predictions.labels[0]
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert list(first.probabilities.values()) == sorted(first.probabilities.values(), reverse=True)


def test_a_broken_picture_counts_as_none(documents: list[Document]) -> None:
    model = build(documents).eval()
    np.testing.assert_allclose(model.encode(documents[5]).vectors, model.encode(article(image=None)).vectors, atol=1e-6)


def test_checkpointing_gradients_changes_no_gradient(documents: list[Document]) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = build(documents, hidden_dropout_prob=0.0, text_dropout_prob=0.0, classifier_dropout_prob=0.0).train()
        if checkpointing:
            model.gradient_checkpointing_enable()
        assert model.processor is not None
        model(batch=model.processor(documents), labels=torch.tensor([0, 1, 2, 0, 1, 2])).loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_a_model_without_a_processor_says_so(documents: list[Document], tmp_path: Path) -> None:
    model = build(documents).eval()
    processor, model.processor = model.processor, None
    model.save_pretrained(tmp_path)
    loaded = DocumentForClassification.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"must have a processor.*Pass processor="):
        loaded.predict(documents)
    assert len(loaded.predict(documents, processor=processor)) == 6
    with pytest.raises(ModelError, match=r"must hold config\.json"):
        DocumentForClassification.from_pretrained(tmp_path / "..")


def test_wrong_calls_are_clear_errors(documents: list[Document]) -> None:
    model = build(documents).eval()
    with pytest.raises(ModelError, match=r"number 1 is a str\. Make one with parse_html"):
        model.predict([documents[0], "a page"])  # type: ignore[list-item]
    with pytest.raises(ModelError, match="output must be"):
        model.encode(documents, "sentences")
    with pytest.raises(ModelError, match="ids must name each of the 6 documents, but there are 1"):
        model.encode(documents, ids=["a"])
    with pytest.raises(ModelError, match="hidden_size must be a multiple of num_attention_heads"):
        DocumentConfig(hidden_size=10, num_attention_heads=3)
    with pytest.raises(ModelError, match="labels must be different"):
        build_classifier(DocumentConfig(**SMALL), documents, ["a", "a"])


def test_auto_classes_find_the_model(documents: list[Document], tmp_path: Path) -> None:
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoProcessor

    model = build(documents).eval()
    model.save_pretrained(tmp_path)
    assert isinstance(AutoModelForSequenceClassification.from_pretrained(tmp_path), DocumentForClassification)
    assert isinstance(AutoProcessor.from_pretrained(tmp_path), DocumentProcessor)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, DocumentModel)
    np.testing.assert_allclose(loaded.encode(documents).vectors, model.encode(documents).vectors, atol=1e-6)


def test_no_documents_are_no_rows(documents: list[Document]) -> None:
    model = build(documents).eval()
    assert model.encode([]).vectors.shape == (0, 24)
    assert model.predict([]).labels == []
    assert len(model.encode(parse_text(""), "leaves")) == 0


def test_a_chosen_subtree_can_stand_for_the_document(documents: list[Document]) -> None:
    torch.manual_seed(0)
    model = build_classifier(DocumentConfig(**SMALL), documents, ["a", "b"], vocab_size=300, readout_node="body").eval()
    nodes = model.encode(documents[0], "nodes")
    body = next(row for row in nodes.node_row if documents[0][row].key == "body")
    vectors = model.encode(documents).vectors
    np.testing.assert_allclose(vectors[0], nodes.vectors[nodes.node_row == body][0], atol=1e-6)
    np.testing.assert_allclose(vectors[2], model.encode(documents[2], "nodes").vectors[0], atol=1e-6)


def test_frozen_picture_features_come_from_the_cache(documents: list[Document], tmp_path: Path) -> None:
    from encoders import FeatureCache

    model = build(documents, freeze_image_encoder=True).eval()
    plain = model.encode(documents).vectors
    cache = FeatureCache(tmp_path / "features.sqlite")
    model.use_cache(cache)
    first = model.encode(documents).vectors
    again = model.encode(documents).vectors
    np.testing.assert_allclose(first, plain, atol=1e-6)
    np.testing.assert_array_equal(again, first)
    assert (cache.misses, cache.hits) == (2, 2)


def test_class_weights_change_the_loss(documents: list[Document]) -> None:
    model = build(documents).eval()
    assert model.processor is not None
    batch, labels = model.processor(documents), torch.tensor([0, 1, 2, 0, 1, 2])
    model.config.class_weights = [5.0, 1.0, 0.5]
    output = model(batch=batch, labels=labels)
    weight = torch.tensor([5.0, 1.0, 0.5])[labels]
    each = functional.cross_entropy(output.logits, labels, reduction="none")
    torch.testing.assert_close(output.loss, (each * weight).sum() / weight.sum())


def test_modality_dropout_leaves_pictures_out_in_training_only(documents: list[Document]) -> None:
    model = build(
        documents,
        modality_dropout_prob=1.0,
        hidden_dropout_prob=0.0,
        text_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
    )
    processor = model.processor
    assert processor is not None
    plain = DocumentProcessor(processor.tokenizer, replace(processor.settings, image=None))
    with torch.no_grad():
        dropped = model.train()(batch=processor(documents[0])).logits
        kept = model.eval()(batch=processor(documents[0])).logits
        without = model.eval()(batch=plain(documents[0])).logits
    torch.testing.assert_close(dropped, without, atol=1e-6, rtol=0)
    assert (kept - without).abs().max() > 1e-6


def test_loading_does_not_draw_weights_anew(documents: list[Document], tmp_path: Path) -> None:
    model = build(documents)
    model.save_pretrained(tmp_path)
    torch.manual_seed(99)
    loaded = DocumentForClassification.from_pretrained(tmp_path)
    for (name, want), got in zip(model.state_dict().items(), loaded.state_dict().values(), strict=True):
        torch.testing.assert_close(got, want, atol=0, rtol=0, msg=name)


@pytest.mark.parametrize(
    "variant", ["default", "hte", "text nodes", "attention readout", "pooled between layers", "permuted"]
)
def test_mixed_precision_stays_near_full_precision(documents: list[Document], variant: str) -> None:
    model = build(
        documents,
        hidden_dropout_prob=0.0,
        text_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
        **VARIANTS[variant],
    )
    assert model.processor is not None
    batch = model.processor(documents)
    full = model.train()(batch=batch, labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(batch=batch, labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    mixed.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    torch.testing.assert_close(mixed.loss, full.loss, atol=2e-2, rtol=0)
    torch.testing.assert_close(mixed.document_states.float(), full.document_states, atol=0.15, rtol=0)
