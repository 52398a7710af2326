"""Side by side with peers, and what came out: run from the repository's root, as each subject's docstring says.

    python -m benchmarks.parsing      the parser beside other extractors of main text
    python -m benchmarks.attention    the attention beside flat attention and its relatives
    python -m benchmarks.zero_shot    the attention inside pre-trained models
    benchmarks/training/              speed of training; classifiers on held-out chapters, by length, in a transformer

`clock.py` takes times and says on what machine; `page.py` writes the pages under `results/`.
"""
