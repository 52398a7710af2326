"""What the body of a page shows of its metadata: microdata, `time`, links to authors and tags, telling class names.

    element ─ microdata, time, link, named: a rule for each that may tell something ─> (field, value, source)

Sources: schema.org Article as microdata; HTML Living Standard 4.5.14 (`time`), 4.6.7 (`rel=author`, `rel=tag`).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.metadata.authors import LONGEST_NAME
from docgraph.parsers.html.metadata.bylines import byline, lines_of
from docgraph.parsers.html.metadata.dates import iso_date
from docgraph.parsers.html.tags import words_in

TELLING: Final = frozenset(("itemprop", "property", "datetime", "rel", "href", "class", "id"))
"""Attributes that an element of the body may tell something with."""
_LONGEST_BYLINE: Final = 120
_LONGEST_LINKED_NAME: Final = 40
_SHORT_EVENTS: Final = 120
_PERSON_ELEMENTS: Final = 40
"""Elements in which the name of a person is looked for."""
_ITEM_LEVELS: Final = 12
"""Levels up that an enclosing microdata item is looked for."""
_MICRODATA: Final = {
    "headline": "title", "author": "authors", "creator": "authors", "datepublished": "date", "datecreated": "date",
    "datemodified": "modified", "description": "description", "image": "image", "dc:date": "date", "dc:created": "date",
    "publisher": "site_name",
}  # fmt: skip

_DATE_WORDS: Final = frozenset(
    "date dates time timestamp datetime published publication pubdate publish posted dateline datum fecha data".split()
)
_OTHER_DATE_WORDS: Final = frozenset(
    "event events birth birthday birthdate born death deadline due expiry expires expiration closing "
    "veranstaltung termin evento evenement geburtsdatum".split()
)
"""Words beside those for dates, in names of what is no date of the text."""
_OF_TERMS: Final = frozenset(("start", "end", "until"))
"""The same, if right before or after a word for dates: alone they tell of places ("article-end")."""
_OTHER_DATE: Final = re.compile(
    r"^(?:events?|when|starts?|ends?|deadline|due|born|died|expires|closes|veranstaltung|termin|beginn|geboren|évé?nement|"
    r"evento|fecha límite|date limite|scadenza|frist)\b",
    re.I,
)
OF_MEMBER: Final = re.compile(
    r"(?:joined|member since|registered|registriert|registrado|inscrit[oa]?|dołączyła?|beigetreten|lid sinds)\b(?!-)",
    re.I,
)
"""Before the date of one who wrote, not of what is written."""
_LONGEST_DATE: Final = 100
_MODIFIED_WORDS: Final = frozenset("updated modified edited revised lastmod aktualisiert".split())
_PUBLISHED_WORDS: Final = frozenset("published publish pubdate created posted publication".split())
_CHANGED: Final = re.compile(
    r"\b(?:updat|modifi|edited(?! by\b)|revised|aktualisiert|geändert|mis [àa] jour|actualiz|atualiz|aggiornat|"
    r"bijgewerkt|opdater|oppdater|uppdater|päivitet|aktualiz|обновл|оновл|güncelle)|更新|修改|수정|تحديث|עודכן",
    re.I,
)
"""Words before a date of the last change."""
_UPDATED: Final = re.compile(f"(?:{_CHANGED.pattern})[^.]{{0,16}}$", re.I)
"""The same, right before a date."""
_PUBLISHED: Final = re.compile(
    r"publish|posted|veröffentlicht|publié|public[aó]|pubblicat|gepubliceerd|opublik|опублик|發布|发布|公開", re.I
)
_COMMENT: Final = re.compile(
    r"(?:^|[\s_-])(?:comments?|commentlist|replies|responses|disqus|kommentare?)(?:$|[\s_-])", re.I
)
_IN_COMMENTS: Final = ("comment", "replies", "responses", "disqus", "kommentar")
"""One of these is in all names in which the pattern finds something; looking for them is quicker."""
_COMMENT_LEVELS: Final = 6
_OF_OTHERS: Final = frozenset(
    "related recommended recommendations recommendation sidebar teaser teasers card cards trending popular latest "
    "mostread similar suggested promo ticker".split()
)
"""Words in the names of what tells of other articles."""
_ELSEWHERE: Final = frozenset(("aside", "nav", "footer"))
_OTHERS_LEVELS: Final = 8
_ARTICLE_ITEM: Final = re.compile(r"(?:article|posting|report|blogpost)$", re.I)
_BYLINE_WORDS: Final = frozenset(
    "byline bylines author authors authorname authornames byl writer reporter autor autora autoren autores "
    "autori autore autorin autorzy auteur auteurs auteure forfatter forfattere forfattare skribent verfasser "
    "kirjoittaja yazar szerzo avtor penulis zuozhe".split()
)
_BYLINE_NAMES: Final = re.compile(r"författare|tekijä|автор|συντ[αά]κτης|szerző|作者|著者|記者|记者|기자", re.I)
"""Of the same, those that are not plain letters."""
_IN_BYLINES: Final = ("författare", "tekijä", "автор", "συντ", "szerző", "作者", "著者", "記者", "记者", "기자")
_NO_BYLINE_WORDS: Final = frozenset(
    "comment comments bio biography avatar image images img photo social follow share related box description job "
    "about card text title role twitter caption credit topic teaser quote testimonial foto bild imagen kommentar "
    "comentario comentarios commentaire commentaires zitat citation beschreibung descripcion".split()
)
_AUTHOR_PAGE: Final = re.compile(
    r"/(?:authors?|autor(?:en|es|i)?|auteurs?|people|staff|writers?|profiles?|contributors?|"
    r"journalists?|by)/[^/?#]+/?$",
    re.I,
)
_WORDS: Final = _DATE_WORDS | _BYLINE_WORDS | _MODIFIED_WORDS | _PUBLISHED_WORDS | _OF_OTHERS | {"update"}
"""One of these, or what is in names of comments or bylines, is in all names that say anything."""

_AUTHOR_STEPS: Final = frozenset(
    "author authors autor autoren autores autori auteur auteurs people staff writer writers profile profiles "
    "contributor contributors journalist journalists by".split()
)
"""One of these is among the last steps of every such address; looking for them is quicker."""

Statement = tuple[str, str, str]
"""Field, value, source."""


def telling(elements: Elements) -> set[int]:
    """Return the elements of the page's body that may tell something of its article: most do not."""
    attributes = elements.attributes
    links = (
        row for row in elements.rows_of("a") if "rel" in (own := attributes[row]) or _is_of_author(own.get("href", ""))
    )
    properties = (*elements.rows_with("itemprop"), *elements.rows_with("property"))
    words = _WORDS.intersection(words_in(" ".join(f"{class_} {id_}" for class_, id_ in elements.by_names())))
    named = elements.rows_named(_said_by_names, (*words, *_IN_COMMENTS, *_IN_BYLINES))
    return {*links, *elements.rows_of("time"), *properties, *named}


def from_page(elements: Elements, row: int, heading: int = 0) -> list[Statement]:
    """Return what an element of the page's body, one of `telling`, tells of its article.

    Args:
        heading: the page's first `h1`, or 0; what stands in a box or an article without it may tell of another one.
    """
    tag, own = elements.tag[row], elements.attributes[row]
    shown: list[Statement] = []
    if tag == "time" and not _is_of_comment(elements, row):
        shown += time(elements, row)
    elif tag == "a" and ("rel" in own or _is_of_author(own.get("href", ""))):
        shown += link(elements, row)
    if ("class" in own or "id" in own) and _said_by_names(own.get("class", ""), own.get("id", "")):
        shown += named(elements, row)
    if shown and is_of_others(elements, row, heading):
        shown = [statement for statement in shown if statement[0] == "tags"]
    if "itemprop" in own or "property" in own:
        return [*microdata(elements, row), *shown]
    return shown


def article_items(elements: Elements) -> list[int]:
    """Return the elements that by their microdata are articles, outermost first."""
    attributes = elements.attributes
    return [
        row
        for row in sorted({*elements.rows_with("itemtype"), *elements.rows_with("typeof")})
        if _ARTICLE_ITEM.search(attributes[row].get("itemtype", attributes[row].get("typeof", "")).strip())
    ]


def is_of_others(elements: Elements, row: int, heading: int) -> bool:
    """Whether an element stands in a side bar, a teaser or an article that the page's heading does not stand in."""
    for above in elements.around(elements.parent[row], _OTHERS_LEVELS):
        if elements.tag[above] in ("body", "main") or above <= heading < elements.end(above):
            return False
        tag, own = elements.tag[above], elements.attributes[above]
        if tag in _ELSEWHERE or (tag == "article" and heading):
            return True
        if own and "others" in _said_by_names(own.get("class", ""), own.get("id", "")):
            return True
    return False


def microdata(elements: Elements, row: int) -> Iterator[Statement]:
    """A property of the article, in an attribute or as text."""
    own = elements.attributes[row]
    for name in f"{own.get('itemprop', '')} {own.get('property', '')}".lower().replace("schema:", "").split():
        if (field := _MICRODATA.get(name)) and not is_within_item(elements, row):
            if field == "site_name":
                name = _name_property(elements, row)
                yield field, "" if name.startswith("www.") else name, "microdata"
                continue
            value = (
                own.get("content")
                or own.get("datetime")
                or (own.get("src") or own.get("href") if field == "image" else "")
            )
            if field == "authors":
                value = value or _name_property(elements, row) or _names_in(elements, row, _LONGEST_BYLINE)
            yield field, value or short_text(elements, row, _LONGEST_BYLINE), "microdata"


def _name_property(elements: Elements, row: int) -> str:
    """Return the name that a person or organisation has as a property of its own, "" if it has none."""
    for inner in range(row + 1, min(elements.end(row), row + _PERSON_ELEMENTS)):
        own = elements.attributes[inner]
        if own and "name" in (own.get("itemprop") or own.get("property", "").replace("schema:", "")).split():
            return own.get("content") or short_text(elements, inner, LONGEST_NAME)
    return ""


def rank_of_date(elements: Elements, row: int) -> int:
    """Return how much an element that is named after dates seems to tell when the page was published, 0 the most: by
    its names, and by its words before the date.
    """
    own = elements.attributes[row]
    says, words = _said_by_names(own.get("class", ""), own.get("id", "")), short_text(elements, row, _LONGEST_DATE)
    if _OTHER_DATE.search(words):
        return 3
    if "modified" in says or _UPDATED.search(words.partition(" ")[0]):
        return 2
    return 0 if "published" in says or _PUBLISHED.match(words) else 1


def time(elements: Elements, row: int) -> Iterator[Statement]:
    """The date of a `time` element: of the last change if its class says so, none if it says that it is of an event."""
    own = elements.attributes[row]
    value = own.get("datetime") or short_text(elements, row, _LONGEST_DATE)
    around = elements.attributes[elements.parent[row]] if elements.parent[row] >= 0 else own
    says = _said_by_names(own.get("class", ""), "") or _said_by_names(around.get("class", ""), "")
    if "other date" in says:
        return
    before = elements.events[elements.first[row] - 1] if elements.first[row] else ""
    if isinstance(before, str) and _UPDATED.search(before[-40:]):
        says = frozenset(("modified",))
    if "modified" in says and "published" not in says:
        yield "modified", value, "time"
    else:
        yield "date", value, "published" if "pubdate" in own or "published" in says else "time"


def link(elements: Elements, row: int) -> Iterator[Statement]:
    """A link to an author or a tag says so; one to an author's page by its address."""
    own = elements.attributes[row]
    rel = own["rel"].lower().split() if "rel" in own else ()
    if "author" in rel and not _is_of_comment(elements, row):
        yield "authors", _names_in(elements, row, LONGEST_NAME), "byline"
    elif "tag" in rel:
        yield "tags", short_text(elements, row, LONGEST_NAME), "html"
    elif _is_of_author(own.get("href", "")):
        name = short_text(elements, row, _LONGEST_LINKED_NAME)
        if 2 <= len(name.split()) <= 4 and not _is_of_comment(elements, row):
            yield "authors", name, "byline"


def _is_of_author(address: str) -> bool:
    steps = address.lower().rsplit("/", 3)
    return not _AUTHOR_STEPS.isdisjoint(steps) and _AUTHOR_PAGE.search(address) is not None


def named(elements: Elements, row: int) -> Iterator[Statement]:
    """An element that by its class or id is a byline or a date."""
    own = elements.attributes[row]
    says = _said_by_names(own.get("class", ""), own.get("id", ""))
    if "byline" in says and not _is_of_comment(elements, row):
        yield "authors", _names_in(elements, row, _LONGEST_BYLINE), "byline"
    if "date" not in says and "modified" not in says:
        return
    language, words = elements.attributes[0].get("lang"), short_text(elements, row, _LONGEST_DATE)
    published, modified = dates_of(words, language)
    if "date" in says and (day := iso_date(own.get("title", "")[:_LONGEST_DATE], language) or published or modified):
        yield "date", day, "text"
    if changed := modified or (published if "modified" in says else None):
        yield "modified", changed, "text"


def dates_of(words: str, language: str | None) -> tuple[str | None, str | None]:
    """Return the date that a line gives, and that of the last change, if words of change stand before one and it is no
    earlier.
    """
    changed = _CHANGED.search(words)
    if changed is None:
        return iso_date(words, language), None
    first = _PUBLISHED.search(words, changed.end())
    modified = iso_date(words[changed.end() : first.start() if first else None], language)
    if modified is None:
        return iso_date(words, language), None
    published = iso_date(words[: changed.start()], language) or (first and iso_date(words[first.end() :], language))
    return published, None if published and modified[:10] < published[:10] else modified


@lru_cache(maxsize=8_192)
def _said_by_names(class_: str, id_: str) -> frozenset[str]:
    """Return which an element's names say of "byline", "date", "other date", "modified", "published", "comment" and
    "others".
    """
    names = f"{class_} {id_}"
    listed = words_in(names)
    words = frozenset(listed)
    is_term = any(pair & _OF_TERMS and pair & _DATE_WORDS for pair in map(frozenset, pairwise(listed)))
    is_other = (is_term or words & _OTHER_DATE_WORDS) and not words & _PUBLISHED_WORDS
    says = set[str]()
    if words & _DATE_WORDS:
        says.add("other date" if is_other else "date")
    is_byline = words & _BYLINE_WORDS or (not names.isascii() and _BYLINE_NAMES.search(names))
    if is_byline and not words & _NO_BYLINE_WORDS:
        says.add("byline")
    if words & _MODIFIED_WORDS or ("update" in words and words & {"last", *_DATE_WORDS}):
        says.add("modified")
    if words & _PUBLISHED_WORDS:
        says.add("published")
    if words & _OF_OTHERS:
        says.add("others")
    if _COMMENT.search(names):
        says.add("comment")
    return frozenset(says)


def _is_of_comment(elements: Elements, row: int) -> bool:
    """Whether an element stands in what a reader of the page wrote."""
    close = (elements.attributes[row] for row in elements.around(row, _COMMENT_LEVELS))
    return any(own and "comment" in _said_by_names(own.get("class", ""), own.get("id", "")) for own in close)


def is_within_item(elements: Elements, row: int) -> bool:
    """Whether an element is part of something nested, such as a comment or an image."""
    others = ("comment", "imageobject", "videoobject", "review", "answer")
    for above in elements.around(elements.parent[row], _ITEM_LEVELS):
        own = elements.attributes[above]
        if own and (own.get("itemprop") == "comment" or own.get("itemtype", "").lower().endswith(others)):
            return True
    return False


def short_text(elements: Elements, row: int, most: int) -> str:
    """Return the text of an element if it is short, else ""."""
    if elements.last[row] - elements.first[row] > _SHORT_EVENTS:
        return ""
    text = " ".join(line.text for line in lines_of(elements, elements.first[row], elements.last[row]))
    return text if 2 < len(text) <= most else ""


def _names_in(elements: Elements, row: int, most: int) -> str:
    """Return what an element says of authors if it is short, else ""."""
    if elements.last[row] - elements.first[row] > _SHORT_EVENTS:
        return ""
    text = byline(lines_of(elements, elements.first[row], elements.last[row]))
    return text if 2 < len(text) <= most else ""
