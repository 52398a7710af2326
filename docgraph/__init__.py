"""Documents as nested signals: trees of text and pictures, parsed from pages, sites, plain text and articles.

    parse_html  parse_article  parse_text  parse_markdown  parse_site  load_document  parse_many ──> Document ──> Node

Names are loaded when they are first used: `import docgraph` costs a few milliseconds, and none of it ever loads
torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from docgraph.builder import DocumentBuilder
    from docgraph.bulk import parse_many
    from docgraph.bulk_output import read_many
    from docgraph.chunks import Chunk, ChunkImage
    from docgraph.document import Box, Document, Images, Link, Mark, Sources, Warning
    from docgraph.errors import (
        DataError,
        DocgraphError,
        DocumentError,
        FetchError,
        ImageError,
        LimitError,
        MissingExtraError,
        ParseError,
    )
    from docgraph.fetch import SafeFetcher
    from docgraph.images import ImageReference
    from docgraph.kinds import Domain, Modality
    from docgraph.limits import Limits
    from docgraph.load import load_document
    from docgraph.metadata import Candidate, Metadata
    from docgraph.node import Node, Source
    from docgraph.parsers.article import parse_article
    from docgraph.parsers.html.page import parse_html
    from docgraph.parsers.markdown_text import parse_markdown
    from docgraph.parsers.site.read import parse_site
    from docgraph.parsers.text import parse_text
    from docgraph.sentences import sentence_spans

__version__ = "0.1.0"

_MODULES: Final = {
    "builder": ("DocumentBuilder",),
    "chunks": ("Chunk", "ChunkImage"),
    "document": ("Box", "Document", "Images", "Link", "Mark", "Sources", "Warning"),
    "errors": (
        "DataError", "DocgraphError", "DocumentError", "FetchError", "ImageError", "LimitError", "MissingExtraError",
        "ParseError",
    ),
    "bulk": ("parse_many",),
    "bulk_output": ("read_many",),
    "fetch": ("SafeFetcher",),
    "images": ("ImageReference",),
    "kinds": ("Domain", "Modality"),
    "limits": ("Limits",),
    "load": ("load_document",),
    "metadata": ("Candidate", "Metadata"),
    "node": ("Node", "Source"),
    "parsers.article": ("parse_article",),
    "parsers.html.page": ("parse_html",),
    "parsers.markdown_text": ("parse_markdown",),
    "parsers.site.read": ("parse_site",),
    "parsers.text": ("parse_text",),
    "sentences": ("sentence_spans",),
}  # fmt: skip
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


__all__ = [
    "Box",
    "Candidate",
    "Chunk",
    "ChunkImage",
    "DataError",
    "DocgraphError",
    "Document",
    "DocumentBuilder",
    "DocumentError",
    "Domain",
    "FetchError",
    "ImageError",
    "ImageReference",
    "Images",
    "LimitError",
    "Limits",
    "Link",
    "Mark",
    "Metadata",
    "MissingExtraError",
    "Modality",
    "Node",
    "ParseError",
    "SafeFetcher",
    "Source",
    "Sources",
    "Warning",
    "load_document",
    "parse_article",
    "parse_html",
    "parse_many",
    "parse_markdown",
    "parse_site",
    "parse_text",
    "read_many",
    "sentence_spans",
]
