"""What a page says about itself: title, authors, dates, site, language, lead picture.

First version: title, language, OpenGraph and meta elements.
"""

import html
import json
import re
from typing import Final

from docgraph.metadata import Candidate, Metadata
from docgraph.parsers.html_elements import Elements
from docgraph.parsers.html_pictures import resolve


def read_metadata(
    elements: Elements,
    *,
    url: str | None = None,
    base: str = "",
    encoding: str | None = None,
    encoding_source: str | None = None,
    source: str | None = None,
) -> Metadata:
    """Return the metadata of a page."""
    found: list[Candidate] = []
    named: dict[str, str] = {}
    language = None
    for row, (tag, own) in enumerate(zip(elements.tag, elements.attributes, strict=True)):
        if tag == "html":
            language = language or (own.get("lang") or own.get("xml:lang") or "").strip() or None
        elif tag == "title" and "title" not in named and elements.tag[elements.parent[row]] != "svg":
            named["title"] = " ".join(elements.text(row).split())
        elif tag == "meta":
            name = (own.get("property") or own.get("name") or own.get("itemprop") or "").lower()
            content = " ".join((own.get("content") or "").split())
            if name and content:
                named.setdefault(name, content)
        elif tag == "link" and own.get("rel", "").lower() == "canonical" and own.get("href"):
            named.setdefault("canonical", resolve(own["href"].strip(), base))

    def first(*names: str) -> str | None:
        return next((named[name] for name in names if named.get(name)), None)

    author = first("author", "article:author", "dc.creator", "sailthru.author", "parsely-author")
    image = first("og:image", "twitter:image")
    return Metadata(
        title=first("og:title", "twitter:title", "title"),
        authors=(author,) if author and not author.startswith("http") else (),
        date=first("article:published_time", "datepublished", "date", "dc.date", "pubdate"),
        modified=first("article:modified_time", "datemodified", "og:updated_time"),
        language=language or first("content-language", "og:locale"),
        url=url,
        canonical_url=first("canonical", "og:url"),
        site_name=first("og:site_name", "application-name"),
        description=first("og:description", "description", "twitter:description"),
        image=resolve(image, base) if image else None,
        section=first("article:section"),
        tags=tuple(t.strip() for t in (first("keywords", "news_keywords") or "").split(",") if t.strip()),
        encoding=encoding,
        encoding_source=encoding_source,
        source=source,
        candidates=tuple(found),
    )


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
