"""`docgraph train`: a classifier from a configuration or a recipe."""

from typing import Annotated, Final

import typer

from training.cli.options import (
    ConfigData,
    ConfigFile,
    ConfigFormat,
    Quiet,
    Recipe,
    Settings,
    config_of,
    need,
    progress_console,
)

EXAMPLES: Final = """\
  docgraph train --recipe news-scratch --data sample_data/news --output runs/news
  docgraph train --recipe reviews-scratch --data reviews.csv --text review --label stars --output runs/reviews
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
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that holds the text.")] = None,
    image: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that names the image.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that holds the label.")] = None,
    set: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier; the same command resumes a run.

    What to train comes from a recipe, from a configuration over it, and from options and settings over both.
    """
    chosen = config_of(config, recipe, set, data=data, output=output, format=format, seed=seed)
    columns = {field: column for field, column in (("body", text), ("image", image)) if column}
    given = {**({"fields": columns} if columns else {}), **({"label": label} if label else {})}
    chosen = chosen.with_values({"data_options": {**chosen.data_options, **given}})
    need("train", "torch", "accelerate", "torchmetrics", "scipy")
    from training.fit import fit

    trained = fit(chosen, progress_console(quiet))
    best = trained.scores.get("best")
    if best:
        print(f"dev accuracy {best['dev_accuracy']:.4f}, macro-F1 {best['dev_macro_f1']:.4f}")
    print(f"model in {trained.folder}")
