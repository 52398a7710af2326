"""Nested signals as tensors: batches of trees, leaf encoders, hierarchical self-attention, document models.

    from encoders import TreeBatch, hierarchical_attention            # the attention as a function
    from encoders import DocumentForClassification, DocumentProcessor  # documents in, labels and vectors out
    from encoders import zero_shot                                     # the attention inside pre-trained models

forest/ inputs/ leaves/    trees as tensors; documents to them; vectors of leaves
attention/                 hierarchical self-attention
config build               what a model is made of; a new one and its processor
model classifier           leaves ─ layer (attention) ─ readout ─> a vector for every node; a head, and beside it
                           regressions on `ngrams` and on frozen `vectors`; positions, model_base, cache
predict embed              labels, vectors; evidence, attended: what spoke for a class; off_topic; sharding (FSDP2)
embedder/                  any pre-trained text encoder over the nodes of a document
zero_shot/                 the attention inside pre-trained models
peers anchors              attention of other papers over the same trees, to compare with
moved                      names of version 0.1.0

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
