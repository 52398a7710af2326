"""Front matter of a Markdown text: YAML between `---` lines or TOML between `+++` lines, to metadata.

    text ─ split ─> entries, rest of the text      entries ─ described ─> fields of `Metadata`

A block is front matter if it is a mapping whose names are words; what stands between two rules of a letter is text and
stays. Values are read as they are written (`version: 1.10` is "1.10"); a date is brought to ISO 8601 where it can be.
What no field of `Metadata` takes is kept in `metadata.extra`. YAML that is broken, as `title: A: b` is, is read line by
line and named in a warning.

Sources: YAML 1.1 (PyYAML), TOML 1.0; Jekyll and Hugo for the fences and the names.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

import yaml

from docgraph.parsers.html.metadata.dates import iso_date

_YAML: Final = re.compile(
    r"\A---[ \t]*\n(?!\s*\n)(.{0,65536}?)\n?^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_TOML: Final = re.compile(r"\A\+\+\+[ \t]*\n(.{0,65536}?)\n?^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z][\w .-]{0,60}")
_LINE: Final = re.compile(r"^([A-Za-z][\w-]{0,60}):(?:[ \t]+(.*)|)$", re.MULTILINE)
_MOST_VALUES: Final = 10_000
"""Values of one front matter, those counted twice that an alias names twice."""
_DEEPEST: Final = 8
_NOTHING: Final = ("", "~", "null")


def split(text: str) -> tuple[dict[str, Any], str, str]:
    """Return the entries of a text's front matter, the text without it, and what is wrong with it, "" if nothing is.

    Values are strings, and lists and mappings of them. Without front matter there are no entries.
    """
    if found := _TOML.match(text):
        try:
            entries: Any = tomllib.loads(found.group(1))
        except tomllib.TOMLDecodeError as error:
            return {}, text, f"the front matter must be TOML, but {str(error).lower()}; it is kept as text."
        plain, problem = _plain_entries(entries)
        return plain, text[found.end() :], problem
    found = _YAML.match(text)
    if found is None:
        return {}, text, ""
    problem = ""
    try:
        entries = yaml.load(found.group(1), yaml.BaseLoader)  # makes strings, lists and mappings only
    except (yaml.YAMLError, RecursionError) as error:
        lines = [line for line in found.group(1).splitlines() if line.strip()]
        if not lines or not all(_LINE.match(line) or line[0] in " \t-#" for line in lines):
            return {}, text, ""
        entries = {name: value.strip("\"' ") for name, value in _LINE.findall(found.group(1))}
        reason = getattr(error, "problem", None) or type(error).__name__
        problem = f"the front matter must be YAML, but {reason}; it was read line by line."
    if entries is None and not found.group(1).strip():
        return {}, text[found.end() :], ""
    if not isinstance(entries, dict) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in entries):
        return {}, text, ""
    plain, excess = _plain_entries(entries)
    return plain, text[found.end() :], problem or excess


def described(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Metadata` that entries give."""
    left = {name.lower(): value for name, value in entries.items()}
    fields: dict[str, Any] = {}
    for field, names in (
        ("title", ("title",)),
        ("description", ("description", "summary")),
        ("date", ("date", "published", "pubdate")),
        ("modified", ("lastmod", "modified", "updated", "last_modified_at")),
        ("language", ("lang", "language")),
        ("section", ("category", "section")),
    ):
        name = next((name for name in names if isinstance(left.get(name), str)), None)
        if name is not None:
            value = left.pop(name)
            fields[field] = (iso_date(value) or value) if field in ("date", "modified") else value
    for field, names in (("authors", ("author", "authors")), ("tags", ("tags", "keywords"))):
        values = [part for name in names for part in _listed(left.pop(name, None))]
        if values:
            fields[field] = tuple(dict.fromkeys(values))
    return {**fields, "extra": left} if left else fields


def _listed(value: Any) -> list[str]:
    """Return the parts of a list, of text with commas, or the names of mappings."""
    if isinstance(value, str):
        return [part for part in map(str.strip, value.split(",")) if part]
    if isinstance(value, Mapping):
        value = [value]
    parts = [part.get("name") if isinstance(part, Mapping) else part for part in value or ()]
    return [part for part in parts if isinstance(part, str) and part]


def _plain_entries(entries: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return entries as JSON values, without those that hold nothing or too much, and which are too much."""
    plain: dict[str, Any] = {}
    too_much: list[str] = []
    left = _MOST_VALUES
    for name, value in entries.items():
        count = _count(value, left, _DEEPEST)
        if count > left:
            too_much.append(name)
            continue
        left -= count
        if (value := _plain(value)) is not None:
            plain[name] = value
    named = ", ".join(too_much[:3])
    return plain, f"values of the front matter are nested or repeated too often and left out: {named}." * bool(named)


def _count(value: Any, most: int, depth: int) -> int:
    """Return the number of values in a value, anything over `most` if it has more or is nested too deep."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    count = 1 if depth else most + 1
    for part in parts:
        if count > most:
            break
        count += _count(part, most - count, depth - 1)
    return count


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
    return None if text in _NOTHING else text
