"""What version 0.1.0 wrote, in tests/data/v0.1.0: a finished run and one that was cut off."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from training.config import make_config
from training.evaluate import evaluate, predict_inputs
from training.fit import fit
from training.inputs import SetAside, find_inputs
from training.recipes import read_config
from training.run_folder import RunFolder

QUIET = Console(quiet=True)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, with it as the current one: the configuration names its data from there."""
    folder = tmp_path / "kept"
    shutil.copytree(Path(__file__).parent / "data" / "v0.1.0", folder)
    monkeypatch.chdir(folder)
    return folder


def test_it_predicts_what_it_did(kept: Path) -> None:
    told = [json.loads(line) for line in Path("predictions.jsonl").read_text().splitlines()]
    predictions = list(predict_inputs(RunFolder("run").model(), find_inputs(["pets.jsonl"]), SetAside(kept / "errors")))
    assert len(told) == 24
    by_id = {one.id: one for one in predictions}
    for one in told:
        assert by_id[one["id"]].predicted == one["predicted"]
        assert by_id[one["id"]].probabilities == pytest.approx(one["probabilities"], abs=1e-4)


def test_its_vectors_are_what_they_were(kept: Path) -> None:
    told = np.array(json.loads(Path("vectors.json").read_text()))
    rows = [json.loads(line)["id"] for line in Path("pets.jsonl").read_text().splitlines()]
    by_id = {one.id: one.document() for one in find_inputs(["pets.jsonl"])}
    vectors = RunFolder("run").model().encode([by_id[row] for row in rows], "document").vectors
    np.testing.assert_allclose(vectors, told, atol=1e-4)


def test_it_is_evaluated_on_the_split_that_it_drew(kept: Path) -> None:
    run = RunFolder("run")
    drawn = json.loads(Path("run/split.json").read_text())
    corpus = run.corpus("pets.jsonl")
    assert {name: [record.id for record in records] for name, records in corpus.splits.items()} == drawn
    found = evaluate(run.model(), corpus, "test", with_baselines=False)
    assert [one.id for one in found.predictions] == drawn["test"]
    assert found.scores.accuracy == 1.0


def test_a_finished_run_is_known_again_and_one_that_was_cut_off_ends_with_its_weights(kept: Path) -> None:
    before = Path("run/model.safetensors").stat().st_mtime_ns
    done = fit(read_config("run/training.yaml"), QUIET)
    assert done.scores["records"] == {"train": 20, "dev": 2, "test": 2}
    assert Path("run/model.safetensors").stat().st_mtime_ns == before
    config = read_config("cut/training.yaml")
    today = {("regression" + name[4:] if name.startswith("wide_") else name): v for name, v in config.model.items()}
    assert "regression_ngrams" in today
    fit(replace(config, model=today), QUIET)
    resumed = RunFolder("cut").model().state_dict()
    whole = RunFolder("run").model().state_dict()
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(resumed[name].numpy(), value.numpy(), atol=1e-5, err_msg=name)


def test_names_of_settings_that_changed_are_still_taken() -> None:
    config = make_config({"picture_memory": 7, "picture_cache": "images.sqlite"})
    assert (config.image_memory, config.image_cache) == (7, "images.sqlite")
    assert config.with_values({"picture_memory": 8}).image_memory == 8
