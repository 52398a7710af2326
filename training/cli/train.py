"""`docgraph train`: a classifier from a data set alone, a configuration or a recipe."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from training.cli.options import (
    ConfigData,
    ConfigFile,
    ConfigFormat,
    Image,
    Label,
    Pages,
    Quiet,
    Recipe,
    Settings,
    Text,
    column_options,
    config_of,
    need,
    page_options,
    progress_console,
)

if TYPE_CHECKING:
    from rich.console import Console

    from training.config import TrainingConfig

MINUTES: Final = 10
"""For all of it, where neither a recipe nor a time is given."""
EXAMPLES: Final = """\
  docgraph train --data sample_data/news --output runs/news
  docgraph train --data reviews.csv --text review --label stars --output runs/reviews --minutes 10
  docgraph train --recipe news-scratch --data sample_data/news --output runs/news
  docgraph train --data nodes.csv --output runs/nodes
  docgraph train config.yaml --set epochs=3 --set model.hidden_size=64
  docgraph recipes pages-scratch > mine.yaml; docgraph train mine.yaml --data labelled.csv --output runs/mine
"""


def run(
    config: ConfigFile = None,
    recipe: Recipe = None,
    data: ConfigData = None,
    output: Annotated[str | None, typer.Option(help="Run folder; a run that was cut off goes on.")] = None,
    format: ConfigFormat = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    text: Text = None,
    image: Image = None,
    label: Label = None,
    pages: Pages = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1, help=f"Time for all of it; what does not fit is cut, and named. {MINUTES} without a recipe."
        ),
    ] = None,
    set: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier; the same command resumes a run.

    What to train comes from a recipe, or without one from a look at the data; from a configuration over it, and from
    options and settings over both.
    """
    start = time.monotonic()
    columns = {**column_options(text, image, label), **page_options(pages)}
    need("train", "torch", "accelerate", "torchmetrics", "scipy")
    from training.config import parse_setting

    console = progress_console(quiet)
    under = None
    if config is None and recipe is None and data is not None:
        minutes = MINUTES if minutes is None else minutes
        asked = dict(map(parse_setting, set or [])).get("problem_type", "auto")
        under = _chosen(data, output, format, columns, minutes, console, asked)
    chosen = config_of(config, recipe, set, under, data=data, output=output, format=format, seed=seed)
    chosen = chosen.with_values({"data_options": {**chosen.data_options, **columns}})
    from training.fit import fit
    from training.learning.budget import TimeBudget

    budget = None if minutes is None else TimeBudget(minutes, start)
    trained = fit(chosen, console, budget=budget)
    if budget is not None and budget.cut:
        console.print(f"cut: {budget.cut}", highlight=False, soft_wrap=True)
    best = trained.scores.get("best")
    if best:
        shown = [name for name in best if name not in ("dev_loss", "dev_log_loss")]
        print(", ".join(f"{name.replace('_', ' ')} {best[name]:.4f}" for name in shown))
    print(f"model in {trained.folder}")


def _chosen(
    data: str,
    output: str | None,
    format: str | None,
    columns: dict[str, Any],
    minutes: float,
    console: "Console",
    problem_type: str,
) -> "TrainingConfig":
    """Return the configuration of the run in the output folder, or choose one by looking at the data, and say which."""
    from training.choose import Machine, choose
    from training.datasets.describe import describe
    from training.datasets.load import format_of, load, options_of
    from training.recipes import recipe
    from training.run_folder import RunFolder

    held = RunFolder(output).config if output is not None else None
    if held is not None and Path(held.data).resolve() == Path(data).resolve():
        console.print(f"the run in {output} goes on as it was begun", highlight=False, soft_wrap=True)
        return held
    name = format_of(data, format or "auto", columns)
    options: dict[str, Any] = {"check_images": False} | (
        {} if problem_type == "auto" else {"problem_type": problem_type}
    )
    options = {option: value for option, value in options.items() if option in options_of(data, name)}
    choice = choose(describe(load(data, name, **columns, **options), data, name, 0), Machine.here(), minutes, columns)
    for line in choice.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return recipe(choice.recipe).with_values(choice.settings)
