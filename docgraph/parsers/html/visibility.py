"""What nobody sees: elements hidden by their own markup, or by a style sheet of the page.

    tag, attributes ─ is_hidden ─> by `hidden`, `style`, a class that hides by convention
    <style> elements ─ Sheet ─> selectors of one compound that hide; is the element one of theirs?

Text may be hidden to inject it into readers by machine, so what a sheet hides, puts far off the screen or makes
without size is not text of the page. A selector that could show it again (`.pane.active { display: block }`) wins.
Only selectors and conditions that can be judged from the markup alone count: no combinators, no `@media` but for
screens.

Sources: HTML Living Standard 6.1 (`hidden`), 15.3.1; CSS 2.2 (display, visibility, position, clip); the class names
under which sites hide text for screen readers.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.tags import hides_by_class

_MAY_HIDE: Final = re.compile(r"none|hidden|collapse|-\d{3}|rect\(", re.I).search
_HIDES: Final = re.compile(
    r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?:left|top|right|margin-left)\s*:\s*-\d{4,}(?:\.\d+)?px|clip\s*:\s*rect\(\s*(?:0|1px)[\s,]"
    r"|clip-path\s*:\s*inset\(\s*(?:50|100)%)",
    re.I,
)
_SHOWS: Final = re.compile(
    r"(?<![\w-])(?:display\s*:\s*(?!none)\w|visibility\s*:\s*visible|(?:left|top)\s*:\s*(?:0|auto))", re.I
)
_NO_SIZE: Final = re.compile(r"(?<![\w-])font-size\s*:\s*0(?:px|em|rem|pt|%)?\s*(?:;|!|$)", re.I)
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|$)", re.S)
_TOKEN: Final = re.compile(r"[{}]|[^{}]+")
_SCREEN: Final = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*$|@(?:layer|supports)\b", re.I)
_COMPOUND: Final = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)$")
_MOST_RULES: Final = 20_000
_MOST_COMPOUNDS: Final = 2_000
"""Compounds that hide or show; style sheets of real pages have some hundred."""
_MOST_CSS: Final = 1_000_000
"""Characters of style sheets that are read."""


def is_hidden(tag: str, attributes: Attributes) -> bool:
    """Whether an element and all in it are hidden from the eye by its own markup."""
    if "hidden" in attributes:
        # "until-found": the reader's search finds it.
        return attributes["hidden"].strip().lower() != "until-found"
    style = attributes.get("style")
    if style and ((_MAY_HIDE(style) and _HIDES.search(style)) or ("font-size" in style and _NO_SIZE.search(style))):
        return True
    names = attributes.get("class")
    if names and hides_by_class(names):
        return True
    if tag == "dialog":
        return "open" not in attributes
    return tag == "input" and attributes.get("type", "").lower() == "hidden"


class Sheet:
    """The selectors by which a page's own style sheets hide elements."""

    def __init__(self, css: str) -> None:
        self._hiding: dict[str, list[frozenset[str]]] = {}
        """A name (".a", "#b") -> the compounds with it that hide: each a set of names, a tag among them as it is."""
        self._showing: set[frozenset[str]] = set()
        for selector, declarations in islice(_rules(css), _MOST_RULES):
            hides = _HIDES.search(declarations) is not None
            if not hides and _SHOWS.search(declarations) is None:
                continue
            for part in selector.split(","):
                compounds = re.split(r"[\s>+~]+", part.strip())
                names = _names(compounds[-1])
                if not names or len(self._showing) + len(self._hiding) > _MOST_COMPOUNDS:
                    continue
                if not hides:
                    self._showing.add(names)
                elif len(compounds) == 1:
                    key = min((name for name in names if name[0] in ".#"), default="")
                    if key:
                        self._hiding.setdefault(key, []).append(names)

    def __bool__(self) -> bool:
        return bool(self._hiding)

    def hides(self, tag: str, attributes: Attributes) -> bool:
        """Whether a rule hides the element and none could show it."""
        names = {f".{name}" for name in attributes.get("class", "").split()}
        if id_ := attributes.get("id"):
            names.add(f"#{id_.strip()}")
        hiding = [compound for name in names if name in self._hiding for compound in self._hiding[name]]
        if not hiding:
            return False
        names.add(tag)
        return any(compound <= names for compound in hiding) and not any(shown <= names for shown in self._showing)


def sheet_of(elements: Elements) -> Sheet:
    """Return the style sheet that a page brings along, all its `style` elements together."""
    css: list[str] = []
    length = 0
    for row in elements.rows_of("style"):
        media = elements.attributes[row].get("media", "").strip().lower()
        if media in ("", "all", "screen") and length < _MOST_CSS:
            css.append(elements.text(row)[: _MOST_CSS - length])
            length += len(css[-1])
    return Sheet("\n".join(css))


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Yield (selector, declarations) of the rules that hold on any screen."""
    if _MAY_HIDE(css) is None:
        return
    around: list[str] = []
    text = ""
    for found in _TOKEN.finditer(_COMMENT.sub(" ", css)):
        token = found.group()
        if token == "{":
            around.append(text.rsplit(";", 1)[-1].strip())
            text = ""
        elif token == "}":
            if around:
                selector = around.pop()
                if not selector.startswith("@") and all(_SCREEN.match(outer) for outer in around):
                    yield selector, text
            text = ""
        else:
            text = token


def _names(compound: str) -> frozenset[str]:
    """Return the names of a compound selector: "p.a#b" -> {"p", ".a", "#b"}; none if it is of another kind."""
    found = _COMPOUND.match(compound)
    if found is None:
        return frozenset()
    names = set(re.findall(r"[.#][\w-]+", found.group(2)))
    return frozenset(names | ({found.group(1).lower()} if found.group(1) else set()))
