# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of hierarchical attention. Names of quantities as in `naive.py`, a gradient with `_bar`.

Nodes are numbered as in `Families`: level by level, every family one range. `source` of a node is its leaf, or
`~family` of the family it is the parent of; vectors of leaves and of inner nodes lie in two arrays. Scalars are (M, H).

    forward    gather (level by level, up)   attend (all tiles)   rise (up)   fall (down)   finish (all leaves)
    backward   gather (up)   measure (all tiles)   rise_back (up)   fall_back (down)   push_queries, push_keys (all
               tiles)   spread (down)   finish_back (all leaves)

A tile is up to BLOCK nodes: whole small families side by side, told apart by a mask, or a piece of one large family,
whose keys are then streamed. No atomics: every number is written by one program, in a fixed order.

Axes:  N leaves   M nodes   F families   H heads   K key-value heads   D, E, P widths, padded to DD, EE, PP
"""

from typing import Any

import triton
import triton.language as tl

jit: Any = triton.jit


@jit
def load_rows(leaf, stride, head_stride, inner, heads, head, source, here, W: tl.constexpr, WW: tl.constexpr):
    """(BLOCK, WW) float32 vectors of one head of some nodes; zeros where not `here` and beyond the width."""
    columns = tl.arange(0, WW)[None, :]
    leaves = here[:, None] & (source >= 0)[:, None] & (columns < W)
    inners = here[:, None] & (source < 0)[:, None] & (columns < W)
    from_leaf = tl.load(leaf + source[:, None] * stride + head * head_stride + columns, mask=leaves, other=0.0)
    from_inner = tl.load(inner + ((-1 - source)[:, None] * heads + head) * W + columns, mask=inners, other=0.0)
    return from_leaf.to(tl.float32) + from_inner


@jit
def store_rows(rows, leaf, inner, heads, head, source, here, W: tl.constexpr, WW: tl.constexpr):
    """Write vectors to contiguous arrays of leaves and of inner nodes."""
    columns = tl.arange(0, WW)[None, :]
    leaves = here[:, None] & (source >= 0)[:, None] & (columns < W)
    inners = here[:, None] & (source < 0)[:, None] & (columns < W)
    tl.store(leaf + (source[:, None] * heads + head) * W + columns, rows, mask=leaves)
    tl.store(inner + ((-1 - source)[:, None] * heads + head) * W + columns, rows, mask=inners)


@jit
def load_side(value, stride, head_stride, head, row, here, P: tl.constexpr, PP: tl.constexpr):
    """(BLOCK, PP) float32 positions of one head of some nodes."""
    columns = tl.arange(0, PP)[None, :]
    at = value + row[:, None] * stride + head * head_stride + columns
    return tl.load(at, mask=here[:, None] & (columns < P), other=0.0).to(tl.float32)


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
    leaf, stride, head_stride, inner, heads, source, share, first, size, family0,
    MEAN: tl.constexpr, W: tl.constexpr, WW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Set an inner node to the sum of its members, or to their mean, each weighted by its leaves."""
    family, head = family0 + tl.program_id(0), tl.program_id(1)
    begin = tl.load(first + family)
    end = begin + tl.load(size + family)
    total = tl.zeros((WW,), tl.float32)
    for at in range(begin, end, BLOCK):
        node = at + tl.arange(0, BLOCK)
        here = node < end
        members = tl.load(source + node, mask=here, other=0)
        rows = load_rows(leaf, stride, head_stride, inner, heads, head, members, here, W, WW)
        if MEAN:
            rows = rows * tl.load(share + node, mask=here, other=0.0)[:, None]
        total += tl.sum(rows, 0)
    columns = tl.arange(0, WW)
    tl.store(inner + (family * heads + head) * W + columns, total, mask=columns < W)


@jit
def attend(
    q, q_stride, q_head, q_inner, k, k_stride, k_head, k_inner, v, v_stride, v_head, v_inner,
    e, e_stride, e_head, f, f_stride, f_head, u_leaf, u_inner, top_out, total_out, L_out,
    source, family, row, log_n, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """u of a tile of nodes, the two parts of R (`top` and `total`), and L of the leaves."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    begin, end = tl.load(tiles + tile * 4), tl.load(tiles + tile * 4 + 1)
    first_key, last_key = tl.load(tiles + tile * 4 + 2), tl.load(tiles + tile * 4 + 3)
    node = begin + tl.arange(0, BLOCK)
    here = node < end
    members = tl.load(source + node, mask=here, other=0)
    mine = tl.load(family + node, mask=here, other=-2)
    Q = load_rows(q, q_stride, q_head, q_inner, heads, head, members, here, D, DD) * scale
    own = load_rows(k, k_stride, k_head, k_inner, shared_heads, shared, members, here, D, DD)
    L = tl.sum(Q * own, 1)
    left = tl.zeros((BLOCK, PP), tl.float32)
    right = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        rows = tl.load(row + node, mask=here, other=0)
        left = load_side(e, e_stride, e_head, head, rows, here, P, PP)
        L += tl.sum(left * load_side(f, f_stride, f_head, head, rows, here, P, PP), 1)
    top = tl.full((BLOCK,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    u = tl.zeros((BLOCK, EE), tl.float32)
    for at in range(first_key, last_key, BLOCK):
        other = at + tl.arange(0, BLOCK)
        there = other < last_key
        keys = tl.load(source + other, mask=there, other=0)
        theirs = tl.load(family + other, mask=there, other=-3)
        K = load_rows(k, k_stride, k_head, k_inner, shared_heads, shared, keys, there, D, DD)
        V = load_rows(v, v_stride, v_head, v_inner, shared_heads, shared, keys, there, E, EE)
        if P > 0:
            rows = tl.load(row + other, mask=there, other=0)
            right = load_side(f, f_stride, f_head, head, rows, there, P, PP)
        s = logits(Q, K, left, right, P, NARROW) + tl.load(log_n + other, mask=there, other=0.0)[None, :]
        s = tl.where((mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :]), s, float("-inf"))
        higher = tl.maximum(top, tl.max(s, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)  # nothing to attend to yet
        p = tl.exp(s - base[:, None])
        rescale = tl.exp(top - base)
        total = total * rescale + tl.sum(p, 1)
        u = u * rescale[:, None] + multiply(p, V, NARROW)
        top = higher
    u = u / tl.where(total == 0.0, 1.0, total)[:, None]
    store_rows(u, u_leaf, u_inner, heads, head, members, here, E, EE)
    at_node = node * heads + head
    tl.store(top_out + at_node, top, mask=here)
    tl.store(total_out + at_node, total, mask=here)
    if not SELF:
        L = tl.full((BLOCK,), float("-inf"), tl.float32)
    tl.store(L_out + at_node, L, mask=here & (members >= 0))


@jit
def rise(
    top,
    total,
    g_out,
    h_out,
    L_inout,
    share,
    first,
    size,
    above,
    family0,
    heads,
    HH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """g and h of a family's members, and L of its parent."""
    family = family0 + tl.program_id(0)
    begin = tl.load(first + family)
    end = begin + tl.load(size + family)
    head = tl.arange(0, HH)
    mass = tl.zeros((HH,), tl.float32)
    for at in range(begin, end, BLOCK):
        node = at + tl.arange(0, BLOCK)
        at_node = node[:, None] * heads + head[None, :]
        here = (node < end)[:, None] & (head < heads)[None, :]
        L = tl.load(L_inout + at_node, mask=here, other=0.0)
        R = tl.load(top + at_node, mask=here, other=0.0) + tl.log(tl.load(total + at_node, mask=here, other=1.0))
        small = tl.exp(tl.where(L > R, R - L, L - R))
        large = 1.0 / (1.0 + small)
        tl.store(g_out + at_node, tl.where(L > R, large, small * large), mask=here)
        tl.store(h_out + at_node, tl.where(L > R, small * large, large), mask=here)
        Z = tl.where(L > R, L, R) + tl.log(1.0 + small)
        weight = tl.load(share + node, mask=node < end, other=0.0)[:, None]
        mass += tl.sum(tl.where(here, weight * Z, 0.0), 0)
    tl.store(L_inout + tl.load(above + family) * heads + head, mass, mask=head < heads)


@jit
def fall(c, m, u, g, h, parent_node, parent_family, family0, heads, E: tl.constexpr, EE: tl.constexpr):
    """m and c of an inner node that is not a root, from its parent's."""
    family, head = family0 + tl.program_id(0), tl.program_id(1)
    above = tl.load(parent_family + family)
    at_node = tl.load(parent_node + family) * heads + head
    m_above = tl.load(m + above * heads + head)
    columns = tl.arange(0, EE)
    inside = columns < E
    mine, theirs = (family * heads + head) * E + columns, (above * heads + head) * E + columns
    outside = m_above * tl.load(h + at_node) * tl.load(u + mine, mask=inside, other=0.0)
    tl.store(c + mine, tl.load(c + theirs, mask=inside, other=0.0) + outside, mask=inside)
    tl.store(m + family * heads + head, m_above * tl.load(g + at_node))


@jit
def finish(
    out, u_leaf, v, v_stride, v_head, v_inner, c, m, g, h, source, family, leaf_node, count, heads, shared_heads,
    SELF: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Outputs of a block of leaves that have siblings: c + m (h u + g v), c and m the parent's."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head = tl.program_id(1)
    here = at < count
    node = tl.load(leaf_node + at, mask=here, other=0)
    leaf = tl.load(source + node, mask=here, other=0)
    above = tl.load(family + node, mask=here, other=0)
    columns = tl.arange(0, EE)[None, :]
    inside = here[:, None] & (columns < E)
    u = tl.load(u_leaf + (leaf[:, None] * heads + head) * E + columns, mask=inside, other=0.0)
    carried = tl.load(c + (above[:, None] * heads + head) * E + columns, mask=inside, other=0.0)
    x = tl.load(h + node * heads + head, mask=here, other=0.0)[:, None] * u
    if SELF:
        V = load_rows(v, v_stride, v_head, v_inner, shared_heads, head // (heads // shared_heads), leaf, here, E, EE)
        x += tl.load(g + node * heads + head, mask=here, other=0.0)[:, None] * V
    o = carried + tl.load(m + above * heads + head, mask=here, other=0.0)[:, None] * x
    tl.store(out + (leaf[:, None] * heads + head) * E + columns, o, mask=inside)


@jit
def measure(
    q, q_stride, q_head, q_inner, k, k_stride, k_head, k_inner, v, v_stride, v_head, v_inner,
    e, e_stride, e_head, f, f_stride, f_head, o_bar, o_stride, o_head, c_bar, top_in, total_in, a_out, m_bar_out,
    source, family, row, log_n, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """a = c_bar . u of a tile of nodes, and m_bar = o_bar . v of its leaves."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    begin, end = tl.load(tiles + tile * 4), tl.load(tiles + tile * 4 + 1)
    first_key, last_key = tl.load(tiles + tile * 4 + 2), tl.load(tiles + tile * 4 + 3)
    node = begin + tl.arange(0, BLOCK)
    here = node < end
    members = tl.load(source + node, mask=here, other=0)
    mine = tl.load(family + node, mask=here, other=-2)
    at_node = node * heads + head
    Q = load_rows(q, q_stride, q_head, q_inner, heads, head, members, here, D, DD) * scale
    C = load_rows(o_bar, o_stride, o_head, c_bar, heads, head, members, here, E, EE)
    top = tl.load(top_in + at_node, mask=here, other=0.0)
    total = tl.load(total_in + at_node, mask=here, other=1.0)
    left = tl.zeros((BLOCK, PP), tl.float32)
    right = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        left = load_side(e, e_stride, e_head, head, tl.load(row + node, mask=here, other=0), here, P, PP)
    a = tl.zeros((BLOCK,), tl.float32)
    for at in range(first_key, last_key, BLOCK):
        other = at + tl.arange(0, BLOCK)
        there = other < last_key
        keys = tl.load(source + other, mask=there, other=0)
        theirs = tl.load(family + other, mask=there, other=-3)
        K = load_rows(k, k_stride, k_head, k_inner, shared_heads, shared, keys, there, D, DD)
        V = load_rows(v, v_stride, v_head, v_inner, shared_heads, shared, keys, there, E, EE)
        if P > 0:
            right = load_side(f, f_stride, f_head, head, tl.load(row + other, mask=there, other=0), there, P, PP)
        s = logits(Q, K, left, right, P, NARROW) + tl.load(log_n + other, mask=there, other=0.0)[None, :]
        among = (mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :])
        p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0)
        a += tl.sum(p * multiply(C, tl.trans(V), NARROW), 1)
    tl.store(a_out + at_node, a / total, mask=here)
    if SELF:
        own = load_rows(v, v_stride, v_head, v_inner, shared_heads, shared, members, here, E, EE)
        tl.store(m_bar_out + at_node, tl.sum(C * own, 1), mask=here & (members >= 0))


@jit
def rise_back(a, m_bar, g, h, first, size, parent_node, family0, heads, HH: tl.constexpr, BLOCK: tl.constexpr):
    """m_bar of a family's parent."""
    family = family0 + tl.program_id(0)
    begin = tl.load(first + family)
    end = begin + tl.load(size + family)
    head = tl.arange(0, HH)
    total = tl.zeros((HH,), tl.float32)
    for at in range(begin, end, BLOCK):
        node = at + tl.arange(0, BLOCK)
        at_node = node[:, None] * heads + head[None, :]
        here = (node < end)[:, None] & (head < heads)[None, :]
        inside = tl.load(g + at_node, mask=here, other=0.0) * tl.load(m_bar + at_node, mask=here, other=0.0)
        outside = tl.load(h + at_node, mask=here, other=0.0) * tl.load(a + at_node, mask=here, other=0.0)
        total += tl.sum(inside + outside, 0)
    tl.store(m_bar + tl.load(parent_node + family) * heads + head, total, mask=head < heads)


@jit
def fall_back(
    a, m_bar, g, h, m, L_bar, R_bar, weight, share, first, size, parent_node, family0, heads,
    HH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """L_bar and R_bar of a family's members, and m h, the factor of c_bar in u_bar."""
    family = family0 + tl.program_id(0)
    begin = tl.load(first + family)
    end = begin + tl.load(size + family)
    head = tl.arange(0, HH)
    known = head < heads
    stay = tl.load(m + family * heads + head, mask=known, other=0.0)[None, :]
    above = tl.load(L_bar + tl.load(parent_node + family) * heads + head, mask=known, other=0.0)[None, :]
    for at in range(begin, end, BLOCK):
        node = at + tl.arange(0, BLOCK)
        at_node = node[:, None] * heads + head[None, :]
        here = (node < end)[:, None] & known[None, :]
        inside, outside = (
            tl.load(g + at_node, mask=here, other=0.0),
            tl.load(h + at_node, mask=here, other=0.0),
        )
        apart = tl.load(m_bar + at_node, mask=here, other=0.0) - tl.load(a + at_node, mask=here, other=0.0)
        tilt = stay * inside * outside * apart
        Z_bar = tl.load(share + node, mask=node < end, other=0.0)[:, None] * above
        tl.store(L_bar + at_node, inside * Z_bar + tilt, mask=here)
        tl.store(R_bar + at_node, outside * Z_bar - tilt, mask=here)
        tl.store(weight + at_node, stay * outside, mask=here)


@jit
def push_queries(
    q, q_stride, q_head, q_inner, k, k_stride, k_head, k_inner, v, v_stride, v_head, v_inner,
    e, e_stride, e_head, f, f_stride, f_head, o_bar, o_stride, o_head, c_bar, top_in, total_in, a_in, L_bar, R_bar, weight,
    q_bar, q_bar_inner, e_bar, source, family, row, log_n, count, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of nodes as queries: to leaves as they are, to inner nodes for each leaf below."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    begin, end = tl.load(tiles + tile * 4), tl.load(tiles + tile * 4 + 1)
    first_key, last_key = tl.load(tiles + tile * 4 + 2), tl.load(tiles + tile * 4 + 3)
    node = begin + tl.arange(0, BLOCK)
    here = node < end
    members = tl.load(source + node, mask=here, other=-1)
    mine = tl.load(family + node, mask=here, other=-2)
    at_node = node * heads + head
    Q = load_rows(q, q_stride, q_head, q_inner, heads, head, members, here, D, DD) * scale
    C = load_rows(o_bar, o_stride, o_head, c_bar, heads, head, members, here, E, EE)
    top = tl.load(top_in + at_node, mask=here, other=0.0)
    part = 1.0 / tl.load(total_in + at_node, mask=here, other=1.0)
    a = tl.load(a_in + at_node, mask=here, other=0.0)
    R_slope = tl.load(R_bar + at_node, mask=here, other=0.0)
    times = tl.load(weight + at_node, mask=here, other=0.0)
    own = tl.load(L_bar + at_node, mask=here & (members >= 0), other=0.0)
    left = tl.zeros((BLOCK, PP), tl.float32)
    right = tl.zeros((BLOCK, PP), tl.float32)
    left_bar = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        left = load_side(e, e_stride, e_head, head, tl.load(row + node, mask=here, other=0), here, P, PP)
    Q_bar = tl.zeros((BLOCK, DD), tl.float32)
    for at in range(first_key, last_key, BLOCK):
        other = at + tl.arange(0, BLOCK)
        there = other < last_key
        keys = tl.load(source + other, mask=there, other=0)
        theirs = tl.load(family + other, mask=there, other=-3)
        K = load_rows(k, k_stride, k_head, k_inner, shared_heads, shared, keys, there, D, DD)
        V = load_rows(v, v_stride, v_head, v_inner, shared_heads, shared, keys, there, E, EE)
        if P > 0:
            right = load_side(f, f_stride, f_head, head, tl.load(row + other, mask=there, other=0), there, P, PP)
        s = logits(Q, K, left, right, P, NARROW) + tl.load(log_n + other, mask=there, other=0.0)[None, :]
        among = (mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :])
        p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0) * part[:, None]
        T = multiply(C, tl.trans(V), NARROW)
        s_bar = p * (times[:, None] * (T - a[:, None]) + R_slope[:, None])
        if SELF:
            s_bar += tl.where(node[:, None] == other[None, :], own[:, None], 0.0)
        Q_bar += multiply(s_bar, K, NARROW)
        if P > 0:
            left_bar += multiply(s_bar, right, NARROW)
    each = scale / tl.where(members >= 0, 1.0, tl.load(count + node, mask=here, other=1.0))
    store_rows(Q_bar * each[:, None], q_bar, q_bar_inner, heads, head, members, here, D, DD)
    if P > 0:
        columns = tl.arange(0, PP)[None, :]
        rows = tl.load(row + node, mask=here, other=0)[:, None]
        tl.store(e_bar + (rows * heads + head) * P + columns, left_bar, mask=here[:, None] & (columns < P))


@jit
def push_keys(
    q, q_stride, q_head, q_inner, k, k_stride, k_head, k_inner, v, v_stride, v_head, v_inner,
    e, e_stride, e_head, f, f_stride, f_head, o_bar, o_stride, o_head, c_bar, top_in, total_in, a_in, L_bar, R_bar, weight,
    g, k_bar, k_bar_inner, v_bar, v_bar_inner, f_bar, m, source, family, row, log_n, count, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of nodes as keys and values, over the query heads that share them."""
    tile, shared = tl.program_id(0), tl.program_id(1)
    group = heads // shared_heads
    begin, end = tl.load(tiles + tile * 4), tl.load(tiles + tile * 4 + 1)
    first_query, last_query = tl.load(tiles + tile * 4 + 2), tl.load(tiles + tile * 4 + 3)
    node = begin + tl.arange(0, BLOCK)
    here = node < end
    members = tl.load(source + node, mask=here, other=-1)
    mine = tl.load(family + node, mask=here, other=-2)
    rows = tl.load(row + node, mask=here, other=0)
    number = tl.load(log_n + node, mask=here, other=0.0)
    K = load_rows(k, k_stride, k_head, k_inner, shared_heads, shared, members, here, D, DD)
    V = load_rows(v, v_stride, v_head, v_inner, shared_heads, shared, members, here, E, EE)
    K_bar = tl.zeros((BLOCK, DD), tl.float32)
    V_bar = tl.zeros((BLOCK, EE), tl.float32)
    columns = tl.arange(0, PP)[None, :]
    left = tl.zeros((BLOCK, PP), tl.float32)
    right = tl.zeros((BLOCK, PP), tl.float32)
    for head in range(shared * group, shared * group + group):
        right_bar = tl.zeros((BLOCK, PP), tl.float32)
        if P > 0:
            right = load_side(f, f_stride, f_head, head, rows, here, P, PP)
        for at in range(first_query, last_query, BLOCK):
            other = at + tl.arange(0, BLOCK)
            there = other < last_query
            queries = tl.load(source + other, mask=there, other=-1)
            theirs = tl.load(family + other, mask=there, other=-3)
            at_query = other * heads + head
            Q = load_rows(q, q_stride, q_head, q_inner, heads, head, queries, there, D, DD) * scale
            C = load_rows(o_bar, o_stride, o_head, c_bar, heads, head, queries, there, E, EE)
            if P > 0:
                left = load_side(e, e_stride, e_head, head, tl.load(row + other, mask=there, other=0), there, P, PP)
            top = tl.load(top_in + at_query, mask=there, other=0.0)
            part = 1.0 / tl.load(total_in + at_query, mask=there, other=1.0)
            a = tl.load(a_in + at_query, mask=there, other=0.0)
            R_slope = tl.load(R_bar + at_query, mask=there, other=0.0)
            times = tl.load(weight + at_query, mask=there, other=0.0)
            s = logits(Q, K, left, right, P, NARROW) + number[None, :]
            among = (theirs[:, None] == mine[None, :]) & (other[:, None] != node[None, :])
            p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0) * part[:, None]
            T = multiply(C, tl.trans(V), NARROW)
            s_bar = p * (times[:, None] * (T - a[:, None]) + R_slope[:, None])
            p = p * times[:, None]
            if SELF:
                leaf = there & (queries >= 0)
                itself = other[:, None] == node[None, :]
                s_bar += tl.where(itself, tl.load(L_bar + at_query, mask=leaf, other=0.0)[:, None], 0.0)
                stay = tl.load(m + theirs * heads + head, mask=leaf, other=0.0)
                stay = stay * tl.load(g + at_query, mask=leaf, other=0.0)
                p += tl.where(itself, stay[:, None], 0.0)
            K_bar += multiply(tl.trans(s_bar), Q, NARROW)
            V_bar += multiply(tl.trans(p), C, NARROW)
            if P > 0:
                right_bar += multiply(tl.trans(s_bar), left, NARROW)
        if P > 0:
            tl.store(
                f_bar + (rows[:, None] * heads + head) * P + columns,
                right_bar,
                mask=here[:, None] & (columns < P),
            )
    each = 1.0 / tl.where(members >= 0, 1.0, tl.load(count + node, mask=here, other=1.0))
    store_rows(K_bar * each[:, None], k_bar, k_bar_inner, shared_heads, shared, members, here, D, DD)
    store_rows(V_bar * each[:, None], v_bar, v_bar_inner, shared_heads, shared, members, here, E, EE)


@jit
def spread(inner, parent_family, family0, numbers, BLOCK: tl.constexpr):
    """Add to the gradients of an inner node that is not a root what all leaves of its parent get."""
    family = family0 + tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mine, theirs = inner + family * numbers + at, inner + tl.load(parent_family + family) * numbers + at
    tl.store(mine, tl.load(mine, mask=at < numbers) + tl.load(theirs, mask=at < numbers), mask=at < numbers)


@jit
def finish_back(leaf, inner, source, family, leaf_node, numbers, BLOCK: tl.constexpr):
    """Add to a leaf's gradients what all leaves of its parent get."""
    node = tl.load(leaf_node + tl.program_id(0))
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mine = leaf + tl.load(source + node) * numbers + at
    theirs = inner + tl.load(family + node) * numbers + at
    tl.store(mine, tl.load(mine, mask=at < numbers) + tl.load(theirs, mask=at < numbers), mask=at < numbers)
