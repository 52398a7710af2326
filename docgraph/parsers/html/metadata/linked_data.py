"""JSON-LD in a page: every block that can be read, and what it says about the article and the site.

    script elements ─ tolerant JSON ─> objects ─ by @type ─> (field, value) pairs, in order of trust

Blocks come with comments, CDATA marks, control characters, trailing commas, `@graph`s, lists of lists, and values of
any type where a string should be. An author may be named elsewhere by `@id`. Articles in a list of links, or with the
address of another page, are not the page's own. What cannot be read is passed over;
nothing here raises or recurses without bound.

Source: schema.org Article, WebPage, WebSite, BreadcrumbList; JSON-LD 1.1 (`@graph`, `@type`).
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from docgraph.parsers.html.elements import Elements

_ARTICLE_TYPES: Final = re.compile(
    r"article|posting|report|review|recipe|howto|newsitem|scholarly|^book$|^creativework$|^videoobject$|^podcastepisode$",
    re.I,
)
_PAGE_TYPES: Final = re.compile(r"webpage$|^itempage$|^faqpage$|^aboutpage$|^collectionpage$|^profilepage$", re.I)
_OFFER_TYPES: Final = re.compile(r"^jobposting$|^realestatelisting$|^apartment$", re.I)
_SITE_TYPES: Final = re.compile(r"^website$", re.I)
_ORGANISATIONS: Final = re.compile(r"organi[sz]ation$|corporation$|newsmediaorg", re.I)
_MARKS: Final = re.compile(
    r"^\s*(?:<!--|//<!\[CDATA\[|/\*<!\[CDATA\[\*/|<!\[CDATA\[)|(?:-->|//\]\]>|/\*\]\]>\*/|\]\]>)\s*;?\s*$"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_TRAILING_COMMA: Final = re.compile(r",(?=\s*[}\]])")
_ARTICLE_BODY: Final = re.compile(r'"(?:articleBody|text)"\s*:\s*"((?:[^"\\]|\\.){200,})"')
_TAG: Final = re.compile(r"<[^>]{1,400}>")
_REFERRING: Final = frozenset(("author", "creator", "publisher", "image"))
"""Properties whose value may be named by `@id`."""
_OF_OTHERS: Final = frozenset(
    (
        "itemListElement",
        "comment",
        "mentions",
        "relatedLink",
        "isRelatedTo",
        "citation",
        "blogPost",
        "review",
        "hasPart",
        "liveBlogUpdate",
    )
)
"""Properties that hold other pages, and what others said."""
_MOST_OBJECTS: Final = 2_000
_MOST_CHARACTERS: Final = 4_000_000


def linked_data(elements: Elements) -> list[dict[str, Any]]:
    """Return the objects of all JSON-LD blocks of a page, nested ones after those around them.

    What only names an object by `@id` is replaced by the object.
    """
    found: list[dict[str, Any]] = []
    for row in elements.rows_of("script"):
        if "ld+json" in elements.attributes[row].get("type", "").lower():
            text = elements.text(row)
            if len(text) <= _MOST_CHARACTERS:
                found.extend(_objects(read_json(text), _MOST_OBJECTS - len(found)))
    by_id = {item["@id"]: item for item in found if isinstance(item.get("@id"), str) and len(item) > 1}
    for item in found:
        for name in _REFERRING & item.keys():
            value = item[name]
            listed = (
                [_object_of(part, by_id) for part in value] if isinstance(value, list) else _object_of(value, by_id)
            )
            item[name] = listed
    return found


def _object_of(value: Any, by_id: dict[str, dict[str, Any]]) -> Any:
    """Return the object that a value is, or only names."""
    name = value.get("@id") if isinstance(value, dict) and "name" not in value and "url" not in value else None
    return by_id.get(name, value) if isinstance(name, str) else value


def declared_bodies(elements: Elements) -> list[str]:
    """Return the article's text as JSON-LD or a `meta` of microdata gives it (`articleBody`), once for each that does,
    markup left out.
    """
    bodies = [
        _TAG.sub(" ", html.unescape(own["content"]))
        for own in (elements.attributes[row] for row in elements.rows_of("meta"))
        if own.get("itemprop") == "articleBody" and "content" in own
    ]
    for row in elements.rows_of("script"):
        if "ld+json" in elements.attributes[row].get("type", ""):
            for match in _ARTICLE_BODY.finditer(elements.text(row)):
                written = _CONTROL.sub(" ", match.group(1))
                try:
                    body = str(json.loads(f'"{written}"'))
                except ValueError:
                    body = written
                bodies.append(_TAG.sub(" ", html.unescape(body)))
    return bodies


def declared_text(elements: Elements) -> str:
    """Return the bodies of `declared_bodies` as one, white space collapsed, or ""."""
    return " ".join(" ".join(body.split()) for body in declared_bodies(elements))


def read_json(text: str) -> Any:
    """Return the value that a JSON text holds, mistakes that pages make repaired; None if it cannot be read.

    >>> read_json('<!-- {"a": "b\\nc",} -->')
    {'a': 'b c'}
    """
    text = text.strip()
    if text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):
        text = _MARKS.sub("", _MARKS.sub("", text))
    text = _CONTROL.sub(" ", text).strip().rstrip(";")
    for attempt in (text, _TRAILING_COMMA.sub("", text), html.unescape(text)):
        try:
            return json.loads(attempt)
        except (ValueError, RecursionError):
            continue
    return _joined_values(text)


def _joined_values(text: str) -> list[Any] | None:
    """Return the values of several JSON texts written one after the other, as far as they can be read."""
    decoder, values, place = json.JSONDecoder(), list[Any](), 0
    while (place := text.find("{", place)) >= 0 and len(values) < 50:
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        values.append(value)
    return values or None


def _objects(value: Any, most: int) -> list[dict[str, Any]]:
    """Return the objects within a JSON value, outer before inner, in order; at most `most`."""
    found: list[dict[str, Any]] = []
    level = [value]
    while level and len(found) < most:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                found.append(item)
                inner.extend(
                    part for name, part in item.items() if isinstance(part, dict | list) and name not in _OF_OTHERS
                )
            elif isinstance(item, list):
                inner.extend(part for part in item if isinstance(part, dict | list))
        level = inner[: 10 * _MOST_OBJECTS]
    return found[: max(most, 0)]


def statements(objects: list[dict[str, Any]], addresses: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (field, value) pairs that the objects state about the page's article, then about the page and site.

    Args:
        addresses: by which the page goes; of several articles those with one of them are the page's.
    """
    articles = [o for o in objects if _is(o, _ARTICLE_TYPES)]
    pages_own = {_path(address) for address in addresses if address} - {""}
    if len(articles) > 1 and (own := [o for o in articles if _paths(o) & pages_own]):
        articles = own
    pages = [o for o in objects if _is(o, _PAGE_TYPES)]
    for item in articles:
        # The headline is the title; a name may be that of a part.
        yield from _pairs(item, "title", "headline", "name")
        yield from _people(item)
        yield from _pairs(item, "date", "datePublished")
        yield from _pairs(item, "modified", "dateModified")
        yield from _pairs(item, "description", "description")
        yield from _pairs(item, "section", "articleSection")
        yield from _pairs(item, "tags", "keywords")
        yield from _pairs(item, "language", "inLanguage")
        yield from _pairs(item, "image", "image", "thumbnailUrl")
        yield from (("site_name", name) for name in _names(item.get("publisher")))
    for item in pages:
        yield from _pairs(item, "title", "headline", "name")
        yield from _people(item)
        yield from _pairs(item, "date", "datePublished")
        yield from _pairs(item, "modified", "dateModified")
        yield from _pairs(item, "description", "description")
        yield from _pairs(item, "language", "inLanguage")
        yield from (("site_name", name) for name in _names(item.get("publisher")))
    of_article = any(_is(item, _ARTICLE_TYPES) and not _is(item, _OFFER_TYPES) for item in objects)
    for item in objects:
        if _is(item, _OFFER_TYPES) and not of_article:
            yield from _pairs(item, "date", "datePosted")
        if _is(item, _SITE_TYPES):
            yield from _pairs(item, "site_name", "name")


def _paths(item: dict[str, Any]) -> set[str]:
    """Return the addresses that an object gives as its own."""
    return {
        _path(text)
        for name in ("url", "@id", "mainEntityOfPage")
        for value in [item.get(name)]
        for text in [value.get("@id") or value.get("url") if isinstance(value, dict) else value]
        if isinstance(text, str)
    }


def _path(address: str) -> str:
    """Return an address without scheme, query, fragment and last slash."""
    return re.sub(r"^https?://(?:www\.)?", "", re.split(r"[?#]", address.strip())[0]).rstrip("/").lower()


def _is(item: dict[str, Any], pattern: re.Pattern[str]) -> bool:
    types = item.get("@type")
    listed = types if isinstance(types, list) else [types]
    return any(isinstance(name, str) and pattern.search(name.rsplit("/", 1)[-1]) for name in listed)


def _pairs(item: dict[str, Any], field: str, *names: str) -> Iterator[tuple[str, str]]:
    for name in names:
        for text in _texts(item.get(name)):
            yield field, text


def _people(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield authors; one that is an organisation as "organisation"."""
    for name in ("author", "creator"):
        value = item.get(name)
        for part in value if isinstance(value, list) else [value]:
            organised = isinstance(part, dict) and _is(part, _ORGANISATIONS)
            for person in _names(part):
                yield "organisation" if organised else "authors", person


def _names(value: Any) -> list[str]:
    """Return the names of people or organisations, however they are written."""
    found: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            found.extend(_texts(item.get("name")))
        elif isinstance(item, str):
            found.extend(_texts(item))
        elif isinstance(item, list):
            found.extend(text for part in item[:50] if isinstance(part, str) for text in _texts(part))
    return found


def _texts(value: Any) -> list[str]:
    """Return a value's texts: itself, its items, or an object's url or name."""
    found: list[str] = []
    for item in (value if isinstance(value, list) else [value])[:100]:
        if isinstance(item, dict):
            item = item.get("url") or item.get("@value") or item.get("name")
        if isinstance(item, str) and (text := " ".join(html.unescape(item).split())):
            found.append(text)
    return found
