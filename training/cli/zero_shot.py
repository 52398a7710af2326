"""`docgraph zero-shot`: HSA inside a pre-trained model, without training, and what it costs."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from training.cli.options import Quiet, need, progress_console

EXAMPLES: Final = """\
  docgraph zero-shot MODEL --data reviews.jsonl --layers 6,8,10
  docgraph zero-shot MODEL --data reviews.jsonl --keep 0.5 --save converted
  docgraph zero-shot MODEL --data reviews.jsonl --sweep --limit 500 --output sweep.json
"""


def run(
    model: Annotated[str, typer.Argument(help="Folder or hub name of a transformers text model.")],
    data: Annotated[list[Path], typer.Option(help="Labelled data set; may be repeated.")],
    layers: Annotated[
        str | None, typer.Option(help="0-based, such as 6,8,10 or 3-5; every second of the later half.")
    ] = None,
    branching: Annotated[str, typer.Option(help="Windows, leaves first; empty is softmax.")] = "2,4,8,16",
    own: Annotated[
        bool, typer.Option("--own-special-tokens", help="[CLS] and [SEP] are children of the root.")
    ] = False,
    auto: Annotated[bool, typer.Option("--auto", help="Windows end where the keys change.")] = False,
    untie: Annotated[str | None, typer.Option(help="rows or queries; the paper's form ties both.")] = None,
    near: Annotated[int, typer.Option(help="Neighbouring windows that are exact; needs --untie.")] = 0,
    pooling: Annotated[str, typer.Option(help="mean, attention or moments; all but mean need --untie.")] = "mean",
    cumulant: Annotated[bool, typer.Option("--cumulant", help="Second cumulant of block logits.")] = False,
    keep: Annotated[
        float | None,
        typer.Option(help="Choose layers and forms by calibration: share of the attention that may remain."),
    ] = None,
    choose: Annotated[int | None, typer.Option(help="With --keep: convert exactly so many layers.")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="All start layers: the paper's Appendix L.")] = False,
    limit: Annotated[int | None, typer.Option(help="Documents of each data set, drawn at random.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a document.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Documents at a time.")] = 16,
    output: Annotated[Path | None, typer.Option(help="JSON file of all outcomes.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder for the converted model.")] = None,
    quiet: Quiet = False,
) -> None:
    """Put HSA into a pre-trained model, untrained; measure.

    Attention of some layers is replaced by hierarchical self-attention; accuracy and vectors stand beside those of the
    model as it was.
    """
    need("train", "torch", "transformers", "sklearn")
    from encoders.zero_shot import Auto, Budget, Form, Windows
    from training.zero_shot.run import measure, numbers

    form: dict[str, Any] = {"untie": untie, "near": near, "pooling": pooling, "cumulant": cumulant}
    measure(
        model,
        data,
        layers=None if layers is None else numbers(layers),
        windows=(Auto if auto else Windows)(tuple(numbers(branching)), "own" if own else "inside"),
        form=Form(**form),
        budget=None if keep is None else Budget(flops=keep, layers=choose),
        sweep=sweep,
        limit=limit,
        max_length=max_length,
        batch_size=batch_size,
        output=output,
        save=save,
        console=progress_console(quiet),
    )
