"""The backward pass of the `cpu` backend, family by family. Names as in `naive.py`, a gradient with `_bar`.

    ascend_back    c_bar and m_bar of the parent, a = c_bar . u of the members              (families ascending)
    descend_back   L_bar of the inner members; q_bar, k_bar, v_bar, e_bar, f_bar of all     (families descending)

Nothing of size b x b is kept from the forward pass: weights come again from q, k and R. Between these two passes, and
of small families only, P and T are kept. With P the weights and T_ij = c_bar_i . v_j,

    a_i = sum_j P_ij T_ij,     u_bar_i = m h_i c_bar_i,     and with t_i = m g_i h_i (m_bar_i - a_i)

    Z_bar_i = share_i L_bar,   L_bar_i = g_i Z_bar_i + t_i,   R_bar_i = h_i Z_bar_i - t_i
    logits_bar_ij = P_ij (m h_i (T_ij - a_i) + R_bar_i),      at i = j of a leaf: L_bar_i

where m, L_bar are the parent's. Gradients of means go down to the leaves: an inner node holds what every leaf under it
gets. Where blocks are pooled by weights it holds its own, of keys and values, and pooling.py takes them down. What is
deferred is so as in `forward.py`. What one tile of members does against another is in `backward_tiles.py`.
"""

from encoders.attention.cpu.backward_tiles import Slope, measure, push, weigh
from encoders.attention.cpu.pooling import Pool, PoolSlope, hand_on, unpool
from encoders.attention.cpu.products import TILE, entry, inner
from encoders.attention.cpu.simd import LANES, load, store
from encoders.attention.cpu.tiles import Array, NodeVectors, Side, State, Tree, Work, gather, zero


@entry
def ascend_back(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, c_bar: NodeVectors, state: State,
    slope: Slope, pool: Pool | None, deferred: Array, kept: Array, first: int, end: int, waiting: Array, tiles: Array,
    attend_self: bool, scale: float, work: Work,
) -> None:  # fmt: skip
    """Do the families first ... end - 1 that are not deferred, c_bar of those waiting, and (tiles, 2) tiles."""
    # One loop for families and then tiles, as in `ascend`.
    for step in range(end - first + len(tiles)):
        at = step - (end - first)
        family, query = (first + step, 0) if at < 0 else (tiles[at, 0], tiles[at, 1])
        if at < 0 and deferred[family]:
            continue
        if at < 0:
            gather(c_bar, tree, family, False)
        ahead = family + 1 if at < 0 and step + 1 < end - first else -1
        measure(tree, q, k, v, e, f, c_bar, state, slope, pool, kept, family, query, ahead, attend_self, scale, work)
        if at < 0:
            rise_back(tree, state, slope, family)
    for at in range(len(waiting)):
        family = waiting[at]
        gather(c_bar, tree, family, False)


@entry
def descend_back(
    tree: Tree, q: NodeVectors, k: NodeVectors, v: NodeVectors, e: Side, f: Side, c_bar: NodeVectors, state: State,
    slope: Slope, pool: Pool | None, pool_slope: PoolSlope | None, q_bar: NodeVectors, k_bar: NodeVectors,
    v_bar: NodeVectors, e_bar: Side, f_bar: Side, deferred: Array, kept: Array, first: int, end: int, sweeping: Array,
    tiles: Array, spreading: Array, attend_self: bool, scale: float, work: Work,
) -> None:  # fmt: skip
    """Do, in this order, the deferred families' scalars, (tiles, 2) tiles of them, their inner members, and a range.

    Of the range end - 1 ... first, deferred families only pass on to their leaves what comes from above.
    """
    # Deferred families one after the other, up and then down: scalars only, and every L_bar needs its parent's.
    for at in range(len(sweeping)):
        family = sweeping[at]
        rise_back(tree, state, slope, family)
    for step in range(len(sweeping) - 1, -1, -1):
        family = sweeping[step]
        for head in range(q.heads):
            for at in range(0, tree.start[family + 1] - tree.start[family], TILE):
                weigh(tree, state, slope, head, family, at, attend_self, work)
    # Tiles come twice, as queries and as keys: a tile writes its own rows only, so threads need no locks or atomics. A
    # family that is one tile does both at once, from one P.
    for step in range(2 * len(tiles) + end - first):
        at = step - 2 * len(tiles)
        if at >= 0:
            family, block, by_query, by_key = end - 1 - at, 0, True, True
        else:
            family, block = tiles[step // 2, 0], tiles[step // 2, 1]
            by_query, by_key = step % 2 == 0, step % 2 == 1
        if at >= 0 and deferred[family]:
            hand_down(tree, q, pool, pool_slope, q_bar, k_bar, v_bar, family, True, scale)
            continue
        if at >= 0 and tree.above[family] < 0:
            for rows in (q_bar, k_bar, v_bar):
                zero(rows, family)
        if pool is not None and at >= 0 and tree.above[family] >= 0:
            unpool(tree, k, v, pool, pool_slope, q_bar, k_bar, v_bar, family, scale)
        ahead = family - 1 if at >= 0 and family > first else -1
        push(
            tree, q, k, v, e, f, c_bar, state, slope, pool, pool_slope, q_bar, k_bar, v_bar, e_bar, f_bar, kept, family,
            block, by_query, by_key, ahead, at >= 0, attend_self, scale, work,
        )  # fmt: skip
        if pool is not None and at >= 0:
            hand_on(tree, q, pool, pool_slope, k_bar, v_bar, family, True, True, scale)
    for step in range(len(spreading) - 1, -1, -1):
        family = spreading[step]
        if tree.above[family] < 0:
            for rows in (q_bar, k_bar, v_bar):
                zero(rows, family)
        elif pool is not None:
            unpool(tree, k, v, pool, pool_slope, q_bar, k_bar, v_bar, family, scale)
        hand_down(tree, q, pool, pool_slope, q_bar, k_bar, v_bar, family, False, scale)


@inner
def rise_back(tree: Tree, state: State, slope: Slope, family: int) -> None:
    """Set m_bar of the parent, and take it from the inner members."""
    for head in range(state.g.shape[0]):
        total = slope.a.dtype.type(0)
        for member in range(tree.start[family], tree.start[family + 1]):
            source = tree.source[member]
            if source < 0:
                slope.m_bar[head, member] = slope.parent_m_bar[~source, head]
            total += state.g[head, member] * slope.m_bar[head, member] + state.h[head, member] * slope.a[head, member]
        slope.parent_m_bar[family, head] = total


@inner
def hand_down(
    tree: Tree, q: NodeVectors, pool: Pool | None, pool_slope: PoolSlope | None, q_bar: NodeVectors,
    k_bar: NodeVectors, v_bar: NodeVectors, family: int, leaves: bool, scale: float,
) -> None:  # fmt: skip
    """Add what comes from above to the gradients of a deferred family's leaves, or of its inner members."""
    spread(tree, q_bar, family, leaves)
    if pool is None:
        spread(tree, k_bar, family, leaves)
        spread(tree, v_bar, family, leaves)
    else:
        hand_on(tree, q, pool, pool_slope, k_bar, v_bar, family, leaves, not leaves, scale)


@inner
def spread(tree: Tree, rows: NodeVectors, family: int, leaves: bool) -> None:
    """The same for one kind of row whose blocks are plain means."""
    if leaves and tree.above[family] < 0:
        return
    numbers = rows.heads * rows.width
    above = family * numbers
    for member in range(tree.start[family], tree.start[family + 1]):
        source = tree.source[member]
        if leaves != (source >= 0):
            continue
        at, into = (source * rows.stride, rows.leaf) if leaves else (~source * numbers, rows.inner)
        for d in range(0, numbers, LANES):
            store(into, 0, at + d, load(into, 0, at + d) + load(rows.inner, 0, above + d))
