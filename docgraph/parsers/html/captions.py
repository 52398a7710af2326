"""Which text blocks say that they are captions or credits: by tag, by class name, by how they are set.

    Elements, Flow ─ named_captions ─> index in the flow -> "caption" | "credit"

`figures` binds them to their images.
"""

import re
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.tags import NAME_LETTERS, words_in

CAPTION_LETTERS: Final = 1500
NEAR: Final = 8
"""Items between an image and its caption."""
ENDS: Final = frozenset(("body", "html", "article", "main", "table", "tr", "td", "ul", "ol"))
TABLES: Final = frozenset(("table", "tr", "td"))
"""A table of one image and its caption is a figure."""
_CREDIT: Final = re.compile(
    r"^(?:photo(?:graph)?s?|fotos?|bild|image|picture|source|quelle|cr[eé]dit\w*)\b(?!\s*\d)|©|"
    r"\b(?:getty|reuters|afp|dpa|epa|ap photo|imago|alamy|shutterstock|istock|unsplash|picture[ -]alliance|pa media)\b",
    re.I,
)
_COUNTER: Final = re.compile(
    r"(?:[^\W\d]{2,12}\.?:?\s+)?\(?\d{1,3}\s*(?:[/／|∕]|of|von|de|sur|di|van|av|af|из|z|od)\s*\d{1,3}\)?", re.I
)
_NAMED_LEVELS: Final = 3
_SWITCH_LEVELS: Final = 4
_CAPTION_ELEMENTS: Final = 60
_COUNTER_LETTERS: Final = 30
_CAP: Final = re.compile(r"(?:^|[\s_-])cap(?:$|[\s_-])", re.I)
_OTHER_CAPS: Final = frozenset("drop dropped small initial first letter has all max min end night base".split())
"""Words beside "cap" in class names of what is no caption: "has-drop-cap"."""
_PROSE_LETTERS: Final = 60
_SET_APART_LETTERS: Final = 200
_CENTRED_LETTERS: Final = 80


def named_captions(elements: Elements, flow: Flow) -> dict[int, str]:
    """Return the blocks that say by tag or class that they are a "caption" or a "credit", by index in the flow."""
    known: dict[int, tuple[str, int]] = {}
    described = _described(elements, flow)
    found: dict[int, str] = {}
    named_by: dict[int, list[int]] = {}
    before, place = TextBlock(-1, "", [], [], 0), -NEAR
    for index, item in flow.blocks():
        shows_image = index - place < NEAR and bool(before.images) and not before.text
        above, before, place = before, item, index
        if not 0 < len(item.text) <= CAPTION_LETTERS or item.element in flow.headings or is_control(elements, item):
            continue
        if item.element not in known:
            known[item.element] = _named(elements, flow, item.element, described)
        kind, namer = known[item.element]
        if (
            shows_image
            and not kind
            and len(item.text) <= _SET_APART_LETTERS
            and _is_set_apart(elements, item, above, flow, index)
        ):
            kind, namer = "caption", item.element
        if kind:
            found[index] = kind
            named_by.setdefault(namer, []).append(index)
    for namer, indices in named_by.items():
        if elements.tag[namer] != "figcaption" and sum(is_prose(flow.items[index]) for index in indices) > 1:
            # "post_img_text": the name of a layout of images and text, not of a caption.
            for index in indices:
                del found[index]
    return found


def _described(elements: Elements, flow: Flow) -> set[str]:
    """Return the identifiers of what images say that they are described by."""
    found: set[str] = set()
    for _, item in flow.blocks():
        for _, row, _ in item.images:
            found.update(elements.attributes[row].get("aria-describedby", "").split())
    return found


def _is_set_apart(elements: Elements, block: TextBlock, before: TextBlock, flow: Flow, index: int) -> bool:
    """Whether all of a block after an image is emphasised, small or, unlike the text after it, centred as that is, or
    its class shortens "caption".
    """
    if any(e - s >= len(block.text) and type_ in ("emphasis", "small") for s, e, type_, _ in block.marks):
        return True
    after = next((item for item in flow.items[index + 1 : index + NEAR] if isinstance(item, TextBlock)), None)
    names = elements.attributes[block.element].get("class", "")[:NAME_LETTERS]
    if _CAP.search(names) and _OTHER_CAPS.isdisjoint(words_in(names)):
        return after is None or elements.attributes[after.element].get("class") != names
    if len(block.text) > _CENTRED_LETTERS or not (_is_centred(elements, block) and _is_centred(elements, before)):
        return False
    return after is not None and bool(after.text) and not _is_centred(elements, after)


def _is_centred(elements: Elements, block: TextBlock) -> bool:
    own = elements.attributes[block.element]
    return own.get("align", "").lower() == "center" or "text-align:center" in own.get("style", "").replace(" ", "")


def is_switch(elements: Elements, button: int) -> bool:
    """Whether a button stands in a caption beside its text: it shows or hides it."""
    caption = next((row for row in elements.around(button, _SWITCH_LEVELS) if elements.tag[row] == "figcaption"), -1)
    if (
        caption < 0
        or elements.end(caption) - caption > _CAPTION_ELEMENTS
        or "img" in elements.tag[button : elements.end(button)]
    ):
        return False
    inner = (row for row in range(caption + 1, elements.end(caption)) if elements.tag[row] == "button")
    return sum(len(elements.text(row).strip()) for row in inner) < len(elements.text(caption).strip())


def is_control(elements: Elements, item: TextBlock) -> bool:
    """Whether a block beside an image is no caption but a button, or the number of the image in a gallery. A button in
    a `figcaption` that is no switch is all there is of the caption.
    """
    if len(item.text) <= _COUNTER_LETTERS and _COUNTER.fullmatch(item.text):
        return True
    if not any(elements.tag[row] == "button" for row in elements.around(item.element, 2)):
        return False
    return all(elements.tag[row] != "figcaption" for row in elements.around(item.element, _SWITCH_LEVELS))


def letters_of(item: "int | TextBlock") -> int:
    """Return how many letters a block has."""
    return len(item.text) if isinstance(item, TextBlock) else 0


def is_prose(item: "int | TextBlock") -> bool:
    """Whether a block reads like a paragraph."""
    return isinstance(item, TextBlock) and len(item.text) >= _PROSE_LETTERS and item.text[-1:] in '.!?…。"”'


def is_credit(item: "int | TextBlock") -> bool:
    """Whether a block names a source or photographer."""
    return isinstance(item, TextBlock) and len(item.text) <= _CENTRED_LETTERS and bool(_CREDIT.search(item.text))


def _named(elements: Elements, flow: Flow, element: int, described: set[str]) -> tuple[str, int]:
    """Return what the text of an element is by tag or class, "" if neither says so, and the element that says it."""
    kind, namer = "", -1
    # The cell of a caption stands in a row and a body of a table before the element that has the name.
    for row in elements.around(element, _NAMED_LEVELS + 2 * (elements.tag[element] == "td")):
        if elements.tag[row] in ENDS and elements.tag[row] not in TABLES:
            break
        if row in flow.named:
            kind, namer = flow.named[row], row
            if kind == "credit":
                break
        if elements.tag[row] == "figcaption" or (described and elements.attributes[row].get("id") in described):
            kind, namer = "caption", row
    return kind, namer
