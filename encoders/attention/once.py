"""Gradients that say so, in our own words, when someone differentiates them again."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from docgraph.errors import AttentionError

Grads = tuple[Tensor | None, ...]


def once(backward: Callable[..., Grads]) -> Callable[..., Grads]:
    """Decorate the backward of an autograd function that has no second derivative.

    As `torch.autograd.function.once_differentiable`: with `create_graph=True` the gradients come out as usual,
    and only going backward through them raises AttentionError.
    """

    @wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Grads:
        with torch.no_grad():
            result = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return result
        return tuple(None if g is None else _Barrier.apply(g.detach().requires_grad_()) for g in result)

    return wrapper


class _Barrier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AttentionError(
            "hierarchical attention must be differentiated once only, but its gradient is differentiated again. "
            'backend="naive" can do that.'
        )
