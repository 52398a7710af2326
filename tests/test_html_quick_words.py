"""Words that are looked for before a pattern is tried must follow the pattern: one is in all that it can find."""

import re
from itertools import product
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from docgraph.parsers.html import tags
from docgraph.parsers.html.main import below, controls, text_features
from docgraph.parsers.html.main.names import FAMILIES
from docgraph.parsers.html.metadata import shown


def examples(parsed: Any) -> list[str]:
    """Return the shortest text of each way through a pattern; what only looks around is left out."""
    parts: list[list[str]] = []
    for operation, value in parsed:
        name = str(operation)
        if name == "LITERAL":
            parts.append([chr(value)])
        elif name == "BRANCH":
            parts.append([text for way in value[1] for text in examples(way)])
        elif name == "SUBPATTERN":
            parts.append(examples(value[3]))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            parts.append([text * value[0] for text in examples(value[2])] if value[0] else [""])
        elif name == "IN":
            parts.append([chr(sign) for kind, sign in value if str(kind) == "LITERAL"] or ["0"])
        elif name in ("ANY", "NOT_LITERAL"):
            parts.append(["0"])
        else:
            assert name in ("AT", "ASSERT", "ASSERT_NOT"), name
    return ["".join(ways) for ways in product(*map(dict.fromkeys, parts))]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (controls._NEEDS, controls._IN_NEEDS),
        (text_features._CREDITS, text_features._IN_CREDITS),
        (controls._PLAYER, controls._IN_PLAYERS),
        (below._COMMENT_NAME, below._IN_NAMES),
        (below._AUTHOR_NAME, below._IN_NAMES),
        (below._STORIES_NAME, below._IN_NAMES),
        (below._OFFER_NAME, below._IN_NAMES),
        (re.compile(FAMILIES["comment"]), below._IN_NAMES),
        (shown._COMMENT, shown._IN_COMMENTS),
        (shown._BYLINE_NAMES, shown._IN_BYLINES),
        (tags.CAPTION_CLASS, tags.OF_CAPTIONS),
        (tags.CREDIT_CLASS, tags.OF_CAPTIONS),
        (re.compile("|".join(sorted(tags.READER_ONLY))), tags.IN_READER_ONLY),
    ],
)
def test_one_of_the_words_is_in_all_that_the_pattern_finds(pattern: re.Pattern[str], words: tuple[str, ...]):
    found = examples(parser.parse(pattern.pattern, pattern.flags))
    assert len(found) > 4
    assert [text for text in found if not any(word in text.lower() for word in words)] == []
