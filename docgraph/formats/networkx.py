"""Documents as networkx graphs, both ways.

    Document ──to_networkx──> DiGraph: a node a row, edges of three kinds ──from_networkx──> the same Document

Edges carry `kind`:  "child"     parent to child; `order` counts the children
                     "next"      a child of a SEQUENCE to the child after it
                     "links_to"  between children of a GRAPH node (pages of a site): its `edges`
Nodes carry their columns (kind, domain, role, position, span, attributes, ...); leaves carry their `text` too. What
belongs to the whole document is in `graph.graph`. Every value is a plain one (text, number, truth), lists and mappings
being their JSON text and what is missing being left out: so `networkx.write_graphml`, `write_gexf` and `node_link_data`
write the graph as it is. Where the graph is read, such values may be lists and mappings, too.

`from_networkx(to_networkx(d)).same_as(d)` holds for every document. A tree that somebody else made is read too: see
`from_networkx`. Nothing recurses.
"""

import json
from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from docgraph.builder import ColumnsBuilder
from docgraph.columns import Columns
from docgraph.errors import DocumentError
from docgraph.formats.json import SCHEMA, from_dict, to_dict
from docgraph.kinds import Domain

if TYPE_CHECKING:
    import networkx

_COLUMNS: Final = ("kind", "domain", "role", "position", "span")
_SPARSE: Final = ("attributes", "boxes")
_WHOLE: Final = ("metadata", "keys", "marks", "sources", "images", "warnings", "edges")
"""What of the whole document is no plain value."""


def to_networkx(document: Columns) -> "networkx.DiGraph[int]":
    """Return the document as a graph whose nodes are its rows."""
    import networkx

    values = to_dict(document)
    columns = {name: values.pop(name) for name in _COLUMNS}
    sparse = {name: values.pop(name) for name in _SPARSE}
    edges, score, sources = values.pop("edges"), values.pop("score"), values["sources"]
    leaf = document.child_count == 0
    graph: networkx.DiGraph[int] = networkx.DiGraph()
    for row in range(len(document)):
        data = {name: column[row] for name, column in columns.items()}
        if leaf[row]:
            start, end = data["span"]
            data["text"] = document.text[start:end]
        for name, entries in sparse.items():
            if (entry := entries.get(str(row))) is not None:
                data[name] = entry
        if score is not None and score[row] is not None:
            data["score"] = score[row]
        if sources is not None:
            data["element"] = sources["node_element"][row]
            if sources["node_offsets"] is not None:
                data["offsets"] = sources["node_offsets"][row]
        graph.add_node(row, **_plain(data))
    _add_edges(graph, document)
    if sources is not None:
        values["sources"] = {**sources, "node_element": None, "node_offsets": sources["node_offsets"] is not None}
    values["scored"] = score is not None
    values["edges"] = list(edges)
    del values["parent"]
    graph.graph.update(_plain(values))
    return graph


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as other programs read them: no lists, no mappings, nothing for None."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for name, value in values.items()
        if value is not None
    }


def _whole(value: Any) -> Any:
    """Return what `_plain` wrote as JSON text; anything that is no text as it is.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(value) if isinstance(value, str) else value


def _add_edges(graph: "networkx.DiGraph[int]", document: Columns) -> None:
    last: dict[int, int] = {}
    counts: dict[int, int] = {}
    for row, above in enumerate(document.parent.tolist()):
        if above < 0:
            continue
        order = counts.get(above, 0)
        counts[above] = order + 1
        graph.add_edge(above, row, kind="child", order=order)
        if document.domain[above] is Domain.SEQUENCE:
            if order:
                graph.add_edge(last[above], row, kind="next")
            last[above] = row
    for row, pairs in document.edges.items():
        children = document.child_rows(row)
        for number, (source, target) in enumerate(pairs.T.tolist()):
            edge = children[source], children[target]
            if graph.has_edge(*edge):
                graph.edges[edge]["places"] += f" {number}"
            else:
                graph.add_edge(*edge, kind="links_to", places=str(number))


def from_networkx(graph: "networkx.DiGraph[Any]") -> Columns:
    """Return the document that a graph holds.

    A graph that `to_networkx` made gives the same document; nodes may have been taken out of it, whole subtrees at a
    time, and node values changed. Any other directed tree is read so: edges of kind "child", or of no kind, go from
    parent to child, children in the order of their edges (or by the edges' `order`); "links_to" edges between the
    children of a node whose `domain` is "graph" become its edges; others are left out. Of a node's values `kind`,
    `domain`, `role`, `position`, `key` and `text` are understood, the rest become attributes. Text of a node with
    children becomes a paragraph before them.

    Raises:
        DocumentError: the graph is not directed, or its tree edges are no tree with one root.
    """
    if not graph.is_directed():
        raise DocumentError("a document's graph must be directed, from parent to child, but is not.")
    children, root = _tree(graph)
    if graph.graph.get("schema") == SCHEMA:
        return _restored(graph, children, root)
    return _built(graph, children, root)


def _tree(graph: "networkx.DiGraph[Any]") -> tuple[dict[Hashable, list[Any]], Any]:
    """Return each node's children in order, and the root."""
    children: dict[Hashable, list[Any]] = {node: [] for node in graph}
    orders: dict[Hashable, list[float]] = {node: [] for node in graph}
    below: set[Hashable] = set()
    for source, target, data in graph.edges(data=True):
        if data.get("kind", "child") != "child":
            continue
        if target in below:
            raise DocumentError(f"every node of a document must have one parent, but node {target!r} has two.")
        below.add(target)
        children[source].append(target)
        orders[source].append(data.get("order", len(orders[source])))
    roots = [node for node in graph if node not in below]
    if len(roots) != 1:
        raise DocumentError(
            "a document's graph must be a tree with one root, "
            f"but it has {len(roots)} nodes without a parent: {roots[:5]!r}."
        )
    for node, order in orders.items():
        if any(first > second for first, second in pairwise(order)):
            ranked = sorted(range(len(order)), key=order.__getitem__)
            children[node] = [children[node][index] for index in ranked]
    return children, roots[0]


def _preorder(children: dict[Hashable, list[Any]], root: Any) -> list[tuple[Any, int]]:
    """Return (node, parent's row) in pre-order.

    Raises:
        DocumentError: some nodes cannot be reached from the root: they are on a cycle.
    """
    rows: list[tuple[Any, int]] = []
    stack: list[tuple[Any, int]] = [(root, -1)]
    while stack:
        node, above = stack.pop()
        row = len(rows)
        rows.append((node, above))
        stack.extend((child, row) for child in reversed(children[node]))
    if len(rows) != len(children):
        raise DocumentError(
            f"a document's graph must be one tree, but only {len(rows)} of its {len(children)} nodes "
            "are under the root."
        )
    return rows


def _restored(graph: "networkx.DiGraph[Any]", children: dict[Hashable, list[Any]], root: Any) -> Columns:
    """Return the document of a graph that `to_networkx` made."""
    rows = _preorder(children, root)
    data = [graph.nodes[node] for node, _ in rows]
    row_of = {node: row for row, (node, _) in enumerate(rows)}
    values = {name: value for name, value in graph.graph.items() if name != "scored"}
    try:
        values.update({name: _whole(values.get(name)) for name in _WHOLE})
        values["parent"] = [above for _, above in rows]
        for name in ("kind", "domain"):
            values[name] = [node[name] for node in data]
        for name in ("position", "span"):
            values[name] = [_whole(node[name]) for node in data]
        values["role"] = [node.get("role") for node in data]
        for name in _SPARSE:
            values[name] = {str(row): _whole(node[name]) for row, node in enumerate(data) if name in node}
        values["score"] = [node.get("score") for node in data] if graph.graph["scored"] else None
        if (sources := values["sources"]) is not None:
            offsets = [_whole(node["offsets"]) for node in data] if sources["node_offsets"] else None
            values["sources"] = {**sources, "node_element": [node["element"] for node in data], "node_offsets": offsets}
        values["edges"] = {
            str(row_of[old]): _links(graph, children[old]) for old in map(int, values["edges"]) if old in row_of
        }
        values["marks"] = [[row_of[mark[0]], *mark[1:]] for mark in values["marks"] if mark[0] in row_of]
        values["warnings"] = [[*warning[:2], row_of.get(warning[2], -1)] for warning in values["warnings"]]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise DocumentError(f"a graph made by to_networkx must keep its values, but {error!r} is missing.") from error
    return from_dict(values)


def _links(graph: "networkx.DiGraph[Any]", siblings: list[Any]) -> list[list[int]]:
    """Return the "links_to" edges among siblings as two rows of ordinals, in the order that they were made in."""
    ordinal = {node: number for number, node in enumerate(siblings)}
    links: list[tuple[int, int, int]] = []
    for source in siblings:
        for _, target, data in graph.out_edges(source, data=True):
            if data.get("kind") == "links_to" and target in ordinal:
                links += [(number, ordinal[source], ordinal[target]) for number in _places(data, len(links))]
    links.sort()
    return [[source for _, source, _ in links], [target for _, _, target in links]]


def _places(edge: Mapping[str, Any], otherwise: int) -> list[int]:
    """Return where among all links those of one edge stand; `otherwise` for an edge that does not say."""
    places = edge.get("places", [otherwise])
    return [int(place) for place in (places.split() if isinstance(places, str) else places)]


def _built(graph: "networkx.DiGraph[Any]", children: dict[Hashable, list[Any]], root: Any) -> Columns:
    """Return the document of somebody else's tree."""
    builder = ColumnsBuilder()
    rows = _preorder(children, root)
    depth_of: list[int] = []
    for node, above in rows:
        depth_of.append(0 if above < 0 else depth_of[above] + 1)
        while builder.depth > depth_of[-1]:
            builder.close()
        _add_node(builder, graph, node, children[node], root)
    while builder.depth:
        builder.close()
    return builder.build()


def _add_node(builder: ColumnsBuilder, graph: "networkx.DiGraph[Any]", node: Any, below: list[Any], root: Any) -> None:
    data = dict(graph.nodes[node])
    text = data.pop("text", None) or ""
    if not isinstance(text, str):
        raise DocumentError(f"the text of node {node!r} must be a string, but is a {type(text).__name__}.")
    kind = data.pop("kind", None) or ("document" if node == root else "group" if below else "paragraph")
    columns: dict[str, Any] = {"role": data.pop("role", None), "key": data.pop("key", None)}
    columns["domain"] = _domain(node, data.pop("domain", None))
    if (position := data.pop("position", None)) is not None:
        columns["position"] = _position(node, position)
    columns["attributes"] = data
    if not below:
        columns["span"] = builder.append(text)
    row = builder.open(str(kind), **columns)
    if below and text:
        if columns["domain"] not in (Domain.SEQUENCE, Domain.SET):
            raise DocumentError(
                f"a node with a {columns['domain'].value} of children must have no text of its own, "
                f"but node {node!r} has."
            )
        builder.block("paragraph", text)
    if columns["domain"] is Domain.GRAPH:
        source, target = _links(graph, below)
        builder.set_edges(row, list(zip(source, target, strict=True)))


def _domain(node: Any, value: Any) -> Domain:
    try:
        return Domain.SEQUENCE if value is None else Domain(value)
    except ValueError:
        names = ", ".join(domain.value for domain in Domain)
        raise DocumentError(f"the domain of node {node!r} must be one of {names}, but is {value!r}.") from None


def _position(node: Any, value: Any) -> tuple[int, int]:
    try:
        first, second = (value, 0) if isinstance(value, int) else value
        return int(first), int(second)
    except (TypeError, ValueError):
        raise DocumentError(
            f"the position of node {node!r} must be a number or a pair of numbers, but is {value!r}."
        ) from None
