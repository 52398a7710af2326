"""What the parser knows about HTML, as data: which elements are blocks, which are never seen, what marks mean.

Sources: HTML Living Standard 15.3 (rendering: which elements are not displayed, which are blocks).
"""

import re
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

HEADINGS: Final = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}

BLOCKS: Final = frozenset(
    "address article aside blockquote body button caption center col colgroup dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav "
    "ol optgroup option p plaintext pre search section select summary table tbody td textarea tfoot th thead tr ul "
    "xmp noframes".split()
)
"""Elements that end the line before and after them."""

LISTS: Final = frozenset(("ul", "ol", "menu", "dir"))

UNSEEN: Final = frozenset(
    "script style template noscript title meta link base param datalist iframe audio video canvas noembed rp "
    "area frame desc metadata defs symbol annotation annotation-xml".split()
)
"""Elements whose text nobody sees. `head` is not among them: the parser leaves it open before some elements."""

MEDIA: Final = frozenset(("iframe", "video", "audio", "embed", "object"))

PREFORMATTED: Final = frozenset(("pre", "listing", "xmp", "plaintext", "textarea"))

MARKS: Final = {
    "a": "link", "strong": "strong", "b": "strong", "em": "emphasis", "i": "emphasis", "cite": "citation",
    "code": "code", "kbd": "code", "samp": "code", "tt": "code", "var": "code", "sub": "subscript",
    "sup": "superscript", "del": "deleted", "s": "deleted", "strike": "deleted", "ins": "inserted", "u": "underline",
    "mark": "highlight", "q": "quotation", "small": "small", "time": "time", "abbr": "abbreviation",
    "dfn": "definition",
}  # fmt: skip
"""Inline elements and the mark that each leaves on the text."""

LANDMARKS: Final = {
    "nav": "nav", "header": "header", "footer": "footer", "aside": "aside", "form": "form", "dialog": "aside",
    "search": "form", "menu": "nav",
}  # fmt: skip
"""Elements that name their part of the page."""

LANDMARK_ROLES: Final = {
    "navigation": "nav", "banner": "header", "contentinfo": "footer", "complementary": "aside", "search": "form",
    "menu": "nav", "menubar": "nav", "toolbar": "nav", "tablist": "nav", "dialog": "aside", "alertdialog": "aside",
    "alert": "boilerplate",
}  # fmt: skip
"""ARIA roles that do the same."""

READER_ONLY: Final = frozenset(
    "sr-only visually-hidden visuallyhidden screen-reader-text screen-reader screenreader sr_only u-visually-hidden "
    "is-visually-hidden element-invisible assistive-text sr-only-focusable visually-hidden-focusable "
    "screen-reader-only screenreader-only offscreen off-screen mjx_assistive_mathml".split()
)
"""Class names, in small letters, that by wide convention hide text from the eye, for screen readers only; and the
one under which a formula is written a second time."""

IN_READER_ONLY: Final = ("sr-only", "sr_only", "hidden", "screen", "invisible", "assistive")
"""One of these is in each of them."""

CAPTION_CLASS: Final = re.compile(
    r"caption|l[eé]gende|bildunterschrift|(?:bild|billed)e?[-_]*(?:te(?:x|ks)t|info)|cutline|pie-?(?:de-?)?foto|didascalia|leyenda|onderschrift|"
    r"bijschrift|podpis|popisek|epigrafe|kuvateksti|opis[-_]*zdj|descripci[oó]n[-_]*(?:foto|imagen)|(?:k[eé]p|foto)al[aá][ií]r[aá]s|(?:image|img|photo|foto|picture|figure|(?<![a-z])pic)[-_]*(?:sub-?title|te?xt|desc|legend|info|note)|"
    r"media[-_]*(?:sub-?title|desc|info)|(?<![\w-])gallerytext(?![\w-])",
    re.I,
)
CREDIT_CLASS: Final = re.compile(
    r"credit|copyright|photographer|fotograf|bild-?(?:quelle|rechte)|photo-?by|"
    r"(?:image|img|photo|foto|picture|figure|caption)[-_]*(?:source(?!d|s)|author|rights|attribution|agency)|media-?rights",
    re.I,
)


OF_CAPTIONS: Final = (
    "caption", "legend", "l\u00e9gende", "bild", "billed", "cutline", "foto", "didascalia", "leyenda", "onderschrift",
    "image", "img", "photo", "picture", "figure", "media", "credit", "copyright", "bijschrift", "podpis", "popisek",
    "pic", "kuva", "gallerytext", "opis", "epigraf", "kepal", "k\u00e9pal",
)  # fmt: skip
"""One of these is in every class attribute that the two patterns find something in; looking for them is quicker."""


@lru_cache(maxsize=8_192)
def kind_by_class(names: str) -> str:
    """Return "credit" or "caption" if a class attribute says so, else ""."""
    if CREDIT_CLASS.search(names):
        return "credit"
    return "caption" if CAPTION_CLASS.search(names) else ""


@lru_cache(maxsize=8_192)
def hides_by_class(names: str) -> bool:
    """Whether a class attribute hides its element from the eye."""
    return not READER_ONLY.isdisjoint(names.lower().split())


NAME_LETTERS: Final = 300
"""Letters of a class attribute that are looked at: class names say what they say early."""
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SMALL_LETTERS: Final = bytes(code if chr(code) in string.ascii_lowercase else ord(" ") for code in range(256))


def words_in(names: str) -> list[str]:
    """Return the words of class names or identifiers, in small letters: "post-relatedArticles" is three."""
    if names.isascii() and names.islower():
        return names.encode().translate(_SMALL_LETTERS).decode().split()  # the same, several times as fast
    return " ".join(_WORD.findall(names)).lower().split()


def heading_level(tag: str, attributes: Mapping[str, str]) -> int:
    """Return the level of a heading element, 0 if it is none. Any element may say that it is one (ARIA `role`)."""
    if tag in HEADINGS:
        return HEADINGS[tag]
    if not attributes or attributes.get("role") != "heading":
        return 0
    level = attributes.get("aria-level", "2").strip()
    return int(level) if level in ("1", "2", "3", "4", "5", "6") else 2


GUTTER: Final = re.compile(
    r"(?:^|[\s_-])(?:line-?nos?|line-?num(?:ber)?s?(?:-rows|-wrapper)?|(?:pre-)?numbering|linenums|l(?:nt|n)|gutter|crayon-nums?|hljs-ln-n(?:umbers)?|blob-num|rouge-gutter|gl|"
    r"code-?line-?numbers?|ln-num)(?:$|\s|--|_)",
    re.I,
)
"""Class names of elements that hold the numbers of lines beside code."""

CODE_TABLE: Final = re.compile(
    r"(?:^|[\s_-])(?:(?:source|blob|line|diff)?-?code|highlight(?:table)?|hljs|syntaxhighlighter|crayon|chroma|prettyprint|"
    r"rouge|js-file-line-container|diff-table)(?:$|[\s_-])",
    re.I,
)
"""Class names of tables, their cells and what is around them, that hold code."""

COPY_BUTTON: Final = re.compile(r"copy|clipboard", re.I)
"""In the class of a button, or as its words: it copies the code beside it."""

PERMALINKS: Final = frozenset("¶ # § 🔗 ⚓ ∞ link permalink".split())
"""Words of a link in a heading that goes to the heading itself."""

TO_TOP: Final = frozenset(("top", "top ↑", "↑ top", "^ top", "to top", "back to top", "nach oben", "haut de page"))
"""Words of a link beside the words of a heading that goes to the top of the page."""

BACK_LINK: Final = re.compile(
    r"(?:^|\s)(?:doc-backlink|(?:reverse-?footnote|(?:foot|end)-?note-?(?:back(?:ref|link)?|return)|mw-cite-backlink)\b)",
    re.I,
)
"""Role or class of a link from a note back to where it is referred to."""

STREAMED: Final = re.compile(r"S:[0-9a-z]+$")
"""Identifier of a hidden element that React's script puts in its place as soon as it has arrived."""

TYPESET: Final = frozenset(
    "mathjax mathjax_display mathjax_preview mathjax_svg mathjax_svg_display mathjax_chtml mjx-chtml "
    "mathjax_chtml_display mathjax_mathml".split()
)
"""Class names, in small letters, of what MathJax draws of a formula whose source stands in a script beside it."""
