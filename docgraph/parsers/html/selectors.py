"""Selectors of style sheets, as far as the markup alone can judge them.

    "div.a > [data-x]:not(.b)" ─ Conditions.read ─> "div.a > .ǁ0.ǁ1" ─ compounds ─> ({"div", ".a"}, {".ǁ0", ".ǁ1"})
    element ─ plain_names, Conditions.added_to ─> {"p", ".a", "#b", ".ǁ1"}: tag, names and conditions that it fulfils

A compound fits an element that has all its names. Attribute selectors and `:not()` are conditions, and each has a name
of its own, which no page gives to anything. Siblings and the state of the page or its reader are not judged.

Source: CSS Selectors 4.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements

Selector = tuple[frozenset[str], ...]
"""Compounds, each a set of names, a tag among them as it is; those before the last are of elements around."""
NAME: Final = re.compile(r"[.#][\w-]+")
_COMPOUND: Final = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)$")
_COMBINATOR: Final = re.compile(r"[\s>+~]+")
_ANY_OF: Final = re.compile(r"(?<![\w-]):(?:is|where)\(([^()]*)\)|:(?:is|where)\(((?:[.#][\w-]+[,\s]*)*)\)")
_BY_NAME: Final = re.compile(r"""\[(class|id)~?=["']?([\w\s-]+)["']?\]""")
_BY_ATTRIBUTE: Final = re.compile(
    r"""\[\s{0,9}([\w-]{1,40})\s{0,9}"""
    r"""(?:([~|^$*]?=)\s{0,9}(?:"([^"]{0,200})"|'([^']{0,200})'|([^\s"'\[\]]{1,200}))\s{0,9}[is]?\s{0,9})?\]"""
)
_NOT: Final = re.compile(r":not\(([^():]{1,200})\)")
_AT_REST: Final = re.compile(r":not\(:(?:hover|focus|active)[\w-]*\)")
_SHOWN_BY_SCRIPT: Final = re.compile(r"hidden$|.*cloak|data-(?:aos|sal|anim|reveal|scroll|fade|inview|wow)")
"""Attributes that say nothing here: a script takes them away, or lets the element fade in."""
_MOST_OPTIONS: Final = 20
_MOST_CONDITIONS: Final = 100


class Conditions:
    """What the selectors of a style sheet ask for beside tags and names."""

    def __init__(self) -> None:
        self._attributes: dict[str, tuple[str, str, str, str]] = {}
        """The text of an attribute selector -> its name here, the attribute, the sign and the value."""
        self._exclusions: dict[str, tuple[str, list[frozenset[str]], frozenset[str]]] = {}
        """The text of a `:not()` -> its name here, what it excludes, and all names in that."""
        self.steps = 0
        """Conditions that have been looked at."""

    @property
    def names(self) -> set[str]:
        """The names of all conditions."""
        own = {name for name, *_ in self._attributes.values()}
        return own | {name for name, *_ in self._exclusions.values()}

    @property
    def attributes(self) -> set[str]:
        """The attributes that they ask for."""
        return {about[1] for about in self._attributes.values()}

    def read(self, css: str, place: int) -> str:
        """Return the selector of the rule whose block begins right before `place`, its conditions as names."""
        selector = selector_before(css, place)
        if "[" in selector:
            selector = _BY_ATTRIBUTE.sub(self._attribute, _BY_NAME.sub(_as_names, selector))
        if ":not(" in selector:
            selector = _NOT.sub(self._exclusion, _AT_REST.sub("", selector))
        return selector

    def __bool__(self) -> bool:
        return bool(self._attributes or self._exclusions)

    def added_to(self, names: frozenset[str], own: Attributes) -> frozenset[str]:
        """Return an element's names together with those of the conditions that it fulfils."""
        if not self:
            return names
        found = set(names)
        self.steps += (len(self._attributes) + len(self._exclusions)) // 8  # each takes little time
        for name, attribute, sign, value in self._attributes.values():
            if attribute in own and _holds(own[attribute], sign, value):
                found.add(name)
        for name, excluded, named in self._exclusions.values():
            if named.isdisjoint(found):
                found.add(name)
                continue
            self.steps += len(excluded)
            if not any(compound <= found for compound in excluded):
                found.add(name)
        return frozenset(found)

    def _attribute(self, found: re.Match[str]) -> str:
        name, sign, *values = found.groups()
        if _SHOWN_BY_SCRIPT.match(name.lower()) or len(self._attributes) >= _MOST_CONDITIONS:
            return found[0]
        value = next((value for value in values if value is not None), "")
        own = f".ǁ{len(self._attributes)}"
        return self._attributes.setdefault(found[0], (own, name.lower(), sign or "", value))[0]

    def _exclusion(self, found: re.Match[str]) -> str:
        excluded = [_names(part.strip()) for part in found[1].split(",")]
        if not all(excluded) or len(self._exclusions) >= _MOST_CONDITIONS:
            return found[0]
        about = f".ǁnot{len(self._exclusions)}", excluded, frozenset[str]().union(*excluded)
        return self._exclusions.setdefault(found[0], about)[0]


def selector_before(css: str, place: int, low: int = -1) -> str:
    """Return the selector of the rule whose block begins right before `place`; it begins after `low`."""
    start = place - 1
    for sign in "};{":
        low = max(low, css.rfind(sign, low + 1, start))
    return css[low + 1 : start].strip()


def plain_names(elements: Elements, row: int) -> frozenset[str]:
    """Return an element's tag, as it was written, and names as selectors write them: {"p", ".a", "#b"}."""
    own = elements.attributes[row]
    return frozenset((elements.divisions.get(row, elements.tag[row]), *names_in(own.get("class"), own.get("id"))))


def names_in(class_: str | None, id_: str | None) -> list[str]:
    """Return the names in a class and an id attribute as selectors write them: [".a", "#b"]."""
    names = [f".{name}" for name in class_.split()] if class_ else []
    return [*names, f"#{id_.strip()}"] if id_ else names


def compounds_of(selector: str) -> Iterator[Selector]:
    """Yield the compounds of each selector of a list: "p.a > b, .c" -> ({"p", ".a"}, {"b"}), ({".c"},).

    One that is none of tags and names is empty, and so is one before a sibling.
    """
    if ":" in selector and (found := _ANY_OF.search(selector)) is not None:
        options = (found.group(1) or found.group(2) or "").split(",")[:_MOST_OPTIONS]
        selector = ",".join(selector[: found.start()] + option.strip() + selector[found.end() :] for option in options)
    for part in selector.split(","):
        if part.strip():
            compounds = tuple(_names(compound) for compound in _COMBINATOR.split(part.strip()))
            yield (frozenset(), *compounds) if "+" in part or "~" in part else compounds


def specificity(selector: Selector) -> int:
    """Return how specific a selector is: its identifiers before its classes (Selectors 4, 17); tags are left out."""
    signs = [name[0] for compound in selector for name in compound]
    return 1_000 * signs.count("#") + signs.count(".")


@lru_cache(maxsize=8_192)
def _names(compound: str) -> frozenset[str]:
    """Return the names of a compound selector: "p.a#b" -> {"p", ".a", "#b"}; none if it is of another kind."""
    found = _COMPOUND.match(compound)
    if found is None:
        return frozenset()
    names = set(NAME.findall(found.group(2)))
    return frozenset(names | ({found.group(1).lower()} if found.group(1) else set()))


def _as_names(found: re.Match[str]) -> str:
    """Return [class="a b"] and [id=c] as ".a.b" and "#c"."""
    sign = "." if found.group(1) == "class" else "#"
    return "".join(f"{sign}{name}" for name in found.group(2).split())


def _holds(own: str, sign: str, value: str) -> bool:
    """Whether an attribute is as a selector asks for: [name], [name=value], [name^=value] ..."""
    if sign in ("^=", "$=", "*="):
        fits = own.startswith(value) if sign == "^=" else own.endswith(value) if sign == "$=" else value in own
        return fits and bool(value)
    if sign == "~=":
        return value in own.split()
    return not sign or own == value or (sign == "|=" and own.startswith(f"{value}-"))
