"""What a page says about itself: title, authors, dates, site, language, lead picture, section, tags.

    Elements ─ json-ld, opengraph, meta, microdata, html, byline, time, url ─> candidates ─ most trusted first ─> Metadata

Every value found is kept as a candidate with its source; the first of the most trusted source is chosen. JSON-LD
that names the article comes first, for it is written for machines and the rest for link previews; what is only
shown on the page comes last. `html lang` is the language. Rubbish is passed over; reading never raises.

Sources: ogp.me; schema.org; Dublin Core; the order of trust from Readability.js and htmldate, measured on their pages.
"""

import html
import json
import re
from typing import Final

from docgraph.metadata import Candidate, Metadata
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.images import resolve
from docgraph.parsers.html.metadata.dates import date_in_url, iso_date
from docgraph.parsers.html.metadata.linked_data import linked_data, statements

_META: Final[dict[str, tuple[str, str]]] = {
    "dc:title": ("title", "meta"), "dcterms:title": ("title", "meta"), "og:title": ("title", "opengraph"),
    "title": ("title", "meta"), "headline": ("title", "meta"), "twitter:title": ("title", "meta"),
    "parsely-title": ("title", "meta"), "sailthru.title": ("title", "meta"), "citation_title": ("title", "meta"),
    "dc:creator": ("authors", "meta"), "dcterms:creator": ("authors", "meta"), "author": ("authors", "meta"),
    "article:author": ("authors", "opengraph"), "og:article:author": ("authors", "opengraph"),
    "article:author_name": ("authors", "opengraph"), "parsely-author": ("authors", "meta"),
    "sailthru.author": ("authors", "meta"), "citation_author": ("authors", "meta"), "byl": ("authors", "meta"),
    "bt:author": ("authors", "meta"), "cxenseparse:author": ("authors", "meta"),
    "article:published_time": ("date", "opengraph"), "og:published_time": ("date", "opengraph"),
    "article:published": ("date", "opengraph"), "og:article:published_time": ("date", "opengraph"),
    "parsely-pub-date": ("date", "meta"), "datepublished": ("date", "meta"), "sailthru.date": ("date", "meta"),
    "cxenseparse:recs:publishtime": ("date", "meta"), "dc:date": ("date", "meta"), "dcterms:created": ("date", "meta"),
    "dc:date.issued": ("date", "meta"), "dcterms:issued": ("date", "meta"), "dcterms:date": ("date", "meta"),
    "dc:date.created": ("date", "meta"), "citation_publication_date": ("date", "meta"), "date": ("date", "meta"),
    "citation_date": ("date", "meta"), "pubdate": ("date", "meta"), "publishdate": ("date", "meta"),
    "publish-date": ("date", "meta"), "publish_date": ("date", "meta"), "publication_date": ("date", "meta"),
    "article_date_original": ("date", "meta"), "originalpublicationdate": ("date", "meta"), "ptime": ("date", "meta"),
    "rnews:datepublished": ("date", "meta"), "timestamp": ("date", "meta"), "created": ("date", "meta"),
    "article:modified_time": ("modified", "opengraph"), "og:updated_time": ("modified", "opengraph"),
    "datemodified": ("modified", "meta"), "dcterms:modified": ("modified", "meta"), "lastmod": ("modified", "meta"),
    "last-modified": ("modified", "meta"),
    "og:site_name": ("site_name", "opengraph"), "application-name": ("site_name", "meta"),
    "apple-mobile-web-app-title": ("site_name", "meta"), "dc:publisher": ("site_name", "meta"),
    "og:description": ("description", "opengraph"), "description": ("description", "meta"),
    "twitter:description": ("description", "meta"), "dc:description": ("description", "meta"),
    "og:image": ("image", "opengraph"), "og:image:url": ("image", "opengraph"),
    "og:image:secure_url": ("image", "opengraph"), "twitter:image": ("image", "meta"),
    "twitter:image:src": ("image", "meta"), "thumbnail": ("image", "meta"), "parsely-image-url": ("image", "meta"),
    "article:section": ("section", "opengraph"), "parsely-section": ("section", "meta"),
    "article:tag": ("tags", "opengraph"), "news_keywords": ("tags", "meta"), "keywords": ("tags", "meta"),
    "parsely-tags": ("tags", "meta"), "sailthru.tags": ("tags", "meta"),
    "content-language": ("language", "meta"), "language": ("language", "meta"), "dc:language": ("language", "meta"),
    "og:locale": ("language", "opengraph"), "og:url": ("canonical_url", "opengraph"),
}  # fmt: skip
"""Names of meta elements -> field and source. Within one source, earlier names are trusted more."""

_NO_SEPARATORS: Final = str.maketrans("", "", ":._-")
_META_KEYS: Final = {
    name.translate(_NO_SEPARATORS): (place, *about) for place, (name, about) in reversed([*enumerate(_META.items())])
}
"""The same without separators, for nobody agrees on them ("DC.title", "article:published:time"): order, field, source."""

_TRUST: Final[dict[str, tuple[str, ...]]] = {
    "title": ("json-ld", "opengraph", "meta", "html", "microdata", "heading"),
    "authors": ("json-ld", "meta", "opengraph", "microdata", "byline", "organisation"),
    "date": ("json-ld", "opengraph", "meta", "microdata", "time", "url", "text"),
    "modified": ("json-ld", "opengraph", "meta", "microdata"),
    "language": ("html", "meta", "json-ld", "opengraph"),
    "site_name": ("opengraph", "json-ld", "meta"),
    "description": ("opengraph", "meta", "json-ld", "microdata"),
    "image": ("opengraph", "meta", "json-ld", "html", "microdata"),
    "section": ("opengraph", "json-ld", "meta"),
    "tags": ("opengraph", "json-ld", "meta", "html"),
    "canonical_url": ("html", "opengraph"),
}
"""Field -> sources, most trusted first."""

_MICRODATA: Final = {
    "headline": "title", "author": "authors", "creator": "authors", "datepublished": "date", "datecreated": "date",
    "datemodified": "modified", "description": "description", "image": "image",
}  # fmt: skip

_DATE_WORDS: Final = frozenset(
    "date dates time timestamp datetime published publication pubdate publish posted dateline datum fecha data".split()
)
_LONGEST_DATE: Final = 60
_BYLINE_WORDS: Final = frozenset("byline bylines author authors authorname authornames byl writer reporter".split())
_NO_BYLINE_WORDS: Final = frozenset(
    "comment comments bio biography avatar image images img photo social follow share related box description job about "
    "card text title role twitter caption credit topic teaser".split()
)
_AUTHOR_PAGE: Final = re.compile(
    r"/(?:authors?|autor(?:en|es|i)?|auteurs?|people|staff|writers?|profiles?|contributors?|journalists?|by)/[^/?#]+/?$",
    re.I,
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_BEFORE_NAMES: Final = re.compile(
    r"^(?:(?:written|posted|published|reported|story|words|article|text|report|review|reviewed|edited|uploaded|submitted|"
    r"created|photos?)\s+)?(?:by|von|por|par|di|door|av|af|autor(?:in)?|author|texto|text|fotos?)\s*:?\s+|^(?:by|author|autor|von)\s*:\s*",
    re.I,
)
_AFTER_NAMES: Final = re.compile(
    r"\s*(?:[|•·]|\s[/–—-]\s|\bon\b\s+\w+\s+\d|\bupdated\b|\bpublished\b|\b(?:stand|veröffentlicht|publié|publicado)\b|\bam\s+\d|,?\s+\d{1,2}[.:/ ]|"
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\s+\d).*$",
    re.I | re.S,
)
_BETWEEN_NAMES: Final = re.compile(r"\s*(?:;|\s(?:and|und|y|et|e|&|og|och|en)\s|\||\n)\s*", re.I)
_NO_NAME: Final = re.compile(
    r"^https?:|^www\.|@|^\W*$|^(?:admin|administrator|staff|editor|none|null|undefined|unknown)$|^[a-z0-9]+(?:-[a-z0-9]+)+$|[{}<>\[\]]|^\(",
    re.I,
)
_SEPARATOR: Final = re.compile(r"\s+[|\-–—\\/>»·:]\s+|\s*[|»]\s*")
_TELLING: Final = frozenset(("itemprop", "datetime", "rel", "href", "class", "id"))
"""Attributes that an element of the body may tell something with."""
_HOST: Final = re.compile(r"^[\w-]+\.[a-z]{2,6}$|\bwww\.|\b(?:GmbH|Inc|Ltd|LLC|Corp|S\.A)\b\.?$", re.I)
"""Names of sites and companies."""
_MOST_CANDIDATES: Final = 400
_LONGEST: Final = 4_000
_LONGEST_BYLINE: Final = 120
_LONGEST_NAME: Final = 80


def read_metadata(
    elements: Elements,
    *,
    url: str | None = None,
    base: str = "",
    encoding: str | None = None,
    encoding_source: str | None = None,
    source: str | None = None,
) -> Metadata:
    """Return the metadata of a page, with all candidates.

    Args:
        base: what addresses in it are resolved against.
    """
    found = _candidates(elements, url, base)
    best = {name: _chosen(found, name) for name in _TRUST}
    return Metadata(
        title=_first(best["title"]),
        authors=_authors(best["authors"], found),
        date=_first_date(best["date"]),
        modified=_first_date(best["modified"]),
        language=_language(best["language"]),
        url=url,
        canonical_url=_first(best["canonical_url"]),
        site_name=_first(best["site_name"]),
        description=_first(best["description"]),
        image=_first(best["image"]),
        section=_first(best["section"]),
        tags=_tags(best["tags"]),
        encoding=encoding,
        encoding_source=encoding_source,
        source=source,
        candidates=tuple(found[:_MOST_CANDIDATES]),
    )


def _candidates(elements: Elements, url: str | None, base: str) -> list[Candidate]:
    found: list[Candidate] = []

    def add(field: str, value: str, source: str) -> None:
        value = " ".join(value.split())
        if value and len(value) <= _LONGEST:
            if field in ("image", "canonical_url"):
                value = resolve(value, base)
            found.append(Candidate(field, value, source))

    for field, value in statements(linked_data(elements)):
        if field == "organisation":
            add("authors", value, "organisation")
        else:
            add(field, value, "json-ld")
    named: list[tuple[int, str, str, str]] = []
    shown: list[tuple[bool, str, str, str]] = []
    """What the page shows, and whether it shows it before its heading, which makes it less likely to be about the article."""
    heading = elements.tag.index("h1") if "h1" in elements.tag else 0
    for row, (tag, own) in enumerate(zip(elements.tag, elements.attributes, strict=True)):
        if tag == "meta":
            named.extend(
                _from_meta(
                    own.get("content") or "",
                    own.get("property"),
                    own.get("name"),
                    own.get("itemprop"),
                    own.get("http-equiv"),
                )
            )
        elif tag == "title":
            if elements.tag[elements.parent[row]] != "svg":
                add("title", elements.text(row), "html")
        elif tag == "link" and own.get("href"):
            rel = own.get("rel", "").lower().split()
            if "canonical" in rel:
                add("canonical_url", own["href"], "html")
            elif "image_src" in rel:
                add("image", own["href"], "html")
        elif tag == "html":
            add("language", own.get("lang") or own.get("xml:lang") or "", "html")
        elif own and not _TELLING.isdisjoint(own):
            for field, value, source in _from_page(elements, row, tag):
                if source in ("byline", "text"):
                    shown.append((row < heading, field, value, source))
                else:
                    add(field, value, source)
    for _, field, value, source in sorted(named, key=lambda item: item[0]):
        add(field, value, source)
    for _, field, value, source in sorted(shown, key=lambda item: item[0]):
        add(field, value, source)
    if url and (day := date_in_url(url)):
        add("date", day, "url")
    return found


def _from_meta(content: str, *names: str | None) -> list[tuple[int, str, str, str]]:
    """Return (order, field, value, source) for each name that a meta element goes by and we know."""
    found = []
    for listed in names:
        for name in (listed or "").lower().split():
            key = name.translate(_NO_SEPARATORS)
            if key in _META_KEYS and content.strip():
                order, field, source = _META_KEYS[key]
                found.append((order, field, content, source))
    return found


def _from_page(elements: Elements, row: int, tag: str) -> list[tuple[str, str, str]]:
    """Return what an element of the page's body tells, by its microdata, class or tag."""
    own = elements.attributes[row]
    found: list[tuple[str, str, str]] = []
    for name in own.get("itemprop", "").lower().split():
        if (field := _MICRODATA.get(name)) and not _is_within_item(elements, row, name):
            value = (
                own.get("content")
                or own.get("datetime")
                or (own.get("src") or own.get("href") if field == "image" else "")
            )
            found.append((field, value or _short_text(elements, row, _LONGEST_BYLINE), "microdata"))
    if tag == "time":
        found.append(("date", own.get("datetime") or _short_text(elements, row, _LONGEST_DATE), "time"))
    if tag == "a":
        rel = own.get("rel", "").lower().split()
        if "author" in rel:
            found.append(("authors", _short_text(elements, row, _LONGEST_NAME), "byline"))
        elif "tag" in rel:
            found.append(("tags", _short_text(elements, row, _LONGEST_NAME), "html"))
        elif (
            _AUTHOR_PAGE.search(own.get("href", "")) and 2 <= len((name := _short_text(elements, row, 40)).split()) <= 4
        ):
            found.append(("authors", name, "byline"))
    names = f"{own.get('class', '')} {own.get('id', '')}"
    if "uthor" in names or "yl" in names or "riter" in names or "eporter" in names:
        words = {word.lower() for word in _WORD.findall(names)}
        if words & _BYLINE_WORDS and not words & _NO_BYLINE_WORDS:
            found.append(("authors", _short_text(elements, row, _LONGEST_BYLINE), "byline"))
    if "ate" in names or "ime" in names or "ubli" in names or "osted" in names or "atum" in names or "echa" in names:
        words = {word.lower() for word in _WORD.findall(names)}
        if words & _DATE_WORDS and (day := iso_date(_short_text(elements, row, _LONGEST_DATE))):
            found.append(("date", day, "text"))
    return found


def _is_within_item(elements: Elements, row: int, name: str) -> bool:
    """Whether an author or date is that of something nested, such as a comment or a picture."""
    for _ in range(12):
        row = elements.parent[row]
        if row < 0:
            return False
        kind = elements.attributes[row].get("itemtype", "").lower()
        if kind.endswith(("comment", "imageobject", "videoobject", "review", "answer")):
            return True
    return False


def _short_text(elements: Elements, row: int, most: int) -> str:
    """Return the text of an element if it is short, else ""."""
    if elements.last[row] - elements.first[row] > 120:
        return ""
    text = elements.text(row)
    lines = " ".join(text.split())
    return lines if 2 < len(lines) <= most else ""


def _chosen(found: list[Candidate], field: str) -> list[Candidate]:
    """Return the candidates of a field, most trusted first."""
    order = {source: place for place, source in enumerate(_TRUST[field])}
    return sorted((c for c in found if c.field == field and c.source in order), key=lambda c: order[c.source])


def _first(candidates: list[Candidate]) -> str | None:
    return candidates[0].value if candidates else None


def _first_date(candidates: list[Candidate]) -> str | None:
    """Return the first date that can be read; if none can, None: one broken tag must not hide a good one."""
    return next((day for c in candidates if (day := iso_date(c.value)) is not None), None)


def _language(candidates: list[Candidate]) -> str | None:
    for candidate in candidates:
        tag = candidate.value.replace("_", "-") if candidate.source == "opengraph" else candidate.value
        tag = tag.split(",")[0].strip()
        if re.fullmatch(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*", tag):
            return tag
    return None


def _authors(candidates: list[Candidate], found: list[Candidate]) -> tuple[str, ...]:
    """Return the names that the most trusted source with any gives; the site's own name only if there is no other."""
    sites = {c.value.lower() for c in found if c.field == "site_name"}
    itself: tuple[str, ...] = ()
    for source in dict.fromkeys(c.source for c in candidates):
        names: list[str] = []
        for candidate in candidates:
            if candidate.source == source:
                names.extend(name for name in author_names(candidate.value) if name not in names)
                if source == "byline" and names:
                    break
        people = [name for name in names if name.lower() not in sites and not _HOST.search(name)]
        if people:
            return tuple(people[:50])
        itself = itself or tuple(names)
    return itself


def author_names(text: str) -> list[str]:
    """Return the names in an author field or byline: "By Ann Lee and Bob Ray | 3 May" -> ["Ann Lee", "Bob Ray"]."""
    if _NO_NAME.search(text.strip()):
        return []
    text = _AFTER_NAMES.sub("", _BEFORE_NAMES.sub("", text.strip()))
    names: list[str] = []
    for part in [text] if "(" in text else _BETWEEN_NAMES.split(text):
        pieces = part.split(", ")
        # "Ann Lee, Bob Ray" are two, "Lee, Ann" is one; a post after the name ("Ann Lee, Reporter") is no name.
        several = len(pieces) > 1 and all(len(piece.split()) > 1 for piece in pieces)
        for name in pieces if several else [part]:
            name = name.strip(" ,.:;|-–—")
            if (
                1 < len(name) <= _LONGEST_NAME
                and name.count("(") == name.count(")")
                and not _NO_NAME.search(name)
                and name not in names
            ):
                names.append(name)
    return names


def _tags(candidates: list[Candidate]) -> tuple[str, ...]:
    tags: list[str] = []
    for source in dict.fromkeys(c.source for c in candidates):
        for candidate in candidates:
            if candidate.source == source:
                tags.extend(tag.strip() for tag in candidate.value.split(",") if tag.strip())
        if tags:
            break
    return tuple(dict.fromkeys(tags))[:100]


def declared_text(elements: Elements) -> str:
    """Return the article's text as JSON-LD gives it (`articleBody`), white space collapsed, or ""."""
    found: list[str] = []
    for row, tag in enumerate(elements.tag):
        if tag == "script" and "ld+json" in elements.attributes[row].get("type", ""):
            for match in _ARTICLE_BODY.finditer(elements.text(row)):
                written = _CONTROL.sub(" ", match.group(1))
                try:
                    body = str(json.loads(f'"{written}"'))
                except ValueError:
                    body = written
                found.append(" ".join(_TAG.sub(" ", html.unescape(body)).split()))
    return " ".join(found)


_ARTICLE_BODY: Final = re.compile(r'"(?:articleBody|text)"\s*:\s*"((?:[^"\\]|\\.){200,})"')
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_TAG: Final = re.compile(r"<[^>]{1,400}>")
