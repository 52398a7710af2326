"""Tune a copy of the frozen text encoder to the classes, as one more part of a stack.

    base on training records ─ what it leaves over ─ tune ─> TunedText ─ dev ─ residual_scale ─> its weight, perhaps 0

The copy learns what the linear parts leave over, as the transformer does: its logits are added to their out-of-fold
sum. How long it learns follows from a number of sub-words, or from the time that is left; the learning rate falls to 0
with the last step, whichever ends it. "lora" learns matrices of a low rank beside the encoder's own and adds them to
these at the end: less memory for an optimiser, for encoders that are large.

Sources: Sun et al. 2019 (arXiv 1905.05583), for passes and the schedule; Hu et al. 2021, "LoRA" (arXiv 2106.09685), by
the package peft.

Axes:  N records   C labels   T sub-words
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import training.installed

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from docgraph.errors import needs_extra
from encoders.classifier import DocumentForClassification
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.tuned import TunedText
from training.learning.batches import EncodedDataset
from training.learning.budget import TimeBudget
from training.learning.quick import drop_nothing_in_attention, multiplies_bfloat16
from training.learning.targets import Targets
from training.parts.choice import residual_scale

MOST: Final = 256
"""Sub-words that are read of a document."""
PASSES: Final = 3
MOST_TOKENS: Final = 600_000
"""Sub-words that are learned from where no time is given: some five minutes on two cores with MiniLM."""
BATCH: Final = 16
BUCKET: Final = 16
"""Batches whose records are sorted by length together, so that little is padded."""
RATE: Final = {"whole": 1e-4, "lora": 1e-3}
HEAD_RATE: Final = 5e-3
RANK: Final = 16
WARM: Final = 0.1
"""Share of all steps over which the learning rate rises."""
SHARE: Final = 0.7
"""Of the time that is left where a transformer comes after it, which learns from what this one leaves over."""
SHARE_OF_LAST: Final = 0.97
"""Of the time that is left where none does."""
NO_TIME: Final = "tuned encoder: left out: there was no time for it"
LEAST_STEPS: Final = 20
"""Fewer are not begun, unless they are all."""
TIMED_STEPS: Final = 4
"""After so many it is judged whether that many fit: the first one is slower."""


def tune(
    model: DocumentForClassification,
    train: EncodedDataset,
    dev: EncodedDataset | None,
    base: tuple[Tensor, Tensor | None],
    targets: Targets,
    way: str,
    budget: TimeBudget | None = None,
    console: Console | None = None,
    *,
    is_last: bool = False,
) -> str:
    """Tune a copy of the model's text encoder, make it the model's if it helps on the dev split, and say in words.

    Args:
        base: (N, C) logits of the linear parts on the training records, not fitted to them, and on the dev records.
        targets: of the training records, then of the dev records.
        way: "whole" or "lora".
        is_last: nothing else is trained after it.
    """
    text = model.document.text
    if not isinstance(text, PretrainedTextLeaves):
        return "tuned encoder: left out: there is none to tune"
    if dev is None or base[1] is None:
        return "tuned encoder: left out: without a dev split nothing tells what it adds"
    tuned = TunedText.beside(text, targets.labels, min(MOST, text.capacity)).to(model.device)
    tuned.encoder.load_state_dict(text.encoder.state_dict())
    texts, held = ([tuned.ends_of(torch.from_numpy(one.token_id)) for one in data.encoded] for data in (train, dev))
    seconds = None
    if budget is not None:
        tuned.logits_of(held[-1:])  # the first read is slower, and tells nothing of the others
        start = time.monotonic()
        tuned.logits_of(held[:BATCH])
        reading = (time.monotonic() - start) * len(held) / len(held[:BATCH])
        seconds = (SHARE_OF_LAST if is_last else SHARE) * budget.left - reading
        if seconds <= 0:
            return NO_TIME
    if console is not None:
        time_for_it = "" if seconds is None else f" for {seconds / 60:.1f} minutes at most"
        console.print(f"  tuning the text encoder{time_for_it} ...", highlight=False, soft_wrap=True)
    passes = learn(tuned, texts, base[0], targets.rows(slice(len(train))), way, seconds)
    if passes is None:
        return NO_TIME
    weight = residual_scale(base[1], tuned.logits_of(held).cpu(), targets.rows(slice(len(train), None)))
    said = f"tuned encoder ({tuned.most} sub-words of a text, {passes:.2g} passes)"
    if not weight:
        return f"{said}: left out: on dev it adds nothing to the others"
    tuned.scale(weight)
    model.config.tuned_tokens, model.tuned = tuned.most, tuned
    return f"{said}: weighs {weight:.2f}"


def learn(
    tuned: TunedText, texts: list[Tensor], base: Tensor, targets: Targets, way: str, seconds: float | None
) -> float | None:
    """Let an encoder learn what is left over; return how often it saw the records, None if there was no time for it.

    Args:
        texts: (T,) sub-words of each record.
        base: (N, C) logits that its own are added to.
        seconds: that it may take; None learns from `MOST_TOKENS` sub-words.
    """
    lengths = [len(text) for text in texts]
    passes = PASSES if seconds is not None else min(PASSES, MOST_TOKENS / max(sum(lengths), 1))
    steps, start, done = max(1, round(passes * len(texts) / BATCH)), time.monotonic(), 0
    least = min(LEAST_STEPS, steps)
    nn.init.zeros_(tuned.head.weight)
    nn.init.zeros_(tuned.head.bias)
    if way == "lora":
        tuned.encoder = _with_low_rank(tuned.encoder)
    else:
        tuned.encoder.requires_grad_(True)
        # A step would go over the vectors of all words for the few that a batch has.
        tuned.encoder.get_input_embeddings().requires_grad_(False)
    tuned.head.requires_grad_(True)
    drop_nothing_in_attention(tuned.encoder)
    groups = [[*tuned.head.parameters()], [one for one in tuned.encoder.parameters() if one.requires_grad]]
    rates = [HEAD_RATE, RATE[way]]
    optimizer = torch.optim.AdamW([{"params": group, "lr": rate} for group, rate in zip(groups, rates, strict=True)])
    tuned.train()
    device, share = tuned.head.weight.device.type, 0.0
    narrow = multiplies_bfloat16(device)
    for rows in _batches(lengths):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min((share + 1 / steps) / WARM, (1 - share) / (1 - WARM), 1.0)
        with torch.autocast(device, torch.bfloat16, enabled=narrow):
            logits = tuned.read([texts[row] for row in rows])
        logits = base[rows] + logits.float().cpu()
        targets.rows(np.asarray(rows)).losses(logits).mean().backward()
        nn.utils.clip_grad_norm_([one for group in groups for one in group], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        done += 1
        share = done / steps
        if seconds is not None:
            took = time.monotonic() - start
            if done == TIMED_STEPS and took * least > seconds * done:
                return None
            share = max(share, took / seconds)
        if share >= 1:
            break
    if done < least:
        return None
    if way == "lora":
        tuned.encoder = tuned.encoder.merge_and_unload()
    tuned.requires_grad_(False).eval()
    return done * BATCH / len(texts)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Yield batches without end: every record once in each pass, those of a batch about as long as each other."""
    generator = torch.Generator().manual_seed(0)
    while True:
        order = torch.randperm(len(lengths), generator=generator).tolist()
        buckets = [order[first : first + BATCH * BUCKET] for first in range(0, len(order), BATCH * BUCKET)]
        batches = []
        for bucket in buckets:
            bucket.sort(key=lengths.__getitem__)
            batches += [bucket[first : first + BATCH] for first in range(0, len(bucket), BATCH)]
        yield from (batches[place] for place in torch.randperm(len(batches), generator=generator).tolist())


def _with_low_rank(encoder: Any) -> Any:
    with needs_extra("tune: lora"):
        from peft import LoraConfig, get_peft_model
    return get_peft_model(encoder, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"))
