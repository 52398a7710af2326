"""`docgraph embed`: vectors of documents and of their nodes, in a parquet file."""

from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import ModelFolder, Paths, Quiet, need, progress_console

EXAMPLES: Final = """\
  docgraph embed runs/news sample_data/pages --output vectors.parquet
  docgraph embed runs/news pages/ --output vectors.parquet --level document --level section
"""


def run(
    folder: ModelFolder,
    paths: Paths,
    output: Annotated[Path, typer.Option(help="Parquet file to write; a job that was cut off goes on.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="document, a kind of node (section, paragraph, image, ...), node or leaf; may be repeated."),
    ] = None,
    normalize: Annotated[bool, typer.Option(help="Scale vectors to length 1.")] = True,
    quiet: Quiet = False,
) -> None:
    """Write vectors of documents and nodes to a file."""
    need("train", "torch", "torchmetrics")
    need("parquet", "pyarrow")
    from training.embed import embed
    from training.inputs import find_inputs
    from training.run_folder import RunFolder

    rows, errors = embed(
        RunFolder(folder).model(),
        find_inputs(paths),
        output,
        levels=level or ["document"],
        normalize=normalize,
        console=progress_console(quiet),
    )
    print(f"{rows} vectors in {output}")
    raise typer.Exit(errors.exit_code(rows))
