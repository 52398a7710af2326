"""Ways to attend, as calls without arguments on the same random tensors.

    contestants(N, forest, dtype, both, device) -> name -> call        floors(...) -> name -> call

Every peer gets q, k, v in the layout it likes best, made before the clock starts: leaves first for ours, heads first
for the others. What includes more than attention has it taken out: h-transformer-1d's projections become identities.
A peer that is not installed, or does not run here, is left out and named in `MISSING`.

    flat SDPA       torch.nn.functional.scaled_dot_product_attention; on CUDA its flash kernel
    flex, window    torch's flex_attention with a window of 128 to both sides, compiled; forward only on a CPU
    local-attention lucidrains/local-attention, the window of Longformer: 128, one block to either side
    performer       lucidrains/performer-pytorch, FAVOR+
    linear          lucidrains/linear-attention-transformer, Shen et al. 2018
    h-transformer   lucidrains/h-transformer-1d, blocks of 16
"""

from collections.abc import Callable, Collection
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from encoders import TreeBatch, hierarchical_attention

HEADS, WIDTH = 8, 64
WINDOW = 128

Call = Callable[[], Any]
Attention = Callable[..., Tensor]

MISSING: dict[str, str] = {}
"""Name of each peer that was wanted and is not here, and why."""

LARGEST = {
    "ours (naive)": 256,
    "flex, window": 65_536,
    "local-attention": 65_536,
    "performer": 65_536,
    "h-transformer-1d": 65_536,
}
"""Most leaves for what needs too much memory, or too long, beyond."""


def contestants(
    leaves: int,
    forest: TreeBatch,
    dtype: torch.dtype,
    both: bool,
    device: torch.device,
    leave_out: Collection[str] = (),
    only: str | None = None,
) -> dict[str, Call]:
    """Everything that can attend over so many leaves: forward, or `both` forward and backward."""

    def wanted(name: str) -> bool:
        return name not in leave_out and only in (None, name) and leaves <= LARGEST.get(name, leaves)

    generator = torch.Generator(device).manual_seed(0)

    def draw(count: int, requires_grad: bool = False) -> list[Tensor]:
        shape = leaves, HEADS, WIDTH
        made = [torch.randn(shape, generator=generator, device=device, dtype=dtype) for _ in range(count)]
        return [x.requires_grad_(requires_grad) for x in made]

    inputs, upstream = draw(3, both), draw(1)[0]
    calls = {
        name: attention_call(partial(ours, forest=forest, backend=backend), inputs, upstream)
        for name, backend in our_backends(device)
        if wanted(name)
    }
    heads_first = [x.detach().transpose(0, 1)[None].contiguous().requires_grad_(both) for x in inputs]
    turned = upstream.transpose(0, 1)[None].contiguous()
    for name, make in PEERS.items():
        function = make(leaves, device, both) if wanted(name) else None
        if function is not None:
            calls[name] = attention_call(function, heads_first, turned)
    return calls


def ours(query: Tensor, key: Tensor, value: Tensor, forest: TreeBatch, backend: str) -> Tensor:
    output: Tensor = hierarchical_attention(query, key, value, forest, backend=backend)
    return output


def our_backends(device: torch.device) -> list[tuple[str, str]]:
    """Name in the tables and backend."""
    fused = "triton" if device.type == "cuda" else "cpu"
    return [(f"ours ({backend})", backend) for backend in (fused, "torch", "naive")]


def attention_call(function: Attention, inputs: list[Tensor], upstream: Tensor) -> Call:
    """Forward without a graph, or, if the inputs require gradients, forward and backward."""
    if not inputs[0].requires_grad:
        return torch.no_grad()(lambda: function(*inputs))
    return lambda: torch.autograd.grad(function(*inputs), inputs, upstream)


def floors(leaves: int, dtype: torch.dtype, both: bool, device: torch.device) -> dict[str, Call]:
    """`plain`: each input read once and each result written once; `projections`: four linear maps of that width."""
    q, k, v, upstream = (torch.randn(leaves, HEADS, WIDTH, device=device, dtype=dtype) for _ in range(4))
    made = [torch.empty_like(q) for _ in range(4)]
    maps = [torch.nn.Linear(HEADS * WIDTH, HEADS * WIDTH, device=device, dtype=dtype) for _ in range(4)]
    states = q.detach().flatten(1).requires_grad_(both)

    def plain() -> None:
        torch.addcmul(q, k, v, out=made[0])
        if both:  # reads q, k, v and the output's gradient, writes three gradients
            torch.addcmul(q, k, upstream, out=made[1])
            torch.neg(v, out=made[2])
            made[3].zero_()

    def projections() -> None:
        with torch.set_grad_enabled(both):
            outputs = [each(states) for each in maps]
        if both:
            wanted = [states, *(weight for each in maps for weight in each.parameters())]
            torch.autograd.grad(outputs, wanted, [upstream.flatten(1)] * 4)

    return {"plain": plain, "projections": projections}


# ── peers: (leaves, device, both) to a function of q, k, v (1, heads, leaves, width), or None ──


def flat(leaves: int, device: torch.device, both: bool) -> Attention | None:
    if device.type != "cuda":
        return scaled_dot_product_attention
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def flash(*inputs: Tensor) -> Tensor:
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):
            return scaled_dot_product_attention(*inputs)

    return flash


def flex(leaves: int, device: torch.device, both: bool) -> Attention | None:
    if both and device.type != "cuda":
        MISSING["flex, window"] = "forward only: torch's flex_attention has no backward pass on a CPU"
        return None
    if leaves % WINDOW or leaves < 1_024:  # compiles anew for each length
        return None
    try:
        function: Attention = partial(_compiled_flex(), block_mask=_window_mask(leaves, device))
        function(*(torch.zeros(1, HEADS, leaves, WIDTH, device=device) for _ in range(3)))
    except Exception as error:  # a compiler that is not there fails in many ways
        MISSING["flex, window"] = f"{type(error).__name__}: {str(error).splitlines()[0]:.100}"
        return None
    return function


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


def _window_mask(leaves: int, device: torch.device) -> Any:
    """A block and its neighbours, block by block: `create_block_mask` would first write all leaves^2 of it."""
    from torch.nn.attention.flex_attention import BlockMask

    blocks = leaves // WINDOW
    at = torch.arange(blocks, device=device)
    beside = torch.stack([at - 1, at, at + 1], 1)
    there = (beside >= 0) & (beside < blocks)
    order = torch.argsort(~there, dim=1, stable=True)
    indices = torch.zeros(blocks, blocks, dtype=torch.int32, device=device)
    indices[:, :3] = torch.gather(beside.clamp(0, blocks - 1), 1, order).int()
    counts = there.sum(1).int()
    return BlockMask.from_kv_blocks(
        torch.zeros_like(counts)[None, None],
        torch.zeros_like(indices)[None, None],
        counts[None, None],
        indices[None, None],
        BLOCK_SIZE=WINDOW,
        mask_mod=None,
        seq_lengths=(leaves, leaves),
    )


def local(leaves: int, device: torch.device, both: bool) -> Attention | None:
    package = optional("local_attention", "local-attention")
    if package is None:
        return None
    module: Attention = package.LocalAttention(
        dim=WIDTH, window_size=WINDOW, look_backward=1, look_forward=1, autopad=True, use_rotary_pos_emb=False
    )
    return module


def performer(leaves: int, device: torch.device, both: bool) -> Attention | None:
    package = optional("performer_pytorch.performer_pytorch", "performer-pytorch")
    if package is None:
        return None
    module: Attention = package.FastAttention(dim_heads=WIDTH).to(device)
    return module


def linear(leaves: int, device: torch.device, both: bool) -> Attention | None:
    package = optional("linear_attention_transformer.linear_attention_transformer", "linear-attention-transformer")
    return None if package is None else package.linear_attn


def hierarchical_1d(leaves: int, device: torch.device, both: bool) -> Attention | None:
    package = optional("h_transformer_1d.h_transformer_1d", "h-transformer-1d")
    if package is None or leaves < 128:
        return None
    module = package.HAttention1D(HEADS * WIDTH, heads=HEADS, dim_head=WIDTH, block_size=16)
    module.to_qkv = module.to_out = torch.nn.Identity()

    def attend(*inputs: Tensor) -> Tensor:
        joined = torch.cat([x.transpose(1, 2).flatten(2) for x in inputs], -1)
        output: Tensor = module(joined)
        return output.unflatten(-1, (HEADS, WIDTH)).transpose(1, 2)

    return attend


PEERS: dict[str, Callable[[int, torch.device, bool], Attention | None]] = {
    "flat SDPA": flat,
    "flex, window": flex,
    "local-attention": local,
    "performer": performer,
    "linear": linear,
    "h-transformer-1d": hierarchical_1d,
}


@cache
def optional(module: str, package: str) -> Any:
    """A peer's module; None, and a word in `MISSING`, if it cannot be imported."""
    try:
        return import_module(module)
    except ImportError as error:
        MISSING[package] = f"not run: {error} (pip install 'docgraph[bench]')"
        return None
