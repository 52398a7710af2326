"""The untied form on the CPU without gradients: compiled with Numba,
on the vectors and threads of `encoders.attention.cpu`.

    key, value ─ pool ─> inner blocks ─ attend_cells ─> outputs, log-normalisers

A tile of TILE queries of one cell meets one list of keys, its cover, read where they lie, and one softmax finishes it:
the scores of a tile, (blocks, TILE), are kept whole, so nothing is rescaled. What is kept besides is one row an inner
node. Same quantities and names as in torch.py, which is the definition to test against.

Widths are multiples of LANES, those of values of two vectors; arrays of vectors are flat, (1, numbers).

Axes:  N leaves   I inner nodes   H heads   K key-value heads   J heads of inner blocks   D query width   E value width
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.attention.cpu.covers import ALL, TILE, Covers, make_tasks
from encoders.attention.cpu.products import entry, inner
from encoders.attention.cpu.simd import LANES, exp, larger, load, splat, store, store_sums
from encoders.attention.cpu.threads import each
from encoders.forest.families import Families

Array = NDArray[Any]

HALF = TILE // 2
"""Queries whose sums are in registers at once: four sums, or four of two vectors each, beside what they read."""
HIDDEN = np.float32(-3e38)
"""Score of what a query does not see: exp of it is 0, and it differs from itself by 0, not by NaN as -inf does."""
LARGEST, TOTAL = 0, 1
"""Rows of `Tile.sums`."""


class Blocks(NamedTuple):
    """Leaves and inner nodes as keys and values."""

    key: Array
    """Leaf n, key head k begins at (n * K + k) * D."""
    value: Array
    inner_key: Array
    """Inner node i, head j begins at (i * J + j) * D."""
    inner_value: Array
    mass: Array
    """(N + I, J) sum of the weights exp(log_weight) of the leaves below, with those of the leaves first."""
    entropy: Array
    """(N + I, J) of the proportions; while pooling, the mean log weight ("surprise"),
    and entropy is log(mass) - that."""
    key_heads: int
    inner_heads: int
    leaves: int


class Tile(NamedTuple):
    """One thread's space."""

    query: Array
    """(TILE, D)"""
    mixed: Array
    """(TILE, E)"""
    scores: Array
    """(widest, TILE)"""
    sums: Array
    """(2, TILE) largest score and sum of weights of each query."""


def untied_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    families: Families,
    *,
    near: int,
    causal: bool,
    scale: float,
    log_weight: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and log-normalisers (N, H); arguments as of torch.py, in float32 and detached."""
    tasks = families.cached(("cover tasks", near, causal), lambda: make_tasks(families, near=near, causal=causal))
    leaves, heads, width = len(query), query.shape[1], value.shape[2]
    q, k, v = _widen(query, LANES), _widen(key, LANES), _widen(value, 2 * LANES)
    # Without weights, heads that share keys share their blocks too; weights are of each query head.
    inner_heads = heads if log_weight is not None else key.shape[1]
    nodes = len(tasks.covers.child_first) - 1
    blocks = Blocks(
        key=_flat(k),
        value=_flat(v),
        inner_key=np.zeros((1, nodes * inner_heads * k.shape[2]), np.float32),
        inner_value=np.zeros((1, nodes * inner_heads * v.shape[2]), np.float32),
        mass=np.ones((leaves + nodes, inner_heads), np.float32),
        entropy=np.zeros((leaves + nodes, inner_heads), np.float32),
        key_heads=key.shape[1],
        inner_heads=inner_heads,
        leaves=leaves,
    )
    if log_weight is not None:
        surprise = log_weight.clamp(-60, 60)
        blocks.mass[:leaves] = surprise.exp().numpy()
        blocks.entropy[:leaves] = surprise.numpy()
    shares = np.linspace(0, inner_heads, min(inner_heads, torch.get_num_threads()) + 1).astype(np.int64).tolist()
    each([(pool, (blocks, tasks.covers, k.shape[2], v.shape[2], a, b)) for a, b in pairwise(shares)])
    output = np.empty((1, leaves * heads * v.shape[2]), np.float32)
    normaliser = np.empty((leaves, heads), np.float32)
    queries = _flat(q)

    def run(a: int, b: int) -> None:
        tile = Tile(
            np.empty((TILE, k.shape[2]), np.float32),
            np.empty((TILE, v.shape[2]), np.float32),
            np.empty((tasks.widest, TILE), np.float32),
            np.empty((2, TILE), np.float32),
        )
        attend_cells(queries, blocks, tasks.covers, output, normaliser, np.float32(scale), causal, tile, a, b)

    each([(run, piece) for piece in tasks.pieces])
    result = torch.from_numpy(output.reshape(leaves, heads, v.shape[2]))
    return result[..., :width], torch.from_numpy(normaliser)


def _widen(tensor: Tensor, multiple: int) -> Tensor:
    """Fill the last axis with zeros up to a multiple, if it is not."""
    missing = -tensor.shape[-1] % multiple
    return torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor


def _flat(tensor: Tensor) -> Array:
    array: Array = tensor.contiguous().view(1, -1).numpy()
    return array


@entry
def pool(blocks: Blocks, covers: Covers, D: int, E: int, head_from: int, head_to: int) -> None:
    """Pool heads [head_from, head_to) of all inner nodes, children first: means weighted by mass, and entropies.

    The mean log weight is pooled as keys are, so that a block's entropy, log(mass) - that, needs no second pass.
    """
    mass, entropy, leaves, heads = blocks.mass, blocks.entropy, blocks.leaves, blocks.inner_heads
    group = heads // blocks.key_heads
    for node in range(len(covers.child_first) - 1):
        children = covers.child[covers.child_first[node] : covers.child_first[node + 1]]
        for head in range(head_from, head_to):
            total = surprise = mass.dtype.type(0)
            for b in children:
                total += mass[b if b >= 0 else leaves + ~b, head]
            to = node * heads + head
            for b in children:
                row = b if b >= 0 else leaves + ~b
                share = mass[row, head] / total
                surprise += share * entropy[row, head]
                at = b * blocks.key_heads + head // group if b >= 0 else ~b * heads + head
                add_share(blocks.inner_key, to * D, share, blocks.key if b >= 0 else blocks.inner_key, at * D, D)
                add_share(blocks.inner_value, to * E, share, blocks.value if b >= 0 else blocks.inner_value, at * E, E)
            mass[leaves + node, head] = total
            entropy[leaves + node, head] = surprise
    for row in range(len(mass)):
        for head in range(head_from, head_to):
            entropy[row, head] = np.log(mass[row, head]) - entropy[row, head] if row >= leaves else 0


@inner
def add_share(into: Array, to: int, share: float, rows: Array, at: int, width: int) -> None:
    """Add a share of one vector to another."""
    p = splat(share)
    for d in range(0, width, LANES):
        store(into, 0, to + d, load(into, 0, to + d) + p * load(rows, 0, at + d))


@entry
def attend_cells(
    query: Array, blocks: Blocks, covers: Covers, output: Array, normaliser: Array, scale: float, causal: bool,
    tile: Tile, cell_from: int, cell_to: int,
) -> None:  # fmt: skip
    """Attend from the leaves of cells [cell_from, cell_to), a tile of queries and a head at a time."""
    heads = normaliser.shape[1]
    for cell in range(cell_from, cell_to):
        for start in range(covers.begin[cell], covers.begin[cell + 1], TILE):
            count = min(TILE, covers.begin[cell + 1] - start)
            for head in range(heads):
                pack(query, covers, heads, head, start, count, scale, tile)
                score(blocks, covers, heads, head, cell, start, count, causal, tile)
                soften(covers.first[cell + 1] - covers.first[cell], tile)
                mix(blocks, covers, heads, head, cell, count, tile)
                unpack(covers, heads, head, start, count, output, normaliser, tile)


@inner
def pack(query: Array, covers: Covers, heads: int, head: int, start: int, count: int, scale: float, tile: Tile) -> None:
    """Copy a tile of queries, scaled; the last one again where there are fewer."""
    D = tile.query.shape[1]
    for i in range(TILE):
        at = (covers.leaf_at[start + min(i, count - 1)] * heads + head) * D
        for d in range(0, D, LANES):
            store(tile.query, i, d, load(query, 0, at + d) * splat(scale))


@inner
def score(
    blocks: Blocks, covers: Covers, heads: int, head: int, cell: int, start: int, count: int, causal: bool, tile: Tile
) -> None:
    """Put q.k + entropy of every block of the cover and query of the tile into `scores`,
    and the largest into `sums`.
    """
    query, scores = tile.query, tile.scores
    D, first = query.shape[1], covers.first[cell]
    nothing, largest = splat(scores.dtype.type(0)), splat(HIDDEN)
    for e in range(first, covers.first[cell + 1]):
        b, row = covers.block[e], e - first
        if b >= 0:
            keys, at = blocks.key, (b * blocks.key_heads + head // (heads // blocks.key_heads)) * D
            entropy = scores.dtype.type(0)
        else:
            shared = head // (heads // blocks.inner_heads)
            keys, at = blocks.inner_key, (~b * blocks.inner_heads + shared) * D
            entropy = blocks.entropy[blocks.leaves + ~b, shared]
        for i in range(0, TILE, HALF):
            a0 = a1 = a2 = a3 = nothing
            if i < count:
                for d in range(0, D, LANES):
                    x = load(keys, 0, at + d)
                    a0, a1 = a0 + load(query, i, d) * x, a1 + load(query, i + 1, d) * x
                    a2, a3 = a2 + load(query, i + 2, d) * x, a3 + load(query, i + 3, d) * x
            store_sums(scores, row, i, a0, a1, a2, a3)
        # Places are left to right, so a leaf that comes later has a larger one.
        if causal and covers.place[e] > start:
            for i in range(min(count, covers.place[e] - start)):
                scores[row, i] = HIDDEN
        if covers.lanes[e] != ALL:
            for i in range(count):
                if not (covers.lanes[e] >> i) & 1:
                    scores[row, i] = HIDDEN
        s = load(scores, row, 0) + splat(entropy)
        store(scores, row, 0, s)
        largest = larger(s, largest)
    store(tile.sums, LARGEST, 0, largest)


@inner
def soften(rows: int, tile: Tile) -> None:
    """Turn scores into weights relative to the largest, a query a lane, and sum them."""
    largest, total = load(tile.sums, LARGEST, 0), splat(tile.sums.dtype.type(0))
    for row in range(rows):
        p = exp(load(tile.scores, row, 0) - largest)
        store(tile.scores, row, 0, p)
        total = total + p
    store(tile.sums, TOTAL, 0, total)


@inner
def mix(blocks: Blocks, covers: Covers, heads: int, head: int, cell: int, count: int, tile: Tile) -> None:
    """Put the sum over blocks of weight times value into `mixed`, four queries and two vectors at a time.

    Sums stay in registers over all blocks: eight of them, two of values and one weight fit the sixteen of AVX2.
    """
    scores, mixed, nothing = tile.scores, tile.mixed, splat(tile.mixed.dtype.type(0))
    E, first = mixed.shape[1], covers.first[cell]
    group, shared = heads // blocks.key_heads, heads // blocks.inner_heads
    for i in range(0, count, HALF):
        for d in range(0, E, 2 * LANES):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = nothing
            for e in range(first, covers.first[cell + 1]):
                b, row = covers.block[e], e - first
                if b >= 0:
                    values, at = blocks.value, (b * blocks.key_heads + head // group) * E + d
                else:
                    values, at = blocks.inner_value, (~b * blocks.inner_heads + head // shared) * E + d
                x, y = load(values, 0, at), load(values, 0, at + LANES)
                p = splat(scores[row, i])
                a0, b0 = a0 + p * x, b0 + p * y
                p = splat(scores[row, i + 1])
                a1, b1 = a1 + p * x, b1 + p * y
                p = splat(scores[row, i + 2])
                a2, b2 = a2 + p * x, b2 + p * y
                p = splat(scores[row, i + 3])
                a3, b3 = a3 + p * x, b3 + p * y
            store(mixed, i, d, a0)
            store(mixed, i, d + LANES, b0)
            store(mixed, i + 1, d, a1)
            store(mixed, i + 1, d + LANES, b1)
            store(mixed, i + 2, d, a2)
            store(mixed, i + 2, d + LANES, b2)
            store(mixed, i + 3, d, a3)
            store(mixed, i + 3, d + LANES, b3)


@inner
def unpack(
    covers: Covers, heads: int, head: int, start: int, count: int, output: Array, normaliser: Array, tile: Tile
) -> None:
    """Divide by the sums of weights and write to the leaves' places."""
    E = tile.mixed.shape[1]
    for i in range(count):
        leaf, total = covers.leaf_at[start + i], tile.sums[TOTAL, i]
        at = (leaf * heads + head) * E
        for d in range(0, E, LANES):
            store(output, 0, at + d, load(tile.mixed, i, d) / splat(total))
        normaliser[leaf, head] = np.log(total) + tile.sums[LARGEST, i]
