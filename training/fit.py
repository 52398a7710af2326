"""Train a document classifier from a configuration; the same call goes on where an earlier one was cut off.

    TrainingConfig ─ claim ─> records ─ vocabulary, model ─> encode ─ train ─> best on dev ─ calibrate ─> run folder

What is in a run's folder is in run_folder.py, the end of a run in finish.py. Seeds are set before the model is built,
so two runs give the same weights on one machine, and so does a run that was killed and started again. `python -m
training.fit CONFIG.yaml` is the same under torchrun: every process reads and encodes all records, then takes its share
of every step.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import training.installed

import torch
from rich.console import Console
from torch import nn
from transformers import TrainerCallback, set_seed
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.utils import logging as transformers_logging

from docgraph.errors import DataError, DocgraphError, needs_extra
from encoders.attention.patience import compile_at_once
from encoders.classifier import DocumentForClassification
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from training.config import TrainingConfig, parse_setting
from training.datasets import Corpus, RecordProblem
from training.datasets.dataset import DocumentDataset
from training.datasets.nodes import LOST, UNLABELLED, lost
from training.datasets.problem_types import REGRESSION
from training.finish import finish
from training.learning.batches import EncodedDataset
from training.learning.budget import TimeBudget
from training.learning.checkpoints import last_checkpoint
from training.learning.new_model import document_config, keep_features, new_model
from training.learning.progress import ShowProgress
from training.learning.trainer import DocumentTrainer
from training.output.quiet import about_few_records
from training.parts.stacking import Stack, fit_parts
from training.parts.tuning import tune
from training.recipes import read_config
from training.run_folder import RunFolder, is_first_process, load_corpus

SAID_FIRST: Final = ("file.encoding", "label.kind", "label.word", UNLABELLED)
"""Problems of the data that are told before training: what is learned may not be what was meant."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a training run left behind."""

    folder: Path
    model: DocumentForClassification
    corpus: Corpus
    scores: dict[str, Any]
    """As in scores.json: "best" (dev scores of the kept weights), "history", "seconds", "records"."""


def fit(
    config: TrainingConfig,
    console: Console | None = None,
    *,
    budget: TimeBudget | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> Run:
    """Train, or go on training, or return a run that is done.

    Args:
        budget: the time for all of it. Parts of a stack that do not fit are left out, and training ends in time.
        callbacks: the Trainer calls these as well: to watch or time a run from outside.

    Raises:
        DataError: no usable training records, the run folder holds another run, or another command trains there.
        ConfigError: a model field that does not exist.
        MissingExtraError: report_to asks for what is not installed.
    """
    console = (console or Console()) if is_first_process() else Console(quiet=True)
    watchers = [*_watchers(config), *callbacks]
    folder = RunFolder(config.output)
    with folder.claim(config):
        corpus = load_corpus(config)
        said = [f"{one.record}: {one.message}" for one in corpus.problems if one.code in SAID_FIRST]
        for line in [*said, *filter(None, [lost(corpus.problems)])]:
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        if folder.is_finished:
            console.print(f"{folder.path} holds this run, finished; nothing to train.", soft_wrap=True)
            model = DocumentForClassification.from_pretrained(folder.path)
        else:
            model = _train(config, folder, corpus, console, watchers, budget)
        return Run(folder=folder.path, model=model.eval(), corpus=corpus, scores=folder.scores)


def _watchers(config: TrainingConfig) -> list[TrainerCallback]:
    """Return what follows the run from outside: TensorBoard, which gets the run folder's own sub-folder.

    The Trainer would put it among the checkpoints, which go when the run is done.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
    """
    if config.report_to == "none":
        return []
    with needs_extra("report_to: tensorboard"):
        import tensorboard  # noqa: F401
    board = TensorBoardCallback()
    board.logging_dir = str(Path(config.output) / "tensorboard")
    return [board]


@about_few_records()
def _train(
    config: TrainingConfig,
    folder: RunFolder,
    corpus: Corpus,
    console: Console,
    watchers: Sequence[TrainerCallback],
    budget: TimeBudget | None,
) -> DocumentForClassification:
    """Make model and data, train to the end, and leave the folder finished."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    records = _training_records(config, corpus)
    set_seed(config.seed)
    compile_at_once()
    checkpoint = last_checkpoint(folder.checkpoints)
    if checkpoint is None:
        model = new_model(config, records)
    else:
        console.print(f"resuming from {checkpoint}", soft_wrap=True)
        model = DocumentForClassification.from_pretrained(checkpoint)
        if config.stack and model.config.regression_ngrams and not model.config.regression_known:
            raise DataError(
                f"a stacked run must go on with the n-grams that it began with, but {checkpoint} is of an older "
                "version of docgraph, which hashed them. Choose another output, or delete the folder."
            )
    keep_features(config, model, folder)
    model.config.problem_type = records.problem_type
    train, dev = _encoded(model, records, corpus, folder, console)
    stack = _stacked(config, model, train, dev, console, budget) if config.stack else None
    progress = ShowProgress(console)
    timed = [] if budget is None else [budget]
    trainer = DocumentTrainer(model, config, folder, train, dev, [progress, *timed, *watchers])
    tuned = [] if stack is None else _tuned(trainer, stack, console, budget, resumed=checkpoint is not None)
    metrics: dict[str, float] = {}
    untrained = None if stack is None else stack.why_no_transformer(dev is not None, budget)
    if untrained is None:
        try:
            metrics = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint)).metrics
        finally:
            progress.stop()
    else:
        model.config.use_transformer = False
    finish(trainer, folder, corpus, metrics, stack, tuned, untrained)
    model.needs_processor(None).images = None  # what memory it holds is of no use past training
    if trainer.args.fsdp:  # the weights of this process are a part of the model
        model = DocumentForClassification.from_pretrained(folder.path)
    return model


def _training_records(config: TrainingConfig, corpus: Corpus) -> DocumentDataset:
    records = DocumentDataset(corpus, "train")
    if not len(records):
        raise DataError(f"training needs records with labels, but {config.data} has none in its training split.")
    if len(records.labels) < 2 and records.problem_type != REGRESSION:
        raise DataError(
            f"training needs records of two labels at least, but the training split of {config.data} "
            f"({len(records)} of {len(corpus.records())} records) has only the label {records.labels[0]!r}."
        )
    if not any(record.fields for record in records.records):
        raise DataError(
            f"training needs records with text or images, but all {len(records)} of the training split of "
            f"{config.data} are empty. `docgraph data` shows what is read."
        )
    return records


def _encoded(
    model: DocumentForClassification, records: DocumentDataset, corpus: Corpus, folder: RunFolder, console: Console
) -> tuple[EncodedDataset, EncodedDataset | None]:
    """Encode the training and the dev records, and note what was wrong with them; dev is None if it has no records."""
    processor = model.needs_processor(None)
    train = EncodedDataset(records, processor, console=console)
    dev = None
    if corpus.splits.get("dev"):
        dev = EncodedDataset(DocumentDataset(corpus, "dev"), processor, console=console)
    problems = [one for one in corpus.problems if one.code == LOST]
    problems += [*train.problems, *([] if dev is None else dev.problems)]
    if is_first_process():
        folder.write_problems(problems)
    by_code: dict[str, list[RecordProblem]] = {}
    for problem in problems:
        by_code.setdefault(problem.code, []).append(problem)
    by_code.pop(LOST, None)  # said first
    for code, some in sorted(by_code.items()):
        said = f"  {code}: {len(some)}, such as {some[0].record}: {some[0].message}"
        console.print(said, highlight=False, soft_wrap=True)
    if train.cut_tokens:
        console.print(f"{train.cut_tokens} sub-words of the training documents are past max_tokens and were cut")
    return train, dev or None


def _stacked(
    config: TrainingConfig,
    model: DocumentForClassification,
    train: EncodedDataset,
    dev: EncodedDataset | None,
    console: Console,
    budget: TimeBudget | None,
) -> Stack:
    """Fit the linear parts and let the transformer start from them."""
    if torch.cuda.is_available() and config.device == "auto":
        nn.Module.to(model, "cuda")
    tunes = config.tune != "none" and dev is not None and isinstance(model.document.text, PretrainedTextLeaves)
    longest, balanced = document_config(config.model).regression_ngrams, config.class_weights == "balanced"
    stack = fit_parts(model, train, dev, longest, budget, balanced=balanced, tunes=tunes)
    nn.Module.to(model, "cpu")  # the Trainer moves it, with what it spreads over processes
    train.base = stack.base
    for line in stack.lines():
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    return stack


def _tuned(
    trainer: DocumentTrainer, stack: Stack, console: Console, budget: TimeBudget | None, *, resumed: bool
) -> list[str]:
    """Tune a copy of the text encoder where that is asked for, and say in words what came of it."""
    model, dev = trainer.documents, trainer.dev_data
    if trainer.config.tune == "none":
        return []
    if trainer.config.shard:
        return ["tuned encoder: left out: weights that are spread over processes are not copied"]
    if resumed:
        return [f"tuned encoder: {'left out' if model.tuned is None else 'counts'}, as when the run was begun"]
    base = stack.base, None if dev is None else trainer.logit_parts_of(dev)[0][1:].sum(0)
    line = tune(
        model,
        trainer.train_data,
        dev,
        base,
        stack.targets,
        trainer.config.tune,
        budget,
        console,
        is_last=stack.encoders_cut,
    )
    console.print(f"  {line}", highlight=False, soft_wrap=True)
    return [line]


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.fit CONFIG.yaml [name=value ...]`; return the exit code."""
    if not arguments:
        print("usage: python -m training.fit CONFIG.yaml [name=value ...]", file=sys.stderr)
        return 2
    try:
        run = fit(read_config(arguments[0]).with_values(dict(map(parse_setting, arguments[1:]))))
    except DocgraphError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if is_first_process():
        print(f"trained {run.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
