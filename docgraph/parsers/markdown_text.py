"""Markdown to a document: GitHub's Markdown with formulas, through the HTML that it stands for.

    Markdown ─ front_matter.py ─> Metadata
             └ markdown-it ─> HTML ─ parse_html ─> Document

HTML within the Markdown is part of the format and is read like any page: nothing in it runs, and nothing is fetched.
All of the text is what its author wrote, so no part gets a role. Where nodes stood in the generated HTML says
nothing about the input, so there are no sources. What stands between dollars is a formula and stays as it is, dollars
and all.

Sources: CommonMark 0.31; GitHub Flavored Markdown 0.29 (tables, strikethrough, task lists), its footnotes and formulas.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docgraph.document import Document, DocumentBuilder
from docgraph.errors import check_type
from docgraph.limits import Limits
from docgraph.parsers import front_matter
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.text import bounded, finished

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def parse_markdown(
    text: str,
    *,
    url: str | None = None,
    images: str | Path | Callable[[str], bytes | None] = "lazy",
    language: str | None = None,
    limits: Limits | None = None,
    strict: bool = False,
) -> Document:
    """Return the document of a Markdown text; its root kind is "page".

    Args:
        url: where the text was found; links are resolved against it.
        images: as in `parse_html`.
        language: BCP 47 tag; else the front matter's `lang` or `language`.
        limits: bounds on what the text may cost.
        strict: raise where a bound cuts something off.

    Raises:
        LimitError: `strict` and a bound was passed.
        DataError: `text` is not a str.
    """
    check_type("text", text, str)
    limits = limits or Limits()
    builder = DocumentBuilder()
    text = bounded(builder, text.removeprefix("\ufeff"), limits)
    entries, text, problem = front_matter.split(text)
    if problem:
        builder.warn("markdown.front_matter", problem)
    given = front_matter.described(entries)
    if language is not None:
        given["language"] = language
    document = parse_html(_reader().render(text), url=url, images=images, limits=limits)
    document = document.replace(
        sources=None,
        score=None,
        role=(None,) * len(document),
        truncated=document.truncated or builder.truncated,
        warnings=(*builder.warnings, *(one for one in document.warnings if not one.code.startswith("main."))),
    ).with_metadata(**given)
    if document.metadata.title is None and (headings := document.find(kind="heading")):
        document = document.with_metadata(title=" ".join(headings[0].text.split()))
    return finished(document, strict)


def _reader() -> "MarkdownIt":
    """Return what reads Markdown to HTML."""
    from markdown_it import MarkdownIt
    from markdown_it.common.utils import escapeHtml
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.tasklists import tasklists_plugin

    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    reader.use(footnote_plugin, inline=False).use(tasklists_plugin)
    reader.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)

    def formula(dollars: str, before: str = "", after: str = "") -> Callable[..., str]:
        def render(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
            return f"{before}{dollars}{escapeHtml(tokens[index].content)}{dollars}{after}"

        return render

    reader.inline.ruler.before("escape", "tex", _keep_tex)
    reader.add_render_rule("tex", lambda self, tokens, index, options, env: escapeHtml(tokens[index].content))
    reader.add_render_rule("math_inline", formula("$"))
    reader.add_render_rule("math_inline_double", formula("$$"))
    reader.add_render_rule("math_block", formula("$$", "<p>", "</p>\n"))
    reader.add_render_rule("footnote_anchor", lambda self, tokens, index, options, env: "")
    return reader


def _keep_tex(state: Any, silent: bool) -> bool:
    """Keep a formula between \\( and \\), \\[ and \\], or in an environment of TeX as it is written."""
    text, start = state.src, state.pos
    opener = _TEX.match(text, start, state.posMax)
    if opener is None:
        return False
    close = f"\\end{{{opener[1]}}}" if opener[1] else "\\)" if opener[0] == "\\(" else "\\]"
    first, last = opener.end(), min(state.posMax, opener.end() + _LONGEST_TEX)
    # Where this closing sign was looked for in this text and does not stand.
    whole, low, high = state.env.get(("tex", close), ("", 0, 0))
    known = whole is text and low <= first <= high
    at = text.find(close, high if known else first, last)
    state.env["tex", close] = (text, low if known else first, max(first, last - len(close) + 1) if at < 0 else at)
    formula = text[start : at + len(close)]
    if at <= first or not any(sign in formula[2:-2] for sign in _TEX_SIGNS):
        return False
    if ("](" in formula or "**" in formula) and not _COMMAND.search(formula, 2):
        return False
    if not silent:
        state.push("tex", "", 0).content = formula
    state.pos = start + len(formula)
    return True


_TEX: Final = re.compile(r"\\\(|\\\[|\\begin\{(\w+\*?)\}")
_TEX_SIGNS: Final = "\\^_={}+<>"
"""One of these is in a formula; brackets that are merely escaped hold none."""
_COMMAND: Final = re.compile(r"\\[a-zA-Z]")
"""It tells a formula from escaped brackets around a link or bold words."""
_LONGEST_TEX: Final = 2_000
"""Characters of a formula."""
