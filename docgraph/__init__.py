"""Documents as nested signals: trees of text and pictures, parsed from pages, sites, plain text and articles."""

from docgraph.builder import DocumentBuilder
from docgraph.document import Box, Document, Link, Mark, Warning
from docgraph.errors import DocgraphError
from docgraph.kinds import Domain, Modality
from docgraph.limits import Limits
from docgraph.metadata import Metadata
from docgraph.node import Node

__version__ = "0.1.0"

__all__ = [
    "Box",
    "DocgraphError",
    "Document",
    "DocumentBuilder",
    "Domain",
    "Limits",
    "Link",
    "Mark",
    "Metadata",
    "Modality",
    "Node",
    "Warning",
]
