"""Training: the batch plan, resuming after kill -9, seeds, early stopping, records with next to nothing in them."""

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from docgraph.errors import DataError, ModelError
from encoders import DocumentForClassification
from tests.training_runs import QUIET, assert_equal_weights, tiny, weights, write_table
from training.config import ConfigError, make_config, parse_setting
from training.evaluate import evaluate
from training.fit import fit
from training.learning.batches import PlannedBatches
from training.learning.new_model import document_config
from training.recipes import RECIPES, read_config, recipe
from training.run_folder import RunFolder


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "pets.jsonl")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, table) -> Path:
    """One uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    fit(tiny(table, folder), QUIET)
    return folder


# -- the plan of batches ---------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 500), min_size=4, max_size=60),
    documents=st.integers(1, 9),
    leaves=st.integers(50, 2000),
    world=st.integers(1, 3),
    epoch=st.integers(0, 5),
)
@settings(max_examples=60)
def test_every_record_is_in_one_batch_and_processes_have_equally_many(sizes, documents, leaves, world, epoch):
    plans = [
        PlannedBatches(sizes, batch_documents=documents, batch_leaves=leaves, seed=1, rank=rank, world=world)
        for rank in range(world)
    ]
    for plan in plans:
        plan.set_epoch(epoch)
    batches = [list(plan) for plan in plans]
    assert sorted(i for some in batches for batch in some for i in batch) == list(range(len(sizes)))
    assert all(batch for some in batches for batch in some)
    assert {len(some) for some in batches} == {len(plans[0])}
    other = PlannedBatches(sizes, batch_documents=documents, batch_leaves=leaves, seed=1)
    if len(sizes) >= 2 * other.batches:
        share = sum(other.cost) / other.batches
        assert max(sum(other.cost[i] for i in batch) for batch in other) <= share + max(other.cost) + 1e-9


def test_a_plan_depends_on_seed_and_epoch_alone_and_its_length_on_neither():
    sizes = [random.Random(2).randint(1, 90) for _ in range(50)]
    plans = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            plan = PlannedBatches(sizes, batch_documents=8, batch_leaves=300, seed=seed)
            plan.set_epoch(epoch)
            plans[seed, epoch] = list(plan)
            assert plans[seed, epoch] == list(plan)
    assert len({str(plan) for plan in plans.values()}) == 4
    assert len({len(plan) for plan in plans.values()}) == 1
    assert len(plans[0, 0]) == math.ceil(sum(max(1 / 8, size / 300) for size in sizes))


def test_fewer_records_than_processes_are_refused():
    with pytest.raises(DataError, match="at least one record for each of the 3 processes, but there are 2"):
        PlannedBatches([1, 1], batch_documents=1, batch_leaves=9, seed=0, world=3)


# -- runs ------------------------------------------------------------------------------------------------------


def test_a_run_learns_and_its_folder_is_all_that_is_needed(trained, table):
    scores = json.loads((trained / "scores.json").read_text())
    assert scores["best"]["dev_accuracy"] == 1.0
    assert scores["records"] == {"train": 16, "dev": 8}
    model = DocumentForClassification.from_pretrained(trained)
    from docgraph import parse_text

    assert model.predict([parse_text("The bark of it."), parse_text("The purr of it.")]).labels == [
        "dogs",
        "cats",
    ]
    config = (trained / "config.json").read_text() + (trained / "processor_config.json").read_text()
    assert str(table.parent) not in config


def test_two_runs_with_one_seed_give_identical_weights_and_another_seed_others(trained, table, tmp_path):
    fit(tiny(table, tmp_path / "again"), QUIET)
    assert_equal_weights(trained, tmp_path / "again")
    fit(tiny(table, tmp_path / "other", seed=1), QUIET)
    assert not torch.equal(weights(trained)["classifier.0.weight"], weights(tmp_path / "other")["classifier.0.weight"])


KILLED = """
import os, signal, sys
from training.learning import trainer
from training.fit import main
steps, step = int(sys.argv[1]), trainer.DocumentTrainer.training_step
def killing(self, *args, **kwargs):
    if self.state.global_step == steps:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)
trainer.DocumentTrainer.training_step = killing
main(sys.argv[2:])
"""


def test_a_run_killed_in_mid_epoch_resumes_to_the_weights_of_an_uninterrupted_one(trained, table, tmp_path):
    folder = tmp_path / "killed"
    config = tiny(table, folder, checkpoint_steps=3)
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    # 4 steps an epoch: killed in the middle of the second, after the checkpoint of step 3, and another time later.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    died = subprocess.run([sys.executable, "-c", KILLED, "5", str(file)], env=environment, capture_output=True)
    assert died.returncode == -9, died.stderr.decode()
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["checkpoint-3"]
    half = folder / "checkpoints" / "checkpoint-4"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"cut short")
    run = fit(config, QUIET)
    assert not half.exists()
    assert_equal_weights(trained, folder)
    whole = json.loads((trained / "scores.json").read_text())
    losses = [[e["eval_loss"] for e in s["history"] if "eval_loss" in e] for s in (whole, run.scores)]
    assert losses[0] == losses[1]


def test_a_finished_run_is_returned_and_another_one_is_refused_its_folder(trained, table):
    before = (trained / "model.safetensors").stat().st_mtime_ns
    run = fit(tiny(table, trained), QUIET)
    assert run.scores["best"]["dev_accuracy"] == 1.0
    assert (trained / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"its run differs in model, learning_rate\. Choose another output"):
        fit(tiny(table, trained, learning_rate=0.1, **{"model.hidden_size": 32}), QUIET)


def test_the_kept_weights_are_the_best_of_all_epochs_not_the_last(tmp_path):
    """Dev labels are the wrong way round: the better training goes, the worse the dev loss."""
    data = write_table(tmp_path / "pets.jsonl")
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        if row["split"] == "dev":
            row["label"] = "dogs" if row["label"] == "cats" else "cats"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = fit(tiny(data, tmp_path / "x", epochs=4, metric="loss"), QUIET)
    losses = [entry["eval_loss"] for entry in run.scores["history"] if "eval_loss" in entry]
    assert min(losses) < losses[-1]
    assert run.scores["best"]["dev_loss"] == pytest.approx(min(losses))


def test_patience_stops_early(table, tmp_path):
    run = fit(tiny(table, tmp_path / "x", epochs=30, patience=2, learning_rate=1e-9), QUIET)
    evaluations = [entry for entry in run.scores["history"] if "eval_loss" in entry]
    assert len(evaluations) < 30


def test_records_with_next_to_nothing_train_and_predict(tmp_path):
    """No picture, no caption, no body, only a headline, nothing at all, a class with one record, a broken picture."""
    (tmp_path / "news").mkdir()
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "good.jpg")
    (tmp_path / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    records = [
        {
            "section": "a",
            "headline": "All of it",
            "abstract": "An",
            "caption": "C.",
            "body": "B.",
            "image_id": "good",
        },
        {"section": "a", "headline": "No picture", "body": "B."},
        {"section": "b", "headline": "Broken picture", "image_id": "broken"},
        {"section": "b", "image_id": "good"},
        {"section": "b"},
        {"section": "once", "headline": "The only one"},
    ]
    for split, some in (
        ("train", records),
        ("dev", records[:3]),
        ("test", [*records[:2], {"section": "unseen"}]),
    ):
        (tmp_path / "news" / f"nytimes_{split}.json").write_text(json.dumps(some))
    changes = {"model.image_encoder": "test_vit", "epochs": 1, "batch_documents": 2}
    run = fit(tiny(tmp_path, tmp_path / "run", **changes), QUIET)
    problems = [json.loads(line) for line in (tmp_path / "run" / "problems.jsonl").read_text().splitlines()]
    assert {"image.unreadable", "record.empty"} <= {problem["code"] for problem in problems}
    found = evaluate(run.model, run.corpus, "test", with_baselines=False)
    assert len(found.predictions) == 2
    assert "label.unseen" in {problem.code for problem in found.problems}
    assert found.labels == ("a", "b", "once")


# -- configurations --------------------------------------------------------------------------------------------


def test_yaml_is_read_with_recipes_and_settings(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("data: d\noutput: o\nlearning_rate: 1e-3\nepochs: 2\nmodel: {hidden_size: 64}\n")
    config = read_config(file).with_values(dict([parse_setting("model.layer=hte"), parse_setting("seed=3")]))
    assert (config.learning_rate, config.epochs, config.seed) == (0.001, 2.0, 3)
    assert config.model == {"hidden_size": 64, "layer": "hte"}
    again = tmp_path / "again.yaml"
    again.write_text(config.to_yaml())
    assert read_config(again) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rat": 1}, "no field 'learning_rat'. Did you mean learning_rate?"),
        ({"epochs": 0}, "epochs must be above 0, but is 0"),
        ({"precision": "fp8"}, "precision must be one of float32, bfloat16, float16, but is 'fp8'"),
        ({"batch_documents": 1.5}, "batch_documents must be a whole number, but is 1.5"),
        ({"calibrate": "no"}, "calibrate must be true or false, but is 'no'"),
        ({"seed": "x"}, "seed must be a number, but is 'x'"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(ConfigError) as error:
        make_config(values)
    assert message in str(error.value)


def test_a_model_field_that_does_not_exist_is_refused(table, tmp_path):
    with pytest.raises(ConfigError, match="a document model has no field hiden_size"):
        fit(tiny(table, tmp_path / "x", **{"model.hiden_size": 3}), QUIET)
    with pytest.raises(ConfigError, match=r"a field of the document model is wrong: .*hidden_dropout_prob"):
        document_config({"hidden_dropout_prob": "much"})
    assert document_config({"hidden_dropout_prob": 0}).hidden_dropout_prob == 0.0


def test_recipes_have_the_form_that_learns_soonest_and_the_papers_have_the_papers():
    """Those that compare kinds of attention name a kind's form themselves."""
    form = {name: recipe(name).model.get("attention_form", "paper") for name in RECIPES}
    compares = {name for name in RECIPES if name.endswith("-deep")}
    papers = {name for name in RECIPES if name.startswith(("imdb-", "elec-", "n24news-"))}
    assert {name for name in form if form[name] == "paper"} == compares | papers
    assert {form[name] for name in set(form) - compares - papers} == {"block"}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_makes_a_model_configuration_and_is_its_yaml(name, tmp_path):
    chosen = recipe(name)
    document_config(chosen.model)
    (tmp_path / "recipe.yaml").write_text(chosen.to_yaml())
    assert read_config(tmp_path / "recipe.yaml") == chosen
    (tmp_path / "named.yaml").write_text(f"recipe: {name}\nepochs: 1\n")
    assert read_config(tmp_path / "named.yaml") == chosen.with_values({"epochs": 1})


def test_a_pretrained_recipe_says_that_it_needs_a_folder(table, tmp_path):
    config = recipe("elec-hsa").with_values({"data": str(table), "output": str(tmp_path / "x"), "format": "table"})
    with pytest.raises(ModelError, match="needs the folder of a transformers model"):
        fit(config, QUIET)


def test_checkpointing_gives_the_same_weights_and_bfloat16_trains(trained, table, tmp_path):
    fit(tiny(table, tmp_path / "g", gradient_checkpointing=True), QUIET)
    assert_equal_weights(trained, tmp_path / "g")
    run = fit(tiny(table, tmp_path / "b", precision="bfloat16"), QUIET)
    assert run.scores["best"]["dev_accuracy"] == 1.0
    assert all(value.dtype == torch.float32 for value in weights(tmp_path / "b").values())


def test_a_frozen_encoder_reads_a_text_once_for_training_evaluation_and_embedding(minilm, table, tmp_path):
    values = {"model.text_encoder": "pretrained", "text_encoder": str(minilm), "epochs": 1}
    run = fit(tiny(table, tmp_path / "run", **values), QUIET)
    model = RunFolder(tmp_path / "run").model()
    reads = []
    model.document.text.encoder.register_forward_hook(lambda *_: reads.append(1))
    evaluate(model, run.corpus, "dev", with_baselines=False)
    assert not reads
