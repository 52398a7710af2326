"""Judge picture files before training, so that a broken one is named once and not met in every epoch.

    path ──exists?──size?──header──pixels?──decode──> None, or (code, what is wrong)

Decoding uses the codec's own down-scaling, which reads the whole file (so a cut one is found) at about a
millisecond a press photo. Nothing is kept.
"""

import warnings
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from docgraph import Limits

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif")
SMALL: Final = (64, 64)


def find_picture(folder: Path, name: str) -> Path:
    """Return the file of a picture named without its suffix; `<name>.jpg` if there is none of the known ones."""
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return folder / f"{name}.jpg"


def judge(path: Path, limits: Limits, *, decode: bool = True) -> tuple[str, str] | None:
    """Return what is wrong with a picture file, or None.

    Args:
        decode: read all of it; False stops after the header and misses a file that was cut.

    Returns:
        A problem code, "image.missing", "image.too_large" or "image.unreadable", and one sentence that names the
        file and the measure. Never raises on what a file holds.
    """
    try:
        size = path.stat().st_size
    except OSError:
        return "image.missing", f"there is no picture at {path}."
    if size > limits.image_bytes:
        return "image.too_large", f"{path} has {size:,} bytes; the limit is {limits.image_bytes:,}."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > limits.image_pixels:
                    return (
                        "image.too_large",
                        f"{path} is {width} x {height} pixels; the limit is {limits.image_pixels:,}.",
                    )
                if decode:
                    picture.draft("RGB", SMALL)
                    picture.load()
    except Image.DecompressionBombError:
        return "image.too_large", f"{path} has more pixels than the limit of {limits.image_pixels:,}."
    except UnidentifiedImageError:
        return "image.unreadable", f"{path} is not a picture that Pillow knows."
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        return "image.unreadable", f"{path} cannot be decoded: {error}."
    return None
