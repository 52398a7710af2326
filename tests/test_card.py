"""The model card in a run's folder: what the hub reads of it, what it says, and what it leaves alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from tests.training_runs import QUIET, tiny, write_table
from training.evaluation.card import MARK, note, write_card
from training.evaluation.metrics import Scores, score
from training.evaluation.significance import accuracy_interval, f1_interval
from training.fit import fit
from training.run_folder import RunFolder

RIVAL = "a rival"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secret place")
    data = write_table(folder / "pets.jsonl")
    return fit(tiny(data, folder / "run", epochs=1), QUIET).folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A copy to write into."""
    shutil.copytree(trained, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def scores(name: str, right: int, wrong: int) -> Scores:
    """Of a split of two classes."""
    target = torch.arange(right + wrong) % 2
    said = torch.where(torch.arange(right + wrong) < right, target, 1 - target)
    return score(name, torch.nn.functional.one_hot(said, 2).float(), target, ["cats", "dogs"])


def test_training_writes_a_card_that_the_hub_can_read(run: RunFolder, trained: Path) -> None:
    card = ModelCard.load(trained / "README.md")
    best = run.scores["best"]
    told = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert told == {"accuracy": round(best["dev_accuracy"], 4), "f1": round(best["dev_macro_f1"], 4)}
    assert card.data.license == "unknown"
    assert card.data.eval_results[0].dataset_split == "dev"
    assert "Licence of the data: unknown." in card.text
    assert "| cats | 8 |" in card.text
    assert "pets: 16 train, 8 dev records" in card.text
    assert "| seed | 0 |" in card.text


def test_it_names_no_path(trained: Path) -> None:
    written = (trained / "README.md").read_text() + (trained / "evaluations.json").read_text()
    assert "secret place" not in written


def test_an_evaluation_stands_beside_its_rivals_in_place_of_an_earlier_one(run: RunFolder) -> None:
    note(run, "pets", "test", scores("this model", 5, 5), scores(RIVAL, 8, 2))
    note(run, "pets", "test", scores("this model", 9, 1), scores(RIVAL, 6, 4))
    lines = (run.path / "README.md").read_text().splitlines()
    (ours,) = (line for line in lines if line.startswith("| pets, test | this model"))
    (theirs,) = (line for line in lines if line.startswith(f"| pets, test | {RIVAL}"))
    assert ours.startswith("| pets, test | this model | 10 | 0.900 [0.596, 0.982] | 0.899 [")
    assert "| 10 | 0.600 [" in theirs
    assert any(line.startswith("| pets, dev | this model | 8 |") for line in lines)


def test_a_readme_of_someone_else_is_left_alone(run: RunFolder) -> None:
    file = run.path / "README.md"
    assert MARK in file.read_text()
    file.write_text("mine")
    write_card(run)
    assert file.read_text() == "mine"


def test_a_folder_that_is_no_run_gets_no_card(tmp_path: Path) -> None:
    note(RunFolder(tmp_path), "pets", "test", scores("this model", 1, 1))
    assert not list(tmp_path.iterdir())


def test_a_run_of_version_0_1_0_gets_one_too(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "data" / "v0.1.0" / "run", tmp_path / "run")
    note(RunFolder(tmp_path / "run"), "pets", "test", scores("this model", 2, 0))
    text = (tmp_path / "run" / "README.md").read_text()
    assert "pets: 20 train, 2 dev, 2 test records" in text
    assert "| pets, test | this model | 2 | 1.000 [0.342, 1.000] | 1.000 |" in text


@pytest.mark.parametrize(("right", "wrong"), [(9, 1), (5, 5), (12, 0), (0, 7), (970, 30)])
def test_the_interval_of_an_accuracy_is_scipys(right: int, wrong: int) -> None:
    want = binomtest(right, right + wrong).proportion_ci(0.95, method="wilson")
    assert accuracy_interval([[right, wrong], [0, 0]]) == pytest.approx((want.low, want.high), abs=1e-9)


def test_the_interval_of_a_macro_f1_is_that_of_drawing_records_anew() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 200)
    said = np.where(draw.random(200) < 0.7, labels, draw.integers(0, 3, 200))
    drawn = [draw.integers(0, 200, 200) for _ in range(400)]
    want = np.quantile([f1_score(labels[rows], said[rows], average="macro") for rows in drawn], [0.025, 0.975])
    assert f1_interval(confusion_matrix(labels, said).tolist()) == pytest.approx(tuple(want), abs=0.015)
    assert f1_interval([[3, 0], [0, 2]]) is None


def test_what_was_noted_is_kept_as_numbers(trained: Path) -> None:
    (dev,) = json.loads((trained / "evaluations.json").read_text())
    assert dev["split"] == "dev"
    assert dev["scores"][0]["accuracy"] == pytest.approx(RunFolder(trained).scores["best"]["dev_accuracy"])
    assert "torch" in dev["versions"]
