"""transformers' Trainer for documents: planned batches, a loss that counts documents, an evaluation of our own.

What differs from the Trainer, and why:

* batches come from `PlannedBatches`, unprepared by accelerate, which would shard them a second time;
* the loss of an optimiser step is the mean over its documents, however many batches and processes they came in;
* evaluation gathers one row of logits a document, so batches may differ in size from process to process;
* weights that are spread over processes (`shard`) are gathered before they are written, and spread on CPUs too;
* epochs are scored by the transformer alone, without the regression that may stand beside it, unless it learns what
  the linear parts leave over (`stack`): then they are scored by the sum;
* the best weights on the dev split are kept as they come; checkpoints are for resuming only.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import training.installed

import torch
import torch.distributed as dist
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from encoders.classifier import DocumentForClassification
from encoders.sharding import layers_to_shard
from training.config import TrainingConfig
from training.datasets.problem_types import MULTI, REGRESSION, SINGLE
from training.learning.batches import BatchLoader, Collator, EncodedDataset, PlannedBatches, make_loader
from training.learning.checkpoints import KeepBest, MarkComplete
from training.learning.targets import Targets, losses
from training.run_folder import RunFolder

WHOLE: Final = StateDictOptions(full_state_dict=True, cpu_offload=True)


class DocumentTrainer(Trainer):
    """Trains a `DocumentForClassification` on encoded documents."""

    def __init__(
        self,
        model: DocumentForClassification,
        config: TrainingConfig,
        folder: RunFolder,
        train: EncodedDataset,
        dev: EncodedDataset | None,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self.config = config
        self.documents = model
        self.train_data, self.dev_data = train, dev
        self.processor = model.needs_processor(None)
        metric = config.metric if train.problem_type == SINGLE else "loss"
        super().__init__(
            model=model,
            args=_arguments(config, folder.checkpoints, model, has_dev=dev is not None),
            train_dataset=train,
            eval_dataset=dev,
            data_collator=Collator(self.processor),
            callbacks=[KeepBest(folder.best, metric, config.patience, self.write_model), MarkComplete(), *callbacks],
        )
        self.remove_callback(PrinterCallback)
        self.args.logging_steps = min(10, -(-len(self.get_train_dataloader()) // config.accumulate))
        self.loss_is_scaled_for_ga = True
        self.model_accepts_loss_kwargs = True  # makes the Trainer count the documents of a step
        self.class_weights = _class_weights(train) if config.class_weights == "balanced" else None

    def create_accelerator_and_postprocess(self) -> None:
        """Also spread weights over CPU processes, which accelerate does for GPUs only:
        the same code, so it is tested.
        """
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
        plan = self._plan(self.train_data, self.config.batch_documents, self.config.seed)
        return make_loader(self.train_data, plan, self.processor, self.config.workers)

    def _plan(self, data: EncodedDataset, documents: int, seed: int | None) -> PlannedBatches:
        return PlannedBatches(
            data.sizes,
            batch_documents=documents,
            batch_leaves=self.config.batch_leaves,
            seed=seed,
            rank=self.args.process_index,
            world=self.args.world_size,
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the batch's loss as its part of the step's mean over documents."""
        labels = inputs["labels"].to(self.args.device)
        output = model(batch=inputs["batch"].to(self.args.device))
        base = inputs.get("base")
        total = losses(
            self.train_data.problem_type,
            output.logits.float() + (0 if base is None else base.to(labels.device)),
            self._in_units(labels),
            class_weight=None if self.class_weights is None else self.class_weights.to(labels.device),
            label_smoothing=self.documents.config.label_smoothing,
        ).sum()
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
        """Score a split; logs and returns loss, accuracy and macro-F1, of other targets their score, under
        `<prefix>_<name>`.

        With the prefix "eval", while it learns, the transformer alone is scored: the regression beside it, if there is
        one, is the same after every epoch, and would only hide which epoch left the best transformer. A transformer
        that learns what linear parts leave over says little alone: there the sum is scored.
        """
        data = eval_dataset if isinstance(eval_dataset, EncodedDataset) else self.dev_data
        assert data is not None, "evaluation is switched off where there is no dev split"
        parts, target = self.logit_parts_of(data)
        alone = metric_key_prefix == "eval" and not self.config.stack
        logits = parts[0] if alone else parts.sum(0)
        scores = {"loss": float(losses(data.problem_type, logits, target).mean())}
        if data.problem_type == SINGLE:
            accuracy = multiclass_accuracy(logits, target, num_classes=logits.shape[1], average="micro")
            f1 = multiclass_f1_score(logits, target, num_classes=logits.shape[1], average="macro")
            scores |= {"accuracy": float(accuracy), "macro_f1": float(f1)}
        else:
            name = "average_precision" if data.problem_type == MULTI else "r2"
            scores[name] = Targets(data.problem_type, target.numpy(), logits.shape[1]).score(logits)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def logit_parts_of(self, data: EncodedDataset) -> tuple[Tensor, Tensor]:
        """Return the logits of the model's parts (P, N, C) and the targets (N,) or (N, C) of a split, in its order.

        Values are in the model's unit; all is on the CPU. Processes share the work.
        """
        plan = self._plan(data, max(self.config.batch_documents, 64), None)
        model: Any = self.model_wrapped if dist.is_initialized() else self.documents
        was_training = model.training
        model.eval()
        collate, pieces = Collator(self.processor), []
        for rows in plan:
            batch = collate([data[row] for row in rows])["batch"]
            with self.compute_loss_context_manager():
                parts = model(batch=batch.to(self.args.device)).logit_parts
            pieces.append((rows, parts.float().cpu()))
        model.train(was_training)
        if dist.is_initialized():
            everyone: list[Any] = [None] * self.args.world_size
            dist.all_gather_object(everyone, pieces)
            pieces = [piece for some in everyone for piece in some]
        order = torch.tensor([row for rows, _ in pieces for row in rows])
        parts = torch.cat([piece for _, piece in pieces], 1)
        return parts[:, torch.argsort(order)], self._in_units(torch.tensor(data.targets))

    def _in_units(self, target: Tensor) -> Tensor:
        """Return targets as the model learns them: values less their mean, in standard deviations."""
        if self.train_data.problem_type != REGRESSION:
            return target
        return (target.float() - self.documents.config.value_mean) / self.documents.config.value_scale


def _class_weights(data: EncodedDataset) -> Tensor:
    """(C,) weights in inverse proportion to the classes' counts; their mean over the records is 1."""
    counts = torch.bincount(torch.tensor(data.targets), minlength=len(data.labels)).float()
    return torch.where(counts > 0, counts.sum() / ((counts > 0).sum() * counts.clamp(min=1)), 0.0)


def _arguments(
    config: TrainingConfig, checkpoints: Path, model: DocumentForClassification, *, has_dev: bool
) -> TrainingArguments:
    steps = config.checkpoint_steps
    shard = config.shard and int(os.environ.get("WORLD_SIZE", "1")) > 1
    layers = layers_to_shard(model)
    return TrainingArguments(
        output_dir=str(checkpoints),
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
