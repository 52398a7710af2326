"""Adapting an encoder to pages: what is held out, what is learned together, that it helps where there is something to
learn, that the start stays where there is not, and that a kill changes nothing."""

import json
import math
import os
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from docgraph.errors import DataError, ModelError
from docgraph.pairs import Pair
from encoders import Embedder
from encoders.embedder.texts import TextEncoder
from tests.tiny_encoders import save_bert, save_image_text
from training import cli
from training.adapt import run as run_module
from training.adapt import trainer as trainer_module
from training.adapt.measure import blend, gain, ndcg
from training.adapt.plan import balanced, batches, split
from training.adapt.run import adapt
from training.adapt.trainer import PART, AdaptSettings, _Contrast, _InParts
from training.inputs import find_inputs
from training.learning.budget import TimeBudget

QUIET = Console(quiet=True)
SETTINGS = AdaptSettings(epochs=6, batch=16, learning_rate=0.02)
LETTERS = "abcdefghijklmnopqrst"


def page(chance, number, means):
    """A page of sections: a heading of one letter stands over words of the letter that it means."""
    sections = ""
    for section, letter in enumerate(chance.sample(LETTERS, 4)):
        words = " ".join(means(letter) * chance.randint(2, 4) for _ in range(9))
        sections += f"<h2>{letter * 3} {number}{section}</h2><p>{words}.</p>"
    return f"<title>{number}</title><main>{sections}</main>"


def write_pages(folder, means, pages=60):
    folder.mkdir()
    chance = random.Random(0)
    for number in range(pages):
        (folder / f"{number}.html").write_text(page(chance, number, lambda letter: means(letter, chance)))
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What a letter means is the same on all pages: the one ten places on."""
    folder = tmp_path_factory.mktemp("pages") / "pages"
    return write_pages(folder, lambda letter, _: LETTERS[(LETTERS.index(letter) + 10) % len(LETTERS)])


@pytest.fixture(scope="module")
def adapted(bert, pages, tmp_path_factory):
    return adapt(find_inputs([pages]), tmp_path_factory.mktemp("out") / "m", bert, SETTINGS, console=QUIET)


def some_pairs(groups=6, documents=5, sections=4):
    return [
        Pair(kind, f"{kind} {group} {document} {section}", f"text {group} {document} {section} {kind}",
             f"{group}/{document}.html", (section * 10, section * 10 + 9) if kind == "heading" else (0, 100))
        for group in range(groups)
        for document in range(documents)
        for kind, section in [*(("heading", one) for one in range(sections)), ("title", 0)]
    ]  # fmt: skip


def test_folders_are_held_out_whole_where_there_are_enough_else_documents():
    parts = split(some_pairs(), 0)
    assert parts.by == "folders or sites"
    sets = [{pair.group for pair in some} for some in (parts.train, parts.dev, parts.test)]
    assert all(some and some.isdisjoint(other) for some, other in combinations(sets, 2))
    parts = split(some_pairs(groups=2, documents=20), 0)
    assert parts.by == "documents"
    sets = [{pair.document for pair in some} for some in (parts.train, parts.dev, parts.test)]
    assert all(some and some.isdisjoint(other) for some, other in combinations(sets, 2))
    assert len(parts.test) >= 0.1 * 200
    assert len(parts.train) > 0.7 * 200


def test_too_few_pages_are_refused():
    with pytest.raises(DataError, match="cannot be parted so"):
        split(some_pairs(groups=1, documents=2), 0)


@pytest.mark.parametrize("size", [2, 7, 32])
def test_no_pair_of_a_batch_may_answer_another_and_siblings_are_learned_together(size):
    pairs = some_pairs()
    made = batches(pairs, size, 2, seed=0)
    assert made == batches(pairs, size, 2, seed=0) != batches(pairs, size, 2, seed=1)
    assert max(map(len, made)) == size
    for batch in made:
        assert not any(one.overlaps(two) for one, two in combinations(batch, 2))
    seen = [pair for batch in made for pair in batch]
    assert max(seen.count(pair) for pair in pairs) <= 2  # once an epoch
    assert {pair.kind for pair in seen} == {"heading", "title"}


def test_siblings_are_learned_together():
    """Sixteen headings of four documents of a folder stand side by side, by the definition of RUN."""
    headings = [pair for pair in some_pairs() if pair.kind == "heading"]
    (batch, *_) = batches(headings, 16, 1, seed=0)
    assert sorted(Counter(pair.document for pair in batch).values()) == [4, 4, 4, 4]
    assert len({pair.group for pair in batch}) == 1


def test_a_kind_is_at_most_half_of_an_epoch():
    pairs = some_pairs(groups=3, documents=10, sections=8)
    kinds = [pair.kind for batch in batches(pairs, 4, 1, seed=0) for pair in batch]
    assert kinds.count("heading") <= 30


def test_scored_pairs_are_even_over_kinds():
    some = balanced(some_pairs(), 40, 0)
    assert [pair.kind for pair in some].count("title") == 20
    assert len(balanced(some_pairs(), 1000, 0)) == len(some_pairs())


def test_ndcg_is_that_of_the_definition():
    """Ranks by sorting; what may be right, too, is passed over."""
    pairs, chance = some_pairs(groups=1, documents=4), np.random.default_rng(0)
    vectors = {text: chance.normal(size=3) for pair in pairs for text in (pair.query, pair.target)}
    encoder = SimpleNamespace(
        model=SimpleNamespace(eval=lambda: None), encode=lambda texts, _="": np.array([vectors[one] for one in texts])
    )
    want = []
    for pair in pairs:
        rivals = [one for one in pairs if one is pair or not pair.overlaps(one)]
        rivals.sort(key=lambda one: -float(vectors[pair.query] @ vectors[one.target]))
        rank = rivals.index(pair) + 1
        want.append(1 / math.log2(1 + rank) if rank <= 10 else 0.0)
    np.testing.assert_allclose(ndcg(encoder, pairs), want)
    assert 0 < sum(want) < len(want)


def test_the_gain_is_the_mean_of_pairs_and_its_interval_is_over_documents():
    pairs = some_pairs(groups=1, documents=3, sections=1)[1:]  # one, two and two pairs of a document
    after, before = np.array([1, 1, 0, 1, 0.5]), np.array([0, 1, 0, 0.5, 0.5])
    grown = gain(pairs, after, before)
    assert grown.value == pytest.approx((1 + 0.5) / 5)
    assert grown.low == pytest.approx(0)  # the second alone, or the third
    assert grown.high == pytest.approx(1)  # the first alone


@pytest.mark.parametrize("side", ["right", "left"])
def test_parts_are_what_each_would_be_if_padded_alone(bert, side):
    encoder = TextEncoder.from_pretrained(bert)
    encoder.model.tokenizer.padding_side = side
    texts = [LETTERS[n : n + 1 + 7 * n % 9] for n in range(2 * PART + 3)]
    lengths = encoder.model.preprocess(texts)["attention_mask"].sum(1)
    order = lengths.argsort(descending=True)
    alone = [encoder.model.encode([texts[n] for n in rows], convert_to_tensor=True) for rows in order.split(PART)]
    with torch.no_grad():
        found = _InParts(encoder.model.eval())(encoder.model.preprocess(texts))["sentence_embedding"]
    torch.testing.assert_close(found[order], torch.cat(alone))


@pytest.mark.parametrize("batch", [32, 500])
def test_reading_in_parts_changes_neither_loss_nor_gradients(bert, batch):
    """19 pairs of ragged lengths; batches above 64 go through GradCache."""
    encoder = TextEncoder.from_pretrained(bert)
    encoder.model.eval()
    queries = [LETTERS[n] * (1 + n % 3) for n in range(19)]
    targets = [" ".join(LETTERS[n : n + 1 + 7 * n % 11]) for n in range(19)]
    features = [encoder.model.preprocess(texts) for texts in (queries, targets)]
    assert len({*features[1]["attention_mask"].sum(1).tolist()}) > 5

    def gradients(loss):
        encoder.model.zero_grad()
        loss.backward()
        return {name: one.grad.clone() for name, one in encoder.model.named_parameters() if one.grad is not None}

    whole = MultipleNegativesRankingLoss(encoder.model)([dict(one) for one in features], torch.zeros(0))
    want = gradients(whole)
    loss = _Contrast(encoder, AdaptSettings(batch=batch))(*(dict(one) for one in features))["loss"]
    torch.testing.assert_close(loss, whole)
    found = gradients(loss)
    assert found.keys() == want.keys()
    for name, one in found.items():
        torch.testing.assert_close(one, want[name], rtol=1e-4, atol=1e-6)


def test_an_encoder_gets_better_at_pages_where_there_is_something_to_learn(adapted, bert):
    result = adapted.result
    assert result["kept"] == "adapted"
    assert result["gain"]["low"] > 0.1
    assert result["kinds"]["heading"]["adapted"] > result["kinds"]["heading"]["start"] + 0.1
    card = (adapted.folder / "README.md").read_text()
    assert f"**{result['gain']['value']:+.3f}**" in card
    assert "It finds them better than its start" in card
    left = {path.name for path in adapted.folder.iterdir()}
    assert {"gain.json", "pairs.jsonl", "modules.json", "model.safetensors"} <= left
    assert left.isdisjoint(("checkpoints", "best"))


def test_the_result_is_read_by_embedder_and_by_plain_sentence_transformers(adapted, bert):
    texts = ["aaa 1", "kkk kk kkkk."]
    plain = SentenceTransformer(str(adapted.folder), device="cpu", local_files_only=True).encode(texts)
    np.testing.assert_allclose(Embedder.from_pretrained(adapted.folder).encode(texts).vectors, plain, atol=1e-5)
    assert np.abs(plain - Embedder.from_pretrained(bert).encode(texts).vectors).max() > 0.01


def test_a_finished_job_is_returned_and_another_is_refused_its_folder(adapted, bert, pages):
    again = adapt(find_inputs([pages]), adapted.folder, bert, SETTINGS, console=QUIET)
    assert again.result == adapted.result
    with pytest.raises(DataError, match="its job differs in epochs"):
        adapt(find_inputs([pages]), adapted.folder, bert, AdaptSettings(batch=16, learning_rate=0.02), console=QUIET)
    with pytest.raises(DataError, match="holds a model of another origin"):
        adapt(find_inputs([pages]), bert, bert, SETTINGS, console=QUIET)


def test_the_weights_are_those_on_the_way_whose_gain_is_surest(bert, monkeypatch):
    start, trained = (TextEncoder.from_pretrained(bert) for _ in range(2))
    with torch.no_grad():
        for weight in trained.model.parameters():
            weight += 1
    first = {name: value.clone() for name, value in start.model.state_dict().items()}
    pairs = some_pairs(documents=1, sections=1)  # six documents of two pairs
    even, uneven = (
        np.repeat([0.2] * 6, 2),
        np.repeat([0.6, -0.2, 0.6, -0.2, 0.6, 0.4], 2),
    )  # the mean of these is larger
    values = iter([even / 2, even, even, uneven])
    monkeypatch.setattr("training.adapt.measure.ndcg", lambda *_: next(values))
    tried = blend(start, trained, pairs, np.zeros(12))
    assert [share for share, _ in tried] == [0.5, 0.75, 0.25, 1.0]
    assert tried[0][1].value == pytest.approx(0.2)
    assert tried[-1][1].value == pytest.approx(0.3)
    for name, weight in trained.model.named_parameters():
        torch.testing.assert_close(weight.detach(), first[name] + 0.5)
        assert torch.equal(start.model.state_dict()[name], first[name])


def test_time_is_kept_for_what_is_scored_when_training_is_over(bert, pages, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(run_module, "TimeBudget", lambda *args: made.append(TimeBudget(*args)) or made[-1])
    monkeypatch.setattr(run_module, "ndcg", lambda *args: [ndcg(*args), time.sleep(0.2)][0])
    settings = AdaptSettings(epochs=1, batch=16)
    adapt(find_inputs([pages]), tmp_path / "out", bert, settings, minutes=60, console=QUIET)
    assert made[0].reserved >= 0.2 * (4 + 2)  # dev four times, and as much of test by both


def test_the_start_stays_where_there_is_nothing_to_learn(bert, tmp_path):
    noise = write_pages(tmp_path / "noise", lambda _, chance: chance.choice(LETTERS), pages=20)
    settings = AdaptSettings(epochs=1, batch=16, learning_rate=0.02)
    done = adapt(find_inputs([noise]), tmp_path / "out", bert, settings, console=QUIET)
    assert done.result["kept"] == "start"
    assert done.result["gain"]["low"] <= 0
    start, kept = load_file(bert / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert start.keys() == kept.keys()
    assert all(torch.equal(start[name], kept[name]) for name in start)
    assert "holds the start, unchanged" in (tmp_path / "out" / "README.md").read_text()


KILLED = """
import os, signal, sys
from training import cli
from training.adapt import trainer
step = trainer.PairTrainer.training_step
def killing(self, *args, **kwargs):
    if self.state.global_step == 25:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)
trainer.PairTrainer.training_step = killing
sys.argv = ["docgraph", *sys.argv[1:]]
cli.main()
"""


def test_a_killed_job_goes_on_to_the_weights_of_one_that_was_not(adapted, bert, pages, tmp_path):
    folder = tmp_path / "killed"
    command = ["adapt", str(pages), "--model", str(bert), "--output", str(folder)]
    command += ["--epochs", "6", "--batch", "16", "--learning-rate", "0.02", "--minutes", "60"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    died = subprocess.run([sys.executable, "-c", KILLED, *command], env=environment, capture_output=True)
    assert died.returncode == -9, died.stderr.decode()
    assert list((folder / "checkpoints").glob("checkpoint-*/complete"))
    done = adapt(find_inputs([pages]), folder, bert, SETTINGS, console=QUIET)
    assert done.result["dev"] == adapted.result["dev"]
    one, other = (load_file(path / "model.safetensors") for path in (folder, adapted.folder))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_command_says_what_was_gained_and_sets_bad_pages_aside(monkeypatch, capsys, bert, pages, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text("no json")
    command = ["adapt", pages, bad, "--model", bert, "--output", tmp_path / "out", "--epochs", "1", "--batch", "16"]
    command += ["--quiet", "--matryoshka", "--anyway"]
    monkeypatch.setattr(sys, "argv", ["docgraph", *map(str, command)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    assert "held-out pages: nDCG@10 " in out
    assert f"adapted model in {tmp_path / 'out'}" in out
    assert "bad.json" in err
    assert json.loads((tmp_path / "out" / "gain.json").read_text())["settings"]["matryoshka"] is True


def test_what_is_no_text_encoder_is_refused(pages, tmp_path):
    save_image_text(tmp_path / "clip", "clip")
    with pytest.raises(ModelError, match="reads images, too"):
        adapt(find_inputs([pages]), tmp_path / "out", tmp_path / "clip", console=QUIET)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model_type": "docgraph"}))
    with pytest.raises(ModelError, match="is a classifier"):
        adapt(find_inputs([pages]), tmp_path / "out", tmp_path / "run", console=QUIET)


@pytest.mark.parametrize("narrow", [False, True])
def test_an_encoder_is_trained_in_bfloat16_where_the_processor_has_it(tmp_path, monkeypatch, narrow):
    monkeypatch.setattr(trainer_module, "multiplies_bfloat16", lambda device: narrow)
    encoder = TextEncoder.from_pretrained(save_bert(tmp_path / "bert"))
    made = trainer_module.PairTrainer(encoder, AdaptSettings(), [], [], tmp_path / "run")
    assert made.args.bf16 == narrow
    layer = encoder.model[0].auto_model.encoder.layer[0]
    assert (layer.attention.self.dropout.p, layer.attention.output.dropout.p) == (0, 0.1)
