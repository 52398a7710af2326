"""Find the reader for a path."""

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Final

from docgraph.errors import DataError
from training.datasets.folder import is_pages, is_texts, read_pages
from training.datasets.hub import fetch, is_hub_name
from training.datasets.lines import ending
from training.datasets.n24news import is_n24news, read_n24news
from training.datasets.nodes import is_nodes, read_nodes
from training.datasets.records import Corpus, resolve
from training.datasets.rows import is_table
from training.datasets.sentiment import is_elec, is_imdb, read_elec, read_imdb
from training.datasets.table import read_table

FORMATS: Final[dict[str, tuple[Callable[[Path], bool], Callable[..., Corpus]]]] = {
    "n24news": (is_n24news, read_n24news),
    "imdb": (is_imdb, read_imdb),
    "elec": (is_elec, read_elec),
    "nodes": (is_nodes, read_nodes),
    "table": (is_table, read_table),
    "pages": (lambda path: is_pages(path) or is_texts(path), read_pages),
}
"""Name -> (looks like it, reader), the most telling first."""

OTHER_FILES: Final[dict[tuple[str, ...], str]] = {
    (".zip", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst"): "unpack it, and name what was in it",
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): "open it and save the sheet as CSV (UTF-8)",
}
"""Endings of what is not read -> what to do with it."""


def guess_format(path: str | Path, options: Mapping[str, Any] | None = None) -> str:
    """Return the name of the first format that a path looks like.

    Args:
        options: of the reader. Columns that are named make a file a table, whatever else it looks like.

    Raises:
        DataError: nothing is there, or nothing that is known.
    """
    root = located(path)
    options = options or {}
    names_columns = "label" in options or isinstance(options.get("fields"), Mapping)
    if names_columns and is_table(root):
        return "table"
    if options.get("pages") and is_nodes(root, options["pages"]):
        return "nodes"
    for name, (looks_like_it, _) in FORMATS.items():
        if looks_like_it(root):
            return name
    if way_out := next((said for endings, said in OTHER_FILES.items() if ending(root) in endings), ""):
        raise DataError(f"data must be a file that is read as it is, but {root} is packed or a workbook: {way_out}.")
    held = ", ".join(sorted(file.name for file in root.iterdir())[:5]) if root.is_dir() else ""
    raise DataError(
        f"{root} must be one of the formats {', '.join(FORMATS)}, but looks like none of them"
        f"{f': it holds {held}' if held else ''}. See docs/howto/own-csv.md for the layouts."
    )


def load(path: str | Path, format: str = "auto", **options: Any) -> Corpus:
    """Read a data set.

    Args:
        path: a file, a folder, or a name on the Hugging Face hub ("owner/name").
        format: one of `FORMATS`, or "auto" to look at the files.
        options: of the reader: fields, seed, split_file, label, ...

    Raises:
        DataError: an unknown format, an option that the reader does not have, or what the reader raises.
    """
    name = format_of(path, format, options)
    known = options_of(path, name)
    unknown = [option for option in options if option not in known]
    if unknown:
        raise DataError(f"options of this format are {', '.join(known)}, but {', '.join(unknown)} was given.")
    return FORMATS[name][1](located(path), **options)


def options_of(path: str | Path, format: str = "auto", options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the names of the options that the reader for a path takes."""
    return tuple(signature(FORMATS[format_of(path, format, options)][1]).parameters)[1:]


def format_of(path: str | Path, format: str = "auto", options: Mapping[str, Any] | None = None) -> str:
    """Return the name of the format that a path is read as.

    Raises:
        DataError: an unknown format, or what `guess_format` raises.
    """
    name = guess_format(path, options) if format == "auto" else format
    if name not in FORMATS:
        raise DataError(f"format must be one of auto, {', '.join(FORMATS)}, but is {name!r}.")
    return name


def located(path: str | Path) -> Path:
    """Return where a data set lies; one that is no path but a name on the Hugging Face hub is fetched.

    Raises:
        DataError: there is nothing, neither here nor on the hub.
    """
    if not Path(path).expanduser().exists() and is_hub_name(str(path)):
        return fetch(str(path))
    return resolve(path)
