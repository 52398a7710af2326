"""Encoders whose weights are spread over processes (FSDP2): all must run a layer equally often, or they wait for ever.

Processes read different documents: one needs three passes of its text encoder where another needs two, or none. Each
pass gathers weights from everyone. `passes` lets them agree on the most that anyone needs; who needs fewer makes up
for it with passes over next to nothing, whose result counts 0 times.

Source: torch.distributed.fsdp.fully_shard, "Notes".
"""

import torch
import torch.distributed as dist
from torch import nn


def is_sharded(module: nn.Module) -> bool:
    """Whether a part of the module gathers its weights by itself."""
    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.fsdp import FSDPModule

    return any(isinstance(part, FSDPModule) for part in module.modules())


def passes(encoder: nn.Module, own: int, device: torch.device) -> int:
    """Return how often to run an encoder: `own` times, or the most of all processes where its weights are spread."""
    if not is_sharded(encoder):
        return own
    most = torch.tensor([own], device=device)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return int(most)


def layers_to_shard(model: nn.Module) -> list[str]:
    """Return the class names of the layers that are spread one by one: the blocks of the model and of its encoders.

    transformers models name theirs; in others they are what stands in a list named "blocks".
    """
    here = {type(module).__name__ for module in model.modules()}
    names: set[str] = set()
    for module in model.modules():
        names |= here & set(getattr(module, "_no_split_modules", None) or ())
        blocks = getattr(module, "blocks", None)
        if isinstance(blocks, nn.ModuleList | nn.Sequential):
            names |= {type(block).__name__ for block in blocks}
    return sorted(names)
