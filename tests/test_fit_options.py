"""What a run can be asked for beside plain training: curves, calibration, class weights;
and where its folder may go.
"""

import json
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from rich.console import Console

from docgraph.errors import DataError, MissingExtraError, ModelError
from encoders import DocumentForClassification
from tests.training_runs import assert_equal_weights, flip_some_labels, tiny, write_table
from training import cli
from training.datasets import load
from training.datasets.dataset import DocumentDataset
from training.evaluate import evaluate, predict_records
from training.fit import fit
from training.learning.batches import EncodedDataset
from training.learning.calibration import logit_scales
from training.learning.trainer import DocumentTrainer, _class_weights
from training.run_folder import RunFolder

QUIET = Console(quiet=True)


# -- curves ----------------------------------------------------------------------------------------------------


def test_tensorboard_gets_losses_and_dev_scores_in_the_run_folder(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    table = write_table(tmp_path / "pets.jsonl")
    run = fit(tiny(table, tmp_path / "x", report_to="tensorboard", epochs=2), QUIET)
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert {"train/loss", "eval/loss", "eval/accuracy", "eval/macro_f1"} <= set(events.Tags()["scalars"])
    told = [entry["eval_loss"] for entry in run.scores["history"] if "eval_loss" in entry]
    assert [point.value for point in events.Scalars("eval/loss")] == pytest.approx(told)
    assert not (run.folder / "checkpoints").exists()


def test_without_tensorboard_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    config = tiny(write_table(tmp_path / "pets.jsonl"), tmp_path / "x", report_to="tensorboard")
    with pytest.raises(MissingExtraError, match=r"report_to: tensorboard needs tensorboard, which .*docgraph\[tens"):
        fit(config, QUIET)
    assert not (tmp_path / "x").exists()


# -- calibration and class weights -----------------------------------------------------------------------------


def test_calibrated_logits_need_no_further_scale_and_rank_as_before(tmp_path: Path) -> None:
    table = write_table(tmp_path / "pets.jsonl", rows=180)
    flip_some_labels(table)
    changes = {"epochs": 2, "learning_rate": 1e-2}
    plain = fit(tiny(table, tmp_path / "plain", calibrate=False, **changes), QUIET)
    scaled = fit(tiny(table, tmp_path / "scaled", **changes), QUIET)
    (scale,) = scaled.scores["logit_scales"]
    assert scale != pytest.approx(1, abs=0.05)
    assert scaled.scores["best"]["dev_loss"] < plain.scores["best"]["dev_loss"]
    assert scaled.scores["best"]["dev_accuracy"] == plain.scores["best"]["dev_accuracy"]
    found = [RunFolder(run.folder).model() for run in (plain, scaled)]
    dev = [record.document() for record in scaled.corpus["dev"]]
    numbers = torch.tensor([int(record.label == "dogs") for record in scaled.corpus["dev"]])
    logits = [torch.tensor(model.predict(dev).probabilities).log() for model in found]
    assert logit_scales(logits[1][None], numbers).item() == pytest.approx(1, abs=0.02)
    by_hand = (logits[0] * scale).log_softmax(-1)
    torch.testing.assert_close(logits[1], by_hand, atol=1e-4, rtol=0)
    assert torch.equal(logits[0].argmax(-1), logits[1].argmax(-1))


def test_a_class_weighs_as_much_as_it_is_rare_and_an_absent_one_nothing() -> None:
    data = SimpleNamespace(targets=[0, 0, 0, 2], labels=["often", "never", "rare"])
    weight = _class_weights(data)  # type: ignore[arg-type]
    torch.testing.assert_close(weight, torch.tensor([4 / (2 * 3), 0.0, 4 / 2]))
    assert sum(weight[target] for target in data.targets) == pytest.approx(len(data.targets))


def test_balanced_weights_are_in_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.loads(line) for line in write_table(tmp_path / "pets.jsonl").read_text().splitlines()]
    kept = [row for row in rows if row["label"] == "cats" or row["id"] in ("r3", "r15", "r1")]
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    losses: list[tuple[float, float]] = []
    plain = DocumentTrainer.compute_loss

    def noting(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, output = plain(self, model, inputs, True, num_items_in_batch)
        labels = inputs["labels"]
        each = torch.nn.functional.cross_entropy(output.logits, labels, reduction="none")
        counts = torch.bincount(torch.tensor(self.train_data.targets))
        weight = len(self.train_data) / (2 * counts[labels])
        losses.append((loss.item(), ((each * weight).sum() / len(labels)).item()))
        return loss

    monkeypatch.setattr(DocumentTrainer, "compute_loss", noting)
    fit(tiny(tmp_path / "few.jsonl", tmp_path / "x", class_weights="balanced", epochs=1), QUIET)
    assert losses
    for got, want in losses:
        assert got == pytest.approx(want, rel=1e-5)


def test_one_label_is_nothing_to_learn(tmp_path: Path) -> None:
    table = write_table(tmp_path / "pets.jsonl")
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    table.write_text("".join(json.dumps({**row, "label": "cats"}) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"two labels at least, but .* has only the label 'cats'"):
        fit(tiny(table, tmp_path / "x"), QUIET)


@pytest.mark.parametrize("labels", [range(40), "ab" * 2 + "ab"])
def test_few_records_raise_no_warnings_of_libraries(tmp_path: Path, labels: Sequence[object]) -> None:
    rows = [{"text": f"word{label} and {n}", "label": f"l{label}"} for n, label in enumerate(labels)]
    rows = [{**row, "split": "train"} for row in rows] + [{**rows[0], "split": "dev"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stack = {"stack": True, "model.regression_ngrams": 2, "model.regression_buckets": 512, "epochs": 1}
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        run = fit(tiny(tmp_path / "a.jsonl", tmp_path / "x", **stack), QUIET)
        evaluate(run.model, run.corpus, "dev")
    said = [str(one.message) for one in raised]
    assert not [one for one in said if "degrees of freedom" in one or "unique classes" in one]


# -- what is cut, and where a run may go -----------------------------------------------------------------------


def test_what_max_tokens_cuts_is_counted_in_training_and_named_in_evaluation(tmp_path: Path) -> None:
    table = write_table(tmp_path / "pets.jsonl")
    with (tmp_path / "out.txt").open("w") as file:
        run = fit(tiny(table, tmp_path / "x", max_tokens=5, epochs=1), Console(file=file, width=200))
    processor = run.model.needs_processor(None)
    assert processor.tokenizer is not None

    def past(split: str) -> dict[str, int]:
        texts = {record.id: record.origin.text() for record in run.corpus[split]}
        sizes = {name: len(processor.tokenizer.encode(text).ids) for name, text in texts.items()}
        return {name: size - 5 for name, size in sizes.items() if size > 5}

    assert f"{sum(past('train').values())} sub-words of the training documents" in (tmp_path / "out.txt").read_text()
    _, _, problems = predict_records(run.model, run.corpus["dev"])
    assert {p.record: p.message.split()[0] for p in problems if p.code == "text.cut"} == {
        name: str(count) for name, count in past("dev").items()
    }
    data = EncodedDataset(DocumentDataset(run.corpus, "dev"), processor)
    assert data.cut_tokens == sum(past("dev").values())


def test_a_run_folder_predicts_anywhere_without_data_encoder_or_where_it_was(
    tmp_path: Path,
    random_bert: Path,
) -> None:
    here = tmp_path / "here"
    (here / "data").mkdir(parents=True)
    shutil.copytree(random_bert, here / "encoder")
    Image.effect_noise((40, 30), 90).convert("RGB").save(here / "data" / "one.png")
    table = write_table(here / "data" / "pets.jsonl", image="one.png")
    changes = {
        "model.text_encoder": "pretrained",
        "text_encoder": str(here / "encoder"),
        "model.image_encoder": "test_vit",
        "model.image_size": 32,
        "model.freeze_image_encoder": True,
        "epochs": 1,
    }
    run = fit(tiny(table, here / "run", **changes), QUIET)
    documents = [record.document() for record in run.corpus["dev"]]
    want = run.model.predict(documents).probabilities
    elsewhere = tmp_path / "elsewhere"
    (here / "run").rename(elsewhere)
    kept = tmp_path / "pages"
    shutil.copytree(here / "data", kept)
    shutil.rmtree(here)
    moved = [record.document() for record in load(kept / "pets.jsonl")["dev"]]
    model = RunFolder(elsewhere).model()
    reads: list[int] = []
    for part in (model.document.text, model.document.image):
        part.encoder.register_forward_hook(lambda *_: reads.append(1))  # type: ignore[union-attr]
    assert (model.predict(moved).probabilities == want).all()
    assert not reads  # the features travelled along
    (elsewhere / "features.sqlite").unlink()
    torch.testing.assert_close(
        torch.tensor(RunFolder(elsewhere).model().predict(moved).probabilities),
        torch.tensor(want),
        atol=1e-5,
        rtol=0,
    )
    stored = "".join(file.read_text() for file in elsewhere.glob("*config.json"))
    assert str(here) not in stored


# -- recipes from the command line -----------------------------------------------------------------------------


def imdb_folder(root: Path) -> Path:
    for half in ("train", "test"):
        for sign, word, rating in (("neg", "bark", 2), ("pos", "purr", 9)):
            (root / half / sign).mkdir(parents=True)
            for number in range(12):
                text = f"The {word} of it .<br /><br />sun {'rain ' * number}"
                (root / half / sign / f"{number}_{rating}.txt").write_text(text)
            urls = [f"http://www.imdb.com/title/tt{number:07d}/usercomments" for number in range(12)]
            (root / half / f"urls_{sign}.txt").write_text("\n".join(urls) + "\n")
    return root


def docgraph(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["docgraph", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_the_papers_recipe_trains_on_aclimdb_by_name_and_as_its_yaml(
    tmp_path: Path,
    random_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    imdb_folder(tmp_path / "aclImdb")
    changes = ["--set", f"text_encoder={random_bert}", "--set", "epochs=1", "--set", "device=cpu", "--quiet"]
    named = ["train", "--recipe", "imdb-hsa", "--data", "aclImdb", "--output", "runs/x"]
    assert docgraph(monkeypatch, *named, *changes) == 0
    assert "model in runs/x" in capsys.readouterr().out
    assert docgraph(monkeypatch, "recipes", "imdb-hsa") == 0
    Path("imdb.yaml").write_text(capsys.readouterr().out)
    assert docgraph(monkeypatch, "train", "imdb.yaml", "--data", "aclImdb", "--output", "runs/y", *changes) == 0
    assert_equal_weights(Path("runs/x"), Path("runs/y"))
    model = DocumentForClassification.from_pretrained("runs/x")
    assert (model.config.layer, model.config.attend_self, model.config.num_attention_heads) == (
        "hte",
        False,
        3,
    )
    scores = json.loads(Path("runs/x/scores.json").read_text())
    assert scores["records"] == {"train": 22, "dev": 2, "test": 24}
    found = evaluate(RunFolder("runs/x").model(), load("aclImdb"), "test", with_baselines=False)
    assert len(found.predictions) == 24


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "pets.jsonl", image=None)
    absent = str(tmp_path / "no" / "such")
    values = {"model.text_encoder": "pretrained", "text_encoder": absent}
    with pytest.raises(
        ModelError, match=r"must be the folder of a transformers model, or its name on the hub, but .*such"
    ):
        fit(tiny(table, tmp_path / "x", **values), QUIET)
    (tmp_path / "empty").mkdir()
    pictures = {"model.image_encoder": "test_vit", "image_weights": str(tmp_path / "empty")}
    with pytest.raises(
        ModelError, match=r"a folder with model\.safetensors or pytorch_model\.bin, but .*empty is neither"
    ):
        fit(tiny(table, tmp_path / "y", **pictures), QUIET)
