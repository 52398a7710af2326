"""What `meta` elements say: the names that they go by, and the field that each fills.

    <meta name|property|itemprop|http-equiv=... content=...> ─ from_meta ─> (order, field, value, source)

Sources: ogp.me; Dublin Core; the names that Readability.js, newspaper4k and htmldate read, counted on their pages.
"""

from collections.abc import Iterator
from typing import Final

from docgraph.parsers.html.metadata.authors import surname_last

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
    "last-modified": ("modified", "meta"), "citation_online_date": ("date", "meta"),
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
"""The same without separators, for nobody agrees on them ("DC.title", "article:published:time"):
order, field, source."""

_SURNAME_FIRST: Final = frozenset(("citationauthor", "dccreator", "dctermscreator"))
"""Names under which libraries list authors by their surname."""


def from_meta(content: str, *names: str | None) -> Iterator[tuple[int, str, str, str]]:
    """Yield (order, field, value, source) for each name that a meta element goes by and we know."""
    if not content.strip():
        return
    for listed in names:
        for name in (listed or "").lower().split():
            known = _META_KEYS.get(name.translate(_NO_SEPARATORS))
            if known is not None:
                order, field, source = known
                is_inverted = name.translate(_NO_SEPARATORS) in _SURNAME_FIRST
                yield order, field, surname_last(content) if is_inverted else content, source
