"""Width and height of an image from its first bytes, and PNG files without what Pillow stumbles over; no Pillow.

    header_size: PNG GIF WebP BMP JPEG AVIF ─> (width, height)      without_large_chunks: a PNG's profile and texts

Pillow reads the header too, but some of its decoders allocate the canvas while doing so (WebP), and above its own
bound it warns or raises in its own words. So the header is read here first, and the bound is `Limits.image_pixels`.

Sources: PNG specification 11.2.2; GIF89a 18; RIFF WebP container (RFC 9649, 2.5-2.7); BITMAPINFOHEADER; JPEG
(ITU T.81, B.1.1.3 and B.2.2); HEIF (ISO 23008-12, 6.5.3: `ispe`).
"""

import zlib
from typing import Final

_NO_LENGTH: Final = frozenset([0x01, *range(0xD0, 0xDA)])
"""JPEG markers without a segment: TEM, RST0-7, SOI, EOI."""
_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG start-of-frame markers; C4, C8 and CC are tables."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ASIDE: Final = (b"iCCP", b"zTXt", b"iTXt", b"tEXt")
"""PNG chunks beside the pixels: a colour profile, texts."""
_MOST_ASIDE: Final = 1_000_000
"""Bytes of one of them, unpacked; Pillow refuses the whole image for a few more."""
_HEIF_BYTES: Final = 65_536
"""Where the boxes of a HEIF file that say its size are looked for."""


def header_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in stored pixels, or None if the bytes are no header of a known kind."""
    if data[:8] == _PNG and data[12:16] == b"IHDR":
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
    if data[4:8] == b"ftyp":
        return _heif(data)
    return None


def without_large_chunks(data: bytes) -> bytes:
    """Return a PNG without colour profiles and texts that are large once unpacked; anything else as it is."""
    if data[:8] != _PNG:
        return data
    kept, begin, at = [], 0, 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind in _ASIDE and _unpacked_size(kind, data[at + 8 : end - 4]) > _MOST_ASIDE:
            kept.append(data[begin:at])
            begin = end
        at = end
    return b"".join((*kept, data[begin:])) if kept else data


def _unpacked_size(kind: bytes, chunk: bytes) -> int:
    """Return the size of a chunk's text or profile, not more than one over the bound."""
    _, _, body = chunk.partition(b"\0")
    if kind == b"iTXt":
        packed = body[2:].split(b"\0", 2)[-1] if body[:1] == b"\1" else b""
    else:
        packed = b"" if kind == b"tEXt" else body[1:]
    try:
        return max(len(chunk), len(zlib.decompressobj().decompress(packed, _MOST_ASIDE + 1)))
    except zlib.error:
        return len(chunk)


def _heif(data: bytes) -> tuple[int, int] | None:
    """Return the largest size that the image or one of its tiles and twins has."""
    sizes = []
    at = data.find(b"ispe", 0, _HEIF_BYTES)
    while 0 <= at <= len(data) - 16:
        sizes.append(_pair(data[at + 8 : at + 16], "big"))
        at = data.find(b"ispe", at + 4, _HEIF_BYTES)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


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
