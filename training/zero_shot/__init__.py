"""Measure HSA inside a pre-trained model on labelled texts: accuracy, cosine, and the attention that is gone.

    run.py ─ model, data ─> subject.py: vectors(condition) ─> Outcome, one a condition ─> tables.py: Table 3, Appendix L

Behind `docgraph zero-shot`, and behind the pages of benchmarks/zero_shot.
"""
