"""Positions: moving a node changes the output, on every domain but a set."""

import networkx
import numpy as np
import pytest
import torch

from docgraph import Document, Domain
from encoders import DocumentConfig, DocumentForClassification, build_classifier
from encoders.inputs.graph_features import DENSE, iterated_eigenpairs, laplacian_features
from tests.articles import family

TEXTS = ["red apples", "green pears", "blue plums"]


@pytest.fixture(scope="module")
def model() -> DocumentForClassification:
    torch.manual_seed(0)
    config = DocumentConfig(hidden_size=32, intermediate_size=32, num_attention_heads=2, image_encoder=None)
    return build_classifier(config, [family(Domain.SET, TEXTS)], ["a", "b"], vocab_size=300).eval()


def vectors(model: DocumentForClassification, document: Document) -> dict[str, np.ndarray]:
    """The vector of each text, by the text: comparable wherever it stands."""
    nodes = model.encode(document, "nodes")
    return {document[row].text: vector for row, vector in zip(nodes.node_row, nodes.vectors, strict=True) if row}


MOVES = {
    "sequence": (family(Domain.SEQUENCE, TEXTS), family(Domain.SEQUENCE, TEXTS[::-1])),
    "grid": (
        family(Domain.GRID, TEXTS, positions=[(0, 0), (0, 1), (1, 0)]),
        family(Domain.GRID, TEXTS, positions=[(0, 0), (1, 0), (0, 1)]),
    ),
    "graph": (
        family(Domain.GRAPH, TEXTS, edges=[(0, 1), (1, 2)]),
        family(Domain.GRAPH, TEXTS, edges=[(1, 0), (0, 2)]),
    ),
    "keyed": (
        family(Domain.KEYED, TEXTS, keys=["headline", "body", "caption"]),
        family(Domain.KEYED, TEXTS, keys=["body", "headline", "caption"]),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moving_a_node_changes_the_output(model: DocumentForClassification, name: str) -> None:
    before, after = (vectors(model, document) for document in MOVES[name])
    assert max(np.abs(before[text] - after[text]).max() for text in TEXTS) > 1e-4


def test_a_set_has_no_positions(model: DocumentForClassification) -> None:
    before, after = vectors(model, family(Domain.SET, TEXTS)), vectors(model, family(Domain.SET, TEXTS[::-1]))
    for text in TEXTS:
        np.testing.assert_allclose(before[text], after[text], atol=1e-6)


def test_a_graph_is_known_by_its_edges_not_by_the_order_of_its_nodes(
    model: DocumentForClassification,
) -> None:
    before = vectors(model, family(Domain.GRAPH, TEXTS, edges=[(0, 1), (1, 2)]))
    renamed = vectors(model, family(Domain.GRAPH, TEXTS[::-1], edges=[(2, 1), (1, 0)]))
    for text in TEXTS:
        np.testing.assert_allclose(before[text], renamed[text], atol=1e-5)


def test_the_same_family_on_another_domain_is_another_document(model: DocumentForClassification) -> None:
    on_set, on_sequence = (
        vectors(model, family(Domain.SET, TEXTS)),
        vectors(model, family(Domain.SEQUENCE, TEXTS)),
    )
    assert max(np.abs(on_set[text] - on_sequence[text]).max() for text in TEXTS) > 1e-4


def test_laplacian_features_agree_with_networkx() -> None:
    graph = networkx.random_labeled_tree(23, seed=5)
    edges = np.array(graph.edges).T
    got = laplacian_features(23, edges, 4)[:, :4].astype(np.float64) / np.sqrt(23)
    adjacency = np.eye(23) - networkx.normalized_laplacian_matrix(graph, nodelist=range(23)).toarray()
    for column in got.T:  # an eigenvector times its eigenvalue, of length = the eigenvalue
        value = np.linalg.norm(column)
        assert value > 0.1
        np.testing.assert_allclose(adjacency @ column, value * column, atol=1e-6)


def test_large_graphs_get_the_same_eigenvalues_by_iteration() -> None:
    graph = networkx.path_graph(41)
    pairs = np.array(graph.edges).T
    scale = 1 / np.sqrt([graph.degree[n] for n in range(41)])
    values, _ = iterated_eigenpairs(41, pairs, scale[pairs[0]] * scale[pairs[1]], 3)
    np.testing.assert_allclose(np.sort(values)[-3:], np.cos(np.pi * np.array([2, 1, 0]) / 40), atol=1e-3)
    assert np.isfinite(laplacian_features(DENSE + 1, np.stack([np.arange(DENSE), np.arange(1, DENSE + 1)]), 4)).all()


@pytest.mark.parametrize(("nodes", "edges"), [(0, []), (1, []), (3, []), (2, [(0, 0)]), (2, [(0, 1), (1, 0), (0, 1)])])
def test_odd_graphs_have_finite_features(nodes: int, edges: list[tuple[int, int]]) -> None:
    features = laplacian_features(nodes, np.array(edges, dtype=np.int32).reshape(-1, 2).T, 4)
    assert features.shape == (nodes, 6)
    assert np.isfinite(features).all()
