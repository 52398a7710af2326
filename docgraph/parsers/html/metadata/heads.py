"""The heading of the page's article, and what leads home: a heading that does is the site's name.

Elements ─ links_home ─> links to the first page of the site ─ main_heading ─> the heading under which the article is
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.metadata.titles import is_in_title, is_part_of_title
from docgraph.parsers.html.tags import PERMALINKS, UNSEEN

_LOGO: Final = re.compile(r"(?:^|[\s_-])(?:logo|brand|site-?(?:title|name|branding))(?:$|[\s_-])", re.I)
_IN_LOGOS: Final = ("logo", "brand", "site")
"""One of these is in every such name."""
_HOME_WORDS: Final = frozenset(
    "home|homepage|home page|start|start page|startseite|startpagina|startsida|accueil|inicio|início|inici|acasă|"
    "blog|index|main page|главная|головна|начало|首页|首頁|主页|ホーム|トップ|トップページ|홈|strona główna|etusivu|"
    "hem|hjem|forside|forsiden|anasayfa|ana sayfa|domů|domov|kezdőlap|főoldal|početna|αρχική|الرئيسية|בית|"
    "trang chủ|beranda|หน้าแรก|hauptseite|pagina iniziale|página inicial|página principal".split("|")
)
"""What links home say that do not name the site."""
_PAGE_HEADER: Final = re.compile(
    r"(?:^|[\s_-])(?:page|site|top|main|head)-?(?:header|head|bar|description|title)(?:$|[\s_-])", re.I
)
_OWNER: Final = re.compile(r"©\s*(?:(?:19|20)\d\d(?:\s?[-–]\s?\d{2,4})?,?\s*)?(?:by\s+)?([^\W\d_][^.|·•©\n]{2,40})")
"""Who owns a page, as its foot says."""
_OWNER_LETTERS: Final = 400
_OWNER_EVENTS: Final = 120
_FOOT: Final = re.compile(r"(?:^|[\s_-])(?:footer|copyright|colophon)(?:$|[\s_-])", re.I)
_MOST_FEET: Final = 8
_BESIDE_TEXT: Final = frozenset(("article", "main", "nav", "p", "li", "header"))
"""What a link home stands in that may be no logo."""
_LOGO_LEVELS: Final = 3
_LOGO_ELEMENTS: Final = 12
_CLASS_LETTERS: Final = 200
_HEADER_LEVELS: Final = 12
_MOST_HEADINGS: Final = 8
INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
"""Signs that no reader sees, to be taken out of a text."""
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


def names_of_site(elements: Elements, homes: list[int]) -> tuple[list[str], str]:
    """Return what may be the site's name, and the name that both a link home and the owner in the page's foot have, or
    "". May be: what links home say, in words or by the `alt` of their image, those first that are logos, by their
    relation or a class, or stand in the page's header; what logos say that lead elsewhere; who owns the page.
    """
    logos = [row for row in elements.rows_named(_says_logo, _IN_LOGOS) if elements.tag[row] == "a"]
    likely = [row for row in homes if _is_of_site(elements, row)]
    others = [
        row
        for row in homes
        if _BESIDE_TEXT.isdisjoint(map(elements.tag.__getitem__, elements.around(row, _HEADER_LEVELS)))
    ]
    names = dict.fromkeys(name for row in (*likely, *logos, *others) for name in _names_in(elements, row))
    headings = (
        row
        for row in elements.rows_of("h1")[:_MOST_HEADINGS]
        if _is_in_header(elements, row) and _another_is_title(elements, row)
    )
    names.update((" ".join(elements.text(row).split()), None) for row in headings)
    feet = (*elements.rows_of("footer"), *elements.rows_named(_says_foot, ("footer", "copyright", "colophon")))
    owners = (_OWNER.search(_last_words(elements, row)) for row in feet[:_MOST_FEET])
    owned = {owner.group(1).strip(): None for owner in owners if owner}
    twice = next((name for name in names if name in owned and name.lower() not in _HOME_WORDS), "")
    return [name for name in {**names, **owned} if name and name.lower() not in _HOME_WORDS], twice


def _names_in(elements: Elements, row: int) -> Iterator[str]:
    """Yield the words of a link and of the images in it."""
    yield " ".join(elements.text(row).split())
    for inner in range(row + 1, min(elements.end(row), row + _LOGO_ELEMENTS)):
        if elements.tag[inner] in ("img", "amp-img"):
            yield " ".join(elements.attributes[inner].get("alt", "").split())


def _says_logo(class_: str, id_: str) -> bool:
    return _LOGO.search(f"{class_} {id_}"[:_CLASS_LETTERS]) is not None


def _last_words(elements: Elements, row: int) -> str:
    """Return the last letters of an element's text."""
    last = elements.last[row]
    events = elements.events[max(elements.first[row], last - _OWNER_EVENTS) : last]
    return "".join([event for event in events if event.__class__ is str])[-_OWNER_LETTERS:]


def _says_foot(class_: str, id_: str) -> bool:
    return _FOOT.search(f"{class_} {id_}"[:_CLASS_LETTERS]) is not None


def _is_in_header(elements: Elements, row: int) -> bool:
    """Whether a heading stands in the page's header, by its tag, role, class or identifier."""
    for above in elements.around(elements.parent[row], _LOGO_LEVELS):
        own = elements.attributes[above]
        if elements.tag[above] in ("article", "main"):
            return False
        names = f"{own.get('class', '')} {own.get('id', '')}"[:_CLASS_LETTERS]
        if own.get("role") == "banner" or _PAGE_HEADER.search(names):
            return True
    return False


def _another_is_title(elements: Elements, heading: int) -> bool:
    """Whether another heading is in the page's title: what stands in a header may be the article's ("page-header")."""
    title = next((elements.text(row) for row in elements.rows_of("title")), "")
    others = (row for tag in ("h1", "h2", "h3") for row in elements.rows_of(tag)[:_MOST_HEADINGS] if row != heading)
    own = words_of_heading(elements, heading)
    return any((words := words_of_heading(elements, row)) != own and is_part_of_title(words, title) for row in others)


def _is_of_site(elements: Elements, row: int) -> bool:
    attributes = elements.attributes
    if "home" in attributes[row].get("rel", "").lower().split():
        return True
    if any(_LOGO.search(attributes[above].get("class", "")) for above in elements.around(row, _LOGO_LEVELS)):
        return True
    tags = {elements.tag[above] for above in elements.around(row, _HEADER_LEVELS)}
    return "header" in tags and tags.isdisjoint(_BESIDE_TEXT - {"li", "header"})


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
    return " ".join("".join(words).translate(INVISIBLE).split())
