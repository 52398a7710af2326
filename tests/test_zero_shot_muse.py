"""MuSe, a rival in the zero-shot benchmark, against a definition by loops, Taylor's formula, softmax and a library."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertModel

from benchmarks.zero_shot import rivals
from benchmarks.zero_shot.muse import Muse, _means, _nearest, _seeds, k_means, muse_attention
from benchmarks.zero_shot.rivals import NAME, Kept, muse_inside

SCALE = 0.7
SETTINGS = [
    Muse(keys, queries, exact, tilted, dipole, own)
    for keys, queries in ((1, 1), (3, 2), (6, 4))
    for exact in (0, 2)
    for tilted in (False, True)
    for dipole in (False, True)
    for own in (False, True)
]


def draw(n, heads=2, width=5, out=3, seed=0, size=1.0):
    g = torch.Generator().manual_seed(seed)
    shape = (heads, n)
    query, key = (size * torch.randn(*shape, width, generator=g, dtype=torch.float64) for _ in range(2))
    return query, key, torch.randn(*shape, out, generator=g, dtype=torch.float64)


def softmax(query, key, value):
    return scaled_dot_product_attention(query, key, value, scale=SCALE)


def clusters_of(key, muse):
    """Lists of the keys of each cluster, one list a head, by the benchmark's own k-means."""
    n = key.shape[1]
    ends = [] if not muse.own or n == 1 else [0] if n == 2 else [0, n - 1]
    inner = [i for i in range(n) if i not in ends]
    label = k_means(key[:, inner], muse.keys).label
    return [
        [[i for i, c in zip(inner, row, strict=True) if c == j] for j in range(max(row) + 1)] + [[i] for i in ends]
        for row in label.tolist()
    ]


def naive(query, key, value, muse):
    """The definition, one query and one cluster at a time."""
    output = torch.zeros_like(value)
    found = k_means(query, muse.queries)
    for h, of_head in enumerate(clusters_of(key, muse)):
        clusters = [c for c in of_head if c]
        for i in range(query.shape[1]):
            q, centre = query[h, i], found.centre[h, found.label[h, i]]
            point = centre if muse.tilted else torch.zeros_like(centre)

            def mass(cluster, tilted, h=h, centre=centre):
                logits = SCALE * key[h, cluster] @ centre
                return logits.logsumexp(0) if tilted else math.log(len(cluster)) + logits.mean()

            order = sorted(range(len(clusters)), key=lambda c: -float(mass(clusters[c], muse.tilted)))
            logits, values = [], []
            for place, c in enumerate(order):
                k, v = key[h, clusters[c]], value[h, clusters[c]]
                if place < muse.exact:
                    logits += list(SCALE * k @ q)
                    values += list(v)
                    continue
                weight = (SCALE * k @ point).softmax(0)
                mean_key, mean_value = weight @ k, weight @ v
                logits.append((SCALE * k @ point).logsumexp(0) + SCALE * (q - point) @ mean_key)
                covariance = torch.einsum("n,ne,nd->ed", weight, v - mean_value, k - mean_key)
                values.append(mean_value + muse.dipole * SCALE * covariance @ (q - point))
            output[h, i] = torch.stack(logits).softmax(0) @ torch.stack(values)
    return output


@pytest.mark.parametrize("muse", SETTINGS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_it_is_its_definition(muse, n):
    states = draw(n)
    torch.testing.assert_close(muse_attention(*states, muse, SCALE).output, naive(*states, muse), rtol=0, atol=1e-10)


@pytest.mark.parametrize("tilted", [False, True])
@pytest.mark.parametrize("dipole", [False, True])
def test_with_every_cluster_exact_it_is_softmax(tilted, dipole):
    states = draw(23)
    output = muse_attention(*states, Muse(4, 3, 4, tilted, dipole), SCALE).output
    torch.testing.assert_close(output, softmax(*states), rtol=0, atol=1e-10)


@pytest.mark.parametrize("tilted", [False, True])
@pytest.mark.parametrize("dipole", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_with_clusters_of_one_it_is_softmax(tilted, dipole, own):
    states = draw(19)
    output = muse_attention(*states, Muse(19, 3, 0, tilted, dipole, own), SCALE).output
    torch.testing.assert_close(output, softmax(*states), rtol=0, atol=1e-10)


def test_the_monopole_is_the_count_times_the_exponential_of_the_centroid():
    query, key, value = draw(15)
    (first, second), *_ = clusters_of(key, Muse(2))
    weight = [len(c) * (SCALE * query[0] @ key[0, c].mean(0)).exp() for c in (first, second)]
    mean = [value[0, c].mean(0) for c in (first, second)]
    want = (weight[0][:, None] * mean[0] + weight[1][:, None] * mean[1]) / (weight[0] + weight[1])[:, None]
    output = muse_attention(query, key, value, Muse(2, tilted=False), SCALE).output
    torch.testing.assert_close(output[0], want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tilted", [False, True])
def test_the_dipole_is_the_first_order_of_taylors_formula(tilted):
    query, key, value = draw(15, heads=1)
    point = query.mean(1) if tilted else torch.zeros(1, query.shape[2], dtype=torch.float64)

    def mean_value(q):
        return (SCALE * q @ key[0].T).softmax(-1) @ value[0]

    want = [torch.autograd.functional.jvp(mean_value, point[0], q - point[0]) for q in query[0]]
    output = muse_attention(query, key, value, Muse(1, tilted=tilted, dipole=True), SCALE).output
    torch.testing.assert_close(output[0], torch.stack([at + more for at, more in want]), rtol=0, atol=1e-10)


def test_the_error_falls_by_the_order_of_the_expansion():
    """Queries drawn h as near to their centroid err by h in order zero, by h squared in order one."""
    query, key, value = draw(30)
    errors = {}
    for dipole in (False, True):
        for h in (1e-3, 1e-4):
            near = query.mean(1, keepdim=True) + h * query
            output = muse_attention(near, key, value, Muse(1, dipole=dipole), SCALE).output
            errors[dipole, h] = float((output - softmax(near, key, value)).norm())
    assert errors[False, 1e-3] / errors[False, 1e-4] == pytest.approx(10, rel=0.2)
    assert errors[True, 1e-3] / errors[True, 1e-4] == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize("muse", SETTINGS, ids=str)
def test_extreme_logits_give_numbers(muse):
    assert bool(muse_attention(*draw(17, size=300.0), muse, SCALE).output.isfinite().all())


@pytest.mark.parametrize("muse", SETTINGS, ids=str)
def test_equal_keys_leave_clusters_empty_and_are_exact(muse):
    query, key, value = draw(17)
    same = key[:, :1].expand_as(key).contiguous()
    output = muse_attention(query, same, value, muse, SCALE).output
    torch.testing.assert_close(output, softmax(query, same, value), rtol=0, atol=1e-10)


def test_k_means_is_lloyds():
    states = draw(60, heads=3)[0]
    found = k_means(states, 5, iterations=4)
    for h in range(3):
        library = KMeans(5, init=_seeds(states, 5)[h].numpy(), n_init=1, max_iter=4, tol=0).fit(states[h].numpy())
        ours = found.label[h].numpy()
        np.testing.assert_array_equal(ours, library.labels_)
    centre = _means(states, found.label, found.centre)
    torch.testing.assert_close(found.centre, centre)
    assert not torch.equal(_nearest(states, _seeds(states, 5)), found.label)


def test_the_count_is_that_of_the_definition():
    query, key, value = draw(40)
    muse, n, heads, width, out = Muse(5, 3, 2), 40, 2, 5, 3
    found = k_means(query, 3)
    want = heads * 3 * n * (width + 1) + heads * n * width
    for h, clusters in enumerate(clusters_of(key, muse)):
        for i in range(3):
            mass = [float((SCALE * key[h, c] @ found.centre[h, i]).logsumexp(0)) for c in clusters]
            near = sorted(range(5), key=lambda c: -mass[c])[:2]
            exact = sum(len(clusters[c]) for c in near)
            queries = int((found.label[h] == i).sum())
            want += queries * (exact + 3) * (width + out + 1) + (n - exact) * (width + out)
    count = muse_attention(query, key, value, muse, SCALE).count
    assert (count.attention, count.softmax) == (want, heads * n * n * (width + out + 1))
    assert count.clustering > 0 == count.dipole
    assert muse_attention(query, key, value, Muse(1, tilted=False), SCALE).count.attention == heads * n * 17


@pytest.fixture
def bert():
    torch.manual_seed(0)
    config = BertConfig(
        initializer_range=0.5,
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
    )
    return BertModel(config).eval()


def test_inside_a_model_padding_takes_no_part(bert):
    ids = torch.randint(1, 50, (2, 14), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    muse = Muse(3, 2, 1, own=True, dipole=True)
    with torch.inference_mode(), muse_inside(bert, [0, 2], muse) as running:
        together = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        counted = running.count
        alone = bert(input_ids=ids[1:, :9]).last_hidden_state
        whole = bert(input_ids=ids[:1]).last_hidden_state
    torch.testing.assert_close(together[1, :9], alone[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(together[:1], whole, rtol=0, atol=1e-5)
    assert running.count.softmax == 2 * counted.softmax


def test_a_model_is_as_before_after_it(bert):
    ids = torch.randint(1, 50, (1, 14), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = bert(input_ids=ids).last_hidden_state
        with muse_inside(bert, [1], Muse(1, tilted=False)):
            inside = bert(input_ids=ids).last_hidden_state
        with muse_inside(bert, [0, 1, 2], Muse(14)):
            exact = bert(input_ids=ids).last_hidden_state
        after = bert(input_ids=ids).last_hidden_state
    assert torch.equal(before, after)
    assert not torch.allclose(before, inside, atol=1e-4)
    torch.testing.assert_close(before, exact, rtol=0, atol=1e-5)
    assert not any(NAME in module.__dict__ for module in bert.modules())


def test_a_run_that_was_stopped_goes_on_at_the_same_commit(tmp_path, monkeypatch):
    calls = []

    def measure(subject, name, layers, setting):
        calls.append(setting.keys)
        return {"cosine": 1 / setting.keys, "layers": layers}

    monkeypatch.setattr(rivals, "measure", measure)
    subject = SimpleNamespace(name="bbc", lengths=[3, 4])
    stopped = Kept.at(tmp_path, "abc")
    first = [stopped.measure(subject, "MuSe", (1, 2), Muse(keys))["cosine"] for keys in (3, 4)]
    again = Kept.at(tmp_path, "abc")
    second = [again.measure(subject, "MuSe", (1, 2), Muse(keys))["cosine"] for keys in (3, 4, 5)]
    assert (calls, second[:2]) == ([3, 4, 5], first)
    again.measure(subject, "MuSe", (1,), Muse(3))
    Kept.at(tmp_path, "other").measure(subject, "MuSe", (1, 2), Muse(3))
    assert calls == [3, 4, 5, 3, 3]
    again.done()
    assert not list(tmp_path.iterdir())
