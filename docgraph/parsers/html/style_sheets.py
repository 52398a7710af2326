"""What a page's own style sheets hide.

    <style> elements ─ sheet_of ─> Sheet: selectors that hide, and those that show again ─ hides ─> is an element one?

A selector that could show it again (`.pane.active { display: block }`) wins if it is as specific, one by other names of
the element by the cascade: importance, specificity, order.
Only what can be judged from the markup alone counts (see `selectors`): no state of the page as a whole (`.no-js .x`),
and `@media` for the screen of a desk (see `screens`). What a button of the page opens is no hidden text.

Sources: CSS Cascading 5; CSS Custom Properties 1.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.screens import holding_on_screens, is_of_desk
from docgraph.parsers.html.selectors import NAME, Conditions, Selector, compounds_of, names_in, plain_names, specificity
from docgraph.parsers.html.visibility import LONGEST_STYLE, way_of_hiding

_SHOWS: Final = re.compile(
    r"(?<![\w-])(?:display\s*:\s*(?!none)\w|visibility\s*:\s*visible|(?:left|top)\s*:\s*(?:0|auto)|opacity\s*:\s*(?:1|0?\.)"
    r"|max-height\s*:\s*(?:\d{2}|none)|height\s*:\s*(?:\d{2}|auto))",
    re.I,
)
_WITHOUT_SIZE: Final = re.compile(r"(?<![\w-])(?:height|width)\s*:\s*0\s*(?:px)?\s*(?:[;}!]|$)", re.I)
"""What such a rule places somewhere is not shown there."""
_DISPLAY_NONE: Final = re.compile(r"display\s*:\s*none", re.I)
_DISPLAY: Final = re.compile(r"(?<![\w-])display\s*:\s*(?!none)\w", re.I)
_VARIABLE: Final = re.compile(r"--([\w-]{1,80})\s*:\s*([^;{}]{1,40})")
_BY_VARIABLE: Final = re.compile(
    r"(display|visibility|opacity|font-size)(\s*:\s*)var\(\s*--([\w-]{1,80})\s*(?:,\s*([^()]{0,40}))?\)"
)
_WITHIN_NAME: Final = re.compile(r"[\w-]").match
"""What stands before the name of a property that only ends like one; in the pattern it would cost ten times as much."""
_WORDS_THAT_HIDE: Final[dict[str, str | tuple[str, ...]]] = {
    "none": "", "hidden": "", "collapse": "", "-99": ("9", "em"), "-100": ("0", "v"), "-200": ("0", "v"), "-5000": "",
    "rect(": "", "inset(": "", "circle(": "", "transparent": "", "scale": ("(0", ":0"), "opacity": (":0", ": 0", "(0"),
    "font-size:": ("0", " 0", "1px", " 1px"), "polygon(0": "", "zoom:0": "", "0,0,0,0)": "", "0, 0, 0, 0)": "",
    "255,255,0)": "", "255, 255, 0)": "", "color:": ("#fff", " #fff", "white", " white"),
}  # fmt: skip
"""In declarations that hide is one of these words: how it begins, which is looked for, and how it may go on."""
_LATE: Final = frozenset("img picture source svg video iframe amp-img".split())
"""Elements that many a page hides by their attributes until they have been loaded."""
_LEVELS_AROUND: Final = 40
_MOST_RULES: Final = 4_000
_MOST_COMPOUNDS: Final = 2_000
"""Compounds that hide or show; style sheets of real pages have some hundred."""
_MOST_STEPS: Final = 500_000
"""Selectors and elements around that are looked at in a page; what comes after is taken to be seen."""
_FEW_NAMES: Final = 40
"""So many names are found one by one, which is quicker than to look at every name of a style sheet."""
_MOST_NAMED: Final = 20_000
"""Blocks of declarations for what a style sheet hides elsewhere, which are searched for what shows it again."""
_MOST_SPECIFIC: Final = (2, 0, 0)
_LEAST: Final = (-1, 0, 0)
Rank = tuple[int, int, int]
"""Importance, specificity, place in the style sheet: of two rules the one that ranks higher holds."""
_MOST_CSS: Final = 1_000_000
"""Characters of style sheets that are read."""


class Sheet:
    """The selectors by which a page's own style sheets hide elements."""

    def __init__(self, css: str, elements: Elements) -> None:
        """Read a style sheet, as far as it is about elements that the page has."""
        self._hiding: dict[str, dict[Selector, tuple[Rank, bool]]] = {}
        """A name (".a", "#b") -> the selectors that hide, whose last compound has it -> their rank, and whether they
        hide by `display`."""
        self._showing: dict[frozenset[str], Rank] = {}
        """The last compounds of selectors that show, with a name that others hide -> their rank."""
        self._beside: dict[str, list[tuple[frozenset[str], Rank]]] = {}
        """Another name of a hidden element -> the compounds that show it by that alone, and their rank."""
        self._fitting: dict[frozenset[str], list[tuple[Selector, bool]]] = {}
        """The names of an element -> the selectors that hide it if what is around it fits, too."""
        self._verdicts: dict[tuple[int, frozenset[str]], str] = {}
        """The parent and the names of an element -> how it is hidden."""
        self._conditions = Conditions()
        self._names: dict[tuple[str, str], list[str]] = {}
        """Class and id attributes of the page -> the names in them."""
        self._around: dict[int, frozenset[str]] = {}
        """An element -> its names and the conditions that it fulfils, where it is around others."""
        self._asked = set[str]()
        """Attributes that selectors which hide ask for."""
        self._opened: set[str] | None = None
        """Identifiers of what buttons open, if that was asked for."""
        self._steps = 0
        if not css:
            return
        self._names = {pair: names_in(*pair) for pair in elements.by_names()}
        css = "".join(part.partition("*/")[2] if index else part for index, part in enumerate(css.split("/*")))
        if "var(" in css:
            values: dict[str, str] = dict(_VARIABLE.findall(css))
            css = _BY_VARIABLE.sub(
                lambda found: (
                    found[0]
                    if _WITHIN_NAME(found.string, max(0, found.start() - 1), found.start())
                    else f"{found[1]}{found[2]}{(values.get(found[3]) or found[4] or '').strip()}"
                ),
                css,
            )
        rules = [(place, self._conditions.read(css, place)) for place in _places_that_hide(css)]
        names = self._conditions.names.union(*self._names.values())
        self._asked = self._conditions.attributes
        rules = [(place, selector) for place, selector in rules if not names.isdisjoint(NAME.findall(selector))]
        held = holding_on_screens(css, [place - 1 for place, _ in rules])
        count, hidden = 0, set[str]()
        for place, selector in rules:
            important, by_display = _is_important(css, place), _hides_by_display(css, place)
            for compounds in compounds_of(selector) if place - 1 in held else ():
                key = min(compounds[-1] & names, default="")
                if all(compounds) and key and count < _MOST_COMPOUNDS:
                    hidden |= compounds[-1] & names
                    some = self._hiding.setdefault(key, {})
                    count += compounds not in some
                    some[compounds] = max(
                        some.get(compounds, (_LEAST, False)), ((important, specificity(compounds), place), by_display)
                    )
        if self._hiding:
            self._read_what_shows(css, hidden, self._names_beside(elements, hidden))

    def _read_what_shows(self, css: str, hidden: set[str], beside: set[str]) -> None:
        """Read the rules that show again what others hide, by those names or by others of the same elements."""
        shown = list[int]()
        for start in islice(_blocks_naming(css, hidden | beside), _MOST_NAMED):
            stop = max(start, css.find("}", start))
            if _SHOWS.search(css, start, stop) and not _WITHOUT_SIZE.search(css, start, stop):
                shown.append(start - 1)
        for place in sorted(holding_on_screens(css, shown)):
            important = _is_important(css, place + 1)
            for compounds in compounds_of(self._conditions.read(css, place + 1)):
                last = compounds[-1]
                if last.isdisjoint(hidden):
                    if len(compounds) == 1 and (key := min(last & beside, default="")):
                        self._beside.setdefault(key, []).append((last, (important, specificity(compounds), place)))
                elif len(self._showing) < _MOST_COMPOUNDS:
                    # What is around may be of a kind that is not understood, and as specific as can be.
                    rank = (0, specificity(compounds), len(css)) if all(compounds) and not important else _MOST_SPECIFIC
                    self._showing[last] = max(rank, self._showing.get(last, _LEAST))

    def __bool__(self) -> bool:
        return bool(self._hiding)

    def may_hide(self, elements: Elements) -> set[int]:
        """Return the elements that a rule names, or of which it asks for an attribute: no others are hidden."""
        if not self._hiding:
            return set()
        hiding = self._hiding.keys()
        rows = elements.by_names()
        named = (row for pair, names in self._names.items() if not hiding.isdisjoint(names) for row in rows[pair])
        return {*named, *(row for attribute in self._asked for row in elements.rows_with(attribute))}

    def hides(self, elements: Elements, row: int) -> bool:
        """Whether a rule hides the element, one of `may_hide`, and none that ranks higher could show it."""
        own = elements.attributes[row]
        names = plain_names(elements, row)
        if elements.tag[row] not in _LATE and self._has_steps():
            names = self._conditions.added_to(names, own)
        if names.isdisjoint(self._hiding):
            return False
        if (how := self._verdicts.get(key := (elements.parent[row], names))) is None:
            if names not in self._fitting:
                self._fitting[names] = self._selectors_of(names)
            how = ""
            for selector, by_display in self._fitting[names] if self._has_steps() else ():
                if len(selector) == 1 or self._stands_in(elements, row, selector):
                    how = "display" if by_display else "other"
                    break
            self._verdicts[key] = how
        if not how:
            return False
        if how == "display" and "style" in own and _DISPLAY.search(own["style"][:LONGEST_STYLE]):
            return False
        return not (self._conditions and own.get("id", "") in self._opened_by_buttons(elements))

    def _opened_by_buttons(self, elements: Elements) -> set[str]:
        """Return the identifiers of what a button opens. Menus aside, that is text which any reader comes to."""
        if self._opened is None:
            words = elements.words_of("aria-controls", "data-target", "data-bs-target")
            self._opened = set(" ".join(words).replace("#", "").split())
        return self._opened

    def _names_beside(self, elements: Elements, hidden: set[str]) -> set[str]:
        """Return the names of the elements that have some of those that are hidden."""
        beside = set[str]()
        for names in self._names.values():
            if not hidden.isdisjoint(names):
                beside.update(names)
        for row in (row for attribute in self._asked for row in elements.rows_with(attribute)):
            own = elements.attributes[row]
            beside.update(names_in(own.get("class"), own.get("id")))
        return beside

    def _selectors_of(self, names: frozenset[str]) -> list[tuple[Selector, bool]]:
        """Return the selectors that hide elements of some names, those that the page shows again left out."""
        hiding = [self._hiding[name] for name in sorted(names & self._hiding.keys())]
        self._steps += sum(map(len, hiding)) + len(self._showing)
        if self._steps > _MOST_STEPS:
            return []
        fits = [(selector, *about) for some in hiding for selector, about in some.items() if selector[-1] <= names]
        if not fits:
            return []
        beside = [entry for name in names & self._beside.keys() for entry in self._beside[name]]
        self._steps += len(beside)
        shown = max((rank for last, rank in (*self._showing.items(), *beside) if last <= names), default=_LEAST)
        return [(selector, by_display) for selector, rank, by_display in fits if rank > shown]

    def _has_steps(self) -> bool:
        """Whether more may be looked at in this page."""
        return self._steps + self._conditions.steps <= _MOST_STEPS

    def _stands_in(self, elements: Elements, row: int, selector: Selector) -> bool:
        """Whether all compounds but the last are around an element, outermost first; the page as a whole is none."""
        wanted = len(selector) - 2
        for _ in range(_LEVELS_AROUND):
            row = elements.parent[row]
            self._steps += 1
            if row < 0 or elements.tag[row] in ("html", "body"):
                return False
            if (names := self._around.get(row)) is None:
                names = self._conditions.added_to(plain_names(elements, row), elements.attributes[row])
                self._around[row] = names
            if selector[wanted] <= names:
                wanted -= 1
                if wanted < 0:
                    return True
        return False


def _is_important(css: str, place: int) -> bool:
    """Whether the block of declarations at a place has an important one."""
    return css.find("important", place, max(place, css.find("}", place))) >= 0


def _hides_by_display(css: str, place: int) -> bool:
    return _DISPLAY_NONE.search(css, place, max(place, css.find("}", place))) is not None


def sheet_of(elements: Elements) -> Sheet:
    """Return the style sheet that a page brings along, all its `style` elements together."""
    css: list[str] = []
    length = 0
    for row in elements.rows_of("style"):
        media = elements.attributes[row].get("media", "").strip().lower()
        if is_of_desk(f"@media {media}") and length < _MOST_CSS:
            css.append(elements.text(row)[: _MOST_CSS - length])
            length += len(css[-1])
    return Sheet("\n".join(css), elements)


def _places_that_hide(css: str) -> Iterator[int]:
    """Yield where each block of declarations begins that hides."""
    done = -1
    css = css.encode("latin-1", "replace").lower().decode("latin-1")  # in the letters that matter, and in length
    places: list[int] = []
    for word, rest in _WORDS_THAT_HIDE.items():
        found = _find_all(css, word)
        places += [place for place in found if css.startswith(rest, place + len(word))] if rest else found
    for place in sorted(places)[:_MOST_RULES]:
        start = css.rfind("{", done + 1, place)
        if start < 0:
            continue
        stop = css.find("}", place)
        if way_of_hiding(css[start + 1 : stop if stop >= 0 else len(css)][:LONGEST_STYLE]):
            done = start
            yield start + 1


def _blocks_naming(css: str, names: set[str]) -> Iterator[int]:
    """Yield where blocks of declarations begin that have any of some names before them; ".ad" is not in ".advert"."""
    start = 0
    if len(names) > _FEW_NAMES:
        for before in css.split("{")[:-1]:
            start += len(before) + 1
            if not names.isdisjoint(NAME.findall(before, before.rfind("}") + 1)):
                yield start
        return
    for place, found in sorted((place, name) for name in names for place in _find_all(css, name)):
        if place >= start and (match := NAME.match(css, place)) and match[0] == found:
            start = css.find("{", place) + 1
            if not start:
                return
            yield start


def _find_all(css: str, word: str) -> list[int]:
    places: list[int] = []
    place = css.find(word)
    while place >= 0:
        places.append(place)
        place = css.find(word, place + 1)
    return places
