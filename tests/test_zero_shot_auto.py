"""Windows whose ends move: the best ends by trying all, degenerate inputs, and inside models."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docgraph.errors import ModelError
from encoders import zero_shot
from encoders.zero_shot import Auto, Budget, Form, Quadtree, Windows, moved, trees_from_states
from encoders.zero_shot.calibrate import _log_partition, divergence
from encoders.zero_shot.layer import layers_of
from encoders.zero_shot.layout import layout_of
from encoders.zero_shot.moved import COORDINATES, moved_windows, moving_cost
from encoders.zero_shot.report import hsa_cost
from encoders.zero_shot.windows import Ends
from tests.test_zero_shot_hierarchy import blocks, spans
from tests.test_zero_shot_models import build, inputs_for, run, states


def lost(key, ends):
    """Spread of the keys within blocks, by its definition."""
    return sum(((key[a:b] - key[a:b].mean(0)) ** 2).sum() for a, b in itertools.pairwise(ends))


def ends_of(parent, n):
    return [0, *(i for i in range(1, n) if parent[i] != parent[i - 1]), n]


@pytest.mark.parametrize(("n", "b"), [(12, 4), (13, 5), (10, 3), (9, 2), (16, 8), (7, 7), (5, 4)])
def test_no_other_ends_within_reach_lose_less(n, b):
    key = np.random.default_rng(n).standard_normal((n, 3))
    K, reach = -(-n // b), max(1, (b - 1) // 2)
    middle = [round(k * n / K) for k in range(1, K)]
    tried = itertools.product(*([m + shift for shift in range(-reach, reach + 1)] for m in middle))
    least = min(lost(key, [0, *ends, n]) for ends in tried if sorted({0, *ends, n}) == [0, *ends, n])
    found = ends_of(moved_windows(key, (b,), np.arange(n)), n)
    assert len(found) == K + 1
    assert lost(key, found) == pytest.approx(least, rel=1e-12)


def test_blocks_end_where_keys_change_and_blocks_of_blocks_too():
    change = [0, 5, 8, 13, 16, 20, 24, 29, 32]
    level = np.repeat(np.arange(8), np.diff(change)) + 100 * (np.arange(32) >= 13)
    tree = trees_from_states(torch.tensor(level)[None, :, None].float(), branching=(4, 4), special_tokens="inside")
    assert blocks(tree) == [spans(*itertools.pairwise(change), (0, 13), (13, 32), (0, 32))]


def test_where_all_is_alike_they_are_windows():
    states = torch.ones(2, 34, 7)
    mask = torch.ones(2, 34)
    mask[1, 18:] = 0
    tree = trees_from_states(states, mask, branching=(4, 2))
    assert blocks(tree) == blocks(Windows((4, 2), "own").forest([34, 18], Ends(1, 1)))


@given(n=st.integers(0, 40), branching=st.lists(st.integers(2, 20), max_size=3), kind=st.integers(0, 3), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_input_gives_a_tree_of_its_positions(n, branching, kind, data):
    width = data.draw(st.sampled_from([1, 5, 200]))
    states = torch.randn(1, n, width, generator=torch.Generator().manual_seed(n))
    states = [states, states * 1e30, states * 0, torch.full_like(states, torch.nan)][kind]
    tree = trees_from_states(states, branching=tuple(branching))
    whole = Windows(tuple(branching), "own").forest([n], Ends(1, 1))
    assert tree.num_leaves == n
    assert tree.num_rows <= whole.num_rows
    if kind < 3:
        assert tree.num_rows == whole.num_rows
    for block in blocks(tree)[0]:  # in a row, but for the root
        assert max(block) - min(block) == len(block) - 1


def test_ends_are_the_same_however_far_from_zero_the_keys_are():
    key, all_of_it = np.random.default_rng(0).standard_normal((60, 5)), np.arange(60)
    np.testing.assert_array_equal(
        moved_windows(key + 1e8, (6, 3), all_of_it), moved_windows((key + 1e8) - 1e8, (6, 3), all_of_it)
    )


@pytest.mark.parametrize("part", [slice(0, 60), slice(140, 200)])
def test_a_change_in_any_part_of_wide_keys_is_seen(part):
    change = [0, 5, 8, 13, 16]
    key = np.zeros((16, 200))
    key[:, part] = np.repeat(np.arange(4), np.diff(change))[:, None]
    assert ends_of(moved_windows(key, (4,), np.arange(16)), 16) == change


def test_blocks_are_looked_at_a_few_at_a_time_without_a_seam(monkeypatch):
    key, all_of_it = np.random.default_rng(0).standard_normal((95, 4)), np.arange(95)
    whole = moved_windows(key, (6, 4), all_of_it)
    for piece in (1, 3, 16):
        monkeypatch.setattr(moved, "PIECE", piece)
        np.testing.assert_array_equal(moved_windows(key, (6, 4), all_of_it), whole)


@pytest.mark.parametrize("grid", [(2, 4), (5, 3), (1, 6), (4, 4)])
def test_the_curve_goes_by_the_digits_of_row_and_column_in_turn(grid):
    patches = list(itertools.product(range(grid[0]), range(grid[1])))
    digits = [int("".join(map("".join, zip(f"{y:04b}", f"{x:04b}", strict=True))), 2) for y, x in patches]
    assert moved.z_order(grid, len(patches)).tolist() == sorted(range(len(patches)), key=digits.__getitem__)


def test_a_layer_looks_at_the_keys_of_all_heads_where_nothing_is_padded():
    key = torch.zeros(2, 3, 20, 4)
    key[0, 2, :, 1] = torch.repeat_interleave(torch.arange(4.0), torch.tensor([7, 3, 7, 3]))
    mask = torch.ones(2, 20, dtype=torch.bool)
    mask[1, :4] = mask[1, 11] = False
    key[1, 0, mask[1], 2] = torch.repeat_interleave(torch.arange(3.0), torch.tensor([6, 4, 5]))
    found = layout_of(Auto((5,)), (2, 20), mask, Ends(0, 0), key.device, key)
    assert blocks(found.forest) == [
        spans((0, 7), (7, 10), (10, 17), (17, 20), (0, 20)),
        spans((20, 26), (26, 30), (30, 35), (20, 35)),
    ]


def test_patches_are_cut_along_a_curve():
    alike = trees_from_states(torch.ones(1, 17, 3), branching=(4, 4), ends=(1, 0), grid=(4, 4))
    quadtree = Quadtree().forest([17], Ends(1, 0))
    assert blocks(alike)[0] - {frozenset(range(1, 17))} == blocks(quadtree)[0]
    inside = trees_from_states(
        torch.ones(1, 17, 3), branching=(4, 4), ends=(1, 0), grid=(4, 4), special_tokens="inside"
    )
    assert blocks(inside) == blocks(alike)  # a special token has no place in the grid
    wide = trees_from_states(torch.ones(1, 8, 3), branching=(4,), ends=(0, 0), grid=(2, 4))
    assert blocks(wide) == [{frozenset(s) for s in ({0, 1, 4, 5}, {2, 3, 6, 7}, range(8))}]
    with pytest.raises(ModelError, match=r"the patches must be the grid 3 x 3, but are 8"):
        trees_from_states(torch.ones(1, 8, 3), ends=(0, 0), grid=(3, 3))


def test_less_is_lost_than_by_windows_where_there_are_parts():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(12, 8, generator=generator).repeat_interleave(torch.tensor([5, 11] * 6), dim=0)
    key = (2 * parts + 0.3 * torch.randn(96, 8, generator=generator))[:, None]
    query, form = torch.randn(96, 1, 8, generator=generator), Form("queries", 0, "attention")
    log_z = _log_partition(query, key, [96], 1.0, causal=False)
    gaps = [
        divergence(query, key, forest, form, 1.0, False, log_z).item()
        for forest in (Auto((8,)).fit([key[:, 0]], Ends(0, 0)), Windows((8,)).forest([96], Ends(0, 0)))
    ]
    assert gaps[0] < 0.5 * gaps[1]


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_models_attend_over_it_and_keep_it(name, tmp_path):
    model, batch = build(name), inputs_for(name, pad="right")
    before = states(model, batch)
    zero_shot.convert(model, hierarchy="auto", branching=(4,), special_tokens="own", untie="queries")
    moved = states(model, batch)
    side = model.config.image_size // model.config.patch_size if name == "vit" else 0
    assert {layer.hierarchy.grid for layer in layers_of(model)} == {(side, side) if side else None}
    model.save_pretrained(tmp_path)
    again = zero_shot.restore(type(model).from_pretrained(tmp_path).eval())
    torch.testing.assert_close(states(again, batch), moved, rtol=0, atol=0)
    assert "moved windows 4 + own special tokens; untied queries" in str(zero_shot.summary(model))
    zero_shot.convert(model, branching=(4,), special_tokens="own", untie="queries")
    assert (states(model, batch) - moved).abs().max() > 1e-3
    zero_shot.convert(model, hierarchy="auto", branching=())
    torch.testing.assert_close(states(model, batch), before, rtol=1e-4, atol=1e-4)
    zero_shot.revert(model)
    torch.testing.assert_close(states(model, batch), before, rtol=0, atol=0)


def test_padding_and_other_sequences_change_nothing():
    model, batch = build("bert").double(), inputs_for("bert", pad="left")
    zero_shot.convert(model, hierarchy="auto", branching=(4, 2))
    together = run(model, batch).last_hidden_state
    for row, seen in enumerate(batch["attention_mask"].bool()):
        alone = run(model, {"input_ids": batch["input_ids"][row : row + 1, seen]}).last_hidden_state
        if int(seen.sum()) == 37:  # BERT numbers padded positions, too
            torch.testing.assert_close(together[row, seen], alone[0], rtol=1e-9, atol=1e-9)
        assert together[row, seen].isfinite().all()


def test_a_tree_that_comes_with_the_call_is_taken():
    model, batch = build("bert"), inputs_for("bert")
    tree = Windows((5,)).forest([37, 37], Ends(0, 0))
    zero_shot.convert(model, hierarchy="auto")
    got = states(model, batch, hsa_tree=tree)
    zero_shot.convert(model, hierarchy="given")
    torch.testing.assert_close(got, states(model, batch, hsa_tree=tree), rtol=0, atol=0)


def test_causal_layers_refuse_it():
    for hierarchy in ("auto", Auto((4,))):
        with pytest.raises(ModelError, match="must not look at keys in causal layers"):
            zero_shot.convert(build("llama"), hierarchy=hierarchy)


def test_calibrate_measures_it_and_counts_what_it_costs():
    model, batch = build("bert"), inputs_for("bert", pad="right")
    candidates = [(Auto((4,), "own"), Form("queries")), (Windows((4,), "own"), Form("queries"))]
    found = zero_shot.calibrate(model, [batch], Budget(kl=1e9), candidates=candidates)
    assert len(found.measured) == 6
    assert all(m.gap > 0 for m in found.measured)
    # Softmax of 1 position is cheaper than anything.
    n, width, heads = 60, 32, 4
    forest = Windows((4,), "own").forest([n], Ends(1, 1))
    form = Form("queries")
    moved, stay = (hsa_cost(forest, hierarchy, form, width, heads).full for hierarchy, _ in candidates)
    assert moved - stay == moving_cost(n, (4,)) == 2 * COORDINATES * n + 15 * 9 * (COORDINATES + 4)
