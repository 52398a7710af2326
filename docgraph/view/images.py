"""Images of a document as data URIs, within a budget; those that cannot be opened say why.

    image node ─ header ─ small enough ─> its own bytes ─┬─> data:image/png;base64,...
                        └ larger ─ decoded, made smaller ┘

Only formats that docgraph decodes are handed on, by the type that their bytes have; never SVG, which may hold scripts.
"""

from base64 import b64encode
from io import BytesIO
from typing import Any, Final

from docgraph.errors import ImageError
from docgraph.node import Node

WHOLE_BYTES: Final = 400_000
"""Of an image that is inlined as it is; the screenshot is, whatever its size."""
SIDE: Final = 1_024
"""Pixels that a larger one is made to fit in."""
_TYPES: Final = (
    (b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp"),
)  # fmt: skip


def inlined(node: Node, budget: int) -> dict[str, Any]:
    """Return `src`, `width` and `height` of an image node, or the `problem` that it has.

    Args:
        budget: letters that its data URI may have.
    """
    try:
        width, height = node.image.size()
        data = node.image.bytes()
        kind = _type(data)
        if kind is None or (len(data) > WHOLE_BYTES and not node.attributes.get("screenshot")):
            small = node.image.open("RGB", near=(SIDE, SIDE))
            small.thumbnail((SIDE, SIDE))
            buffer = BytesIO()
            small.save(buffer, "JPEG", quality=85)
            data, kind = buffer.getvalue(), "jpeg"
    except ImageError as error:
        return {"problem": str(error)}
    source = f"data:image/{kind};base64,{b64encode(data).decode('ascii')}"
    if len(source) > budget:
        return {"problem": "left out of this view, whose images have a budget (image_bytes)."}
    return {"src": source, "width": width, "height": height}


def _type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for start, name in _TYPES if data.startswith(start)), None)
