"""The strictly causal form: no leak where the paper's mask leaks, and a cache that decodes to what prefill gives."""

import itertools

import pytest
import torch
import transformers as tf

from docgraph.errors import ModelError
from encoders import TreeBatch, zero_shot
from encoders.zero_shot import Form, Windows
from encoders.zero_shot.cache import KeyValueBlocks
from encoders.zero_shot.form import form_attention
from encoders.zero_shot.windows import Ends
from tests import untied_definition as naive

SCALE = 0.6
FORMS = [
    Form(),
    Form("queries", cumulant=True),
    Form("queries", pooling="attention"),
    Form("queries", 1, "attention", True),
]
LLAMA = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
MODELS = {
    "llama": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**LLAMA, num_key_value_heads=2)),
    "opt": lambda: tf.OPTForCausalLM(
        tf.OPTConfig(
            vocab_size=99,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            ffn_dim=48,
            word_embed_proj_dim=32,
        )
    ),
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(vocab_size=99, n_embd=32, n_layer=3, n_head=4, n_positions=80)),
}


def build(name, **options):
    torch.manual_seed(0)
    model = MODELS[name]().eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    if options:
        zero_shot.convert(model, **options)
    return model


def draw(n, heads=3, key_heads=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, h, w, generator=g, dtype=torch.float64) for h, w in ((heads, 5), (key_heads, 5), (key_heads, 4))
    ]


def test_the_papers_causal_mask_leaks():
    """Changing only the last query, key or value changes the weights of an earlier leaf of the same block."""
    tree = [[0, 1], [2, 3], [4, 5], [6, 7]]
    query, key, _ = (t[:, 0] for t in draw(8, heads=1))
    weights = naive.causal_weights_of_the_paper(query, key, SCALE, tree)
    torch.testing.assert_close(weights.sum(1), torch.ones(8, dtype=torch.float64))
    assert not weights.triu(1).any()  # no later value is seen: the leak is in the weights
    for states in (query, key):
        changed = states.clone()
        changed[7] += 1
        after = naive.causal_weights_of_the_paper(
            *((changed, key) if states is query else (query, changed)), SCALE, tree
        )
        assert (after - weights)[6].abs().max() > 1e-3
        assert torch.equal(after[:6], weights[:6])  # blocks to the left do not pool over it


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_no_earlier_output_depends_on_a_later_leaf(form):
    forest = Windows((2, 3)).forest([23, 23], Ends(1, 0))
    inputs = draw(46)
    want = form_attention(*inputs, forest, form, scale=SCALE, causal=True)
    for place in range(23):
        changed = [t.clone() for t in inputs]
        for tensor in changed:
            tensor[place] += torch.randn(tensor.shape[1:], dtype=torch.float64)
        got = form_attention(*changed, forest, form, scale=SCALE, causal=True)
        assert torch.equal(got[:place], want[:place])
        assert torch.equal(got[23:], want[23:])  # nor another document's
        assert not torch.equal(got[place], want[place])


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("special_tokens", ["inside", "own"])
def test_no_earlier_logit_of_a_model_depends_on_a_later_token(name, special_tokens):
    model = build(name, branching=(2, 3), special_tokens=special_tokens, untie="queries", pooling="attention")
    tokens = torch.randint(0, 99, (1, 30), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        want = model(tokens, use_cache=False).logits
        for place in (29, 17, 1):
            changed = tokens.clone()
            changed[0, place] = (tokens[0, place] + 1) % 99
            got = model(changed, use_cache=False).logits
            assert torch.equal(got[:, :place], want[:, :place])
            assert not torch.equal(got[:, place], want[:, place])


def test_the_causal_form_is_one_softmax_over_left_siblings():
    tree = [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]], [[12, 13], [14]]]
    query, key, value = draw(15, heads=2, key_heads=2)
    got = form_attention(query, key, value, Windows((2, 3)).forest([15], Ends(1, 0)), Form(), scale=SCALE, causal=True)
    for h in range(2):
        weights = naive.untied_weights(
            query[:, h],
            key[:, h],
            SCALE,
            lambda i: [([i], b) for b in naive.siblings_on_path(tree, i, causal=True)],
        )
        torch.testing.assert_close(got[:, h], weights @ value[:, h], rtol=0, atol=1e-14)


@pytest.mark.parametrize("form", FORMS[:3], ids=str)
@pytest.mark.parametrize(
    "windows", [Windows((2, 3)), Windows((3, 2, 2), "own"), Windows(()), Windows((4,), "own")], ids=str
)
def test_steps_of_the_line_equal_prefill(form, windows):
    """From every prompt length on: rows of different lengths, some shorter than the padding."""
    n, ends = 31, Ends(1, 0)
    query, key, value = draw(n)
    causal = form.for_causal()
    forest = windows.forest([n], ends)
    want = form_attention(query, key, value, forest, form, scale=SCALE, causal=True)
    for begin in (0, 1, 2, 5, 11):
        lengths = [begin, max(begin - 1, 0)]
        mask = torch.zeros(2, begin, dtype=torch.bool)
        rows = [
            torch.zeros(3, begin, h, t.shape[2], dtype=torch.float64)
            for t, h in zip((query, key, value), (3, 1, 1), strict=True)
        ]
        for r, length in enumerate(lengths):  # left padding
            mask[r, begin - length :] = True
            for row, states in zip(rows, (query, key, value), strict=True):
                row[r, begin - length :] = states[:length]
        line = KeyValueBlocks(windows, causal, ends, SCALE)
        line.ingest(*(row[:2].transpose(1, 2) for row in rows), mask)
        for step in range(n - begin):
            at = [length + step for length in lengths]
            got = line.step(*(states[at][:, None].transpose(1, 2) for states in (query, key, value)))
            torch.testing.assert_close(got[:, 0], want[at], rtol=0, atol=1e-12)


def test_the_line_stays_short():
    windows = Windows((2, 4, 8, 16))
    line = KeyValueBlocks(windows, Form("queries"), Ends(1, 0), SCALE)
    query, key, value = (t.transpose(0, 1)[None] for t in draw(3000))
    line.ingest(query, key, value, None)
    kept = sum(shelf.shape[1] for shelf in line.shelves)
    assert kept == 2 + 4 + 8 + 16 + 3000 // 1024


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("layers", ["*", [0, 2], [1]])
@pytest.mark.parametrize("cache", ["hierarchical", "dynamic"])
def test_cached_decoding_equals_full_prefill(name, layers, cache):
    pooling = "attention" if cache == "hierarchical" else "mean"
    model = build(name, layers=layers, branching=(2, 3), special_tokens="own", untie="queries", pooling=pooling)
    tokens = torch.randint(3, 99, (2, 26), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(tokens)
    mask[1, :4] = 0  # left padding
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        extra = {} if name == "opt" else {"position_ids": positions}
        want = model(tokens, attention_mask=mask, use_cache=False, **extra).logits
        past = zero_shot.HierarchicalCache(model) if cache == "hierarchical" else tf.DynamicCache(config=model.config)
        for begin, end in [(0, 11), *((i, i + 1) for i in range(11, 26))]:
            extra = {} if name == "opt" else {"position_ids": positions[:, begin:end]}
            got = model(tokens[:, begin:end], attention_mask=mask[:, :end], past_key_values=past, **extra).logits
            seen = mask[:, begin:end].bool()
            torch.testing.assert_close(got[seen], want[:, begin:end][seen], rtol=1e-9, atol=1e-9)


def test_several_positions_at_once_equal_full_prefill_with_transformers_cache():
    model = build("llama", branching=(2, 3), near=1, untie="queries")
    tokens = torch.randint(0, 99, (1, 26), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        want = model(tokens, use_cache=False).logits
        past = tf.DynamicCache(config=model.config)
        for begin, end in ((0, 9), (9, 10), (10, 17), (17, 26)):
            got = model(tokens[:, begin:end], past_key_values=past).logits
            torch.testing.assert_close(got, want[:, begin:end], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("name", list(MODELS))
def test_generate_with_both_caches(name, beams):
    model = build(name, layers=[1, 2], branching=(2, 3))
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = None
    tokens = torch.randint(3, 99, (2, 9), generator=torch.Generator().manual_seed(6))
    mask = torch.ones_like(tokens)
    mask[0, :3] = 0
    options = {"attention_mask": mask, "max_new_tokens": 12, "do_sample": False, "num_beams": beams}
    want = model.generate(tokens, use_cache=False, **options)
    assert torch.equal(model.generate(tokens, **options), want)
    cache = zero_shot.HierarchicalCache(model)
    assert torch.equal(model.generate(tokens, past_key_values=cache, **options), want)
    assert cache.get_seq_length() == want.shape[1] - 1


def test_generate_takes_a_tree_for_the_prompt_only_by_saying_so():
    model = build("llama", hierarchy="given")
    tokens = torch.randint(3, 99, (1, 9))
    tree = TreeBatch.from_nested([[[None] * 4, [None] * 5]])
    with zero_shot.use_tree(tree), torch.no_grad():
        model(tokens)
        with pytest.raises(ValueError, match=r"one leaf for each unpadded position.*10 leaves, but has 9"):
            model.generate(tokens, max_new_tokens=3)


def test_what_the_cache_cannot_do_raises():
    model = build("llama", branching=(2, 3), untie="queries", near=1)
    tokens = torch.randint(3, 99, (1, 9))
    with torch.no_grad(), pytest.raises(ModelError, match="near must be 0 for the hierarchical cache"):
        model(tokens, past_key_values=zero_shot.HierarchicalCache(model))
    zero_shot.convert(model, branching=(2, 3))
    cache = zero_shot.HierarchicalCache(model)
    with torch.no_grad():
        model(tokens, past_key_values=cache)
        with pytest.raises(ModelError, match="grow by single positions, but 2 came"):
            model(tokens[:, :2], past_key_values=cache)
    zero_shot.convert(model, branching=(2, 3), untie="queries", pooling="attention")
    with torch.no_grad():
        past = model(tokens, use_cache=True).past_key_values
        with pytest.raises(ModelError, match="must decode with past_key_values=zero_shot"):
            model(tokens[:, :1], past_key_values=past)
    zero_shot.revert(model)
    with pytest.raises(ModelError, match="must have converted causal layers"):
        zero_shot.HierarchicalCache(model)


def test_a_cache_of_another_model_is_noticed():
    model, other = build("llama", branching=(2, 3)), build("llama")
    cache = zero_shot.HierarchicalCache(model)
    tokens = torch.randint(3, 99, (1, 9))
    with torch.no_grad():
        other(tokens, past_key_values=cache)
        with pytest.raises(ModelError, match="did not pick up the last positions"):
            other(tokens[:, :1], past_key_values=cache)


def test_numbering_of_the_naive_causal_tree():
    """Left siblings, by hand: leaf 4 of ((0 1) (2 3)) ((4 5)) sees itself and the first half as one block."""
    count = itertools.count()
    tree = [[[next(count), next(count)], [next(count), next(count)]], [[next(count), next(count)]]]
    assert naive.siblings_on_path(tree, 4, causal=True) == [[4], [0, 1, 2, 3]]
    assert naive.siblings_on_path(tree, 3, causal=True) == [[3], [0, 1], [2]]
