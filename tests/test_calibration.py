"""Scales of a model's logits: the likeliest there are, within bounds, also where parts disagree or say nothing."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.training_runs import QUIET, TINY, dev_logit_parts, flip_some_labels, tiny, write_table
from training.fit import fit
from training.learning.calibration import BOUNDS, logit_scales, weighed


def drawn(*true_scales: float, records: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Parts, and classes drawn from their weighed sum."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(len(true_scales), records, 5, generator=generator)
    probabilities = weighed(parts, torch.tensor(true_scales)).softmax(-1)
    return parts, torch.multinomial(probabilities, 1, generator=generator)[:, 0]


@pytest.mark.parametrize("true_scales", [(0.4,), (3.0,), (0.5, 2.0), (2.0, 0.1)])
def test_scales_that_made_the_classes_are_found_again(true_scales: tuple[float, ...]) -> None:
    found = logit_scales(*drawn(*true_scales))
    torch.testing.assert_close(found, torch.tensor(true_scales, dtype=torch.float64), rtol=0.1, atol=0.06)


def test_no_scales_of_a_grid_are_likelier() -> None:
    parts, target = drawn(0.7, 1.5, records=100)
    best = cross_entropy(weighed(parts, logit_scales(parts, target)), target)
    for one in torch.linspace(0.05, 4, 40):
        for other in torch.linspace(0.05, 4, 40):
            assert best <= cross_entropy(weighed(parts, torch.stack([one, other])), target) + 1e-6


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e6])
def test_extreme_logits_stay_within_the_bounds_and_none_of_the_bounds_is_likelier(factor: float) -> None:
    parts, target = drawn(1.0, 1.0, records=60)
    perfect = factor * torch.nn.functional.one_hot(target, 5).float()
    for one in (perfect[None], -perfect[None], torch.stack([perfect, factor * parts[0]])):
        found = logit_scales(one, target)
        assert found.min() >= BOUNDS[0]
        assert found.max() <= BOUNDS[1]
        best = cross_entropy(weighed(one, found), target)
        for bound in BOUNDS:
            assert best <= cross_entropy(weighed(one, torch.full_like(found, bound)), target) + 1e-6


def test_parts_that_say_nothing_keep_their_scales() -> None:
    assert logit_scales(torch.zeros(2, 60, 5), torch.arange(60) % 5).tolist() == [1.0, 1.0]


def test_a_run_picks_its_epoch_by_the_transformer_and_stores_each_part_times_its_scale(
    tmp_path: Path,
) -> None:
    table = write_table(tmp_path / "pets.jsonl", rows=180)
    flip_some_labels(table)
    text = {**TINY, "regression_ngrams": 1}
    plain = fit(tiny(table, tmp_path / "plain", epochs=1, model=text, calibrate=False), QUIET)
    scaled = fit(tiny(table, tmp_path / "scaled", epochs=1, model=text), QUIET)
    before, target = dev_logit_parts(plain)
    after, _ = dev_logit_parts(scaled)
    scales = logit_scales(before, target)
    assert len(set(scales.tolist())) == 2
    assert scaled.scores["logit_scales"] == pytest.approx(scales.tolist(), rel=1e-2)
    torch.testing.assert_close(after, before * scales.float()[:, None, None], rtol=1e-2, atol=1e-4)
    (eval_loss,) = [entry["eval_loss"] for entry in plain.scores["history"] if "eval_loss" in entry]
    assert eval_loss == pytest.approx(cross_entropy(before[0], target).item(), abs=1e-4)
    assert plain.scores["best"]["dev_loss"] == pytest.approx(cross_entropy(before.sum(0), target).item(), abs=1e-4)
    assert eval_loss != pytest.approx(plain.scores["best"]["dev_loss"], abs=1e-3)
    assert scaled.scores["best"]["dev_loss"] == pytest.approx(cross_entropy(after.sum(0), target).item(), abs=1e-4)
