"""What a run keeps on disk while it trains: the best weights so far,
and checkpoints that say when they are complete.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import training.installed

import torch.distributed as dist
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

COMPLETE: Final = "complete"
"""A file in every checkpoint that was written to its end."""


class KeepBest(TrainerCallback):
    """Writes the model whenever the dev split says it is the best so far; stops when it has not been for long.

    Args:
        metric: "loss", or what an evaluation calls `eval_<metric>`, of which more is better.
        patience: evaluations without a better one; None to go on.
    """

    def __init__(self, folder: Path, metric: str, patience: int | None, write_model: Callable[[Path], None]) -> None:
        self.folder = folder
        self.metric = metric
        self.patience = patience
        self.write_model = write_model

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Compare with all earlier evaluations, which the Trainer's state keeps through a resume."""
        if "eval_loss" not in kwargs["metrics"]:  # the result, scored once more when all is done
            return
        ranks = [_rank(entry, self.metric) for entry in state.log_history if "eval_loss" in entry]
        best = max(range(len(ranks)), key=lambda epoch: (ranks[epoch], -epoch))
        if best == len(ranks) - 1:
            beside = self.folder.with_name(f"{self.folder.name}.new")
            if args.should_save:
                shutil.rmtree(beside, ignore_errors=True)
            self.write_model(beside)
            if args.should_save:
                shutil.rmtree(self.folder, ignore_errors=True)
                beside.rename(self.folder)
        if self.patience is not None and len(ranks) - 1 - best >= self.patience:
            control.should_training_stop = True


class SaveOften(TrainerCallback):
    """Asks for a checkpoint where the last one is long ago, however few the steps since."""

    seconds: Final = 120

    def __init__(self) -> None:
        self.last = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask."""
        control.should_save |= time.monotonic() - self.last > self.seconds

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count anew."""
        self.last = time.monotonic()


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
    complete: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if (path / COMPLETE).is_file():
            complete[int(path.name.rsplit("-", 1)[1])] = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return complete[max(complete)] if complete else None


def _rank(entry: dict[str, float], metric: str) -> tuple[float, float]:
    loss = -entry["eval_loss"]
    return (loss, loss) if metric == "loss" else (entry[f"eval_{metric}"], loss)
