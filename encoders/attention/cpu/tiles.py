"""What the kernels of the `cpu` backend work on, and how it gets into a thread's tiles.

Families are numbered in post-order: children before parents, so a subtree is a range. An inner node has the number of
the family it is the parent of; arrays over inner nodes are arrays over families. Members are the children, family by
family. A tile holds one head of up to TILE members, a member a row.

Axes:  N leaves   F families (inner nodes)   C members   H heads   D, E, P widths
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.attention.cpu.products import TILE, allocating, inner
from encoders.attention.cpu.simd import LANES

Array = NDArray[Any]


class Tree(NamedTuple):
    """Families and their members; made by `plan.py`."""

    start: Array
    """(F+1,) first member of each family."""
    above: Array
    """(F,) family that the parent is a member of, -1 at a root."""
    source: Array
    """(C,) leaf, or ~family of an inner member."""
    row: Array
    """(C,) row whose position is the member's."""
    leaves: Array
    """(C,) leaves under the member, as a float."""
    share: Array
    """(C,) the same over its parent's."""
    log_n: Array
    """(C,) log of `leaves`."""


class Rows(NamedTuple):
    """`heads` vectors of `width` for every leaf and every inner node, both in flat arrays."""

    leaf: Array
    """Leaf n begins at n * stride."""
    stride: int
    inner: Array
    """Inner node f begins at f * heads * width."""
    heads: int
    width: int


class Side(NamedTuple):
    """One side of the positions in a flat array: row r, head h begins at r * stride + h * head_stride."""

    value: Array
    stride: int
    head_stride: int
    width: int


class State(NamedTuple):
    """Scalars of the forward pass: R, Z, g, h of members (H, C); L, m of inner nodes (F, H)."""

    R: Array
    Z: Array
    g: Array
    h: Array
    L: Array
    m: Array


class Work(NamedTuple):
    """One thread's tiles: Q, K (rows, width of q with positions), V, U (rows, width of v), S, T (keys, queries)."""

    Q: Array
    K: Array
    V: Array
    U: Array
    S: Array
    T: Array
    Q_bar: Array
    K_bar: Array
    V_bar: Array
    vector: Array
    """(8, rows) numbers of a tile's queries; the passes name their rows."""


@allocating
def work_space(like: Array, widest: int, width: int, value_width: int) -> Work:
    """Allocate a thread's tiles for families of up to `widest` or TILE; columns beyond the widths stay zero."""
    rows = min(TILE, (widest + LANES - 1) // LANES * LANES)
    width, value_width = (width + 15) // 16 * 16, (value_width + 15) // 16 * 16
    q = np.zeros((4, rows, width), like.dtype)
    v = np.zeros((3, rows, value_width), like.dtype)
    s = np.zeros((2, rows, rows), like.dtype)
    return Work(q[0], q[1], v[0], v[1], s[0], s[1], q[2], q[3], v[2], np.zeros((8, rows), like.dtype))


@inner
def lanes(count: int) -> int:
    """Round up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@inner
def clear(tile: Array, count: int) -> None:
    """Set the vectors of `count` rows to zero."""
    for i in range(lanes(count)):
        for d in range(tile.shape[1]):
            tile[i, d] = 0


@inner
def pack(into: Array, rows: Rows, head: int, tree: Tree, first: int, count: int, factor: float) -> None:
    """Copy `factor` times one head of `count` members to the first columns of a tile; zeros fill the last vector."""
    width = np.uint64(rows.width)  # unsigned indices are not checked for counting from the end
    for i in range(count):
        source = tree.source[first + i]
        if source >= 0:
            at = np.uint64(source * rows.stride + head * rows.width)
            for d in range(width):
                into[i, d] = rows.leaf[at + d] * factor
        else:
            at = np.uint64((~source * rows.heads + head) * rows.width)
            for d in range(width):
                into[i, d] = rows.inner[at + d] * factor
    for i in range(count, lanes(count)):
        for d in range(into.shape[1]):
            into[i, d] = 0


@inner
def pack_position(
    into: Array, column: int, side: Side, head: int, tree: Tree, first: int, count: int
) -> None:
    """Copy one head of `count` members' positions beside the columns of `pack`."""
    for i in range(count):
        at = np.uint64(tree.row[first + i] * side.stride + head * side.head_stride)
        for d in range(np.uint64(side.width)):
            into[i, np.uint64(column) + d] = side.value[at + d]


@inner
def gather(rows: Rows, tree: Tree, family: int, mean: bool) -> None:
    """Set the inner node to the sum of its members, or to their mean, each weighted by its leaves."""
    numbers = np.uint64(rows.heads * rows.width)
    into = np.uint64(family) * numbers
    for d in range(numbers):
        rows.inner[into + d] = 0
    for member in range(tree.start[family], tree.start[family + 1]):
        share = tree.share[member] if mean else rows.inner.dtype.type(1)
        source = tree.source[member]
        if source >= 0:
            at = np.uint64(source * rows.stride)
            for d in range(numbers):
                rows.inner[into + d] += share * rows.leaf[at + d]
        else:
            at = np.uint64(~source) * numbers
            for d in range(numbers):
                rows.inner[into + d] += share * rows.inner[at + d]


@inner
def zero(rows: Rows, family: int) -> None:
    """Set the inner node to zeros."""
    numbers = np.uint64(rows.heads * rows.width)
    for d in range(numbers):
        rows.inner[np.uint64(family) * numbers + d] = 0
