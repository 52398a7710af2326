"""Which rules of a style sheet hold on the screen of a desk, 1,280 pixels wide.

    style sheet, where rules begin ─ holding_on_screens ─> those in no condition that such a screen may fail

Source: Media Queries 4.
"""

import re
from typing import Final

import numpy as np

_SCREEN: Final = re.compile(
    r"@media\s*(?:(?:only\s+)?(?:screen|all)\s*(?:and\s*(?=\())?)?(?:\(\s*(min|max)-width\s*:\s*(\d{0,9}\.?\d{1,9})(px|r?em)\s*\)\s*)?$"
    r"|@(?:layer\b|supports\b(?!\s+not\b))",
    re.I,
)
_SCREEN_WIDTH: Final = 1_280
_CONDITION: Final = re.compile(r"@[^@{};]{0,200}\{")


def holding_on_screens(css: str, starts: list[int]) -> set[int]:
    """Return which of some rules stand in no condition that a screen may fail, by where their blocks begin."""
    if not starts:
        return set()
    css = css[: starts[-1] + 1]
    letters = np.frombuffer(css.encode("latin-1", "replace"), np.uint8)  # one byte a letter
    braces = np.flatnonzero((letters == ord("{")) | (letters == ord("}")))
    opens = letters[braces] == ord("{")
    # Most rules are of no interest: an opening brace that nobody asks for and the closing one right after it.
    rule = np.append(opens[:-1] & ~opens[1:], False)
    rule[np.searchsorted(braces, starts)] = False
    rest = ~(rule | np.append(False, rule[:-1]))
    conditions = {found.end() - 1: found[0][:-1] for found in _CONDITION.finditer(css)}
    known: dict[str, bool] = {"": False}
    asked, held, around = set(starts), set[int](), [True]
    for place, is_open in zip(braces[rest].tolist(), opens[rest].tolist(), strict=True):
        if is_open:
            holds = around[-1]
            if holds and place in asked:
                held.add(place)
            condition = conditions.get(place, "") if holds else ""
            if condition not in known:
                known[condition] = is_of_desk(condition)
            around.append(known[condition])
        elif len(around) > 1:
            around.pop()
    return held


def is_of_desk(condition: str) -> bool:
    """Whether a condition such as "@media (min-width: 768px)" holds on the screen of a desk."""
    if "," in condition and condition[:6].lower() == "@media":
        return any(is_of_desk(f"@media {query}") for query in condition[6:].split(",") if query.strip())
    if (found := _SCREEN.match(condition.strip())) is None:
        return False
    bound, number, unit = found.groups()
    if bound is None:
        return True
    width = float(number) * (1 if unit.lower() == "px" else 16)
    return width <= _SCREEN_WIDTH if bound.lower() == "min" else width >= _SCREEN_WIDTH
