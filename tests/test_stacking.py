"""Stacked parts: scales from held-out predictions, parts that say nothing left out, and the model that comes of it."""

import csv
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from docgraph import DataError, parse_text
from encoders.classifier import DocumentForClassification
from encoders.ngrams import DocumentNgrams, known_ngrams
from encoders.off_topic import NEIGHBOURS, distance
from tests.training_runs import QUIET, dev_logit_parts, flip_some_labels, tiny, write_random_bert, write_table
from training.config import ConfigError
from training.datasets import load
from training.datasets.dataset import DocumentDataset
from training.evaluate import evaluate
from training.evaluation.baselines import nb_ratio
from training.evaluation.label_paths import are_paths, at_level, best_path
from training.evaluation.predictions import RecordPrediction
from training.fit import fit
from training.learning.batches import EncodedDataset
from training.learning.budget import TimeBudget
from training.learning.calibration import weighed
from training.learning.checkpoints import COMPLETE
from training.learning.targets import Targets
from training.parts.choice import ChosenPart, choose, residual_scale
from training.parts.linear import ngram_features, vector_features
from training.parts.stacking import Stack
from training.run_folder import RunFolder

STACK = {
    "stack": True,
    "epochs": 1,
    "batch_documents": 16,
    "model.regression_ngrams": 2,
    "model.regression_buckets": 512,
}


def drawn(*true_scales: float, records: int = 2000) -> tuple[torch.Tensor, torch.Tensor]:
    """Parts of random logits, and classes drawn from their weighed sum."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(len(true_scales), records, 4, generator=generator, dtype=torch.float64)
    probabilities = weighed(parts, torch.tensor(true_scales)).softmax(-1)
    return parts, torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def test_parts_that_had_no_say_are_left_out_and_the_others_get_their_scales() -> None:
    parts, target = drawn(1.5, 0.0, 0.7)
    scales = choose(parts, Targets.of_classes(target, 4))
    assert scales[1] == 0
    assert scales[[0, 2]].tolist() == pytest.approx([1.5, 0.7], abs=0.2)


def test_a_part_that_repeats_another_is_left_out_and_one_that_is_always_wrong_as_well() -> None:
    parts, target = drawn(1.5)
    scales = choose(torch.cat([parts, 2 * parts, -parts]), Targets.of_classes(target, 4))
    assert int((scales > 0).sum()) == 1
    assert scales[2] == 0


def test_the_sum_is_likelier_than_every_part_however_scaled() -> None:
    parts, target = drawn(1.0, 0.5, 0.2)
    both = cross_entropy(weighed(parts, choose(parts, Targets.of_classes(target, 4))), target)
    for part in parts:
        assert all(both < cross_entropy(scale * part, target) for scale in (0.3, 0.6, 1.0, 1.5, 3.0))


def test_a_residual_counts_only_where_it_gains_more_than_noise() -> None:
    (base, residual), target = drawn(1.0, 0.8)
    targets = Targets.of_classes(target, 4)
    assert residual_scale(base, residual, targets) == pytest.approx(0.8, abs=0.15)
    generator = torch.Generator().manual_seed(1)
    scales = [residual_scale(base, torch.randn(base.shape, generator=generator), targets) for _ in range(60)]
    # At its best scale, noise gains Z^2 / 2 nats with a standard error of |Z|: more than it where Z > 2, for 2.3 %.
    assert sum(scale > 0 for scale in scales) <= 6
    assert max(scales) < 0.15
    few = slice(0, 3)
    assert residual_scale(base[few], torch.zeros(3, 4), targets.rows(few)) == 0


def test_the_naive_bayes_ratio_is_that_of_its_definition() -> None:
    from scipy.sparse import csr_matrix

    texts = [{0, 1}, {1}, {0, 2}, {2}]
    inside = np.array([True, True, False, False])
    has = csr_matrix([[float(word in text) for word in range(4)] for text in texts])
    want = []
    for word in range(4):
        shares = []
        for side in (True, False):
            some = [text for text, belongs in zip(texts, inside, strict=True) if belongs == side]
            total = sum(1 + sum(other in text for text in some) for other in range(4))
            shares.append((1 + sum(word in text for text in some)) / total)
        want.append(np.log(shares[0] / shares[1]))
    assert nb_ratio(has, inside) == pytest.approx(want)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_table(tmp_path_factory.mktemp("data") / "pets.jsonl", rows=120)
    flip_some_labels(path)
    return path


@pytest.fixture(scope="module")
def stacked(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "stacked"
    fit(tiny(table, folder, **STACK), QUIET)
    return folder


def test_a_stacked_run_says_what_each_part_counts_and_keeps_it(stacked: Path, table: Path) -> None:
    folder = RunFolder(stacked)
    *ngrams, transformer, off_topic, noise = folder.scores["parts"]
    assert off_topic == "off topic: not told, as no frozen text encoder counts"
    assert noise.startswith("noise.csv: ")
    assert all(line.startswith("n-grams, ") and " alone on held-out folds, " in line for line in ngrams)
    assert len(ngrams) == 3
    assert any("weighs " in line for line in ngrams)
    assert transformer.startswith("transformer: ")
    model = folder.model()
    assert model.regression is not None
    run = fit(tiny(table, stacked, **STACK), QUIET)  # is done, and read back
    parts, target = dev_logit_parts(run)
    assert len(parts) == 2
    assert bool(parts[0].any()) == ("weighs" in transformer)
    assert folder.scores["best"]["dev_loss"] == pytest.approx(cross_entropy(parts.sum(0), target).item(), abs=1e-4)
    found = evaluate(model, run.corpus, "dev", notes=folder.scores["parts"])
    assert found.said[1:] == folder.scores["parts"]
    assert "the best simple rival" in found.said[0]


@pytest.mark.parametrize("kept", [("nb",), ("tfidf",), ("tfidf", "tfidf-nb"), ("nb", "tfidf-nb")])
def test_a_model_says_the_sum_of_what_its_ngram_parts_say(kept: tuple[str, ...], stacked: Path, table: Path) -> None:
    run = fit(tiny(table, stacked, **STACK), QUIET)
    model, processor = run.model, run.model.needs_processor(None)
    data = EncodedDataset(DocumentDataset(run.corpus, "dev"), processor)
    rows, targets = np.arange(len(data)), Targets.of_classes(np.asarray(data.targets), 2)
    parts = [
        ChosenPart(features=one, cost=1.0, out_of_fold=torch.zeros(len(data), 2), seconds=0.0, scale=number + 0.5)
        for number, one in enumerate(ngram_features(model, [data], 2))
        if one.weighting in kept
    ]
    stack = Stack(
        parts=tuple(parts), cut=(), encoders_cut=False, whole=None, targets=targets, longest=2, train=len(data)
    )
    stack.put_into(model)
    with torch.no_grad():
        got = model.regression(processor.collate(data.encoded))
    want = sum(one.scale * one.features.logits(one.features.fit(rows, targets, 1.0), rows) for one in parts)
    torch.testing.assert_close(got.double(), torch.from_numpy(want), rtol=1e-4, atol=1e-4)


def test_the_transformer_starts_from_the_weighed_sum_of_what_is_kept() -> None:
    logits = torch.tensor([[1.0, -2.0], [0.5, 4.0], [9.0, 9.0]], dtype=torch.float64)
    parts = tuple(
        ChosenPart(features=None, cost=1.0, out_of_fold=factor * logits, seconds=0.0, scale=scale)  # type: ignore[arg-type]
        for factor, scale in ((1.0, 0.5), (7.0, 0.0), (-1.0, 2.0))
    )
    targets = Targets.of_classes(np.array([0, 1, 1, 0]), 2)
    stack = Stack(parts=parts, cut=(), encoders_cut=False, whole=None, targets=targets, longest=0, train=3)
    torch.testing.assert_close(stack.base, (-1.5 * logits).float())
    assert stack.kept == [parts[0], parts[2]]


def test_a_model_says_the_sum_of_what_its_vector_parts_say(tmp_path: Path, table: Path) -> None:
    bert = write_random_bert(tmp_path / "bert")
    changes = {"text_encoder": str(bert), "model.text_encoder": "pretrained", "model.regression_ngrams": 0}
    model = fit(tiny(table, tmp_path / "run", **{**STACK, **changes}), QUIET).model
    data = EncodedDataset(DocumentDataset(load(table), "dev"), model.needs_processor(None))
    rows, targets = np.arange(len(data)), Targets.of_classes(np.asarray(data.targets), 2)
    (features,) = vector_features(model, [data])
    part = ChosenPart(features=features, cost=1.0, out_of_fold=torch.zeros(len(data), 2), seconds=0.0, scale=0.4)
    stack = Stack(
        parts=(part,), cut=(), encoders_cut=False, whole=None, targets=targets, longest=0, train=len(data)
    )  # fmt: skip
    stack.put_into(model)
    with torch.no_grad():
        _, got = model(model.needs_processor(None).collate(data.encoded)).logit_parts
    want = 0.4 * features.logits(features.fit(rows, targets, 1.0), rows)
    torch.testing.assert_close(got.double(), torch.from_numpy(want).double(), rtol=1e-4, atol=1e-4)

    torch.nn.init.normal_(model.classifier[-1].weight)
    for scale in (1.0, 0.25, 0.0):
        model.config.use_transformer = True
        before = model(model.needs_processor(None).collate(data.encoded)).logit_parts
        stack.weigh_transformer(model, scale)
        after = model(model.needs_processor(None).collate(data.encoded)).logit_parts
        torch.testing.assert_close(after, torch.stack([scale * before[0], before[1]]))
        assert before[0].any()
        assert model.config.use_transformer == (scale > 0)


def test_tfidf_is_scikit_learns(stacked: Path, table: Path) -> None:
    from sklearn.feature_extraction.text import TfidfTransformer

    run = fit(tiny(table, stacked, **STACK), QUIET)
    data = EncodedDataset(DocumentDataset(run.corpus, "dev"), run.model.needs_processor(None))
    (way,) = [one for one in ngram_features(run.model, [data], 1) if one.weighting == "tfidf"]
    counts = np.zeros(way.values.shape)
    place = {int(row): number for number, row in enumerate(way.columns)}
    for number, one in enumerate(data.encoded):
        for token in one.token_id.tolist():
            counts[number, place[token]] += 1
    want = TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray()
    np.testing.assert_allclose(way.values.toarray(), want, atol=1e-6)


def test_words_and_longer_ngrams_of_two_documents_are_known_the_most_frequent_first() -> None:
    words, longer = 10, (100, 200, 300, 400)
    has = [(3, *longer[:1]), (4, *longer[:3]), (5, *longer), (3, *longer[:2])]  # 400 stands in one document alone
    document, row = zip(*((number, one) for number, some in enumerate(has) for one in some), strict=True)
    ngrams = DocumentNgrams(torch.tensor(document), torch.tensor(row), 4, 500, torch.arange(len(row)))
    for most, known in ((9, [3, 4, 5, 100, 200, 300]), (2, [3, 4, 5, 100, 200]), (0, [3, 4, 5])):
        columns, kept = known_ngrams(ngrams, words, most)
        assert columns.tolist() == known
        assert kept.table_size == len(known)
        want = [(d, r, t) for d, r, t in zip(document, row, range(len(row)), strict=True) if r in known]
        assert kept.times is not None
        found = zip(kept.document.tolist(), columns[kept.row].tolist(), kept.times.tolist(), strict=True)
        assert list(found) == want


def test_records_without_a_word_have_no_part_that_reads_words(stacked: Path, table: Path) -> None:
    model = fit(tiny(table, stacked, **STACK), QUIET).model
    encoded = [model.needs_processor(None).encode(parse_text(text)) for text in ("", " ")]
    data: Any = SimpleNamespace(encoded=encoded, problem_type="single_label_classification")
    assert ngram_features(model, [data], 2) == []


def test_a_checkpoint_whose_ngrams_were_hashed_is_not_gone_on_with(stacked: Path, table: Path, tmp_path: Path) -> None:
    config = tiny(table, tmp_path / "old", **STACK)
    checkpoint = tmp_path / "old" / "checkpoints" / "checkpoint-1"
    model = DocumentForClassification.from_pretrained(stacked)
    model.config.regression_known, model.config.regression_ngrams = 0, 2
    model.make_regressions()
    model.save_pretrained(checkpoint)
    (checkpoint / COMPLETE).touch()
    (tmp_path / "old" / "config.yaml").write_text(config.to_yaml())
    with pytest.raises(DataError, match=r"checkpoint-1 is of an older version of docgraph, which hashed them"):
        fit(config, QUIET)


def test_a_left_out_transformer_is_not_run_and_changes_nothing(stacked: Path, table: Path) -> None:
    run = fit(tiny(table, stacked, **STACK), QUIET)
    batch = run.model.needs_processor(None)([one.document() for one in run.corpus["dev"]])
    run.model.scale_logits([0.0, 1.0])
    run.model.config.use_transformer = True
    with torch.no_grad():
        want = run.model(batch)
        run.model.config.use_transformer = False
        run.model.document.forward = None  # type: ignore[assignment]
        got = run.model(batch)
    torch.testing.assert_close(got.logits, want.logits)
    torch.testing.assert_close(got.logit_parts, want.logit_parts)


class Slow(TimeBudget):
    """A budget whose time runs out when the first part is fitted."""

    @property
    def left(self) -> float:
        return -1.0 if self.reserved else super().left


def test_parts_there_is_no_time_for_are_left_out_and_named(table: Path, tmp_path: Path) -> None:
    run = fit(tiny(table, tmp_path / "x", **STACK), QUIET, budget=Slow(10))
    first, *others, _, _ = run.scores["parts"]
    assert "weighs" in first
    assert [line.partition(":")[0] for line in others] == [
        "n-grams, TF-IDF",
        "n-grams, TF-IDF and NB-weighted",
        "transformer",
    ]
    assert all("left out: about" in line for line in others[:2])
    assert others[2] == "transformer: left out: no time was left"
    assert run.scores["best"]["dev_accuracy"] > 0.7


def test_without_a_dev_split_the_transformer_is_left_out(tmp_path: Path) -> None:
    data = write_table(tmp_path / "pets.jsonl", rows=60)
    rows = [json.loads(line) | {"split": "train"} for line in data.read_text().splitlines()]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = fit(tiny(data, tmp_path / "x", **STACK), QUIET)
    assert run.scores["parts"][-3] == "transformer: left out: without a dev split nothing tells what it adds"
    assert run.model.predict([parse_text("The bark of it."), parse_text("The purr of it.")]).labels == ["dogs", "cats"]


def test_dev_records_are_learned_from_only_where_there_is_a_test_split(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="learn_dev must go with stack"):
        tiny(table, tmp_path / "x", learn_dev=True)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row in rows[::12]:
        row["split"] = "test"
    (tmp_path / "three.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    weights = {}
    for name, data, learn in (("no test", table, True), ("yes", tmp_path / "three.jsonl", True)):
        run = fit(tiny(data, tmp_path / name, learn_dev=learn, **STACK), QUIET)
        parts, target = dev_logit_parts(run)
        said = run.scores["best"]["dev_loss"]
        weights[name] = cross_entropy(parts.sum(0), target).item() - said
    assert weights["no test"] == pytest.approx(0, abs=1e-4)
    assert weights["yes"] < -1e-3  # those records are known now; the score was taken before


def test_records_with_flipped_labels_lead_the_list_of_doubtful_ones(stacked: Path, table: Path) -> None:
    rows = list(csv.DictReader((stacked / "noise.csv").read_text(encoding="utf-8").splitlines()))
    records = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    words = {row["id"]: "cats" if "purr" in row["text"] else "dogs" for row in records}
    train = [row for row in records if row["split"] == "train"]
    flipped = {row["id"] for row in train if words[row["id"]] != row["label"]}
    assert {row["id"] for row in rows[: len(flipped)]} == flipped
    assert all(row["predicted"] == words[row["id"]] for row in rows[: len(flipped)])
    assert [float(row["p_label"]) for row in rows] == sorted(float(row["p_label"]) for row in rows)
    assert any(
        line.startswith(f"noise.csv: {len(rows)} of {len(train)} ") for line in RunFolder(stacked).scores["parts"]
    )


def test_balanced_classes_find_more_of_a_rare_label(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = []
    for number in range(300):
        label = "rare" if number % 10 == 0 else "common"
        word = "rust" if draw.random() < (0.6 if label == "rare" else 0.12) else "sun"
        split = ("train", "train", "dev")[number // 10 % 3]
        rows.append({"text": f"the {word} of {draw.choice(['fog', 'wind', 'snow'])}", "label": label, "split": split})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = {}
    for weights in ("none", "balanced"):
        run = fit(tiny(tmp_path / "a.jsonl", tmp_path / weights, class_weights=weights, **STACK), QUIET)
        said = run.model.predict([one.document() for one in run.corpus["dev"]]).labels
        found[weights] = sum(one == "rare" for one in said)
    assert found["balanced"] > found["none"]


def test_paths_are_as_likely_as_what_is_under_them() -> None:
    labels = ["rec/sport/hockey", "rec/sport/baseball", "rec/autos", "sci"]
    assert are_paths(labels)
    assert not are_paths(["TCP/IP", "UDP"])
    said = torch.tensor([[0.25, 0.25, 0.1, 0.4]])
    first, names = at_level(said, labels, 1)
    assert names == ["rec", "sci"]
    assert first[0].tolist() == pytest.approx([0.6, 0.4])
    second, names = at_level(said, labels, 2)
    assert dict(zip(names, second[0].tolist(), strict=True)) == pytest.approx(
        {"rec/autos": 0.1, "rec/sport": 0.5, "sci": 0.4}
    )
    found = best_path(dict(zip(labels, said[0].tolist(), strict=True)))
    assert found == pytest.approx({"rec": 0.6, "rec/sport": 0.5})


def test_distances_are_those_of_the_nearest_by_definition() -> None:
    draw = torch.Generator().manual_seed(0)
    references, vectors = (torch.nn.functional.normalize(torch.randn(n, 6, generator=draw)) for n in (12, 4))
    for got, vector in zip(distance(vectors, references), vectors, strict=True):
        nearest = sorted(
            1 - sum(a * b for a, b in zip(vector.tolist(), one.tolist(), strict=True)) for one in references
        )
        assert float(got) == pytest.approx(sum(nearest[:NEIGHBOURS]) / NEIGHBOURS, abs=1e-6)
    among = distance(references, references, are_among=True)
    for number, got in enumerate(among):
        others = torch.cat([references[:number], references[number + 1 :]])
        assert float(got) == pytest.approx(float(distance(references[number : number + 1], others)), abs=1e-6)


def test_a_document_unlike_those_of_training_is_off_topic(tmp_path: Path, table: Path) -> None:
    bert = write_random_bert(tmp_path / "bert")
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    changes = {"text_encoder": str(bert), "model.text_encoder": "pretrained", "model.regression_ngrams": 0}
    run = fit(tiny(table, tmp_path / "run", **{**STACK, **changes}), QUIET)
    model = RunFolder(tmp_path / "run").model()
    assert model.off_topic is not None
    said = model.predict([parse_text(row["text"]) for row in rows] + [parse_text("of of of of of of")])
    *inside, outside = said
    assert outside.off_topic
    assert outside.distance > max(one.distance for one in inside)
    dev = [one.off_topic for one, row in zip(inside, rows, strict=True) if row["split"] == "dev"]
    assert sum(dev) / len(dev) == pytest.approx(model.config.off_topic_alarms)
    assert any(line.startswith("off topic: farther than ") for line in run.scores["parts"])
    data = EncodedDataset(DocumentDataset(run.corpus, "dev"), model.needs_processor(None))
    assert isinstance(vector_features(model, [data], TimeBudget(60)), list)
    minutes = vector_features(model, [data], TimeBudget(1e-6))
    assert isinstance(minutes, float)
    assert minutes > 0
    line = RecordPrediction.of("x", None, outside)
    assert json.loads(line.to_json())["off_topic"] is True
    assert line.line(1).endswith(" (off topic)")
