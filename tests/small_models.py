"""Document models for tests: every part there is, and few numbers in each."""

from typing import Any

import torch

from docgraph import Document
from encoders import DocumentConfig, DocumentForClassification, build_classifier

SMALL = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_attention_heads": 3,
    "position_size": 16,
    "position_head_size": 4,
}


def build(documents: list[Document], **options: Any) -> DocumentForClassification:
    torch.manual_seed(0)
    return build_classifier(DocumentConfig(**SMALL, **options), documents, ["a", "b", "c"], vocab_size=300)
