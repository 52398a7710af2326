"""`docgraph demo`: the main job on the sample documents, start to finish."""

from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import need

EXAMPLES: Final = """\
  docgraph demo
  docgraph demo --output /tmp/demo --recipe news-minilm
"""


def run(
    output: Annotated[Path, typer.Option(help="Folder for everything it writes.")] = Path("demo_output"),
    data: Annotated[Path | None, typer.Option(help="The sample documents.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    recipe: Annotated[str, typer.Option(help="news-scratch, or news-minilm: some minutes longer.")] = "news-scratch",
) -> None:
    """Do all of it on the sample documents: some minutes.

    Parse, train, evaluate, predict, embed and search, on two cores and without a network.
    """
    need("train", "torch", "accelerate", "torchmetrics", "scipy", "sklearn", "matplotlib")
    need("parquet", "pyarrow")
    from training.jobs.demo import demo

    demo(output, data, seed, recipe)
