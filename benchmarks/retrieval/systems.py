"""The ways to find a place: each scores queries (q) against places (n), which are nodes of documents.

BM25                     words of the place's text (k1 = 1.2, b = 0.75)
sentence-transformers    two lines: encode the places' texts, cut at the encoder's length; encode the queries
windows                  mean of passages as long as the encoder reads
late                     the best of the place's passages, read with those before them
docgraph                 `Embedder.encode`: the node's vector
docgraph, best           the same + 2 x its best passage: what a search adds to a node's vector
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docgraph import Document, Node
from docgraph.headings import heading_paths
from docgraph.passages import split
from encoders import Embedder
from encoders.embedder.late import read_late
from encoders.embedder.texts import unit

Scores = NDArray[np.float32]
WORDS = re.compile(r"\w+")
BEST = 2.0
"""Weight of the best passage beside the node's vector."""


@dataclass(frozen=True)
class Places:
    """What is searched: nodes, by document and row."""

    documents: Sequence[Document]
    document: Sequence[int]
    """(n,)"""
    row: Sequence[int]
    """(n,)"""

    def texts(self) -> list[str]:
        """Return each place's words: its text with the alternative texts in it, under its title and headings."""
        found = []
        for place, row in zip(self.document, self.row, strict=True):
            document = self.documents[place]
            node = document[row]
            alts = [str(image.attributes.get("alt") or "") for image in node.find("image")]
            over = [document.metadata.title or "", *(h.text for h in headings(document, row))]
            found.append("\n".join(filter(None, [*over, node.text, *alts])))
        return found

    def passages(self, embedder: Embedder, fill: int | None) -> tuple[list[list[str]], list[list[int]]]:
        """Return each document's passages, and for each place the numbers of those in it, over all documents."""
        encoder = embedder.reader.encoder
        pages, firsts, starts, total = [], [], [], 0
        for document in self.documents:
            made = split(document, encoder.max_tokens, encoder.count, fill=fill, context=False)
            pages.append([passage.words for passage in made])
            firsts.append([passage.rows[0] for passage in made])
            starts.append(total)
            total += len(made)
        numbers = []
        for place, row in zip(self.document, self.row, strict=True):
            end = int(self.documents[place].subtree_end[row])
            inside = [n for n, first in enumerate(firsts[place]) if row <= first < end]
            if not inside:  # a part of a passage: an image in a figure
                inside = [max((n for n, first in enumerate(firsts[place]) if first <= row), default=0)]
            numbers.append([starts[place] + n for n in inside])
        return pages, numbers


def headings(document: Document, row: int) -> list[Node]:
    """Return the headings over a node, not those in it."""
    return [document[one] for one in heading_paths(document)[row] if not row < one < document.subtree_end[row]]


def bm25(places: Places, queries: Sequence[str]) -> Scores:
    """Return (q, n)."""
    bags = [Counter(WORDS.findall(text.lower())) for text in places.texts()]
    length = np.array([sum(bag.values()) for bag in bags], np.float32)
    norm = 1.2 * (0.25 + 0.75 * length / length.mean())
    holders: dict[str, list[int]] = {}
    for place, bag in enumerate(bags):
        for word in bag:
            holders.setdefault(word, []).append(place)
    scores = np.zeros((len(queries), len(bags)), np.float32)
    for number, query in enumerate(queries):
        for word in set(WORDS.findall(query.lower())):
            at = holders.get(word, [])
            count = np.array([bags[place][word] for place in at], np.float32)
            rare = math.log(1 + (len(bags) - len(at) + 0.5) / (len(at) + 0.5))
            if at:
                scores[number, at] += rare * count * 2.2 / (count + norm[at])
    return scores


def sentence_transformers(places: Places, queries: Sequence[str], embedder: Embedder) -> Scores:
    """Return (q, n)."""
    encoder = embedder.reader.encoder
    limit = encoder.max_tokens
    texts = places.texts()
    tokenizer = encoder.model.tokenizer
    cut = [tokenizer(text, truncation=True, max_length=limit, return_offsets_mapping=True) for text in texts]
    heads = [text[: max(end for _, end in one["offset_mapping"])] for text, one in zip(texts, cut, strict=True)]
    return embedder.encode_query(queries) @ encoder.encode(heads).T


def windows(places: Places, queries: Sequence[str], embedder: Embedder) -> Scores:
    """Return (q, n)."""
    pages, numbers = places.passages(embedder, fill=None)
    vectors = embedder.reader.encoder.encode([text for page in pages for text in page])
    return embedder.encode_query(queries) @ unit(np.stack([vectors[one].mean(0) for one in numbers])).T


def best_passage(scores: Scores, numbers: Sequence[Sequence[int]]) -> Scores:
    """Return (q, n) the best of the passages of each place; scores are (q, passages)."""
    return np.stack([scores[:, one].max(1) for one in numbers], 1)


def late(places: Places, queries: Sequence[str], embedder: Embedder) -> Scores:
    """Return (q, n)."""
    pages, numbers = places.passages(embedder, fill=32)
    vectors = np.concatenate(read_late(embedder.reader.encoder, pages))
    return best_passage(embedder.encode_query(queries) @ vectors.T, numbers)


def docgraph(places: Places, queries: Sequence[str], embedder: Embedder) -> tuple[Scores, Scores]:
    """Return (q, n) by the nodes' vectors, and by these with their best passages."""
    kinds = {places.documents[place].kind[row] for place, row in zip(places.document, places.row, strict=True)}
    found = embedder.encode(places.documents, sorted(kinds), boilerplate=True)
    where = {
        (int(place), int(row)): n for n, (place, row) in enumerate(zip(found.document_id, found.node_row, strict=True))
    }
    rows = [where[place, row] for place, row in zip(places.document, places.row, strict=True)]
    asked = embedder.encode_query(queries)
    nodes = asked @ found.vectors[rows].T
    pages, numbers = places.passages(embedder, fill=embedder.reader.settings.fill)
    vectors = embedder.reader.encoder.encode([text for page in pages for text in page])
    return nodes, nodes + BEST * best_passage(asked @ vectors.T, numbers)
