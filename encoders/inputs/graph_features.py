"""Where a node stands in a graph: features of the children of a GRAPH node, from their edges alone.

Low eigenvectors of the symmetric normalised Laplacian of the undirected graph, damped by their eigenvalue, with a
fixed sign; beside them the logarithms of in- and out-degree. Nodes that are linked alike get alike features.

Source: Dwivedi et al., "Benchmarking Graph Neural Networks" (arXiv 2003.00982), section 4.1 for the eigenvectors.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DENSE: Final = 1_024
"""Largest graph whose eigenvectors are computed densely (a second of work); larger ones by subspace iteration."""


def laplacian_features(nodes: int, edges: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return (nodes, size + 2): `size` damped eigenvectors, log(1 + in-degree), log(1 + out-degree).

    Args:
        nodes: number of nodes; may be 0.
        edges: (2, E) pairs from, to; self-loops and repeats are allowed.
        size: eigenvectors after the constant one; columns that do not exist are 0.
    """
    features = np.zeros((nodes, size + 2), dtype=np.float32)
    if nodes == 0:
        return features
    source, target = np.asarray(edges, dtype=np.int64).reshape(2, -1)
    features[:, size] = np.log1p(np.bincount(target, minlength=nodes))
    features[:, size + 1] = np.log1p(np.bincount(source, minlength=nodes))
    pairs = np.unique(np.stack([np.minimum(source, target), np.maximum(source, target)])[:, source != target], axis=1)
    if pairs.size == 0:
        return features
    degree = np.bincount(pairs.ravel(), minlength=nodes).astype(np.float64)
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    weight = scale[pairs[0]] * scale[pairs[1]]
    values, vectors = (
        dense_eigenpairs(nodes, pairs, weight)
        if nodes <= DENSE
        else iterated_eigenpairs(nodes, pairs, weight, size + 1)
    )
    order = np.argsort(-values)[1 : size + 1]
    chosen = vectors[:, order] * np.maximum(values[order], 0)
    largest = np.abs(chosen).argmax(axis=0)
    sign = np.where(chosen[largest, np.arange(chosen.shape[1])] < 0, -1.0, 1.0)
    features[:, : chosen.shape[1]] = chosen * sign * np.sqrt(nodes)
    return features


def dense_eigenpairs(nodes: int, pairs: NDArray[Any], weight: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """All eigenpairs of the normalised adjacency (1 - the Laplacian's eigenvalues)."""
    matrix = np.zeros((nodes, nodes))
    matrix[pairs[0], pairs[1]] = weight
    matrix[pairs[1], pairs[0]] = weight
    values, vectors = np.linalg.eigh(matrix)
    return values, vectors


def iterated_eigenpairs(
    nodes: int, pairs: NDArray[Any], weight: NDArray[Any], size: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The largest eigenpairs by subspace iteration on (adjacency + 1) / 2, from a fixed start."""
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((nodes, size + 4)))[0]

    def times(columns: NDArray[Any]) -> NDArray[Any]:
        out = columns.copy()
        np.add.at(out, pairs[0], weight[:, None] * columns[pairs[1]])
        np.add.at(out, pairs[1], weight[:, None] * columns[pairs[0]])
        return out / 2

    for _ in range(60):
        block = np.linalg.qr(times(block))[0]
    values, rotation = np.linalg.eigh(block.T @ times(block))
    return 2 * values - 1, block @ rotation
