"""`docgraph predict`: classes of documents with their probabilities."""

from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import Image, ModelFolder, Paths, Text, column_options, need

EXAMPLES: Final = """\
  docgraph predict runs/news sample_data/pages
  docgraph predict runs/news page.html --top 5
  docgraph predict runs/news pages/ --output classes.jsonl
  docgraph predict runs/reviews new.csv --text review --output classes.jsonl --evidence 3
"""


def run(
    folder: ModelFolder,
    paths: Paths,
    output: Annotated[Path | None, typer.Option(help="JSON lines file to write instead of stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    text: Text = None,
    image: Image = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to print.")] = 3,
    evidence: Annotated[
        int, typer.Option(min=0, help="Parts of each document to name that count most; each document is read 64 times.")
    ] = 0,
) -> None:
    """Print classes of documents with their probabilities, in the order of the input.

    Of a model for several labels those that it gives are marked with a star; a regression gives a number. Tables are
    read by the columns that the model was trained on, unless others are named.
    """
    need("train", "torch", "torchmetrics")
    from training.evaluate import predict_inputs
    from training.inputs import ERRORS, SetAside, find_inputs
    from training.run_folder import RunFolder

    trained = RunFolder(folder)
    model = trained.model()
    columns = {**trained.column_options(), **column_options(text, image, None)}
    errors = SetAside((output.parent if output else Path()) / ERRORS)
    lines = []
    for prediction in predict_inputs(model, find_inputs(paths, **columns), errors, evidence=evidence):
        if output is not None or as_json:
            lines.append(prediction.to_json())
        else:
            lines.append(prediction.line(top))
        if output is None:
            print(lines[-1])
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    errors.write()
    raise typer.Exit(errors.exit_code(len(lines)))
