"""How the attention tests run a backend and compare the results."""

import itertools

import torch
from hypothesis import strategies as st

from encoders import TreeBatch, hierarchical_attention
from tests.forests import ragged

FAST = ["torch", "cpu"]
"""Backends to compare with the definition."""

EXACT = {"rtol": 1e-12, "atol": 1e-12}
"""Float64: numbers of size 1, sums of up to 100 terms, 10 levels; 2^-52 * 1000 = 2e-13 is typical of the worst."""

MIXED = [*ragged(10, 4, 6, 3), [None] * 150, None, [], [[None] * 3, [[None] * 70, None]]]
"""Documents of many shapes, a large family and empty ones among them."""
TREE = [[None, [None] * 3, [[None] * 2, None], [[[None] * 5]], [[]], None]]


def inputs(forest, seed=0, H=7, K=1, D=5, E=3, P=2, size=1.0, dtype=torch.float64):
    """Query, key, value and the two sides of the position, which require gradients. `size` is for query and key."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(forest.num_leaves, H, D), (forest.num_leaves, K, D), (forest.num_leaves, K, E)]
    shapes += [(forest.num_rows, H, P)] * 2
    draws = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
    return [(x * size if i < 2 else x).to(dtype).requires_grad_() for i, x in enumerate(draws)]


def drawn_call(documents, data):
    """A forest of drawn documents, tensors for it, and the options that every backend takes."""
    forest = TreeBatch.from_nested(documents)
    options = {"attend_self": data.draw(st.booleans()), "scale": data.draw(st.sampled_from([None, 1.0, 0.3]))}
    if data.draw(st.booleans()):
        mask = st.lists(st.booleans(), min_size=forest.num_leaves, max_size=forest.num_leaves)
        options["present"] = torch.tensor(data.draw(mask), dtype=torch.bool)
    heads = data.draw(st.sampled_from([{"H": 7, "K": 7}, {"H": 6, "K": 3}, {"H": 3, "K": 1}]))
    return forest, inputs(forest, **heads)[: data.draw(st.sampled_from([3, 4, 5]))], options


def run(forest, tensors, backend, seed=1, **options):
    """Output, energy, and the gradients of a random functional of both, by name."""
    query, key, value, *sides = tensors
    position = None if not sides else sides[0] if len(sides) == 1 else tuple(sides)
    output, energy = hierarchical_attention(
        query, key, value, forest, position=position, backend=backend, return_energy=True, **options
    )
    return named_gradients(output, energy, tensors, options.get("pooling"), seed)


def named_gradients(output, energy, tensors, pooling, seed=1):
    """What `run` returns, of what a call returned."""
    generator = torch.Generator().manual_seed(seed)
    by_output = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    by_energy = torch.randn(energy.shape, dtype=torch.float64, generator=generator)
    known = energy.masked_fill(energy.isneginf(), 0)  # -inf: a lone leaf that does not attend to itself
    total = (output.double() * by_output).sum() + (known.double() * by_energy).sum()
    learned = [pooling] if isinstance(pooling, torch.Tensor) and pooling.requires_grad else []
    grads = torch.autograd.grad(total, [*tensors, *learned], allow_unused=True)
    names = [*"qkvef"[: len(tensors)], "pooling"]
    named = zip(names, grads, [*tensors, *learned], strict=False)
    return {
        "output": output.detach(),
        "energy": energy.detach(),
        **{f"gradient of {name}": torch.zeros_like(x) if g is None else g for name, g, x in named},
    }


def assert_same(got, want, **tolerance):
    """Compare two results of `run`, entry by entry."""
    assert got.keys() == want.keys()
    for name in want:
        torch.testing.assert_close(got[name], want[name], **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def relative_error(got, want):
    """Largest error of each entry, against the size of the right answer."""
    return {
        name: float((got[name].double() - want[name]).norm() / want[name].norm().clamp(min=1e-300)) for name in want
    }


def flat_logits(forest, query, key, left, right, scale):
    """(H, N, N) s_ij of one document: q_i.k_j and the positions where the lines of i and j part; by walking up."""
    parent = forest.parent.tolist()
    lines = []
    for row in forest.leaf_rows.tolist():
        line = [row]
        while parent[line[-1]] >= 0:
            line.append(parent[line[-1]])
        lines.append(line[::-1])
    count = {row: sum(row in line for line in lines) for line in lines for row in line}
    logits = torch.einsum("ihd,jhd->hij", query, key) * scale
    for i, j in itertools.product(range(len(lines)), repeat=2):
        if i == j:
            a = b = next(row for row in lines[i] if count[row] == 1)  # top of the leaf's chain of only children
        else:
            a, b = next((a, b) for a, b in zip(lines[i], lines[j], strict=False) if a != b)
        logits[:, i, j] += (left[a] * right[b]).sum(-1)
    return logits


def attention_matrix(forest, query, key, position, backend, **options):
    """(H, N, N) P, read off the outputs for unit vectors as values."""
    heads, leaves = key.shape[1], forest.num_leaves
    unit = torch.eye(leaves, dtype=query.dtype)[:, None].expand(leaves, heads, leaves)
    output, energy = hierarchical_attention(
        query, key, unit, forest, position=position, backend=backend, return_energy=True, **options
    )
    return output.permute(1, 0, 2), energy[0]


def untied(pooling, forest, heads=7, dtype=torch.float64, **options):
    """The options of a call with untied queries; log shares are drawn where `pooling` is "shares"."""
    if pooling == "shares":
        generator = torch.Generator().manual_seed(5)
        pooling = torch.randn(forest.num_rows, heads, dtype=torch.float64, generator=generator)
        pooling = pooling.to(dtype).requires_grad_()
    return {"untie": "queries", "pooling": pooling, **options}


def blocks_by_hand(forest, leaf, attend_self, log_shares):
    """Weights (N,) of each block that a leaf attends to without a near field: siblings with leaves on the way up."""
    parent, rows = forest.parent.tolist(), forest.leaf_rows.tolist()

    def line(row):
        return [row] if parent[row] < 0 else [row, *line(parent[row])]

    def siblings(row):
        return [r for r in range(len(parent)) if parent[r] == parent[row] and any(r in line(at) for at in rows)]

    def weights(block):
        w = torch.zeros(len(rows), dtype=torch.float64)
        for j, row in enumerate(rows):
            if block in (path := line(row)):
                shares = [log_shares[r] - log_shares[siblings(r)].logsumexp(0) for r in path[: path.index(block)]]
                w[j] = torch.stack([torch.zeros((), dtype=torch.float64), *shares]).sum().exp()
        return w

    beside = [r for row in line(rows[leaf])[:-1] for r in siblings(row) if r != row]
    return torch.stack([weights(block) for block in [rows[leaf]] * attend_self + beside])
