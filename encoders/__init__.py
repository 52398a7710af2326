"""Nested signals as tensors: batches of trees, leaf encoders, hierarchical self-attention, document models."""
