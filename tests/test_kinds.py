"""Several labels a record, and numbers: from a table's cells to predictions, thresholds and scores."""

import itertools
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from docgraph import parse_text
from docgraph.errors import DataError
from tests.training_runs import QUIET, tiny
from training import cli
from training.config import ConfigError
from training.datasets import load
from training.datasets.cells import labels_of, value_of
from training.datasets.dataset import DocumentDataset
from training.datasets.origins import ArticleOrigin
from training.datasets.problem_types import MULTI, REGRESSION, SINGLE
from training.datasets.records import Record, RecordProblem
from training.evaluation.evaluate_targets import evaluate_targets, measures_of, target_rivals
from training.evaluation.significance import paired_bootstrap, paired_sums
from training.fit import fit
from training.learning.targets import Targets, losses
from training.learning.thresholds import FEW, best_thresholds
from training.learning.trainer import _class_weights
from training.run_folder import RunFolder

STACK = {"stack": True, "model.regression_ngrams": 2, "model.regression_buckets": 512, "batch_documents": 16}
SIGNS = {"cats": "purr", "dogs": "bark", "rain": "umbrella"}


def write_rows(path: Path, rows: int, *, several: bool) -> Path:
    """Labels, each told by a word of its own; or a number, the count of a word."""
    draw = random.Random(0)
    lines = []
    for number in range(rows):
        labels = [label for label in SIGNS if draw.random() < 0.4]
        times = draw.randint(0, 4)
        words = [draw.choice(["sun", "wind", "snow", "fog"]) for _ in range(8)]
        words += [SIGNS[label] for label in labels] if several else ["star"] * times
        draw.shuffle(words)
        split = ("train", "train", "dev", "test")[number % 4]
        lines.append({"text": " ".join(words), "label": labels if several else times, "split": split})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


# -- cells and tables --------------------------------------------------------------------------------------------


def test_a_cell_of_labels_is_a_list_json_or_parted_text():
    assert labels_of(["b", "a", "b", None]) == ("b", "a")
    assert labels_of('["a", "b c"]') == ("a", "b c")
    assert labels_of("a; b ;", ";") == ("a", "b")
    assert labels_of("a; b") == ("a; b",)
    assert labels_of("['Sports', \"Art's\"]", ",") == ("Sports", "Art's")  # as pandas writes a list
    assert labels_of("Art &amp; Design; Film", ";") == ("Art & Design", "Film")
    assert labels_of("[0, 18)") == ("[0, 18)",)
    assert len(labels_of("[" * 100_000) or ()) == 1
    assert labels_of(["half of an emoji \ud83d", "b"]) == ("half of an emoji ?", "b")
    assert (labels_of([]), labels_of(None), labels_of(float("nan"))) == ((), None, None)
    assert (value_of("2.5"), value_of(3), value_of(" "), value_of("many"), value_of("inf")) == (
        2.5,
        3.0,
        None,
        None,
        None,
    )


def test_lists_of_several_labels_make_a_table_one_of_several(tmp_path):
    rows = [{"text": "a", "label": ["x"]}, {"text": "b", "label": ["x", "y"]}, {"text": "c", "label": []}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    corpus = load(tmp_path / "a.json")
    assert (corpus.problem_type, corpus.labels) == (MULTI, ("x", "y"))
    assert [one.labels for one in corpus.records()] == [("x",), ("x", "y"), ()]
    rare = [{"text": str(n), "label": ["x", "y"] if n == 0 else "x"} for n in range(30)]
    (tmp_path / "b.json").write_text(json.dumps(rare))
    assert load(tmp_path / "b.json").problem_type == SINGLE


def test_text_parts_at_the_separator_that_is_there_and_numbers_are_read_as_such(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\nfine,"b, c|a"\nvile,a\n')
    assert [one.labels for one in load(tmp_path / "a.csv", problem_type=MULTI).records()] == [("b, c", "a"), ("a",)]
    (tmp_path / "c.csv").write_text("text,label\nfine,Art &amp; Design|Film\n")
    corpus = load(tmp_path / "c.csv", problem_type=MULTI)
    assert [one.labels for one in corpus.records()] == [("Art & Design", "Film")]
    (tmp_path / "b.csv").write_text("text,label\nfine,4.5\nvile,many\nodd,\n")
    corpus = load(tmp_path / "b.csv", problem_type=REGRESSION)
    assert [one.value for one in corpus.records()] == [4.5, None, None]
    assert corpus.problem_counts == {"label.number": 1}


# -- thresholds, losses, bootstrap -------------------------------------------------------------------------------


@pytest.mark.parametrize("records", [60, 9])
def test_thresholds_give_the_best_f1_there_is(records):
    """Many probabilities are alike, and no threshold parts these."""
    draw = np.random.default_rng(0)
    for _ in range(1 if records == 60 else 40):
        target = (draw.random((records, 1)) < 0.5).astype(float)
        target[0] = 1
        said = ((draw.random((records, 1)) + 0.3 * target) / 1.3).round(1)

        def f1(threshold, target=target, said=said):
            given = said >= threshold
            return 2 * (given * target).sum() / (given.sum() + target.sum())

        (found,) = best_thresholds(target, said)
        assert f1(found) == max(f1(one) for one in np.linspace(0, 1, 201))


def test_a_rare_label_takes_the_threshold_of_all_together():
    target = np.zeros((100, 2))
    target[:50, 0] = target[:3, 1] = 1
    said = np.where(target > 0, 0.6, 0.2)
    said[0, 1] = 0.9
    first, second = best_thresholds(target, said)
    assert first == second == pytest.approx(0.4)


def test_a_label_of_twenty_records_has_a_threshold_of_its_own():
    for records, own in ((FEW, True), (FEW - 1, False)):
        target = np.zeros((100, 2))
        target[:50, 0] = target[:records, 1] = 1
        said = np.where(target > 0, [0.6, 0.3], [0.2, 0.1])
        assert (best_thresholds(target, said)[1] == pytest.approx(0.2)) == own


def test_losses_are_minus_the_log_likelihood():
    output = torch.tensor([[0.3, -1.2], [2.0, 0.1]], dtype=torch.float64)
    p = 1 / (1 + np.exp(-output.numpy()))
    several = Targets(MULTI, np.array([[1.0, 0.0], [0.0, 1.0]]), 2).losses(output)
    assert several.tolist() == pytest.approx([-np.log(p[0, 0] * (1 - p[0, 1])), -np.log((1 - p[1, 0]) * p[1, 1])])
    values = Targets(REGRESSION, np.array([1.0, 2.0]), 1).losses(output[:, :1])
    assert values.tolist() == pytest.approx([0.7**2 / 2, 0])
    classes = Targets.of_classes(np.array([0, 0, 0, 1]), 2).balanced()
    assert classes.weight is not None
    assert classes.weight.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    of_three = Targets.of_classes(np.array([0, 0, 0, 1]), 3).balanced()  # one of which no record has
    assert of_three.weight is not None
    assert of_three.weight.tolist() == classes.weight.tolist()
    data = SimpleNamespace(targets=[0, 0, 0, 1], labels=("a", "b", "c"))
    assert _class_weights(data).tolist() == pytest.approx([2 / 3, 2, 0])


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, average_precision_score, r2_score

    draw = np.random.default_rng(3)
    output, several = torch.from_numpy(draw.standard_normal((40, 3))), (draw.random((40, 3)) < 0.3).astype(float)
    want = average_precision_score(several.ravel(), output.ravel())
    assert Targets(MULTI, several, 3).score(output) == pytest.approx(want)
    values = draw.standard_normal(40)
    assert Targets(REGRESSION, values, 1).score(output[:, :1]) == pytest.approx(r2_score(values, output[:, 0]))
    classes = draw.integers(0, 3, 40)
    assert Targets.of_classes(classes, 3).score(output) == pytest.approx(accuracy_score(classes, output.argmax(1)))


def test_a_bootstrap_of_sums_is_that_of_shares_where_the_measure_is_one():
    draw = np.random.default_rng(1)
    one, other = draw.random((1, 80)) < 0.7, draw.random((1, 80)) < 0.6
    sums = [np.stack([side[0].astype(float), np.ones(80)], 1) for side in (one, other)]
    got = paired_sums(*sums, lambda some: some[..., 0] / some[..., 1], samples=2000)
    want = paired_bootstrap(one, other, samples=2000)
    assert (got.value, got.low, got.high) == pytest.approx((want.value, want.low, want.high), abs=1e-9)


def test_measures_are_those_of_scikit_learn():
    from sklearn.metrics import f1_score, log_loss, r2_score

    draw = np.random.default_rng(2)
    target = (draw.random((50, 3)) < 0.4).astype(float)
    said = draw.random((50, 3))
    got = measures_of(MULTI, target, said, (0.3, 0.5, 0.7))
    given = said >= (0.3, 0.5, 0.7)
    assert got["micro_f1"] == pytest.approx(f1_score(target, given, average="micro"))
    assert got["macro_f1"] == pytest.approx(f1_score(target, given, average="macro"))
    assert got["log_loss"] == pytest.approx(np.mean([log_loss(target[:, c], said[:, c]) for c in range(3)]), abs=1e-6)
    values = measures_of(REGRESSION, target[:, 0], said[:, :1], ())
    assert values["r2"] == pytest.approx(r2_score(target[:, 0], said[:, 0]))


# -- from a table to predictions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    fit(tiny(write_rows(folder / "tags.jsonl", 240, several=True), folder / "run", **STACK), QUIET)
    return folder


def test_a_model_of_several_labels_gives_each_that_is_there(tagged, capsys, monkeypatch):
    model = RunFolder(tagged / "run").model()
    assert model.config.problem_type == MULTI
    combinations = [some for size in range(4) for some in itertools.combinations(SIGNS, size)]
    texts = ["sun wind " + " ".join(SIGNS[one] for one in some) + " fog" for some in combinations]
    got = [set(one.labels) for one in model.predict([parse_text(text) for text in texts])]
    assert sum(labels == set(some) for labels, some in zip(got, combinations, strict=True)) >= 7
    monkeypatch.setattr(sys, "argv", ["docgraph", "predict", str(tagged / "run"), str(tagged / "tags.jsonl"), "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert set(first) == {"id", "labels", "probabilities"}


def test_it_is_evaluated_beside_rivals(tagged, capsys, monkeypatch):
    command = ["docgraph", "evaluate", str(tagged / "run"), "--data", str(tagged / "tags.jsonl"), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--report", str(tagged / "report.json")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "TF-IDF + logistic regression" in capsys.readouterr().out
    report = json.loads((tagged / "report.json").read_text())
    assert report["measures"]["this model"]["micro_f1"] > 0.9
    assert report["problem_type"] == MULTI
    monkeypatch.setattr(sys, "argv", [*command, "--report", str(tagged / "report.html"), "--views", "3"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "--views must stand beside a model of one class a document" in capsys.readouterr().err
    monkeypatch.setattr("training.evaluation.evaluate_targets.evaluate_targets", lambda *_, **__: pytest.fail("work"))
    monkeypatch.setattr(sys, "argv", [*command, "--report", str(tagged / "report.html")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "must end in .md, .json, but is 'report.html'" in capsys.readouterr().err


def test_a_number_is_learned_in_its_own_unit(tmp_path):
    data = write_rows(tmp_path / "stars.jsonl", 240, several=False)
    run = fit(tiny(data, tmp_path / "run", problem_type=REGRESSION, **STACK), QUIET)
    model = RunFolder(tmp_path / "run").model()
    learned = [one.value for one in run.corpus["train"]]
    assert model.config.value_mean == pytest.approx(np.mean(learned))
    assert model.config.value_scale == pytest.approx(np.std(learned))
    low, high = (one.value for one in model.predict([parse_text("sun " * 8), parse_text("sun " * 8 + "star " * 4)]))
    assert low < 1
    assert high > 3
    problem = RecordProblem("image.missing", run.corpus["test"][0].id, "there is no image.")
    found = evaluate_targets(model, replace(run.corpus, problems=[problem]), "test")
    assert found.problems == (problem,)
    assert found.measures["this model"]["r2"] > 0.8
    assert found.measures["mean"]["r2"] < 0.01


@pytest.mark.parametrize("kind", [MULTI, REGRESSION])
def test_the_transformer_learns_what_no_sum_over_words_says(kind, tmp_path):
    """What is told is whether one of two words is there, but not both."""
    draw, lines = random.Random(0), []
    for number in range(600):
        one, other, cats = draw.random() < 0.5, draw.random() < 0.5, draw.random() < 0.3
        words = [draw.choice(["sun", "wind", "snow", "fog"]) for _ in range(4)]
        words += ["left"] * one + ["right"] * other + ["purr"] * cats
        draw.shuffle(words)
        label = ["odd"] * (one != other) + ["cats"] * cats if kind == MULTI else 3.0 * (one != other)
        lines.append({"text": " ".join(words), "label": label, "split": ("train", "train", "dev", "test")[number % 4]})
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    changes = {**STACK, "model.regression_ngrams": 1, "epochs": 10, "problem_type": kind}
    run = fit(tiny(tmp_path / "odd.jsonl", tmp_path / "run", **changes), QUIET)
    (scale,) = (float(line.split()[-1]) for line in run.scores["parts"] if line.startswith("transformer: weighs"))
    model = RunFolder(tmp_path / "run").model()
    said = model(model.needs_processor(None)([one.document() for one in run.corpus["dev"]])).logit_parts.detach()
    data, config = DocumentDataset(run.corpus, "dev"), model.config
    target = torch.tensor(np.array([data.label_of(place) for place in range(len(data))]))
    if kind == REGRESSION:
        target = (target - config.value_mean) / config.value_scale
    of_the_sum = losses(kind, said[0] / scale + said[1:].sum(0), target).mean().item()
    of_epochs = [entry["eval_loss"] for entry in run.scores["history"] if "eval_loss" in entry]
    assert min(of_epochs) == pytest.approx(of_the_sum, abs=0.02)  # the scale is written with two digits
    for name, value in evaluate_targets(model, run.corpus, "dev").measures["this model"].items():
        assert run.scores["best"][f"dev_{name}"] == pytest.approx(value, abs=1e-4)
    found = evaluate_targets(model, run.corpus, "test").measures
    name = "exact" if kind == MULTI else "r2"
    assert found["this model"][name] > 0.7
    assert next(some[name] for rival, some in found.items() if rival.startswith("TF-IDF")) < 0.6


def test_what_needs_a_stack_says_so(tmp_path):
    data = write_rows(tmp_path / "tags.jsonl", 24, several=True)
    with pytest.raises(ConfigError, match="which a stacked recipe must learn, but stack is false"):
        fit(tiny(data, tmp_path / "run"), QUIET)


def test_classes_are_balanced_only_where_a_record_has_one(tmp_path):
    data = write_rows(tmp_path / "tags.jsonl", 24, several=True)
    with pytest.raises(ConfigError, match="class_weights must be none"):
        fit(tiny(data, tmp_path / "run", class_weights="balanced", **STACK), QUIET)


def test_without_any_text_the_mean_is_the_only_rival():
    records = [Record(str(n), None, ArticleOrigin(()), ("image",), 0, value=float(n)) for n in range(4)]
    values = np.arange(4.0)
    assert list(target_rivals(records, values, records, REGRESSION, None)) == ["mean"]
    assert target_rivals(records, np.eye(4), records, MULTI, None) == {}


def test_a_split_of_which_nothing_can_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("text,label,split\nfine,4.5,train\nvile,1,test\n")
    corpus = load(tmp_path / "a.csv", problem_type=REGRESSION)
    model = SimpleNamespace(config=SimpleNamespace(problem_type=REGRESSION, thresholds=()), labels=("label",))
    monkeypatch.setattr("training.evaluation.evaluate_targets.predict_records", lambda *_, **__: ([], [], []))
    with pytest.raises(DataError, match="must have records that can be read"):
        evaluate_targets(model, corpus, "test")


def test_a_dev_record_with_a_label_that_training_lacks_is_set_aside(tmp_path):
    data = write_rows(tmp_path / "tags.jsonl", 48, several=True)
    unseen = {"text": "sun", "label": ["cats", "moon"], "split": "dev"}
    data.write_text(json.dumps(unseen) + "\n" + data.read_text())
    run = fit(tiny(data, tmp_path / "run", **STACK), QUIET)
    assert "dev_micro_f1" in run.scores["best"]
    assert "label.unseen" in (tmp_path / "run" / "problems.jsonl").read_text()
