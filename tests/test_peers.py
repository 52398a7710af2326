"""Attention of other papers against its definition: sets of neighbours read off nested lists, mask and softmax."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from docgraph import Document, Domain, parse_html
from docgraph.errors import ModelError
from encoders import DocumentConfig, TreeBatch
from encoders.anchors import DEPTHS
from encoders.inputs.encoded import DOMAIN_CODE
from encoders.peers import PEERS, Pattern, attend, layout
from tests.articles import article, picture
from tests.small_models import SMALL, build

X = None
TREES: dict[str, Any] = {
    "ragged": [[X, [X, X, X], [[X, X], X, [X, X]]], [[X, X, X, X, X]]],
    "only children": [[[[X]], [[[X, X]]], X]],
    "one level": [X] * 7,
    "one leaf": X,
    "one leaf, deep": [[[X]]],
    "empty": [],
    "empty parts": [[], [X, [], [X]], [[[]]]],
    "deep": [X, [X, [X, [X, [X, X]]]]],
}
WINDOW = 2


class Node:
    """A node of a nested list without only children and empty parts."""

    def __init__(self, parent: "Node | None", leaf: int | None) -> None:
        self.parent, self.leaf, self.children = parent, leaf, list[Node]()

    def walk(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def under(self) -> list[int]:
        return [node.leaf for node in self.walk() if node.leaf is not None]


def tree_of(nested: Any, leaves: Iterator[int], gone: set[int]) -> Node | None:
    """Return the tree of nested lists; leaves that are `gone` count as empty."""
    if not isinstance(nested, list):
        leaf = next(leaves)
        return None if leaf in gone else Node(None, leaf)
    children = [found for one in nested if (found := tree_of(one, leaves, gone)) is not None]
    if len(children) <= 1:
        return children[0] if children else None
    node = Node(None, None)
    node.children = children
    for child in children:
        child.parent = node
    return node


def trees_of(documents: list[Any], gone: set[int] = frozenset()) -> list[Node]:
    leaves = iter(range(10**6))
    return [found for one in documents if (found := tree_of(one, leaves, gone)) is not None]


def neighbours(kind: str, node: Node, document: Node, window: int = WINDOW) -> list[Node] | None:
    """Whom a node attends to in the first pass, in words of the papers; None if it takes no part."""
    everyone = list(document.walk())
    segment = [one for one in everyone if one.leaf is not None and one.parent is node.parent] if node.parent else [node]
    if kind == "hdt":
        around = node.parent.children if node.parent else [node]
        return [*around, *([node.parent] if node.parent else []), *node.children]
    if kind == "local":
        leaves = [one for one in everyone if one.leaf is not None]
        if node.leaf is None:
            return None if node is not document else [node, *leaves]
        at = leaves.index(node)
        near = [one for place, one in enumerate(leaves) if abs(place - at) <= window]
        return near if document.leaf is not None else [*near, document]
    own = [one for one in node.children if one.leaf is not None]
    if node.leaf is None:
        return [node, *own] if own and kind == "hat" else None
    return [*segment, node.parent] if kind == "hat" and node.parent else segment


def softmax_over(query: Tensor, key: Tensor, value: Tensor, rows: list[int], row: int) -> Tensor:
    """(H, E)"""
    logits = torch.stack([(query[row] * key[other]).sum(-1) for other in rows])
    weights = torch.exp(logits - logits.max(0).values)
    weights = weights / weights.sum(0)
    return sum(weight[:, None] * value[other] for weight, other in zip(weights, rows, strict=True))


def by_definition(
    kind: str, documents: list[Any], gone: set[int], leaves: int, anchor_of: dict[int, int], q: Tensor, k: Tensor,
    v: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Outputs of the first pass, and of the second with the same query, key and value at the anchors."""
    out, across = torch.zeros_like(v), torch.zeros_like(v)
    for document in trees_of(documents, gone):
        number = {id(node): node.leaf for node in document.walk() if node.leaf is not None}
        for node in document.walk():
            if node.leaf is None and (row := anchor_of.get(min(node.under()) * 1000 + len(node.under()))) is not None:
                number[id(node)] = leaves + row
        for node in document.walk():
            if (found := neighbours(kind, node, document)) is not None:
                rows = [number[id(one)] for one in found]
                out[number[id(node)]] = softmax_over(q, k, v, rows, number[id(node)])
        anchors = [row for row in number.values() if row >= leaves]
        for row in anchors:
            across[row] = softmax_over(q, k, v, anchors, row)
    return out, across


def named_anchors(kind: str, forest: TreeBatch, present: Tensor | None) -> dict[int, int]:
    """Anchors by the first of the leaves under them and their number, which no two nodes of a document share."""
    plan, rows = layout(forest, kind, present=present, window=WINDOW), forest.parent.tolist()
    there = range(forest.num_leaves) if present is None else present.nonzero().flatten().tolist()
    under: dict[int, list[int]] = {}
    for leaf in there:
        row = int(forest.leaf_rows[leaf])
        while row >= 0:
            under.setdefault(row, []).append(leaf)
            row = rows[row]
    names = [under[row] for row in plan.row[forest.num_leaves :].tolist()]
    return {min(leaves) * 1000 + len(leaves): place for place, leaves in enumerate(names)}


def draw(rows: int, extreme: float = 1.0) -> list[Tensor]:
    made = torch.Generator().manual_seed(rows)
    tensors = [torch.randn(rows, 3, width, dtype=torch.float64, generator=made) for width in (4, 4, 5)]
    tensors[0] = tensors[0] * extreme
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize("kind", PEERS)
@pytest.mark.parametrize("missing", [(), (0, 3, 9, 17)])
@pytest.mark.parametrize("extreme", [1.0, 1e4])
def test_outputs_and_gradients_are_those_of_mask_and_softmax(kind: str, missing: tuple[int, ...], extreme: float):
    documents = list(TREES.values())
    forest = TreeBatch.from_nested(documents)
    present = None
    if missing:
        present = torch.ones(forest.num_leaves, dtype=torch.bool)
        present[list(missing)] = False
    plan, leaves = layout(forest, kind, present=present, window=WINDOW), forest.num_leaves
    names = named_anchors(kind, forest, present)
    q, k, v = draw(len(plan.row), extreme)
    found = [attend(q, k, v, plan.passes[0])]
    if kind == "hat":
        found.append(attend(q[leaves:], k[leaves:], v[leaves:], plan.passes[1]))
    first, across = by_definition(kind, documents, set(missing), leaves, names, q, k, v)
    wanted = [first, across[leaves:]][: len(found)]
    assert len(plan.passes) == len(found)
    pull = [torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1)) for x in found]
    for got, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    got_grad, want_grad = (
        torch.autograd.grad([(x * p).sum() for x, p in zip(side, pull, strict=True)], (q, k, v))
        for side in (found, wanted)
    )
    for got, want in zip(got_grad, want_grad, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10 * extreme)
    assert found[0].abs().sum() > 0


def test_gradcheck():
    forest = TreeBatch.from_nested([TREES["ragged"], TREES["empty parts"]])
    for kind in PEERS:
        plan = layout(forest, kind, window=1)
        inputs = draw(len(plan.row))
        assert torch.autograd.gradcheck(lambda q, k, v, over=plan.passes[0]: attend(q, k, v, over), inputs)


@pytest.mark.parametrize("kind", PEERS)
def test_other_documents_of_the_batch_change_nothing(kind: str):
    documents = list(TREES.values())
    forest = TreeBatch.from_nested(documents)
    plan = layout(forest, kind, window=WINDOW)
    q, k, v = draw(len(plan.row))
    together = attend(q, k, v, plan.passes[0])
    for number in range(len(documents)):
        alone = layout(TreeBatch.from_nested([documents[number]]), kind, window=WINDOW)
        mine = (forest.document[plan.row] == number).nonzero().flatten()
        assert len(alone.row) == len(mine)
        torch.testing.assert_close(
            attend(q[mine], k[mine], v[mine], alone.passes[0]), together[mine], rtol=0, atol=1e-14
        )


def test_pairs_are_counted_by_hand():
    """Two sections of two paragraphs of three leaves: 12 leaves, 4 paragraphs, 2 sections, 1 root."""
    forest = TreeBatch.from_nested([[[[X] * 3, [X] * 3], [[X] * 3, [X] * 3]]])
    assert {kind: layout(forest, kind, window=1).pairs for kind in PEERS} == {
        # leaf: 3 siblings (itself one of them) and the parent; paragraph: 2, 1 and 3 leaves; section: 2, 1, 2; root: 3
        "hdt": 12 * 4 + 4 * 6 + 2 * 5 + 3,
        "hat": 4 * 4**2 + 4**2,
        "local": 12 + 2 * 11 + 2 * 12 + 1,
        "late": 4 * 3**2,
    }
    assert layout(forest, "local", window=2).pairs == 12 + 2 * 11 + 2 * 10 + 2 * 12 + 1


def test_a_node_is_read_from_the_anchors_that_speak_for_it():
    forest = TreeBatch.from_nested([[[X, X], [X, [X, X]]]])
    found = {}
    for kind in PEERS:
        plan = layout(forest, kind)
        anchor_rows = plan.row[forest.num_leaves :]
        nodes = forest.families().top_row[plan.reader_node.numpy()]
        found[kind] = {(int(node), int(anchor_rows[a])) for node, a in zip(nodes, plan.reader_anchor, strict=True)}
    # rows: 0 root, 1 [2, 3], 4 [5, 6 [7, 8]]
    assert found["hdt"] == {(0, 0), (1, 1), (4, 4), (6, 6)}
    assert found["local"] == {(0, 0)}
    assert found["hat"] == {(0, 1), (0, 4), (0, 6), (1, 1), (4, 4), (4, 6), (6, 6)}
    assert found["late"] == set()


def test_places_in_reading_order():
    """Windows count leaves; segments count by their first leaf, wherever in the tree they are."""
    forest = TreeBatch.from_nested([[[X, X], [X, [X, X]]], [X, [X, X]]])
    ordinals = {kind: layout(forest, kind).ordinal.tolist() for kind in PEERS}
    none = [-1] * 8
    assert ordinals == {
        "hdt": [*none, *[-1] * 6],
        "local": [0, 1, 2, 3, 4, 0, 1, 2, -1, -1],
        "hat": [*none, 0, 1, 2, 0, 1],
        "late": none,
    }
    rows = layout(forest, "hat").row[8:].tolist()
    assert rows == [1, 4, 6, 9, 11]


def test_logits_are_scaled():
    plan = layout(TreeBatch.from_nested([TREES["ragged"]]), "hdt")
    q, k, v = draw(len(plan.row))
    torch.testing.assert_close(attend(q, k, v, plan.passes[0], scale=0.3), attend(0.3 * q, k, v, plan.passes[0]))


def test_pattern_of_no_rows():
    empty = Pattern(torch.zeros(0, dtype=torch.int64), (), ())
    assert attend(*draw(3), empty).abs().sum() == 0


# -- in the model ----------------------------------------------------------------------------------------------


def test_parameters_are_those_of_the_other_kinds_and_a_vector_a_depth(tmp_path):
    documents = [article(image=str(picture(tmp_path, "red")))]
    counts = {kind: sum(p.numel() for p in build(documents, attention=kind).parameters()) for kind in ("hsa", *PEERS)}
    assert {kind: count - counts["hsa"] for kind, count in counts.items()} == {
        "hsa": 0, "hdt": DEPTHS * 24, "hat": DEPTHS * 24, "local": DEPTHS * 24, "late": 0,
    }  # fmt: skip
    assert max(counts.values()) < 1.01 * counts["hsa"]


def deep() -> Document:
    """Lists in lists, deeper than there are vectors, and a row of paragraphs."""
    inner = "x y"
    for number in range(DEPTHS + 3):
        inner = f"a{number} b<ul><li>{inner}</li><li>c{number}</li></ul>"
    return parse_html(f"<h1>One</h1><p>d e</p><p>f</p>{inner}")


@pytest.mark.parametrize("kind", ["hdt", "hat", "local"])
def test_anchors_start_from_their_leaves_and_are_read_beside_them(kind: str):
    """By hand: a mean and a vector of the depth at first, half of a node's vector at last."""
    model = build([deep()], attention=kind, image_encoder=None)
    assert model.processor is not None
    batch, inner = model.processor(deep()), model.document
    forest, leaves, made = batch.forest, batch.forest.num_leaves, torch.Generator().manual_seed(0)
    structure = inner.structure(batch, None, torch.zeros(leaves, dtype=torch.int64))
    state = torch.randn(leaves, 24, generator=made)
    entered, _ = inner.anchors.enter(state, structure)
    assert torch.equal(entered[:leaves], state)
    anchor_of, document = named_anchors(kind, forest, None), trees_in(forest)
    place = {id(node): anchor_of.get(min(node.under()) * 1000 + len(node.under())) for node in document.walk()}
    inside = [node for node in document.walk() if node.leaf is None]
    segments = [node for node in inside if any(child.leaf is not None for child in node.children)]
    own = {"hdt": inside, "local": [document], "hat": segments}[kind]
    assert len(entered) == leaves + len(own)
    deepest = 0
    for node in own:
        depth, at = 0, node
        while at.parent is not None:
            depth, at = depth + 1, at.parent
        deepest = max(deepest, depth)
        want = state[node.under()].mean(0) + inner.anchors.depth.weight[min(depth, DEPTHS - 1)]
        torch.testing.assert_close(entered[leaves + place[id(node)]], want)
    assert kind == "local" or deepest > DEPTHS

    rows, anchors = torch.randn(forest.num_rows, 24, generator=made), torch.randn(len(own), 24, generator=made)
    got, parent = inner.anchors.read(rows, anchors, structure), forest.parent.tolist()
    under: list[set[int]] = [set() for _ in parent]
    for leaf, row in enumerate(forest.leaf_rows.tolist()):
        while row >= 0:
            under[row].add(leaf)
            row = parent[row]
    for row, some in enumerate(under):
        node = next(one for one in document.walk() if set(one.under()) == some)
        speak = [one for one in node.walk() if one in own] if kind == "hat" else [one for one in own if one is node]
        want = rows[row]
        if speak:
            want = (want + torch.stack([anchors[place[id(one)]] for one in speak]).mean(0)) / 2
        torch.testing.assert_close(got[row], want)


@pytest.mark.parametrize("kind", PEERS)
def test_places_are_those_of_rows_or_of_the_reading_order(kind: str):
    model = build([deep()], attention=kind, image_encoder=None)
    assert model.processor is not None
    batch, inner = model.processor([article(image=None), deep(), parse_html("<p>g h</p>")]), model.document
    leaves, plan = batch.forest.num_leaves, layout(batch.forest, kind)
    structure = inner.structure(batch, None, torch.zeros(leaves, dtype=torch.int64))
    _, passes = inner.anchors.enter(torch.zeros(leaves, 24), structure)
    read = batch.leaf_document.tolist()
    for first, over in passes:
        position = over.position
        for row, at in enumerate(position.index.tolist(), first):
            # Reading order: of the leaves for windows, of the segments, which are numbered in it, for their anchors.
            document = int(batch.forest.document[plan.row[row]])
            if kind == "local" and row < leaves:
                ordinal = row - read.index(document)
            elif kind == "hat" and row >= leaves:
                ordinal = row - leaves - sum(int(batch.forest.document[one]) < document for one in plan.row[leaves:])
            else:
                assert at == batch.position.index[plan.row[row]]
                continue
            assert position.domain[at] == DOMAIN_CODE[Domain.SEQUENCE]
            assert position.place[at].tolist() == [ordinal, 0]


@pytest.mark.parametrize("kind", PEERS)
def test_information_goes_as_far_as_a_kind_says(kind: str):
    """Two layers: the gradient of one leaf's state reaches the leaves that two steps reach, and no others."""
    model = build([article(image=None)], attention=kind, num_hidden_layers=2, attention_window=1, image_encoder=None)
    assert model.processor is not None
    batch = model.eval().processor(article(image=None))
    inner = model.document
    seen: list[Tensor] = []
    inner.layers[0].register_forward_pre_hook(lambda _, read: seen.append(read[0].requires_grad_()))
    state = inner(batch, output_leaves=True).leaf_states
    place = len(state) // 2
    (reached,) = torch.autograd.grad(state[place].square().sum(), seen[0])
    reached_leaves = set(reached.abs().sum(-1)[: len(state)].nonzero().flatten().tolist())
    document = trees_in(batch.forest)
    node = next(one for one in document.walk() if one.leaf == place)
    reach = {id(node): node}
    for _ in range(2):
        if kind == "hat":  # backwards: across anchors, then within segments
            anchors = [one for one in document.walk() if any(child.leaf is not None for child in one.children)]
            if any(id(one) in reach for one in anchors):
                reach |= {id(one): one for one in anchors}
        steps = [neighbours(kind, one, document, window=1) or [] for one in reach.values()]
        reach |= {id(other): other for step in steps for other in step}
    assert reached_leaves == {one.leaf for one in reach.values() if one.leaf is not None}


def trees_in(forest: TreeBatch) -> Node:
    """The tree of a forest's only document."""
    leaf_of_row = {row: leaf for leaf, row in enumerate(forest.leaf_rows.tolist())}
    parent = forest.parent.tolist()

    def nested(row: int) -> Any:
        return None if row in leaf_of_row else [nested(child) for child, above in enumerate(parent) if above == row]

    return trees_of([nested(0)])[0]


def test_positions_count_between_siblings(tmp_path):
    """Fresh weights but for positions, which are large: an order of sentences is told from another."""
    for kind in ("hdt", "hat", "local", "late"):
        model = build([article(image=None)], attention=kind, image_encoder=None).eval()
        before = model.encode(article(image=None)).vectors
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "attention.position.weight" in name:
                    parameter.mul_(50)
        assert abs(before - model.encode(article(image=None)).vectors).max() > 1e-4
        assert math.isfinite(before.sum())


@pytest.mark.parametrize("changes", [{"layer": "hte"}, {"attend_self": False}, {"pool_after": [0]}])
def test_what_peers_cannot_do_is_refused(changes: dict[str, Any]):
    with pytest.raises(ModelError, match='attention="permuted-hat" needs layer="prenorm"'):
        DocumentConfig(**SMALL, attention="permuted-hat", **changes)
