"""Vectors of leaves: `text` (sub-words or a transformers model), `image` (patches of a timm model)."""
