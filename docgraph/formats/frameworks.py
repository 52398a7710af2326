"""Chunks as the documents of other frameworks: LangChain, LlamaIndex, Haystack. Each needs the extra of its name.

    to_langchain(page.chunks())  to_haystack(page.chunks())  to_llamaindex(page.chunks(parents=True))

The text is the contextualized one, which is what to embed; the chunk's own text, headings, span, DOM path and images
are metadata. With `parents=True` LlamaIndex nodes know the section above them and what they hold,
for its auto-merging retriever.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from docgraph.chunks import Chunk
from docgraph.errors import check_each, needs_extra

if TYPE_CHECKING:
    from haystack import Document as HaystackDocument
    from langchain_core.documents import Document as LangChainDocument
    from llama_index.core.schema import TextNode


def to_langchain(chunks: Sequence[Chunk]) -> "list[LangChainDocument]":
    """Return LangChain documents, with the chunks' ids.

    Raises:
        MissingExtraError: langchain-core is not installed.
        DataError: something is no chunk.
    """
    with needs_extra("to_langchain"):
        from langchain_core.documents import Document

    return [Document(page_content=one.contextualized, id=one.id, metadata=_metadata(one)) for one in _checked(chunks)]


def to_haystack(chunks: Sequence[Chunk]) -> "list[HaystackDocument]":
    """Return Haystack documents, with the chunks' ids.

    Raises:
        MissingExtraError: haystack-ai is not installed.
        DataError: something is no chunk.
    """
    with needs_extra("to_haystack"):
        from haystack import Document

    return [Document(id=one.id, content=one.contextualized, meta=_metadata(one)) for one in _checked(chunks)]


def to_llamaindex(chunks: Sequence[Chunk]) -> "list[TextNode]":
    """Return LlamaIndex nodes: each with its document as source, and, where they are among `chunks`,
    its parent and children.

    Raises:
        MissingExtraError: llama-index-core is not installed.
        DataError: something is no chunk.
    """
    with needs_extra("to_llamaindex"):
        from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    chunks = _checked(chunks)
    there = {one.id for one in chunks}
    nodes = []
    for one in chunks:
        related: dict[Any, Any] = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=one.document_id)}
        if one.parent_id in there:
            related[NodeRelationship.PARENT] = RelatedNodeInfo(node_id=str(one.parent_id))
        if children := [RelatedNodeInfo(node_id=id) for id in one.children_ids if id in there]:
            related[NodeRelationship.CHILD] = children
        metadata = _metadata(one)
        nodes.append(
            TextNode(
                id_=one.id,
                text=one.contextualized,
                metadata=metadata,
                relationships=related,
                # the text has the headings already: metadata is for filters and for finding the place
                excluded_embed_metadata_keys=list(metadata),
                excluded_llm_metadata_keys=list(metadata),
            )
        )
    return nodes


def _checked(chunks: Sequence[Chunk]) -> list[Chunk]:
    return check_each("chunks", chunks, Chunk, "make them with document.chunks()")


def _metadata(chunk: Chunk) -> dict[str, Any]:
    values = chunk.to_dict()
    return {
        **{name: values[name] for name in ("document_id", "parent_id", "level", "kind", "text", "dom_path", "images")},
        "headings": list(chunk.headings),
        "start": chunk.span[0],
        "end": chunk.span[1],
    }
