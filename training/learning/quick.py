"""What makes the training of a whole text encoder quicker, and changes next to nothing of what it learns.

drop_nothing_in_attention(encoder)     the fused attention of torch, which has no dropout on a CPU
multiplies_bfloat16(device)            products in bfloat16, under weights in float32, where a processor has them
"""

from collections.abc import Mapping

import training.installed

import torch
from torch import nn


def drop_nothing_in_attention(encoder: nn.Module) -> None:
    """Let no pair of sub-words be dropped in training; BERT's kin call the module so (BertSelfAttention ...)."""
    for module in encoder.modules():
        if "SelfAttention" in type(module).__name__:
            for dropout in module.children():
                if isinstance(dropout, nn.Dropout):
                    dropout.p = 0.0


def multiplies_bfloat16(device: str) -> bool:
    """Return whether a kind of device ("cpu", "cuda") has products in bfloat16 of its own."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in the oldest torch we take
    return device == "cpu" and any(known.get(name) for name in ("avx512_bf16", "amx_bf16"))
