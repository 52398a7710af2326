"""Find the reader for a path."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, Final

from docgraph.errors import DataError
from training.datasets.folder import is_pages, is_table, read_pages, read_table
from training.datasets.n24news import is_n24news, read_n24news
from training.datasets.records import Corpus, resolve
from training.datasets.sentiment import is_elec, is_imdb, read_elec, read_imdb

FORMATS: Final[dict[str, tuple[Callable[[Path], bool], Callable[..., Corpus]]]] = {
    "n24news": (is_n24news, read_n24news),
    "imdb": (is_imdb, read_imdb),
    "elec": (is_elec, read_elec),
    "table": (is_table, read_table),
    "pages": (is_pages, read_pages),
}
"""Name -> (looks like it, reader), the most telling first."""


def guess_format(path: str | Path) -> str:
    """Return the name of the first format that a path looks like.

    Raises:
        DataError: nothing is there, or nothing that is known.
    """
    root = resolve(path)
    for name, (looks_like_it, _) in FORMATS.items():
        if looks_like_it(root):
            return name
    raise DataError(
        f"{root} must be one of the formats {', '.join(FORMATS)}, but looks like none of them. "
        "See training/datasets for the layouts."
    )


def load(path: str | Path, format: str = "auto", **options: Any) -> Corpus:
    """Read a data set.

    Args:
        format: one of `FORMATS`, or "auto" to look at the files.
        options: of the reader: fields, seed, split_file, label, ...

    Raises:
        DataError: an unknown format, an option that the reader does not have, or what the reader raises.
    """
    known = options_of(path, format)
    unknown = [option for option in options if option not in known]
    if unknown:
        raise DataError(f"options of this format are {', '.join(known)}, but {', '.join(unknown)} was given.")
    return _reader(path, format)(path, **options)


def options_of(path: str | Path, format: str = "auto") -> tuple[str, ...]:
    """Return the names of the options that the reader for a path takes."""
    return tuple(signature(_reader(path, format)).parameters)[1:]


def _reader(path: str | Path, format: str) -> Callable[..., Corpus]:
    name = guess_format(path) if format == "auto" else format
    if name not in FORMATS:
        raise DataError(f"format must be one of auto, {', '.join(FORMATS)}, but is {name!r}.")
    return FORMATS[name][1]
