"""Evidence start of scratch text: log ratios of class counts, by hand; counted from labelled documents."""

import math

import numpy as np
import pytest
import torch

from docgraph import parse_text
from docgraph.errors import ModelError
from encoders import DocumentConfig
from encoders.build import build_classifier
from encoders.leaves.scratch_text import EVIDENCE_DOCUMENTS, ScratchTextLeaves
from encoders.ngrams import DocumentNgrams, fit_regression


def leaves(size: int = 6) -> ScratchTextLeaves:
    torch.manual_seed(0)
    found = ScratchTextLeaves(256, size, size, 0.0, pooled=True)
    torch.nn.init.zeros_(found.embed.weight)
    return found


def test_two_classes_give_the_naive_bayes_log_ratio_along_one_direction() -> None:
    text = leaves()
    counts = torch.zeros(2, 256, dtype=torch.int64)
    counts[:, 7], counts[:, 8], counts[:, 9] = (
        torch.tensor([40, 10]),
        torch.tensor([0, 1]),
        torch.tensor([30, 30]),
    )
    text.set_evidence(counts, torch.tensor([100, 100]))
    half = EVIDENCE_DOCUMENTS / 2
    ratio = math.log((10 + half) / (40 + half))
    direction = text.embed.weight[7] / ratio
    torch.testing.assert_close(direction.norm(), torch.tensor(1.0), rtol=1e-5, atol=0)
    rare = math.log((1 + half) / half)
    torch.testing.assert_close(text.embed.weight[8], rare * direction, rtol=1e-5, atol=1e-6)
    # N-grams that are as frequent in both classes, or nowhere, say nothing.
    torch.testing.assert_close(text.embed.weight[[9, 10]], torch.zeros(2, 6), rtol=0, atol=1e-6)


def test_a_small_class_is_not_evidence_by_itself() -> None:
    text = leaves()
    counts = torch.zeros(3, 256, dtype=torch.int64)
    counts[:, 5] = torch.tensor([60, 30, 6])  # in 60 % of each class
    text.set_evidence(counts, torch.tensor([100, 50, 10]))
    torch.testing.assert_close(text.embed.weight, torch.zeros(256, 6), rtol=0, atol=1e-6)


def test_more_classes_than_widths_and_a_class_without_documents_stay_finite() -> None:
    text = leaves(size=2)
    counts = torch.zeros(5, 256, dtype=torch.int64)
    counts[0, 3] = 4
    text.set_evidence(counts, torch.tensor([4, 3, 2, 1, 1]))
    assert text.embed.weight.isfinite().all()
    assert text.embed.weight[3].norm() > 0


def test_documents_with_labels_give_their_words_evidence() -> None:
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_leaves="node", text_start="evidence", text_ngrams=2, text_ngram_buckets=64, initializer_range=1e-6,
    )  # fmt: skip
    labels = ["cat", "dog"] * 12
    documents = [parse_text(f"It {'purrs' if label == 'cat' else 'barks'} today.") for label in labels]
    torch.manual_seed(0)
    model = build_classifier(config, documents, ["cat", "dog"], vocab_size=300, document_labels=labels)
    assert model.processor is not None
    assert model.processor.tokenizer is not None
    ids = model.processor.tokenizer.encode("it purrs today.", add_special_tokens=False).ids
    said = {model.processor.tokenizer.id_to_token(i): model.document.text.embed.weight[i] for i in ids}
    # "purrs" stands in all 12 documents of one class and in none of the other; "today" in all of both.
    purrs, today = (next(value for name, value in said.items() if word in name) for word in ("purrs", "today"))
    assert purrs.norm().item() == pytest.approx(
        math.log((12 + EVIDENCE_DOCUMENTS / 2) / (EVIDENCE_DOCUMENTS / 2)), rel=1e-3
    )
    assert today.norm().item() < 1e-3
    assert model.document.text.weight.weight.abs().max() < 1e-3  # no weight by rarity
    with pytest.raises(ModelError, match='text_start="evidence" needs document_labels'):
        build_classifier(config, documents, ["cat", "dog"], vocab_size=300)


def test_the_regression_is_scikit_learns_on_scaled_ngrams() -> None:
    """Two classes, each with a weight per n-gram: together the one weight of a regression with twice the cost."""
    sklearn = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(0)
    stands = draw.random((120, 15)) < draw.uniform(0.1, 0.6, 15)
    classes = (stands @ draw.normal(size=15) + draw.normal(size=120) > 0).astype(int)
    document, entry = np.nonzero(stands)
    ngrams = DocumentNgrams(torch.from_numpy(document), torch.from_numpy(entry) + 3, 120, 20)
    weight, bias = fit_regression(ngrams, classes.tolist(), 2, cost=0.3, steps=500)
    positive, negative = 1 + stands[classes == 1].sum(0), 1 + stands[classes == 0].sum(0)
    ratio = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    fitted = sklearn.LogisticRegression(C=0.6, tol=1e-9, max_iter=5000).fit(stands * ratio, classes)
    want = fitted.coef_[0] * ratio
    found = (weight[:, 1] - weight[:, 0]).numpy()
    np.testing.assert_allclose(found[3:18], want, rtol=0, atol=1e-3)
    assert float(bias[1] - bias[0]) == pytest.approx(fitted.intercept_[0], abs=1e-3)
    assert not weight[[0, 1, 2, 18, 19]].any()  # n-grams that stand nowhere
    torch.testing.assert_close(weight.sum(1), torch.zeros(20))


def test_a_regression_start_turns_words_of_a_class_one_way() -> None:
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_leaves="node", text_start="regression", freeze_text_start=True, initializer_range=1e-6,
    )  # fmt: skip
    labels = ["cat", "dog"] * 12
    noises = {"cat": ("purrs", "mews"), "dog": ("barks", "growls")}
    documents = [parse_text(f"It {noises[label][n // 2 % 2]} today.") for n, label in enumerate(labels)]
    torch.manual_seed(0)
    model = build_classifier(config, documents, ["cat", "dog"], vocab_size=320, document_labels=labels)
    assert model.processor is not None
    assert model.processor.tokenizer is not None
    tokens = model.processor.tokenizer
    embedding = {
        word: model.document.text.embed.weight[tokens.encode(f"it {word}", add_special_tokens=False).ids].detach()
        for word in ("purrs", "mews", "barks", "growls", "today")
    }
    purrs, mews, barks, growls, today = (one[one.norm(dim=1).argmax()] for one in embedding.values())
    assert torch.cosine_similarity(purrs, mews, dim=0) > 0.99
    assert torch.cosine_similarity(purrs, barks, dim=0) < -0.99
    assert torch.cosine_similarity(barks, growls, dim=0) > 0.99
    assert today.norm() < 0.05 * purrs.norm()
    output = model.train()(model.processor(documents[:4]), torch.tensor([0, 1, 0, 1]))
    output.loss.backward()
    text = model.document.text
    assert isinstance(text, ScratchTextLeaves)
    assert text.embed.weight.grad is None
    assert text.norm.weight.grad is not None
