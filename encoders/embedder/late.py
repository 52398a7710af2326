"""Late chunking: passages that are read together, so that each one's vector knows its page.

    passages ─ windows of the encoder's length, each with passages before it as context ─> token states ─ mean over
    each passage's tokens ─> (P, D)

Of each window at most a quarter is context that an earlier window has read already; a document that fits is one
window. Source: Günther et al. 2024, "Late Chunking" (arXiv 2409.04701).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from docgraph.embedding.embeddings import Vectors, unit
from docgraph.errors import ModelError
from encoders.embedder.texts import BATCH_TOKENS, TextEncoder, batches

CONTEXT = 0.25
"""Share of a window that may be context."""


@dataclass(frozen=True)
class PassageWindow:
    """Passages that are read at once."""

    first: int
    """The first one that is context."""
    start: int
    """The first one whose vector is taken."""
    end: int


def windows(lengths: Sequence[int], capacity: int) -> Iterator[PassageWindow]:
    """Yield windows over passages of some lengths; each passage has its vector from one window."""
    start = 0
    while start < len(lengths):
        first, used = start, 0
        while first > 0 and used + lengths[first - 1] <= CONTEXT * capacity:
            first -= 1
            used += lengths[first]
        end = start
        while end < len(lengths) and (end == start or used + lengths[end] <= capacity):
            used += lengths[end]
            end += 1
        while used > capacity and first < start:
            used -= lengths[first]
            first += 1
        yield PassageWindow(first, start, end)
        start = end


def read_late(encoder: TextEncoder, pages: Sequence[Sequence[str]]) -> list[Vectors]:
    """Return for each page, given as its passages' words, (P, D) vectors that know the page.

    Raises:
        ModelError: the encoder does not read texts by tokens.
    """
    tokenizer = encoder.model.tokenizer
    ids = getattr(tokenizer, "cls_token_id", None), getattr(tokenizer, "sep_token_id", None)
    if None in ids:
        ids = getattr(tokenizer, "bos_token_id", None), getattr(tokenizer, "eos_token_id", None)
    if not callable(tokenizer) or not hasattr(tokenizer, "num_special_tokens_to_add"):
        raise ModelError('context="late" needs an encoder that reads tokens, but this one has no such tokenizer.')
    before, after = ([one] if one is not None else [] for one in ids)
    prompt = encoder.prompt("document")
    before = [*before, *(_tokens(encoder, prompt) if prompt else [])]
    capacity = encoder.max_tokens - len(before) - len(after)
    tokens = [[_tokens(encoder, text)[:capacity] for text in page] for page in pages]
    jobs = [(n, window) for n, page in enumerate(tokens) for window in windows([len(one) for one in page], capacity)]
    made = [np.zeros((len(page), encoder.width), np.float32) for page in tokens]
    inputs = [
        [*before, *(token for passage in tokens[n][window.first : window.end] for token in passage), *after]
        for n, window in jobs
    ]
    budget = BATCH_TOKENS.get(encoder.model.device.type, 65_536)
    for group in batches([len(one) for one in inputs], budget):
        states = _states(encoder, [inputs[job] for job in group])
        for job, state in zip(group, states, strict=True):
            n, window = jobs[job]
            place = len(before) + sum(len(one) for one in tokens[n][window.first : window.start])
            for passage in range(window.start, window.end):
                length = len(tokens[n][passage])
                if length:
                    made[n][passage] = state[place : place + length].mean(0)
                place += length
    return [unit(vectors) if encoder.normalizes else vectors for vectors in made]


def _tokens(encoder: TextEncoder, text: str) -> list[int]:
    found: list[int] = encoder.model.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
        "input_ids"
    ]
    return found


@torch.inference_mode()
def _states(encoder: TextEncoder, inputs: Sequence[list[int]]) -> Vectors:
    """Return (b, T, D) states of padded inputs."""
    device = encoder.model.device
    longest = max(map(len, inputs))
    pad = encoder.model.tokenizer.pad_token_id or 0
    ids = torch.tensor([[*one, *[pad] * (longest - len(one))] for one in inputs], device=device)
    mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in inputs], device=device)
    states = encoder.model[0]({"input_ids": ids, "attention_mask": mask})["token_embeddings"]
    return np.asarray(states.float().cpu().numpy(), np.float32)
