"""Text leaves: windows cover every sub-word once, pooled leaves are means, the cache changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from docgraph import parse_text
from encoders import DocumentProcessor, FeatureCache, ProcessorSettings
from encoders.leaves.pretrained_text import PretrainedTextLeaves, windows_of
from encoders.leaves.scratch_text import ScratchTextLeaves
from tests.articles import article

WORDS = "the quick brown fox jumps over a lazy dog while many other animals watch it from far away"


@given(st.lists(st.integers(0, 90), max_size=8), st.integers(4, 40))
def test_windows_keep_every_sub_word_once_within_its_unit(lengths: list[int], capacity: int) -> None:
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    windows = windows_of(bounds, capacity)
    kept = [token for w in windows for token in range(w.keep_start, w.keep_end)]
    assert kept == list(range(int(bounds[-1])))
    for window in windows:
        assert window.end - window.start <= capacity
        assert window.start <= window.keep_start < window.keep_end <= window.end
        assert np.searchsorted(bounds, window.start, "right") == np.searchsorted(bounds, window.end, "left")


@pytest.fixture(scope="module")
def encoder(minilm: Path) -> PretrainedTextLeaves:
    from transformers import AutoConfig

    torch.manual_seed(0)
    leaves = PretrainedTextLeaves(
        AutoConfig.from_pretrained(str(minilm)),
        8,
        pooled=False,
        frozen=True,
        prefix_ids=(101,),
        suffix_ids=(102,),
    )
    leaves.load_encoder(str(minilm))
    return leaves.eval()


def test_states_are_those_of_transformers_on_the_paragraph(encoder: PretrainedTextLeaves, minilm: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    text = "Windows tie sub-words to leaves. Nothing is cut."
    batch = DocumentProcessor.from_text_encoder(minilm)([parse_text(f"{text}\n\n{WORDS}")])
    states = encoder.read(batch.text.token_id, batch.text.unit_start)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(str(minilm)),
        AutoModel.from_pretrained(str(minilm)).eval(),
    )
    with torch.no_grad():
        want = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1]
    torch.testing.assert_close(states[: len(want)], want, atol=2e-5, rtol=0)


def test_a_unit_past_the_encoders_length_is_read_whole(encoder: PretrainedTextLeaves, minilm: Path) -> None:
    long = " ".join([WORDS] * 60)
    batch = DocumentProcessor.from_text_encoder(minilm)([parse_text(long)])
    assert len(batch.text.token_id) > 2 * encoder.capacity
    with torch.no_grad():
        leaves = encoder(batch.text, batch.forest.num_leaves)
    assert leaves.shape[0] == len(batch.text.token_id)
    assert (leaves.abs().sum(dim=1) > 0).all()


def test_the_cache_changes_nothing_and_survives_on_disk(
    encoder: PretrainedTextLeaves, minilm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "pooled", True)
    processor = DocumentProcessor.from_text_encoder(minilm, ProcessorSettings(text_leaves="node"))
    one, two = processor([article()]), processor([article(headline="Another headline."), article()])
    with torch.no_grad():
        plain = [encoder(batch.text, batch.forest.num_leaves) for batch in (one, two)]
        monkeypatch.setattr(encoder, "cache", FeatureCache(tmp_path / "features.sqlite"))
        filled = [encoder(batch.text, batch.forest.num_leaves) for batch in (one, two)]
        fresh = FeatureCache(tmp_path / "features.sqlite")
        monkeypatch.setattr(encoder, "cache", fresh)
        again = [encoder(batch.text, batch.forest.num_leaves) for batch in (one, two)]
    for want, first, second in zip(plain, filled, again, strict=True):
        torch.testing.assert_close(first, want, atol=1e-5, rtol=0)
        torch.testing.assert_close(second, first, atol=0, rtol=0)
    assert fresh.misses == 0
    assert fresh.hits > 0


def test_other_weights_do_not_meet_cached_features(encoder: PretrainedTextLeaves) -> None:
    before = encoder.fingerprint()
    weight = encoder.encoder.embeddings.word_embeddings.weight
    with torch.no_grad():
        weight[5, 0] += 1
    encoder._fingerprint = None
    assert encoder.fingerprint() != before
    with torch.no_grad():
        weight[5, 0] -= 1
    encoder._fingerprint = None


def test_a_pooled_leaf_is_the_weighted_mean_of_its_sub_words() -> None:
    torch.manual_seed(0)
    processor = DocumentProcessor.from_documents([article()], ProcessorSettings(text_leaves="node"), vocab_size=300)
    leaves = ScratchTextLeaves(300, 8, 8, 0.0, pooled=True).double()
    frequency = torch.arange(300) % 11
    leaves.set_frequencies(frequency, 10)
    batch = processor([article(), article(headline="Other words here.")])
    got = leaves(batch.text, batch.forest.num_leaves)
    for leaf in range(batch.forest.num_leaves):
        ids = batch.text.token_id[batch.text.token_leaf == leaf].tolist()
        rarity = [max(np.log(11 / (1 + int(frequency[i]))), 0.05) for i in ids]
        mean = sum(r * leaves.embed.weight[i].detach().numpy() for r, i in zip(rarity, ids, strict=True)) / sum(rarity)
        want = (mean - mean.mean()) / np.sqrt(mean.var() + 1e-5)
        np.testing.assert_allclose(got[leaf].detach().numpy(), want, atol=1e-6)
