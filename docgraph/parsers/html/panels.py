"""What a button of the page opens, and so any reader comes to: the panel under a heading, the rest of a text.

    Elements ─ panels_of_headings ─> elements that buttons in headings open
    hidden element ─ is_rest_of_text ─> does "Read more" stand beside it?

Menus, windows and tooltips are no text.

Source: WAI-ARIA Authoring Practices, accordion and disclosure; Bootstrap's `data-target`.
"""

import re
from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements

_OPENING: Final = ("aria-expanded", "aria-controls", "data-toggle", "data-bs-toggle")
"""Attributes of a button that opens something."""
_NO_PANELS: Final = frozenset(("tooltip", "popover", "dropdown", "modal"))
"""What Bootstrap's buttons open besides panels."""
_HEADINGS: Final = frozenset(("h2", "h3", "h4", "h5", "h6"))
_BUTTON_LEVELS: Final = 2
"""Elements between a heading and its button, at most, and one."""
_READS_ON: Final = re.compile(
    r"(?:(?:read|show|see|view|load) (?:more|all|on|(?:the )?(?:rest|full (?:text|article|story)))|expand"
    r"|continue(?: reading)?|weiter ?lesen|(?:mehr|alles) (?:lesen|anzeigen|erfahren)|lire (?:la suite|plus)"
    r"|voir plus|(?:leer|ver) más|seguir leyendo|leggi (?:tutto|di più|altro)|mostra (?:altro|tutto)"
    r"|lees (?:meer|verder)|ler mais|l[äe]s mer"
    r"|læs mere|czytaj (?:więcej|dalej)|читать (?:далее|полностью)|続きを読む|もっと見る|阅读(?:更多|全文)"
    r"|展开(?:全文)?)",
    re.I,
)
"""All that a button says which shows the rest of a text."""
_NO_TEXT: Final = re.compile(
    r"modal|menu|nav|drop|pop-?up|drawer|canvas|cookie|consent|share|search|login|tooltip|dialog|overlay|filter|"
    r"comment|advert|promo|newsletter|subscri|paywall",
    re.I,
)
_PARTS: Final = re.compile(r"[A-Z]?[a-z]+")
"""Of a class name: "faq-answer", "faqAnswer", "faq__answer"."""
_OPENED: Final = frozenset(
    (
        "accordion",
        "accordions",
        "toggle",
        "faq",
        "faqs",
        "collapse",
        "collapsed",
        "collapsible",
        "spoiler",
        "tab",
        "tabs",
    )
)
_PANELS: Final = frozenset(("content", "body", "panel", "pane", "answer", "text", "inner", "tabcontent", "tabpane"))
"""Class of a text that the line above it opens, in markup from before ARIA: first what opens, last what it is."""
_LINES: Final = frozenset(
    ("question", "title", "head", "header", "heading", "trigger", "toggle", "label", "tab", "tabs")
)
_LINE_TAGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "button", "dt", "summary", "a", "label"))
_LONGEST_LINE: Final = 200
_MOST_NAMES: Final = 12
_HOLDERS: Final = frozenset(("div", "section", "p", "span"))
_NEAR: Final = 6
_ENDS_SENTENCE: Final = re.compile(r"[.!?…。！？।؟][\"'”’»)]*\s*$")
_MOST_ELEMENTS: Final = 500
_LEAST_LETTERS: Final = 80
_LEAST_ANSWER: Final = 20
"""Letters of the rest of a text, and of an answer, outside of links."""
_LONGEST_MESSAGE: Final = 40
"""Letters of what a button has to say."""


def panels_of_headings(elements: Elements) -> set[int]:
    """Return what a button in a heading opens: by the identifiers that it names, else what follows the heading. Menus,
    windows and tooltips are no panels.

    Source: WAI-ARIA Authoring Practices, accordion; Bootstrap's `data-target`.
    """
    found: set[int] = set()
    names: set[str] = set()
    for row in {button for name in _OPENING for button in elements.rows_with(name)}:
        heading = row
        for _ in range(_BUTTON_LEVELS):
            if heading > 0 and elements.tag[heading] not in _HEADINGS:
                heading = elements.parent[heading]
        if heading < 0 or elements.tag[heading] not in _HEADINGS:
            continue
        own = elements.attributes[row]
        opened = {own.get("data-toggle", "").lower(), own.get("data-bs-toggle", "").lower()}
        if own.get("aria-haspopup", "false").lower() != "false" or not opened.isdisjoint(_NO_PANELS):
            continue
        said = [own.get(name, "") for name in ("aria-controls", "data-target", "data-bs-target")]
        if own.get("href", "")[:1] == "#":
            said.append(own["href"])
        around = [one for one in elements.around(row, _BUTTON_LEVELS + 1) if one >= heading]
        # A link to its heading, to itself or to its own words opens nothing.
        own_names = {elements.attributes[one].get("id") for one in (*around, *range(row, elements.end(row)))}
        targets = {word.lstrip("#") for word in " ".join(said).replace(",", " ").split()} - own_names - {""}
        names.update(targets)
        after = elements.end(heading)
        if not targets and after < len(elements) and elements.parent[after] == elements.parent[heading]:
            found.add(after)
    if names:
        found.update(row for row in elements.rows_with("id") if elements.attributes[row]["id"] in names)
    return found


def is_rest_of_text(elements: Elements, row: int) -> bool:
    """Whether a hidden element holds prose, and it is an answer by its class, or what stands right beside it says that
    it shows more of it.
    """
    own = elements.attributes[row]
    if elements.tag[row] not in _HOLDERS or own.get("role", "region") not in ("region", "group"):
        return False
    if _NO_TEXT.search(f"{own.get('class', '')} {own.get('id', '')}"[:300]):
        return False
    end, above, least = elements.end(row), elements.parent[row], _LEAST_LETTERS
    if end - row > _MOST_ELEMENTS:
        return False
    if (_is_panel(own) or _is_controlled(elements, row)) and _has_line_above(elements, row):
        least = _LEAST_ANSWER
    else:
        beside = (*range(max(above + 1, row - _NEAR), row), *range(end, min(len(elements), end + _NEAR)))
        if not any(_says_read_on(elements, one) for one in beside):
            return False
    inner = elements.tag[row:end]
    linked = sum(len(elements.text(one)) for one, tag in enumerate(inner, row) if tag == "a")
    return len(elements.text(row).strip()) - linked >= least and not {"form", "input", "script"} & {*inner}


def _names(own: Attributes) -> Iterator[list[str]]:
    """Yield the parts of each class name, in small letters."""
    for name in own.get("class", "")[:300].split()[:_MOST_NAMES]:
        yield [part.lower() for part in _PARTS.findall(name)]


def _is_panel(own: Attributes) -> bool:
    return any(
        parts == ["answer"]
        or (parts[-1:] and parts[-1] in _PANELS and (parts[-1][:3] == "tab" or not _OPENED.isdisjoint(parts[:-1])))
        for parts in _names(own)
    )


def _is_controlled(elements: Elements, row: int) -> bool:
    """Whether the element before one names it as what it opens, and it ends like a sentence. A short one must be what
    that expands: "Copied!" is what a button has to say, not what it opens.
    """
    before, name, text = elements.before(row), elements.attributes[row].get("id", ""), elements.text(row).strip()
    if not name or before < 0 or not _ENDS_SENTENCE.search(text):
        return False
    for one in range(before, min(elements.end(before), before + _NEAR)):
        own = elements.attributes[one]
        if name in own.get("aria-controls", "").split():
            is_question = elements.text(one).rstrip().endswith(("?", "？"))
            return len(text) > _LONGEST_MESSAGE or is_question or "aria-expanded" in own
    return False


def _has_line_above(elements: Elements, row: int) -> bool:
    """Whether the element before one can open it: a heading, a control, a question, or what is called so."""
    before = elements.before(row)
    if before < 0:
        return False
    own, text = elements.attributes[before], elements.text(before).strip()
    if elements.tag[before] in _LINE_TAGS or text.endswith(("?", "？")):
        return 0 < len(text) <= _LONGEST_LINE
    return any(not _LINES.isdisjoint(parts) for parts in _names(own))


def _says_read_on(elements: Elements, row: int) -> bool:
    own = elements.attributes[row]
    if elements.tag[row] not in ("button", "a", "label") and own.get("role") != "button":
        return False
    if own.get("href", "#").strip()[:1] != "#" and not own["href"].strip().lower().startswith("javascript:"):
        return False  # it leads to another page
    return _READS_ON.fullmatch(elements.text(row).strip(" .…\t\n\r»›>→▼↓+[]()")) is not None
