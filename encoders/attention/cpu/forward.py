"""The forward pass of the `cpu` backend, family by family. Names of quantities as in `naive.py`.

    ascend    means of the family; R, u, g, h, Z of its members; L of its parent    (families ascending)
    descend   m and c of its inner members, outputs of its leaves                   (families descending)

Up to TILE children are one tile. A larger family is streamed tile by tile, and deferred, so that its tiles can be
shared out over threads; so is a family with another thread's work below it. Its means, its tiles and its part in the
sweeps are separate arguments of the same two functions. Every sum has a fixed order:
results do not depend on the number of threads.
"""

import numpy as np

from encoders.attention.cpu.pooling import Pool, log_mass, pool_family
from encoders.attention.cpu.products import TILE, add_mix, entry, inner, products
from encoders.attention.cpu.simd import LANES, exp, larger, load, log, splat, store, where_larger
from encoders.attention.cpu.tiles import (
    Array,
    NodeVectors,
    Side,
    State,
    Tree,
    Work,
    fetch,
    gather,
    lanes,
    pack,
    pack_position,
    zero,
)

TOP, TOTAL, FACTOR, OWN, Z = range(5)
"""NodeVectors of `Work.vector`: largest logit, sum of weights, what to rescale by, own logit and later L, Z."""


@entry
def ascend(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, o: NodeVectors, state: State,
    pool: Pool | None, deferred: Array, first: int, end: int, waiting: Array, tiles: Array, attend_self: bool,
    scale: float, work: Work,
) -> None:  # fmt: skip
    """Do the families first ... end - 1 that are not deferred, the means of those waiting, and (tiles, 2) tiles.

    A tile is a deferred family and its first query.
    """
    # One loop for families and then tiles: what it calls is compiled into it once, not twice.
    for step in range(end - first + len(tiles)):
        at = step - (end - first)
        family, query = (first + step, 0) if at < 0 else (tiles[at, 0], tiles[at, 1])
        if at < 0 and deferred[family]:
            continue
        if at < 0:
            means(tree, q, k, v, o, state, pool, family, scale)
        ahead = family + 1 if at < 0 and step + 1 < end - first else -1
        attend_tile(tree, q, k, v, e, f, o, state, pool, family, query, ahead, attend_self, scale, work)
        if at < 0:
            rise(tree, state, family, False, work)
    for at in range(len(waiting)):
        family = waiting[at]
        means(tree, q, k, v, o, state, pool, family, scale)


@entry
def descend(
    tree: Tree, o: NodeVectors, state: State, deferred: Array, first: int, end: int, waiting: Array, work: Work
) -> None:
    """Finish the deferred families' inner members; then do families end - 1 ... first, of deferred ones the leaves."""
    for at in range(len(waiting)):
        family = waiting[at]
        rise(tree, state, family, True, work)
    for at in range(len(waiting) - 1, -1, -1):
        family = waiting[at]
        fall(tree, o, state, family, False, True)
    for family in range(end - 1, first - 1, -1):
        fall(tree, o, state, family, True, not deferred[family])


@inner
def means(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, o: NodeVectors, state: State, pool: Pool | None,
    family: int, scale: float,
) -> None:  # fmt: skip
    """Set q, k and v of the parent; if it is a root, also its m = 1 and c = 0."""
    gather(q, tree, family, True)
    if pool is None:
        gather(k, tree, family, True)
        gather(v, tree, family, True)
    else:
        pool_family(tree, q, k, v, pool, family, scale)
    if tree.above[family] < 0:
        zero(o, family)
        for head in range(o.heads):
            state.m[family, head] = 1


@inner
def attend_tile(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, o: NodeVectors, state: State,
    pool: Pool | None, family: int, first_query: int, ahead: int, attend_self: bool, scale: float,
    work: Work,
) -> None:  # fmt: skip
    """Attend from one tile of a family's members to all of them; meanwhile fetch the family `ahead`, if not -1.

    Writes R, and u of inner members to `o`. Where L is known, at leaves and at inner members that are not deferred,
    also g, h and Z; leaves then get h u + g v, their output but for what comes from above.
    """
    Q, K, V, S, vector = work.Q, work.K, work.V, work.S, work.vector
    nothing, one = S.dtype.type(0), S.dtype.type(1)
    first, size = tree.start[family], tree.start[family + 1] - tree.start[family]
    begin, queries = first + first_query, min(TILE, size - first_query)
    group = q.heads // k.heads
    for head in range(q.heads):
        shared, base = head // group, head * lanes(queries)
        # Positions stand in the columns after q and k, so that one product gives scale q.k + e.f.
        pack(Q, q, head, tree, begin, queries, scale)
        if e.width:
            pack_position(Q, q.width, e, head, tree, begin, queries)
        for i in range(base, base + lanes(queries)):
            vector[TOP, i], vector[TOTAL, i] = -np.inf, nothing
        for at in range(0, size, TILE):
            keys = min(TILE, size - at)
            if size > TILE or head % group == 0:  # else the tile still holds them from the head before
                pack(K, k, shared, tree, first + at, keys, one)
                pack(V, v, shared, tree, first + at, keys, one)
            if f.width:
                pack_position(K, k.width, f, head, tree, first + at, keys)
            products(K, Q, S, keys, lanes(queries))
            soften(work, base, tree, pool, head, first + at, keys, queries, first_query - at, size == 1)
            if at:  # what was mixed so far is relative to a smaller largest logit
                for i in range(base, base + queries):
                    for d in range(0, V.shape[1], LANES):
                        store(work.U, i, d, load(work.U, i, d) * splat(vector[FACTOR, i]))
            add_mix(S, True, V, work.U, base, queries, keys, at == 0)
        if ahead >= 0:  # leaves may lie anywhere in memory: the next family's arrive while this one is computed
            fetch(q, head, tree, ahead)
            if head % group == 0:
                fetch(k, shared, tree, ahead)
                fetch(v, shared, tree, ahead)
    rate(tree, state, begin, queries, attend_self, size == 1, work)
    release(tree, v, o, state, begin, queries, work)


@inner
def soften(
    work: Work, base: int, tree: Tree, pool: Pool | None, head: int, first_key: int, keys: int, queries: int, own: int,
    alone: bool,
) -> None:  # fmt: skip
    """Turn a tile of logits into weights relative to the largest logit so far.

    Query i is key i + own: that logit is kept in OWN and gets no weight. FACTOR is what sums before are to be
    rescaled by. A member without siblings has no weights: a largest logit of zero, and a sum of one.
    """
    S, vector = work.S, work.vector
    # The diagonal, where this tile of keys meets this tile of queries: a leaf's own logit is no part of R.
    for i in range(max(0, -own), min(queries, keys - own)):
        vector[OWN, base + i] = S[i + own, i]
        S[i + own, i] = -np.inf
    if alone:  # exp(-inf - -inf) would be NaN
        vector[TOP, base], vector[TOTAL, base], S[0, 0] = 0, 1, 0
        return
    # Softmax over keys that stream past (Milakov and Gimelshein 2018), eight queries to a vector: keys are rows, so
    # that maxima and sums over them are elementwise and no lane waits for another.
    for at in range(0, queries, LANES):
        before = top = load(vector, TOP, base + at)
        for j in range(keys):
            logits = load(S, j, at) + splat(log_mass(tree, pool, head, first_key + j))
            store(S, j, at, logits)
            top = larger(logits, top)
        store(vector, TOP, base + at, top)
        factor = exp(before - top)
        store(vector, FACTOR, base + at, factor)
        total = load(vector, TOTAL, base + at) * factor
        for j in range(keys):
            weights = exp(load(S, j, at) - top)
            store(S, j, at, weights)
            total = total + weights
        store(vector, TOTAL, base + at, total)


@inner
def rate(tree: Tree, state: State, first: int, queries: int, attend_self: bool, alone: bool, work: Work) -> None:
    """Write R of a tile's members, and g, h and Z, which are to be done again where L is not yet known."""
    vector, heads = work.vector, state.g.shape[0]
    # OWN holds s_ii of leaves. An inner member's L was set when its family was done, which comes before in post-order.
    for i in range(queries):
        source = tree.source[first + i]
        if source < 0 or not attend_self:
            for head in range(heads):
                at = head * lanes(queries) + i
                vector[OWN, at] = state.L[~source, head] if source < 0 else -np.inf
    for head in range(heads):
        for i in range(queries):
            at = head * lanes(queries) + i
            state.top[head, first + i], state.total[head, first + i] = vector[TOP, at], vector[TOTAL, at]
    if alone:
        for head in range(heads):
            state.Z[head, first] = vector[OWN, head * LANES]
            state.g[head, first], state.h[head, first] = 1 if attend_self else 0, 0
        return
    for at in range(0, heads * lanes(queries), LANES):
        balance(vector, at)
    for head in range(heads):
        for i in range(queries):
            at = head * lanes(queries) + i
            state.g[head, first + i], state.h[head, first + i] = vector[FACTOR, at], vector[TOP, at]
            state.Z[head, first + i] = vector[Z, at]


@inner
def balance(vector: Array, at: int) -> None:
    """For eight members with L in OWN and R in TOP and TOTAL, put g in FACTOR, h = 1 - g in TOP and Z in Z."""
    one = splat(vector.dtype.type(1))
    L, R = load(vector, OWN, at), load(vector, TOP, at) + log(load(vector, TOTAL, at))
    # g = sigmoid(L - R) and h = 1 - g, both from exp(-|L - R|) <= 1: nothing overflows, and neither loses digits where
    # the other is near 1, as 1 - g would. Z = max(L, R) + log(1 + small).
    small = exp(where_larger(L, R, R - L, L - R))
    large = one / (one + small)
    small = small * large
    store(vector, FACTOR, at, where_larger(L, R, large, small))
    store(vector, TOP, at, where_larger(L, R, small, large))
    store(vector, Z, at, larger(L, R) - log(large))


@inner
def release(tree: Tree, v: NodeVectors, o: NodeVectors, state: State, first: int, queries: int, work: Work) -> None:
    """Write u of inner members and h u + g v of leaves."""
    one, group = work.U.dtype.type(1), o.heads // v.heads
    for i in range(queries):
        source = tree.source[first + i]
        for head in range(o.heads):
            row = head * lanes(queries) + i
            part = one / work.vector[TOTAL, row]
            # c of an inner node needs u once g and h are known; a leaf's output needs but m and c from above.
            if source >= 0:
                at, own = source * o.stride + head * o.width, source * v.stride + head // group * v.width
                g, h = splat(state.g[head, first + i]), splat(state.h[head, first + i] * part)
                for d in range(0, v.width, LANES):
                    store(o.leaf, 0, at + d, h * load(work.U, row, d) + g * load(v.leaf, 0, own + d))
            else:
                at = (~source * o.heads + head) * o.width
                for d in range(0, v.width, LANES):
                    store(o.inner, 0, at + d, load(work.U, row, d) * splat(part))


@inner
def rise(tree: Tree, state: State, family: int, deferred: bool, work: Work) -> None:
    """Set L of the parent; of a deferred family first g, h and Z of the inner members."""
    vector = work.vector
    for head in range(state.Z.shape[0]):
        L = state.L.dtype.type(0)
        for member in range(tree.start[family], tree.start[family + 1]):
            source = tree.source[member]
            if deferred and source < 0:
                vector[OWN, 0] = state.L[~source, head]
                vector[TOP, 0], vector[TOTAL, 0] = state.top[head, member], state.total[head, member]
                balance(vector, 0)
                state.g[head, member], state.h[head, member] = vector[FACTOR, 0], vector[TOP, 0]
                state.Z[head, member] = vector[Z, 0]
            L += tree.share[member] * state.Z[head, member]
        state.L[family, head] = L


@inner
def fall(tree: Tree, o: NodeVectors, state: State, family: int, leaves: bool, inner_members: bool) -> None:
    """Take m and c of the parent to the members; c of an inner node replaces its u in `o`."""
    root = tree.above[family] < 0
    for member in range(tree.start[family], tree.start[family + 1]):
        source = tree.source[member]
        if source >= 0 and (root or not leaves):  # under a root m = 1 and c = 0: the output is there already
            continue
        for head in range(o.heads):
            m = state.m[family, head]
            above = (family * o.heads + head) * o.width
            if source >= 0:
                at = source * o.stride + head * o.width
                for d in range(0, o.width, LANES):
                    store(o.leaf, 0, at + d, load(o.inner, 0, above + d) + splat(m) * load(o.leaf, 0, at + d))
            elif inner_members:
                at = (~source * o.heads + head) * o.width
                outside = splat(m * state.h[head, member])
                state.m[~source, head] = m * state.g[head, member]
                for d in range(0, o.width, LANES):
                    store(o.inner, 0, at + d, load(o.inner, 0, above + d) + outside * load(o.inner, 0, at + d))
