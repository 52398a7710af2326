"""The ways to find a place: each scores queries (q) against places (n), which are nodes of documents.

BM25                     words of the place's text (k1 = 1.2, b = 0.75)
sentence-transformers    two lines: encode the places' texts, cut at the encoder's length; encode the queries
windows                  mean of passages as long as the encoder reads
late                     the best of the place's passages, read with those before them
BM25 + best passage      the same words and the best of the place's passages, standard scores added up
docgraph                 `Embedder.encode`: the node's vector
docgraph, best passage   the same + 2 x its best passage
docgraph search          `Index.search`, all settings as they come; a hit that is none of the places is a wrong one
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from docgraph import Document, Node
from docgraph.embedding.embeddings import Vectors, unit
from docgraph.headings import heading_paths
from docgraph.ids import node_ids
from docgraph.index import Index
from docgraph.passages import split
from encoders import Embedder
from encoders.embedder.late import read_late
from encoders.embedder.texts import TextEncoder

Scores = NDArray[np.float32]
WORDS = re.compile(r"\w+")
BASE = "sentence-transformers"
BEST = 2.0
"""Weight of the best passage beside the node's vector."""
HITS = 10


@dataclass(frozen=True)
class Places:
    """What is searched: nodes, by document and row."""

    documents: Sequence[Document]
    document: Sequence[int]
    """(n,)"""
    row: Sequence[int]
    """(n,)"""
    level: str
    """What they are to a search: "document", "section" or "image"."""

    def ids(self) -> list[str]:
        """Return the ids (n,) that an index of the documents, named by their number, gives the places."""
        known: dict[int, list[str]] = {}
        for place in self.document:
            known.setdefault(place, node_ids(self.documents[place], str(place)))
        return [known[place][row] for place, row in zip(self.document, self.row, strict=True)]

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


def heads(places: Places, embedder: Embedder) -> list[str]:
    """Return as much of each place's text as the encoder reads at once."""
    encoder = embedder.reader.encoder
    texts = places.texts()
    cut = [
        encoder.model.tokenizer(text, truncation=True, max_length=encoder.max_tokens, return_offsets_mapping=True)
        for text in texts
    ]
    return [text[: max(end for _, end in one["offset_mapping"])] for text, one in zip(texts, cut, strict=True)]


def sentence_transformers(places: Places, queries: Sequence[str], embedder: Embedder) -> Scores:
    """Return (q, n)."""
    return embedder.encode_query(queries) @ embedder.reader.encoder.encode(heads(places, embedder)).T


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
    vectors = np.concatenate(_read_late(embedder.reader.encoder, pages))
    return best_passage(embedder.encode_query(queries) @ vectors.T, numbers)


def _read_late(encoder: TextEncoder, pages: Sequence[Sequence[str]]) -> list[Vectors]:
    """Return `read_late` of pages, each read once if the encoder has a cache."""
    if encoder.cache is None:
        return read_late(encoder, pages)
    scope = f"late {encoder.fingerprint}"
    names = [hashlib.blake2b(json.dumps(page).encode(), digest_size=16).digest() for page in pages]
    known = encoder.cache.get(scope, names)
    missing = [n for n, one in enumerate(known) if one is None]
    made = dict(zip(missing, read_late(encoder, [pages[n] for n in missing]), strict=True))
    encoder.cache.put(scope, {names[n]: vectors for n, vectors in made.items()})
    return [made[n] if one is None else one for n, one in enumerate(known)]


@contextmanager
def indexed(places: Places, embedder: Embedder) -> Iterator[Index]:
    """Give an index of the places' documents, each named by its number."""
    with TemporaryDirectory() as folder, Index.open(Path(folder) / "x.index", embedder, create=True) as index:
        index.add((str(number), document) for number, document in enumerate(places.documents))
        yield index


def search(places: Places, queries: Sequence[str], embedder: Embedder) -> Scores:
    """Return (q, n + 10): the hits' scores, in the last columns of hits that are none of the places."""
    place = {one: number for number, one in enumerate(places.ids())}
    scores = np.full((len(queries), len(place) + HITS), -np.inf, np.float32)
    with indexed(places, embedder) as index:
        for number, query in enumerate(queries):
            for rank, hit in enumerate(index.search(query, places.level, HITS, every=True)):
                scores[number, place.get(hit.id, len(place) + rank)] = hit.score
    return scores


def docgraph(places: Places, queries: Sequence[str], embedder: Embedder) -> tuple[Scores, Scores]:
    """Return (q, n) by the nodes' vectors, and by the best passage of each."""
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
    return nodes, best_passage(asked @ vectors.T, numbers)


def standard(scores: Scores) -> Scores:
    """Return (q, n) scores less the mean of their query's, in its deviations."""
    return np.asarray((scores - scores.mean(1, keepdims=True)) / (scores.std(1, keepdims=True) + 1e-9), np.float32)
