"""What is shown of a data set, which recipe is chosen for it, a budget, and the order of predictions."""

import json
import sys
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments

from docgraph import Evidence, parse_text
from tests.training_runs import TINY, write_table
from training import cli
from training.choose import Machine, choose, encoding_minutes
from training.config import make_config
from training.datasets import load
from training.datasets.describe import DataFacts, describe
from training.evaluate import _evidence
from training.inputs import find_inputs
from training.learning.budget import TimeBudget
from training.learning.progress import ShowProgress
from training.recipes import RECIPES

BARE = Machine(minilm=False, lite0=False, gpu=False, cores=2)
FULL = Machine(minilm=True, lite0=True, gpu=False, cores=2)


def facts_of(path: Path) -> DataFacts:
    return describe(load(path), str(path), "table")


def table(path: Path, count: int = 40, **cells: str) -> Path:
    rows = ({"label": str(n % 2), **{name: f"{text} {n}" for name, text in cells.items()}} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_text_that_would_take_the_whole_time_is_cut_and_that_is_said(tmp_path):
    path = table(tmp_path / "a.jsonl", text="a few words")
    assert "max_tokens" not in choose(facts_of(path), FULL, 1).settings
    with path.open("a") as file:
        file.write(json.dumps({"label": "0", "text": "word " * 100_000}) + "\n")
    choice = choose(facts_of(path), FULL, 1)
    assert choice.settings["max_tokens"] == 12_000
    assert "what a text has past 12,000 sub-words, as the longest has some 124,999" in choice.lines[1]
    assert "max_tokens" not in choose(facts_of(path), FULL, 60).settings
    assert "max_tokens" not in choose(facts_of(path), BARE, 1).settings  # n-grams read all in a second


# -- what is shown -----------------------------------------------------------------------------------------------


def problems_of(path: Path, rows: list[tuple[str, str]]) -> dict[str, tuple[int, str]]:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return {code: (one["count"], one["message"]) for code, one in facts_of(path).problems.items()}


def test_what_cannot_be_learned_from_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    assert problems_of(path, [("one", "x")]) == {
        "label.one": (1, "the only training record has the label 'x', and two are needed.")
    }
    assert problems_of(path, [(f"text {n}", "x") for n in range(20)]) == {
        "label.one": (1, "all 16 training records have the label 'x', and two are needed.")
    }
    found = problems_of(path, [("", "xy"[n % 2]) for n in range(20)])
    assert found["train.empty"] == (1, "no training record holds any text or image.")


def test_repeats_and_contradictions_are_counted(tmp_path):
    rows = [(f"text {n}", "xy"[n % 2]) for n in range(20)]
    found = problems_of(tmp_path / "a.jsonl", [*rows, rows[0], rows[0], (rows[1][0], "x"), ("", "x"), ("", "y")])
    assert found["text.repeated"] == (2, "this record has the text and the label of #0.")
    assert found["label.conflict"] == (1, "this record has the text of #1, but the label x, not y.")
    assert {*found} == {"text.repeated", "label.conflict", "record.empty"}


def test_a_description_counts_what_was_written(tmp_path):
    rows = [
        {"text": "aa", "label": "x", "split": "train", "url": "u"},
        {"text": "aaaa", "label": "X", "split": "train"},
        {"text": "", "label": "x", "split": "train"},
        {"text": "aa", "label": "y", "split": "test"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = facts_of(tmp_path / "a.jsonl")
    assert (facts.records, facts.splits, facts.is_given) == (4, {"train": 3, "test": 1}, True)
    assert facts.columns == {"text": "body", "label": "label", "split": "split", "url": ""}
    assert (facts.fields["body"].records, facts.fields["body"].median, facts.fields["body"].longest) == (3, 2, 4)
    assert facts.labels == {"x": {"train": 2}, "X": {"train": 1}, "y": {"test": 1}}
    assert {code: one["count"] for code, one in facts.problems.items()} == {
        "label.alike": 1,
        "label.conflict": 1,
        "label.rare": 1,
        "label.unseen": 1,
        "record.empty": 1,
        "text.shared": 1,
    }
    assert "'X' has one record, which cannot be both" in facts.problems["label.rare"]["message"]


def test_the_command_shows_the_sample_news(monkeypatch, capsys, sample_data):
    raw = json.loads((sample_data / "news" / "news" / "nytimes_train.json").read_text())
    monkeypatch.setattr(sys, "argv", ["docgraph", "data", str(sample_data / "news"), "--json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts["splits"]["train"] == len(raw)
    assert {name: counts["train"] for name, counts in facts["labels"].items()} == {
        name: sum(one["section"] == name for one in raw) for name in {one["section"] for one in raw}
    }


def test_an_unclear_table_is_answered_with_the_line_to_type(monkeypatch, capsys, tmp_path):
    (tmp_path / "odd.csv").write_text("what,kind\nlong words,x\nmore words,y\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["docgraph", "data", "odd.csv"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.endswith("Type: docgraph data odd.csv --text what --label kind\n")


# -- what is chosen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "machine", "recipe"),
    [
        ({"text": "words"}, BARE, "stacked-words"),
        ({"text": "words"}, FULL, "stacked-minilm"),
        ({"headline": "words", "summary": "more"}, BARE, "stacked-words"),
        ({"headline": "words", "summary": "more"}, FULL, "stacked-minilm"),
        ({"html": "<p>words"}, FULL, "pages-scratch"),
    ],
)
def test_the_recipe_follows_the_data_and_the_packages(tmp_path, cells, machine, recipe):
    choice = choose(facts_of(table(tmp_path / "a.jsonl", **cells)), machine, 10)
    assert choice.recipe == recipe
    assert recipe in RECIPES
    assert recipe in choice.lines[1]
    assert bool(choice.cut) == (machine is BARE)
    make_config(RECIPES[recipe][1]).with_values(choice.settings)


def test_the_label_column_and_what_is_not_read_are_said(tmp_path):
    (tmp_path / "a.csv").write_text("review,verdict,stars\n" + "".join(f"t {n},good,{n % 2}\n" for n in range(40)))
    told = choose(facts_of(tmp_path / "a.csv"), BARE, 10).lines[0]
    assert "40 records, 2 labels (column stars; not read: verdict)" in told
    columns = {"fields": {"body": "my review", "image": "photo"}, "label": "verdict"}
    told = choose(facts_of(tmp_path / "a.csv"), BARE, 10, columns).lines[2]
    assert f"`docgraph data {tmp_path}/a.csv --text 'my review' --image photo --label verdict` shows" in told
    (tmp_path / "b.csv").write_text(
        "review,stars,a,b,c,d,e,f,g\n" + "".join(f"t {n},{n % 2},,,,,,,\n" for n in range(40))
    )
    told = choose(facts_of(tmp_path / "b.csv"), BARE, 10).lines[0]
    assert "(column stars; not read: a, b, c, d, e, 2 more)" in told


def test_numbers_are_no_labels_to_count(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"t {n},{n}.5\n" for n in range(40)))
    facts = describe(load(tmp_path / "a.csv", problem_type="regression"), "a.csv", "table")
    assert "40 records, numbers to learn (column label)" in choose(facts, BARE, 10).lines[0]
    (tmp_path / "b.csv").write_text("text,label\n" + "".join(f"t {n},\n" for n in range(40)))
    assert "40 records, 0 labels (column label)" in choose(facts_of(tmp_path / "b.csv"), BARE, 10).lines[0]


def test_what_the_budget_has_no_time_for_is_left_out_and_said(tmp_path):
    facts = facts_of(table(tmp_path / "a.jsonl", 400, text="words " * 500))
    needed = encoding_minutes(facts, FULL)
    assert choose(facts, FULL, minutes=needed * 2).recipe == "stacked-minilm"
    short = choose(facts, FULL, minutes=needed)
    assert short.recipe == "stacked-words"
    assert "MiniLM would read for about" in short.lines[1]


def test_dev_records_are_drawn_where_the_data_gives_none(tmp_path):
    rows = [{"text": f"t{n}", "label": str(n % 2), "split": ("train", "test")[n % 4 == 3]} for n in range(80)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    choice = choose(facts_of(tmp_path / "a.jsonl"), BARE, 10)
    assert choice.settings["data_options"] == {"dev_share": 0.1}
    assert "data_options" not in choose(facts_of(table(tmp_path / "b.jsonl", text="words")), BARE, 10).settings


def test_a_loss_that_is_not_known_yet_is_not_shown():
    console = Console(file=StringIO(), width=100)
    shown, state = ShowProgress(console), TrainerState(max_steps=4, global_step=1, epoch=0.25)
    nothing = (None, state, None)
    shown.on_train_begin(*nothing)
    shown.on_log(*nothing, logs={"eval_loss": 0.5, "eval_accuracy": 1.0})
    shown.on_log(*nothing, logs={"loss": 0.25})
    shown.on_log(*nothing, logs={"eval_loss": 0.5})
    shown.stop()
    before, after = [line for line in console.file.getvalue().splitlines() if "epoch" in line]
    assert "nan" not in console.file.getvalue()
    assert " loss" not in before.replace("dev loss", "")
    assert "loss 0.250" in after


# -- the budget --------------------------------------------------------------------------------------------------


class Schedule:
    def __init__(self) -> None:
        self.lr_lambdas = [lambda step: 1 - step / 1000]


def test_a_budget_takes_as_many_steps_as_fit_and_ends_the_schedule_with_them(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget, state, control, schedule = TimeBudget(1.0), TrainerState(max_steps=1000), TrainerControl(), Schedule()
    args = TrainingArguments(output_dir=str(tmp_path), report_to="none")
    budget.on_train_begin(args, state, control)
    while not control.should_training_stop:
        now[0] += 0.5
        state.global_step += 1
        budget.on_step_end(args, state, control, lr_scheduler=schedule)
    assert 110 <= state.global_step <= 114  # 60 s, a twelfth kept back, half a second a step
    assert schedule.lr_lambdas[0](state.max_steps) == pytest.approx(0, abs=1e-9)
    assert schedule.lr_lambdas[0](0) == 1
    assert budget.cut is not None
    assert f"{state.global_step} of 1,000 steps" in budget.cut


def test_the_schedule_of_a_run_that_was_cut_can_be_read_when_it_goes_on(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 1000)
    budget, state, control = TimeBudget(1.0), TrainerState(max_steps=1000), TrainerControl()
    args = TrainingArguments(output_dir=str(tmp_path), report_to="none")
    budget.on_train_begin(args, state, control)
    for state.global_step in range(1, 20):
        now[0] += 0.5
        budget.on_step_end(args, state, control, lr_scheduler=schedule)
    assert state.max_steps < 1000
    torch.save(schedule.state_dict(), tmp_path / "scheduler.pt")
    schedule.load_state_dict(torch.load(tmp_path / "scheduler.pt", weights_only=True))


def budget_after(tmp_path, monkeypatch, seconds):
    """A budget of a minute for 200 steps, after one step for each of the seconds; None is an evaluation."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget, state, control = TimeBudget(1.0), TrainerState(max_steps=200), TrainerControl()
    args = TrainingArguments(output_dir=str(tmp_path), report_to="none")
    budget.on_train_begin(args, state, control)
    for one in seconds:
        if one is None:
            budget.on_evaluate(args, state, control)
            continue
        now[0] += one
        state.global_step += 1
        budget.on_step_end(args, state, control)
    return budget, state


def test_what_is_kept_for_the_end_is_a_share_of_a_short_time_and_no_more_of_a_long_one():
    now = time.monotonic()
    assert TimeBudget(10, now).left == pytest.approx(0.92 * 600, abs=5)
    assert TimeBudget(600, now).left == pytest.approx(36_000 - 90, abs=5)


def test_time_is_no_reason_where_patience_ended_the_training(tmp_path, monkeypatch):
    budget, _ = budget_after(tmp_path, monkeypatch, [0.01] * 20)
    assert budget.done < budget.meant
    assert budget.cut is None


def test_a_slow_first_pass_cuts_no_steps_that_fit_later(tmp_path, monkeypatch):
    budget, state = budget_after(tmp_path, monkeypatch, [0.5] * 10)
    assert state.max_steps < 200
    budget, state = budget_after(tmp_path, monkeypatch, [0.5] * 10 + [None] + [0.01] * 190)
    assert (state.max_steps, budget.done, budget.cut) == (200, 200, None)


# -- from a table to predictions, in its order -------------------------------------------------------------------


def test_inputs_come_in_the_order_of_their_table_and_those_of_two_tables_are_all_there(tmp_path):
    one, other = write_table(tmp_path / "a.jsonl"), write_table(tmp_path / "b.jsonl")
    rows = [json.loads(line)["id"] for line in one.read_text().splitlines()]
    assert [each.id for each in find_inputs([one])] == rows
    assert [each.id for each in find_inputs([one, other])] == [*rows, *(f"{other.as_posix()}:{row}" for row in rows)]


def test_training_without_a_recipe_says_three_lines_and_predicts_in_order(tmp_path, monkeypatch, capsys):
    rows = [(f"{'purr bark'.split()[n % 2]} {n}", "cats dogs".split()[n % 2]) for n in range(30)]
    (tmp_path / "pets.csv").write_text("review,Category,note\n" + "".join(f"{text},{label},\n" for text, label in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: BARE))
    small = [f"model.{name}={value}" for name, value in TINY.items() if name != "image_encoder"]
    settings = [part for one in (*small, "epochs=1", "vocab_size=300", "device=cpu") for part in ("--set", one)]
    command = ["docgraph", "train", "--data", "pets.csv", "--text", "review", "--output", "run", "--minutes", "30"]
    command += settings
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err.splitlines()
    assert not stop.value.code
    assert [line.partition(":")[0] for line in said[:3]] == ["data", "recipe", "to change it"]
    assert "stacked-words" in said[1]
    monkeypatch.setattr(sys, "argv", ["docgraph", "predict", "run", "pets.csv", "--json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    predicted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in predicted] == [f"#{n}" for n in range(30)]
    assert [one["label"] for one in predicted] == [label for _, label in rows]
    assert not any("evidence" in one for one in predicted)
    # The columns that the model learned from are of tables, and nothing is said of them where there is none.
    (tmp_path / "long.txt").write_text("The sun of it. A purr is here. It is warm.\n\nRain and wind. Snow again.")
    monkeypatch.setattr(sys, "argv", ["docgraph", "predict", "run", "long.txt", "--json", "--evidence", "2"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    (one,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert one["predicted"] == "cats"
    assert [part["kind"] for part in one["evidence"]] == ["sentence", "sentence"]
    assert one["evidence"][0]["text"] == "A purr is here."
    assert one["evidence"][0]["value"] > one["evidence"][1]["value"]
    monkeypatch.setattr(sys, "argv", ["docgraph", "predict", "run", "long.txt", "--evidence", "1"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.splitlines()[1] == f"    {one['evidence'][0]['value']:+.3f} A purr is here."


@pytest.mark.parametrize(("classes", "first"), [(("a value",), "The sun shines."), (("x", "y"), "It rains again.")])
def test_what_counts_most_for_a_value_may_lower_it(classes, first):
    document = parse_text("It rains again. The sun shines.")
    values = np.full((len(document), len(classes)), np.nan, np.float32)
    values[[node.row for node in document.find("sentence")], 0] = [0.5, -2.0]
    found = Evidence(
        classes=classes, probabilities=np.array([3.0, 1.0][: len(classes)], np.float32), values=values, method=""
    )
    model = SimpleNamespace(explain=lambda document, passes: found)
    assert next(one["text"] for one in _evidence(model, document, 2)) == first
