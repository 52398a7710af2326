"""`docgraph zero-shot`: a conversion measured on labelled texts, with and without a classification head."""

import json
import os

import numpy as np
import pytest
import torch
import transformers as tf
from typer.testing import CliRunner

from docgraph.errors import DataError, ModelError
from encoders import zero_shot
from tests.processes import children_of, needs_proc
from training.cli import app
from training.zero_shot.run import numbers
from training.zero_shot.subject import Condition, Subject, _as_classes
from training.zero_shot.tables import appendix_l, start_layer_conditions

WORDS = {
    "sport": "match goal team player season score".split(),
    "money": "bank market price profit shares tax".split(),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty texts of two kinds of words, in paragraphs."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "texts.jsonl"
    rows = []
    for i in range(40):
        label = ("sport", "money")[i % 2]
        words = rng.choice(WORDS[label] + ["the", "of", "a", "in"], size=rng.integers(20, 60))
        rows.append(
            {
                "id": str(i),
                "label": label,
                "text": " ".join(words[:15]) + ".\n\n" + " ".join(words[15:]) + ".",
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def small(minilm, tmp_path_factory):
    """Folders of a small encoder and of a classifier, random, with a real tokenizer."""
    folder = tmp_path_factory.mktemp("models")
    config = tf.BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48
    )
    torch.manual_seed(0)
    tokenizer = tf.AutoTokenizer.from_pretrained(minilm)
    for name, make in (("encoder", tf.BertModel), ("classifier", tf.BertForSequenceClassification)):
        model = make(config)
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if parameter.ndim > 1:
                    parameter.mul_(12 if "attention" in parameter_name else 3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def command(*arguments):
    return CliRunner().invoke(app, ["zero-shot", *map(str, arguments), "--quiet"], catch_exceptions=False)


def test_a_conversion_is_measured_and_saved(small, data, tmp_path):
    result = command(
        small / "encoder", "--data", data, "--layers", "1,3", "--branching", "2,4", "--untie", "queries", "--near", 1,
        "--own-special-tokens", "--output", tmp_path / "out.json", "--save", tmp_path / "model",
    )  # fmt: skip
    assert result.exit_code == 0
    original, converted = json.loads((tmp_path / "out.json").read_text())
    assert original["cosine"] == pytest.approx(1)
    assert original["agreement"] == 1
    assert converted["layers"] == [1, 3]
    assert converted["documents"] == 40
    assert -1 <= converted["lowest_cosine"] <= converted["cosine"] < 1 - 1e-5
    assert 0 < converted["flops_gone"] < 1
    assert "windows 2,4 + own special tokens; untied queries + near 1" in result.stdout
    restored = zero_shot.restore(tf.AutoModel.from_pretrained(tmp_path / "model"))
    assert zero_shot.summary(restored).converted == [1, 3]


@needs_proc
def test_measuring_starts_no_process(small, data):
    """So that none can outlive it, however it ends."""
    began = children_of(os.getpid())
    seen = set()
    subject_vectors = Subject.vectors

    def watched(self, what):
        seen.update(children_of(os.getpid()))
        return subject_vectors(self, what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Subject, "vectors", watched)
        command(small / "classifier", "--data", data, "--layers", "2")
    assert seen <= began


def test_one_level_changes_nothing_that_is_measured(small, data, tmp_path):
    command(
        small / "encoder",
        "--data",
        data,
        "--layers",
        "0-3",
        "--branching",
        "",
        "--output",
        tmp_path / "out.json",
    )
    original, same = json.loads((tmp_path / "out.json").read_text())
    assert same["cosine"] == pytest.approx(1, abs=1e-6)
    assert same["agreement"] == 1
    assert same["accuracy"] == original["accuracy"] == same["transferred"]
    assert original["accuracy"] > 0.8  # two kinds of words: a probe on random features tells them apart


def test_a_head_is_scored_as_it_is(small, data, tmp_path):
    command(small / "classifier", "--data", data, "--layers", "2", "--output", tmp_path / "out.json")
    original, converted = json.loads((tmp_path / "out.json").read_text())
    assert original["transferred"] is None
    assert converted["transferred"] is None
    model = tf.AutoModelForSequenceClassification.from_pretrained(small / "classifier").eval()
    tokenizer = tf.AutoTokenizer.from_pretrained(small / "classifier")
    right = 0
    for row in map(json.loads, data.read_text().splitlines()):
        with torch.no_grad():
            predicted = model(**tokenizer(row["text"], return_tensors="pt")).logits.argmax().item()
        right += ["money", "sport"][predicted] == row["label"]  # LABEL_0, LABEL_1: the labels in order
    assert original["accuracy"] == pytest.approx(right / 40)


def test_calibration_and_sweep_from_the_command(small, data):
    chosen = command(small / "encoder", "--data", data, "--keep", 0.9, "--choose", 2)
    assert "2 of 4 layers converted" in chosen.stdout
    assert "| calibrated |" in chosen.stdout
    swept = command(small / "encoder", "--data", data, "--sweep", "--limit", 20)
    assert "| SL 1 | SL 2 | SL 3 | SL 4 | original |" in swept.stdout


def test_start_layers_are_those_of_the_paper():
    conditions = start_layer_conditions(6, [("w", zero_shot.Windows(), zero_shot.Form())])
    assert [c.layers for c in conditions] == [(0, 2, 4), (1, 3, 5), (2, 4), (3, 5), (4,), (5,)]
    assert conditions[0].name == "w, SL 1"


def test_measuring_leaves_the_model_as_it_was(small, data):
    tokenizer = tf.AutoTokenizer.from_pretrained(small / "encoder")
    model = tf.AutoModel.from_pretrained(small / "encoder")
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    subject = Subject(model, tokenizer, "texts", [r["text"] for r in rows], [r["label"] for r in rows], folds=2)
    outcome = subject.measure(Condition("paper", (0, 1)))
    assert not zero_shot.is_converted(model)
    assert np.array_equal(subject.vectors("again"), subject.original)
    assert 0 < outcome.flops_gone < 1
    assert outcome.accuracy is not None
    original = subject.score(Condition("original"), subject.original)
    assert "| original |" in appendix_l(
        [
            original,
            subject.measure(start_layer_conditions(4, [("w", zero_shot.Windows(), zero_shot.Form())])[3]),
        ]
    )


def test_few_documents_are_measured_without_a_probe_of_their_own(small, data, tmp_path):
    """Ten documents, five of a label: `retrained` has nothing to be said, and the JSON stays standard JSON."""
    few = tmp_path / "few.jsonl"
    few.write_text("".join(line + "\n" for line in data.read_text().splitlines()[:10]))
    result = command(small / "encoder", "--data", few, "--output", tmp_path / "out.json")
    assert "| - | " in result.stdout
    _, converted = json.loads((tmp_path / "out.json").read_text(), parse_constant=pytest.fail)
    assert converted["accuracy"] is None
    assert 0 <= converted["transferred"] <= 1


def test_what_no_probe_can_be_trained_on_raises(small):
    tokenizer = tf.AutoTokenizer.from_pretrained(small / "encoder")
    model = tf.AutoModel.from_pretrained(small / "encoder")
    with pytest.raises(DataError, match=r"two labels or more.* but holds 3 documents of 1 labels"):
        Subject(model, tokenizer, "texts", ["a", "b", "c"], ["x"] * 3)
    with pytest.raises(DataError, match="of 9 tokens or more"):
        Subject(model, tokenizer, "texts", ["a", "b", "c"], ["x", "x", "y"], at_least=9)


def test_classes_are_matched_by_name_or_in_order():
    classes = np.array(["negative", "positive"])
    named = tf.BertConfig(id2label={0: "POSITIVE", 1: "NEGATIVE"})
    assert _as_classes(named, classes).tolist() == [1, 0]
    assert _as_classes(tf.BertConfig(num_labels=2), classes).tolist() == [0, 1]
    with pytest.raises(ModelError, match="must be those of the data, negative, positive"):
        _as_classes(tf.BertConfig(num_labels=3), classes)


def test_numbers():
    assert numbers("6,8,10") == [6, 8, 10]
    assert numbers("0-2, 5") == [0, 1, 2, 5]
    assert numbers("") == []
    with pytest.raises(DataError, match="written as 6,8,10 or 3-5"):
        numbers("all")


def test_moved_windows_from_the_command(small, data, tmp_path):
    result = command(
        small / "encoder", "--data", data, "--layers", "1", "--branching", 4, "--auto", "--save", tmp_path / "model"
    )
    assert result.exit_code == 0
    assert "moved windows 4; paper" in result.stdout
    restored = zero_shot.restore(tf.AutoModel.from_pretrained(tmp_path / "model"))
    assert "moved windows 4; paper" in str(zero_shot.summary(restored))
