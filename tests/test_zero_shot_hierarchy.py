"""Hierarchies by hand and from texts, costs against the paper's Table 3, the report, and calibration."""

import math

import numpy as np
import pytest
import torch
import transformers as tf
from transformers import AutoModel, AutoTokenizer

from docgraph import parse_text
from docgraph.errors import DataError, ModelError, TreeError
from encoders import TreeBatch, zero_shot
from encoders.zero_shot import Budget, Form, Quadtree, Windows
from encoders.zero_shot.calibrate import divergence
from encoders.zero_shot.form import form_attention
from encoders.zero_shot.report import hsa_cost, paper_window_pairs, softmax_cost
from encoders.zero_shot.windows import Ends, from_json, to_json


def blocks(tree: TreeBatch) -> list[set[frozenset[int]]]:
    """The leaf sets of all nodes with two leaves or more, document by document, in leaf numbers."""
    parent, leaf_rows = tree.parent.tolist(), tree.leaf_rows.tolist()
    under: dict[int, set[int]] = {}
    for leaf, row in enumerate(leaf_rows):
        while row >= 0:
            under.setdefault(row, set()).add(leaf)
            row = parent[row]
    return [
        {frozenset(s) for row, s in under.items() if len(s) > 1 and tree.document[row] == d}
        for d in range(tree.num_documents)
    ]


def spans(*pairs: tuple[int, int]) -> set[frozenset[int]]:
    return {frozenset(range(a, b)) for a, b in pairs}


def test_windows_by_hand():
    tree = Windows((2, 3)).forest([9, 2, 1, 0], Ends(1, 1))
    assert blocks(tree) == [
        spans((0, 2), (2, 4), (4, 6), (6, 8), (0, 6), (6, 9), (0, 9)),
        spans((9, 11)),
        set(),
        set(),
    ]
    own = Windows((2, 3), "own").forest([9, 2, 1, 0], Ends(1, 1))
    assert blocks(own)[0] == spans((1, 3), (3, 5), (5, 7), (1, 7), (0, 9))
    assert own.num_leaves == tree.num_leaves == 12


def test_what_remains_above_the_last_level_are_the_roots_children():
    tree = Windows((2,)).forest([8], Ends(0, 0))
    sizes = tree.families().size.tolist()
    assert sorted(sizes) == [2, 2, 2, 2, 4]


def test_a_quadtree_by_hand():
    # 0 is [CLS]; patches  1 2 3
    #                      4 5 6
    #                      7 8 9
    tree = Quadtree().forest([10], Ends(1, 0))
    squares = {frozenset(s) for s in ({1, 2, 4, 5}, {3, 6}, {7, 8}, range(10))}
    assert blocks(tree) == [squares]
    wide = Quadtree(grid=(2, 4)).forest([8], Ends(0, 0))
    assert blocks(wide) == [{frozenset(s) for s in ({0, 1, 4, 5}, {2, 3, 6, 7}, range(8))}]
    with pytest.raises(ModelError, match="must be a square grid; say Quadtree"):
        Quadtree().forest([9], Ends(1, 0))


@pytest.mark.parametrize("hierarchy", [Windows(), Windows((), "own"), Quadtree(), Quadtree((2, 4), 3), "given"])
def test_hierarchies_survive_json(hierarchy):
    assert from_json(to_json(hierarchy)) == hierarchy


TEXT = "Good news today. Prices fell!\n\nNobody knows why. Really.\n\n\nEnd."


def test_text_trees_follow_sentences_and_paragraphs():
    words = [(0, 4), (5, 9), (10, 16), (17, 23), (24, 29), (31, 37), (38, 43), (44, 48), (49, 56), (59, 63)]
    offsets = np.array([[(0, 0), *words, (0, 0), (0, 0)]])
    mask = np.array([[1] * 12 + [0]])
    own = zero_shot.trees_from_text([TEXT], offsets, mask)
    assert blocks(own) == [spans((1, 4), (4, 6), (1, 6), (6, 9), (6, 10), (0, 12))]
    inside = zero_shot.trees_from_text([TEXT], offsets, mask, special_tokens="inside")
    assert blocks(inside) == [spans((0, 4), (4, 6), (0, 6), (6, 9), (6, 10), (10, 12), (0, 12))]
    with pytest.raises(TreeError, match="one row for each of the 2 texts"):
        zero_shot.trees_from_text([TEXT, TEXT], offsets, mask)


def test_tokens_without_characters_stay_with_their_neighbours():
    offsets = [[(0, 0), (0, 4), (4, 4), (17, 23), (0, 0)]]
    tree = zero_shot.trees_from_text([TEXT], offsets)
    assert blocks(tree) == [spans((1, 3), (1, 4), (0, 5))]
    assert zero_shot.trees_from_text([""], [[(0, 0), (0, 0)]]).num_leaves == 2


def test_document_trees_group_tokens_by_node(minilm):
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    document = parse_text(TEXT)
    encoding = tokenizer([document.text], return_offsets_mapping=True)
    tree = zero_shot.trees_from_documents([document], encoding["offset_mapping"])
    offsets = np.array(encoding["offset_mapping"][0])
    expected = {frozenset(range(len(offsets)))}
    for node in document.walk():
        at = [i for i, (start, end) in enumerate(offsets) if end > start and node.span[0] <= start < node.span[1]]
        if len(at) > 1 and node != document.root:
            expected.add(frozenset(at))
    assert blocks(tree) == [expected]
    by_text = zero_shot.trees_from_text([document.text], encoding["offset_mapping"])
    assert blocks(by_text) == blocks(tree)


def test_sentence_trees_reach_the_model(minilm):
    tokenizer, model = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm).eval()
    texts = [TEXT, "Short."]
    encoding = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
    tree = zero_shot.trees_from_text(texts, encoding.pop("offset_mapping"), encoding["attention_mask"])
    zero_shot.convert(model, [2, 4], hierarchy="given")
    with torch.no_grad():
        states = model(**encoding, hsa_tree=tree).last_hidden_state
    assert states.isfinite().all()


# ── costs ──

TABLE_3 = {  # positions: MFLOPs of one layer, softmax and HSA, as printed: 3 or 4 digits
    264: (214.94, 4.32),
    54: (8.99, 0.8357),
    12: (0.4441, 0.1912),
    26: (2.08, 0.4132),
    55: (9.33, 0.8481),
    70: (15.11, 1.29),
    38: (4.45, 0.5643),
}


@pytest.mark.parametrize("n", list(TABLE_3))
def test_the_papers_count_gives_the_papers_table(n):
    forest = Windows((2, 4, 8, 16)).forest([n], Ends(1, 1))
    cost = hsa_cost(forest, Windows((2, 4, 8, 16)), Form(), 768, 12)
    softmax, hsa = TABLE_3[n]
    assert softmax_cost(n, 768, 12).paper / 1e6 == pytest.approx(softmax, rel=4e-3)
    assert cost.paper / 1e6 == pytest.approx(hsa, rel=4e-3)


def test_the_full_count_by_hand():
    # 9 positions in windows of 2, 3: families of 2,2,2,2,(1), then 3 and 2, then 2; the short chain counts nothing.
    forest = Windows((2, 3)).forest([9], Ends(0, 0))
    d, h = 8, 2
    squares = 4 * 2**2 + 3**2 + 2**2 + 2**2
    nodes = 9 + 4 + 2  # below the root; the window of one position is that position
    assert hsa_cost(forest, Windows((2, 3)), Form(), d, h).full == squares * (2 * d + h) + nodes * (5 * d + 8 * h)
    assert softmax_cost(9, d, h).full == 81 * (2 * d + h)
    assert softmax_cost(9, d, h, causal=True).full == 45 * (2 * d + h)


def test_the_count_of_opened_blocks_by_hand():
    """27 positions in windows of 3: for two blocks of three there are six pairs more, and two values less."""
    windows, d, h = Windows((3, 3)), 8, 2
    forest = windows.forest([27], Ends(0, 0))
    shut, opened = (hsa_cost(forest, windows, Form("queries", opened=m), d, h) for m in (0, 2))
    assert shut.pairs == 27 * (3 + 2 + 2)
    assert opened.pairs == shut.pairs + 27 * 6
    variances = 27 * 3 * d + 12 * 2 * d  # of positions; of blocks below the root
    assert opened.full == shut.full + 27 * (6 * (2 * d + h) - 2 * d) + variances
    attended, moments = (
        hsa_cost(forest, windows, Form("queries", 0, p, opened=2), d, h) for p in ("attention", "moments")
    )
    assert moments == attended
    alone = windows.forest([1], Ends(0, 0))
    costs = [hsa_cost(alone, windows, Form("queries", opened=m), d, h).full for m in (0, 2)]
    assert costs[1] - costs[0] == 3 * d
    one_level = Windows(()).forest([27], Ends(0, 0))  # has nothing to open
    assert hsa_cost(one_level, Windows(()), Form("queries", opened=2), d, h).pairs == 27 * 27


def test_the_pairs_of_the_untied_form_by_hand():
    windows = Windows((2, 4, 8, 16))
    forest = windows.forest([1024 * 3], Ends(0, 0))
    per_leaf = 2 + 3 + 7 + 15 + 2
    assert hsa_cost(forest, windows, Form("queries"), 8, 2).pairs == 1024 * 3 * per_leaf
    causal = hsa_cost(forest, windows, Form(), 8, 2, causal=True).pairs
    assert causal == 1024 * 3 * (1 + per_leaf) // 2  # the mean over all places of left siblings and itself


def test_paper_pairs_of_one_level_are_all_pairs():
    assert paper_window_pairs(40, ()) == 1600


def test_the_summary_counts_what_is_converted():
    model = tf.BertModel(tf.BertConfig(vocab_size=9, hidden_size=32, num_hidden_layers=3, num_attention_heads=4))
    report = zero_shot.convert(model, [1], branching=(2, 4, 8, 16))
    assert report.converted == [1]
    assert [row.converted for row in report.rows] == [False, True, False]
    row = zero_shot.summary(model, 264).rows[1]
    assert row.cost.paper == (132 * 4 + 33 * 16 + 5 * 64 + 25 + 1) * (4 * 32 + 4)
    assert "windows 2,4,8,16; paper" in str(report)
    assert "1 of 3 layers converted" in str(report)
    zero_shot.convert(model, [2], hierarchy="given")
    assert zero_shot.summary(model).rows[2].cost is None
    with pytest.raises(ModelError, match="length must be at least 1"):
        zero_shot.summary(model, 0)
    vit = tf.ViTModel(
        tf.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=32, patch_size=4)
    )
    assert zero_shot.convert(vit, hierarchy=Quadtree()).rows[0].length == 65


# ── calibration ──


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(cumulant=True),
        Form("rows", 1),
        Form("queries", 1, "attention"),
        Form("queries", cumulant=True),
        Form("queries", 0, "attention", opened=2),
        Form("queries", 0, "moments", opened=2),
    ],
    ids=str,
)
def test_the_gap_is_the_divergence_from_softmax(form, causal):
    if causal:
        if not form.runs_causal:
            pytest.skip("not a form of causal layers")
        form = form.for_causal()
    generator = torch.Generator().manual_seed(0)
    lengths, H, D, scale = [13, 7], 2, 4, 0.8
    query = torch.randn(20, H, D, generator=generator, dtype=torch.float64)
    key = torch.randn(20, 1, D, generator=generator, dtype=torch.float64)
    forest = Windows((2, 3), "own").forest(lengths, Ends(1, 0))
    one_hot = torch.eye(20, dtype=torch.float64)[:, None]
    P = form_attention(query, key, one_hot, forest, form, scale=scale, causal=causal)
    want, logs, start = [], [], 0
    for n in lengths:
        at = slice(start, start + n)
        logits = torch.einsum("ihd,jd->ihj", query[at], key[at, 0]) * scale
        if causal:
            logits = logits.masked_fill(torch.ones(n, n).triu(1).bool()[:, None], -math.inf)
        p = P[at, :, at]
        want.append((torch.special.xlogy(p, p) - torch.where(p > 0, p * logits.log_softmax(-1), 0)).sum((0, 2)))
        logs.append(logits.logsumexp(-1))
        start += n
    got = divergence(query, key, forest, form, scale, causal, torch.cat(logs))
    torch.testing.assert_close(got, torch.stack(want), rtol=0, atol=1e-12)
    assert (got > 0).all()


def bert_and_batches():
    torch.manual_seed(0)
    model = tf.BertModel(
        tf.BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=4, num_attention_heads=4)
    ).eval()
    with torch.no_grad():
        for layer, block in enumerate(model.encoder.layer):  # attention ever sharper, so layers differ
            block.attention.self.query.weight.mul_(10 * (layer + 1))
            block.attention.self.key.weight.mul_(10)
    ids = torch.randint(3, 50, (3, 60))
    mask = torch.ones_like(ids)
    mask[1, 40:] = 0
    return model, [{"input_ids": ids, "attention_mask": mask}, {"input_ids": ids[:1, :50]}]


def test_calibrate_finds_the_best_set():
    """Against all sets, tried one by one."""
    model, batches = bert_and_batches()
    candidates = (
        (Windows((2, 4)), Form()),
        (Windows((8,)), Form("queries")),
        (Windows((4, 2, 2, 2)), Form("rows", 1)),
    )
    result = zero_shot.calibrate(model, batches, {"flops": 0.6}, candidates=candidates)
    table = [[m for m in result.measured if m.layer.index == layer] for layer in range(4)]
    assert [len(options) for options in table] == [3, 3, 3, 3]
    softmax = 4 * table[0][0].softmax
    best = math.inf
    for pick in np.ndindex(4, 4, 4, 4):  # 3: leave the layer as it is
        cost = sum(table[i][p].cost if p < 3 else table[i][0].softmax for i, p in enumerate(pick))
        gap = sum(table[i][p].gap for i, p in enumerate(pick) if p < 3)
        if cost <= 0.6 * softmax:
            best = min(best, gap)
    assert result.kl == pytest.approx(best, rel=1e-6)
    assert result.flops <= 0.6
    report = zero_shot.summary(model)
    assert report.converted == [m.layer.index for m in result.chosen]
    assert "<- chosen" in str(result)


def test_calibrate_by_gap_and_by_number_of_layers():
    model, batches = bert_and_batches()
    all_gaps = zero_shot.calibrate(model, batches, Budget(flops=1.0, layers=2))
    assert len(all_gaps.chosen) == 2
    by_kl = zero_shot.calibrate(model, batches, Budget(kl=2 * all_gaps.kl))
    assert by_kl.kl <= 2 * all_gaps.kl
    assert by_kl.flops < all_gaps.flops
    nothing = zero_shot.calibrate(model, batches, Budget(kl=0.0))
    assert not nothing.chosen
    assert not zero_shot.is_converted(model)
    with pytest.raises(ModelError, match="the cheapest leaves"):
        zero_shot.calibrate(model, batches, 0.001)
    with pytest.raises(DataError, match="at least one"):
        zero_shot.calibrate(model, [], 0.5)
    with pytest.raises(DataError, match=r"must be mappings of the model's arguments.*but one is a str"):
        zero_shot.calibrate(model, ["a text"], 0.5)
    assert not zero_shot.is_converted(model)
    with pytest.raises(ModelError, match="budget must say"):
        Budget(layers=2)
    with pytest.raises(ModelError, match=r"flops must be a share .* but is 55: 5 % are 0.05"):
        zero_shot.calibrate(model, batches, {"layers": 2, "flops": 55})
    with pytest.raises(ModelError, match="budget must name flops, kl, layers, but names 'layer'"):
        zero_shot.calibrate(model, batches, {"layer": 2, "flops": 0.5})


def test_calibrate_leaves_the_model_as_it_is_while_it_measures():
    model, batches = bert_and_batches()
    seen = []
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output.last_hidden_state))
    with torch.no_grad():
        want = model(**batches[0]).last_hidden_state
    zero_shot.calibrate(model, batches[:1], {"kl": 0.0})
    handle.remove()
    torch.testing.assert_close(seen[1], want, rtol=0, atol=1e-6)
    assert not model.training


def test_calibrate_handles_decoders_and_towers():
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    llama = tf.LlamaModel(tf.LlamaConfig(vocab_size=50, num_key_value_heads=2, **small)).eval()
    result = zero_shot.calibrate(llama, [{"input_ids": torch.randint(0, 50, (2, 90))}], Budget(flops=0.9, layers=1))
    assert len(result.chosen) == 1
    clip = tf.CLIPModel(
        tf.CLIPConfig(
            text_config={**small, "vocab_size": 50, "eos_token_id": 49},
            vision_config={**small, "image_size": 32, "patch_size": 2},
        )
    ).eval()
    batch = {"input_ids": torch.randint(0, 50, (2, 70)), "pixel_values": torch.randn(2, 3, 32, 32)}
    result = zero_shot.calibrate(clip, [batch], Budget(flops=0.9), layers="vision*")
    assert result.chosen
    assert {m.layer.tower for m in result.chosen} == {"vision"}
