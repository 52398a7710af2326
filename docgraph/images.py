"""Pictures of a document, opened late and within bounds (interface only; the opening follows)."""

from dataclasses import dataclass

from docgraph.document import Images


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A picture that has not been opened: the `src` of an image node and the document's way to reach it."""

    src: str | None
    access: Images
