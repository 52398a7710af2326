"""Trees as tensors: `batch` is the forest of a batch, `families` its siblings, `subtree` means, `coarsen` windows.

`last_seen` keeps what was made of the last tensor.
"""
