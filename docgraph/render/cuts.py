"""What an object cuts its content, or itself, to: `overflow`, `clip-path` and the old `clip`, as boxes.

    overflow      hidden: the object's own box; auto, scroll: what is beyond can be scrolled to, so nothing is cut
    clip-path     inset, circle, ellipse, polygon: the box around the shape
    clip          rect(top, right, bottom, left) from the object's top left, of what is placed absolutely

Source: CSS overflow level 3; CSS masking level 1.
"""

import re
from typing import Final

import numpy as np

from docgraph.render.snapshot import Floats, Snapshot

EVERYWHERE: Final = (-np.inf, -np.inf, np.inf, np.inf)
_CUTS: Final = frozenset(("hidden", "clip"))
_SCROLLS: Final = frozenset(("auto", "scroll"))
_SHAPE: Final = re.compile(r"(inset|circle|ellipse|polygon|rect)\(([^()]*)\)")
_LENGTH: Final = re.compile(r"(-?[\d.]+)(px|%)?$")
_SIDES: Final = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 1), 4: (0, 1, 2, 3)}
_SMALL: Final = 2.0


def both(one: Floats, other: Floats) -> Floats:
    """Return what two boxes share."""
    return np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])


def is_something(box: Floats) -> bool:
    """Whether a box is at least as large as what can be seen, 2 pixels each way."""
    return bool((box[2:] - box[:2] >= _SMALL).all())


def inside(snapshot: Snapshot, layout: int, clip: Floats) -> Floats:
    """Return (4,) where the content of an object can be seen, which itself can be seen within `clip`."""
    bounds: Floats = snapshot.bounds[layout]
    shown = both(clip, shape(snapshot, layout))
    if snapshot.name[snapshot.node[layout]] in ("html", "body", "#document"):  # theirs is that of the window
        return shown
    is_reached = is_something(both(shown, bounds))
    for axis, name in enumerate("xy"):
        overflow = snapshot.style(layout, f"overflow-{name}")
        if overflow in _SCROLLS and is_reached:
            shown[axis], shown[axis + 2] = -np.inf, np.inf
        elif overflow in _CUTS or overflow in _SCROLLS:
            shown[axis] = max(shown[axis], bounds[axis])
            shown[axis + 2] = min(shown[axis + 2], bounds[axis + 2])
    return shown


def shape(snapshot: Snapshot, layout: int) -> Floats:
    """Return (4,) what an object itself is cut to; `EVERYWHERE` also for shapes that are not known."""
    bounds: Floats = snapshot.bounds[layout]
    shown = np.asarray(EVERYWHERE)
    if snapshot.style(layout, "position") in ("absolute", "fixed"):
        shown = both(shown, _box(snapshot.style(layout, "clip"), bounds))
    return both(shown, _box(snapshot.style(layout, "clip-path"), bounds))


def _box(text: str, bounds: Floats) -> Floats:
    """Return the box of a shape over the box that its lengths are of."""
    found = _SHAPE.match(text)
    if found is None:
        return np.asarray(EVERYWHERE)
    name, inner = found.group(1), found.group(2)
    size = bounds[2:] - bounds[:2]
    try:
        if name == "polygon":
            points = [one.split() for one in inner.split(",")]
            places = np.array([[_length(p, size[axis]) for axis, p in enumerate(p)] for p in points if len(p) == 2])
            return np.concatenate([bounds[:2] + places.min(axis=0), bounds[:2] + places.max(axis=0)])
        if name in ("circle", "ellipse"):
            radii, _, place = inner.partition(" at ")
            at = np.array([_length(one, size[axis]) for axis, one in enumerate((place or "50% 50%").split())])
            wholes = size if name == "ellipse" else [np.sqrt((size**2).mean())]
            half = np.ones(2) * [_length(one, whole) for one, whole in zip(radii.split(), wholes, strict=True)]
            return np.concatenate([bounds[:2] + at - half, bounds[:2] + at + half])
        sides = inner.partition(" round ")[0].replace(",", " ").split()
        if name == "rect":
            ends = (0.0, size[0], size[1], 0.0)
            top, right, bottom, left = (
                end if one == "auto" else _length(one, 0.0) for one, end in zip(sides, ends, strict=True)
            )
            return np.array([bounds[0] + left, bounds[1] + top, bounds[0] + right, bounds[1] + bottom])
        top, right, bottom, left = (sides[place] for place in _SIDES[len(sides)])
        return np.array(
            [
                bounds[0] + _length(left, size[0]), bounds[1] + _length(top, size[1]),
                bounds[2] - _length(right, size[0]), bounds[3] - _length(bottom, size[1]),
            ]
        )  # fmt: skip
    except (ValueError, KeyError):  # a shape of other lengths, such as calc()
        return np.asarray(EVERYWHERE)


def _length(text: str, whole: float) -> float:
    found = _LENGTH.match(text)
    if found is None:
        raise ValueError(text)
    return float(found.group(1)) * (whole / 100 if found.group(2) == "%" else 1.0)
