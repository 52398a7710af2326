"""Scores of rows of which not all is known: some have no passage or no vector, or stand for all."""

from types import SimpleNamespace

import numpy as np
import pytest

from docgraph.index import search
from docgraph.index.near import Near


def test_what_has_no_passage_has_the_lowest_that_another_has():
    """Sections 0 and 3 have none; of section 1 the better one counts."""
    passages, holders = np.array([0, 1, 2]), np.array([1, 1, 2])
    store = SimpleNamespace(
        holders=lambda level: (passages, holders), rows=lambda level: SimpleNamespace(numbers=np.arange(4))
    )
    values = np.array([-0.4, -0.3, -0.1])

    def best(*allowed: int) -> list[float]:
        return search._of_best(store, "section", np.array(allowed), values).tolist()

    assert best(0, 1, 2, 3) == [-0.3, -0.3, -0.1, -0.3]
    assert best(2, 3) == [-0.1, -0.1]  # of those that are allowed
    assert best(0, 3) == [0, 0]


def test_a_row_without_a_vector_is_less_near_than_any_and_one_not_looked_up_as_near_as_those_drawn():
    every = Near(np.array([0, 2]), np.array([-0.5, 0.3]))
    cosines, drawn = search._spread(every, 3)
    assert cosines.tolist() == [-0.5, -1, 0.3]
    assert drawn is None
    some = Near(np.array([1, 3, 4]), np.array([0.9, 0.1, 0.2]), np.array([False, True, True]))
    cosines, drawn = search._spread(some, 5)
    assert cosines == pytest.approx([0.15, 0.9, 0.15, 0.1, 0.2])
    assert drawn.tolist() == [False, False, False, True, True]


def test_what_was_drawn_gives_mean_and_deviation():
    """And 3 more whose deviation is .1; the nearest, which was looked up for being near, has no say."""
    found = Near(np.array([1, 3, 4]), np.array([0.9, 0.1, 0.2]), np.array([False, True, True]))
    rows, parts, _ = search._alone(np.arange(5), np.zeros(5), np.zeros(5), found)
    deviation = ((0.05**2 + 0.05**2 + 3 * 0.1**2) / 5) ** 0.5
    assert rows.tolist() == [1, 3, 4]
    assert parts[1][1] == pytest.approx(np.array([0.75, -0.05, 0.05]) / deviation)
    drawn = np.array([False, True, True])
    assert search._by_some(found.cosines, drawn) == pytest.approx(parts[1][1])


def test_sections_and_their_best_passages_are_held_against_those_drawn(monkeypatch):
    """Four sections of a passage each, of which the first two were drawn; no word of the question stands anywhere."""
    drawn, cosines = (
        np.array([True, True, False, False]),
        {"section": [0.1, 0.2, 0.8, 0.3], "passage": [0.3, 0.1, 0, 1]},
    )
    store = SimpleNamespace(
        holders=lambda level: (np.arange(4), np.arange(4)), rows=lambda level: SimpleNamespace(numbers=np.arange(4))
    )
    monkeypatch.setattr(search, "bm25", lambda *_: np.zeros(4, np.float32))
    monkeypatch.setattr(search, "near", lambda _, level, *rest: Near(np.arange(4), np.array(cosines[level]), drawn))
    rows, parts, holds_words = search.signals(store, "section", np.arange(4), ["pot"], np.ones(2, np.float32))
    assert rows.tolist() == [0, 1, 2, 3]
    assert not holds_words.any()
    assert [weight for weight, _ in parts] == [search.WORDS, search.BEST_WORDS, search.WHOLE, search.BEST]
    for (_, got), (first, second, *_), values in zip(parts[2:], cosines.values(), cosines.values(), strict=True):
        mean = (first + second) / 2
        deviation = (((first - mean) ** 2 + (second - mean) ** 2 + 3 * 0.1**2) / 5) ** 0.5
        assert got == pytest.approx((np.array(values) - mean) / deviation)
