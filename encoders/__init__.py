"""Nested signals as tensors: batches of trees, leaf encoders, hierarchical self-attention, document models.

    from encoders import TreeBatch, hierarchical_attention            # the attention as a function
    from encoders import DocumentForClassification, DocumentProcessor  # documents in, labels and vectors out
    from encoders import zero_shot                                     # the attention inside pre-trained models

The public names stand in `__init__.pyi`, for type checkers and for this file. Each is loaded when it is first used,
so that the attention alone does not load transformers or timm.
"""

import lazy_loader

from encoders.moved import answer_old_names

answer_old_names()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
