"""Train one configuration with several kinds of attention and seeds, and say which differences are real.

    TrainingConfig, kinds, seeds ──compare──> OUTPUT/runs/<kind>-<seed>/   a run folder each, with result.json
                                              OUTPUT/comparison.json .md .png

Every run reads the same records and splits, starts from its seed, and differs from the others in the kind of attention
alone. A run has a process of its own, so its peak memory is its own; a run that is done is kept, one that was cut off
goes on, so a comparison may be stopped and started at will. Beside the kinds stands a bag of words (`BAG`) that reads
the same text.

Accuracy is that of the test split; where a data set has none, that of the dev split, which also chose each run's
epoch and the scales of its logits: then all figures flatter alike, and the table says so.
"""

import json
import multiprocessing
import resource
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

from docgraph.errors import DataError, DocgraphError
from training.baselines import TFIDF, bag_of_words
from training.compare.report import Comparison, Pair, Row, write_comparison
from training.compare.significance import holm, paired_bootstrap, seed_interval
from training.config import FILE_NAME, ConfigError, TrainingConfig, differences, read_config
from training.datasets.records import unseen_labels
from training.evaluate import evaluate
from training.fit import fit, load_corpus
from training.metrics import score
from training.shards import write_atomically

KINDS: Final = ("hsa", "flat", "none", "permuted")
BAG: Final = "tf-idf"
RESULT: Final = "result.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run came to, as in its result.json."""

    kind: str
    seed: int
    split: str
    """The split that was asked for."""
    scored: str
    """The split that was scored: dev where there is no test."""
    labels: tuple[str, ...]
    accuracy: float
    macro_f1: float
    dev_accuracy: float | None
    parameters: int
    """Weights that are trained."""
    seconds: float
    """Of training, without reading and encoding; of the last start, if the run was cut off."""
    peak_memory: int
    """Bytes: the largest resident set of the run's process, and on a GPU the most that was allocated there instead."""
    ids: tuple[str, ...]
    right: tuple[bool, ...]
    """Of the scored records, in order: which were predicted right."""


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
        attention: kinds, of `KINDS`.
        seeds: runs of each kind, from seeds 0, 1, ...
        minutes: start no further run after so long; the same call goes on later.

    Raises:
        ConfigError: an unknown kind, or no seed.
        DataError: not one run is done; what `fit` raises; or runs that read different records.
    """
    if unknown := [kind for kind in attention if kind not in KINDS]:
        raise ConfigError(f"attention must be some of {', '.join(KINDS)}, but is {', '.join(unknown)}.")
    if seeds < 1 or not attention or not config.output or not config.data:
        raise ConfigError("a comparison needs data, output, a kind of attention and a seed, but one is missing.")
    console = console or Console(stderr=True)
    begin, folder, done, left = time.monotonic(), Path(config.output), [], 0
    planned = [(kind, seed) for seed in range(seeds) for kind in attention]
    if with_baseline:
        planned.insert(0, (BAG, 0))
    for kind, seed in planned:
        target = folder / "runs" / f"{kind}-{seed}"
        run = _run_config(config, kind, seed, target)
        if not (target / RESULT).is_file():
            if minutes is not None and time.monotonic() - begin > 60 * minutes:
                left += 1
                continue
            console.print(f"{kind}, seed {seed}", highlight=False)
            _in_own_process(run, kind, split)
        found = _read_result(run, split)
        console.print(f"  accuracy {found.accuracy:.4f}, macro-F1 {found.macro_f1:.4f}", highlight=False)
        done.append(found)
    if not done:
        raise DataError(f"a comparison needs at least one finished run, but {minutes} minutes were too few.")
    comparison = summarise(done, config, left=left)
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
    rows = [_row(kind, runs) for kind, runs in by_kind.items()]
    right = {kind: np.array([run.right for run in runs]) for kind, runs in by_kind.items()}
    pairs = list(combinations(sorted(by_kind, key=lambda kind: [*KINDS, BAG].index(kind)), 2))
    found = [paired_bootstrap(right[one], right[other]) for one, other in pairs]
    adjusted = holm([difference.p for difference in found])
    return Comparison(
        config=asdict(replace(config, output="")),
        split=results[0].scored,
        records=len(results[0].ids),
        rows=tuple(rows),
        pairs=tuple(
            Pair(one=one, other=other, adjusted_p=p, **asdict(difference))
            for (one, other), difference, p in zip(pairs, found, adjusted, strict=True)
        ),
        runs_left=left,
    )


def _row(kind: str, runs: Sequence[Result]) -> Row:
    accuracy, accuracy_half = seed_interval([run.accuracy for run in runs])
    f1, f1_half = seed_interval([run.macro_f1 for run in runs])
    return Row(
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
    if kind == BAG:
        same = {name: getattr(config, name) for name in ("data", "format", "data_options", "fields", "train_share")}
        return TrainingConfig(output=str(target), **same)
    changes: dict[str, Any] = {"output": str(target), "seed": seed, "model.attention": kind}
    if config.feature_cache is not None:
        changes["feature_cache"] = str(Path(config.output, config.feature_cache).resolve())
    return config.with_values(changes)


def _in_own_process(config: TrainingConfig, kind: str, split: str) -> None:
    """Call `_run` in a fresh process.

    Raises:
        DataError: what was raised there, in its words; or the process died.
    """
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    if "forkserver" in ways:
        context.set_forkserver_preload(["training.compare.run"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            problem = pool.submit(_run, config, kind, split, torch.get_num_threads()).result()
        except BrokenProcessPool as error:
            raise DataError(
                f"a run must end by itself, but the process of {config.output} died: perhaps memory is "
                'short, or the script that called compare() does so outside `if __name__ == "__main__":`.'
            ) from error
    if problem is not None:
        raise DataError(problem)


def _run(config: TrainingConfig, kind: str, split: str, threads: int) -> str | None:
    """Train and score one run, and write its result last; return what went wrong, for errors may not pickle."""
    torch.set_num_threads(threads)
    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == BAG:
            write_atomically(folder / FILE_NAME, config.to_yaml())
        result = _bag(config, split) if kind == BAG else _trained(config, kind, split)
    except (DocgraphError, OSError) as error:
        return str(error)
    write_atomically(folder / RESULT, json.dumps(asdict(result)) + "\n")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return None


def _trained(config: TrainingConfig, kind: str, split: str) -> Result:
    run = fit(config, Console(quiet=True))
    peak = _peak_memory()
    found = evaluate(run.model, run.corpus, split, with_baselines=False)
    best = run.scores.get("best")
    return Result(
        kind=kind,
        seed=config.seed,
        split=split,
        scored=found.split,
        labels=found.labels,
        accuracy=found.scores.accuracy,
        macro_f1=found.scores.macro_f1,
        dev_accuracy=None if best is None else best["dev_accuracy"],
        parameters=sum(weight.numel() for weight in run.model.parameters() if weight.requires_grad),
        seconds=float(run.scores["seconds"] or 0),
        peak_memory=peak,
        ids=tuple(one.id for one in found.predictions),
        right=tuple(one.label == one.predicted for one in found.predictions),
    )


def _bag(config: TrainingConfig, split: str) -> Result:
    """Train the bag of words on the records of a configuration."""
    corpus = load_corpus(config)
    scored = "dev" if split == "test" and "test" not in corpus.splits else split
    test, _ = unseen_labels(corpus[scored], corpus.labels)
    train, _ = unseen_labels(corpus["train"], corpus.labels)
    number = {name: place for place, name in enumerate(corpus.labels)}
    target = torch.tensor([number[str(record.label)] for record in test])
    begin = time.monotonic()
    probabilities = bag_of_words(
        [record.origin.text() for record in train],
        [number[str(record.label)] for record in train],
        [record.origin.text() for record in test],
        len(number),
    )
    seconds = time.monotonic() - begin
    scores = score(TFIDF, probabilities, target, corpus.labels)
    right = probabilities.argmax(1) == target
    return Result(
        kind=BAG,
        seed=0,
        split=split,
        scored=scored,
        labels=corpus.labels,
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        dev_accuracy=None,
        parameters=0,
        seconds=seconds,
        peak_memory=_peak_memory(),
        ids=tuple(record.id for record in test),
        right=tuple(bool(one) for one in right),
    )


def _peak_memory() -> int:
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _read_result(config: TrainingConfig, split: str) -> Result:
    """Read what `_run` wrote.

    Raises:
        DataError: it is of another configuration or split.
    """
    folder = Path(config.output)
    values = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    other = differences(config, read_config(folder / FILE_NAME))
    if values["split"] != split:
        other.append("split")
    if other:
        raise DataError(
            f"{folder} must hold a run of this very comparison, but its run differs in {', '.join(other)}. "
            "Choose another output, or delete the folder."
        )
    for name in ("labels", "ids", "right"):
        values[name] = tuple(values[name])
    return Result(**values)
