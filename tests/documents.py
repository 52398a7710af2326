"""Documents for tests: small ones drawn at random over everything a document can hold, and huge ones of two shapes."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from docgraph import Box, Document, DocumentBuilder, Domain, ImageAccess, Limits, Metadata, Sources
from docgraph.metadata import Candidate
from docgraph.sentences import sentence_spans

drawn = settings(max_examples=60)
"""For tests over drawn documents: enough to find what there is to find."""

TEXT = st.text(
    st.sampled_from("abé我😀 .!?\n*_`[]()<>|#-+1\\&;\u2028\0\x1f\"'"), max_size=24
).map(str.strip)  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["href", "src", "alt", "level", "ordered", "start", "header", "x"]),
    VALUES | st.lists(VALUES, max_size=2),
    max_size=3,
)
KINDS = [
    "section",
    "group",
    "paragraph",
    "list",
    "item",
    "quote",
    "code",
    "table",
    "cell",
    "heading",
    "figure",
    "price",
]


@st.composite
def documents(draw, most_nodes: int = 25) -> Document:
    """Any document: every domain, marks, boxes, keys, edges, sources, scores, resources, odd text."""
    builder = DocumentBuilder()
    domains = {0: draw(st.sampled_from(Domain))}
    builder.open(draw(st.sampled_from(["page", "site", "article"])), domain=domains[0])
    opened = [0]
    for _ in range(draw(st.integers(0, most_nodes))):
        act = draw(st.sampled_from(["open", "close", "block", "block", "image"]))
        if act == "close":
            if len(opened) > 1:
                builder.close()
                opened.pop()
            continue
        columns = {
            "key": draw(st.sampled_from(["a", "b", "é"])) if domains[opened[-1]] is Domain.KEYED else None,
            "position": draw(st.tuples(*[st.integers(0, 9)] * 2)) if domains[opened[-1]] is Domain.GRID else None,
            "role": draw(st.none() | st.sampled_from(["main", "nav"])),
            "attributes": draw(ATTRIBUTES),
            "score": draw(st.just(float("nan")) | st.floats(0, 1, width=32)),
            "box": draw(st.none() | st.just(Box(0.5, 1, 2, 3))),
            "element": draw(st.integers(-1, 2)),
        }  # fmt: skip
        if act == "open":
            domain = draw(st.sampled_from(Domain))
            row = builder.open(draw(st.sampled_from(KINDS)), domain=domain, **columns)
            domains[row] = domain
            opened.append(row)
        elif act == "image":
            builder.leaf("image", **columns)
        else:
            text = draw(TEXT)
            spans = sentence_spans(text) if draw(st.booleans()) else []
            ends = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
            type_ = draw(st.sampled_from(["link", "strong", "emphasis", "code", "deleted", "other"]))
            href = draw(TEXT) if type_ == "link" else None
            builder.block(draw(st.sampled_from(KINDS)), text, sentences=spans, marks=[(*ends, type_, href)], **columns)
    while opened:
        builder.close()
        opened.pop()
    if draw(st.booleans()):
        builder.cut("limit.nodes", "the rest was left out.", 0)
    document = builder.build(
        metadata=draw(metadata()),
        image_access=ImageAccess(resources={"p": b"\0\xff"}, root=draw(st.none() | TEXT), limits=Limits(nodes=7)),
        elements=([-1, 0, 1], ["html", "body", "p[2]"]),
        offsets=None,
    )
    return document.replace(**draw(_late_columns(document)))


@st.composite
def metadata(draw) -> Metadata:
    return Metadata(
        title=draw(st.none() | TEXT),
        authors=tuple(draw(st.lists(TEXT, max_size=2))),
        candidates=(Candidate("title", draw(TEXT), "meta"),),
        extra=draw(st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=2), max_size=2)),
    )


@st.composite
def _late_columns(draw, document: Document) -> dict:
    """Columns that a builder does not draw above: edges of graphs, and sources with offsets or none at all."""
    edges = {}
    for row, domain in enumerate(document.domain):
        children = int(document.child_count[row])
        if domain is Domain.GRAPH and children and draw(st.booleans()):
            pair = st.tuples(st.integers(0, children - 1), st.integers(0, children - 1))
            edges[row] = np.array(draw(st.lists(pair, max_size=5)), np.int32).reshape(-1, 2).T.copy()
    sources = document.sources
    if sources is not None and draw(st.booleans()):
        offsets = np.arange(2 * len(document), dtype=np.int64).reshape(-1, 2) - 3
        sources = draw(
            st.sampled_from(
                [None, Sources(sources.element_parent, sources.element_step, sources.node_element, offsets)]
            )
        )
    return {"edges": edges, "sources": sources}


def wide_document(nodes: int) -> Document:
    """A root with paragraphs of one sentence each."""
    builder = DocumentBuilder()
    builder.open("page")
    for number in range((nodes - 1) // 2):
        builder.block("paragraph", f"Number {number}.", sentences=[(0, len(f"Number {number}."))])
    builder.close()
    return builder.build()


def deep_document(depth: int) -> Document:
    """A chain of quotes with one paragraph at its end."""
    builder = DocumentBuilder()
    for level in range(depth):
        builder.open("quote" if level else "page", attributes={"language": "en"} if level == 3 else None)
    builder.block("paragraph", "Deep down.", sentences=[(0, 10)])
    for _ in range(depth):
        builder.close()
    return builder.build()
