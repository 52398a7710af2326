# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of the backward pass. Names as in `naive.py`, a gradient with `_bar`; layouts as in rows.py.

    gather (up)   measure (all tiles)   rise_back (up)   fall_back (down)   push_queries, push_keys (all tiles)
    spread (down)   finish_back (all leaves)

Weights are not kept from the forward pass: they come again from q, k and the two parts of R. The formulas are those of
`encoders/attention/cpu/backward.py`.
"""

import triton.language as tl

from encoders.attention.triton.rows import jit, load_keys, load_rows, load_side, logits, multiply, store_rows, tile_of


@jit
def measure(
    q, k, v, e, f, o_bar, top_in, total_in, a_out, m_bar_out,
    nodes, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """a = c_bar . u of a tile of nodes, and m_bar = o_bar . v of its leaves."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    node, valid, members, mine, first_key, last_key = tile_of(nodes, tiles, tile, BLOCK)
    at_node = node * heads + head
    Q = load_rows(q, heads, head, members, valid, D, DD) * scale
    C = load_rows(o_bar, heads, head, members, valid, E, EE)
    top = tl.load(top_in + at_node, mask=valid, other=0.0)
    total = tl.load(total_in + at_node, mask=valid, other=1.0)
    left = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        left = load_side(e, head, tl.load(nodes.row + node, mask=valid, other=0), valid, P, PP)
    a = tl.zeros((BLOCK,), tl.float32)  # sum_j P_ij c_bar_i . v_j, the product c_bar . u without reading u again
    for at in range(first_key, last_key, BLOCK):
        other, theirs, K, V, right, number = load_keys(
            k, v, f, nodes, at, last_key, shared_heads, shared, head, D, DD, E, EE, P, PP, BLOCK
        )
        s = logits(Q, K, left, right, P, NARROW) + number[None, :]
        among = (mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :])
        p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0)
        a += tl.sum(p * multiply(C, tl.trans(V), NARROW), 1)
    tl.store(a_out + at_node, a / total, mask=valid)
    if SELF:
        own = load_rows(v, shared_heads, shared, members, valid, E, EE)
        tl.store(m_bar_out + at_node, tl.sum(C * own, 1), mask=valid & (members >= 0))


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
        valid = (node < end)[:, None] & (head < heads)[None, :]
        inside = tl.load(g + at_node, mask=valid, other=0.0) * tl.load(m_bar + at_node, mask=valid, other=0.0)
        outside = tl.load(h + at_node, mask=valid, other=0.0) * tl.load(a + at_node, mask=valid, other=0.0)
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
        valid = (node < end)[:, None] & known[None, :]
        inside, outside = (tl.load(g + at_node, mask=valid, other=0.0), tl.load(h + at_node, mask=valid, other=0.0))
        apart = tl.load(m_bar + at_node, mask=valid, other=0.0) - tl.load(a + at_node, mask=valid, other=0.0)
        # The derivative of g = sigmoid(L - R) is g h: what raises L lowers R by the same.
        tilt = stay * inside * outside * apart
        Z_bar = tl.load(share + node, mask=node < end, other=0.0)[:, None] * above
        tl.store(L_bar + at_node, inside * Z_bar + tilt, mask=valid)
        tl.store(R_bar + at_node, outside * Z_bar - tilt, mask=valid)
        tl.store(weight + at_node, stay * outside, mask=valid)


@jit
def push_queries(
    q, k, v, e, f, o_bar, top_in, total_in, a_in, L_bar, R_bar,
    weight, q_bar, e_bar, nodes, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of nodes as queries: to leaves as they are, to inner nodes for each leaf below."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    node, valid, members, mine, first_key, last_key = tile_of(nodes, tiles, tile, BLOCK)
    at_node = node * heads + head
    Q = load_rows(q, heads, head, members, valid, D, DD) * scale
    C = load_rows(o_bar, heads, head, members, valid, E, EE)
    top = tl.load(top_in + at_node, mask=valid, other=0.0)
    part = 1.0 / tl.load(total_in + at_node, mask=valid, other=1.0)
    a = tl.load(a_in + at_node, mask=valid, other=0.0)
    R_slope = tl.load(R_bar + at_node, mask=valid, other=0.0)
    times = tl.load(weight + at_node, mask=valid, other=0.0)
    own = tl.load(L_bar + at_node, mask=valid & (members >= 0), other=0.0)
    left = tl.zeros((BLOCK, PP), tl.float32)
    left_bar = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        left = load_side(e, head, tl.load(nodes.row + node, mask=valid, other=0), valid, P, PP)
    Q_bar = tl.zeros((BLOCK, DD), tl.float32)
    for at in range(first_key, last_key, BLOCK):
        other, theirs, K, V, right, number = load_keys(
            k, v, f, nodes, at, last_key, shared_heads, shared, head, D, DD, E, EE, P, PP, BLOCK
        )
        s = logits(Q, K, left, right, P, NARROW) + number[None, :]
        among = (mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :])
        p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0) * part[:, None]
        T = multiply(C, tl.trans(V), NARROW)
        s_bar = p * (times[:, None] * (T - a[:, None]) + R_slope[:, None])
        if SELF:  # the leaf's own logit is no part of the softmax: its gradient is L_bar
            s_bar += tl.where(node[:, None] == other[None, :], own[:, None], 0.0)
        Q_bar += multiply(s_bar, K, NARROW)
        if P > 0:
            left_bar += multiply(s_bar, right, NARROW)
    # An inner node holds what every leaf under it gets: the mean shares its gradient out evenly.
    each = scale / tl.where(members >= 0, 1.0, tl.load(nodes.count + node, mask=valid, other=1.0))
    store_rows(Q_bar * each[:, None], q_bar, heads, head, members, valid, D, DD)
    if P > 0:
        columns = tl.arange(0, PP)[None, :]
        rows = tl.load(nodes.row + node, mask=valid, other=0)[:, None]
        tl.store(e_bar + (rows * heads + head) * P + columns, left_bar, mask=valid[:, None] & (columns < P))


@jit
def push_keys(
    q, k, v, e, f, o_bar, top_in, total_in, a_in, L_bar, R_bar,
    weight, g, k_bar, v_bar, f_bar, m, nodes, tiles, scale, heads,
    shared_heads, SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr,
    P: tl.constexpr, PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of nodes as keys and values, over the query heads that share them."""
    tile, shared = tl.program_id(0), tl.program_id(1)
    group = heads // shared_heads
    node, valid, members, mine, first_query, last_query = tile_of(nodes, tiles, tile, BLOCK)
    rows = tl.load(nodes.row + node, mask=valid, other=0)
    number = tl.load(nodes.log_n + node, mask=valid, other=0.0)
    K = load_rows(k, shared_heads, shared, members, valid, D, DD)
    V = load_rows(v, shared_heads, shared, members, valid, E, EE)
    K_bar = tl.zeros((BLOCK, DD), tl.float32)
    V_bar = tl.zeros((BLOCK, EE), tl.float32)
    columns = tl.arange(0, PP)[None, :]
    left = tl.zeros((BLOCK, PP), tl.float32)
    right = tl.zeros((BLOCK, PP), tl.float32)
    # One program does all query heads of a key head, one after the other, so that nothing is added to by two.
    for head in range(shared * group, shared * group + group):
        right_bar = tl.zeros((BLOCK, PP), tl.float32)
        if P > 0:
            right = load_side(f, head, rows, valid, P, PP)
        for at in range(first_query, last_query, BLOCK):
            other = at + tl.arange(0, BLOCK)
            valid_other = other < last_query
            queries = tl.load(nodes.source + other, mask=valid_other, other=-1)
            theirs = tl.load(nodes.family + other, mask=valid_other, other=-3)
            at_query = other * heads + head
            Q = load_rows(q, heads, head, queries, valid_other, D, DD) * scale
            C = load_rows(o_bar, heads, head, queries, valid_other, E, EE)
            if P > 0:
                left = load_side(e, head, tl.load(nodes.row + other, mask=valid_other, other=0), valid_other, P, PP)
            top = tl.load(top_in + at_query, mask=valid_other, other=0.0)
            part = 1.0 / tl.load(total_in + at_query, mask=valid_other, other=1.0)
            a = tl.load(a_in + at_query, mask=valid_other, other=0.0)
            R_slope = tl.load(R_bar + at_query, mask=valid_other, other=0.0)
            times = tl.load(weight + at_query, mask=valid_other, other=0.0)
            s = logits(Q, K, left, right, P, NARROW) + number[None, :]
            among = (theirs[:, None] == mine[None, :]) & (other[:, None] != node[None, :])
            p = tl.where(among, tl.exp(tl.where(among, s - top[:, None], 0.0)), 0.0) * part[:, None]
            T = multiply(C, tl.trans(V), NARROW)
            s_bar = p * (times[:, None] * (T - a[:, None]) + R_slope[:, None])
            p = p * times[:, None]  # what v_j counts for in the outputs below i: m h P_ij, and m g for the leaf itself
            if SELF:
                leaf = valid_other & (queries >= 0)
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
                f_bar + (rows[:, None] * heads + head) * P + columns, right_bar, mask=valid[:, None] & (columns < P)
            )
    each = 1.0 / tl.where(members >= 0, 1.0, tl.load(nodes.count + node, mask=valid, other=1.0))
    store_rows(K_bar * each[:, None], k_bar, shared_heads, shared, members, valid, D, DD)
    store_rows(V_bar * each[:, None], v_bar, shared_heads, shared, members, valid, E, EE)


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
