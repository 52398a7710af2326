"""Judge image files before training, so that a broken one is named once and not met in every epoch.

    folder, name ──ImageReference──> found? allowed? small enough? decodes? ──> None, or (code, what is wrong)

Decoding uses the codec's own down-scaling, which reads the whole file (so a cut one is found) at about a
millisecond a press photo. Nothing is kept. What is allowed is docgraph's rule: files under the folder, within `Limits`.
"""

from pathlib import Path
from typing import Final

from docgraph import Limits
from docgraph.errors import ImageError
from docgraph.images import ImageReference
from docgraph.records import ImageAccess

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif")
SMALL: Final = (64, 64)


def find_image(folder: Path, name: str) -> str:
    """Return the name, with its suffix, of an image named without one; `<name>.jpg` if there is none of the known."""
    return next((name + suffix for suffix in SUFFIXES if (folder / (name + suffix)).is_file()), f"{name}.jpg")


def judge(folder: Path, name: str, limits: Limits, *, decode: bool = True) -> tuple[str, str] | None:
    """Return what is wrong with an image file, or None.

    Args:
        folder: the only folder it may lie in, at any depth.
        decode: read all of it; False stops after the header and misses a file that was cut.

    Returns:
        A problem code ("image.missing", "image.refused", "image.too_large" or "image.unreadable") and one sentence
        that names the file. Never raises on what a file holds.
    """
    image = ImageReference(name, ImageAccess(root=str(folder), limits=limits))
    try:
        if decode:
            image.open(near=SMALL)
        else:
            image.size()
    except ImageError as error:
        return f"image.{error.code}", f"in {folder}: {error}"
    return None
