"""Names for documents and nodes that stay the same: a hash of the document's name, the node's path and settings.

    node 0/3/1 of news/a.html  ->  "5f0c…", on every machine, today and after the page was parsed again

A path is the ordinals of the node and of the nodes above it. What depends on settings (a passage, whose bounds follow
from a number of tokens) hashes them, too; a section or a paragraph does not, so that rows of one job point at rows of
another.
"""

import hashlib

from docgraph.columns import Columns


def document_key(document: Columns) -> str:
    """Return a name for a document that was given none: its URL, else a hash of its text and shape."""
    if document.metadata.url:
        return document.metadata.url
    digest = hashlib.blake2b(document.text.encode("utf-8", "surrogatepass"), digest_size=12)
    digest.update(document.parent.tobytes())
    return digest.hexdigest()


def hashed(*parts: object) -> str:
    """Return 24 hexadecimal digits that stand for some parts, in order."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def node_ids(document: Columns, document_id: str) -> list[str]:
    """Return the id of every node: of the root by the document's name, of the others by their parent and ordinal."""
    ids = [hashed(document_id)]
    ordinals = [0] * len(document)
    for above in document.parent.tolist()[1:]:
        ids.append(hashed(ids[above], ordinals[above]))
        ordinals[above] += 1
    return ids
