"""Side by side with peers, and what came out: run from the repository's root, as each subject's docstring says.

    python -m benchmarks.parsing      the parser beside other extractors of main text
    python -m benchmarks.attention    the attention beside flat attention and its relatives
    python -m benchmarks.zero_shot    the attention inside pre-trained models
    python -m benchmarks.retrieval    nodes of pages found by questions, definitions, headings and captions
    python -m benchmarks.fusing       what the tree adds to vectors of nodes; benchmarks.pictures: what pixels add
    python -m benchmarks.adapt        what `docgraph adapt` gains
    python -m benchmarks.evidence     whether what is said to speak for a class does
    python -m benchmarks.scale        an index of a million rows; pages a second by engine and workers
    benchmarks/training/              speed of training; classifiers beside simple rivals, kinds of attention by data
    python -m benchmarks.n24news      the paper's Table 2, for whoever has the data; n24news_made makes its like

`clock.py` takes times and says on what machine; `page.py` writes the pages under `results/`.
"""
