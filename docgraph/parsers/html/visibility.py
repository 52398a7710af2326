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
_SCREEN: Final = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*$|@(?:layer|supports)\b", re.I)
_NAME: Final = re.compile(r"[.#][\w-]+")
_COMPOUND: Final = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)$")
_WORDS_THAT_HIDE: Final = ("none", "hidden", "collapse", "-999", "-1000", "rect(", "inset(")
_MOST_RULES: Final = 4_000
_MOST_CONDITION: Final = 20_000
_MOST_BRACES: Final = 600
"""How far back the condition around a rule is looked for; one that is farther away is taken to fail."""
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

    def __init__(self, css: str, names: frozenset[str]) -> None:
        """Read a style sheet, as far as it is about elements with some of `names` (".class", "#id")."""
        self._hiding: dict[str, list[frozenset[str]]] = {}
        """A name (".a", "#b") -> the compounds with it that hide: each a set of names, a tag among them as it is."""
        self._showing: list[frozenset[str]] = []
        css = "".join(part.partition("*/")[2] if index else part for index, part in enumerate(css.split("/*")))
        for place in _places_that_hide(css):
            selector = _selector(css, place)
            if names.isdisjoint(_NAME.findall(selector)):
                continue
            for compounds in _compounds(selector):
                key = next((name for name in compounds[-1] if name in names), "")
                if len(compounds) > 1 or not key or len(self._hiding) >= _MOST_COMPOUNDS:
                    continue
                if _holds_on_screens(css, place - 1):
                    self._hiding.setdefault(key, []).append(compounds[0])
        if not self._hiding:
            return
        for place in islice((place for name in self._hiding for place in _find_all(css, name)), _MOST_COMPOUNDS):
            start = css.find("{", place)
            if start >= 0 and _SHOWS.search(css[start : css.find("}", start)]):
                self._showing += [compounds[-1] for compounds in _compounds(_selector(css, start + 1)) if compounds[-1]]

    def __bool__(self) -> bool:
        return bool(self._hiding)

    def hides(self, tag: str, attributes: Attributes) -> bool:
        """Whether a rule hides the element and none could show it."""
        class_, id_ = attributes.get("class"), attributes.get("id")
        if not class_ and not id_:
            return False
        names = {f".{name}" for name in class_.split()} if class_ else set[str]()
        if id_:
            names.add(f"#{id_.strip()}")
        if names.isdisjoint(self._hiding):
            return False
        hiding = [compound for name in names if name in self._hiding for compound in self._hiding[name]]
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
    names = set[str]()
    if css:
        classes = {own.get("class", "") for own in elements.attributes if own}
        names = {f".{name}" for class_ in classes for name in class_.split()}
        names |= {f"#{own['id'].strip()}" for own in elements.attributes if "id" in own}
    return Sheet("\n".join(css), frozenset(names))


def _places_that_hide(css: str) -> Iterator[int]:
    """Yield where each block of declarations begins that hides."""
    done = -1
    places = sorted(found for word in _WORDS_THAT_HIDE for found in _find_all(css, word))
    for place in places[:_MOST_RULES]:
        start = css.rfind("{", 0, place)
        if start <= done:
            continue
        stop = css.find("}", place)
        if start >= 0 and _HIDES.search(css[start + 1 : stop if stop >= 0 else len(css)]):
            done = start
            yield start + 1


def _find_all(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _holds_on_screens(css: str, start: int) -> bool:
    """Whether the rule whose block begins at `start` stands in no condition that a screen may fail."""
    low = max(0, start - _MOST_CONDITION)
    depth, place = 0, start
    for _ in range(_MOST_BRACES):
        close, opened = css.rfind("}", low, place), css.rfind("{", low, place)
        if opened < 0 and close < 0:
            return low == 0
        place = max(close, opened)
        if close > opened:
            depth += 1
        elif depth:
            depth -= 1
        elif not _SCREEN.match(re.split(r"[{};]", css[max(low, opened - 200) : opened])[-1].strip()):
            return False
        elif depth == 0 and css.rfind("@", low, opened) < 0:
            return True
        if depth == 0 and close > opened and "@" not in css[low:place]:
            return True
    return False


def _selector(css: str, place: int) -> str:
    """Return the selector of the rule whose block begins right before `place`."""
    start = place - 1
    low = max(css.rfind(sign, 0, start) for sign in "{};")
    return css[low + 1 : start].strip()


def _compounds(selector: str) -> Iterator[list[frozenset[str]]]:
    """Yield the compounds of each selector of a list: "p.a > b, .c" -> [{"p", ".a"}, {"b"}], [{".c"}]."""
    for part in selector.split(","):
        if part.strip():
            yield [_names(compound) for compound in re.split(r"[\s>+~]+", part.strip())]


def _names(compound: str) -> frozenset[str]:
    """Return the names of a compound selector: "p.a#b" -> {"p", ".a", "#b"}; none if it is of another kind."""
    found = _COMPOUND.match(compound)
    if found is None:
        return frozenset()
    names = set(_NAME.findall(found.group(2)))
    return frozenset(names | ({found.group(1).lower()} if found.group(1) else set()))
