"""Warnings of libraries that say of few records what docgraph says in its own words, or what changes nothing.

@about_few_records()   on a function: they do not show while it runs
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MESSAGES: Final = (
    "The number of unique classes is greater than 50%",  # scikit-learn; `label.kind` of the data's problems
    r"std\(\): degrees of freedom is <= 0",  # torch, on one dev record: the spread is NaN, and no gain is above it
)


@contextmanager
def about_few_records() -> Iterator[None]:
    """Hide the warnings of `MESSAGES`, and no others."""
    with warnings.catch_warnings():
        for message in MESSAGES:
            warnings.filterwarnings("ignore", message, UserWarning)
        yield
