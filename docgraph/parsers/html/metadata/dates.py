"""Dates as pages write them, to ISO 8601.

    "2019-11-18T09:00:00Z"  "Mon, 18 Nov 2019 09:00:00 GMT"  "November 18, 2019"  "18. Nov. 2019"  "18/11/2019"
    "18 ноября 2019 г."  "2019年11月18日"  "2019. november 18."  "๑๘ พฤศจิกายน ๒๕๖๒"

Names of months are those of the Unicode CLDR in all of its languages (`months.json`, written by
`tools/make_months.py`). A time without a zone stays without one; a guess could move it to another day. Two numbers
that could be day and month in either order are read day first, as most of the world writes them, unless the second is
above 12, the day of the week beside them says otherwise, or the page's language is that of the United States ("en-US").
"""

import json
import re
import unicodedata
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.resources import files
from typing import Final

_ENGLISH: Final = {
    name: month
    for month, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}  # fmt: skip
"""Of URLs and of RFC 2822; the first three letters."""
_OTHER_NAMES: Final = {
    "jänner": 1, "enero": 1, "janv": 1, "mrz": 3, "okt": 10, "sept": 9, "août": 8, "setiembre": 9,
    "كانون_الثاني": 1, "شباط": 2, "آذار": 3, "نيسان": 4, "أيار": 5, "حزيران": 6, "تموز": 7, "آب": 8, "أيلول": 9,
    "تشرين_الأول": 10, "تشرين_الثاني": 11, "كانون_الأول": 12,
    **{name: month for month, name in enumerate("มค กพ มีค เมย พค มิย กค สค กย ตค พย ธค".split(), start=1)},
    "urtarrila": 1, "otsaila": 2, "martxoa": 3, "apirila": 4, "maiatza": 5, "ekaina": 6, "uztaila": 7, "abuztua": 8,
    "iraila": 9, "urria": 10, "azaroa": 11, "abendua": 12,
}  # fmt: skip
"""Names that CLDR does not list but pages use; without points, those of two words with a line between them."""
_TWO_WORDS: Final = re.compile("(كانون|تشرين) (ال(?:أول|ثاني))")
_TWO_NAMES: Final = re.compile(r"([^\W\d]{2,})/[^\W\d]{2,}(?=\s+\d{4})")
_THAI_POINTS: Final = re.compile(r"([\u0e01-\u0e7f]+)\.\s?([\u0e01-\u0e2e])\.")
_BASQUE: Final = re.compile(r"((?:19|20)\d{2})\W?(?:e\W?)?ko\s+([a-z]+?a)(?:ren|k)?\s+(\d{1,2})", re.I)
_NUMERALS: Final = re.compile(
    "([〇零○一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})日"
)
_YEAR: Final = r"((?:19|20|24|25)\d{2})"
_NAME: Final = r"([^\W\d_][^\s\d.,/:;()|–—-]{1,19})"
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?")
_COMPACT: Final = re.compile(r"^((?:19|20)\d{2})(\d{2})(\d{2})(?:T?\d{4,6}Z?)?$")
_YEAR_FIRST: Final = re.compile(r"\b((?:19|20)\d{2})[./-]\s?(\d{1,2})[./-]\s?(\d{1,2})(?!\d)")
_NUMBERS: Final = re.compile(rf"\b(\d{{1,2}})[./-]\s?(\d{{1,2}})[./-]\s?{_YEAR}\b")
_WEEKDAY: Final = r"\b(mon|tue|wed|thu|fri|sat|sun)(?:[a-z]{0,5}day)?\b"
_WEEKDAY_BEFORE: Final = re.compile(rf"(?<!\bthe ){_WEEKDAY}[.,]?\s*$", re.I)
"""Right before the numbers, but for the name of a newspaper ("The Sun")."""
_WEEKDAY_AFTER: Final = re.compile(rf",?\s*\(?{_WEEKDAY}", re.I)
_SHORT_YEAR: Final = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{2})(?![\d.])")
_SIGNS: Final = re.compile(
    r"((?:19|20)\d{2})\s*(?:[年년]|оны)\s*(\d{1,2})\s*(?:[月월]|(?:дугаар |-р )?сар\w*)\s*(\d{1,2})\s*[日일号]?"
)
_ERA: Final = re.compile(r"(令和|平成|昭和|民國|民国)\s*(元|\d{1,3})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日?")
_ERAS: Final = {"令和": 2018, "平成": 1988, "昭和": 1925, "民國": 1911, "民国": 1911}
"""Eras of Japan and Taiwan: the year before their first."""
_MONTH_FIRST: Final = ("en-us", "en_us", "en-ph", "es-us")
_VIETNAMESE: Final = re.compile(r"(\d{1,2})\s+tháng\s+(\d{1,2})\s*(?:,|năm)\s*((?:19|20)\d{2})", re.I)
_DAY_MONTH: Final = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|er|ª|º|°|-?a)?\.?[\s/-]+(?:de\s+|of\s+|d['’]|ב-?|ta['’]\s)?{_NAME}\.?,?[\s/-]+"
    rf"(?:de\s+|del\s+|de l['’]any\s+)?{_YEAR}(?!\d)"
)
_MONTH_DAY: Final = re.compile(rf"\b{_NAME}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+{_YEAR}(?!\d)")
_YEAR_MONTH: Final = re.compile(
    rf"\b{_YEAR}\.?,?\s+(?:m\.\s+|gada\s+)?(?:(\d{{1,2}})\.\s+)?{_NAME}\.?(?:\s+(\d{{1,2}}))?"
)
_IN_URL: Final = re.compile(
    r"/((?:19|20)\d{2})[/-](\d{1,2}|[a-z]{3})[/-](\d{1,2})(?=[/-]|$)|[/_-]((?:19|20)\d{2})-?(\d{2})-?(\d{2})(?=[/_.-]|$)"
)
_PERSIAN: Final = {
    name: month
    for month, name in enumerate("فروردین اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند".split(), start=1)
}
_PERSIAN_DAY: Final = re.compile(r"(?<!\d)(\d{1,2})\s+([\u0600-\u06ff]+)(?:\s+ماه)?،?\s+(1[34]\d\d)(?!\d)")
_PERSIAN_NUMBERS: Final = re.compile(r"(?<!\d)(1[34]\d\d)/(\d{1,2})/(\d{1,2})(?!\d)")
_PERSIAN_CYCLE: Final = 1_595
"""Years by which its cycles of leap years, 33 years long, begin earlier."""
_PERSIAN_DAYS: Final = 356_033
"""Days from the first of these cycles to the first day of our calendar."""
_BUDDHIST: Final = 543
"""Years of the Thai calendar are so many more."""


def iso_date(text: str, language: str | None = None) -> str | None:
    """Return the first date in a text as ISO 8601, with its time if it is written as ISO or RFC 2822; else None.

    Args:
        language: of the text, as a BCP 47 tag; it matters where languages disagree what a month is called.
    """
    text = text.strip()[:200]
    if not text.isascii():
        text = "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
        text = _THAI_POINTS.sub(r"\1\2", _TWO_NAMES.sub(r"\1", _TWO_WORDS.sub(r"\1_\2", text)))
    if found := _ISO.search(text):
        written = found.group().strip().replace(" ", "T", 1).replace(" ", "").replace(",", ".")
        return written if _is_real(written) else None
    if found := _COMPACT.match(text):
        return _date(*found.groups())
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    if found := _YEAR_FIRST.search(text) or _SIGNS.search(text):
        return _date(*found.groups())
    if found := _ERA.search(text):
        era, number, month, day = found.groups()
        return _date(str(_ERAS[era] + (1 if number == "元" else int(number))), month, day)
    if found := _NUMERALS.search(text):
        return _date(*map(_number, found.groups()))
    if found := _BASQUE.search(text):
        year, name, day = found.groups()
        return _named(year, name, day, language)
    if found := _PERSIAN_DAY.search(text):
        day, name, year = found.groups()
        if month := _PERSIAN.get(name.replace("ي", "ی")):
            return _persian(int(year), month, int(day))
    if found := _PERSIAN_NUMBERS.search(text):
        return _persian(*map(int, found.groups()))
    if found := _VIETNAMESE.search(text):
        day, month, year = found.groups()
        return _date(year, month, day)
    return _with_name(text, language) or _with_numbers(text, (language or "").lower() in _MONTH_FIRST)


def _with_name(text: str, language: str | None) -> str | None:
    """Return the date of a text that names the month."""
    for found in _DAY_MONTH.finditer(text):
        day, name, year = found.groups()
        if written := _named(year, name, day, language):
            return written
    for found in _MONTH_DAY.finditer(text):
        name, day, year = found.groups()
        if written := _named(year, name, day, language):
            return written
    for found in _YEAR_MONTH.finditer(text):
        year, before, name, after = found.groups()
        if (before or after) and (written := _named(year, name, before or after, language)):
            return written
    return None


def _with_numbers(text: str, month_first: bool) -> str | None:
    """Return the date of a text that has the month as a number: day first, but for pages of the United States."""
    if found := _NUMBERS.search(text):
        day, month, year = found.groups()
        beside = _WEEKDAY_BEFORE.search(text[: found.start()]) or _WEEKDAY_AFTER.match(text[found.end() :])
        name = beside.group(1).title() if beside else ""
        if month_first or _is_weekday(name, _date(year, day, month)) > _is_weekday(name, _date(year, month, day)):
            day, month = month, day
        return _date(year, month, day) or _date(year, day, month)
    if found := _SHORT_YEAR.search(text):
        day, month, year = found.groups()
        return _date(f"20{year}", month, day)
    return None


def _is_weekday(name: str, day: str | None) -> bool:
    """Whether a name is, in short English, that of the day of the week that a date is."""
    return day is not None and f"{date.fromisoformat(day):%a}" == name


def date_in_url(url: str) -> str | None:
    """Return the date that a path such as /2019/11/18/, /2019/nov/18/ or -20191118.html names, or None."""
    found = _IN_URL.search(url)
    if found is None:
        return None
    year, month, day = found.groups()[:3] if found.group(1) else found.groups()[3:]
    if not month.isdecimal():
        month = str(_ENGLISH.get(month, 0))
    return _date(year, month, day)


@cache
def _months() -> dict[str, int | dict[str, int]]:
    """Return the names of months: the month, or the month by language where languages disagree."""
    table = json.loads(files(__package__).joinpath("months.json").read_text("utf-8"))
    return {**table, **_OTHER_NAMES}


def _named(year: str, name: str, day: str, language: str | None) -> str | None:
    months = _months()
    month = months.get(name.lower().rstrip("."))
    if isinstance(month, dict):
        month = month.get((language or "en").replace("_", "-").split("-")[0].lower()) or month.get("en")
    return None if month is None else _date(year, str(month), day)


def _date(year: str, month: str, day: str) -> str | None:
    number = int(year)
    try:
        return date(number - _BUDDHIST if number > 2400 else number, int(month), int(day)).isoformat()
    except ValueError:
        return None


def _persian(year: int, month: int, day: int) -> str | None:
    """Return a date of the solar calendar of Iran, whose leap years come in cycles of 33 years from 1178 to 1633."""
    if not (1 <= month <= 12 and 1 <= day <= 31 - (month > 6)):
        return None
    year += _PERSIAN_CYCLE
    days = 365 * year + year // 33 * 8 + (year % 33 + 3) // 4 + 31 * min(month - 1, 6) + 30 * max(month - 7, 0) + day
    return date.fromordinal(days - _PERSIAN_DAYS).isoformat()


def _number(signs: str) -> str:
    """Return a number in Chinese signs in digits: "二〇二〇" -> "2020", "二十一" -> "21"."""
    before, ten, after = signs.partition("十")
    digits = "〇一二三四五六七八九"
    if ten:
        return str(10 * (digits.find(before) if before else 1) + (digits.find(after) if after else 0))
    return "".join(str(digits.find(sign)) for sign in signs.replace("零", "〇").replace("○", "〇"))


def _is_real(written: str) -> bool:
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return False
    return True
