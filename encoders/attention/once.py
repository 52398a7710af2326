"""Derivatives that the fast backends do not have, refused in our own words.

once            a backward pass whose results raise when someone differentiates them again
refuse_others   forward mode, and the transforms of torch.func
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from docgraph.errors import AttentionError
from encoders.attention.call import AttentionCall

Grads = tuple[Tensor | None, ...]


def refuse_others(call: AttentionCall) -> None:
    """Raise AttentionError inside torch.func's transforms (grad, vmap, jvp ...), and for inputs with tangents."""
    inputs = (call.query, call.key, call.value, call.query_position, call.key_position, call.pooling)
    # The same question is what torch's own autograd functions ask before they give up.
    if torch._C._are_functorch_transforms_active():
        what = "torch.func or vmap transforms it"
    elif any(isinstance(x, Tensor) and unpack_dual(x).tangent is not None for x in inputs):
        what = "an input has a tangent of forward mode"
    else:
        return
    raise AttentionError(
        f'hierarchical attention must be differentiated by backward(), but {what}. backend="naive" can do that.'
    )


def once(backward: Callable[..., Grads]) -> Callable[..., Grads]:
    """Decorate the backward of an autograd function that has no second derivative.

    With `create_graph=True` the gradients come out as usual, and going backward through them, to whatever they depend
    on, raises AttentionError. So what a gradient depends on must be among the incoming gradients and the tensors that
    were saved, inputs or outputs. (torch's own `once_differentiable` cuts the graph there: `torch.autograd.grad` with
    respect to an input then passes the gradient over, without a word.)
    """

    @wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Grads:
        if not torch.is_grad_enabled():
            return backward(ctx, *grads)
        read = _ReadOnce(ctx)
        with torch.no_grad():
            result = backward(read, *grads)
        sources = [x for x in (*read.saved_tensors, *grads) if isinstance(x, Tensor) and x.requires_grad]
        return tuple(None if g is None else _Barrier.apply(g, *sources) for g in result)

    return wrapper


class _ReadOnce:
    """The context of a backward pass, its saved tensors read once: checkpoints hand them out a single time."""

    def __init__(self, ctx: Any) -> None:
        self.ctx, self.saved_tensors = ctx, ctx.saved_tensors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)


class _Barrier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor, *sources: Tensor) -> Tensor:
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AttentionError(
            "hierarchical attention must be differentiated once only, but its gradient is differentiated again. "
            'backend="naive" can do that.'
        )
