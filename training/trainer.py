"""transformers' Trainer for documents: planned batches, a loss that counts documents, an evaluation of our own.

What differs from the Trainer, and why:

* batches come from `PlannedBatches`, unprepared by accelerate, which would shard them a second time;
* the loss of an optimiser step is the mean over its documents, however many batches and processes they came in;
* evaluation gathers one row of logits a document, so batches may differ in size from process to process;
* weights that are spread over processes (`shard`) are gathered before they are written, and spread on CPUs too;
* epochs are scored by the transformer alone, without the regression that may stand beside it;
* the best weights on the dev split are kept as they come; checkpoints are for resuming only.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from encoders.classifier import DocumentForClassification
from training.batches import BatchLoader, Collator, EncodedDataset, PlannedBatches, make_loader
from training.config import TrainingConfig

WHOLE: Final = StateDictOptions(full_state_dict=True, cpu_offload=True)
COMPLETE = "complete"
"""A file in every checkpoint that was written to its end."""


class DocumentTrainer(Trainer):
    """Trains a `DocumentForClassification` on encoded documents."""

    def __init__(
        self,
        model: DocumentForClassification,
        args: TrainingArguments,
        config: TrainingConfig,
        train: EncodedDataset,
        dev: EncodedDataset | None,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=Collator(model.needs_processor(None)),
            callbacks=list(callbacks),
        )
        for callback in callbacks:
            if isinstance(callback, KeepBest):
                callback.trainer = self
        self.config = config
        self.documents = model
        self.train_data, self.dev_data = train, dev
        self.processor = model.needs_processor(None)
        self.loss_is_scaled_for_ga = True
        self.model_accepts_loss_kwargs = True  # makes the Trainer count the documents of a step
        self.class_weights = _class_weights(train) if config.class_weights == "balanced" else None

    def create_accelerator_and_postprocess(self) -> None:
        """Also spread weights over CPU processes, which accelerate does for GPUs only: the same code, so it is tested."""
        super().create_accelerator_and_postprocess()
        state = self.accelerator.state
        if self.args.fsdp and state.distributed_type == DistributedType.MULTI_CPU:
            state.distributed_type = DistributedType.FSDP
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model into a checkpoint."""
        if self.is_fsdp_enabled and output_dir is not None:
            self.write_model(Path(output_dir))
        else:
            super().save_model(output_dir, _internal_call)

    def write_model(self, folder: Path) -> None:
        """Write weights, configuration and processor; every process calls it, the first one writes."""
        whole = get_model_state_dict(self.documents, options=WHOLE) if self.is_fsdp_enabled else None
        if self.args.should_save:
            self.documents.save_pretrained(folder, state_dict=whole)

    def take_weights(self, folder: Path) -> None:
        """Take over the weights that `write_model` wrote."""
        weights = DocumentForClassification.from_pretrained(folder).state_dict()
        if self.is_fsdp_enabled:
            set_model_state_dict(self.documents, weights, options=WHOLE)
        else:
            self.documents.load_state_dict(weights)

    def get_train_dataloader(self) -> BatchLoader:
        """Return the planned batches of this process."""
        plan = PlannedBatches(
            self.train_data.sizes,
            batch_documents=self.config.batch_documents,
            batch_leaves=self.config.batch_leaves,
            seed=self.config.seed,
            rank=self.args.process_index,
            world=self.args.world_size,
        )
        return make_loader(self.train_data, plan, self.processor, self.config.workers)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the batch's cross-entropy as its part of the step's mean over documents."""
        labels = inputs["labels"].to(self.args.device)
        output = model(batch=inputs["batch"].to(self.args.device))
        total = F.cross_entropy(
            output.logits.float(),
            labels,
            weight=None if self.class_weights is None else self.class_weights.to(labels.device),
            label_smoothing=self.documents.config.label_smoothing,
            reduction="sum",
        )
        # Gradients are averaged over processes, and the count is that of all of them.
        world = 1 if num_items_in_batch is None else self.args.world_size
        loss = total * world / (len(labels) if num_items_in_batch is None else num_items_in_batch)
        return (loss, output) if return_outputs else loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: the Trainer's estimate is for padded token matrices."""
        return 0

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Score a split; logs and returns loss, accuracy and macro-F1 under `<prefix>_<name>`.

        With the prefix "eval", while it learns, the transformer alone is scored: the regression beside it, if there is one,
        is the same after every epoch, and would only hide which epoch left the best transformer.
        """
        data = eval_dataset if isinstance(eval_dataset, EncodedDataset) else self.dev_data
        assert data is not None, "evaluation is switched off where there is no dev split"
        parts, target = self.logit_parts_of(data)
        logits = parts[0] if metric_key_prefix == "eval" else parts.sum(0)
        accuracy = multiclass_accuracy(logits, target, num_classes=logits.shape[1], average="micro")
        f1 = multiclass_f1_score(logits, target, num_classes=logits.shape[1], average="macro")
        loss = F.cross_entropy(logits, target)
        found = {"loss": float(loss), "accuracy": float(accuracy), "macro_f1": float(f1)}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def logit_parts_of(self, data: EncodedDataset) -> tuple[Tensor, Tensor]:
        """Return the logits of the model's parts (P, N, C) and the labels (N,) of a split, in its order, on the CPU.

        Processes share the work.
        """
        plan = PlannedBatches(
            data.sizes,
            batch_documents=max(self.config.batch_documents, 64),
            batch_leaves=self.config.batch_leaves,
            seed=None,
            rank=self.args.process_index,
            world=self.args.world_size,
        )
        model: Any = self.model_wrapped if dist.is_initialized() else self.documents
        was_training = model.training
        model.eval()
        collate, found = Collator(self.processor), []
        for places in plan:
            batch = collate([data[place] for place in places])["batch"]
            with self.compute_loss_context_manager():
                parts = model(batch=batch.to(self.args.device)).logit_parts
            found.append((places, parts.float().cpu()))
        model.train(was_training)
        if dist.is_initialized():
            everyone: list[Any] = [None] * self.args.world_size
            dist.all_gather_object(everyone, found)
            found = [piece for one in everyone for piece in one]
        order = torch.tensor([place for places, _ in found for place in places])
        parts = torch.cat([piece for _, piece in found], 1)
        return parts[:, torch.argsort(order)], torch.tensor(data.targets)


class KeepBest(TrainerCallback):
    """Writes the model whenever the dev split says it is the best so far; stops when it has not been for long."""

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.folder = folder
        self.config = config
        self.trainer: DocumentTrainer | None = None
        """Set by the trainer: writes the model."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Compare with all earlier evaluations, which the Trainer's state keeps through a resume."""
        if "eval_loss" not in kwargs["metrics"]:  # the result, scored once more when all is done
            return
        ranks = [_rank(entry, self.config.metric) for entry in state.log_history if "eval_loss" in entry]
        best = max(range(len(ranks)), key=lambda place: (ranks[place], -place))
        if best == len(ranks) - 1:
            assert self.trainer is not None
            beside = self.folder.with_name(f"{self.folder.name}.new")
            if args.should_save:
                shutil.rmtree(beside, ignore_errors=True)
            self.trainer.write_model(beside)
            if args.should_save:
                shutil.rmtree(self.folder, ignore_errors=True)
                beside.rename(self.folder)
        if self.config.patience is not None and len(ranks) - 1 - best >= self.config.patience:
            control.should_training_stop = True


class MarkComplete(TrainerCallback):
    """Marks a checkpoint once all of it is there; one without the mark was cut short and is not resumed from."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the mark, after every process has written its part."""
        wait_for_all()
        if args.should_save and args.output_dir is not None:
            Path(args.output_dir, f"checkpoint-{state.global_step}", COMPLETE).touch()


def wait_for_all() -> None:
    """Let every process come here: what one of them writes is read by others."""
    if dist.is_initialized():
        dist.barrier()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint; those that were cut short are removed."""
    found: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if (path / COMPLETE).is_file():
            found[int(path.name.rsplit("-", 1)[1])] = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return found[max(found)] if found else None


def _rank(entry: dict[str, float], metric: str) -> tuple[float, float]:
    loss = -entry["eval_loss"]
    return (loss, loss) if metric == "loss" else (entry[f"eval_{metric}"], loss)


def _class_weights(data: EncodedDataset) -> Tensor:
    """(C,) weights in inverse proportion to the classes' counts; their mean over the records is 1."""
    counts = torch.bincount(torch.tensor(data.targets), minlength=len(data.labels)).float()
    return torch.where(counts > 0, counts.sum() / ((counts > 0).sum() * counts.clamp(min=1)), 0.0)
