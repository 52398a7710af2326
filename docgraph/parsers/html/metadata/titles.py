"""The title of a page, of all that it gives as one.

candidates, the site's name ─ chosen_title ─> the most trusted, in full, or the heading that knows better
"""

import re
from typing import Final

from docgraph.metadata import Candidate

_SEPARATOR: Final = re.compile(
    r"(?<!\s)\s+(?:[|\-–—\\/>›»·:•]|::|//)\s+|(?:(?<!\s)\s+)?[|»｜]\s*|(?<=[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef])"
    r"(?:_(?=\S)|-(?=[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]))"
)
"""What stands between the title of a page and the name of its site; Chinese needs no space around it."""
_NUMBER: Final = re.compile(r"\s+\([#!]\d{1,7}\)$")
"""Of an issue, after its title: GitLab's."""
_NO_TITLES: Final = frozenset(
    ("untitled document", "untitled", "untitled page", "no title", "document", "new page", "home", "homepage", "index")
)
"""Titles that a program wrote, in small letters."""
_PART: Final = re.compile(r"[^\W\d]{0,9}\W{0,2}\d+\W*")
"""A number, and of what: "Part 2"."""
_LEAST_STEM: Final = 12
_TELLING_LETTERS: Final = 4
"""A word of fewer may be in any two titles."""


def chosen_title(candidates: list[Candidate], site: str | None, main: str) -> str | None:
    """Return the most trusted title, as the page gives it.

    The page's `<title>` and a heading that agree know better than a headline that tells of something else: some sites
    write a short description there. A title that is the site's name is that of every page of the site, and of one
    that ends or begins with that name the heading is the rest.

    Args:
        main: the heading of the article, "" if there is none: a part of a title is the title only if it is this.
    """
    if not candidates:
        return None
    chosen, headings = candidates[0], [c.value for c in candidates if c.source == "heading"]
    if (whole := _uncut(chosen.value, candidates)) is not None:
        chosen = whole
    name = _plain(site or "")
    others = [heading for heading in headings if _plain(heading) != name]
    if headings and _plain(chosen.value) in (name, *_NO_TITLES):
        return (others or headings)[0]
    if _plain(chosen.value) in _NO_TITLES:
        return next((c.value for c in candidates if c.source == "logo"), chosen.value)
    shown = {words: heading for heading in others if (words := _words(heading))}
    # Beside the site's name the heading is the longest part; a heading that is shorter may be the site's logo.
    longest = _words(_NUMBER.sub("", max(_SEPARATOR.split(chosen.value), key=len)))
    is_of_page = chosen.source == "html" or (
        any(c.source == "html" and c.value == chosen.value for c in candidates)
        and [sign.strip() for sign in _SEPARATOR.findall(chosen.value)] == ["|"]
    )
    if is_of_page and longest in shown:
        return shown[longest]
    if (most := next((heading for heading in shown.values() if _is_most_of(heading, chosen.value)), None)) is not None:
        return most
    rest = _without_site(chosen.value, name, _words(main))
    if is_of_page:
        parts = _SEPARATOR.split(rest) if rest != chosen.value else _SEPARATOR.split(rest)[:1]
        if _words(main) and _words(main) in map(_words, parts):
            return main
        return next((heading for heading in others if _is_most_of(heading, rest)), rest)
    for title in (c.value for c in candidates if c.source == "html"):
        for part in (title, *_SEPARATOR.split(title)):
            words = _words(part)
            if words in shown and _is_about_another(chosen.value, words):
                return shown[words]
    return rest


def named_site(title: str, names: list[str]) -> str | None:
    """Return the first of some names that a sign sets apart at the end of a title, or at its beginning; or None."""
    parts = _SEPARATOR.split(title)
    colons = (title.partition(": ")[0], title.rpartition(": ")[2])
    # "Wikipedia, the free encyclopedia" begins with the name.
    ends = {_plain(part) for part in (parts[0], parts[-1], parts[-1].partition(",")[0], *colons)}
    ends -= {_plain(title), *_NO_TITLES}
    return next((name for name in names if _plain(name) in ends), None)


def beside_heading(title: str, heading: str) -> str | None:
    """Return what a bar sets apart at the end of a title that begins with a heading and a sign: the site's name, as a
    rule; None if it is longer than the heading, which then is the name and this what the site does, or says nothing,
    or is one word, which may be a place, a section, or what is done here.
    """
    signs = list(_SEPARATOR.finditer(title))
    name = title[signs[-1].end() :].strip() if signs and signs[-1][0].strip() in ("|", "｜", "_") else ""
    if name.isascii() and " " not in name:
        return None
    if not 1 < len(name) <= len(heading) or name[0].islower() or _plain(name) in _NO_TITLES or _PART.fullmatch(name):
        return None
    return name if any(_plain(title[: sign.start()]) == _plain(heading) for sign in signs) else None


def is_in_title(heading: str, title: str) -> bool:
    """Whether a title has all words of a heading, one after the other, and these say something."""
    is_part = is_part_of_title(heading, title) or f" {_plain(heading)} " in f" {_plain(title)} "
    return is_part and len(heading.encode()) >= _LEAST_STEM


def is_part_of_title(heading: str, title: str) -> bool:
    """Whether a heading is all that stands between two signs of a title, or before or after one."""
    return _plain(heading) in {_plain(part) for part in _SEPARATOR.split(title)}


def _without_site(title: str, name: str, main: frozenset[str]) -> str:
    """Return a title without the site's name, where a sign sets that apart at its end or its beginning, unless what is
    left says nothing ("Home | Rock Post"). Before a colon it is part of the title, unless the main heading is
    the rest.
    """
    signs, rest = list(_SEPARATOR.finditer(title)), title
    before, _, after = title.partition(": ")
    start, _, end = title.rpartition(": ")
    if not name or not (signs or after):
        return title
    if signs and _plain(title[: signs[0].start()]) == name:
        rest = title[signs[0].end() :].strip()
    elif (sign := _sign_before(title, name)) is not None:
        rest = title[: sign.start()].strip()
    elif _plain(before) == name and _words(after) == main:
        rest = after.strip()
    elif _plain(end) == name and _words(start) == main:
        rest = start.strip()
    return title if not rest or _plain(rest) in _NO_TITLES else rest


def _sign_before(title: str, name: str) -> re.Match[str] | None:
    """Return the sign before the last part of a title that is the site's name; what is after it is of the site, too."""
    signs = list(_SEPARATOR.finditer(title))
    for sign, after in zip(reversed(signs), (None, *reversed(signs)), strict=False):
        part = _plain(title[sign.end() : after.start() if after else None])
        if name in (part, part.partition(",")[0]):
            return sign
    return None


def _uncut(title: str, candidates: list[Candidate]) -> Candidate | None:
    """Return the candidate that gives a title in full which another cuts off with three dots, or None."""
    stem = title.rstrip(" .…")
    if not title.endswith(("…", "...")) or len(stem) < _LEAST_STEM:
        return None
    return next((c for c in candidates if c.value.startswith(stem) and len(c.value) > len(title)), None)


def _is_most_of(heading: str, title: str) -> bool:
    """Whether a title is a heading with less than its letters before or after it, set apart by a sign."""
    rest = title.removeprefix(heading) if title.startswith(heading) else title.removesuffix(heading)
    if rest == title or len(rest) >= len(heading):
        return False
    beside = rest.strip() if rest else "a"
    sign = beside[0] if title.startswith(heading) else beside[-1]
    return not sign.isalnum() and sign != ":"  # what is before a colon may be part of the title


def _is_about_another(headline: str, heading: frozenset[str]) -> bool:
    """Whether a headline describes rather than names: in small letters, or without a telling word of the heading."""
    both = _words(headline) & heading
    return 2 * len(both) < len(heading) and (
        headline[:1].islower() or all(len(word) < _TELLING_LETTERS for word in both)
    )


def _plain(text: str) -> str:
    """Return a name as it is compared: to the letter, as "C++" is not "C", but for capitals and white space."""
    return " ".join(text.lower().split())


def _words(text: str) -> frozenset[str]:
    """Return the words of a text, in small letters, to be compared."""
    return frozenset(re.findall(r"\w+", text.lower()))
