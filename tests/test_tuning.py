"""A copy of the text encoder that is tuned to the classes, as a part of a stack."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import Dropout
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel, BertConfig, BertModel

from docgraph import parse_text
from encoders.classifier import DocumentForClassification
from encoders.tuned import SHARPNESS, TunedText
from tests.training_runs import QUIET, dev_logit_parts, tiny, write_random_bert, write_table
from training import fit as fit_module
from training.config import ConfigError
from training.datasets import load
from training.datasets.dataset import DocumentDataset
from training.fit import Run, _tuned, fit
from training.learning.batches import EncodedDataset
from training.learning.budget import TimeBudget
from training.learning.checkpoints import COMPLETE
from training.learning.quick import drop_nothing_in_attention
from training.learning.targets import Targets
from training.learning.thresholds import set_thresholds
from training.parts import linear, stacking, tuning
from training.parts.linear import vector_features

STACK = {"stack": True, "epochs": 1, "batch_documents": 16, "model.regression_ngrams": 1, "tune": "whole"}
READS = {"model.text_encoder": "pretrained"}


def tuned_run(folder: Path, name: str = "run", rows: int = 60, **changes: object) -> Run:
    bert = write_random_bert(folder / "bert")
    table = write_table(folder / "data.jsonl", rows)
    return fit(tiny(table, folder / name, **{**STACK, **READS, "text_encoder": str(bert), **changes}), QUIET)


@pytest.fixture
def always_kept(monkeypatch):
    monkeypatch.setattr(tuning, "residual_scale", lambda base, residual, targets: 0.5)


def reader(folder: Path, most: int = 6) -> TunedText:
    encoder = AutoModel.from_pretrained(write_random_bert(folder / "bert"))
    tuned = TunedText(encoder.config, 3, most=most, prefix_ids=(2,), suffix_ids=(3,))
    tuned.encoder.load_state_dict(encoder.state_dict())
    return tuned.eval()


def test_logits_are_those_of_the_mean_state_of_both_ends(tmp_path):
    tuned = reader(tmp_path)
    long, short = torch.arange(4, 15), torch.tensor([5, 9])
    assert tuned.ends_of(long).tolist() == [4, 5, 6, 12, 13, 14]
    want = []
    for ids in ([2, 4, 5, 6, 12, 13, 14, 3], [2, 5, 9, 3]):
        with torch.no_grad():
            states = tuned.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
            want.append(tuned.head(SHARPNESS * normalize(states.sum(0), dim=0)))
    got = tuned.logits_of([tuned.ends_of(long), tuned.ends_of(short)])
    torch.testing.assert_close(got, torch.stack(want), rtol=1e-5, atol=1e-5)


def test_a_text_that_comes_again_is_not_read_again_and_weights_are_not_remembered(tmp_path, monkeypatch):
    tuned = reader(tmp_path)
    texts = [torch.tensor([4, 5]), torch.tensor([6]), torch.tensor([4, 5])]
    first, read = tuned.logits_of(texts), tuned.read
    assert torch.equal(first[0], first[2])
    monkeypatch.setattr(tuned, "read", lambda texts: pytest.fail("read again"))
    assert torch.equal(tuned.logits_of(texts), first)
    monkeypatch.setattr(tuned, "read", read)
    tuned.scale(0.5)
    torch.testing.assert_close(tuned.logits_of(texts), first / 2)


def test_a_text_of_no_words_says_nothing(tmp_path):
    tuned = reader(tmp_path)
    assert tuned.logits_of([torch.zeros(0, dtype=torch.int64), torch.tensor([4])])[0].tolist() == [0, 0, 0]


def test_it_learns_what_the_order_of_words_says_and_a_base_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "RATE", {"whole": 5e-3})
    monkeypatch.setattr(tuning, "HEAD_RATE", 5e-3)
    monkeypatch.setattr(tuning, "PASSES", 40)
    draw = random.Random(0)
    texts, classes = [], []
    for number in range(160):
        pair = [10, 11] if number % 2 else [11, 10]
        noise = [draw.randint(4, 8) for _ in range(2)]
        texts.append(torch.tensor([noise[0], pair[0], noise[1], pair[1]]))
        classes.append(number % 2)
    tuned, targets = TunedText(reader(tmp_path).encoder.config, 2, most=6), Targets.of_classes(torch.tensor(classes), 2)
    torch.manual_seed(0)
    passes = tuning.learn(tuned, texts, torch.zeros(160, 2), targets, "whole", None)
    assert passes == 40
    assert float((tuned.logits_of(texts).argmax(1) == torch.tensor(classes)).float().mean()) > 0.9
    assert not any(one.requires_grad for one in tuned.parameters())


def test_what_the_base_says_already_is_not_learned_again(tmp_path):
    tuned, classes = reader(tmp_path), torch.arange(3).repeat(20)
    texts = [torch.tensor([4 + int(one)]) for one in classes]
    base = 30.0 * torch.nn.functional.one_hot(classes, 3).float()
    tuning.learn(tuned, texts, base, Targets.of_classes(classes, 3), "whole", None)
    assert tuned.logits_of(texts).abs().max() < 1e-3


def test_sub_words_without_a_time_and_the_time_where_there_is_one_bound_it(tmp_path, monkeypatch):
    texts, classes = [torch.tensor([4, 5])] * 64, torch.arange(64) % 3
    arguments = (texts, torch.zeros(64, 3), Targets.of_classes(classes, 3), "whole")
    monkeypatch.setattr(tuning, "MOST_TOKENS", 64)
    assert tuning.learn(reader(tmp_path), *arguments, None) == 0.5
    assert tuning.learn(reader(tmp_path), *arguments, 600.0) == tuning.PASSES
    assert tuning.learn(reader(tmp_path), *arguments, 1e-6) is None
    now = iter(range(10_000))
    monkeypatch.setattr(tuning.time, "monotonic", lambda: next(now) * 1.0)  # each step takes a second
    monkeypatch.setattr(tuning, "LEAST_STEPS", 2)
    assert tuning.learn(reader(tmp_path), *arguments, 6.0) == 6 * tuning.BATCH / 64
    monkeypatch.setattr(tuning, "LEAST_STEPS", 7)
    assert tuning.learn(reader(tmp_path), *arguments, 6.0) is None


def test_a_text_alone_has_nearly_all_of_the_time_that_is_left(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(tuning, "learn", lambda *args: given.append(args[-1]))
    run = tuned_run(tmp_path)
    data = [
        EncodedDataset(DocumentDataset(run.corpus, split), run.model.needs_processor(None))
        for split in ("train", "dev")
    ]
    base = tuple(torch.zeros(len(one), 3) for one in data)
    targets = Targets.of_classes(torch.tensor([label for one in data for label in one.targets]), 3)
    for is_last in (False, True):
        tuning.tune(run.model, *data, base, targets, "whole", TimeBudget(60), is_last=is_last)
    assert given[-2] == pytest.approx(0.7 * (3600 - 90), rel=0.01)
    assert given[-1] == pytest.approx(given[-2] * 97 / 70, rel=0.01)


@pytest.mark.parametrize("has", [{"avx512_bf16": True}, {"amx_bf16": True}, {"avx512_bf16": False}])
def test_products_are_in_bfloat16_where_a_processor_has_them_and_the_weights_never(tmp_path, monkeypatch, has):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    tuned, seen = reader(tmp_path), []
    tuned.encoder.encoder.layer[0].attention.self.query.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    texts, classes = [torch.tensor([4, 5])] * 32, torch.arange(32) % 3
    tuning.learn(tuned, texts, torch.zeros(32, 3), Targets.of_classes(classes, 3), "whole", None)
    assert set(seen) == {torch.bfloat16 if any(has.values()) else torch.float32}
    assert {one.dtype for one in tuned.parameters()} == {torch.float32}
    assert {one.p for one in tuned.encoder.encoder.layer[0].attention.self.children() if isinstance(one, Dropout)} == {
        0
    }


def test_vectors_of_words_stay(tmp_path):
    before, tuned = reader(tmp_path), reader(tmp_path)
    texts, classes = [torch.tensor([4 + n % 3, 9]) for n in range(48)], torch.arange(48) % 3
    tuning.learn(tuned, texts, torch.zeros(48, 3), Targets.of_classes(classes, 3), "whole", None)
    words = "encoder.embeddings.word_embeddings.weight"
    assert torch.equal(tuned.state_dict()[words], before.state_dict()[words])
    assert not torch.equal(*(one.encoder.embeddings.position_embeddings.weight for one in (before, tuned)))


def test_attention_alone_drops_nothing():
    encoder = BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    drop_nothing_in_attention(encoder)
    layer = encoder.encoder.layer[0]
    assert (layer.attention.self.dropout.p, layer.attention.output.dropout.p, layer.output.dropout.p) == (0, 0.1, 0.1)


def test_matrices_of_a_low_rank_are_added_to_the_weights_at_the_end(tmp_path):
    texts, classes = [torch.tensor([4 + n % 3, 9]) for n in range(48)], torch.arange(48) % 3
    before = reader(tmp_path)
    tuned = reader(tmp_path)
    tuning.learn(tuned, texts, torch.zeros(48, 3), Targets.of_classes(classes, 3), "lora", None)
    assert tuned.state_dict().keys() == before.state_dict().keys()
    changed = {name for name, one in tuned.state_dict().items() if not torch.equal(one, before.state_dict()[name])}
    assert any("attention.self.query.weight" in name for name in changed)
    assert not any("word_embeddings" in name for name in changed)


def test_it_is_a_part_of_the_model_with_its_weight_and_the_frozen_encoder_stays(tmp_path, always_kept):
    run = tuned_run(tmp_path)
    assert any(part.startswith("tuned encoder") and part.endswith("weighs 0.50") for part in run.scores["parts"])
    before = AutoModel.from_pretrained(tmp_path / "bert").state_dict()
    names = [name for name in before if "pooler" not in name]  # the folder has none: it is drawn anew by each
    frozen, tuned = (one.encoder.state_dict() for one in (run.model.document.text, run.model.tuned))
    assert all(torch.equal(frozen[name], before[name]) for name in names)
    assert not any(torch.equal(tuned[name], before[name]) for name in names if "query.weight" in name)
    parts, target = dev_logit_parts(run)
    texts = [run.model.tuned.ends_of(torch.from_numpy(run.model.needs_processor(None).encode(one.document()).token_id))
             for one in run.corpus["dev"]]  # fmt: skip
    torch.testing.assert_close(parts[-1], run.model.tuned.logits_of(texts))
    again = DocumentForClassification.from_pretrained(tmp_path / "run")
    document = parse_text("sun rain. The purr of it.")
    want, got = run.model.predict([document]), again.predict([document])
    torch.testing.assert_close(torch.tensor(got.probabilities), torch.tensor(want.probabilities))
    loss = float(cross_entropy(parts.sum(0), target))
    assert run.scores["best"]["dev_loss"] == pytest.approx(loss, abs=1e-4)


def test_where_it_adds_nothing_it_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "residual_scale", lambda base, residual, targets: 0.0)
    run = tuned_run(tmp_path)
    assert run.model.tuned is None
    assert run.model.config.tuned_tokens == 0
    assert any(part.startswith("tuned encoder") and "adds nothing" in part for part in run.scores["parts"])


def test_what_stands_in_its_way_is_said(tmp_path):
    run = tuned_run(tmp_path, "scratch", **{"model.text_encoder": "scratch", "text_encoder": None})
    assert "tuned encoder: left out: there is none to tune" in run.scores["parts"]
    rows = [{**json.loads(line), "split": "train"} for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = tiny(
        tmp_path / "all.jsonl", tmp_path / "no-dev", **{**STACK, **READS, "text_encoder": str(tmp_path / "bert")}
    )
    parts = fit(config, QUIET).scores["parts"]
    assert "tuned encoder: left out: without a dev split nothing tells what it adds" in parts


def test_without_time_it_is_left_out(tmp_path):
    bert, table = write_random_bert(tmp_path / "bert"), write_table(tmp_path / "data.jsonl", 60)
    config = tiny(table, tmp_path / "run", **{**STACK, **READS, "text_encoder": str(bert)})
    run = fit(config, QUIET, budget=TimeBudget(1e-6))
    assert "tuned encoder: left out: there was no time for it" in run.scores["parts"]


def test_a_run_that_was_cut_off_goes_on_with_what_it_tuned(tmp_path, always_kept, monkeypatch):
    class Stop(Exception):
        pass

    whole = tuned_run(tmp_path, "whole", epochs=2)

    def stop(*_: object, **__: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr("training.fit.finish", stop)
        with pytest.raises(Stop):
            tuned_run(tmp_path, "cut", epochs=2)
    assert list((tmp_path / "cut").rglob(COMPLETE))
    monkeypatch.setattr("training.parts.tuning.learn", lambda *_: pytest.fail("tuned again"))
    again = tuned_run(tmp_path, "cut", epochs=2)
    assert "tuned encoder: counts, as when the run was begun" in again.scores["parts"]
    for name, one in whole.model.tuned.state_dict().items():
        assert torch.equal(one, again.model.tuned.state_dict()[name]), name


def test_it_must_go_with_a_stack():
    with pytest.raises(ConfigError, match="tune must go with stack"):
        tiny(Path("x"), Path("y"), tune="whole")


def test_recipes_with_a_text_encoder_tune_it():
    from training.recipes import recipe

    assert [recipe(name).tune for name in ("stacked-minilm", "stacked-pretrained", "stacked-words")] == [
        "whole",
        "whole",
        "none",
    ]


def test_texts_without_a_sub_word_are_skipped_where_nothing_is_put_around_them(tmp_path):
    tuned = reader(tmp_path)
    tuned.prefix_ids = tuned.suffix_ids = ()
    nothing, texts = torch.zeros(0, dtype=torch.int64), [torch.zeros(0, dtype=torch.int64), torch.tensor([4, 5])]
    assert tuned.logits_of([nothing, nothing]).tolist() == [[0] * 3] * 2
    assert tuned.logits_of([]).shape == (0, 3)
    got = tuned.logits_of(texts)
    assert got[0].tolist() == [0, 0, 0]
    torch.testing.assert_close(got[1], tuned.read([texts[1]])[0])
    classes = torch.arange(32) % 3
    assert tuning.learn(tuned, [nothing] * 32, torch.zeros(32, 3), Targets.of_classes(classes, 3), "whole", None)


def test_what_is_known_goes_with_the_weights_and_their_precision(tmp_path):
    tuned, other = reader(tmp_path), reader(tmp_path)
    torch.nn.init.normal_(other.head.weight)
    texts = [torch.tensor([4, 5])]
    tuned.logits_of(texts)
    tuned.load_state_dict(other.state_dict())
    torch.testing.assert_close(tuned.logits_of(texts), other.logits_of(texts))
    with torch.autocast("cpu", torch.bfloat16):
        tuned.logits_of([torch.tensor([6])])
    torch.testing.assert_close(
        tuned.logits_of([torch.tensor([6])]), other.logits_of([torch.tensor([6])]), rtol=0, atol=0
    )
    assert tuned.double().logits_of(texts).dtype == torch.float64


def test_a_model_in_half_precision_predicts(tmp_path, always_kept):
    tuned_run(tmp_path)
    half = DocumentForClassification.from_pretrained(tmp_path / "run", dtype=torch.bfloat16)
    whole = DocumentForClassification.from_pretrained(tmp_path / "run")
    document = parse_text("sun rain. The purr of it.")
    got, want = (torch.tensor(model.predict([document]).probabilities) for model in (half, whole))
    torch.testing.assert_close(got.float(), want.float(), rtol=0.05, atol=0.05)


def test_thresholds_of_several_labels_are_set_on_what_the_model_says(tmp_path, always_kept, monkeypatch):
    bert = write_random_bert(tmp_path / "bert")
    rows = [json.loads(line) for line in write_table(tmp_path / "one.jsonl", 60).read_text().splitlines()]
    (tmp_path / "data.jsonl").write_text(
        "".join(
            json.dumps({**row, "label": [row["label"], *["odd"] * (n % 3 == 0)]}) + "\n" for n, row in enumerate(rows)
        )
    )
    seen = []

    def watched(model, targets, logits):
        seen.append(logits)
        return set_thresholds(model, targets, logits)

    monkeypatch.setattr("training.finish.set_thresholds", watched)
    monkeypatch.setattr("training.finish.residual_scale", lambda *_: 0.0)
    run = fit(tiny(tmp_path / "data.jsonl", tmp_path / "run", **{**STACK, **READS, "text_encoder": str(bert)}), QUIET)
    batch = run.model.needs_processor(None)([one.document() for one in run.corpus["dev"]])
    assert run.model.tuned is not None
    torch.testing.assert_close(seen[0], run.model(batch).logits.detach(), check_dtype=False)


def test_reading_the_dev_split_is_a_part_of_the_time(tmp_path, monkeypatch):
    allowed = []
    monkeypatch.setattr(tuning, "learn", lambda *arguments: allowed.append(arguments[-1]))
    ticks = iter(range(10_000))
    monkeypatch.setattr(tuning.time, "monotonic", lambda: float(next(ticks)))  # reading a batch takes a second

    class Left:
        left = 10_000.0

    model = tuned_run(tmp_path, tune="none").model

    corpus = load(tmp_path / "data.jsonl")
    train, dev = (
        EncodedDataset(DocumentDataset(corpus, name), model.needs_processor(None)) for name in ("train", "dev")
    )
    targets = Targets.of_classes(torch.tensor([*train.targets, *dev.targets]), 2)
    base = torch.zeros(len(train), 2), torch.zeros(len(dev), 2)
    assert tuning.tune(model, train, dev, base, targets, "whole", Left()) == tuning.NO_TIME
    assert allowed == [tuning.SHARE * 10_000.0 - len(dev) / tuning.BATCH]


def test_what_was_read_to_tell_the_time_is_read_again_once_it_is_tuned(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(tuning, "residual_scale", lambda base, residual, targets: seen.append(residual) or 0.5)
    bert, table = write_random_bert(tmp_path / "bert"), write_table(tmp_path / "data.jsonl", 60)
    config = tiny(table, tmp_path / "run", **{**STACK, **READS, "text_encoder": str(bert)})
    model = fit(config, QUIET, budget=TimeBudget(10)).model
    encode = model.needs_processor(None).encode
    token_ids = [torch.from_numpy(encode(one.document()).token_id) for one in load(table)["dev"]]
    with torch.no_grad():
        torch.testing.assert_close(0.5 * seen[0], model.tuned.read([model.tuned.ends_of(ids) for ids in token_ids]))


def test_it_begins_as_the_frozen_encoder(tmp_path, always_kept, monkeypatch):
    monkeypatch.setattr(tuning, "learn", lambda *_: 1.0)
    model = tuned_run(tmp_path).model
    frozen, tuned = (part.encoder.state_dict() for part in (model.document.text, model.tuned))
    assert all(torch.equal(tuned[name], one) for name, one in frozen.items())


def test_a_slow_first_step_does_not_end_it(tmp_path, monkeypatch):
    texts, classes = [torch.tensor([4, 5])] * 64, torch.arange(64) % 3
    times = iter([0.0, *(10.0 + step for step in range(1_000))])  # ten seconds, then one each
    monkeypatch.setattr(tuning.time, "monotonic", lambda: next(times))
    learned = (texts, torch.zeros(64, 3), Targets.of_classes(classes, 3), "whole")
    assert tuning.learn(reader(tmp_path), *learned, 100.0) == tuning.PASSES


@pytest.mark.parametrize("split", ["dev", "train"])
def test_frozen_encoders_leave_time_where_something_can_be_tuned(tmp_path, monkeypatch, split):
    shares = []

    def watched(model, datasets, budget=None, share=1.0):
        shares.append(share)
        return vector_features(model, datasets, budget, share)

    monkeypatch.setattr(stacking, "vector_features", watched)
    bert = write_random_bert(tmp_path / "bert")
    rows = [json.loads(line) for line in write_table(tmp_path / "all.jsonl", 60).read_text().splitlines()]
    table = tmp_path / "data.jsonl"
    table.write_text(
        "".join(json.dumps({**row, "split": "train" if split == "train" else row["split"]}) + "\n" for row in rows)
    )
    fit(tiny(table, tmp_path / "run", **{**STACK, **READS, "text_encoder": str(bert)}), QUIET)
    assert shares == [1.0 if split == "train" else stacking.FROZEN]


def test_how_slow_the_first_read_is_leaves_nothing_out(tmp_path, monkeypatch):
    run = tuned_run(tmp_path)
    data = EncodedDataset(DocumentDataset(run.corpus, "train"), run.model.needs_processor(None))
    clock, times = [0.0], [1000.0]
    monkeypatch.setattr(linear, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(tuning, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def after(read):
        def slow(*args):
            clock[0] += times.pop() if len(times) > 1 else times[0]
            return read(*args)

        return slow

    monkeypatch.setattr(linear.VectorRegression, "vectors", after(linear.VectorRegression.vectors))
    monkeypatch.setattr(TunedText, "read", after(TunedText.read))
    for slow, first in ((False, 1000.0), (True, 0.1)):
        times[:] = [1000.0 if slow else 0.1, first]
        assert isinstance(vector_features(run.model, [data], SimpleNamespace(left=60)), float) == slow
        times[:] = [1000.0 if slow else 0.1, first]
        base = torch.zeros(len(data), 3)
        targets = Targets.of_classes(torch.tensor([*data.targets] * 2), 3)
        line = tuning.tune(run.model, data, data, (base, base), targets, "whole", SimpleNamespace(left=60))
        assert (line == tuning.NO_TIME) == slow


@pytest.mark.parametrize("cut", [True, False])
def test_no_transformer_comes_after_it_where_there_was_no_time_for_the_encoders(monkeypatch, cut):
    said = []
    monkeypatch.setattr(fit_module, "tune", lambda *args, is_last: said.append(is_last) or "tuned")
    config = SimpleNamespace(tune="whole", shard=False)
    trainer = SimpleNamespace(config=config, documents=None, train_data=None, dev_data=None)
    _tuned(trainer, SimpleNamespace(base=None, targets=None, encoders_cut=cut), QUIET, None, resumed=False)
    assert said == [cut]


def test_weights_that_are_spread_over_processes_are_not_tuned():
    trainer = SimpleNamespace(config=SimpleNamespace(tune="whole", shard=True), documents=None, dev_data=None)
    (line,) = _tuned(trainer, None, QUIET, None, resumed=False)
    assert line.startswith("tuned encoder: left out: weights that are spread")
