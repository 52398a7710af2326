"""The date that stands right below the heading of an article, or right above it.

Elements, heading ─ dates_below ─> when the article was published, and when it was changed
"""

import re
from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.metadata.dates import iso_date
from docgraph.parsers.html.metadata.shown import OF_MEMBER, dates_of

EVENTS_BELOW: Final = 90
"""Tags and texts below a heading among which its date and authors stand."""
_EVENTS_ABOVE: Final = 16
_LONGEST_DATELINE: Final = 80
_WHOLE: Final = ("article", "main", "body")
_LONGEST_DATE: Final = 30
_SHORTEST_DATE: Final = 8
_DAY_OF_WEEK: Final = re.compile(r"[^\W\d_]{2,12}(?:-feira)?,\s+")


def dates_below(elements: Elements, heading: int) -> tuple[str | None, str | None]:
    """Return the date in the first short texts below the heading, or else that of a text right above it that says
    nothing more; and that of a change beside it. None if there is none before the first long text.
    """
    language, start, label = elements.attributes[0].get("lang"), elements.last[heading], ""
    for text in _texts(elements.events[start : start + EVENTS_BELOW]):
        if len(text) > _LONGEST_DATELINE:
            break
        of_another = OF_MEMBER.match(label) or OF_MEMBER.match(text)
        label = text
        if not of_another and _has_digits(text) and any(days := dates_of(text, language)):
            return days[0] or days[1], days[1]
    first = elements.first[heading]
    # What stands outside is today's date, a title, or of another text.
    whole = next((row for row in elements.around(heading, len(elements.tag)) if elements.tag[row] in _WHOLE), heading)
    for text in _texts(elements.events[max(elements.first[whole], first - _EVENTS_ABOVE) : first]):
        if (
            _has_digits(text)
            and len(_DAY_OF_WEEK.sub("", text, count=1)) <= _LONGEST_DATE
            and (day := iso_date(text, language))
        ):
            return day, None
    return None, None


def _texts(events: list[str | int]) -> Iterator[str]:
    return (event.strip() for event in events if isinstance(event, str))


def _has_digits(text: str) -> bool:
    return len(text) >= _SHORTEST_DATE and any(map(str.isdigit, text))
