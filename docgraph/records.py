"""The small records that the columns of a document are made of.

Mark        an inline mark: a link, strong, emphasis ...      Box       where a node stands on a rendered page
Link        a hyperlink, as `document.links` gives it         Sources   where nodes come from in the input
Warning     something left out, cut or repaired               ImageAccess   how images may be opened
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docgraph.limits import Limits

Ints = NDArray[np.int32]
Fetcher = Callable[[str], bytes | None]


class Mark(NamedTuple):
    """An inline mark on an uncut text: `document.text[start:end]` is a link, strong, emphasis, code, ..."""

    row: int
    """The row of the node whose text carries the mark (a paragraph, a heading, a cell, ...)."""
    start: int
    end: int
    type: str
    """"link" | "strong" | "emphasis" | "code" | "subscript" | "superscript" | "deleted" | ..."""
    href: str | None = None
    """Where a link goes, resolved."""


class Link(NamedTuple):
    """A hyperlink of a document."""

    row: int
    start: int
    end: int
    href: str | None
    text: str


class Warning(NamedTuple):
    """Something that was left out, cut or repaired, as data: `code` for programs, `message` for people."""

    code: str
    """A short constant such as "limit.nodes", "limit.input_bytes", "image.missing", "decode.replaced"."""
    message: str
    row: int = -1
    """The node it happened at, or -1."""


class Box(NamedTuple):
    """Where a node stands on a rendered page."""

    x0: float
    y0: float
    x1: float
    y1: float
    unit: str = "px"


@dataclass(frozen=True, eq=False)
class Sources:
    """Where nodes come from in the input: an element table that xpaths are read from, and offsets on request.

    An xpath is stored as one step per element and joined when asked for, so that deep pages cost linear memory.
    """

    element_parent: Ints
    """(E,) row of the parent element in this table, -1 at the root."""
    element_step: Sequence[str]
    """(E,) one xpath step each: "div[3]"."""
    node_element: Ints
    """(N,) the element each node was made from, -1 for none."""
    node_offsets: NDArray[np.int64] | None = None
    """(N, 2) start and end in the decoded input, -1 where unknown; None unless asked for."""

    def xpath(self, row: int) -> str | None:
        """Return the absolute xpath of the element that made node `row`, or None."""
        element = int(self.node_element[row])
        if element < 0:
            return None
        steps = []
        while element >= 0:
            steps.append(self.element_step[element])
            element = int(self.element_parent[element])
        return "/" + "/".join(reversed(steps))


@dataclass(frozen=True, eq=False)
class ImageAccess:
    """How the images of a document are reached. Opening is lazy; see images.py for what is allowed.

    `resources` are images given as bytes, by the name that an image node's `src` attribute holds.
    `root` is the only folder (or zip archive) that local images may come from. `base` is where relative names
    start: a folder within the root, or a path within the archive; None for the root itself. A document that comes
    from elsewhere brings its own root: set another with `document.replace(image_access=...)` if it is not trusted.
    `fetch` is the caller's own way out, and is not serialised.
    """

    resources: Mapping[str, bytes] = field(default_factory=dict)
    root: str | None = None
    base: str | None = None
    fetch: Fetcher | None = None
    limits: Limits = field(default_factory=Limits)
