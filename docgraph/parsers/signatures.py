"""The first bytes of files that are no text, whatever their names say.

Source: MIME Sniffing Standard 6.
"""

from typing import Final

from docgraph.errors import ParseError

_SIGNATURES: Final = {
    b"%PDF-": "a PDF", b"PK\x03\x04": "a zip archive or an office file", b"\x1f\x8b": "a gzip file",
    b"\x89PNG\r\n\x1a\n": "an image", b"\xff\xd8\xff": "an image", b"GIF87a": "an image", b"GIF89a": "an image",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an office file", b"\x7fELF": "a program",
    b"SQLite format 3\0": "a database", b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!\x1a\x07": "a RAR archive",
}  # fmt: skip


def check_is_text(data: bytes, name: str) -> None:
    """Raise ParseError if a file's first bytes say that it is no text, whatever its name says."""
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            raise ParseError(f"a page must be text, but {name} is {kind} by its first bytes.")
