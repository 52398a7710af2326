"""Nested signals as tensors: batches of trees, leaf encoders, hierarchical self-attention, document models.

    from encoders import TreeBatch, hierarchical_attention            # the attention as a function
    from encoders import DocumentForClassification, DocumentProcessor  # documents in, labels and vectors out
    from encoders import zero_shot                                     # the attention inside pre-trained models

Names are imported when they are first used, so that the attention alone does not load transformers or timm.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import encoders.zero_shot as zero_shot
    from encoders.attention import hierarchical_attention as hierarchical_attention
    from encoders.build import build_classifier as build_classifier
    from encoders.cache import FeatureCache as FeatureCache
    from encoders.classifier import DocumentForClassification as DocumentForClassification
    from encoders.config import DocumentConfig as DocumentConfig
    from encoders.embed import Embeddings as Embeddings
    from encoders.forest.batch import TreeBatch as TreeBatch
    from encoders.forest.subtree import subtree_mean as subtree_mean
    from encoders.inputs.encoded import DocumentBatch as DocumentBatch
    from encoders.inputs.processor import DocumentProcessor as DocumentProcessor
    from encoders.inputs.processor import ProcessorSettings as ProcessorSettings
    from encoders.model import DocumentModel as DocumentModel
    from encoders.predict import Predictions as Predictions

_HOME = {
    "DocumentBatch": "encoders.inputs.encoded",
    "DocumentConfig": "encoders.config",
    "DocumentForClassification": "encoders.classifier",
    "DocumentModel": "encoders.classifier",  # whose import makes both known to transformers' Auto classes
    "DocumentProcessor": "encoders.inputs.processor",
    "Embeddings": "encoders.embed",
    "FeatureCache": "encoders.cache",
    "Predictions": "encoders.predict",
    "ProcessorSettings": "encoders.inputs.processor",
    "TreeBatch": "encoders.forest.batch",
    "build_classifier": "encoders.build",
    "hierarchical_attention": "encoders.attention",
    "subtree_mean": "encoders.forest.subtree",
}

__all__ = [*sorted(_HOME), "zero_shot"]


def __getattr__(name: str) -> Any:
    if name == "zero_shot":
        return import_module("encoders.zero_shot")
    if name not in _HOME:
        raise AttributeError(f"module 'encoders' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
