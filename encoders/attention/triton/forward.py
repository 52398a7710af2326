# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of the forward pass. Names of quantities as in `naive.py`, of layouts as in rows.py.

gather (level by level, up)   attend_tiles (all tiles)   rise (up)   fall (down)   finish (all leaves)
"""

import triton.language as tl

from encoders.attention.triton.rows import jit, load_keys, load_rows, load_side, logits, multiply, store_rows, tile_of


@jit
def attend_tiles(
    q, k, v, e, f, u_out, top_out, total_out, L_out,
    nodes, tiles, scale, heads, shared_heads,
    SELF: tl.constexpr, D: tl.constexpr, DD: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, P: tl.constexpr,
    PP: tl.constexpr, NARROW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """u of a tile of nodes, the two parts of R (`top` and `total`), and L of the leaves."""
    tile, head = tl.program_id(0), tl.program_id(1)
    shared = head // (heads // shared_heads)
    node, valid, members, mine, first_key, last_key = tile_of(nodes, tiles, tile, BLOCK)
    Q = load_rows(q, heads, head, members, valid, D, DD) * scale
    own = load_rows(k, shared_heads, shared, members, valid, D, DD)
    L = tl.sum(Q * own, 1)
    left = tl.zeros((BLOCK, PP), tl.float32)
    if P > 0:
        rows = tl.load(nodes.row + node, mask=valid, other=0)
        left = load_side(e, head, rows, valid, P, PP)
        L += tl.sum(left * load_side(f, head, rows, valid, P, PP), 1)
    # Softmax while the keys stream past (Milakov and Gimelshein 2018): `total` and `u` are relative to the largest
    # logit so far, and are scaled down when a larger one comes.
    top = tl.full((BLOCK,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    u = tl.zeros((BLOCK, EE), tl.float32)
    for at in range(first_key, last_key, BLOCK):
        other, theirs, K, V, right, number = load_keys(
            k, v, f, nodes, at, last_key, shared_heads, shared, head, D, DD, E, EE, P, PP, BLOCK
        )
        s = logits(Q, K, left, right, P, NARROW) + number[None, :]
        # Only siblings, and not oneself: small families share a tile, and rows past its end have families -2 and -3.
        s = tl.where((mine[:, None] == theirs[None, :]) & (node[:, None] != other[None, :]), s, float("-inf"))
        higher = tl.maximum(top, tl.max(s, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)  # nothing to attend to yet
        p = tl.exp(s - base[:, None])
        rescale = tl.exp(top - base)
        total = total * rescale + tl.sum(p, 1)
        u = u * rescale[:, None] + multiply(p, V, NARROW)
        top = higher
    u = u / tl.where(total == 0.0, 1.0, total)[:, None]
    store_rows(u, u_out, heads, head, members, valid, E, EE)
    at_node = node * heads + head
    tl.store(top_out + at_node, top, mask=valid)
    tl.store(total_out + at_node, total, mask=valid)
    if not SELF:
        L = tl.full((BLOCK,), float("-inf"), tl.float32)
    tl.store(L_out + at_node, L, mask=valid & (members >= 0))


@jit
def rise(
    top, total, g_out, h_out, L_inout, share, first, size, above, family0, heads, HH: tl.constexpr, BLOCK: tl.constexpr
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
        valid = (node < end)[:, None] & (head < heads)[None, :]
        L = tl.load(L_inout + at_node, mask=valid, other=0.0)
        R = tl.load(top + at_node, mask=valid, other=0.0) + tl.log(tl.load(total + at_node, mask=valid, other=1.0))
        # g = sigmoid(L - R) and h = 1 - g, each from exp(-|L - R|):
        # no overflow, and no digits lost where one is near 1.
        small = tl.exp(tl.where(L > R, R - L, L - R))
        large = 1.0 / (1.0 + small)
        tl.store(g_out + at_node, tl.where(L > R, large, small * large), mask=valid)
        tl.store(h_out + at_node, tl.where(L > R, small * large, large), mask=valid)
        Z = tl.where(L > R, L, R) + tl.log(1.0 + small)
        weight = tl.load(share + node, mask=node < end, other=0.0)[:, None]
        mass += tl.sum(tl.where(valid, weight * Z, 0.0), 0)
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
    out, u_leaf, v, c, m, g, h, source, family, leaf_node, count, heads, shared_heads,
    SELF: tl.constexpr, E: tl.constexpr, EE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Outputs of a block of leaves that have siblings: c + m (h u + g v), c and m the parent's."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head = tl.program_id(1)
    valid = at < count
    node = tl.load(leaf_node + at, mask=valid, other=0)
    leaf = tl.load(source + node, mask=valid, other=0)
    above = tl.load(family + node, mask=valid, other=0)
    columns = tl.arange(0, EE)[None, :]
    inside = valid[:, None] & (columns < E)
    u = tl.load(u_leaf + (leaf[:, None] * heads + head) * E + columns, mask=inside, other=0.0)
    carried = tl.load(c + (above[:, None] * heads + head) * E + columns, mask=inside, other=0.0)
    x = tl.load(h + node * heads + head, mask=valid, other=0.0)[:, None] * u
    if SELF:
        V = load_rows(v, shared_heads, head // (heads // shared_heads), leaf, valid, E, EE)
        x += tl.load(g + node * heads + head, mask=valid, other=0.0)[:, None] * V
    o = carried + tl.load(m + above * heads + head, mask=valid, other=0.0)[:, None] * x
    tl.store(out + (leaf[:, None] * heads + head) * E + columns, o, mask=inside)
