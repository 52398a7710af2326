"""The result pages' own arithmetic: folds that hold chapters together, Wilson's interval, and the significance of a
table against an independent computation."""

import importlib
import json
import pkgutil

import numpy as np
import pytest
import torch
from scipy import stats

import benchmarks
from benchmarks.fusing.layer import KINDS, WIDTH, Fusing
from benchmarks.fusing.pages import Page
from benchmarks.training import chapters, made_up, peers, structure
from benchmarks.training.runs import right
from docgraph.errors import DataError
from training.evaluation.significance import paired_bootstrap


def test_a_fold_shares_no_chapter_and_every_document_is_tested_once(shared_data, tmp_path):
    data = shared_data / "html_images" / "openstax"
    index = json.loads((data / "index.json").read_text(encoding="utf-8"))
    chapter = {(one["label"], one["id"]): (one["label"], one["chapter"]) for one in index}
    tested: list[tuple[str, str]] = []
    for folder in chapters.write_folds(data, tmp_path):
        splits = {
            name: [
                (one["section"], one["article_url"].removeprefix("openstax:"))
                for one in json.loads((folder / "news" / f"nytimes_{name}.json").read_text(encoding="utf-8"))
            ]
            for name in ("train", "dev", "test")
        }
        groups = [{chapter[name] for name in names} for names in splits.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
        assert len({chapter[name][0] for name in splits["test"]}) == 12  # every subject is there
        assert sum(map(len, splits.values())) == len(index)
        tested += splits["test"]
    assert sorted(tested) == sorted(chapter)


@pytest.mark.parametrize(
    "module", sorted({one.name for one in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")})
)
def test_a_benchmark_asks_for_nothing_that_the_product_does_not_have(module):
    importlib.import_module(module)


def test_wilson_is_scipys():
    low, high = structure.wilson(37 / 50, 50, z=stats.norm.ppf(0.975))
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


def test_a_seed_counts_once_all_its_folds_are_done(tmp_path):
    for fold in range(chapters.FOLDS):
        for kind, seed in (("hsa", 0), ("hsa", 1), ("tf-idf", 0)):
            if (fold, seed) != (3, 1):
                folder = tmp_path / "caption" / str(fold) / "runs" / f"{kind}-{seed}"
                folder.mkdir(parents=True)
                (folder / "result.json").write_text(json.dumps({"right": [fold == 2, seed == 1, True]}))
    assert right(chapters.folds_of("headline", tmp_path), "hsa", 2) is None
    found = right(chapters.folds_of("caption", tmp_path), "hsa", 2)
    assert found is not None
    assert found.shape == (1, 3 * chapters.FOLDS)
    assert found[0, 6:9].tolist() == [True, False, True]
    (row,) = chapters.collect(tmp_path, 2)["rows"]
    assert (row["setting"], row["seeds"], row["accuracy"]) == ("caption", 1, pytest.approx(6 / 15))


def test_a_page_keeps_the_settings_that_were_not_run_again():
    row = {"accuracy": 0.5, "half_width": None, "seeds": 1}
    pair = {"other": "tf-idf", "value": 0.1, "low": 0.0, "high": 0.2, "p": 0.03}
    old = {
        "documents": 3, "about": {"commit": "old"}, "kinds": [{**row, "setting": "hsa"}], "kind_pairs": [],
        "rows": [{**row, "setting": name} for name in ("headline", "all five")],
        "pairs": [{**pair, "one": name} for name in ("headline", "all five")],
    }  # fmt: skip
    new = {
        "documents": 3, "about": {"commit": "new"}, "kinds": [], "kind_pairs": [],
        "rows": [{**row, "setting": "headline", "nb-lr": 0.4, "about": {"commit": "new"}}],
        "pairs": [{**pair, "one": "headline", "other": "nb-lr"}],
    }  # fmt: skip
    found = chapters.merged(old, new)
    assert [(row["setting"], row["about"]["commit"]) for row in found["rows"]] == [
        ("headline", "new"), ("all five", "old"),
    ]  # fmt: skip
    assert [(pair["one"], pair["other"], pair["adjusted_p"]) for pair in found["pairs"]] == [
        ("all five", "tf-idf", 0.06), ("headline", "nb-lr", 0.06),
    ]  # fmt: skip
    page = chapters.to_markdown(found)
    assert "* headline: commit new." in page
    assert "* all five; kinds of attention: commit old." in page


def test_a_cut_run_must_have_scored_the_same_records(tmp_path):
    for folder, kind, ids in (("0.1", "hsa", "abc"), ("0.1-cut", "flat", "acb")):
        run = tmp_path / "IMDB" / folder / "runs" / f"{kind}-0"
        run.mkdir(parents=True)
        (run / "result.json").write_text(json.dumps({"right": [True] * 3, "ids": list(ids)}))
    with pytest.raises(DataError, match="all runs on IMDB must score the same records"):
        structure.collect(tmp_path, tmp_path, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fusing_layer_is_the_identity_at_first_and_each_page_is_read_by_itself(kind):
    torch.manual_seed(0)
    pages = [
        Page(
            torch.nn.functional.normalize(torch.randn(len(parent), WIDTH), dim=-1),
            torch.arange(sum(is_leaf)), np.array(parent), np.array(is_leaf), torch.zeros(0), {}, [],
        )
        for parent, is_leaf in (([-1, 0, 1, 1, 0], [False, False, True, True, True]), ([-1, 0], [False, True]))
    ]  # fmt: skip
    own = torch.cat([page.read[page.leaves] for page in pages])
    layer = Fusing(kind)
    torch.testing.assert_close(layer(pages), own)
    torch.nn.init.normal_(layer.output.weight, std=0.02)
    alone = torch.cat([layer([page]) for page in pages])
    together = layer(pages)
    assert not torch.allclose(together, own, atol=1e-3)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_other_papers_are_compared_with_their_own_controls(tmp_path):
    """Every second record right for a kind, every third for its control, in both data sets."""
    for name in peers.SETS:
        folder = tmp_path / name.replace(" ", "_") / "runs"
        for kind in ("hdt", "permuted-hdt", "late", "flat"):
            step = 3 if kind == "permuted-hdt" else 2
            (folder / f"{kind}-0").mkdir(parents=True)
            run = {"right": [place % step == 0 for place in range(600)], "parameters": 7, "seconds": 1.0}
            (folder / f"{kind}-0" / "result.json").write_text(json.dumps(run))
    found = peers.collect(tmp_path, tmp_path, 3)
    assert [(row["data"], row["kind"], row["accuracy"]) for row in found["rows"][:2]] == [
        ("OpenStax", "hdt", 0.5), ("OpenStax", "permuted-hdt", pytest.approx(1 / 3)),
    ]  # fmt: skip
    pairs = [(pair["one"], pair["other"], round(pair["value"], 4)) for pair in found["pairs"]]
    assert pairs == [("hdt", "permuted-hdt", 0.1667), ("hdt", "flat", 0.0), ("late", "flat", 0.0)] * 2
    assert "2 of 6 are significant" in peers.to_markdown(found)


def test_made_up_labels_are_what_the_tasks_say():
    """The label of a ragged document is the most frequent kind around the mark; a place does not give its section."""
    documents = made_up.ragged(400, torch.Generator().manual_seed(0))
    right, sections = 0, set()
    for kind, marked, label, sizes in zip(
        documents.kind.tolist(), documents.marked.tolist(), documents.label.tolist(), documents.sizes, strict=True
    ):
        section = [number for number, size in enumerate(sizes) for _ in range(size)]
        mine = [k for place, k in enumerate(kind) if section[place] == section[marked] and place != marked]
        right += max(range(made_up.CLASSES), key=mine.count) == label
        sections.add((section[20], section[40]))
    assert right > 0.93 * 400
    assert len(sections) > 5
    needles = made_up.needle(50, torch.Generator().manual_seed(0))
    for kind, marked, label in zip(needles.kind.tolist(), needles.marked.tolist(), needles.label.tolist(), strict=True):
        (place,) = [place for place, one in enumerate(kind) if one < made_up.CLASSES]
        assert kind[place] == label
        assert place // made_up.SECTION != marked // made_up.SECTION
