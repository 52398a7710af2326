"""What one value of a table or a JSON record means: text, a label, or nothing.

    text_of   "caf&eacute;" -> "café"   ["One.", None, "Two."] -> "One.\\n\\nTwo."   None, NaN, {}, "", "nan" -> ""
    label_of  "Art &amp; Design" -> "Art & Design"   3, 3.0 -> "3"   None, NaN, "", "nan" -> None

NaN is what pandas fills gaps with, and "nan" what becomes of it once it is written as text. Character references are
what scrapers leave behind: those that HTML knows and that end in a semicolon are read as the characters they stand for.

Source: HTML Living Standard 13.5, named character references.
"""

import ast
import contextlib
import html
import json
import math
import re
from collections.abc import Iterable, Sequence
from html.entities import html5
from typing import Any, Final

NAN_WORDS: Final = ("nan", "NaN", "NAN", "<NA>", "NaT")
NOTHING_WORDS: Final = (*NAN_WORDS, "None", "null", "NULL")
"""As a text they stand for nothing. As a label "None" and "null" may be meant: only the first five are nothing."""
GAP_WORDS: Final = ("None", "none", "null", "NULL", "N/A", "n/a", "NA", "#N/A")
"""As a label they stand for nothing where few records have them, and name a class where many do (table.py)."""
_REFERENCE: Final = re.compile(r"&(?:#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")


def is_missing(value: Any) -> bool:
    """Whether a value stands for nothing: None, NaN of any type, or blank text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return not isinstance(value, Sequence | dict) and bool(value != value)


def decoded(text: str) -> str:
    """Return a text with its character references as the characters that they stand for."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    name = found[1]
    return html.unescape(found[0]) if name is None else html5.get(f"{name};", found[0])


def text_of(value: Any) -> str:
    """Return a field's text, stripped; a list of texts as paragraphs; "" where there is none."""
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        value = value.strip()
        return "" if value in NOTHING_WORDS else decoded(value).strip()
    if isinstance(value, Sequence):
        return "\n\n".join(text for item in value if (text := text_of(item)))
    return "" if isinstance(value, dict) else _number(value)


def label_of(value: Any) -> str | None:
    """Return a label's name with single spaces, None where there is none; a list of one label is that label.

    Half a pair of UTF-16, as JSON has where a text was cut within an emoji, is "?": no file could hold it.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 1:
        return label_of(value[0])
    if is_missing(value) or isinstance(value, dict) or value in NAN_WORDS:
        return None
    name = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else _number(value)
    return " ".join(decoded(name).encode("utf-8", "replace").decode("utf-8").split()) or None


def labels_of(value: Any, separator: str | None = None) -> tuple[str, ...] | None:
    """Return the labels of a cell, each once: a list of them, JSON's or Python's form of one, or a text that a
    separator parts.

    None where nothing is there; an empty list is a record that has none of the labels.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        value = _list_in(value.strip())
    if isinstance(value, str) and separator is not None:
        value = decoded(value).split(separator)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(dict.fromkeys(name for one in value if (name := label_of(one)) is not None))
    name = label_of(value)
    return None if name is None else (name,)


def _list_in(text: str) -> Any:
    """Return the list that a text is, as JSON or as Python writes it; the text where it is none."""
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            if isinstance(value := read(text), list | tuple):
                return value
    return text


def has_decimal_commas(values: Iterable[Any]) -> bool:
    """Whether numbers among some cells have a comma for their point: "0,5", not "1,000", which may be a thousand."""
    commas = [value for value in values if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value)]
    return any(re.fullmatch(r"\s*[-+]?(0,\d+|\d{4,},\d+|\d+,(?!\d{3}\s*$)\d+)\s*", value) for value in commas)


def value_of(value: Any, decimal_comma: bool = False) -> float | None:
    """Return a cell as a finite number, None where it is none."""
    if decimal_comma and isinstance(value, str):
        value = value.replace(",", ".")
    try:
        number = math.nan if is_missing(value) or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _number(value: Any) -> str:
    """Return a value as text; a whole number has no point, though a column with gaps makes it 3.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
