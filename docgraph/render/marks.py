"""Numbers in a page's source text, so that what the browser lays out is known by the parser's own elements.

    <p>One <b>two</b>   ─ mark ─>   <p dg7f="4">One <b dg7f="5">two</b>

The page that is rendered is the page that was given: nothing is parsed and written again. A tag carries the number of
the first element that it made; elements that a browser makes of one tag again (HTML Living Standard 13.2.6.1, "the
adoption agency") follow it in the order of the document. The name is drawn anew for each page, so that no page can
bring numbers of its own, and the number stands first in the tag, where a browser takes it.
"""

import re
import secrets
from typing import Final, NamedTuple

from docgraph.parsers.html.elements import Elements

_NAME: Final = re.compile(r"<[^\s/>]*")


class Marked(NamedTuple):
    """A page with numbers on its tags."""

    markup: str
    attribute: str
    rows: dict[int, list[int]]
    """Number -> the rows of the elements that its tag made, in order."""


def mark(markup: str, elements: Elements) -> Marked:
    """Return the page with the number of its first element on every start tag.

    Args:
        elements: as read from `markup` with `tags=True`.
    """
    markup = markup.replace("\r\n", "\n")  # as the places are counted
    attribute = f"dg{secrets.token_hex(8)}"
    first: dict[int, int] = {}
    rows: dict[int, list[int]] = {}
    for row, tag in enumerate(elements.tags):
        if tag is not None:
            number = first.setdefault(tag[0], row)
            rows.setdefault(number, []).append(row)
    pieces, done = [], 0
    for start in sorted(first):
        name = _NAME.match(markup, start)
        if name is None:
            continue
        pieces += [markup[done : name.end()], f' {attribute}="{first[start]}"']
        done = name.end()
    pieces.append(markup[done:])
    return Marked("".join(pieces), attribute, rows)
