"""What the start and end of an element mean for the flow: a rule for each kind of element.

    Reader, element ─ block, mark, image, formula, noscript ... ─> the event to go on with

A block element ends the text block before it, an inline one marks the text in it, an image stands in the text, and
what nobody sees is passed over. `flow` calls the rules; an element without a rule is transparent.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from docgraph.parsers.html.captions import is_switch
from docgraph.parsers.html.code import is_copy_button, is_gutter, lines_of_code, numbered_code
from docgraph.parsers.html.formulas import linear, tex_of
from docgraph.parsers.html.image_rules import (
    add_twins,
    drawing,
    embed,
    image,
    is_background_image,
    is_image_by_name,
    media,
)
from docgraph.parsers.html.images import shown_by_style
from docgraph.parsers.html.reader import Reader
from docgraph.parsers.html.tags import (
    BACK_LINK,
    BLOCKS,
    HEADINGS,
    MARKS,
    MEDIA,
    PERMALINKS,
    PREFORMATTED,
    TO_TOP,
    TYPESET,
    UNSEEN,
    heading_level,
)
from docgraph.parsers.html.titled import is_title

_LINES: Final = frozenset("div p code ol ul li table tbody tr td".split())
"""Elements that are lines of preformatted text, not blocks in it."""
_OF_EDITORS: Final = frozenset(("mw-cite-backlink", "mw-editsection"))
"""What MediaWiki puts beside headings and notes."""
_BACK: Final = frozenset(("^", "↑", "↩", "↩\ufe0e", "⤴", "⏎", "¶"))
"""Words of a link from a note back to the text, and of one to the paragraph itself."""
_OF_TOOLS: Final = re.compile(
    r"share|copy(?: (?:link|item path))?|edit|save|print|follow|bookmark|listen|close|teilen|kopieren|bearbeiten"
    r"|speichern|drucken|folgen|partager|copier|modifier|imprimer|compartir|copiar|editar|condividi|copia|modifica|delen|\W*",
    re.I,
)
"""All that a button in a heading says which is none of its words."""
_GUTTERS: Final = frozenset(("td", "div", "ul", "ol"))
_ENDS: Final = frozenset(".!?…")
_NUMBER: Final = re.compile(r"\W*(?:(?:[a-z]{1,5}\W*)?\d{1,5}|[ivxlc]{1,9})?\W*", re.I)
_NUMBER_LETTERS: Final = 16
"""Of a page of a book."""
_IS_BLOCK: Final = re.compile(r"display\s*:\s*(?:block|flex|grid|table)\b", re.I)


# -- the rules: what the start of an element means; each returns the event to go on with, 0 for the next ------------


def block(reader: Reader, row: int) -> int:
    """A block element ends the text block before it; inside a heading or preformatted text it is white space."""
    elements, text = reader.elements, reader.block
    tag = elements.tag[row]
    if reader.heading >= 0:
        text.add_text(" ")
        return reader.after(row) if tag == "button" and _is_beside_title(reader, row) else 0
    if reader.has_code and (
        (tag in _GUTTERS and is_gutter(elements, row)) or (tag == "button" and is_copy_button(elements, row))
    ):
        return reader.after(row)
    if tag == "button" and is_switch(elements, row):
        return reader.after(row)
    if reader.equations and row not in reader.equations and reader.containers[-1] in reader.equations:
        text.add_text(" ")
        return 0
    if text.verbatim and tag in _LINES:
        if tag != "td":
            text.start_line()
        return 0
    reader.end_block()
    if tag == "table" and reader.has_numbers and (code := numbered_code(elements, row)):
        return _add_code(reader, row, code)
    if row in reader.fragments and (code := lines_of_code(elements, row)):
        return _add_code(reader, row, code)
    reader.containers.append(row)
    reader.flow.items.append(row)
    own = elements.attributes[row]
    if tag in PREFORMATTED:
        text.verbatim += 1
    elif row in reader.titles:
        reader.heading = row
        reader.flow.headings[row] = 1
    elif (tag in HEADINGS or "role" in own) and (level := heading_level(tag, own)) and is_title(reader, row):
        reader.heading = row
        reader.flow.headings[row] = level
    elif ("style" in own or "data-bg" in own) and shown_by_style(own) and is_background_image(reader, row, own):
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
    if own.get("role") == "doc-pagebreak" or own.get("epub:type") == "pagebreak":
        number = reader.elements.text(row).strip()
        if len(number) <= _NUMBER_LETTERS and _NUMBER.fullmatch(number):
            return reader.after(row)
    if own.get("class") == "katex-html" and "math" in reader.elements.tag[reader.elements.parent[row] : row]:
        return reader.after(row)
    if reader.typeset_twice and not TYPESET.isdisjoint(own.get("class", "").lower().split()):
        return reader.after(row)
    return block(reader, row) if is_apart(reader, row) else 0


def formula(reader: Reader, row: int) -> int:
    """A formula is a line of text, marked, its TeX source kept."""
    elements = reader.elements
    return reader.add_formula(row, linear(elements, row), tex_of(elements, row))


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
    reader.add_formula(row, source, source)
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


def ruby(reader: Reader, row: int) -> int:
    """The words that a reading stands over begin here."""
    reader.block.open_mark("ruby", row)
    return 0


def reading(reader: Reader, row: int) -> int:
    """How the words before it are read is no part of the text: it is kept with the mark on them.

    Several readings in a row, one for each sign, are one of all their signs.
    """
    text, words = reader.block, " ".join(reader.elements.text(row).split())
    if (opened := text.open_marks.get("ruby")) is None:
        return 0
    if opened[0] < text.length:
        text.marks.append((opened[0], text.length, "ruby", row))
        text.open_marks["ruby"] = (text.length, opened[1])
        reader.flow.readings[row] = words
    elif text.marks and text.marks[-1][1:3] == (text.length, "ruby") and text.marks[-1][3] > opened[1]:
        reader.flow.readings[text.marks[-1][3]] += words
    return reader.after(row)


def noscript(reader: Reader, row: int) -> int:
    """Images for browsers without scripts are the twins of those that a script fills, or stand alone."""
    if row in reader.shown:
        return block(reader, row)
    reader.hidden.append(row)
    add_twins(reader, row)
    return reader.after(row)


def custom(reader: Reader, row: int) -> int:
    """An element that a script defines is transparent; two in a row are two words. One may be an image by its name."""
    elements = reader.elements
    if reader.has_code and "copy" in elements.tag[row] and is_copy_button(elements, row):
        return reader.after(row)
    if _touches(reader, row):
        reader.block.add_text(" ")
    if is_image_by_name(elements, row):
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
    ("ruby", ruby, ("ruby",)),
    ("reading", reading, ("rt",)),
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


ENDING: Final = frozenset(MARKS) | BLOCKS | {"ruby"}
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
    elif tag == "ruby":
        if text.open_marks.get("ruby", (0, -1))[1] == row:
            del text.open_marks["ruby"]
    elif tag in BLOCKS:
        if reader.heading >= 0:
            text.add_text(" ")
        elif text.verbatim:
            text.start_line()


# -- what the rules ask ---------------------------------------------------------------------------------------------


def is_apart(reader: Reader, row: int) -> bool:
    """Whether an inline element is a caption or credit by its class, and so a block of its own."""
    return row in reader.flow.named and reader.heading < 0


def _touches(reader: Reader, row: int) -> bool:
    """Whether an inline element would run together with the one before it, from which only a style sets it apart.

    Two links in a row are two; elsewhere a capital or number after a small letter is a new word ("Lee6 May"), and a
    capital after a small letter and a full stop a new sentence.
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
    if left in _ENDS and right.isupper():
        return text.pieces[-1][-2:-1].islower() and tags[0] == tags[1] and " " in text.pieces[-1].strip()
    if not (left.isalnum() and right.isalnum()):
        return False
    if tags == ("a", "a") or ("-" in tags[0] and "-" in tags[1]):
        return True
    return (left.islower() and (right.isupper() or right.isdigit())) or (left.isdigit() and right.isupper())


def _add_code(reader: Reader, row: int, code: str) -> int:
    """Add a table that numbers lines of code, or elements that are its lines, as the code alone."""
    reader.containers.append(row)
    reader.flow.items.append(row)
    reader.flow.plain_tables.add(row)
    reader.block.verbatim += 1
    reader.block.add_text(code)
    reader.end_block()
    reader.block.verbatim -= 1
    reader.containers.pop()
    reader.flow.items.append(~row)
    return reader.after(row)


def _is_beside_title(reader: Reader, row: int) -> bool:
    """Whether a button in a heading is no part of its words: it shares or edits them, and the heading has others."""
    words = reader.elements.text(row)
    others = reader.elements.text(reader.heading).replace(words, "", 1)
    return _OF_TOOLS.fullmatch(words.strip()) is not None and any(map(str.isalnum, others))


def _leads_to_itself(reader: Reader, row: int) -> bool:
    """Whether a link goes to the heading that it stands in, or back from a note: a sign and nothing else."""
    elements = reader.elements
    own, words = elements.attributes[row], elements.text(row).strip().lower()
    if reader.heading >= 0:
        if words in TO_TOP:
            return own["href"].strip()[:1] == "#" and bool(reader.block.length)
        return words in PERMALINKS or not any(letter.isalnum() for letter in words)
    if own["href"].strip()[:1] != "#":
        return False
    return words in _BACK or BACK_LINK.search(f"{own.get('role', '')} {own.get('class', '')}") is not None
