"""`docgraph predict`: classes of documents with their probabilities."""

from pathlib import Path
from typing import Annotated, Final

import typer

from docgraph.errors import DataError
from training.cli.options import Image, ModelFolder, Paths, Text, column_options, keep_inputs, need

EXAMPLES: Final = """\
  docgraph predict runs/news sample_data/pages
  docgraph predict runs/news page.html --top 5
  docgraph predict runs/news pages/ --output classes.jsonl
  docgraph predict runs/nodes pages/ --output labelled.csv
  docgraph predict runs/reviews new.csv --text review --output classes.jsonl --evidence 3
"""


def run(
    folder: ModelFolder,
    paths: Paths,
    output: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines file to write instead of stdout; of a model for nodes also .csv, as `nodes` has."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    text: Text = None,
    image: Image = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to print.")] = 3,
    evidence: Annotated[
        int, typer.Option(min=0, help="Parts of each document to name that count most; each document is read 64 times.")
    ] = 0,
) -> None:
    """Print classes of documents with their probabilities, in the order of the input.

    Of a model for nodes of pages each of these gets a line, in document order. Of a model for several labels those
    that it gives are marked with a star; a regression gives a number. Tables are read by the columns that the model was
    trained on, unless others are named.
    """
    need("train", "torch", "torchmetrics")
    from training.datasets.nodes import page_name, write_nodes
    from training.evaluate import predict_inputs
    from training.inputs import ERRORS, SetAside, find_inputs
    from training.run_folder import RunFolder

    keep_inputs(output, paths)
    trained = RunFolder(folder)
    model = trained.model()
    errors = SetAside((output.parent if output else Path()) / ERRORS)
    lines, rows = [], []
    as_table = output is not None and output.suffix == ".csv"
    if as_table and not model.config.node_kinds:
        raise DataError(f"a .csv must be asked of a model for nodes, but {folder} is for documents: write .jsonl.")
    inputs = find_inputs(paths, trained.column_options(), **column_options(text, image, None))
    for prediction in predict_inputs(model, inputs, errors, evidence=evidence):
        if as_table and output is not None:
            page = prediction.id.rpartition("#")[0]
            rows.append(prediction.row(page_name(page, output.parent)))
        if output is not None or as_json:
            lines.append(prediction.to_json())
        else:
            lines.append(prediction.line(top))
        if output is None:
            print(lines[-1])
    if as_table and output is not None:
        write_nodes(output, rows)
    elif output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    errors.write()
    raise typer.Exit(errors.exit_code(len(lines)))
