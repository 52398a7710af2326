"""Which attention modules of transformers can be converted, and why the others cannot.

    model ─ attention_modules ─> [Site(name, module, tower, layer, ends, causal)]   or one ModelError that says why

A module qualifies by its class, because what it hands to its attention function is what counts: queries, keys
and values to which nothing else is added. Towers are the sub-models of a joint model: CLIP has "text" and "vision".
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from docgraph.errors import ModelError
from encoders.zero_shot.windows import Ends

TEXT_ENCODERS = {
    "BertSelfAttention": "BERT",
    "RobertaSelfAttention": "RoBERTa",
    "XLMRobertaSelfAttention": "XLM-R",
    "CamembertSelfAttention": "CamemBERT",
    "DistilBertSelfAttention": "DistilBERT",
    "ElectraSelfAttention": "ELECTRA",
}
IMAGE_ENCODERS = {
    "ViTAttention": ("ViT", Ends(1, 0)),
    "ViTSelfAttention": ("ViT", Ends(1, 0)),
    "DeiTAttention": ("DeiT", Ends(2, 0)),
    "DeiTSelfAttention": ("DeiT", Ends(2, 0)),
}
DECODERS = {"OPTAttention": "OPT", "GPT2Attention": "GPT-2", "LlamaAttention": "Llama"}
SUPPORTED = sorted(
    {*TEXT_ENCODERS.values(), *(name for name, _ in IMAGE_ENCODERS.values()), "CLIP", *DECODERS.values()}
)

REFUSED = {
    "relative": "it adds a relative position bias to its logits, which a block of keys has no one value of",
    "window": "some of its layers attend in sliding windows, which HSA would widen to the whole sequence",
    "softcap": "it caps its logits, which the logits of blocks would not be",
    "sinks": "its softmax has learned sinks, which HSA has no place for",
    "cross": "it is an encoder-decoder with cross-attention, whose queries and keys are not one sequence",
    "sparse": "it has its own sparse attention already",
}
REASONS = {
    "t5": "relative", "mt5": "relative", "umt5": "relative", "longt5": "relative", "mpnet": "relative",
    "deberta": "relative", "deberta-v2": "relative", "swin": "relative", "swinv2": "relative", "beit": "relative",
    "layoutlmv2": "relative", "layoutlmv3": "relative", "xlnet": "relative",
    "modernbert": "window", "mistral": "window", "gemma3": "window", "gemma3_text": "window",
    "gemma2": "softcap", "gpt_oss": "sinks",
    "longformer": "sparse", "big_bird": "sparse", "led": "sparse", "reformer": "sparse", "funnel": "sparse",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Site:
    """One attention module that can be converted."""

    name: str
    """Dotted name in the model."""
    module: nn.Module
    tower: str
    """"" for a model with one tower; else "text" or "vision"."""
    layer: int
    """0-based, within the tower."""
    ends: Ends
    causal: bool


def attention_modules(model: nn.Module) -> list[Site]:
    """Return the convertible attention modules of a model in their order.

    Raises:
        ModelError: there are none, or the model adds to its attention what HSA cannot carry.
    """
    if not isinstance(model, PreTrainedModel):
        inside = [name for name, part in model.named_modules() if isinstance(part, PreTrainedModel)]
        way_out = f" Hand over the one inside it, {inside[0]!r}." if inside else ""
        raise ModelError(f"model must be a transformers PreTrainedModel, but is a {type(model).__name__}.{way_out}")
    _refuse(model)
    modules = [(name, module) for name, module in model.named_modules() if _kind(module)]
    if not modules:
        outside = "" if model._can_set_attn_implementation() else ", and it does not go through AttentionInterface"
        raise ModelError(
            f"model must be one of {', '.join(SUPPORTED)}, but {type(model).__name__} has no attention of "
            f"theirs{outside}."
        )
    layers: Counter[str] = Counter()
    sites = []
    for name, module in modules:
        kind = _kind(module)
        assert kind is not None
        tower, ends, causal = kind
        sites.append(Site(name, module, tower, layers[tower], ends, causal))
        layers[tower] += 1
    if len(layers) == 1:
        sites = [Site(s.name, s.module, "", s.layer, s.ends, s.causal) for s in sites]
    return sites


def _kind(module: nn.Module) -> tuple[str, Ends, bool] | None:
    """Return tower, special positions and causality of an attention module, None if it is not one."""
    name = type(module).__name__
    if name in TEXT_ENCODERS:
        causal = bool(getattr(module, "is_causal", False))
        return "text", Ends(1, 0) if causal else Ends(1, 1), causal
    if name in IMAGE_ENCODERS:
        return "vision", IMAGE_ENCODERS[name][1], False
    if name in DECODERS and not getattr(module, "is_cross_attention", False):
        return "text", Ends(1, 0), True
    if name == "CLIPAttention":
        text = getattr(module.config, "model_type", "") == "clip_text_model"
        return ("text", Ends(1, 1), True) if text else ("vision", Ends(1, 0), False)
    return None


def _refuse(model: PreTrainedModel) -> None:
    """Raise if the configuration says that attention is more than softmax over one sequence."""
    configs = [model.config, *(getattr(model.config, key) for key in model.config.sub_configs)]
    for config in configs:
        if config is not None and (reason := _reason(config)):
            raise ModelError(
                f"model must have plain softmax attention, but {type(model).__name__} cannot be converted: "
                f"{REFUSED[reason]}."
            )


def _reason(config: Any) -> str | None:
    model_type = getattr(config, "model_type", "")
    if model_type in REASONS:
        return REASONS[model_type]
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "add_cross_attention", False):
        return "cross"
    if getattr(config, "position_embedding_type", "absolute") not in ("absolute", None):
        return "relative"
    if getattr(config, "attn_logit_softcapping", None):
        return "softcap"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "window"
    return None
