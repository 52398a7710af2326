"""Text within one block of Markdown: escaped, with its marks, links and images put in.

    text, marks, images ──inline_text──> **text** with [links](https://...), nothing in it markup that was none

A link or image keeps its address only if its scheme runs nothing (see `safe_address`); otherwise its text stays.
TeX between dollars stays as it is where nothing in it could be a link, markup or code for a reader without formulas.

Sources: CommonMark 0.31 (escapes, flanking rules).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from docgraph.records import Mark

_SAFE_SCHEMES: Final = frozenset("http https mailto tel sms ftp ftps sftp geo xmpp irc ircs news magnet".split())
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL: Final = re.compile(r"[\\`*\[\]<]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|&(?=#?\w{1,32};)")
_LINE_START: Final = re.compile(r"(?m)^([ \t]*)([#>=+-]|\d{1,9}[.)]|~~~)")
_TEX: Final = re.compile(r"\$\$[^$\n]+\$\$|(?<![\w$\\])\$(?![\s$])[^$\n]*[^\s$\\]\$(?![\w$])")
_NO_TEX: Final = re.compile(r"<[A-Za-z/!?]|`|\]\s*[(\[:]|&#?\w")
_DELIMITERS: Final = {"strong": "**", "emphasis": "*", "deleted": "~~"}


def inline_text(
    text: str,
    start: int,
    end: int,
    marks: Sequence[Mark],
    images: Sequence[tuple[int, str]] = (),
    *,
    tex: Sequence[str] = (),
    hard_breaks: bool = False,
) -> str:
    """Return `text[start:end]` escaped, with its marks and images put in.

    Args:
        marks: those that cross others are left out.
        images: offset in `text` and markup of each.
        tex: the sources of the formulas among the marks, in their order; "" for one that has none.
        hard_breaks: whether a line break stays one; else it is white space.
    """
    edges: dict[int, list[tuple[int, int, str]]] = {}
    """Offset -> (ends 0, images 1, beginnings 2; the outer first; what to put in)."""
    formulas = [mark for mark in marks if mark.type == "math"]
    dollars = {
        mark[1:3]: words
        if (words := text[slice(*mark[1:3])]).startswith("$")
        else f"$${source}$$"
        if mark.start <= start and mark.end >= end
        else f"${source}$"
        for mark, source in zip(formulas, tex, strict=False)
        if _is_tex(source)
    }
    nested = [mark for mark in _nested(text, start, end, marks) if mark.type != "math" or mark[1:3] in dollars]
    for mark in nested:
        before, after = _delimiters(mark, text)
        edges.setdefault(mark.start, []).append((2, -mark.end, before))
        edges.setdefault(mark.end, []).insert(0, (0, -mark.start, after))
    for offset, image in images:
        edges.setdefault(min(max(offset, start), end), []).append((1, 0, image))
    verbatim = [(mark.start, mark.end) for mark in nested if mark.type == "code"]
    parts: list[str] = []
    done = start
    for edge in sorted({*edges, end}):
        if edge > done:
            raw = any(first <= done and edge <= last for first, last in verbatim)
            words = " ".join(text[done:edge].split("\n")) if raw else _escaped(text[done:edge])
            parts.append(dollars.get((done, edge), words))
            done = edge
        if any(order == 1 for order, _, _ in edges.get(edge, ())) and text[edge : min(edge + 1, end)].strip():
            edges[edge].append((1, 1, " "))
        parts += [piece for _, _, piece in sorted(edges.get(edge, ()), key=lambda entry: entry[:2])]
    lines = "".join(parts).strip()
    lines = re.sub(r"[ \t]*\n\s*", "\n", lines)
    lines = _LINE_START.sub(_escape_line_start, lines)
    return lines.replace("\n", "\\\n") if hard_breaks else lines


def _nested(text: str, start: int, end: int, marks: Sequence[Mark]) -> list[Mark]:
    """Return the marks to write: within the text, without outer white space, properly nested, none within code."""
    kept: list[Mark] = []
    stack: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        first, last = max(mark.start, start), min(mark.end, end)
        words = text[first:last]
        first, last = first + len(words) - len(words.lstrip()), last - len(words) + len(words.rstrip())
        known = mark.type in _DELIMITERS or mark.type in ("code", "math") or (mark.type == "link" and mark.href)
        if first >= last or not known:
            continue
        while stack and stack[-1].end <= first:
            stack.pop()
        if stack and (stack[-1].end < last or any(outer.type in ("code", "math", mark.type) for outer in stack)):
            continue
        stack.append(mark._replace(start=first, end=last))
        kept.append(stack[-1])
    return kept


def _delimiters(mark: Mark, text: str) -> tuple[str, str]:
    if mark.type == "code":
        ticks = backticks(text[mark.start : mark.end], 1)
        pad = " " if "`" in text[mark.start : mark.end] else ""
        return ticks + pad, pad + ticks
    if mark.type == "math":
        return "", ""
    if mark.type == "link":
        address = safe_address(mark.href or "")
        return ("", "") if address is None else ("[", f"]({address})")
    return _DELIMITERS[mark.type], _DELIMITERS[mark.type]


def image_markup(attributes: Mapping[str, Any]) -> str:
    """Return an image node as Markdown."""
    address = safe_address(str(attributes.get("src") or ""), image=True)
    alt = _escaped(" ".join(str(attributes.get("alt") or "").split()))
    return f"![{alt}]({address or ''})"


def _escaped(text: str) -> str:
    parts: list[str] = []
    end = 0
    for tex in _TEX.finditer(text) if "$" in text else ():
        if _is_tex(tex.group().strip("$")):
            parts += (_escaped_words(text[end : tex.start()]), tex.group())
            end = tex.end()
    return "".join(parts) + _escaped_words(text[end:])


def _is_tex(source: str) -> bool:
    """Whether a formula may stand between dollars as it is."""
    return bool(source.strip()) and not _NO_TEX.search(source) and "$" not in source and "\n" not in source


def _escaped_words(text: str) -> str:
    return _SPECIAL.sub(lambda special: "\\" + special.group(), text)


def _escape_line_start(begin: re.Match[str]) -> str:
    """Escape what would begin a heading, list, quote or rule; images and links of ours do not match."""
    space, mark = begin.group(1), begin.group(2)
    return f"{space}{mark[:-1]}\\{mark[-1]}" if mark[0].isdigit() else f"{space}\\{mark}"


def backticks(text: str, least: int) -> str:
    """Return backticks that enclose a text: more than it has in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1 if longest else least)


def safe_address(address: str, *, image: bool = False) -> str | None:
    """Return an address as a Markdown destination, or None if following it could run something.

    Relative addresses and those of a known harmless scheme are kept; white space and control characters, which
    browsers drop from schemes, are dropped before looking. Characters that would end or decode the destination are
    escaped.
    """
    bare = "".join(character for character in address if character > " " and character != "\x7f")
    scheme = _SCHEME.match(bare)
    if scheme is not None and scheme.group(1).lower() not in (("http", "https") if image else _SAFE_SCHEMES):
        return None
    text = "".join(character if character > " " else f"%{ord(character):02X}" for character in address.strip())
    for character in "\\<>()":
        text = text.replace(character, f"%{ord(character):02X}")
    return text.replace("&", "&amp;")
