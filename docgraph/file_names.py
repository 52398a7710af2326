"""File names as addresses, as text and in messages, whatever bytes they are made of.

    b"caf\\xe9.html"  ─ as Python has it ─> "caf\\udce9.html" ─┬─ address_of ─> "caf%E9.html" ─ path_of ─> the same file
                                                            └─ readable ───> "caf%E9.html"   for ids and messages

A name that is no UTF-8 has lone surrogates in Python, which JSON, parquet and terminals do not hold; a terminal obeys
control characters.

Source: PEP 383 (surrogateescape).
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")
_UNREADABLE: Final = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")
_NAMED: Final = 3


def is_file_name(src: str | None) -> bool:
    """Whether a `src` is a file name rather than an address, a data URI or nothing."""
    return bool(src) and not _SCHEME.match(src or "")


def address_of(path: str) -> str:
    """Return a path with slashes as it stands in an address: its bytes percent-encoded where they have to be."""
    return quote(os.fsencode(path))


def path_of(address: str) -> str:
    """Return the path that an address, or a `src` that is a file name, stands for."""
    return unquote(urlsplit(address).path, errors="surrogateescape")


def readable(name: str) -> str:
    """Return a name as text that UTF-8 can hold on one line: bytes that are no UTF-8 and control characters as %XX."""
    text = _UNREADABLE.sub(lambda byte: f"%{ord(byte.group()) & 0xFF:02X}", name)
    return text.encode("utf-8", "replace").decode("utf-8")


def by_suffix(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names by their suffix in small letters ("" for none), the commonest suffix first, names in order."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        grouped[PurePosixPath(name).suffix.lower()].append(name)
    return dict(sorted(grouped.items(), key=lambda group: (-len(group[1]), group[0])))


def told(names: Iterable[str]) -> str:
    """Return how many names there are of each suffix, with the first few: "2 .css (a.css, b.css), 1 .pdf (d.pdf)"."""
    parts = []
    for suffix, group in by_suffix(names).items():
        shown = ", ".join(map(readable, group[:_NAMED])) + (", ..." if len(group) > _NAMED else "")
        parts.append(f"{len(group)} {suffix or 'without a suffix'} ({shown})")
    return ", ".join(parts)
