"""Images of a document: opened late, from allowed places only, within bounds.

    src of an image node ─ image_bytes.py ─> encoded image ─ header, then pixels ─> PIL.Image

The size in the header is checked against `Limits.image_pixels` before any pixel is decoded. Only the first frame is
decoded unless another is asked for. There is no network but the caller's own function. Every failure is one
`ImageError` that names the image; its `code` says which kind (see `ImageError`).

Source: Pillow handbook, decompression bombs.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

from docgraph.errors import ImageError
from docgraph.image_bytes import read_image, short_name
from docgraph.image_headers import header_size, without_large_chunks
from docgraph.records import ImageAccess

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF")
"""What is decoded. Others (EPS, FITS, PDF, TIFF, ...) have a long record of security holes in their decoders."""

_DECODING: Final = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError, struct.error,
)  # fmt: skip
"""What Pillow's decoders raise on broken files; its bomb error and warning are added where it is imported."""


_Bytes = bytes  # `bytes` is a method below


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image that has not been opened: the `src` of an image node and its document's way to images.

    `raw` is the source as the page wrote it, before it was resolved against the page's URL: a page that was saved
    with its images still finds them in its folder, although `src` names the web.
    """

    src: str | None
    access: ImageAccess
    raw: str | None = None

    @property
    def name(self) -> str:
        """Its `src`, short enough for a message."""
        return short_name(self.src)

    def open(self, mode: str | None = None, *, near: tuple[int, int] | None = None, frame: int = 0) -> "Image.Image":
        """Return one frame, decoded, turned as its EXIF orientation says.

        Args:
            mode: a Pillow mode to convert to, such as "RGB"; transparent places become white where the mode has no
                alpha. None leaves the image as it is.
            near: (width, height) that is enough. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its size where that
                still covers it, which saves most of the time; the result is not smaller than asked for.
            frame: of an animation; `Limits.image_frames` bounds it, as those before it are decoded too.

        Raises:
            ImageError: the image is missing, not allowed, too large or unreadable.
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
        """Return the encoded image, at most `Limits.image_bytes` of it.

        Raises:
            ImageError: the image is missing, not allowed or too large.
        """
        if not self.src:
            raise ImageError("an image node must have a src to be opened, but this one has none.", "missing")
        data = read_image(self.src, self.raw, self.access)
        limit = self.access.limits.image_bytes
        if len(data) > limit:
            raise ImageError(
                f"image {self.name} has {len(data)} bytes, but Limits.image_bytes is {limit}.", "too_large"
            )
        return data

    @property
    def problem(self) -> ImageError | None:
        """The error that `open` would raise, or None. Decodes the image."""
        try:
            self.open()
        except ImageError as error:
            return error
        return None

    def status(self) -> str:
        """Return "ok", or the code of its problem: "missing", "refused", "too_large" or "unreadable"."""
        problem = self.problem
        return "ok" if problem is None else problem.code

    @contextmanager
    def _opened(self) -> "Iterator[Image.Image]":
        """Yield the image with its header read and its size found to be within the limit."""
        from PIL import Image

        data, limit = self.bytes(), self.access.limits.image_pixels
        try:
            self._check_pixels(header_size(data) or (0, 0), limit)
            with Image.open(BytesIO(without_large_chunks(data)), formats=FORMATS) as image:
                self._check_pixels(image.size, limit)
                yield image
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageError(f"image {self.name} is too large to decode: {error}", "too_large") from error
        except _DECODING as error:
            allowed = ", ".join(FORMATS)
            raise ImageError(
                f"image {self.name} must be a whole {allowed} file, but {_reason(error, data)}.", "unreadable"
            ) from error

    def _check_frame(self, frame: int) -> None:
        limit = self.access.limits.image_frames
        if not 0 <= frame < limit:
            raise ImageError(
                f"image {self.name} is decoded up to Limits.image_frames={limit} frames, "
                f"but frame {frame} is asked for.",
                "too_large",
            )

    def _check_pixels(self, size: tuple[int, int], limit: int) -> None:
        width, height = size
        if width * height > limit:
            raise ImageError(
                f"image {self.name} has {width} x {height} pixels, but Limits.image_pixels is {limit}.", "too_large"
            )


def _reason(error: BaseException, data: bytes) -> str:
    if not data:
        return "is empty"
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is something else"
    return str(error) or type(error).__name__


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation, 1 (upright) if there is none or it cannot be read."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except _DECODING:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _converted(image: "Image.Image", mode: str) -> "Image.Image":
    """Return the image in another mode; transparent places turn white where the mode has no alpha."""
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
