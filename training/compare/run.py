"""Train one configuration with several kinds of attention and seeds, and say which differences are real.

    TrainingConfig, kinds, seeds ──compare──> OUTPUT/runs/<kind>-<seed>/   a run folder each, with result.json
                                              OUTPUT/comparison.json .md .png

Every run reads the same records and splits, starts from its seed, and differs from the others in the kind of attention
alone ("hsa-block" is hsa with attention_form="block"). A run has a process of its own (worker.py); a run that is done
is kept, one that was cut off goes on, so a comparison may be stopped and started at will. Beside the kinds stand
simple rivals (evaluation/baselines.py) on the same text.

Accuracy is that of the test split; where a data set has none, that of the dev split, which also chose each run's
epoch and the scales of its logits: then all figures flatter alike, and the table says so.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import training.installed

import numpy as np
from rich.console import Console

from docgraph.errors import DataError
from encoders.peers import PEERS as OTHERS
from training.compare.report import RIVAL_KINDS, Comparison, KindScores, write_comparison
from training.compare.worker import RESULT, Result, read_result, run_apart
from training.config import ConfigError, TrainingConfig
from training.datasets.load import load, options_of
from training.evaluation.baselines import names_of_rivals
from training.evaluation.significance import paired_bootstrap, pairs_of, seed_interval
from training.output.files import claimed

KINDS: Final = ("hsa", "flat", "none", "permuted")
FORMS: Final = tuple(
    f"{kind}-{form}"
    for kind in ("hsa", "permuted")
    for form in ("paper", "block", "document", "block-untied", "document-untied")
)
"""Kinds with an `attention_form` of their own, in place of the configuration's."""
BOXES: Final = ("hsa-boxes", "flat-boxes", "permuted-boxes")
"""Kinds that also see the boxes of rendered pages."""
PEERS: Final = tuple(f"{prefix}{kind}" for prefix in ("", "permuted-") for kind in OTHERS)
"""Those of other papers (encoders/peers.py), and the same over shuffled leaves."""


def compare(
    config: TrainingConfig,
    *,
    attention: Sequence[str] = KINDS,
    seeds: int = 1,
    split: str = "test",
    with_baseline: bool = True,
    minutes: float | None = None,
    console: Console | None = None,
) -> Comparison:
    """Train what is not trained yet, and write the table of what is.

    Args:
        config: the configuration of all runs; its `output` is the comparison's folder, its seed and attention do
            not count.
        attention: kinds, of `KINDS`, `FORMS`, `BOXES` and `PEERS`.
        seeds: runs of each kind, from seeds 0, 1, ...
        minutes: start no further run after so long; the same call goes on later.

    Raises:
        ConfigError: an unknown kind, or no seed.
        DataError: another command is at the folder; not one run is done; what `fit` raises;
            or runs that read different records.
    """
    if unknown := [kind for kind in attention if kind not in KINDS + FORMS + BOXES + PEERS]:
        raise ConfigError(
            f"attention must be some of {', '.join(KINDS)}, but is {', '.join(unknown)}. With a form of its own, it is "
            f"one of {', '.join(FORMS)}; with boxes, of {', '.join(BOXES)}; of other papers, of {', '.join(PEERS)}."
        )
    if seeds < 1 or not attention or not config.output or not config.data:
        raise ConfigError("a comparison needs data, output, a kind of attention and a seed, but one is missing.")
    console = console or Console(stderr=True)
    folder, done = Path(config.output), []
    planned = [(kind, seed) for seed in range(seeds) for kind in attention]
    if with_baseline:
        planned = [*((kind, 0) for kind in _rivals(config, split)), *planned]
    end = time.monotonic() + 60 * (float("inf") if minutes is None else minutes)
    with claimed(folder):
        for kind, seed in planned:
            run = _run_config(config, kind, seed, folder / "runs" / f"{kind}-{seed}")
            if not Path(run.output, RESULT).is_file():
                if time.monotonic() > end:
                    continue
                console.print(f"{kind}, seed {seed}", highlight=False)
                run_apart(run, kind, split)
            done.append(read_result(run, split))
            console.print(f"  accuracy {done[-1].accuracy:.4f}, macro-F1 {done[-1].macro_f1:.4f}", highlight=False)
        if not done:
            raise DataError(f"a comparison needs at least one finished run, but {minutes} minutes were too few.")
        comparison = summarise(done, config, left=len(planned) - len(done))
        write_comparison(folder, comparison)
    return comparison


def summarise(results: Sequence[Result], config: TrainingConfig, *, left: int = 0) -> Comparison:
    """Join runs into rows and pairs.

    Raises:
        DataError: the runs did not score the same records.
    """
    if len({(one.ids, one.scored) for one in results}) > 1:
        raise DataError("runs of a comparison must score the same records, but these did not: the data changed.")
    by_kind: dict[str, list[Result]] = {}
    for one in results:
        by_kind.setdefault(one.kind, []).append(one)
    rows = [_kind_scores(kind, runs) for kind, runs in by_kind.items()]
    right = {kind: np.array([run.right for run in runs]) for kind, runs in by_kind.items()}
    ordered = sorted(by_kind, key=lambda kind: [*KINDS, *FORMS, *BOXES, *PEERS, *RIVAL_KINDS].index(kind))
    pairs = [(one, other) for one, other in combinations(ordered, 2) if one not in RIVAL_KINDS]
    found = [paired_bootstrap(right[one], right[other]) for one, other in pairs]
    return Comparison(
        config=asdict(replace(config, output="")),
        split=results[0].scored,
        records=len(results[0].ids),
        rows=tuple(rows),
        pairs=pairs_of(pairs, found),
        runs_left=left,
    )


def _kind_scores(kind: str, runs: Sequence[Result]) -> KindScores:
    accuracy, accuracy_half = seed_interval([run.accuracy for run in runs])
    f1, f1_half = seed_interval([run.macro_f1 for run in runs])
    return KindScores(
        kind=kind,
        seeds=tuple(run.seed for run in runs),
        accuracies=tuple(run.accuracy for run in runs),
        accuracy=accuracy,
        accuracy_half_width=accuracy_half,
        macro_f1=f1,
        macro_f1_half_width=f1_half,
        parameters=runs[0].parameters,
        seconds=sum(run.seconds for run in runs) / len(runs),
        peak_memory=max(run.peak_memory for run in runs),
    )


def _run_config(config: TrainingConfig, kind: str, seed: int, target: Path) -> TrainingConfig:
    """Return the configuration of one run; features of a frozen encoder are shared by all of them."""
    attention, _, form = (kind, "", "") if kind in PEERS else kind.removesuffix("-boxes").partition("-")
    changes: dict[str, Any] = {"output": str(target), "seed": seed, "model.attention": attention}
    if form:
        changes["model.attention_form"] = form
    if kind in BOXES:
        changes["model.position_boxes"] = True
    if config.feature_cache is not None:
        changes["feature_cache"] = str(Path(config.output, config.feature_cache).resolve())
    if kind in RIVAL_KINDS:
        names = ("data", "format", "data_options", "fields", "train_share", "stack", "learn_dev")
        same = {name: getattr(config, name) for name in names}
        return TrainingConfig(output=str(target), feature_cache=changes.get("feature_cache"), **same)
    return config.with_values(changes)


def _rivals(config: TrainingConfig, split: str) -> list[str]:
    """Return which simple rivals the data of a configuration allows."""
    options = dict(config.data_options)
    if config.fields is not None and "fields" in options_of(config.data, config.format):
        options.setdefault("fields", config.fields)
    corpus = load(config.data, config.format, **options)
    allowed = names_of_rivals(corpus["train"], corpus[corpus.scored(split)])
    return [kind for kind, name in RIVAL_KINDS.items() if name in allowed]
