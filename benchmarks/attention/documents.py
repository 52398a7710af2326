"""Many documents at once: real ones of any length, and short equal ones.

Flat attention over documents of different length pads and masks. Four ways that users do it, all on the same
documents: in batches in the order given; in batches sorted by length, which pads least; one document at a time, which
pads nothing; and all in one batch padded to the longest, where that fits (see ONE_BATCH). Padding and un-padding
themselves are not timed: flat models live in padded tensors throughout.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.attention.peers import HEADS, WIDTH, attention_call, our_backends, ours
from benchmarks.attention.trees import Index, RealDocuments, balanced_parents, padding_mask, several
from benchmarks.clock import medians, timed

BATCH = 8
"""Documents of a padded batch."""
ONE_BATCH = 1 << 28
"""Most numbers of q of one padded batch: 1 GiB in float32, and eight such tensors are needed."""
LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1_024)
EQUAL = 64
"""Documents of equal length in the second table of `measure_short`."""


def measure_documents(documents: RealDocuments, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Seconds of forward and backward over all documents: ours in one batch, flat attention in every way that fits."""
    forest, lengths = documents.together().to(device), documents.lengths
    inputs, upstream = _draw((forest.num_leaves, HEADS, WIDTH), dtype, device)
    calls = {
        name: attention_call(partial(ours, forest=forest, backend=backend), inputs, upstream)
        for name, backend in our_backends(device)
        if backend != "naive"
    }
    seconds = medians(calls, device, seconds=3.0)
    orders = {
        "flat SDPA, batches of 8": np.arange(len(lengths)),
        "flat SDPA, sorted, batches of 8": np.argsort(lengths, kind="stable"),
    }
    for name, order in orders.items():
        batches = [lengths[order[at : at + BATCH]] for at in range(0, len(order), BATCH)]
        seconds[name] = sum(_padded(batch, dtype, device) for batch in batches)
    seconds["flat SDPA, one by one"] = sum(_padded(lengths[at : at + 1], dtype, device) for at in range(len(lengths)))
    if len(lengths) * int(lengths.max()) * HEADS * WIDTH <= ONE_BATCH:
        seconds["flat SDPA, one padded batch"] = _padded(lengths, dtype, device)
    if device.type == "cuda":
        seconds["varlen, one batch"] = _varlen(lengths, inputs, upstream, device)
    families = forest.families().size
    return {
        "documents": len(lengths),
        "leaves": forest.num_leaves,
        "lengths": [int(lengths.min()), int(np.median(lengths)), int(lengths.max())],
        "families": [len(families), float(families.mean()), int(families.max())],
        "padded share": 1 - float(lengths.sum()) / (len(lengths) * int(lengths.max())),
        "seconds": seconds,
    }


def _draw(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> tuple[list[torch.Tensor], torch.Tensor]:
    drawn = [torch.empty(shape, dtype=dtype, device=device).uniform_(-1, 1) for _ in range(4)]
    return [x.requires_grad_() for x in drawn[:3]], drawn[3]


def _padded(lengths: Index, dtype: torch.dtype, device: torch.device) -> float:
    """Seconds of flat attention over one batch, padded to its longest and masked if there is anything to mask."""
    inputs, upstream = _draw((len(lengths), HEADS, int(lengths.max()), WIDTH), dtype, device)
    mask = None
    if lengths.min() < lengths.max():
        mask = padding_mask(torch.from_numpy(lengths)).to(device)[:, None, None, :]
    call = attention_call(partial(scaled_dot_product_attention, attn_mask=mask), inputs, upstream)
    return timed(call, device)


def _varlen(lengths: Index, inputs: list[torch.Tensor], upstream: torch.Tensor, device: torch.device) -> float:
    """Seconds of torch's attention over packed sequences (CUDA)."""
    from torch.nn.attention.varlen import varlen_attn

    bounds = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32, device=device)
    longest = int(lengths.max())
    call = attention_call(lambda q, k, v: varlen_attn(q, k, v, bounds, bounds, longest, longest), inputs, upstream)
    return medians({"varlen": call}, device)["varlen"]


def measure_short(dtype: torch.dtype, device: torch.device, seconds: float) -> list[dict[str, Any]]:
    """Ours (b = 8) and flat attention on short documents: one alone, and many of one length, which need no padding."""
    rows = []
    for count in (1, EQUAL):
        for length in LENGTHS:
            forest = several([balanced_parents(length, 8)] * count).to(device)
            for both in (False, True):
                inputs, upstream = _draw((count * length, HEADS, WIDTH), dtype, device)
                turned, turned_upstream = _draw((count, HEADS, length, WIDTH), dtype, device)
                for x in (*inputs, *turned):
                    x.requires_grad_(both)
                name, backend = our_backends(device)[0]
                calls = {
                    name: attention_call(partial(ours, forest=forest, backend=backend), inputs, upstream),
                    "flat SDPA": attention_call(scaled_dot_product_attention, turned, turned_upstream),
                }
                row = {"documents": count, "leaves": length, "pass": "both" if both else "forward"}
                rows.append({**row, "seconds": medians(calls, device, seconds=seconds, rounds=25)})
    return rows
