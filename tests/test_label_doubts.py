"""Labels that look like something else than classes are named, with what to type; typing it then works."""

import csv
import random
from pathlib import Path

import pytest

from training.datasets import load
from training.datasets.label_doubts import label_doubt
from training.datasets.problem_types import MULTI, REGRESSION

DRAW = random.Random(0)
SETS = [DRAW.sample(["food", "sport", "tech"], DRAW.choice([1, 1, 2])) for _ in range(60)]
NUMBERS = [round(DRAW.gauss(0, 3), 3) for _ in range(60)]


def table(path: Path, labels: list[str]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((f"text {n}", label) for n, label in enumerate(labels))])
    return path


@pytest.mark.parametrize(
    "form", [";".join, "; ".join, ",".join, "|".join, str, lambda some: str(some).replace("'", '"')]
)
def test_several_labels_in_a_text_are_named_and_read_when_asked_for(tmp_path, form):
    path = table(tmp_path / "a.csv", [form(some) for some in SETS])
    (problem,) = load(path).problems
    assert problem.code == "label.kind"
    assert problem.message.endswith(f"--set problem_type={MULTI}")
    corpus = load(path, problem_type=MULTI)
    assert [record.labels for record in corpus.records()] == [tuple(some) for some in SETS]
    assert not corpus.problems


@pytest.mark.parametrize("form", [str, lambda number: str(number).replace(".", ",")])
def test_numbers_are_named_and_read_when_asked_for(tmp_path, form):
    path = table(tmp_path / "a.csv", [form(number) for number in NUMBERS])
    assert [one.message.split("train with ")[1] for one in load(path).problems] == [f"--set problem_type={REGRESSION}"]
    corpus = load(path, problem_type=REGRESSION)
    assert [record.value for record in corpus.records()] == NUMBERS
    assert not corpus.problems


def test_labels_that_never_recur_are_named(tmp_path):
    path = table(tmp_path / "a.csv", [f"id{n}" for n in range(60)])
    assert [one.message.endswith("name it: --label COLUMN") for one in load(path).problems] == [True]


@pytest.mark.parametrize(
    "labels",
    [
        ["1", "2", "3", "4", "5"] * 20,
        ["0.5", "1", "1.5", "2", "2.5", "3"] * 20,
        [f"class {n}" for n in range(300)] * 3,
        ["Arts, Culture", "Food, Drink", "News"] * 20,
        ["News/Sport", "News/Tech", "Life/Food"] * 20,
        ["[0, 18)", "[18, 65)"] * 20,
        ["a", "b", "c"],
        [],
    ],
)
def test_classes_are_classes(labels):
    assert label_doubt(labels) == ""


def test_thousands_with_a_comma_are_not_taken_for_fractions(tmp_path):
    path = table(tmp_path / "a.csv", [f"{n},000" for n in range(1, 31)])
    corpus = load(path, problem_type=REGRESSION)
    assert {record.value for record in corpus.records()} == {None}
    assert corpus.problem_counts == {"label.number": 30}


def test_surnames_before_given_names_are_no_several_labels():
    authors = [f"{surname}, {given}" for surname in ("Doe", "Roe", "Poe") for given in ("Ann", "Jane", "John")]
    assert label_doubt(authors * 3) == ""
