"""One page in Chromium: what it may ask for, its scripts, its snapshot and its screenshot.

    markup ─ navigate: the answer to the first request ─> load ─> snapshot, screenshot
       every other request ─> `answer`: bytes from the page's own folder or the caller's fetcher, else refused

The page is given an address of its own (`url`, or one that no server has) and answered by us, so it is no file and
can reach none. It stands in a sandbox (CSP) in which nothing runs, opens, submits or moves to another page; with
scripts on, they run in it without an origin. Requests are counted, and none of them goes to the network from here.

Sources: CSP level 3 (`sandbox`); HTML Living Standard 7.1.5; the DevTools protocol's Fetch, DOMSnapshot and Page.
"""

import base64
import mimetypes
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from docgraph.errors import LimitError, RenderError
from docgraph.render.chromium import Chromium

Answer = Callable[[str], bytes | None]
"""The bytes at an address, or None where there is none."""

STYLES: Final = (
    "display", "visibility", "opacity", "position", "font-size", "font-weight", "color", "background-color",
    "overflow-x", "overflow-y", "clip-path", "animation-name", "background-image", "clip", "transform", "filter",
    "background-clip", "-webkit-text-fill-color", "text-shadow", "mix-blend-mode",
)  # fmt: skip
_LEFT: Final = "Inspected target navigated"
"""What Chromium says of a page that goes elsewhere while it is asked something."""
_SANDBOX: Final = "sandbox"
_SANDBOX_WITH_SCRIPTS: Final = "sandbox allow-scripts"
_SETTLE: Final = 0.3
"""Seconds that scripts have after the page has loaded."""
FIRST_SCREEN: Final = 800
"""Height of the window, CSS pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What rendering one page may cost. Past a bound the page is refused (LimitError) or cut with a warning."""

    seconds: float = 30.0
    """For one page, from opening to the last byte of its screenshot."""
    start_seconds: float = 60.0
    """For Chromium to start."""
    memory: int = 2_000_000_000
    """Bytes of all of Chromium's processes together; the page is refused."""
    elements: int = 200_000
    """Elements of the page; it is refused."""
    height: int = 16_384
    """CSS pixels of the screenshot, in height and in width; what is beyond is cut off it, its boxes are not."""
    pixels: int = 24_000_000
    """Of the screenshot; a larger one is scaled down."""
    requests: int = 1_000
    """That a page makes; later ones are refused, with a warning."""
    request_bytes: int = 20_000_000
    """Of one answer."""


@dataclass(slots=True)
class Tab:
    """A page that is open in Chromium."""

    chromium: Chromium
    bounds: Bounds
    deadline: float
    answer: Answer
    target: str = ""
    session: str = ""
    refused: list[str] = field(default_factory=list)
    """Addresses that were asked for and not answered."""
    opaque: set[str] = field(default_factory=set)
    """Addresses of the images that were answered and that nothing is seen through."""
    answered: int = 0
    _body: bytes | None = None
    _url: str = ""
    _policy: str = ""
    _loaded: bool = False

    @classmethod
    def open(cls, chromium: Chromium, bounds: Bounds, width: int, *, javascript: bool, answer: Answer) -> "Tab":
        """Open an empty page of a width in CSS pixels."""
        tab = cls(chromium, bounds, time.monotonic() + bounds.seconds, answer)
        tab._policy = _SANDBOX_WITH_SCRIPTS if javascript else _SANDBOX
        tab.target = tab._call("Target.createTarget", {"url": "about:blank"}, of_page=False)["targetId"]
        tab.session = tab._call("Target.attachToTarget", {"targetId": tab.target, "flatten": True}, of_page=False)[
            "sessionId"
        ]
        tab._call("Page.enable")
        size = {"width": width, "height": FIRST_SCREEN, "deviceScaleFactor": 1, "mobile": False}
        tab._call("Emulation.setDeviceMetricsOverride", size)
        still = [
            {"name": "prefers-reduced-motion", "value": "reduce"},
            {"name": "prefers-color-scheme", "value": "light"},
        ]
        tab._call("Emulation.setEmulatedMedia", {"media": "screen", "features": still})
        if not javascript:
            tab._call("Emulation.setScriptExecutionDisabled", {"value": True})
        tab._call("Page.setDownloadBehavior", {"behavior": "deny"})
        tab._call("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})
        return tab

    def load(self, markup: str, url: str, *, settle: bool = False) -> None:
        """Show markup as the page at an address, and wait until it has loaded.

        Raises:
            LimitError: it did not within the time.
        """
        self._body, self._url, self._loaded = markup.encode("utf-8", "replace"), url, False
        self.chromium.send("Page.navigate", {"url": url}, self.session, deadline=self.deadline)
        for event in self.chromium.events(self.deadline):
            self._on_event(event)
            if self._loaded:
                break
        until = time.monotonic() + _SETTLE
        while settle and time.monotonic() < until:
            self._call("Runtime.evaluate", {"expression": "0", "timeout": 1000})
            time.sleep(0.02)

    def snapshot(self) -> dict[str, Any]:
        """Return DOMSnapshot's answer for the page.

        Raises:
            RenderError: another page stands there.
        """
        answer = self._call(
            "DOMSnapshot.captureSnapshot",
            {
                "computedStyles": list(STYLES),
                "includePaintOrder": True,
                "includeDOMRects": False,
                "includeBlendedBackgroundColors": True,
            },
        )
        self._check_address(answer["strings"][answer["documents"][0]["documentURL"]])
        return answer

    def markup(self) -> str:
        """Return the page as it stands, written as HTML: after its scripts."""
        root = self._call("DOM.getDocument", {"depth": 0})["root"]
        self._check_address(root["documentURL"])
        written: str = self._call("DOM.getOuterHTML", {"nodeId": root["nodeId"]})["outerHTML"]
        return written

    def _check_address(self, url: str) -> None:
        if url.partition("#")[0] != self._url.partition("#")[0]:
            raise RenderError(f"a page must stay where it is to be rendered, but it goes to {url[:200]}.")

    def size(self) -> tuple[float, float]:
        """Return the width and height of what the page holds, CSS pixels."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        return float(size["width"]), float(size["height"])

    def screenshot(self, width: float, height: float) -> bytes:
        """Return the top left of the page as PNG, scaled down if it has more than `Bounds.pixels`."""
        scale = min(1.0, (self.bounds.pixels / max(width * height, 1.0)) ** 0.5)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        shot = self._call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip})
        return base64.b64decode(shot["data"])

    def close(self) -> None:
        """Close the page; Chromium stays."""
        self._call("Target.closeTarget", {"targetId": self.target}, of_page=False)

    def _call(self, method: str, parameters: dict[str, Any] | None = None, *, of_page: bool = True) -> dict[str, Any]:
        session = self.session if of_page else None
        try:
            return self.chromium.call(method, parameters, session, deadline=self.deadline, on_event=self._on_event)
        except RenderError as error:
            if _LEFT in str(error):
                raise RenderError(
                    "a page must stay where it is to be rendered, but it goes elsewhere or is closed."
                ) from error
            raise

    def _send(self, method: str, parameters: dict[str, Any]) -> None:
        self.chromium.send(method, parameters, self.session, deadline=self.deadline)

    def _on_event(self, event: dict[str, Any]) -> None:
        method, parameters = event["method"], event.get("params", {})
        if method == "Target.detachedFromTarget" and parameters.get("targetId") == self.target:
            raise RenderError("the page's process must stay, but has ended.")
        if event.get("sessionId") != self.session:
            return
        if method == "Fetch.requestPaused":
            self._on_request(parameters)
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Page.frameStoppedLoading" and parameters.get("frameId") == self.target:
            self._loaded = self._body is None  # a page that tries to go elsewhere is stopped, and has no load event
        elif method == "Page.javascriptDialogOpening":
            self._send("Page.handleJavaScriptDialog", {"accept": False})
        elif method == "Page.navigatedWithinDocument" and parameters.get("frameId") == self.target:
            self._url = parameters["url"]  # as pages do that load nothing for another address (History API)
        elif method in ("Inspector.targetCrashed", "Target.targetCrashed"):
            raise RenderError("the page's process must stay, but has crashed.")

    def _on_request(self, request: dict[str, Any]) -> None:
        """Answer what the page asks for: itself once, then what may be had; the rest is refused."""
        number, url = request["requestId"], request["request"]["url"]
        is_page = request.get("resourceType") == "Document"
        if is_page and self._body is not None and url.partition("#")[0] == self._url.partition("#")[0]:
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": self._policy}
            page, self._body = self._body, None
            self._fulfil(number, page, headers)
            return
        body, is_icon = None, url.endswith("/favicon.ico")  # which the browser asks for, not the page
        if not (is_page or is_icon):
            self.answered += 1
            if self.answered <= self.bounds.requests and url not in self.refused:  # now and then it asks once more
                body = self._read(url)
        if body is None:
            if not is_icon and url not in self.refused:
                self.refused.append(url)
            # "Aborted" leaves the page as it is; other reasons would put an error page in its place.
            self._send("Fetch.failRequest", {"requestId": number, "errorReason": "Aborted"})
            return
        kind = mimetypes.guess_type(url.partition("?")[0].partition("#")[0])[0] or "application/octet-stream"
        self._fulfil(number, body, {"Content-Type": kind, "Access-Control-Allow-Origin": "*"})

    def _read(self, url: str) -> bytes | None:
        with suppress(OSError, ValueError):
            body = self.answer(url)
            if body is not None and len(body) <= self.bounds.request_bytes:
                if is_opaque(body):
                    self.opaque.add(url)
                return body
        return None

    def _fulfil(self, number: str, body: bytes, headers: dict[str, str]) -> None:
        self._send(
            "Fetch.fulfillRequest",
            {
                "requestId": number,
                "responseCode": 200,
                "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
                "body": base64.b64encode(body).decode("ascii"),
            },
        )


def is_opaque(image: bytes) -> bool:
    """Whether an image is of a format, and kind of it, in which every pixel hides what is under it: JPEG, some PNG."""
    if image.startswith(b"\x89PNG"):
        return image[25:26] in (b"\0", b"\2") and b"tRNS" not in image[: image.find(b"IDAT")]
    return image.startswith(b"\xff\xd8\xff")


def refused_elements(count: int, bounds: Bounds) -> LimitError:
    """Return the error for a page of too many elements."""
    return LimitError(
        f"a page that is rendered must have at most Bounds.elements={bounds.elements} elements, but has {count}. "
        "Raise the bound if the source is trusted."
    )
