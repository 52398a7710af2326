"""Tokens a second of training, beside a `BertForSequenceClassification` of equal size on padded batches."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback

from benchmarks.training.steps import TOKENS, some_reviews
from training.config import make_config
from training.fit import fit


class Speed(TrainerCallback):
    """Tokens a second over all steps but the first, which warms up.

    Args:
        count: tokens of what the model is called with, padding not counted.
    """

    def __init__(self, count: Callable[[dict[str, Any]], int]) -> None:
        self.count = count
        self.tokens: list[int] = []
        self.start = self.seconds = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: nn.Module, **_: Any) -> None:
        """Count the tokens of each batch that is trained on."""

        def before(module: nn.Module, _: Any, inputs: dict[str, Any]) -> None:
            if module.training:
                self.tokens.append(self.count(inputs))

        self.hook = model.register_forward_pre_hook(before, with_kwargs=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - self.start

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.hook.remove()

    @property
    def tokens_per_second(self) -> float:
        """Of the steps so far."""
        return sum(self.tokens[1:]) / self.seconds


def _pad(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    rows = [torch.tensor(item["input_ids"]) for item in items]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": torch.tensor([item["labels"] for item in items]),
    }


def padded_speed(ids: list[list[int]], labels: list[int], words: int, batch: int) -> tuple[float, int]:
    """Train one epoch of the plain padded transformer; return tokens a second and the number of its weights."""
    set_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=words,
            hidden_size=TOKENS["hidden_size"],
            num_hidden_layers=TOKENS["num_hidden_layers"],
            num_attention_heads=TOKENS["num_attention_heads"],
            intermediate_size=TOKENS["intermediate_size"],
            max_position_embeddings=max(map(len, ids)),
            attention_probs_dropout_prob=0.0,  # docgraph has none, and SDPA is slow with it
            num_labels=2,
        )
    )
    speed = Speed(lambda inputs: int(inputs["attention_mask"].sum()))
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            learning_rate=1e-3,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        rows: Any = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]
        trainer = Trainer(model=model, args=args, train_dataset=rows, data_collator=_pad, callbacks=[speed])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return speed.tokens_per_second, model.num_parameters()


def measure_padded(data: Path, reviews: int, batch: int) -> dict[str, Any]:
    """Return tokens a second of both, on whole reviews and on their first sub-words."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = some_reviews(data, reviews, Path(folder))
        for limit in (None, 512, 128):
            values = {
                "data": str(file), "output": f"{folder}/{limit}", "epochs": 1, "batch_documents": batch,
                "learning_rate": 1e-3, "vocab_size": 8_000, "max_tokens": limit, "calibrate": False, "model": TOKENS,
            }  # fmt: skip
            speed = Speed(lambda inputs: len(inputs["batch"].text.token_id))
            run = fit(make_config(values), Console(quiet=True), callbacks=[speed])
            processor = run.model.needs_processor(None)
            records = run.corpus["train"]
            ids = [processor.encode(record.document()).token_id.tolist() for record in records]
            labels = [int(record.label == records[0].label) for record in records]
            theirs, weights = padded_speed(ids, labels, processor.vocab_size, batch)
            rows.append(
                {
                    "limit": limit,
                    "tokens": sum(map(len, ids)),
                    "longest": max(map(len, ids)),
                    "tokens_per_second": {"docgraph": speed.tokens_per_second, "padded": theirs},
                    "weights": {"docgraph": run.model.num_parameters(), "padded": weights},
                }
            )
            print(limit, rows[-1]["tokens_per_second"], flush=True)
    return {"reviews": reviews, "batch": batch, "rows": rows}
