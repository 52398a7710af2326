"""Dates as pages write them, to ISO 8601.

    "2019-11-18T09:00:00Z"  "Mon, 18 Nov 2019 09:00:00 GMT"  "November 18, 2019"  "18. Nov. 2019"  "18/11/2019"

A time without a zone stays without one; a guess could move it to another day. Two numbers that could be day and
month in either order are read day first, as most of the world writes them, unless the second is above 12.
"""

import re
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MONTHS: Final = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar jänner enero ene janvier janv gennaio gen januari janeiro",
            "february feb februar febrero febr février fév fevr febbraio februari fevereiro",
            "march mar märz mrz marzo mars maart março",
            "april apr abril abr avril avr aprile",
            "may mai mayo maggio mag mei maio",
            "june jun juni junio juin giugno giu junho",
            "july jul juli julio juillet juil luglio lug julho",
            "august aug agosto ago août aout augustus",
            "september sep sept septiembre septembre settembre set setembro",
            "october oct oktober okt octubre octobre ottobre ott outubro",
            "november nov noviembre novembre novembro",
            "december dec dezember dez diciembre dic décembre déc dicembre desember dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?")
_COMPACT: Final = re.compile(r"^((?:19|20)\d{2})(\d{2})(\d{2})(?:T?\d{4,6})?$")
_YEAR_FIRST: Final = re.compile(r"\b((?:19|20)\d{2})[./-](\d{1,2})[./-](\d{1,2})\b")
_NUMBERS: Final = re.compile(r"\b(\d{1,2})[./-](\d{1,2})[./-]((?:19|20)\d{2})\b")
_SHORT_YEAR: Final = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{2})(?![\d.])")
_DAY_MONTH: Final = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th|er|\.)?\s+(?:de\s+)?([^\W\d_]{3,10})\.?,?\s+(?:de\s+|del\s+)?((?:19|20)\d{2})\b"
)
_MONTH_DAY: Final = re.compile(r"\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+((?:19|20)\d{2})\b")
_IN_URL: Final = re.compile(r"/((?:19|20)\d{2})[/-](\d{1,2}|[a-z]{3})[/-](\d{1,2})(?=[/-]|$)")


def iso_date(text: str) -> str | None:
    """Return the first date in a text as ISO 8601, with its time if it is written as ISO or RFC 2822; else None."""
    text = text.strip()[:200]
    if found := _ISO.search(text):
        written = found.group().strip().replace(" ", "T", 1).replace(" ", "").replace(",", ".")
        return written if _is_real(written) else None
    if found := _COMPACT.match(text):
        return _date(*found.groups())
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    if found := _YEAR_FIRST.search(text):
        return _date(*found.groups())
    if found := _DAY_MONTH.search(text):
        day, month, year = found.groups()
        return _named(year, month, day)
    if found := _MONTH_DAY.search(text):
        month, day, year = found.groups()
        return _named(year, month, day)
    if found := _NUMBERS.search(text):
        day, month, year = found.groups()
        return _date(year, month, day) or _date(year, day, month)
    if found := _SHORT_YEAR.search(text):
        day, month, year = found.groups()
        return _date(f"20{year}", month, day)
    return None


def date_in_url(url: str) -> str | None:
    """Return the date that a path such as /2019/11/18/ or /2019/nov/18/ names, or None."""
    found = _IN_URL.search(url)
    if found is None:
        return None
    year, month, day = found.groups()
    return _date(year, month, day) if month.isdecimal() else _named(year, month, day)


def _named(year: str, month: str, day: str) -> str | None:
    number = _MONTHS.get(month.lower())
    return None if number is None else _date(year, str(number), day)


def _date(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _is_real(written: str) -> bool:
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return False
    return True
