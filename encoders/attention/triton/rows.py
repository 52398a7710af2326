# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""What the Triton kernels share: vectors of nodes in and out, products, sums and means over families.

Nodes are numbered as in `Families`: level by level, every family one range. `source` of a node is its leaf, or
`~family` of the family it is the parent of; vectors of leaves and of inner nodes lie in two arrays. Scalars are (M, H).

A tile is up to BLOCK nodes: whole small families side by side, told apart by a mask, or a piece of one large family,
whose keys are then streamed. No atomics: every number is written by one program, in a fixed order.

Axes:  N leaves   M nodes   F families   H heads   K key-value heads   D, E, P widths, padded to DD, EE, PP
"""

from typing import Any, NamedTuple

import triton
import triton.language as tl

jit: Any = triton.jit


class Vectors(NamedTuple):
    """Vectors of nodes, as kernels take them: those of leaves with their strides, those of inner nodes contiguous."""

    leaf: Any
    stride: Any
    head_stride: Any
    inner: Any


class Written(NamedTuple):
    """Vectors of nodes that kernels write, contiguous."""

    leaf: Any
    inner: Any


class Side(NamedTuple):
    """One side of the positions, with its strides."""

    value: Any
    stride: Any
    head_stride: Any


class Nodes(NamedTuple):
    """Columns of `ForestIndex` that stand for nodes."""

    source: Any
    family: Any
    row: Any
    log_n: Any
    count: Any


@jit
def load_rows(vectors, heads, head, source, valid, W: tl.constexpr, WW: tl.constexpr):
    """(BLOCK, WW) float32 vectors of one head of some nodes; zeros where not `valid` and beyond the width."""
    # A row is read from one of the two arrays, and as 0 from the other: no branch, and no lane waits.
    columns = tl.arange(0, WW)[None, :]
    leaves = valid[:, None] & (source >= 0)[:, None] & (columns < W)
    inners = valid[:, None] & (source < 0)[:, None] & (columns < W)
    from_leaf = tl.load(
        vectors.leaf + source[:, None] * vectors.stride + head * vectors.head_stride + columns, mask=leaves, other=0.0
    )
    from_inner = tl.load(vectors.inner + ((-1 - source)[:, None] * heads + head) * W + columns, mask=inners, other=0.0)
    return from_leaf.to(tl.float32) + from_inner


@jit
def store_rows(rows, written, heads, head, source, valid, W: tl.constexpr, WW: tl.constexpr):
    """Write vectors to contiguous arrays of leaves and of inner nodes."""
    columns = tl.arange(0, WW)[None, :]
    leaves = valid[:, None] & (source >= 0)[:, None] & (columns < W)
    inners = valid[:, None] & (source < 0)[:, None] & (columns < W)
    tl.store(written.leaf + (source[:, None] * heads + head) * W + columns, rows, mask=leaves)
    tl.store(written.inner + ((-1 - source)[:, None] * heads + head) * W + columns, rows, mask=inners)


@jit
def load_side(side, head, row, valid, P: tl.constexpr, PP: tl.constexpr):
    """(BLOCK, PP) float32 positions of one head of some nodes."""
    columns = tl.arange(0, PP)[None, :]
    at = side.value + row[:, None] * side.stride + head * side.head_stride + columns
    return tl.load(at, mask=valid[:, None] & (columns < P), other=0.0).to(tl.float32)


@jit
def tile_of(nodes, tiles, tile, BLOCK: tl.constexpr):
    """Nodes of a tile, which of them are some, their sources and families; first node and end of all their siblings."""
    at = tiles + tile * 4
    node = tl.load(at) + tl.arange(0, BLOCK)
    valid = node < tl.load(at + 1)
    source = tl.load(nodes.source + node, mask=valid, other=-1)
    return node, valid, source, tl.load(nodes.family + node, mask=valid, other=-2), tl.load(at + 2), tl.load(at + 3)


@jit
def load_keys(
    k, v, f, nodes, at, last, heads, shared, head, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr,
    EE: tl.constexpr, P: tl.constexpr, PP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Nodes from `at` on as keys: the nodes, their families, keys, values, positions, and log n."""
    node = at + tl.arange(0, BLOCK)
    valid = node < last
    source = tl.load(nodes.source + node, mask=valid, other=0)
    family = tl.load(nodes.family + node, mask=valid, other=-3)  # none of a tile's, whose rows past its end have -2
    K = load_rows(k, heads, shared, source, valid, D, DD)
    V = load_rows(v, heads, shared, source, valid, E, EE)
    right = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        right = load_side(f, head, tl.load(nodes.row + node, mask=valid, other=0), valid, P, PP)
    return node, family, K, V, right, tl.load(nodes.log_n + node, mask=valid, other=0.0)


@jit
def multiply(a, b, NARROW: tl.constexpr):
    """a @ b summed in float32, its factors rounded to the dtype NARROW."""
    return tl.dot(a.to(NARROW), b.to(NARROW), input_precision="ieee")


@jit
def logits(q, k, e, f, P: tl.constexpr, NARROW: tl.constexpr):
    """(queries, keys) q.k + e.f, without log n."""
    s = multiply(q, tl.trans(k), NARROW)
    if P > 0:
        s += multiply(e, tl.trans(f), NARROW)
    return s


@jit
def gather(
    vectors, heads, source, share, first, size, family0,
    MEAN: tl.constexpr, W: tl.constexpr, WW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Set an inner node to the sum of its members, or to their mean, each weighted by its leaves."""
    family, head = family0 + tl.program_id(0), tl.program_id(1)
    begin = tl.load(first + family)
    end = begin + tl.load(size + family)
    total = tl.zeros((WW,), tl.float32)
    for at in range(begin, end, BLOCK):
        node = at + tl.arange(0, BLOCK)
        valid = node < end
        members = tl.load(source + node, mask=valid, other=0)
        rows = load_rows(vectors, heads, head, members, valid, W, WW)
        if MEAN:
            rows = rows * tl.load(share + node, mask=valid, other=0.0)[:, None]
        total += tl.sum(rows, 0)
    columns = tl.arange(0, WW)
    tl.store(vectors.inner + (family * heads + head) * W + columns, total, mask=columns < W)
