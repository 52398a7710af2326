"""The result pages' own arithmetic: folds that hold chapters together, Wilson's interval, and the significance of a table
against an independent computation."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from training.significance import paired_bootstrap

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_fold_shares_no_chapter_and_every_document_is_tested_once(shared_data, tmp_path):
    data = shared_data / "html_images" / "openstax"
    index = json.loads((data / "index.json").read_text(encoding="utf-8"))
    chapter = {(one["label"], one["id"]): (one["label"], one["chapter"]) for one in index}
    tested: list[tuple[str, str]] = []
    for folder in benchmark("chapters").write_folds(data, tmp_path):
        splits = {
            name: [
                (one["section"], one["article_url"].removeprefix("openstax:"))
                for one in json.loads((folder / "news" / f"nytimes_{name}.json").read_text(encoding="utf-8"))
            ]
            for name in ("train", "dev", "test")
        }
        chapters = [{chapter[name] for name in names} for names in splits.values()]
        assert sum(map(len, chapters)) == len(set.union(*chapters))
        assert len({chapter[name][0] for name in splits["test"]}) == 12  # every subject is there
        assert sum(map(len, splits.values())) == len(index)
        tested += splits["test"]
    assert sorted(tested) == sorted(chapter)


def test_wilson_is_scipys():
    low, high = benchmark("structure").wilson(37 / 50, 50, z=stats.norm.ppf(0.975))
    want = stats.binomtest(37, 50).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((want.low, want.high), abs=1e-9)


def test_the_bootstrap_agrees_with_scipys_and_with_mcnemar():
    """One seed: scipy's paired bootstrap gives the interval, and its p is near that of the exact McNemar test."""
    draw = np.random.default_rng(4)
    one, other = draw.random((2, 800)) < np.array([0.86, 0.83])[:, None]
    found = paired_bootstrap(one[None], other[None])
    want = stats.bootstrap(
        (one.astype(float), other.astype(float)),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True, vectorized=True, method="percentile", n_resamples=10_000, random_state=1,
    )  # fmt: skip
    assert (found.low, found.high) == pytest.approx(tuple(want.confidence_interval), abs=0.002)
    won, lost = int((one & ~other).sum()), int((other & ~one).sum())
    exact = stats.binomtest(won, won + lost).pvalue
    assert found.p == pytest.approx(exact, abs=0.03)
