"""`docgraph adapt`: a text encoder that knows the reader's own pages, without labels."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import Image, Paths, Quiet, Text, column_options, need, progress_console

EXAMPLES: Final = """\
  docgraph adapt pages/ --output models/mine
  docgraph adapt pages/ --output models/mine --minutes 10 --matryoshka
  docgraph adapt pages/ --output models/mine --model models/my-encoder
"""


def run(
    paths: Paths,
    output: Annotated[Path, typer.Option(help="Folder of the adapted encoder; a job that was cut off goes on.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="A text encoder to start from; MiniLM if not given.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Time for all of it; what does not fit is cut, and named.")
    ] = 30.0,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each pair is learned, at most.")] = 3,
    batch: Annotated[int, typer.Option(min=2, help="Pairs that are each other's wrong answers.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Highest step size.")] = 5e-5,
    matryoshka: Annotated[
        bool, typer.Option("--matryoshka", help="The first half, quarter, eighth of a vector shall do as well.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Keep what was learned also where the gain is not sure.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    text: Text = None,
    image: Image = None,
    quiet: Quiet = False,
) -> None:
    """Adapt a text encoder to pages by their own structure: headings and sections, captions, links, first sentences.

    Some pages are held out; where these are not found better, the folder holds the start, and the command says so.
    """
    begun = time.monotonic()
    need("embed", "sentence_transformers")
    need("train", "accelerate", "torch")
    from training.adapt.run import adapt
    from training.adapt.trainer import AdaptSettings
    from training.inputs import find_inputs

    console = progress_console(quiet)
    settings = AdaptSettings(epochs=epochs, batch=batch, learning_rate=learning_rate, seed=seed, matryoshka=matryoshka)
    done = adapt(
        find_inputs(paths, **column_options(text, image, None)),
        output,
        model,
        settings,
        minutes=minutes,
        begun=begun,
        anyway=anyway,
        console=console,
    )
    result = done.result
    if result["cut"]:
        console.print(f"cut: {result['cut']}", highlight=False, soft_wrap=True)
    gain = result["gain"]
    print(
        f"held-out pages: nDCG@10 {gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f}) "
        f"beside {result['start']}"
    )
    print(
        f"adapted model in {output}"
        if result["kept"] == "adapted"
        else f"that is no sure gain: {output} holds {result['start']} as it was; --anyway keeps what was learned"
    )
    raise typer.Exit(done.errors.exit_code(result["documents"]))
