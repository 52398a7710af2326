"""Blocks pooled by weights in the `cpu` backend. Names of quantities as in `naive.py` and `encoders.attention.pooling`.

    pool       shares of a family's members, and k, v, H of its parent       (families ascending)
    unpool     gradients of what picks the members, and of q of the parent   (families descending)
    hand_on    gradients of k, v, H from the parent to the members

Arrays of scalars have a member or family a row and heads as columns, filled up to whole vectors, so that sums over a
family are elementwise; the columns beyond the heads hold copies, and nothing reads them. Kernels take a Pool, or None
for plain means, and are compiled apart for the two. A root is no sibling: it has no keys, values and entropy.
"""

from typing import Any, NamedTuple

import numpy as np

from encoders.attention.cpu.products import inner
from encoders.attention.cpu.simd import LANES, exp, larger, load, log, splat, store, store_sums
from encoders.attention.cpu.tiles import Array, NodeVectors, Tree, lanes, zero


class Pool(NamedTuple):
    """Scalars of the forward pass: of members (C, columns), of inner nodes (F, columns)."""

    given: Array
    """(R, columns) log shares of rows, up to a constant; no rows where blocks pick."""
    log_w: Array
    """(C, columns)"""
    w: Array
    """(C, columns)"""
    entropy: Array
    """(C, columns) H of members."""
    block: Array
    """(F, columns) H of inner nodes."""


class PoolSlope(NamedTuple):
    """Scalars of the backward pass."""

    x: Array
    """(C, columns) of what picks the members."""
    block: Array
    """(F, columns) of H."""
    given: Array
    """(R, columns), or no rows."""


@inner
def log_mass(tree: Tree, pool: Pool | None, head: int, member: int) -> Any:
    """What is added to the logits of a member as a key: log n, or the entropy of its weights."""
    if pool is None:
        return tree.log_n[member]
    return pool.entropy[member, head]


@inner
def place(rows: NodeVectors, source: int) -> tuple[Array, int]:
    """Where the vectors of a leaf, or of inner node ~source, begin."""
    if source >= 0:
        return rows.leaf, source * rows.stride
    return rows.inner, ~source * rows.heads * rows.width


@inner
def pool_family(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, pool: Pool, family: int, scale: float
) -> None:
    """Set the entropies of a family's members; and, of all but a root, log w and w, and k, v, H by the parent's q."""
    first, end = tree.start[family], tree.start[family + 1]
    columns, nothing = pool.block.shape[1], splat(pool.block.dtype.type(0))
    for member in range(first, end):
        source = tree.source[member]
        for head in range(0, columns, LANES):
            store(pool.entropy, member, head, load(pool.block, ~source, head) if source < 0 else nothing)
    if tree.above[family] < 0:
        return
    own, picks, times = family * q.heads * q.width, len(pool.given) == 0, splat(scale)
    for member in range(first, end):
        if picks:
            keys, at = place(k, tree.source[member])
            dots(pool.log_w, member, q.inner, own, keys, at, q.width, q.inner, 0, q.inner, 0, 0, q.heads)
        for head in range(0, columns, LANES):
            if picks:
                x = load(pool.log_w, member, head) * times + load(pool.entropy, member, head)
            else:
                x = load(pool.given, tree.row[member], head)
            store(pool.log_w, member, head, x)
    for head in range(0, columns, LANES):
        top = splat(pool.block.dtype.type(-np.inf))
        for member in range(first, end):
            top = larger(load(pool.log_w, member, head), top)
        total = nothing
        for member in range(first, end):
            total = total + exp(load(pool.log_w, member, head) - top)
        log_total, H = log(total), nothing
        for member in range(first, end):
            log_w = load(pool.log_w, member, head) - top - log_total
            w = exp(log_w)
            store(pool.log_w, member, head, log_w)
            store(pool.w, member, head, w)
            H = H + w * (load(pool.entropy, member, head) - log_w)
        store(pool.block, family, head, H)
    weigh_up(k, tree, family, pool.w)
    weigh_up(v, tree, family, pool.w)


@inner
def weigh_up(rows: NodeVectors, tree: Tree, family: int, w: Array) -> None:
    """Set the inner node to the sum of its members, each head by its weights."""
    into = family * rows.heads * rows.width
    zero(rows, family)
    for member in range(tree.start[family], tree.start[family + 1]):
        part, at = place(rows, tree.source[member])
        for head in range(rows.heads):
            share, column = splat(w[member, head]), head * rows.width
            for d in range(column, column + rows.width, LANES):
                store(rows.inner, 0, into + d, load(rows.inner, 0, into + d) + share * load(part, 0, at + d))


@inner
def dots(
    into: Array, row: int, a: Array, a_at: int, b: Array, b_at: int, width: int, c: Array, c_at: int, d: Array,
    d_at: int, other_width: int, heads: int,
) -> None:  # fmt: skip
    """into[row, head] = a . b + c . d of each head; the last one's fills the columns beyond."""
    last, nothing = heads - 1, splat(into.dtype.type(0))
    for head in range(0, lanes(heads), 4):
        h, i, j, m = min(head, last), min(head + 1, last), min(head + 2, last), min(head + 3, last)
        s = t = u = w = nothing
        for at in range(0, width, LANES):
            s = s + load(a, 0, a_at + h * width + at) * load(b, 0, b_at + h * width + at)
            t = t + load(a, 0, a_at + i * width + at) * load(b, 0, b_at + i * width + at)
            u = u + load(a, 0, a_at + j * width + at) * load(b, 0, b_at + j * width + at)
            w = w + load(a, 0, a_at + m * width + at) * load(b, 0, b_at + m * width + at)
        for at in range(0, other_width, LANES):
            s = s + load(c, 0, c_at + h * other_width + at) * load(d, 0, d_at + h * other_width + at)
            t = t + load(c, 0, c_at + i * other_width + at) * load(d, 0, d_at + i * other_width + at)
            u = u + load(c, 0, c_at + j * other_width + at) * load(d, 0, d_at + j * other_width + at)
            w = w + load(c, 0, c_at + m * other_width + at) * load(d, 0, d_at + m * other_width + at)
        store_sums(into, row, head, s, t, u, w)


@inner
def unpool(
    tree: Tree, k: NodeVectors, v: NodeVectors, pool: Pool, slope: PoolSlope, q_bar: NodeVectors, k_bar: NodeVectors,
    v_bar: NodeVectors, family: int, scale: float,
) -> None:  # fmt: skip
    """Set x_bar of the members of an inner node that is no root, whose k_bar, v_bar and H_bar are known.

    Adds what picks by its query to q_bar of the node, for each leaf below; or writes x_bar of the shares given.
    """
    first, end = tree.start[family], tree.start[family + 1]
    columns, nothing = pool.block.shape[1], splat(pool.block.dtype.type(0))
    keys_at, values_at = family * k.heads * k.width, family * v.heads * v.width
    for member in range(first, end):
        keys, at = place(k, tree.source[member])
        values, from_ = place(v, tree.source[member])
        dots(
            slope.x, member, k_bar.inner, keys_at, keys, at, k.width, v_bar.inner, values_at, values, from_, v.width,
            k.heads,
        )  # fmt: skip
    for head in range(0, columns, LANES):
        H_bar, mean = load(slope.block, family, head), nothing
        for member in range(first, end):
            surprise = load(pool.entropy, member, head) - load(pool.log_w, member, head)
            T = load(slope.x, member, head) + H_bar * surprise
            store(slope.x, member, head, T)
            mean = mean + load(pool.w, member, head) * T
        for member in range(first, end):
            x_bar = load(pool.w, member, head) * (load(slope.x, member, head) - mean)
            store(slope.x, member, head, x_bar)
            if len(pool.given):
                store(slope.given, tree.row[member], head, x_bar)
    if len(pool.given):
        return
    each = scale * tree.share[first] / tree.leaves[first]  # over the leaves below the node
    for member in range(first, end):
        keys, at = place(k, tree.source[member])
        for head in range(k.heads):
            times, column = splat(slope.x[member, head] * each), head * k.width
            for d in range(column, column + k.width, LANES):
                store(q_bar.inner, 0, keys_at + d, load(q_bar.inner, 0, keys_at + d) + times * load(keys, 0, at + d))


@inner
def hand_on(
    tree: Tree, q: NodeVectors, pool: Pool, slope: PoolSlope, k_bar: NodeVectors, v_bar: NodeVectors, family: int,
    leaves: bool, inner_members: bool, scale: float,
) -> None:  # fmt: skip
    """Add to the gradients of a family's leaves, or of its inner members, what comes from the parent."""
    if tree.above[family] < 0:
        return
    picks = len(pool.given) == 0
    keys_at, values_at = family * k_bar.heads * k_bar.width, family * v_bar.heads * v_bar.width
    for member in range(tree.start[family], tree.start[family + 1]):
        source = tree.source[member]
        if not (leaves if source >= 0 else inner_members):
            continue
        keys, at = place(k_bar, source)
        for head in range(k_bar.heads):
            column, share = head * k_bar.width, splat(pool.w[member, head])
            times = splat(slope.x[member, head] * scale if picks else pool.w.dtype.type(0))
            for d in range(column, column + k_bar.width, LANES):
                part = share * load(k_bar.inner, 0, keys_at + d) + times * load(q.inner, 0, keys_at + d)
                store(keys, 0, at + d, load(keys, 0, at + d) + part)
        values, at = place(v_bar, source)
        for head in range(v_bar.heads):
            column, share = head * v_bar.width, splat(pool.w[member, head])
            for d in range(column, column + v_bar.width, LANES):
                part = share * load(v_bar.inner, 0, values_at + d)
                store(values, 0, at + d, load(values, 0, at + d) + part)
        if source < 0:
            for head in range(k_bar.heads):
                picked = slope.x[member, head] if picks else pool.w.dtype.type(0)
                slope.block[~source, head] += pool.w[member, head] * slope.block[family, head] + picked
