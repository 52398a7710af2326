"""Imported before all else by modules that need torch: where it is not installed, one sentence says what to install."""

from importlib.util import find_spec

from docgraph.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("torch", "training", "train")
