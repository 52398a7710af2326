"""What a page's own style sheets hide.

    <style> elements ─ sheet_of ─> Sheet: selectors that hide, and those that show again ─ hides ─> is an element one?

A selector that could show it again (`.pane.active { display: block }`) wins if it is as specific. Only selectors and
conditions that can be judged from the markup alone count: tags, names and the elements around, no siblings, no state of
the page as a whole (`.no-js .x`), and `@media` for the screen of a desk (1,280 pixels wide).

Sources: CSS Selectors 4; Media Queries 4.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

import numpy as np

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.visibility import LONGEST_STYLE, way_of_hiding

Selector = tuple[frozenset[str], ...]
"""Compounds, each a set of names, a tag among them as it is; those before the last are of elements around."""
_SHOWS: Final = re.compile(
    r"(?<![\w-])(?:display\s*:\s*(?!none)\w|visibility\s*:\s*visible|(?:left|top)\s*:\s*(?:0|auto)|opacity\s*:\s*(?:1|0?\.)"
    r"|max-height\s*:\s*(?:\d{2}|none)|height\s*:\s*(?:\d{2}|auto))",
    re.I,
)
_SCREEN: Final = re.compile(
    r"@media\s*(?:(?:only\s+)?(?:screen|all)\s*(?:and\s*(?=\())?)?(?:\(\s*(min|max)-width\s*:\s*(\d*\.?\d+)(px|r?em)\s*\)\s*)?$"
    r"|@(?:layer\b|supports\b(?!\s+not\b))",
    re.I,
)
_SCREEN_WIDTH: Final = 1_280
_NAME: Final = re.compile(r"[.#][\w-]+")
_CONDITION: Final = re.compile(r"@[^@{};]{0,200}\{")
_COMPOUND: Final = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)$")
_ANY_OF: Final = re.compile(r"(?<![\w-]):(?:is|where)\(([^()]*)\)|:(?:is|where)\(((?:[.#][\w-]+[,\s]*)*)\)")
_BY_NAME: Final = re.compile(r"""\[(class|id)~?=["']?([\w\s-]+)["']?\]""")
_MOST_OPTIONS: Final = 20
_WORDS_THAT_HIDE: Final = (
    "none", "hidden", "collapse", "-999", "-1000", "rect(", "inset(", "circle(", "transparent", "scale(0", "opacity:0",
    "opacity: 0", "font-size:0", "font-size: 0", "font-size:1px", "font-size: 1px", "opacity(0", "polygon(0", "scale:0",
    "zoom:0", "0,0,0,0)", "0, 0, 0, 0)", "255,255,0)", "255, 255, 0)", "color:#fff", "color: #fff", "color:white",
    "color: white",
)  # fmt: skip
_LEVELS_AROUND: Final = 40
_MOST_RULES: Final = 4_000
_MOST_COMPOUNDS: Final = 2_000
"""Compounds that hide or show; style sheets of real pages have some hundred."""
_MOST_STEPS: Final = 500_000
"""Selectors and elements around that are looked at in a page; what comes after is taken to be seen."""
_MOST_SPECIFIC: Final = 1_000_000
_MOST_NAMED: Final = 20_000
"""Places where a style sheet names what it hides elsewhere, which are searched for rules that show it again."""
_MOST_CSS: Final = 1_000_000
"""Characters of style sheets that are read."""


class Sheet:
    """The selectors by which a page's own style sheets hide elements."""

    def __init__(self, css: str, names: frozenset[str]) -> None:
        """Read a style sheet, as far as it is about elements with some of `names` (".class", "#id")."""
        self._hiding: dict[str, dict[Selector, int]] = {}
        """A name (".a", "#b") -> the selectors that hide, whose last compound has it -> how specific they are."""
        self._showing: dict[frozenset[str], int] = {}
        """The last compounds of selectors that show -> how specific these are."""
        self._fitting: dict[frozenset[str], list[Selector]] = {}
        """The names of an element -> the selectors that hide it if what is around it fits, too."""
        self._verdicts: dict[tuple[int, frozenset[str]], bool] = {}
        """The parent and the names of an element -> whether it is hidden."""
        self._steps = 0
        css = "".join(part.partition("*/")[2] if index else part for index, part in enumerate(css.split("/*")))
        rules = [(place, _selector(css, place)) for place in _places_that_hide(css)]
        rules = [(place, selector) for place, selector in rules if not names.isdisjoint(_NAME.findall(selector))]
        held = _holding_on_screens(css, [place - 1 for place, _ in rules])
        count, hidden = 0, set[str]()
        for place, selector in rules:
            for compounds in _compounds(selector) if place - 1 in held else ():
                key = min(compounds[-1] & names, default="")
                if all(compounds) and key and count < _MOST_COMPOUNDS:
                    hidden |= compounds[-1] & names
                    some = self._hiding.setdefault(key, {})
                    count += compounds not in some
                    some[compounds] = _specificity(compounds)
        if not self._hiding:
            return
        start, shown = 0, []
        for place in islice(_places_of(css, sorted(hidden)), _MOST_NAMED):
            if place < start:
                continue
            if (start := css.find("{", place) + 1) == 0:
                break
            if _SHOWS.search(css, start, max(start, css.find("}", start))):
                shown.append(start - 1)
        for place in sorted(_holding_on_screens(css, shown)):
            stop = max(place, css.find("}", place))
            important = css.find("important", place, stop) >= 0
            for compounds in _compounds(_selector(css, place + 1)):
                if compounds[-1] and len(self._showing) < _MOST_COMPOUNDS:
                    # What is around may be of a kind that is not understood, and as specific as can be.
                    rank = _specificity(compounds) if all(compounds) and not important else _MOST_SPECIFIC
                    self._showing[compounds[-1]] = max(rank, self._showing.get(compounds[-1], 0))

    def __bool__(self) -> bool:
        return bool(self._hiding)

    def hides(self, elements: Elements, row: int) -> bool:
        """Whether a rule hides the element and none that is as specific could show it."""
        names = _names_of(elements, row)
        if names.isdisjoint(self._hiding):
            return False
        if (hidden := self._verdicts.get(key := (elements.parent[row], names))) is None:
            if names not in self._fitting:
                self._fitting[names] = self._selectors_of(names)
            hidden = self._verdicts[key] = self._steps <= _MOST_STEPS and any(
                len(selector) == 1 or self._stands_in(elements, row, selector) for selector in self._fitting[names]
            )
        return hidden

    def _selectors_of(self, names: frozenset[str]) -> list[Selector]:
        """Return the selectors that hide elements of some names, those that the page shows again left out."""
        hiding = [self._hiding[name] for name in sorted(names & self._hiding.keys())]
        self._steps += sum(map(len, hiding)) + len(self._showing)
        if self._steps > _MOST_STEPS:
            return []
        fits = [(selector, rank) for some in hiding for selector, rank in some.items() if selector[-1] <= names]
        shown = max((rank for last, rank in self._showing.items() if last <= names), default=-1) if fits else -1
        return [selector for selector, rank in fits if rank > shown]

    def _stands_in(self, elements: Elements, row: int, selector: Selector) -> bool:
        """Whether all compounds but the last are around an element, outermost first; the page as a whole is none."""
        wanted = len(selector) - 2
        for _ in range(_LEVELS_AROUND):
            row = elements.parent[row]
            self._steps += 1
            if row < 0 or elements.tag[row] in ("html", "body"):
                return False
            if selector[wanted] <= _names_of(elements, row):
                wanted -= 1
                if wanted < 0:
                    return True
        return False


def _specificity(selector: Selector) -> int:
    """Return how specific a selector is: its identifiers before its classes (Selectors 4, 17); tags are left out."""
    signs = [name[0] for compound in selector for name in compound]
    return 1_000 * signs.count("#") + signs.count(".")


def _names_of(elements: Elements, row: int) -> frozenset[str]:
    """Return an element's tag, as it was written, and names as selectors write them: {"p", ".a", "#b"}."""
    own = elements.attributes[row]
    names = {elements.divisions.get(row, elements.tag[row])}
    if class_ := own.get("class"):
        names.update(f".{name}" for name in class_.split())
    if id_ := own.get("id"):
        names.add(f"#{id_.strip()}")
    return frozenset(names)


def sheet_of(elements: Elements) -> Sheet:
    """Return the style sheet that a page brings along, all its `style` elements together."""
    css: list[str] = []
    length = 0
    for row in elements.rows_of("style"):
        media = elements.attributes[row].get("media", "").strip().lower()
        if _is_of_desk(f"@media {media}") and length < _MOST_CSS:
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
    small = css.lower()
    css = small if len(small) == len(css) else css
    places = sorted(found for word in _WORDS_THAT_HIDE for found in _find_all(css, word))
    for place in places[:_MOST_RULES]:
        start = css.rfind("{", 0, place)
        if start <= done:
            continue
        stop = css.find("}", place)
        if start >= 0 and way_of_hiding(css[start + 1 : stop if stop >= 0 else len(css)][:LONGEST_STYLE]):
            done = start
            yield start + 1


def _find_all(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _places_of(css: str, names: Iterable[str]) -> Iterator[int]:
    """Yield where any of some names stands; ".ad" does not stand in ".advert"."""
    any_name = re.compile("(?:" + "|".join(map(re.escape, names)) + r")(?![\w-])")
    return (match.start() for match in any_name.finditer(css))


def _holding_on_screens(css: str, starts: list[int]) -> set[int]:
    """Return which of some rules stand in no condition that a screen may fail, by where their blocks begin."""
    if not starts:
        return set()
    css = css[: starts[-1] + 1]
    letters = np.frombuffer(css.encode("latin-1", "replace"), np.uint8)  # one byte a letter
    braces = np.flatnonzero((letters == ord("{")) | (letters == ord("}")))
    opens = letters[braces] == ord("{")
    holding = {found.end() - 1 for found in _CONDITION.finditer(css) if _is_of_desk(found[0][:-1])}
    asked, held, around = set(starts), set[int](), [True]
    for place, is_open in zip(braces.tolist(), opens.tolist(), strict=True):
        if is_open:
            holds = around[-1]
            if holds and place in asked:
                held.add(place)
            around.append(holds and place in holding)
        elif len(around) > 1:
            around.pop()
    return held


def _is_of_desk(condition: str) -> bool:
    """Whether a condition such as "@media (min-width: 768px)" holds on the screen of a desk."""
    if "," in condition and condition[:6].lower() == "@media":
        return any(_is_of_desk(f"@media {query}") for query in condition[6:].split(",") if query.strip())
    if (found := _SCREEN.match(condition.strip())) is None:
        return False
    bound, number, unit = found.groups()
    if bound is None:
        return True
    width = float(number) * (1 if unit.lower() == "px" else 16)
    return width <= _SCREEN_WIDTH if bound.lower() == "min" else width >= _SCREEN_WIDTH


def _selector(css: str, place: int) -> str:
    """Return the selector of the rule whose block begins right before `place`."""
    start = place - 1
    low = max(css.rfind(sign, 0, start) for sign in "{};")
    selector = css[low + 1 : start].strip()
    return _BY_NAME.sub(_as_names, selector) if "[" in selector else selector


def _as_names(found: re.Match[str]) -> str:
    """Return [class="a b"] and [id=c] as ".a.b" and "#c"."""
    sign = "." if found.group(1) == "class" else "#"
    return "".join(f"{sign}{name}" for name in found.group(2).split())


def _compounds(selector: str) -> Iterator[Selector]:
    """Yield the compounds of each selector of a list: "p.a > b, .c" -> ({"p", ".a"}, {"b"}), ({".c"},).

    One that is none of tags and names is empty, and so is one before a sibling.
    """
    if (found := _ANY_OF.search(selector)) is not None:
        options = (found.group(1) or found.group(2) or "").split(",")[:_MOST_OPTIONS]
        selector = ",".join(selector[: found.start()] + option.strip() + selector[found.end() :] for option in options)
    for part in selector.split(","):
        if part.strip():
            compounds = tuple(_names(compound) for compound in re.split(r"[\s>+~]+", part.strip()))
            yield (frozenset(), *compounds) if "+" in part or "~" in part else compounds


@lru_cache(maxsize=8_192)
def _names(compound: str) -> frozenset[str]:
    """Return the names of a compound selector: "p.a#b" -> {"p", ".a", "#b"}; none if it is of another kind."""
    found = _COMPOUND.match(compound)
    if found is None:
        return frozenset()
    names = set(_NAME.findall(found.group(2)))
    return frozenset(names | ({found.group(1).lower()} if found.group(1) else set()))
