"""Hits for people: lines on a terminal, a page of HTML, and the piece of a hit's text that answers."""

import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from docgraph.formats.outline import CONTROLS
from docgraph.index.search import Hit

LENGTH: Final = 320
"""Letters of a piece."""
LONG: Final = 40
"""Letters of a word, at most."""
SAYING: Final = 4
"""Words of a line that a browser finds where it stands; a heading such as "Times" may stand elsewhere, too."""
NAMED: Final = 3
"""Documents with the same answer that are named."""
_PART: Final = re.compile(r"[^\n|]+")
"""A line, or a cell of a row: a browser finds no text that goes on in the next one."""
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --mark: #fff3b0; \
--back: #ffffff; --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9aa4af; --line: #3d444d; --mark: #6b5300; --back: #0d1117; --link: #79b8ff; }
}
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--back); \
max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } ol { padding-left: 1.5rem; } li { margin: 0 0 1.5rem; } a { color: var(--link); }
.path { color: var(--dim); font-size: .875rem; overflow-wrap: anywhere; } \
p { margin: .25rem 0; white-space: pre-line; overflow-wrap: anywhere; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
"""


def piece(hit: Hit, length: int = LENGTH) -> tuple[str, list[tuple[int, int]]]:
    """Return the part of a hit's text with most of the question's words in it, and where they stand;
    dots where it is cut.
    """
    if len(hit.text) <= length:
        return hit.text, list(hit.marks)
    starts = [max(start - length // 5, 0) for start, _ in hit.marks] or [0]
    start = max(starts, key=lambda s: (sum(s <= a and b <= s + length for a, b in hit.marks), -s))
    if start:  # at a word, if one begins near: some scripts have no spaces
        start = hit.text.rfind(" ", max(start - LONG, 0), start) + 1 or start
    stop = min(start + length, len(hit.text))
    if stop < len(hit.text) and (space := hit.text.rfind(" ", stop - LONG, stop)) > 0:
        stop = space
    before, after = "… " if start else "", " …" if stop < len(hit.text) else ""
    moved = len(before) - start
    marks = [(a + moved, b + moved) for a, b in hit.marks if start <= a and b <= stop]
    return before + hit.text[start:stop] + after, marks


def address(hit: Hit) -> str | None:
    """Return a link to the place in the page: its URL or file, with a text fragment that browsers scroll to, a line
    with a word of the question if there is one; None if it has neither.
    """
    base = hit.url
    if base is None and os.path.isfile(hit.document_id):
        base = Path(hit.document_id).resolve().as_uri()
    if base is None or not base.startswith(("http://", "https://", "file://")):
        return None
    parts = [match.span() for match in _PART.finditer(hit.text)] or [(0, 0)]
    asked = [(a, b) for a, b in parts if any(a <= start < b for start, _ in hit.marks)]
    lines = [hit.text[a:b].split() for a, b in asked or parts]
    words = next((line for line in lines if len(line) >= SAYING), max(lines, key=len))[:8]
    # a comma or dash within would be taken for the fragment's own syntax
    said = quote(" ".join(words), safe="").replace("-", "%2D")
    return f"{base}{'' if '#' in base else '#'}:~:text={said}" if words else base


def copies(hit: Hit) -> str:
    """Return where else the same is said, empty if nowhere."""
    names = list(dict.fromkeys(hit.also))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    places = f"{len(hit.also)} other {'place' if len(hit.also) == 1 else 'places'}"
    return f"the same in {places}: {', '.join(names[:NAMED])}{more}" if names else ""


def print_hits(console: Console, hits: Sequence[Hit]) -> None:
    """Print answers: headings, the piece that answers with the question's words marked, place and score."""
    if not hits:
        console.print("Nothing was found.")
    for number, hit in enumerate(hits, 1):
        words, marks = piece(hit)
        text = Text("   " + words.translate(CONTROLS))
        for start, stop in marks:
            text.stylize("bold yellow", start + 3, stop + 3)
        name = " › ".join(hit.headings) or hit.title or hit.document_id
        console.print(Text(f"{number}  ", "dim") + Text(name.translate(CONTROLS), "bold"))
        console.print(text)
        place = f"   {hit.document_id}  {hit.kind} {hit.span[0]}:{hit.span[1]}  {hit.dom_path or ''}".rstrip()
        also = f"\n   {copies(hit).translate(CONTROLS)}" if hit.also else ""
        console.print(Text(f"{place.translate(CONTROLS)}  {hit.score:.2f}{also}\n", "dim"))


def to_html(question: str, hits: Sequence[Hit]) -> str:
    """Return one page of results, self-contained, without scripts."""
    items = []
    for hit in hits:
        text, marks = piece(hit)
        name = " › ".join(hit.headings) or hit.title or hit.document_id
        link = address(hit)
        title = f'<a href="{escape(link)}">{escape(name)}</a>' if link else escape(name)
        where = f"{hit.kind} · {hit.document_id}" + (f" · {hit.dom_path}" if hit.dom_path else "")
        also = f"<br>{escape(copies(hit))}" if hit.also else ""
        items.append(
            f"<li><strong>{title}</strong><p>{_marked(text, marks)}</p>"
            f'<div class="path">{escape(where)} · {hit.score:.2f}{also}</div></li>'
        )
    found = f"<ol>{''.join(items)}</ol>" if items else "<p>Nothing was found.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(question)}</title><style>{_STYLE}</style><h1>{escape(question)}</h1>{found}</html>\n"
    )


def _marked(text: str, marks: Sequence[tuple[int, int]]) -> str:
    parts, last = [], 0
    for start, stop in marks:
        parts += [escape(text[last:start]), f"<mark>{escape(text[start:stop])}</mark>"]
        last = stop
    return "".join([*parts, escape(text[last:])])
