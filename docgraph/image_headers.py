"""Width and height of an image from its first bytes, without Pillow.

Pillow reads the header too, but some of its decoders allocate the canvas while doing so (WebP), and above its own
bound it warns or raises in its own words. So the header is read here first, and the bound is `Limits.image_pixels`.

Sources: PNG specification 11.2.2; GIF89a 18; RIFF WebP container (RFC 9649, 2.5-2.7); BITMAPINFOHEADER; JPEG
(ITU T.81, B.1.1.3 and B.2.2).
"""

from typing import Final

_NO_LENGTH: Final = frozenset([0x01, *range(0xD0, 0xDA)])
"""JPEG markers without a segment: TEM, RST0-7, SOI, EOI."""
_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG start-of-frame markers; C4, C8 and CC are tables."""


def header_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in stored pixels, or None if the bytes are no PNG, GIF, WebP, BMP or JPEG header."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return _pair(data[16:24], "big")
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _pair(data[6:10], "little")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:2] == b"BM":
        # Before BITMAPINFOHEADER (40 bytes) the sizes had 16 bits; a negative height means top to bottom.
        if int.from_bytes(data[14:18], "little") == 12:
            return _pair(data[18:22], "little")
        width, height = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22))
        return abs(width), abs(height)
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    return None


def _pair(data: bytes, order: str) -> tuple[int, int]:
    half = len(data) // 2
    first, second = (int.from_bytes(part, "big" if order == "big" else "little") for part in (data[:half], data[half:]))
    return first, second


def _webp(data: bytes) -> tuple[int, int] | None:
    form = data[12:16]
    if form == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if form == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 ":
        width, height = _pair(data[26:30], "little")
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in _FRAME:
            height, width = _pair(data[at + 5 : at + 9], "big")
            return width, height
        if marker == 0xFF:
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
