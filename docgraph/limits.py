"""What one document may cost.

Input is hostile until shown otherwise, so every parser takes a `Limits`. Past a bound it stops adding, sets
`document.truncated`, and leaves a warning that names the bound and the place; with `strict=True` it raises
`LimitError` instead. Nothing is cut in silence.
"""

from dataclasses import dataclass, fields

from docgraph.errors import DocgraphError


class LimitsError(DocgraphError, ValueError):
    """A limit is not a positive number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds on one document. All are counts or bytes and at least 1; the defaults fit any honest page."""

    input_bytes: int = 50_000_000
    """Bytes (or characters) of one input before decoding. The largest real pages measured are below 12 MB."""
    nodes: int = 1_000_000
    """Document nodes: about 200 bytes each."""
    depth: int = 64
    """Levels of document nodes. Deeper elements are kept as text of the last node; page markup may nest any depth."""
    attribute_bytes: int = 65_536
    """Characters of one attribute value (alt text, a URL); longer ones are cut and named."""
    data_uri_bytes: int = 20_000_000
    """Characters of one data URI that are kept for decoding."""
    table_cells: int = 100_000
    """Cells of one table after spans are clamped."""
    column_span: int = 1_000
    """HTML standard 4.9.11: colspan is clamped to 1000."""
    row_span: int = 65_534
    """HTML standard 4.9.11: rowspan is clamped to 65534."""
    images: int = 10_000
    """Image nodes of one document."""
    image_bytes: int = 50_000_000
    """Bytes of one encoded image."""
    image_pixels: int = 25_000_000
    """Checked before decoding: 25 Mpx is 75 MB as RGB."""
    image_frames: int = 1
    """Frames of an animated image that may be decoded; the first one is enough for most."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < 1:
                raise LimitsError(f"Limits.{field.name} must be a whole number of at least 1, but is {value!r}.")
