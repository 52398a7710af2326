"""Encoders whose weights are spread over processes (FSDP2): all must run a layer equally often, or they wait for ever.

Processes read different documents: one needs three passes of its text encoder where another needs two, or none. Each
pass gathers weights from everyone. `passes` lets them agree on the most that anyone needs; who needs fewer makes up
for it with passes over next to nothing, whose result counts 0 times.

Source: torch.distributed.fsdp.fully_shard, "Notes".
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


def _sharded_parts(module: nn.Module) -> list[Any]:
    """Return the parts that gather their weights by themselves."""
    if not (dist.is_available() and dist.is_initialized()):
        return []
    from torch.distributed.fsdp import FSDPModule  # torch may be built without it

    return [part for part in module.modules() if isinstance(part, FSDPModule)]


def is_sharded(module: nn.Module) -> bool:
    """Whether a part of the module gathers its weights by itself."""
    return bool(_sharded_parts(module))


def reshard(module: nn.Module) -> None:
    """Give up gathered weights, so that what is written into the parameters is written into the ones that are kept.

    After a pass without gradients the outermost part stays gathered, and its parameters are copies for use.
    """
    for part in _sharded_parts(module):
        part.reshard()


def passes(encoder: nn.Module, own: int, device: torch.device) -> int:
    """Return how often to run an encoder: `own` times, or the most of all processes where its weights are spread.

    To be asked before the first of them: a process that is still at a pass keeps those waiting that have none left.
    """
    if not is_sharded(encoder):
        return own
    most = torch.tensor([own], device=device)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return int(most)


def layers_to_shard(model: nn.Module) -> list[str]:
    """Return the class names of the layers that are spread one by one: the blocks of the model and of its encoders.

    transformers models name theirs, and those that stand in a list are meant: embeddings are read from outside, too.
    In other models they are what stands in a list named "blocks".
    """
    listed = {type(one).__name__ for part in model.modules() if isinstance(part, nn.ModuleList) for one in part}
    names: set[str] = set()
    for module in model.modules():
        names |= listed & set(getattr(module, "_no_split_modules", None) or ())
        names |= set(_kinds(getattr(module, "blocks", None)))
    return sorted(names)


def _kinds(blocks: object) -> Iterator[str]:
    """Yield the class names of what stands in a list of modules, or in lists of them."""
    for block in blocks if isinstance(blocks, nn.ModuleList | nn.Sequential) else ():
        nested = isinstance(block, nn.ModuleList | nn.Sequential)
        yield from _kinds(block) if nested else (type(block).__name__,)
