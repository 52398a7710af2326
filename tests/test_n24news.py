"""The benchmark on N24News, on a small made-up one: its dirt is counted, its runs are kept."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import n24news
from benchmarks.n24news_made import RECORDS, make
from training.datasets import load


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("made") / "n24news"
    return folder, make(folder, 400, photos=3)


def test_every_kind_of_dirt_is_counted_and_no_record_is_lost(made: tuple[Path, dict[str, int]]) -> None:
    folder, dirt = made
    corpus = load(folder)
    assert {name: len(some) for name, some in corpus.splits.items()} == {"train": 320, "dev": 40, "test": 40}
    assert corpus.problem_counts == {
        "body.error_page": dirt["blocked"] + dirt["not found"],
        "body.empty": dirt["no body"],
        "caption.empty": dirt["no caption"],
        "image.missing": dirt["no image"],
        "image.unreadable": dirt["cut image"],
    }


def test_the_made_up_set_has_the_size_of_the_real_one() -> None:
    assert RECORDS == 61_218
    assert round(0.8 * RECORDS) + (round(0.9 * RECORDS) - round(0.8 * RECORDS)) < RECORDS


def test_a_run_that_is_done_is_kept_and_the_page_has_it(made, tmp_path, monkeypatch, capsys) -> None:
    command = ["n24news", "--data", str(made[0]), "--output", str(tmp_path / "runs"), "--results", str(tmp_path)]
    command += ["--only", "headline", "--systems", "tf-idf"]
    monkeypatch.setattr(sys, "argv", command)
    n24news.main()
    (row,) = json.loads((tmp_path / "n24news.json").read_text())["rows"]
    assert (row["fields"], row["system"]) == ("headline", "tf-idf")
    assert row["accuracy"] > 1 / 24
    monkeypatch.setattr(n24news, "run_apart", None)  # would fail if it were called
    n24news.main()
    assert "RoBERTa" not in (tmp_path / "n24news.md").read_text()  # stands beside HSA, which was not asked for
    assert "| headline | tf-idf |" in capsys.readouterr().out


def test_each_system_reads_what_it_is_asked_to(tmp_path) -> None:
    base = {"data": "d", "output": str(tmp_path)}
    for fields, names in n24news.FIELDS.items():
        for system in n24news.systems_of(fields):
            config = n24news.config_of(fields, system, 1, base)
            assert config.fields == names
            if system not in n24news.RIVAL_KINDS:
                assert (config.image_weights is None) == ("image" not in names)
                assert (config.text_encoder is None) == (names == ["image"])
    kinds = {system: n24news.config_of("all five", system, 0, base).model for system in n24news.ATTENTION}
    assert [kinds[system].pop("attention") for system in kinds] == ["hsa", "flat", "none", "permuted"]
    assert len({json.dumps(one, sort_keys=True) for one in kinds.values()}) == 1  # all else is equal
