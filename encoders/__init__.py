"""Nested signals as tensors: batches of trees, leaf encoders, hierarchical self-attention, document models.

    from encoders import TreeBatch, hierarchical_attention            # the attention as a function
    from encoders import DocumentForClassification, DocumentProcessor  # documents in, labels and vectors out
    from encoders import zero_shot                                     # the attention inside pre-trained models

The public names stand in `__init__.pyi`, for type checkers and for this file. Each is loaded when it is first used,
so that the attention alone does not load transformers or timm.
"""

from importlib.util import find_spec
from typing import Any

import lazy_loader

from docgraph.errors import MissingExtraError, needs_extra
from encoders.moved import answer_old_names

if find_spec("torch") is None:
    raise MissingExtraError("torch", "encoders")

answer_old_names()
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with needs_extra(f"encoders.{name}"):
        return _load(name)
