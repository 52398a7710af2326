"""Comparisons: intervals against closed forms and scipy, bootstrap against its exact answers,
runs kept and continued.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from scipy import stats

from docgraph.errors import DataError
from tests.training_runs import TINY, write_table
from training.compare.report import RIVAL_KINDS, to_markdown
from training.compare.run import compare, summarise
from training.compare.worker import Result
from training.config import ConfigError, TrainingConfig, make_config
from training.evaluation.significance import Difference, holm, paired_bootstrap, seed_interval


def config(data: Path, output: Path) -> TrainingConfig:
    values = {
        "data": str(data),
        "output": str(output),
        "device": "cpu",
        "vocab_size": 300,
        "epochs": 2,
        "batch_documents": 8,
        "learning_rate": 0.01,
        "model": TINY,
    }
    return make_config(values)


# -- intervals and differences ---------------------------------------------------------------------------------


def test_the_interval_over_seeds_is_students():
    values = [0.81, 0.84, 0.80, 0.86]
    mean, half = seed_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean == pytest.approx(np.mean(values), abs=1e-15)
    assert half == pytest.approx((high - low) / 2, rel=1e-9)
    assert seed_interval([0.5]) == (0.5, None)


def test_the_bootstrap_of_one_seed_each_has_the_spread_of_the_paired_differences():
    draw = np.random.default_rng(5)
    one, other = draw.random((2, 1, 1000)) < np.array([0.9, 0.8])[:, None, None]
    found = paired_bootstrap(one, other)
    differences = one[0].astype(float) - other[0]
    error = differences.std() / math.sqrt(1000)  # the bootstrap's standard error of a mean, exactly
    assert found.value == pytest.approx(differences.mean(), abs=1e-12)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert (found.high + found.low) / 2 == pytest.approx(differences.mean(), abs=0.1 * error)


def test_pairing_counts_records_that_both_get_wrong_the_same_way():
    """The same accuracies: with errors on the same records the difference is sure, with errors elsewhere it is not."""
    one = np.ones((1, 100), bool)
    one[0, :10] = False
    nested, apart = np.ones((1, 100), bool), np.ones((1, 100), bool)
    nested[0, :16] = False
    apart[0, 50:66] = False
    sure, unsure = paired_bootstrap(one, nested), paired_bootstrap(one, apart)
    assert sure.value == pytest.approx(unsure.value) == pytest.approx(0.06)
    assert sure.low > 0 > unsure.low
    # Every sample's difference is a count of the six records: none of them is drawn with probability 0.94 ** 100.
    assert sure.p == pytest.approx(2 * 0.94**100, rel=0.3)


def test_a_kind_does_not_differ_from_itself_and_sides_can_be_changed():
    right = np.random.default_rng(1).random((2, 60)) < 0.7
    assert paired_bootstrap(right[:1], right[:1]).p == 1
    there, back = (
        paired_bootstrap(right[:1], right[1:], seed=3),
        paired_bootstrap(right[1:], right[:1], seed=3),
    )
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert there.p == back.p


def test_the_spread_of_seeds_widens_the_interval():
    """Seeds that differ by 40 points on 1000 records: the records alone would give an interval of 6 points."""
    steady = np.zeros((2, 1000), bool)
    steady[:, :500] = True
    wild = np.zeros((2, 1000), bool)
    wild[0, :700], wild[1, :300] = True, True
    found = paired_bootstrap(wild, steady)
    assert found.value == pytest.approx(0)
    assert found.high - found.low > 0.3


def test_seeds_are_paired_where_both_sides_have_them():
    """Seeds move both sides alike: the difference is that of ten records, whatever the seeds do."""
    draw = np.random.default_rng(2)
    other = draw.random((3, 400)) < np.array([0.4, 0.6, 0.8])[:, None]
    one = other.copy()
    one[:, :10] = True
    found = paired_bootstrap(one, other)
    assert found.value > 0
    assert found.low > 0
    assert found.high < 0.03
    assert paired_bootstrap(other, other) == Difference(value=0.0, low=0.0, high=0.0, p=1.0)


def test_arrays_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same N"):
        paired_bootstrap(np.ones((1, 3), bool), np.ones((1, 4), bool))


def test_holm_by_hand():
    # sorted: 0.01 * 3, 0.02 * 2, 0.03 * 1 -> 0.03, 0.04, then never less than the one before
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


# -- comparisons -----------------------------------------------------------------------------------------------


def result(kind: str, seed: int, right: list[bool], **changes: object) -> Result:
    values = {
        "kind": kind, "seed": seed, "split": "test", "scored": "test", "labels": ("a", "b"),
        "accuracy": float(np.mean(right)), "macro_f1": 0.5, "dev_accuracy": None, "parameters": 7, "seconds": 1.0,
        "peak_memory": 2, "ids": tuple(map(str, range(len(right)))), "right": tuple(right),
    }  # fmt: skip
    return Result(**{**values, **changes})


def test_runs_on_different_records_are_not_compared():
    config = TrainingConfig(data="x", output="y")
    good = result("hsa", 0, [True, False])
    with pytest.raises(DataError, match="same records"):
        summarise([good, result("flat", 0, [True, False], ids=("0", "2"))], config)


def test_seeds_of_a_kind_become_one_row_and_every_pair_is_compared():
    config = TrainingConfig(data="x", output="y")
    runs = [
        result(kind, seed, [True] * (90 - 30 * (kind == "none")) + [False] * (10 + 30 * (kind == "none")))
        for kind in ("none", "hsa", "flat")
        for seed in (0, 1)
    ]
    found = summarise(runs, config)
    assert {row.kind: row.accuracies for row in found.rows} == {
        "hsa": (0.9, 0.9),
        "flat": (0.9, 0.9),
        "none": (0.6, 0.6),
    }
    assert [(pair.one, pair.other) for pair in found.pairs] == [
        ("hsa", "flat"),
        ("hsa", "none"),
        ("flat", "none"),
    ]
    assert [pair.significant for pair in found.pairs] == [False, True, True]


def test_a_table_without_a_kind_of_attention_says_so_and_how_to_go_on():
    config = TrainingConfig(data="x", output="y")
    text = to_markdown(summarise([result("tf-idf", 0, [True, False])], config, left=2))
    assert "No kind of attention was run yet" in text
    assert "Type the same command again to go on." in text
    assert "2 planned runs are not in this table: the same command goes on with them." in text
    assert "above" not in text
    text = to_markdown(summarise([result(kind, 0, [True] * 9) for kind in ("tf-idf", "hsa")], config))
    assert "Not significantly above the best simple rival, tf-idf: hsa (+0.0 points)" in text


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[TrainingConfig, object]:
    """Two kinds and the simple rivals on twelve sentences."""
    folder = tmp_path_factory.mktemp("comparison")
    chosen = config(write_table(folder / "pets.jsonl"), folder / "out")
    return chosen, compare(chosen, attention=("hsa", "none"), seeds=1)


def test_a_comparison_writes_runs_and_its_table(compared):
    chosen, found = compared
    output = Path(chosen.output)
    assert [row.kind for row in found.rows] == [*RIVAL_KINDS, "hsa", "none"]
    assert [(pair.one, pair.other) for pair in found.pairs] == [
        ("hsa", "none"),
        *(("hsa", rival) for rival in RIVAL_KINDS),
        *(("none", rival) for rival in RIVAL_KINDS),
    ]
    assert {path.name for path in (output / "runs").iterdir()} == {
        "tf-idf-0",
        "nb-lr-0",
        "minilm-0",
        "hsa-0",
        "none-0",
    }
    written = json.loads((output / "comparison.json").read_text())
    assert [row["kind"] for row in written["rows"]] == [*RIVAL_KINDS, "hsa", "none"]
    assert written["rows"][-2]["parameters"] == written["rows"][-1]["parameters"] > 0
    assert 50e6 < written["rows"][-2]["peak_memory"] < 8e9
    text = (output / "comparison.md").read_text()
    assert "| hsa − none |" in text
    assert "records of the dev split" in text  # the table has no test split
    assert "also chose each run's epoch" in text
    assert (output / "comparison.png").read_bytes().startswith(b"\x89PNG")
    page = BeautifulSoup((output / "comparison.html").read_text(), "lxml")
    assert [cell.text for cell in page.table.tbody.find_all("td")[::7]] == [*RIVAL_KINDS, "hsa", "none"]
    assert page.img["src"].startswith("data:image/png;base64,")
    kinds = {name: json.loads((output / "runs" / name / "config.json").read_text()) for name in ("hsa-0", "none-0")}
    assert {name: values["attention"] for name, values in kinds.items()} == {"hsa-0": "hsa", "none-0": "none"}


def test_finished_runs_are_kept_and_missing_ones_added(compared):
    chosen, _ = compared
    weights = Path(chosen.output, "runs", "hsa-0", "model.safetensors")
    before = weights.stat().st_mtime_ns
    stopped = compare(chosen, attention=("hsa", "none", "flat"), seeds=1, minutes=0)
    assert stopped.runs_left == 1
    assert len(stopped.rows) == 5
    whole = compare(chosen, attention=("hsa", "none", "flat"), seeds=1)
    assert weights.stat().st_mtime_ns == before
    assert {row.kind for row in whole.rows} == {*RIVAL_KINDS, "hsa", "none", "flat"}
    assert whole.runs_left == 0


def test_a_kind_may_name_its_form(compared):
    from training.compare.run import _run_config

    chosen, _ = compared
    run = _run_config(chosen, "permuted-block", 3, Path("there"))
    assert (run.model["attention"], run.model["attention_form"], run.seed) == ("permuted", "block", 3)
    assert "attention_form" not in _run_config(chosen, "hsa", 0, Path("there")).model
    run = _run_config(chosen, "permuted-hdt", 0, Path("there"))
    assert (run.model["attention"], "attention_form" in run.model) == ("permuted-hdt", False)
    found = summarise([result(kind, 0, [True, False]) for kind in ("tf-idf", "hsa-block", "flat", "hsa")], chosen)
    assert [(pair.one, pair.other) for pair in found.pairs][:3] == [
        ("hsa", "flat"), ("hsa", "hsa-block"), ("hsa", "tf-idf"),
    ]  # fmt: skip


def test_a_kind_may_see_boxes(compared):
    from training.compare.run import _run_config

    chosen, _ = compared
    run = _run_config(chosen, "permuted-boxes", 1, Path("there"))
    assert (run.model["attention"], run.model["position_boxes"]) == ("permuted", True)
    found = summarise([result(kind, 0, [True, False]) for kind in ("hsa-boxes", "hsa")], chosen)
    assert [(pair.one, pair.other) for pair in found.pairs] == [("hsa", "hsa-boxes")]


def test_wrong_wishes_are_refused(compared):
    chosen, _ = compared
    with pytest.raises(ConfigError, match="attention must be some of hsa, flat, none, permuted, but is softmax"):
        compare(chosen, attention=("hsa", "softmax"))
    with pytest.raises(
        ConfigError,
        match=r"but is flat-block\. With a form of its own, it is one of hsa-paper.*; of other papers, of hdt",
    ):
        compare(chosen, attention=("hsa-block", "flat-block"))
    with pytest.raises(DataError, match="differs in split"):
        compare(chosen, attention=("hsa",), split="dev", minutes=0)
    with pytest.raises(DataError, match="differs in learning_rate"):
        compare(chosen.with_values({"learning_rate": 0.02}), attention=("permuted", "hsa"), seeds=1, minutes=0)
    with pytest.raises(DataError, match="a document model has no field wings"):
        compare(
            chosen.with_values({"model.wings": 2, "output": f"{chosen.output}2"}),
            attention=("hsa",),
            with_baseline=False,
        )
