"""What the view says of a model: its prediction in the header, what it says of itself, values of regressions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from docgraph import Document, Evidence, parse_html, parse_text
from encoders.evidence import explain
from encoders.predict import Predictions
from tests.browsers import Screen, needs_chromium

TEXT = "It rains. The boats stay in the harbour. Nobody complains."
PANEL = "document.getElementById('panel').innerText"
SAID = "document.getElementById('said').innerText"


def predictions(probabilities: list[float], documents: int = 1, **more: Any) -> Predictions:
    """Of some documents the same, for as many classes as there are numbers."""
    rows = np.tile(np.float32(probabilities), (documents, 1))
    distances = more.pop("distance", None)
    if distances is not None:
        more["distances"] = np.full(documents, distances, np.float32)
    return Predictions(tuple("abcdefghijkl"[: len(probabilities)]), rows, **more)


def evidence(document: Document, probabilities: list[float], **more: Any) -> Evidence:
    """What a model that says the same of everything gives."""
    return explain(lambda documents: predictions(probabilities, len(documents), **more), document)


# -- what is handed on -----------------------------------------------------------------------------------------------


def test_a_prediction_says_what_is_given_and_what_is_off_topic():
    document = parse_text(TEXT)
    one = evidence(document, [0.2, 0.8])
    assert (one.problem_type, one.given, one.notes) == ("single_label_classification", None, ())
    several = {"problem_type": "multi_label_classification", "thresholds": (0.3, 0.9, 0.5)}
    assert evidence(document, [0.4, 0.8, 0.9], **several).given == ("c", "a")
    assert evidence(document, [0.1, 0.1, 0.1], **several).given == ()
    near = {"off_topic_distance": 0.25, "off_topic_alarms": 0.05}
    assert evidence(document, [0.2, 0.8], distance=0.2, **near).notes == ()
    (note,) = evidence(document, [0.2, 0.8], distance=0.5, **near).notes
    assert note.startswith("Off topic: its distance from the nearest training documents is 0.500, above 0.250")
    assert "5.0% of documents on topic are as far" in note
    (note,) = evidence(document, [0.2, 0.8], empty=(0,)).notes
    assert "nothing to read" in note


def test_a_function_that_tells_no_more_than_classes_is_explained_as_before():
    def predict(documents: list[Document]) -> Any:
        return SimpleNamespace(classes=("a", "b"), probabilities=np.full((len(documents), 2), 0.5))

    found = explain(predict, parse_text(TEXT))
    assert (found.given, found.notes) == (None, ())


# -- what is shown ---------------------------------------------------------------------------------------------------


def shown(document: Document, found: Evidence, folder: Path, **more: Any) -> Screen:
    return Screen(document.view(evidence=found, **more).save(folder / "view.html"))


@needs_chromium
def test_the_header_says_the_prediction_whichever_class_is_looked_at(tmp_path):
    document = parse_text(TEXT)
    found = evidence(document, [0.2, 0.7, 0.1], distance=0.5, off_topic_distance=0.25)
    with shown(document, found, tmp_path) as screen:
        options = "[...document.getElementById('class').options].map(o => o.text)"
        assert screen.run(options) == ["b (predicted)", "a", "c"]
        choose = "(e => { e.value = '0'; e.dispatchEvent(new Event('change')); })(document.getElementById('class'))"
        screen.run(choose)
        assert screen.run(SAID) == "Model: b (off topic)"
        assert "Off topic: its distance" in screen.run(PANEL)
        assert "0.700 b (predicted)" in screen.run(PANEL)


@needs_chromium
def test_a_model_of_several_labels_says_which_it_gives(tmp_path):
    document = parse_text(TEXT)
    several = {"problem_type": "multi_label_classification", "thresholds": (0.5,) * 3}
    with shown(document, evidence(document, [0.6, 0.1, 0.9], **several), tmp_path) as screen:
        assert screen.run(SAID) == "Model: c, a"
        assert screen.run(PANEL).count("(predicted)") == 2
        assert "No label reaches" not in screen.run(PANEL)
    with shown(document, evidence(document, [0.2, 0.1, 0.3], **several), tmp_path) as screen:
        assert screen.run(SAID) == "Model: none of its labels"
        assert "No label reaches the probability from which the model gives it." in screen.run(PANEL)


@needs_chromium
@pytest.mark.parametrize(("value", "words"), [(1.1431, "1.143"), (-250.0, "-250.000"), (0.00004, "0.0000400")])
def test_a_regression_is_a_value_with_its_name(tmp_path, value, words):
    document = parse_text(TEXT)
    values = np.full((len(document), 1), np.nan, np.float32)
    for node, one in zip(document.find("sentence"), (0.5, -0.25, 0.0), strict=True):
        values[node.row] = one
    found = Evidence(
        classes=("stars",), probabilities=np.float32([value]), values=values, method="", problem_type="regression"
    )
    with shown(document, found, tmp_path) as screen:
        assert screen.run(SAID) == f"stars: {words}"
        assert screen.run("document.getElementById('class-label').hidden")
        assert screen.run("document.querySelectorAll('.class .rail').length") == 0
        for said in (f"stars: {words}", "Raises stars", "Lowers it"):
            assert said in screen.run(PANEL)


@needs_chromium
def test_a_text_of_one_part_says_why_there_is_no_evidence(tmp_path):
    document = parse_text("It rains.")
    why = "The document has a single part with content"
    with shown(document, evidence(document, [0.2, 0.8]), tmp_path) as screen:
        assert why in screen.run(PANEL)
    document = parse_text(TEXT)
    with shown(document, evidence(document, [0.2, 0.8]), tmp_path) as screen:
        assert why not in screen.run(PANEL)


@needs_chromium
def test_what_the_model_says_stands_in_sight_above_the_answers(tmp_path):
    from docgraph.index import answers

    document = parse_html("".join(f"<p>Boats of the harbour number {n} wait in the rain.</p>" for n in range(30)))
    found, question = evidence(document, [0.2, 0.8]), "which boats wait?"
    with shown(document, found, tmp_path, query=question, passages=answers(document, question)) as screen:
        parts = "[...document.querySelectorAll('#panel > details > summary')]"
        tops = dict(screen.run(f"{parts}.map(e => [e.innerText, e.getBoundingClientRect().top])"))
        assert tops["What the model says"] < tops[f"Answers to “{question}”"]
        assert tops["What the model says"] < 600
