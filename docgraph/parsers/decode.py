"""Bytes of a page to text, and how the encoding was found.

    bytes ─ byte order mark? ─ strict UTF-8? ─ declared label that decodes strictly? ─ detector ─ windows-1252 ─> text

The first that holds wins. Strict UTF-8 comes before the declared label because a wrong label is common, while text
in another encoding that is valid UTF-8 by chance is not; Japanese of seven bits is known by its escapes. A western
label is not believed where most words have no plain letter in them, or where words hold signs and letters that only
another encoding of one byte a letter explains; KOI8-R and windows-1251 are told apart by capitals. What was detected
from few letters is said to be unsure. A page that is UTF-8 but for broken bytes, fewer than whole letters, or that
ends within a letter, stays UTF-8: each broken byte becomes U+FFFD and is counted. `decode` never raises, whatever the
bytes. Files are first held against the signatures of formats that are no text (signatures.py).

Sources: WHATWG Encoding Standard (labels); HTML Living Standard 13.2.3.2 (where a page may declare its encoding).
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_DECLARATION: Final = re.compile(
    rb"""<meta[^>]{0,400}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:\-]+)|<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:\-]+)""",
    re.IGNORECASE,
)
_WESTERN: Final = frozenset(("cp1252", "iso8859-1", "iso8859-15", "cp1254"))
_MARKUP: Final = re.compile(r"<script.*?</script>|<style.*?</style>|<[^>]{0,2000}>", re.S | re.I)
_WORD: Final = re.compile(r"[^\W\d_]+")
_STRANGE_SHARE: Final = 0.3
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")
_PRIVATE_SHARE: Final = 0.02
_FOREIGN_SHARE: Final = 0.4
_FEW_SIGNS: Final = 20
"""Signs below which their share says nothing."""
_PRESCAN_BYTES: Final = 8192
_DETECT_BYTES: Final = 65_536


def _is_improbable(text: str) -> bool:
    """Whether text of a western page has words of nothing but accented letters, or is made of these and of signs:
    another alphabet, wrongly labelled.
    """
    text = _MARKUP.sub(" ", text[: 4 * _DETECT_BYTES])
    signs = "".join(text.split())
    if len(signs) >= _FEW_SIGNS and sum(not sign.isascii() for sign in signs) > _FOREIGN_SHARE * len(signs):
        return True
    words = _WORD.findall(text)
    strange = sum(1 for word in words if len(word) > 2 and not any(letter.isascii() for letter in word))
    return strange > _STRANGE_SHARE * len(words)


def _is_of_another(text: str) -> bool:
    """Whether text that was read as simplified Chinese has signs that no text has: it is traditional, in Big5."""
    text = text[:_DETECT_BYTES]
    return len(_PRIVATE.findall(text)) > _PRIVATE_SHARE * sum(not sign.isascii() for sign in text)


def _other_of_one_byte(data: bytes, text: str, declared: str) -> str | None:
    """Return the encoding of one byte a letter that a page is in if it is not the declared one, else None."""
    text = text[: 4 * _DETECT_BYTES]
    if declared in _CYRILLIC:
        words = _WORD.findall(_MARKUP.sub(" ", text))
        capitals = sum(1 for word in words if len(word) > 1 and word[1:].isupper())
        odd = any(word[0].islower() and word[1:].isupper() for word in words if len(word) > 2)
        return _CYRILLIC[declared] if odd and capitals > len(words) / 2 else None
    if declared not in _WESTERN or text.isascii():
        return None
    found = _LANGUAGE.search(data[:_PRESCAN_BYTES])
    language = found.group(1).lower() if found else b""
    if language == b"tr" or (len(_TURKISH.findall(text)) > 2 and not _ICELANDIC.search(text)):
        return None if declared == "cp1254" else "cp1254"
    czech = len(_CZECH.findall(text)) > 2 and "ø" in text and len(re.findall("[šžŠŽ]", text)) > 1
    if language in _CENTRAL or czech or len(_SIGN_IN_WORD.findall(text)) > 2:
        return min(
            ("cp1250", "iso8859-2"),
            key=lambda name: len(_NO_LETTER_IN_WORD.findall(data.decode(name, "replace")[: 4 * _DETECT_BYTES])),
        )
    return None


_CYRILLIC: Final = {"cp1251": "koi8-r", "koi8-r": "cp1251", "koi8-u": "cp1251"}
_CENTRAL: Final = frozenset((b"pl", b"cs", b"sk", b"hu", b"hr", b"sl", b"ro", b"bs"))
_LANGUAGE: Final = re.compile(rb"<html[^>]{0,400}?\slang\s*=\s*[\"']?([A-Za-z]{2})\b", re.I)
_COUNTRY: Final = {one: one for one in (b"hr", b"hu", b"lt", b"lv", b"pl", b"ro", b"sk", b"tr")} | {
    b"bs": b"ba", b"cs": b"cz", b"et": b"ee", b"sl": b"si",
}  # fmt: skip
"""Language -> domain of its country, for which the detector asks. Others it tells without, and a wrong one misleads."""
_TURKISH: Final = re.compile(r"[a-zöüç][ðýþ]|[ðýþ][a-zöüç]")
_ICELANDIC: Final = re.compile(r"[áéíóúæ]")
_CZECH: Final = re.compile(r"[øìèù]")
_SIGN_IN_WORD: Final = re.compile(r"[a-z][¹³¼½¾¿¢£¥¦±¶µ][a-z]")
"""What the letters of Central Europe look like where they are read as western."""
_NO_LETTER_IN_WORD: Final = re.compile(
    r"[^\W\d_][¹³¼½¾¿¢£¥¦±¶µˇ˘˛¸˝‹›„”‰†‡•™©®¬°»«§¤÷×\ufffd][^\W\d_]|[^\W\d_][\x80-\x9f±¶¹]|Ľ[^\Waeiouyáéíóú]"
)
_WESTERN_WORDS: Final = re.compile(
    r"(?<!\w)(?:à|où|là|été|même|très|aprés|après|è|più|però|perché|não|são|também|está|más|año|años|für|über|können|på|är|när)"
    r"(?!\w)",
    re.I,
)
"""Frequent words of western languages, by which a detector's guess of another alphabet of Latin letters is refuted."""
_HIGH: Final = bytes(range(128, 256))
_KANA: Final = re.compile(r"[\u3041-\u3096]")
_KANA_SHARE: Final = 0.25
"""Share of Hiragana by which a page is told to be Japanese; in no other encoding do bytes look like that."""
_FEW: Final = 60
"""Bytes that are not ASCII, with which a detector is often wrong."""
_UTF8_VALID: Final = {"utf-8": 1, None: 4}
"""Declared encoding -> valid sequences of several bytes for each broken one, with which a page is UTF-8. Of pages in
other encodings EUC-JP has most: one for three broken ones."""
_UTF8_VALID_ELSE: Final = 20
"""The same where another encoding is declared."""

_LABELS: Final = {
    "ascii": "cp1252", "us-ascii": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "l1": "cp1252",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252",
    "windows-1252": "cp1252", "x-cp1252": "cp1252",
    "iso-8859-9": "cp1254", "latin5": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "windows-874": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030", "chinese": "gb18030",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "x-x-big5": "big5hkscs", "cn-big5": "big5hkscs",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "korean": "cp949", "windows-949": "cp949",
    "x-mac-roman": "mac-roman", "macintosh": "mac-roman", "x-euc-jp": "euc-jp", "koi8": "koi8-r",
    "iso-8859-8-i": "iso-8859-8", "logical": "iso-8859-8", "unicode-1-1-utf-8": "utf-8", "utf8": "utf-8",
}  # fmt: skip
"""Labels that the Encoding Standard reads as another encoding than Python does."""


class Decoded(NamedTuple):
    """A decoded page."""

    text: str
    encoding: str
    source: str
    """How the encoding was found: "bom", "utf-8", "declared", "detected" or "fallback"."""
    replaced: int
    """Number of bytes that could not be read and became U+FFFD."""
    unsure: bool = False
    """Whether the encoding is a guess from few letters."""

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield what is to be said of it: code, sentence."""
        if self.replaced:
            yield "decode.replaced", f"{self.replaced} characters could not be decoded as {self.encoding}."
        if self.unsure:
            yield (
                "decode.unsure",
                f"no encoding is declared that fits, and {self.encoding} is a guess from few letters.",
            )


def decode(data: bytes) -> Decoded:
    """Return the text of `data` and how its encoding was found. Never raises."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _replacing(data[len(mark) :], encoding, "bom")
    if wide := _wide_without_mark(data):
        return _replacing(data, wide, "detected")
    if (b"\x1b$" in data or b"~{" in data) and (declared_encoding(data) or "").startswith(
        ("iso2022", "iso-2022", "hz")
    ):
        # Valid UTF-8, for it is all ASCII, but the escapes say what the bytes after them mean.
        return _replacing(data, declared_encoding(data) or "iso2022_jp", "declared")
    if (b"\x1b$B" in data or b"\x1b$@" in data) and data.isascii():
        try:
            return Decoded(data.decode("iso2022_jp"), "iso2022_jp", "detected", 0)
        except UnicodeDecodeError:
            pass
    try:
        return Decoded(data.decode("utf-8"), "utf-8", "utf-8", 0)
    except UnicodeDecodeError:
        pass
    declared = declared_encoding(data)
    if (almost := _almost_utf_8(data, declared)) is not None:
        return almost
    if declared is not None and declared != "utf-8":
        try:
            text = data.decode(declared)
            if declared in _WESTERN and _is_improbable(text) and (better := _detected(data)) not in (None, *_WESTERN):
                return _replacing(data, better or declared, "detected")
            if better := _other_of_one_byte(data, text, declared):
                return _replacing(data, better, "detected")
            if declared == "gb18030" and _is_of_another(text) and (better := _detected(data)) not in (None, declared):
                return _replacing(data, better or declared, "detected")
            return Decoded(text, declared, "declared", 0)
        except (UnicodeDecodeError, LookupError):
            pass
    unsure = len(data) - len(data.translate(None, _HIGH)) < _FEW
    detected = _detected(data)
    if detected is not None:
        return _replacing(data, detected, "detected")._replace(unsure=unsure)
    return _replacing(data, "cp1252", "fallback")._replace(unsure=unsure)


def _almost_utf_8(data: bytes, declared: str | None) -> Decoded | None:
    """Return a page that is UTF-8 but for a few bytes, or for a letter that its end cuts; None if it is none."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    valid = len(text) - broken - len(data.translate(None, _HIGH))
    enough = valid >= _UTF8_VALID.get(declared, _UTF8_VALID_ELSE) * broken
    if not enough and (valid or declared == "utf-8"):
        try:
            enough = codecs.utf_8_decode(data, "strict", False)[1] < len(data)
        except UnicodeDecodeError:
            return None
    return Decoded(text, "utf-8", "utf-8", broken) if enough else None


def declared_encoding(data: bytes) -> str | None:
    """Return the Python name of the encoding that a page declares in its first 8 KiB, None if it names none we know."""
    for declaration in _DECLARATION.finditer(data[:_PRESCAN_BYTES]):
        label = (declaration.group(1) or declaration.group(2)).decode("ascii").strip().lower()
        name = _LABELS.get(label, label)
        if name.startswith(("utf-16", "utf16", "ucs-2", "utf-32")):
            # A page whose declaration can be read as ASCII is not UTF-16 (HTML Living Standard 13.2.3.2).
            name = "utf-8"
        try:
            codec = codecs.lookup(name)
        except LookupError:
            continue
        if codec._is_text_encoding and codec.name not in ("idna", "punycode", "unicode_escape"):
            return _LABELS.get(codec.name, codec.name)
    return None


def _wide_without_mark(data: bytes) -> str | None:
    """Return the name of UTF-16 or UTF-32 if a page without a byte order mark shows its zero bytes."""
    head = data[:512]
    if len(head) < 4 or head.count(0) * 4 < len(head):
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 4 * (even + 1):
        return "utf-16-le"
    return "utf-16-be" if even > 4 * (odd + 1) else None


def _detected(data: bytes) -> str | None:
    """Return what Firefox's detector makes of the beginning of the page, markup left out; None if it cannot tell."""
    sample = re.sub(rb"<script.*?</script>|<style.*?</style>|<[^>]{0,2000}>", b" ", data, flags=re.S | re.I)
    sample = sample[:_DETECT_BYTES]
    try:
        from chardetng_py import EncodingDetector  # type: ignore[import-untyped]  # seldom needed
    except ImportError:  # no wheel for this Python
        return _detected_without_firefox(sample, data)
    found = _LANGUAGE.search(data[:_PRESCAN_BYTES])
    country = _COUNTRY.get(found.group(1).lower()) if found else None
    detector = EncodingDetector()
    detector.feed(sample, last=True)
    label = detector.guess(tld=country, allow_utf8=False).lower()
    return _LABELS.get(label, codecs.lookup(label).name)


def _detected_without_firefox(sample: bytes, data: bytes) -> str | None:
    """Return what charset-normalizer makes of it, where there is no wheel of the detector."""
    from charset_normalizer import from_bytes  # slow to load, and seldom needed

    high = sample.translate(None, bytes(range(128)))
    kana = len(_KANA.findall(sample.decode("euc_jp", "ignore")))
    if 2 * kana > _KANA_SHARE * len(high) and sample.decode("euc_jp", "replace").count("\ufffd") <= 1:
        return "euc_jp"
    best = from_bytes(sample).best()
    name = None if best is None else codecs.lookup(best.encoding).name
    if name == "mac-cyrillic":
        name = "cp1251"  # the small letters agree, and it has not been used for long
    if name is None or name in ("ascii", "utf-8"):
        return None
    name = _LABELS.get(name, name)
    return "cp1252" if name not in _WESTERN and _is_western(data[: 4 * _DETECT_BYTES], name) else name


def _is_western(data: bytes, detected: str) -> bool:
    """Whether a page that a detector takes for one in other Latin letters has words of western languages."""
    letters = [letter for letter in data.decode(detected, "replace") if not letter.isascii() and letter.isalpha()]
    if sum(letter < "\u0250" for letter in letters) < 0.9 * len(letters):
        return False
    return len(_WESTERN_WORDS.findall(data.decode("cp1252", "replace"))) > 1


def _replacing(data: bytes, encoding: str, source: str) -> Decoded:
    text = data.decode(encoding, "replace")
    return Decoded(text, encoding, source, text.count("\ufffd"))
