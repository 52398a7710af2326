"""Where the time of a training step goes: a clock among the callbacks of `training.fit`, with hooks on the model.

Each event charges the time since the one before to a part, so parts exclude each other and add up to the epoch.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from torch import nn
from transformers import TrainerCallback

from encoders.layer import HierarchicalAttention
from encoders.leaves.image import ImageLeaves
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.leaves.scratch_text import ScratchTextLeaves
from training.config import TrainingConfig, make_config
from training.datasets import load
from training.fit import fit
from training.recipes import recipe

TOKENS: Final[dict[str, Any]] = {
    "text_leaves": "token",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_encoder": None,
}
ARITHMETIC: Final = ("leaf encoders", "model", "attention", "the way back", "optimiser")
LOOP: Final = "the Trainer's loop"
MODULES: Final = {
    HierarchicalAttention: "attention", ScratchTextLeaves: "leaf encoders", PretrainedTextLeaves: "leaf encoders",
    ImageLeaves: "leaf encoders",
}  # fmt: skip
"""Modules within the model that are parts of their own."""


class StepClock(TrainerCallback):
    """Seconds by part, a record an epoch, from first batch to last step; evaluation and checkpoints lie outside."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._parts: dict[str, float] | None = None
        self._last = 0.0
        self._hooks: list[Any] = []

    def charge(self, part: str) -> None:
        """Add the time since the last call to a part, while an epoch is on."""
        now = time.perf_counter()
        if self._parts is not None:
            self._parts[part] = self._parts.get(part, 0.0) + now - self._last
        self._last = now

    def on_train_begin(self, args: Any, state: Any, control: Any, model: nn.Module, **_: Any) -> None:
        """Hang the clock into the model: at the bounds of its parts, and where a gradient arrives."""
        for module in model.modules():
            inside = MODULES.get(type(module))
            if module is not model and inside is None:
                continue
            before, after = ("model", inside) if inside else (LOOP, "model")
            self._hooks += [
                module.register_forward_pre_hook(lambda *_, part=before: self.charge(part)),
                module.register_forward_hook(lambda *_, part=after: self.charge(part)),
            ]
        self._hooks.append(model.register_forward_hook(self._await_gradient))
        for weight in model.parameters():
            if weight.requires_grad:
                self._hooks.append(weight.register_post_accumulate_grad_hook(lambda _: self.charge("the way back")))

    def _await_gradient(self, model: nn.Module, inputs: Any, output: Any) -> None:
        """Count as the loss what lies between the logits and their gradient."""
        if output.logits.requires_grad:
            output.logits.register_hook(lambda _: self.charge("loss"))

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._parts, self._last = {}, time.perf_counter()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Count what fetching the batch took: reading images, trees, layout."""
        self.charge("batches")

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Count what lies behind the last weight's gradient."""
        self.charge("clipping")

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self.charge("optimiser")

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.charge(LOOP)

    def on_log(self, *_: Any, **__: Any) -> None:
        self.charge("logging")

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.charge(LOOP)
        if self._parts is not None:
            self.epochs.append(self._parts)
        self._parts = None

    def on_train_end(self, *_: Any, **__: Any) -> None:
        for hook in self._hooks:
            hook.remove()


def some_reviews(data: Path, count: int, folder: Path) -> Path:
    """Write `count` reviews as JSON lines, drawn at random with a fixed seed; return the file."""
    records = load(data / "text" / "imdb_train.jsonl.gz")["train"]
    order = np.random.default_rng(0).permutation(len(records))[:count]
    lines = []
    for place in sorted(order.tolist()):
        one = records[place]
        lines.append({"id": one.id, "label": one.label, "text": one.origin.text(), "split": "train"})
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "reviews.jsonl"
    target.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return target


def step_settings(data: Path, count: int, folder: Path) -> dict[str, TrainingConfig]:
    """Name -> a run of two epochs."""
    reviews = some_reviews(data, count, folder)
    few = some_reviews(data, 160, folder / "few")
    trained = {"model.image_encoder": "test_vit", "model.freeze_image_encoder": False}
    news = {"data": str(data / "html_images" / "openstax"), **trained}
    token = {"batch_documents": 16, "learning_rate": 1e-3, "vocab_size": 8_000, "model": TOKENS}
    runs = {
        "reviews-imdb: sentences, scratch": recipe("reviews-imdb-deep").with_values(
            {"data": str(reviews), "format": "table"}
        ),
        "news-scratch: sentences and a trained ViT": recipe("news-scratch-deep").with_values(news),
        "news-minilm: frozen MiniLM and a trained ViT": recipe("news-minilm").with_values(news),
        "tokens: 4 layers, width 256": make_config(token | {"data": str(few)}),
    }
    return {
        name: config.with_values({"epochs": 2, "output": str(folder / str(place)), "calibrate": False})
        for place, (name, config) in enumerate(runs.items())
    }


def measure_steps(data: Path, only: str | None, reviews: int) -> dict[str, Any]:
    """Return seconds by part for every setting, first epoch and second apart."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in step_settings(data, reviews, Path(folder)).items():
            if only is not None and not name.startswith(only):
                continue
            clock = StepClock()
            run = fit(config, Console(quiet=True), callbacks=[clock])
            steps = sum(1 for entry in run.scores["history"] if "loss" in entry)
            found[name] = {"epochs": clock.epochs, "logged": steps, "records": run.scores["records"]["train"]}
            print(name, f"{overhead(clock.epochs[-1]):.1%} overhead", flush=True)
    return found


def overhead(parts: dict[str, float]) -> float:
    """Return the share of an epoch that is no arithmetic of the model."""
    return 1 - sum(parts.get(name, 0.0) for name in ARITHMETIC) / sum(parts.values())
