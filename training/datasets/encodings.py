"""The encoding of a CSV that is not UTF-8: the decoder of pages and texts, with what is known of spreadsheets.

    bytes ──text_of_table──> text, encoding, characters that could not be read

On Windows spreadsheets write the system's code page, mostly cp1252, and a table in English has few other letters: the
decoder, which also knows what DOS and printers had, is often wrong about such. In a language of Latin letters those
beyond ASCII stand alone between others, in any other script they stand together.
"""

import re
from typing import Final

from docgraph.parsers.decode import decode

FEW_KINDS: Final = 3
FEW_SHARE: Final = 0.025
"""Kinds of bytes that are not ASCII, and their share: a table with no more of either is in no language of Central
Europe, whose code pages share most letters with cp1252."""
_OLD: Final = re.compile(r"cp[4-8]\d\d|hp-roman8")
_HIGH: Final = re.compile(rb"[\x80-\xff]+")


def text_of_table(data: bytes) -> tuple[str, str, int]:
    """Return the text of a table, its encoding, and how many characters could not be read. Never raises."""
    decoded = decode(data)
    runs = _HIGH.findall(data)
    high = b"".join(runs)
    is_latin = len(runs) >= 0.7 * len(high)
    is_rare = len({*high}) <= FEW_KINDS and len(high) <= FEW_SHARE * len(data)
    is_odd = _OLD.fullmatch(decoded.encoding) or (decoded.unsure and not decoded.encoding.startswith("cp125"))
    if decoded.source == "detected" and is_latin and (is_rare or is_odd):
        try:
            return data.decode("cp1252"), "cp1252", 0
        except UnicodeDecodeError:
            pass
    return decoded.text, decoded.encoding, decoded.replaced
