"""MuSe beside our forms, at equal cost: settings of both are chosen on some documents and measured on others.

    MUSE, OURS ─ try_all ─> rows, one a setting and set of layers ─ best at each level ─> measured on other documents

What is measured is kept in zero_shot_muse.part.json until all is: a run that was stopped goes on, at the same commit.

Cost is the share of softmax attention's multiply-adds that is left in the converted layers, ours by the count of
`encoders.zero_shot.report`, MuSe's by `muse.Count` and in three ways: see CHARGES.
"""

import argparse
import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from benchmarks.clock import about
from benchmarks.page import Found, record, recorded
from benchmarks.zero_shot.auto import BRANCHINGS, FAR, NEAR
from benchmarks.zero_shot.muse import Count, Muse, muse_attention
from benchmarks.zero_shot.quality import long_subjects, measure_choice, subject_of
from encoders import zero_shot
from encoders.zero_shot import Form, Windows
from encoders.zero_shot.masks import padding_of
from encoders.zero_shot.sites import attention_modules
from encoders.zero_shot.windows import from_json
from training.zero_shot.subject import Condition, Subject

PART = "zero_shot_muse.part"
NAME = "docgraph_muse"
"""Of the attention in transformers, and of the attribute that holds its `Running`."""
CHARGES = {
    "apart": "k-means free",
    "all": "k-means paid",
    "least": "k-means and dipole free",
}
"""What MuSe is charged for beside its attention; the dipole is paid in the first two."""
LEVELS = (0.05, 0.08, 0.10, 0.15, 0.20)
"""Shares of softmax attention that may be left."""
HALF, ALL = 0.08, 0.10
"""Levels at which half of the layers, and all, are measured on more documents."""

MUSE: list[Muse] = [
    *(Muse(keys, queries, own=True) for keys in (8, 16, 24, 32, 48) for queries in (1, 4, 8, 16)),
    *(Muse(keys, queries, exact, own=True) for keys in (16, 32) for queries in (4, 8) for exact in (1, 2)),
    *(Muse(keys, 4 if exact else 1, exact, tilted=False, own=True) for keys in (16, 32, 48) for exact in (0, 1)),
    *(Muse(keys, queries, iterations=steps, own=True) for keys, queries in ((4, 1), (8, 1), (8, 4), (16, 1), (16, 4))
      for steps in (1, 3)),
    Muse(16, 1), Muse(16, 8), Muse(32, 4), Muse(32, 1, tilted=False),
    *(Muse(keys, queries, dipole=True, own=True) for keys, queries in ((8, 4), (16, 1), (16, 4), (16, 8))),
    Muse(32, 1, tilted=False, dipole=True, own=True),
]  # fmt: skip
OURS = dict.fromkeys(
    [
        *((Windows(b, "own"), form) for form in (NEAR, FAR) for b in BRANCHINGS[form]),
        *(
            (Windows((b,) * 10, "own"), replace(FAR, opened=m))
            for b, most in ((2, 20), (4, 10))
            for m in range(most // 5, most + 1, most // 5)
        ),
        *zero_shot.CANDIDATES,
    ]
)

Setting = Muse | tuple[Windows, Form]


@dataclass(frozen=True)
class Kept:
    """Outcomes that are there already, of a run at this commit that was stopped."""

    results: Path
    outcomes: dict[str, Found]

    @classmethod
    def at(cls, results: Path, commit: str) -> "Kept":
        """Return those in the folder, none if they are of another commit."""
        found = recorded(PART, results)
        return cls(results, {"commit": commit, **found} if found.get("commit") == commit else {"commit": commit})

    def measure(self, subject: Subject, name: str, layers: tuple[int, ...], setting: "Setting") -> Found:
        """Return `measure` of the same, which is done once."""
        key = f"{subject.name} {len(subject.lengths)} {name} {layers} {said(setting)}"
        if key not in self.outcomes:
            self.outcomes[key] = measure(subject, name, layers, setting)
            record(PART, self.outcomes, self.results)
        return self.outcomes[key]

    def done(self) -> None:
        (self.results / f"{PART}.json").unlink()


@dataclass
class Running:
    """What converted modules share."""

    muse: Muse
    count: Count = field(default_factory=Count)


def share_left(count: Count, charge: str) -> float:
    """Return the share of softmax attention that is left, by one of CHARGES."""
    paid = count.attention
    paid += count.dipole if charge != "least" else 0
    paid += count.clustering if charge == "all" else 0
    return paid / count.softmax


def muse_layer(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, **kwargs: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attend by MuSe over the unpadded positions of each sequence, in place of transformers' attention.

    Args:
        query, key, value: (B, H, n, D).

    Returns:
        (B, n, H, D), zeros in the padding.
    """
    running: Running = module.__dict__[NAME]
    n = query.shape[2]
    padding = padding_of(attention_mask, (len(query), n, n), False, type(module).__name__)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    output = torch.zeros_like(value)
    for b in range(len(query)):
        there = torch.arange(n) if padding is None else padding[b].nonzero()[:, 0]
        mixed = muse_attention(query[b][:, there], key[b][:, there], value[b][:, there], running.muse, scale)
        output[b, :, there] = mixed.output
        running.count = running.count + mixed.count
    return output.transpose(1, 2), None


AttentionInterface.register(NAME, muse_layer)


@contextmanager
def muse_inside(model: PreTrainedModel, layers: Sequence[int], muse: Muse) -> Iterator[Running]:
    """Let these layers attend by MuSe inside the `with` block."""
    running = Running(muse)
    sites = [site for site in attention_modules(model) if site.layer in layers]
    configs = [site.module.config for site in sites]
    try:
        for site, config in zip(sites, configs, strict=True):
            site.module.config = copy.copy(config)
            site.module.config._attn_implementation_internal = NAME
            site.module.__dict__[NAME] = running
        yield running
    finally:
        for site, config in zip(sites, configs, strict=True):
            site.module.config = config
            site.module.__dict__.pop(NAME, None)


def muse(args: argparse.Namespace) -> dict[str, Any]:
    """Choose settings on the documents that `long` calibrates on, measure them on its others, and by probes."""
    choice, kept = recorded("zero_shot_long", args.results)["chosen"], Kept.at(args.results, about()["commit"])
    chosen = [(c["layer"], from_json(c["hierarchy"]), Form(**c["form"])) for c in choice]
    half = tuple(layer for layer, _, _ in chosen)
    drawn = long_subjects(args)
    seen, held_out = [s for s, _ in drawn], [s for _, s in drawn]
    some = [s.part(range(min(args.forms_documents, len(s.lengths)))) for s in held_out]
    every = tuple(range(len(zero_shot.summary(held_out[0].model).rows)))
    found: dict[str, Any] = {"layers": half, "tried": [], "levels": [], "outcomes": [], "probes": []}
    best: dict[tuple[bool, float, str, str], Setting] = {}
    for layers in (half, every):
        rows = {setting: tried(kept, seen, layers, setting) for setting in (*OURS, *MUSE)}
        found["tried"] += rows.values()
        measured: dict[Setting, list[dict[str, Any]]] = {}
        for level in LEVELS:
            for kind, charge in (("ours", "apart"), *(("MuSe", charge) for charge in CHARGES)):
                fits = [k for k, row in rows.items() if row["kind"] == kind and row["left"][charge] <= level]
                if not fits:
                    continue
                setting = max(fits, key=lambda k: rows[k]["cosine"])
                best[layers == every, level, kind, charge] = setting
                if setting not in measured:
                    measured[setting] = [kept.measure(subject, kind, layers, setting) for subject in some]
                found["levels"] += [{**row, "level": level, "charge": charge} for row in measured[setting]]
    for subject in held_out:
        found["outcomes"].append(measure_choice(subject, chosen))
        for name, layers, level in (("half", half, HALF), ("all", every, ALL)):
            for kind in ("ours", "MuSe"):
                setting = best[layers == every, level, kind, "apart"]
                found["outcomes"].append(kept.measure(subject, f"{name}, {kind}", layers, setting))
    for name in args.data_sets:
        subject = subject_of(args, name, limit=args.probe_limit)
        found["probes"].append(asdict(subject.score(Condition("original"), subject.original)))
        found["probes"].append(measure_choice(subject, chosen))
        found["probes"].append(kept.measure(subject, "half, MuSe", half, best[False, HALF, "MuSe", "apart"]))
    kept.done()
    return found


def tried(kept: Kept, subjects: list[Subject], layers: tuple[int, ...], setting: Setting) -> dict[str, Any]:
    """Return the means over data sets of the cosine and of what is left."""
    kind = "MuSe" if isinstance(setting, Muse) else "ours"
    rows = [kept.measure(subject, kind, layers, setting) for subject in subjects]
    left = {charge: sum(row["left"][charge] for row in rows) / len(rows) for charge in CHARGES}
    cosine = sum(row["cosine"] for row in rows) / len(rows)
    return {"kind": kind, "setting": said(setting), "layers": len(layers), "cosine": cosine, "left": left}


def measure(subject: Subject, name: str, layers: tuple[int, ...], setting: Setting) -> dict[str, Any]:
    """Return an outcome as `Subject.measure` does, with what is left of the layers' attention by each charge."""
    if isinstance(setting, Muse):
        with muse_inside(subject.model, layers, setting) as running:
            vectors = subject.vectors(name)
        left = {charge: share_left(running.count, charge) for charge in CHARGES}
        outcome = replace(subject.score(Condition(name, layers), vectors), flops_gone=1 - left["apart"])
    else:
        outcome = subject.measure(Condition(name, layers, *setting))
        left = dict.fromkeys(CHARGES, 1 - outcome.flops_gone)
    print(outcome.data, name, len(layers), said(setting), f"{outcome.cosine:.4f} {left['apart']:.3f}", flush=True)
    return {**asdict(outcome), "setting": said(setting), "left": left}


def said(setting: Setting) -> str:
    return str(setting) if isinstance(setting, Muse) else f"{setting[0]}; {setting[1]}"
