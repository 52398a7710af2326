"""`docgraph compare`: one configuration with several kinds of attention and seeds, in one table."""

from typing import Annotated, Final

import typer

from training.cli.options import (
    Baselines,
    ConfigData,
    ConfigFile,
    ConfigFormat,
    Quiet,
    Recipe,
    Settings,
    Split,
    config_of,
    need,
    progress_console,
)

EXAMPLES: Final = """\
  docgraph compare --recipe news-scratch-deep --data sample_data/news --output runs/kinds --seeds 3
  docgraph compare config.yaml --attention hsa,flat --minutes 30
  docgraph compare config.yaml --attention hsa-paper,hsa-block,permuted-block,flat
  docgraph compare config.yaml --attention hsa,flat,hdt,permuted-hdt,hat,local,late
"""


def run(
    config: ConfigFile = None,
    recipe: Recipe = None,
    data: ConfigData = None,
    output: Annotated[str | None, typer.Option(help="Folder of runs and table; finished runs are kept.")] = None,
    format: ConfigFormat = None,
    attention: Annotated[
        str,
        typer.Option(help="Kinds of attention, with commas between; hsa-block for one form, hdt for another paper's."),
    ] = "hsa,flat,none,permuted",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each kind, from seeds 0, 1, ...")] = 1,
    split: Split = "test",
    baseline: Baselines = True,
    minutes: Annotated[
        float | None, typer.Option(help="Start no further run after so long; the same command goes on.")
    ] = None,
    set: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Train with several kinds of attention, in one table.

    The table says which differences are significant. The same command goes on where it was stopped.
    """
    chosen = config_of(config, recipe, set, data=data, output=output, format=format)
    need("train", "torch", "accelerate", "torchmetrics", "scipy", "sklearn", "matplotlib")
    from training.compare.report import to_markdown
    from training.compare.run import compare

    comparison = compare(
        chosen,
        attention=[kind.strip() for kind in attention.split(",") if kind.strip()],
        seeds=seeds,
        split=split,
        with_baseline=baseline,
        minutes=minutes,
        console=progress_console(quiet),
    )
    print(to_markdown(comparison))
