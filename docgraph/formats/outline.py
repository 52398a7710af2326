"""A document as indented lines, one a node, for people to read in a terminal.

    page "Harbour news"  34 nodes, 2,310 characters
      section [main]
        heading 1 "The ferry is late"
        paragraph
          sentence "It rained."
          sentence "The ferry waited."
        image cat.jpg 640 x 480 "A cat on a pier"

A line says the kind, the role where it differs from the node above, what the node holds, and what is special about
it. An image's size is read from its header only; what cannot be opened says why. Nothing is opened twice.
"""

from typing import Final

from docgraph.columns import Columns
from docgraph.errors import ImageError
from docgraph.kinds import Domain
from docgraph.node import Node

_DEEPEST_INDENT: Final = 24
"""Levels that are shown by indentation; deeper ones by a number, so that a line stays a line."""
CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239), *range(8294, 8298)), " ")
"""C0 and C1 controls, and marks that turn the direction of writing; a terminal obeys them. A space for each."""
_TOLD: Final = ("level", "ordered", "start", "header", "row_span", "column_span", "language", "credit", "href")


def outline(document: Columns, *, width: int = 100, max_nodes: int | None = None, sizes: bool = True) -> str:
    """Return the tree, one line a node.

    Args:
        width: characters a line may have; text is shortened to fit.
        max_nodes: lines to show; the last one says how many nodes are left out.
        sizes: whether to read the size of each image from its header.
    """
    shown = len(document) if max_nodes is None else max(0, min(max_nodes, len(document)))
    lines = [_line(document, row, width, sizes) for row in range(shown)]
    if shown < len(document):
        lines.append(f"... {len(document) - shown:,} more nodes")
    return "\n".join(lines)


def _line(document: Columns, row: int, width: int, sizes: bool) -> str:
    node = document[row]
    depth = int(document.depth[row])
    indent = "  " * min(depth, _DEEPEST_INDENT) + (f"({depth}) " if depth > _DEEPEST_INDENT else "")
    words = [_plain(node.kind), *_place(node), *_facts(node, sizes)]
    if row == 0:
        words.append(f"{len(document):,} nodes, {len(document.text):,} characters")
    head = indent + " ".join(words)
    room = max(width - len(head) - 1, 20)
    quoted = _quoted(_words(document, node), room)
    return f"{head} {quoted}" if quoted else head


def _place(node: Node) -> list[str]:
    """Return how a node is placed: its key, cell, or role where it differs from the one above."""
    words = []
    above = node.parent
    if above is not None and above.domain is Domain.KEYED:
        words.append(f"{_short(_plain(node.key or ''), 40)}:")
    if above is not None and above.domain is Domain.GRID:
        words.append(f"({node.position[0]}, {node.position[1]})")
    if node.role is not None and (above is None or above.role != node.role):
        words.append(f"[{_plain(node.role)}]")
    return words


def _facts(node: Node, sizes: bool) -> list[str]:
    attributes = node.attributes
    words = []
    if node.kind == "table":
        words.append(_plain(f"{attributes.get('rows', '?')} x {attributes.get('columns', '?')}"))
    for name in _TOLD:
        value = attributes.get(name)
        if value is None or value is False:
            continue
        if name == "level":
            words.append(_short(_plain(str(value)), 20))
        else:
            words.append(name if value is True else f"{name}={_short(_plain(str(value)), 60)}")
    if node.kind == "image":
        words.append(_image(node, sizes))
    return words


def _image(node: Node, sizes: bool) -> str:
    image = node.image
    name = _short(_plain(image.name.rsplit("/", 1)[-1]) or "(no source)", 50)
    if not sizes:
        return name
    try:
        width, height = image.size()
    except ImageError as error:
        return f"{name} ({error.code.replace('_', ' ')})"
    return f"{name} {width} x {height}"


def _words(document: Columns, node: Node) -> str:
    """Return what a line quotes: the text of a leaf, an image's alternative text, the document's title."""
    if node.row == 0:
        return document.metadata.title or ""
    if node.kind == "image":
        return str(node.attributes.get("alt") or "")
    start, end = node.span
    if document.child_count[node.row]:
        return ""
    return document.text[start : min(end, start + 1000)]


def _quoted(text: str, room: int) -> str:
    words = _plain(text)
    return f'"{_short(words, room - 2)}"' if words else ""


def _plain(text: str) -> str:
    """Return text on one line, without the control characters that would steer a terminal."""
    return " ".join(text.translate(CONTROLS).split())


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 1)] + "…"
