"""Text blocks and images as nodes: what the walk over the flow adds to the document, wherever it stands.

    TextBlock ─> node with its span, marks and sentences, images between them at their offsets
    image, media element ─> node without text, its addresses resolved and bounded

`NodeWriter` holds the builder and the roles and languages in effect; `tree` decides what is open when a block comes.
Addresses that run scripts are dropped here.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Final

from docgraph.document import DocumentBuilder
from docgraph.limits import Limits
from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.figures import Figures
from docgraph.parsers.html.images import image_attributes, is_media, resolve
from docgraph.parsers.html.main.roles import Verdict
from docgraph.sentences import sentence_spans


@dataclass(slots=True, kw_only=True)
class Page:
    """What the walk needs to know of a page: all that the stages before found."""

    elements: Elements
    flow: Flow
    verdict: Verdict
    figures: Figures
    base: str = ""
    """Addresses are resolved against it."""
    language: str | None = None
    limits: Limits = field(default_factory=Limits)
    main_only: bool = False


_LEAVES: Final = frozenset(("heading", "cell", "code", "term"))
"""Kinds whose text is not cut into sentences."""
_LONGEST_SPLIT: Final = 1_000_000
"""Characters of one text block that are cut into sentences; the rest of a longer one is one sentence."""


class NodeWriter:
    """Adds text blocks and images to the innermost open node."""

    def __init__(self, page: Page, builder: DocumentBuilder) -> None:
        self.page = page
        self.elements = page.elements
        self.builder = builder
        self.context: list[tuple[str | None, str | None]] = []
        """Role and language in effect, one entry an open node."""
        self.languages = _languages(page.elements, page.language)
        self.image_count = 0
        self.warned: set[str] = set()

    @property
    def role(self) -> str | None:
        """The role in effect."""
        return self.context[-1][0]

    def open_node(
        self,
        kind: str,
        role: str | None,
        language: str | None,
        attributes: dict[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        """Open a node; its role and language are stored where they differ from those around it."""
        role_above, language_above = self.context[-1] if self.context else (None, language)
        role = role or role_above
        if language != language_above and language:
            attributes = {**(attributes or {}), "language": language}
        self.builder.open(kind, role=None if role == role_above else role, attributes=attributes, **columns)
        self.context.append((role, language))

    def close_node(self) -> None:
        """Close the innermost open node."""
        self.builder.close()
        self.context.pop()

    def add_block(
        self,
        kind: str,
        block: TextBlock,
        role: str | None,
        score: float | None,
        element: int | None = None,
        **columns: Any,
    ) -> None:
        """Add a node for a text block: its text, marks, sentences, and its images in their places.

        Only code keeps the white space that it begins with: it is the indentation of the first line.
        """
        builder = self.builder
        if kind != "code" and block.preformatted:
            block = block.trimmed()
        element = block.element if element is None else element
        if formulas := [mark for mark in block.marks if mark[2] == "math"]:
            # Those that are written come last.
            tex = [self.page.flow.tex.get(mark[3], "") for mark in sorted(formulas)]
            columns["attributes"] = {**(columns.get("attributes") or {}), "tex": tex}
        if (told := self.page.flow.readings) and (read := [mark for mark in block.marks if mark[2] == "ruby"]):
            readings = [told.get(mark[3], "") for mark in sorted(read)]
            columns["attributes"] = {**(columns.get("attributes") or {}), "ruby": readings}
        language = self.language_of(block.element)
        start, end = builder.append(block.text)
        self.open_node(
            kind,
            role,
            language,
            span=(start, end),
            element=element,
            score=math.nan if score is None else score,
            **columns,
        )
        row = len(builder) - 1
        if kind not in _LEAVES:
            self.add_sentences(block, start, element, language)
        self.close_node()
        for first, last, type_, origin in block.marks:
            href = self.href(origin) if type_ == "link" else None
            if type_ != "link" or href:
                builder.mark(row, start + first, start + last, type_, href)
        if kind in _LEAVES:
            for _, image, link in block.images:
                self.add_image(image, link, role)

    def add_sentences(self, block: TextBlock, start: int, element: int, language: str | None) -> None:
        """Add the sentences of a block whose text begins at `start`, and its images between them."""
        builder, text = self.builder, block.text
        spans = sentence_spans(text[:_LONGEST_SPLIT], language)
        if start:
            spans = [(start + first, start + last) for first, last in spans]
        if len(text) > _LONGEST_SPLIT:
            spans.append((start + _LONGEST_SPLIT, start + len(text)))
            self.warn(
                "limit.sentences", f"a text block longer than {_LONGEST_SPLIT} characters was not cut to its end."
            )
        if len(spans) > (left := max(0, self.page.limits.nodes - len(builder))):
            spans = spans[:left]
        done = 0
        for offset, image, link in block.images:
            until = bisect_left(spans, (start + offset, 0), done)
            builder.leaves("sentence", spans[done:until], element=element)
            done = until
            self.add_image(image, link, None, start + offset)
        builder.leaves("sentence", spans[done:] if done else spans, element=element)

    def add_image(self, image: int, link: int, role: str | None, place: int | None = None) -> None:
        """Add an image (or a media element) at a place of the text, the end if none is given."""
        page, builder = self.page, self.builder
        if self.image_count >= page.limits.images:
            self.cut("limit.images", f"the page has more than {page.limits.images} images; the rest was left out.")
            return
        self.image_count += 1
        if is_media(self.elements, image):
            kind, attributes = "media", self.media_attributes(image)
        else:
            kind = "image"
            attributes, cut = image_attributes(
                self.elements,
                image,
                twin=page.flow.twins.get(image),
                base=page.base,
                attribute_bytes=page.limits.attribute_bytes,
                data_uri_bytes=page.limits.data_uri_bytes,
            )
            if cut:
                builder.cut(
                    "limit.attribute_bytes" if cut != ["src"] else "limit.data_uri_bytes",
                    f"{', '.join(cut)} of an image is longer than its bound and was cut.",
                    len(builder),
                )
        if link >= 0 and (href := self.href(link)):
            attributes["href"] = href
        place = builder.length if place is None else place
        self.open_node(
            kind, role, self.language_of(image), span=(place, place), element=image, attributes=attributes or None
        )
        self.close_node()

    def media_attributes(self, element: int) -> dict[str, Any]:
        """Return the attributes of a media node: its element's name, addresses and title."""
        own = self.elements.attributes[element]
        attributes: dict[str, Any] = {"type": self.elements.tag[element]}
        for name, sources in (("src", ("src", "data-src", "data")), ("poster", ("poster",))):
            address = next((own[s].strip() for s in sources if own.get(s, "").strip()), None)
            if address and len(address) <= self.page.limits.attribute_bytes and is_safe(address):
                attributes[name] = resolve(address, self.page.base)
        if title := " ".join(own.get("title", "").split()):
            attributes["title"] = title[: self.page.limits.attribute_bytes]
        return attributes

    def href(self, link: int) -> str | None:
        """Return where a link goes, resolved; None if nowhere or if it runs a script."""
        address = self.elements.attributes[link].get("href")
        if not address or len(address) > self.page.limits.attribute_bytes:
            return None
        address = "".join(address.split()) if "\n" in address or "\t" in address else address.strip()
        if not address or not is_safe(address):
            return None
        return resolve(address, self.page.base)

    def language_of(self, element: int) -> str | None:
        """Return the language in effect at an element."""
        return self.languages[element] if self.languages else self.page.language

    def warn(self, code: str, message: str) -> None:
        """Record a warning, once for each code."""
        if code not in self.warned:
            self.warned.add(code)
            self.builder.warn(code, message, len(self.builder) - 1)

    def cut(self, code: str, message: str) -> None:
        """Record that a bound cut something off, with a warning once for each code."""
        self.builder.truncated = True
        self.warn(code, message)


def is_safe(address: str) -> bool:
    """Whether an address runs nothing when followed."""
    scheme = address[:24].lstrip().lower()
    return not scheme.startswith(("javascript:", "vbscript:", "data:text/html"))


def _languages(elements: Elements, page: str | None) -> list[str | None]:
    """Return the language of every element, inherited; nothing if no element but the root names one."""
    if not any(elements.rows_with("lang")):  # the root is row 0
        return []
    languages: list[str | None] = []
    for own, above in zip(elements.attributes, elements.parent, strict=True):
        language = own.get("lang", "").strip()[:64]
        languages.append(language or (languages[above] if above >= 0 else page))
    return languages
