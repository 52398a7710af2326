"""One run of a comparison, in a process of its own that does not outlive the comparison.

    TrainingConfig, kind ──run_apart──> RUN/result.json ──read_result──> Result

Its peak memory is its own that way. The process ends when the one that started it is gone, however it went: it watches
the pipe between the two, which the system closes, also after kill -9.
"""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

import training.installed

import torch
from rich.console import Console

from docgraph.errors import DataError, DocgraphError
from encoders.cache import FeatureCache
from training.compare.report import RIVAL_KINDS
from training.config import TrainingConfig, differences
from training.datasets.records import class_numbers, unseen_labels
from training.evaluate import evaluate
from training.evaluation.baselines import rivals
from training.evaluation.card import note
from training.evaluation.metrics import score
from training.fit import fit
from training.output.files import write_atomically
from training.run_folder import RunFolder, learned_splits, load_corpus

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


def run_apart(config: TrainingConfig, kind: str, split: str) -> None:
    """Train and score one run in a fresh process, which leaves result.json.

    Raises:
        DataError: what was raised there, in its words; or the process died.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, config, kind, split, torch.get_num_threads()))
    process.start()
    sender.close()
    try:
        problem = receiver.recv()
    except EOFError:
        problem = (
            f"a run must end by itself, but the process of {config.output} died: perhaps memory is "
            'short, or the script that called compare() does so outside `if __name__ == "__main__":`.'
        )
    except BaseException:
        process.kill()
        raise
    finally:
        process.join()
        receiver.close()
    if problem is not None:
        raise DataError(problem)


def _serve(sender: Connection, config: TrainingConfig, kind: str, split: str, threads: int) -> None:
    """Do one run and send what went wrong, or None: errors may not pickle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the comparison gets it, too, and ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        result = _rival(config, kind, split) if kind in RIVAL_KINDS else _trained(config, kind, split)
        write_atomically(Path(config.output) / RESULT, json.dumps(asdict(result)) + "\n")
        shutil.rmtree(RunFolder(config.output).checkpoints, ignore_errors=True)
    except (DocgraphError, OSError) as error:
        sender.send(str(error))
    else:
        sender.send(None)


def _end_with_parent() -> None:
    """Wait until the process that started this one is gone, then end this one and its data workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(1)


def _trained(config: TrainingConfig, kind: str, split: str) -> Result:
    run = fit(config, Console(quiet=True))
    peak = _peak_memory()
    evaluation = evaluate(run.model, run.corpus, split, with_baselines=False)
    note(RunFolder(run.folder), evaluation.data, evaluation.split, evaluation.scores)
    best = run.scores.get("best")
    return Result(
        kind=kind,
        seed=config.seed,
        split=split,
        scored=evaluation.split,
        labels=evaluation.labels,
        accuracy=evaluation.scores.accuracy,
        macro_f1=evaluation.scores.macro_f1,
        dev_accuracy=None if best is None else best["dev_accuracy"],
        parameters=sum(weight.numel() for weight in run.model.parameters() if weight.requires_grad),
        seconds=float(run.scores["seconds"] or 0),
        peak_memory=peak,
        ids=tuple(one.id for one in evaluation.predictions),
        right=tuple(one.label == one.predicted for one in evaluation.predictions),
    )


def _rival(config: TrainingConfig, kind: str, split: str) -> Result:
    """Train a simple rival on the records of a configuration."""
    folder = RunFolder(config.output)
    with folder.claim(config):
        corpus = load_corpus(config)
    scored, name = corpus.scored(split), RIVAL_KINDS[kind]
    test, _ = unseen_labels(corpus[scored], corpus.labels)
    train = corpus.learned(learned_splits(config, corpus), corpus.labels)
    target = torch.tensor(class_numbers(test, corpus.labels))
    cache = FeatureCache(folder.file(config.feature_cache))
    begin = time.monotonic()
    probabilities = rivals(train, test, corpus.labels, [name], cache=cache)[name]
    seconds = time.monotonic() - begin
    scores = score(name, probabilities, target, corpus.labels)
    right = probabilities.argmax(1) == target
    return Result(
        kind=kind,
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


def read_result(config: TrainingConfig, split: str) -> Result:
    """Read the result of a run.

    Raises:
        DataError: it is of another configuration or split.
    """
    folder = RunFolder(config.output)
    values = json.loads((folder.path / RESULT).read_text(encoding="utf-8"))
    held = folder.config
    other = ["training.yaml"] if held is None else differences(config, held)
    if values["split"] != split:
        other.append("split")
    if other:
        raise DataError(
            f"{folder.path} must hold a run of this very comparison, but its run differs in {', '.join(other)}. "
            "Choose another output, or delete the folder."
        )
    for name in ("labels", "ids", "right"):
        values[name] = tuple(values[name])
    return Result(**values)
