"""Which image an `img` stands for: its best source among many, its candidates, its attributes.

Pages load images late: `src` holds a placeholder and the real address is in `data-src`, `data-srcset`, a
`<source srcset>` of the surrounding `<picture>`, or a twin inside `<noscript>`. The best source is the real `src`
where there is one, else the largest candidate.

Sources: HTML Living Standard 4.8.4.2.1 (srcset), 2.4.4.5 (dimensions).
"""

import re
from base64 import b64decode
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.tags import MEDIA

_LAZY_SOURCES: Final = (
    "data-src", "data-original", "data-lazy-src", "data-lazy", "data-url", "data-hi-res-src", "data-full-src",
    "data-large-file", "data-orig-file", "data-image", "data-img-src", "data-img-url", "data-actualsrc", "data-echo",
    "data-delayed-url", "data-defer-src", "data-srco", "data-native-src", "data-default-src", "data-placeholder-src",
    "data-raw-src", "data-cfsrc", "data-src-medium", "data-src-large", "data-a-hires", "data-canonical-src",
)  # fmt: skip
_LAZY_SETS: Final = ("data-original-set", "data-set")
"""And every name with "srcset" in it."""
_IS_SET: Final = re.compile(r"\s*\S{4,}\s+\d{1,5}(?:\.\d+)?[wx]\s*(?:,|$)")
_IS_PICTURE: Final = re.compile(
    r"\s*[^\s{}\[\]<>\"']{1,2000}\.(?:jpe?g|png|gif|webp|avif)(?:[?#][^\s<>\"']*)?\s*$", re.I
)
_PLACEHOLDER: Final = re.compile(
    r"^data:image/(?:gif|svg\+xml|png)[;,].{0,1200}$|^about:|(?:^|[/_.-])(?:blank|spacer|placeholder|transparent|pixel|"
    r"1x1|grey|gray|clear|lazy[_-]?load|loading|loader)[^/]{0,24}\.(?:gif|png|svg|jpe?g|webp)",
    re.I | re.S,
)
_ONE_PIXEL: Final = re.compile(r"data:image/gif;base64,R0lGODlhAQABA", re.I)
_EMPTY_DRAWING: Final = re.compile(r"\s*<svg\b[^>]*(?:/>|>\s*</svg>)\s*$", re.I)
_SPACER_LETTERS: Final = 600
_SPACER_ELEMENTS: Final = 12
"""Letters of the address of a drawing that is nothing but a spacer, and elements among which the other image stands."""
_LONGEST_ADDRESS: Final = 8_000
_NEW_FORMAT: Final = re.compile(r"(?:image/|\.)(?:avif|jxl|heic|heif)(?:-sequence)?$", re.I)
_BACKGROUND: Final = re.compile(r"background(?:-image)?\s*:[^;]{0,40}?url\(\s*[\"']?([^\"')]+)", re.I)
_SIZE: Final = re.compile(r"\s*(\d{1,6})(?:\.\d*)?(?:px)?\s*$", re.I)


_COUNTS: Final = re.compile(
    r"(?:https?:)?//(?:[\w-]+\.)*(?:scorecardresearch|quantserve|doubleclick|google-analytics|googleadservices|statcounter|"
    r"sitemeter|demdex|adnxs|bluekai|webtrends|chartbeat|histats|ivwbox|ioam|xiti|gemius)\.\w+/|"
    r"(?:https?:)?//(?:www\.facebook\.com/tr|mc\.yandex\.ru/watch|counter\.yadro\.ru|pixel\.wp\.com|"
    r"px\.ads\.linkedin\.com|bat\.bing\.com)\b|[^?#]*/(?:matomo|piwik)\.php\?",
    re.I,
)
"""Addresses of those who count visits, and of advertisements."""


def is_invisible(own: Attributes) -> bool:
    """Whether an image is a counter: declared at most two pixels wide and high, or of one who counts and no words."""
    if "src" in own and _COUNTS.match(own["src"]) and not own.get("alt", "").strip():
        return True
    width, height = _pixels(own.get("width")), _pixels(own.get("height"))
    return width is not None and height is not None and width <= 2 and height <= 2


def is_spacer(elements: Elements, row: int) -> bool:
    """Whether an image is an empty drawing, or one of one pixel, that keeps the place of another image beside it."""
    own, above = elements.attributes[row], elements.parent[row]
    src = own.get("src", "").lstrip()
    if src[:5].lower() != "data:" or own.get("alt", "").strip() or elements.tag[above] == "picture" or above < 0:
        return False
    if not (_ONE_PIXEL.match(src) or _is_empty_drawing(src)) or _late_sources(own):
        return False
    if elements.end(above) == row + 1 and elements.parent[above] == above - 1 and above > 0:
        above -= 1
    inner = range(above + 1, min(elements.end(above), row + _SPACER_ELEMENTS))
    images = (other for other in inner if other != row and elements.tag[other] == "img")
    return any(elements.tag[elements.parent[other]] != "noscript" for other in images)


def _is_empty_drawing(src: str) -> bool:
    """Whether an address holds an SVG of a few letters in which nothing is drawn."""
    head, _, data = src[:_SPACER_LETTERS].partition(",")
    if not head.lower().startswith("data:image/svg+xml") or len(src) >= _SPACER_LETTERS:
        return False
    try:
        drawing = b64decode(data).decode() if "base64" in head.lower() else unquote(data)
    except ValueError:
        return False
    return _EMPTY_DRAWING.match(drawing) is not None


def shown_by_style(own: Attributes) -> str:
    """Return the address of the image that an element shows as its background, "" if none."""
    found = _BACKGROUND.search(own.get("style", "")[:_LONGEST_ADDRESS])
    return found.group(1) if found else own.get("data-bg", "").strip()


def is_media(elements: Elements, row: int) -> bool:
    """Whether an element is a player or frame; an `object` or `embed` may hold an image."""
    own = elements.attributes[row]
    return elements.tag[row] in MEDIA and not (
        own.get("type", "").lower().startswith("image/")
        or (elements.tag[row] == "object" and _IS_PICTURE.match(own.get("data", "")) is not None)
    )


def image_attributes(
    elements: Elements, row: int, *, twin: int | None, base: str, attribute_bytes: int, data_uri_bytes: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes of an image node, and the names of those that were longer than their bound and cut.

    `src` is resolved against `base`; `src_raw` is as written; `candidates` lists the other sources as
    {"src", "width" or "density", "type"}, resolved. An image without any source has no `src`.
    """
    own = elements.attributes[row]
    found = _sources(elements, row)
    if twin is not None:
        found += [source for source in _sources(elements, twin) if source not in found]
    raw = _best(own, found)
    values: dict[str, Any] = {}
    cut: list[str] = []
    if raw:
        resolved = resolve(raw, base)
        bound = data_uri_bytes if resolved[:5].lower() == "data:" else attribute_bytes
        if len(resolved) > bound:
            cut.append("src")
        else:
            values["src"] = resolved
            if raw != resolved:
                values["src_raw"] = raw
    for name in ("alt", "title"):
        text = " ".join(
            (
                own.get(name)
                or _label(elements, row, name)
                or (elements.attributes[twin].get(name) if twin else "")
                or ""
            ).split()
        )
        if len(text) > attribute_bytes:
            cut.append(name)
            text = text[:attribute_bytes]
        if text or (name == "alt" and "alt" in own):
            values[name] = text
    for name in ("width", "height"):
        if (pixels := _pixels(own.get(name))) is not None:
            values[name] = pixels
    others = [s for s in found if s["src"] != raw and len(s["src"]) <= attribute_bytes][:_MOST_CANDIDATES]
    if others:
        values["candidates"] = [{**source, "src": resolve(source["src"], base)} for source in others]
    return values, cut


_MOST_CANDIDATES: Final = 32
_MOST_SOURCES: Final = 24
"""Elements of one `<picture>` that are looked at: a page may open it and never close it."""


def _label(elements: Elements, row: int, name: str) -> str:
    """Return what stands for the alt text of an element that has no such attribute: its label, a drawing's title."""
    if name != "alt" or (elements.tag[row] not in ("svg", "object") and elements.attributes[row].get("role") != "img"):
        return ""
    title = next(
        (inner for inner in range(row + 1, min(row + 4, elements.end(row))) if elements.tag[inner] == "title"), 0
    )
    return elements.attributes[row].get("aria-label") or (elements.text(title) if title else "")


def resolve(address: str, base: str) -> str:
    """Return an address resolved against `base`; one that cannot be resolved is returned as it is."""
    if address.startswith(("https://", "http://")) or not base:
        return address
    if address[:1] == "/" and _PLAIN_PATH(address) and (site := _site_of(base)):
        return site + address
    try:
        return urljoin(base, address)
    except ValueError:
        return address


_PLAIN_PATH: Final = re.compile(
    r"(?:/[\w%~+,=@!&*'-][\w.%~+,=@!&*'-]*)*/?(?:\?[\w.%~+,=@!&*'/:-]+)?(?:#[\w.%~+,=@!&*'/:-]+)?", re.A
).fullmatch
"""Of an address that is the same after it was resolved: most are, and it is five times as quick."""


@lru_cache(maxsize=64)
def _site_of(base: str) -> str:
    """Return the scheme and host of an address, "" if it has none or is of another kind."""
    try:
        parts = urlsplit(base)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""


def _best(own: Attributes, found: list[dict[str, Any]]) -> str | None:
    """Return the source to show: a real `src`, else the largest candidate, else whatever `src` holds."""
    src = (own.get("src") or "").strip()
    drawn = src.endswith(".svg") and any(_IS_PICTURE.match(source["src"]) for source in found if source["src"] != src)
    if src and not (len(found) > 1 and (drawn or _PLACEHOLDER.search(src[:1500]))):
        return src
    real = [source for source in found if source["src"] != src]
    real = [source for source in real if not _is_new_format(source)] or real
    if not real:
        return src or None
    plain = [s for s in real if "width" not in s and "density" not in s]
    if plain and not any("width" in s for s in real):
        return str(plain[0]["src"])
    return str(max(real, key=lambda s: s.get("width", 0) or s.get("density", 1.0))["src"])


def _is_new_format(source: dict[str, Any]) -> bool:
    """Whether a source is of a format that many programs cannot open yet; pages offer it beside an older one."""
    address = source["src"]
    if len(address) > _LONGEST_ADDRESS:
        return False
    return bool(_NEW_FORMAT.search(source.get("type", "")) or _NEW_FORMAT.search(address.partition("?")[0]))


def _sources(elements: Elements, row: int) -> list[dict[str, Any]]:
    """Return every source of an image, its own first, then those of the `<picture>` around it."""
    own = elements.attributes[row]
    found: list[dict[str, Any]] = []
    src = (own.get("src") or own.get("href") or own.get("xlink:href") or own.get("data") or "").strip()
    if not src and ("style" in own or "data-bg" in own):
        src = shown_by_style(own)
    if src:
        found.append({"src": src})
    if len(own) > 1 or not src:
        found += _late_sources(own)
    above = elements.parent[row]
    for _ in range(_MOST_SOURCES):
        # Void; in a soup that lxml made, the image stands inside it.
        if above < 0 or elements.tag[above] != "source":
            break
        above = elements.parent[above]
    if above >= 0 and elements.tag[above] == "picture":
        for sibling in range(above + 1, min(row, above + 1 + _MOST_SOURCES)):
            if elements.tag[sibling] == "source":
                attributes = elements.attributes[sibling]
                listed = _late_sources(attributes)
                if type_ := attributes.get("type"):
                    listed = [{**source, "type": type_} for source in listed]
                found += listed
    unique: dict[str, dict[str, Any]] = {}
    for source in found:
        if not source["src"].startswith("data:") or source["src"] == src:
            unique.setdefault(source["src"], source)
    return list(unique.values())


def _late_sources(own: Attributes) -> list[dict[str, Any]]:
    """Return the sources in an element's `srcset` and in the attributes that a script would read.

    The known names come first, then any other `data-` attribute that holds a list of candidates or the address of a
    image: every script that loads late has a name of its own.
    """
    found: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for name in _LAZY_SOURCES:
        value = own.get(name)
        if value and not value.lstrip().startswith(("{", "[")):
            found.append({"src": value.strip()})
    for name, value in own.items():
        if "srcset" in name or name in _LAZY_SETS:
            found += read_srcset(value)
        elif name[:5] == "data-" and name not in _LAZY_SOURCES and len(value) < _SRCSET_CHARACTERS:
            if _IS_SET.match(value):
                others += read_srcset(value)
            elif _IS_PICTURE.match(value):
                others.append({"src": value.strip()})
    return found + others


def read_srcset(value: str) -> list[dict[str, Any]]:
    """Return the candidates of a `srcset`; rubbish in it is passed over.

    >>> read_srcset("a.jpg 1x, b.jpg 2x")
    [{'src': 'a.jpg', 'density': 1.0}, {'src': 'b.jpg', 'density': 2.0}]
    """
    found: list[dict[str, Any]] = []
    place, value = 0, value[:_SRCSET_CHARACTERS].strip()
    while place < len(value) and len(found) < _MOST_CANDIDATES:
        match = _SRCSET_URL.match(value, place)
        if match is None:
            break
        address, place = match.group(1), match.end()
        descriptor = ""
        if address.endswith(","):
            address = address.rstrip(",")
        else:
            comma = value.find(",", place)
            stop = len(value) if comma < 0 else comma
            descriptor, place = value[place:stop].strip(), stop + 1
        if address:
            found.append(_described(address, descriptor))
    return found


_SRCSET_CHARACTERS: Final = 65_536
_SRCSET_URL: Final = re.compile(r"[\s,]*(\S+)")


def _described(address: str, descriptor: str) -> dict[str, Any]:
    source: dict[str, Any] = {"src": address}
    for part in descriptor.split():
        try:
            if part.endswith("w"):
                source["width"] = int(part[:-1])
            elif part.endswith("x"):
                density = float(part[:-1])
                if 0 < density < 100:
                    source["density"] = density
        except ValueError:
            continue
    return source


def _pixels(value: str | None) -> int | None:
    found = _SIZE.match(value) if value else None
    return int(found.group(1)) if found else None
