"""What a converted model keeps: on long documents, under linear probes, and by start layer."""

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.page import recorded
from benchmarks.zero_shot.forms import CLOSE, FORMS, PAPER, SWEEP
from encoders import zero_shot
from encoders.zero_shot import Budget, Calibration, Form
from encoders.zero_shot.calibrate import Candidate
from encoders.zero_shot.windows import from_json, to_json
from training.zero_shot.run import open_subject
from training.zero_shot.subject import Condition, Subject
from training.zero_shot.tables import start_layer_conditions

Chosen = tuple[int, Any, Form]
"""A layer, its hierarchy and its form."""

LONG = 200
"""Tokens that a document of the section `long` has at least."""
KEPT = 0.1
"""Share of a converted layer's attention that may remain."""
KEPT_OPENED = 0.08
"""The same of half of the layers where blocks are opened."""


def long(args: argparse.Namespace) -> dict[str, Any]:
    """Choose on some long documents, measure on others."""
    calibration, held_out = long_documents(args)
    choice = choose(held_out[0].model, calibration)
    chosen = chosen_of(choice)
    outcomes, forms = [], []
    half = tuple(layer for layer, _, _ in chosen)
    opened = {
        f"{name}, blocks opened": chosen_of(
            choose(held_out[0].model, calibration, candidates=zero_shot.OPENED, layers=layers, kept=kept)
        )
        for name, layers, kept in (("half", len(half), KEPT_OPENED), ("all", choice.layers, KEPT))
    }
    for subject in held_out:
        layers = tuple(range(choice.layers))
        outcomes.append(measure_choice(subject, chosen))
        outcomes += [measure_choice(subject, best, name) for name, best in opened.items()]
        for name, which, (_, hierarchy, form) in (
            ("half, paper's form", half, PAPER),
            ("all, paper's form", layers, PAPER),
            ("all, closest form", layers, CLOSE),
        ):
            outcomes.append(asdict(subject.measure(Condition(name, which, hierarchy, form))))
        some = subject.part(range(min(args.forms_documents, len(subject.lengths))))
        for name, hierarchy, form in FORMS:
            for which in (half, layers):
                forms.append(asdict(some.measure(Condition(name, which, hierarchy, form))))
                print(forms[-1]["data"], name, which, f"{forms[-1]['cosine']:.4f}", flush=True)
    gaps = []
    for m in choice.measured:
        known = {"layer": m.layer.index, "attention": f"{m.hierarchy}; {m.form}", "gap": m.gap, "chosen": m.chosen}
        gaps.append({**known, "of_softmax": m.cost / m.softmax})

    def record(chosen: list[Chosen]) -> list[dict[str, Any]]:
        return [{"layer": layer, "hierarchy": to_json(tree), "form": vars(form)} for layer, tree, form in chosen]

    return {
        "outcomes": outcomes,
        "forms": forms,
        "gaps": gaps,
        "choice": str(choice).splitlines()[-1],
        "chosen": record(chosen),
        "opened": {name: record(best) for name, best in opened.items()},
    }


def long_documents(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Subject]]:
    """Draw long documents: some, one by one, to calibrate on, and others to measure on."""
    drawn = long_subjects(args)
    return [seen.document(i) for seen, _ in drawn for i in range(len(seen.lengths))], [other for _, other in drawn]


def long_subjects(args: argparse.Namespace) -> list[tuple[Subject, Subject]]:
    """Draw long documents of each data set at random with a fixed seed: some to calibrate on, others to measure on."""
    drawn = []
    for name in args.long_sets:
        subject = subject_of(args, name, limit=args.long_limit, at_least=LONG)
        rows = np.random.default_rng(1).permutation(len(subject.lengths)).tolist()
        seen, other = rows[: args.calibration], rows[args.calibration : args.calibration + args.documents]
        drawn.append((subject.part(seen), subject.part(other)))
    return drawn


def choose(
    model: Any,
    calibration: list[dict[str, Any]],
    *,
    candidates: tuple[Candidate, ...] = zero_shot.CANDIDATES,
    layers: int | None = None,
    kept: float = KEPT,
) -> Calibration:
    """Let `calibrate` choose layers, by default half of them, with a share of their attention left."""
    total = len(zero_shot.summary(model).rows)
    layers = total // 2 if layers is None else layers
    budget = Budget(flops=(total - layers + kept * layers) / total, layers=layers)
    choice = zero_shot.calibrate(model, calibration, budget, candidates=candidates)
    print(choice)
    zero_shot.revert(model)
    return choice


def chosen_of(choice: Calibration) -> list[Chosen]:
    return [(m.layer.index, m.hierarchy, m.form) for m in choice.chosen]


def measure_choice(subject: Subject, chosen: list[Chosen], name: str = "half, calibrated") -> dict[str, Any]:
    zero_shot.revert(subject.model)
    for layer, hierarchy, form in chosen:
        zero_shot.convert(subject.model, [layer], hierarchy=hierarchy, form=form)
    condition = Condition(name, tuple(layer for layer, _, _ in chosen))
    outcome = asdict(subject.score(condition, subject.vectors(condition.name)))
    zero_shot.revert(subject.model)
    print(outcome["data"], condition.name, f"{outcome['cosine']:.4f} {outcome['flops_gone']:.3f}", flush=True)
    return outcome


def probe(args: argparse.Namespace) -> dict[str, Any]:
    """Linear probes, or the model's own classifier, on whole data sets: the choice of `long`, and the paper's form."""
    record = recorded("zero_shot_long", args.results)["chosen"]
    chosen = [(c["layer"], from_json(c["hierarchy"]), Form(**c["form"])) for c in record]
    outcomes = []
    for name in args.data_sets:
        subject = subject_of(args, name, limit=args.probe_limit)
        outcomes.append(asdict(subject.score(Condition("original"), subject.original)))
        outcomes.append(measure_choice(subject, chosen))
        if args.paper_form:
            layers = tuple(layer for layer, _, _ in chosen)
            outcomes.append(asdict(subject.measure(Condition("half, paper's form", layers, *PAPER[1:]))))
    return {"outcomes": outcomes}


def sweep(args: argparse.Namespace) -> dict[str, Any]:
    outcomes = []
    for name in args.data_sets:
        subject = subject_of(args, name, limit=args.sweep_limit, max_length=args.sweep_length)
        layers = len(zero_shot.summary(subject.model).rows)
        outcomes.append(asdict(subject.score(Condition("original"), subject.original)))
        for condition in start_layer_conditions(layers, SWEEP):
            outcomes.append(asdict(subject.measure(condition)))
            print(name, condition.name, f"{outcomes[-1]['cosine']:.4f}", flush=True)
    return {"outcomes": outcomes}


def subject_of(
    args: argparse.Namespace, name: str, *, limit: int, at_least: int = 0, max_length: int | None = None
) -> Subject:
    return open_subject(
        args.model,
        args.data / f"{name}.jsonl.gz",
        limit=limit,
        at_least=at_least,
        max_length=max_length,
        batch_size=args.batch_size,
    )
