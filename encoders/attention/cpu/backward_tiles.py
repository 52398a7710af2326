"""The backward pass of a tile of one family's members against another; names and equations as in `backward.py`.

pair ─> P, T     measure: a, m_bar, on the way up     weigh, push, emit: gradients of a tile, on the way down
"""

from typing import NamedTuple

import numpy as np

from encoders.attention.cpu.pooling import Pool, PoolSlope, log_mass
from encoders.attention.cpu.products import TILE, add_mix, inner, products
from encoders.attention.cpu.simd import LANES, exp, load, splat, store
from encoders.attention.cpu.tiles import Array, NodeVectors, Side, State, Tree, Work, fetch, lanes, pack, pack_position

TOP, PART, A, WEIGHT, R_BAR, OWN_P, OWN_S = range(7)
"""NodeVectors of `Work.vector`: top, 1 / total, a, m h, R_bar,
and a leaf's entries on the diagonals of P m h and logits_bar."""


class Slope(NamedTuple):
    """Scalars of the backward pass: a, m_bar of members (H, C); L_bar, m_bar of inner nodes (F, H)."""

    a: Array
    m_bar: Array
    L_bar: Array
    parent_m_bar: Array


@inner
def pair(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, c_bar: NodeVectors, state: State,
    pool: Pool | None, kept: Array, again: bool, head: int, family: int, first_query: int, first_key: int, ahead: int,
    scale: float, work: Work,
) -> None:  # fmt: skip
    """Put P into S and c_bar . v into T, for a tile of keys and one of queries; fetch the family `ahead`, if not -1.

    What is kept is written, or if it is wanted `again`, read.
    """
    S, T, vector, one = work.S, work.T, work.vector, work.S.dtype.type(1)
    first, size = tree.start[family], tree.start[family + 1] - tree.start[family]
    queries, keys = min(TILE, size - first_query), min(TILE, size - first_key)
    group = q.heads // k.heads
    shared, share_here = head // group, size > TILE or head % group == 0
    # Kept numbers alternate, LANES of P and LANES of T, in the order in which the loops below write and read them.
    keep = tree.kept[family]
    at = (keep * q.heads + head * size * lanes(size)) * 2
    pack(work.Q, q, head, tree, first + first_query, queries, scale)
    pack(work.C, c_bar, head, tree, first + first_query, queries, one)
    if share_here:
        pack(work.K, k, shared, tree, first + first_key, keys, one)
    if e.width:
        pack_position(work.Q, q.width, e, head, tree, first + first_query, queries)
        pack_position(work.K, k.width, f, head, tree, first + first_key, keys)
    if ahead >= 0:
        fetch(q, head, tree, ahead)
        fetch(c_bar, head, tree, ahead)
        if head % group == 0:
            fetch(k, shared, tree, ahead)
            if not again or tree.kept[ahead] < 0:
                fetch(v, shared, tree, ahead)
    if keep >= 0 and again:
        for j in range(keys):
            for lane in range(0, queries, LANES):
                store(S, j, lane, load(kept, 0, at))
                store(T, j, lane, load(kept, 0, at + LANES))
                at += 2 * LANES
        return
    if share_here:
        pack(work.V, v, shared, tree, first + first_key, keys, one)
    for i in range(queries):
        member = first + first_query + i
        vector[TOP, i], vector[PART, i] = state.top[head, member], one / state.total[head, member]
    products(work.K, work.Q, S, keys, lanes(queries))
    products(work.V, work.C, T, keys, lanes(queries))
    # Not oneself: exp(-inf) = 0, whatever `top` is, for it is finite.
    for i in range(max(0, first_key - first_query), min(queries, first_key + keys - first_query)):
        S[first_query - first_key + i, i] = -np.inf
    for lane in range(0, queries, LANES):
        top, part = load(vector, TOP, lane), load(vector, PART, lane)
        for j in range(keys):
            weights = exp(load(S, j, lane) + splat(log_mass(tree, pool, head, first + first_key + j)) - top)
            store(S, j, lane, weights * part)
    if keep >= 0:
        for j in range(keys):
            for lane in range(0, queries, LANES):
                store(kept, 0, at, load(S, j, lane))
                store(kept, 0, at + LANES, load(T, j, lane))
                at += 2 * LANES


@inner
def measure(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, c_bar: NodeVectors, state: State,
    slope: Slope, pool: Pool | None, kept: Array, family: int, first_query: int, ahead: int, attend_self: bool,
    scale: float, work: Work,
) -> None:  # fmt: skip
    """Set a of one tile of a family's members, and m_bar, which for inner members must be known or set again."""
    S, T, vector, nothing = work.S, work.T, work.vector, work.S.dtype.type(0)
    first, size = tree.start[family], tree.start[family + 1] - tree.start[family]
    queries = min(TILE, size - first_query)
    for head in range(q.heads):
        for i in range(lanes(queries)):
            vector[A, i] = nothing
        for at in range(0, size, TILE):
            keys = min(TILE, size - at)
            pair(
                tree, q, k, v, e, f, c_bar, state, pool, kept, False, head, family, first_query, at, ahead, scale, work
            )  # fmt: skip
            if at == first_query:
                for i in range(queries):
                    source = tree.source[first + at + i]
                    own = T[i, i] if attend_self else nothing
                    slope.m_bar[head, first + at + i] = own if source >= 0 else slope.parent_m_bar[~source, head]
            for lane in range(0, queries, LANES):
                sums = load(vector, A, lane)
                for j in range(keys):
                    sums = sums + load(S, j, lane) * load(T, j, lane)
                store(vector, A, lane, sums)
        for i in range(queries):
            slope.a[head, first + first_query + i] = vector[A, i]


@inner
def weigh(
    tree: Tree, state: State, slope: Slope, head: int, family: int, first_query: int, attend_self: bool, work: Work
) -> None:
    """Set what a tile of queries multiplies its weights by, and L_bar of the inner members among them."""
    vector = work.vector
    first = tree.start[family] + first_query
    m, L_bar = state.m[family, head], slope.L_bar[family, head]
    for i in range(min(TILE, tree.start[family + 1] - first)):
        member = first + i
        source = tree.source[member]
        # g = sigmoid(L - R) has the derivative g h: what raises L takes the same from R.
        g, h, a = state.g[head, member], state.h[head, member], slope.a[head, member]
        tilt = m * g * h * (slope.m_bar[head, member] - a)
        Z_bar = tree.share[member] * L_bar
        vector[A, i], vector[WEIGHT, i], vector[R_BAR, i] = a, m * h, h * Z_bar - tilt
        vector[OWN_P, i] = m * g if source >= 0 and attend_self else 0
        vector[OWN_S, i] = g * Z_bar + tilt if source >= 0 and attend_self else 0
        if source < 0:
            slope.L_bar[~source, head] = g * Z_bar + tilt


@inner
def push(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, c_bar: NodeVectors, state: State,
    slope: Slope, pool: Pool | None, pool_slope: PoolSlope | None, q_bar: NodeVectors, k_bar: NodeVectors,
    v_bar: NodeVectors, e_bar: Side, f_bar: Side, kept: Array, family: int, block: int, by_query: bool, by_key: bool,
    ahead: int, closed: bool, attend_self: bool, scale: float, work: Work,
) -> None:  # fmt: skip
    """Write the gradients of one tile of members: as queries, as keys, or, if they are the whole family, as both."""
    S, T, vector = work.S, work.T, work.vector
    one = S.dtype.type(1)
    first, size = tree.start[family], tree.start[family + 1] - tree.start[family]
    count = min(TILE, size - block)
    group, means = q.heads // k.heads, pool is None
    for head in range(q.heads):
        for other in range(0, size, TILE):
            first_query, first_key = block if by_query else other, block if by_key else other
            queries, keys = min(TILE, size - first_query), min(TILE, size - first_key)
            weigh(tree, state, slope, head, family, first_query, attend_self, work)
            pair(
                tree, q, k, v, e, f, c_bar, state, pool, kept, True, head, family, first_query, first_key, ahead, scale,
                work,
            )  # fmt: skip
            for at in range(0, queries, LANES):
                a, weight, r_bar = load(vector, A, at), load(vector, WEIGHT, at), load(vector, R_BAR, at)
                for j in range(keys):
                    p = load(S, j, at)
                    store(S, j, at, p * weight)
                    store(T, j, at, p * (weight * (load(T, j, at) - a) + r_bar))
            # A leaf's own logit stands on the diagonal: it is no part of the softmax, and its gradient is L_bar.
            if first_query == first_key:
                for i in range(queries):
                    S[i, i], T[i, i] = vector[OWN_P, i], vector[OWN_S, i]
            if by_query:
                add_mix(T, True, work.K, work.Q_bar, 0, queries, keys, other == 0)
            if by_key:  # summed over the query heads that share the key head, which come one after the other
                fresh = other == 0 and head % group == 0
                add_mix(T, False, work.Q, work.K_bar, 0, keys, queries, fresh)
                add_mix(S, False, work.C, work.V_bar, 0, keys, queries, fresh)
                if pool_slope is not None:
                    for j in range(keys):
                        source = tree.source[first + first_key + j]
                        if source < 0:
                            total = pool_slope.block[~source, head] if other else work.S.dtype.type(0)
                            for i in range(queries):
                                total += T[j, i]
                            pool_slope.block[~source, head] = total
        if by_query:
            emit(work.Q_bar, q_bar, head, tree, family, block, count, closed, False, scale)
            emit_position(work.Q_bar, q.width, e_bar, head, tree, first + block, count)
        if by_key:
            emit_position(work.K_bar, k.width, f_bar, head, tree, first + block, count)
            if head % group == group - 1:
                emit(work.K_bar, k_bar, head // group, tree, family, block, count, closed and means, not means, one)
                emit(work.V_bar, v_bar, head // group, tree, family, block, count, closed and means, not means, one)


@inner
def emit(
    tile: Array,
    rows: NodeVectors,
    head: int,
    tree: Tree,
    family: int,
    block: int,
    count: int,
    closed: bool,
    whole: bool,
    factor: float,
) -> None:
    """Write gradients of members: to leaves as they are, to inner members for each leaf below, or `whole`.

    If `closed`, what comes from above is there already and is added.
    """
    above = (family * rows.heads + head) * rows.width
    for i in range(count):
        member = tree.start[family] + block + i
        source = tree.source[member]
        if source >= 0:
            at, into, each = source * rows.stride + head * rows.width, rows.leaf, factor
        else:
            at, into, each = (
                (~source * rows.heads + head) * rows.width,
                rows.inner,
                factor if whole else factor / tree.leaves[member],
            )
        for d in range(0, rows.width, LANES):
            part = load(tile, i, d) * splat(each)
            store(into, 0, at + d, part + load(rows.inner, 0, above + d) if closed else part)


@inner
def emit_position(tile: Array, column: int, side: Side, head: int, tree: Tree, first: int, count: int) -> None:
    """Write the gradients of members' positions, and clear their columns."""
    nothing = splat(tile.dtype.type(0))
    for i in range(count):
        at = tree.row[first + i] * side.stride + head * side.head_stride
        for d in range(0, side.width, LANES):
            store(side.value, 0, at + d, load(tile, i, column + d))
            store(tile, i, column + d, nothing)
