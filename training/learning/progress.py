"""Progress of a training run: a bar with loss and time left on a terminal, a line an epoch everywhere."""

import time
from typing import Any, Final

import training.installed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

SHOWN: Final = ("loss", "accuracy", "ndcg")
"""Scores of an evaluation that are printed, where it has them."""


class ShowProgress(TrainerCallback):
    """Shows a bar over all steps, and prints a line at each evaluation."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.loss: float | None = None
        self.start = time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the bar, where resuming has it."""
        if not state.is_world_process_zero:
            return
        columns = (
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.bar.add_task("", total=state.max_steps, completed=state.global_step, loss="")
        self.bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Note the loss; say how the dev split fares."""
        if self.bar is None or logs is None:
            return
        if "loss" in logs:
            self.loss = logs["loss"]
            self.bar.update(self.bar.task_ids[0], loss=f"loss {self.loss:.3f}")
        if "eval_loss" in logs:
            dev = "".join(f"   dev {name} {logs[f'eval_{name}']:.3f}" for name in SHOWN if f"eval_{name}" in logs)
            loss = "" if self.loss is None else f"   loss {self.loss:.3f}"  # dev may be looked at before it is known
            self.console.print(
                f"  epoch {state.epoch or 0:5.1f}{loss}{dev}   {time.monotonic() - self.start:.0f} s", highlight=False
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take the bar away."""
        self.stop()

    def stop(self) -> None:
        """Take the bar away, also after an error."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
