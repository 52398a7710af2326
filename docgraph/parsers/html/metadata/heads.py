"""The heading of the page's article, and what leads home: a heading that does is the site's name.

Elements ─ links_home ─> links to the first page of the site ─ main_heading ─> the heading under which the article is
"""

import re
from bisect import bisect_right
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.metadata.titles import is_in_title
from docgraph.parsers.html.tags import PERMALINKS, UNSEEN

_LOGO: Final = re.compile(r"(?:^|[\s_-])(?:logo|brand|site-?(?:title|name|branding))(?:$|[\s_-])", re.I)
_HOME_WORDS: Final = frozenset(
    "home|homepage|home page|start|start page|startseite|startpagina|startsida|accueil|inicio|início|inici|acasă|"
    "blog|index|main page|главная|головна|начало|首页|首頁|主页|ホーム|トップ|トップページ|홈|strona główna|etusivu|"
    "hem|hjem|forside|forsiden|anasayfa|ana sayfa|domů|domov|kezdőlap|főoldal|početna|αρχική|الرئيسية|בית|"
    "trang chủ|beranda|หน้าแรก|hauptseite|pagina iniziale|página inicial|página principal".split("|")
)
"""What links home say that do not name the site."""
_LOGO_LEVELS: Final = 3
_HEADER_LEVELS: Final = 12
_MOST_HEADINGS: Final = 8
_UNSPOKEN: Final = (UNSEEN - {"title"}) | {"rt", "svg"}


def links_home(elements: Elements, base: str) -> list[int]:
    """Return the links to the first page of the site, in order.

    Args:
        base: what addresses on the page are resolved against.
    """
    origin = re.match(r"https?://[^/?#]+", base)
    home = {"/", *((origin.group(), f"{origin.group()}/") if origin else ())}
    attributes = elements.attributes
    return [
        row
        for row in elements.rows_of("a")
        if (own := attributes[row]) and (own.get("href") in home or "home" in own.get("rel", "").lower().split())
    ]


def names_of_site(elements: Elements, homes: list[int]) -> list[str]:
    """Return what links home say that are logos, by their relation or a class, or stand in the page's header."""
    texts = [(row, " ".join(elements.text(row).split())) for row in homes]
    return [text for row, text in texts if text and text.lower() not in _HOME_WORDS and _is_of_site(elements, row)]


def _is_of_site(elements: Elements, row: int) -> bool:
    attributes = elements.attributes
    if "home" in attributes[row].get("rel", "").lower().split():
        return True
    if any(_LOGO.search(attributes[above].get("class", "")) for above in elements.around(row, _LOGO_LEVELS)):
        return True
    tags = {elements.tag[above] for above in elements.around(row, _HEADER_LEVELS)}
    return "header" in tags and tags.isdisjoint(("article", "main", "nav", "p"))


def is_logo(elements: Elements, row: int, homes: list[int]) -> bool:
    """Whether a heading is the site's: it holds a link to its first page, or its class says so."""
    place = bisect_right(homes, row)
    leads_home = place < len(homes) and homes[place] < elements.end(row)
    return leads_home or _LOGO.search(elements.attributes[row].get("class", "")) is not None


def main_heading(elements: Elements, homes: list[int]) -> int:
    """Return the heading of the article: the first `h1` that is not the site's, else an `h2` or `h3` that is in the
    page's `<title>`, else the first `h1`; 0 if there is none of them.
    """
    first = elements.rows_of("h1")[:_MOST_HEADINGS]
    for row in first:
        if not is_logo(elements, row, homes):
            return row
    titles = [elements.text(row) for row in elements.rows_of("title")[:1]]
    for title in titles:
        for row in sorted((*elements.rows_of("h2")[:_MOST_HEADINGS], *elements.rows_of("h3")[:_MOST_HEADINGS])):
            if is_in_title(words_of_heading(elements, row), title) and not is_logo(elements, row, homes):
                return row
    return first[0] if first else 0


def words_of_heading(elements: Elements, row: int) -> str:
    """Return the text of a heading without what nobody reads as part of it: readings of signs, links to itself."""
    words, index, stop = list[str](), elements.first[row] + 1, elements.last[row]
    while index < stop:
        event = elements.events[index]
        index += 1
        if isinstance(event, str):
            words.append(event)
        elif event >= 0 and (
            elements.tag[event] in _UNSPOKEN
            or (elements.tag[event] == "a" and elements.text(event).strip().lower() in PERMALINKS)
        ):
            index = elements.last[event] + 1
    return " ".join("".join(words).split())
