"""Judge image files before training, so that a broken one is named once and not met in every epoch.

    folder, name ──find_image──> the file's name ──judge──> found? allowed? small enough? decodes?
    bytes ──judge_bytes──> the same ──> None, or (code, what is wrong)

Decoding uses the codec's own down-scaling, which reads the whole file (so a cut one is found) at about a
millisecond a press photo. Nothing is kept. What is allowed is docgraph's rule: files under the folder, within `Limits`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from docgraph import Limits
from docgraph.errors import ImageError
from docgraph.images import ImageReference
from docgraph.records import ImageAccess

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp")
SMALL: Final = (64, 64)


def find_image(folder: Path, name: str) -> str:
    """Return the name of the image file that a name with or without an ending means, the name itself if there is none.

    In this order: the file of that very name, one with a known ending added, one with another known ending; each
    in small or capital letters.
    """
    if os.path.isfile(folder / name):  # False, too, of a name that is too long
        return name
    above = (folder / name).parent
    stem = name[: -len(suffix)] if (suffix := Path(name).suffix) and suffix.lower() in SUFFIXES else name
    files = _names_in(above, above.stat().st_mtime_ns) if above.is_dir() else {}
    for one in (name, *(base + suffix for base in (name, stem) for suffix in SUFFIXES)):
        if (found := files.get(Path(one).name.lower())) is not None:
            return (Path(name).parent / found).as_posix()
    return name


@lru_cache(maxsize=64)
def _names_in(folder: Path, changed: int) -> dict[str, str]:
    """Return the names of a folder's files by the same in small letters; `changed` makes a new answer due."""
    with os.scandir(folder) as entries:
        return {name.lower(): name for name in sorted(entry.name for entry in entries)}


def judge(folder: Path, name: str, limits: Limits, *, decode: bool = True) -> tuple[str, str] | None:
    """Return what is wrong with an image file, or None.

    Args:
        folder: the only folder it may lie in, at any depth.
        decode: read all of it; False stops after the header and misses a file that was cut.

    Returns:
        A problem code ("image.missing", "image.refused", "image.too_large" or "image.unreadable") and one sentence
        that names the file. Never raises on what a file holds.
    """
    error = _error(ImageReference(name, ImageAccess(root=str(folder), limits=limits)), decode)
    return None if error is None else (f"image.{error.code}", f"in {folder}: {error}")


def judge_bytes(content: bytes, limits: Limits, *, decode: bool = True) -> tuple[str, str] | None:
    """Return what is wrong with an encoded image, as `judge` does with a file."""
    name = "in the cell"
    error = _error(ImageReference(name, ImageAccess(resources={name: content}, limits=limits)), decode)
    return None if error is None else (f"image.{error.code}", str(error))


def _error(image: ImageReference, decode: bool) -> ImageError | None:
    try:
        if decode:
            image.open(near=SMALL)
        else:
            image.size()
    except ImageError as error:
        return error
    return None
