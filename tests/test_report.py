"""Scores against scikit-learn, baselines against their definition, reports that say what was found."""

import dataclasses
import html
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from docgraph.errors import DataError
from encoders import DocumentForClassification
from tests.browsers import LOW_CONTRAST, Screen, needs_chromium
from training.datasets import load
from training.datasets.origins import TextOrigin
from training.datasets.records import Record, RecordProblem
from training.evaluate import predict_records
from training.evaluation.baselines import MAJORITY, MINILM, NB_WEIGHTED, TFIDF, Given, bag_of_words, rivals
from training.evaluation.metrics import Scores, score
from training.evaluation.predictions import RecordPrediction
from training.evaluation.report import Evaluation, write_report
from training.evaluation.report_figures import confusion_png, learning_curve, most_confused, reliability
from training.evaluation.views import write_views

sklearn_metrics = pytest.importorskip("sklearn.metrics")
LABELS = ("arts", "books", "never seen", "cars")


@pytest.fixture
def made_up() -> tuple[torch.Tensor, torch.Tensor]:
    """60 guesses better than chance; the third label occurs nowhere."""
    generator = torch.Generator().manual_seed(1)
    target = torch.tensor([0, 1, 3])[torch.randint(3, (60,), generator=generator)]
    logits = torch.randn(60, 4, generator=generator)
    logits[:, 2] = -50
    logits[torch.arange(60), target] += 1.0
    return logits.softmax(-1), target


def test_scores_are_scikit_learns(made_up):
    probabilities, target = made_up
    found = score("model", probabilities, target, LABELS)
    predicted = probabilities.argmax(-1)
    report = sklearn_metrics.classification_report(
        target, predicted, labels=[0, 1, 2, 3], output_dict=True, zero_division=0
    )
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(target, predicted))
    assert found.macro_f1 == pytest.approx(sklearn_metrics.f1_score(target, predicted, average="macro"))
    exact = probabilities.double() / probabilities.double().sum(-1, keepdim=True)
    want = sklearn_metrics.log_loss(target, exact, labels=[0, 1, 2, 3])
    assert found.log_loss == pytest.approx(want, abs=1e-5)
    for place, one in enumerate(found.classes):
        row = report[str(place)]
        expected = (row["precision"], row["recall"], row["f1-score"])
        assert (one.precision, one.recall, one.f1) == pytest.approx(expected)
        assert one.count == row["support"]
    want_confusion = sklearn_metrics.confusion_matrix(target, predicted, labels=[0, 1, 2, 3])
    assert [list(row) for row in found.confusion] == want_confusion.tolist()
    assert found.standard_error == pytest.approx((found.accuracy * (1 - found.accuracy) / 60) ** 0.5)


def test_one_class_and_no_records(made_up):
    only = score("model", torch.ones(3, 1), torch.zeros(3, dtype=torch.int64), ["one"])
    assert (only.accuracy, only.macro_f1, only.confusion) == (1.0, 1.0, ((3,),))
    with pytest.raises(DataError, match="at least one record with a known label"):
        score("model", torch.ones(0, 4), torch.zeros(0, dtype=torch.int64), LABELS)
    with pytest.raises(DataError, match=r"must be \(60, 4\)"):
        score("model", made_up[0][:5], made_up[1], LABELS)


def text_record(name: str, label: str, text: str) -> Record:
    return Record(name, label, TextOrigin(text), ("text",), len(text))


def test_baselines_know_the_training_records_only():
    train = [text_record(f"a{n}", "arts", f"paint brush {n}") for n in range(5)]
    train += [text_record(f"b{n}", "books", f"page novel {n}") for n in range(3)]
    test = [
        text_record("x", "books", "a novel"),
        text_record("y", "books", "a page"),
        text_record("z", "arts", "paint"),
    ]
    target = torch.tensor([["arts", "books"].index(str(one.label)) for one in test])
    found = {
        name: score(name, said, target, ["arts", "books"])
        for name, said in rivals(train, test, ["arts", "books"]).items()
    }
    assert found[MAJORITY].accuracy == pytest.approx(1 / 3)  # everything is "arts"
    assert found[TFIDF].accuracy == found[NB_WEIGHTED].accuracy == 1.0
    assert found[MINILM].accuracy > found[MAJORITY].accuracy


def test_the_bag_of_words_reaches_what_the_issue_says_on_the_captions(shared_data):
    corpus = load(shared_data / "html_images" / "openstax", "n24news", fields=["caption"], check_images=False)
    number = {label: place for place, label in enumerate(corpus.labels)}
    train, test = corpus["train"], corpus["test"]
    given = Given(train=train, classes=[number[str(one.label)] for one in train], test=test, labels=len(number))
    target = torch.tensor([number[str(one.label)] for one in test])
    found = score(TFIDF, bag_of_words(given), target, corpus.labels)
    assert found.accuracy == pytest.approx(0.692, abs=0.04)  # two standard errors are 0.074


@pytest.fixture
def evaluation(made_up) -> Evaluation:
    probabilities, target = made_up
    scores: Scores = score("model", probabilities, target, LABELS)
    predictions = tuple(
        RecordPrediction(
            id=f"r{n}",
            label=LABELS[int(target[n])],
            predicted=LABELS[int(row.argmax())],
            probability=float(row.max()),
            probabilities=dict(zip(LABELS, row.tolist(), strict=True)),
        )
        for n, row in enumerate(probabilities)
    )
    return Evaluation(
        model="runs/<x>",
        data="made up",
        split="test",
        labels=LABELS,
        scores=scores,
        baselines=(scores,),
        predictions=predictions,
        problems=(RecordProblem("image.missing", "r1", "there is no picture at a|b.jpg."),) * 2,
    )


def test_the_json_of_a_report_has_no_number_that_json_has_not(tmp_path, evaluation):
    scores = dataclasses.replace(evaluation.scores, standard_error=float("nan"), log_loss=float("inf"))
    path = write_report(tmp_path / "report.json", dataclasses.replace(evaluation, scores=scores))
    values = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (values["scores"]["standard_error"], values["scores"]["log_loss"]) == (None, None)
    assert values["scores"]["accuracy"] == evaluation.scores.accuracy


def test_the_three_formats_say_the_same(tmp_path, evaluation):
    texts = {s: write_report(tmp_path / f"report.{s}", evaluation).read_text() for s in ("html", "json", "md")}
    accuracy = f"{evaluation.scores.accuracy:.3f}"
    assert accuracy in texts["html"]
    assert accuracy in texts["md"]
    values = json.loads(texts["json"])
    assert values["scores"]["accuracy"] == evaluation.scores.accuracy
    assert len(values["predictions"]) == 60
    assert "runs/&lt;x&gt;" in texts["html"]
    assert "<x>" not in texts["html"]
    assert "data:image/png;base64," in texts["html"]
    assert "| image.missing | 2 | r1 | there is no picture at a\\|b.jpg. |" in texts["md"]
    surest = evaluation.mistakes[0]
    assert surest.probability == max(one.probability for one in evaluation.mistakes)
    assert f"| {surest.id} | {surest.label} | {surest.predicted} |" in texts["md"]


def test_another_suffix_is_refused(tmp_path, evaluation):
    with pytest.raises(DataError, match=r"must end in \.html, \.json, \.md, but is 'report\.pdf'"):
        write_report(tmp_path / "report.pdf", evaluation)


def test_the_confusion_matrix_is_a_picture_that_grows_with_the_labels(tmp_path, evaluation):
    few = Image.open(confusion_png(tmp_path / "few.png", evaluation.scores))
    many_labels = [f"class number {n}" for n in range(24)]
    many = score("model", torch.eye(24), torch.arange(24), many_labels)
    large = Image.open(confusion_png(tmp_path / "many.png", many))
    assert few.format == "PNG"
    assert large.width > few.width > 300


def test_mistakes_link_to_their_views(evaluation, tmp_path):
    wrong = evaluation.mistakes[0].id
    text = write_report(tmp_path / "report.html", evaluation, {wrong: "report_views/1.html"}).read_text()
    assert text.count("<a ") == 2  # among the mistakes and among the examples
    assert f'<a href="report_views/1.html">{html.escape(wrong)}</a>' in text


def test_the_surest_mistakes_become_pages(tmp_path):
    """Of the run that version 0.1.0 left, on records whose labels are turned round: all of it is wrong."""
    old = Path(__file__).parent / "data" / "v0.1.0"
    model = DocumentForClassification.from_pretrained(old / "run")
    lines = [json.loads(line) for line in (old / "pets.jsonl").read_text().splitlines()][:4]
    for line in lines:
        line["label"] = {"cats": "dogs", "dogs": "cats"}[line["label"]]
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    corpus = load(tmp_path / "pets.jsonl")
    records = [*corpus.records()]
    predictions, read, _ = predict_records(model, records)
    found = SimpleNamespace(mistakes=[one for one in predictions if one.predicted != one.label])
    assert found.mistakes
    assert len(read) == 4
    pages = write_views(tmp_path / "report_views", model, records, found, 2)
    assert [*pages] == [one.id for one in found.mistakes[:2]]
    for name, one in zip(pages.values(), found.mistakes, strict=False):
        assert f"<title>{one.label} taken for {one.predicted}: " in (tmp_path / name).read_text()


def test_examples_name_the_surest_of_each_label(tmp_path, evaluation):
    text = write_report(tmp_path / "report.md", evaluation).read_text()
    of_arts = [one for one in evaluation.predictions if one.label == "arts"]
    right = max((one for one in of_arts if one.predicted == "arts"), key=lambda one: one.probability)
    wrong = max((one for one in of_arts if one.predicted != "arts"), key=lambda one: one.probability)
    taken = f"{wrong.predicted} {wrong.probability:.3f}"
    assert f"| arts | {right.id} ({right.probability:.3f}) | {wrong.id} | {taken} |" in text
    assert "| never seen |" not in text.partition("## Examples")[2].partition("##")[0]


def test_the_page_has_the_learning_curve_of_a_run_with_epochs(tmp_path, evaluation):
    old = json.loads((Path(__file__).parent / "data" / "v0.1.0" / "run" / "scores.json").read_text())
    trained = dataclasses.replace(evaluation, history=tuple(old["history"]))
    without, text = (write_report(tmp_path / "report.html", one).read_text() for one in (evaluation, trained))
    assert [page.count("<img ") for page in (without, text)] == [2, 3]
    assert learning_curve([{"loss": 1.0, "epoch": 1.0}, {"train_loss": 1.0, "epoch": 1.0}]) is None


def test_reliability_is_drawn_for_probabilities_of_nought_and_one(evaluation):
    one = evaluation.predictions[0]
    edges = [dataclasses.replace(one, probability=value) for value in (0.0, 0.1, 1.0)]
    assert Image.open(io.BytesIO(reliability(edges))).format == "PNG"


# -- the page ------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_many() -> Evaluation:
    """200 labels of 3 records each, of which the last five are taken for their neighbour."""
    labels = tuple(f"label number {n}" for n in range(200))
    target = torch.arange(200).repeat_interleave(3)
    predicted = torch.where(target >= 195, target - 100, target)
    probabilities = torch.eye(200)[predicted]
    predictions = tuple(
        RecordPrediction(id=f"r{n}", label=labels[t], predicted=labels[p], probability=1.0, probabilities={})
        for n, (t, p) in enumerate(zip(target.tolist(), predicted.tolist(), strict=True))
    )
    scores = score("model", probabilities, target, labels)
    return Evaluation(
        model="m", data="d", split="test", labels=labels, scores=scores, baselines=(scores,), predictions=predictions
    )


def test_of_many_labels_the_worst_are_shown_and_the_rest_is_folded(tmp_path, of_many):
    page = BeautifulSoup(write_report(tmp_path / "report.html", of_many).read_text(), "lxml")
    assert "The 20 labels of the lowest F1, of 200." in page.text
    assert "The 24 labels of the most frequent confusions, of 200." in page.text
    for fold in page("details"):
        assert len(fold.tbody("tr")) == 200
        rows = [row.td.text for row in fold.find_previous("table").tbody("tr")]
        assert len(rows) == 20
        assert {f"label number {n}" for n in range(195, 200)} <= set(rows)
        fold.find_previous("table").decompose()
    assert len(page("details")) == 2
    drawn = most_confused(of_many.scores.confusion)
    assert len(drawn) == len({*drawn}) == 24
    assert {*drawn[:10]} == {*range(95, 100), *range(195, 200)}


def test_a_report_of_few_labels_folds_nothing(tmp_path, evaluation):
    text = write_report(tmp_path / "report.html", evaluation).read_text()
    assert "<details>" not in text
    assert "of the lowest F1" not in text


@needs_chromium
@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("dark", [False, True])
def test_a_report_can_be_read_in_both_themes_and_on_a_telephone(tmp_path, of_many, width, dark):
    path = write_report(tmp_path / "report.html", of_many)
    path.write_text(path.read_text().replace("<html ", "<html data-ready=true "))
    with Screen(path, width=width, dark=dark) as screen:
        assert screen.run("document.documentElement.scrollWidth") <= width
        assert screen.run("getComputedStyle(document.body).backgroundColor") == (
            "rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)"
        )
        assert screen.run(LOW_CONTRAST) == []
        if "DOCGRAPH_AXE" in os.environ:
            screen.run(Path(os.environ["DOCGRAPH_AXE"]).read_text() + "; 0")
            assert screen.run("axe.run().then(r => r.violations.map(v => v.id))") == []
        lines = """[...document.querySelectorAll('td')].filter(e => /^[0-9.]+$/.test(e.textContent)).map(e => {
          const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; })"""
        assert {*screen.run(lines)} == {1}  # no number is broken
        assert screen.run("document.body.scrollHeight") < 6000  # not 200 rows twice
        assert screen.errors == []
