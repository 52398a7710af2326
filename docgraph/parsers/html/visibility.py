"""What nobody sees by its own markup; style_sheets.py has what the page's sheets hide.

    Elements ─ may_be_hidden ─> the few to ask about
    tag, attributes ─ is_hidden ─> by `hidden`, `style`, a class that hides by convention
    declarations ─ way_of_hiding ─> "off" by display and visibility, "trick" by place, size or colour

Text may be hidden to inject it into readers by machine, so what is far off the screen or without size is not text of
the page. What fades in is seen.

Sources: HTML Living Standard 6.1 (`hidden`), 15.3.1; CSS 2.2 (display, visibility, position, clip); CSS Color 4; the
class names under which sites hide text for screen readers.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.tags import IN_READER_ONLY, hides_by_class

_FAR: Final = re.compile(r"-(?:\d{4,}(?:\.\d+)?px|999px|\d{2,}(?:\.\d+)?r?em|[1-9]\d{2,}(?:\.\d+)?v[wh])")
_FAR_ON_PAGE: Final = re.compile(r"(?<![\w.])[-+]?(?:\d{4,}(?:\.\d+)?px|[1-9]\d{2,}(?:\.\d+)?v[wh])")
_NOTHING: Final = re.compile(r"0*[01](?:\.0*)?px|0+(?:\.0*)?[a-z%]*|0*\.\d+px|0*\.0\d*r?em")
_TINY_LETTERS: Final = re.compile(r"(?:0*[01](?:\.\d*)?|0*\.\d+)p[xt]|0+(?:\.0*)?[a-z%]*|0*\.[01]\d*r?em")
_CLIPPED: Final = re.compile(
    r"rect\(\s*(?:0|1px)[\s,a-z]|inset\(\s*(?:[5-9]\d|100)%|circle\(\s*0|polygon\([\s,]*(?:0[a-z%]*[\s,]*)+\)"
)
_UNSEEN_NUMBER: Final = re.compile(r"(?:0*\.0[0-4]\d*|0+(?:\.0*)?|0*[0-4](?:\.\d*)?%)")
"""An opacity that leaves nothing to be seen."""
_FADING: Final = re.compile(
    r"(?:[\w-]+-)?cloak$|data-(?:aos|sal|anim(?:at\w+)?|reveal|scroll(?:reveal)?|fade(?:in)?|inview|wow)(?:-|$)"
)
"""Attributes of what is not hidden for good: a script takes them away, or lets the element fade in."""
_FADING_CLASSES: Final = frozenset(("wow", "elementor-invisible", "animated", "et_animated", "animate-on-scroll"))
"""Class names of the same."""
_OF_FADING: Final = re.compile(r"(?<![\w-])(?:visibility|opacity)\s*:[^;]*;?", re.I)
_OF_MOVING: Final = re.compile(
    r"(?<![\w-])(?:(?:-\w+-)?(?:animation|transition|transform|filter)|translate|rotate|scale|will-change)(?:-\w+)*\s*:[^;]*;?",
    re.I,
)
"""What the own style of such an element declares, and no more."""
_MOVES: Final = ("transition", "animation", "transform", "will-change", "filter", "animation-name")
_COLOURS: Final[dict[str, tuple[int, ...] | None]] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "transparent": None,
}  # fmt: skip
_PLACES: Final = ("left", "top", "right", "bottom", "margin-left", "margin-top", "text-indent")
_SIZES: Final = ("height", "max-height", "width", "max-width")
LONGEST_STYLE: Final = 2_000


def may_be_hidden(elements: Elements) -> set[int]:
    """Return the elements that their own markup may hide: no others are hidden by it."""
    tags = (row for tag in ("dialog", "input") for row in elements.rows_of(tag))
    attributes = (row for name in ("hidden", "style") for row in elements.rows_with(name))
    return {*tags, *attributes, *elements.rows_named(lambda class_, _: hides_by_class(class_), IN_READER_ONLY)}


def is_hidden(tag: str, attributes: Attributes) -> bool:
    """Whether an element and all in it are hidden from the eye by its own markup."""
    if "hidden" in attributes:
        # "until-found": the reader's search finds it.
        return attributes["hidden"].strip().lower() != "until-found"
    if "style" in attributes and way_of_hiding(attributes["style"][:LONGEST_STYLE]):
        return True
    if "class" in attributes and hides_by_class(attributes["class"]):
        return True
    if tag == "dialog":
        return "open" not in attributes
    return tag == "input" and attributes.get("type", "").lower() == "hidden"


def fades_in(tag: str, own: Attributes) -> bool:
    """Whether an element is hidden only until a reader comes to it, as an attribute or class of a library says."""
    if not any(map(_FADING.match, own)) and _FADING_CLASSES.isdisjoint(own.get("class", "").split()):
        return False
    style = own.get("style", "")[:LONGEST_STYLE]
    moves = _OF_FADING.sub("", style)
    fades = moves != style and not _OF_MOVING.sub("", moves).strip("; ")
    return fades and not is_hidden(tag, {**own, "style": moves})


@lru_cache(maxsize=8_192)
def way_of_hiding(style: str) -> str:
    """Return how declarations hide: "off" by display or visibility, "trick" by place, size or colour, or ""."""
    own: dict[str, str] = {}
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        if value:
            own[name.strip()] = value.replace("!important", "").strip()
    get = own.get
    if (
        get("display") == "none"
        or get("visibility") in ("hidden", "collapse")
        or get("content-visibility", "visible") == "hidden"
    ):
        return "off"
    tricks = (
        any(name in own and _FAR.match(own[name]) for name in _PLACES)
        or ("transform" in own and ("scale(0)" in own["transform"] or _FAR_ON_PAGE.search(own["transform"])))
        or ("translate" in own and _FAR_ON_PAGE.search(own["translate"]))
        or get("scale") == "0"
        or get("zoom") == "0"
        or "opacity(0)" in get("filter", "").replace("%", "")
        or any(name in own and _CLIPPED.match(own[name]) for name in ("clip", "clip-path"))
        or ("font-size" in own and _TINY_LETTERS.fullmatch(own["font-size"]))
        or ("opacity" in own and _UNSEEN_NUMBER.fullmatch(own["opacity"]) and not any(name in own for name in _MOVES))
        or (
            get("overflow", get("overflow-y", "")) in ("hidden", "clip")
            and any(name in own and _NOTHING.fullmatch(own[name]) for name in _SIZES)
            and not any(name in own for name in _MOVES)
        )
        or (
            "color" in own
            and "text" not in get("-webkit-background-clip", "") + get("background-clip", "")
            and _colour(own["color"]) in (None, _background(own))
        )
    )
    return "trick" if tricks else ""


def _background(own: Mapping[str, str]) -> tuple[int, ...] | str:
    """Return the colour behind a text, "" if it is none or not understood, or an image lies on it."""
    value = own.get("background-color", own.get("background", ""))
    return (own.get("background-image", "none") == "none" and _colour(value)) or ""


def _colour(value: str) -> tuple[int, ...] | None:
    """Return a colour as red, green and blue, None if it is transparent; () for what is not understood."""
    if value in _COLOURS:
        return _COLOURS[value]
    digits = value[1:] if value.startswith("#") else ""
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    if len(digits) == 8 and digits.endswith("00"):
        return None
    try:
        if len(digits) in (6, 8):
            return tuple(bytes.fromhex(digits)[:3])
        name, _, inside = value.partition("(")
        parts = inside.rstrip(") ").replace(",", " ").replace("/", " ").split()
        if len(parts) == 4 and float(parts[3].rstrip("%")) == 0:
            return None
        return tuple(int(part) for part in parts[:3]) if name in ("rgb", "rgba") else ()
    except ValueError:
        return ()
