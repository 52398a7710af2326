"""What the kernels of the `cpu` backend work on, and how it gets into a thread's tiles.

Families are numbered in post-order: children before parents, so a subtree is a range. An inner node has the number of
the family it is the parent of; arrays over inner nodes are arrays over families. Members are the children, family by
family. A tile holds one head of up to TILE members, a member a row.

Widths are multiples of LANES.

Axes:  N leaves   F families (inner nodes)   C members   H heads   D, E, P widths
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.attention.cpu.products import TILE, inner
from encoders.attention.cpu.simd import LANES, load, prefetch, splat, store

Array = NDArray[Any]


class Tree(NamedTuple):
    """Families and their members; made by schedule.py."""

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
    kept: Array
    """(F,) where the family's weights are kept in the backward pass, in pairs of numbers a head; -1 if they are not."""


class NodeVectors(NamedTuple):
    """`heads` vectors of `width` for every leaf and every inner node, both in flat arrays (1, numbers)."""

    leaf: Array
    """Leaf n begins at n * stride."""
    stride: int
    inner: Array
    """Inner node f begins at f * heads * width."""
    heads: int
    width: int


class Side(NamedTuple):
    """One side of the positions in a flat array (1, numbers): row r, head h begins at r * stride + h * head_stride."""

    value: Array
    stride: int
    head_stride: int
    width: int


class State(NamedTuple):
    """Scalars of the forward pass: of members (H, C), of inner nodes (F, H).

    R is top + log(total), but kept in two: weights are exp(logit - top) / total, with all their digits.
    """

    top: Array
    total: Array
    Z: Array
    g: Array
    h: Array
    L: Array
    m: Array


class Work(NamedTuple):
    """One thread's tiles: Q, K (rows, width of q with positions), V, C (rows, width of v), S, T (keys, queries)."""

    Q: Array
    K: Array
    V: Array
    C: Array
    S: Array
    T: Array
    Q_bar: Array
    K_bar: Array
    V_bar: Array
    U: Array
    """(heads * rows, width of v): forward only."""
    vector: Array
    """(8, heads * rows) numbers of queries; the passes name the rows."""


def work_space(dtype: Any, widest: int, heads: int, width: int, value_width: int) -> Work:
    """Allocate a thread's tiles for families of up to `widest` or TILE; columns beyond the widths stay zero."""
    # Whole vectors, and of values two, as `add_mix` takes them.
    rows = min(TILE, (widest + LANES - 1) // LANES * LANES)
    width, value_width = (width + 15) // 16 * 16, (value_width + 15) // 16 * 16
    q = np.zeros((4, rows, width), dtype)
    v = np.zeros((3, rows, value_width), dtype)
    s = np.zeros((2, rows, rows), dtype)
    u = np.zeros((heads * rows, value_width), dtype)
    return Work(q[0], q[1], v[0], v[1], s[0], s[1], q[2], q[3], v[2], u, np.zeros((8, heads * rows), dtype))


@inner
def lanes(count: int) -> int:
    """Round up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@inner
def pack(into: Array, rows: NodeVectors, head: int, tree: Tree, first: int, count: int, factor: float) -> None:
    """Copy `factor` times one head of `count` members to the first columns of a tile; zeros fill the last vector."""
    times, nothing = splat(factor), splat(into.dtype.type(0))
    for i in range(count):
        source = tree.source[first + i]
        if source >= 0:
            at = source * rows.stride + head * rows.width
            for d in range(0, rows.width, LANES):
                store(into, i, d, load(rows.leaf, 0, at + d) * times)
        else:
            at = (~source * rows.heads + head) * rows.width
            for d in range(0, rows.width, LANES):
                store(into, i, d, load(rows.inner, 0, at + d) * times)
    # Products run over whole vectors of queries: rows of zeros have logits of zero, and nothing reads their results.
    for i in range(count, lanes(count)):
        for d in range(0, into.shape[1], LANES):
            store(into, i, d, nothing)


@inner
def pack_position(into: Array, column: int, side: Side, head: int, tree: Tree, first: int, count: int) -> None:
    """Copy one head of `count` members' positions beside the columns of `pack`."""
    for i in range(count):
        at = tree.row[first + i] * side.stride + head * side.head_stride
        for d in range(0, side.width, LANES):
            store(into, i, column + d, load(side.value, 0, at + d))


@inner
def fetch(rows: NodeVectors, head: int, tree: Tree, family: int) -> None:
    """Ask for one head of a family's leaves: the memory is to be busy while a thread computes."""
    line = 64 // rows.leaf.itemsize  # numbers of a cache line
    for member in range(tree.start[family], tree.start[family + 1]):
        source = tree.source[member]
        if source >= 0:
            for d in range(0, rows.width, line):
                prefetch(rows.leaf, 0, source * rows.stride + head * rows.width + d)


@inner
def gather(rows: NodeVectors, tree: Tree, family: int, mean: bool) -> None:
    """Set the inner node to the sum of its members, or to their mean, each weighted by its leaves."""
    # All heads lie in a row, so that a family is one pass over long vectors, whatever the heads.
    numbers = rows.heads * rows.width
    into = family * numbers
    zero(rows, family)
    for member in range(tree.start[family], tree.start[family + 1]):
        share = splat(tree.share[member] if mean else rows.inner.dtype.type(1))
        source = tree.source[member]
        if source >= 0:
            for d in range(0, numbers, LANES):
                part = share * load(rows.leaf, 0, source * rows.stride + d)
                store(rows.inner, 0, into + d, load(rows.inner, 0, into + d) + part)
        else:
            for d in range(0, numbers, LANES):
                part = share * load(rows.inner, 0, ~source * numbers + d)
                store(rows.inner, 0, into + d, load(rows.inner, 0, into + d) + part)


@inner
def zero(rows: NodeVectors, family: int) -> None:
    """Set the inner node to zeros."""
    nothing = splat(rows.inner.dtype.type(0))
    numbers = rows.heads * rows.width
    for d in range(0, numbers, LANES):
        store(rows.inner, 0, family * numbers + d, nothing)
