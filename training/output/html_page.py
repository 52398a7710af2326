"""A web page of one file, for reports: it needs nothing else and asks nothing of the network."""

import base64
import html
import re
from typing import Final


def html_page(title: str, body: str) -> str:
    """Return a page; the title is text, the body markup, whose tables scroll by themselves where they are wide."""
    body = _EMPTY_HEAD.sub(r"<td\1></td>", body)
    body = body.replace("<table>", f"{_WIDE}<table>").replace("</table>", "</table></div>")
    return PAGE.format(title=html.escape(title), body=body)


def image_tag(png: bytes, alt: str) -> str:
    """Return markup that shows an image which it holds; a large one is scrolled rather than made too small to read."""
    data = base64.b64encode(png).decode("ascii")
    tag = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    return f"{_WIDE}{tag}</div>" if int.from_bytes(png[_PNG_WIDTH]) > _LARGE else tag


_WIDE: Final = '<div class="wide" tabindex="0" role="group" aria-label="to be scrolled">'
_EMPTY_HEAD: Final = re.compile("<th( [^>]*)?></th>")
"""Which heads nothing that a screen reader could say."""
_LARGE: Final = 800
"""Pixels across: half of them fit a telephone, and what is written can still be read."""
_PNG_WIDTH: Final = slice(16, 20)
PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --ink: light-dark(#1f2328, #e6edf3); --back: light-dark(#ffffff, #0d1117);
  --line: light-dark(#d1d9e0, #3d444d); --link: light-dark(#0b57d0, #79b8ff); }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--back); overflow-wrap: anywhere; }}
a {{ color: var(--link); }}
.wide {{ overflow-x: auto; margin: .75rem 0; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }}
th, td {{ padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: left; max-width: 24rem; }}
td:first-child {{ min-width: 7rem; }}
img {{ max-width: 100%; }}
.wide > img {{ display: block; max-width: 58rem; }}
summary {{ cursor: pointer; font-weight: 600; }}
@media (max-width: 45rem) {{ th, td {{ padding-inline: .35rem; }} }}
@media (prefers-color-scheme: dark) {{ img {{ filter: invert(.93) hue-rotate(180deg); }} }}
</style></head>
<body><main>
{body}
</main></body></html>
"""
