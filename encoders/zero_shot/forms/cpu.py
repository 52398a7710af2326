"""The untied form on the CPU without gradients: compiled with Numba, on the vectors and threads of `encoders.attention.cpu`.

    key, value ─ pool ─> inner blocks ─ attend, cell by cell ─> outputs, log-normalisers

All leaves of a cell attend to the same blocks, its *cover*: the entries of the groups on the path from the root to
it. So a tile of eight queries meets one list of keys, read where they lie, and one softmax finishes it. Sibling cells
that are small share a tile: their covers are joined, and what a query does not see is masked. What is kept is one row
an inner node. Same quantities and names as `untied`, which is the definition to test against.

Axes:  N leaves   I inner nodes   C cells   H heads   K key-value heads   D query width   E value width
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.attention.cpu.products import entry
from encoders.attention.cpu.simd import LANES, exp, larger, load, splat, store, store_sums
from encoders.attention.cpu.threads import each
from encoders.forest.families import Families, Index
from encoders.zero_shot.forms.lists import Order, interaction_pairs

Array = NDArray[Any]

ALL = 255
TILE = 8
"""Queries at a time: as many as a vector has lanes."""
SMALL = 4
"""Most leaves of a cell that shares its tile with its siblings: half a tile."""
PIECES = 8
"""Tasks a thread, so that none waits long for the last."""


@dataclass(frozen=True, eq=False)
class Covers:
    """What every cell, or joint of small cells, attends to. A block is a leaf of the batch, or ~i for inner node i."""

    leaf_at: Index
    """(N,) leaf at each place."""
    begin: Index
    """(C+1,) first place of each cell or joint."""
    first: Index
    """(C+1,) its first block in `block`."""
    block: Index
    place: Index
    """Place of each block's first leaf."""
    lanes: Array
    """Which queries of a joint see each block, as bits; `ALL` in cells of their own."""
    child_first: Index
    """(I+1,) first child of each inner node in `child`; children come before parents."""
    child: Index
    """Blocks."""
    widest: int
    """Blocks of the largest cover."""
    pieces: tuple[tuple[int, int], ...]
    """Ranges of cells of about equal work."""


def make_covers(families: Families, *, near: int, causal: bool) -> Covers:
    """Return the covers of a forest; arguments as of `build_interactions`."""
    order = Order.of(families)
    group, entries = interaction_pairs(order, near=near, causal=causal)
    nodes = len(families.parent)
    inner = np.flatnonzero(families.leaf < 0)[::-1]  # deepest first
    block_of = families.leaf.copy()
    block_of[inner] = ~np.arange(len(inner))

    cells = np.flatnonzero(order.cell)
    cells = cells[np.argsort(order.start[cells])]
    group_first = np.searchsorted(group, np.arange(nodes + 1))
    cell_of, on_path = [], []
    at, number = cells, np.arange(len(cells))
    while len(at):
        cell_of.append(number)
        on_path.append(at)
        up = families.parent[at]
        at, number = up[up >= 0], number[up >= 0]
    owner, path = (np.concatenate(x) if x else np.empty(0, np.int64) for x in (cell_of, on_path))
    length = group_first[path + 1] - group_first[path]
    pair = np.repeat(np.arange(len(path)), length)
    seen = entries[group_first[path][pair] + np.arange(len(pair)) - np.repeat(np.cumsum(length) - length, length)]
    begin = np.append(order.start[cells], len(order.leaf_at))
    joint = _joints(families.parent[cells], np.diff(begin))
    leader = np.append(np.flatnonzero(np.diff(joint, prepend=-1)), len(cells))  # first cell of each joint
    shift = begin[:-1] - begin[leader[joint]]
    bits = ((1 << np.minimum(np.diff(begin), TILE)) - 1) << np.where(np.diff(leader)[joint] > 1, shift, 0)
    bits = np.where(np.diff(leader)[joint] > 1, bits, ALL)
    owner = owner[pair]
    by_joint = np.lexsort((seen, order.start[seen], joint[owner]))
    seen, owner = seen[by_joint], owner[by_joint]
    new = np.append(True, (joint[owner][1:] != joint[owner][:-1]) | (seen[1:] != seen[:-1]))
    lanes = np.bitwise_or.reduceat(bits[owner], np.flatnonzero(new)).astype(np.uint8)
    seen, owner = seen[new], joint[owner][new]
    first = np.searchsorted(owner, np.arange(len(leader)))
    begin = begin[leader]

    sizes = order.size[inner]
    child_first = np.append(0, np.cumsum(sizes))
    child = np.repeat(order.first[inner] - child_first[:-1], sizes) + np.arange(int(child_first[-1]))
    work = np.append(0, np.cumsum(np.diff(begin) * np.diff(first)))
    parts = max(1, min(len(begin) - 1, PIECES * torch.get_num_threads()))
    cuts = np.unique(np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1], side="right"))
    bounds = [0, *cuts.tolist(), len(begin) - 1]
    return Covers(
        order.leaf_at, begin, first, block_of[seen], order.start[seen], lanes, child_first, block_of[child],
        int(np.diff(first).max(initial=0)), tuple((a, b) for a, b in pairwise(bounds) if a < b),
    )  # fmt: skip


def _joints(parent: Index, size: Index) -> Index:
    """Return the number of the joint of each cell: small siblings together, as many as fit into a tile."""
    joint = np.zeros(len(size), dtype=np.int64)
    number, filled, last = -1, TILE, -1
    for i, (above, leaves) in enumerate(zip(parent.tolist(), size.tolist(), strict=True)):
        if leaves > SMALL or above < 0 or above != last or filled + leaves > TILE:
            number, filled = number + 1, 0
        filled = TILE if leaves > SMALL else filled + leaves
        last = above
        joint[i] = number
    return joint


def untied_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    covers: Covers,
    *,
    scale: float,
    log_weight: Tensor | None,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """Return outputs (N, H, E) and log-normalisers (N, H); arguments as of forms/torch.py, in float32 and detached."""
    leaves, heads, width = len(query), query.shape[1], value.shape[2]
    group = heads // key.shape[1]
    q = _flat(_widen(query, LANES))
    k, v = _widen(key, LANES), _widen(value, 2 * LANES)
    blocks = heads if log_weight is not None else key.shape[1]
    inner = len(covers.child_first) - 1
    inner_key = np.empty((1, inner * blocks * k.shape[2]), np.float32)
    inner_value = np.empty((1, inner * blocks * v.shape[2]), np.float32)
    mass = np.ones((leaves + inner, blocks), np.float32)
    entropy = np.zeros((leaves + inner, blocks), np.float32)
    if log_weight is not None:
        surprise = log_weight.clamp(-60, 60)
        mass[:leaves] = surprise.exp().numpy()
        entropy[:leaves] = surprise.numpy()
    shared = heads // blocks
    keys, values = _flat(k), _flat(v)
    threads = torch.get_num_threads()
    shares = np.linspace(0, blocks, min(blocks, threads) + 1).astype(np.int64).tolist()
    sizes = (blocks, group if blocks == heads else 1, k.shape[2], v.shape[2], leaves)
    each([
        (_pool, (keys, values, inner_key, inner_value, mass, entropy, covers.child_first, covers.child, *sizes, a, b))
        for a, b in pairwise(shares)
    ])  # fmt: skip
    output = np.empty((1, leaves * heads * v.shape[2]), np.float32)
    normaliser = np.empty((leaves, heads), np.float32)

    def run(a: int, b: int) -> None:
        scores = np.empty((covers.widest, TILE), np.float32)
        tile = np.empty((TILE, k.shape[2]), np.float32)
        mixed = np.empty((TILE, v.shape[2]), np.float32)
        _attend(q, keys, values, inner_key, inner_value, entropy, output, normaliser, covers.leaf_at, covers.begin,
                covers.first, covers.block, covers.place, covers.lanes, heads, group, shared, leaves, np.float32(scale), causal,
                scores, tile, mixed, a, b)  # fmt: skip

    each([(run, piece) for piece in covers.pieces])
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
def _pool(
    key: Any, value: Any, inner_key: Any, inner_value: Any, mass: Any, entropy: Any, child_first: Any, child: Any,
    blocks: int, group: int, D: int, E: int, leaves: int, head_from: int, head_to: int,
) -> None:  # fmt: skip
    """Pool heads [head_from, head_to) of all inner nodes, children first.

    `entropy` holds the surprise of each block until its parents are done, and then log(mass) less that.
    """
    inner = len(child_first) - 1
    for i in range(inner):
        for h in range(head_from, head_to):
            total = mass.dtype.type(0)
            for c in range(child_first[i], child_first[i + 1]):
                b = child[c]
                total += mass[b if b >= 0 else leaves + ~b, h]
            surprise = mass.dtype.type(0)
            to_key, to_value = (i * blocks + h) * D, (i * blocks + h) * E
            nothing = splat(mass.dtype.type(0))
            for d in range(0, D, 8):
                store(inner_key, 0, to_key + d, nothing)
            for d in range(0, E, 8):
                store(inner_value, 0, to_value + d, nothing)
            for c in range(child_first[i], child_first[i + 1]):
                b = child[c]
                row = b if b >= 0 else leaves + ~b
                share = mass[row, h] / total
                surprise += share * entropy[row, h]
                p = splat(share)
                if b >= 0:
                    at = (b * (blocks // group) + h // group) * D
                    for d in range(0, D, 8):
                        store(
                            inner_key,
                            0,
                            to_key + d,
                            load(inner_key, 0, to_key + d) + p * load(key, 0, at + d),
                        )
                    at = (b * (blocks // group) + h // group) * E
                    for d in range(0, E, 8):
                        store(
                            inner_value,
                            0,
                            to_value + d,
                            load(inner_value, 0, to_value + d) + p * load(value, 0, at + d),
                        )
                else:
                    at = (~b * blocks + h) * D
                    for d in range(0, D, 8):
                        store(
                            inner_key,
                            0,
                            to_key + d,
                            load(inner_key, 0, to_key + d) + p * load(inner_key, 0, at + d),
                        )
                    at = (~b * blocks + h) * E
                    for d in range(0, E, 8):
                        store(
                            inner_value,
                            0,
                            to_value + d,
                            load(inner_value, 0, to_value + d) + p * load(inner_value, 0, at + d),
                        )
            mass[leaves + i, h] = total
            entropy[leaves + i, h] = surprise
    for row in range(leaves + inner):
        for h in range(head_from, head_to):
            entropy[row, h] = np.log(mass[row, h]) - entropy[row, h] if row >= leaves else 0


@entry
def _attend(
    query: Any, key: Any, value: Any, inner_key: Any, inner_value: Any, entropy: Any, output: Any, normaliser: Any,
    leaf_at: Any, begin: Any, first: Any, block: Any, place: Any, lanes: Any, heads: int, group: int, shared: int, leaves: int,
    scale: float, causal: bool, scores: Any, tile: Any, mixed: Any, cell_from: int, cell_to: int,
) -> None:  # fmt: skip
    """Attend from the leaves of cells [cell_from, cell_to), eight at a time."""
    D, E = tile.shape[1], mixed.shape[1]
    nothing = splat(scores.dtype.type(0))
    for cell in range(cell_from, cell_to):
        e_from, e_to = first[cell], first[cell + 1]
        for start in range(begin[cell], begin[cell + 1], 8):
            count = min(8, begin[cell + 1] - start)
            for h in range(heads):
                for i in range(8):
                    at = (leaf_at[start + min(i, count - 1)] * heads + h) * D
                    for d in range(0, D, 8):
                        store(tile, i, d, load(query, 0, at + d) * splat(scale))
                largest = splat(scores.dtype.type(-3e38))
                for e in range(e_from, e_to):
                    b = block[e]
                    keys = key if b >= 0 else inner_key
                    if b >= 0:
                        at = (b * (heads // group) + h // group) * D
                        extra = scores.dtype.type(0)
                    else:
                        at = (~b * (heads // shared) + h // shared) * D
                        extra = entropy[leaves + ~b, h // shared]
                    a0 = a1 = a2 = a3 = nothing
                    for d in range(0, D, 8):
                        x = load(keys, 0, at + d)
                        a0, a1 = a0 + load(tile, 0, d) * x, a1 + load(tile, 1, d) * x
                        a2, a3 = a2 + load(tile, 2, d) * x, a3 + load(tile, 3, d) * x
                    store_sums(scores, e - e_from, 0, a0, a1, a2, a3)
                    if count > 4:
                        a0 = a1 = a2 = a3 = nothing
                        for d in range(0, D, 8):
                            x = load(keys, 0, at + d)
                            a0, a1 = a0 + load(tile, 4, d) * x, a1 + load(tile, 5, d) * x
                            a2, a3 = a2 + load(tile, 6, d) * x, a3 + load(tile, 7, d) * x
                        store_sums(scores, e - e_from, 4, a0, a1, a2, a3)
                    else:
                        store_sums(scores, e - e_from, 4, nothing, nothing, nothing, nothing)
                    if causal and place[e] > start:
                        for i in range(count):
                            if place[e] > start + i:
                                scores[e - e_from, i] = -3e38
                    if lanes[e] != 255:
                        for i in range(count):
                            if not (lanes[e] >> i) & 1:
                                scores[e - e_from, i] = -3e38
                    s = load(scores, e - e_from, 0) + splat(extra)
                    store(scores, e - e_from, 0, s)
                    largest = larger(s, largest)
                total = nothing
                for e in range(e_to - e_from):
                    p = exp(load(scores, e, 0) - largest)
                    store(scores, e, 0, p)
                    total = total + p
                for i in range(0, count, 4):
                    for d in range(0, E, 16):
                        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = nothing
                        for e in range(e_from, e_to):
                            b = block[e]
                            values = value if b >= 0 else inner_value
                            at = (
                                (b * (heads // group) + h // group)
                                if b >= 0
                                else (~b * (heads // shared) + h // shared)
                            ) * E + d
                            x, y = load(values, 0, at), load(values, 0, at + 8)
                            p = splat(scores[e - e_from, i])
                            a0, b0 = a0 + p * x, b0 + p * y
                            p = splat(scores[e - e_from, i + 1])
                            a1, b1 = a1 + p * x, b1 + p * y
                            p = splat(scores[e - e_from, i + 2])
                            a2, b2 = a2 + p * x, b2 + p * y
                            p = splat(scores[e - e_from, i + 3])
                            a3, b3 = a3 + p * x, b3 + p * y
                        store(mixed, i, d, a0)
                        store(mixed, i, d + 8, b0)
                        store(mixed, i + 1, d, a1)
                        store(mixed, i + 1, d + 8, b1)
                        store(mixed, i + 2, d, a2)
                        store(mixed, i + 2, d + 8, b2)
                        store(mixed, i + 3, d, a3)
                        store(mixed, i + 3, d + 8, b3)
                store(tile, 0, 0, total)
                for i in range(count):
                    sum_i = tile[0, i]
                    at = (leaf_at[start + i] * heads + h) * E
                    for d in range(0, E, 8):
                        store(output, 0, at + d, load(mixed, i, d) / splat(sum_i))
                    normaliser[leaf_at[start + i], h] = np.log(sum_i)
                store(tile, 0, 0, largest)
                for i in range(count):
                    normaliser[leaf_at[start + i], h] += tile[0, i]
