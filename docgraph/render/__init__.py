"""A page as it is seen: the tree of `parse_html` with boxes, visibility, type sizes and a screenshot, by Chromium.

    source ─ parse_html ─> Document ─────────────────────────────┐
       └──── marks ─> markup with a number on every start tag    ├─ page ─> Document with boxes
                └─ browser, chromium ─> snapshot ─> layout ──────┘
                                                     └─ seen

page        render_page and Renderer: the stages in order
marks       numbers in the source text, at the offsets that the parser knows
chromium    the process and its pipe: start, call, bounds on time and memory, end
browser     one page in it: what it may ask for, scripts, snapshot, screenshot
snapshot    Chromium's answer as columns: boxes, styles and lines of text, one entry a DOM node
layout      from elements and lines to the nodes of the document
seen        what can be seen, and why not
patches     the screenshot as a grid, each patch with the node under it

No torch, no package beyond the base: Chromium's DevTools protocol over a pipe.
"""

from docgraph.render.browser import Bounds
from docgraph.render.page import Renderer, render_page

__all__ = ["Bounds", "Renderer", "render_page"]
