"""What is no source at all is refused in one sentence, by every reader alike."""

from collections.abc import Callable
from typing import Any

import pytest

from docgraph import load_document, parse_article, parse_html, parse_markdown, parse_site, parse_text
from docgraph.errors import DataError, ParseError


@pytest.mark.parametrize("value", [None, 5, 1.5])
@pytest.mark.parametrize(
    ("read", "name", "known"),
    [
        (parse_html, "source", "str or bytes or bytearray or Path"),
        (parse_text, "text", "str"),
        (parse_markdown, "text", "str"),
        (parse_article, "record", "Mapping"),
        (parse_site, "source", "str or Path or Iterable"),
        (load_document, "path", "str or Path"),
    ],
)
def test_a_value_that_is_no_source_is_named(read: Callable[[Any], Any], name: str, known: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"^{name} must be {known}, but is {type(value).__name__}"):
        read(value)


def test_a_name_longer_than_a_file_system_takes_is_no_file():
    with pytest.raises(ParseError, match="must be a file or folder that is there"):
        load_document("a" * 300 + ".html")
