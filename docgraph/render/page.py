"""Render a page: the document of `parse_html`, with what Chromium shows of it.

    with Renderer() as renderer:                 one Chromium for many pages
        for path in pages:
            document = renderer.render(path)
    document = render_page(path)                 one for one page

Every node gets its `box` in CSS pixels from the top left of the page, and `node.attributes["layout"]`: visible or
not and why (`seen` lists the reasons), size and weight of its letters as shares of the body's, "fixed" or "sticky"
position, and paint order. `metadata.extra["rendered"]` holds the width and height of the page and the browser.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from docgraph.document import Document
from docgraph.errors import DataError, ImageError, ParseError, check_type
from docgraph.image_bytes import read_image
from docgraph.limits import Limits
from docgraph.parsers.decode import decode
from docgraph.parsers.html.elements import read_markup
from docgraph.parsers.html.page import ImagePolicy, parse_html
from docgraph.records import Box, Fetcher, ImageAccess, Warning
from docgraph.render.browser import FIRST_SCREEN, Answer, Bounds, Tab, refused_elements
from docgraph.render.chromium import Chromium, has_sandbox
from docgraph.render.layout import Placed, place
from docgraph.render.marks import mark
from docgraph.render.patches import grid, nodes_under, with_screenshot
from docgraph.render.seen import look
from docgraph.render.snapshot import dom_nodes, read_snapshot

_NOWHERE: Final = "http://page.docgraph.invalid/"
"""Where a page without a URL stands (RFC 2606: no name ends in .invalid)."""


def render_page(
    source: str | bytes | Path,
    *,
    width: int = 1280,
    javascript: bool = False,
    url: str | None = None,
    images: ImagePolicy = "lazy",
    fetch: Fetcher | None = None,
    limits: Limits | None = None,
    bounds: Bounds | None = None,
    main_only: bool = False,
    screenshot: bool = True,
) -> Document:
    """Return the document of a page as it is shown; see `Renderer.render`. Starts a browser and ends it: about 1 s."""
    with Renderer(bounds) as renderer:
        return renderer.render(
            source,
            width=width,
            javascript=javascript,
            url=url,
            images=images,
            fetch=fetch,
            limits=limits,
            main_only=main_only,
            screenshot=screenshot,
        )


class Renderer:
    """Chromium for many pages: started with the first, and again after one it broke at. Not for several threads."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        check_type("bounds", bounds, Bounds, type(None))
        self.bounds = bounds or Bounds()
        self._chromium: Chromium | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the browser, if there is one."""
        if self._chromium is not None:
            self._chromium.close()
            self._chromium = None

    def render(
        self,
        source: str | bytes | Path,
        *,
        width: int = 1280,
        javascript: bool = False,
        url: str | None = None,
        images: ImagePolicy = "lazy",
        fetch: Fetcher | None = None,
        limits: Limits | None = None,
        main_only: bool = False,
        screenshot: bool = True,
    ) -> Document:
        """Return the document of a page with boxes, visibility and a screenshot.

        Args:
            source: markup, bytes to be decoded, or the path of a file, whose folder the page may read images and
                style sheets from, by `images`.
            width: of the window, CSS pixels.
            javascript: run the page's scripts, and take the page as they leave it: offsets are places in what is then
                written as HTML. They run without an origin and without the network.
            url, images, limits, main_only: as `parse_html`.
            fetch: asked for what the page wants from the web, such as `SafeFetcher()`; None: nothing comes from there.
            screenshot: whether to add the image node; half of the time that a page takes.

        Raises:
            LimitError: the page passes one of `Bounds`.
            RenderError: Chromium is not installed, or ended over the page.
            ParseError, DataError: as `parse_html`.
        """
        check_type("source", source, str, bytes, bytearray, Path)
        if not 16 <= width <= 16_384:
            raise DataError(f"width must be from 16 to 16384 CSS pixels, but is {width}.")
        limits = limits or Limits()
        options: dict[str, Any] = {"images": images, "limits": limits, "main_only": main_only}
        document = parse_html(source, url=url, offsets=True, **options)
        markup = _markup(source, limits)
        answer = _answer(document.image_access, url or _NOWHERE, fetch)
        address = url if url is not None and url.startswith(("http://", "https://")) else _NOWHERE
        refused: list[str] = []
        if javascript:
            with self._tab(width, answer, javascript=True) as tab:
                tab.load(markup, address, settle=True)
                markup = tab.markup()
                refused += tab.refused
            access, about = document.image_access, document.metadata
            document = parse_html(markup, url=url, offsets=True, **options).replace(image_access=access)
            document = document.with_metadata(source=about.source)
        elements = read_markup(markup, most=limits.nodes, tags=True)
        if len(elements) > self.bounds.elements:
            raise refused_elements(len(elements), self.bounds)
        marked = mark(markup, elements)
        with self._tab(width, answer, javascript=False) as tab:
            tab.load(marked.markup, address)
            snapshot = read_snapshot(tab.snapshot())
            size = tab.size()
            dom = dom_nodes(snapshot, marked, elements)
            placed = place(document, elements, dom, snapshot)
            shown, height = (min(side, float(self.bounds.height)) for side in size)
            png = tab.screenshot(shown, height) if screenshot and height >= 1 else None
            refused += tab.refused
            opaque, browser = tab.opaque, tab.chromium.version
        looks = look(document, placed, snapshot, size, (width, FIRST_SCREEN), opaque)
        document = _with_layout(document, placed, looks, size, browser)
        document = self._with_warnings(document, size, refused, screenshot)
        if png is not None:
            rows, columns, cell = grid(shown, height)
            seen = [document.attributes[row]["layout"]["visible"] for row in range(len(document))]
            under = nodes_under(placed.box, seen, rows, columns, cell)
            document = with_screenshot(document, png, shown, height, under)
        return document

    @contextmanager
    def _tab(self, width: int, answer: Answer, *, javascript: bool) -> Iterator[Tab]:
        """Open a page in the browser; a browser over which a page broke is ended."""
        if self._chromium is None or not self._chromium.is_open:
            self.close()
            self._chromium = Chromium(memory=self.bounds.memory, start_seconds=self.bounds.start_seconds)
        try:
            tab = Tab.open(self._chromium, self.bounds, width, javascript=javascript, answer=answer)
            yield tab
            tab.deadline = max(tab.deadline, time.monotonic() + 1)
            tab.close()
        except BaseException:
            self._chromium.kill()
            self._chromium = None
            raise

    def _with_warnings(
        self, document: Document, size: tuple[float, float], refused: list[str], screenshot: bool
    ) -> Document:
        notes = []
        if not has_sandbox():
            notes.append(
                Warning("render.sandbox", "Chromium ran without its own sandbox, which cannot run as root; use a user.")
            )
        if screenshot and max(size) > self.bounds.height:
            notes.append(
                Warning(
                    "render.height",
                    f"the page is {size[0]:.0f} x {size[1]:.0f} pixels large, of which the screenshot shows "
                    f"Bounds.height={self.bounds.height} each way.",
                )
            )
        if refused:
            notes.append(
                Warning(
                    "render.refused",
                    f"{len(refused)} things that the page asks for were not there, such as {refused[0][:200]}.",
                )
            )
        return document.replace(warnings=(*document.warnings, *notes))


def _markup(source: str | bytes | Path, limits: Limits) -> str:
    """Return the decoded text of a page, as far as the parser read it."""
    if isinstance(source, Path):
        try:
            with source.open("rb") as file:
                source = file.read(limits.input_bytes)
        except OSError as error:
            raise ParseError(f"a page must be a file that can be read, but {error}.") from error
    source = source[: limits.input_bytes]
    return source if isinstance(source, str) else decode(bytes(source)).text


def _answer(access: ImageAccess, base: str, fetch: Fetcher | None) -> Answer:
    """Return what answers the page's requests: its own folder, by the rules of its images, then the caller."""
    folder = base.partition("?")[0].rpartition("/")[0] + "/"

    def answer(url: str) -> bytes | None:
        if url.startswith(folder):
            name = unquote(urlsplit(url[len(folder) :]).path)
            try:
                return read_image(
                    name, None, ImageAccess(access.resources, access.root, access.base, None, access.limits)
                )
            except ImageError:
                pass
        for ask in (access.fetch, fetch):
            if ask is not None and url.startswith(("http://", "https://")) and (body := ask(url)) is not None:
                return body
        return None

    return answer


def _with_layout(
    document: Document, placed: Placed, looks: list[Any], size: tuple[float, float], browser: str
) -> Document:
    boxes = {
        row: Box(*(round(side, 2) for side in box))
        for row, box in enumerate(placed.box.tolist())
        if box[0] <= box[2] and box[1] <= box[3]
    }
    boxes[0] = Box(0.0, 0.0, *size)
    attributes = {row: {**document.attributes.get(row, {}), "layout": looks[row]} for row in range(len(document))}
    rendered = {"width": size[0], "height": size[1], "browser": browser}
    metadata = replace(document.metadata, extra={**document.metadata.extra, "rendered": rendered})
    return document.replace(boxes=boxes, attributes=attributes, metadata=metadata)
