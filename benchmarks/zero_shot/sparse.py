"""What sparse weights do to MiniLM: nearness, divergence, weights that are zero, and the time they take."""

import argparse
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from benchmarks.clock import Call, medians
from benchmarks.zero_shot.forms import FIT
from benchmarks.zero_shot.quality import long_documents
from encoders import TreeBatch, hierarchical_attention, zero_shot
from encoders.zero_shot import Budget, Form, Windows
from training.zero_shot.subject import Condition, Subject

FLAT = Windows(())
ALPHAS = (1.0, 1.25, 1.5, 2.0)
FORMS = [
    (f"{name}, alpha {alpha:g}", hierarchy, Form("queries", near, pooling, alpha=alpha))
    for name, hierarchy, near, pooling in (("flat", FLAT, 0, "mean"), ("hierarchy", FIT[1], 1, "attention"))
    for alpha in ALPHAS
]


def sparse(args: argparse.Namespace) -> dict[str, Any]:
    """Convert all layers, flat and hierarchical, by softmax and entmax."""
    rows = []
    for subject in long_documents(args)[1]:
        some = subject.part(range(min(args.forms_documents, len(subject.lengths))))
        layers = tuple(range(len(zero_shot.summary(some.model).rows)))
        gaps = gaps_of(some)
        for name, hierarchy, form in FORMS:
            outcome = asdict(some.measure(Condition(name, layers, hierarchy, form)))
            kept = {key: outcome[key] for key in ("data", "condition", "documents", "cosine", "agreement")}
            rows.append({**kept, "gap": gaps[name], "zero": zeros(some, hierarchy, form)})
            print(rows[-1], flush=True)
    return {"outcomes": rows, "times": times()}


def gaps_of(subject: Subject) -> dict[str, float]:
    """Mean divergence of each form from softmax attention, in nats, over the layers of the model as it is."""
    documents = [subject.document(row) for row in range(len(subject.lengths))]
    candidates = [(hierarchy, form) for _, hierarchy, form in FORMS]
    measured = zero_shot.calibrate(subject.model, documents, Budget(kl=1e9), candidates=candidates).measured
    zero_shot.revert(subject.model)
    found: dict[str, float] = {}
    for name, hierarchy, form in FORMS:
        gaps = [m.gap for m in measured if (m.hierarchy, m.form) == (hierarchy, form)]
        found[name] = sum(gaps) / len(gaps)
    return found


def zeros(subject: Subject, hierarchy: Windows, form: Form) -> float:
    """Share of all weights between positions that are exactly zero, with every layer converted."""
    zero_shot.convert(subject.model, hierarchy=hierarchy, form=form)
    try:
        with torch.inference_mode():
            found = [
                torch.stack([(weights == 0).double().mean() for weights in subject.model(
                    **subject.document(row), output_attentions=True).attentions]).mean()
                for row in range(len(subject.lengths))
            ]  # fmt: skip
    finally:
        zero_shot.revert(subject.model)
    return float(torch.stack(found).mean())


def times() -> dict[str, float]:
    """Seconds forward and backward of the torch backend on 4,096 leaves in families of 16, with 8 heads x 64."""
    forest = TreeBatch.from_nested([[[[None] * 16] * 16] * 16])
    states = [torch.randn(forest.num_leaves, 8, 64, requires_grad=True) for _ in range(3)]

    def step(alpha: float) -> None:
        out = hierarchical_attention(*states, forest, untie="queries", pooling="block", alpha=alpha, backend="torch")
        torch.autograd.grad(out.sum(), states)

    tasks: dict[str, Call] = {f"alpha {alpha:g}": partial(step, alpha) for alpha in ALPHAS}
    return medians(tasks, seconds=0, rounds=3)
