"""Evidence start of scratch text: log ratios of class counts, by hand; counted from labelled documents."""

import math

import pytest
import torch

from docgraph import parse_text
from docgraph.errors import ModelError
from encoders import DocumentConfig
from encoders.build import build_classifier
from encoders.text import EVIDENCE_DOCUMENTS, ScratchTextLeaves


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
    # Entries that are as frequent in both classes, or nowhere, say nothing.
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
    purrs, today = (
        next(value for name, value in said.items() if word in name) for word in ("purrs", "today")
    )
    assert purrs.norm().item() == pytest.approx(
        math.log((12 + EVIDENCE_DOCUMENTS / 2) / (EVIDENCE_DOCUMENTS / 2)), rel=1e-3
    )
    assert today.norm().item() < 1e-3
    assert model.document.text.weight.weight.abs().max() < 1e-3  # no weight by rarity
    with pytest.raises(ModelError, match='text_start="evidence" needs document_labels'):
        build_classifier(config, documents, ["cat", "dog"], vocab_size=300)
