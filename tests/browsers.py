"""Chromium for tests: those that need it skip where it is not installed, and say so; `Screen` drives one page."""

import base64
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from docgraph.errors import RenderError
from docgraph.render.chromium import Chromium, find_chromium


def _missing() -> str:
    try:
        find_chromium()
    except RenderError as error:
        return str(error)
    return ""


needs_chromium = pytest.mark.skipif(bool(_missing()), reason=_missing() or "Chromium is there")

_KEYS = {
    "Enter": 13,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Tab": 9,
}

LOW_CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (grounds, ink, opacity) => { canvas.globalAlpha = 1; canvas.clearRect(0, 0, 1, 1);
    for (const c of grounds) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
    if (ink) { canvas.globalAlpha = opacity; canvas.fillStyle = ink; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const grounds = [];
    let opacity = 1;
    for (let a = e; a; a = a.parentElement) {
      grounds.unshift(getComputedStyle(a).backgroundColor);
      opacity *= Number(getComputedStyle(a).opacity);
    }
    const a = light(rgb(grounds, getComputedStyle(e).color, opacity)), b = light(rgb(grounds));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 90)}`);
  }
  return low; })()"""
"""An expression for the text whose contrast is below 4.5 (WCAG 2.1, 1.4.3); the opacity of all around it counts."""


class Screen:
    """A file that is open in Chromium, with what a person can do to it."""

    def __init__(
        self, path: Path, *, width: int = 1400, height: int = 900, dark: bool = False, bypass_policy: bool = False
    ) -> None:
        self.chromium = Chromium(memory=4_000_000_000, start_seconds=60)
        self._requests: dict[str, str] = {}
        self.errors: list[str] = []
        self.dialogs = 0
        target = self.chromium.call("Target.createTarget", {"url": "about:blank"}, deadline=_soon())["targetId"]
        attached = self.chromium.call("Target.attachToTarget", {"targetId": target, "flatten": True}, deadline=_soon())
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme, still]})
        if bypass_policy:  # for what a test brings into the page
            self.call("Page.setBypassCSP", {"enabled": True})
        begun = time.monotonic()
        self.call("Page.navigate", {"url": path.resolve().as_uri()})
        self.wait("document.documentElement?.dataset.ready === 'true'")
        self.seconds = time.monotonic() - begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.chromium.close()

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for; those that the page's own policy stopped were not."""
        return list(self._requests.values())

    def call(self, method: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a method of the DevTools protocol for the page."""
        return self.chromium.call(method, values, self.session, deadline=_soon(), on_event=self._on_event)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; raise what it throws."""
        answer = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"{condition} did not come true; errors: {self.errors}"
            time.sleep(0.02)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key where the focus is."""
        code = _KEYS.get(key, ord(key[0].upper()))
        event = {"key": key, "windowsVirtualKeyCode": code, **({"text": key} if len(key) == 1 else {})}
        if key == "Enter":
            event["text"] = "\r"
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", {"type": "keyDown", **event})
            self.call("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "windowsVirtualKeyCode": code})

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", {"text": text})

    def click(self, element: str) -> None:
        """Click in the middle of what an expression gives; it is scrolled into sight."""
        self._mouse(element, "mousePressed", "mouseReleased")

    def hover(self, element: str) -> None:
        """Move the mouse there."""
        self._mouse(element)

    def screenshot(self, path: Path) -> Path:
        """Write what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", {"format": "png"})["data"]))
        return path

    def _mouse(self, element: str, *presses: str) -> None:
        x, y = self.run(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'nearest'}}); const r = e.getClientRects()[0];"
            " return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        for press in presses:
            self.call("Input.dispatchMouseEvent", {"type": press, "x": x, "y": y, "button": "left", "clickCount": 1})

    def _on_event(self, event: dict[str, Any]) -> None:
        method, values = event["method"], event.get("params", {})
        if method == "Network.requestWillBeSent" and not values["request"]["url"].startswith("data:"):
            self._requests[values["requestId"]] = values["request"]["url"]
        elif method == "Network.loadingFailed" and values.get("blockedReason"):
            self._requests.pop(values["requestId"], None)
        elif method == "Runtime.exceptionThrown":
            self.errors.append(values["exceptionDetails"]["exception"].get("description", ""))
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(values["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs += 1
            self.chromium.send("Page.handleJavaScriptDialog", {"accept": False}, self.session, deadline=_soon())


def _soon() -> float:
    return time.monotonic() + 60
