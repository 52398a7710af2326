"""What can be seen of a page, and why the rest cannot.

    Placed, Snapshot ─ seen ─> one Look a node, as `node.attributes["layout"]`

    display      it has no box                       off screen   its box lies left of, above or right of the page
    visibility   `visibility` hides it               clipped      what is around it cuts it off
    opacity      it, or what is around it, is clear  covered      something opaque was painted over all of it
    size         narrower or lower than 2 pixels     color        its letters have the colour of what is behind them

An image covers where its format lets nothing through (`browser.is_opaque`); frames and canvases have nothing in them.
The first that holds is told. What is fixed to the screen covers the page only if it fills the screen: from under
anything smaller text can be scrolled away. What is animated is seen, whatever its opacity at the moment is.
"""

import functools
import re
from base64 import b64decode
from collections.abc import Container
from contextlib import suppress
from typing import Any, Final

import numpy as np

from docgraph.columns import Columns
from docgraph.render.browser import is_opaque
from docgraph.render.cuts import EVERYWHERE, both, inside, is_something, shape
from docgraph.render.layout import Placed
from docgraph.render.snapshot import Floats, Rows, Snapshot

_CLEAR: Final = 0.05
_SMALL: Final = 2.0
_FILTER: Final = re.compile(r"\bopacity\(([\d.]+)\)")
_MOST_COVERS: Final = 2_000
"""Opaque boxes that are looked at, the largest of them."""
_LEAST_COVER: Final = 100.0
"""Square pixels of the smallest cover."""
_COLOR: Final = re.compile(r"rgba?\(([^)]*)\)")
_BOLD: Final = {"normal": 400.0, "bold": 700.0}


def look(
    document: Columns,
    placed: Placed,
    snapshot: Snapshot,
    size: tuple[float, float],
    screen: tuple[float, float],
    opaque: Container[str] = (),
) -> list[Any]:
    """Return one dict a node: visible, reason, font_size, font_weight (shares of the body's), position, paint_order.

    Args:
        size: width and height of the page. screen: of the window.
        opaque: addresses of the images through which nothing is seen.
    """
    state = _States(snapshot, size, screen, opaque)
    boxes, layouts = placed.box, placed.layout
    covered = state.covered(boxes, layouts)
    body = next((i for i, name in enumerate(snapshot.name) if name == "body" and snapshot.layout[i] >= 0), -1)
    body_size, body_weight = _type(snapshot, int(snapshot.layout[body])) if body >= 0 else (16.0, 400.0)
    looks: list[Any] = []
    for row in range(len(document)):
        layout = int(layouts[row])
        reason = "" if row == 0 else state.reason(boxes[row], layout, bool(covered[row]))
        one: dict[str, Any] = {"visible": not reason}
        if reason:
            one["reason"] = reason
        if layout >= 0 and snapshot.styles[layout]:
            letters, weight = _type(snapshot, layout)
            one["font_size"] = round(letters / max(body_size, 0.1), 3)
            one["font_weight"] = round(weight / max(body_weight, 1.0), 3)
            one["paint_order"] = int(snapshot.paint[layout])
            if (held := state.held[layout]) is not None:
                one["position"] = held
        looks.append(one)
    return looks


def _type(snapshot: Snapshot, layout: int) -> tuple[float, float]:
    """Return size in pixels and weight of an object's letters."""
    letters = snapshot.style(layout, "font-size").removesuffix("px")
    weight = snapshot.style(layout, "font-weight")
    return _number(letters, 16.0), _BOLD.get(weight, _number(weight, 400.0))


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


class _States:
    """What holds for each layout object through those around it."""

    def __init__(
        self, snapshot: Snapshot, size: tuple[float, float], screen: tuple[float, float], opaque: Container[str]
    ) -> None:
        self.snapshot = snapshot
        self.screen = screen
        self.opaque = opaque
        window = next(
            (name for name in ("html", "body") if self._of_first(name, "overflow-x") not in ("visible", "")), ""
        )
        self.right = screen[0] if self._of_first(window, "overflow-x") in ("hidden", "clip") else size[0]
        """Where the page ends that can be scrolled to."""
        count = len(snapshot.node)
        self.opacity = np.ones(count)
        self.clip = np.tile(np.array(EVERYWHERE), (count, 1))
        """(L, 4) where an object can be seen, by those around it."""
        self.inside = self.clip.copy()
        """(L, 4) where its content can."""
        self.holder = np.full(count, -1)
        """(L,) the nearest object, itself or around it, that what is placed absolutely goes by."""
        self.held: list[str | None] = [None] * count
        """"fixed" or "sticky", its own or that of what it stands in."""
        for layout in range(count):  # those around come first
            self._inherit(layout)

    def _of_first(self, name: str, style: str) -> str:
        snapshot = self.snapshot
        found = (int(snapshot.layout[node]) for node, one in enumerate(snapshot.name) if one == name)
        return next((snapshot.style(layout, style) for layout in found if layout >= 0), "")

    def _inherit(self, layout: int) -> None:
        snapshot = self.snapshot
        above = self._around(layout)
        position = snapshot.style(layout, "position")
        if above >= 0:
            self.opacity[layout] = self.opacity[above]
            self.held[layout] = self.held[above]
            self.holder[layout] = self.holder[above]
            cutter = -1 if position == "fixed" else self.holder[above] if position == "absolute" else above
            if cutter >= 0:
                self.clip[layout] = self.inside[cutter]
        self.inside[layout] = self.clip[layout]
        if not snapshot.styles[layout]:
            return
        self.inside[layout] = inside(snapshot, layout, self.clip[layout])
        if position != "static" or snapshot.style(layout, "transform") != "none":
            self.holder[layout] = layout
        if position in ("fixed", "sticky"):
            self.held[layout] = position
        if snapshot.style(layout, "animation-name") in ("", "none"):
            self.opacity[layout] *= _number(snapshot.style(layout, "opacity"), 1.0)
        for share in _FILTER.findall(snapshot.style(layout, "filter")):
            self.opacity[layout] *= float(share)

    def _around(self, layout: int) -> int:
        node = self.snapshot.parent[self.snapshot.node[layout]]
        while node >= 0:
            if (above := int(self.snapshot.layout[node])) >= 0:
                return above
            node = self.snapshot.parent[node]
        return -1

    def reason(self, box: Floats, layout: int, covered: bool) -> str:
        """Return why something is not seen, "" if it is."""
        if box[0] > box[2]:
            return "display"
        if layout >= 0:
            if self.snapshot.style(layout, "visibility") in ("hidden", "collapse"):
                return "visibility"
            if self.opacity[layout] < _CLEAR:
                return "opacity"
        if box[2] - box[0] < _SMALL or box[3] - box[1] < _SMALL:
            return "size"
        right, bottom = self.screen if layout >= 0 and self.held[layout] == "fixed" else (self.right, np.inf)
        if box[2] <= 0 or box[3] <= 0 or box[0] >= right or box[1] >= bottom:
            return "off screen"
        if layout >= 0:
            if not is_something(both(box, self.inside[layout])):
                return "clipped"
            if covered:
                return "covered"
            if self._has_colour_of_ground(layout):
                return "color"
        return ""

    def _has_colour_of_ground(self, layout: int) -> bool:
        """Whether letters cannot be told from what is behind them; an image behind them is never judged."""
        ink = _color(self.snapshot.style(layout, "-webkit-text-fill-color"))
        if ink is None or self.snapshot.style(layout, "text-shadow") != "none" or self._shows_ground(layout):
            return False
        if ink[3] < _CLEAR:
            return True
        behind = _color(self.snapshot.ground[layout])  # told for what holds text itself
        if behind is None or behind[3] < 1 or self._stands_on_image(layout):
            return False
        return max(abs(a - b) for a, b in zip(ink[:3], behind[:3], strict=True)) < 4

    def _shows_ground(self, layout: int) -> bool:
        """Whether its letters are holes through which a background is seen."""
        while layout >= 0:
            if "text" in self.snapshot.style(layout, "background-clip"):
                return True
            layout = self._around(layout)
        return False

    def _stands_on_image(self, layout: int) -> bool:
        while layout >= 0:
            if self.snapshot.style(layout, "background-image") not in ("", "none"):
                return True
            layout = self._around(layout)
        return False

    def covered(self, boxes: Floats, layouts: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return (N,) whether something opaque was painted later over all of a box."""
        snapshot = self.snapshot
        hidden = np.zeros(len(boxes), dtype=bool)
        covers, paint = [], []
        for layout in range(len(snapshot.node)):
            if not snapshot.styles[layout]:
                continue
            box = both(both(snapshot.bounds[layout], self.clip[layout]), shape(snapshot, layout))
            if (
                not is_something(box)
                or (box[2] - box[0]) * (box[3] - box[1]) < _LEAST_COVER
                or not self._is_opaque(layout)
            ):
                continue
            if self.held[layout] == "fixed":
                if box[2] - box[0] < 0.99 * self.screen[0] or box[3] - box[1] < 0.99 * self.screen[1]:
                    continue
                box = np.array([-np.inf, -np.inf, np.inf, np.inf])
            elif self.held[layout] == "sticky":
                continue
            covers.append(box)
            paint.append(int(snapshot.paint[layout]))
        if not covers:
            return hidden
        area = np.asarray(covers)
        order = np.asarray(paint)
        keep = np.argsort(-np.minimum((area[:, 2] - area[:, 0]) * (area[:, 3] - area[:, 1]), 1e18))[:_MOST_COVERS]
        own = np.where(layouts >= 0, snapshot.paint[layouts], np.iinfo(np.int64).max)
        for index in keep.tolist():
            over = area[index]
            hidden |= (
                (own < order[index])
                & (boxes[:, 0] >= over[0] - 1)
                & (boxes[:, 1] >= over[1] - 1)
                & (boxes[:, 2] <= over[2] + 1)
                & (boxes[:, 3] <= over[3] + 1)
            )
        return hidden

    def _is_opaque(self, layout: int) -> bool:
        snapshot = self.snapshot
        if self.opacity[layout] < 1 or snapshot.style(layout, "visibility") != "visible":
            return False
        if snapshot.style(layout, "mix-blend-mode") != "normal":
            return False
        node = int(snapshot.node[layout])
        if snapshot.name[node] == "video" or self._is_opaque_image(snapshot.shown_image.get(node, "")):
            return True
        ground = _color(snapshot.style(layout, "background-color"))
        return ground is not None and ground[3] >= 1 and "text" not in snapshot.style(layout, "background-clip")

    def _is_opaque_image(self, url: str) -> bool:
        return url in self.opaque or _is_opaque_data(url)


@functools.lru_cache(maxsize=256)
def _is_opaque_data(url: str) -> bool:
    """Whether the image of a data: address is opaque; only its first bytes are looked at."""
    head, _, data = url.partition(",")
    with suppress(ValueError):
        return head.startswith("data:image/") and head.endswith(";base64") and is_opaque(b64decode(data[:40_000]))
    return False


def _color(text: str) -> tuple[float, float, float, float] | None:
    """Return red, green, blue in 0..255 and alpha of "rgb(1, 2, 3)", or None; also of "#rrggbbaa"."""
    if text.startswith("#") and len(text) in (7, 9):
        values = [int(text[i : i + 2], 16) for i in range(1, len(text), 2)]
        return values[0], values[1], values[2], values[3] / 255 if len(values) > 3 else 1.0
    found = _COLOR.match(text)
    if found is None:
        return None
    numbers = [_number(part.strip(), -1.0) for part in found.group(1).split(",")]
    if len(numbers) not in (3, 4) or min(numbers) < 0:
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3] if len(numbers) == 4 else 1.0
