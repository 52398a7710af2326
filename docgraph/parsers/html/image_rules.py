"""What the elements that show an image mean for the flow: rules of `rules`, and what those ask.

    Reader, element ─ image, media, embed, drawing ─> the image in the text, the event to go on with

An image stands in the text where it is. One in `noscript` is the twin of one before it that a script would fill.
"""

from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.formulas import tex_of_image
from docgraph.parsers.html.images import is_invisible, is_spacer
from docgraph.parsers.html.reader import Reader

_CAPTION_LEVELS: Final = 6
_TWIN_DISTANCE: Final = 6
"""Elements between an image and the `noscript` that holds its twin."""
_ICON_ELEMENTS: Final = 4
"""Elements of a drawing that is no more than an icon."""
_FRAMED_LETTERS: Final = 60
_FRAME_EVENTS: Final = 4_000
"""Letters of HTML in a drawing that are more than a label, and events of one that is looked into."""
_IMAGE_NAMES: Final = ("-image", "-img", "-picture", "-photo")
"""Ends of the names of custom elements that show an image."""
_IMAGE_ELEMENTS: Final = 60
"""Elements of one that are searched for the image that it wraps."""


def image(reader: Reader, row: int) -> int:
    """An image stands in the text where it is; one that follows its twin from `noscript` takes the twin's place."""
    elements, text, flow = reader.elements, reader.block, reader.flow
    tag, own = elements.tag[row], elements.attributes[row]
    if is_invisible(own) or (tag == "img" and is_spacer(elements, row)):
        return 0
    if tag == "amp-img" and elements.tag[elements.parent[row]] == "amp-img":
        return reader.after(row)  # what is shown until the image has come, or if it does not
    if "mwe-math-fallback" in own.get("class", "") and "math" in elements.tag[elements.parent[row] : row]:
        return reader.after(row)
    if "class" in own and (tex := tex_of_image(own)):
        reader.add_formula(row, tex, tex)
    if text.images and tag == "img":
        before = text.images[-1][1]
        if before in flow.from_noscript and own.get("alt") == elements.attributes[before].get("alt"):
            flow.twins[row] = before
            text.images.pop()
    text.add_image(row)
    return 0


def media(reader: Reader, row: int) -> int:
    """A player or frame stands in the text like an image; what is in it is for browsers without.

    A drawing in an `object` is not: the image in it is the one that any program can open.
    """
    elements = reader.elements
    own = elements.attributes[row]
    is_drawing = elements.tag[row] == "object" and "svg" in f"{own.get('type', '')} {own.get('data', '')[-4:]}"
    if is_drawing and "img" in elements.tag[row + 1 : min(elements.end(row), row + _IMAGE_ELEMENTS)]:
        return 0
    reader.block.add_image(row)
    return reader.after(row)


def embed(reader: Reader, row: int) -> int:
    """Void; in a soup that lxml made, what follows stands inside it."""
    reader.block.add_image(row)
    return 0


def drawing(reader: Reader, row: int) -> int:
    """Of a drawing its words are kept: the text of its `text` elements, or all if it is a frame around HTML. In a
    figure it is the figure's image.
    """
    elements = reader.elements
    own = elements.attributes[row]
    if elements.tag[elements.parent[row]] == "mjx-container" or is_invisible(own):
        return reader.after(row)
    around = [elements.tag[container] for container in reader.containers[-_CAPTION_LEVELS:]]
    end = elements.end(row)
    if "figure" in around and (
        own.get("role") == "img"
        or "aria-label" in own
        or "title" in elements.tag[row : row + 3]
        or end - row > _ICON_ELEMENTS
        or "text" in elements.tag[row + 1 : end]
    ):
        reader.block.add_image(row)
    elif "image" in elements.tag[row + 1 : end]:
        reader.block.add_image(elements.tag.index("image", row + 1))
    if _is_frame(elements, row):
        return 0
    if elements.last[row] - elements.first[row] >= 4:
        for inner in range(row + 1, elements.end(row)):
            if elements.tag[inner] == "text":
                reader.block.add_text(f" {elements.text(inner)} ")
    return reader.after(row)


def _is_frame(elements: Elements, drawing: int) -> bool:
    """Whether a drawing is the frame of HTML that is more than a label."""
    row, end = drawing + 1, elements.end(drawing)
    if elements.last[drawing] - elements.first[drawing] > _FRAME_EVENTS:
        return False
    while row < end:
        if elements.tag[row] != "foreignobject":
            row += 1
            continue
        if len(elements.text(row).strip()) >= _FRAMED_LETTERS:
            return True
        row = elements.end(row)
    return False


def add_twins(reader: Reader, noscript: int) -> None:
    """Tie each image in a `noscript` to the one before it that a script would fill, or keep it in its place."""
    elements = reader.elements
    for inner in range(noscript + 1, elements.end(noscript)):
        if elements.tag[inner] == "img":
            _add_twin(reader, noscript, inner)


def is_image_by_name(elements: Elements, row: int) -> bool:
    """Whether an element that a script defines shows an image, by its name, and wraps none."""
    if not elements.attributes[row].get("src") or not elements.tag[row].endswith(_IMAGE_NAMES):
        return False
    inner = elements.tag[row + 1 : min(elements.end(row), row + _IMAGE_ELEMENTS)]
    return "img" not in inner and "picture" not in inner


def is_background_image(reader: Reader, row: int, own: Attributes) -> bool:
    """Whether an element's background is an image: by its role, or as it has no content and stands in a figure."""
    elements = reader.elements
    if own.get("role") == "img":
        return True
    if elements.end(row) > row + 1 or elements.text(row).strip():
        return False
    figure = next((row for row in reader.containers[-_CAPTION_LEVELS:] if elements.tag[row] == "figure"), -1)
    return figure >= 0 and "img" not in elements.tag[figure : min(elements.end(figure), figure + _IMAGE_ELEMENTS)]


def _add_twin(reader: Reader, noscript: int, twin: int) -> None:
    """Tie an image in `noscript` to the one before it that a script would fill, or keep it in its place."""
    tags, flow, text = reader.elements.tag, reader.flow, reader.block
    before = text.images[-1][1] if text.images else _last_image(flow)
    if (
        before is not None
        and before not in flow.twins
        and noscript - before <= _TWIN_DISTANCE
        and tags[before] in ("img", "amp-img")
    ):
        flow.twins[before] = twin
        return
    flow.from_noscript.add(twin)
    image(reader, twin)


def _last_image(flow: Flow) -> int | None:
    """Return the last image of the last block, if no text came after it."""
    for item in reversed(flow.items[-_TWIN_DISTANCE:]):
        if isinstance(item, TextBlock):
            return item.images[-1][1] if item.images and not item.text else None
    return None
