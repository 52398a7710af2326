"""Chunks and documents in other frameworks, by their real packages."""

import pytest

from docgraph import parse_html
from docgraph.formats.docling import from_docling, to_docling
from docgraph.formats.frameworks import to_haystack, to_langchain, to_llamaindex

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PAGE = f"""<title>Bread</title><h1>Bread</h1><p>Time does the kneading. It takes a night.</p>
<h2>Oven</h2><p>Heat the pot.</p><ul><li>lid on</li><li>lid off<ul><li>longer</li></ul></li></ul>
<figure><img src={PIXEL} alt="A pot"><figcaption>The pot.</figcaption></figure>
<table><tr><th>flour</th><th>water</th></tr>\
<tr><td>430 g</td><td>345 g</td></tr><tr><td colspan=2>salt</td></tr></table>
<pre><code>bake()</code></pre>"""


def test_langchain_documents_are_the_chunks():
    pytest.importorskip("langchain_core")
    chunks = parse_html(PAGE).chunks(max_tokens=12)
    documents = to_langchain(chunks)
    assert [one.page_content for one in documents] == [one.contextualized for one in chunks]
    assert [one.id for one in documents] == [one.id for one in chunks]
    assert documents[-1].metadata["headings"] == ["Bread", "Oven"]
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore.from_documents(documents, DeterministicFakeEmbedding(size=8))
    assert store.similarity_search(documents[0].page_content, k=1)[0].id == chunks[0].id


def test_haystack_documents_are_the_chunks():
    pytest.importorskip("haystack")
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    chunks = parse_html(PAGE).chunks(max_tokens=12)
    store = InMemoryDocumentStore()
    store.write_documents(to_haystack(chunks))
    found = InMemoryBM25Retriever(store).run("kneading", top_k=1)["documents"][0]
    assert found.id == chunks[0].id
    assert found.meta["dom_path"] == chunks[0].dom_path


def test_llamaindex_nodes_know_the_section_above_and_what_they_hold():
    pytest.importorskip("llama_index.core")
    chunks = parse_html(PAGE).chunks(max_tokens=12, parents=True)
    nodes = {node.node_id: node for node in to_llamaindex(chunks)}
    for chunk in chunks:
        node = nodes[chunk.id]
        assert (node.parent_node.node_id if node.parent_node else None) == chunk.parent_id
        assert [child.node_id for child in node.child_nodes or []] == list(chunk.children_ids)
        assert node.source_node.node_id == chunk.document_id
        assert node.get_content(metadata_mode="embed") == chunk.contextualized
    assert any(node.parent_node for node in nodes.values())


def test_a_document_goes_to_docling_and_back():
    pytest.importorskip("docling_core")
    page = parse_html(PAGE)
    there = to_docling(page)
    markdown = there.export_to_markdown()
    for words in ("# Bread", "## Oven", "Heat the pot.", "longer", "The pot.", "| flour", "345 g", "bake()"):
        assert words in markdown
    assert [cell.col_span for cell in there.tables[0].data.table_cells] == [1, 1, 1, 1, 2]
    assert there.pictures[0].caption_text(there) == "The pot."
    back = from_docling(there)
    for kind in ("heading", "table", "cell", "code", "image"):
        assert [node.text for node in back.find(kind=kind)] == [node.text for node in page.find(kind=kind)], kind
    assert [node.text for node in back.find(kind="item")] == [node.text for node in page.find(kind="item")]
    section = back.find(kind="code")[0].parent
    assert section.find("heading")[0].text == "Oven"  # sections, which docling does not have, are there again
    assert back.metadata.title == "Bread"


def test_boilerplate_is_furniture_in_docling():
    pytest.importorskip("docling_core")
    from docling_core.types.doc import ContentLayer

    page = parse_html(f"<nav><a href=/>Home</a></nav><main>{PAGE}</main>")
    layers = {item.text: item.content_layer for item in to_docling(page).texts}
    assert layers["Home"] is ContentLayer.FURNITURE
    assert layers["Heat the pot."] is ContentLayer.BODY
