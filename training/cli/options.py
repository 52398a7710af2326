"""What verbs of the command share: options, the configuration that they make, the console for progress."""

from collections.abc import Iterable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docgraph.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console

    from docgraph.bulk.shards import Engine as Runner
    from training.config import TrainingConfig

ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained model.")]
Paths = Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Files, folders, or a data set.")]
Format = Annotated[str, typer.Option(help="Format of the data set.")]
Split = Annotated[str, typer.Option(help="Which split; dev stands in where there is no test.")]
Text = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Column of a table that holds the text; may be repeated.")
]
Image = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that names the image.")]
Label = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that holds the label.")]
Pages = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where the pages of a table of nodes lie; beside it if not given.")
]
Baselines = Annotated[bool, typer.Option(help="Train simple rivals on the same records, too.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]


class EngineName(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


Engine = Annotated[EngineName, typer.Option(help="Who does the work: this machine, or a Ray cluster, shard by shard.")]
Address = Annotated[
    str | None, typer.Option(help="Of the Ray cluster, such as auto or 10.0.0.1:6379; one here if not given.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Shards that --engine ray does at once; one a processor if not given.")
]

# Of a configuration: whatever is not given is as its file, its recipe, or the default says.
ConfigFile = Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="A training configuration.")]
Recipe = Annotated[str | None, typer.Option(help="Name of a recipe, instead of or under CONFIG.yaml.")]
ConfigData = Annotated[str | None, typer.Option(help="Data set: a folder or file.")]
ConfigFormat = Annotated[str | None, typer.Option(help="Format of the data set.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one value.")]


def column_options(text: list[str] | None, image: str | None, label: str | None) -> dict[str, Any]:
    """Return the columns that were named as options of the table reader; several texts are fields by their names."""
    from training.datasets.columns import field_of

    texts = text or []
    fields: dict[str, str] = {}
    for column in texts:
        field = "body" if len(texts) == 1 else field_of(column)
        fields[column if field in fields else field] = column
    fields |= {"image": image} if image else {}
    return {**({"fields": fields} if fields else {}), **({"label": label} if label else {})}


def page_options(pages: Path | None) -> dict[str, Any]:
    """Return the option of the reader of nodes that says where their pages lie."""
    return {} if pages is None else {"pages": str(pages)}


def engine_of(name: EngineName, address: str | None, workers: int | None) -> "Runner":
    """Return what does shards.

    Raises:
        DataError: an address or workers without --engine ray.
    """
    from docgraph.bulk.shards import in_turn

    if name is EngineName.ray:
        from docgraph.bulk.on_ray import OnRay

        return OnRay(address, workers)
    if address is not None or workers is not None:
        raise DataError("--address and --workers must stand beside --engine ray.")
    return in_turn


def config_of(
    file: Path | None,
    recipe_name: str | None,
    settings: list[str] | None,
    under: "TrainingConfig | None" = None,
    **values: Any,
) -> "TrainingConfig":
    """Join a recipe, a file, options that were given and settings; later ones win.

    Args:
        under: what stands in where no recipe is named; None for the defaults.

    Raises:
        ConfigError: neither a file nor a recipe nor data is given, or one of them is wrong.
    """
    from training.config import ConfigError, TrainingConfig, parse_setting
    from training.recipes import read_config, recipe

    if file is None and recipe_name is None and values["data"] is None:
        raise ConfigError("training needs a CONFIG.yaml, or --recipe NAME or none with --data and --output.")
    chosen = (under or TrainingConfig()) if recipe_name is None else recipe(recipe_name)
    if file is not None:
        chosen = read_config(file, under=chosen)
    chosen = chosen.with_values({name: value for name, value in values.items() if value is not None})
    return chosen.with_values(dict(map(parse_setting, settings or [])))


def keep_inputs(output: Path | None, paths: Iterable[str | Path]) -> None:
    """Raise DataError where what is written would take the place of what is read."""
    if output is not None and any(Path(path).resolve() == output.resolve() for path in paths):
        raise DataError(f"--output must be a file of its own, but {output} is what is read: name another one.")


def need(extra: str, *modules: str) -> None:
    """Say before any work which extra brings what the command will import.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(module, "this command", extra)


def progress_console(quiet: bool) -> "Console":
    """Return a console on stderr."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet)
