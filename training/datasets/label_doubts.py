"""Labels that look like something else than classes: numbers, several labels in one text, names that never recur.

    label_doubt(["0.197", "1.3", ...])  ->  why, and the option to type; "" where they look like classes

It only says so: a class may well be called "3.5" or "Arts; Culture". Where it is not clear that labels are no classes,
nothing is said.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from training.datasets.cells import decoded, has_decimal_commas, labels_of, value_of
from training.datasets.problem_types import MULTI, REGRESSION

FEW: Final = 10
"""Labels from which on something is said."""
MOST_FRACTIONS: Final = 20
"""Different labels that may be numbers with fractions, such as stars from 0.5 to 5, and still be classes."""


def label_doubt(labels: Sequence[str]) -> str:
    """Return why the labels of records look like no classes, with the option to type; "" if they look like such."""
    names = list(Counter(labels))
    if len(labels) < FEW:
        return ""
    rarely_recur = 2 * len(names) > len(labels)
    decimal_comma = has_decimal_commas(names)
    values = [value for name in names if (value := value_of(name, decimal_comma)) is not None]
    if len(values) == len(names):
        has_fractions = any(value != round(value) for value in values)
        if rarely_recur or (has_fractions and len(names) > MOST_FRACTIONS):
            return (
                f"the {len(labels):,} labels are {len(names):,} different numbers, such as {names[0]}, but read as "
                f"classes. To learn them as numbers, train with --set problem_type={REGRESSION}"
            )
        return ""
    if (joined := _joined(names)) is not None:
        return (
            f"labels such as {joined!r:.60} seem to be several in one, but are read as a class each. "
            f"To learn each by itself, train with --set problem_type={MULTI}"
        )
    if rarely_recur:
        return (
            f"there are {len(names):,} different labels for {len(labels):,} records, such as {names[0]!r:.60}, but a "
            "class must recur. If another column holds the classes, name it: --label COLUMN"
        )
    return ""


def separator_of(texts: Sequence[str]) -> str | None:
    """Return what parts several labels in a text: the first of ; | , that is found in some."""
    texts = [decoded(text) for text in texts]
    return next((one for one in ";|," if any(one in text for text in texts)), None)


def _joined(names: Sequence[str]) -> str | None:
    """Return a label that is a list as text, or of parts that also make up others; None if there is none."""
    lists = (name for name in names if name.startswith("[") and labels_of(name) != (name,))
    if (found := next(lists, None)) is not None:
        return found
    if (separator := separator_of(names)) is None:
        return None
    pairs = [labels_of(name, separator) or () for name in names]
    if (
        separator == ","
        and all(len(pair) == 2 for pair in pairs)
        and {a for a, _ in pairs}.isdisjoint(b for _, b in pairs)
    ):
        return None  # "Doe, Jane": a name and what it is called by
    parts = {part for name in names for part in labels_of(name, separator) or ()}
    return next(name for name in names if separator in name) if len(parts) < len(names) else None
