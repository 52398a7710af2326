"""What the start and end of an element mean for the flow: a rule for each kind of element.

    Reader, element ─ block, mark, image, formula, noscript ... ─> the event to go on with

A block element ends the text block before it, an inline one marks the text in it, an image stands in the text, and
what nobody sees is passed over. `flow` calls the rules; an element without a rule is transparent.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.code import is_gutter, numbered_code
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.formulas import linear, tex_of, tex_of_image
from docgraph.parsers.html.headings import is_title
from docgraph.parsers.html.images import is_invisible, shown_by_style
from docgraph.parsers.html.reader import Reader
from docgraph.parsers.html.tags import (
    BACK_LINK,
    BLOCKS,
    COPY_BUTTON,
    HEADINGS,
    MARKS,
    MEDIA,
    NAME_LETTERS,
    PERMALINKS,
    PREFORMATTED,
    TYPESET,
    UNSEEN,
    heading_level,
)

_CAPTION_LEVELS: Final = 6
_TWIN_DISTANCE: Final = 6
"""Elements between an image and the `noscript` that holds its twin."""
_LINES: Final = frozenset("div p code ol ul li table tbody tr td".split())
"""Elements that are lines of preformatted text, not blocks in it."""
_OF_EDITORS: Final = frozenset(("mw-cite-backlink", "mw-editsection"))
"""What MediaWiki puts beside headings and notes."""
_BACK: Final = frozenset(("^", "↑", "↩", "↩\ufe0e", "⤴", "⏎", "¶"))
"""Words of a link from a note back to the text, and of one to the paragraph itself."""
_GUTTERS: Final = frozenset(("td", "div", "ul", "ol"))
_IS_BLOCK: Final = re.compile(r"display\s*:\s*(?:block|flex|grid|table)\b", re.I)
_BUTTON_EVENTS: Final = 40
_ICON_ELEMENTS: Final = 4
"""Elements of a drawing that is no more than an icon."""


# -- the rules: what the start of an element means; each returns the event to go on with, 0 for the next ------------


def block(reader: Reader, row: int) -> int:
    """A block element ends the text block before it; inside a heading or preformatted text it is white space."""
    elements, text = reader.elements, reader.block
    tag = elements.tag[row]
    if reader.heading >= 0:
        text.add_text(" ")
        return 0
    if reader.has_code and (
        (tag in _GUTTERS and is_gutter(elements, row)) or (tag == "button" and _copies(elements, row))
    ):
        return reader.after(row)
    if text.verbatim and tag in _LINES:
        if tag != "td":
            text.start_line()
        return 0
    reader.end_block()
    if tag == "table" and reader.has_numbers and (code := numbered_code(elements, row)):
        return _add_code(reader, row, code)
    reader.containers.append(row)
    reader.flow.items.append(row)
    own = elements.attributes[row]
    if tag in PREFORMATTED:
        text.verbatim += 1
    elif (tag in HEADINGS or "role" in own) and (level := heading_level(tag, own)) and is_title(reader, row):
        reader.heading = row
        reader.flow.headings[row] = level
    elif ("style" in own or "data-bg" in own) and shown_by_style(own) and _is_picture(reader, row, own):
        text.add_image(row)
    return 0


def mark(reader: Reader, row: int) -> int:
    """An inline element marks the text in it, unless it is a caption by its class, and so a block of its own."""
    elements = reader.elements
    own, tag = elements.attributes[row], elements.tag[row]
    if is_apart(reader, row):
        return block(reader, row)
    if _touches(reader, row):
        reader.block.add_text(" ")
    if tag == "cite" and elements.tag[elements.parent[row]] == "blockquote" and reader.block.length:
        return block(reader, row)
    if tag == "a" and "#" in own.get("href", "") and _leads_to_itself(reader, row):
        return reader.after(row)
    reader.block.open_mark(MARKS[tag], row)
    return 0


def image(reader: Reader, row: int) -> int:
    """An image stands in the text where it is; one that follows its twin from `noscript` takes the twin's place."""
    elements, text, flow = reader.elements, reader.block, reader.flow
    tag, own = elements.tag[row], elements.attributes[row]
    if is_invisible(own):
        return 0
    if tag == "amp-img" and elements.tag[elements.parent[row]] == "amp-img":
        return reader.after(row)  # what is shown until the image has come, or if it does not
    if "mwe-math-fallback" in own.get("class", "") and "math" in elements.tag[elements.parent[row] : row]:
        return reader.after(row)
    if "class" in own and (tex := tex_of_image(own)):
        _add_formula(reader, row, tex, tex)
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


def line_break(reader: Reader, row: int) -> int:
    """One ends the line, a second one the text block."""
    text = reader.block
    if reader.heading >= 0:
        text.add_text(" ")
    elif text.broken and not text.verbatim:
        reader.end_block()
    else:
        text.add_break()
    return 0


def drawing(reader: Reader, row: int) -> int:
    """Of a drawing its words are kept: the text of its `text` elements. In a figure it is the figure's image."""
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
    if elements.last[row] - elements.first[row] >= 4:
        for inner in range(row + 1, elements.end(row)):
            if elements.tag[inner] == "text":
                reader.block.add_text(f" {elements.text(inner)} ")
    return reader.after(row)


def span(reader: Reader, row: int) -> int:
    """Transparent, but for numbers of lines in code and a formula that is drawn beside its source."""
    own = reader.elements.attributes[row]
    if not reader.block.spaced and _touches(reader, row):
        reader.block.add_text(" ")
    if not own:
        return 0
    if "style" in own and "display" in own["style"] and _IS_BLOCK.search(own["style"]):
        return block(reader, row)
    if reader.block.verbatim and is_gutter(reader.elements, row):
        return reader.after(row)
    if own.get("class") in _OF_EDITORS:
        return reader.after(row)
    if own.get("class") == "katex-html" and "math" in reader.elements.tag[reader.elements.parent[row] : row]:
        return reader.after(row)
    if reader.typeset_twice and not TYPESET.isdisjoint(own.get("class", "").lower().split()):
        return reader.after(row)
    return block(reader, row) if is_apart(reader, row) else 0


def formula(reader: Reader, row: int) -> int:
    """A formula is a line of text, marked, its TeX source kept."""
    elements = reader.elements
    return _add_formula(reader, row, linear(elements, row), tex_of(elements, row))


def script(reader: Reader, row: int) -> int:
    """A script that holds TeX is a formula; all others are unseen."""
    elements = reader.elements
    type_ = elements.attributes[row].get("type", "").lower()
    if not type_.startswith(("math/tex", "math/asciimath")):
        return reader.after(row)
    source = elements.text(row).strip()
    display = "display" in type_ and reader.heading < 0
    if display:
        reader.end_block()
    _add_formula(reader, row, source, source)
    if display:
        reader.end_block()
    return reader.after(row)


def drawn_formula(reader: Reader, row: int) -> int:
    """What MathJax draws is a twin of the MathML beside it, if there is any."""
    elements = reader.elements
    beside = elements.end(row)
    return reader.after(row) if elements.tag[beside : beside + 2] == ["mjx-assistive-mml", "math"] else 0


def template(reader: Reader, row: int) -> int:
    """Unseen, but for a declarative shadow root: it is what its element shows."""
    own = reader.elements.attributes[row]
    return 0 if "shadowrootmode" in own or "shadowroot" in own else reader.after(row)


def ruby_bracket(reader: Reader, row: int) -> int:
    """An `rp` is for browsers without ruby; the `rt` that ends it, inside it in a soup that lxml made, is not."""
    elements = reader.elements
    inner = row + 1
    if inner < len(elements.tag) and elements.parent[inner] == row and elements.tag[inner] == "rt":
        return elements.first[inner]
    return reader.after(row)


def noscript(reader: Reader, row: int) -> int:
    """Images for browsers without scripts are the twins of those that a script fills, or stand alone."""
    elements = reader.elements
    if row in reader.shown:
        return block(reader, row)
    reader.hidden.append(row)
    for inner in range(row + 1, elements.end(row)):
        if elements.tag[inner] == "img":
            _add_twin(reader, row, inner)
    return reader.after(row)


_IMAGE_NAMES: Final = ("-image", "-img", "-picture", "-photo")
"""Ends of the names of custom elements that show an image."""
_IMAGE_ELEMENTS: Final = 60
"""Elements of one that are searched for the image that it wraps."""


def custom(reader: Reader, row: int) -> int:
    """An element that a script defines is transparent; two in a row are two words. One may be an image by its name."""
    elements = reader.elements
    if _touches(reader, row):
        reader.block.add_text(" ")
    own = elements.attributes[row]
    if own.get("src") and elements.tag[row].endswith(_IMAGE_NAMES):
        inner = elements.tag[row + 1 : min(elements.end(row), row + _IMAGE_ELEMENTS)]
        if "img" not in inner and "picture" not in inner:
            return image(reader, row)
    return block(reader, row) if is_apart(reader, row) else 0


def unseen(reader: Reader, row: int) -> int:
    """Nothing in it is shown."""
    return reader.after(row)


Rule = Callable[[Reader, int], int]
_RULES: Final[list[tuple[str, Rule, Iterable[str]]]] = [
    ("mark", mark, MARKS),
    ("block", block, BLOCKS),
    ("unseen", unseen, UNSEEN),
    ("media", media, MEDIA),
    ("embed", embed, ("embed",)),
    ("image", image, ("img", "amp-img", "image", "amp-anim")),
    ("break", line_break, ("br",)),
    ("drawing", drawing, ("svg",)),
    ("ruby bracket", ruby_bracket, ("rp",)),
    ("noscript", noscript, ("noscript",)),
    ("template", template, ("template",)),
    ("script", script, ("script",)),
    ("formula", formula, ("math",)),
    ("drawn formula", drawn_formula, ("mjx-math",)),
    ("span", span, ("span",)),
]
"""Name, rule, the elements that it is for. Where two are for the same element, the later one holds."""
RULE_OF: Final[dict[str, Rule]] = {tag: rule for _, rule, tags in _RULES for tag in tags}


ENDING: Final = frozenset(MARKS) | BLOCKS
"""Elements whose end means something, if it is not that of a container."""


def close(reader: Reader, row: int) -> None:
    """The end of an element: ends its text block or mark, or is white space where its start was."""
    tag, text = reader.elements.tag[row], reader.block
    if reader.containers[-1] == row and len(reader.containers) > 1:
        reader.end_block()
        reader.containers.pop()
        reader.flow.items.append(~row)
        if tag in PREFORMATTED:
            text.verbatim -= 1
        elif row == reader.heading:
            reader.heading = -1
    elif (type_ := MARKS.get(tag)) is not None:
        text.close_mark(type_, row)
    elif tag in BLOCKS:
        if reader.heading >= 0:
            text.add_text(" ")
        elif text.verbatim:
            text.start_line()


# -- what the rules ask ---------------------------------------------------------------------------------------------


def is_apart(reader: Reader, row: int) -> bool:
    """Whether an inline element is a caption or credit by its class, and so a block of its own."""
    return row in reader.flow.named and reader.heading < 0


def _is_picture(reader: Reader, row: int, own: Attributes) -> bool:
    """Whether an element's background is an image: by its role, or as it has no content and stands in a figure."""
    elements = reader.elements
    if own.get("role") == "img":
        return True
    if elements.end(row) > row + 1 or elements.text(row).strip():
        return False
    figure = next((row for row in reader.containers[-_CAPTION_LEVELS:] if elements.tag[row] == "figure"), -1)
    return figure >= 0 and "img" not in elements.tag[figure : min(elements.end(figure), figure + _IMAGE_ELEMENTS)]


def _touches(reader: Reader, row: int) -> bool:
    """Whether an inline element would run together with the one before it, from which only a style sets it apart.

    Two links in a row are two; elsewhere a capital or number after a small letter is a new word ("Lee6 May").
    """
    text, elements = reader.block, reader.elements
    first = elements.first[row]
    before = elements.events[first - 1]
    if text.spaced or text.verbatim or before.__class__ is str or before >= 0 or not text.pieces:  # type: ignore[operator]
        return False
    tags = (elements.tag[~before], elements.tag[row])  # type: ignore[operator]
    if tags[0] in BLOCKS or "code" in text.open_marks or elements.parent[~before] != elements.parent[row]:  # type: ignore[operator]
        return False
    while (event := elements.events[first + 1]).__class__ is not str:
        if event < 0:  # type: ignore[operator]
            return False
        first += 1
    left, right = text.pieces[-1][-1:], event[:1]
    if not (left.isalnum() and right.isalnum()):
        return False
    if tags == ("a", "a") or ("-" in tags[0] and "-" in tags[1]):
        return True
    return (left.islower() and (right.isupper() or right.isdigit())) or (left.isdigit() and right.isupper())


def _add_formula(reader: Reader, row: int, text: str, tex: str) -> int:
    if text:
        reader.block.open_mark("math", row)
        reader.block.add_text(text)
        reader.block.close_mark("math", row)
        if tex:
            reader.flow.tex[row] = tex
    return reader.after(row)


def _add_code(reader: Reader, row: int, code: str) -> int:
    """Add a table that numbers lines of code as the code alone."""
    reader.containers.append(row)
    reader.flow.items.append(row)
    reader.flow.code_tables.add(row)
    reader.block.verbatim += 1
    reader.block.add_text(code)
    reader.end_block()
    reader.block.verbatim -= 1
    reader.containers.pop()
    reader.flow.items.append(~row)
    return reader.after(row)


def _copies(elements: Elements, row: int) -> bool:
    """Whether a button copies the code beside it: by its class or its few words."""
    above = elements.parent[row]
    if "pre" not in elements.tag[above + 1 : elements.end(above)][:_BUTTON_EVENTS] and elements.parent[above] > 0:
        above = elements.parent[above]  # the button may stand in a bar above the code
    beside = elements.tag[above + 1 : min(elements.end(above), above + _BUTTON_EVENTS)] if above >= 0 else []
    if elements.last[row] - elements.first[row] > _BUTTON_EVENTS or "pre" not in beside:
        return False
    words = elements.text(row).strip()
    names = elements.attributes[row].get("class", "")[:NAME_LETTERS]
    return len(words) <= 30 and bool(COPY_BUTTON.search(names) or words.lower() in ("copy", "copy code", "copied!"))


def _leads_to_itself(reader: Reader, row: int) -> bool:
    """Whether a link goes to the heading that it stands in, or back from a note: a sign and nothing else."""
    elements = reader.elements
    own, words = elements.attributes[row], elements.text(row).strip().lower()
    if reader.heading >= 0:
        return words in PERMALINKS or not any(letter.isalnum() for letter in words)
    if own["href"].strip()[:1] != "#":
        return False
    return words in _BACK or BACK_LINK.search(f"{own.get('role', '')} {own.get('class', '')}") is not None


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
