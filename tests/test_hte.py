"""The paper's layer against a transcription of hsa.md in lists and loops, and every layer,
attention and readout at once.

The transcription shares nothing with the code but the weights: it walks the tree by recursion, one leaf, head and
sibling at a time, in float64.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from docgraph import Document, Domain
from encoders import DocumentConfig, DocumentForClassification, build_classifier
from encoders.inputs.encoded import DOMAIN_CODE, DocumentBatch
from encoders.layer import HTELayer
from tests.articles import article, empty_document, family, picture

SMALL = {
    "hidden_size": 12,
    "intermediate_size": 20,
    "num_attention_heads": 3,
    "position_size": 8,
    "position_head_size": 2,
}
KINDS = ("hsa", "flat", "none", "permuted")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """A family on each of the five domains, an article with a picture, one with a broken picture, an empty one."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "cut.png").write_bytes(picture(folder, "red").read_bytes()[:60])
    words = ["one two", "three", "four five six"]
    return [
        family(Domain.SET, words),
        family(Domain.SEQUENCE, words),
        family(Domain.GRID, words, positions=[(0, 0), (0, 1), (1, 0)]),
        family(Domain.GRAPH, words, edges=[(0, 1), (1, 2)]),
        family(Domain.KEYED, words, keys=["title", "summary", "side note"]),
        article(image=str(folder / "red.png")),
        article(image=str(folder / "cut.png")),
        empty_document(),
    ]


def build(documents: list[Document], **options: Any) -> DocumentForClassification:
    torch.manual_seed(0)
    model = build_classifier(DocumentConfig(**SMALL, **options), documents, ["a", "b"], vocab_size=280)
    with torch.no_grad():  # every weight counts, those that start at 0 or 1 as well
        for parameter in model.document.layers.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


# -- the transcription -----------------------------------------------------------------------------------------


def norm(row: list[float], layer: Any) -> list[float]:
    mean = sum(row) / len(row)
    spread = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + layer.eps)
    scaled = [(x - mean) / spread for x in row]
    return [w * x + b for w, x, b in zip(layer.weight.tolist(), scaled, layer.bias.tolist(), strict=True)]


def linear(row: list[float], layer: Any) -> list[float]:
    return [
        sum(w * x for w, x in zip(weights, row, strict=True)) + b
        for weights, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    ]


def dot(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def add(*terms: tuple[float, list[float]]) -> list[float]:
    return [sum(scale * row[n] for scale, row in terms) for n in range(len(terms[0][1]))]


def logsumexp(values: list[float]) -> float:
    top = max(values)
    return top if top == -math.inf else top + math.log(sum(math.exp(v - top) for v in values))


class Tree:
    """hsa.md, "Closed form", with attend_self=False: leaves have L = -inf, and only children have no outside."""

    def __init__(
        self, root: int, children: dict[int, list[int]], leaf: dict[int, dict[str, list[float]]], e: Any
    ) -> None:
        self.children, self.leaf, self.e = children, leaf, e
        self.output: dict[int, list[float]] = {}
        if self.count(root):
            width = len(next(iter(leaf.values()))["v"])
            self.down(root, 1.0, [0.0] * width)

    def family(self, row: int) -> list[int]:
        return [child for child in self.children.get(row, []) if self.count(child)]

    def count(self, row: int) -> int:
        return 1 if row in self.leaf else sum(self.count(child) for child in self.children.get(row, []))

    def mean(self, row: int, part: str) -> list[float]:
        if row in self.leaf:
            return self.leaf[row][part]
        total = self.count(row)
        return add(*[(self.count(child) / total, self.mean(child, part)) for child in self.family(row)])

    def logits(self, row: int, parent: int) -> dict[int, float]:
        query, width = self.mean(row, "q"), len(self.mean(row, "q"))
        return {
            other: dot(query, self.mean(other, "k")) / math.sqrt(width)
            + dot(self.e(row), self.e(other))
            + math.log(self.count(other))
            for other in self.family(parent)
            if other != row
        }

    def inside(self, row: int) -> float:
        """L of hsa.md."""
        if row in self.leaf:
            return -math.inf
        total = self.count(row)
        return sum(self.count(child) / total * self.mass(child, row) for child in self.family(row))

    def mass(self, row: int, parent: int) -> float:
        """Z of hsa.md."""
        outside = list(self.logits(row, parent).values())
        return logsumexp([self.inside(row), *outside]) if outside else self.inside(row)

    def down(self, row: int, m: float, c: list[float]) -> None:
        for child in self.family(row):
            logits = self.logits(child, row)
            if logits:
                whole, inside = self.mass(child, row), self.inside(child)
                stay = math.exp(inside - whole) if inside > -math.inf else 0.0
                outside = logsumexp(list(logits.values()))
                u = add(*[(math.exp(value - outside), self.mean(other, "v")) for other, value in logits.items()])
                below, got = m * stay, add((1.0, c), (m * (1 - stay), u))
            else:
                below, got = m, c
            if child in self.leaf:
                self.output[child] = got
            else:
                self.down(child, below, got)


def transcribed(layer: HTELayer, state: torch.Tensor, structure: Any, batch: DocumentBatch) -> torch.Tensor:
    """Return (N, D): the layer of hsa.md, "The layer of the paper"."""
    heads, size = layer.heads, state.shape[1] // layer.heads
    parent, leaf_rows = batch.forest.parent.tolist(), batch.forest.leaf_rows.tolist()
    there = [True] * len(leaf_rows) if structure.present is None else structure.present.tolist()
    children: dict[int, list[int]] = {}
    for row, above in enumerate(parent):
        children.setdefault(above, []).append(row)
    parts = []
    for row, kind in zip(state.tolist(), structure.modality.tolist(), strict=True):
        joined = linear(row, layer.qkv[kind])
        cut = [joined[n * size : (n + 1) * size] for n in range(3 * heads)]
        parts.append([[norm(cut[p * heads + h], layer.norms[p]) for h in range(heads)] for p in range(3)])
    domain = structure.position.domain[structure.position.index].tolist()
    features = structure.position_features[structure.position.index].tolist()
    weight, share = layer.attention.position.weight, layer.attention.position.head_size
    mixed = [[part[0][h] for h in range(heads)] for part in parts]
    for head in range(heads):

        def e(row: int, head: int = head) -> list[float]:
            if domain[row] == DOMAIN_CODE[Domain.SET]:
                return [0.0] * share
            columns = weight[domain[row]][:, head * share : (head + 1) * share].T.tolist()
            return [dot(column, features[row]) for column in columns]

        leaves = {
            row: {"q": parts[n][0][head], "k": parts[n][1][head], "v": parts[n][2][head]}
            for n, row in enumerate(leaf_rows)
            if there[n]
        }
        for root in children.get(-1, []):
            for row, got in Tree(root, children, leaves, e).output.items():
                n = leaf_rows.index(row)
                mixed[n][head] = add((1.0, mixed[n][head]), (1.0, got))
    rows = []
    for each in mixed:
        joined = norm(linear([x for head in each for x in head], layer.output), layer.norm)
        hidden = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in linear(joined, layer.feed[0])]
        rows.append(add((1.0, joined), (1.0, linear(hidden, layer.feed[3]))))
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("backend", ["naive", "torch", "cpu"])
def test_the_papers_layer_is_its_transcription_on_all_five_domains(documents: list[Document], backend: str) -> None:
    options = {"layer": "hte", "num_hidden_layers": 1, "image_size": 32, "image_encoder": "test_vit"}
    model = build(documents, **options, attention_backend=backend).double().eval()
    assert model.processor is not None
    batch = model.processor(documents)
    assert set(batch.position.domain.tolist()) == set(DOMAIN_CODE.values())
    assert batch.present is not None
    assert not batch.present.all()
    inner = model.document
    layer = inner.layers[0]
    assert isinstance(layer, HTELayer)
    with torch.no_grad():
        state, modality = inner.embed_leaves(batch)
        structure = inner.structure(batch, inner.present_leaves(batch), modality)
        got = layer(state, structure)
        want = transcribed(layer, state, structure, batch)
    here = batch.present
    torch.testing.assert_close(got[here], want[here], atol=1e-10, rtol=0)


# -- everything with everything --------------------------------------------------------------------------------


@pytest.mark.parametrize("readout", ["mean", "mean_of_means", "attention"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", ["prenorm", "hte"])
def test_all_domains_in_every_layer_attention_and_readout(
    documents: list[Document], tmp_path: Path, layer: str, kind: str, readout: str
) -> None:
    options = {"image_size": 32, "text_leaves": "node", "image_leaves": "one", "image_encoder": "test_vit"}
    model = build(documents, layer=layer, attention=kind, readout=readout, **options)
    assert model.processor is not None
    output = model.train()(batch=model.processor(documents), labels=torch.tensor([0, 1] * 4), output_nodes=True)
    assert output.logits.shape == (8, 2)
    assert output.node_states.shape[1] == 12
    output.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    want = model.eval().predict(documents).probabilities
    model.save_pretrained(tmp_path)
    loaded = DocumentForClassification.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.predict(documents).probabilities, want)


@pytest.mark.parametrize("layer", ["prenorm", "hte"])
def test_the_four_kinds_of_attention_start_from_the_same_weights_and_read_the_same_leaves(
    documents: list[Document], layer: str
) -> None:
    models = [build(documents, layer=layer, attention=kind, image_encoder=None).eval() for kind in KINDS]
    assert len({sum(p.numel() for p in model.parameters()) for model in models}) == 1
    first = models[0]
    leaves = []
    for model in models:
        for (name, one), other in zip(first.state_dict().items(), model.state_dict().values(), strict=True):
            assert torch.equal(one, other), name
        assert model.processor is not None
        with torch.no_grad():
            leaves.append(model.document.embed_leaves(model.processor(documents))[0])
    assert all(torch.equal(leaves[0], other) for other in leaves)
