"""The attention inside pre-trained models, without training: `python -m benchmarks.zero_shot`."""
