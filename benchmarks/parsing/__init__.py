"""The parser side by side with its peers: `python -m benchmarks.parsing`."""
