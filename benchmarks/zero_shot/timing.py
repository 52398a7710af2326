"""How long a converted model takes, beside SDPA in turn: a layer, the whole model, and a token after a prompt."""

import argparse
import copy
from functools import partial
from typing import Any

import torch
import transformers

from benchmarks.clock import Call, medians, timed
from benchmarks.zero_shot.forms import FIT, PAPER, TIMED
from encoders import zero_shot
from encoders.zero_shot.sites import attention_modules


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Time the attention of one layer, and the model with extended positions, side by side."""
    rows = []
    with torch.inference_mode():
        for n in args.lengths:
            rows.append({"length": n, **attention_times(args, n)})
            print(rows[-1], flush=True)
            rows[-1].update(model_times(args, n))
            print({k: v for k, v in rows[-1].items() if k.startswith("model")}, flush=True)
    return {"rows": rows}


def attention_times(args: argparse.Namespace, n: int) -> dict[str, float]:
    """Seconds of one layer's attention function on random states, converted and SDPA, in turn."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    attention = attention_modules(model)[0].module
    heads = model.config.num_attention_heads
    states = [torch.randn(1, n, heads, model.config.hidden_size // heads).transpose(1, 2) for _ in range(3)]
    sdpa, hsa = transformers.AttentionInterface()["sdpa"], transformers.AttentionInterface()["docgraph_hsa"]
    tasks: dict[str, Call] = {"sdpa": lambda: sdpa(attention, *states, None)}
    for name, (_, hierarchy, form) in TIMED.items():
        other = copy.deepcopy(model)
        zero_shot.convert(other, [0], hierarchy=hierarchy, form=form)
        module = attention_modules(other)[0].module
        tasks[name] = partial(hsa, module, *states, None)
    return {f"attention {k}": v for k, v in medians(tasks, seconds=0, rounds=args.repeats if n < 16384 else 2).items()}


def model_times(args: argparse.Namespace, n: int) -> dict[str, float]:
    """Seconds of a whole forward pass over n tokens, with no, half and all layers converted."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    extend_positions(model, n)
    ids = torch.randint(1000, 2000, (1, n))
    layers = len(zero_shot.summary(model).rows)
    tasks: dict[str, Call] = {"sdpa": lambda: model(ids)} if n <= args.whole_up_to else {}
    for name, chosen, (_, hierarchy, form) in (
        ("half chosen", range(layers // 2, layers), FIT),
        ("all chosen", range(layers), FIT),
        ("all paper", range(layers), PAPER),
    ):
        if n > args.whole_up_to and len(chosen) < layers:
            continue
        other = copy.deepcopy(model)
        zero_shot.convert(other, chosen, hierarchy=hierarchy, form=form)
        tasks[name] = partial(other, ids)
    return {f"model {k}": v for k, v in medians(tasks, seconds=0, rounds=3 if n <= args.whole_up_to else 1).items()}


def extend_positions(model: Any, n: int) -> None:
    """Let a BERT-like model take n positions, by interpolating its position embeddings."""
    embeddings = model.embeddings
    old = embeddings.position_embeddings.weight.data
    if n <= len(old):
        return
    new = torch.nn.functional.interpolate(old.T[None], size=n, mode="linear", align_corners=True)[0].T
    embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(new.contiguous())
    embeddings.register_buffer("position_ids", torch.arange(n)[None], persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros(1, n, dtype=torch.long), persistent=False)
    model.config.max_position_embeddings = n


def decode(args: argparse.Namespace) -> dict[str, Any]:
    """Time single tokens of a small Llama after prompts of several lengths: its own cache, and the hierarchical one."""
    rows = []
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, num_key_value_heads=12,
        intermediate_size=1024, max_position_embeddings=65536,
    )  # fmt: skip
    softmax = transformers.LlamaForCausalLM(config).eval()
    converted = copy.deepcopy(softmax)
    zero_shot.convert(converted, untie="queries", pooling="attention")
    with torch.inference_mode():
        for n in args.prompts:
            ids = torch.randint(0, 1000, (1, n))
            row: dict[str, Any] = {"prompt": n}
            calls: dict[str, Call] = {}
            for name, model, cache in (
                ("softmax", softmax, transformers.DynamicCache(config=config)),
                ("hsa", converted, zero_shot.HierarchicalCache(converted)),
            ):
                prefill = partial(model, ids, past_key_values=cache, logits_to_keep=1)
                row[f"{name} prefill"] = timed(prefill)
                row[f"{name} cache MB"] = cache_bytes(cache) / 1e6
                calls[f"{name} token"] = partial(model, ids[:, :1], past_key_values=cache)
            row.update(medians(calls, seconds=0, rounds=20))
            rows.append(row)
            print(row, flush=True)
    return {"rows": rows}


def cache_bytes(cache: Any) -> int:
    tensors: list[torch.Tensor] = []
    for layer in cache.layers:
        line = getattr(layer, "line", None)
        tensors += [layer.keys, layer.values] if line is None else line.shelves
    return sum(t.numel() * t.element_size() for t in tensors)
