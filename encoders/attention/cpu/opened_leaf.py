"""The search of one leaf after another and its way back, compiled into `opened.py`; names as there.

_add, _sum ─> logits and masses of the entries    _choose ─> what is opened    _mix ─> outputs    _share: back
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.attention.cpu.products import entry, inner
from encoders.attention.cpu.simd import LANES, exp, larger, load, splat, store, store_sums
from encoders.attention.cpu.untied_tile import HIDDEN, LARGEST, TOTAL, Rows

Array = NDArray[Any]

AT_ONCE = 4
"""Products that are summed together."""
CLOSED = np.float32(-1e38)
"""Spread of what cannot be opened, or less."""


class Space(NamedTuple):
    """One thread's, for one leaf."""

    node: Array
    """(H, C) int64"""
    score: Array
    """(H, C) logits, then weights."""
    spread: Array
    """(H, C) logs; `CLOSED` at leaves."""
    slope: Array
    """(H, C)"""
    length: Array
    """(H,) int64, entries of each head."""
    sums: Array
    """(2, H): the largest logit, and the sum of exp(logit - largest)."""
    lanes: Array
    """(1, LANES)"""
    best: Array
    """(H,) what the blocks to be opened promise."""
    head: Array
    place: Array
    """(H,) int64, where they are."""


class Seen(NamedTuple):
    """What the leaves attended to; empty where nobody asks for gradients."""

    node: Array
    """(N, X) int32, head after head."""
    start: Array
    """(N, H+1) int32"""


@inner
def _products(rows: Rows, blocks: Rows, leaf: int, head: int, start: int, end: int, nodes: Array, into: Array) -> None:
    """Put the products of a leaf's vector and those of the nodes [start, end) of a head's row into `into`."""
    nothing, at = splat(into.dtype.type(0)), (leaf * rows.heads + head) * rows.width
    for x in range(start, end, AT_ONCE):
        last = end - 1
        n0 = (nodes[head, x] * blocks.heads + head) * blocks.width
        n1 = (nodes[head, min(x + 1, last)] * blocks.heads + head) * blocks.width
        n2 = (nodes[head, min(x + 2, last)] * blocks.heads + head) * blocks.width
        n3 = (nodes[head, min(x + 3, last)] * blocks.heads + head) * blocks.width
        a0 = a1 = a2 = a3 = nothing
        for d in range(0, blocks.width, LANES):
            y = load(rows.value, 0, at + d)
            a0, a1 = a0 + y * load(blocks.value, 0, n0 + d), a1 + y * load(blocks.value, 0, n1 + d)
            a2, a3 = a2 + y * load(blocks.value, 0, n2 + d), a3 + y * load(blocks.value, 0, n3 + d)
        store_sums(into, head, x, a0, a1, a2, a3)


@inner
def _add(q: Rows, k: Rows, H: Array, spread: Array, leaf: int, head: int, end: int, space: Space) -> None:
    """Let the nodes that were written from a head's count on be entries."""
    start = space.length[head]
    _products(q, k, leaf, head, start, end, space.node, space.score)
    for x in range(start, end):
        node = space.node[head, x]
        space.score[head, x] += H[node, head]
        space.spread[head, x] = spread[node, head]
    space.length[head] = end


@inner
def _sum(space: Space, head: int) -> None:
    """Find the largest logit of a head, and the sum of exponentials relative to it."""
    score, count = space.score, space.length[head]
    for x in range(count, -(-count // LANES) * LANES):
        score[head, x] = HIDDEN
    most = splat(score.dtype.type(HIDDEN))
    for x in range(0, count, LANES):
        most = larger(load(score, head, x), most)
    store(space.lanes, 0, 0, most)
    top = space.lanes[0, 0]
    for lane in range(1, LANES):
        top = max(top, space.lanes[0, lane])
    total = splat(score.dtype.type(0))
    for x in range(0, count, LANES):
        total = total + exp(load(score, head, x) - splat(top))
    store(space.lanes, 0, 0, total)
    space.sums[LARGEST, head], space.sums[TOTAL, head] = top, space.lanes[0, 0]
    for lane in range(1, LANES):
        space.sums[TOTAL, head] += space.lanes[0, lane]


@inner
def _choose(space: Space, heads: int) -> int:
    """Find the blocks that promise most, as many as there are heads, of all heads; return how many there are."""
    found, least = 0, 0
    for head in range(heads):
        mass = space.sums[LARGEST, head] + math.log(space.sums[TOTAL, head])
        for x in range(space.length[head]):
            if space.spread[head, x] < CLOSED:
                continue
            promise = space.score[head, x] - mass + space.spread[head, x]
            if found == heads and not promise > space.best[least]:
                continue
            at = found if found < heads else least
            space.best[at], space.head[at], space.place[at] = promise, head, x
            found = min(found + 1, heads)
            if found == heads:
                for other in range(heads):
                    least = other if space.best[other] < space.best[least] else least
    return found


@inner
def _mix(blocks: Rows, head: int, count: int, nodes: Array, weights: Array, factor: Any, o: Rows, leaf: int) -> None:
    """Write `factor` times the sum of weight times vector over a head's entries to where a leaf has its own."""
    nothing, to = splat(weights.dtype.type(0)), (leaf * o.heads + head) * o.width
    for d in range(0, blocks.width, 2 * LANES):
        a = b = nothing
        for x in range(count):
            at, p = (nodes[head, x] * blocks.heads + head) * blocks.width + d, splat(weights[head, x])
            a, b = a + p * load(blocks.value, 0, at), b + p * load(blocks.value, 0, at + LANES)
        store(o.value, 0, to + d, a * splat(factor))
        store(o.value, 0, to + d + LANES, b * splat(factor))


@entry
def open_leaves(
    q: Rows, k: Rows, v: Rows, H: Array, spread: Array, entries: Array, children: Array, o: Rows, top: Array,
    total: Array, seen: Seen, opened: int, space: Space, leaf_from: int, leaf_to: int,
) -> None:  # fmt: skip
    """Attend from leaves [leaf_from, leaf_to); absent ones, which have no entries, stay as they are."""
    node, count, one, nodes = space.node, space.length, q.value.dtype.type(1), len(children) - 1
    for leaf in range(leaf_from, leaf_to):
        many = 0
        while many < entries.shape[1] and entries[leaf, many] < nodes:
            many += 1
        if not many:
            continue
        for head in range(q.heads):
            count[head] = 0
            for x in range(many):
                node[head, x] = entries[leaf, x]
            _add(q, k, H, spread, leaf, head, many, space)
            _sum(space, head)
        for _ in range(opened):
            found = _choose(space, q.heads)
            if not found:
                break
            for one_of in range(found):
                head, place = space.head[one_of], space.place[one_of]
                end = count[head]
                for x in range(children.shape[1]):
                    if children[node[head, place], x] < nodes:
                        node[head, end] = children[node[head, place], x]
                        end += 1
                _add(q, k, H, spread, leaf, head, end, space)
                last = end - 1
                node[head, place] = node[head, last]
                space.score[head, place], space.spread[head, place] = space.score[head, last], space.spread[head, last]
                count[head] = last
            for one_of in range(found):
                _sum(space, space.head[one_of])
        for head in range(q.heads):
            top[leaf, head], total[leaf, head] = space.sums[LARGEST, head], space.sums[TOTAL, head]
            for x in range(0, count[head], LANES):
                store(space.score, head, x, exp(load(space.score, head, x) - splat(top[leaf, head])))
            _mix(v, head, count[head], node, space.score, one / total[leaf, head], o, leaf)
        if len(seen.node):
            for head in range(q.heads):
                start = seen.start[leaf, head]
                for x in range(count[head]):
                    seen.node[leaf, start + x] = node[head, x]
                seen.start[leaf, head + 1] = start + count[head]


@entry
def open_leaves_back(
    q: Rows, k: Rows, v: Rows, H: Array, c: Rows, top: Array, total: Array, z_bar: Array, seen: Seen, q_bar: Rows,
    k_bar: Rows, v_bar: Rows, H_bar: Array, space: Space, head_from: int, head_to: int,
) -> None:  # fmt: skip
    """Write the gradients of query heads [head_from, head_to), and add those of the blocks."""
    node, p, slope, one = space.node, space.score, space.slope, q.value.dtype.type(1)
    for leaf in range(len(seen.start)):
        for head in range(head_from, head_to):
            start = seen.start[leaf, head]
            count = seen.start[leaf, head + 1] - start
            if not count:
                continue
            for x in range(count):
                node[head, x] = seen.node[leaf, start + x]
            _products(q, k, leaf, head, 0, count, node, p)
            _products(c, v, leaf, head, 0, count, node, slope)
            part, mean = one / total[leaf, head], one - one
            for x in range(count):
                p[head, x] = math.exp(p[head, x] + H[node[head, x], head] - top[leaf, head]) * part
                mean += p[head, x] * slope[head, x]
            for x in range(count):
                slope[head, x] = p[head, x] * (slope[head, x] - mean + z_bar[leaf, head])
                H_bar[node[head, x], head] += slope[head, x]
            _mix(k, head, count, node, slope, one, q_bar, leaf)
            _share(k_bar, head, count, node, slope, q, leaf)
            _share(v_bar, head, count, node, p, c, leaf)


@inner
def _share(blocks: Rows, head: int, count: int, nodes: Array, weights: Array, rows: Rows, leaf: int) -> None:
    """Add weight times a leaf's vector to the vector of each of a head's entries."""
    own = (leaf * rows.heads + head) * rows.width
    for x in range(count):
        at, p = (nodes[head, x] * blocks.heads + head) * blocks.width, splat(weights[head, x])
        for d in range(0, blocks.width, LANES):
            store(blocks.value, 0, at + d, load(blocks.value, 0, at + d) + p * load(rows.value, 0, own + d))
