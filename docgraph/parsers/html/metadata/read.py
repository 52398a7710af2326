"""What a page says about itself: title, authors, dates, site, language, lead image, section, tags.

    Elements ─ json-ld, opengraph, meta, microdata, html, byline, time, url
        ─> candidates ─ most trusted first ─> Metadata

Every value found is kept as a candidate with its source; the first of the most trusted source is chosen. JSON-LD
that names the article comes first, for it is written for machines and the rest for link previews; what is only
shown on the page comes last. `html lang` is the language. Rubbish is passed over; reading never raises.

Sources: ogp.me; schema.org; Dublin Core; the order of trust from Readability.js and htmldate, measured on their pages.
"""

import html
import re
from typing import Final

from docgraph.metadata import Candidate, Metadata
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.images import resolve
from docgraph.parsers.html.metadata.authors import HOST, author_names
from docgraph.parsers.html.metadata.bylines import byline_below
from docgraph.parsers.html.metadata.datelines import EVENTS_BELOW, dates_below
from docgraph.parsers.html.metadata.dates import date_in_url, iso_date
from docgraph.parsers.html.metadata.heads import (
    INVISIBLE,
    is_logo,
    links_home,
    main_heading,
    names_of_site,
    words_of_heading,
)
from docgraph.parsers.html.metadata.linked_data import linked_data, statements
from docgraph.parsers.html.metadata.meta import from_meta
from docgraph.parsers.html.metadata.shown import (
    TELLING,
    article_items,
    from_page,
    is_of_others,
    is_within_item,
    rank_of_date,
    telling,
)
from docgraph.parsers.html.metadata.titles import beside_heading, chosen_title, named_site

_TRUST: Final[dict[str, tuple[str, ...]]] = {
    "title": ("json-ld", "opengraph", "meta", "html", "microdata", "heading", "logo"),
    "authors": ("json-ld", "meta", "opengraph", "microdata", "byline", "organisation"),
    "date": ("json-ld", "opengraph", "meta", "microdata", "published", "time", "url", "text"),
    "modified": ("json-ld", "opengraph", "meta", "microdata", "time", "text"),
    "language": ("html", "meta", "json-ld", "opengraph"),
    "site_name": ("opengraph", "json-ld", "meta", "microdata", "shown", "html"),
    "description": ("opengraph", "meta", "json-ld", "microdata"),
    "image": ("opengraph", "meta", "json-ld", "html", "microdata"),
    "section": ("opengraph", "json-ld", "meta"),
    "tags": ("opengraph", "json-ld", "meta", "html"),
    "canonical_url": ("html", "opengraph"),
}
"""Field -> sources, most trusted first."""

_TELLING_TAGS: Final = ("html", "meta", "title", "link", "h1", "h2")
_MOST_CANDIDATES: Final = 400
_LONGEST: Final = 4_000
"""Characters of one value."""
_MOST_HEADINGS: Final = 8
_COUNTER: Final = re.compile(r"^\s*\(\d{1,3}\+?\)\s+(?=\S)")
"""The number of new messages, before a title."""
_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")


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
    homes = links_home(elements, base)
    heading = main_heading(elements, homes)
    found = _candidates(elements, url, base, homes, heading)
    main = words_of_heading(elements, heading) if heading and not is_logo(elements, heading, homes) else ""
    best = {name: _chosen(found, name) for name in _TRUST}
    language = _language(best["language"])
    return Metadata(
        title=chosen_title(best["title"], _first(best["site_name"]), main),
        authors=_authors(best["authors"], found),
        date=_first_date(best["date"], language),
        modified=_first_date(best["modified"], language),
        language=language,
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


def _candidates(elements: Elements, url: str | None, base: str, homes: list[int], heading: int) -> list[Candidate]:
    found: list[Candidate] = []

    def add(field: str, value: str, source: str) -> None:
        value = " ".join(value.translate(INVISIBLE).split())
        if "&" in value and field not in ("image", "canonical_url"):
            value = html.unescape(value)
        if value and len(value) <= _LONGEST:
            if field in ("image", "canonical_url"):
                value = resolve(value, base)
            found.append(Candidate(field, value, source))

    for field, value in statements(linked_data(elements), [url or "", *_addresses(elements)]):
        if field == "organisation":
            add("authors", value, "organisation")
        else:
            add(field, value, "json-ld")
    named: list[tuple[int, str, str, str]] = []
    shown: list[tuple[bool, int, str, str, str]] = []
    """What the page shows, and whether it shows it before its heading, which makes it less likely to be about the
    article; of dates, how likely they are those of the article."""
    headings: list[tuple[str, str]] = []
    items = article_items(elements)
    # Of several articles the one that holds the heading, else the first, is the page's.
    ours = (item for item in items if not is_of_others(elements, item, heading))
    own_item = next((item for item in items if item <= heading < elements.end(item)), next(ours, -1))
    end = elements.end(own_item) if own_item >= 0 else -1
    items = [item for item in items if not own_item <= item < end][:_MOST_HEADINGS]
    for row in sorted(telling(elements).union(*map(elements.rows_of, _TELLING_TAGS))):
        tag, own = elements.tag[row], elements.attributes[row]
        if tag == "meta":
            is_of_part = "itemprop" in own and (
                is_within_item(elements, row) or any(item <= row < elements.end(item) for item in items)
            )
            named.extend(
                from_meta(
                    own.get("content") or "",
                    own.get("property"),
                    own.get("name"),
                    None if is_of_part else own.get("itemprop"),
                    own.get("http-equiv"),
                )
            )
        elif tag == "title":
            if elements.tag[elements.parent[row]] != "svg":
                add("title", _COUNTER.sub("", elements.text(row)), "html")
        elif tag == "link" and own.get("href"):
            rel = own.get("rel", "").lower().split()
            if "canonical" in rel:
                add("canonical_url", own["href"], "html")
            elif "image_src" in rel:
                add("image", own["href"], "html")
        elif tag == "html":
            add("language", own.get("lang") or own.get("xml:lang") or "", "html")
        elif tag in ("h1", "h2") and len(headings) < _MOST_HEADINGS:
            # The name of the site may stand in a heading, too.
            headings.append(("logo" if is_logo(elements, row, homes) else tag, words_of_heading(elements, row)))
        elif own and not TELLING.isdisjoint(own):
            for field, value, source in from_page(elements, row, heading):
                if source == "microdata" and any(item <= row < elements.end(item) for item in items):
                    continue
                if source in ("byline", "text"):
                    rank = rank_of_date(elements, row) if field == "date" else 0
                    shown.append((row < heading, rank, field, value, source))
                else:
                    add(field, value, source)
    for _, field, value, source in sorted(named, key=lambda item: item[0]):
        add(field, value, source)
    for *_, field, value, source in sorted(shown, key=lambda item: item[:2]):
        add(field, value, source)
    if heading and elements.tag[heading] not in ("h1", "h2"):
        headings.append(("h3", words_of_heading(elements, heading)))
    for tag, value in sorted(headings, key=lambda item: item[0]):
        add("title", value, "logo" if tag == "logo" else "heading")
    titles = [elements.text(row) for row in elements.rows_of("title")[:1]]
    names, twice = names_of_site(elements, homes)
    add("site_name", (named_site(titles[0], names) if titles else None) or twice, "shown")
    if titles and heading and not is_logo(elements, heading, homes):
        add("site_name", beside_heading(titles[0], words_of_heading(elements, heading)) or "", "html")
    if url and (day := date_in_url(url)):
        add("date", day, "url")
    if heading and not any(candidate.field == "date" for candidate in found):
        published, modified = dates_below(elements, heading)
        add("date", published or "", "text")
        add("modified", modified or "", "text")
    if heading and not any(candidate.field == "authors" for candidate in found):
        start = elements.last[heading]
        if author := byline_below(elements, start, min(start + EVENTS_BELOW, len(elements.events))):
            add("authors", author, "byline")
    return found


def _chosen(found: list[Candidate], field: str) -> list[Candidate]:
    """Return the candidates of a field, most trusted first."""
    order = {source: place for place, source in enumerate(_TRUST[field])}
    return sorted((c for c in found if c.field == field and c.source in order), key=lambda c: order[c.source])


def _first(candidates: list[Candidate]) -> str | None:
    return candidates[0].value if candidates else None


def _addresses(elements: Elements) -> list[str]:
    """Return the addresses by which a page says that it goes."""
    found = [
        elements.attributes[row].get("href", "")
        for row in elements.rows_of("link")
        if "canonical" in elements.attributes[row].get("rel", "").lower()
    ]
    return found + [
        elements.attributes[row].get("content", "")
        for row in elements.rows_of("meta")
        if elements.attributes[row].get("property", "").lower() == "og:url"
    ]


def _first_date(candidates: list[Candidate], language: str | None) -> str | None:
    """Return the first date that can be read; if none can, None: one broken tag must not hide a good one."""
    return next((day for c in candidates if (day := iso_date(c.value, language)) is not None), None)


def _language(candidates: list[Candidate]) -> str | None:
    for candidate in candidates:
        tag = candidate.value.replace("_", "-") if candidate.source == "opengraph" else candidate.value
        tag = tag.split(",")[0].strip()
        if _LANGUAGE_TAG.fullmatch(tag):
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
        if people := [name for name in names if name.lower() not in sites and not HOST.search(name)]:
            return tuple(people[:50])
        itself = itself or tuple(names)
    return itself


def _tags(candidates: list[Candidate]) -> tuple[str, ...]:
    tags: list[str] = []
    for source in dict.fromkeys(c.source for c in candidates):
        for candidate in candidates:
            if candidate.source == source:
                tags.extend(tag.strip() for tag in candidate.value.split(",") if tag.strip())
        if tags:
            break
    return tuple(dict.fromkeys(tags))[:100]
