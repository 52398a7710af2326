"""Formulas: MathML as a line of text, and the TeX source that pages keep beside it.

    <msup><mi>x</mi><mn>2</mn></msup> ─ linear ─> x^2
    <table class="ltx_eqn_table"> ─ equations ─> elements whose cells are one line, the formula and its number
    <annotation encoding="application/x-tex">, alttext, <script type="math/tex"> ─ tex_of ─> the source

Source: MathML Core (elements of presentation markup and how they are drawn).
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.elements import Attributes, Elements

_DEPTH: Final = 60
"""Elements nested deeper are read as plain text."""
_INLINE_LETTERS: Final = 300
_DELIMITER: Final = re.compile(
    r"\$\$|\\[()\[\]]|\\(?:begin|end)\{(?:equation|align|gather|multline|eqnarray|displaymath|math)\*?\}|(?<!\\)\$"
)
_CLOSING: Final = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "$": "$"}
_VARIABLES: Final = re.compile(r"-?[\w]{1,3}(?:[,(/*-][\w,()/*-]*)?")
_IMAGE_CLASS: Final = re.compile(
    r"(?:^|[\s-])(?:latex|tex|math|mathjax|equation|formula|eqn|math-?(?:img|image|tex))(?:$|\s)", re.I
)
_EQUATION: Final = re.compile(
    r"(?:^|\s)(?:ltx_eqn_table|(?:html-)?disp(?:lay)?-(?:formula|equation)(?:-info)?|(?:display)?equation)(?:\s|$)",
    re.I,
)
_EQUATION_LEVELS: Final = 5
_BESIDE_LETTERS: Final = 24
"""Letters beside the formula on a line that has it alone."""
_UNSEEN: Final = frozenset(("annotation", "annotation-xml", "mphantom", "none", "mprescripts"))
_SCRIPTS: Final = {"msup": "^", "msub": "_", "munder": "_", "mover": "^"}


def linear(elements: Elements, row: int) -> str:
    """Return a formula as one line: scripts after ^ and _, fractions with /, roots as they are spoken."""
    return " ".join(_linear(elements, row, 0).split())


def equations(elements: Elements) -> set[int]:
    """Return the elements that set a formula apart, with its number beside it, and the lines of those that have more:
    by their class, if they hold next to nothing else.
    """
    found, seen = set[int](), set[int]()
    for formula in elements.rows_of("math"):
        for row in elements.around(elements.parent[formula], _EQUATION_LEVELS):
            if row not in seen and _EQUATION.search(elements.attributes[row].get("class", "")):
                seen.add(row)
                lines = [inner for inner in range(row + 1, elements.end(row)) if elements.tag[inner] == "tr"]
                if _letters_beside(elements, row) <= _BESIDE_LETTERS * max(1, len(lines)):
                    found.update((row, *lines))
    return found


def _letters_beside(elements: Elements, row: int) -> int:
    """Return the letters of an element that are in no formula."""
    letters, index, stop = 0, elements.first[row], elements.last[row]
    while index < stop:
        event = elements.events[index]
        index += 1
        if isinstance(event, str):
            letters += len(event.strip())
        elif event >= 0 and elements.tag[event] == "math":
            index = elements.last[event] + 1
    return letters


def tex_of(elements: Elements, row: int) -> str:
    """Return the TeX source of a `math` element, "" if it keeps none."""
    annotations = elements.rows_of("annotation")
    for inner in annotations[bisect_left(annotations, row) : bisect_left(annotations, elements.end(row))]:
        if "tex" in elements.attributes[inner].get("encoding", "").lower():
            return elements.text(inner).strip()
    return elements.attributes[row].get("alttext", "").strip()


def tex_of_image(own: Attributes) -> str:
    """Return the TeX that an image of a formula has as its alternative text, "" of any other image."""
    return own.get("alt", "").strip().strip("$").strip() if _IMAGE_CLASS.search(own.get("class", "")) else ""


def written_formulas(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and TeX of each formula between delimiters: \\(..\\), \\[..\\], $$..$$, $..$, an environment.

    One dollar may be money: what is between two must look like TeX, and no space may stand inside of them.
    """
    opened, place = "", 0
    for found in _DELIMITER.finditer(text):
        sign = found.group()
        free = not opened or (opened == "$" and sign != "$")
        if sign.startswith("\\begin") and free:
            opened, place = "\\end" + sign[6:], found.start()
        elif free and sign in _CLOSING:
            opened, place = _CLOSING[sign], found.start()
        elif opened == sign and sign.startswith("\\end"):
            yield place, found.end(), text[place : found.end()]
            opened = ""
        elif opened == sign:
            tex = text[place + len(sign) : found.start()]
            if sign != "$" or _is_tex(tex, text[found.end() : found.end() + 1]):
                yield place, found.end(), tex.strip()
                opened = ""
            else:
                place = found.start()


def _is_tex(inside: str, after: str) -> bool:
    """Whether what stands between two dollars is a formula and not the text between two prices."""
    if not inside or inside[0].isspace() or inside[-1].isspace() or after.isdigit() or len(inside) > _INLINE_LETTERS:
        return False
    return len(inside) == 1 or any(sign in inside for sign in "\\^_=<>+") or _VARIABLES.fullmatch(inside) is not None


def _linear(elements: Elements, row: int, depth: int) -> str:
    if depth > _DEPTH:
        return elements.text(row)
    tag = elements.tag[row]
    if tag in _UNSEEN:
        return ""
    text: list[str] = []
    parts: list[str] = []
    index, stop = elements.first[row] + 1, elements.last[row]
    while index < stop:
        event = elements.events[index]
        index += 1
        if isinstance(event, str):
            text.append(event.strip())
        elif event >= 0:
            part = _linear(elements, event, depth + 1)
            if elements.tag[event] not in _UNSEEN:
                parts.append(part)
            index = elements.last[event] + 1
            text.append(part)
    if tag in _SCRIPTS and len(parts) == 2:
        return f"{parts[0]}{_SCRIPTS[tag]}{_grouped(parts[1])}"
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{_grouped(parts[1])}^{_grouped(parts[2])}"
    if tag == "mfenced":
        own = elements.attributes[row]
        sign = own.get("separators", ",")[:1]
        return own.get("open", "(") + sign.join(part.strip() for part in parts) + own.get("close", ")")
    if tag == "mfrac" and len(parts) == 2:
        return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts))}"
    if tag == "mroot" and len(parts) == 2:
        return f"{_grouped(parts[1])}√{_grouped(parts[0])}"
    if tag == "mtr":
        return " ".join(parts) + " "
    return "".join(text)


def _grouped(part: str) -> str:
    """Return a part in brackets if it is more than one sign or number."""
    part = part.strip()
    return part if len(part) < 2 or part.replace(".", "").isalnum() else f"({part})"
