"""Attention side by side with flat attention and its relatives: `python -m benchmarks.attention`."""
