"""Pictures of a document: opened late, from allowed places only, within bounds.

    src of an image node ──bytes()──> encoded picture ──header, then pixels──> PIL.Image

Where the bytes may come from, in this order; nothing else is ever read, and there is no network:

    a name in `ImageAccess.resources`     pictures that were handed over as bytes
    a `data:` URI                    at most `Limits.data_uri_bytes` characters
    a file under `ImageAccess.root`       a folder, or a zip archive; relative names start at `ImageAccess.base`, which lies in it
    `ImageAccess.fetch(src)`              the caller's own function

A file name is resolved first, symbolic links included, and must then still lie under the root. The size in the
header is checked against `Limits.image_pixels` before any pixel is decoded. Only the first frame
is decoded unless another is asked for.
Every failure is one `ImageError` that names the picture; its `code` says which kind (see `ImageError`).

Sources: RFC 2397 (data URIs); Pillow handbook, decompression bombs.
"""

import binascii
import os
import posixpath
import re
import stat
import struct
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from docgraph.errors import ImageError
from docgraph.image_headers import header_size
from docgraph.records import Fetcher, ImageAccess

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""What is decoded. Others (EPS, FITS, PDF, TIFF, ...) have a long record of security holes in their decoders."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_FLAGS: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_DECODING: Final = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError, struct.error,
)  # fmt: skip
"""What Pillow's decoders raise on broken files; its bomb error and warning are added where it is imported."""


def is_file_name(src: str | None) -> bool:
    """Whether a `src` is a file name rather than an address, a data URI or nothing."""
    return bool(src) and not _SCHEME.match(src or "")


_Bytes = bytes  # `bytes` is a method below


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A picture that has not been opened: the `src` of an image node and its document's way to pictures.

    `raw` is the source as the page wrote it, before it was resolved against the page's URL: a page that was saved
    with its pictures still finds them in its folder, although `src` names the web.
    """

    src: str | None
    access: ImageAccess
    raw: str | None = None

    @property
    def name(self) -> str:
        """Its `src`, short enough for a message."""
        src = self.src or ""
        if src[:5].lower() == "data:":
            return f"{src[:30]}… ({len(src)} characters)" if len(src) > 30 else src
        return src if len(src) <= 120 else f"{src[:60]}…{src[-50:]}"

    def open(self, mode: str | None = None, *, near: tuple[int, int] | None = None, frame: int = 0) -> "Image.Image":
        """Return one frame, decoded, turned as its EXIF orientation says.

        Args:
            mode: a Pillow mode to convert to, such as "RGB"; transparent places become white where the mode has no
                alpha. None leaves the picture as it is.
            near: (width, height) that is enough. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its size where that
                still covers it, which saves most of the time; the result is not smaller than asked for.
            frame: of an animation; `Limits.image_frames` bounds it, as those before it are decoded too.

        Raises:
            ImageError: the picture is missing, not allowed, too large or unreadable.
        """
        from PIL import ImageOps

        with self._opened() as image:
            orientation = _orientation(image)
            if near is not None:
                image.draft(None, near if orientation < 5 else near[::-1])
            if frame:
                self._check_frame(frame)
                image.seek(frame)
            image.load()
            turned = ImageOps.exif_transpose(image) if orientation > 1 else image
            return turned if mode is None else _converted(turned, mode)

    def size(self) -> tuple[int, int]:
        """Return (width, height) in pixels as shown, from the header: no pixel is decoded.

        Raises:
            ImageError: as `open`, but for damage past the header.
        """
        with self._opened() as image:
            width, height = image.size
            return (height, width) if _orientation(image) >= 5 else (width, height)

    def bytes(self) -> _Bytes:
        """Return the encoded picture, at most `Limits.image_bytes` of it.

        Raises:
            ImageError: the picture is missing, not allowed or too large.
        """
        if not self.src:
            raise ImageError("an image node must have a src to be opened, but this one has none.", "missing")
        found = self._read(self.src)
        limit = self.access.limits.image_bytes
        if len(found) > limit:
            raise ImageError(
                f"picture {self.name} has {len(found)} bytes, but Limits.image_bytes is {limit}.", "too_large"
            )
        return found

    @property
    def problem(self) -> ImageError | None:
        """The error that `open` would raise, or None. Decodes the picture."""
        try:
            self.open()
        except ImageError as error:
            return error
        return None

    def status(self) -> str:
        """Return "ok", or the code of its problem: "missing", "refused", "too_large" or "unreadable"."""
        problem = self.problem
        return "ok" if problem is None else problem.code

    def _read(self, src: str) -> _Bytes:
        if src in self.access.resources:
            return self.access.resources[src]
        if src[:5].lower() == "data:":
            return self._read_data_uri(src)
        file = next((name for name in (src, self.raw) if is_file_name(name)), None)
        if file is not None and self.access.root is not None:
            try:
                return self._read_local(file, self.access.root)
            except ImageError as error:
                if error.code != "missing" or self.access.fetch is None:
                    raise
        if self.access.fetch is not None:
            return self._fetch(src, self.access.fetch)
        if file is not None:
            raise ImageError(
                f"picture {self.name} is a local file, but no folder was given that it may come from; "
                "pass images=<folder> to the parser.",
                "refused",
            )
        raise ImageError(
            f"picture {self.name} is not in the document's folder and is never fetched by itself; "
            "pass a function that fetches as images= if it should be.",
            "refused",
        )

    def _read_data_uri(self, src: str) -> _Bytes:
        limit = self.access.limits.data_uri_bytes
        if len(src) > limit:
            raise ImageError(f"picture {self.name} is too long: Limits.data_uri_bytes is {limit}.", "too_large")
        head, comma, body = src[5:].partition(",")
        if not comma:
            raise ImageError(f"a data URI must have a comma, but {self.name} has none.", "unreadable")
        if not head.lower().rstrip().endswith(";base64"):
            return unquote_to_bytes(body)
        try:
            return b64decode(_padded(unquote_to_bytes(body)))
        except binascii.Error as error:
            raise ImageError(f"picture {self.name} is not base64: {error}.", "unreadable") from error

    def _read_local(self, src: str, root: str) -> _Bytes:
        name = unquote(urlsplit(src).path).replace("\\", "/")
        if "\0" in name or not name.strip("/") or _DRIVE.match(name) or name.startswith("//"):
            raise ImageError(f"picture {self.name} must be a file name, but is not one.", "refused")
        base = self.access.base
        if base is None or name.startswith("/"):
            base = root
        name = name.lstrip("/")
        try:
            if not os.path.isdir(root) and zipfile.is_zipfile(root):
                return self._read_member(root, base, name)
            return self._read_file(root, base, name)
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            reason = "there is no such file" if missing else str(error)
            raise ImageError(
                f"picture {self.name} cannot be read under {root}: {reason}.",
                "missing" if missing else "unreadable",
            ) from error

    def _read_file(self, root: str, base: str, name: str) -> _Bytes:
        top = Path(root).resolve()
        path = Path(base, name).resolve()  # pathlib keeps `..` until the links before it are followed
        if not path.is_relative_to(top):
            raise ImageError(f"picture {self.name} leads out of its folder {root}.", "refused")
        # Not blocking: a FIFO named a.png must not hang the reader. The file is judged by what was opened.
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ImageError(f"picture {self.name} must be a regular file, but is not one.", "refused")
        with open(descriptor, "rb") as file:
            return file.read(self.access.limits.image_bytes + 1)

    def _read_member(self, root: str, base: str, name: str) -> _Bytes:
        inner = "" if base == root else base
        member = posixpath.normpath(posixpath.join(inner, name))
        if member.startswith(("../", "/")) or member == "..":
            raise ImageError(f"picture {self.name} leads out of its archive {root}.", "refused")
        with zipfile.ZipFile(root) as archive:
            if member not in archive.NameToInfo:
                raise FileNotFoundError(member)
            with archive.open(member) as file:
                return file.read(self.access.limits.image_bytes + 1)

    def _fetch(self, src: str, fetch: Fetcher) -> _Bytes:
        try:
            found = fetch(src)
        except OSError as error:
            raise ImageError(
                f"picture {self.name} could not be fetched: {str(error).rstrip('.')}.", "missing"
            ) from error
        if found is None:
            raise ImageError(f"picture {self.name} was not found by the document's fetcher.", "missing")
        return found

    @contextmanager
    def _opened(self) -> "Iterator[Image.Image]":
        """Yield the picture with its header read and its size found to be within the limit."""
        from PIL import Image

        data, limit = self.bytes(), self.access.limits.image_pixels
        try:
            self._check_pixels(header_size(data) or (0, 0), limit)
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                self._check_pixels(image.size, limit)
                yield image
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageError(f"picture {self.name} is too large to decode: {error}", "too_large") from error
        except _DECODING as error:
            allowed = ", ".join(FORMATS)
            raise ImageError(
                f"picture {self.name} must be a whole {allowed} file, but {_reason(error, data)}.",
                "unreadable",
            ) from error

    def _check_frame(self, frame: int) -> None:
        limit = self.access.limits.image_frames
        if not 0 <= frame < limit:
            raise ImageError(
                f"picture {self.name} is decoded up to Limits.image_frames={limit} frames, but frame {frame} is asked for.",
                "too_large",
            )

    def _check_pixels(self, size: tuple[int, int], limit: int) -> None:
        width, height = size
        if width * height > limit:
            raise ImageError(
                f"picture {self.name} has {width} x {height} pixels, but Limits.image_pixels is {limit}.",
                "too_large",
            )


def _reason(error: BaseException, data: bytes) -> str:
    if not data:
        return "is empty"
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is something else"
    return str(error) or type(error).__name__


def _padded(body: bytes) -> bytes:
    """Return base64 text without white space, with the padding that many pages leave out."""
    body = b"".join(body.split())
    return body.rstrip(b"=") + b"=" * (-len(body.rstrip(b"=")) % 4)


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation, 1 (upright) if there is none or it cannot be read."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except _DECODING:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _converted(image: "Image.Image", mode: str) -> "Image.Image":
    """Return the picture in another mode; transparent places turn white where the mode has no alpha."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips: every value over 255 would be white.
        image = image.point(lambda value: value / 256).convert("L")
    transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if not transparent or mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return image if image.mode == mode else image.convert(mode)
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    ground.alpha_composite(layer)
    return ground.convert(mode)
