"""The folder of a training run: who may write into it, and all that is in it.

    runs/x/  training.yaml      the configuration, complete
             split.json         the random split, if it was drawn here
             config.json, model.safetensors, processor_config.json, tokenizer.json     the model, loadable anywhere
             scores.json        dev scores of epochs and of the result; the last file, the mark of a finished run
             noise.csv          with `stack`: training records that are predicted otherwise than they are labelled
             problems.jsonl     what was missing, broken, set aside    README.md, evaluations.json    the model card
             features.sqlite    features of frozen encoders
             tensorboard/       curves, with report_to: tensorboard
             checkpoints/, best/   only while training: to resume from, and the best weights so far

Training, evaluation, prediction and comparisons know the names of these files from here alone.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import training.installed

from transformers.utils import logging as transformers_logging

from docgraph.errors import DataError, DocgraphError
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from encoders.config import DocumentConfig, renamed
from training.config import ConfigError, TrainingConfig, differences
from training.datasets import Corpus, RecordProblem, load
from training.datasets.columns import NAME_YOURS, ColumnsError
from training.datasets.load import options_of
from training.datasets.problem_types import SINGLE
from training.datasets.splitting import take_share
from training.learning.checkpoints import last_checkpoint
from training.output.files import claimed, write_atomically
from training.recipes import read_config

CONFIG: Final = "training.yaml"
SCORES: Final = "scores.json"
PROBLEMS: Final = "problems.jsonl"
SPLIT: Final = "split.json"


class RunFolder:
    """One run's folder; it need not be there yet."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best"

    @contextlib.contextmanager
    def claim(self, config: TrainingConfig) -> Iterator[None]:
        """Make the folder for a run, or make sure that the run in it is this one, and keep other commands out.

        Under torchrun the first process does so for all.

        Raises:
            ConfigError: data or output is not given.
            DataError: the folder holds another run or a model of another origin, or another command is at it.
        """
        if not config.data or not config.output:
            raise ConfigError("a training run must have data and output, but one of them is not given.")
        if not is_first_process():
            yield
            return
        with claimed(self.path):
            held = self.config
            if held is not None and (other := differences(_with_names_of_today(config), held)):
                if self.is_finished or last_checkpoint(self.checkpoints):
                    raise DataError(
                        f"{self.path} must be new or hold this very run, but its run differs in {', '.join(other)}. "
                        "Choose another output, or delete the folder."
                    )
                (self.path / SPLIT).unlink(missing_ok=True)  # nothing was trained: what was wrong may be put right
            if held is None and (self.path / "config.json").is_file():
                raise DataError(f"{self.path} must be new or hold a run, but holds a model that was not trained here.")
            write_atomically(self.path / CONFIG, config.to_yaml())
            try:
                yield
            except DocgraphError:
                if not (self.is_finished or last_checkpoint(self.checkpoints)):  # the next command may differ
                    (self.path / CONFIG).unlink(missing_ok=True)
                    (self.path / SPLIT).unlink(missing_ok=True)
                raise

    @property
    def config(self) -> TrainingConfig | None:
        """The configuration of the run; None where there is no run."""
        file = self.path / CONFIG
        return _with_names_of_today(read_config(file)) if file.is_file() else None

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / SCORES).is_file()

    @property
    def scores(self) -> dict[str, Any]:
        """What scores.json holds: "best" (dev scores of the kept weights), "history", "seconds", "records"."""
        values: dict[str, Any] = json.loads((self.path / SCORES).read_text(encoding="utf-8"))
        return values

    def model(self) -> DocumentForClassification:
        """Load the model, from its folder alone.

        Raises:
            DataError: the folder holds no model, or a run that has not finished.
        """
        if not (self.path / "config.json").is_file():
            begun = ", but a run that has not finished: the same `docgraph train` goes on" if self.config else ""
            raise DataError(f"a model must lie in a folder with config.json, but {self.path} holds none{begun}.")
        transformers_logging.disable_progress_bar()
        try:
            model: DocumentForClassification = DocumentForClassification.from_pretrained(self.path).eval()
        except DocgraphError:
            raise
        except Exception as error:  # what torch, transformers and safetensors raise for files that are cut or missing
            said = str(error).strip().partition("\n")[0]
            raise DataError(
                f"a model must lie whole in its folder, but that of {self.path} cannot be loaded: {said} "
                "Copy the folder anew, or train the model again."
            ) from error
        features = self.file((self.config or TrainingConfig()).feature_cache)
        if features is not None and os.access(features, os.W_OK):
            model.use_cache(FeatureCache(features))
        return model

    def corpus(self, data: str | Path, format: str = "auto") -> Corpus:
        """Read a data set as the run did or would: the same fields and options of the reader.

        The run's own data set comes with its random split and its share of the training records, too.
        """
        config = self.config or TrainingConfig()
        if config.data and Path(config.data).resolve() == Path(data).resolve():
            chosen = config.format if format == "auto" else format
            return load_corpus(replace(config, data=str(data), format=chosen, output=str(self.path)))
        known = options_of(data, format, config.data_options)
        options = {name: value for name, value in config.data_options.items() if name in known}
        if config.fields is not None and "fields" in known:
            options.setdefault("fields", config.fields)
        if self.is_finished and "problem_type" in known:
            options["problem_type"] = DocumentConfig.from_pretrained(self.path).problem_type or SINGLE
        return load(data, format, **options)

    def column_options(self) -> dict[str, Any]:
        """Return the options of the table reader that name the columns which the run read."""
        options = (self.config or TrainingConfig()).data_options
        return {name: options[name] for name in ("fields", "label") if name in options}

    def file(self, name: str | None) -> Path | None:
        """Return where a file lies that the configuration names from the folder."""
        return None if name is None else self.path / name

    def write_problems(self, problems: Sequence[RecordProblem]) -> None:
        """Write what was missing, broken or set aside."""
        lines = [json.dumps(problem._asdict(), ensure_ascii=False) + "\n" for problem in problems]
        write_atomically(self.path / PROBLEMS, "".join(lines))

    def problems(self) -> list[RecordProblem]:
        """Return what was written so."""
        file = self.path / PROBLEMS
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [RecordProblem(**json.loads(line)) for line in lines]

    def finish(self, scores: dict[str, Any]) -> None:
        """Mark the run as finished, and remove what was there to resume it."""
        write_atomically(self.path / SCORES, json.dumps(scores, indent=1) + "\n")
        for folder in (self.best, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)


def _with_names_of_today(config: TrainingConfig) -> TrainingConfig:
    """Return a configuration whose model fields are called as they are now: those of version 0.1.0 load, too."""
    return replace(config, model=renamed(config.model))


def load_corpus(config: TrainingConfig) -> Corpus:
    """Read the data set of a configuration; a random split is stored in the run folder, and followed from then on."""
    options = dict(config.data_options)
    known = options_of(config.data, config.format, options)
    if "split_file" in known:
        options.setdefault("split_file", Path(config.output) / SPLIT)
    if config.fields is not None and "fields" in known:
        options.setdefault("fields", config.fields)
    if config.problem_type != "auto":
        if "problem_type" not in known and config.problem_type != SINGLE:
            raise ConfigError(
                f"{config.problem_type} must have a table with a column of labels, but {config.data} is none."
            )
        options |= {"problem_type": config.problem_type} if "problem_type" in known else {}
    corpus = load(config.data, config.format, **options)
    if corpus.problem_type != SINGLE and not config.stack:
        raise ConfigError(
            f"{config.data} is read as {corpus.problem_type}, which a stacked recipe must learn, but stack is false. "
            "Take --recipe stacked-words or none."
        )
    if corpus.problem_type != SINGLE and config.class_weights != "none":
        raise ConfigError(
            f"class_weights must be none where a record has not one label, but is {config.class_weights}, and "
            f"{config.data} is read as {corpus.problem_type}."
        )
    if unclear := [problem.message for problem in corpus.problems if problem.code == "label.column"]:
        wrong = f"{config.data} must have a label for training, but {unclear[0]}"
        raise ColumnsError(wrong, wrong.rpartition(NAME_YOURS)[2])
    if config.train_share < 1 and "train" in corpus.splits:
        some = take_share(corpus["train"], config.train_share)
        corpus = replace(corpus, splits={**corpus.splits, "train": some})
    return corpus


def learned_splits(config: TrainingConfig, corpus: Corpus) -> tuple[str, ...]:
    """Return the splits that a run's weights are fitted to: with `learn_dev` dev as well, where there is a test."""
    return ("train", "dev") if config.learn_dev and {"dev", "test"} <= set(corpus.splits) else ("train",)


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first of those that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0
