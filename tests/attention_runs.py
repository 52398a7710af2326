"""How the attention tests run a backend and compare the results."""

import torch

from encoders import hierarchical_attention

FAST = ["torch", "cpu"]
"""Backends to compare with the definition."""

EXACT = {"rtol": 1e-12, "atol": 1e-12}
"""Float64: numbers of size 1, sums of up to 100 terms, 10 levels; 2^-52 * 1000 = 2e-13 is typical of the worst."""


def inputs(forest, seed=0, H=7, K=1, D=5, E=3, P=2, size=1.0, dtype=torch.float64):
    """Query, key, value and the two sides of the position, which require gradients. `size` is for query and key."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(forest.num_leaves, H, D), (forest.num_leaves, K, D), (forest.num_leaves, K, E)]
    shapes += [(forest.num_rows, H, P)] * 2
    draws = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
    return [(x * size if i < 2 else x).to(dtype).requires_grad_() for i, x in enumerate(draws)]


def run(forest, tensors, backend, seed=1, **options):
    """Output, energy, and the gradients of a random functional of both, by name."""
    query, key, value, *sides = tensors
    position = None if not sides else sides[0] if len(sides) == 1 else tuple(sides)
    output, energy = hierarchical_attention(
        query, key, value, forest, position=position, backend=backend, return_energy=True, **options
    )
    generator = torch.Generator().manual_seed(seed)
    by_output = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    by_energy = torch.randn(energy.shape, dtype=torch.float64, generator=generator)
    known = energy.masked_fill(energy.isneginf(), 0)  # -inf: a lone leaf that does not attend to itself
    total = (output.double() * by_output).sum() + (known.double() * by_energy).sum()
    pooling = options.get("pooling")
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
