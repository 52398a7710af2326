"""Train a document classifier from a configuration; the same call goes on where an earlier one was cut off.

    TrainingConfig ─ read ─> records ─ vocabulary, model ─> encode ─ train ─> best on dev ─ calibrate ─> run folder

    runs/x/  training.yaml      the configuration, complete        split.json     the random split, if it was drawn here
             config.json, model.safetensors, processor_config.json, tokenizer.json     the model, loadable anywhere
             scores.json        dev scores of epochs and of the result   problems.jsonl what was missing, broken, set aside
             tensorboard/       curves, with report_to: tensorboard
             checkpoints/, best/   only while training: to resume from, and the best weights so far

Seeds are set before the model is built, so two runs give the same weights on one machine, and so does a run that was
killed and started again. `python -m training.fit CONFIG.yaml` is the same under torchrun: every process reads and
encodes all records, then takes its share of every step.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub.errors import StrictDataclassError
from rich.console import Console
from transformers import TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from docgraph import Document
from docgraph.errors import DataError, DocgraphError, needs_extra
from encoders.build import build_classifier
from encoders.cache import FeatureCache
from encoders.classifier import DocumentForClassification
from encoders.config import DocumentConfig
from encoders.sharding import layers_to_shard
from training.batches import EncodedDataset
from training.calibration import CALIBRATION_RECORDS, logit_scales
from training.config import FILE_NAME, ConfigError, TrainingConfig, differences, read_config
from training.datasets import Corpus, Problem, Record, load
from training.datasets.dataset import DocumentDataset
from training.datasets.load import options_of
from training.datasets.splitting import take_share
from training.pretrained import image_weights, text_encoder_folder
from training.progress import ShowProgress
from training.shards import write_atomically
from training.trainer import (
    DocumentTrainer,
    KeepBest,
    MarkComplete,
    last_checkpoint,
    wait_for_all,
)

SCORES = "scores.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a training run left behind."""

    folder: Path
    model: DocumentForClassification
    corpus: Corpus
    scores: dict[str, Any]
    """As in scores.json: "best" (dev scores of the kept weights), "history", "seconds", "records"."""


def fit(config: TrainingConfig, console: Console | None = None, *, callbacks: Sequence[TrainerCallback] = ()) -> Run:
    """Train, or go on training, or return a run that is done.

    Args:
        callbacks: the Trainer calls these as well: to watch or time a run from outside.

    Raises:
        DataError: no usable training records, or the run folder holds another run.
        ConfigError: a model field that does not exist.
        MissingExtraError: report_to asks for what is not installed.
    """
    console = console or Console()
    watchers = [*_watchers(config), *callbacks]
    folder = _claim(config)
    corpus = load_corpus(config)
    if (folder / SCORES).is_file():
        console.print(f"{folder} holds this run, finished; nothing to train.", soft_wrap=True)
        model = DocumentForClassification.from_pretrained(folder)
        return Run(folder=folder, model=model, corpus=corpus, scores=_read_json(folder / SCORES))
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    train_records = DocumentDataset(corpus, "train")
    if not len(train_records):
        raise DataError(f"training needs records with labels, but {config.data} has none in its training split.")
    if len(train_records.labels) < 2:
        raise DataError(
            f"training needs records of two labels at least, but all {len(train_records)} of {config.data} "
            f"have the label {train_records.labels[0]!r}."
        )
    set_seed(config.seed)
    checkpoint = last_checkpoint(folder / "checkpoints")
    if checkpoint is None:
        model = _new_model(config, train_records)
    else:
        console.print(f"resuming from {checkpoint}", soft_wrap=True)
        model = DocumentForClassification.from_pretrained(checkpoint)
    _keep_what_stays(config, model, folder)
    args = _arguments(config, folder, model, has_dev=bool(corpus.splits.get("dev")))
    show = console if args.process_index == 0 else Console(quiet=True)
    trainer = _trainer(model, args, config, train_records, corpus, folder, show, watchers)
    result = _train(trainer, checkpoint)
    _finish(trainer, config, folder, corpus, result)
    model.needs_processor(None).pictures = None  # what memory it holds is of no use past training
    if args.fsdp:  # the weights of this process are a part of the model
        model = DocumentForClassification.from_pretrained(folder)
    return Run(folder=folder, model=model.eval(), corpus=corpus, scores=_read_json(folder / SCORES))


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
    from transformers.integrations.integration_utils import TensorBoardCallback

    board = TensorBoardCallback()
    board.logging_dir = str(Path(config.output) / "tensorboard")
    return [board]


def _keep_what_stays(config: TrainingConfig, model: DocumentForClassification, folder: Path) -> None:
    """Let features of frozen encoders, and decoded pictures, outlast an epoch."""
    features = None if config.feature_cache is None else folder / config.feature_cache
    model.use_cache(FeatureCache(features))
    if config.picture_memory or config.picture_cache:
        model.needs_processor(None).pictures = FeatureCache(
            None if config.picture_cache is None else folder / config.picture_cache,
            config.picture_memory * 1_000_000,
            np.uint8,
        )


def load_corpus(config: TrainingConfig) -> Corpus:
    """Read the data set of a configuration; a random split is stored in the run folder, and followed from then on."""
    options = dict(config.data_options)
    known = options_of(config.data, config.format)
    if "split_file" in known:
        options.setdefault("split_file", Path(config.output) / "split.json")
    if config.fields is not None and "fields" in known:
        options.setdefault("fields", config.fields)
    corpus = load(config.data, config.format, **options)
    if config.train_share < 1 and "train" in corpus.splits:
        some = take_share(corpus["train"], config.train_share)
        corpus = replace(corpus, splits={**corpus.splits, "train": some})
    return corpus


def _claim(config: TrainingConfig) -> Path:
    """Make the run folder, or make sure that the run in it is this one."""
    if not config.data or not config.output:
        raise ConfigError("a training run must have data and output, but one of them is not given.")
    folder = Path(config.output)
    file = folder / FILE_NAME
    if file.is_file():
        other = differences(config, read_config(file))
        if other:
            raise DataError(
                f"{folder} must be new or hold this very run, but its run differs in {', '.join(other)}. "
                "Choose another output, or delete the folder."
            )
    elif (folder / "config.json").is_file():
        raise DataError(f"{folder} must be new or hold a run, but holds a model that was not trained here.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, config.to_yaml())
    return folder


def _new_model(config: TrainingConfig, records: DocumentDataset) -> DocumentForClassification:
    chosen = None
    if config.fields is not None and records.records and "page" not in records.records[0].fields:
        chosen = tuple(config.fields)
    readable = list(_documents(records.records))
    return build_classifier(
        document_config(config.model),
        [document for document, _ in readable],
        records.labels,
        document_labels=[label for _, label in readable],
        text_encoder=text_encoder_folder(config.text_encoder),
        image_weights=image_weights(config.image_weights, config.model.get("image_encoder")),
        fields=chosen,
        main_only=config.main_only,
        max_tokens=config.max_tokens,
        vocab_size=config.vocab_size,
    )


def document_config(values: Mapping[str, Any]) -> DocumentConfig:
    """Return a model configuration; whole numbers are taken where it wants real ones.

    Raises:
        ConfigError: a field that does not exist, or a value of the wrong type.
    """
    defaults = {one.name: one.default for one in fields(DocumentConfig)}
    if unknown := sorted(set(values) - set(defaults)):
        raise ConfigError(f"a document model has no field {', '.join(unknown)}.")
    real: dict[str, Any] = dict(values)
    for name, value in values.items():
        if isinstance(defaults[name], float) and type(value) is int:
            real[name] = float(value)
    try:
        return DocumentConfig(**real)
    except StrictDataclassError as error:
        raise ConfigError(f"a field of the document model is wrong: {' '.join(str(error).split())}") from error


def _documents(records: Sequence[Record]) -> Iterator[tuple[Document, str]]:
    for record in records:
        with contextlib.suppress(DocgraphError):
            yield record.document(), str(record.label)


def _arguments(
    config: TrainingConfig, folder: Path, model: DocumentForClassification, *, has_dev: bool
) -> TrainingArguments:
    steps = config.checkpoint_steps
    shard = config.shard and int(os.environ.get("WORLD_SIZE", "1")) > 1
    layers = layers_to_shard(model)
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=config.epochs,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(config.schedule, config.schedule),
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        data_seed=config.seed,
        bf16=config.precision == "bfloat16",
        fp16=config.precision == "float16",
        use_cpu=config.device == "cpu",
        activation_checkpointing=config.gradient_checkpointing,
        eval_strategy="epoch" if has_dev else "no",
        save_strategy="epoch" if steps is None else "steps",
        save_steps=steps or 500,
        save_total_limit=config.keep_checkpoints,
        logging_strategy="steps",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        fsdp=shard,  # type: ignore[arg-type]
        fsdp_config={"version": 2, "transformer_layer_cls_to_wrap": layers} if shard else None,
        ddp_find_unused_parameters=True,
        accelerator_config={"dispatch_batches": False, "even_batches": False},
    )


def _trainer(
    model: DocumentForClassification,
    args: TrainingArguments,
    config: TrainingConfig,
    train_records: DocumentDataset,
    corpus: Corpus,
    folder: Path,
    console: Console,
    watchers: Sequence[TrainerCallback],
) -> DocumentTrainer:
    processor = model.needs_processor(None)
    train = EncodedDataset(train_records, processor, console=console)
    dev = None
    if corpus.splits.get("dev"):
        dev = EncodedDataset(DocumentDataset(corpus, "dev"), processor, console=console)
    if dev is not None and not len(dev):
        dev = None
        args.eval_strategy = "no"
    _write_problems(folder, [*train.problems, *(dev.problems if dev else [])], console)
    if train.cut_tokens:
        console.print(f"{train.cut_tokens} sub-words of the training documents are past max_tokens and were cut")
    trainer = DocumentTrainer(
        model,
        args,
        config,
        train,
        dev,
        [KeepBest(folder / "best", config), MarkComplete(), ShowProgress(console), *watchers],
    )
    trainer.remove_callback(PrinterCallback)
    args.logging_steps = min(10, -(-len(trainer.get_train_dataloader()) // config.accumulate))
    return trainer


def _train(trainer: DocumentTrainer, checkpoint: Path | None) -> dict[str, float]:
    try:
        output = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, ShowProgress):
                callback.stop()
    return dict(output.metrics)


def _finish(
    trainer: DocumentTrainer, config: TrainingConfig, folder: Path, corpus: Corpus, result: dict[str, float]
) -> None:
    """Take the best weights, calibrate them, and write the run's files; the scores last, as the mark of its end."""
    model = trainer.documents
    wait_for_all()
    if (folder / "best").is_dir():
        trainer.take_weights(folder / "best")
    scores: dict[str, Any] = {"records": {name: len(records) for name, records in corpus.splits.items()}}
    dev = trainer.dev_data
    if dev is not None:
        parts, target = trainer.logit_parts_of(dev)
        if config.calibrate and len(target) >= CALIBRATION_RECORDS:
            scores["logit_scales"] = logit_scales(parts, target).tolist()
            model.scale_logits(scores["logit_scales"])
        scores["best"] = trainer.evaluate(dev, metric_key_prefix="dev")
    scores["history"] = [entry for entry in trainer.state.log_history if "dev_loss" not in entry]
    scores["seconds"] = result.get("train_runtime")
    trainer.write_model(folder)
    if trainer.args.should_save:
        write_atomically(folder / SCORES, json.dumps(scores, indent=1) + "\n")
    wait_for_all()
    if trainer.args.should_save:
        for name in ("best", "checkpoints"):
            shutil.rmtree(folder / name, ignore_errors=True)


def _write_problems(folder: Path, problems: Sequence[Problem], console: Console) -> None:
    lines = [json.dumps(problem._asdict(), ensure_ascii=False) + "\n" for problem in problems]
    write_atomically(folder / "problems.jsonl", "".join(lines))
    counts: dict[str, list[Problem]] = {}
    for problem in problems:
        counts.setdefault(problem.code, []).append(problem)
    for code, some in sorted(counts.items()):
        console.print(
            f"  {code}: {len(some)}, such as {some[0].record}: {some[0].message}",
            highlight=False,
            soft_wrap=True,
        )


def _read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.fit CONFIG.yaml [name=value ...]`; return the exit code."""
    from training.config import parse_setting

    if not arguments:
        print("usage: python -m training.fit CONFIG.yaml [name=value ...]", file=sys.stderr)
        return 2
    try:
        config = read_config(arguments[0]).with_values(dict(map(parse_setting, arguments[1:])))
        run = fit(config)
    except DocgraphError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"trained {run.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
