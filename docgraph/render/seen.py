"""What can be seen of a page, and why the rest cannot.

    Placed, Snapshot ─ seen ─> one Look a node, as `node.attributes["layout"]`

    display      it has no box                       off screen   its box lies left of, above or right of the page
    visibility   `visibility` hides it               clipped      what is around it cuts it off
    opacity      it, or what is around it, is clear  covered      something opaque was painted over all of it
    size         narrower or lower than 2 pixels     color        its letters have the colour of what is behind them

The first that holds is told. What is fixed to the screen covers the page only if it fills the screen: from under
anything smaller text can be scrolled away. What is animated is seen, whatever its opacity at the moment is.
"""

import re
from typing import Any, Final

import numpy as np

from docgraph.columns import Columns
from docgraph.render.layout import Placed
from docgraph.render.snapshot import Floats, Rows, Snapshot

_CLEAR: Final = 0.05
_SMALL: Final = 2.0
_CUTS: Final = frozenset(("hidden", "clip"))
_OPAQUE: Final = frozenset(("img", "video", "canvas", "iframe", "embed", "object"))
_MOST_COVERS: Final = 2_000
"""Opaque boxes that are looked at, the largest of them."""
_LEAST_COVER: Final = 100.0
"""Square pixels of the smallest cover."""
_COLOR: Final = re.compile(r"rgba?\(([^)]*)\)")
_BOLD: Final = {"normal": 400.0, "bold": 700.0}


def look(document: Columns, placed: Placed, snapshot: Snapshot, size: tuple[float, float], screen: float) -> list[Any]:
    """Return one dict a node: visible, reason, font_size, font_weight (shares of the body's), position, paint_order.

    Args:
        size: width and height of the page. screen: height of the window.
    """
    state = _States(snapshot, size, screen)
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

    def __init__(self, snapshot: Snapshot, size: tuple[float, float], screen: float) -> None:
        self.snapshot = snapshot
        self.size = size
        self.screen = screen
        count = len(snapshot.node)
        self.opacity = np.ones(count)
        self.clip = np.tile(np.array([-np.inf, -np.inf, np.inf, np.inf]), (count, 1))
        self.held: list[str | None] = [None] * count
        """"fixed" or "sticky", its own or that of what it stands in."""
        for layout in range(count):  # those around come first
            self._inherit(layout)

    def _inherit(self, layout: int) -> None:
        snapshot = self.snapshot
        above = self._around(layout)
        position = snapshot.style(layout, "position")
        if above >= 0:
            self.opacity[layout] = self.opacity[above]
            self.held[layout] = self.held[above]
            if position != "fixed":
                self.clip[layout] = self.clip[above]
            if (cut := self._cut(above)) is not None and position not in ("fixed", "absolute"):
                self.clip[layout, :2] = np.maximum(self.clip[layout, :2], cut[:2])
                self.clip[layout, 2:] = np.minimum(self.clip[layout, 2:], cut[2:])
        if not snapshot.styles[layout]:
            return
        if position in ("fixed", "sticky"):
            self.held[layout] = position
        if snapshot.style(layout, "animation-name") in ("", "none"):
            self.opacity[layout] *= _number(snapshot.style(layout, "opacity"), 1.0)

    def _around(self, layout: int) -> int:
        node = self.snapshot.parent[self.snapshot.node[layout]]
        while node >= 0:
            if (above := int(self.snapshot.layout[node])) >= 0:
                return above
            node = self.snapshot.parent[node]
        return -1

    def _cut(self, layout: int) -> Floats | None:
        """Return what an object cuts its content to."""
        snapshot = self.snapshot
        if snapshot.name[snapshot.node[layout]] in ("html", "body", "#document"):
            return None
        x, y = (snapshot.style(layout, f"overflow-{axis}") in _CUTS for axis in "xy")
        clipped = snapshot.style(layout, "clip-path")
        if not (x or y) and not clipped.startswith(("inset(50%", "inset(100%", "circle(0")):
            return None
        box: Floats = snapshot.bounds[layout].copy()
        if not (x or y):
            box[2:] = box[:2]
        if x and not y:
            box[1], box[3] = -np.inf, np.inf
        if y and not x:
            box[0], box[2] = -np.inf, np.inf
        return box

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
        if box[2] <= 0 or box[3] <= 0 or box[0] >= self.size[0]:
            return "off screen"
        if layout >= 0:
            low = np.maximum(box[:2], self.clip[layout, :2])
            high = np.minimum(box[2:], self.clip[layout, 2:])
            if ((high - low) < _SMALL).any():
                return "clipped"
            if covered:
                return "covered"
            if self._has_colour_of_ground(layout):
                return "color"
        return ""

    def _has_colour_of_ground(self, layout: int) -> bool:
        """Whether letters cannot be told from what is behind them; an image behind them is never judged."""
        ink = _color(self.snapshot.style(layout, "color"))
        if ink is None:
            return False
        if ink[3] < _CLEAR:
            return True
        behind = _color(self.snapshot.ground[layout])  # told for what holds text itself
        if behind is None or behind[3] < 1 or self._stands_on_image(layout):
            return False
        return max(abs(a - b) for a, b in zip(ink[:3], behind[:3], strict=True)) < 4

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
            box = snapshot.bounds[layout]
            if (box[2] - box[0]) * (box[3] - box[1]) < _LEAST_COVER or not self._is_opaque(layout):
                continue
            if self.held[layout] == "fixed":
                if box[2] - box[0] < 0.99 * self.size[0] or box[3] - box[1] < 0.99 * self.screen:
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
        if snapshot.name[snapshot.node[layout]] in _OPAQUE:
            return True
        ground = _color(snapshot.style(layout, "background-color"))
        return ground is not None and ground[3] >= 1


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
