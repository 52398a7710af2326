"""What a document says about itself.

`Metadata` holds the chosen value of each field; `candidates` keeps every value that was found, with its source,
so that a caller may choose otherwise. Which source wins is decided by the parser that fills it.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """A value that a document gives for one metadata field, and where it was found."""

    field: str
    value: str
    source: str
    """"json-ld", "opengraph", "meta", "microdata", "html", "byline", "time", "url", ..."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Metadata of a document. A field that the document does not give is None or empty."""

    title: str | None = None
    authors: tuple[str, ...] = ()
    date: str | None = None
    """When it was published: ISO 8601 where it could be read so, without a zone if none was given."""
    modified: str | None = None
    language: str | None = None
    """BCP 47 tag as the document gives it."""
    url: str | None = None
    """Where it was found: the caller's `url`."""
    canonical_url: str | None = None
    site_name: str | None = None
    description: str | None = None
    image: str | None = None
    """The lead image's URL."""
    section: str | None = None
    tags: tuple[str, ...] = ()
    encoding: str | None = None
    """Encoding the bytes were decoded with; None if text was given."""
    encoding_source: str | None = None
    """How the encoding was found: "bom", "utf-8", "declared", "detected", "fallback"."""
    source: str | None = None
    """File name, or None."""
    candidates: tuple[Candidate, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    """Other JSON values, by name."""

    @property
    def declared_body(self) -> str | None:
        """The body of the article as the page declares it for machines,
        where that is much longer than what it shows.
        """
        return self.extra.get("declared_body")
