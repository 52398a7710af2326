"""A small article, and what the tests of kinds of faults ask of it."""

from docgraph import Document
from docgraph.parsers.html.page import parse_html

LINES = [
    "The lighthouse was painted again in May, after eleven winters without a single coat of paint.",
    "Two climbers hung from ropes for a week, because no scaffold would stand in that wind.",
    "The keeper, who has lived there since 1988, said that the new white could be seen from the next island.",
    "Sailors had complained for years, for in fog the grey tower was hard to tell from the rock.",
    "It will be painted again in ten years, the harbour office said, if there is money for it by then.",
]
BODY = "".join(f"<p>{line}</p>" for line in LINES)


def article(middle: str = "", *, head: str = "", before: str = "", after: str = "") -> Document:
    """A page with an article, something put into its middle."""
    first, rest = "".join(f"<p>{line}</p>" for line in LINES[:2]), "".join(f"<p>{line}</p>" for line in LINES[2:])
    return parse_html(
        f"<!DOCTYPE html><html lang=en><head><title>A white tower</title>{head}</head><body>{before}<main><article>"
        f"<h1>A white tower</h1>{first}{middle}{rest}</article></main>{after}</body></html>",
        url="https://e.example/d/page.html",
    )


def codes(page: Document) -> set[str]:
    return {warning.code for warning in page.warnings}


def bound(page: Document) -> list[tuple[str, str]]:
    """(source, caption) of every image in a figure."""
    found = []
    for figure in page.find("figure"):
        caption = " ".join(node.text for node in figure.find("caption"))
        found += [(str(image.attributes.get("src")).rsplit("/", 1)[-1], caption) for image in figure.find("image")]
    return found


def heading_over(page: Document, words: str) -> str:
    node = [node for node in page.walk() if words in node.text][-1]
    while node.kind != "section" and node.parent is not None:
        node = node.parent
    return node.children[0].text if node.kind == "section" else ""
