"""Small articles with pictures, made in the test's own folder."""

from pathlib import Path
from typing import Any

from PIL import Image

from docgraph import Document, DocumentBuilder, Domain, parse_article

BODY = "The first sentence is here. The second one follows.\n\nA second paragraph, with one sentence."


def picture(folder: Path, name: str, colour: str = "red", size: tuple[int, int] = (64, 48)) -> Path:
    path = folder / f"{name}.png"
    Image.new("RGB", size, colour).save(path)
    return path


def article(**fields: Any) -> Document:
    record = {"headline": "A headline of news.", "caption": "What the picture shows.", "body": BODY, **fields}
    return parse_article({name: value for name, value in record.items() if value is not None})


def empty_document() -> Document:
    builder = DocumentBuilder()
    builder.open("article", domain=Domain.KEYED)
    builder.close()
    return builder.build()


def family(
    domain: Domain, texts: list[str], *, positions: list[tuple[int, int]] | None = None, **graph: Any
) -> Document:
    """One family of short texts on a domain, under the root."""
    builder = DocumentBuilder()
    row = builder.open("page", domain=domain)
    for place, text in enumerate(texts):
        keyed = {"key": graph["keys"][place]} if domain is Domain.KEYED else {}
        builder.block("paragraph", text, position=None if positions is None else positions[place], **keyed)
    if domain is Domain.GRAPH:
        builder.set_edges(row, graph["edges"])
    builder.close()
    return builder.build()
