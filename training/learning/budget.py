"""Train within a time: fewer steps where the whole would take too long, and a schedule that ends with them.

    TimeBudget(minutes, start) ── Trainer callback ──> plan after some steps, again at each evaluation ──> stop in time

The rate at which steps go decides how many fit into what is left; the learning-rate schedule is drawn together to end
with the last of them, as if so many had been meant from the start. What was cut is said in `cut`.
"""

import time
from typing import Any, Final

import training.installed

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

WARM: Final = 5
"""Steps before the first plan: the first ones are slower."""
RESERVE: Final = 0.08
"""Share of the budget for writing the model and its card."""
MOST_RESERVE: Final = 90
"""Seconds of that, at most: an hour's model is no larger than a minute's."""


class TimeBudget(TrainerCallback):
    """Ends a training in time."""

    def __init__(self, minutes: float, start: float | None = None) -> None:
        """Begin to count.

        Args:
            start: when the command began, by `time.monotonic`; None for now.
        """
        self.start = time.monotonic() if start is None else start
        self.seconds = minutes * 60
        self.reserved = 0.0
        """Seconds for what comes at the end."""
        self.meant = 0
        self.done = 0
        self._by_time = False
        self._whole: list[Any] | None = None
        """The lambdas of the schedule as it was made: on the schedule itself they would be saved with its state."""
        self._marks: list[tuple[int, float]] = []
        self._scoring = 0.0
        self._stopped = self.start

    @property
    def left(self) -> float:
        """Seconds that may be spent from now on."""
        reserve = min(RESERVE * self.seconds, MOST_RESERVE) + self.reserved
        return self.start + self.seconds - reserve - time.monotonic()

    @property
    def cut(self) -> str | None:
        """What was cut for want of time, as a sentence; None if nothing."""
        if not self._by_time or self.done >= self.meant:
            return None
        share = self.done / self.meant
        return f"{self.seconds / 60:g} min were allowed: {self.done:,} of {self.meant:,} steps done ({share:.0%})"

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Note how many steps are meant."""
        self.meant = state.max_steps
        self._whole, self._by_time = None, False
        self._marks = [(state.global_step, time.monotonic())]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Plan anew from time to time; stop where the time is up."""
        now = time.monotonic()
        first, since = self._marks[0]
        steps = state.global_step - first
        if steps >= WARM:
            left = self.left - 3 * self._scoring
            fit = state.global_step + max(0, int(left / ((now - since) / steps)))
            if (plan := max(state.global_step, min(self.meant, fit))) != state.max_steps:
                state.max_steps = plan
                self._draw_together(kwargs.get("lr_scheduler"), state.max_steps)
        if self.left < 0 or state.global_step >= state.max_steps:
            control.should_training_stop = True
            self._by_time = True
        self.done = state.global_step
        self._stopped = now

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Note how long scoring takes, and count steps anew: the first pass fills what later ones find ready."""
        now = time.monotonic()
        self._scoring = now - self._stopped
        self._marks = [(state.global_step, now)]

    def _draw_together(self, scheduler: Any, steps: int) -> None:
        """Let a schedule that was made for all the steps meant end after `steps`."""
        scheduler = getattr(scheduler, "scheduler", scheduler)
        if scheduler is None or not hasattr(scheduler, "lr_lambdas"):
            return
        if self._whole is None:
            self._whole = scheduler.lr_lambdas
        stretch = self.meant / max(steps, 1)
        scheduler.lr_lambdas = [lambda step, one=one: one(step * stretch) for one in self._whole]
