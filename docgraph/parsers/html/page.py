"""Turn one web page into a document: all that can be seen of it, as a tree, each part with its role.

    source ─ decode ─> markup ─ elements ─> Elements ─ flow ─> Flow ─┬─ main ─> Verdict ──┐
                                                └─ metadata ─> Metadata  └─ figures ──────────┴─ tree ─> Document

Nothing is deleted: navigation, sidebars and the like are in the tree under their role, and the main content is
labelled `main`. What nobody sees (scripts, templates, `hidden`) is not there. Pages are hostile: `Limits` bounds
what one may cost, nothing recurses, and past a bound the document says so (`truncated`, `warnings`) or, with
`strict=True`, LimitError is raised. No network, and no file but the page itself.

Sources: HTML Living Standard; the evidence for each choice is in the modules named above.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Literal

import numpy as np

from docgraph.document import Document, DocumentBuilder
from docgraph.errors import LimitError, ParseError, check_type
from docgraph.file_names import readable
from docgraph.limits import Limits
from docgraph.parsers.decode import decode
from docgraph.parsers.html.elements import Elements, from_soup, read_markup
from docgraph.parsers.html.figures import find_figures
from docgraph.parsers.html.flow import read_flow
from docgraph.parsers.html.images import resolve
from docgraph.parsers.html.main.choose import doubts, judge
from docgraph.parsers.html.metadata.linked_data import declared_bodies, declared_text
from docgraph.parsers.html.metadata.read import read_metadata
from docgraph.parsers.html.nodes import Page
from docgraph.parsers.html.offsets import element_offsets, node_offsets
from docgraph.parsers.html.steps import Steps
from docgraph.parsers.html.tree import grow
from docgraph.parsers.signatures import check_is_text
from docgraph.records import ImageAccess

if TYPE_CHECKING:
    from bs4 import Tag

ImagePolicy = Literal["lazy", "skip"] | str | Path | Callable[[str], bytes | None]


def parse_html(
    source: "str | bytes | bytearray | Path | Tag",
    *,
    url: str | None = None,
    images: ImagePolicy = "lazy",
    limits: Limits | None = None,
    main_only: bool = False,
    strict: bool = False,
    offsets: bool = False,
) -> Document:
    """Return the document of one web page.

    Args:
        source: markup (str), bytes to be decoded, the path of a file, or a tree that is at hand: a `BeautifulSoup`
            or a `Tag`, read as it is and not changed.
        url: where the page was found; links are resolved against it (after `<base href>`).
        images: how images may be reached when they are opened, which the parser never does. "lazy": data URIs
            and, for a path, files in the page's folder. "skip": image nodes are kept, but none can be opened. A
            folder: files in it. A callable: asked for the bytes of a resolved `src`; None means it has none.
        limits: bounds on what the page may cost.
        main_only: keep the main content only.
        strict: raise where a bound cuts something off.
        offsets: find where the element of each node stands in the decoded input (`node.source.offsets`); unknown for
            a tree that is at hand.

    Raises:
        LimitError: `strict` and a bound was passed.
        ParseError: the file of a path cannot be read, or is no text.
        DataError: an argument is none of the above.
    """
    if not _is_soup(source):
        check_type("source", source, str, bytes, bytearray, Path)
    check_type("limits", limits, Limits, NoneType)
    if not callable(images):
        check_type("images", images, str, Path)
    with _collector_at_rest():
        return _parse(source, url, images, limits or Limits(), main_only, strict, offsets)


def _is_soup(source: object) -> bool:
    """Whether the source is of BeautifulSoup; who has one has imported it."""
    bs4 = sys.modules.get("bs4")
    return bs4 is not None and isinstance(source, bs4.Tag)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the cyclic garbage collector from running in the body.

    A page makes hundreds of thousands of small objects and no cycles; looking through them again and again for some
    is a third of the time that a large page takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _parse(
    source: "str | bytes | bytearray | Path | Tag",
    url: str | None,
    images: ImagePolicy,
    limits: Limits,
    main_only: bool,
    strict: bool,
    offsets: bool,
) -> Document:
    builder = DocumentBuilder()
    origin = _Origin()
    if isinstance(source, str | bytes | bytearray | Path):
        markup: str | None = _read(source, limits, builder, origin)
        elements = read_markup(markup or "", most=limits.nodes, tags=offsets)
    else:
        markup, elements = None, from_soup(source, most=limits.nodes)
    if elements.cut:
        builder.cut("limit.nodes", f"the page has more than {limits.nodes} elements; the rest was left out.")
    flow = read_flow(elements)
    for code, message in flow.notes:
        builder.warn(code, message)
    base = _base(elements, url)
    metadata = read_metadata(elements, url=url, base=base, **asdict(origin))
    figures = find_figures(elements, flow)
    declared = declared_text(elements)
    captions = figures.captions | figures.credits
    verdict = judge(elements, flow, captions, figures.elements, title=metadata.title or "", declared=declared)
    grow(
        Page(
            elements=elements,
            flow=flow,
            verdict=verdict,
            figures=figures,
            base=base,
            language=metadata.language,
            limits=limits,
            main_only=main_only,
        ),
        builder,
    )
    for code, message in doubts(verdict, declared):
        builder.warn(code, message)
        if code == "main.declared":
            body = max(declared_bodies(elements), key=len)
            metadata = replace(metadata, extra={**metadata.extra, "declared_body": body})
    parent = np.asarray(elements.parent, dtype=np.int32)
    document = builder.build(
        metadata=metadata,
        image_access=_image_access(images, source, limits),
        elements=(parent, Steps(elements, parent)),
    )
    if offsets and markup is not None and document.sources is not None:
        places = node_offsets(document, element_offsets(markup, elements))
        document = document.replace(sources=replace(document.sources, node_offsets=places))
    if strict and document.truncated:
        reason = next(warning.message for warning in document.warnings if warning.code.startswith("limit."))
        raise LimitError(f"{reason} Raise the limit if the source is trusted.")
    return document


@dataclass(slots=True)
class _Origin:
    """Where a page came from and how it was decoded, as far as that is known."""

    source: str | None = None
    encoding: str | None = None
    encoding_source: str | None = None


def _read(source: str | bytes | bytearray | Path, limits: Limits, builder: DocumentBuilder, origin: _Origin) -> str:
    """Return the markup, and note where it came from and how it was decoded."""
    if isinstance(source, Path):
        origin.source = readable(source.name)
        try:
            with source.open("rb") as file:
                source = file.read(limits.input_bytes + 1)
        except OSError as error:
            raise ParseError(f"a page must be a file that can be read, but {error}.") from error
        check_is_text(source, origin.source)
    if len(source) > limits.input_bytes:
        builder.cut("limit.input_bytes", f"the page is longer than {limits.input_bytes} bytes; the rest was left out.")
        source = source[: limits.input_bytes]
    if isinstance(source, str):
        return source
    decoded = decode(bytes(source))
    origin.encoding, origin.encoding_source = decoded.encoding, decoded.source
    for code, message in decoded.warnings():
        builder.warn(code, message)
    return decoded.text


def _base(elements: Elements, url: str | None) -> str:
    """Return what addresses are resolved against: the first `<base href>`, itself resolved against the page's URL."""
    for row in elements.rows_of("base"):
        if address := elements.attributes[row].get("href", "").strip():
            return resolve(address, url or "")
    return url or ""


def _image_access(images: ImagePolicy, source: object, limits: Limits) -> ImageAccess:
    """Return how the page's images are reached; relative names start at the page's own folder."""
    if callable(images):
        return ImageAccess(fetch=images, limits=limits)
    if images == "skip":
        return ImageAccess(limits=limits)
    folder = str(source.parent) if isinstance(source, Path) else None
    if images == "lazy":
        return ImageAccess(root=folder, limits=limits)
    return ImageAccess(root=str(images), base=folder, limits=limits)
