"""Documents as networkx graphs: an exact round trip, and other people's trees."""

import io
import json
from itertools import pairwise

import networkx
import pytest
from hypothesis import given

from docgraph import Document, DocumentError, Domain, parse_html
from tests.documents import documents, drawn


@drawn
@given(documents())
def test_the_round_trip_is_exact(document):
    graph = document.to_networkx()
    assert Document.from_networkx(graph).same_as(document)
    assert Document.from_networkx(graph.copy()).same_as(document)


@drawn
@given(documents())
def test_networkx_node_link_json_brings_it_back_too(document):
    written = json.dumps(networkx.node_link_data(document.to_networkx(), edges="edges"))
    assert Document.from_networkx(networkx.node_link_graph(json.loads(written), edges="edges")).same_as(document)


@drawn
@given(documents())
def test_edges_are_the_tree_the_order_and_the_links(document):
    graph = document.to_networkx()
    of_kind = {
        kind: {(a, b) for a, b, k in graph.edges(data="kind") if k == kind} for kind in ("child", "next", "links_to")
    }
    tree = graph.edge_subgraph(of_kind["child"]) if of_kind["child"] else networkx.trivial_graph(networkx.DiGraph)
    assert networkx.is_arborescence(tree)
    assert list(graph) == list(range(len(document)))
    for node in document:
        children = [child.row for child in node.children]
        assert {(node.row, child) for child in children} <= of_kind["child"]
        pairs = set(pairwise(children))
        assert (pairs <= of_kind["next"]) if node.domain is Domain.SEQUENCE else not (pairs & of_kind["next"])
        wanted = (
            {(children[a], children[b]) for a, b in document.edges.get(node.row, [[], []])[:].T.tolist()}
            if node.row in document.edges
            else set()
        )
        assert wanted <= of_kind["links_to"]
    assert sum(map(len, of_kind.values())) == graph.number_of_edges()
    assert all(graph.nodes[leaf.row]["text"] == leaf.text for leaf in document.leaves())


@drawn
@given(documents())
def test_taking_out_a_subtree_leaves_the_rest(document):
    graph = document.to_networkx()
    row = len(document) // 2
    if row == 0:
        return
    end = int(document.subtree_end[row])
    graph.remove_nodes_from(range(row, end))
    rest = Document.from_networkx(graph)
    kept = [node for node in document if not row <= node.row < end]
    assert [(n.kind, n.span, dict(n.attributes)) for n in rest] == [(n.kind, n.span, dict(n.attributes)) for n in kept]
    assert [n.marks == [] for n in rest] == [n.marks == [] for n in kept]


def test_a_value_changed_in_the_graph_is_changed_in_the_document():
    graph = Document.from_networkx(plain()).to_networkx()
    graph.nodes[1]["kind"] = "heading"
    graph.nodes[1]["attributes"] = {"level": 2}
    again = Document.from_networkx(graph)
    assert (again[1].kind, again[1].attributes["level"]) == ("heading", 2)


@drawn
@given(documents())
def test_every_value_is_one_that_other_programs_read(document):
    graph = document.to_networkx()
    for values in (
        graph.graph,
        *(data for _, data in graph.nodes(data=True)),
        *(data for *_, data in graph.edges(data=True)),
    ):
        assert all(type(value) in (str, int, float, bool) for value in values.values())


@pytest.mark.parametrize("write", [networkx.write_graphml, networkx.write_gexf])
def test_a_page_is_written_for_gephi_and_the_like_and_read_again(write):
    page = parse_html("<title>T</title><h1 id=x>A</h1><p>b <a href='/c'>c</a></p><table><tr><th>1<td>2</table>")
    file = io.BytesIO()
    write(page.to_networkx(), file)
    file.seek(0)
    read = networkx.read_graphml if write is networkx.write_graphml else networkx.read_gexf
    again = read(file, node_type=int)
    assert [again.nodes[node.row]["kind"] for node in page] == list(page.kind)
    if write is networkx.write_graphml:
        assert Document.from_networkx(again).same_as(page)


def plain() -> networkx.DiGraph:
    """root -> b, a; a -> c. Names are strings, the order is that of the edges, ranks of `a` turn its children round."""
    graph = networkx.DiGraph()
    graph.add_node("root", kind="page", weight=3)
    graph.add_node("b", text="First.")
    graph.add_node("a", text="Own.", domain="set")
    graph.add_edges_from([("root", "b"), ("root", "a")])
    graph.add_edge("a", "late", kind="child", order=2)
    graph.add_edge("a", "early", kind="child", order=1)
    graph.add_edge("b", "a", kind="next")
    graph.nodes["late"]["text"] = "Late."
    graph.nodes["early"].update(text="Early.", kind="note", price=2.5)
    return graph


def test_a_tree_made_by_somebody_else_is_read():
    document = Document.from_networkx(plain())
    assert [(n.kind, n.text, n.domain.value) for n in document] == [
        ("page", "First.\n\nOwn.\n\nEarly.\n\nLate.", "sequence"),
        ("paragraph", "First.", "sequence"),
        ("group", "Own.\n\nEarly.\n\nLate.", "set"),
        ("paragraph", "Own.", "sequence"),
        ("note", "Early.", "sequence"),
        ("paragraph", "Late.", "sequence"),
    ]
    assert dict(document[0].attributes) == {"weight": 3}
    assert dict(document[4].attributes) == {"price": 2.5}


def test_domains_keys_positions_and_links_of_somebody_elses_tree():
    graph = networkx.DiGraph()
    graph.add_node(0, domain="graph", kind="site")
    graph.add_node(1, domain=Domain.KEYED)
    graph.add_node(2, domain="grid")
    graph.add_edges_from([(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)])
    graph.add_edge(2, 1, kind="links_to")
    graph.add_edge(1, 2, kind="links_to")
    graph.nodes[3].update(key="price", text="5")
    graph.nodes[4].update(key="name", text="tea")
    graph.nodes[5].update(position=(3, 4), text="cell")
    document = Document.from_networkx(graph)
    assert [n.key for n in document.find("paragraph")] == ["price", "name", None]
    assert document[5].position == (3, 4)
    assert {tuple(pair) for pair in document.edges[0].T.tolist()} == {(0, 1), (1, 0)}


def chain(*edges) -> networkx.DiGraph:
    return networkx.DiGraph(list(edges))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (networkx.DiGraph(), "one root, but it has 0"),
        (networkx.Graph([(0, 1)]), "must be directed"),
        (chain((0, 1), (2, 3)), "one root, but it has 2"),
        (chain((0, 1), (2, 1)), "node 1 has two"),
        (chain((0, 1), (1, 0)), "one root, but it has 0"),
        (chain((0, 1), (2, 3), (3, 2)), "only 2 of its 4 nodes"),
        (networkx.DiGraph([(0, 1, {"kind": "next"})]), "one root, but it has 2"),
    ],
)
def test_graphs_that_are_no_tree_are_refused(graph, message):
    with pytest.raises(DocumentError, match=message):
        Document.from_networkx(graph)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"domain": "sea"}, "must be one of sequence, grid, graph, set, keyed, but is 'sea'"),
        ({"position": "x"}, "must be a number or a pair"),
        ({"text": 5}, "must be a string, but is a int"),
        ({"key": "a"}, "key='a' under a sequence domain"),
    ],
)
def test_node_values_that_make_no_document_are_refused(values, message):
    graph = chain((0, 1))
    graph.nodes[1].update(values)
    with pytest.raises(DocumentError, match=message):
        Document.from_networkx(graph)


def test_a_graph_of_ours_that_lost_its_values_is_refused():
    graph = Document.from_networkx(plain()).to_networkx()
    del graph.nodes[1]["span"]
    with pytest.raises(DocumentError, match="must keep its values, but KeyError"):
        Document.from_networkx(graph)
