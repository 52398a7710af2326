"""Derivatives that a backend does not have are refused, and never passed over: second, forward, of torch.func."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.functional import hessian
from torch.utils.checkpoint import checkpoint

from docgraph.errors import AttentionError
from encoders import TreeBatch, hierarchical_attention

FAST = ("torch", "cpu")
TREE = [[[None, None], None]]
FORMS = ({}, {"pooling": "block"}, {"pooling": "document"}, {"untie": "queries"})


def tensors(forest):
    torch.manual_seed(0)
    return [torch.randn(forest.num_leaves, 1, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("backend", FAST)
def test_a_penalty_on_a_gradient_is_not_passed_over(backend, form):
    """Asked for inputs by name, autograd goes no other way than to them: there must be one that raises."""
    forest = TreeBatch.from_nested(TREE)
    for wanted in tensors(forest), tensors(forest)[:1]:
        query, key, value = [*wanted, *(x.detach() for x in tensors(forest)[len(wanted) :])]
        loss = hierarchical_attention(query, key, value, forest, backend=backend, **form).sum()
        gradient = torch.autograd.grad(loss, query, create_graph=True)[0]
        with pytest.raises(AttentionError, match=r'differentiated once only.*backend="naive" can do that'):
            torch.autograd.grad(gradient.square().sum(), query)
        with pytest.raises(AttentionError, match="differentiated once only"):
            hessian(
                lambda x: hierarchical_attention(x, key, value, forest, backend=backend, **form).square().sum(),  # noqa: B023
                query.detach(),
            )


@pytest.mark.parametrize("backend", FAST)
def test_so_is_one_of_log_shares_alone(backend):
    forest = TreeBatch.from_nested([[[None, None], None]])
    query, key, value = (x.detach() for x in tensors(forest))
    shares = torch.randn(forest.num_rows, 1, dtype=torch.float64, requires_grad=True)
    loss = hierarchical_attention(query, key, value, forest, pooling=shares, backend=backend).sum()
    gradient = torch.autograd.grad(loss, shares, create_graph=True)[0]
    with pytest.raises(AttentionError, match="differentiated once only"):
        torch.autograd.grad(gradient.square().sum(), shares)


@pytest.mark.parametrize("backend", FAST)
def test_a_checkpoint_hands_out_its_tensors_once_and_the_gradient_is_the_same(backend):
    forest = TreeBatch.from_nested(TREE)
    query, key, value = tensors(forest)

    def attend(x):
        return hierarchical_attention(x, key, value, forest, backend=backend)

    plain = torch.autograd.grad(attend(query).square().sum(), query)[0]
    recomputed = checkpoint(attend, query, use_reentrant=False).square().sum()
    assert torch.equal(torch.autograd.grad(recomputed, query, create_graph=True)[0], plain)


def transforms(attend, x):
    yield lambda: torch.func.grad(lambda x: attend(x).sum())(x)
    yield lambda: torch.vmap(attend)(torch.stack([x, x]))
    yield lambda: torch.func.jvp(attend, (x,), (x,))[1]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("backend", FAST)
def test_forward_mode_and_transforms_are_refused_in_our_own_words(backend, form):
    forest = TreeBatch.from_nested(TREE)
    query, key, value = (x.detach() for x in tensors(forest))

    def attend(x, backend=backend):
        return hierarchical_attention(query, x, value, forest, backend=backend, **form)

    for transform in transforms(attend, key):
        with pytest.raises(AttentionError, match=r'by backward\(\), but torch.func or vmap.*"naive" can do that'):
            transform()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(key, torch.ones_like(key))
        with pytest.raises(AttentionError, match=r"by backward\(\), but an input has a tangent"):
            attend(dual)
        assert forward_ad.unpack_dual(attend(dual, "naive")).tangent is not None
    for transform in transforms(lambda x: attend(x, "naive"), key):
        assert transform().isfinite().all()


def test_a_compiled_step_is_compiled_once_for_all_trees():
    compiled = []

    def count(graph, _):
        compiled.append(graph)
        return graph.forward

    @torch.compile(backend=count)
    def step(x, forest):
        return hierarchical_attention(x * 2, x, x, forest, backend="torch").square().sum()

    for width in range(2, 8):
        forest = TreeBatch.from_nested([[[None] * width, None, [None] * 2 * width]])
        x = torch.randn(forest.num_leaves, 1, 2, requires_grad=True)
        loss = step(x, forest)
        plain = hierarchical_attention(x * 2, x, x, forest, backend="torch").square().sum()
        torch.testing.assert_close(
            torch.autograd.grad(loss, x)[0], torch.autograd.grad(plain, x)[0], atol=1e-5, rtol=1e-5
        )
    assert len(compiled) <= 4  # before and after the call, for one size and for any
